/* SPDX-License-Identifier: Apache-2.0 */
/* Real containers: start, output, exit codes, limits, memory, stop, exec, restart, adoption, failures. Needs root, crun, conmon. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "api/oci.idl.h"
#include "base/alloc.h"
#include "base/strutil.h"
#include "image/files.h"
#include "image/image.h"
#include "runtime/cgroup.h"
#include "runtime/log_reader.h"
#include "runtime/runtime.h"

#define PATIENCE_MS 20000

struct place {
        char dir[64], images_dir[96], runtime_dir[96], run_dir[96], parent[48];
        uv_loop_t loop;
        struct image_store *images;
        struct runtime *runtime;
        struct image *image;
        struct cgroups cgroups;
};

struct box {
        struct runtime_container *container;
        struct runtime_events events;
        int started, exited; /* how often */
        int status;
        struct error error;
        struct runtime_exit exit;
        bool removed;
};

static struct place *place;

static int64_t now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Runs the loop until `flag` is not 0. */
static void wait_until_(const volatile int *flag, int wanted, const char *what)
{
        int64_t end = now_ms() + PATIENCE_MS;
        uv_timer_t tick;

        (void)tick;
        while (*flag < wanted) {
                if (now_ms() > end)
                        fail_msg("waited in vain for %s", what);
                if (uv_run(&place->loop, UV_RUN_NOWAIT) == 0 || *flag < wanted)
                        usleep(500);
        }
}
#define WAIT(flag, wanted) wait_until_(&(flag), wanted, #flag)

static void on_started(struct runtime_container *container, int status, const struct error *error, void *data)
{
        struct box *box = data;

        box->started++;
        box->status = status;
        if (status < 0) {
                box->error = *error;
                box->container = NULL;
        } else {
                assert_int_equal(runtime_container_state(container), RUNTIME_RUNNING);
                assert_true(runtime_container_pid(container) > 0);
        }
}

static void on_exited(struct runtime_container *container, const struct runtime_exit *ended, void *data)
{
        struct box *box = data;

        assert_int_equal(runtime_container_state(container), RUNTIME_STOPPED);
        box->exited++;
        box->exit = *ended;
}

static const struct runtime_events events = {.started = on_started, .exited = on_exited};

static const char *runtime_boot_id(void)
{
        static char id[64];
        CLEANUP_BUF struct buf text = {0};

        assert_int_equal(buf_read_file(&text, "/proc/sys/kernel/random/boot_id", 64), 0);
        snprintf(id, sizeof(id), "%.*s", (int)strcspn(text.data, "\n"), text.data);
        return id;
}

static void on_removed(void *data)
{
        *(int *)data = 1;
}

static void open_runtime(void)
{
        struct error error = {0};
        int r = runtime_new(&(struct runtime_options){.loop = &place->loop,
                                                      .dir = place->runtime_dir,
                                                      .run_dir = place->run_dir,
                                                      .cgroup_parent = place->parent,
                                                      .images = place->images},
                            &place->runtime, &error);

        if (r < 0)
                print_error("%s\n", error.message);
        assert_int_equal(r, 0);
}

static void on_pulled(struct image_pull *pull, const struct image_pull_result *result)
{
        (void)pull;
        if (result->status < 0)
                print_error("%s\n", result->error->message);
        place->image = result->image;
}

static struct image *pull(const char *name)
{
        struct image_pull request = {.name = name, .done = on_pulled};

        place->image = NULL;
        image_pull_start(place->images, &request);
        while (place->image == NULL)
                uv_run(&place->loop, UV_RUN_ONCE);
        return place->image;
}

