/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log drivers. With `awslogs` the lines of a container go to the CloudWatch Logs API of the server, as they come, until the last one
 * after its end; where the shipping stands is kept with the task, so that neither a restart of the node nor of the server loses or
 * repeats more than a batch. `journald` sends them to the journal. `json-file` leaves them in the file that the runtime writes;
 * `none` keeps nothing.
 */
#pragma once

#include "agent/agent.h"
#include "agent/channel/aws_client.h"
#include "agent/state/keeper.h"
#include "runtime/runtime.h"

struct log_shipper;

struct log_shipper_options {
        uv_loop_t *loop;
        const struct agent_options *agent;
        const struct aws_client *client;
        struct timers *timers;
        struct keeper *keeper;
        const char *cluster;
        /* The last line of a container that has ended was shipped. May be NULL. */
        void (*finished)(struct engine_container *c, void *data);
        void *data;
};

struct log_shipper *log_shipper_new(const struct log_shipper_options *options);
/* All containers must have been forgotten. NULL is fine. */
struct log_shipper *log_shipper_free(struct log_shipper *shipper);

/*
 * Before a container starts: checks the options and makes the stream. Returns 0 when there is nothing to wait for; 1 when `done`
 * follows, later, with NULL or the error (its code is the reason's name); -EINVAL with `error`.
 */
int log_ship_open(struct log_shipper *shipper, struct engine_container *c,
                  void (*done)(struct engine_container *c, const struct error *error, void *data), void *data,
                  struct error *error) MUST_CHECK;
/* `done` of log_ship_open is not called any more. */
void log_ship_open_cancel(struct engine_container *c);
/* The container has started, or was found again after a restart of the agent: its log (NULL: none is kept) is followed from where
 * shipping stood. */
void log_ship_follow(struct log_shipper *shipper, struct engine_container *c, const char *path);
/* It has ended: what is left is shipped, then log_ship_is_done. */
void log_ship_finish(struct engine_container *c);
bool log_ship_is_done(const struct engine_container *c);
void log_ship_forget(struct engine_container *c);
