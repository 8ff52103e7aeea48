/* SPDX-License-Identifier: Apache-2.0 */
/* What every long-running verb needs: a loop that SIGTERM and SIGINT end in an orderly way, the log, the supervisor's death. */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "base/error.h"

struct process {
        uv_loop_t loop;
        uv_signal_t on_term, on_int;
        bool ending;
        void (*stop)(struct process *process);
};

/* Makes the loop; `stop` is called once at the first SIGTERM or SIGINT and should lead to process_end. A second signal ends the
 * process at once. */
void process_start(struct process *process, void (*stop)(struct process *process));
/* Runs until process_end has been called and nothing on the loop is active any more. */
void process_run(struct process *process);
void process_end(struct process *process);
/* After process_run, when the verb has freed what it had on the loop: lets that close. */
void process_done(struct process *process);

/* Words of --log-level and --log-format. */
int process_log_setup(const char *level, const char *format, struct error *error) MUST_CHECK;
