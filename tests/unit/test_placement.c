/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placement. The scheduler with its indexes must agree with a naive reading of the rules, written out here on the model's own
 * lists, over random clusters and histories: every pick is among the equally good ones, every refusal has the same reason.
 */
#include <errno.h>

#include "base/strutil.h"
#include "model/model.h"
#include "model/ports.h"
#include "sched/counts.h"
#include "sched/ranking.h"
#include "sched/sched.h"
#include "store/store.h"

#include "unit.h"

/* ---- the world */

struct seeded_env {
        struct env env;
        uint64_t state;
};

static uint32_t rnd(struct seeded_env *e, uint32_t below)
{
        e->state = e->state * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t)(e->state >> 33) % below;
}

static int64_t fixed_now(struct env *env)
{
        return 1700000000000;
}

static void seeded_random(struct env *env, void *bytes, size_t n)
{
        for (size_t i = 0; i < n; i++)
                ((unsigned char *)bytes)[i] = (unsigned char)rnd(CONTAINER_OF(env, struct seeded_env, env), 256);
}

struct world {
        struct seeded_env env;
        struct store *store;
        struct model *model;
        struct sched *sched;
        struct cluster *cluster;
        int next_id;
        struct error error;
};

static void world_open(struct world *w, uint64_t seed)
{
        struct tx *tx;

        *w = (struct world){
                .env = {.env = {.now_ms = fixed_now, .mono_us = fixed_now, .random = seeded_random}, .state = seed * 2654435761u + 1},
                .store = store_memory_new(-1)};
        assert_int_equal(model_open(w->store, &w->env.env, NULL, "123456789012", "us-east-1", &w->model, &w->error), 0);
        tx = tx_begin(w->model);
        w->cluster =
                CONTAINER_OF(tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "c", .status = STATE_CLUSTER_STATUS_ACTIVE}),
                             struct cluster, object);
        tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "other", .status = STATE_CLUSTER_STATUS_ACTIVE});
        tx_commit(tx);
        w->sched = sched_new(w->model);
}

static void world_close(struct world *w)
{
        sched_free(w->sched);
        model_close(w->model);
        store_close(w->store);
}

static struct instance *add_instance(struct world *w, struct tx *tx, int cpu, int memory, struct ecs_attribute *attributes, uint32_t n)
{
        struct state_container_instance state = {
                .cluster = "c", .status = STATE_INSTANCE_STATUS_ACTIVE, .attributes = {attributes, n}, .agent_version = "1.68.2"};
        struct instance *instance;

        state.id = arena_printf(tx_arena(tx), "i%d", w->next_id++);
        SHAPE_SET(&state, state_container_instance, cpu, cpu);
        SHAPE_SET(&state, state_container_instance, memory, memory);
        instance = CONTAINER_OF(tx_insert(tx, OBJECT_INSTANCE, &state), struct instance, object);
        model_set_connected(w->model, instance, true);
        return instance;
}

static struct task *add_task(struct world *w, struct tx *tx, const struct placement_request *request, const struct instance *instance)
{
        struct state_task state = {.cluster = "c", .family = "f", .group = request->group, .last_status = STATE_TASK_STATUS_PENDING};

        state.instance = instance->state->id;
        state.id = arena_printf(tx_arena(tx), "t%d", w->next_id++);
        SHAPE_SET(&state, state_task, cpu, request->cpu);
        SHAPE_SET(&state, state_task, memory, request->memory);
        if (request->ports != NULL)
                state.ports = *request->ports;
        if (request->ports_udp != NULL)
                state.ports_udp = *request->ports_udp;
        return CONTAINER_OF(tx_insert(tx, OBJECT_TASK, &state), struct task, object);
}

/* ---- the naive reading */

static const char *attribute(const struct instance *instance, const char *name)
{
        const struct ecs_attribute_list *list = &instance->state->attributes;

        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].name, name))
                        return list->items[i].value != NULL ? list->items[i].value : "";
        return NULL;
}

