/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster query language: what holds of an instance, what is refused and where, regular expressions, versions, dates. */
#include <errno.h>
#include <regex.h>

#include "sched/query.h"
#include "sched/query_internal.h"

#include "unit.h"

static struct ecs_attribute attributes[] = {
        {.name = "ecs.instance-type", .value = "t2.small"},
        {.name = "ecs.availability-zone", .value = "us-east-1a"},
        {.name = "stack", .value = "prod"},
        {.name = "cores", .value = "12"},
        {.name = "kernel", .value = "5.10.3"},
        {.name = "flag"},
        {.name = "com.x/y_z", .value = "a b'c"},
        {.name = "and", .value = "or"},
};

/* An instance with a task of service:web (running) and one of family:job (pending). */
static struct instance *make_instance(void)
{
        static struct state_container_instance state;
        static struct instance instance;
        static struct state_task states[] = {{.group = "service:web"}, {.group = "family:job"}};
        static struct task tasks[2];

        state = (struct state_container_instance){.agent_version = "1.68.2",
                                                  .ec2_instance_id = "i-0abc",
                                                  .registered_at = 1529360908000,
                                                  .attributes = {attributes, ARRAY_SIZE(attributes)}};
        instance = (struct instance){.state = &state, .connected = true, .n_running = 1, .n_pending = 1};
        list_init(&instance.tasks);
        for (size_t i = 0; i < 2; i++) {
                tasks[i] = (struct task){.state = &states[i]};
                list_push(&instance.tasks, &tasks[i].in_instance);
        }
        return &instance;
}

static bool holds(const struct instance *instance, const char *text)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        struct query *query = NULL;
        bool result;

        if (query_parse(text, &arena, &query, &error) < 0)
                fail_msg("%s: %s", text, error.message);
        result = query_match(query, instance);
        query_done(query);
        return result;
}

