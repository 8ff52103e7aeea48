/* SPDX-License-Identifier: Apache-2.0 */
/* Real containers: what a specification says is what they get; exec and figures. Needs root, crun, conmon. */
#include "runtime_place.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "runtime/preload.h"
#include "runtime/runtime_internal.h"

static void test_default_command(void **state)
{
        struct runtime_container_spec spec = box_spec("c1", NULL);

        (void)state;
        assert_string_equal(box_run_spec(&spec, 0), "default command\n");
        assert_false(place_has_cgroup("task1", "c1"));
        runtime_task_remove(place->runtime, "task1");
}

/* Stopped, it keeps its files and no control group. */
static void test_release(void **state)
{
        struct runtime_container_spec spec = box_spec("c1b", "echo said");
        struct box box;

        (void)state;
        spec.task_id = "over";
        box_start(&box, &spec);
        assert_int_equal(box.status, 0);
        WAIT(box.exited, 1);
        assert_false(runtime_container_is_acknowledged(box.container));
        runtime_container_acknowledge(box.container);
        assert_true(runtime_container_is_acknowledged(box.container));
        assert_true(place_has_cgroup("over", "c1b"));
        runtime_task_release(place->runtime, "over");
        while (place_has_cgroup("over", ""))
                uv_run(&place->loop, UV_RUN_ONCE);
        assert_string_equal(box_output(&box), "said\n");
        box_remove(&box);
}

/* With the library that conmon and crun start with here, and without it, as where they are of another kind. */
static void test_preload(void **state)
{
        static const char *const script = "env; cat /proc/self/cgroup; cat /proc/self/maps";
        struct runtime_container_spec spec = box_spec("c1c", script);
        int fd = place->runtime->preload_fd;

        (void)state;
        spec.memory_bytes = 64 << 20;
        spec.privileged = true; /* sees its groups by their names */
        assert_true(fd >= 0);
        assert_false(preload_works(fd, "/bin/busybox")); /* linked statically: it runs, but without the library */
        assert_false(preload_works(fd, "/no/such/program"));
        for (int i = 0; i < 2; i++) {
                char *output = box_run_spec(&spec, 0);

                assert_null(strstr(output, PRELOAD_GROUPS));
                assert_null(strstr(output, "LD_PRELOAD"));
                assert_null(strstr(output, "gantry-preload"));
                assert_non_null(strstr(output, "/task1/c1c\n"));
                place->runtime->preload_fd = -1;
        }
        place->runtime->preload_fd = fd;
}

static void test_environment(void **state)
{
        struct string_pair env[] = {{"MINE", "a b"}, {"FROM", "definition"}};
        struct runtime_container_spec spec = box_spec(
                "c2", "echo $MINE,$FROM,$HOME,$HOSTNAME,$PWD; id -u; id -G; hostname; cat /etc/hosts; ip -o addr show lo; echo oops >&2");

        (void)state;
        spec.env = (struct string_map){env, 2};
        spec.user = "app";
        spec.hostname = "named";
        spec.network.mode = RUNTIME_NS_PRIVATE;
        spec.extra_hosts = *box_words("db:10.1.2.3", NULL);
        char *output = box_run_spec(&spec, 0);
        assert_true(str_starts_with(output, "a b,definition,/home/app,named,/home/app\n1000\n1000 44 50\nnamed\n"));
        assert_non_null(strstr(output, "10.1.2.3\tdb\n"));
        assert_non_null(strstr(output, "127.0.0.1/8"));
}

static void test_exit_codes(void **state)
{
        struct runtime_container_spec spec = box_spec("c3", "exit 42");

        (void)state;
        box_run_spec(&spec, 42);
        spec = box_spec("c3", "kill -9 $$");
        spec.pid.mode = RUNTIME_NS_HOST;
        box_run_spec(&spec, 137);
        spec = box_spec("c3", "kill -TERM 1; sleep 5; exit 3");
        spec.init = true;
        box_run_spec(&spec, 143);
}

