/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placements a second: 1,000 instances and 100,000 tasks, 10,000 and 1,000,000, 100,000 and 1,000; spread over zones, then binpack on
 * memory, with and without constraints (required attributes and a memberOf expression; each instance has a full set of capabilities).
 *
 *   picks      the scheduler alone, catching up with each placed task included
 *   in memory  pick and inserting the task in the model, in transactions of ten; what is committed is encoded and dropped
 *   durable    the same on SQLite, until the last task is on the disk; nothing else is measured meanwhile
 *
 * Seconds of the processor (cores x time: those of all threads, the one that places and the one that writes) stand beside those of the
 * clock: on a machine that is not quiet they say more. Memory is what
 * the heap grew by.    bench_sched [INSTANCES TASKS]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <uv.h>

#include "base/alloc.h"
#include "model/model.h"
#include "sched/sched.h"
#include "store/store.h"

static double seconds(clockid_t clock)
{
        struct timespec t;

        clock_gettime(clock, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double now(void)
{
        return seconds(CLOCK_MONOTONIC);
}

enum mode { IN_MEMORY = 0, DURABLE };

struct bench {
        uv_loop_t loop;
        struct store *store;
        struct model *model;
        struct sched *sched;
        struct cluster *cluster;
        struct error error;
        char dir[64];
};

/* ---- a store that keeps nothing: what is left is the cost of everything else */

static int drop(struct store *store, const struct store_change *changes, size_t n, struct error *error)
{
        return 0;
}

static int load_nothing(struct store *store, int (*row)(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len), void *data,
                        struct error *error)
{
        return 0;
}

static void close_nothing(struct store *store)
{
}

static const struct store_ops nothing_ops = {.commit = drop, .load = load_nothing, .close = close_nothing};
static struct store nothing = {.ops = &nothing_ops};

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

static void open_all(struct bench *b, enum mode mode)
{
        uv_loop_init(&b->loop);
        b->store = &nothing;
        if (mode == DURABLE) {
                snprintf(b->dir, sizeof(b->dir), "/var/tmp/bench-sched-XXXXXX");
                if (mkdtemp(b->dir) == NULL || store_sqlite_open(b->dir, &b->store, &b->error) < 0)
                        exit(1);
        }
        if (model_open(b->store, env_system(), mode == DURABLE ? &b->loop : NULL, "123456789012", "us-east-1", &b->model, &b->error) < 0)
                exit(1);
        b->sched = sched_new(b->model);
        struct tx *tx = tx_begin(b->model);
        b->cluster = CONTAINER_OF(
                tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "default", .status = STATE_CLUSTER_STATUS_ACTIVE}),
                struct cluster, object);
        tx_commit(tx);
}

static void close_all(struct bench *b, enum mode mode)
{
        char command[128];

        sched_free(b->sched);
        model_close(b->model);
        uv_run(&b->loop, UV_RUN_DEFAULT);
        store_close(b->store);
        uv_loop_close(&b->loop);
        snprintf(command, sizeof(command), "rm -rf %s", b->dir);
        if (mode == DURABLE && system(command) != 0)
                fprintf(stderr, "bench_sched: %s is left behind\n", b->dir);
}

static void on_durable(struct commit_waiter *waiter)
{
}

/* Everything that was committed is on the disk. */
static void wait_durable(struct bench *b)
{
        struct commit_waiter waiter = {.durable = on_durable};

        model_when_durable(b->model, model_sequence(b->model), &waiter);
        uv_run(&b->loop, UV_RUN_DEFAULT);
}

struct figures {
        double picking, first, clock, processor;
        size_t bytes;
};

static struct instance *pick(struct bench *b, struct placement_request *request, int number, enum mode mode, struct figures *f)
{
        double start = mode == IN_MEMORY ? now() : 0, took;
        struct instance *instance = sched_pick(b->sched, request);

        if (instance == NULL) {
                fprintf(stderr, "bench_sched: no room for task %d\n", number);
                exit(1);
        }
        if (mode != IN_MEMORY)
                return instance;
        took = now() - start;
        f->picking += took;
        f->first = number == 0 ? took : f->first;
        return instance;
}

