/* SPDX-License-Identifier: Apache-2.0 */
/* Real containers through their lives: stop, remove, restart, adoption, reboot, agents killed at any time. Needs root, crun, conmon. */
#include "runtime_place.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"

static void test_stop(void **state)
{
        struct runtime_container_spec spec = box_spec("c7", "trap 'echo asked; exit 7' USR1; echo ready; while true; do sleep 0.1; done");
        struct box box;
        int64_t before;

        (void)state;
        /* The image's stop signal. */
        box_start(&box, &spec);
        while (strstr(box_output(&box), "ready") == NULL)
                usleep(1000);
        runtime_stop(box.container, 10000);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.exit_code, 7);
        assert_int_equal(box.exit.cause, RUNTIME_EXITED);
        box_remove(&box);

        /* One that does not listen. */
        spec = box_spec("c7", "trap '' TERM USR1; echo ready; sleep 1000 & while true; do sleep 0.1; done");
        spec.stop_signal = "SIGTERM";
        box_start(&box, &spec);
        while (strstr(box_output(&box), "ready") == NULL)
                usleep(1000);
        before = place_now_ms();
        runtime_stop(box.container, 300);
        WAIT(box.exited, 1);
        assert_in_range(place_now_ms() - before, 290, 3000);
        assert_int_equal(box.exit.exit_code, 137);
        box_remove(&box);

        /* Everything ends, also without a pid namespace of its own. */
        spec = box_spec("c7", "sleep 1000 & sleep 1001 & echo ready; wait");
        spec.pid.mode = RUNTIME_NS_HOST;
        box_start(&box, &spec);
        runtime_stop(box.container, 0);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.exit_code, 137);
        box_remove(&box);
        assert_false(place_has_cgroup("task1", "c7"));
}

static void test_remove_at_any_time(void **state)
{
        struct runtime_container_spec spec = box_spec("c8", "sleep 1000");

        (void)state;
        for (int i = 0; i < 12; i++) {
                struct box box = {0};
                int removed = 0;
                int64_t end;

                assert_int_equal(runtime_start(place->runtime, &spec, &box_events, &box, &box.container, NULL), 0);
                for (end = place_now_ms() + i * 2; place_now_ms() < end;)
                        uv_run(&place->loop, UV_RUN_NOWAIT);
                runtime_remove(box.container, box_on_removed, &removed);
                assert_null(runtime_find(place->runtime, "c8"));
                WAIT(removed, 1);
                assert_int_equal(box.exited, 0);
                assert_false(place_has_cgroup("task1", "c8"));
        }
        assert_null(runtime_next(place->runtime, NULL));
}

static void test_restart_in_place(void **state)
{
        struct runtime_container_spec spec = box_spec("c11", "echo run >>/root/runs; wc -l </root/runs; test $(wc -l </root/runs) -ge 3");
        struct error error = {0};
        struct box box;

        (void)state;
        spec.working_dir = "/made/for/it";
        box_start(&box, &spec);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.exit_code, 1);
        for (int i = 2; i <= 3; i++) {
                assert_int_equal(runtime_restart(box.container, &error), 0);
                WAIT(box.exited, i);
        }
        assert_int_equal(box.exit.exit_code, 0);
        assert_int_equal(box.started, 3);
        assert_string_equal(box_output(&box), "1\n2\n3\n");
        box_remove(&box);
}

static void test_many_at_once(void **state)
{
        enum { N = 24 };
        static struct box boxes[N];
        static char ids[N][16];
        int64_t before = place_now_ms();

        (void)state;
        for (int i = 0; i < N; i++) {
                struct runtime_container_spec spec;

                snprintf(ids[i], sizeof(ids[i]), "many%d", i);
                spec = box_spec(ids[i], "sleep 1000");
                boxes[i] = (struct box){0};
                assert_int_equal(runtime_start(place->runtime, &spec, &box_events, &boxes[i], &boxes[i].container, NULL), 0);
        }
        for (int i = 0; i < N; i++) {
                WAIT(boxes[i].started, 1);
                assert_int_equal(boxes[i].status, 0);
        }
        print_message("   %d containers RUNNING after %lld ms\n", N, (long long)(place_now_ms() - before));
        for (int i = 0; i < N; i++)
                runtime_remove(boxes[i].container, NULL, NULL);
        while (runtime_find(place->runtime, ids[0]) != NULL)
                uv_run(&place->loop, UV_RUN_ONCE);
        for (int i = 0; i < N; i++)
                while (place_has_cgroup("task1", ids[i]))
                        uv_run(&place->loop, UV_RUN_ONCE);
}

static const char *runtime_boot_id(void)
{
        static char id[64];
        CLEANUP_BUF struct buf text = {0};

        assert_int_equal(buf_read_file(&text, "/proc/sys/kernel/random/boot_id", 64), 0);
        snprintf(id, sizeof(id), "%.*s", (int)strcspn(text.data, "\n"), text.data);
        return id;
}

