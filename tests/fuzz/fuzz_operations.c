/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any sequence of ECS operations: each line is "Operation {json}", with "ec2 " in front one of EC2. "~v" in a line stands for the
 * last VPC's id, other letters for other kinds. Every one must be answered, and never with "something went wrong in here"; the
 * state must survive being closed and opened again.
 */
#include <stdlib.h>
#include <string.h>

#include "api/server.h"
#include "base/log.h"
#include "base/strutil.h"
#include "control/network.h"
#include "sched/sched.h"
#include "store/store.h"

#define MAX_LINES 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *fill_in(struct api *api, const char *line, struct arena *arena)
{
        static const char letters[] = "vsgiwtneap"; /* in the order of the kinds */
        CLEANUP_BUF struct buf text = {0};

        for (; *line != '\0'; line++) {
                const char *letter = line[0] == '~' && line[1] != '\0' ? strchr(letters, line[1]) : NULL;
                const struct tree_node *last =
                        letter != NULL ? tree_last(model_objects(api->model, OBJECT_VPC + (enum object_kind)(letter - letters))) : NULL;

                if (last == NULL) {
                        buf_append_char(&text, *line);
                        continue;
                }
                buf_append_str(&text, last->key);
                line++;
        }
        return arena_strndup(arena, text.len > 0 ? text.data : "", text.len);
}

static void run_line(struct api *api, const char *line)
{
        CLEANUP_BUF struct buf out = {0};
        CLEANUP_ARENA struct arena arena = {0};
        bool ec2 = str_starts_with(line, "ec2 ");
        const char *filled = fill_in(api, line + (ec2 ? 4 : 0), &arena), *space = strchr(filled, ' ');
        const char *operation = space != NULL ? arena_strndup(&arena, filled, (size_t)(space - filled)) : filled;
        int status = api_run(api, ec2 ? "ec2" : "ecs", operation, NULL, space != NULL ? space + 1 : "{}", &out);

        if (status >= 500 || (status != 0 && (out.len < 2 || out.data[0] != '{' || out.data[out.len - 1] != '}')))
                abort();
}

static void run_lines(struct api *api, const uint8_t *data, size_t size)
{
        const char *text = (const char *)data, *end = text + size;

        for (int i = 0; i < MAX_LINES && text < end; i++) {
                const char *newline = memchr(text, '\n', (size_t)(end - text));
                size_t n = newline != NULL ? (size_t)(newline - text) : (size_t)(end - text);
                char *line = strndup(text, n);

                run_line(api, line);
                free(line);
                text += n + 1;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char again[] = "DescribeClusters {\"include\":[\"TAGS\",\"STATISTICS\"]}\nec2 DescribeNetworkInterfaces {}\n"
                                    "ec2 DescribeSecurityGroups {}\nec2 DescribeRouteTables {}";
        struct store *store = store_memory_new(-1);
        struct error error = {0};

        log_setup(LOG_LEVEL_MAX, LOG_FORMAT_TEXT);
        for (int round = 0; round < 2; round++) {
                struct sched *sched;
                struct model *model;
                struct api *api;

                if (model_open(store, env_system(), NULL, "123456789012", "us-east-1", &model, &error) < 0)
                        abort();
                if (network_ensure(model, NULL, &error) < 0)
                        abort();
                sched = sched_new(model);
                api = api_new(&(struct api_options){.model = model, .sched = sched, .no_auth = true});
                if (round == 0)
                        run_lines(api, data, size);
                else
                        run_lines(api, (const uint8_t *)again, strlen(again));
                api_free(api);
                sched_free(sched);
                model_close(model);
        }
        store_close(store);
        return 0;
}
