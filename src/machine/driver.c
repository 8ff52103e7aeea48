/* SPDX-License-Identifier: Apache-2.0 */
/* See driver.h. */
#include "machine/driver.h"

#include <errno.h>
#include <string.h>

#include "api/machine.idl.h"
#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/strutil.h"
#include "machine/run.h"

#define DEFAULT_TIMEOUT_MS (INT64_C(5) * 60 * 1000)
#define DEFAULT_LIST_MS (INT64_C(60) * 1000)
/* Programs that run at once. */
#define MAX_RUNNING 8
#define MAX_WORDS 32
#define MAX_REASON 200
/* The first list waits a moment: what a server that ended has begun is taken up again first. */
#define FIRST_LIST_MS 2000

enum verb { VERB_CREATE = 0, VERB_DESTROY, VERB_LIST };
static const char *const verb_names[] = {"create", "destroy", "list"};

struct job {
        struct list link;
        struct machine_driver *driver;
        enum verb verb;
        char *id; /* of the machine; NULL: list */
        struct program_run *run;
        struct commit_waiter durable;
        bool waiting; /* for the disk */
        bool orphan;  /* nobody knows the machine */
};

struct machine_driver {
        struct machine_driver_options options;
        char *program, *server_url;
        struct list jobs; /* of struct job, in the order of their coming */
        uint32_t n_running;
        uv_timer_t kick, list_timer;
};

/* ---- Jobs ---- */

static bool has_job(struct machine_driver *driver, const char *id)
{
        list_for_each (job, &driver->jobs, struct job, link)
                if (str_eq(job->id, id))
                        return true;
        return false;
}

/* One thing at a time for a machine: in the order in which it was asked for. */
static bool is_first(const struct job *first)
{
        list_for_each (job, &first->driver->jobs, struct job, link) {
                if (job == first)
                        return true;
                if (job->id != NULL && str_eq(job->id, first->id))
                        return false;
        }
        return true;
}

static void on_kick(uv_timer_t *timer);

static struct job *add_job(struct machine_driver *driver, enum verb verb, const char *id)
{
        struct job *job = xalloc(sizeof(*job));

        job->driver = driver;
        job->verb = verb;
        job->id = id != NULL ? xstrdup(id) : NULL;
        list_init(&job->durable.link);
        list_push(&driver->jobs, &job->link);
        /* Not within the transaction that asks for it. */
        if (!uv_is_active((uv_handle_t *)&driver->kick))
                uv_timer_start(&driver->kick, on_kick, 0, 0);
        return job;
}

static void end_job(struct job *job)
{
        struct machine_driver *driver = job->driver;

        list_remove(&job->link);
        if (job->waiting)
                list_remove(&job->durable.link);
        if (job->run != NULL)
                driver->n_running--;
        uv_timer_start(&driver->kick, on_kick, 0, 0);
        free(job->id);
        free(job);
}

/* ---- What the program reads ---- */

static void write_order(struct machine_driver *driver, const struct job *job, struct buf *out)
{
        CLEANUP_ARENA struct arena arena = {0};
        const struct machine *machine = job->id != NULL ? model_machine(driver->options.model, job->id) : NULL;
        const struct state_machine *state = machine != NULL ? machine->state : NULL;
        struct machine_order order = {.installation = model_meta(driver->options.model)->id, .instance_id = job->id};

        if (state != NULL) {
                const struct access_key *key = state->key_id != NULL ? model_access_key(driver->options.model, state->key_id) : NULL;

                order.group = state->group;
                order.cluster = state->cluster;
                order.server = driver->server_url;
                order.region = model_region(driver->options.model);
                order.access_key = key != NULL ? key->state->id : NULL;
                order.secret_key = key != NULL ? key->state->secret : NULL;
                order.zone = state->zone;
                order.subnet_id = state->subnet;
                order.instance_type = state->type;
                order.image_id = state->image;
                order.user_data = state->user_data;
                SHAPE_SET(&order, machine_order, cpu, state->cpu);
                SHAPE_SET(&order, machine_order, memory, state->memory);
                for (uint32_t i = 0; i < state->tags.n; i++)
                        string_map_set(&arena, &order.tags, state->tags.items[i].key,
                                       state->tags.items[i].value != NULL ? state->tags.items[i].value : "");
        }
        SHAPE_WRITE(machine_order, &order, out);
        buf_append_char(out, '\n');
}

/* ---- What came of it ---- */

/* The last line that says something. */
static const char *last_line(const struct buf *text, char ret[MAX_REASON])
{
        size_t end = text->len, begin;

        while (end > 0 && (text->data[end - 1] == '\n' || text->data[end - 1] == '\r' || text->data[end - 1] == ' '))
                end--;
        for (begin = end; begin > 0 && text->data[begin - 1] != '\n'; begin--)
                ;
        snprintf(ret, MAX_REASON, "%.*s", (int)MIN(end - begin, MAX_REASON - 1), end > begin ? text->data + begin : "");
        return ret;
}