/* An agent that goes and comes back: what runs is running still, what ended meanwhile is told with its code. */
static void test_adoption(void **state)
{
        struct runtime_container_spec lasting = box_spec("lasting", "trap 'exit 9' TERM; while true; do sleep 0.1; done");
        struct runtime_container_spec ending = box_spec("ending", "sleep 0.4; echo late; exit 3");
        struct runtime_container_spec over = box_spec("over", "exit 1");
        struct box boxes[3];
        int32_t pid, monitor;
        struct box box = {0};

        (void)state;
        lasting.stop_signal = "SIGTERM";
        box_start(&boxes[0], &lasting);
        box_start(&boxes[1], &ending);
        box_start(&boxes[2], &over);
        WAIT(boxes[2].exited, 1);
        runtime_container_acknowledge(boxes[2].container);
        pid = runtime_container_pid(boxes[0].container);
        runtime_free(place->runtime);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        assert_int_equal(kill(pid, 0), 0);
        usleep(700000);
        place_open();

        box.container = runtime_find(place->runtime, "lasting");
        assert_non_null(box.container);
        assert_int_equal(runtime_container_state(box.container), RUNTIME_RUNNING);
        assert_int_equal(runtime_container_pid(box.container), pid);
        assert_string_equal(runtime_container_task_id(box.container), "task1");
        runtime_container_adopt(box.container, &box_events, &box);
        runtime_stop(box.container, 5000);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.exit_code, 9);
        /* Restarted by an agent that did not create it. */
        assert_int_equal(runtime_restart(box.container, NULL), 0);
        WAIT(box.started, 1);
        assert_int_equal(box.status, 0);

        /* The monitor is killed: the container goes with it, and that is told. */
        monitor = 0;
        {
                CLEANUP_FREE char *path = xprintf("%s/lasting/state.json", place->runtime_dir);
                CLEANUP_BUF struct buf text = {0};
                const char *at = NULL;

                for (int i = 0; i < 1000 && (at == NULL || monitor <= 0); i++) {
                        uv_run(&place->loop, UV_RUN_NOWAIT);
                        usleep(1000);
                        buf_clear(&text);
                        assert_int_equal(buf_read_file(&text, path, 65536), 0);
                        at = strstr(text.data, "\"monitorPid\":");
                        if (at != NULL)
                                monitor = atoi(at + strlen("\"monitorPid\":"));
                }
        }
        pid = runtime_container_pid(box.container);
        assert_int_equal(kill(monitor, SIGKILL), 0);
        WAIT(box.exited, 2);
        assert_int_equal(box.exit.cause, RUNTIME_VANISHED);
        assert_false(box.exit.has_exit_code);
        /* Gone, or a zombie that waits for init. */
        {
                CLEANUP_FREE char *path = xprintf("/proc/%d/stat", pid);
                CLEANUP_BUF struct buf text = {0};

                if (buf_read_file(&text, path, 4096) == 0)
                        assert_non_null(strstr(text.data, ") Z "));
        }
        box_remove(&box);

        box = (struct box){.container = runtime_find(place->runtime, "ending")};
        assert_non_null(box.container);
        assert_int_equal(runtime_container_state(box.container), RUNTIME_STOPPED);
        runtime_container_adopt(box.container, &box_events, &box);
        assert_int_equal(box.exited, 0);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.exit_code, 3);
        assert_string_equal(box_output(&box), "late\n");
        box_remove(&box);

        box = (struct box){.container = runtime_find(place->runtime, "over")};
        assert_non_null(box.container);
        runtime_container_adopt(box.container, &box_events, &box);
        for (int i = 0; i < 20; i++) {
                uv_run(&place->loop, UV_RUN_NOWAIT);
                usleep(1000);
        }
        assert_int_equal(box.exited, 0);
        assert_int_equal(runtime_container_exit(box.container)->exit_code, 1);
        box_remove(&box);
}

/* As after a power cut: nothing runs, and what state.json says is of another boot. */
static void test_reboot(void **state)
{
        struct runtime_container_spec spec = box_spec("c16", "sleep 1000");
        CLEANUP_FREE char *path = xprintf("%s/c16/state.json", place->runtime_dir);
        CLEANUP_BUF struct buf text = {0};
        struct box box;
        char *boot;
        int32_t pid;

        (void)state;
        box_start(&box, &spec);
        pid = runtime_container_pid(box.container);
        runtime_free(place->runtime);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        assert_int_equal(buf_read_file(&text, path, 1 << 20), 0);
        boot = strstr(text.data, runtime_boot_id());
        assert_non_null(boot);
        boot[0] = boot[0] == '0' ? '1' : '0';
        assert_int_equal(files_write(AT_FDCWD, path, text.data, text.len, 0600, false), 0);
        kill(pid, SIGKILL);
        usleep(200000);
        {
                CLEANUP_FREE char *exit_file = xprintf("%s/c16/exit", place->runtime_dir);

                (void)unlink(exit_file);
        }
        place_open();
        box = (struct box){.container = runtime_find(place->runtime, "c16")};
        assert_non_null(box.container);
        runtime_container_adopt(box.container, &box_events, &box);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.cause, RUNTIME_REBOOTED);
        assert_false(box.exit.has_exit_code);
        box_remove(&box);
}