static int tasks_of_group(const struct instance *instance, const char *group)
{
        int n = 0;

        list_for_each (task, &instance->tasks, struct task, in_instance)
                n += str_eq(task->state->group != NULL ? task->state->group : "", group);
        return n;
}

static bool port_taken(const struct instance *instance, int64_t port, bool udp)
{
        const struct int_list *own = udp ? &instance->state->ports_udp : &instance->state->ports;

        for (uint32_t i = 0; i < own->n; i++)
                if (own->items[i] == port)
                        return true;
        list_for_each (task, &instance->tasks, struct task, in_instance) {
                const struct int_list *ports = udp ? &task->state->ports_udp : &task->state->ports;

                for (uint32_t i = 0; i < ports->n; i++)
                        if (ports->items[i] == port)
                                return true;
        }
        return false;
}

static bool expression_holds(const char *expression, const struct instance *instance)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        struct query *query = NULL;
        bool result;

        assert_int_equal(query_parse(expression, &arena, &query, &error), 0);
        result = query_match(query, instance);
        query_done(query);
        return result;
}

static const char *naive_reason(const struct placement_request *q, const struct instance *instance)
{
        int cpu = 0, memory = 0;

        list_for_each (task, &instance->tasks, struct task, in_instance) {
                cpu += task->state->cpu;
                memory += task->state->memory;
        }
        if (instance->state->status != STATE_INSTANCE_STATUS_ACTIVE)
                return "INACTIVE";
        if (!instance->connected)
                return "AGENT";
        for (uint32_t i = 0; q->required != NULL && i < q->required->n; i++) {
                const char *value = attribute(instance, q->required->items[i].name);

                if (value == NULL || (!str_empty(q->required->items[i].value) && !str_eq(value, q->required->items[i].value)))
                        return "ATTRIBUTE";
        }
        if (q->launch_type != ECS_LAUNCH_TYPE_UNSET &&
            (attribute(instance, "ecs.capability.external") != NULL) != (q->launch_type == ECS_LAUNCH_TYPE_EXTERNAL))
                return "ATTRIBUTE";
        if (cpu + q->cpu > instance->state->cpu)
                return "RESOURCE:CPU";
        if (memory + q->memory > instance->state->memory)
                return "RESOURCE:MEMORY";
        for (uint32_t i = 0; q->ports != NULL && i < q->ports->n; i++)
                if (port_taken(instance, q->ports->items[i], false))
                        return "RESOURCE:PORTS";
        for (uint32_t i = 0; q->ports_udp != NULL && i < q->ports_udp->n; i++)
                if (port_taken(instance, q->ports_udp->items[i], true))
                        return "RESOURCE:PORTS";
        if (q->rules != NULL && q->rules->distinct_instance && tasks_of_group(instance, q->group) > 0)
                return "DistinctInstance placement constraint unsatisfied.";
        for (uint32_t i = 0; q->rules != NULL && i < q->rules->n_expressions; i++)
                if (!expression_holds(q->rules->expressions[i], instance))
                        return "MemberOf placement constraint unsatisfied.";
        return NULL;
}

/* Both instances have the same values of the attributes that strategies up to `last` spread over. */
static bool same_values(const struct placement_rules *rules, uint32_t last, const struct instance *a, const struct instance *b)
{
        for (uint32_t i = 0; i <= last; i++) {
                const char *x, *y;

                if (rules->strategies[i].kind != STRATEGY_SPREAD_ATTRIBUTE)
                        continue;
                x = attribute(a, rules->strategies[i].attribute);
                y = attribute(b, rules->strategies[i].attribute);
                if (!str_eq(x != NULL ? x : "", y != NULL ? y : ""))
                        return false;
        }
        return true;
}

