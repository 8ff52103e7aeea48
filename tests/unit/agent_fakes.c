/* SPDX-License-Identifier: Apache-2.0 */
/* Images, containers and sandboxes in memory. */
#include "agent_fakes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/oci.idl.h"
#include "base/alloc.h"
#include "base/env.h"
#include "base/strutil.h"
#include "vpc/network.h"

struct fakes fakes;

/* ---- work for a later turn of the loop ---- */

struct later {
        uv_timer_t timer;
        void (*run)(void *owner, void *extra);
        void *owner, *extra;
};

static void on_later_closed(uv_handle_t *handle)
{
        free(handle->data);
}

static void on_later(uv_timer_t *timer)
{
        struct later *l = timer->data;

        l->run(l->owner, l->extra);
        uv_close((uv_handle_t *)timer, on_later_closed);
}

static void later(uv_loop_t *loop, void (*run)(void *owner, void *extra), void *owner, void *extra)
{
        struct later *l = xalloc(sizeof(*l));

        *l = (struct later){.run = run, .owner = owner, .extra = extra};
        uv_timer_init(loop, &l->timer);
        l->timer.data = l;
        uv_timer_start(&l->timer, on_later, 1, 0);
}

/* ---- images ---- */

struct image_store {
        uv_loop_t *loop;
};

static struct oci_image_config no_config;
static struct image the_image = {.id = "sha256:id", .digest = "sha256:digest", .config = &no_config};

int image_store_new(const struct image_store_options *options, struct image_store **ret, struct error *error)
{
        *ret = xalloc(sizeof(**ret));
        (*ret)->loop = options->loop;
        return 0;
}

struct image_store *image_store_free(struct image_store *store)
{
        free(store);
        return NULL;
}

struct image *image_ref(struct image *image)
{
        return image;
}

struct image *image_unref(struct image *image)
{
        return NULL;
}

static void pull_done(void *owner, void *extra)
{
        struct image_pull *pull = owner;
        struct error error = {0};
        struct image_pull_result result = {.image = &the_image, .started_ms = 1000, .stopped_ms = 2000};

        if (pull->job_ == NULL)
                return; /* cancelled */
        pull->job_ = NULL;
        if (str_eq(pull->name, fakes.missing_image)) {
                error_api(&error, "CannotPullContainerError", "there is no such image");
                result = (struct image_pull_result){.status = -ENOENT, .error = &error};
        }
        pull->done(pull, &result);
}

void image_pull_start(struct image_store *store, struct image_pull *pull)
{
        pull->job_ = (struct image_job *)pull;
        later(store->loop, pull_done, pull, NULL);
}

void image_pull_cancel(struct image_pull *pull)
{
        pull->job_ = NULL;
}

void image_store_reclaim(struct image_store *store, uint64_t bytes)
{
}

int image_pull_behavior_parse(const char *word, enum image_pull_behavior *ret)
{
        *ret = IMAGE_PULL_DEFAULT;
        return 0;
}

/* ---- containers ---- */

struct runtime {
        uv_loop_t *loop;
};

struct runtime_container {
        struct list link;
        char *id, *task_id, *log;
        enum runtime_state state;
        struct runtime_exit exit;
        bool acknowledged, dead;
        struct runtime_events events;
        void *data;
        struct runtime *runtime;
};

static struct list containers = {&containers, &containers};
static struct list graves = {&graves, &graves}; /* removed, but events under way may still point to them */

int runtime_new(const struct runtime_options *options, struct runtime **ret, struct error *error)
{
        *ret = xalloc(sizeof(**ret));
        (*ret)->loop = options->loop;
        list_for_each (c, &containers, struct runtime_container, link)
                c->runtime = *ret;
        return 0;
}

struct runtime *runtime_free(struct runtime *runtime)
{
        list_for_each (c, &containers, struct runtime_container, link)
                c->events = (struct runtime_events){0};
        free(runtime);
        return NULL;
}

static void tell_exit(void *owner, void *extra)
{
        struct runtime_container *c = owner;

        if (!c->dead && c->events.exited != NULL)
                c->events.exited(c, &c->exit, c->data);
}

