/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model: after every step of long random histories, with rollbacks, every index and counter must be what a computation
 * from scratch says; a rollback must leave no trace; what a second model loads from the store must equal what is in memory.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

#include "base/strutil.h"
#include "model/internal.h"
#include "model/ports.h"
#include "model/stored.h"
#include "store/store.h"

#include "unit.h"

/* ---- the world */

struct watcher {
        struct model_observer observer;
        size_t changed[OBJECT_KIND_MAX], applied[OBJECT_KIND_MAX]; /* objects, as the events say */
        int n_connected;
};

struct world {
        struct store *store;
        struct model *model;
        struct watcher watcher;
        uint64_t seed;
        int next_id;
        struct error error;
};

static uint32_t rnd(struct world *w, uint32_t below)
{
        w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t)(w->seed >> 33) % below;
}

static void count_event(size_t *counts, const struct object *object, const void *old_state, const void *new_state)
{
        assert_true(old_state != NULL || new_state != NULL);
        if (old_state == NULL)
                counts[object->kind]++;
        if (new_state == NULL)
                counts[object->kind]--;
}

static void on_changed(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state)
{
        count_event(CONTAINER_OF(observer, struct watcher, observer)->changed, object, old_state, new_state);
        if (new_state != NULL)
                assert_ptr_equal(new_state, object_state(object));
}

static void on_applied(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state)
{
        count_event(CONTAINER_OF(observer, struct watcher, observer)->applied, object, old_state, new_state);
}

static void on_connected(struct model_observer *observer, struct instance *instance)
{
        CONTAINER_OF(observer, struct watcher, observer)->n_connected += instance->connected ? 1 : -1;
}

static struct model *open_model(struct world *w)
{
        struct model *model;

        if (model_open(w->store, env_system(), NULL, "123456789012", "us-east-1", &model, &w->error) < 0)
                fail_msg("%s", w->error.message);
        return model;
}

static int setup(void **state)
{
        static struct world world;

        world = (struct world){.store = store_memory_new(-1), .seed = 1};
        world.model = open_model(&world);
        world.watcher.changed[OBJECT_META] = world.watcher.applied[OBJECT_META] = 1;
        world.watcher.observer = (struct model_observer){.changed = on_changed, .applied = on_applied, .connected = on_connected};
        model_observe(world.model, &world.watcher.observer);
        *state = &world;
        return 0;
}

static int teardown(void **state)
{
        struct world *w = *state;

        model_close(w->model);
        store_close(w->store);
        return 0;
}

/* ---- everything that can be said of a model, as text; counters computed from scratch are asserted on the way */

static size_t count_list(const struct list *head)
{
        size_t n = 0;

        for (const struct list *l = head->next; l != head; l = l->next)
                n++;
        return n;
}

