/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From task definition to payload: every file tests/golden/payload/NAME.in.json holds a definition (and overrides, roles …), and
 * NAME.out.json the acs.Task that must come of it. GANTRY_GOLDEN=write writes the results instead of comparing them.
 */
#include <dirent.h>

#include <jansson.h>

#include "api/agent/payload.h"
#include "base/buf.h"
#include "base/strutil.h"
#include "control/task.h"
#include "store/store.h"

#include "fixed_env.h"
#include "unit.h"

#define DIRECTORY SOURCE_ROOT "/tests/golden/payload"

struct world {
        struct fixed_env env;
        struct store *store;
        struct model *model;
        struct cluster *cluster;
        struct instance *instance;
        struct arena arena;
        struct error error;
};

static void begin(struct world *w)
{
        struct state_cluster cluster = {.name = "lab", .status = STATE_CLUSTER_STATUS_ACTIVE};
        struct state_container_instance instance = {
                .cluster = "lab", .id = "0123456789abcdef0123456789abcdef", .status = STATE_INSTANCE_STATUS_ACTIVE};
        struct tx *tx;

        *w = (struct world){.env = fixed_env_make(), .store = store_memory_new(-1)};
        if (model_open(w->store, &w->env.env, NULL, "123456789012", "us-east-1", &w->model, &w->error) < 0)
                fail_msg("%s", w->error.message);
        tx = tx_begin(w->model);
        w->cluster = CONTAINER_OF(tx_insert(tx, OBJECT_CLUSTER, &cluster), struct cluster, object);
        w->instance = CONTAINER_OF(tx_insert(tx, OBJECT_INSTANCE, &instance), struct instance, object);
        tx_commit(tx);
}

static void end(struct world *w)
{
        arena_done(&w->arena);
        model_close(w->model);
        store_close(w->store);
}

static void *parse(struct world *w, const struct shape *shape, json_t *json)
{
        char *text;
        void *obj;

        if (!json)
                return NULL;
        text = json_dumps(json, 0);
        if (shape_from_json(shape, &w->arena, text, strlen(text), NULL, &obj, &w->error) < 0)
                fail_msg("%s", w->error.message);
        free(text);
        return obj;
}

static struct task_definition *define(struct world *w, struct ecs_task_definition *definition)
{
        struct state_family family = {.name = definition->family};
        struct state_task_definition state = {.definition = definition};
        struct tx *tx = tx_begin(w->model);
        struct object *object;

        definition->status = ECS_TASK_DEFINITION_STATUS_ACTIVE;
        SHAPE_SET(&family, state_family, latest_revision, definition->revision);
        tx_insert(tx, OBJECT_FAMILY, &family);
        object = tx_insert(tx, OBJECT_TASK_DEFINITION, &state);
        tx_commit(tx);
        return CONTAINER_OF(object, struct task_definition, object);
}

static struct task *place(struct world *w, const struct task_definition *definition, const struct ecs_task_override *overrides)
{
        struct task_request request = {.cluster = w->cluster,
                                       .definition = definition,
                                       .overrides = overrides,
                                       .group = "family:web",
                                       .launch_type = ECS_LAUNCH_TYPE_EC2};
        struct tx *tx = tx_begin(w->model);
        struct state_task *state = task_make(&w->env.env, &request, tx_arena(tx));
        struct object *object;

        state->id = "fedcba9876543210fedcba9876543210";
        for (uint32_t i = 0; i < state->containers.n; i++)
                state->containers.items[i].id = arena_printf(&w->arena, "00000000-0000-4000-8000-00000000000%u", i);
        state->instance = w->instance->state->id;
        object = tx_insert(tx, OBJECT_TASK, state);
        tx_commit(tx);
        return CONTAINER_OF(object, struct task, object);
}

/* The result as JSON, with the two texts of dockerConfig unfolded so that people can read the golden files. */
static json_t *result(struct world *w, json_t *in, const struct task *task)
{
        CLEANUP_BUF struct buf text = {0};
        struct payload_extras extras = {.zone = "us-east-1a"};
        struct acs_task out = {0};
        json_t *json, *container;
        size_t i;

        extras.role = parse(w, &acs_role_credentials_shape, json_object_get(in, "role"));
        extras.execution_role = parse(w, &acs_role_credentials_shape, json_object_get(in, "executionRole"));
        extras.logs_endpoint = json_string_value(json_object_get(in, "logsEndpoint"));
        if (json_is_true(json_object_get(in, "stop")))
                payload_stop(w->model, task, &w->arena, &out);
        else
                payload_run(w->model, task, &extras, &w->arena, &out);
        SHAPE_WRITE(acs_task, &out, &text);
        json = json_loads(text.data, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        json_array_foreach(json_object_get(json, "containers"), i, container)
        {
                json_t *docker = json_object_get(container, "dockerConfig");
                static const char *const members[] = {"config", "hostConfig"};

                for (size_t j = 0; j < ARRAY_SIZE(members); j++) {
                        json_t *inner = json_loads(json_string_value(json_object_get(docker, members[j])), JSON_REJECT_DUPLICATES, NULL);

                        assert_non_null(inner);
                        json_object_set_new(docker, members[j], inner);
                }
        }
        return json;
}

static void check(const char *name)
{
        CLEANUP_FREE char *in_path = NULL, *out_path = NULL, *got_text = NULL;
        json_t *in, *want, *got;
        json_error_t error;
        struct world w;
        struct task *task;

        assert_true(asprintf(&in_path, "%s/%s.in.json", DIRECTORY, name) > 0);
        assert_true(asprintf(&out_path, "%s/%s.out.json", DIRECTORY, name) > 0);
        in = json_load_file(in_path, 0, &error);
        if (!in)
                fail_msg("%s: %s", in_path, error.text);
        begin(&w);
        task = place(&w, define(&w, parse(&w, &ecs_task_definition_shape, json_object_get(in, "definition"))),
                     parse(&w, &ecs_task_override_shape, json_object_get(in, "overrides")));
        got = result(&w, in, task);
        if (str_eq(getenv("GANTRY_GOLDEN"), "write")) {
                assert_int_equal(json_dump_file(got, out_path, JSON_INDENT(2)), 0);
        } else {
                want = json_load_file(out_path, 0, &error);
                if (!want)
                        fail_msg("%s: %s", out_path, error.text);
                got_text = json_dumps(got, JSON_INDENT(2));
                if (!json_equal(want, got))
                        fail_msg("%s: not what %s says:\n%s", name, out_path, got_text);
                json_decref(want);
        }
        json_decref(got);
        json_decref(in);
        end(&w);
}

static void test_golden_files(void **state)
{
        DIR *dir = opendir(DIRECTORY);
        struct dirent *entry;
        int n = 0;

        assert_non_null(dir);
        while ((entry = readdir(dir)) != NULL) {
                char name[128];

                if (!str_ends_with(entry->d_name, ".in.json"))
                        continue;
                snprintf(name, sizeof(name), "%.*s", (int)(strlen(entry->d_name) - strlen(".in.json")), entry->d_name);
                check(name);
                n++;
        }
        closedir(dir);
        assert_true(n >= 5);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden_files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