static void end(struct runtime_container *c, int code, enum runtime_exit_cause cause)
{
        if (c->state == RUNTIME_STOPPED)
                return;
        c->state = RUNTIME_STOPPED;
        c->exit = (struct runtime_exit){.cause = cause,
                                        .has_exit_code = cause == RUNTIME_EXITED || cause == RUNTIME_OOM,
                                        .exit_code = code,
                                        .stopped_ms = env_now_ms(env_system())};
        if (c->events.exited != NULL)
                later(c->runtime->loop, tell_exit, c, NULL);
}

static void tell_start(void *owner, void *extra)
{
        struct runtime_container *c = owner;
        struct error error = {0};

        if (c->dead)
                return;
        if (fakes.failing_start != NULL && strstr(c->id, fakes.failing_start) != NULL) {
                error_api(&error, "CannotStartContainerError", "told to fail");
                list_remove(&c->link);
                list_push(&graves, &c->link);
                c->dead = true;
                c->events.started(c, -EINVAL, &error, c->data);
                return;
        }
        c->state = RUNTIME_RUNNING;
        c->events.started(c, 0, NULL, c->data);
}

int runtime_start(struct runtime *runtime, const struct runtime_container_spec *spec, const struct runtime_events *events, void *data,
                  struct runtime_container **ret, struct error *error)
{
        if (runtime_find(runtime, spec->id) != NULL)
                return -EEXIST;
        struct runtime_container *c = xalloc(sizeof(*c));
        c->id = xstrdup(spec->id);
        c->task_id = xstrdup(spec->task_id);
        c->log = xprintf("%s/%s.log", fakes.log_dir, spec->id);
        c->events = *events;
        c->data = data;
        c->runtime = runtime;
        list_push(&containers, &c->link);
        fakes.starts++;
        later(runtime->loop, tell_start, c, NULL);
        *ret = c;
        return 0;
}

int runtime_restart(struct runtime_container *c, struct error *error)
{
        later(c->runtime->loop, tell_start, c, NULL);
        return 0;
}

struct runtime_container *runtime_find(struct runtime *runtime, const char *id)
{
        list_for_each (c, &containers, struct runtime_container, link) {
                if (str_eq(c->id, id))
                        return c;
        }
        return NULL;
}

struct runtime_container *runtime_next(struct runtime *runtime, const struct runtime_container *c)
{
        const struct list *next = c != NULL ? c->link.next : containers.next;

        return next == &containers ? NULL : CONTAINER_OF(next, struct runtime_container, link);
}

void runtime_container_adopt(struct runtime_container *c, const struct runtime_events *events, void *data)
{
        c->events = *events;
        c->data = data;
        if (c->state == RUNTIME_STOPPED && !c->acknowledged)
                later(c->runtime->loop, tell_exit, c, NULL);
}

void runtime_container_acknowledge(struct runtime_container *c)
{
        c->acknowledged = true;
}

bool runtime_container_is_acknowledged(const struct runtime_container *c)
{
        return c->acknowledged;
}

const char *runtime_container_id(const struct runtime_container *c)
{
        return c->id;
}

enum runtime_state runtime_container_state(const struct runtime_container *c)
{
        return c->state;
}

int32_t runtime_container_pid(const struct runtime_container *c)
{
        return 1;
}

int64_t runtime_container_started_ms(const struct runtime_container *c)
{
        return env_now_ms(env_system());
}

const struct runtime_exit *runtime_container_exit(const struct runtime_container *c)
{
        return c->state == RUNTIME_STOPPED ? &c->exit : NULL;
}

const char *runtime_container_log_path(const struct runtime_container *c)
{
        return c->log;
}

const struct runtime_mount *runtime_container_mounts(const struct runtime_container *c, uint32_t *ret_n)
{
        *ret_n = 0;
        return NULL;
}

void runtime_stop(struct runtime_container *c, uint32_t timeout_ms)
{
        fakes.stops++;
        end(c, 143, RUNTIME_EXITED);
}

struct removal {
        void (*done)(void *data);
        void *data;
};

static void tell_removed(void *owner, void *extra)
{
        struct removal *r = owner;

        if (r->done != NULL)
                r->done(r->data);
        free(r);
}