static int set_up_all(void **state)
{
        CLEANUP_FREE char *command = NULL, *name = NULL;
        struct error error = {0};

        (void)state;
        place = calloc(1, sizeof(*place));
        strcpy(place->dir, "/tmp/test_runtime.XXXXXX");
        if (mkdtemp(place->dir) == NULL)
                return -1;
        snprintf(place->images_dir, sizeof(place->images_dir), "%s/images", place->dir);
        snprintf(place->runtime_dir, sizeof(place->runtime_dir), "%s/containers", place->dir);
        snprintf(place->run_dir, sizeof(place->run_dir), "%s/run", place->dir);
        snprintf(place->parent, sizeof(place->parent), "/gantry-test-%d", getpid());
        uv_loop_init(&place->loop);
        command = xprintf(
                "%s/tools/make-busybox-image.py %s/layout --env FROM=image --stop-signal SIGUSR1 --volume /data --text data/seed=seed "
                "--workdir /home/app --cmd \"sh -c 'echo default command'\" >/dev/null",
                SOURCE_ROOT, place->dir);
        if (system(command) != 0)
                return -1;
        if (image_store_new(&(struct image_store_options){.loop = &place->loop, .dir = place->images_dir}, &place->images, &error) < 0) {
                print_error("%s\n", error.message);
                return -1;
        }
        name = xprintf("oci:%s/layout:latest", place->dir);
        pull(name);
        open_runtime();
        return cgroups_detect(NULL, &place->cgroups, &error);
}

static int tear_down_all(void **state)
{
        (void)state;
        runtime_free(place->runtime);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        image_unref(place->image);
        image_store_free(place->images);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&place->loop), 0);
        assert_int_equal(cgroup_remove(&place->cgroups, place->parent), 0);
        if (place->cgroups.version == 1 && place->cgroups.hybrid) {
                CLEANUP_FREE char *monitors = xprintf("%s%s/+conmon", place->cgroups.unified, place->parent);
                CLEANUP_FREE char *parent = xprintf("%s%s", place->cgroups.unified, place->parent);

                (void)rmdir(monitors);
                (void)rmdir(parent);
        }
        assert_int_equal(files_remove(AT_FDCWD, place->dir), 0);
        free(place);
        return 0;
}

/* ---- helpers ---- */

static struct arena arena;

static int free_arena(void **state)
{
        (void)state;
        arena_done(&arena);
        return 0;
}

static struct string_list *words(const char *first, ...)
{
        struct string_list *list = ARENA_NEW(&arena, struct string_list);
        va_list args;

        va_start(args, first);
        for (const char *word = first; word != NULL; word = va_arg(args, const char *))
                string_list_push(&arena, list, word);
        va_end(args);
        return list;
}

static struct runtime_container_spec spec_of(const char *id, const char *script)
{
        return (struct runtime_container_spec){
                .id = id,
                .task_id = "task1",
                .image = place->image,
                .command = script != NULL ? words("sh", "-c", script, NULL) : NULL,
                .network = {.mode = RUNTIME_NS_HOST},
        };
}

static void start(struct box *box, const struct runtime_container_spec *spec)
{
        struct error error = {0};
        int r;

        *box = (struct box){0};
        r = runtime_start(place->runtime, spec, &events, box, &box->container, &error);
        if (r < 0)
                print_error("%s\n", error.message);
        assert_int_equal(r, 0);
        assert_int_equal(box->started, 0);
        WAIT(box->started, 1);
        if (box->status < 0)
                print_message("   %s: %s\n", box->error.code, box->error.message);
}

static void remove_box(struct box *box)
{
        int removed = 0;

        if (box->container == NULL)
                return;
        runtime_remove(box->container, on_removed, &removed);
        WAIT(removed, 1);
        box->container = NULL;
}

struct log_text {
        struct buf out, err;
};

static void on_line(const struct log_line *line, void *data)
{
        struct log_text *text = data;
        struct buf *to = line->is_stderr ? &text->err : &text->out;

        buf_append(to, line->text, line->len);
        buf_append_char(to, '\n');
}

/* What the container has said on standard output; "" for nothing. */
static char *output_of(const struct box *box)
{
        struct log_reader *reader = log_reader_new(runtime_container_log_path(box->container), NULL, 0);
        struct log_text text = {0};
        char *copy;

        while (log_reader_read(reader, 1 << 20, true, on_line, &text) > 0)
                ;
        log_reader_free(reader);
        copy = arena_strdup(&arena, text.out.data != NULL ? text.out.data : "");
        buf_done(&text.out);
        buf_done(&text.err);
        return copy;
}

/* Runs a script to its end and gives its output. */
static char *run_spec(struct runtime_container_spec *spec, int expected_code)
{
        struct box box;
        char *output;

        start(&box, spec);
        assert_int_equal(box.status, 0);
        WAIT(box.exited, 1);
        output = output_of(&box);
        if (box.exit.exit_code != expected_code)
                print_error("exit code %d, output:\n%s", box.exit.exit_code, output);
        assert_true(box.exit.has_exit_code);
        assert_int_equal(box.exit.exit_code, expected_code);
        remove_box(&box);
        return output;
}

