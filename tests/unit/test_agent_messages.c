/* SPDX-License-Identifier: Apache-2.0 */
/* What a node answers to the messages of the control channel, and when. */
#include "unit.h"

#include "agent/channel/acs_session.h"
#include "agent_idle.h"
#include "base/log.h"
#include "base/strutil.h"
#include "fixed_env.h"

struct fixture {
        struct fixed_env clock;
        struct timers timers;
        struct engine engine;
        struct acs_session session;
        struct buf sent;               /* envelopes, one a line */
        struct keeper_wait *waits[16]; /* writes that have not ended */
        int n_waits, sequence_saves, heartbeats;
        bool slow_disk;
        uint32_t lease_ms;
        bool only_server;
};

static void on_send(struct acs_session *session, const char *text, size_t len)
{
        struct fixture *f = session->data;

        buf_append(&f->sent, text, len);
        buf_append_char(&f->sent, '\n');
}

static void on_store(struct acs_session *session, struct engine_task *task, struct keeper_wait *wait)
{
        struct fixture *f = session->data;

        (void)task;
        if (wait == NULL)
                return;
        if (f->slow_disk)
                f->waits[f->n_waits++] = wait;
        else
                wait->done(wait);
}

static void on_sequence(struct acs_session *session)
{
        ((struct fixture *)session->data)->sequence_saves++;
}

static void on_heartbeat(struct acs_session *session)
{
        ((struct fixture *)session->data)->heartbeats++;
}

static void on_lease(struct acs_session *session, uint32_t lease_ms, bool only_server)
{
        struct fixture *f = session->data;

        f->lease_ms = lease_ms;
        f->only_server = only_server;
}

static const struct acs_session_ops ops = {.send = on_send,
                                           .store = on_store,
                                           .sync = on_store,
                                           .sequence_changed = on_sequence,
                                           .heartbeat = on_heartbeat,
                                           .lease = on_lease};

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        f->clock = fixed_env_make();
        timers_init(&f->timers, &f->clock.env);
        engine_init(&f->engine, &f->clock.env, &f->timers, &idle_driver, &idle_limits);
        acs_session_init(&f->session, &f->engine, &ops, f);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        acs_session_done(&f->session);
        engine_done(&f->engine);
        buf_done(&f->sent);
        free(f);
        return 0;
}

static bool receive(struct fixture *f, const char *text)
{
        buf_clear(&f->sent);
        return acs_session_message(&f->session, text, strlen(text));
}

#define HEAD(id, seq)                                                   \
        "{\"type\":\"PayloadMessage\",\"message\":{\"messageId\":\"" id \
        "\",\"clusterArn\":\"c\",\"containerInstanceArn\":\"i\",\"seqNum\":" seq ",\"tasks\":["
#define TASK(id, status) \
        "{\"arn\":\"arn:aws:ecs:r:1:task/c/" id "\",\"desiredStatus\":\"" status "\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]}"
#define TAIL "]}}"
#define ACK(id) "{\"type\":\"AckRequest\",\"message\":{\"cluster\":\"c\",\"containerInstance\":\"i\",\"messageId\":\"" id "\"}}\n"
#define ARN(id) "arn:aws:ecs:r:1:task/c/" id

static void test_payload_is_taken_and_acknowledged(void **state)
{
        struct fixture *f = *state;

        assert_true(receive(f, HEAD("m1", "5") TASK("t1", "RUNNING") TAIL));
        assert_string_equal(f->sent.data, ACK("m1"));
        assert_non_null(engine_find(&f->engine, ARN("t1")));
        assert_int_equal(f->session.sequence.latest, 5);
        assert_int_equal(f->sequence_saves, 1);
        /* Sent again: nothing changes, the answer is the same. */
        engine_find(&f->engine, ARN("t1"))->durable = true;
        assert_true(receive(f, HEAD("m1", "5") TASK("t1", "RUNNING") TAIL));
        assert_string_equal(f->sent.data, ACK("m1"));
        assert_int_equal(f->engine.tasks.count, 1);
        assert_int_equal(f->sequence_saves, 1);
}