#define FOR_TASKS(task, model)                                         \
        tree_for_each (task##_node, model_objects(model, OBJECT_TASK)) \
                for (struct task *task = MODEL_OBJECT(task##_node, task); task; task = NULL)

static void check_cluster(struct model *model, struct cluster *c)
{
        size_t running = 0, pending = 0, stopped = 0, tasks = 0, instances = 0, all_instances = 0, by_type = 0, waiting = 0;

        FOR_TASKS(task, model)
        {
                if (task->cluster != c)
                        continue;
                tasks++;
                running += task->state->last_status == STATE_TASK_STATUS_RUNNING;
                pending += task->state->last_status < STATE_TASK_STATUS_RUNNING;
                waiting += task->state->last_status == STATE_TASK_STATUS_PROVISIONING && task->state->instance == NULL;
                stopped += task_is_over(task->state);
                by_type += task->state->last_status == STATE_TASK_STATUS_RUNNING && task->state->launch_type == ECS_LAUNCH_TYPE_EXTERNAL;
        }
        tree_for_each (node, model_objects(model, OBJECT_INSTANCE)) {
                struct instance *i = MODEL_OBJECT(node, instance);

                all_instances += i->cluster == c;
                instances += i->cluster == c && i->state->status != STATE_INSTANCE_STATUS_INACTIVE;
        }
        assert_int_equal(c->n_running, running);
        assert_int_equal(c->n_pending, pending);
        assert_int_equal(c->n_waiting, waiting);
        assert_int_equal(c->n_stopped, stopped);
        assert_int_equal(c->n_instances, instances);
        assert_int_equal(c->n_members, tasks + all_instances);
        assert_int_equal(c->n_running_by_type[ECS_LAUNCH_TYPE_EXTERNAL], by_type);
        assert_int_equal(c->n_running_by_type[ECS_LAUNCH_TYPE_EC2], running - by_type);
        model_for_each_task (task, model, c) {
                assert_ptr_equal(task->cluster, c);
                tasks--;
        }
        assert_int_equal(tasks, 0);
        assert_int_equal(count_list(&c->instances), instances);
}

static bool lists_port(const struct int_list *list, int port)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (list->items[i] == port)
                        return true;
        return false;
}

static void check_instance(struct model *model, struct instance *instance)
{
        int cpu = 0, memory = 0;
        size_t running = 0, pending = 0, live = 0, stopped = 0;
        bool ports[64] = {0};

        for (int port = 1; port < 64; port++)
                ports[port] = lists_port(&instance->state->ports, port);
        FOR_TASKS(task, model)
        {
                if (task->instance != instance)
                        continue;
                stopped += task_is_over(task->state);
                if (task_is_over(task->state))
                        continue;
                live++;
                cpu += task->state->cpu;
                memory += task->state->memory;
                running += task->state->last_status == STATE_TASK_STATUS_RUNNING;
                pending += task->state->last_status < STATE_TASK_STATUS_RUNNING;
                for (int port = 1; port < 64; port++)
                        ports[port] |= lists_port(&task->state->ports, port);
        }
        assert_int_equal(instance->cpu_used, cpu);
        assert_int_equal(instance->memory_used, memory);
        assert_int_equal(instance->n_running, running);
        assert_int_equal(instance->n_pending, pending);
        assert_int_equal(count_list(&instance->tasks), live);
        assert_int_equal(count_list(&instance->stopped), stopped);
        for (int port = 1; port < 64; port++)
                assert_int_equal(port_set_has(instance->ports_used, port), ports[port]);
}

static void check_family(struct model *model, struct family *family)
{
        struct task_definition *latest = NULL;
        size_t n_active = 0;
        int previous = 0;

        list_for_each (d, &family->revisions, struct task_definition, in_family) {
                size_t live = 0, all = 0;

                assert_true(d->state->definition->revision > previous);
                previous = d->state->definition->revision;
                if (d->state->definition->status == ECS_TASK_DEFINITION_STATUS_ACTIVE) {
                        latest = d;
                        n_active++;
                }
                FOR_TASKS(task, model)
                {
                        all += task->definition == d;
                        live += task->definition == d && !task_is_over(task->state);
                }
                assert_int_equal(d->n_tasks, live);
                assert_int_equal(count_list(&d->tasks), all);
        }
        assert_ptr_equal(family->latest, latest);
        assert_int_equal(family->n_active, n_active);
}

static void check_tasks(struct model *model)
{
        size_t stopped = 0;
        int64_t previous = 0;

        FOR_TASKS(task, model)
        {
                const struct state_task *s = task->state;

                assert_ptr_equal(task->cluster, model_cluster(model, s->cluster));
                assert_ptr_equal(task->instance, s->instance != NULL ? model_instance(model, s->cluster, s->instance) : NULL);
                assert_ptr_equal(task->definition, model_task_definition(model, s->family, s->revision));
                stopped += task_is_over(s);
        }
        assert_int_equal(model_stopped_count(model), stopped);
        assert_int_equal(count_list(&model->stopped), stopped);
        list_for_each (task, &model->stopped, struct task, in_stopped) {
                assert_true(task->state->stopped_at >= previous);
                previous = task->state->stopped_at;
        }
}

static void check_model(struct model *model)
{
        tree_for_each (node, model_objects(model, OBJECT_CLUSTER))
                check_cluster(model, MODEL_OBJECT(node, cluster));
        tree_for_each (node, model_objects(model, OBJECT_INSTANCE))
                check_instance(model, MODEL_OBJECT(node, instance));
        tree_for_each (node, model_objects(model, OBJECT_FAMILY))
                check_family(model, MODEL_OBJECT(node, family));
        check_tasks(model);
}

static void dump(struct model *model, struct buf *out)
{
        buf_clear(out);
        for (int kind = 0; kind < OBJECT_KIND_MAX; kind++)
                tree_for_each (node, model_objects(model, (enum object_kind)kind)) {
                        struct object *object = CONTAINER_OF(node, struct object, node);

                        assert_int_equal(object->kind, kind);
                        assert_null(object->change);
                        buf_printf(out, "%d %s ", kind, object->key);
                        shape_to_json(model_kinds[kind].shape, object_state(object), out);
                        buf_append_char(out, '\n');
                }
}

/* ---- random changes */

static struct object *pick(struct world *w, enum object_kind kind)
{
        const struct tree *tree = model_objects(w->model, kind);
        struct tree_node *node = tree_first(tree);

        if (tree->count == 0)
                return NULL;
        for (uint32_t n = rnd(w, (uint32_t)tree->count); n > 0; n--)
                node = tree_next(node);
        return CONTAINER_OF(node, struct object, node);
}

static void new_cluster(struct world *w, struct tx *tx)
{
        struct state_cluster state = {.status = STATE_CLUSTER_STATUS_ACTIVE};

        state.name = arena_printf(tx_arena(tx), "cluster-%d", w->next_id++);
        tx_insert(tx, OBJECT_CLUSTER, &state);
}

static void new_instance(struct world *w, struct tx *tx)
{
        struct object *cluster = pick(w, OBJECT_CLUSTER);
        struct state_container_instance state = {.status = STATE_INSTANCE_STATUS_ACTIVE};
        int64_t ports[] = {22, rnd(w, 64)};

        if (cluster == NULL)
                return;
        state.cluster = cluster->key;
        state.id = arena_printf(tx_arena(tx), "i%d", w->next_id++);
        state.ports = (struct int_list){ports, 2};
        SHAPE_SET(&state, state_container_instance, cpu, 4096);
        tx_insert(tx, OBJECT_INSTANCE, &state);
}

static void new_definition(struct world *w, struct tx *tx)
{
        struct ecs_task_definition definition = {.status = ECS_TASK_DEFINITION_STATUS_ACTIVE};
        struct state_task_definition state = {.definition = &definition};
        struct family *family;
        struct state_family *edited;

        definition.family = arena_printf(tx_arena(tx), "family-%u", rnd(w, 4));
        family = model_family(w->model, definition.family);
        if (family == NULL)
                family = CONTAINER_OF(tx_insert(tx, OBJECT_FAMILY, &(struct state_family){.name = definition.family}), struct family,
                                      object);
        edited = tx_edit(tx, &family->object);
        SHAPE_SET(edited, state_family, latest_revision, edited->latest_revision + 1);
        tx_put(tx, &family->object, edited);
        SHAPE_SET(&definition, ecs_task_definition, revision, edited->latest_revision);
        tx_insert(tx, OBJECT_TASK_DEFINITION, &state);
}

static void fill_task(struct world *w, struct tx *tx, struct state_task *s)
{
        static const enum state_task_status statuses[] = {STATE_TASK_STATUS_PROVISIONING, STATE_TASK_STATUS_PENDING,
                                                          STATE_TASK_STATUS_RUNNING, STATE_TASK_STATUS_STOPPING, STATE_TASK_STATUS_STOPPED};
        struct object *instance = pick(w, OBJECT_INSTANCE);
        int64_t *ports = arena_calloc(tx_arena(tx), 3, sizeof(int64_t));

        for (int i = 0; i < 3; i++)
                ports[i] = rnd(w, 64);
        s->ports = (struct int_list){ports, rnd(w, 4)};
        s->last_status = statuses[rnd(w, ARRAY_SIZE(statuses))];
        s->launch_type = rnd(w, 3) == 0 ? ECS_LAUNCH_TYPE_EXTERNAL : rnd(w, 2) == 0 ? ECS_LAUNCH_TYPE_EC2 : ECS_LAUNCH_TYPE_UNSET;
        s->stopped_at = task_is_over(s) ? 1 + rnd(w, 1000) : 0;
        SHAPE_SET(s, state_task, cpu, (int)rnd(w, 1000));
        SHAPE_SET(s, state_task, memory, (int)rnd(w, 1000));
        s->instance = NULL;
        if (instance != NULL && rnd(w, 4) != 0 && str_eq(CONTAINER_OF(instance, struct instance, object)->state->cluster, s->cluster))
                s->instance = arena_strdup(tx_arena(tx), CONTAINER_OF(instance, struct instance, object)->state->id);
}

static void new_task(struct world *w, struct tx *tx)
{
        struct object *cluster = pick(w, OBJECT_CLUSTER), *definition = pick(w, OBJECT_TASK_DEFINITION);
        struct state_task state = {0};

        if (cluster == NULL || definition == NULL)
                return;
        state.cluster = cluster->key;
        state.id = arena_printf(tx_arena(tx), "t%d", w->next_id++);
        state.family = CONTAINER_OF(definition, struct task_definition, object)->state->definition->family;
        SHAPE_SET(&state, state_task, revision, CONTAINER_OF(definition, struct task_definition, object)->state->definition->revision);
        fill_task(w, tx, &state);
        tx_insert(tx, OBJECT_TASK, &state);
}

static void change_task(struct world *w, struct tx *tx)
{
        struct object *object = pick(w, OBJECT_TASK);
        struct state_task *s;

        if (object == NULL)
                return;
        s = tx_edit(tx, object);
        fill_task(w, tx, s);
        tx_put(tx, object, s);
}

static void change_instance(struct world *w, struct tx *tx)
{
        struct object *object = pick(w, OBJECT_INSTANCE);
        struct state_container_instance *s;

        if (object == NULL)
                return;
        s = tx_edit(tx, object);
        s->status = 1 + rnd(w, STATE_INSTANCE_STATUS_MAX - 1);
        s->ports.items[1] = rnd(w, 64);
        tx_put(tx, object, s);
}

static void change_definition(struct world *w, struct tx *tx)
{
        struct object *object = pick(w, OBJECT_TASK_DEFINITION);
        struct state_task_definition *s;

        if (object == NULL)
                return;
        s = tx_edit(tx, object);
        s->definition->status = rnd(w, 2) == 0 ? ECS_TASK_DEFINITION_STATUS_ACTIVE : ECS_TASK_DEFINITION_STATUS_INACTIVE;
        tx_put(tx, object, s);
}

static void remove_some(struct world *w, struct tx *tx)
{
        static const enum object_kind kinds[] = {OBJECT_TASK,   OBJECT_TASK, OBJECT_TASK, OBJECT_INSTANCE, OBJECT_TASK_DEFINITION,
                                                 OBJECT_CLUSTER};
        struct object *object = pick(w, kinds[rnd(w, ARRAY_SIZE(kinds))]);

        if (object == NULL || (object->kind == OBJECT_CLUSTER && CONTAINER_OF(object, struct cluster, object)->n_members > 0))
                return;
        tx_remove(tx, object);
}

static void (*const actions[])(struct world *w, struct tx *tx) = {
        new_cluster, new_instance, new_definition, new_task,        new_task,          new_task,    change_task,
        change_task, change_task,  change_task,    change_instance, change_definition, remove_some, remove_some,
};

static void check_events(struct world *w)
{
        for (int kind = 0; kind < OBJECT_KIND_MAX; kind++) {
                assert_int_equal(w->watcher.applied[kind], model_objects(w->model, (enum object_kind)kind)->count);
                assert_int_equal(w->watcher.changed[kind], model_objects(w->model, (enum object_kind)kind)->count);
        }
}

static void random_histories(void **state)
{
        struct world *w = *state;
        CLEANUP_BUF struct buf before = {0};
        CLEANUP_BUF struct buf after = {0};

        for (int round = 0; round < 1500; round++) {
                struct tx *tx = tx_begin(w->model);
                uint64_t sequence = model_sequence(w->model);
                bool undo = rnd(w, 3) == 0;

                if (undo) {
                        /* The dump asserts that no transaction has touched anything: it is open, but empty. */
                        dump(w->model, &before);
                }
                for (uint32_t n = rnd(w, 8); n > 0; n--)
                        actions[rnd(w, ARRAY_SIZE(actions))](w, tx);
                if (round % 10 == 0)
                        check_model(w->model);
                if (!undo) {
                        assert_true(tx_commit(tx) - sequence <= 1);
                } else {
                        tx_rollback(tx);
                        dump(w->model, &after);
                        assert_string_equal(before.data, after.data);
                        assert_int_equal(model_sequence(w->model), sequence);
                }
                check_events(w);
                if (round % 10 == 0 || undo)
                        check_model(w->model);
                if (round % 100 == 0) {
                        struct model *second = open_model(w);

                        dump(w->model, &before);
                        dump(second, &after);
                        assert_string_equal(before.data, after.data);
                        check_model(second);
                        model_close(second);
                }
        }
        assert_true(model_objects(w->model, OBJECT_TASK)->count > 20);
}

/* ---- single cases */

static void states_stay_readable(void **state)
{
        struct world *w = *state;
        struct tx *tx = tx_begin(w->model);
        struct object *object = tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "c"});
        const struct state_cluster *first = object_state(object), *second;
        struct state_cluster *edited = tx_edit(tx, object);

        edited->status = STATE_CLUSTER_STATUS_ACTIVE;
        tx_put(tx, object, edited);
        second = object_state(object);
        edited->status = STATE_CLUSTER_STATUS_INACTIVE;
        tx_put(tx, object, edited);
        assert_int_equal(first->status, STATE_CLUSTER_STATUS_UNSET);
        assert_int_equal(second->status, STATE_CLUSTER_STATUS_ACTIVE);
        assert_int_equal(model_cluster(w->model, "c")->state->status, STATE_CLUSTER_STATUS_INACTIVE);
        tx_commit(tx);

        tx = tx_begin(w->model);
        tx_remove(tx, object);
        assert_null(model_cluster(w->model, "c"));
        /* The same key again within the transaction that removed it. */
        tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "c", .status = STATE_CLUSTER_STATUS_ACTIVE});
        tx_rollback(tx);
        assert_ptr_equal(model_cluster(w->model, "c"), object);
        assert_int_equal(model_cluster(w->model, "c")->state->status, STATE_CLUSTER_STATUS_INACTIVE);
}

