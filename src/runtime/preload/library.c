/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is loaded into conmon and crun (LD_PRELOAD) under the name of libsystemd, so that the loader does not look for that: they need it,
 * and the six libraries that it brings, for things that are not asked of them here. conmon writes logs to files, not to the journal; crun
 * makes no units. That is a third of what the two cost to start, and 240 KB of memory for as long as a container lives.
 *
 * With version 1 of control groups it also lets crun enter the container's groups before it does anything else, which would take a shell
 * between conmon and crun otherwise.
 *
 * It runs in foreign programs: nothing but the C library. The other side is preload.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/preload.h"

#define ABSENT(type, name)            \
        type name(void);              \
        type name(void)               \
        {                             \
                return (type)-ENOSYS; \
        }
#define ABSENT_NULL(name)    \
        void *name(void);    \
        void *name(void)     \
        {                    \
                return NULL; \
        }

ABSENT(int, sd_bus_call)
ABSENT(int, sd_bus_default_system)
ABSENT(int, sd_bus_default_user)
ABSENT_NULL(sd_bus_error_free)
ABSENT(int, sd_bus_error_get_errno)
ABSENT(int, sd_bus_match_signal_async)
ABSENT(int, sd_bus_message_append)
ABSENT(int, sd_bus_message_append_strv)
ABSENT(int, sd_bus_message_close_container)
ABSENT(int, sd_bus_message_new_method_call)
ABSENT(int, sd_bus_message_open_container)
ABSENT(int, sd_bus_message_read)
ABSENT_NULL(sd_bus_message_unref)
ABSENT(int, sd_bus_process)
ABSENT_NULL(sd_bus_unref)
ABSENT(int, sd_bus_wait)
ABSENT(int, sd_journal_send_with_location)
ABSENT(int, sd_journal_sendv_with_location)
ABSENT(int, sd_notify)
ABSENT(int, sd_notify_barrier)

static _Noreturn void fail(const char *file)
{
        fprintf(stderr, "cannot enter the control group of %s: %s\n", file, strerror(errno));
        _exit(1);
}

/* Paths of files of the groups, each with a line's end. */
static void enter_groups(const char *files)
{
        char path[4096];

        for (const char *end; (end = strchr(files, '\n')) != NULL; files = end + 1) {
                int fd;

                snprintf(path, sizeof(path), "%.*s", (int)(end - files), files);
                fd = open(path, O_WRONLY | O_CLOEXEC);
                if (fd < 0 || write(fd, "0", 1) != 1)
                        fail(path);
                close(fd);
        }
}

__attribute__((constructor)) static void loaded(int argc, char **argv)
{
        const char *groups = getenv(PRELOAD_GROUPS);

        if (getenv(PRELOAD_CHECK) != NULL)
                _exit(PRELOAD_CHECKED);
        /* conmon stays in the monitors' groups; crun is known by the path that it is executed by. */
        if (groups != NULL && argc > 0 && strncmp(argv[0], "/proc/", 6) == 0)
                enter_groups(groups);
}