/* As scattered as a random one, without the cost of drawing it: 32 hexadecimal digits. */
static void make_id(unsigned number, char ret[33])
{
        uint64_t digits = number * UINT64_C(0x9e3779b97f4a7c15);

        for (int i = 0; i < 32; i++)
                ret[i] = "0123456789abcdef"[digits >> (60 - i % 16 * 4) & 15];
        ret[32] = '\0';
}

static void place_one(struct bench *b, struct tx *tx, struct placement_request *request, int number, enum mode mode, struct figures *f)
{
        char id[33];
        struct state_task task = {
                .cluster = "default", .id = id, .family = "web", .group = "service:web", .last_status = STATE_TASK_STATUS_PENDING};

        make_id((unsigned)number, id);
        task.instance = pick(b, request, number, mode, f)->state->id;
        SHAPE_SET(&task, state_task, cpu, 16);
        SHAPE_SET(&task, state_task, memory, 32);
        tx_insert(tx, OBJECT_TASK, &task);
}

static void place(struct bench *b, struct placement_request *request, int n, enum mode mode, struct figures *f)
{
        double clock = now(), processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
        size_t bytes = mallinfo2().uordblks;

        for (int placed = 0; placed < n;) {
                struct tx *tx = tx_begin(b->model);

                for (int i = 0; i < 10 && placed < n; i++, placed++)
                        place_one(b, tx, request, placed, mode, f);
                tx_commit(tx);
        }
        if (mode == DURABLE)
                wait_durable(b);
        f->clock = now() - clock;
        f->processor = seconds(CLOCK_PROCESS_CPUTIME_ID) - processor;
        f->bytes = mallinfo2().uordblks - bytes;
}

static void run(int n_instances, int n_tasks, bool constrained, enum mode mode)
{
        struct bench b = {0};
        struct ecs_attribute required[] = {{.name = "com.amazonaws.ecs.capability.docker-remote-api.1.18"},
                                           {.name = "com.amazonaws.ecs.capability.docker-remote-api.1.21"}};
        struct ecs_attribute_list required_list = {required, 2};
        struct placement_rules rules = {
                .expressions = {"attribute:ecs.instance-type =~ (m5|c5).* and not attribute:rack == r9"},
                .n_expressions = constrained,
                .strategies = {{STRATEGY_SPREAD_ATTRIBUTE, "ecs.availability-zone"}, {STRATEGY_BINPACK_MEMORY, NULL}},
                .n_strategies = 2};
        struct placement_request request = {.cpu = 16,
                                            .memory = 32,
                                            .group = "service:web",
                                            .rules = &rules,
                                            .required = constrained ? &required_list : NULL,
                                            .launch_type = ECS_LAUNCH_TYPE_EC2};
        struct figures f = {0};

        open_all(&b, mode);
        request.cluster = b.cluster;
        add_instances(&b, n_instances, n_tasks / n_instances);
        wait_durable(&b);
        place(&b, &request, n_tasks, mode, &f);
        if (mode == IN_MEMORY)
                printf("  %-22s picks %10.0f/s, %.1f ms in all, the first (which looks at all instances) %.2f ms; %zu bytes a task\n",
                       constrained ? "with constraints" : "without", n_tasks / f.picking, f.picking * 1e3, f.first * 1e3,
                       f.bytes / (size_t)n_tasks);
        printf("  %-22s %s %10.0f/s, %.1f ms in all; %10.0f/s of one core\n", "", mode == DURABLE ? "durable" : "in memory",
               n_tasks / f.clock, f.clock * 1e3, n_tasks / f.processor);
        fflush(stdout);
        close_all(&b, mode);
}

static void run_all(int n_instances, int n_tasks)
{
        printf("%d instances x %d tasks\n", n_instances, n_tasks);
        for (int constrained = 1; constrained >= 0; constrained--)
                for (enum mode mode = IN_MEMORY; mode <= DURABLE; mode++)
                        run(n_instances, n_tasks, constrained, mode);
}

int main(int argc, char **argv)
{
        if (argc == 3) {
                run_all(atoi(argv[1]), atoi(argv[2]));
                return 0;
        }
        run_all(1000, 100000);
        run_all(10000, 1000000);
        run_all(100000, 1000);
        return 0;
}