static void nothing_is_not_committed(void **state)
{
        struct world *w = *state;
        struct tx *tx = tx_begin(w->model);
        uint64_t sequence = model_sequence(w->model);

        assert_int_equal(tx_commit(tx), sequence);
        tx = tx_begin(w->model);
        tx_remove(tx, tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "brief"}));
        assert_int_equal(tx_commit(tx), sequence);
        assert_int_equal(model_durable(w->model), sequence);
}

static void lookups(void **state)
{
        struct world *w = *state;
        struct tx *tx = tx_begin(w->model);
        struct object *setting, *key, *token;

        setting = tx_insert(tx, OBJECT_SETTING,
                            &(struct state_setting){.principal_arn = "arn:aws:iam::1:user/a/b",
                                                    .name = ECS_SETTING_NAME_CONTAINERINSIGHTS,
                                                    .value = "enabled"});
        key = tx_insert(tx, OBJECT_ACCESS_KEY, &(struct state_access_key){.id = "AKIA"});
        token = tx_insert(tx, OBJECT_CLIENT_TOKEN, &(struct state_client_token){.key = "RunTask/default/x y/z"});
        tx_commit(tx);
        assert_ptr_equal(model_setting(w->model, "arn:aws:iam::1:user/a/b", ECS_SETTING_NAME_CONTAINERINSIGHTS), setting);
        assert_null(model_setting(w->model, "arn:aws:iam::1:user/a/b", ECS_SETTING_NAME_AWSVPCTRUNKING));
        assert_null(model_setting(w->model, NULL, ECS_SETTING_NAME_AWSVPCTRUNKING));
        assert_null(model_setting(w->model, "default", ECS_SETTING_NAME_UNSET));
        assert_ptr_equal(model_access_key(w->model, "AKIA"), key);
        assert_null(model_access_key(w->model, NULL));
        assert_ptr_equal(model_client_token(w->model, "RunTask/default/x y/z"), token);
        assert_null(model_task(w->model, NULL, NULL));
        assert_null(model_task_definition(w->model, "none", -1));
        assert_string_equal(model_account(w->model), "123456789012");
        assert_string_equal(model_region(w->model), "us-east-1");
        assert_int_equal(strlen(model_meta(w->model)->id), 36);
}

