/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the runtime share.
 *
 * How a container starts: a thread of the pool makes its directory, forks the launcher (own mount namespace, overlay, then conmon, which
 * waits), and while conmon loads writes control groups, config.json and state.json; then it lets conmon go. conmon runs `crun create`,
 * which enters the groups (preload.h, cgroup_container.h), and tells the loop through a pipe; the loop writes one byte into crun's fifo, and the process runs.
 *
 * On the disk, DIR/<id>/:           state.json upper/ work/ volumes/N log log.1 acknowledged, exit oom (conmon's)
 *                                   with a disk upper/ work/ volumes/ are in DISK_DIR/<task>/<id>/ of the namespace instead
 * On tmpfs, RUN_DIR/bundles/<id>/:  config.json hosts resolv.conf hostname rootfs/, attach ctl winsz pidfile oom (conmon's)
 *           RUN_DIR/crun/<id>/:     crun's state
 *           RUN_DIR/size/:          lxcfs
 * What no reboot has to survive is on tmpfs because making and deleting files is a large part of what a start costs on a disk.
 */
#pragma once

#include <pthread.h>

#include "api/oci.idl.h"
#include "base/arena.h"
#include "base/map.h"
#include "image/image.h"
#include "runtime/cgroup.h"
#include "runtime/runtime.h"
#include "runtime/seccomp_profile.h"

#define CRUN_FD 5 /* where conmon and what it starts find crun: see runtime.c */

/* Where the root of a container with users of its own is mounted, in its monitor's mount namespace: reachable for everybody, and
 * always empty on the host. */
#define RUNTIME_ROOT_DIR "/run/gantry-root"
/* The same for what lxcfs shows. */
#define RUNTIME_SIZE_DIR "/run/gantry-size"

struct runtime {
        uv_loop_t *loop;
        char *dir, *run_dir, *disk_dir, *crun_root, *parent;
        char *crun, *conmon, *init; /* paths; init NULL: not installed */
        int crun_fd;                /* a sealed copy in memory */
        int preload_fd;             /* see preload.h; -1: conmon and crun run as they are */
        char *lxcfs, *size_view;    /* program (NULL: not installed), where it is mounted: see size_view.h */
        bool size_view_failed;
        pthread_mutex_t size_view_lock;
        int dir_fd;
        struct cgroups cgroups;
        struct seccomp_cache *seccomp;
        struct image_store *images;
        struct runtime_info info;
        char *crun_version, *conmon_version;
        char boot_id[40];
        uint64_t nofile_max;
        const char *const *monitor_tasks; /* in `arena` */
        int monitor_cgroup_fd;
        struct arena arena;

        struct map containers;
        struct map disks; /* task_disk_entry, by task */
        int lock_fd;
        struct list queue; /* container: waits for its turn to start */
        uint32_t n_starting, max_starting;
        struct list execs; /* of exec.c */
        uint64_t n_execs;
        uint32_t works;   /* in the thread pool, or handles not closed yet */
        uv_timer_t timer; /* looks after the logs' sizes */
        bool timer_open, rotating, freeing;
};

/* Work in the thread pool; the runtime lasts until it is over. */
struct runtime_work {
        uv_work_t req;
        struct runtime *runtime;
        void (*work)(struct runtime_work *work);
        void (*after)(struct runtime_work *work); /* in the loop; frees it. Also called while the runtime is being freed. */
};
void runtime_work_start(struct runtime *runtime, struct runtime_work *work);
/* One thing less that keeps a runtime that is being freed. */
void runtime_release(struct runtime *runtime);

struct process_handle {
        int32_t pid;    /* 0: none */
        uint64_t start; /* of /proc/PID/stat: tells a pid from its successor */
        int fd;         /* pidfd; -1: none */
};

struct runtime_container {
        struct map_node node;
        struct list queue_link;
        struct runtime *runtime;
        struct arena arena;
        const char *id, *task_id, *dir, *bundle, *log_path;
        const char *cgroup;                        /* "/gantry/<task>/<id>" */
        const struct runtime_container_spec *spec; /* a copy; NULL when adopted */
        struct image *image;                       /* NULL: pause, or unknown after an adoption */
        const char *image_digest;
        const char *const *layers;
        uint32_t n_layers;
        const struct runtime_mount *mounts; /* volumes that were given a directory */
        uint32_t n_mounts;
        bool log_none, tty, stdin_open, host_network;
        struct task_disk *disk; /* the task's, which the runtime keeps; NULL: its files are in `dir` */
        uint32_t user_base;     /* first of its user namespace's users on the host; 0: it has none of its own */
        int64_t log_max_bytes;
        int stop_signal;

        enum runtime_state state;
        struct runtime_events events;
        void *data;
        int64_t started_ms;
        struct process_handle first, monitor;
        struct runtime_exit exit;
        uint64_t oom_base; /* kills that this start has not to answer for */
        bool acknowledged;
        bool restarting; /* STARTING, with everything already in its directory */
        bool failed;     /* STARTING, and it will not come to RUNNING */
        bool unread;     /* the exit is to be told to the one who adopts */

        /* Under way. */
        bool working;            /* a thread of the pool works on it */
        bool saving, save_again; /* another one writes state.json */
        bool in_line, starting;  /* counted in n_starting */
        int sync_fd, report_fd;
        struct buf said; /* by conmon */
        struct error error;
        uv_poll_t sync_poll, monitor_poll;
        bool sync_open, monitor_open, timer_open;
        uv_timer_t timer; /* SIGKILL after the stop timeout; the exit told to an adopter */
        uint32_t handles; /* open or closing */
        bool stop_wanted;
        uint32_t stop_timeout_ms;

        bool removing, unlisted;
        struct list removed; /* removal_waiter */
};

/* Somebody who wants to know when a container is gone. */
struct removal_waiter {
        struct list link;
        void (*done)(void *data);
        void *data;
};

/* container.c */
struct runtime_container *container_new(struct runtime *runtime, const char *id, const char *task_id);
/* Takes it out of the map and frees it; nothing of it may be under way. */
void container_free(struct runtime_container *container);
/* Takes it out of the map; its name is free. */
void container_unlist(struct runtime_container *container);
/* Frees it as soon as nothing of it is under way any more (the runtime is being freed, or its removal is over). */
void container_settle(struct runtime_container *container);
void container_close_process(struct process_handle *process);
/* Opens a pidfd for a process of this number and start time; -ESRCH when it is gone. */
int container_open_process(struct process_handle *process, int32_t pid, uint64_t start) MUST_CHECK;
/* Field 22 of /proc/PID/stat; 0 when there is none. */
uint64_t container_process_start(int32_t pid);
void container_close_polls(struct runtime_container *container);

/* container_start.c */
void container_enqueue(struct runtime_container *container);
void container_start_next(struct runtime *runtime);
/* Ends a start that failed; container->error says why. */
void container_start_failed(struct runtime_container *container, const char *code);

/* container_launch.c; in the pool. Fills monitor, sync_fd, report_fd. */
int container_launch(struct runtime_container *container, struct error *error) MUST_CHECK;

/* container_exit.c */
/* Watches the monitor for its end, or goes on watching it. */
int container_watch_monitor(struct runtime_container *container) MUST_CHECK;
/* Reads exit code, cause and time; in the pool or at start-up. Ends what is left of the container. */
void container_read_exit(struct runtime_container *container, struct runtime_exit *ret);
void container_tell_exit_later(struct runtime_container *container);
void container_apply_stop(struct runtime_container *container);

/* container_remove.c; the last parts in the pool. */
void container_teardown(struct runtime_container *container);
/* Ends all processes of a container, at most within two seconds or so. */
void container_end_processes(struct runtime_container *container);
/* Deletes crun's state. */
void container_delete_crun_state(const struct runtime_container *container);
/* Deletes everything of a container whose processes have ended; failures are logged. */
void container_delete(const struct runtime_container *container);

/* task.c */
/* The disk of a task, from now on until runtime_task_remove. */
struct task_disk *runtime_disk(struct runtime *runtime, const char *task_id, int64_t bytes);
/* Closes them; the files stay. */
void runtime_disks_free(struct runtime *runtime);

/* container_state.c */
/* Writes state.json; in the pool. */
int container_save(struct runtime_container *container) MUST_CHECK;
/* Writes state.json in the background. */
void container_save_later(struct runtime_container *container);
/* Reads all containers that there are; at start-up. */
int containers_load(struct runtime *runtime, struct error *error) MUST_CHECK;

/* spec_copy.c */
struct runtime_container_spec *spec_copy(const struct runtime_container_spec *spec, struct arena *arena);

/* exec.c */
void runtime_exec_cancel_all(struct runtime *runtime);

/* log_rotate.c */
void log_rotate_start(struct runtime *runtime);