static void what_holds(void **state)
{
        static const char *const yes[] = {
                "attribute:ecs.instance-type == t2.small",
                "attribute:ecs.instance-type==t2.small",
                "attribute:ecs.instance-type equals 't2.small'",
                "attribute:ecs.instance-type =~ t2.*",
                "attribute:ecs.instance-type matches (t2|m4)\\.(small|large)",
                "attribute:ecs.instance-type !~ t3.*",
                "attribute:ecs.instance-type not_matches t2",
                "attribute:ecs.availability-zone in [us-east-1a, us-east-1b]",
                "attribute:ecs.availability-zone in ['us-east-1a']",
                "attribute:ecs.availability-zone !in [us-east-1c,us-east-1d]",
                "attribute:ecs.availability-zone not_in [us-east-1c]",
                "attribute:ecs.availability-zone =~ us-east-1[ab]",
                "attribute:stack exists",
                "attribute:nothing !exists",
                "attribute:nothing not_exists",
                "attribute:flag exists",
                "attribute:flag == ''",
                "attribute:nothing != x",
                "attribute:nothing !in [x]",
                "attribute:nothing !~ .*",
                "attribute:com.x/y_z == \"a b'c\"",
                "attribute:cores > 9",
                "attribute:cores >= 12",
                "attribute:cores less_than 100",
                "attribute:cores <= 12",
                "attribute:kernel > 5.9",
                "attribute:kernel greater_than_equal 5.10.3",
                "attribute:stack > proc",
                "attribute:and == or",
                "agentConnected == true",
                "agentConnected != false",
                "agentVersion > 1.9.0",
                "agentVersion == 1.68.2",
                "agentVersion == v1.68.2.0",
                "agentVersion < 1.68.10",
                "agentVersion in [1.0, 1.68.2]",
                "agentVersion =~ 1\\.68\\..*",
                "ec2InstanceId == i-0abc",
                "ec2InstanceId in ['i-0abc', i-1]",
                "registeredAt == 2018-06-18T22:28:28+00:00",
                "registeredAt == 2018-06-18T22:28:28Z",
                "registeredAt == 2018-06-18T22:28:28",
                "registeredAt == 2018-06-19T00:28:28+02:00",
                "registeredAt > 2018-06-18",
                "registeredAt < 2018-06-19",
                "runningTasksCount == 1",
                "runningTasksCount > 0 and pendingTasksCount < 2",
                "runningTasksCount in [0, 1]",
                "task:group == service:web",
                "task:group == 'family:job'",
                "task:group != service:db",
                "task:group in [service:db, service:web]",
                "task:group =~ service:.*",
                "task:group exists",
                "not task:group == service:db",
                "!(task:group == service:db)",
                "not not agentConnected == true",
                "(attribute:stack == prod)",
                "((attribute:stack == prod) and (attribute:flag exists))",
                "attribute:stack == test or attribute:stack == prod",
                "attribute:stack == test || attribute:stack == prod",
                "attribute:stack == prod && attribute:flag exists",
                "attribute:stack == prod or attribute:x exists and attribute:y exists",
                "not attribute:x exists and attribute:stack == prod",
                "  attribute:stack\n==\tprod  ",
                "attribute:stack == prod AND NOT attribute:x exists",
        };
        static const char *const no[] = {
                "attribute:ecs.instance-type == t2.smal",
                "attribute:ecs.instance-type != t2.small",
                "attribute:ecs.instance-type =~ t2",
                "attribute:ecs.instance-type =~ small",
                "attribute:nothing == x",
                "attribute:nothing > 1",
                "attribute:nothing exists",
                "attribute:nothing =~ .*",
                "attribute:flag !exists",
                "attribute:cores > 100",
                "attribute:kernel < 5.9",
                "agentConnected == false",
                "agentVersion < 1.9",
                "registeredAt < 2018-06-18T22:28:28Z",
                "registeredAt > 2018-06-18T22:28:28.500Z",
                "runningTasksCount != 1",
                "task:group == web",
                "task:group != service:web",
                "task:group !exists",
                "(attribute:stack == prod or attribute:x exists) and attribute:y exists",
                "not (attribute:stack == prod and attribute:flag exists)",
        };
        struct instance *instance = make_instance();

        for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
                if (!holds(instance, yes[i]))
                        fail_msg("should hold: %s", yes[i]);
        for (size_t i = 0; i < ARRAY_SIZE(no); i++)
                if (holds(instance, no[i]))
                        fail_msg("should not hold: %s", no[i]);
}

