/* SPDX-License-Identifier: Apache-2.0 */
/* The API server without HTTP: routing, what is not built, keys, STS, pages. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "api/keys.h"
#include "api/server_internal.h"
#include "api_harness.h"
#include "base/strutil.h"

static void unknown_and_unbuilt(void **state)
{
        struct api_harness h;

        (void)state;
        harness_begin(&h);
        harness_fails(&h, "FlyToTheMoon", "{}", "UnknownOperationException", "FlyToTheMoon");
        assert_int_equal(h.status, 400);
        harness_fails(&h, "CreateExpressGatewayService",
                      "{'executionRoleArn':'a','infrastructureRoleArn':'b','primaryContainer':{'image':'i'}}", "ServerException",
                      "ecs:CreateExpressGatewayService is not built yet");
        assert_int_equal(h.status, 400); /* clients would repeat a 500 */
        harness_fails(&h, "ListClusters", "{'maxResults':", "SerializationException", NULL);
        harness_fails(&h, "DeleteCluster", "{}", "InvalidParameterException", "cluster");
        harness_end(&h);
}

static bool count_built(const struct shape_service *service, const struct shape_operation *operation, bool built, void *data)
{
        size_t *counts = data;

        (void)service;
        (void)operation;
        counts[0]++;
        counts[1] += built;
        return true;
}

static void operations_are_listed(void **state)
{
        struct api_harness h;
        size_t counts[2] = {0};

        (void)state;
        harness_begin(&h);
        api_operations(h.api, count_built, counts);
        assert_true(counts[0] >= 77 + 3);
        assert_true(counts[1] >= 20 && counts[1] < counts[0]);
        harness_end(&h);
}

static void keys_are_made_once(void **state)
{
        const struct access_key *admin, *agent, *again, *other;
        struct error error = {0};
        struct api_harness h;
        char id[32];

        (void)state;
        harness_begin(&h);
        assert_int_equal(api_bootstrap_keys(h.model, &admin, &agent, &error), 0);
        assert_string_equal(admin->state->principal_arn, "arn:aws:iam::123456789012:user/admin");
        assert_int_equal(strlen(admin->state->id), 20);
        assert_int_equal(strlen(admin->state->secret), 40);
        assert_int_equal(agent->state->kind, STATE_KEY_KIND_AGENT);
        assert_int_equal(api_key_delete(h.model, admin->state->id, &error), -EBUSY);
        error_clear(&error);
        assert_int_equal(api_key_create(h.model, &(struct api_key_request){.kind = STATE_KEY_KIND_USER}, &other, &error), 0);
        strcpy(id, admin->state->id);
        harness_restart(&h);
        assert_int_equal(api_bootstrap_keys(h.model, &again, &agent, &error), 0);
        assert_non_null(model_access_key(h.model, id));
        assert_int_equal(api_key_delete(h.model, id, &error), 0);
        assert_null(model_access_key(h.model, id));
        assert_int_equal(api_key_delete(h.model, id, &error), -ENOENT);
        harness_end(&h);
}

static void sessions_end(void **state)
{
        struct api_harness h;
        CLEANUP_ARENA struct arena arena = {0};
        const char *id;

        (void)state;
        harness_begin(&h);
        h.service = "sts";
        harness_ok(&h, "GetCallerIdentity", "{}");
        assert_string_equal(harness_text(&h, "Account"), "123456789012");
        assert_string_equal(harness_text(&h, "Arn"), "arn:aws:iam::123456789012:user/admin");
        assert_true(str_starts_with(harness_text(&h, "UserId"), "AIDA"));
        harness_ok(&h, "AssumeRole", "{'RoleArn':'arn:aws:iam::123456789012:role/deploy','RoleSessionName':'ci-7'}");
        assert_string_equal(harness_text(&h, "AssumedRoleUser.Arn"), "arn:aws:sts::123456789012:assumed-role/deploy/ci-7");
        id = arena_strdup(&arena, harness_text(&h, "Credentials.AccessKeyId"));
        assert_non_null(model_access_key(h.model, id));
        h.env.now_ms += 3600 * 1000 + 1;
        api_housekeeping(h.api);
        assert_null(model_access_key(h.model, id));
        harness_fails(&h, "AssumeRole", "{'RoleArn':'arn:aws:iam::999999999999:role/deploy','RoleSessionName':'ci-7'}",
                      "AccessDeniedException", NULL);
        harness_fails(&h, "AssumeRole", "{'RoleArn':'arn:aws:iam::123456789012:user/deploy','RoleSessionName':'ci-7'}",
                      "InvalidParameterException", NULL);
        harness_fails(&h, "AssumeRole", "{'RoleArn':'arn:aws:iam::123456789012:role/deploy','RoleSessionName':'ci-7','Policy':'{}'}",
                      "MalformedPolicyDocument", "leave them out");
        harness_ok(&h, "GetSessionToken", "{'DurationSeconds':900}");
        assert_true(str_starts_with(harness_text(&h, "Credentials.AccessKeyId"), "ASIA"));
        harness_end(&h);
}

