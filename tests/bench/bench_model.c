/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures of the model and the store: latency of one client's durable transaction, durable transactions per second with many
 * clients, memory of a task, start on many stored tasks.    bench_model [DIR [TASKS]]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <uv.h>

#include "base/alloc.h"
#include "model/internal.h"
#include "store/store.h"

#define CLIENTS 64

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const struct error *error)
{
        fprintf(stderr, "bench_model: %s\n", error->message);
        exit(1);
}

struct bench {
        uv_loop_t loop;
        struct store *store;
        struct model *model;
        const char *dir;
        struct error error;
        int next;
        int left; /* transactions that are still to start */
};

static void open_all(struct bench *b)
{
        if (store_sqlite_open(b->dir, &b->store, &b->error) < 0 ||
            model_open(b->store, env_system(), &b->loop, "123456789012", "us-east-1", &b->model, &b->error) < 0)
                die(&b->error);
}

static void close_all(struct bench *b)
{
        b->model = model_close(b->model);
        uv_run(&b->loop, UV_RUN_DEFAULT);
        b->store = store_close(b->store);
}

static void random_id(struct bench *b, char ret[33])
{
        env_random_hex(env_system(), ret, 32);
}

/* A task as RunTask leaves it once it runs: one container, one binding. */
static struct object *insert_task(struct bench *b, struct tx *tx, const char *instance)
{
        char id[33], container_id[37], runtime_id[65];
        struct ecs_network_binding binding = {.bind_ip = "0.0.0.0", .protocol = ECS_TRANSPORT_PROTOCOL_TCP};
        struct state_container container = {
                .name = "web", .id = container_id, .status = STATE_CONTAINER_STATUS_RUNNING, .runtime_id = runtime_id};
        struct state_task task = {.cluster = "default",
                                  .id = id,
                                  .family = "web",
                                  .instance = instance,
                                  .group = "service:web",
                                  .started_by = "ecs-svc/1234567890123456789"};

        random_id(b, id);
        env_random_uuid(env_system(), container_id);
        env_random_hex(env_system(), runtime_id, 64);
        SHAPE_SET(&binding, ecs_network_binding, container_port, 80);
        SHAPE_SET(&binding, ecs_network_binding, host_port, 49153);
        container.network_bindings = (struct ecs_network_binding_list){&binding, 1};
        container.image_digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        task.containers = (struct state_container_list){&container, 1};
        task.launch_type = ECS_LAUNCH_TYPE_EC2;
        task.last_status = STATE_TASK_STATUS_RUNNING;
        task.desired_status = STATE_TASK_STATUS_RUNNING;
        task.created_at = task.started_at = task.pull_started_at = task.pull_stopped_at = task.connectivity_at = 1700000000123;
        SHAPE_SET(&task, state_task, revision, 1);
        SHAPE_SET(&task, state_task, cpu, 256);
        SHAPE_SET(&task, state_task, memory, 512);
        SHAPE_SET(&task, state_task, version, 4);
        return tx_insert(tx, OBJECT_TASK, &task);
}

static void insert_frame(struct bench *b)
{
        struct ecs_task_definition definition = {.family = "web", .status = ECS_TASK_DEFINITION_STATUS_ACTIVE};
        struct state_task_definition state = {.definition = &definition};
        struct tx *tx = tx_begin(b->model);

        SHAPE_SET(&definition, ecs_task_definition, revision, 1);
        tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "default", .status = STATE_CLUSTER_STATUS_ACTIVE});
        tx_insert(tx, OBJECT_FAMILY, &(struct state_family){.name = "web"});
        tx_insert(tx, OBJECT_TASK_DEFINITION, &state);
        for (int i = 0; i < 1000; i++)
                tx_insert(tx, OBJECT_INSTANCE,
                          &(struct state_container_instance){.cluster = "default",
                                                             .id = arena_printf(tx_arena(tx), "%032x", i),
                                                             .status = STATE_INSTANCE_STATUS_ACTIVE});
        tx_commit(tx);
}

/* ---- latency and throughput */

struct client {
        struct commit_waiter waiter;
        struct bench *bench;
        struct task *task; /* NULL: inserts small objects; else updates this task */
        double started, *latencies;
        int *n;
};

