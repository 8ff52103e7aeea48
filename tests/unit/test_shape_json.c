/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes from and to JSON: what is accepted, what is refused with which words, and jansson's opinion of the output. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "api/ecs.idl.h"
#include "api/acs.idl.h"
#include "api/state.idl.h"
#include "api/logs.idl.h"
#include "codec/shape.h"
#include "unit.h"

/* A task definition with most kinds of members. */
static const char task_definition[] =
        "{\"family\": \"web\", \"networkMode\": \"awsvpc\", \"cpu\": \"256\", \"memory\": \"512\", \"requiresCompatibilities\": [\"EC2\", "
        "\"FARGATE\"],"
        " \"containerDefinitions\": [{\"name\": \"app\", \"image\": \"nginx:1.25\", \"cpu\": 128, \"essential\": true,"
        "  \"portMappings\": [{\"containerPort\": 80, \"hostPort\": 8080, \"protocol\": \"tcp\"}, {\"containerPort\": 443}],"
        "  \"environment\": [{\"name\": \"A\", \"value\": \"\\u00e9\\ud83d\\ude00 \\\"x\\\"\\n\"}, {\"name\": \"B\", \"value\": \"\"}],"
        "  \"dockerLabels\": {\"a.b\": \"c\", \"d\": \"e\"}, \"command\": [\"sh\", \"-c\", \"sleep 1\"], \"links\": []},"
        "  {\"name\": \"side\", \"image\": \"busybox\", \"essential\": false}],"
        " \"unknownThing\": {\"a\": [1, 2.5e3, null, true, {\"x\": \"\\u0041\"}]}, \"taskRoleArn\": null,"
        " \"tags\": [{\"key\": \"k\", \"value\": \"v\"}]}";

static int parse(const struct shape *shape, struct arena *arena, const char *json, void *ret, struct error *error)
{
        *error = (struct error){0};
        return shape_from_json(shape, arena, json, strlen(json), NULL, ret, error);
}

static void test_reads_members(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct ecs_register_task_definition_request *in;
        struct ecs_container_definition *app;
        struct error error;

        assert_int_equal(parse(&ecs_register_task_definition_request_shape, &arena, task_definition, &in, &error), 0);
        assert_string_equal(in->family, "web");
        assert_int_equal(in->network_mode, ECS_NETWORK_MODE_AWSVPC);
        assert_null(in->task_role_arn);
        assert_int_equal(in->requires_compatibilities.n, 2);
        assert_int_equal(in->requires_compatibilities.items[1], ECS_COMPATIBILITY_FARGATE);
        assert_int_equal(in->container_definitions.n, 2);
        app = &in->container_definitions.items[0];
        assert_string_equal(app->image, "nginx:1.25");
        assert_true(SHAPE_HAS(app, ecs_container_definition, cpu));
        assert_int_equal(app->cpu, 128);
        assert_false(SHAPE_HAS(app, ecs_container_definition, memory));
        assert_true(app->essential);
        assert_int_equal(app->port_mappings.n, 2);
        assert_int_equal(app->port_mappings.items[0].host_port, 8080);
        assert_int_equal(app->port_mappings.items[0].protocol, ECS_TRANSPORT_PROTOCOL_TCP);
        assert_int_equal(app->port_mappings.items[1].protocol, ECS_TRANSPORT_PROTOCOL_UNSET);
        assert_string_equal(app->environment.items[0].value, "\xc3\xa9\xf0\x9f\x98\x80 \"x\"\n");
        assert_string_equal(app->environment.items[1].value, "");
        assert_string_equal(string_map_get(&app->docker_labels, "d"), "e");
        assert_null(string_map_get(&app->docker_labels, "x"));
        assert_string_equal(app->command.items[2], "sleep 1");
        assert_non_null(app->links.items);
        assert_int_equal(app->links.n, 0);
        assert_null(app->entry_point.items);
        assert_true(SHAPE_HAS(&in->container_definitions.items[1], ecs_container_definition, essential));
        assert_false(in->container_definitions.items[1].essential);
}

/* Removes empty lists: members that are always written. */
static void prune(json_t *value)
{
        const char *key;
        json_t *member;
        void *next;
        size_t i;

        json_array_foreach(value, i, member) prune(member);
        json_object_foreach_safe(value, next, key, member)
        {
                prune(member);
                if (json_is_array(member) && json_array_size(member) == 0)
                        json_object_del(value, key);
        }
}

/* What we write, jansson reads; what jansson writes, we read: with the same content. */
static void test_agrees_with_jansson(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_BUF struct buf first = {0};
        void *in, *again;
        struct error error;
        json_t *ours, *theirs;
        char *text;

        assert_int_equal(parse(&ecs_register_task_definition_request_shape, &arena, task_definition, &in, &error), 0);
        shape_to_json(&ecs_register_task_definition_request_shape, in, &first);
        ours = json_loadb(first.data, first.len, 0, NULL);
        assert_non_null(ours);
        theirs = json_loads(task_definition, 0, NULL);
        json_object_del(theirs, "unknownThing");
        json_object_del(theirs, "taskRoleArn");
        prune(ours);
        prune(theirs);
        assert_true(json_equal(ours, theirs));
        text = json_dumps(theirs, JSON_INDENT(3) | JSON_ENSURE_ASCII);
        assert_int_equal(parse(&ecs_register_task_definition_request_shape, &arena, text, &again, &error), 0);
        /* The empty list was pruned, and is not one that is always written. */
        ((struct ecs_register_task_definition_request *)in)->container_definitions.items[0].links = (struct string_list){0};
        assert_true(shape_equal(&ecs_register_task_definition_request_shape, in, again));
        free(text);
        json_decref(ours);
        json_decref(theirs);
}

