/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a cluster query. What is accepted must be answered, twice the same, and "not" must turn the answer round. */
#include <stdlib.h>
#include <string.h>

#include "sched/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ecs_attribute attributes[] = {
        {.name = "ecs.instance-type", .value = "t2.small"},
        {.name = "ecs.availability-zone", .value = "us-east-1a"},
        {.name = "stack", .value = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"},
        {.name = "a", .value = "1.2.3"},
        {.name = "b", .value = "12"},
        {.name = "flag"},
};

static bool ask(const struct query *query, const struct instance *instance)
{
        bool first = query_match(query, instance);

        if (query_match(query, instance) != first)
                abort();
        return first;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct state_task task_state = {.group = "service:web"};
        struct state_container_instance state = {
                .agent_version = "1.68.2", .registered_at = 1529360908000, .attributes = {attributes, ARRAY_SIZE(attributes)}};
        struct instance instance = {.state = &state, .connected = true, .n_running = 1};
        struct task task = {.state = &task_state};
        CLEANUP_ARENA struct arena arena = {0};
        struct query *query, *opposite;
        struct error error = {0};
        char *text, *negated;

        list_init(&instance.tasks);
        list_push(&instance.tasks, &task.in_instance);
        text = arena_strndup(&arena, (const char *)data, size);
        if (query_parse(text, &arena, &query, &error) < 0) {
                if (error.code[0] == '\0' || error.message[0] == '\0')
                        abort();
                return 0;
        }
        negated = arena_printf(&arena, "not (%s)", text);
        if (query_parse(negated, &arena, &opposite, &error) == 0) {
                if (ask(query, &instance) == ask(opposite, &instance))
                        abort();
                query_done(opposite);
        }
        query_done(query);
        return 0;
}