static void what_is_refused(void **state)
{
        static const struct {
                const char *text, *message;
        } rows[] = {
                {"", "ends at character 1"},
                {"   ", "ends at character 4"},
                {"attribute:", "at character 1 (attribute:)"},
                {"stack == prod", "at character 1 (stack)"},
                {"attribute:stack", "ends at character 16, where an operator"},
                {"attribute:stack = prod", "at character 17 (=)"},
                {"attribute:stack ==", "ends at character 19, where a value"},
                {"attribute:stack == prod attribute:x exists", "at character 25 (attribute:x): and, or, or the end"},
                {"attribute:stack == prod and", "ends at character 28"},
                {"(attribute:stack == prod", "and, or or )"},
                {"attribute:stack == prod)", "at character 24 ())"},
                {"attribute:stack == 'prod", "a closing '"},
                {"attribute:stack == \"prod", "a closing \""},
                {"attribute:stack in prod", "a list such as [a, b]"},
                {"attribute:stack in []", "a value"},
                {"attribute:stack in [a", "a comma or ]"},
                {"attribute:stack in [a b]", "a comma or ]"},
                {"attribute:stack existsx", "an operator"},
                {"agentConnected == yes", "true or false"},
                {"agentConnected > true", "no order"},
                {"agentConnected =~ t.*", "no text"},
                {"agentVersion > new", "a version"},
                {"registeredAt > yesterday", "a date"},
                {"registeredAt > 2018-13-01", "a date"},
                {"registeredAt =~ 2018.*", "no text"},
                {"runningTasksCount > many", "a whole number"},
                {"runningTasksCount =~ 1", "no text"},
                {"task:group > a", "no order"},
                {"ec2InstanceId < i-1", "no order"},
                {"task:name == a", "at character 1"},
                {"attribute:x =~ a(b", "not closed"},
                {"attribute:x =~ 'a)b'", "closes nothing"},
                {"attribute:x =~ *", "repeated"},
                {"attribute:x =~ (?=a)b", "look-around"},
                {"attribute:x =~ (a)\\1", "back references"},
                {"attribute:x =~ a++", "possessive"},
                {"attribute:x =~ \\p{Alpha}", "escape"},
                {"attribute:x =~ 'a{1001}'", "too many"},
                {"attribute:x =~ '((a{40}){40}){40}'", "too many"},
                {"attribute:x =~ ((((((((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+", "multiply"},
                {"attribute:x =~ '[b-a]'", "backwards"},
                {"attribute:x =~ '[a'", "not closed"},
                {"attribute:x =~ '[a&&b]'", "sets within sets"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct error error = {0};
                struct query *query = NULL;

                assert_int_equal(query_parse(rows[i].text, &arena, &query, &error), -EINVAL);
                assert_string_equal(error.code, "InvalidParameterException");
                if (strstr(error.message, rows[i].message) == NULL)
                        fail_msg("%s: %s", rows[i].text, error.message);
        }
}

static void limits(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_BUF struct buf text = {0};
        struct error error = {0};
        struct query *query = NULL;

        for (int i = 0; i < 60; i++)
                buf_append_char(&text, '(');
        assert_int_equal(query_parse(text.data, &arena, &query, &error), -EINVAL);
        assert_non_null(strstr(error.message, "levels"));
        buf_clear(&text);
        for (int i = 0; i < 101; i++)
                buf_append_str(&text, i == 0 ? "attribute:a =~ a.*" : " or attribute:a =~ a.*");
        error_clear(&error);
        assert_int_equal(query_parse(text.data, &arena, &query, &error), -EINVAL);
        assert_non_null(strstr(error.message, "terms"));
        buf_clear(&text);
        buf_append_str(&text, "attribute:a == ");
        for (int i = 0; i < 4096; i++)
                buf_append_char(&text, 'x');
        error_clear(&error);
        assert_int_equal(query_parse(text.data, &arena, &query, &error), -EINVAL);
        assert_non_null(strstr(error.message, "bytes"));
}

static void regular_expressions(void **state)
{
        static const struct {
                const char *pattern, *text;
                bool matches;
        } rows[] = {
                {"a|b", "a", true},        {"a|b", "ab", false},     {"ab*?", "abb", true},     {"\\d+", "123", true},
                {"\\d+", "12a", false},    {"\\D+", "abc", true},    {"\\w+", "a_1", true},     {"\\W", "-", true},
                {"\\s", " ", true},        {"\\S+", "ab", true},     {"[\\d.]+", "1.2", true},  {"[\\w-]+", "a-b", true},
                {"[^a]", "b", true},       {"[^a]", "a", false},     {"[]a]", "]", true},       {"[a\\]]", "]", true},
                {"[\\^]", "^", true},      {"[\\^-]", "-", true},    {"[\\^-]", "^", true},     {"[a^]", "^", true},
                {"[-a]", "-", true},       {"[a-]", "-", true},      {"[a-c]+", "abc", true},   {"[\\[]", "[", true},
                {"[.]", ".", true},        {"[.]", "x", false},      {"(?:ab)+", "abab", true}, {"a{2,3}", "aa", true},
                {"a{2,3}", "aaaa", false}, {"a{2}", "aa", true},     {"a{2,}", "aaaaa", true},  {"\\.", ".", true},
                {"\\.", "x", false},       {"\\\\", "\\", true},     {"^abc$", "abc", true},    {"", "", true},
                {"", "a", false},          {"a}", "a}", true},       {"()", "", true},          {"(a|b|)c", "c", true},
                {"\\[x\\]", "[x]", true},  {".*", "anything", true}, {"\\t", "\t", true},       {"[^\\d]+", "abc", true},
                {"x\\-y", "x-y", true},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct error error = {0};
                regex_t regex;

                if (query_regex_compile(rows[i].pattern, &regex, &error) < 0)
                        fail_msg("%s: %s", rows[i].pattern, error.message);
                if ((regexec(&regex, rows[i].text, 0, NULL, 0) == 0) != rows[i].matches)
                        fail_msg("%s on %s", rows[i].pattern, rows[i].text);
                regfree(&regex);
        }
}

static void versions(void **state)
{
        static const char *const ascending[] = {"0.9",  "1.0-rc1", "1.0-rc2", "1.0.0", "1.0.1",   "1.2",
                                                "1.10", "v1.10.1", "2",       "10.0",  "10.00.1", "99999999999999999999.1"};

        for (size_t i = 0; i < ARRAY_SIZE(ascending); i++) {
                assert_true(query_is_version(ascending[i]));
                for (size_t k = 0; k < ARRAY_SIZE(ascending); k++) {
                        int r = query_compare_versions(ascending[i], ascending[k]);

                        if ((r < 0) != (i < k) || (r > 0) != (i > k))
                                fail_msg("%s and %s: %d", ascending[i], ascending[k], r);
                }
        }
        assert_int_equal(query_compare_versions("1.0", "1.0.0.0"), 0);
        assert_int_equal(query_compare_versions("1.0+a", "1.0+b"), 0);
        assert_false(query_is_version("1."));
        assert_false(query_is_version(".1"));
        assert_false(query_is_version("1a"));
        assert_false(query_is_version(""));
}

static void dates(void **state)
{
        static const struct {
                const char *text;
                int result;
                int64_t ms;
        } rows[] = {
                {"1970-01-01", 0, 0},
                {"1970-01-01T00:00:01Z", 0, 1000},
                {"2000-02-29T12:00:00+00:00", 0, 951825600000},
                {"2018-06-18T22:28:28.123Z", 0, 1529360908123},
                {"2018-06-18T22:28-0200", 0, 1529368080000},
                {"1969-12-31T23:59:59Z", 0, -1000},
                {"2018-06-18 22:28:28", 0, 1529360908000},
                {"2018-6-18", -EINVAL, 0},
                {"2018-06-18T", -EINVAL, 0},
                {"2018-06-18T22", -EINVAL, 0},
                {"2018-06-18T25:00:00Z", -EINVAL, 0},
                {"2018-06-18Tx", -EINVAL, 0},
                {"2018-06-18T22:28:28+99:00", -EINVAL, 0},
                {"", -EINVAL, 0},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                int64_t ms = 0;

                assert_int_equal(query_parse_date(rows[i].text, &ms), rows[i].result);
                assert_int_equal(ms, rows[i].ms);
        }
}

static void dynamic(void **state)
{
        static const struct {
                const char *text;
                bool dynamic;
        } rows[] = {
                {"attribute:a == b and agentVersion > 1", false},
                {"attribute:a == b and runningTasksCount < 5", true},
                {"task:group == a", true},
                {"not agentConnected == true", true},
                {"registeredAt > 2018-01-01", false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct error error = {0};
                struct query *query = NULL;

                assert_int_equal(query_parse(rows[i].text, &arena, &query, &error), 0);
                assert_int_equal(query_is_dynamic(query), rows[i].dynamic);
                query_done(query);
        }
        query_done(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_holds), cmocka_unit_test(what_is_refused),
                cmocka_unit_test(limits),     cmocka_unit_test(regular_expressions),
                cmocka_unit_test(versions),   cmocka_unit_test(dates),
                cmocka_unit_test(dynamic),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
