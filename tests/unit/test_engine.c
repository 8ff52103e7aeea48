/* SPDX-License-Identifier: Apache-2.0 */
/* The task engine on virtual time, against a driver that is slow and fails where it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/engine/engine.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

/* ---- a world of its own ---- */

enum job_kind { JOB_PULL = 0, JOB_PREPARE, JOB_CREATE, JOB_START, JOB_EXIT, JOB_PROBE, JOB_RELEASE, JOB_REMOVE, JOB_MAX };

struct job {
        struct list link;
        enum job_kind kind;
        int64_t due_us;
        struct engine_task *task;
        struct engine_container *c;
        int32_t code;
};

struct world {
        struct env env;
        struct timers timers;
        struct engine engine;
        struct list jobs;
        int64_t now_us;
        uint64_t seed;
        int64_t delay_us[JOB_MAX];
        uint32_t fail_permille[JOB_MAX];
        uint32_t hang_permille;  /* of creations and starts: never end */
        uint32_t crash_permille; /* of starts: the container ends by itself */
        int32_t exit_code;
        int64_t run_us;           /* how long a container runs that ends by itself; 0: for ever */
        const char *runs_briefly; /* only this one ends by itself; NULL: any */
        const char *hang_stop;    /* a container that does not react to being stopped */
        int32_t probe_code;
        uint32_t max_running;
        bool keep; /* reports are never accepted */
        char trace[4096];
};

static struct world *world_of(struct env *env)
{
        return CONTAINER_OF(env, struct world, env);
}

static uint32_t rnd(struct world *w)
{
        w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
        return (uint32_t)(w->seed >> 33);
}

static int64_t w_now_ms(struct env *env)
{
        return 1700000000000 + world_of(env)->now_us / 1000;
}

static int64_t w_mono_us(struct env *env)
{
        return world_of(env)->now_us + 1;
}

static void w_random(struct env *env, void *bytes, size_t n)
{
        for (size_t i = 0; i < n; i++)
                ((uint8_t *)bytes)[i] = (uint8_t)rnd(world_of(env));
}

static void trace(struct world *w, const char *word, const char *name)
{
        size_t len = strlen(w->trace);

        (void)snprintf(w->trace + len, sizeof(w->trace) - len, "%s:%s ", word, name);
}

static bool fails(struct world *w, enum job_kind kind)
{
        return rnd(w) % 1000 < w->fail_permille[kind];
}

static void later(struct world *w, enum job_kind kind, struct engine_task *t, struct engine_container *c, int64_t delay_us, int32_t code)
{
        struct job *job = xalloc(sizeof(*job));

        *job = (struct job){.kind = kind, .due_us = w->now_us + delay_us, .task = t, .c = c, .code = code};
        list_init(&job->link);
        list_push(&w->jobs, &job->link);
}

static void cancel(struct world *w, const struct engine_container *c, unsigned kinds)
{
        list_for_each (job, &w->jobs, struct job, link) {
                if (job->c == c && (kinds & (1u << job->kind)) != 0) {
                        list_remove(&job->link);
                        free(job);
                }
        }
}

static struct world *of(struct engine_container *c)
{
        return world_of(c->task->engine->env);
}

static void d_pull(struct engine_container *c)
{
        later(of(c), JOB_PULL, c->task, c, of(c)->delay_us[JOB_PULL], fails(of(c), JOB_PULL));
}

static void d_pull_cancel(struct engine_container *c)
{
        cancel(of(c), c, 1u << JOB_PULL);
}

static void d_prepare(struct engine_task *t)
{
        struct world *w = world_of(t->engine->env);

        later(w, JOB_PREPARE, t, NULL, w->delay_us[JOB_PREPARE], fails(w, JOB_PREPARE));
}

static void d_create(struct engine_container *c)
{
        if (rnd(of(c)) % 1000 >= of(c)->hang_permille)
                later(of(c), JOB_CREATE, c->task, c, of(c)->delay_us[JOB_CREATE], fails(of(c), JOB_CREATE));
}

