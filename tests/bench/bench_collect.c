/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long what comes every second, every ten and every minute for metrics holds the server's loop up, when so many tasks run, in
 * services of a hundred; a memory store, no HTTP.    bench_collect [TASKS [INSTANCES]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/agent/agents.h"
#include "api/agent/metrics.h"
#include "api/cloudwatch/common.h"
#include "api/cloudwatch/sources.h"
#include "api/server.h"
#include "model/service.h"
#include "store/store.h"

#define IN_SERVICE 100
#define SECONDS 61
#define STARTED 5 /* the first seconds are those after a start: every task says what it has not said yet */

struct bench {
        struct env env;
        int64_t now_ms;
        uint64_t random;
        struct model *model;
        struct api *api;
        int tasks, instances;
};

static int64_t env_now(struct env *env)
{
        return CONTAINER_OF(env, struct bench, env)->now_ms;
}

static int64_t env_mono(struct env *env)
{
        return env_now(env) * 1000;
}

static void env_random(struct env *env, void *bytes, size_t n)
{
        struct bench *b = CONTAINER_OF(env, struct bench, env);

        for (size_t i = 0; i < n; i++)
                ((unsigned char *)bytes)[i] = (unsigned char)((b->random = b->random * 6364136223846793005U + 1) >> 56);
}

static double clock_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void make_instances(struct bench *b)
{
        struct tx *tx = tx_begin(b->model);

        (void)tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "c", .status = STATE_CLUSTER_STATUS_ACTIVE});
        (void)tx_commit(tx);
        for (int i = 0; i < b->instances; i++) {
                char id[33];
                struct state_container_instance state = {.cluster = "c", .id = id, .status = STATE_INSTANCE_STATUS_ACTIVE};

                (void)snprintf(id, sizeof(id), "%032d", i);
                SHAPE_SET(&state, state_container_instance, cpu, 1 << 20);
                SHAPE_SET(&state, state_container_instance, memory, 1 << 20);
                tx = tx_begin(b->model);
                (void)tx_insert(tx, OBJECT_INSTANCE, &state);
                (void)tx_commit(tx);
        }
}

static void make_tasks(struct bench *b)
{
        char service[16], id[33], instance[33];

        for (int i = 0; i < b->tasks; i++) {
                struct state_task state = {.cluster = "c",
                                           .id = id,
                                           .instance = instance,
                                           .service_name = service,
                                           .desired_status = STATE_TASK_STATUS_RUNNING,
                                           .last_status = STATE_TASK_STATUS_RUNNING};
                struct tx *tx = tx_begin(b->model);

                (void)snprintf(service, sizeof(service), "s%d", i / IN_SERVICE);
                (void)snprintf(id, sizeof(id), "%032d", i);
                (void)snprintf(instance, sizeof(instance), "%032d", i % b->instances);
                if (i % IN_SERVICE == 0)
                        (void)tx_insert(tx, OBJECT_SERVICE,
                                        &(struct state_service){.cluster = "c", .name = service, .status = STATE_SERVICE_STATUS_ACTIVE});
                SHAPE_SET(&state, state_task, cpu, 64);
                SHAPE_SET(&state, state_task, memory, 64);
                (void)tx_insert(tx, OBJECT_TASK, &state);
                (void)tx_commit(tx);
        }
}

/* What every agent says of its tasks. */
static void sample(struct bench *b)
{
        struct tcs_stats_set used = {.sum = 12, .min = 12, .max = 12, .sample_count = 1};
        struct tcs_container_metric container = {.container_name = "web", .cpu_stats_set = &used, .memory_stats_set = &used};
        const struct tcs_task_metric metric = {.container_metrics = {.items = &container, .n = 1}};
        struct agent_metrics *metrics = agents_metrics(b->api->agents);

        tree_for_each (node, model_objects(b->model, OBJECT_TASK)) {
                const struct task *task = MODEL_OBJECT(node, task);

                cloudwatch_task_sampled(b->api, task, agent_metrics_put_task(metrics, task->object.key, &metric, b->now_ms), b->now_ms);
        }
}

int main(int argc, char **argv)
{
        struct bench b = {.env = {env_now, env_mono, env_random},
                          .now_ms = INT64_C(1800000000000),
                          .tasks = argc > 1 ? atoi(argv[1]) : 10000,
                          .instances = argc > 2 ? atoi(argv[2]) : 100};
        struct store *store = store_memory_new(-1);
        struct error error = {0};
        double began, second = 0, worst = 0, minute, samples = 0;

        if (model_open(store, &b.env, NULL, "123456789012", "us-east-1", &b.model, &error) < 0) {
                printf("%s\n", error.message);
                return 1;
        }
        b.api = api_new(&(struct api_options){.model = b.model, .no_auth = true});
        b.api->agents = agents_new(&(struct agents_options){.model = b.model});
        make_instances(&b);
        make_tasks(&b);
        for (int i = 0; i < SECONDS; i++, b.now_ms += 1000) {
                began = clock_ms();
                sample(&b);
                samples += clock_ms() - began;
                began = clock_ms();
                cloudwatch_second(b.api, b.now_ms);
                second += clock_ms() - began;
                worst = i >= STARTED ? MAX(worst, clock_ms() - began) : 0;
        }
        began = clock_ms();
        cloudwatch_housekeeping(b.api, b.now_ms);
        minute = clock_ms() - began;
        printf("%d tasks on %d instances: samples %.1f ms a second; the second's end %.2f ms, the longest %.2f ms; the minute's end %.2f "
               "ms\n",
               b.tasks, b.instances, samples / SECONDS, second / SECONDS, worst, minute);
        agents_close(b.api->agents);
        b.api->agents = agents_free(b.api->agents);
        b.api = api_free(b.api);
        b.model = model_close(b.model);
        store_close(store);
        return 0;
}