static void connection_is_not_state(void **state)
{
        struct world *w = *state;
        struct tx *tx = tx_begin(w->model);
        struct instance *instance;

        tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "c"});
        instance = CONTAINER_OF(tx_insert(tx, OBJECT_INSTANCE, &(struct state_container_instance){.cluster = "c", .id = "i"}),
                                struct instance, object);
        tx_commit(tx);
        model_set_connected(w->model, instance, true);
        model_set_connected(w->model, instance, true);
        assert_int_equal(w->watcher.n_connected, 1);
        assert_true(instance->connected);
        model_set_connected(w->model, instance, false);
        assert_int_equal(w->watcher.n_connected, 0);
        model_unobserve(w->model, &w->watcher.observer);
        model_set_connected(w->model, instance, true);
        assert_int_equal(w->watcher.n_connected, 0);
}

static void another_account_is_refused(void **state)
{
        struct world *w = *state;
        struct model *model = NULL;
        struct error error = {0};

        assert_int_equal(model_open(w->store, env_system(), NULL, "999999999999", "us-east-1", &model, &error), -EINVAL);
        assert_non_null(strstr(error.message, "--account-id 123456789012 --region us-east-1"));
        assert_null(model);
}

static void put_raw(struct world *w, uint16_t kind, uint64_t id, const char *text)
{
        struct store_change change = {.kind = kind, .id = id, .data = text, .len = strlen(text)};

        assert_int_equal(w->store->ops->commit(w->store, &change, 1, &w->error), 0);
}

