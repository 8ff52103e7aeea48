/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a container waits for its network: one at a time from the pool of prepared sandboxes and without it, ten at once, and
 * with many neighbours. Runs in a network namespace of its own; needs root (77: skipped).
 *
 *     bench_vpc [containers]
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/alloc.h"
#include "base/env.h"
#include "vpc/vpc.h"

#define ROUNDS 60
#define AT_ONCE 10

static char dir[] = "/tmp/gantry-bench-vpc-XXXXXX";
static unsigned next_id;

struct measure {
        struct vpc_op op;
        int64_t begin, us;
        bool done;
        char id[16];
};

static void finished(struct vpc_op *op, int status, const struct error *error)
{
        struct measure *m = CONTAINER_OF(op, struct measure, op);

        if (status < 0) {
                fprintf(stderr, "%s\n", error->message);
                exit(1);
        }
        m->us = env_mono_us(env_system()) - m->begin;
        m->done = true;
}

static void begin_create(struct vpc *vpc, struct measure *m)
{
        const struct vpc_port port = {.container_port = 80};
        struct vpc_sandbox_spec spec = {.id = m->id, .ports = &port, .n_ports = 1};

        snprintf(m->id, sizeof m->id, "%u", next_id++);
        m->op.done = finished;
        m->done = false;
        m->begin = env_mono_us(env_system());
        vpc_sandbox_create(vpc, &spec, &m->op);
}

static void begin_destroy(struct vpc *vpc, struct measure *m)
{
        m->done = false;
        m->begin = env_mono_us(env_system());
        vpc_sandbox_destroy(vpc_sandbox_find(vpc, m->id), &m->op);
}

static void finish(struct measure *m)
{
        while (!m->done)
                uv_run(uv_default_loop(), UV_RUN_ONCE);
}

/* What else is queued (the pool is filled again) gets its time, as between two tasks in life. */
static void rest(void)
{
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static int compare(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

        return (x > y) - (x < y);
}

static void report(const char *what, int64_t *us, size_t n)
{
        qsort(us, n, sizeof *us, compare);
        printf("%-46s p50 %6.3f ms   p90 %6.3f ms   max %6.3f ms\n", what, (double)us[n / 2] / 1e3, (double)us[n * 9 / 10] / 1e3,
               (double)us[n - 1] / 1e3);
}

static void one_at_a_time(struct vpc *vpc, const char *name)
{
        int64_t make[ROUNDS], destroy[ROUNDS];
        char what[80];

        for (int i = 0; i < ROUNDS; i++) {
                struct measure m;

                begin_create(vpc, &m);
                finish(&m);
                make[i] = m.us;
                rest();
                begin_destroy(vpc, &m);
                finish(&m);
                destroy[i] = m.us;
                rest();
        }
        snprintf(what, sizeof what, "create with one port, %s", name);
        report(what, make, ROUNDS);
        snprintf(what, sizeof what, "destroy, %s", name);
        report(what, destroy, ROUNDS);
}

static void at_once(struct vpc *vpc)
{
        int64_t all[ROUNDS];

        for (int i = 0; i < ROUNDS; i++) {
                struct measure m[AT_ONCE];

                for (int k = 0; k < AT_ONCE; k++)
                        begin_create(vpc, &m[k]);
                all[i] = 0;
                for (int k = 0; k < AT_ONCE; k++) {
                        finish(&m[k]);
                        all[i] = MAX(all[i], m[k].us);
                }
                rest();
                for (int k = 0; k < AT_ONCE; k++)
                        begin_destroy(vpc, &m[k]);
                for (int k = 0; k < AT_ONCE; k++)
                        finish(&m[k]);
                rest();
        }
        report("ten at once, until the last", all, ROUNDS);
}

static struct vpc *open_vpc(uint32_t prepared)
{
        struct vpc_options options = {.loop = uv_default_loop(), .dir = dir, .prepared = prepared};
        struct error error = {0};
        struct vpc *vpc = NULL;
        int64_t begin = env_mono_us(env_system());

        if (vpc_new(&options, &vpc, &error) < 0) {
                fprintf(stderr, "%s\n", error.message);
                exit(1);
        }
        printf("%-46s %10.3f ms\n", "start of the node's network", (double)(env_mono_us(env_system()) - begin) / 1e3);
        rest();
        return vpc;
}

int main(int argc, char **argv)
{
        int neighbours = argc > 1 ? atoi(argv[1]) : 200;
        struct measure *m = xcalloc((size_t)neighbours + 1, sizeof *m);
        struct vpc *vpc;
        int64_t begin;

        if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
                fprintf(stderr, "needs root: skipped\n");
                return 77;
        }
        if (system("ip link set lo up") != 0 || mkdtemp(dir) == NULL)
                return 1;
        vpc = open_vpc(UINT32_MAX);
        one_at_a_time(vpc, "nothing prepared");
        vpc_free(vpc);
        rest();
        vpc = open_vpc(0);
        one_at_a_time(vpc, "prepared");
        at_once(vpc);
        begin = env_mono_us(env_system());
        for (int i = 0; i < neighbours; i++) {
                begin_create(vpc, &m[i]);
                finish(&m[i]);
        }
        printf("%d in a row without a rest: %.0f a second\n", neighbours, neighbours * 1e6 / (double)(env_mono_us(env_system()) - begin));
        one_at_a_time(vpc, "prepared, among many");
        vpc_free(vpc);
        rest();
        vpc = open_vpc(0); /* reads them again */
        vpc_destroy(vpc);
        rest();
        free(m);
        {
                CLEANUP_FREE char *command = xprintf("rm -rf %s", dir);

                return system(command) != 0;
        }
}
