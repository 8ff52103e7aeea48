/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container costs: time from runtime_start to RUNNING, one at a time with a pause before each (as a task comes in real life),
 * containers started per second when many are wanted, time of an exec, memory of a monitor. Beside it crun by hand (`crun run`), the
 * same bundle, alternating.
 *
 *   bench_runtime [ROUNDS] [PARALLEL]      needs root, crun, conmon, busybox-static, python3
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/files.h"
#include "base/strutil.h"
#include "image/image.h"
#include "runtime/cgroup.h"
#include "runtime/runtime.h"

struct bench {
        char dir[64], run_dir[64], parent[48];
        uv_loop_t loop;
        struct image_store *images;
        struct runtime *runtime;
        struct image *image;
        uint32_t n_started, n_exited, n_removed, n_execs;
        bool failed;
};

static double now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

static void print(const char *what, double *times, uint32_t n)
{
        qsort(times, n, sizeof(*times), compare);
        printf("%-44s p50 %7.2f ms   p90 %7.2f ms   p99 %7.2f ms\n", what, times[n / 2], times[n * 9 / 10], times[n * 99 / 100]);
        fflush(stdout);
}

static void on_started(struct runtime_container *container, int status, const struct error *error, void *data)
{
        struct bench *bench = data;

        (void)container;
        bench->n_started++;
        if (status < 0) {
                fprintf(stderr, "start: %s\n", error->message);
                bench->failed = true;
        }
}

static void on_exited(struct runtime_container *container, const struct runtime_exit *ended, void *data)
{
        (void)container;
        (void)ended;
        ((struct bench *)data)->n_exited++;
}

static void on_removed(void *data)
{
        ((struct bench *)data)->n_removed++;
}

static const struct runtime_events events = {.started = on_started, .exited = on_exited};

static void wait_for(struct bench *bench, const uint32_t *counter, uint32_t wanted)
{
        while (*counter < wanted && !bench->failed)
                uv_run(&bench->loop, UV_RUN_ONCE);
        if (bench->failed)
                exit(1);
}

static void pause_ms(uint32_t milliseconds)
{
        usleep(milliseconds * 1000);
}

static struct runtime_container *start(struct bench *bench, const char *id, enum runtime_namespace_mode network)
{
        static const char *args[] = {"sleep", "1000"};
        static const struct string_list command = {args, 2};
        const struct runtime_container_spec spec = {
                .id = id,
                .task_id = "bench",
                .image = bench->image,
                .command = &command,
                .network = {.mode = network},
                .memory_bytes = 64 << 20,
                .cpu_shares = 256,
        };
        struct runtime_container *container;
        struct error error = {0};

        if (runtime_start(bench->runtime, &spec, &events, bench, &container, &error) < 0) {
                fprintf(stderr, "%s\n", error.message);
                exit(1);
        }
        return container;
}

static void remove_and_wait(struct bench *bench, struct runtime_container *container)
{
        uint32_t before = bench->n_removed;

        runtime_remove(container, on_removed, bench);
        wait_for(bench, &bench->n_removed, before + 1);
}

/* ---- the parts ---- */

static double start_once(struct bench *bench, enum runtime_namespace_mode network, double *ret_removed)
{
        struct runtime_container *container;
        uint32_t before = bench->n_started;
        double begin, running;

        pause_ms(60);
        begin = now_ms();
        container = start(bench, "one", network);
        wait_for(bench, &bench->n_started, before + 1);
        running = now_ms() - begin;
        begin = now_ms();
        remove_and_wait(bench, container);
        *ret_removed = now_ms() - begin;
        return running;
}

/* `crun run` of a bundle as ours, without conmon, in a mount namespace of its own as here. */
static double crun_once(struct bench *bench, const char *bundle)
{
        CLEANUP_FREE char *root = xprintf("--root=%s/crun", bench->dir);
        double begin;
        int status;
        pid_t pid;

        pause_ms(60);
        begin = now_ms();
        pid = fork();
        if (pid == 0) {
                if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                        _exit(126);
                (void)umount2("/sys/fs/cgroup/unified", MNT_DETACH);
                execlp("crun", "crun", root, "run", "-b", bundle, "bare", NULL);
                _exit(127);
        }
        waitpid(pid, &status, 0);
        if (status != 0) {
                fprintf(stderr, "crun run: status %d\n", status);
                exit(1);
        }
        return now_ms() - begin;
}