static void damaged_or_newer_objects_are_named(void **state)
{
        static const struct {
                uint16_t kind;
                uint64_t id;
                const char *text;
                int result;
                const char *message;
        } rows[] = {
                {OBJECT_CLUSTER, 77, "1 {\"name\":", -EINVAL, "Cluster number 77"},
                {OBJECT_CLUSTER, 77, "{}", -EINVAL, "does not start with its version"},
                {OBJECT_CLUSTER, 77, "", -EINVAL, "does not start with its version"},
                {OBJECT_CLUSTER, 77, "7 {\"name\":\"c\"}", -EPROTONOSUPPORT, "version 7"},
                {OBJECT_CLUSTER, 77, "0 {\"name\":\"c\"}", -EPROTONOSUPPORT, "smaller steps"},
                {OBJECT_TASK, 77, "1 {\"cluster\":\"no\",\"id\":\"t\"}", -EUCLEAN, "Task no/t"},
                {OBJECT_META, 77, "1 {\"accountId\":\"123456789012\"}", -EUCLEAN, "Meta meta is stored twice"},
                {999, 1, "1 {}", -EPROTONOSUPPORT, "kind 999"},
        };
        struct world *w = *state;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct store_change undo = {.kind = rows[i].kind, .id = rows[i].id};
                struct model *model = NULL;
                struct error error = {0};

                put_raw(w, rows[i].kind, rows[i].id, rows[i].text);
                assert_int_equal(model_open(w->store, env_system(), NULL, "123456789012", "us-east-1", &model, &error), rows[i].result);
                if (strstr(error.message, rows[i].message) == NULL)
                        fail_msg("%s", error.message);
                assert_int_equal(w->store->ops->commit(w->store, &undo, 1, &error), 0);
        }
}