static void d_start(struct engine_container *c)
{
        trace(of(c), "start", c->definition->name);
        if (rnd(of(c)) % 1000 >= of(c)->hang_permille)
                later(of(c), JOB_START, c->task, c, of(c)->delay_us[JOB_START], fails(of(c), JOB_START));
}

static void d_abandon(struct engine_container *c)
{
        cancel(of(c), c, ~0u);
}

static void d_stop(struct engine_container *c, uint32_t timeout_ms)
{
        struct world *w = of(c);

        trace(w, "stop", c->definition->name);
        if (w->hang_stop != NULL && str_eq(w->hang_stop, c->definition->name))
                return;
        if (c->state == CONTAINER_STARTING)
                return; /* the engine hears of the start first; the fake then ends it */
        cancel(w, c, 1u << JOB_EXIT);
        later(w, JOB_EXIT, c->task, c, MIN((int64_t)timeout_ms * 1000, 100000), 143);
}

static void d_probe(struct engine_container *c, uint32_t timeout_ms)
{
        (void)timeout_ms;
        later(of(c), JOB_PROBE, c->task, c, of(c)->delay_us[JOB_PROBE], of(c)->probe_code);
}

static void d_probe_cancel(struct engine_container *c)
{
        cancel(of(c), c, 1u << JOB_PROBE);
}

static void d_release(struct engine_task *t)
{
        struct world *w = world_of(t->engine->env);

        later(w, JOB_RELEASE, t, NULL, w->delay_us[JOB_RELEASE], 0);
}

static void d_remove(struct engine_task *t)
{
        struct world *w = world_of(t->engine->env);

        later(w, JOB_REMOVE, t, NULL, w->delay_us[JOB_REMOVE], 0);
}

static void d_changed(struct engine_task *t, unsigned what)
{
        (void)t;
        (void)what;
}

static bool d_may_remove(struct engine_task *t)
{
        return !world_of(t->engine->env)->keep;
}

static const struct engine_driver driver = {.pull = d_pull,
                                            .pull_cancel = d_pull_cancel,
                                            .prepare = d_prepare,
                                            .create = d_create,
                                            .start = d_start,
                                            .restart = d_start,
                                            .abandon = d_abandon,
                                            .stop = d_stop,
                                            .probe = d_probe,
                                            .probe_cancel = d_probe_cancel,
                                            .release = d_release,
                                            .remove = d_remove,
                                            .changed = d_changed,
                                            .may_remove = d_may_remove};

static void world_init(struct world *w, uint64_t seed)
{
        static const struct engine_limits limits = {
                .stop_timeout_ms = 30000, .start_timeout_ms = 180000, .remove_after_ms = 3600000, .remove_latest_ms = 72 * 3600000u};

        *w = (struct world){.env = {.now_ms = w_now_ms, .mono_us = w_mono_us, .random = w_random}, .seed = seed};
        list_init(&w->jobs);
        timers_init(&w->timers, &w->env);
        engine_init(&w->engine, &w->env, &w->timers, &driver, &limits);
        host_resources_init(&w->engine.resources, 4096, 8192);
}

static void world_done(struct world *w)
{
        list_for_each (job, &w->jobs, struct job, link) {
                list_remove(&job->link);
                free(job);
        }
        engine_done(&w->engine);
}

static void start_done(struct world *w, struct job *job, const struct error *error)
{
        bool stop_was_sent = job->c->stop_sent;

        engine_container_started(job->c, error, w_now_ms(&w->env));
        if (error != NULL)
                return;
        if (stop_was_sent)
                later(w, JOB_EXIT, job->task, job->c, 1000, 143);
        else if (w->run_us > 0 && (w->runs_briefly == NULL || str_eq(w->runs_briefly, job->c->definition->name)))
                later(w, JOB_EXIT, job->task, job->c, w->run_us, w->exit_code);
        else if (rnd(w) % 1000 < w->crash_permille)
                later(w, JOB_EXIT, job->task, job->c, rnd(w) % 20000000, (int32_t)(rnd(w) % 3));
}