static char *run(const char *id, const char *script)
{
        struct runtime_container_spec spec = spec_of(id, script);

        return run_spec(&spec, 0);
}

static bool cgroup_exists(const char *task, const char *id)
{
        CLEANUP_FREE char *path = xprintf("%s%s/%s/%s", place->cgroups.mounts[0].path, place->parent, task, id);

        return access(path, F_OK) == 0;
}

/* ---- tests ---- */

static void test_default_command(void **state)
{
        struct runtime_container_spec spec = spec_of("c1", NULL);

        (void)state;
        assert_string_equal(run_spec(&spec, 0), "default command\n");
        assert_false(cgroup_exists("task1", "c1"));
        runtime_task_remove(place->runtime, "task1");
}

static void test_environment(void **state)
{
        struct string_pair env[] = {{"MINE", "a b"}, {"FROM", "definition"}};
        struct runtime_container_spec spec = spec_of(
                "c2", "echo $MINE,$FROM,$HOME,$HOSTNAME,$PWD; id -u; id -G; hostname; cat /etc/hosts; ip -o addr show lo; echo oops >&2");

        (void)state;
        spec.env = (struct string_map){env, 2};
        spec.user = "app";
        spec.hostname = "named";
        spec.network.mode = RUNTIME_NS_PRIVATE;
        spec.extra_hosts = *words("db:10.1.2.3", NULL);
        char *output = run_spec(&spec, 0);
        assert_true(str_starts_with(output, "a b,definition,/home/app,named,/home/app\n1000\n1000 44 50\nnamed\n"));
        assert_non_null(strstr(output, "10.1.2.3\tdb\n"));
        assert_non_null(strstr(output, "127.0.0.1/8"));
}

static void test_exit_codes(void **state)
{
        struct runtime_container_spec spec = spec_of("c3", "exit 42");

        (void)state;
        run_spec(&spec, 42);
        spec = spec_of("c3", "kill -9 $$");
        spec.pid.mode = RUNTIME_NS_HOST;
        run_spec(&spec, 137);
        spec = spec_of("c3", "kill -TERM 1; sleep 5; exit 3");
        spec.init = true;
        run_spec(&spec, 143);
}

static void test_limits(void **state)
{
        struct runtime_task_limits limits = {.cpu_millis = 500, .memory_bytes = 128 << 20};
        const struct runtime_ulimit ulimits[] = {{"nofile", 1000, 2000}, {"core", 0, 0}};
        struct runtime_container_spec spec =
                spec_of("c4", "ulimit -n; ulimit -c; cat /proc/self/oom_score_adj; df -k /dev/shm | tail -n 1; touch /x");
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
        output = run_spec(&spec, 1);
        assert_true(str_starts_with(output, "1000\n0\n300\n"));
        assert_non_null(strstr(output, " 8192 "));

        spec = spec_of("c4b", "sleep 100");
        spec.task_id = "limited";
        spec.task_limits = &limits;
        spec.memory_bytes = 64 << 20;
        spec.cpu_shares = 512;
        spec.pids = 77;
        start(&box, &spec);
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
        remove_box(&box);
        runtime_task_remove(place->runtime, "limited");
}

static void test_out_of_memory(void **state)
{
        struct runtime_container_spec spec = spec_of("c5", "x=a; while true; do x=$x$x; done");
        struct box box;

        (void)state;
        spec.memory_bytes = 16 << 20;
        spec.has_memory_swap = true;
        spec.memory_swap_bytes = 16 << 20;
        start(&box, &spec);
        assert_int_equal(box.status, 0);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.cause, RUNTIME_OOM);
        assert_int_equal(box.exit.exit_code, 137);
        remove_box(&box);
}