static int64_t naive_number(const struct placement_request *q, uint32_t strategy, const struct instance *instance)
{
        int64_t n = 0;

        switch (q->rules->strategies[strategy].kind) {
        case STRATEGY_SPREAD_INSTANCE:
                return tasks_of_group(instance, q->group);
        case STRATEGY_SPREAD_ATTRIBUTE:
                list_for_each (other, &q->cluster->instances, struct instance, in_cluster)
                        if (same_values(q->rules, strategy, instance, other))
                                n += tasks_of_group(other, q->group);
                return n;
        case STRATEGY_BINPACK_CPU:
                return instance->state->cpu - instance->cpu_used;
        case STRATEGY_BINPACK_MEMORY:
                return instance->state->memory - instance->memory_used;
        default:
                return 0;
        }
}

#define MOST 64

/* All that would be right to pick. */
static uint32_t naive_candidates(const struct placement_request *q, struct instance **ret)
{
        uint32_t n = 0;

        list_for_each (instance, &q->cluster->instances, struct instance, in_cluster)
                if (naive_reason(q, instance) == NULL)
                        ret[n++] = instance;
        for (uint32_t s = 0; q->rules != NULL && s < q->rules->n_strategies && q->rules->strategies[s].kind != STRATEGY_RANDOM; s++) {
                int64_t numbers[MOST], least = INT64_MAX;
                uint32_t kept = 0;

                for (uint32_t i = 0; i < n; i++) {
                        numbers[i] = naive_number(q, s, ret[i]);
                        least = MIN(least, numbers[i]);
                }
                for (uint32_t i = 0; i < n; i++)
                        if (numbers[i] == least)
                                ret[kept++] = ret[i];
                n = kept;
        }
        return n;
}

static struct instance *checked_pick(struct world *w, struct placement_request *q)
{
        struct instance *candidates[MOST], *picked = sched_pick(w->sched, q);
        uint32_t n = naive_candidates(q, candidates);

        list_for_each (instance, &q->cluster->instances, struct instance, in_cluster) {
                const char *expected = naive_reason(q, instance), *found = sched_reason(w->sched, q, instance);

                if (!str_eq(expected, found))
                        fail_msg("%s: expected %s, found %s", instance->object.key, expected, found);
        }
        if (n == 0 && picked == NULL)
                return NULL;
        for (uint32_t i = 0; i < n; i++)
                if (candidates[i] == picked)
                        return picked;
        fail_msg("picked %s, which is not among the %u best", picked != NULL ? picked->object.key : "nothing", n);
        return NULL;
}

/* ---- random requests */

static const char *const zones[] = {"a", "b", "c"};
static const char *const groups[] = {"service:web", "service:db", "family:job"};
static const char *const expressions[] = {
        "attribute:zone != c",      "attribute:rack in [r1, r2] or attribute:zone == a",
        "runningTasksCount < 3",    "pendingTasksCount <= 4",
        "task:group != service:db", "not task:group =~ service:.*",
        "agentVersion >= 1.60",     "attribute:ssd exists",
};

struct request {
        struct placement_request q;
        struct placement_rules rules;
        int64_t ports[2], ports_udp[1];
        struct int_list tcp, udp;
        struct ecs_attribute attributes[2];
        struct ecs_attribute_list required;
};

static void random_rules(struct world *w, struct placement_rules *rules)
{
        static const struct strategy strategies[] = {
                {STRATEGY_SPREAD_ATTRIBUTE, "zone"},  {STRATEGY_SPREAD_ATTRIBUTE, "rack"},
                {STRATEGY_SPREAD_ATTRIBUTE, "never"}, {STRATEGY_SPREAD_INSTANCE, NULL},
                {STRATEGY_BINPACK_CPU, NULL},         {STRATEGY_BINPACK_MEMORY, NULL},
                {STRATEGY_SPREAD_ATTRIBUTE, "zone"},  {STRATEGY_RANDOM, NULL},
        };

        rules->distinct_instance = rnd(&w->env, 5) == 0;
        for (uint32_t n = rnd(&w->env, 3); n > 0; n--)
                rules->expressions[rules->n_expressions++] = expressions[rnd(&w->env, ARRAY_SIZE(expressions))];
        for (uint32_t n = rnd(&w->env, 5); n > 0; n--)
                rules->strategies[rules->n_strategies++] = strategies[rnd(&w->env, ARRAY_SIZE(strategies))];
}