static void log_lines(const struct job *job, const struct buf *errors)
{
        CLEANUP_FREE char *copy = xstrndup(errors->len > 0 ? errors->data : "", errors->len);
        char *rest = NULL;

        for (char *line = strtok_r(copy, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest))
                log_info("machine driver", LOG_S("verb", verb_names[job->verb]), LOG_S("machine", job->id), LOG_S("said", line));
}

static const char *reason_of(const struct job *job, int status, const struct buf *errors, char ret[MAX_REASON + 100])
{
        const char *verb = verb_names[job->verb];
        char line[MAX_REASON];

        if (status == -ETIMEDOUT)
                snprintf(ret, MAX_REASON + 100, "The machine driver did not end its %s in %lld s; --machine-timeout gives it longer", verb,
                         (long long)(job->driver->options.timeout_ms / 1000));
        else if (str_empty(last_line(errors, line)))
                snprintf(ret, MAX_REASON + 100, "The machine driver's %s ended with status %d and said nothing on standard error", verb,
                         status);
        else
                snprintf(ret, MAX_REASON + 100, "The machine driver's %s: %s", verb, line);
        return ret;
}

static void made(struct job *job, int status, const struct buf *out, const struct buf *errors)
{
        struct model *model = job->driver->options.model;
        int64_t now_ms = env_now_ms(job->driver->options.env);
        char reason[MAX_REASON + 100], note[MAX_REASON];

        if (status == 0) {
                machine_was_created(model, job->id, last_line(out, note), now_ms);
                return;
        }
        log_warn("a machine could not be made", LOG_S("machine", job->id), LOG_S("reason", reason_of(job, status, errors, reason)));
        machine_was_not_created(model, job->id, reason, now_ms);
}

static void unmade(struct job *job, int status, const struct buf *errors)
{
        struct model *model = job->driver->options.model;
        int64_t now_ms = env_now_ms(job->driver->options.env);
        char reason[MAX_REASON + 100];

        if (status == 0) {
                machine_was_destroyed(model, job->id, now_ms);
                return;
        }
        log_warn("a machine could not be destroyed", LOG_S("machine", job->id), LOG_S("reason", reason_of(job, status, errors, reason)));
        machine_was_not_destroyed(model, job->id, reason, now_ms);
}

static bool is_listed(const struct string_list *ids, const char *id)
{
        for (uint32_t i = 0; i < ids->n; i++)
                if (str_eq(ids->items[i], id))
                        return true;
        return false;
}

/* One id a line; what stands behind a blank is for people. */
static void read_list(const struct buf *out, struct arena *arena, struct string_list *ids)
{
        char *copy = arena_strndup(arena, out->len > 0 ? out->data : "", out->len), *rest = NULL;

        for (char *line = strtok_r(copy, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest)) {
                line[strcspn(line, " \t")] = '\0';
                if (str_starts_with(line, "i-"))
                        string_list_push(arena, ids, line);
        }
}

static void listed(struct job *job, int status, const struct buf *out, const struct buf *errors)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct machine_driver *driver = job->driver;
        struct model *model = driver->options.model;
        struct string_list ids = {0}, gone = {0};
        char reason[MAX_REASON + 100];

        if (status != 0) {
                log_warn("the machine driver does not say what it has", LOG_S("reason", reason_of(job, status, errors, reason)));
                return;
        }
        read_list(out, &arena, &ids);
        for (uint32_t i = 0; i < ids.n; i++)
                if (model_machine(model, ids.items[i]) == NULL && !has_job(driver, ids.items[i])) {
                        log_warn("the machine driver has a machine that no group knows: it is destroyed", LOG_S("machine", ids.items[i]));
                        add_job(driver, VERB_DESTROY, ids.items[i])->orphan = true;
                }
        tree_for_each (node, model_objects(model, OBJECT_MACHINE)) {
                const struct machine *machine = MODEL_OBJECT(node, machine);

                if (machine->state->created_at != 0 && machine_is_live(machine) && !is_listed(&ids, machine->state->id))
                        string_list_push(&arena, &gone, arena_strdup(&arena, machine->state->id));
        }
        for (uint32_t i = 0; i < gone.n; i++)
                machine_has_vanished(model, gone.items[i], env_now_ms(driver->options.env));
}

static void on_done(void *data, int status, const struct buf *out, const struct buf *errors)
{
        struct job *job = data;

        log_lines(job, errors);
        if (job->verb == VERB_LIST)
                listed(job, status, out, errors);
        else if (job->verb == VERB_CREATE)
                made(job, status, out, errors);
        else if (!job->orphan)
                unmade(job, status, errors);
        end_job(job);
}

