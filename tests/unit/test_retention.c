/* SPDX-License-Identifier: Apache-2.0 */
/* What is over is forgotten in its time, and nothing else. */
#include "control/retention.h"
#include "model/service.h"
#include "store/store.h"

#include "fixed_env.h"
#include "unit.h"

#define HOUR INT64_C(3600000)

struct world {
        struct fixed_env env;
        struct store *store;
        struct model *model;
        struct retention *retention;
        int next;
};

static void insert_cluster(struct world *w, const char *name, int64_t inactive_at)
{
        struct state_cluster state = {.name = name,
                                      .status = inactive_at ? STATE_CLUSTER_STATUS_INACTIVE : STATE_CLUSTER_STATUS_ACTIVE,
                                      .inactive_at = inactive_at};
        struct tx *tx = tx_begin(w->model);

        tx_insert(tx, OBJECT_CLUSTER, &state);
        tx_commit(tx);
}

static void open_model(struct world *w, const struct retention_options *options)
{
        struct error error = {0};

        assert_int_equal(model_open(w->store, &w->env.env, NULL, "123456789012", "us-east-1", &w->model, &error), 0);
        w->retention = retention_new(w->model, options);
}

static void close_model(struct world *w)
{
        w->retention = retention_free(w->retention);
        w->model = model_close(w->model);
}

static void begin(struct world *w, const struct retention_options *options)
{
        *w = (struct world){.env = fixed_env_make(), .store = store_memory_new(-1)};
        open_model(w, options);
        insert_cluster(w, "lab", 0);
}

static void end(struct world *w)
{
        close_model(w);
        store_close(w->store);
}

static void insert_task(struct world *w, int64_t stopped_at)
{
        char id[40];
        struct state_task state = {.cluster = "lab", .id = id, .family = "f", .group = "g", .stopped_at = stopped_at};
        struct tx *tx = tx_begin(w->model);

        snprintf(id, sizeof(id), "%032d", w->next++);
        state.last_status = stopped_at ? STATE_TASK_STATUS_STOPPED : STATE_TASK_STATUS_RUNNING;
        state.desired_status = state.last_status;
        SHAPE_SET(&state, state_task, revision, 1);
        tx_insert(tx, OBJECT_TASK, &state);
        tx_commit(tx);
}

static size_t count(struct world *w, enum object_kind kind)
{
        return model_objects(w->model, kind)->count;
}

static void test_stopped_tasks(void **state)
{
        struct world w;
        int64_t now;

        begin(&w, NULL);
        now = w.env.now_ms;
        insert_task(&w, 0);
        insert_task(&w, now);
        insert_task(&w, now + HOUR);
        assert_int_equal(retention_next(w.retention), now + 24 * HOUR);
        assert_int_equal(retention_run(w.retention, now + 24 * HOUR - 1), 0);
        assert_int_equal(retention_run(w.retention, now + 24 * HOUR), 1);
        assert_int_equal(retention_run(w.retention, now + 25 * HOUR), 1);
        assert_int_equal(retention_run(w.retention, now + 999 * HOUR), 0);
        assert_int_equal(count(&w, OBJECT_TASK), 1);
        end(&w);
}

static void test_too_many_stopped_tasks(void **state)
{
        struct world w;
        int64_t now;

        begin(&w, &(struct retention_options){.max_stopped_tasks = 10, .batch = 3});
        now = w.env.now_ms;
        for (int i = 0; i < 20; i++)
                insert_task(&w, now + i);
        assert_int_equal(retention_run(w.retention, now + HOUR / 2), 0);
        assert_int_equal(retention_run(w.retention, now + HOUR + 100), 3);
        while (retention_run(w.retention, now + HOUR + 100) > 0)
                ;
        assert_int_equal(count(&w, OBJECT_TASK), 10);
        end(&w);
}