/* Whatever a damaged store has lost of them: a start says so, or goes on. */
static void objects_without_members_are_survived(void **state)
{
        struct world *w = *state;

        for (uint16_t kind = OBJECT_META + 1; kind < OBJECT_KIND_MAX; kind++) {
                struct store_change undo = {.kind = kind, .id = 77};
                struct model *model = NULL;
                struct error error = {0};
                int r;

                if (model_kinds[kind].shape == NULL)
                        continue;
                put_raw(w, kind, 77, "1 {}");
                r = model_open(w->store, env_system(), NULL, "123456789012", "us-east-1", &model, &error);
                if (r < 0 && strstr(error.message, model_kinds[kind].shape->name) == NULL)
                        fail_msg("%s: %s", model_kinds[kind].shape->name, error.message);
                model_close(model);
                assert_int_equal(w->store->ops->commit(w->store, &undo, 1, &error), 0);
        }
}

static int rewrite_name(struct arena *arena, const char *json, size_t len, struct buf *ret_json, struct error *error)
{
        const char *name = strstr(arena_strndup(arena, json, len), "\"oldName\":");

        if (name == NULL)
                return error_set(error, EINVAL, "no oldName");
        buf_printf(ret_json, "{\"name\":%s", name + strlen("\"oldName\":"));
        return 0;
}

static void stored_upgrade(void **state)
{
        static const struct stored_upgrade upgrades[] = {{&state_cluster_shape, 0, rewrite_name}, {0}};
        const char *old = "0 {\"oldName\":\"c\"}";
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        void *decoded = NULL;

        assert_int_equal(stored_decode(&state_cluster_shape, upgrades, &arena, old, strlen(old), &decoded, &error), 0);
        assert_string_equal(((struct state_cluster *)decoded)->name, "c");
        assert_int_equal(stored_decode(&state_cluster_shape, upgrades, &arena, "0 {}", 4, &decoded, &error), -EINVAL);
}

/* ---- the writer thread */

struct client {
        struct commit_waiter waiter;
        struct model *model;
        uint64_t done_at; /* its place in the order of answers */
};

static uint64_t answers;

static void on_durable(struct commit_waiter *waiter)
{
        struct client *client = CONTAINER_OF(waiter, struct client, waiter);

        assert_true(waiter->sequence <= model_durable(client->model));
        client->done_at = ++answers;
}

static void insert_key(struct model *model, int i)
{
        struct tx *tx = tx_begin(model);

        tx_insert(tx, OBJECT_ACCESS_KEY, &(struct state_access_key){.id = arena_printf(tx_arena(tx), "K%d", i)});
        tx_commit(tx);
}

static void answers_wait_and_keep_their_order(void **state)
{
        static struct client clients[200];
        struct world *w = *state;
        struct model *model;
        uv_loop_t loop;

        answers = 0;
        uv_loop_init(&loop);
        assert_int_equal(model_open(w->store, env_system(), &loop, "123456789012", "us-east-1", &model, &w->error), 0);
        for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
                insert_key(model, (int)i);
                clients[i] = (struct client){.waiter.durable = on_durable, .model = model};
                model_when_durable(model, model_sequence(model), &clients[i].waiter);
                if (i % 50 == 49)
                        uv_run(&loop, UV_RUN_NOWAIT);
        }
        uv_run(&loop, UV_RUN_DEFAULT);
        for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
                assert_int_equal(clients[i].done_at, i + 1);
        /* Nothing to wait for: at once. */
        model_when_durable(model, 1, &clients[0].waiter);
        assert_int_equal(clients[0].done_at, ARRAY_SIZE(clients) + 1);
        /* Closing drains the queue. */
        insert_key(model, 9999);
        model_when_durable(model, model_sequence(model), &clients[1].waiter);
        model_close(model);
        assert_int_equal(clients[1].done_at, ARRAY_SIZE(clients) + 2);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
        model = open_model(w);
        assert_non_null(model_access_key(model, "K9999"));
        assert_int_equal(model_objects(model, OBJECT_ACCESS_KEY)->count, ARRAY_SIZE(clients) + 1);
        model_close(model);
}