/* ---- Starting ---- */

/* Meanwhile the machine may be wanted no more, or be gone. */
static bool is_wanted(const struct job *job)
{
        const struct machine *machine = job->id != NULL ? model_machine(job->driver->options.model, job->id) : NULL;

        if (job->verb == VERB_CREATE)
                return machine != NULL && machine_is_live(machine) && machine->state->created_at == 0;
        return job->verb == VERB_LIST || job->orphan || machine != NULL;
}

static void start_job(struct job *job)
{
        struct machine_driver *driver = job->driver;
        CLEANUP_BUF struct buf order = {0};
        CLEANUP_FREE char *words = xstrdup(driver->program);
        char *argv[MAX_WORDS + 2], *rest = NULL;
        size_t n = 0;

        if (!is_wanted(job)) {
                end_job(job);
                return;
        }
        for (char *word = strtok_r(words, " ", &rest); word != NULL && n < MAX_WORDS; word = strtok_r(NULL, " ", &rest))
                argv[n++] = word;
        argv[n++] = (char *)(uintptr_t)verb_names[job->verb];
        argv[n] = NULL;
        write_order(driver, job, &order);
        driver->n_running++;
        job->run = program_start(driver->options.loop, argv, order.data, driver->options.timeout_ms, on_done, job);
}

static void on_durable(struct commit_waiter *waiter)
{
        struct job *job = CONTAINER_OF(waiter, struct job, durable);

        job->waiting = false;
        start_job(job);
}

static void on_kick(uv_timer_t *timer)
{
        struct machine_driver *driver = timer->data;
        uint32_t begun = driver->n_running;

        list_for_each (job, &driver->jobs, struct job, link)
                begun += job->waiting;
        list_for_each (job, &driver->jobs, struct job, link) {
                if (begun >= MAX_RUNNING)
                        return;
                if (job->run != NULL || job->waiting || !is_first(job))
                        continue;
                begun++;
                job->waiting = true;
                job->durable.durable = on_durable;
                model_when_durable(driver->options.model, model_sequence(driver->options.model), &job->durable);
        }
}

static void on_list(uv_timer_t *timer)
{
        struct machine_driver *driver = timer->data;
        bool there = false;

        list_for_each (job, &driver->jobs, struct job, link)
                there |= job->verb == VERB_LIST;
        if (!there)
                add_job(driver, VERB_LIST, NULL);
}

static void order(void *data, enum verb verb, const struct machine *machine)
{
        struct machine_driver *driver = data;

        list_for_each (job, &driver->jobs, struct job, link)
                if (job->verb == verb && str_eq(job->id, machine->state->id))
                        return;
        add_job(driver, verb, machine->state->id);
}

static void create(void *data, const struct machine *machine)
{
        order(data, VERB_CREATE, machine);
}

static void destroy(void *data, const struct machine *machine)
{
        order(data, VERB_DESTROY, machine);
}

static const char *join_key(void *data, struct tx *tx, const char *machine)
{
        struct machine_driver *driver = data;

        return driver->options.join_key != NULL ? driver->options.join_key(driver->options.model, tx, machine) : NULL;
}

const struct machine_ops machine_driver_ops = {.create = create, .destroy = destroy, .join_key = join_key};

/* ---- Life ---- */

struct machine_driver *machine_driver_new(const struct machine_driver_options *options)
{
        struct machine_driver *driver = xalloc(sizeof(*driver));

        driver->options = *options;
        driver->program = xstrdup(options->program);
        driver->server_url = xstrdup(options->server_url);
        if (driver->options.timeout_ms == 0)
                driver->options.timeout_ms = DEFAULT_TIMEOUT_MS;
        if (driver->options.list_ms == 0)
                driver->options.list_ms = DEFAULT_LIST_MS;
        list_init(&driver->jobs);
        uv_timer_init(options->loop, &driver->kick);
        uv_timer_init(options->loop, &driver->list_timer);
        driver->kick.data = driver->list_timer.data = driver;
        uv_timer_start(&driver->list_timer, on_list, FIRST_LIST_MS, (uint64_t)driver->options.list_ms);
        return driver;
}

static void on_closed(uv_handle_t *handle)
{
        struct machine_driver *driver = handle->data;

        free(driver->program);
        free(driver->server_url);
        free(driver);
}

struct machine_driver *machine_driver_free(struct machine_driver *driver)
{
        if (driver == NULL)
                return NULL;
        list_for_each (job, &driver->jobs, struct job, link) {
                struct program_run *run = job->run;

                end_job(job);
                if (run != NULL)
                        program_abandon(run);
        }
        uv_close((uv_handle_t *)&driver->kick, NULL);
        uv_close((uv_handle_t *)&driver->list_timer, on_closed);
        return NULL;
}