static void test_acknowledgement_waits_for_the_disk(void **state)
{
        struct fixture *f = *state;

        f->slow_disk = true;
        assert_true(receive(f, HEAD("m1", "1") TASK("t1", "RUNNING") "," TASK("t2", "RUNNING") TAIL));
        assert_int_equal(f->sent.len, 0);
        assert_non_null(engine_find(&f->engine, ARN("t2"))); /* the start does not wait */
        assert_int_equal(f->n_waits, 2);
        f->waits[0]->done(f->waits[0]);
        assert_int_equal(f->sent.len, 0);
        f->waits[1]->done(f->waits[1]);
        assert_string_equal(f->sent.data, ACK("m1"));
}

static void test_stop_comes_first_and_is_kept(void **state)
{
        struct fixture *f = *state;

        (void)receive(f, HEAD("m1", "1") TASK("t1", "RUNNING") TAIL);
        (void)receive(f, HEAD("m2", "2") TASK("t2", "RUNNING") ",{\"arn\":\"" ARN("t1") "\",\"desiredStatus\":\"STOPPED\"}" TAIL);
        assert_string_equal(f->sent.data, ACK("m2"));
        struct engine_task *t1 = engine_find(&f->engine, ARN("t1"));
        assert_true(t1->stop_wanted);
        /* Never back again. */
        (void)receive(f, HEAD("m3", "3") TASK("t1", "RUNNING") TAIL);
        assert_true(t1->stop_wanted);
}

static void test_stop_of_an_unknown_task_is_reported(void **state)
{
        struct fixture *f = *state;

        (void)receive(f, HEAD("m1", "1") "{\"arn\":\"" ARN("gone") "\",\"desiredStatus\":\"STOPPED\"}" TAIL);
        assert_string_equal(f->sent.data, ACK("m1"));
        assert_int_equal(engine_find(&f->engine, ARN("gone"))->state, TASK_STOPPED);
}

static void test_bad_messages_are_not_answered(void **state)
{
        static const char *const bad[] = {
                "{\"type\":\"PayloadMessage\",\"message\":{\"clusterArn\":\"c\",\"containerInstanceArn\":\"i\",\"tasks\":[]}}",
                "{\"type\":\"PayloadMessage\",\"message\":{\"messageId\":\"m\",\"clusterArn\":\"\",\"containerInstanceArn\":\"i\","
                "\"tasks\":[]}}",
                HEAD("m1", "1") "{\"arn\":\"x/..\",\"desiredStatus\":\"RUNNING\"}" TAIL,
                HEAD("m1", "1") "{\"desiredStatus\":\"RUNNING\"}" TAIL,
                "{\"type\":\"PayloadMessage\",\"message\":\"text\"}",
                "{\"type\":\"PayloadMessage\",\"message\":{\"messageId\":7}}",
                "{\"type\":\"NobodyKnowsThis\",\"message\":{}}",
                "{\"type\":\"IAMRoleCredentialsMessage\",\"message\":{\"messageId\":\"m\",\"taskArn\":\"unknown\",\"roleType\":"
                "\"TaskApplication\","
                "\"roleCredentials\":{\"credentialsId\":\"x\"}}}",
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                (void)receive(f, bad[i]);
                assert_int_equal(f->sent.len, 0);
        }
        assert_int_equal(f->engine.tasks.count, 0);
        assert_false(receive(f, "not json"));
        assert_false(receive(f, ""));
}

static void test_good_tasks_of_a_bad_message_run(void **state)
{
        struct fixture *f = *state;

        (void)receive(f, HEAD("m1", "1") "{\"arn\":\"bad id/€\",\"desiredStatus\":\"RUNNING\"}," TASK("t1", "RUNNING") TAIL);
        assert_int_equal(f->sent.len, 0);
        assert_non_null(engine_find(&f->engine, ARN("t1")));
}

