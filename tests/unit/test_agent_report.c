/* SPDX-License-Identifier: Apache-2.0 */
/* What a node says of its tasks: order, contents, the files in which they are kept. */
#include "unit.h"

#include "agent/state/keeper.h"
#include "agent/channel/host_metrics.h"
#include "agent/channel/metrics.h"
#include "agent/channel/report.h"
#include "base/strutil.h"
#include "fixed_env.h"

static struct engine_task *task_of(const char *json)
{
        static struct fixed_env clock;
        struct arena arena CLEANUP_ARENA = {0};
        struct acs_task *payload = NULL;
        struct error error = {0};

        clock = fixed_env_make();
        if (SHAPE_PARSE(acs_task, &arena, json, strlen(json), NULL, &payload, &error) < 0)
                fail_msg("%s", error.message);
        return engine_task_new(payload, &clock.env);
}

static void expect(const struct engine_task *t, const char *expected, bool urgent_expected)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct buf text CLEANUP_BUF = {0};
        enum report_stage stage;
        bool urgent = false;
        struct ecs_submit_task_state_change_request *req = report_make(t, "lab", &arena, &stage, &urgent);

        if (expected == NULL) {
                assert_null(req);
                return;
        }
        assert_non_null(req);
        SHAPE_WRITE(ecs_submit_task_state_change_request, req, &text);
        assert_string_equal(text.data, expected);
        assert_int_equal(urgent, urgent_expected);
}

static void accept_now(struct engine_task *t)
{
        struct arena arena CLEANUP_ARENA = {0};
        enum report_stage stage;
        bool urgent;

        assert_non_null(report_make(t, "lab", &arena, &stage, &urgent));
        for (uint32_t i = 0; i < t->n_containers; i++)
                t->containers[i].reported = report_container_stage(&t->containers[i], stage);
        t->reported = stage;
}

#define TWO "{\"arn\":\"x/t1\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"},{\"name\":\"b\",\"image\":\"i\",\"essential\":false}]}"

static void runs(struct engine_container *c)
{
        c->state = CONTAINER_RUNNING;
        c->has_run = true;
}

static void ends(struct engine_container *c, int code)
{
        c->state = CONTAINER_STOPPED;
        c->has_exit_code = true;
        c->exit_code = code;
}

static void test_usual_life(void **state)
{
        struct engine_task *t = task_of(TWO);

        (void)state;
        expect(t, NULL, false);
        runs(&t->containers[0]);
        t->containers[0].image_digest = strdup("sha256:d");
        expect(t,
               "{\"cluster\":\"lab\",\"task\":\"x/t1\",\"status\":\"PENDING\",\"reason\":\"\",\"containers\":[{\"containerName\":\"a\","
               "\"imageDigest\":\"sha256:d\",\"runtimeId\":\"t1-3826002220\",\"status\":\"RUNNING\"}]}",
               false);
        accept_now(t);
        expect(t, NULL, false);
        runs(&t->containers[1]);
        t->state = TASK_RUNNING;
        t->has_run = true;
        expect(t,
               "{\"cluster\":\"lab\",\"task\":\"x/t1\",\"status\":\"RUNNING\",\"reason\":\"\",\"containers\":[{\"containerName\":\"b\","
               "\"runtimeId\":\"t1-3876335077\",\"status\":\"RUNNING\"}]}",
               true);
        accept_now(t);
        ends(&t->containers[1], 3);
        expect(t,
               "{\"cluster\":\"lab\",\"task\":\"x/t1\",\"status\":\"RUNNING\",\"reason\":\"\",\"containers\":[{\"containerName\":\"b\","
               "\"runtimeId\":\"t1-3876335077\",\"exitCode\":3,\"status\":\"STOPPED\"}]}",
               false);
        accept_now(t);
        ends(&t->containers[0], 0);
        t->state = TASK_STOPPED;
        t->execution_stopped_ms = 1700000000917;
        expect(t,
               "{\"cluster\":\"lab\",\"task\":\"x/t1\",\"status\":\"STOPPED\",\"reason\":\"\",\"containers\":[{\"containerName\":\"a\","
               "\"imageDigest\":\"sha256:d\",\"runtimeId\":\"t1-3826002220\",\"exitCode\":0,\"status\":\"STOPPED\"}],"
               "\"executionStoppedAt\":1700000000.917}",
               true);
        accept_now(t);
        expect(t, NULL, false);
        assert_true(reporter_is_settled(t));
        engine_task_free(t);
}

