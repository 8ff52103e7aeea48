/* SPDX-License-Identifier: Apache-2.0 */
/* Names, ids and ARNs, as clients write them. */
#include <errno.h>

#include "base/strutil.h"
#include "model/names.h"
#include "model/service.h"
#include "store/store.h"

#include "unit.h"

#define OURS "arn:aws:ecs:eu-west-1:111122223333:"
#define ID "0123456789abcdef0123456789abcdef"
#define UUID "01234567-89ab-cdef-0123-456789abcdef"

struct fixture {
        struct store *store;
        struct model *model;
        struct cluster *cluster;
        struct arena arena;
        struct error error;
};

static void insert_definition(struct tx *tx, const char *family, int revision, enum ecs_task_definition_status status)
{
        struct ecs_task_definition definition = {.family = family, .status = status};
        struct state_task_definition state = {.definition = &definition};

        SHAPE_SET(&definition, ecs_task_definition, revision, revision);
        tx_insert(tx, OBJECT_TASK_DEFINITION, &state);
}

static int setup(void **state)
{
        static struct fixture fixture;
        struct fixture *f = &fixture;
        struct tx *tx;

        *f = (struct fixture){.store = store_memory_new(-1)};
        assert_int_equal(model_open(f->store, env_system(), NULL, "111122223333", "eu-west-1", &f->model, &f->error), 0);
        tx = tx_begin(f->model);
        f->cluster = CONTAINER_OF(
                tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "default", .status = STATE_CLUSTER_STATUS_ACTIVE}),
                struct cluster, object);
        tx_insert(tx, OBJECT_CLUSTER, &(struct state_cluster){.name = "old_1", .status = STATE_CLUSTER_STATUS_INACTIVE});
        tx_insert(tx, OBJECT_FAMILY, &(struct state_family){.name = "web"});
        insert_definition(tx, "web", 1, ECS_TASK_DEFINITION_STATUS_ACTIVE);
        insert_definition(tx, "web", 2, ECS_TASK_DEFINITION_STATUS_ACTIVE);
        insert_definition(tx, "web", 10, ECS_TASK_DEFINITION_STATUS_INACTIVE);
        tx_insert(tx, OBJECT_INSTANCE,
                  &(struct state_container_instance){.cluster = "default", .id = ID, .status = STATE_INSTANCE_STATUS_ACTIVE});
        tx_insert(tx, OBJECT_TASK,
                  &(struct state_task){.cluster = "default", .id = ID, .family = "web", .last_status = STATE_TASK_STATUS_RUNNING});
        tx_insert(tx, OBJECT_TASK,
                  &(struct state_task){.cluster = "default", .id = UUID, .family = "web", .last_status = STATE_TASK_STATUS_RUNNING});
        tx_commit(tx);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        model_close(f->model);
        store_close(f->store);
        arena_done(&f->arena);
        return 0;
}

static void arns_of_everything(void **state)
{
        struct fixture *f = *state;

        assert_string_equal(model_cluster_arn(f->model, &f->arena, "c"), OURS "cluster/c");
        assert_string_equal(model_task_arn(f->model, &f->arena, "c", ID), OURS "task/c/" ID);
        assert_string_equal(model_instance_arn(f->model, &f->arena, "c", ID), OURS "container-instance/c/" ID);
        assert_string_equal(model_container_arn(f->model, &f->arena, "c", ID, UUID), OURS "container/c/" ID "/" UUID);
        assert_string_equal(model_task_definition_arn(f->model, &f->arena, "web", 7), OURS "task-definition/web:7");
}

/* What a finder makes of a text: its result, the API error, and a part of the message. */
struct expectation {
        const char *text;
        int result;
        const char *code, *message;
};

static void check(const struct expectation *e, int result, const struct error *error)
{
        if (result != e->result || !str_eq(error->code, e->code))
                fail_msg("%s: %d (%s) %s", e->text, result, error->code, error->message);
        if (e->message != NULL && strstr(error->message, e->message) == NULL)
                fail_msg("%s: %s", e->text, error->message);
}