/* In a child: status 70 and nothing answered when the store fails. */
static void failed_commit_ends_the_process(void **state)
{
        for (int threaded = 0; threaded < 2; threaded++) {
                int status;
                pid_t child = fork();

                if (child == 0) {
                        struct store *store = store_memory_new(2);
                        struct client client = {.waiter.durable = on_durable};
                        struct error error = {0};
                        uv_loop_t loop;

                        close(STDERR_FILENO);
                        uv_loop_init(&loop);
                        if (model_open(store, env_system(), threaded ? &loop : NULL, "1", "r", &client.model, &error) < 0)
                                _exit(1);
                        for (int i = 0; i < 3; i++) {
                                insert_key(client.model, i);
                                client.done_at = 0;
                                model_when_durable(client.model, model_sequence(client.model), &client.waiter);
                                uv_run(&loop, UV_RUN_DEFAULT);
                        }
                        _exit(client.done_at != 0 ? 2 : 3);
                }
                waitpid(child, &status, 0);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 70);
        }
}

struct acknowledger {
        struct commit_waiter waiter;
        int number, fd;
};

static void acknowledge(struct commit_waiter *waiter)
{
        struct acknowledger *a = CONTAINER_OF(waiter, struct acknowledger, waiter);

        if (write(a->fd, &a->number, sizeof(a->number)) != sizeof(a->number))
                _exit(1);
        free(a);
}