static void random_request(struct world *w, struct request *r)
{
        *r = (struct request){.q = {.cluster = w->cluster, .group = groups[rnd(&w->env, ARRAY_SIZE(groups))]}};
        r->q.cpu = (int32_t)rnd(&w->env, 4) * 128;
        r->q.memory = (int32_t)rnd(&w->env, 4) * 128;
        if (rnd(&w->env, 3) == 0) {
                r->ports[0] = 80 + rnd(&w->env, 2);
                r->ports[1] = 8080;
                r->tcp = (struct int_list){r->ports, 1 + rnd(&w->env, 2)};
                r->q.ports = &r->tcp;
        }
        if (rnd(&w->env, 5) == 0) {
                r->ports_udp[0] = 53;
                r->udp = (struct int_list){r->ports_udp, 1};
                r->q.ports_udp = &r->udp;
        }
        if (rnd(&w->env, 3) == 0) {
                r->attributes[0] = (struct ecs_attribute){.name = "ssd"};
                r->attributes[1] = (struct ecs_attribute){.name = "zone", .value = "a"};
                r->required = (struct ecs_attribute_list){r->attributes, 1 + rnd(&w->env, 2)};
                r->q.required = &r->required;
        }
        if (rnd(&w->env, 4) == 0)
                r->q.launch_type = rnd(&w->env, 2) == 0 ? ECS_LAUNCH_TYPE_EC2 : ECS_LAUNCH_TYPE_EXTERNAL;
        if (rnd(&w->env, 8) != 0) {
                random_rules(w, &r->rules);
                r->q.rules = &r->rules;
        }
}

/* ---- random changes */

static uint32_t random_attributes(struct world *w, struct ecs_attribute *ret, char (*racks)[8])
{
        uint32_t n = 0;

        if (rnd(&w->env, 8) != 0)
                ret[n++] = (struct ecs_attribute){.name = "zone", .value = zones[rnd(&w->env, ARRAY_SIZE(zones))]};
        if (rnd(&w->env, 3) != 0) {
                snprintf(*racks, sizeof(*racks), "r%u", rnd(&w->env, 4));
                ret[n++] = (struct ecs_attribute){.name = "rack", .value = *racks};
        }
        if (rnd(&w->env, 2) != 0)
                ret[n++] = (struct ecs_attribute){.name = "ssd"};
        if (rnd(&w->env, 6) == 0)
                ret[n++] = (struct ecs_attribute){.name = "ecs.capability.external"};
        /* A second value of the same name does not count. */
        if (rnd(&w->env, 6) == 0)
                ret[n++] = (struct ecs_attribute){.name = "zone", .value = "z"};
        return n;
}

static struct object *any(struct world *w, enum object_kind kind)
{
        const struct tree *tree = model_objects(w->model, kind);
        struct tree_node *node = tree_first(tree);

        if (tree->count == 0)
                return NULL;
        for (uint32_t n = rnd(&w->env, (uint32_t)tree->count); n > 0; n--)
                node = tree_next(node);
        return CONTAINER_OF(node, struct object, node);
}

static void change_instance(struct world *w, struct tx *tx)
{
        struct object *object = any(w, OBJECT_INSTANCE);
        struct state_container_instance *s;
        struct ecs_attribute attributes[8];
        char rack[8];

        if (object == NULL)
                return;
        s = tx_edit(tx, object);
        switch (rnd(&w->env, 4)) {
        case 0:
                s->attributes = (struct ecs_attribute_list){attributes, random_attributes(w, attributes, &rack)};
                break;
        case 1:
                s->status = rnd(&w->env, 3) != 0 ? STATE_INSTANCE_STATUS_ACTIVE : 1 + rnd(&w->env, STATE_INSTANCE_STATUS_MAX - 1);
                break;
        case 2:
                SHAPE_SET(s, state_container_instance, cpu, 256 + (int)rnd(&w->env, 4) * 256);
                break;
        default:
                SHAPE_SET(s, state_container_instance, sequence, s->sequence + 1);
                s->agent_version = rnd(&w->env, 2) == 0 ? "1.59.0" : "1.68.2";
        }
        tx_put(tx, object, s);
}