/* Takes the config.json of one of our containers: /bin/true instead of sleep, the layer itself as the root. */
static char *make_bundle(struct bench *bench)
{
        struct runtime_container *container = start(bench, "model", RUNTIME_NS_HOST);
        char *bundle = xprintf("%s/bundle", bench->dir);
        CLEANUP_FREE char *command = NULL;

        wait_for(bench, &bench->n_started, bench->n_started + 1);
        command = xprintf("mkdir -p %s && python3 -c \"import json,sys; c=json.load(open('%s/bundles/model/config.json')); "
                          "c['process']['args']=['true']; "
                          "c['root']['path']='%s'; c['mounts']=[m for m in c['mounts'] if m['type']!='bind']; "
                          "c['linux']['cgroupsPath']='%s/bare'; json.dump(c, open('%s/config.json','w'))\"",
                          bundle, bench->run_dir, bench->image->layers[0], bench->parent, bundle);
        if (system(command) != 0)
                exit(1);
        remove_and_wait(bench, container);
        return bundle;
}

static void measure_starts(struct bench *bench, uint32_t rounds)
{
        double *host = xcalloc(rounds, sizeof(double)), *private = xcalloc(rounds, sizeof(double)),
               *removed = xcalloc(rounds, sizeof(double));
        double *crun = xcalloc(rounds, sizeof(double));
        CLEANUP_FREE char *bundle = make_bundle(bench);

        for (uint32_t i = 0; i < rounds; i++) {
                host[i] = start_once(bench, RUNTIME_NS_HOST, &removed[i]);
                private[i] = start_once(bench, RUNTIME_NS_PRIVATE, &removed[i]);
                crun[i] = crun_once(bench, bundle);
        }
        print("start to RUNNING, host network", host, rounds);
        print("start to RUNNING, own network namespace", private, rounds);
        print("running to gone", removed, rounds);
        print("crun run by hand, until /bin/true has ended", crun, rounds);
        free(host);
        free(private);
        free(removed);
        free(crun);
}

/* Processor time that this process and its ended children have used. */
static double cpu_ms(void)
{
        const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
        double sum = 0;

        for (size_t i = 0; i < ARRAY_SIZE(whose); i++) {
                struct rusage usage;

                getrusage(whose[i], &usage);
                sum += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
        }
        return sum;
}

static uint64_t private_memory(const char *name)
{
        CLEANUP_FREE char *command =
                xprintf("for p in $(pidof %s); do awk '/^Pss:/ {s += $2} END {print s}' /proc/$p/smaps_rollup; done", name);
        FILE *pipe = popen(command, "r");
        uint64_t sum = 0, n = 0;
        char line[64];

        while (pipe != NULL && fgets(line, sizeof(line), pipe) != NULL) {
                sum += strtoull(line, NULL, 10);
                n++;
        }
        if (pipe != NULL)
                pclose(pipe);
        return n > 0 ? sum / n : 0;
}

static void measure_parallel(struct bench *bench, uint32_t n)
{
        struct runtime_container **containers = xcalloc(n, sizeof(struct runtime_container *));
        uint32_t started = bench->n_started, removed = bench->n_removed;
        double begin = now_ms(), cpu = cpu_ms(), middle, end;
        char id[32];

        for (uint32_t i = 0; i < n; i++) {
                snprintf(id, sizeof(id), "parallel%u", i);
                containers[i] = start(bench, id, RUNTIME_NS_HOST);
        }
        wait_for(bench, &bench->n_started, started + n);
        middle = now_ms();
        printf("%-44s %.0f a second (%u in %.0f ms)\n", "many at once until RUNNING", n / (middle - begin) * 1e3, n, middle - begin);
        printf("%-44s %llu KiB (proportional set size)\n", "memory of a monitor", (unsigned long long)private_memory("conmon"));
        middle = now_ms();
        for (uint32_t i = 0; i < n; i++)
                runtime_remove(containers[i], on_removed, bench);
        wait_for(bench, &bench->n_removed, removed + n);
        end = now_ms();
        printf("%-44s %.0f a second\n", "many at once until gone", n / (end - middle) * 1e3);
        printf("%-44s %.2f ms\n", "processor time of one, from start to gone", (cpu_ms() - cpu) / n);
        free(containers);
}

struct trial {
        struct runtime_exec exec;
        struct bench *bench;
};

static void on_exec(struct runtime_exec *exec, const struct runtime_exec_result *result)
{
        struct trial *trial = CONTAINER_OF(exec, struct trial, exec);

        trial->bench->n_execs++;
        if (result->status != 0 || result->exit_code != 0)
                trial->bench->failed = true;
}