static void start_one(struct client *c)
{
        struct bench *b = c->bench;
        struct tx *tx;

        if (b->left-- <= 0)
                return;
        c->started = now();
        tx = tx_begin(b->model);
        if (c->task == NULL) {
                tx_insert(tx, OBJECT_CLIENT_TOKEN,
                          &(struct state_client_token){.key = arena_printf(tx_arena(tx), "RunTask/default/%08d", b->next++),
                                                       .digest = "0123456789abcdef"});
        } else {
                struct state_task *s = tx_edit(tx, &c->task->object);

                SHAPE_SET(s, state_task, version, s->version + 1);
                tx_put(tx, &c->task->object, s);
        }
        model_when_durable(b->model, tx_commit(tx), &c->waiter);
}

static void on_durable(struct commit_waiter *waiter)
{
        struct client *c = CONTAINER_OF(waiter, struct client, waiter);

        c->latencies[(*c->n)++] = now() - c->started;
        start_one(c);
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

static void clients(struct bench *b, int n_clients, int transactions, bool update, const char *what)
{
        struct client *all = xcalloc((size_t)n_clients, sizeof(*all));
        double *latencies = xcalloc((size_t)transactions, sizeof(*latencies)), begin = now(), took;
        struct tree_node *node = tree_first(model_objects(b->model, OBJECT_TASK));
        int n = 0;

        b->left = transactions;
        for (int i = 0; i < n_clients; i++) {
                all[i] = (struct client){.waiter.durable = on_durable, .bench = b, .latencies = latencies, .n = &n};
                if (update) {
                        all[i].task = MODEL_OBJECT(node, task);
                        node = tree_next(node);
                }
                start_one(&all[i]);
        }
        uv_run(&b->loop, UV_RUN_DEFAULT);
        took = now() - begin;
        qsort(latencies, (size_t)n, sizeof(*latencies), compare);
        printf("%-44s %8.0f transactions/s, p50 %.3f ms, p99 %.3f ms, max %.1f ms\n", what, n / took, latencies[n / 2] * 1e3,
               latencies[n * 99 / 100] * 1e3, latencies[n - 1] * 1e3);
        free(latencies);
        free(all);
}

/* ---- many tasks */

static void many_tasks(struct bench *b, int n_tasks)
{
        size_t before = mallinfo2().uordblks, after;
        double begin = now(), took;
        char instance[40];

        for (int i = 0; i < n_tasks; i += 100) {
                struct tx *tx = tx_begin(b->model);

                for (int k = 0; k < 100; k++) {
                        snprintf(instance, sizeof(instance), "%032x", (i + k) % 1000);
                        insert_task(b, tx, instance);
                }
                tx_commit(tx);
        }
        took = now() - begin;
        printf("%-44s %8.0f tasks/s into memory, ", "100 tasks a transaction", n_tasks / took);
        b->model = model_close(b->model);
        uv_run(&b->loop, UV_RUN_DEFAULT);
        took = now() - begin;
        printf("%.0f tasks/s durable\n", n_tasks / took);
        before = mallinfo2().uordblks;
        begin = now();
        if (model_open(b->store, env_system(), &b->loop, "123456789012", "us-east-1", &b->model, &b->error) < 0)
                die(&b->error);
        took = now() - begin;
        after = mallinfo2().uordblks;
        printf("%-44s %8.3f s for %d tasks\n", "load", took, n_tasks);
        printf("%-44s %8.0f bytes a task (state %zu, object %zu)\n", "memory with all indexes", (double)(after - before) / n_tasks,
               shape_packed_size(&state_task_shape, MODEL_OBJECT(tree_first(model_objects(b->model, OBJECT_TASK)), task)->state),
               sizeof(struct task));
}

int main(int argc, char **argv)
{
        static struct bench bench;
        char dir[] = "/var/tmp/bench-model-XXXXXX";
        int n_tasks = argc > 2 ? atoi(argv[2]) : 100000;

        bench.dir = argc > 1 ? argv[1] : mkdtemp(dir);
        uv_loop_init(&bench.loop);
        open_all(&bench);
        insert_frame(&bench);
        many_tasks(&bench, n_tasks);
        clients(&bench, 1, 3000, false, "1 client, small transactions");
        clients(&bench, CLIENTS, 100000, false, "64 clients, small transactions");
        clients(&bench, 1000, 200000, false, "1,000 clients, small transactions");
        clients(&bench, CLIENTS, 100000, true, "64 clients, changes of one task each");
        clients(&bench, 1, 3000, true, "1 client, changes of a task");
        close_all(&bench);
        printf("%-44s %8ld MB\n", "peak memory of the process", ({
                                                                        struct rusage u;
                                                                        getrusage(RUSAGE_SELF, &u);
                                                                        u.ru_maxrss;
                                                                }) / 1024);
        printf("files are in %s\n", bench.dir);
        uv_loop_close(&bench.loop);
        return 0;
}
