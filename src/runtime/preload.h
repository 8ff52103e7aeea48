/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library that conmon and crun start with (preload/library.c): carried by this program, put into memory once, handed on as a
 * descriptor. Without it both run as they are, more slowly.
 */
#pragma once

#include <stdbool.h>

#define PRELOAD_FD 6                   /* where conmon and crun find it */
#define PRELOAD_PATH "/proc/self/fd/6" /* for LD_PRELOAD */
#define PRELOAD_GROUPS "GANTRY_GROUPS" /* variable: files of control groups that crun writes "0" to, each with a line's end */
#define PRELOAD_CHECK "GANTRY_CHECK"   /* variable: a program that is asked with it ends with … */
#define PRELOAD_CHECKED 42             /* … this code where the library works in it */

/* A sealed copy in memory: a descriptor, or -errno. */
int preload_open(void);
/* Whether a program can run with it: one that is linked statically does not load it, one that wants more of libsystemd refuses. Waits. */
bool preload_works(int fd, const char *program);