static void test_failures(void **state)
{
        struct runtime_container_spec spec = spec_of("c6", NULL);
        struct runtime_container *container;
        struct error error = {0};
        struct box box;

        (void)state;
        spec.entry_point = words("/no/such/program", NULL);
        start(&box, &spec);
        assert_true(box.status < 0);
        assert_string_equal(box.error.code, "CannotStartContainerError");
        assert_non_null(strstr(box.error.message, "/no/such/program"));
        spec = spec_of("c6", "true");
        spec.user = "nobody-of-this-name";
        start(&box, &spec);
        assert_true(box.status < 0);
        assert_string_equal(box.error.code, "CannotCreateContainerError");
        spec = spec_of("c6", "true");
        spec.network = (struct runtime_namespace){RUNTIME_NS_PATH, "/run/netns/not-there"};
        start(&box, &spec);
        assert_true(box.status < 0);
        /* The name is free again, and nothing is left. */
        while (runtime_next(place->runtime, NULL) != NULL)
                uv_run(&place->loop, UV_RUN_ONCE);
        run("c6", "true");
        spec = spec_of("bad/name", "true");
        assert_int_equal(runtime_start(place->runtime, &spec, &events, &box, &container, &error), -EINVAL);
        assert_false(cgroup_exists("task1", "c6"));
}

static void test_stop(void **state)
{
        struct runtime_container_spec spec = spec_of("c7", "trap 'echo asked; exit 7' USR1; echo ready; while true; do sleep 0.1; done");
        struct box box;
        int64_t before;

        (void)state;
        /* The image's stop signal. */
        start(&box, &spec);
        while (strstr(output_of(&box), "ready") == NULL)
                usleep(1000);
        runtime_stop(box.container, 10000);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.exit_code, 7);
        assert_int_equal(box.exit.cause, RUNTIME_EXITED);
        remove_box(&box);

        /* One that does not listen. */
        spec = spec_of("c7", "trap '' TERM USR1; echo ready; sleep 1000 & while true; do sleep 0.1; done");
        spec.stop_signal = "SIGTERM";
        start(&box, &spec);
        while (strstr(output_of(&box), "ready") == NULL)
                usleep(1000);
        before = now_ms();
        runtime_stop(box.container, 300);
        WAIT(box.exited, 1);
        assert_in_range(now_ms() - before, 290, 3000);
        assert_int_equal(box.exit.exit_code, 137);
        remove_box(&box);

        /* Everything ends, also without a pid namespace of its own. */
        spec = spec_of("c7", "sleep 1000 & sleep 1001 & echo ready; wait");
        spec.pid.mode = RUNTIME_NS_HOST;
        start(&box, &spec);
        runtime_stop(box.container, 0);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.exit_code, 137);
        remove_box(&box);
        assert_false(cgroup_exists("task1", "c7"));
}

static void test_remove_at_any_time(void **state)
{
        struct runtime_container_spec spec = spec_of("c8", "sleep 1000");

        (void)state;
        for (int i = 0; i < 12; i++) {
                struct box box = {0};
                int removed = 0;
                int64_t end;

                assert_int_equal(runtime_start(place->runtime, &spec, &events, &box, &box.container, NULL), 0);
                for (end = now_ms() + i * 2; now_ms() < end;)
                        uv_run(&place->loop, UV_RUN_NOWAIT);
                runtime_remove(box.container, on_removed, &removed);
                assert_null(runtime_find(place->runtime, "c8"));
                WAIT(removed, 1);
                assert_int_equal(box.exited, 0);
                assert_false(cgroup_exists("task1", "c8"));
        }
        assert_null(runtime_next(place->runtime, NULL));
}

