/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a program in a mount namespace of its own: the one way in which conmon and crun are run. What is mounted there, above all a
 * container's overlay, lives as long as the processes in it and cannot be left over on the host. crun refuses a machine with both
 * versions of control groups: the version 2 mount is taken away in there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define LAUNCH_FDS_MAX 12

struct launch {
        const char *program;                   /* path */
        const char *const *argv, *const *envp; /* NULL-terminated */
        const char *const *tasks_files;        /* the new process writes "0" into each of these; NULL-terminated */
        int cgroup_fd;                         /* clone into this version 2 group; -1: none */
        const char *hide;                      /* unmount this; NULL: nothing */
        bool new_session;                      /* no terminal and no signals of its group reach it */
        uint32_t user;                         /* user and only group that it becomes, besides that of /dev/kvm; 0: stays what it is */

        const char *directory;   /* to run in; NULL: "/" */
        int disk_fd;             /* a mount that is nowhere yet, for disk_target */
        const char *disk_target; /* absolute; NULL: no disk */
        const char *view_source; /* a directory that is to be seen at view_target too; NULL: none */
        const char *view_target;
        const char *overlay_target;  /* absolute; NULL: no overlay */
        const char *empty_options;   /* not NULL: a tmpfs with these options instead of the overlay */
        const char *overlay_options; /* of mount(2), relative to overlay_dir */
        const char *overlay_dir;     /* where relative names start */
        int users_fd;                /* user namespace that the owners of overlay_dir are shifted by; -1: as they are */

        /* The program's descriptors: `to` is what `from` is here. All others must be O_CLOEXEC. */
        struct {
                int from, to;
        } fds[LAUNCH_FDS_MAX];
        uint32_t n_fds;

        pid_t pid; /* results */
        int pidfd;
        int report_fd; /* what it says about its start: see launch_wait_ready; the caller closes it */
};

/* 0 or -errno of the fork. Any thread; it waits until the program is about to be executed, or could not be (a processor other than
 * x86-64 does not wait). */
int launch_start(struct launch *launch) MUST_CHECK;
/* Waits until namespaces and mounts are made and the program is about to be executed. Afterwards report_fd gives nothing but EOF when
 * it could be executed, else what launch_read_failure reads. */
int launch_wait_ready(struct launch *launch, struct error *error) MUST_CHECK;
/* Non-blocking, once the process is known to be gone: whether the program could not be executed; fills `error`. */
int launch_read_failure(int report_fd, const char *program, struct error *error);

/* Runs a short program to its end: `argv` with /dev/null for what it would read and say, and `fds`. Its failure names the Debian `package`. */
int launch_run(struct launch *launch, const char *package, struct error *error) MUST_CHECK;
