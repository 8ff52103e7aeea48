/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a container definition says to an OCI bundle: config.json and the files that are mounted into the container
 * (hosts, resolv.conf, hostname). Everything that Docker would decide by default is decided here. No process is started and nothing
 * mounted. Source: the OCI runtime specification 1.0; defaults as Docker Engine has them.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "runtime/runtime.h"

struct seccomp_cache; /* runtime/seccomp_profile.h */
struct oci_image_config;
struct oci_spec;

struct bundle_context {
        const char *dir;           /* the bundle: config.json and the generated files are written here */
        uint32_t user_base;        /* first user of its own user namespace; 0: none */
        const char *rootfs;        /* where the container's root is (or will be) mounted: an absolute path for root.path */
        const char *const *layers; /* the image's layers, lowest first: user names are looked up in them (topmost file wins) */
        uint32_t n_layers;
        const struct oci_image_config *image; /* NULL for a pause container */
        const char *cgroup_path;              /* linux.cgroupsPath: "/gantry/<task>/<container>" */
        const char *init;                     /* host path of the static init program, for spec->init and pause */
        int cgroup_version;                   /* 1 or 2 */
        struct seccomp_cache *seccomp;        /* compiled default profiles; NULL: crun compiles each time */
        bool swap_accounting;                 /* memory.memsw / memory.swap is there */
        const char *size_view;                /* where lxcfs is, when the container is to see its own size; NULL: the machine's */
        uint64_t nofile_max;                  /* most open files that a process of this node may be allowed; 0: leave it as it comes */
        /* Directory for image volume `index` (the owner makes it, and copies the image's files up): asked for each VOLUME of the
         * image that no mount covers, unless spec->no_image_volumes. */
        const char *(*volume_dir)(uint32_t index, const char *destination, void *data);
        void *data;
};

struct bundle_result {
        int stop_signal;               /* number */
        const char *config_path;       /* DIR/config.json, in the arena */
        const struct oci_spec *config; /* what was written there; in the arena */
        /* The mounts of the image's volumes that volume_dir was asked about. */
        struct runtime_mount *image_volumes;
        uint32_t n_image_volumes;
};

/* -EINVAL with a message for what can never work (unknown user, capability, signal, device); else 0 or -errno of writing. Thread: any;
 * blocks for small files. */
int bundle_write(const struct bundle_context *context, const struct runtime_container_spec *spec, struct arena *arena,
                 struct bundle_result *ret, struct error *error) MUST_CHECK;

/* "SIGQUIT", "QUIT", "3", "RTMIN+3": the number, or -EINVAL. */
int bundle_signal_parse(const char *text);
/* Names of the members of a JSON object such as {"/data": {}}, into the arena. -EINVAL for anything else. */
int bundle_object_names(const char *text, struct arena *arena, struct string_list *ret, struct error *error) MUST_CHECK;