static void new_instance(struct world *w, struct tx *tx)
{
        struct ecs_attribute attributes[8];
        char rack[8];
        uint32_t n = random_attributes(w, attributes, &rack);

        if (w->cluster->n_members < 400 && w->cluster->n_instances < MOST - 1)
                add_instance(w, tx, 256 + (int)rnd(&w->env, 8) * 128, 256 + (int)rnd(&w->env, 8) * 128, attributes, n);
}

static void change_task(struct world *w, struct tx *tx)
{
        struct object *object = any(w, OBJECT_TASK), *instance = any(w, OBJECT_INSTANCE);
        struct state_task *s;

        if (object == NULL)
                return;
        s = tx_edit(tx, object);
        switch (rnd(&w->env, 5)) {
        case 0:
        case 1:
                s->last_status = STATE_TASK_STATUS_STOPPED;
                break;
        case 2:
                s->last_status = STATE_TASK_STATUS_RUNNING;
                break;
        case 3:
                s->group = rnd(&w->env, 4) == 0 ? NULL : groups[rnd(&w->env, ARRAY_SIZE(groups))];
                break;
        default:
                s->instance = instance != NULL && rnd(&w->env, 3) != 0 ? CONTAINER_OF(instance, struct instance, object)->state->id : NULL;
        }
        tx_put(tx, object, s);
}

static void remove_some(struct world *w, struct tx *tx)
{
        struct object *object = any(w, rnd(&w->env, 3) == 0 ? OBJECT_INSTANCE : OBJECT_TASK);

        if (object != NULL)
                tx_remove(tx, object);
}

static void connect_some(struct world *w)
{
        struct object *object = any(w, OBJECT_INSTANCE);

        if (object != NULL)
                model_set_connected(w->model, CONTAINER_OF(object, struct instance, object), rnd(&w->env, 4) != 0);
}

static void random_change(struct world *w, struct tx *tx)
{
        switch (rnd(&w->env, 8)) {
        case 0:
                new_instance(w, tx);
                break;
        case 1:
        case 2:
                change_instance(w, tx);
                break;
        case 3:
                remove_some(w, tx);
                break;
        default:
                change_task(w, tx);
        }
}

static void agrees_with_naive_reading(void **state)
{
        size_t placed = 0, refused = 0;

        for (uint64_t seed = 1; seed <= 250; seed++) {
                struct request requests[6];
                struct world w;
                struct tx *tx;

                world_open(&w, seed);
                tx = tx_begin(w.model);
                for (uint32_t n = 1 + rnd(&w.env, 20); n > 0; n--)
                        new_instance(&w, tx);
                tx_commit(tx);
                for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
                        random_request(&w, &requests[i]);
                for (int round = 0; round < 80; round++) {
                        struct placement_request *q = &requests[rnd(&w.env, ARRAY_SIZE(requests))].q;
                        bool undo = rnd(&w.env, 4) == 0;

                        tx = tx_begin(w.model);
                        for (uint32_t n = rnd(&w.env, 4); n > 0; n--) {
                                struct instance *instance = checked_pick(&w, q);

                                placed += instance != NULL;
                                refused += instance == NULL;
                                if (instance != NULL)
                                        add_task(&w, tx, q, instance);
                        }
                        for (uint32_t n = rnd(&w.env, 3); n > 0; n--)
                                random_change(&w, tx);
                        checked_pick(&w, q);
                        if (undo)
                                tx_rollback(tx);
                        else
                                tx_commit(tx);
                        if (rnd(&w.env, 4) == 0)
                                connect_some(&w);
                        checked_pick(&w, q);
                        if (rnd(&w.env, 40) == 0) {
                                /* A scheduler that starts on what is there already. */
                                sched_free(w.sched);
                                w.sched = sched_new(w.model);
                                for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
                                        requests[i].q.class_id = 0;
                        }
                }
                world_close(&w);
        }
        print_message("placed %zu, refused %zu\n", placed, refused);
        assert_true(placed > 3000 && refused > 500);
}