static void on_exec(struct runtime_exec *exec, const struct runtime_exec_result *result);

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
        struct runtime_container_spec spec = spec_of("c9", "sleep 1000");
        struct box box;
        struct trial trial;
        int64_t before;

        (void)state;
        spec.user = "app";
        start(&box, &spec);
        exec_in(&box, &trial, words("sh", "-c", "id -un; echo $FROM; cat /proc/self/cgroup; echo to stderr >&2; exit 5", NULL), 5000);
        assert_int_equal(trial.status, 0);
        assert_int_equal(trial.exit_code, 5);
        assert_true(str_starts_with(trial.output, "app\nimage\n"));
        assert_non_null(strstr(trial.output, "to stderr\n"));
        before = now_ms();
        exec_in(&box, &trial, words("sleep", "50", NULL), 200);
        assert_int_equal(trial.status, -ETIMEDOUT);
        assert_in_range(now_ms() - before, 190, 3000);
        exec_in(&box, &trial, words("sh", "-c", "ps | grep -c 'sleep 5[0]'", NULL), 5000);
        assert_string_equal(trial.output, "0\n");
        exec_in(&box, &trial, words("sh", "-c", "yes | head -c 100000", NULL), 5000);
        assert_int_equal(trial.exit_code, 0);
        assert_int_equal(strlen(trial.output), RUNTIME_EXEC_OUTPUT_MAX);
        exec_in(&box, &trial, words("/no/such", NULL), 5000);
        print_message("   exec of a missing program: status %d code %d %s %s\n", trial.status, trial.exit_code, trial.output,
                      trial.error.message);
        assert_true(trial.status < 0 || trial.exit_code != 0);
        /* Cancelled: no answer, and nothing left. */
        trial = (struct trial){.exec = {.args = *words("sleep", "60", NULL), .done = on_exec}};
        runtime_exec_start(box.container, &trial.exec);
        runtime_exec_cancel(&trial.exec);
        runtime_stop(box.container, 0);
        WAIT(box.exited, 1);
        assert_int_equal(trial.done, 0);
        exec_in(&box, &trial, words("true", NULL), 100);
        assert_int_equal(trial.status, -ESRCH);
        remove_box(&box);
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
        struct runtime_container_spec spec = spec_of(
                "c10", "cat /data/seed; echo x >/mnt/shared/made; touch /mnt/host/x; df -k /scratch | tail -n 1 | awk '{print $2}'");
        const struct runtime_mount *own;
        struct box box;
        uint32_t n;
        char *output;

        (void)state;
        spec.mounts = mounts;
        spec.n_mounts = 3;
        start(&box, &spec);
        WAIT(box.exited, 1);
        output = output_of(&box);
        assert_string_equal(output, "seed1024\n"); /* no newline in the file */
        assert_int_equal(access(file, F_OK), 0);
        assert_int_equal(access("/etc/x", F_OK), -1);
        own = runtime_container_mounts(box.container, &n);
        assert_int_equal(n, 3);
        assert_string_equal(own[0].destination, "/data");
        remove_box(&box);
}

static void test_restart_in_place(void **state)
{
        struct runtime_container_spec spec = spec_of("c11", "echo run >>/root/runs; wc -l </root/runs; test $(wc -l </root/runs) -ge 3");
        struct error error = {0};
        struct box box;

        (void)state;
        spec.working_dir = "/made/for/it";
        start(&box, &spec);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.exit_code, 1);
        for (int i = 2; i <= 3; i++) {
                assert_int_equal(runtime_restart(box.container, &error), 0);
                WAIT(box.exited, i);
        }
        assert_int_equal(box.exit.exit_code, 0);
        assert_int_equal(box.started, 3);
        assert_string_equal(output_of(&box), "1\n2\n3\n");
        remove_box(&box);
}

static void test_terminal_and_stdin(void **state)
{
        struct runtime_container_spec spec = spec_of("c12", "tty; exit 4");
        char *output;

        (void)state;
        spec.tty = true;
        output = run_spec(&spec, 4);
        assert_true(str_starts_with(output, "/dev/"));
        spec = spec_of("c12", "read -t 1 x; echo done $?");
        spec.stdin_open = true;
        assert_string_equal(run_spec(&spec, 0), "done 1\n");
}

static void test_security(void **state)
{
        struct runtime_container_spec spec =
                spec_of("c13", "grep -E 'CapBnd|Seccomp:|NoNewPrivs' /proc/self/status; unshare -m true 2>&1; mount -t tmpfs x /tmp 2>&1; "
                               "ls /proc/kcore -l; echo 1 >/proc/sys/kernel/panic; dd if=/dev/kmsg count=1 of=/dev/null; true");
        char *output;

        (void)state;
        spec.no_new_privileges = true;
        output = run_spec(&spec, 0);
        assert_non_null(strstr(output, "CapBnd:\t00000000a80425fb\n"));
        assert_non_null(strstr(output, "Seccomp:\t2\n"));
        assert_non_null(strstr(output, "NoNewPrivs:\t1\n"));
        assert_non_null(strstr(output, "Operation not permitted"));
        spec = spec_of(
                "c13",
                "mount -t tmpfs x /mnt 2>&1 || mount -t tmpfs x /tmp && echo mounted; ls /dev | wc -l; grep Seccomp: /proc/self/status");
        spec.privileged = true;
        output = run_spec(&spec, 0);
        assert_non_null(strstr(output, "mounted\n"));
        assert_non_null(strstr(output, "Seccomp:\t0\n"));
}

