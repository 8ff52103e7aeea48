/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers of one node. Each is an OCI bundle run by crun under a conmon of its own, which keeps its exit code, its log
 * and its terminal while the agent restarts; the root file system is an overlay mount that lives in conmon's own mount
 * namespace, so that a killed container leaves nothing mounted behind.
 *
 * Life:   STARTING -> RUNNING -> STOPPED -> (removed)
 *              \_________________/
 *
 * One thread: the loop's. Files, forks and mounts happen in libuv's thread pool; every callback comes on a later turn of the
 * loop, never inside the call that started it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/error.h"
#include "base/list.h"
#include "codec/shape.h"

struct image;
struct image_store;
struct runtime;
struct runtime_container;

struct runtime_options {
        uv_loop_t *loop;
        const char *dir; /* on disk, survives a reboot: a directory per container (bundle, log, exit code) */
        const char *
                run_dir; /* on tmpfs, gone after a reboot: crun's state; NULL: /run/gantry/<hash of dir>, where a tmpfs is mounted if need be */
        const char *disk_dir;             /* where disks of tasks are; NULL: DIR-disks */
        const char *cgroup_parent;        /* NULL: "/gantry"; containers are in PARENT/<task>/<container> */
        const char *crun, *conmon, *init; /* NULL: from PATH; `init` is a static init and pause program (catatonit) */
        struct image_store *images;       /* where adopted containers get their image back, so that it is not cleaned away; may be NULL */
        uint32_t max_parallel_starts;     /* 0: 16 */
        bool sandboxes;                   /* containers with users of their own are to be expected: what they need is started ahead */
};

/* Checks that everything it needs is there and works (root, crun, conmon, cgroups, overlayfs): the error says what is not and
 * how to mend it. Then reads what containers there are (see "Adoption" below). Blocks (milliseconds): for start-up. */
int runtime_new(const struct runtime_options *options, struct runtime **ret, struct error *error) MUST_CHECK;
/* Frees the watchers. Containers keep running. Handles close on later turns of the loop. NULL is fine. Returns NULL. */
struct runtime *runtime_free(struct runtime *runtime);

/* Its directory on tmpfs, short. */
const char *runtime_run_dir(const struct runtime *runtime);

/* ---- what a container is ---- */

enum runtime_namespace_mode {
        RUNTIME_NS_PRIVATE = 0, /* its own */
        RUNTIME_NS_HOST,        /* the machine's */
        RUNTIME_NS_PATH,        /* the one at `path`, e.g. "/run/netns/x" or "/proc/123/ns/pid" */
};
struct runtime_namespace {
        enum runtime_namespace_mode mode;
        const char *path;
};

enum runtime_mount_kind { RUNTIME_MOUNT_BIND = 0, RUNTIME_MOUNT_TMPFS };
struct runtime_mount {
        enum runtime_mount_kind kind;
        const char *source;      /* of BIND: an absolute path on the host; made as a directory when `create` */
        const char *destination; /* absolute, inside */
        const char *options;     /* NULL, or mount options: tmpfs "size=64m,mode=1777", propagation "rslave", "noexec" … */
        bool read_only;
        bool create;
        bool copy_up; /* an empty source is first filled with what the image has at the destination (Docker volumes) */
};

struct runtime_device {
        const char *host_path;      /* a device node, or a directory of them */
        const char *container_path; /* NULL: the same */
        bool read, write, mknod;    /* none set: all three */
};

struct runtime_ulimit {
        const char *name;   /* "nofile", as in task definitions */
        int64_t soft, hard; /* -1: unlimited */
};

/* Limits of a whole task, set on its cgroup. */
struct runtime_task_limits {
        int64_t cpu_millis;   /* 1000 = one vCPU as a hard quota; 0: no quota */
        int64_t cpu_shares;   /* weight among tasks when there is no quota; 0: the kernel's default */
        int64_t memory_bytes; /* 0: none */
        int64_t pids;         /* 0: none */
        int64_t disk_bytes;   /* the task's files are on a disk of its own of this size: see disk.h; 0: they are on the host's */
};

/*
 * Everything a Linux container definition can say. Zero and NULL mean "not said": then the image's configuration counts, and
 * after it Docker's default. All of it is read during the call to runtime_start and copied.
 */
