/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures of the reconcilers alone, with the scheduler, on a memory store: services come up, every report of a task by itself with a
 * turn of the controller behind it (nothing is collected), a rollout, scaling in.    bench_control [SERVICES [TASKS [INSTANCES]]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/alloc.h"
#include "control/controller.h"
#include "control/service/deploy.h"
#include "control/task.h"
#include "sched/sched.h"
#include "store/store.h"

struct bench {
        struct env env;
        int64_t now_ms;
        uint64_t seed;
        struct store *store;
        struct model *model;
        struct sched *sched;
        struct controller *controller;
        int services, tasks, instances;
};

static double clock_s(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int64_t env_now(struct env *env)
{
        return CONTAINER_OF(env, struct bench, env)->now_ms;
}

static int64_t env_mono(struct env *env)
{
        return CONTAINER_OF(env, struct bench, env)->now_ms * 1000;
}

static void env_random(struct env *env, void *bytes, size_t n)
{
        struct bench *b = CONTAINER_OF(env, struct bench, env);

        for (size_t i = 0; i < n; i++) {
                b->seed ^= b->seed << 13;
                b->seed ^= b->seed >> 7;
                b->seed ^= b->seed << 17;
                ((unsigned char *)bytes)[i] = (unsigned char)(b->seed >> 32);
        }
}

static void run(struct bench *b)
{
        while (controller_next(b->controller) <= b->now_ms)
                controller_run(b->controller, b->now_ms);
}

static void make_world(struct bench *b)
{
        struct ecs_container_definition container = {.name = "web", .image = "busybox:1"};
        struct ecs_task_definition definition = {.family = "web", .container_definitions = {.items = &container, .n = 1}};
        struct ecs_attribute zone = {.name = "ecs.availability-zone"};
        struct state_family family = {.name = "web"};
        struct tx *tx = tx_begin(b->model);

        tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "c", .status = STATE_CLUSTER_STATUS_ACTIVE});
        SHAPE_SET(&family, state_family, latest_revision, 1);
        tx_insert(tx, OBJECT_FAMILY, &family);
        SHAPE_SET(&container, ecs_container_definition, memory, 64);
        SHAPE_SET(&container, ecs_container_definition, cpu, 64);
        SHAPE_SET(&definition, ecs_task_definition, revision, 1);
        tx_insert(tx, OBJECT_TASK_DEFINITION, &(struct state_task_definition){.definition = &definition});
        tx_commit(tx);
        for (int i = 0; i < b->instances; i++) {
                char id[33];
                struct state_container_instance state = {.cluster = "c", .id = id, .status = STATE_INSTANCE_STATUS_ACTIVE};

                snprintf(id, sizeof(id), "%032d", i);
                zone.value = (const char *[]){"a", "b", "c"}[i % 3];
                state.attributes.items = &zone;
                state.attributes.n = 1;
                SHAPE_SET(&state, state_container_instance, cpu, 1 << 20);
                SHAPE_SET(&state, state_container_instance, memory, 1 << 20);
                tx = tx_begin(b->model);
                tx_insert(tx, OBJECT_INSTANCE, &state);
                tx_commit(tx);
                model_set_connected(b->model, model_instance(b->model, "c", id), true);
        }
}

static struct service *service_at(struct bench *b, int i)
{
        char name[16];

        snprintf(name, sizeof(name), "s%d", i);
        return model_service(b->model, "c", name);
}

static void create(struct bench *b, int i)
{
        char name[16];
        struct state_service_revision revision = {.family = "web", .launch_type = ECS_LAUNCH_TYPE_EC2};
        struct state_service wish = {.cluster = "c", .name = name};
        struct tx *tx = tx_begin(b->model);

        snprintf(name, sizeof(name), "s%d", i);
        SHAPE_SET(&revision, state_service_revision, revision, 1);
        SHAPE_SET(&wish, state_service, desired_count, b->tasks);
        service_create(tx, &wish, &revision, b->now_ms);
        tx_commit(tx);
}

