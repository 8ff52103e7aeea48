/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following a container's log file and passing it on. A file is read in the thread pool, a piece at a time, when something was
 * written to it; what was read waits for the call under way (awslogs.c), and while too much waits nothing is read: the file is the
 * buffer, and the container never waits.
 *
 *     written ─→ read (thread pool) ─→ lines ─→ batch ─→ PutLogEvents ─→ position kept
 *        ↑____________ again, until nothing is left ____________|
 */
#include "agent/logs/ship.h"

#include <errno.h>
#include <string.h>

#include "agent/logs/internal.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#define READ_BYTES ((size_t)512 * 1024)
/* What was accepted and is not kept yet is shipped twice if the node is killed. */
#define POSITION_DELAY_MS 10
#define POLL_MS 1000 /* when no notice of a change can be had, and for what only time decides */

struct log_shipper *log_shipper_new(const struct log_shipper_options *options)
{
        struct log_shipper *shipper = xalloc(sizeof(*shipper));

        shipper->o = *options;
        return shipper;
}

struct log_shipper *log_shipper_free(struct log_shipper *shipper)
{
        free(shipper);
        return NULL;
}

struct shipping *shipping_of(const struct engine_container *c)
{
        return c->log;
}

/* ---- reading ---- */

struct read_line {
        int64_t time_ms;
        size_t at, len; /* in the text */
        struct log_position start;
};

/* One piece of the file, read by another thread. Owns the reader meanwhile. */
struct read_job {
        uv_work_t work;
        struct shipping *s; /* NULL: forgotten */
        struct log_reader *reader;
        bool at_end;
        struct buf text;
        struct read_line *lines;
        size_t n, cap;
        int result;
        struct log_position end;
        /* Of journald. */
        int fd;
        struct buf fields;
        uint32_t refused; /* lines that it did not take */
        int refusal;      /* -errno of the last */
};

static void on_line(const struct log_line *line, void *data)
{
        struct read_job *job = data;

        if (job->fd >= 0) {
                int r = journald_send(job->fd, &job->fields, line->is_stderr, line->text, line->len);

                if (r < 0) {
                        job->refused++;
                        job->refusal = r;
                }
                return;
        }
        if (job->n == job->cap) {
                job->cap = MAX(job->cap * 2, 128);
                job->lines = xrealloc(job->lines, job->cap * sizeof(*job->lines));
        }
        job->lines[job->n++] = (struct read_line){
                .time_ms = line->time_ms, .at = job->text.len, .len = line->len, .start = log_reader_position(job->reader)};
        buf_append(&job->text, line->text, line->len);
}

static void run_read(uv_work_t *work)
{
        struct read_job *job = CONTAINER_OF(work, struct read_job, work);

        job->result = log_reader_read(job->reader, READ_BYTES, job->at_end, on_line, job);
        job->end = log_reader_position(job->reader);
}

static void job_free(struct read_job *job)
{
        buf_done(&job->text);
        buf_done(&job->fields);
        free(job->lines);
        if (job->s == NULL) {
                log_reader_free(job->reader);
                if (job->fd >= 0)
                        (void)close(job->fd);
        }
        free(job);
}

void shipping_keep_position(struct shipping *s, const struct log_position *position)
{
        if (position->inode == 0)
                return;
        s->c->log_inode = position->inode;
        s->c->log_offset = position->offset;
        keeper_touch_within(s->shipper->o.keeper, s->c->task, POSITION_DELAY_MS);
}

static void poll_fires(struct timer *timer);

static void arm_poll(struct shipping *s, int64_t delay_ms)
{
        timers_set(s->shipper->o.timers, &s->poll_timer, delay_ms, poll_fires);
}

static void take_lines(struct shipping *s, const struct read_job *job)
{
        if (s->options.driver == LOG_DRIVER_JOURNALD) {
                if (job->result > 0)
                        shipping_keep_position(s, &job->end);
                return;
        }
        for (size_t i = 0; i < job->n; i++)
                log_batch_line(&s->batch, job->lines[i].time_ms, job->text.data + job->lines[i].at, job->lines[i].len,
                               &job->lines[i].start);
        s->quiet = job->n > 0 ? 0 : s->quiet + 1;
        /* An event of several lines is whole when nothing followed for a while. */
        log_batch_end(&s->batch, &job->end, (job->at_end && job->n == 0) || s->quiet > 1);
}

static void on_read(uv_work_t *work, int status)
{
        struct read_job *job = CONTAINER_OF(work, struct read_job, work);
        struct shipping *s = job->s;

        if (s == NULL || status < 0) {
                job_free(job);
                return;
        }
        s->job = NULL;
        take_lines(s, job);
        bool nothing = job->result <= 0;
        if (nothing && job->at_end)
                s->at_eof = true;
        if (job->result < 0 && job->result != -ENOENT)
                log_warn("a container's log cannot be read", LOG_S("container", s->c->runtime_id), LOG_ERRNO(job->result));
        if (job->refused > 0)
                log_warn("journald did not take lines of a container's log, they are only in its file",
                         LOG_S("container", s->c->runtime_id), LOG_I("lines", job->refused), LOG_ERRNO(job->refusal));
        job_free(job);
        if (!nothing || s->written)
                shipping_read(s);
        else if (!s->at_eof)
                arm_poll(s, s->ended ? 0 : POLL_MS);
        awslogs_pump(s);
        shipping_check(s);
}

void shipping_check(struct shipping *s)
{
        const struct log_shipper_options *o = &s->shipper->o;

        if (s->told || o->finished == NULL || !log_ship_is_done(s->c))
                return;
        s->told = true;
        o->finished(s->c, o->data);
}

