/* SPDX-License-Identifier: Apache-2.0 */
/* Services in the model: what belongs to them, in order; their tasks counted through every change, rollback and reload. */
#include "base/strutil.h"
#include "fixed_env.h"
#include "model/internal.h"
#include "model/service.h"
#include "store/store.h"

#include "unit.h"

struct world {
        struct fixed_env env;
        struct store *store;
        struct model *model;
};

static void open_model(struct world *w)
{
        struct error error = {0};

        if (model_open(w->store, &w->env.env, NULL, "123456789012", "us-east-1", &w->model, &error) < 0)
                fail_msg("%s", error.message);
}

static void reopen(struct world *w)
{
        model_close(w->model);
        open_model(w);
}

static int setup(void **state)
{
        static struct world world;
        struct tx *tx;

        world = (struct world){.env = fixed_env_make(), .store = store_memory_new(-1)};
        open_model(&world);
        tx = tx_begin(world.model);
        tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "c", .status = STATE_CLUSTER_STATUS_ACTIVE});
        tx_insert(tx, OBJECT_SERVICE, &(struct state_service){.cluster = "c", .name = "web", .status = STATE_SERVICE_STATUS_ACTIVE});
        tx_commit(tx);
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

static struct service *web(struct world *w)
{
        return model_service(w->model, "c", "web");
}

static void add_revision(struct world *w, struct tx *tx, const char *id, int64_t created_at)
{
        (void)w;
        tx_insert(tx, OBJECT_SERVICE_REVISION,
                  &(struct state_service_revision){.cluster = "c", .service = "web", .id = id, .created_at = created_at, .family = "f"});
}

static struct task *add_task(struct tx *tx, const char *id, const char *revision, enum state_task_status status)
{
        struct state_task state = {.cluster = "c",
                                   .id = id,
                                   .family = "f",
                                   .service_name = "web",
                                   .service_revision = revision,
                                   .last_status = status,
                                   .desired_status = STATE_TASK_STATUS_RUNNING};

        return CONTAINER_OF(tx_insert(tx, OBJECT_TASK, &state), struct task, object);
}

static void move(struct world *w, struct tx *tx, const char *id, enum state_task_status status)
{
        struct task *task = model_task(w->model, "c", id);
        struct state_task *state = tx_edit(tx, &task->object);

        state->last_status = status;
        state->stopped_at = status == STATE_TASK_STATUS_STOPPED ? 1 : 0;
        tx_put(tx, &task->object, state);
}

static void assert_counts(const struct task_counts *counts, uint32_t pending, uint32_t running, uint32_t stopping)
{
        assert_int_equal(counts->pending, pending);
        assert_int_equal(counts->running, running);
        assert_int_equal(counts->stopping, stopping);
}

static void tasks_are_counted(void **state)
{
        struct world *w = *state;
        struct service_revision *one, *two;
        struct tx *tx = tx_begin(w->model);

        add_revision(w, tx, "1", 10);
        add_revision(w, tx, "2", 20);
        add_task(tx, "a", "1", STATE_TASK_STATUS_PENDING);
        add_task(tx, "b", "1", STATE_TASK_STATUS_PENDING);
        add_task(tx, "d", "2", STATE_TASK_STATUS_PENDING);
        tx_commit(tx);
        tx = tx_begin(w->model);
        move(w, tx, "a", STATE_TASK_STATUS_RUNNING);
        move(w, tx, "d", STATE_TASK_STATUS_RUNNING);
        move(w, tx, "d", STATE_TASK_STATUS_STOPPING);
        tx_commit(tx);
        assert_counts(&web(w)->counts, 1, 1, 1);
        one = model_service_revision(w->model, "c", "web", "1");
        two = model_service_revision(w->model, "c", "web", "2");
        assert_counts(&one->counts, 1, 1, 0);
        assert_counts(&two->counts, 0, 0, 1);

        tx = tx_begin(w->model);
        move(w, tx, "b", STATE_TASK_STATUS_RUNNING);
        move(w, tx, "d", STATE_TASK_STATUS_STOPPED);
        assert_counts(&web(w)->counts, 0, 2, 0);
        assert_true(task_counts_none(&two->counts));
        tx_rollback(tx);
        assert_counts(&web(w)->counts, 1, 1, 1);
        assert_counts(&two->counts, 0, 0, 1);
        assert_ptr_equal(model_task(w->model, "c", "d")->revision, two);

        tx = tx_begin(w->model);
        move(w, tx, "d", STATE_TASK_STATUS_STOPPED);
        tx_commit(tx);
        reopen(w);
        assert_counts(&web(w)->counts, 1, 1, 0);
        assert_null(model_task(w->model, "c", "d")->service);
        assert_ptr_equal(model_task(w->model, "c", "a")->revision, model_service_revision(w->model, "c", "web", "1"));
}