/* In a child: transactions of two objects each, some of them large, acknowledged on the pipe as they become durable. */
static void commit_until_killed(const char *dir, int fd)
{
        struct model *model = NULL;
        struct store *store = NULL;
        struct error error = {0};
        uv_loop_t loop;

        uv_loop_init(&loop);
        if (store_sqlite_open(dir, &store, &error) < 0 || model_open(store, env_system(), &loop, "1", "r", &model, &error) < 0)
                _exit(1);
        for (int i = (int)model_objects(model, OBJECT_ACCESS_KEY)->count;; i++) {
                struct acknowledger *a = calloc(1, sizeof(*a));
                struct tx *tx = tx_begin(model);

                *a = (struct acknowledger){.waiter.durable = acknowledge, .number = i, .fd = fd};
                tx_insert(tx, OBJECT_ACCESS_KEY, &(struct state_access_key){.id = arena_printf(tx_arena(tx), "K%06d", i)});
                tx_insert(tx, OBJECT_CLIENT_TOKEN,
                          &(struct state_client_token){.key = arena_printf(tx_arena(tx), "T%06d", i),
                                                       .digest = arena_printf(tx_arena(tx), "%0*d", i % 5000, i)});
                model_when_durable(model, tx_commit(tx), &a->waiter);
                uv_run(&loop, i % 50 == 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
        }
}

/* Killed at any moment, what was acknowledged is there, and no transaction is there by half. */
static void killed_process_loses_nothing(void **state)
{
        char dir[] = "/tmp/test-model-XXXXXX", command[64];

        assert_non_null(mkdtemp(dir));
        for (int round = 0; round < 6; round++) {
                int fds[2], acknowledged = -1, i;
                struct model *model = NULL;
                struct store *store = NULL;
                struct error error = {0};
                pid_t child;

                assert_int_equal(pipe(fds), 0);
                child = fork();
                if (child == 0)
                        commit_until_killed(dir, fds[1]);
                close(fds[1]);
                for (i = 0; i < 10 + round * 97; i++)
                        assert_int_equal(read(fds[0], &acknowledged, sizeof(acknowledged)), sizeof(acknowledged));
                kill(child, SIGKILL);
                while (read(fds[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged))
                        ;
                close(fds[0]);
                waitpid(child, NULL, 0);
                assert_int_equal(store_sqlite_open(dir, &store, &error), 0);
                assert_int_equal(model_open(store, env_system(), NULL, "1", "r", &model, &error), 0);
                for (i = 0; model_access_key(model, (snprintf(command, sizeof(command), "K%06d", i), command)) != NULL; i++) {
                        command[0] = 'T';
                        assert_non_null(model_client_token(model, command));
                }
                assert_true(i > acknowledged);
                assert_int_equal(model_objects(model, OBJECT_ACCESS_KEY)->count, i);
                assert_int_equal(model_objects(model, OBJECT_CLIENT_TOKEN)->count, i);
                model_close(model);
                store_close(store);
        }
        snprintf(command, sizeof(command), "rm -r %s", dir);
        assert_int_equal(system(command), 0);
}

/* ---- Commits that are held: what waits is lost with the process, what was written is not ---- */

static void count_durable(struct commit_waiter *waiter)
{
        CONTAINER_OF(waiter, struct client, waiter)->done_at++;
}

static struct model *open_held(struct store *store)
{
        struct error error = {0};
        struct model *model;

        assert_int_equal(model_open(store, env_system(), NULL, "1", "r", &model, &error), 0);
        model_hold_commits(model);
        return model;
}

static void held_commits(void **state)
{
        struct store *store = store_memory_new(-1);
        struct client client = {.waiter.durable = count_durable, .model = open_held(store)};
        struct model *model = client.model;

        (void)state;
        assert_false(model_write(model));
        assert_int_equal(model_backlog(model), 0);
        insert_key(model, 1);
        assert_int_equal(model_backlog(model), 1);
        model_when_durable(model, model_sequence(model), &client.waiter);
        assert_true(model_write(model));
        assert_int_equal(client.done_at, 0); /* on disk, and nobody knows */
        assert_int_equal(model_backlog(model), 1);
        assert_true(model_durable(model) < model_sequence(model));
        model_written(model);
        assert_int_equal(client.done_at, 1);
        assert_int_equal(model_durable(model), model_sequence(model));
        assert_int_equal(model_backlog(model), 0);
        insert_key(model, 2);
        assert_true(model_write(model));
        insert_key(model, 3);
        model_close(model);
        model = open_held(store);
        assert_int_equal(model_objects(model, OBJECT_ACCESS_KEY)->count, 2);
        model_close(model);
        store_close(store);
}

/* ---- what one commit writes */

struct recorder {
        struct store store;
        char text[256];
};

static int record(struct store *store, const struct store_change *changes, size_t n, struct error *error)
{
        struct recorder *recorder = CONTAINER_OF(store, struct recorder, store);
        char *p = recorder->text;

        for (size_t i = 0; i < n; i++)
                p += sprintf(p, "%d/%d%s ", changes[i].kind, (int)changes[i].id, changes[i].data == NULL ? "-" : "");
        return 0;
}

static int load_none(struct store *store, int (*row)(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len), void *data,
                     struct error *error)
{
        return 0;
}

static void put_key(struct model *model, struct object *object, const char *secret)
{
        struct tx *tx = tx_begin(model);
        struct state_access_key *state = tx_edit(tx, object);

        state->secret = secret;
        tx_put(tx, object, state);
        tx_commit(tx);
}

/* The last state of each object, in the order of the store, however often and in whatever order they changed. */
static void a_commit_writes_each_object_once(void **state)
{
        static const struct store_ops recorder_ops = {.commit = record, .load = load_none};
        struct recorder recorder = {.store.ops = &recorder_ops};
        struct model *model = open_held(&recorder.store);
        struct object *first, *second;
        struct tx *tx;

        (void)model_write(model);
        model_written(model);
        insert_key(model, 1);
        insert_key(model, 2);
        insert_key(model, 3);
        first = CONTAINER_OF(tree_first(model_objects(model, OBJECT_ACCESS_KEY)), struct object, node);
        second = CONTAINER_OF(tree_next(&first->node), struct object, node);
        put_key(model, second, "again");
        put_key(model, first, "again");
        put_key(model, second, "and again");
        assert_true(model_write(model));
        assert_string_equal(recorder.text, "13/1 13/2 13/3 ");
        model_written(model);
        put_key(model, second, "gone");
        tx = tx_begin(model);
        tx_remove(tx, second);
        tx_commit(tx);
        put_key(model, first, "last");
        assert_true(model_write(model));
        assert_string_equal(recorder.text, "13/1 13/2- ");
        model_written(model);
        model_close(model);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(random_histories),
                TEST(states_stay_readable),
                TEST(nothing_is_not_committed),
                TEST(lookups),
                TEST(connection_is_not_state),
                TEST(another_account_is_refused),
                TEST(damaged_or_newer_objects_are_named),
                TEST(objects_without_members_are_survived),
                TEST(answers_wait_and_keep_their_order),
                cmocka_unit_test(stored_upgrade),
                cmocka_unit_test(failed_commit_ends_the_process),
                cmocka_unit_test(held_commits),
                cmocka_unit_test(a_commit_writes_each_object_once),
                cmocka_unit_test(killed_process_loses_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
