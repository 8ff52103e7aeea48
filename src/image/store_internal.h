/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the store share. On the disk:
 *
 *   lock                              held by the process that has the store
 *   conf/{auth.json,registries.conf,policy.json}   for skopeo, written at start
 *   images/HEX.json                   one record per image, named after its manifest's digest
 *   layers/sha256-HEX/{fs,layer.json} one directory per layer, named after its diff id; there when it is whole
 *   l/PREFIX -> ../layers/…/fs        short names: overlayfs takes its lower directories in one page of text
 *   staging/N/                        work in progress; emptied at start
 */
#pragma once

#include "api/oci.idl.h"
#include "base/map.h"
#include "image/image.h"
#include "image/login.h"
#include "image/manifest.h"
#include "image/reference.h"

enum layer_state { LAYER_ABSENT = 0, LAYER_CLAIMED, LAYER_PRESENT }; /* claimed: a job fetches and unpacks it */

struct image_layer {
        struct map_node node; /* by diff_id */
        char *diff_id;
        char *dir; /* absolute, the short one; NULL until present */
        enum layer_state state;
        uint32_t users; /* image records and pull jobs that need it */
        uint64_t size;
        struct list waiters; /* job_layer: of jobs that wait while another has claimed it */
        bool sealed;         /* certain to be on the disk */
        char **blobs;        /* digests of compressed forms that are known to give this layer, and their sizes */
        int64_t *blob_sizes;
        uint32_t n_blobs;
};

struct image_name {
        struct map_node node; /* by canonical name */
        struct list link;     /* of the record */
        char *name;
        int64_t pulled_ms; /* 0: given by image_store_tag only */
        struct image_record *record;
};

struct image_record {
        struct image image; /* what users hold */
        struct image_store *store;
        struct map_node node; /* by digest */
        struct list names;
        uint32_t refs;
        bool doomed; /* no name, or being collected: goes with the last reference */
        int64_t last_used_ms;
        int64_t saved_ms; /* when its file was last written; 0: not by this process */
        struct image_layer **layers;
        struct arena arena; /* everything else */
};

/* Work in the thread pool that must be over before the store is freed. */
struct image_work {
        uv_work_t req;
        struct image_store *store;
        void (*work)(struct image_work *work);              /* in the pool */
        void (*after)(struct image_work *work, int status); /* in the loop; frees it */
};

struct image_store {
        uv_loop_t *loop;
        char *dir;
        int dir_fd;
        int lock_fd;
        char boot_id[40];
        char *skopeo;
        bool has_auth;
        bool has_policy;     /* the machine has /etc/containers/policy.json */
        bool has_registries; /* the options say something that the machine's registries.conf does not */
        struct string_list insecure;
        struct arena arena; /* of the options */
        struct login_list *logins;

        uint32_t max_parallel_pulls;
        uint32_t inactivity_s, timeout_s;
        uint64_t max_unpacked_bytes;
        uint32_t high_percent, low_percent, minimum_age_s;
        bool gc_disabled;
        bool ignore_owner; /* not root: only in tests */

        struct map names, records, layers;
        uint64_t bytes;

        struct list jobs;    /* image_job: active ones */
        struct list waiting; /* image_job: those that wait in line */
        uint32_t n_active, n_waiting;
        struct list unpack_queue; /* of pull_unpack.c: layers that wait for a thread */
        uint32_t n_unpacking;
        uint64_t next_staging;

        uv_timer_t timer;
        bool timer_open, freeing, collecting, removing;
        uint64_t reclaim_bytes;
        struct list removals; /* of gc.c: directories to delete */
        struct list dirty;    /* of store_save.c: records whose files are behind */
        bool syncing, sealing, seal_again;
        uint32_t works; /* image_work under way */
};

int64_t image_now_ms(void);

/* store.c */
void image_work_start(struct image_store *store, struct image_work *work);
struct image_record *image_record_of(struct image *image);
/* The record under a canonical name, or under a digest or id; NULL. */
struct image_record *image_store_lookup(struct image_store *store, const char *name);
/* The layer of this diff id, made when missing. */
struct image_layer *image_layer_get(struct image_store *store, const char *diff_id);
/* Gives up one use; a layer that nobody uses is removed from the disk. */
void image_layer_release(struct image_store *store, struct image_layer *layer);
void image_layer_add_blob(struct image_layer *layer, const char *digest, int64_t size);
/* The layer that a compressed blob is known to give, when it is here; NULL. */
struct image_layer *image_layer_by_blob(struct image_store *store, const char *digest);
/* Marks a layer as here; takes `size`; sets its directory. The thread pool has made the link `short_name` in l/. */
void image_layer_set_present(struct image_store *store, struct image_layer *layer, uint64_t size, const char *short_name);
/* Adds a record for a complete image whose layers are present (takes a use of each). `config` is copied. */
struct image_record *image_record_new(struct image_store *store, const char *digest, const char *id, const struct string_list *diff_ids,
                                      const struct oci_image_config *config);
/* Takes the record out of the indexes, its layers' uses back, and frees it. Nobody may hold it. Its file goes in the background. */
void image_record_remove(struct image_record *record);
/* Points a name at the record; the name leaves whoever had it. */
void image_name_set(struct image_record *record, const char *name, int64_t pulled_ms);
void image_name_free(struct image_name *name);
/* After a change of names or references: a record that is doomed and free goes. */
void image_record_settle(struct image_record *record);
void image_store_free_now(struct image_store *store);

/* store_load.c; blocks. */
int image_store_load(struct image_store *store, struct error *error) MUST_CHECK;
/* store_save.c */
/* The file's text of a record. */
void image_record_write(const struct image_record *record, struct buf *out);
/* Brings the file of a record in line with memory, in the background; failures are logged (they cost a pull after the next start). */
void image_record_sync(struct image_store *store, const char *digest);
/* The same for one of which only the times are news: once a minute. A write and a sync at every start would slow down all of them. */
void image_record_used(struct image_record *record);
/* Fills in what layer.json holds. */
void image_layer_store(const struct image_layer *layer, const char *boot_id, struct arena *arena, struct oci_stored_layer *ret);
/* Writes layer.json into the directory `dir` (relative to the store's); with a boot id until the layer is sealed. Blocks. */
int image_layer_write(int dir_fd, const char *dir, const struct oci_stored_layer *stored) MUST_CHECK;
/* Makes certain in the background that all layers that are here survive a power cut. */
void image_store_seal(struct image_store *store);
/* Makes l/PREFIX for a layer: 0 and the name, or -errno. Blocks. */
int image_layer_link(int dir_fd, const char *diff_id, char ret[DIGEST_TEXT_MAX]) MUST_CHECK;

/* options.c; blocks. */
int image_store_configure(struct image_store *store, const struct image_store_options *options, struct error *error) MUST_CHECK;

/* pull.c */
void image_jobs_cancel_all(struct image_store *store);
/* gc.c */
void image_gc_start(struct image_store *store, uint32_t interval_s);
void image_gc_remove_layer(struct image_store *store, struct image_layer *layer);
