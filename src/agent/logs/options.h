/* SPDX-License-Identifier: Apache-2.0 */
/* The log configuration of a container, read once. */
#pragma once

#include "agent/logs/multiline.h"
#include "agent/engine/task.h"

enum log_driver { LOG_DRIVER_JSON_FILE = 0, LOG_DRIVER_AWSLOGS, LOG_DRIVER_JOURNALD, LOG_DRIVER_NONE, LOG_DRIVER_MAX };

/* Strings are in the arena or in the task's payload. */
struct log_options {
        enum log_driver driver;
        const char *group, *stream, *endpoint; /* of awslogs */
        bool create_group;
        struct multiline multiline;
        const char *tag; /* of journald */
};

/* -EINVAL with a message. `endpoint`: where logs go when the configuration names none. */
int log_options_read(const struct engine_container *c, const char *endpoint, struct arena *arena, struct log_options *ret,
                     struct error *error) MUST_CHECK;
void log_options_done(struct log_options *options);
enum log_driver log_driver_of(const struct engine_container *c);
