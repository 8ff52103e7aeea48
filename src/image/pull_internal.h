/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One fetch, for as many pulls as want it.
 *
 *   WAITING -> RESOLVING -> (CHOOSING) -> READING_CONFIG -> (SHARING) -> COPYING -> UNPACKING -> RECORDING -> over
 *                  |                                                                               ^
 *                  +---- the image is here already ------------------------------------------------+
 *
 * RESOLVING asks what the name stands for, CHOOSING picks this machine's image from an index, SHARING waits for layers that another
 * job is fetching, COPYING fetches the layers that are not here. An OCI layout on this machine needs no CHOOSING and no COPYING.
 * After a failure that may pass the whole is tried again.
 */
#pragma once

#include "image/skopeo.h"
#include "image/store_internal.h"

enum job_phase {
        JOB_WAITING = 0,
        JOB_RESOLVING,
        JOB_CHOOSING,
        JOB_READING_CONFIG,
        JOB_SHARING,
        JOB_COPYING,
        JOB_UNPACKING,
        JOB_RECORDING,
        JOB_PAUSING, /* before it is tried again */
        JOB_CLEANING,
        JOB_PHASE_MAX
};

struct image_job;

/* A layer that the job needs. */
struct job_layer {
        struct image_job *job;
        struct list link;          /* of layer->waiters, while another job has claimed it; or of the queue of layers to unpack */
        bool claimed;              /* by this job */
        struct image_layer *layer; /* holds a use */
        const struct oci_descriptor *blob;
};

struct image_job {
        struct list link; /* of the store's jobs or waiting */
        struct image_store *store;
        struct list pulls;  /* image_pull */
        struct arena arena; /* of the whole job */
        const char *key;    /* pulls with the same key share the job */
        struct image_reference reference;
        const char *username, *password;
        const char *digest; /* that the manifest must have; NULL */

        enum job_phase phase;
        uint32_t attempts;
        int64_t started_ms;    /* wall clock; 0: still waiting */
        uint64_t step_started; /* loop time, ms */
        uint64_t last_progress;
        uint64_t seen_bytes;
        volatile bool cancelled; /* the pool looks at it */
        bool timed_out;
        struct error error;

        struct skopeo_run run;
        uv_timer_t timer;
        bool timer_open;

        /* Of one attempt. */
        struct arena attempt;
        char *staging;                  /* relative to the store: "staging/7"; NULL: not made */
        const char *blobs;              /* absolute directory of blobs named by hex */
        char resolved[DIGEST_TEXT_MAX]; /* what the name stands for: reported as imageDigest */
        const char *chosen;             /* digest of this machine's manifest */
        struct oci_manifest *manifest;
        struct oci_image_config *config;
        struct job_layer *layers;
        uint32_t n_layers;
        uint32_t n_unpacking; /* of this job's layers, in the pool or in line */
        int unpack_result;    /* the first failure */
        struct image_record *record;
};

/* pull.c */
/* Ends the job: error in job->error when r < 0, else job->record is the image. */
void image_job_finish(struct image_job *job, int r);
/* After a step failed: tries again when `retry` and there are attempts left; else finishes. */
void image_job_fail(struct image_job *job, int r, bool retry);

/* pull_steps.c */
void image_job_resolve(struct image_job *job);
/* Looks which layers are missing: waits for them, claims and fetches them, or records the image when it has all. */
void image_job_layers(struct image_job *job);
/* Called every second while the job runs. */
void image_job_watch(struct image_job *job);
/* Makes job->staging. */
int image_job_make_staging(struct image_job *job) MUST_CHECK;

/* pull_unpack.c */
/* Gives up the claim of a layer; those who waited for it look again. */
void image_job_unclaim(struct job_layer *wanted);
/* Unpacks all claimed layers; goes on with image_job_layers, or fails. */
void image_job_unpack(struct image_job *job);

/* pull_record.c */
void image_job_record(struct image_job *job);