static void report(struct bench *b, struct task *task)
{
        struct tx *tx = tx_begin(b->model);
        struct state_task *state = tx_edit(tx, &task->object);
        bool stop = state->desired_status == STATE_TASK_STATUS_STOPPED;
        struct task_report r = {.status = stop ? STATE_TASK_STATUS_STOPPED : STATE_TASK_STATUS_RUNNING};

        task_apply_report(task, state, &r, tx_arena(tx), b->now_ms);
        tx_put(tx, &task->object, state);
        tx_commit(tx);
        run(b);
}

/* Every agent's word about every task of the service that it has not said yet. */
static int report_all(struct bench *b, struct service *service)
{
        int n = 0;

        list_for_each (task, &service->tasks, struct task, in_service)
                if (task->state->last_status == STATE_TASK_STATUS_PENDING || task->state->last_status == STATE_TASK_STATUS_STOPPING) {
                        report(b, task);
                        n++;
                }
        return n;
}

static void say(const char *what, double seconds, double n)
{
        printf("%-52s %8.3f s  %9.0f tasks/s\n", what, seconds, n / seconds);
}

static void come_up(struct bench *b)
{
        double start = clock_s(), placed, total = (double)b->services * b->tasks;
        struct rusage before, after;

        getrusage(RUSAGE_SELF, &before);
        for (int i = 0; i < b->services; i++) {
                create(b, i);
                run(b);
        }
        placed = clock_s();
        say("services created, tasks placed", placed - start, total);
        for (int i = 0; i < b->services; i++)
                report_all(b, service_at(b, i));
        say("each reported RUNNING, a turn each", clock_s() - placed, total);
        start = clock_s();
        b->now_ms += 1000;
        run(b);
        say("each healthy, steady", clock_s() - start, total);
        getrusage(RUSAGE_SELF, &after);
        printf("%-52s %8.0f bytes\n", "memory a task, of everything", (double)(after.ru_maxrss - before.ru_maxrss) * 1024 / total);
}

static void roll(struct bench *b, struct service *service)
{
        double start = clock_s();
        struct tx *tx = tx_begin(b->model);

        service_begin_deployment(tx, service, tx_edit(tx, &service_primary(b->model, service)->object), b->now_ms);
        tx_commit(tx);
        run(b);
        while (service_current_deployment(b->model, service)) {
                report_all(b, service);
                b->now_ms += 100;
                run(b);
        }
        say("one service rolled", clock_s() - start, b->tasks);
}

static void scale_in(struct bench *b, struct service *service)
{
        double start = clock_s();
        struct tx *tx = tx_begin(b->model);

        service_scale(tx, service, b->tasks / 2, b->now_ms);
        tx_commit(tx);
        run(b);
        say("one service scaled in by half", clock_s() - start, b->tasks / 2.0);
}

int main(int argc, char **argv)
{
        struct bench b = {.env = {env_now, env_mono, env_random}, .now_ms = INT64_C(1767225600000), .seed = 88172645463325252u};
        struct error error = {0};

        b.services = argc > 1 ? atoi(argv[1]) : 1;
        b.tasks = argc > 2 ? atoi(argv[2]) : 5000;
        b.instances = argc > 3 ? atoi(argv[3]) : 50;
        b.store = store_memory_new(-1);
        if (model_open(b.store, &b.env, NULL, "123456789012", "us-east-1", &b.model, &error) < 0) {
                fprintf(stderr, "bench_control: %s\n", error.message);
                return 1;
        }
        b.sched = sched_new(b.model);
        b.controller = controller_new(&(struct controller_options){.model = b.model, .sched = b.sched});
        printf("%d services of %d tasks on %d instances, one thread, no disk\n", b.services, b.tasks, b.instances);
        make_world(&b);
        come_up(&b);
        roll(&b, service_at(&b, 0));
        scale_in(&b, service_at(&b, 0));
        b.controller = controller_free(b.controller);
        b.sched = sched_free(b.sched);
        model_close(b.model);
        store_close(b.store);
        return 0;
}