/* ---- single cases */

static void spread_then_binpack(void **state)
{
        struct ecs_attribute a[] = {{.name = "ecs.availability-zone", .value = "a"}},
                             b[] = {{.name = "ecs.availability-zone", .value = "b"}};
        struct placement_rules rules = {
                .strategies = {{STRATEGY_SPREAD_ATTRIBUTE, "ecs.availability-zone"}, {STRATEGY_BINPACK_MEMORY, NULL}}, .n_strategies = 2};
        struct world w;
        struct tx *tx;
        struct instance *small_a, *big_a, *big_b, *expected[5];

        world_open(&w, 5);
        tx = tx_begin(w.model);
        big_a = add_instance(&w, tx, 4096, 4096, a, 1);
        small_a = add_instance(&w, tx, 4096, 1024, a, 1);
        big_b = add_instance(&w, tx, 4096, 4096, b, 1);
        expected[0] = small_a; /* zones tie: least free memory of all */
        expected[1] = big_b;   /* zone b has none yet */
        expected[2] = small_a; /* zones tie: 512 free */
        expected[3] = big_b;
        expected[4] = big_b; /* zones tie: 3,072 free in b, 4,096 in a */
        struct placement_request q = {.cluster = w.cluster, .cpu = 1, .memory = 512, .group = "g", .rules = &rules};
        for (int i = 0; i < 5; i++) {
                struct instance *picked = checked_pick(&w, &q);

                assert_ptr_equal(picked, expected[i]);
                add_task(&w, tx, &q, picked);
        }
        assert_ptr_equal(checked_pick(&w, &q), big_a);
        tx_rollback(tx);
        world_close(&w);
}

static void ties_are_even(void **state)
{
        struct world w;
        struct tx *tx;
        int counts[8] = {0};
        struct placement_request q;

        world_open(&w, 6);
        tx = tx_begin(w.model);
        for (int i = 0; i < 8; i++)
                add_instance(&w, tx, 1 << 20, 1 << 20, NULL, 0);
        tx_commit(tx);
        q = (struct placement_request){.cluster = w.cluster, .cpu = 1, .group = "g"};
        for (int i = 0; i < 8000; i++) {
                struct instance *picked = sched_pick(w.sched, &q);

                tx = tx_begin(w.model);
                add_task(&w, tx, &q, picked);
                counts[atoi(picked->state->id + 1)]++;
                tx_commit(tx);
        }
        /* 1,000 each; a standard deviation is about 30. */
        for (int i = 0; i < 8; i++)
                assert_in_range(counts[i], 850, 1150);
        world_close(&w);
}

static void explanations(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct placement_failures failures;
        struct placement_request q;
        struct instance *full, *draining;
        struct state_container_instance *s;
        struct world w;
        struct tx *tx;

        world_open(&w, 7);
        q = (struct placement_request){.cluster = w.cluster, .cpu = 512, .memory = 1, .group = "g"};
        assert_null(sched_pick(w.sched, &q));
        sched_explain(w.sched, &q, &arena, &failures);
        assert_int_equal(failures.n, 0);

        tx = tx_begin(w.model);
        full = add_instance(&w, tx, 256, 256, NULL, 0);
        draining = add_instance(&w, tx, 4096, 4096, NULL, 0);
        s = tx_edit(tx, &draining->object);
        s->status = STATE_INSTANCE_STATUS_DRAINING;
        tx_put(tx, &draining->object, s);
        tx_commit(tx);
        assert_null(sched_pick(w.sched, &q));
        sched_explain(w.sched, &q, &arena, &failures);
        assert_int_equal(failures.n, 1);
        assert_ptr_equal(failures.items[0].instance, full);
        assert_string_equal(failures.items[0].reason, "RESOURCE:CPU");
        assert_string_equal(sched_reason(w.sched, &q, draining), "INACTIVE");
        world_close(&w);
}