void runtime_remove(struct runtime_container *c, void (*done)(void *data), void *data)
{
        struct removal *r = xalloc(sizeof(*r));

        *r = (struct removal){done, data};
        fakes.removals++;
        list_remove(&c->link);
        list_push(&graves, &c->link);
        c->dead = true;
        later(c->runtime->loop, tell_removed, r, NULL);
}

int runtime_disk_usage(struct runtime *runtime, const char *task_id, uint64_t *ret_used, uint64_t *ret_size)
{
        (void)runtime;
        (void)task_id;
        *ret_used = *ret_size = 0;
        return -ENOENT;
}

void runtime_task_release(struct runtime *runtime, const char *task_id)
{
}

void runtime_task_remove(struct runtime *runtime, const char *task_id)
{
}

void runtime_exec_start(struct runtime_container *c, struct runtime_exec *exec)
{
        exec->job_ = (struct runtime_exec_job *)exec;
}

void runtime_exec_cancel(struct runtime_exec *exec)
{
        exec->job_ = NULL;
}

void runtime_stats_read(struct runtime *runtime, struct runtime_container *const *list, uint32_t n,
                        void (*done)(const struct runtime_stats *stats, uint32_t n, void *data), void *data)
{
        struct runtime_stats *stats = xcalloc(n + 1, sizeof(*stats));

        for (uint32_t i = 0; i < n; i++)
                stats[i] = (struct runtime_stats){.read_ms = env_now_ms(env_system()), .online_cpus = 2, .memory_usage = 1 << 20};
        done(stats, n, data);
        free(stats);
}

const struct runtime_info *runtime_info(const struct runtime *runtime)
{
        static const struct runtime_info info = {.cgroup_version = 2, .boot_id = "boot"};

        return &info;
}

/* ---- sandboxes ---- */

struct vpc {
        uv_loop_t *loop;
};

struct vpc_sandbox {
        struct list link;
        char *id;
        enum vpc_mode mode;
        struct vpc_port ports[8];
        uint32_t n_ports;
        struct vpc *vpc;
};

static struct list sandboxes = {&sandboxes, &sandboxes};

int vpc_new(const struct vpc_options *options, struct vpc **ret, struct error *error)
{
        *ret = xalloc(sizeof(**ret));
        (*ret)->loop = options->loop;
        list_for_each (s, &sandboxes, struct vpc_sandbox, link)
                s->vpc = *ret;
        return 0;
}

void vpc_rest(struct vpc *vpc)
{
}

struct vpc *vpc_free(struct vpc *vpc)
{
        for (const char *id = vpc_network_next(vpc, NULL); id != NULL; id = vpc_network_next(vpc, NULL))
                vpc_network_remove(vpc, id, NULL);
        free(vpc);
        return NULL;
}

const char *vpc_resolv_conf(void)
{
        return NULL;
}

/* Outlives its op, which is gone after a cancel. */
struct vpc_job {
        struct vpc_op *op; /* NULL: cancelled */
};

static void job_done(void *owner, void *extra)
{
        struct vpc_job *job = owner;
        struct vpc_op *op = job->op;

        free(job);
        if (op == NULL)
                return;
        op->job_ = NULL;
        op->done(op, 0, NULL);
}

static void op_start(struct vpc *vpc, struct vpc_op *op)
{
        op->job_ = xalloc(sizeof(*op->job_));
        op->job_->op = op;
        later(vpc->loop, job_done, op->job_, NULL);
}

void vpc_op_cancel(struct vpc_op *op)
{
        if (op->job_ != NULL)
                op->job_->op = NULL;
        op->job_ = NULL;
}

/* Pictures in force: by the next turn of the loop. */
static struct vpc_network *networks[8];

void vpc_network_apply(struct vpc *vpc, struct vpc_network *network, struct vpc_op *op)
{
        size_t i = 0;

        while (networks[i] != NULL && !str_eq(networks[i]->id, network->id))
                i++;
        assert(i < ARRAY_SIZE(networks) - 1);
        (void)vpc_network_free(networks[i]);
        networks[i] = network;
        op_start(vpc, op);
}

void vpc_network_remove(struct vpc *vpc, const char *id, struct vpc_op *op)
{
        for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
                if (networks[i] != NULL && str_eq(networks[i]->id, id))
                        networks[i] = vpc_network_free(networks[i]);
        }
        if (op != NULL)
                op_start(vpc, op);
}