static void run_job(struct world *w, struct job *job)
{
        struct error error = {0};
        const struct error *e = NULL;

        if (job->code != 0 && job->kind < JOB_EXIT) {
                error_api(&error, "FakeError", "told to fail");
                e = &error;
        }
        switch (job->kind) {
        case JOB_PULL:
                engine_container_pulled(
                        job->c, &(struct engine_pulled){.error = e, .digest = e ? NULL : "sha256:d", .started_ms = 1, .stopped_ms = 2});
                break;
        case JOB_PREPARE:
                engine_task_prepared(job->task, e);
                break;
        case JOB_CREATE:
                engine_container_created(job->c, e);
                break;
        case JOB_START:
                start_done(w, job, e);
                break;
        case JOB_EXIT:
                engine_container_exited(
                        job->c, &(struct engine_exit){.has_exit_code = true, .exit_code = job->code, .finished_ms = w_now_ms(&w->env)});
                break;
        case JOB_PROBE:
                engine_container_probed(job->c, job->code, "out", 3);
                break;
        case JOB_RELEASE:
                engine_task_released(job->task);
                break;
        case JOB_REMOVE:
                engine_task_removed(job->task);
                break;
        case JOB_MAX:
                break;
        }
        free(job);
}

static struct job *next_job(struct world *w)
{
        struct job *best = NULL;

        list_for_each (job, &w->jobs, struct job, link) {
                if (best == NULL || job->due_us < best->due_us)
                        best = job;
        }
        return best;
}

/* What must always hold. */
static void check_invariants(struct world *w)
{
        int64_t cpu = 0;

        list_for_each (t, &w->engine.order, struct engine_task, link) {
                if (t->holds_resources)
                        cpu += host_resources_cpu(t);
                for (uint32_t i = 0; i < t->n_containers; i++) {
                        if (t->state >= TASK_STOPPED)
                                assert_int_equal(t->containers[i].state, CONTAINER_STOPPED);
                        if (t->containers[i].state == CONTAINER_RUNNING || t->containers[i].state == CONTAINER_STARTING)
                                assert_true(t->holds_resources);
                }
        }
        assert_int_equal(cpu, w->engine.resources.cpu_used);
        assert_true(cpu <= 4096);
}

static void run_until(struct world *w, int64_t seconds)
{
        int64_t end = w->now_us + seconds * 1000000;

        for (;;) {
                struct job *job = next_job(w);
                int64_t due = MIN(timers_next_us(&w->timers), job != NULL ? job->due_us : INT64_MAX);

                if (due > end)
                        break;
                w->now_us = MAX(w->now_us, due);
                if (job != NULL && job->due_us <= due) {
                        list_remove(&job->link);
                        run_job(w, job);
                } else {
                        timers_run(&w->timers);
                }
                check_invariants(w);
        }
        w->now_us = end;
}

/* ---- payloads ---- */

static struct engine_task *add_json(struct world *w, const char *json)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct acs_task *payload = NULL;
        struct error error = {0};

        if (SHAPE_PARSE(acs_task, &arena, json, strlen(json), NULL, &payload, &error) < 0)
                fail_msg("%s", error.message);
        struct engine_task *t = engine_task_new(payload, &w->env);
        engine_add(&w->engine, t);
        return t;
}

#define ONE "{\"arn\":\"arn:aws:ecs:r:1:task/c/t1\",\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"essential\":true,\"cpu\":1024}]}"

