/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of a long-running verb. */
#include "cmd/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strutil.h"

static void on_signal(uv_signal_t *handle, int number)
{
        struct process *process = handle->data;

        if (process->ending)
                _exit(128 + number);
        process->ending = true;
        log_info("stopping", LOG_I("signal", number));
        process->stop(process);
}

static void watch_signal(struct process *process, uv_signal_t *handle, int number)
{
        uv_signal_init(&process->loop, handle);
        handle->data = process;
        uv_signal_start(handle, on_signal, number);
        uv_unref((uv_handle_t *)handle);
}

/* A connection is a descriptor: as many as the system lets this process have. */
static void raise_descriptor_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}

void process_start(struct process *process, void (*stop)(struct process *process))
{
        const char *supervisor = getenv("GANTRY_SUPERVISOR");

        raise_descriptor_limit();

        /* Under `gantry up` nobody outlives the supervisor, however it dies. */
        if (supervisor != NULL) {
                int64_t pid;

                prctl(PR_SET_PDEATHSIG, SIGTERM);
                if (str_to_int64(supervisor, &pid) < 0 || getppid() != pid)
                        raise(SIGTERM);
        }
        process->stop = stop;
        uv_loop_init(&process->loop);
        watch_signal(process, &process->on_term, SIGTERM);
        watch_signal(process, &process->on_int, SIGINT);
}

void process_end(struct process *process)
{
        process->ending = true;
        uv_close((uv_handle_t *)&process->on_term, NULL);
        uv_close((uv_handle_t *)&process->on_int, NULL);
}

void process_run(struct process *process)
{
        uv_run(&process->loop, UV_RUN_DEFAULT);
}

void process_done(struct process *process)
{
        uv_run(&process->loop, UV_RUN_DEFAULT);
        uv_loop_close(&process->loop);
}

int process_log_setup(const char *level, const char *format, struct error *error)
{
        int parsed = log_level_parse(level);

        if (parsed < 0)
                return error_set(error, EINVAL, "--log-level: '%s' is not debug, info, warn or error", level);
        if (!str_eq(format, "text") && !str_eq(format, "json"))
                return error_set(error, EINVAL, "--log-format: '%s' is not text or json", format);
        log_setup((enum log_level)parsed, str_eq(format, "json") ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
        return 0;
}