static void test_limits(void **state)
{
        struct runtime_task_limits limits = {.cpu_millis = 500, .memory_bytes = 128 << 20};
        const struct runtime_ulimit ulimits[] = {{"nofile", 1000, 2000}, {"core", 0, 0}};
        struct runtime_container_spec spec =
                box_spec("c4", "ulimit -n; ulimit -c; cat /proc/self/oom_score_adj; df -k /dev/shm | tail -n 1; touch /x");
        struct box box;
        struct runtime_stats stats;
        char path[64];
        char *output;

        (void)state;
        spec.ulimits = ulimits;
        spec.n_ulimits = 2;
        spec.has_oom_score_adj = true;
        spec.oom_score_adj = 300;
        spec.shm_bytes = 8 << 20;
        spec.read_only_root = true;
        output = box_run_spec(&spec, 1);
        assert_true(str_starts_with(output, "1000\n0\n300\n"));
        assert_non_null(strstr(output, " 8192 "));

        spec = box_spec("c4b", "sleep 100");
        spec.task_id = "limited";
        spec.task_limits = &limits;
        spec.memory_bytes = 64 << 20;
        spec.cpu_shares = 512;
        spec.pids = 77;
        box_start(&box, &spec);
        assert_int_equal(box.status, 0);
        snprintf(path, sizeof(path), "%s/limited/c4b", place->parent);
        stats = (struct runtime_stats){0};
        cgroup_read_stats(&place->cgroups, path, &stats);
        assert_int_equal(stats.memory_limit, 64 << 20);
        assert_int_equal(stats.pids_limit, 77);
        assert_int_equal(stats.pids, 1);
        snprintf(path, sizeof(path), "%s/limited", place->parent);
        cgroup_read_stats(&place->cgroups, path, &stats);
        assert_int_equal(stats.memory_limit, 128 << 20);
        box_remove(&box);
        runtime_task_remove(place->runtime, "limited");
}

static void test_out_of_memory(void **state)
{
        struct runtime_container_spec spec = box_spec("c5", "x=a; while true; do x=$x$x; done");
        struct box box;

        (void)state;
        spec.memory_bytes = 16 << 20;
        spec.has_memory_swap = true;
        spec.memory_swap_bytes = 16 << 20;
        box_start(&box, &spec);
        assert_int_equal(box.status, 0);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.cause, RUNTIME_OOM);
        assert_int_equal(box.exit.exit_code, 137);
        box_remove(&box);
}

static void test_failures(void **state)
{
        struct runtime_container_spec spec = box_spec("c6", NULL);
        struct runtime_container *container;
        struct error error = {0};
        struct box box;

        (void)state;
        spec.entry_point = box_words("/no/such/program", NULL);
        box_start(&box, &spec);
        assert_true(box.status < 0);
        assert_string_equal(box.error.code, "CannotStartContainerError");
        assert_non_null(strstr(box.error.message, "/no/such/program"));
        spec = box_spec("c6", "true");
        spec.user = "nobody-of-this-name";
        box_start(&box, &spec);
        assert_true(box.status < 0);
        assert_string_equal(box.error.code, "CannotCreateContainerError");
        spec = box_spec("c6", "true");
        spec.network = (struct runtime_namespace){RUNTIME_NS_PATH, "/run/netns/not-there"};
        box_start(&box, &spec);
        assert_true(box.status < 0);
        /* The name is free again, and nothing is left. */
        while (runtime_next(place->runtime, NULL) != NULL)
                uv_run(&place->loop, UV_RUN_ONCE);
        box_run("c6", "true");
        spec = box_spec("bad/name", "true");
        assert_int_equal(runtime_start(place->runtime, &spec, &box_events, &box, &container, &error), -EINVAL);
        assert_false(place_has_cgroup("task1", "c6"));
}

struct trial {
        struct runtime_exec exec;
        int done;
        int status, exit_code;
        char output[RUNTIME_EXEC_OUTPUT_MAX + 1];
        struct error error;
};