const struct vpc_network *vpc_network_of(const struct vpc *vpc, const char *interface_id)
{
        for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
                if (networks[i] != NULL && vpc_network_interface(networks[i], interface_id) != NULL)
                        return networks[i];
        }
        return NULL;
}

const char *vpc_network_next(const struct vpc *vpc, const char *id)
{
        bool behind = id == NULL;

        for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
                if (networks[i] != NULL && behind)
                        return networks[i]->id;
                behind |= networks[i] != NULL && str_eq(networks[i]->id, id);
        }
        return NULL;
}

void vpc_sandbox_create(struct vpc *vpc, const struct vpc_sandbox_spec *spec, struct vpc_op *op)
{
        struct vpc_sandbox *s = xalloc(sizeof(*s));

        s->id = xstrdup(spec->id);
        s->mode = spec->mode;
        s->vpc = vpc;
        for (uint32_t i = 0; i < spec->n_ports && i < ARRAY_SIZE(s->ports); i++) {
                s->ports[i] = spec->ports[i];
                if (s->ports[i].host_port == 0)
                        s->ports[i].host_port = (uint16_t)(40000 + i);
                s->n_ports = i + 1;
        }
        list_push(&sandboxes, &s->link);
        op_start(vpc, op);
}

void vpc_sandbox_destroy(struct vpc_sandbox *s, struct vpc_op *op)
{
        list_remove(&s->link);
        if (op != NULL)
                op_start(s->vpc, op);
        free(s->id);
        free(s);
}

struct vpc_sandbox *vpc_sandbox_find(struct vpc *vpc, const char *id)
{
        list_for_each (s, &sandboxes, struct vpc_sandbox, link) {
                if (str_eq(s->id, id))
                        return s;
        }
        return NULL;
}

struct vpc_sandbox *vpc_sandbox_next(struct vpc *vpc, const struct vpc_sandbox *s)
{
        const struct list *next = s != NULL ? s->link.next : sandboxes.next;

        return next == &sandboxes ? NULL : CONTAINER_OF(next, struct vpc_sandbox, link);
}

const char *vpc_sandbox_id(const struct vpc_sandbox *s)
{
        return s->id;
}

const char *vpc_sandbox_path(const struct vpc_sandbox *s)
{
        return "/run/netns/fake";
}

const char *vpc_sandbox_address(const struct vpc_sandbox *s)
{
        return s->mode != VPC_NONE ? "127.0.0.1" : NULL;
}

const struct vpc_port *vpc_sandbox_ports(const struct vpc_sandbox *s, uint32_t *ret_n)
{
        *ret_n = s->n_ports;
        return s->ports;
}

/* ---- what a test does to them ---- */

void fakes_exit(const char *id_part, int code, enum runtime_exit_cause cause)
{
        list_for_each (c, &containers, struct runtime_container, link) {
                if (id_part == NULL || strstr(c->id, id_part) != NULL)
                        end(c, code, cause);
        }
}

void fakes_reboot(void)
{
        fakes_exit(NULL, 0, RUNTIME_REBOOTED);
}

void fakes_log(const char *id_part, const char *text)
{
        list_for_each (c, &containers, struct runtime_container, link) {
                FILE *file;

                if (strstr(c->id, id_part) == NULL)
                        continue;
                file = fopen(c->log, "a");
                assert(file != NULL);
                (void)fprintf(file, "2026-01-01T00:00:00.123456789+00:00 stdout F %s\n", text);
                (void)fclose(file);
        }
}

uint32_t fakes_running(void)
{
        uint32_t n = 0;

        list_for_each (c, &containers, struct runtime_container, link)
                n += c->state == RUNTIME_RUNNING;
        return n;
}

static void free_all(struct list *list)
{
        list_for_each (c, list, struct runtime_container, link) {
                list_remove(&c->link);
                free(c->id);
                free(c->task_id);
                free(c->log);
                free(c);
        }
}

void fakes_reset(void)
{
        free_all(&containers);
        free_all(&graves);
        list_for_each (s, &sandboxes, struct vpc_sandbox, link) {
                list_remove(&s->link);
                free(s->id);
                free(s);
        }
        fakes = (struct fakes){0};
}