static void test_many_at_once(void **state)
{
        enum { N = 24 };
        static struct box boxes[N];
        static char ids[N][16];
        int64_t before = now_ms();

        (void)state;
        for (int i = 0; i < N; i++) {
                struct runtime_container_spec spec;

                snprintf(ids[i], sizeof(ids[i]), "many%d", i);
                spec = spec_of(ids[i], "sleep 1000");
                boxes[i] = (struct box){0};
                assert_int_equal(runtime_start(place->runtime, &spec, &events, &boxes[i], &boxes[i].container, NULL), 0);
        }
        for (int i = 0; i < N; i++) {
                WAIT(boxes[i].started, 1);
                assert_int_equal(boxes[i].status, 0);
        }
        print_message("   %d containers RUNNING after %lld ms\n", N, (long long)(now_ms() - before));
        for (int i = 0; i < N; i++)
                runtime_remove(boxes[i].container, NULL, NULL);
        while (runtime_find(place->runtime, ids[0]) != NULL)
                uv_run(&place->loop, UV_RUN_ONCE);
        for (int i = 0; i < N; i++)
                while (cgroup_exists("task1", ids[i]))
                        uv_run(&place->loop, UV_RUN_ONCE);
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
        struct runtime_container_spec spec = spec_of("c14", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo spun; sleep 1000");
        struct runtime_container *both[2];
        struct figures figures = {0};
        struct box box;

        (void)state;
        spec.network.mode = RUNTIME_NS_PRIVATE;
        spec.memory_bytes = 32 << 20;
        start(&box, &spec);
        while (strstr(output_of(&box), "spun") == NULL)
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
        remove_box(&box);
}

/* An agent that goes and comes back: what runs is running still, what ended meanwhile is told with its code. */
static void test_adoption(void **state)
{
        struct runtime_container_spec lasting = spec_of("lasting", "trap 'exit 9' TERM; while true; do sleep 0.1; done");
        struct runtime_container_spec ending = spec_of("ending", "sleep 0.4; echo late; exit 3");
        struct runtime_container_spec over = spec_of("over", "exit 1");
        struct box boxes[3];
        int32_t pid, monitor;
        struct box box = {0};

        (void)state;
        lasting.stop_signal = "SIGTERM";
        start(&boxes[0], &lasting);
        start(&boxes[1], &ending);
        start(&boxes[2], &over);
        WAIT(boxes[2].exited, 1);
        runtime_container_acknowledge(boxes[2].container);
        pid = runtime_container_pid(boxes[0].container);
        runtime_free(place->runtime);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        assert_int_equal(kill(pid, 0), 0);
        usleep(700000);
        open_runtime();

        box.container = runtime_find(place->runtime, "lasting");
        assert_non_null(box.container);
        assert_int_equal(runtime_container_state(box.container), RUNTIME_RUNNING);
        assert_int_equal(runtime_container_pid(box.container), pid);
        assert_string_equal(runtime_container_task_id(box.container), "task1");
        runtime_container_adopt(box.container, &events, &box);
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
        remove_box(&box);

        box = (struct box){.container = runtime_find(place->runtime, "ending")};
        assert_non_null(box.container);
        assert_int_equal(runtime_container_state(box.container), RUNTIME_STOPPED);
        runtime_container_adopt(box.container, &events, &box);
        assert_int_equal(box.exited, 0);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.exit_code, 3);
        assert_string_equal(output_of(&box), "late\n");
        remove_box(&box);

        box = (struct box){.container = runtime_find(place->runtime, "over")};
        assert_non_null(box.container);
        runtime_container_adopt(box.container, &events, &box);
        for (int i = 0; i < 20; i++) {
                uv_run(&place->loop, UV_RUN_NOWAIT);
                usleep(1000);
        }
        assert_int_equal(box.exited, 0);
        assert_int_equal(runtime_container_exit(box.container)->exit_code, 1);
        remove_box(&box);
}