static void on_exec(struct runtime_exec *exec, const struct runtime_exec_result *result)
{
        struct trial *trial = CONTAINER_OF(exec, struct trial, exec);

        trial->done++;
        trial->status = result->status;
        trial->exit_code = result->exit_code;
        memcpy(trial->output, result->output, result->output_len);
        trial->output[result->output_len] = '\0';
        if (result->error != NULL)
                trial->error = *result->error;
}

static void exec_in(struct box *box, struct trial *trial, struct string_list *args, uint32_t timeout_ms)
{
        *trial = (struct trial){.exec = {.args = *args, .timeout_ms = timeout_ms, .done = on_exec}};
        runtime_exec_start(box->container, &trial->exec);
        assert_int_equal(trial->done, 0);
        WAIT(trial->done, 1);
}

static void test_exec(void **state)
{
        struct runtime_container_spec spec = box_spec("c9", "sleep 1000");
        struct box box;
        struct trial trial;
        int64_t before;

        (void)state;
        spec.user = "app";
        box_start(&box, &spec);
        exec_in(&box, &trial, box_words("sh", "-c", "id -un; echo $FROM; cat /proc/self/cgroup; echo to stderr >&2; exit 5", NULL), 5000);
        assert_int_equal(trial.status, 0);
        assert_int_equal(trial.exit_code, 5);
        assert_true(str_starts_with(trial.output, "app\nimage\n"));
        assert_non_null(strstr(trial.output, "to stderr\n"));
        before = place_now_ms();
        exec_in(&box, &trial, box_words("sleep", "50", NULL), 200);
        assert_int_equal(trial.status, -ETIMEDOUT);
        assert_in_range(place_now_ms() - before, 190, 3000);
        exec_in(&box, &trial, box_words("sh", "-c", "ps | grep -c 'sleep 5[0]'", NULL), 5000);
        assert_string_equal(trial.output, "0\n");
        exec_in(&box, &trial, box_words("sh", "-c", "yes | head -c 100000", NULL), 5000);
        assert_int_equal(trial.exit_code, 0);
        assert_int_equal(strlen(trial.output), RUNTIME_EXEC_OUTPUT_MAX);
        exec_in(&box, &trial, box_words("/no/such", NULL), 5000);
        print_message("   exec of a missing program: status %d code %d %s %s\n", trial.status, trial.exit_code, trial.output,
                      trial.error.message);
        assert_true(trial.status < 0 || trial.exit_code != 0);
        /* Cancelled: no answer, and nothing left. */
        trial = (struct trial){.exec = {.args = *box_words("sleep", "60", NULL), .done = on_exec}};
        runtime_exec_start(box.container, &trial.exec);
        runtime_exec_cancel(&trial.exec);
        runtime_stop(box.container, 0);
        WAIT(box.exited, 1);
        assert_int_equal(trial.done, 0);
        exec_in(&box, &trial, box_words("true", NULL), 100);
        assert_int_equal(trial.status, -ESRCH);
        box_remove(&box);
}

static void test_volumes(void **state)
{
        CLEANUP_FREE char *shared = xprintf("%s/shared/deep", place->dir);
        CLEANUP_FREE char *file = xprintf("%s/shared/deep/made", place->dir);
        struct runtime_mount mounts[] = {
                {.source = shared, .destination = "/mnt/shared", .create = true},
                {.source = "/etc", .destination = "/mnt/host", .read_only = true},
                {.kind = RUNTIME_MOUNT_TMPFS, .destination = "/scratch", .options = "size=1m,mode=1777"},
        };
        struct runtime_container_spec spec = box_spec(
                "c10", "cat /data/seed; echo x >/mnt/shared/made; touch /mnt/host/x; df -k /scratch | tail -n 1 | awk '{print $2}'");
        const struct runtime_mount *own;
        struct box box;
        uint32_t n;
        char *output;

        (void)state;
        spec.mounts = mounts;
        spec.n_mounts = 3;
        box_start(&box, &spec);
        WAIT(box.exited, 1);
        output = box_output(&box);
        assert_string_equal(output, "seed1024\n"); /* no newline in the file */
        assert_int_equal(access(file, F_OK), 0);
        assert_int_equal(access("/etc/x", F_OK), -1);
        own = runtime_container_mounts(box.container, &n);
        assert_int_equal(n, 3);
        assert_string_equal(own[0].destination, "/data");
        box_remove(&box);
}