static void test_credentials(void **state)
{
        struct fixture *f = *state;

        (void)receive(f, HEAD("m1", "1") "{\"arn\":\"" ARN(
                                 "t1") "\",\"desiredStatus\":\"RUNNING\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"}],"
                                       "\"roleCredentials\":{\"credentialsId\":\"c1\",\"accessKeyId\":\"k\",\"secretAccessKey\":\"s\","
                                       "\"expiration\":\"2030-01-01T00:00:00Z\"}}" TAIL);
        assert_non_null(strstr(f->sent.data,
                               "{\"type\":\"IAMRoleCredentialsAckRequest\",\"message\":{\"messageId\":\"m1\",\"credentialsId\":\"c1\","
                               "\"expiration\":\"2030-01-01T00:00:00Z\"}}"));
        assert_non_null(strstr(f->sent.data, ACK("m1")));
        struct engine_task *t = engine_find(&f->engine, ARN("t1"));
        assert_string_equal(t->role_credentials->secret_access_key, "s");
        assert_null(t->payload->role_credentials->secret_access_key); /* what goes to the disk has no secret */
        (void)receive(f, "{\"type\":\"IAMRoleCredentialsMessage\",\"message\":{\"messageId\":\"m9\",\"taskArn\":\"" ARN(
                                 "t1") "\",\"roleType\":\"TaskApplication\","
                                       "\"roleCredentials\":{\"credentialsId\":\"c1\",\"secretAccessKey\":\"new\",\"expiration\":\"2031-01-"
                                       "01T00:00:00Z\"}}}");
        assert_string_equal(t->role_credentials->secret_access_key, "new");
        assert_non_null(strstr(f->sent.data, "\"messageId\":\"m9\""));
}

#define MANIFEST(id, timeline, tasks)                                        \
        "{\"type\":\"TaskManifestMessage\",\"message\":{\"messageId\":\"" id \
        "\",\"clusterArn\":\"c\",\"containerInstanceArn\":\"i\",\"timeline\":" timeline ",\"tasks\":[" tasks "]}}"
#define LISTED(id) "{\"taskArn\":\"" ARN(id) "\",\"desiredStatus\":\"RUNNING\"}"

static void test_manifest_and_verification(void **state)
{
        struct fixture *f = *state;

        (void)receive(f, HEAD("m1", "10") TASK("t1", "RUNNING") "," TASK("t2", "RUNNING") TAIL);
        /* Stale: made before the payload. */
        (void)receive(f, MANIFEST("x0", "10", ""));
        assert_int_equal(f->sent.len, 0);
        /* Newer: acknowledged, and what is missing in it is asked about. */
        (void)receive(f, MANIFEST("x1", "11", LISTED("t1")));
        assert_non_null(strstr(f->sent.data, ACK("x1")));
        assert_non_null(
                strstr(f->sent.data,
                       "\"type\":\"TaskStopVerificationMessage\",\"message\":{\"messageId\":\"x1\",\"stopCandidates\":[{\"taskArn\":\"" ARN(
                               "t2") "\""));
        assert_null(strstr(f->sent.data, ARN("t1")));
        assert_false(engine_find(&f->engine, ARN("t2"))->stop_wanted);
        /* Only the answer to the last manifest counts. */
        (void)receive(f, "{\"type\":\"TaskStopVerificationAck\",\"message\":{\"messageId\":\"other\",\"stopTasks\":[{\"taskArn\":\"" ARN(
                                 "t2") "\"}]}}");
        assert_false(engine_find(&f->engine, ARN("t2"))->stop_wanted);
        (void)receive(f, "{\"type\":\"TaskStopVerificationAck\",\"message\":{\"messageId\":\"x1\",\"stopTasks\":[{\"taskArn\":\"" ARN(
                                 "t2") "\"}]}}");
        assert_true(engine_find(&f->engine, ARN("t2"))->stop_wanted);
        assert_false(engine_find(&f->engine, ARN("t1"))->stop_wanted);
        /* And only once. */
        (void)receive(f, "{\"type\":\"TaskStopVerificationAck\",\"message\":{\"messageId\":\"x1\",\"stopTasks\":[{\"taskArn\":\"" ARN(
                                 "t1") "\"}]}}");
        assert_false(engine_find(&f->engine, ARN("t1"))->stop_wanted);
        /* A complete manifest asks nothing. */
        (void)receive(f, MANIFEST("x2", "12", LISTED("t1")));
        assert_string_equal(f->sent.data, ACK("x2"));
}