static void task_sets_have_tasks(void **state)
{
        struct world *w = *state;
        struct tx *tx = tx_begin(w->model);
        struct task *task;

        tx_insert(tx, OBJECT_TASK_SET, &(struct state_task_set){.cluster = "c", .service = "web", .id = "7", .created_at = 1});
        task = add_task(tx, "a", "7", STATE_TASK_STATUS_RUNNING);
        tx_commit(tx);
        assert_null(task->revision);
        assert_ptr_equal(task->task_set, model_task_set(w->model, "c", "web", "7"));
        assert_counts(&task->task_set->counts, 0, 1, 0);
}

/* Keys sort otherwise than times. */
static void revisions_are_in_order(void **state)
{
        struct world *w = *state;
        struct tx *tx = tx_begin(w->model);
        const char *expected[] = {"9", "1", "5"};
        size_t i = 0;

        add_revision(w, tx, "9", 1);
        add_revision(w, tx, "1", 2);
        add_revision(w, tx, "5", 3);
        tx_commit(tx);
        reopen(w);
        list_for_each (revision, &web(w)->revisions, struct service_revision, in_service)
                assert_string_equal(revision->state->id, expected[i++]);
        assert_int_equal(i, 3);
}

static void check_events(struct world *w, int64_t first, int64_t last)
{
        list_for_each (event, &web(w)->events, struct service_event, in_service) {
                char text[64];

                snprintf(text, sizeof(text), "(service web) number %d", (int)first);
                assert_string_equal(event->state->message, text);
                assert_int_equal(event->state->number, first);
                first++;
        }
        assert_int_equal(first, last + 1);
}

static void a_hundred_events_are_kept(void **state)
{
        struct world *w = *state;
        struct tx *tx;

        for (int i = 0; i < 250; i++) {
                tx = tx_begin(w->model);
                service_add_event(tx, web(w), 1000 + i, "number %d", i);
                tx_commit(tx);
                check_events(w, MAX(i - 99, 0), i);
        }
        tx = tx_begin(w->model);
        service_add_event(tx, web(w), 2000, "undone");
        service_add_event(tx, web(w), 2000, "undone");
        tx_rollback(tx);
        check_events(w, 150, 249);
        reopen(w);
        check_events(w, 150, 249);
        assert_int_equal(model_objects(w->model, OBJECT_SERVICE_EVENT)->count, SERVICE_EVENTS);
}

static void forgetting_leaves_nothing(void **state)
{
        struct world *w = *state;
        struct tx *tx = tx_begin(w->model);
        struct state_service *service = tx_edit(tx, &web(w)->object);

        add_revision(w, tx, "1", 1);
        tx_insert(tx, OBJECT_SERVICE_DEPLOYMENT, &(struct state_service_deployment){.cluster = "c", .service = "web", .id = "d"});
        service_add_event(tx, web(w), 1, "gone soon");
        service->status = STATE_SERVICE_STATUS_INACTIVE;
        service->primary = "1";
        service->deployment = "d";
        tx_put(tx, &web(w)->object, service);
        tx_commit(tx);
        assert_string_equal(service_primary(w->model, web(w))->state->id, "1");
        assert_string_equal(service_newest_deployment(w->model, web(w))->state->id, "d");
        assert_int_equal(web(w)->cluster->n_services, 0);

        tx = tx_begin(w->model);
        service_forget(tx, web(w));
        tx_rollback(tx);
        assert_string_equal(service_primary(w->model, web(w))->state->id, "1");

        tx = tx_begin(w->model);
        service_forget(tx, web(w));
        tx_commit(tx);
        for (enum object_kind kind = OBJECT_SERVICE; kind <= OBJECT_TASK_SET; kind++)
                assert_int_equal(model_objects(w->model, kind)->count, 0);
        assert_int_equal(model_cluster(w->model, "c")->n_members, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(tasks_are_counted, setup, teardown),
                cmocka_unit_test_setup_teardown(task_sets_have_tasks, setup, teardown),
                cmocka_unit_test_setup_teardown(revisions_are_in_order, setup, teardown),
                cmocka_unit_test_setup_teardown(a_hundred_events_are_kept, setup, teardown),
                cmocka_unit_test_setup_teardown(forgetting_leaves_nothing, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
