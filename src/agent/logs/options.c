/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a log configuration. Option names: awslogs and journald drivers of Docker, as task definitions use them. */
#include "agent/logs/options.h"

#include <errno.h>

#include "agent/engine/spec.h"
#include "base/strutil.h"

enum log_driver log_driver_of(const struct engine_container *c)
{
        static const char *const names[LOG_DRIVER_MAX] = {"json-file", "awslogs", "journald", "none"};

        for (int i = 0; c->host->log_config != NULL && i < LOG_DRIVER_MAX; i++) {
                if (str_eq(c->host->log_config->type, names[i]))
                        return (enum log_driver)i;
        }
        return LOG_DRIVER_JSON_FILE;
}

static int check_mode(const struct string_map *config, struct error *error)
{
        const char *mode = string_map_get(config, "mode");
        const char *size = string_map_get(config, "max-buffer-size");

        if (!str_empty(mode) && !str_eq(mode, "blocking") && !str_eq(mode, "non-blocking"))
                return error_set(error, EINVAL, "log option mode is \"%s\"; use blocking or non-blocking", mode);
        if (!str_empty(size) && spec_parse_size(size) == 0)
                return error_set(error, EINVAL, "log option max-buffer-size is \"%s\"; write a size such as 25m", size);
        return 0;
}

static int read_awslogs(const struct engine_container *c, const char *endpoint, struct arena *arena, struct log_options *ret,
                        struct error *error)
{
        const struct string_map *config = &c->host->log_config->config;
        const char *prefix = string_map_get(config, "awslogs-stream-prefix");
        const char *own = string_map_get(config, "awslogs-endpoint");

        ret->group = string_map_get(config, "awslogs-group");
        if (str_empty(ret->group))
                return error_set(error, EINVAL, "must specify a value for log opt 'awslogs-group'");
        ret->stream = string_map_get(config, "awslogs-stream");
        if (str_empty(ret->stream) && !str_empty(prefix))
                ret->stream = arena_printf(arena, "%s/%s/%s", prefix, c->definition->name, c->task->id);
        if (str_empty(ret->stream))
                ret->stream = c->runtime_id;
        ret->endpoint = str_empty(own) ? endpoint : own;
        ret->create_group = str_eq(string_map_get(config, "awslogs-create-group"), "true");
        int r = check_mode(config, error);
        if (r < 0)
                return r;
        return multiline_init(&ret->multiline, string_map_get(config, "awslogs-multiline-pattern"),
                              string_map_get(config, "awslogs-datetime-format"), error);
}

int log_options_read(const struct engine_container *c, const char *endpoint, struct arena *arena, struct log_options *ret,
                     struct error *error)
{
        *ret = (struct log_options){.driver = log_driver_of(c)};
        if (ret->driver == LOG_DRIVER_AWSLOGS)
                return read_awslogs(c, endpoint, arena, ret, error);
        if (ret->driver != LOG_DRIVER_JOURNALD)
                return 0;
        ret->tag = string_map_get(&c->host->log_config->config, "tag");
        if (str_empty(ret->tag))
                ret->tag = c->definition->name;
        return check_mode(&c->host->log_config->config, error);
}

void log_options_done(struct log_options *options)
{
        multiline_done(&options->multiline);
}