static void many_classes(void **state)
{
        struct placement_request first, q;
        struct world w;
        struct tx *tx;

        world_open(&w, 8);
        tx = tx_begin(w.model);
        add_instance(&w, tx, 4096, 4096, NULL, 0);
        tx_commit(tx);
        first = (struct placement_request){.cluster = w.cluster, .cpu = 1, .group = "g"};
        assert_non_null(sched_pick(w.sched, &first));
        for (int i = 2; i < 1000; i++) {
                q = (struct placement_request){.cluster = w.cluster, .cpu = i, .group = "g"};
                assert_non_null(sched_pick(w.sched, &q));
        }
        /* Its class is long gone, and another has its place. */
        assert_non_null(sched_pick(w.sched, &first));
        world_close(&w);
}

static void clusters_come_and_go(void **state)
{
        struct world w;
        struct tx *tx;

        world_open(&w, 12);
        for (int round = 0; round < 3; round++) {
                struct placement_request q = {.cpu = 1, .group = "g"};
                struct instance *instance;
                struct task *task;

                q.cluster = w.cluster;
                tx = tx_begin(w.model);
                instance = add_instance(&w, tx, 4096, 4096, NULL, 0);
                task = add_task(&w, tx, &q, sched_pick(w.sched, &q));
                tx_commit(tx);
                assert_ptr_equal(checked_pick(&w, &q), instance);
                tx = tx_begin(w.model);
                tx_remove(tx, &task->object);
                tx_remove(tx, &instance->object);
                tx_remove(tx, &w.cluster->object);
                if (round == 0) {
                        tx_rollback(tx);
                        assert_ptr_equal(checked_pick(&w, &q), instance);
                        tx = tx_begin(w.model);
                        tx_remove(tx, &instance->object);
                        tx_remove(tx, &task->object);
                        tx_commit(tx);
                        assert_null(checked_pick(&w, &q));
                        continue;
                }
                w.cluster = CONTAINER_OF(
                        tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "c", .status = STATE_CLUSTER_STATUS_ACTIVE}),
                        struct cluster, object);
                tx_commit(tx);
                q.cluster = w.cluster;
                assert_null(checked_pick(&w, &q));
        }
        world_close(&w);
}