static void test_runs_and_stops(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        struct engine_task *t = add_json(&w, ONE);
        run_until(&w, 1);
        assert_int_equal(t->state, TASK_RUNNING);
        assert_int_equal(engine_task_stage(t), REPORT_RUNNING);
        assert_string_equal(t->containers[0].image_digest, "sha256:d");
        engine_task_stop(t, NULL);
        assert_int_equal(t->containers[0].state, CONTAINER_STOPPING);
        run_until(&w, 1);
        assert_int_equal(t->state, TASK_STOPPED);
        assert_int_equal(t->containers[0].exit_code, 143);
        assert_null(t->containers[0].reason);
        assert_int_equal(w.engine.resources.cpu_used, 0);
        run_until(&w, 3700);
        assert_null(engine_find(&w.engine, "arn:aws:ecs:r:1:task/c/t1"));
        world_done(&w);
}

static void test_essential_exit_ends_the_task(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        w.run_us = 5000000;
        w.exit_code = 3;
        w.runs_briefly = "a";
        struct engine_task *t =
                add_json(&w, "{\"arn\":\"x/t\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"},{\"name\":\"b\",\"image\":\"i\"}]}");
        run_until(&w, 4);
        assert_int_equal(t->state, TASK_RUNNING);
        run_until(&w, 3);
        assert_int_equal(t->state, TASK_STOPPED);
        assert_int_equal(t->containers[0].exit_code, 3);
        assert_int_equal(t->containers[1].exit_code, 143);
        assert_true(t->execution_stopped_ms > 0 && t->execution_stopped_ms < t->stopped_ms);
        world_done(&w);
}

static void test_not_essential_exit_leaves_it(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        w.run_us = 5000000;
        w.runs_briefly = "b";
        struct engine_task *t = add_json(&w, "{\"arn\":\"x/t\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"},"
                                             "{\"name\":\"b\",\"image\":\"i\",\"essential\":false}]}");
        run_until(&w, 20);
        assert_int_equal(t->state, TASK_RUNNING);
        assert_int_equal(t->containers[1].state, CONTAINER_STOPPED);
        world_done(&w);
}

#define CHAIN                                                                                                                              \
        "{\"arn\":\"x/t\",\"containers\":["                                                                                                \
        "{\"name\":\"web\",\"image\":\"i\",\"dependsOn\":[{\"containerName\":\"db\",\"condition\":\"HEALTHY\"}],\"links\":[\"db:data\"]}," \
        "{\"name\":\"db\",\"image\":\"i\",\"startTimeout\":60,\"dependsOn\":[{\"containerName\":\"init\",\"condition\":\"SUCCESS\"}],"     \
        "\"healthCheckType\":\"docker\",\"dockerConfig\":{\"config\":\"{\\\"Healthcheck\\\":{\\\"Test\\\":[\\\"CMD-SHELL\\\",\\\"x\\\"]}}" \
        "\"}},"                                                                                                                            \
        "{\"name\":\"init\",\"image\":\"i\",\"essential\":false}]}"

static void test_order(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        w.run_us = 2000000;
        w.runs_briefly = "init";
        struct engine_task *t = add_json(&w, CHAIN);
        run_until(&w, 1);
        assert_int_equal(t->state, TASK_STARTING);
        run_until(&w, 3);
        assert_int_equal(t->state, TASK_RUNNING);
        assert_string_equal(w.trace, "start:init start:db start:web ");
        engine_task_stop(t, NULL);
        run_until(&w, 3);
        assert_int_equal(t->state, TASK_STOPPED);
        assert_string_equal(w.trace, "start:init start:db start:web stop:web stop:db ");
        world_done(&w);
}

static void test_dependency_fails(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        w.run_us = 2000000;
        w.exit_code = 1;
        w.runs_briefly = "init";
        struct engine_task *t = add_json(&w, CHAIN);
        run_until(&w, 5);
        assert_int_equal(t->state, TASK_STOPPED);
        assert_string_equal(t->containers[1].reason,
                            "TaskDependencyError: container db waits for init: SUCCESS, but that ended with exit code 1");
        assert_false(t->containers[0].has_run);
        world_done(&w);
}