static void test_terminal_and_stdin(void **state)
{
        struct runtime_container_spec spec = box_spec("c12", "tty; exit 4");
        char *output;

        (void)state;
        spec.tty = true;
        output = box_run_spec(&spec, 4);
        assert_true(str_starts_with(output, "/dev/"));
        spec = box_spec("c12", "read -t 1 x; echo done $?");
        spec.stdin_open = true;
        assert_string_equal(box_run_spec(&spec, 0), "done 1\n");
}

static void test_security(void **state)
{
        struct runtime_container_spec spec =
                box_spec("c13", "grep -E 'CapBnd|Seccomp:|NoNewPrivs' /proc/self/status; unshare -m true 2>&1; mount -t tmpfs x /tmp 2>&1; "
                                "ls /proc/kcore -l; echo 1 >/proc/sys/kernel/panic; dd if=/dev/kmsg count=1 of=/dev/null; true");
        char *output;

        (void)state;
        spec.no_new_privileges = true;
        output = box_run_spec(&spec, 0);
        assert_non_null(strstr(output, "CapBnd:\t00000000a80425fb\n"));
        assert_non_null(strstr(output, "Seccomp:\t2\n"));
        assert_non_null(strstr(output, "NoNewPrivs:\t1\n"));
        assert_non_null(strstr(output, "Operation not permitted"));
        spec = box_spec(
                "c13",
                "mount -t tmpfs x /mnt 2>&1 || mount -t tmpfs x /tmp && echo mounted; ls /dev | wc -l; grep Seccomp: /proc/self/status");
        spec.privileged = true;
        output = box_run_spec(&spec, 0);
        assert_non_null(strstr(output, "mounted\n"));
        assert_non_null(strstr(output, "Seccomp:\t0\n"));
}

struct figures {
        int done;
        struct runtime_stats stats[2];
};

static void on_stats(const struct runtime_stats *stats, uint32_t n, void *data)
{
        struct figures *figures = data;

        memcpy(figures->stats, stats, n * sizeof(*stats));
        figures->done = 1;
}

static void test_stats(void **state)
{
        struct runtime_container_spec spec = box_spec("c14", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo spun; sleep 1000");
        struct runtime_container *both[2];
        struct figures figures = {0};
        struct box box;

        (void)state;
        spec.network.mode = RUNTIME_NS_PRIVATE;
        spec.memory_bytes = 32 << 20;
        box_start(&box, &spec);
        while (strstr(box_output(&box), "spun") == NULL)
                usleep(1000);
        both[0] = both[1] = box.container;
        runtime_stats_read(place->runtime, both, 2, on_stats, &figures);
        WAIT(figures.done, 1);
        assert_true(figures.stats[0].cpu_usage_ns > 10000000);
        assert_true(figures.stats[0].memory_usage > 0);
        assert_int_equal(figures.stats[0].memory_limit, 32 << 20);
        assert_in_range(figures.stats[0].pids, 1, 2);
        assert_true(figures.stats[0].has_network);
        assert_true(figures.stats[0].system_cpu_ns > 0);
        box_remove(&box);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                PLACE_TEST(test_default_command),
                PLACE_TEST(test_release),
                PLACE_TEST(test_preload),
                PLACE_TEST(test_environment),
                PLACE_TEST(test_exit_codes),
                PLACE_TEST(test_limits),
                PLACE_TEST(test_out_of_memory),
                PLACE_TEST(test_failures),
                PLACE_TEST(test_exec),
                PLACE_TEST(test_volumes),
                PLACE_TEST(test_terminal_and_stdin),
                PLACE_TEST(test_security),
                PLACE_TEST(test_stats),
        };

        signal(SIGPIPE, SIG_IGN);
        if (geteuid() != 0)
                return 77;
        return cmocka_run_group_tests(tests, place_set_up, place_tear_down);
}