struct runtime_container_spec {
        const char *id;      /* [a-zA-Z0-9_.-]{1,128}, unique on this node, also after it stopped until it was removed */
        const char *task_id; /* names the task's cgroup: same character set */
        const struct runtime_task_limits *task_limits; /* NULL: none; used by whichever container makes the task's cgroup */

        struct image *image; /* the container takes its own reference until it is removed */
        bool pause;          /* no image: an empty root with the pause program, to hold a pid namespace */

        /* Process. As in Docker an entry point that was said here hides the image's command too. */
        const struct string_list *entry_point; /* NULL: not said */
        const struct string_list *command;     /* NULL: not said */
        struct string_map env;                 /* laid over the image's; order kept */
        const char *user;                      /* "name", "uid", "name:group", "uid:gid": names from the image's passwd and group */
        const char *working_dir;
        const char *stop_signal; /* "SIGQUIT", "QUIT" or "3"; NULL: the image's, else SIGTERM */
        bool tty;
        bool stdin_open;
        bool init; /* an init process reaps zombies and passes signals on */
        bool no_new_privileges;
        bool has_oom_score_adj;
        int32_t oom_score_adj;

        /* Files. */
        bool read_only_root;
        const struct runtime_mount *mounts;
        uint32_t n_mounts;
        int64_t shm_bytes;     /* 0: 64 MiB */
        bool no_image_volumes; /* the image's VOLUMEs that no mount covers get no directory of their own */

        /* Names. */
        const char *hostname; /* NULL: first 12 characters of id; not set in a host uts/network namespace */
        const char *domain_name;
        struct string_list extra_hosts; /* "name:address" */
        struct string_list dns, dns_search,
                dns_options;                  /* all empty: the host's, without loopback servers when the network is not the host's */
        const char *hosts_address;            /* the container's own address for /etc/hosts; NULL: none */
        bool no_generated_files;              /* /etc/hosts, /etc/resolv.conf and /etc/hostname stay the image's */
        const char *hosts_path, *resolv_path; /* files of the host to mount instead of generating them; NULL: generate */

        /* Isolation. */
        struct runtime_namespace network, pid, ipc, uts;
        bool own_users; /* a user namespace: the container's root is nobody on the host, and no other task's users are its */
        struct runtime_namespace user_ns; /* with own_users: PATH joins one instead of making it (that of the pause container) */
        bool ipc_none;                    /* private, without /dev/shm */
        bool privileged;
        struct string_list cap_add, cap_drop; /* with or without "CAP_", or "ALL" */
        const struct runtime_device *devices;
        uint32_t n_devices;
        const char *seccomp; /* NULL: the default profile; "unconfined"; or the text of a profile as OCI linux.seccomp */
        const char *apparmor_profile;
        const char *selinux_label;
        struct string_map sysctls;

        /* Limits; 0: none. */
        int64_t cpu_shares;
        int64_t cpu_millis;
        const char *cpuset_cpus, *cpuset_mems;
        int64_t memory_bytes;
        int64_t memory_reservation_bytes;
        bool has_memory_swap;
        int64_t memory_swap_bytes; /* memory and swap together, as Docker counts; -1: unlimited */
        bool has_swappiness;
        int32_t swappiness; /* 0..100; ignored with cgroup v2 */
        int64_t pids;
        const struct runtime_ulimit *ulimits;
        uint32_t n_ulimits;

        /* Log: conmon writes the file that runtime_container_log_path names. */
        bool log_none;         /* nothing is kept */
        int64_t log_max_bytes; /* the file is rotated when it gets longer; 0: 16 MiB */

        struct string_map annotations; /* labels */
};

/* ---- start ---- */

enum runtime_state { RUNTIME_STARTING = 0, RUNTIME_RUNNING, RUNTIME_STOPPED, RUNTIME_STATE_MAX };

enum runtime_exit_cause {
        RUNTIME_EXITED = 0,    /* by itself or by a signal: exit_code counts */
        RUNTIME_OOM,           /* the kernel killed it, or a part of it, for memory */
        RUNTIME_REBOOTED,      /* the machine went down while it ran: no exit code */
        RUNTIME_VANISHED,      /* its monitor was killed: no exit code */
        RUNTIME_NEVER_STARTED, /* the agent died while it was being started */
        RUNTIME_EXIT_CAUSE_MAX
};