static void pages_follow_each_other(void **state)
{
        struct api_harness h;
        CLEANUP_ARENA struct arena arena = {0};
        const char *token = NULL;
        size_t n = 0, pages = 0;

        (void)state;
        harness_begin(&h);
        for (int i = 0; i < 25; i++)
                harness_ok(&h, "CreateCluster", "{'clusterName':'c%02d'}", i);
        do {
                if (token == NULL)
                        harness_ok(&h, "ListClusters", "{'maxResults':10}");
                else
                        harness_ok(&h, "ListClusters", "{'maxResults':10,'nextToken':'%s'}", token);
                n += harness_count(&h, "clusterArns");
                pages++;
                token = arena_strdup(&arena, harness_text(&h, "nextToken"));
        } while (token != NULL);
        assert_int_equal(n, 25);
        assert_int_equal(pages, 3);
        harness_ok(&h, "ListClusters", "{'maxResults':25}");
        assert_false(harness_has(&h, "nextToken"));
        harness_fails(&h, "ListClusters", "{'maxResults':0}", "InvalidParameterException", "maxResults");
        harness_fails(&h, "ListClusters", "{'nextToken':'abc'}", "InvalidParameterException", "nextToken");
        harness_ok(&h, "ListClusters", "{'maxResults':1}");
        token = arena_strdup(&arena, harness_text(&h, "nextToken"));
        /* Another list's token is refused. */
        assert_int_equal(harness_call(&h, "ListTaskDefinitionFamilies", "{'nextToken':'%s'}", token), 400);
        harness_end(&h);
}

/* Docker's awslogs driver writes with the execution role's key; what containers hold is the task role's, which may do nothing. */
static void kinds_of_keys(void **state)
{
        static const struct {
                enum state_key_kind kind;
                const char *role_type, *permission;
                bool allowed;
        } rows[] = {
                {STATE_KEY_KIND_USER, NULL, "ecs:RunTask", true},
                {STATE_KEY_KIND_SESSION, NULL, "ecs:RunTask", true},
                {STATE_KEY_KIND_AGENT, NULL, "ecs:Poll", true},
                {STATE_KEY_KIND_AGENT, NULL, "logs:PutLogEvents", true},
                {STATE_KEY_KIND_AGENT, NULL, "ecs:RunTask", false},
                {STATE_KEY_KIND_TASK, "TaskExecution", "logs:CreateLogStream", true},
                {STATE_KEY_KIND_TASK, "TaskExecution", "logs:PutLogEvents", true},
                {STATE_KEY_KIND_TASK, "TaskExecution", "logs:GetLogEvents", false},
                {STATE_KEY_KIND_TASK, "TaskExecution", "ecs:Poll", false},
                {STATE_KEY_KIND_TASK, "TaskApplication", "sts:GetCallerIdentity", true},
                {STATE_KEY_KIND_TASK, "TaskApplication", "logs:PutLogEvents", false},
                {STATE_KEY_KIND_TASK, "TaskApplication", "servicediscovery:DiscoverInstances", true},
                {STATE_KEY_KIND_TASK, "TaskApplication", "servicediscovery:RegisterInstance", false},
                {STATE_KEY_KIND_TASK, NULL, "logs:PutLogEvents", false},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct api_principal who = {.arn = "arn", .key_id = "AKIA", .kind = rows[i].kind, .role_type = rows[i].role_type};
                struct error error = {0};
                int r = authorize(&who, rows[i].permission, &error);

                if ((r == 0) != rows[i].allowed || (r < 0 && !str_eq(error.code, "AccessDeniedException")))
                        fail_msg("row %zu: %d %s", i, r, error.code);
        }
}

static void count_answers(void *data, int status, const char *json, size_t len)
{
        int *answers = data;

        assert_int_equal(status, 200);
        assert_true(len > 0 && json[0] == '{');
        (*answers)++;
}

/* An answer waits for the disk; a request may be withdrawn while it does. */
static void submitted_requests_wait(void **state)
{
        struct exchange *first, *second;
        struct api_harness h;
        int answers = 0;

        (void)state;
        harness_begin(&h);
        model_hold_commits(h.model);
        assert_null(api_submit(h.api, "ecs", "ListClusters", NULL, "{}", count_answers, &answers));
        assert_int_equal(answers, 1);
        first = api_submit(h.api, "ecs", "CreateCluster", NULL, "{\"clusterName\":\"a\"}", count_answers, &answers);
        second = api_submit(h.api, "ecs", "CreateCluster", NULL, "{\"clusterName\":\"b\"}", count_answers, &answers);
        assert_true(first != NULL && second != NULL);
        assert_int_equal(answers, 1);
        api_withdraw(second);
        assert_true(model_write(h.model));
        model_written(h.model);
        assert_int_equal(answers, 2);
        harness_end(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(unknown_and_unbuilt),     cmocka_unit_test(operations_are_listed),
                cmocka_unit_test(keys_are_made_once),      cmocka_unit_test(sessions_end),
                cmocka_unit_test(pages_follow_each_other), cmocka_unit_test(kinds_of_keys),
                cmocka_unit_test(submitted_requests_wait),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