static void clusters(void **state)
{
        static const struct expectation rows[] = {
                {NULL, 0, "", NULL},
                {"", 0, "", NULL},
                {"default", 0, "", NULL},
                {OURS "cluster/default", 0, "", NULL},
                {"other", -ENOENT, "ClusterNotFoundException", "Cluster not found."},
                {"old_1", -ENOENT, "ClusterNotFoundException", "inactive"},
                {OURS "cluster/other", -ENOENT, "ClusterNotFoundException", NULL},
                {"arn:aws:ecs:eu-west-1:999999999999:cluster/default", -EINVAL, "ClusterNotFoundException", NULL},
                {"arn:aws:ecs:us-east-1:111122223333:cluster/default", -EINVAL, "ClusterNotFoundException", NULL},
                {OURS "task/default/" ID, -EINVAL, "InvalidParameterException", "type cluster"},
                {OURS "cluster/", -EINVAL, "InvalidParameterException", NULL},
                {OURS, -EINVAL, "InvalidParameterException", NULL},
                {"arn:aws:iam::111122223333:cluster/default", -EINVAL, "InvalidParameterException", NULL},
                {"arn:", -EINVAL, "InvalidParameterException", NULL},
                {"a b", -EINVAL, "InvalidParameterException", "letters"},
                {"a/b", -EINVAL, "InvalidParameterException", NULL},
                {OURS "cluster/a/b", -EINVAL, "InvalidParameterException", NULL},
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct cluster *found = NULL;
                struct error error = {0};
                int r = model_find_active_cluster(f->model, rows[i].text, &found, &error);

                check(&rows[i], r, &error);
                assert_ptr_equal(found, r == 0 ? f->cluster : NULL);
        }
        assert_int_equal(model_find_cluster(f->model, "old_1", &f->cluster, &f->error), 0);
        assert_string_equal(f->cluster->object.key, "old_1");
}

static void tasks_and_instances(void **state)
{
        static const struct expectation rows[] = {
                {ID, 0, "", NULL},
                {OURS "%s/default/" ID, 0, "", NULL},
                {OURS "%s/" ID, 0, "", NULL},
                {"fedcba9876543210fedcba9876543210", -ENOENT, "", NULL},
                {OURS "%s/default/fedcba9876543210fedcba9876543210", -ENOENT, "", NULL},
                {"short", -EINVAL, "InvalidParameterException", "[32,36]"},
                {OURS "%s/other/" ID, -EINVAL, "InvalidParameterException", "Identifier is for other. Your cluster is default"},
                {OURS "%s/defaul/" ID, -EINVAL, "InvalidParameterException", "Identifier is for defaul."},
                {OURS "%s/default/", -EINVAL, "InvalidParameterException", "[32,36]"},
                {OURS "service/default/web", -EINVAL, "InvalidParameterException", "expected"},
                {"arn:aws:ecs:eu-west-2:111122223333:%s/default/" ID, -EINVAL, "InvalidParameterException", "eu-west-2"},
                {"arn:aws:ecs:eu-west-1:1:%s/default/" ID, -EINVAL, "InvalidParameterException", "account"},
                {"0123456789abcdef0123456789abcd/.", -EINVAL, "InvalidParameterException", NULL},
                {"", -EINVAL, "InvalidParameterException", NULL},
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
                struct expectation row = rows[i / 2];
                struct error error = {0};
                struct task *task = NULL;
                struct instance *instance = NULL;
                const char *type = i % 2 == 0 ? "task" : "container-instance", *mark = strstr(row.text, "%s");
                char text[256];

                if (mark != NULL) {
                        snprintf(text, sizeof(text), "%.*s%s%s", (int)(mark - row.text), row.text, type, mark + 2);
                        row.text = text;
                }
                if (i % 2 == 0)
                        check(&row, model_find_task(f->model, f->cluster, row.text, &task, &error), &error);
                else
                        check(&row, model_find_instance(f->model, f->cluster, row.text, &instance, &error), &error);
                assert_int_equal(row.result == 0, task != NULL || instance != NULL);
        }
}

static void old_uuid_ids(void **state)
{
        struct fixture *f = *state;
        struct task *task;

        assert_int_equal(model_find_task(f->model, f->cluster, UUID, &task, &f->error), 0);
        assert_string_equal(task->state->id, UUID);
}

static void task_definitions(void **state)
{
        static const struct {
                struct expectation e;
                int revision;
        } rows[] = {
                {{"web", 0, "", NULL}, 2},
                {{"web:1", 0, "", NULL}, 1},
                {{"web:10", 0, "", NULL}, 10},
                {{OURS "task-definition/web:2", 0, "", NULL}, 2},
                {{OURS "task-definition/web", 0, "", NULL}, 2},
                {{"web:3", -ENOENT, "", NULL}, 0},
                {{"nothing", -ENOENT, "", NULL}, 0},
                {{"web:0", -EINVAL, "ClientException", "Invalid revision number. Number: 0"}, 0},
                {{"web:1:2", -EINVAL, "ClientException", "Invalid revision number"}, 0},
                {{"web:", -EINVAL, "ClientException", "Invalid revision number"}, 0},
                {{"web:99999999999", -EINVAL, "ClientException", NULL}, 0},
                {{"w b", -EINVAL, "ClientException", "family"}, 0},
                {{"", -EINVAL, "ClientException", NULL}, 0},
                {{OURS "cluster/web", -EINVAL, "InvalidParameterException", NULL}, 0},
                {{"arn:aws:ecs:eu-west-1:999999999999:task-definition/web:1", -EINVAL, "InvalidParameterException", "account"}, 0},
        };
        struct fixture *f = *state;
        char long_name[300];

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct task_definition *found = NULL;
                struct error error = {0};

                check(&rows[i].e, model_find_task_definition(f->model, rows[i].e.text, &found, &error), &error);
                if (found != NULL)
                        assert_int_equal(found->state->definition->revision, rows[i].revision);
        }
        memset(long_name, 'x', sizeof(long_name));
        long_name[299] = '\0';
        struct task_definition_name name;
        assert_int_equal(model_parse_task_definition(f->model, long_name, &name, &f->error), -EINVAL);
}