struct runtime_exit {
        enum runtime_exit_cause cause;
        bool has_exit_code;
        int exit_code;      /* 128 + number for a signal */
        int64_t stopped_ms; /* wall clock, milliseconds */
};

/* What the owner of a container is told. Both may be NULL. */
struct runtime_events {
        /* Once for each runtime_start. status 0: RUNNING (runtime_container_pid is known). Else -errno, `error` has code
         * "CannotCreateContainerError" or "CannotStartContainerError" and a message; the container is removed and the pointer
         * is dead after the call. */
        void (*started)(struct runtime_container *container, int status, const struct error *error, void *data);
        /* Once, after `started`: the log file is complete by then. The container stays until runtime_remove. */
        void (*exited)(struct runtime_container *container, const struct runtime_exit *exit, void *data);
};

/* Starts a container. -EEXIST when there is one with this id, -EINVAL for a bad id: then there is no container and no callback. All
 * other errors come through `started`, also those of a spec that can never work (unknown user, bad capability). */
int runtime_start(struct runtime *runtime, const struct runtime_container_spec *spec, const struct runtime_events *events, void *data,
                  struct runtime_container **ret, struct error *error) MUST_CHECK;

/* Runs a stopped container once more (restart policy): same root file system, same volumes, same log file, which goes on.
 * `started` and `exited` are called again. -EBUSY unless STOPPED. */
int runtime_restart(struct runtime_container *container, struct error *error) MUST_CHECK;

/* ---- adoption ---- */

/*
 * After runtime_new every container that this directory knows is there, RUNNING or STOPPED (also those that ended while no
 * agent ran). The owner looks up those that it knows, and takes them with runtime_container_adopt; then `exited` comes for
 * those that stop, and at once (on a later turn of the loop) for those that are stopped already and whose exit had not been
 * acknowledged by runtime_container_acknowledge. Others it removes.
 */
struct runtime_container *runtime_find(struct runtime *runtime, const char *id);
/* In no particular order; NULL starts and ends. The one returned may be removed meanwhile only after its successor was fetched. */
struct runtime_container *runtime_next(struct runtime *runtime, const struct runtime_container *container);
void runtime_container_adopt(struct runtime_container *container, const struct runtime_events *events, void *data);
/* The exit has been passed on and stored: do not tell it again after the next restart. In the background. */
void runtime_container_acknowledge(struct runtime_container *container);
bool runtime_container_is_acknowledged(const struct runtime_container *container);

/* ---- look at ---- */

const char *runtime_container_id(const struct runtime_container *container);
const char *runtime_container_task_id(const struct runtime_container *container);
enum runtime_state runtime_container_state(const struct runtime_container *container);
/* Of the first process, in the host's pid namespace; 0 unless RUNNING. */
int32_t runtime_container_pid(const struct runtime_container *container);
int64_t runtime_container_started_ms(const struct runtime_container *container);
/* Valid when STOPPED, else NULL. */
const struct runtime_exit *runtime_container_exit(const struct runtime_container *container);
/* Absolute. The file that log_reader.h reads; NULL with log_none. */
const char *runtime_container_log_path(const struct runtime_container *container);
/* The image's volumes and others that were given a directory of their own: what volumesFrom shares. Borrowed. */
const struct runtime_mount *runtime_container_mounts(const struct runtime_container *container, uint32_t *ret_n);
/* Directory that belongs to the container, for the owner's files (a metadata file …); goes with runtime_remove. */
const char *runtime_container_dir(const struct runtime_container *container);

/* ---- stop, signal, remove ---- */

/* Sends the stop signal, and SIGKILL to everything after `timeout_ms`. `exited` tells the end. Again: a shorter timeout counts.
 * Does nothing when STOPPED; while STARTING it takes effect when started. */
void runtime_stop(struct runtime_container *container, uint32_t timeout_ms);
/* 0, -ESRCH when not RUNNING. */
int runtime_signal(struct runtime_container *container, int signal_number);