static void rules_are_checked(void **state)
{
        struct ecs_placement_constraint constraints[] = {
                {.type = ECS_PLACEMENT_CONSTRAINT_TYPE_DISTINCTINSTANCE},
                {.type = ECS_PLACEMENT_CONSTRAINT_TYPE_MEMBEROF, .expression = "attribute:a == b"}};
        struct ecs_task_definition_placement_constraint of_definition[] = {
                {.type = ECS_TASK_DEFINITION_PLACEMENT_CONSTRAINT_TYPE_MEMBEROF, .expression = "attribute:x exists"}};
        struct ecs_placement_strategy strategies[] = {
                {.type = ECS_PLACEMENT_STRATEGY_TYPE_SPREAD, .field = "attribute:zone"},
                {.type = ECS_PLACEMENT_STRATEGY_TYPE_SPREAD, .field = "host"},
                {.type = ECS_PLACEMENT_STRATEGY_TYPE_BINPACK, .field = "MEMORY"},
                {.type = ECS_PLACEMENT_STRATEGY_TYPE_RANDOM},
        };
        static const struct ecs_placement_strategy bad_strategies[] = {
                {.type = ECS_PLACEMENT_STRATEGY_TYPE_SPREAD},
                {.type = ECS_PLACEMENT_STRATEGY_TYPE_SPREAD, .field = "attribute:"},
                {.type = ECS_PLACEMENT_STRATEGY_TYPE_SPREAD, .field = "cpu"},
                {.type = ECS_PLACEMENT_STRATEGY_TYPE_BINPACK, .field = "disk"},
                {.type = ECS_PLACEMENT_STRATEGY_TYPE_RANDOM, .field = "cpu"},
                {.field = "cpu"},
        };
        static const struct ecs_placement_constraint bad_constraints[] = {
                {.type = ECS_PLACEMENT_CONSTRAINT_TYPE_DISTINCTINSTANCE, .expression = "attribute:a == b"},
                {.type = ECS_PLACEMENT_CONSTRAINT_TYPE_MEMBEROF},
                {.expression = "attribute:a == b"},
        };
        struct placement_rules rules;
        struct error error = {0};
        struct world w;

        assert_int_equal(placement_rules_read(&(struct ecs_placement_constraint_list){constraints, 2},
                                              &(struct ecs_task_definition_placement_constraint_list){of_definition, 1},
                                              &(struct ecs_placement_strategy_list){strategies, 4}, &rules, &error),
                         0);
        assert_true(rules.distinct_instance);
        assert_int_equal(rules.n_expressions, 2);
        assert_int_equal(rules.n_strategies, 4);
        assert_string_equal(rules.strategies[0].attribute, "zone");
        assert_int_equal(rules.strategies[1].kind, STRATEGY_SPREAD_INSTANCE);
        assert_int_equal(rules.strategies[2].kind, STRATEGY_BINPACK_MEMORY);
        for (size_t i = 0; i < ARRAY_SIZE(bad_strategies); i++) {
                struct ecs_placement_strategy one = bad_strategies[i];

                error_clear(&error);
                assert_int_equal(placement_rules_read(NULL, NULL, &(struct ecs_placement_strategy_list){&one, 1}, &rules, &error), -EINVAL);
                assert_string_equal(error.code, "InvalidParameterException");
        }
        for (size_t i = 0; i < ARRAY_SIZE(bad_constraints); i++) {
                struct ecs_placement_constraint one = bad_constraints[i];

                error_clear(&error);
                assert_int_equal(placement_rules_read(&(struct ecs_placement_constraint_list){&one, 1}, NULL, NULL, &rules, &error),
                                 -EINVAL);
        }
        assert_int_equal(placement_rules_read(&(struct ecs_placement_constraint_list){constraints, 11}, NULL, NULL, &rules, &error),
                         -EINVAL);
        assert_int_equal(placement_rules_read(NULL, NULL, &(struct ecs_placement_strategy_list){strategies, 6}, &rules, &error), -EINVAL);

        world_open(&w, 9);
        rules = (struct placement_rules){.expressions = {"attribute:a == b", "attribute:a ="}, .n_expressions = 2};
        error_clear(&error);
        assert_int_equal(sched_check_rules(w.sched, &rules, &error), -EINVAL);
        rules.n_expressions = 1;
        assert_int_equal(sched_check_rules(w.sched, &rules, &error), 0);
        placement_rules_default_service(&rules);
        assert_int_equal(rules.n_strategies, 2);
        world_close(&w);
        assert_null(sched_free(NULL));
}

static void sparse_counters(void **state)
{
        static uint32_t expected[300];
        struct seeded_env env = {.state = 11};
        struct counts counts = {0};

        for (int i = 0; i < 100000; i++) {
                uint32_t number = rnd(&env, i / 20000 % 2 == 0 ? 300 : 20);
                int delta = expected[number] > 0 && rnd(&env, 2) == 0 ? -1 : 1;

                expected[number] += (uint32_t)delta;
                counts_add(&counts, number, delta);
                assert_int_equal(counts_get(&counts, number), expected[number]);
        }
        for (uint32_t i = 0; i < 300; i++) {
                assert_int_equal(counts_get(&counts, i), expected[i]);
                counts_add(&counts, i, -(int32_t)expected[i]);
        }
        assert_int_equal(counts.n, 0);
        counts_done(&counts);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sparse_counters),   cmocka_unit_test(spread_then_binpack),
                cmocka_unit_test(ties_are_even),     cmocka_unit_test(explanations),
                cmocka_unit_test(many_classes),      cmocka_unit_test(clusters_come_and_go),
                cmocka_unit_test(rules_are_checked), cmocka_unit_test(agrees_with_naive_reading),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