/* Every pair: a document for RunTask's input, and what the message must contain (NULL: it is accepted). */
static void test_refuses_bad_json(void **state)
{
        static const struct {
                const char *json, *code, *words;
        } rows[] = {
                {"", "SerializationException", "an object was expected, not the end of the text"},
                {"[]", "SerializationException", "an object was expected, not a list"},
                {"{", "SerializationException", "a member name was expected"},
                {"{}x", "SerializationException", "nothing may follow"},
                {"{}\0", "SerializationException", NULL},
                {"{\"cluster\":\"a\",}", "SerializationException", "a member name was expected"},
                {"{\"cluster\" \"a\"}", "SerializationException", "':' was expected"},
                {"{\"cluster\":\"a\" \"b\":1}", "SerializationException", "',' or '}' was expected"},
                {"{'cluster':\"a\"}", "SerializationException", "a member name was expected"},
                {"{\"cluster\":\"a}", "SerializationException", "cluster: a string does not end"},
                {"{\"cluster\":\"a\\", "SerializationException", "cluster: a string does not end"},
                {"{\"cluster\":\"a\tb\"}", "SerializationException", "control character"},
                {"{\"cluster\":\"a\\x\"}", "SerializationException", "unknown escape"},
                {"{\"cluster\":\"\\u12\"}", "SerializationException", "four hexadecimal digits"},
                {"{\"cluster\":\"\\u0000\"}", "SerializationException", "NUL"},
                {"{\"cluster\":\"\\ud800\"}", "SerializationException", "surrogate"},
                {"{\"cluster\":\"\\udc00\"}", "SerializationException", "surrogate"},
                {"{\"cluster\":\"\\ud800\\u0041\"}", "SerializationException", "surrogate"},
                {"{\"cluster\":\"\xc3\"}", "SerializationException", "not valid UTF-8"},
                {"{\"cluster\":\"\xc0\xaf\"}", "SerializationException", "not valid UTF-8"},
                {"{\"cluster\":\"\xed\xa0\x80\"}", "SerializationException", "not valid UTF-8"},
                {"{\"cluster\":\"\xf4\x90\x80\x80\"}", "SerializationException", "not valid UTF-8"},
                {"{\"cluster\":1}", "SerializationException", "cluster: a string was expected, not a number"},
                {"{\"cluster\":tru}", "SerializationException", "a string was expected, not a boolean"},
                {"{\"cluster\":nul}", "SerializationException", "cluster: a value was expected"},
                {"{\"count\":\"1\"}", "SerializationException", "count: a whole number was expected, not a string"},
                {"{\"count\":1.5}", "SerializationException", "count: 1.5 is not a whole number"},
                {"{\"count\":1e-1}", "SerializationException", "count: 1e-1 is not a whole number"},
                {"{\"count\":01}", "SerializationException", "must not start with 0"},
                {"{\"count\":1.}", "SerializationException", "a digit must follow"},
                {"{\"count\":-}", "SerializationException", "a number was expected"},
                {"{\"count\":1e}", "SerializationException", "a digit must follow"},
                {"{\"count\":2147483648}", "SerializationException", "does not fit into 32 bits"},
                {"{\"count\":-2147483649}", "SerializationException", "does not fit into 32 bits"},
                {"{\"count\":1e400000000000}", "SerializationException", "does not fit into 32 bits"},
                {"{\"count\":99999999999999999999999999999}", "SerializationException", "does not fit into 32 bits"},
                {"{\"enableECSManagedTags\":1}", "SerializationException",
                 "enableECSManagedTags: true or false was expected, not a number"},
                {"{\"tags\":{}}", "SerializationException", "tags: a list was expected, not an object"},
                {"{\"tags\":[1]}", "SerializationException", "tags[0]: an object was expected, not a number"},
                {"{\"tags\":[{},{\"key\":1}]}", "SerializationException", "tags[1].key: a string was expected"},
                {"{\"tags\":[{},]}", "SerializationException", "tags[1]: a value was expected"},
                {"{\"tags\":[{} {}]}", "SerializationException", "tags: ',' or ']' was expected"},
                {"{\"overrides\":[]}", "SerializationException", "overrides: an object was expected, not a list"},
                {"{\"launchType\":\"MOON\"}", "InvalidParameterException",
                 "launchType: \"MOON\" is not one of EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES"},
                {"{}", "InvalidParameterException", "taskDefinition: is required"},
                {"{\"taskDefinition\":\"a\",\"zzz\":[1,}", "SerializationException", "zzz: a value was expected"},
                {"{\"taskDefinition\":\"a\",\"zzz\":{\"a\":\"\\q\"}}", "SerializationException", "unknown escape"},
                {"{\"taskDefinition\":\"a\",\"zzz\":{1:2}}", "SerializationException", "a string was expected"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                void *in = NULL;
                struct error error;
                int r = parse(&ecs_run_task_request_shape, &arena, rows[i].json, &in, &error);

                if (r != -EINVAL || strcmp(error.code, rows[i].code) != 0 ||
                    (rows[i].words != NULL && strstr(error.message, rows[i].words) == NULL))
                        if (rows[i].words != NULL)
                                fail_msg("%s: %d, %s, %s", rows[i].json, r, error.code, error.message);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reads_members),
                cmocka_unit_test(test_agrees_with_jansson),
                cmocka_unit_test(test_refuses_bad_json),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