void shipping_read(struct shipping *s)
{
        if (s->job != NULL || s->at_eof || s->reader == NULL) {
                s->written = true;
                return;
        }
        s->written = false;
        if (log_batch_is_full(&s->batch))
                return; /* again when something was accepted */
        struct read_job *job = xalloc(sizeof(*job));
        *job = (struct read_job){.s = s, .reader = s->reader, .at_end = s->ended, .fd = s->journal_fd};
        if (s->journal_fd >= 0)
                journald_fields(s->c, s->options.tag, &job->fields);
        s->job = job;
        int r = uv_queue_work(s->shipper->o.loop, &job->work, run_read, on_read);
        assert(r == 0);
}

static void poll_fires(struct timer *timer)
{
        shipping_read(CONTAINER_OF(timer, struct shipping, poll_timer));
}

/* ---- notice of writes ---- */

static void on_changed(uv_fs_event_t *watch, const char *filename, int events, int status)
{
        struct shipping *s = watch->data;

        (void)filename;
        (void)events;
        if (s != NULL && status == 0 && s->job == NULL)
                shipping_read(s);
        else if (s != NULL)
                s->written = true;
}

static void on_watch_closed(uv_handle_t *handle)
{
        free(handle);
}

static void watch(struct shipping *s, const char *path)
{
        s->watch = xalloc(sizeof(*s->watch));
        int r = uv_fs_event_init(s->shipper->o.loop, s->watch);
        assert(r == 0);
        s->watch->data = s;
        uv_unref((uv_handle_t *)s->watch);
        /* Without it (too many watches) the poll finds what is new, a little later. */
        r = uv_fs_event_start(s->watch, on_changed, path, 0);
        if (r < 0)
                log_debug("no notice of log writes", LOG_S("path", path), LOG_ERRNO(r));
}

/* ---- following ---- */

int shipping_new(struct log_shipper *shipper, struct engine_container *c, struct shipping **ret, struct error *error)
{
        struct shipping *s = xalloc(sizeof(*s));

        s->shipper = shipper;
        s->c = c;
        s->journal_fd = -1;
        s->backoff = (struct backoff){.min_ms = 200, .max_ms = 30000, .factor = 2, .jitter = 0.3};
        int r = log_options_read(c, shipper->o.agent->logs_endpoint, &s->arena, &s->options, error);
        if (r == 0 && s->options.driver == LOG_DRIVER_JOURNALD) {
                s->journal_fd = journald_open(error);
                r = MIN(s->journal_fd, 0);
        }
        if (r < 0) {
                arena_done(&s->arena);
                free(s);
                return r;
        }
        log_batch_init(&s->batch, &s->options.multiline);
        c->log = s;
        *ret = s;
        return 0;
}

int log_ship_open(struct log_shipper *shipper, struct engine_container *c,
                  void (*done)(struct engine_container *c, const struct error *error, void *data), void *data, struct error *error)
{
        enum log_driver driver = log_driver_of(c);
        struct shipping *s = shipping_of(c);
        struct error why = {0};

        if (driver != LOG_DRIVER_AWSLOGS && driver != LOG_DRIVER_JOURNALD)
                return 0;
        if (s == NULL && shipping_new(shipper, c, &s, &why) < 0)
                return error_api(error, "ResourceInitializationError", "failed to initialize logging driver: %s", why.message);
        if (driver == LOG_DRIVER_JOURNALD)
                return 0;
        s->open_done = done;
        s->open_data = data;
        awslogs_open(s);
        return 1;
}

void log_ship_open_cancel(struct engine_container *c)
{
        struct shipping *s = shipping_of(c);

        if (s == NULL)
                return;
        s->open_done = NULL;
}

void log_ship_follow(struct log_shipper *shipper, struct engine_container *c, const char *path)
{
        enum log_driver driver = log_driver_of(c);
        struct shipping *s = shipping_of(c);
        struct error error = {0};

        if ((driver != LOG_DRIVER_AWSLOGS && driver != LOG_DRIVER_JOURNALD) || path == NULL)
                return;
        if (s == NULL && shipping_new(shipper, c, &s, &error) < 0) {
                log_error("a container's log cannot be shipped", LOG_S("container", c->runtime_id), LOG_S("error", error.message));
                return;
        }
        if (s->reader != NULL)
                return; /* a restart: the file goes on */
        const struct log_position from = {.inode = c->log_inode, .offset = c->log_offset};
        s->reader = log_reader_new(path, &from, 0);
        watch(s, path);
        shipping_read(s);
}

void log_ship_finish(struct engine_container *c)
{
        struct shipping *s = shipping_of(c);

        if (s == NULL || s->reader == NULL || s->ended)
                return;
        s->ended = true;
        shipping_read(s);
}

bool log_ship_is_done(const struct engine_container *c)
{
        const struct shipping *s = shipping_of(c);

        if (s == NULL || s->reader == NULL)
                return true;
        return s->at_eof && s->batch.n == 0 && !s->batch.is_open;
}

void log_ship_forget(struct engine_container *c)
{
        struct shipping *s = TAKE(c->log);

        if (s == NULL)
                return;
        aws_call_cancel(&s->call);
        timers_cancel(s->shipper->o.timers, &s->poll_timer);
        timers_cancel(s->shipper->o.timers, &s->send_timer);
        if (s->watch != NULL) {
                s->watch->data = NULL;
                uv_close((uv_handle_t *)s->watch, on_watch_closed);
        }
        if (s->job != NULL) {
                s->job->s = NULL; /* it frees the reader and closes the journal */
        } else {
                log_reader_free(s->reader);
                if (s->journal_fd >= 0)
                        (void)close(s->journal_fd);
        }
        log_batch_done(&s->batch);
        log_options_done(&s->options);
        arena_done(&s->arena);
        free(s);
}