static void measure_exec(struct bench *bench, uint32_t rounds)
{
        static const char *args[] = {"true"};
        double *times = xcalloc(rounds, sizeof(double));
        uint32_t before = bench->n_started;
        struct runtime_container *container = start(bench, "exec", RUNTIME_NS_HOST);

        wait_for(bench, &bench->n_started, before + 1);
        for (uint32_t i = 0; i < rounds; i++) {
                struct trial trial = {.exec = {.args = {args, 1}, .timeout_ms = 5000, .done = on_exec}, .bench = bench};
                double begin;

                pause_ms(30);
                begin = now_ms();
                runtime_exec_start(container, &trial.exec);
                wait_for(bench, &bench->n_execs, i + 1);
                times[i] = now_ms() - begin;
        }
        print("exec of true (a health check)", times, rounds);
        remove_and_wait(bench, container);
        free(times);
}

/* ---- frame ---- */

static void on_pulled(struct image_pull *pull, const struct image_pull_result *result)
{
        struct bench **bench = (struct bench **)(void *)(pull + 1);

        if (result->status < 0) {
                fprintf(stderr, "%s\n", result->error->message);
                exit(1);
        }
        (*bench)->image = result->image;
}

static void open_all(struct bench *bench)
{
        CLEANUP_FREE char *images = xprintf("%s/images", bench->dir), *containers = xprintf("%s/containers", bench->dir);
        CLEANUP_FREE char *command = xprintf("%s/tools/make-busybox-image.py %s/layout >/dev/null", SOURCE_ROOT, bench->dir);
        CLEANUP_FREE char *name = xprintf("oci:%s/layout", bench->dir);
        struct {
                struct image_pull pull;
                struct bench *bench;
        } request = {.pull = {.name = name, .done = on_pulled}, .bench = bench};
        struct error error = {0};

        if (system(command) != 0 ||
            image_store_new(&(struct image_store_options){.loop = &bench->loop, .dir = images}, &bench->images, &error) < 0 ||
            runtime_new(
                    &(struct runtime_options){
                            .loop = &bench->loop, .dir = containers, .run_dir = bench->run_dir, .cgroup_parent = bench->parent},
                    &bench->runtime, &error) < 0) {
                fprintf(stderr, "%s\n", error.message);
                exit(1);
        }
        image_pull_start(bench->images, &request.pull);
        while (bench->image == NULL)
                uv_run(&bench->loop, UV_RUN_ONCE);
}

static void close_all(struct bench *bench)
{
        struct cgroups cgroups;

        runtime_task_remove(bench->runtime, "bench");
        runtime_free(bench->runtime);
        uv_run(&bench->loop, UV_RUN_DEFAULT);
        image_unref(bench->image);
        image_store_free(bench->images);
        uv_run(&bench->loop, UV_RUN_DEFAULT);
        uv_loop_close(&bench->loop);
        if (cgroups_detect(NULL, &cgroups, NULL) == 0) {
                CLEANUP_FREE char *monitors = xprintf("%s%s/+conmon", cgroups.unified, bench->parent);
                CLEANUP_FREE char *parent = xprintf("%s%s", cgroups.unified, bench->parent);

                (void)(cgroup_remove(&cgroups, bench->parent) < 0);
                if (cgroups.hybrid && (rmdir(monitors) < 0 || rmdir(parent) < 0))
                        perror(monitors);
        }
        (void)files_remove(AT_FDCWD, bench->dir);
        (void)files_remove(AT_FDCWD, bench->run_dir);
}

int main(int argc, char **argv)
{
        struct bench bench = {.dir = "/tmp/bench_runtime.XXXXXX"};
        uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 60, parallel = argc > 2 ? (uint32_t)atoi(argv[2]) : 100;

        if (geteuid() != 0) {
                fprintf(stderr, "bench_runtime: needs root\n");
                return 77;
        }
        if (mkdtemp(bench.dir) == NULL)
                return 1;
        snprintf(bench.run_dir, sizeof(bench.run_dir), "%s/bench_runtime.%d", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/run",
                 getpid());
        snprintf(bench.parent, sizeof(bench.parent), "/gantry-bench-%d", getpid());
        uv_loop_init(&bench.loop);
        open_all(&bench);
        measure_starts(&bench, rounds);
        measure_exec(&bench, rounds / 2);
        measure_parallel(&bench, parallel);
        close_all(&bench);
        return 0;
}
