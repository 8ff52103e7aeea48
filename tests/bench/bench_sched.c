/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placements a second: 1,000 instances and 100,000 tasks, 100,000 instances and 1,000 tasks; spread over zones, then binpack on
 * memory, with required attributes, a memberOf expression and a full set of capabilities on every instance. "picks" is the
 * scheduler alone, catching up with each placed task included; "with the model" is pick and inserting the task, in transactions of
 * ten, into a store in memory.    bench_sched [INSTANCES TASKS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "model/model.h"
#include "sched/sched.h"
#include "store/store.h"

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct bench {
        struct store *store;
        struct model *model;
        struct sched *sched;
        struct cluster *cluster;
        struct error error;
};

#define N_CAPABILITIES 30

static void add_instances(struct bench *b, int n, int tasks_each)
{
        static char names[N_CAPABILITIES][64];
        static const char *const zones[] = {"us-east-1a", "us-east-1b", "us-east-1c"};
        struct ecs_attribute attributes[N_CAPABILITIES + 3];
        struct tx *tx = tx_begin(b->model);

        for (int i = 0; i < N_CAPABILITIES; i++) {
                snprintf(names[i], sizeof(names[i]), "com.amazonaws.ecs.capability.docker-remote-api.1.%d", i);
                attributes[i] = (struct ecs_attribute){.name = names[i]};
        }
        for (int i = 0; i < n; i++) {
                struct state_container_instance state = {
                        .cluster = "default", .status = STATE_INSTANCE_STATUS_ACTIVE, .attributes = {attributes, ARRAY_SIZE(attributes)}};
                struct instance *instance;

                attributes[N_CAPABILITIES] = (struct ecs_attribute){.name = "ecs.availability-zone", .value = zones[i % 3]};
                attributes[N_CAPABILITIES + 1] =
                        (struct ecs_attribute){.name = "ecs.instance-type", .value = i % 2 == 0 ? "m5.large" : "c5.large"};
                attributes[N_CAPABILITIES + 2] = (struct ecs_attribute){.name = "rack", .value = arena_printf(tx_arena(tx), "r%d", i % 50)};
                state.id = arena_printf(tx_arena(tx), "%032x", i);
                SHAPE_SET(&state, state_container_instance, cpu, (tasks_each + 20 + i % 7) * 16);
                SHAPE_SET(&state, state_container_instance, memory, (tasks_each + 20 + i % 5) * 32);
                instance = CONTAINER_OF(tx_insert(tx, OBJECT_INSTANCE, &state), struct instance, object);
                model_set_connected(b->model, instance, true);
        }
        tx_commit(tx);
}

static void run(int n_instances, int n_tasks)
{
        struct bench b = {.store = store_memory_new(-1)};
        struct ecs_attribute required[] = {{.name = "com.amazonaws.ecs.capability.docker-remote-api.1.18"},
                                           {.name = "com.amazonaws.ecs.capability.docker-remote-api.1.21"}};
        struct ecs_attribute_list required_list = {required, 2};
        struct placement_rules rules = {
                .expressions = {"attribute:ecs.instance-type =~ (m5|c5).* and not attribute:rack == r9"},
                .n_expressions = 1,
                .strategies = {{STRATEGY_SPREAD_ATTRIBUTE, "ecs.availability-zone"}, {STRATEGY_BINPACK_MEMORY, NULL}},
                .n_strategies = 2};
        struct placement_request request = {.cpu = 16,
                                            .memory = 32,
                                            .group = "service:web",
                                            .rules = &rules,
                                            .required = &required_list,
                                            .launch_type = ECS_LAUNCH_TYPE_EC2};
        double begin, picking = 0, first = 0, total;
        int placed = 0;

        if (model_open(b.store, env_system(), NULL, "123456789012", "us-east-1", &b.model, &b.error) < 0)
                exit(1);
        b.sched = sched_new(b.model);
        struct tx *tx = tx_begin(b.model);
        b.cluster = CONTAINER_OF(
                tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "default", .status = STATE_CLUSTER_STATUS_ACTIVE}),
                struct cluster, object);
        tx_commit(tx);
        request.cluster = b.cluster;
        begin = now();
        add_instances(&b, n_instances, n_tasks / n_instances);
        printf("%7d instances x %7d tasks: registered in %.2f s\n", n_instances, n_tasks, now() - begin);
        begin = now();
        while (placed < n_tasks) {
                tx = tx_begin(b.model);
                for (int i = 0; i < 10 && placed < n_tasks; i++, placed++) {
                        struct state_task task = {
                                .cluster = "default", .family = "web", .group = "service:web", .last_status = STATE_TASK_STATUS_PENDING};
                        double start = now(), took;
                        struct instance *instance = sched_pick(b.sched, &request);

                        took = now() - start;
                        picking += took;
                        first = placed == 0 ? took : first;
                        if (instance == NULL) {
                                fprintf(stderr, "bench_sched: no room for task %d\n", placed);
                                exit(1);
                        }
                        task.id = arena_printf(tx_arena(tx), "%08x%024x", (unsigned)placed * 2654435761u, placed);
                        task.instance = instance->state->id;
                        SHAPE_SET(&task, state_task, cpu, 16);
                        SHAPE_SET(&task, state_task, memory, 32);
                        tx_insert(tx, OBJECT_TASK, &task);
                }
                tx_commit(tx);
        }
        total = now() - begin;
        printf("%32s picks: %9.0f/s, %.1f ms in all (the first, which builds the class: %.2f ms)\n", "", n_tasks / picking, picking * 1e3,
               first * 1e3);
        printf("%32s with the model: %9.0f/s, %.1f ms in all\n", "", n_tasks / total, total * 1e3);
        sched_free(b.sched);
        model_close(b.model);
        store_close(b.store);
}

int main(int argc, char **argv)
{
        if (argc == 3) {
                run(atoi(argv[1]), atoi(argv[2]));
                return 0;
        }
        run(1000, 100000);
        run(5000, 100000);
        run(100000, 1000);
        return 0;
}
