/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The images of one node. An image is a list of layers, each unpacked once into a directory of its own and shared through
 * overlayfs by every container, plus a configuration. The store fetches images (skopeo), unpacks them (libarchive, in the
 * thread pool), remembers them across restarts, and throws out those that are not in use when the disk gets full.
 *
 * Names that the store takes:
 *
 *   nginx, nginx:1.25, library/nginx@sha256:…    docker.io, as Docker completes names
 *   registry.example/team/app:tag                any registry; plain HTTP for localhost and 127.0.0.0/8 without set-up
 *   oci:/path/of/layout[:reference]              an OCI image layout on this machine
 *   docker-archive:/path.tar[:reference]         what `docker save` wrote
 *
 * One thread: the loop's. Nothing here blocks it: files are touched and layers unpacked in libuv's thread pool.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/error.h"
#include "base/list.h"
#include "codec/shape.h"

struct image_store;
struct oci_image_config;

/* What a pull may rest on. The words are those of ECS_IMAGE_PULL_BEHAVIOR. */
enum image_pull_behavior {
        IMAGE_PULL_DEFAULT = 0,   /* ask the registry; when that fails, take what is here */
        IMAGE_PULL_ALWAYS,        /* ask the registry; when that fails, fail */
        IMAGE_PULL_ONCE,          /* ask only if this store never pulled this name, or the image was removed since */
        IMAGE_PULL_PREFER_CACHED, /* what is here, else ask */
        IMAGE_PULL_BEHAVIOR_MAX
};
/* "default", "always", "once", "prefer-cached": 0, or -EINVAL for another word. */
int image_pull_behavior_parse(const char *word, enum image_pull_behavior *ret) MUST_CHECK;

/* Ask `mirrors` (host[:port][/prefix]) in order before the registry `registry` itself. */
struct image_mirror {
        const char *registry; /* "docker.io" */
        const char *mirror;   /* "mirror.example:5000/hub" */
};

struct image_store_options {
        uv_loop_t *loop;
        const char *dir;    /* made when missing; one process at a time may have it (lock file) */
        const char *skopeo; /* NULL: "skopeo" from PATH */

        /* Logins. ECS_ENGINE_AUTH_DATA as it is, with its type: "docker" ({"host": {"username", "password", "email"}}) or
         * "dockercfg" ({"host": {"auth", "email"}}). NULL: none. */
        const char *auth_type;
        const char *auth_data;
        const char *auth_file;                  /* an auth.json to use besides; NULL: none */
        struct string_list insecure_registries; /* host[:port] spoken to in plain HTTP, or HTTPS without checking */
        const struct image_mirror *mirrors;
        uint32_t n_mirrors;

        uint32_t max_parallel_pulls; /* 0: 3 fetches at once; more wait in line */
        uint32_t pull_inactivity_s;  /* 0: 60; a fetch that received nothing for so long is ended */
        uint32_t pull_timeout_s;     /* 0: 7200; of a whole pull */
        uint64_t max_unpacked_bytes; /* 0: no limit; of one layer, against decompression bombs */

        /* Clean-up. Starts when the file system of `dir` is fuller than `high`, and ends below `low` (percent). */
        uint32_t disk_high_percent; /* 0: 85 */
        uint32_t disk_low_percent;  /* 0: 75 */
        uint32_t minimum_age_s;     /* 0: 3600; images used or pulled later than this stay, unless a pull ran out of space */
        uint32_t gc_interval_s;     /* 0: 1800 */
        bool gc_disabled;
};

/* Opens the store: reads the index, throws away what an unfinished pull left behind. Everything in `options` is copied.
 * Blocks (milliseconds): for start-up. -EBUSY when another process has `dir`. */
int image_store_new(const struct image_store_options *options, struct image_store **ret, struct error *error) MUST_CHECK;
/* Ends all pulls (their callbacks get -ECANCELED) and frees. Handles close on later turns of the loop: run it until idle.
 * Every image reference must have been given back. NULL is fine. Returns NULL. */
struct image_store *image_store_free(struct image_store *store);

/*
 * An image that is here, whole and unpacked. Immutable. Whoever holds a reference keeps it, and its layers, on the disk.
 * A name that later points elsewhere does not change an image that somebody holds.
 */
struct image {
        const char *id;            /* digest of the configuration, "sha256:…": Docker's image id */
        const char *digest;        /* digest of the manifest, "sha256:…": what ECS reports as imageDigest */
        const char *const *layers; /* directories, lowest first: ready to be overlay's lower directories */
        uint32_t n_layers;
        uint64_t size;                         /* bytes of the layers, unpacked */
        const struct oci_image_config *config; /* api/oci.idl; never NULL */
};

struct image *image_ref(struct image *image);
/* NULL is fine. Returns NULL. */
struct image *image_unref(struct image *image);

struct image_pull_result {
        int status;                     /* 0 or -errno; -ECANCELED after image_store_free */
        struct image *image;            /* the callback owns this reference; NULL on failure */
        bool from_cache;                /* nothing was asked of a registry: report no pull times */
        int64_t started_ms, stopped_ms; /* wall clock, of the pull; 0 when from_cache */
        /* On failure: `code` is the name of the error for the container's reason ("CannotPullContainerError",
         * "CannotPullContainerAuthError", "CannotPullImageManifestError"), `message` the text after it, with the next step. */
        const struct error *error;
};

/*
 * A pull that somebody waits for: embedded in its owner, which fills in the first part and must stay where it is until
 * `done` has been called (once, on a later turn of the loop, never inside image_pull_start) or the pull was cancelled.
 * Several pulls of one image are one fetch.
 */
struct image_pull {
        const char *name; /* copied by start */
        enum image_pull_behavior behavior;
        const char *username; /* for this pull only; NULL: the store's logins; copied */
        const char *password;
        const char *digest; /* "sha256:…" that the manifest must have; NULL: whatever the name stands for now */
        void (*done)(struct image_pull *pull, const struct image_pull_result *result);

        struct list link_; /* private from here */
        struct image_job *job_;
};

/* A name that cannot be parsed is reported through `done` too. */
void image_pull_start(struct image_store *store, struct image_pull *pull);
/* `done` is not called any more. The fetch goes on if others wait for it. Does nothing when the pull is not under way. */
void image_pull_cancel(struct image_pull *pull);

/* The image under `name` or under an id or digest, with a reference for the caller, or NULL. Never asks a registry. */
struct image *image_store_find(struct image_store *store, const char *name);
/* Gives the image a further name. An import is a pull of "oci:…" or "docker-archive:…", and then this. */
void image_store_tag(struct image_store *store, struct image *image, const char *name);
/* Takes a name away; the image goes with its last name when nobody uses it. -ENOENT. */
int image_store_untag(struct image_store *store, const char *name);

/* For introspection and disk metrics. */
struct image_store_totals {
        uint32_t images, layers, pulls_active, pulls_waiting;
        uint64_t bytes; /* unpacked, shared layers counted once */
};
void image_store_totals(struct image_store *store, struct image_store_totals *ret);
/* Every name with its image (borrowed, valid during the call). `fn` must not change the store. */
void image_store_each(struct image_store *store, void (*fn)(const char *name, const struct image *image, void *data), void *data);
/* Removes unused images now as if the disk were full until `bytes` are free or nothing is left to remove: what to do when
 * something else on this disk met ENOSPC. Works in the background. */
void image_store_reclaim(struct image_store *store, uint64_t bytes);