static void test_start_timeout(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        w.run_us = 2000000;
        w.runs_briefly = "init";
        w.probe_code = 1;
        struct engine_task *t = add_json(&w, CHAIN);
        run_until(&w, 55);
        assert_int_equal(t->state, TASK_STARTING);
        run_until(&w, 10);
        assert_int_equal(t->state, TASK_STOPPED);
        assert_non_null(strstr(t->containers[0].reason, "startTimeout of 60 seconds"));
        world_done(&w);
}

static void test_failures_have_reasons(void **state)
{
        static const enum job_kind kinds[] = {JOB_PULL, JOB_PREPARE, JOB_CREATE, JOB_START};

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                struct world w;

                world_init(&w, 1);
                w.fail_permille[kinds[i]] = 1000;
                struct engine_task *t = add_json(&w, ONE);
                run_until(&w, 1);
                assert_int_equal(t->state, TASK_STOPPED);
                assert_string_equal(kinds[i] == JOB_PREPARE ? t->reason : t->containers[0].reason, "FakeError: told to fail");
                assert_false(t->has_run);
                world_done(&w);
        }
}

static void test_hanging_start(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        w.hang_permille = 1000;
        struct engine_task *t = add_json(&w, ONE);
        run_until(&w, 100);
        assert_int_equal(t->state, TASK_STARTING);
        run_until(&w, 100);
        assert_int_equal(t->state, TASK_STOPPED);
        assert_true(str_starts_with(t->containers[0].reason, "DockerTimeoutError: Could not transition to created"));
        world_done(&w);
}

static void test_stop_before_start(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        w.delay_us[JOB_PULL] = 60000000;
        struct engine_task *t = add_json(&w, ONE);
        run_until(&w, 1);
        engine_task_stop(t, NULL);
        assert_int_equal(t->state, TASK_STOPPED);
        assert_false(t->containers[0].has_exit_code);
        run_until(&w, 100);
        world_done(&w);
}

#define WAITER(id, cpu) "{\"arn\":\"x/" id "\",\"cpu\":" cpu ",\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]}"

/* A task that stops slowly holds up the one that needs its place, and no other. */
static void test_no_head_of_line_blocking(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        w.hang_stop = "slow";
        struct engine_task *slow = add_json(&w, "{\"arn\":\"x/slow\",\"cpu\":3,\"containers\":[{\"name\":\"slow\",\"image\":\"i\"}]}");
        run_until(&w, 1);
        engine_task_stop(slow, NULL);
        struct engine_task *big = add_json(&w, WAITER("big", "2"));
        struct engine_task *small = add_json(&w, WAITER("small", "0.5"));
        run_until(&w, 5);
        assert_int_equal(slow->state, TASK_STOPPING);
        assert_int_equal(big->state, TASK_QUEUED);
        assert_int_equal(small->state, TASK_RUNNING);
        run_until(&w, 70); /* past SIGKILL and the grace: still there, and said so */
        assert_true(str_starts_with(slow->containers[0].reason, "CannotStopContainerError"));
        later(&w, JOB_EXIT, slow, &slow->containers[0], 0, 137);
        run_until(&w, 1);
        assert_int_equal(slow->state, TASK_STOPPED);
        assert_int_equal(big->state, TASK_RUNNING);
        world_done(&w);
}

#define ON_PORT_80(id, mode)                                                                                                    \
        "{\"arn\":\"x/" id "\",\"networkMode\":\"" mode "\",\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"portMappings\":[" \
        "{\"containerPort\":80,\"hostPort\":80}]}]}"

/* The second waits for the machine's port; with interfaces of their own none does. */
static void test_ports_of_the_machine(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        (void)add_json(&w, ON_PORT_80("b1", "bridge"));
        struct engine_task *waits = add_json(&w, ON_PORT_80("b2", "bridge"));
        struct engine_task *first = add_json(&w, ON_PORT_80("v1", "awsvpc")), *second = add_json(&w, ON_PORT_80("v2", "awsvpc"));
        run_until(&w, 5);
        assert_int_equal(waits->state, TASK_QUEUED);
        assert_int_equal(first->state, TASK_RUNNING);
        assert_int_equal(second->state, TASK_RUNNING);
        world_done(&w);
}