static void test_log_rotation(void **state)
{
        struct runtime_container_spec spec =
                box_spec("c15", "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; sleep 6; echo last");
        struct log_reader *reader;
        struct log_text text = {0};
        struct box box;
        char *old;

        (void)state;
        spec.log_max_bytes = 64 << 10;
        box_start(&box, &spec);
        reader = log_reader_new(runtime_container_log_path(box.container), NULL, 0);
        WAIT(box.exited, 1);
        old = arena_printf(&place_words, "%s.1", runtime_container_log_path(box.container));
        assert_int_equal(access(old, F_OK), 0);
        while (log_reader_read(reader, 1 << 20, true, log_text_add, &text) > 0)
                ;
        assert_true(str_starts_with(text.out.data, "line 0\n"));
        assert_non_null(strstr(text.out.data, "line 2999\nlast\n"));
        log_reader_free(reader);
        buf_done(&text.out);
        buf_done(&text.err);
        box_remove(&box);
}

/* An agent of its own, killed after `milliseconds` in the middle of starting, stopping and removing. */
static _Noreturn void be_killed(void)
{
        static struct box boxes[6];
        struct runtime_container_spec spec;
        char ids[6][16];

        uv_loop_init(&place->loop);
        place_open();
        for (int i = 0; i < 6; i++) {
                snprintf(ids[i], sizeof(ids[i]), "doomed%d", i);
                spec = box_spec(ids[i], "trap 'exit 0' TERM; echo up; while true; do sleep 0.05; done");
                spec.stop_signal = "TERM";
                if (runtime_start(place->runtime, &spec, NULL, NULL, &boxes[i].container, NULL) < 0)
                        _exit(1);
        }
        for (int64_t end = place_now_ms() + 40; place_now_ms() < end;)
                uv_run(&place->loop, UV_RUN_NOWAIT);
        runtime_stop(boxes[0].container, 1000);
        runtime_remove(boxes[1].container, NULL, NULL);
        for (;;)
                uv_run(&place->loop, UV_RUN_NOWAIT);
}

static void check_one(struct runtime_container *container)
{
        const struct runtime_exit *ended = runtime_container_exit(container);

        if (ended == NULL) {
                assert_int_equal(runtime_container_state(container), RUNTIME_RUNNING);
                assert_int_equal(kill(runtime_container_pid(container), 0), 0);
                return;
        }
        /* Stopped by request, in the middle of being removed, or never let go. */
        if (ended->cause != RUNTIME_NEVER_STARTED && !str_eq(runtime_container_id(container), "doomed0") &&
            !str_eq(runtime_container_id(container), "doomed1"))
                fail_msg("%s ended by itself, cause %d code %d", runtime_container_id(container), ended->cause, ended->exit_code);
}

static void test_killed_at_any_time(void **state)
{
        int running = 0, stopped = 0;

        (void)state;
        runtime_free(place->runtime);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        for (int round = 0; round < 12; round++) {
                struct runtime_container *container;
                pid_t pid = fork();
                int left = 0;

                if (pid == 0)
                        be_killed();
                usleep((useconds_t)(8000 * (round + 1)));
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
                place_open();
                for (container = runtime_next(place->runtime, NULL); container != NULL;
                     container = runtime_next(place->runtime, container)) {
                        check_one(container);
                        running += runtime_container_state(container) == RUNTIME_RUNNING;
                        stopped += runtime_container_state(container) == RUNTIME_STOPPED;
                }
                while ((container = runtime_next(place->runtime, NULL)) != NULL) {
                        int removed = 0;

                        left++;
                        runtime_remove(container, box_on_removed, &removed);
                        WAIT(removed, 1);
                }
                assert_true(left <= 6);
                for (int i = 0; i < 6; i++) {
                        char id[16];

                        snprintf(id, sizeof(id), "doomed%d", i);
                        assert_false(place_has_cgroup("task1", id));
                }
                runtime_free(place->runtime);
                uv_run(&place->loop, UV_RUN_DEFAULT);
        }
        print_message("   %d found running, %d stopped\n", running, stopped);
        place_open();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PLACE_TEST(test_stop),         PLACE_TEST(test_remove_at_any_time), PLACE_TEST(test_restart_in_place),
                PLACE_TEST(test_many_at_once), PLACE_TEST(test_adoption),           PLACE_TEST(test_reboot),
                PLACE_TEST(test_log_rotation), PLACE_TEST(test_killed_at_any_time),
        };

        signal(SIGPIPE, SIG_IGN);
        if (geteuid() != 0)
                return 77;
        return cmocka_run_group_tests(tests, place_set_up, place_tear_down);
}