/* Forgets a container and deletes everything of it; ends it first if it still runs. No callback but `done` (may be NULL), which
 * comes when all is gone and the id is free again. The pointer is dead at once. */
void runtime_remove(struct runtime_container *container, void (*done)(void *data), void *data);
/* Removes the control groups of a task whose containers have all stopped and will not start again; their files stay. Every group that
 * lies about costs the kernel memory, and each new one time. In the background. */
void runtime_task_release(struct runtime *runtime, const char *task_id);
/* Removes the cgroup and the disk of a task whose containers are all removed. In the background. */
void runtime_task_remove(struct runtime *runtime, const char *task_id);
/* Where the disk of a task with one is in the mount namespaces of its containers: mounts may have their source in there. In the arena. */
const char *runtime_disk_dir(const struct runtime *runtime, const char *task_id, struct arena *arena);
/* Bytes that a task has written to its disk, and its size. -ENOENT when it has none, or none of its containers was started since this
 * agent was. Microseconds. */
int runtime_disk_usage(struct runtime *runtime, const char *task_id, uint64_t *ret_used, uint64_t *ret_size) MUST_CHECK;

/* ---- exec ---- */

#define RUNTIME_EXEC_OUTPUT_MAX 4096

struct runtime_exec_result {
        int status;         /* 0: it ran; -ETIMEDOUT: killed after the timeout; -ESRCH: container not running; other -errno */
        int exit_code;      /* when status is 0; 126 and 127 as shells use them */
        const char *output; /* start of standard output and error together, at most RUNTIME_EXEC_OUTPUT_MAX; NUL follows */
        uint32_t output_len;
        const struct error *error; /* when status is not 0 */
};

/* A command inside a running container: health checks. Embedded in its owner; must stay until `done` or cancel. */
struct runtime_exec {
        struct string_list args; /* args[0] is looked up in the container's PATH; read during start */
        uint32_t timeout_ms;     /* 0: none */
        void (*done)(struct runtime_exec *exec, const struct runtime_exec_result *result);

        struct runtime_exec_job *job_; /* private */
};
/* The command gets the container's user, environment, directory and limits. */
void runtime_exec_start(struct runtime_container *container, struct runtime_exec *exec);
/* Kills it; `done` is not called any more. */
void runtime_exec_cancel(struct runtime_exec *exec);

/* ---- stats ---- */

/* Sums since the start of the container. has_… is false where this kernel does not tell. */
struct runtime_stats {
        int64_t read_ms; /* wall clock */
        uint64_t cpu_usage_ns, cpu_user_ns, cpu_system_ns;
        uint64_t cpu_periods, cpu_throttled_periods, cpu_throttled_ns;
        uint64_t system_cpu_ns; /* all CPUs of the machine, for a percentage as Docker computes it */
        uint32_t online_cpus;
        uint64_t memory_usage; /* bytes, without page cache that can go (inactive_file) */
        uint64_t memory_cache, memory_rss, memory_inactive_file;
        uint64_t memory_max_usage; /* 0 where unknown */
        uint64_t memory_limit;     /* of the container, else of the task, else of the machine */
        uint64_t memory_failcnt, oom_kills;
        uint64_t pids, pids_limit; /* pids_limit 0: none */
        uint64_t blkio_read_bytes, blkio_write_bytes, blkio_read_ops, blkio_write_ops;
        bool has_network; /* false with the host's network */
        uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped;
};

/* Reads the stats of `n` containers in one go in the thread pool; `done` gets an array in the same order, valid during the
 * call; entries of containers that are not RUNNING are all zeroes (read_ms 0). Containers removed meanwhile are zeroes too. */
void runtime_stats_read(struct runtime *runtime, struct runtime_container *const *containers, uint32_t n,
                        void (*done)(const struct runtime_stats *stats, uint32_t n, void *data), void *data);

/* ---- the machine ---- */

struct runtime_info {
        int cgroup_version;       /* 1 or 2 */
        const char *crun_version; /* "crun 1.8.1" */
        const char *conmon_version;
        bool swap_accounting;
        const char *boot_id;
};
const struct runtime_info *runtime_info(const struct runtime *runtime);