static void test_too_big(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        struct engine_task *t = add_json(&w, WAITER("huge", "64"));
        assert_int_equal(t->state, TASK_STOPPED);
        assert_string_equal(t->reason, "ResourceInitializationError: the task needs 65536 CPU units and this node has 4096");
        world_done(&w);
}

static void test_restart_policy(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        w.run_us = 70000000;
        w.exit_code = 7;
        struct engine_task *t = add_json(&w, "{\"arn\":\"x/t\",\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"restartPolicy\":"
                                             "{\"enabled\":true,\"ignoredExitCodes\":[9],\"restartAttemptPeriod\":60}}]}");
        run_until(&w, 200);
        assert_int_equal(t->state, TASK_RUNNING);
        assert_int_equal(t->containers[0].restart_count, 2);
        w.exit_code = 9;
        run_until(&w, 150);
        assert_int_equal(t->state, TASK_STOPPED);
        assert_int_equal(t->containers[0].exit_code, 9);
        world_done(&w);
}

static void test_restart_needs_the_period(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        w.run_us = 50000000;
        struct engine_task *t = add_json(&w, "{\"arn\":\"x/t\",\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"restartPolicy\":"
                                             "{\"enabled\":true,\"restartAttemptPeriod\":60}}]}");
        run_until(&w, 60);
        assert_int_equal(t->state, TASK_STOPPED);
        world_done(&w);
}

static void test_health(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1);
        w.delay_us[JOB_PROBE] = 10000;
        struct engine_task *t = add_json(
                &w, "{\"arn\":\"x/"
                    "t\",\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"healthCheckType\":\"docker\",\"dockerConfig\":{\"config\":"
                    "\"{\\\"Healthcheck\\\":{\\\"Test\\\":[\\\"CMD\\\",\\\"x\\\"],\\\"Interval\\\":10000000000,\\\"Retries\\\":2}}\"}}]}");
        run_until(&w, 1);
        assert_int_equal(t->containers[0].health.status, HEALTH_HEALTHY);
        w.probe_code = 1;
        run_until(&w, 15);
        assert_int_equal(t->containers[0].health.status, HEALTH_HEALTHY);
        run_until(&w, 10);
        assert_int_equal(t->containers[0].health.status, HEALTH_UNHEALTHY);
        assert_int_equal(t->state, TASK_RUNNING); /* the scheduler decides, not the node */
        w.probe_code = 0;
        run_until(&w, 15);
        assert_int_equal(t->containers[0].health.status, HEALTH_HEALTHY);
        world_done(&w);
}

static void test_rejections(void **state)
{
        static const struct {
                const char *json, *reason;
        } rows[] = {
                {"{\"arn\":\"x/t\",\"containers\":[]}", "UnrecogniedTaskError: Error loading task - the task has no containers"},
                {"{\"arn\":\"x/t\",\"containers\":[{\"name\":\"a\"}]}",
                 "UnrecogniedTaskError: Error loading task - container 0 has no image"},
                {"{\"arn\":\"x/t\",\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"links\":[\"b\"]}]}", "refers to container b"},
                {"{\"arn\":\"x/t\",\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"links\":[\"b\"]},{\"name\":\"b\",\"image\":\"i\","
                 "\"dependsOn\":[{\"containerName\":\"a\",\"condition\":\"START\"}]}]}",
                 "depends on itself"},
                {"{\"arn\":\"x/t\",\"networkMode\":\"overlay\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]}",
                 "no network mode \"overlay\""},
                {"{\"arn\":\"x/t\",\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"secrets\":[{\"name\":\"x\"}]}]}", "uses secrets"},
                {"{\"arn\":\"x/t\",\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"dockerConfig\":{\"config\":\"{oops\"}}]}",
                 "dockerConfig.config"},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct world w;

                world_init(&w, 1);
                struct engine_task *t = add_json(&w, rows[i].json);
                assert_int_equal(t->state, TASK_STOPPED);
                if (strstr(t->reason, rows[i].reason) == NULL)
                        fail_msg("%s: got %s", rows[i].reason, t->reason);
                run_until(&w, 1);
                world_done(&w);
        }
}