/* The server was away while the task ran and ended: it hears of both, in order. */
static void test_running_is_not_left_out(void **state)
{
        struct engine_task *t = task_of(TWO);

        (void)state;
        for (int i = 0; i < 2; i++) {
                runs(&t->containers[i]);
                ends(&t->containers[i], 1);
        }
        t->has_run = true;
        t->state = TASK_STOPPED;
        expect(t,
               "{\"cluster\":\"lab\",\"task\":\"x/t1\",\"status\":\"RUNNING\",\"reason\":\"\",\"containers\":[{\"containerName\":\"a\","
               "\"runtimeId\":\"t1-3826002220\",\"status\":\"RUNNING\"},{\"containerName\":\"b\",\"runtimeId\":\"t1-3876335077\","
               "\"status\":\"RUNNING\"}]}",
               true);
        accept_now(t);
        expect(t,
               "{\"cluster\":\"lab\",\"task\":\"x/t1\",\"status\":\"STOPPED\",\"reason\":\"\",\"containers\":[{\"containerName\":\"a\","
               "\"runtimeId\":\"t1-3826002220\",\"exitCode\":1,\"status\":\"STOPPED\"},{\"containerName\":\"b\",\"runtimeId\":\"t1-"
               "3876335077\","
               "\"exitCode\":1,\"status\":\"STOPPED\"}]}",
               true);
        engine_task_free(t);
}

static void test_failure_has_no_exit_code(void **state)
{
        struct engine_task *t = task_of("{\"arn\":\"x/t1\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]}");

        (void)state;
        t->containers[0].state = CONTAINER_STOPPED;
        engine_container_set_reason(&t->containers[0], "CannotPullContainerError: no");
        t->state = TASK_STOPPED;
        t->pull_started_ms = 1000;
        t->pull_stopped_ms = 2500;
        expect(t,
               "{\"cluster\":\"lab\",\"task\":\"x/t1\",\"status\":\"STOPPED\",\"reason\":\"\",\"containers\":[{\"containerName\":\"a\","
               "\"reason\":\"CannotPullContainerError: no\",\"status\":\"STOPPED\"}],\"pullStartedAt\":1.000,\"pullStoppedAt\":2.500}",
               true);
        engine_task_free(t);
}

static void test_kept_and_read_again(void **state)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct buf task_text CLEANUP_BUF = {0}, state_text CLEANUP_BUF = {0}, again CLEANUP_BUF = {0};
        struct engine_task *t =
                task_of("{\"arn\":\"x/t1\",\"roleCredentials\":{\"credentialsId\":\"c\",\"secretAccessKey\":\"very secret\"},"
                        "\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]}");
        struct saved_task *saved = NULL;
        struct saved_task_state *saved_state = NULL;

        (void)state;
        runs(&t->containers[0]);
        ends(&t->containers[0], 137);
        t->containers[0].oom_killed = true;
        t->containers[0].restart_count = 2;
        t->containers[0].log_inode = 1;
        t->containers[0].log_offset = 2;
        engine_container_set_reason(&t->containers[0], "OutOfMemoryError: x");
        t->state = TASK_STOPPED;
        t->has_run = true;
        t->stop_wanted = true;
        t->stopped_ms = 5000;
        t->reported = REPORT_RUNNING;
        keeper_write_task(t, "boot", &task_text);
        keeper_write_state(t, "boot", &state_text);
        assert_null(strstr(task_text.data, "very secret"));
        assert_int_equal(SHAPE_PARSE(saved_task, &arena, task_text.data, task_text.len, NULL, &saved, NULL), 0);
        assert_int_equal(SHAPE_PARSE(saved_task_state, &arena, state_text.data, state_text.len, NULL, &saved_state, NULL), 0);
        struct buf payload CLEANUP_BUF = {0};
        SHAPE_WRITE(acs_task, saved->task, &payload);
        struct engine_task *u = task_of(payload.data);
        keeper_apply_task(u, saved);
        keeper_apply_state(u, saved_state);
        assert_string_equal(u->containers[0].endpoint_id, t->containers[0].endpoint_id);
        assert_string_equal(u->containers[0].runtime_id, t->containers[0].runtime_id);
        keeper_write_state(u, "boot", &again);
        assert_string_equal(again.data, state_text.data);
        engine_task_free(t);
        engine_task_free(u);
}