static void services_and_their_parts(void **state)
{
        static const struct expectation services[] = {
                {"site", 0, "", NULL},
                {OURS "service/default/site", 0, "", NULL},
                {OURS "service/site", 0, "", NULL}, /* of before 2018 */
                {"none", -ENOENT, "", NULL},
                {OURS "service/other/site", -EINVAL, "InvalidParameterException", "Identifier is for other"},
                {OURS "task/default/site", -EINVAL, "InvalidParameterException", "type service"},
                {"a b", -EINVAL, "InvalidParameterException", NULL},
                {NULL, -EINVAL, "InvalidParameterException", NULL},
        };
        static const struct expectation sets[] = {
                {"77", 0, "", NULL},
                {"ecs-svc/77", 0, "", NULL},
                {OURS "task-set/default/site/ecs-svc/77", 0, "", NULL},
                {"78", -ENOENT, "", NULL},
                {OURS "task-set/default/away/ecs-svc/77", -EINVAL, "InvalidParameterException", "not of service site"},
        };
        struct fixture *f = *state;
        struct tx *tx = tx_begin(f->model);
        struct cluster *cluster = model_cluster(f->model, "default");
        struct object *service = tx_insert(
                tx, OBJECT_SERVICE, &(struct state_service){.cluster = "default", .name = "site", .status = STATE_SERVICE_STATUS_ACTIVE});

        tx_insert(tx, OBJECT_TASK_SET, &(struct state_task_set){.cluster = "default", .service = "site", .id = "77"});
        tx_insert(tx, OBJECT_SERVICE_REVISION, &(struct state_service_revision){.cluster = "default", .service = "site", .id = "88"});
        tx_commit(tx);
        for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
                struct error error = {0};
                struct service *found;

                check(&services[i], model_find_service(f->model, cluster, services[i].text, &found, &error), &error);
        }
        for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
                struct error error = {0};
                struct task_set *found;

                check(&sets[i], model_find_task_set(f->model, CONTAINER_OF(service, struct service, object), sets[i].text, &found, &error),
                      &error);
        }
        static const struct {
                const char *arn;
                enum object_kind kind;
        } parts[] = {
                {OURS "service/default/site", OBJECT_SERVICE},
                {OURS "task-set/default/site/ecs-svc/77", OBJECT_TASK_SET},
                {OURS "service-revision/default/site/88", OBJECT_SERVICE_REVISION},
        };
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                struct error error = {0};
                struct object *found;

                assert_int_equal(model_find_resource(f->model, parts[i].arn, &found, &error), 0);
                assert_int_equal(found->kind, parts[i].kind);
        }
}

static void resources_for_tags(void **state)
{
        static const struct {
                struct expectation e;
                enum object_kind kind;
        } rows[] = {
                {{OURS "cluster/default", 0, "", NULL}, OBJECT_CLUSTER},
                {{OURS "task/default/" ID, 0, "", NULL}, OBJECT_TASK},
                {{OURS "container-instance/default/" ID, 0, "", NULL}, OBJECT_INSTANCE},
                {{OURS "task-definition/web:1", 0, "", NULL}, OBJECT_TASK_DEFINITION},
                {{OURS "task/default/nothing", -ENOENT, "", NULL}, 0},
                {{OURS "service/default/web", -ENOENT, "", NULL}, 0},
                {{OURS "task-definition/web:7", -ENOENT, "", NULL}, 0},
                {{"default", -EINVAL, "InvalidParameterException", NULL}, 0},
                {{NULL, -EINVAL, "InvalidParameterException", NULL}, 0},
                {{"arn:aws:ecs:eu-west-1:999999999999:cluster/default", -EINVAL, "InvalidParameterException", NULL}, 0},
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct object *found = NULL;
                struct error error = {0};

                check(&rows[i].e, model_find_resource(f->model, rows[i].e.text, &found, &error), &error);
                if (found != NULL)
                        assert_int_equal(found->kind, rows[i].kind);
        }
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(arns_of_everything), TEST(clusters),           TEST(tasks_and_instances),      TEST(old_uuid_ids),
                TEST(task_definitions),   TEST(resources_for_tags), TEST(services_and_their_parts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