/* ---- many tasks, seeded faults, everything settles ---- */

static void random_task(struct world *w, int i)
{
        struct buf json CLEANUP_BUF = {0};
        uint32_t n = 1 + rnd(w) % 4;

        buf_printf(&json, "{\"arn\":\"x/t%d\",\"cpu\":%u.%u,\"containers\":[", i, rnd(w) % 3, rnd(w) % 10);
        for (uint32_t k = 0; k < n; k++) {
                buf_printf(&json, "%s{\"name\":\"c%u\",\"image\":\"i\",\"essential\":%s", k > 0 ? "," : "", k,
                           rnd(w) % 3 > 0 || k == 0 ? "true" : "false");
                if (k > 0 && rnd(w) % 2 == 0) {
                        static const char *const conditions[] = {"START", "COMPLETE", "SUCCESS"};

                        buf_printf(&json, ",\"startTimeout\":30,\"dependsOn\":[{\"containerName\":\"c%u\",\"condition\":\"%s\"}]",
                                   rnd(w) % k, conditions[rnd(w) % 3]);
                }
                if (rnd(w) % 4 == 0)
                        buf_append_str(&json, ",\"restartPolicy\":{\"enabled\":true,\"restartAttemptPeriod\":60}");
                buf_append_str(&json, "}");
        }
        buf_append_str(&json, "]}");
        (void)add_json(w, json.data);
}

static void test_seeds(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 300; seed++) {
                struct world w;

                world_init(&w, seed);
                for (int k = 0; k < JOB_MAX; k++) {
                        w.delay_us[k] = rnd(&w) % 3000000;
                        w.fail_permille[k] = rnd(&w) % 200;
                }
                w.hang_permille = rnd(&w) % 50;
                w.crash_permille = rnd(&w) % 500;
                for (int i = 0; i < 20; i++) {
                        random_task(&w, i);
                        run_until(&w, rnd(&w) % 10);
                        if (rnd(&w) % 3 == 0) {
                                char arn[32];

                                (void)snprintf(arn, sizeof(arn), "x/t%u", rnd(&w) % 20);
                                struct engine_task *t = engine_find(&w.engine, arn);
                                if (t != NULL)
                                        engine_task_stop(t, NULL);
                        }
                }
                list_for_each (t, &w.engine.order, struct engine_task, link)
                        engine_task_stop(t, NULL);
                run_until(&w, 600);
                list_for_each (t, &w.engine.order, struct engine_task, link)
                        assert_int_equal(t->state, TASK_STOPPED);
                assert_int_equal(w.engine.resources.cpu_used, 0);
                run_until(&w, 7200);
                assert_int_equal(w.engine.tasks.count, 0);
                world_done(&w);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_runs_and_stops),
                cmocka_unit_test(test_essential_exit_ends_the_task),
                cmocka_unit_test(test_not_essential_exit_leaves_it),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_dependency_fails),
                cmocka_unit_test(test_start_timeout),
                cmocka_unit_test(test_failures_have_reasons),
                cmocka_unit_test(test_hanging_start),
                cmocka_unit_test(test_stop_before_start),
                cmocka_unit_test(test_no_head_of_line_blocking),
                cmocka_unit_test(test_ports_of_the_machine),
                cmocka_unit_test(test_too_big),
                cmocka_unit_test(test_restart_policy),
                cmocka_unit_test(test_restart_needs_the_period),
                cmocka_unit_test(test_health),
                cmocka_unit_test(test_rejections),
                cmocka_unit_test(test_seeds),
        };

        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