static void test_instances_and_clusters(void **state)
{
        struct world w;
        int64_t now;
        struct state_container_instance instance = {
                .cluster = "lab", .id = "0123456789abcdef0123456789abcdef", .status = STATE_INSTANCE_STATUS_ACTIVE};
        struct object *object;
        struct tx *tx;

        begin(&w, NULL);
        now = w.env.now_ms;
        tx = tx_begin(w.model);
        object = tx_insert(tx, OBJECT_INSTANCE, &instance);
        tx_commit(tx);
        assert_int_equal(retention_run(w.retention, now + 100 * HOUR), 0);
        tx = tx_begin(w.model);
        instance.status = STATE_INSTANCE_STATUS_INACTIVE;
        instance.inactive_at = now;
        tx_put(tx, object, &instance);
        tx_commit(tx);
        insert_cluster(&w, "old", now);
        /* everything is read from the store again */
        close_model(&w);
        open_model(&w, NULL);
        assert_int_equal(retention_run(w.retention, now + HOUR - 1), 0);
        assert_int_equal(retention_run(w.retention, now + HOUR), 2);
        assert_int_equal(count(&w, OBJECT_INSTANCE), 0);
        assert_int_equal(count(&w, OBJECT_CLUSTER), 1);
        end(&w);
}

static void test_cluster_waits_for_its_tasks_and_may_come_back(void **state)
{
        struct state_cluster state_of = {.name = "lab", .status = STATE_CLUSTER_STATUS_INACTIVE};
        struct world w;
        int64_t now;
        struct tx *tx;

        begin(&w, NULL);
        now = w.env.now_ms;
        insert_task(&w, now);
        state_of.inactive_at = now;
        tx = tx_begin(w.model);
        tx_put(tx, &model_cluster(w.model, "lab")->object, &state_of);
        tx_commit(tx);
        assert_int_equal(retention_run(w.retention, now + 2 * HOUR), 0);
        /* made again under the same name */
        state_of.status = STATE_CLUSTER_STATUS_ACTIVE;
        state_of.inactive_at = 0;
        tx = tx_begin(w.model);
        tx_put(tx, &model_cluster(w.model, "lab")->object, &state_of);
        tx_commit(tx);
        assert_int_equal(retention_run(w.retention, now + 48 * HOUR), 1);
        assert_int_equal(count(&w, OBJECT_CLUSTER), 1);
        end(&w);
}

static void test_tokens(void **state)
{
        struct world w;
        int64_t now;

        begin(&w, &(struct retention_options){.max_client_tokens = 3});
        now = w.env.now_ms;
        for (int i = 0; i < 5; i++) {
                char key[16];
                struct state_client_token token = {.key = key, .expires_at = now + HOUR + i};
                struct tx *tx = tx_begin(w.model);

                snprintf(key, sizeof(key), "t%d", i);
                tx_insert(tx, OBJECT_CLIENT_TOKEN, &token);
                tx_commit(tx);
        }
        assert_int_equal(retention_run(w.retention, now), 2);
        assert_null(model_client_token(w.model, "t1"));
        assert_non_null(model_client_token(w.model, "t2"));
        assert_int_equal(retention_run(w.retention, now + HOUR + 2), 1);
        assert_int_equal(retention_run(w.retention, now + 2 * HOUR), 2);
        assert_int_equal(count(&w, OBJECT_CLIENT_TOKEN), 0);
        end(&w);
}

static void test_services(void **state)
{
        struct world w;
        struct tx *tx;

        begin(&w, NULL);
        tx = tx_begin(w.model);
        tx_insert(tx, OBJECT_SERVICE,
                  &(struct state_service){.cluster = "lab", .name = "web", .status = STATE_SERVICE_STATUS_ACTIVE, .inactive_at = 0});
        tx_insert(tx, OBJECT_SERVICE_REVISION, &(struct state_service_revision){.cluster = "lab", .service = "web", .id = "1"});
        service_add_event(tx, model_service(w.model, "lab", "web"), w.env.now_ms, "has begun.");
        tx_commit(tx);
        retention_run(w.retention, w.env.now_ms + 24 * HOUR);
        assert_non_null(model_service(w.model, "lab", "web"));
        tx = tx_begin(w.model);
        tx_put(tx, &model_service(w.model, "lab", "web")->object,
               &(struct state_service){
                       .cluster = "lab", .name = "web", .status = STATE_SERVICE_STATUS_INACTIVE, .inactive_at = w.env.now_ms});
        tx_commit(tx);
        assert_int_equal(retention_next(w.retention), w.env.now_ms + HOUR);
        retention_run(w.retention, w.env.now_ms + HOUR);
        assert_null(model_service(w.model, "lab", "web"));
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stopped_tasks),
                cmocka_unit_test(test_too_many_stopped_tasks),
                cmocka_unit_test(test_instances_and_clusters),
                cmocka_unit_test(test_cluster_waits_for_its_tasks_and_may_come_back),
                cmocka_unit_test(test_tokens),
                cmocka_unit_test(test_services),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