/* A task that the server believes to be here and that never comes was lost by this node: the server hears of its end. */
static void test_lost_tasks_are_reported(void **state)
{
        struct fixture *f = *state;

        (void)receive(f, MANIFEST("x1", "11", LISTED("lost") "," LISTED("late")));
        assert_string_equal(f->sent.data, ACK("x1"));
        f->clock.now_ms += 30000;
        timers_run(&f->timers);
        assert_null(engine_find(&f->engine, ARN("lost")));
        (void)receive(f, HEAD("m1", "12") TASK("late", "RUNNING") TAIL);
        f->clock.now_ms += 31000;
        timers_run(&f->timers);
        struct engine_task *lost = engine_find(&f->engine, ARN("lost"));
        assert_int_equal(lost->state, TASK_STOPPED);
        assert_true(str_starts_with(lost->reason, "The node has lost its record"));
        assert_false(engine_find(&f->engine, ARN("late"))->stop_wanted);
}

static void test_heartbeat_and_updates(void **state)
{
        struct fixture *f = *state;

        assert_true(receive(f, "{\"type\":\"HeartbeatMessage\",\"message\":{\"healthy\":true,\"messageId\":\"h\"}}"));
        assert_string_equal(f->sent.data, "{\"type\":\"HeartbeatAckRequest\",\"message\":{\"messageId\":\"h\"}}\n");
        assert_int_equal(f->heartbeats, 1);
        (void)receive(
                f,
                "{\"type\":\"StageUpdateMessage\",\"message\":{\"messageId\":\"u\",\"clusterArn\":\"c\",\"containerInstanceArn\":\"i\"}}");
        assert_non_null(strstr(f->sent.data, "\"reason\":\"Updates are disabled\""));
}

static void test_lease(void **state)
{
        struct fixture *f = *state;

        assert_true(receive(f, "{\"type\":\"LeaseMessage\",\"message\":{\"leaseMs\":1500,\"onlyServer\":true}}"));
        assert_int_equal(f->lease_ms, 1500);
        assert_true(f->only_server);
        assert_true(receive(f, "{\"type\":\"LeaseMessage\",\"message\":{\"leaseMs\":-1}}"));
        assert_int_equal(f->lease_ms, 1500);
        acs_session_stopping(&f->session, "why");
        assert_string_equal(f->sent.data, "{\"type\":\"AgentStoppingMessage\",\"message\":{\"reason\":\"why\"}}\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_lease, setup, teardown),
                cmocka_unit_test_setup_teardown(test_payload_is_taken_and_acknowledged, setup, teardown),
                cmocka_unit_test_setup_teardown(test_acknowledgement_waits_for_the_disk, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stop_comes_first_and_is_kept, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stop_of_an_unknown_task_is_reported, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_messages_are_not_answered, setup, teardown),
                cmocka_unit_test_setup_teardown(test_good_tasks_of_a_bad_message_run, setup, teardown),
                cmocka_unit_test_setup_teardown(test_credentials, setup, teardown),
                cmocka_unit_test_setup_teardown(test_manifest_and_verification, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lost_tasks_are_reported, setup, teardown),
                cmocka_unit_test_setup_teardown(test_heartbeat_and_updates, setup, teardown),
        };

        log_setup(LOG_LEVEL_MAX, LOG_FORMAT_TEXT);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