/* As after a power cut: nothing runs, and what state.json says is of another boot. */
static void test_reboot(void **state)
{
        struct runtime_container_spec spec = spec_of("c16", "sleep 1000");
        CLEANUP_FREE char *path = xprintf("%s/c16/state.json", place->runtime_dir);
        CLEANUP_BUF struct buf text = {0};
        struct box box;
        char *boot;
        int32_t pid;

        (void)state;
        start(&box, &spec);
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
        open_runtime();
        box = (struct box){.container = runtime_find(place->runtime, "c16")};
        assert_non_null(box.container);
        runtime_container_adopt(box.container, &events, &box);
        WAIT(box.exited, 1);
        assert_int_equal(box.exit.cause, RUNTIME_REBOOTED);
        assert_false(box.exit.has_exit_code);
        remove_box(&box);
}

static void test_log_rotation(void **state)
{
        struct runtime_container_spec spec =
                spec_of("c15", "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; sleep 6; echo last");
        struct log_reader *reader;
        struct log_text text = {0};
        struct box box;
        char *old;

        (void)state;
        spec.log_max_bytes = 64 << 10;
        start(&box, &spec);
        reader = log_reader_new(runtime_container_log_path(box.container), NULL, 0);
        WAIT(box.exited, 1);
        old = arena_printf(&arena, "%s.1", runtime_container_log_path(box.container));
        assert_int_equal(access(old, F_OK), 0);
        while (log_reader_read(reader, 1 << 20, true, on_line, &text) > 0)
                ;
        assert_true(str_starts_with(text.out.data, "line 0\n"));
        assert_non_null(strstr(text.out.data, "line 2999\nlast\n"));
        log_reader_free(reader);
        buf_done(&text.out);
        buf_done(&text.err);
        remove_box(&box);
}

/* An agent of its own, killed after `milliseconds` in the middle of starting, stopping and removing. */
static _Noreturn void be_killed(void)
{
        static struct box boxes[6];
        struct runtime_container_spec spec;
        char ids[6][16];

        uv_loop_init(&place->loop);
        open_runtime();
        for (int i = 0; i < 6; i++) {
                snprintf(ids[i], sizeof(ids[i]), "doomed%d", i);
                spec = spec_of(ids[i], "trap 'exit 0' TERM; echo up; while true; do sleep 0.05; done");
                spec.stop_signal = "TERM";
                if (runtime_start(place->runtime, &spec, NULL, NULL, &boxes[i].container, NULL) < 0)
                        _exit(1);
        }
        for (int64_t end = now_ms() + 40; now_ms() < end;)
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
                open_runtime();
                for (container = runtime_next(place->runtime, NULL); container != NULL;
                     container = runtime_next(place->runtime, container)) {
                        check_one(container);
                        running += runtime_container_state(container) == RUNTIME_RUNNING;
                        stopped += runtime_container_state(container) == RUNTIME_STOPPED;
                }
                while ((container = runtime_next(place->runtime, NULL)) != NULL) {
                        int removed = 0;

                        left++;
                        runtime_remove(container, on_removed, &removed);
                        WAIT(removed, 1);
                }
                assert_true(left <= 6);
                for (int i = 0; i < 6; i++) {
                        char id[16];

                        snprintf(id, sizeof(id), "doomed%d", i);
                        assert_false(cgroup_exists("task1", id));
                }
                runtime_free(place->runtime);
                uv_run(&place->loop, UV_RUN_DEFAULT);
        }
        print_message("   %d found running, %d stopped\n", running, stopped);
        open_runtime();
}

#define TEST(name) cmocka_unit_test_teardown(name, free_arena)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_default_command),
                TEST(test_environment),
                TEST(test_exit_codes),
                TEST(test_limits),
                TEST(test_out_of_memory),
                TEST(test_failures),
                TEST(test_stop),
                TEST(test_remove_at_any_time),
                TEST(test_exec),
                TEST(test_volumes),
                TEST(test_restart_in_place),
                TEST(test_terminal_and_stdin),
                TEST(test_security),
                TEST(test_many_at_once),
                TEST(test_stats),
                TEST(test_adoption),
                TEST(test_reboot),
                TEST(test_log_rotation),
                TEST(test_killed_at_any_time),
        };

        signal(SIGPIPE, SIG_IGN);
        if (geteuid() != 0)
                return 77;
        return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