/* What a node's own files say, and what of it is counted. */
static void test_host_metrics(void **state)
{
        struct host_metrics m = {0};
        struct tcs_host_metrics out = {0};

        assert_false(host_metrics_take(&m, &out));
        host_parse_stat("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n", &m.last);
        host_parse_meminfo("MemTotal:       2048000 kB\nMemFree:  1 kB\nMemAvailable:   1024000 kB\n", &m.last);
        host_parse_net_dev("Inter-| x\n face | y\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  eth0: 1000 9 0 0 0 0 0 0 3000 9 0 0 0 0 0 0\n"
                           "veth12: 7 9 0 0 0 0 0 0 7 9 0 0 0 0 0 0\n",
                           &m.last);
        host_parse_diskstats(
                "   8       0 sda 1 2 10 4 5 6 20 8 0 0 0\n   8       1 sda1 1 2 10 4 5 6 20 8 0 0 0\n 259 0 nvme0n1 1 0 2 0 1 0 2 0 0\n"
                " 253 0 dm-0 1 2 10 4 5 6 20 8 0 0 0\n",
                &m.last);
        assert_int_equal(m.last.cpu_busy, 150);
        assert_int_equal(m.last.rx_bytes, 1000);
        assert_int_equal(m.last.tx_bytes, 3000);
        assert_int_equal(m.last.read_bytes, 12 * 512);
        assert_int_equal(m.last.written_bytes, 22 * 512);
        m.last.read_ms = 1000;
        assert_false(host_metrics_take(&m, &out));
        m.last.read_ms = 3000;
        m.last.cpu_busy += 50;
        m.last.cpu_all += 200;
        m.last.rx_bytes += 500;
        assert_true(host_metrics_take(&m, &out));
        assert_true(out.cpu_percent == 25 && out.rx_bytes_per_second == 250 && out.memory_total == 2000 && out.memory_used == 1000);
}

static void test_metrics(void **state)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct container_metrics m = {0};
        struct tcs_container_metric out = {0};
        struct runtime_stats s = {.read_ms = 1000, .online_cpus = 2, .memory_usage = 3 << 20, .has_network = true};

        (void)state;
        assert_false(container_metrics_take(&m, &arena, &out));
        container_metrics_sample(&m, &s);
        for (int i = 1; i <= 3; i++) {
                s.read_ms += 1000;
                s.cpu_usage_ns += 500000000; /* half of one of two processors */
                s.rx_bytes += 1000;
                container_metrics_sample(&m, &s);
        }
        container_metrics_sample(&m, &s); /* the same sample does not count twice */
        assert_true(container_metrics_take(&m, &arena, &out));
        assert_int_equal(out.memory_stats_set->sample_count, 4);
        assert_true(out.memory_stats_set->max > 2.99 && out.memory_stats_set->max < 3.01);
        assert_int_equal(out.cpu_stats_set->sample_count, 3);
        assert_true(out.cpu_stats_set->min > 24.9 && out.cpu_stats_set->max < 25.1);
        assert_int_equal(out.network_stats_set->rx_bytes->sum, 3000);
        assert_true(metrics_rx_rate(&m) > 999 && metrics_rx_rate(&m) < 1001);
        /* The container was restarted: counters begin anew and nothing is negative. */
        s = (struct runtime_stats){.read_ms = 6000, .online_cpus = 2, .cpu_usage_ns = 1000};
        container_metrics_sample(&m, &s);
        out = (struct tcs_container_metric){0};
        assert_true(container_metrics_take(&m, &arena, &out));
        assert_true(out.cpu_stats_set->min >= 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_usual_life),
                cmocka_unit_test(test_running_is_not_left_out),
                cmocka_unit_test(test_failure_has_no_exit_code),
                cmocka_unit_test(test_kept_and_read_again),
                cmocka_unit_test(test_host_metrics),
                cmocka_unit_test(test_metrics),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
