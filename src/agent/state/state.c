/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that writes the node's records, and the reading of them at the start. */
#include "agent/state/state.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/state/record_file.h"
#include "api/saved.idl.h"
#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"

struct state_dir {
        char *path;
        uv_async_t wake; /* the loop: something is done */
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t more;
        struct list queue, done; /* of state_op; under the lock */
        bool ending;
        pthread_mutex_t file_lock;
        struct record_file *file; /* under its lock */
};

static int run_all(struct state_dir *dir, const struct list *ops)
{
        bool durable = false;
        int r;

        pthread_mutex_lock(&dir->file_lock);
        list_for_each (op, (struct list *)(uintptr_t)ops, struct state_op, link_) {
                durable |= !op->remove_ && op->durable_;
                if (op->remove_)
                        record_file_remove(dir->file, op->key_);
                else
                        record_file_put(dir->file, op->key_, op->content_.data, op->content_.len);
        }
        r = record_file_commit(dir->file, durable);
        pthread_mutex_unlock(&dir->file_lock);
        return r;
}

static void *work(void *data)
{
        struct state_dir *dir = data;
        struct list now;

        list_init(&now);
        pthread_mutex_lock(&dir->lock);
        for (;;) {
                if (list_empty(&dir->queue) && dir->ending)
                        break;
                if (list_empty(&dir->queue)) {
                        pthread_cond_wait(&dir->more, &dir->lock);
                        continue;
                }
                list_move_all(&dir->queue, &now);
                pthread_mutex_unlock(&dir->lock);
                int r = run_all(dir, &now);
                list_for_each (op, &now, struct state_op, link_)
                        op->result_ = r;
                pthread_mutex_lock(&dir->lock);
                list_move_all(&now, &dir->done);
                (void)uv_async_send(&dir->wake);
        }
        pthread_mutex_unlock(&dir->lock);
        return NULL;
}

static void clear(struct state_op *op)
{
        free(op->key_);
        op->key_ = NULL;
        buf_done(&op->content_);
        op->busy_ = false;
}

static void finish(struct state_op *op)
{
        bool orphan = op->cancelled_;
        int result = op->result_;

        clear(op);
        if (orphan)
                free(op);
        else if (op->done != NULL)
                op->done(op, result);
}

static void on_wake(uv_async_t *wake)
{
        struct state_dir *dir = wake->data;

        for (;;) {
                pthread_mutex_lock(&dir->lock);
                struct state_op *op = list_first(&dir->done, struct state_op, link_);
                if (op != NULL)
                        list_remove(&op->link_);
                pthread_mutex_unlock(&dir->lock);
                if (op == NULL)
                        return;
                finish(op);
        }
}

int state_dir_new(uv_loop_t *loop, const char *path, struct state_dir **ret, struct error *error)
{
        CLEANUP_FREE char *name = xprintf("%s/state", path);
        struct record_file *file = NULL;
        int r = files_make_dirs(path, 0700);

        if (r < 0)
                return error_set(error, -r, "cannot make %s: %s; choose another --data-dir", path, strerror(-r));
        r = record_file_open(name, &file, error);
        if (r < 0)
                return r;
        if (record_file_damage(file) > 0)
                log_error("parts of the node's state are damaged and left out; what they described is no longer known to this node: look "
                          "at its disk",
                          LOG_S("path", name), LOG_I("lines", record_file_damage(file)), LOG_S("kept", ".damaged"));
        struct state_dir *dir = xalloc(sizeof(*dir));
        dir->file = file;
        pthread_mutex_init(&dir->file_lock, NULL);
        dir->path = xstrdup(path);
        list_init(&dir->queue);
        list_init(&dir->done);
        pthread_mutex_init(&dir->lock, NULL);
        pthread_cond_init(&dir->more, NULL);
        r = uv_async_init(loop, &dir->wake, on_wake);
        assert(r == 0);
        dir->wake.data = dir;
        uv_unref((uv_handle_t *)&dir->wake);
        r = pthread_create(&dir->thread, NULL, work, dir);
        assert(r == 0);
        *ret = dir;
        return 0;
}

static void on_closed(uv_handle_t *handle)
{
        struct state_dir *dir = handle->data;

        free(dir->path);
        free(dir);
}

struct state_dir *state_dir_free(struct state_dir *dir)
{
        if (dir == NULL)
                return NULL;
        pthread_mutex_lock(&dir->lock);
        dir->ending = true;
        pthread_cond_signal(&dir->more);
        pthread_mutex_unlock(&dir->lock);
        pthread_join(dir->thread, NULL);
        list_for_each (op, &dir->done, struct state_op, link_) {
                list_remove(&op->link_);
                op->done = NULL;
                finish(op);
        }
        pthread_mutex_destroy(&dir->lock);
        pthread_cond_destroy(&dir->more);
        pthread_mutex_destroy(&dir->file_lock);
        dir->file = record_file_close(dir->file);
        uv_close((uv_handle_t *)&dir->wake, on_closed);
        return NULL;
}

static void enqueue(struct state_dir *dir, struct state_op *op, const char *key)
{
        assert(!op->busy_);
        op->key_ = xstrdup(key);
        op->busy_ = true;
        op->cancelled_ = false;
        list_init(&op->link_);
        pthread_mutex_lock(&dir->lock);
        list_push(&dir->queue, &op->link_);
        pthread_cond_signal(&dir->more);
        pthread_mutex_unlock(&dir->lock);
}

void state_write(struct state_dir *dir, struct state_op *op, const char *key, struct buf *content, bool durable)
{
        op->content_ = *content;
        *content = (struct buf){0};
        op->durable_ = durable;
        op->remove_ = false;
        enqueue(dir, op, key);
}

void state_remove(struct state_dir *dir, struct state_op *op, const char *key)
{
        op->remove_ = true;
        enqueue(dir, op, key);
}

bool state_op_is_busy(const struct state_op *op)
{
        return op->busy_;
}

/* The thread may have the operation in its hands: it goes on with a copy only if it has not begun. */
void state_op_cancel(struct state_dir *dir, struct state_op *op)
{
        if (!op->busy_)
                return;
        pthread_mutex_lock(&dir->lock);
        bool waiting = false;
        list_for_each (it, &dir->queue, struct state_op, link_)
                waiting |= it == op;
        if (waiting) {
                struct state_op *copy = xalloc(sizeof(*copy));

                *copy = *op;
                copy->cancelled_ = true;
                list_init(&copy->link_);
                list_insert_before(&op->link_, &copy->link_);
                list_remove(&op->link_);
                *op = (struct state_op){0};
        }
        pthread_mutex_unlock(&dir->lock);
        /* Under way or done: wait for the thread to let go of it, which is a matter of milliseconds. */
        while (!waiting && op->busy_) {
                pthread_mutex_lock(&dir->lock);
                list_for_each (it, &dir->done, struct state_op, link_) {
                        if (it == op) {
                                list_remove(&op->link_);
                                clear(op);
                        }
                }
                pthread_mutex_unlock(&dir->lock);
                if (op->busy_)
                        (void)nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        }
}

/* ---- reading ---- */

static int check_version(const struct shape *shape, struct arena *arena, const struct buf *text, struct error *error)
{
        const struct shape_limits limits = {.skip_validation = true};
        struct saved_version *version = NULL;
        int r = SHAPE_PARSE(saved_version, arena, text->data, text->len, &limits, &version, error);

        if (r < 0)
                return r;
        if (version->v > shape->version)
                return error_set(error, EINVAL, "it has version %d, and this program knows versions up to %u", version->v, shape->version);
        return 0;
}

static int read_record(struct state_dir *dir, const char *key, struct buf *out)
{
        pthread_mutex_lock(&dir->file_lock);
        int r = record_file_read(dir->file, key, out);
        pthread_mutex_unlock(&dir->file_lock);
        return r;
}

int state_read(struct state_dir *dir, const char *key, const struct shape *shape, struct arena *arena, void **ret, struct error *error)
{
        struct buf text CLEANUP_BUF = {0};
        const struct shape_limits limits = {.skip_validation = true};
        int r = read_record(dir, key, &text);

        if (r == -ENOENT)
                return r;
        if (r < 0)
                return error_set(error, EINVAL, "cannot read it: %s", strerror(-r));
        r = check_version(shape, arena, &text, error);
        if (r < 0)
                return r;
        return shape_from_json(shape, arena, text.data, text.len, &limits, ret, error);
}

static bool is_below(const char *key, const char *dir)
{
        return str_starts_with(key, dir) && key[strlen(dir)] == '/';
}

/* Removes the records, and collects what they were. */
static int take_out(struct state_dir *dir, const char *key, struct buf *out)
{
        pthread_mutex_lock(&dir->file_lock);
        const char *k = record_file_next(dir->file, NULL);
        for (; k != NULL; k = record_file_next(dir->file, k)) {
                if (!str_eq(k, key) && !is_below(k, key))
                        continue;
                buf_printf(out, "%s ", k);
                (void)(record_file_read(dir->file, k, out) < 0);
                buf_append_char(out, '\n');
        }
        record_file_remove(dir->file, key);
        int r = record_file_commit(dir->file, true);
        pthread_mutex_unlock(&dir->file_lock);
        return r;
}

void state_move_aside(struct state_dir *dir, const char *key, const char *why)
{
        struct timespec now;
        CLEANUP_FREE char *aside = xprintf("%s/aside", dir->path);
        CLEANUP_FREE char *flat = xstrdup(key);
        struct buf text CLEANUP_BUF = {0};

        for (char *p = flat; *p != '\0'; p++) {
                if (*p == '/')
                        *p = '_';
        }
        (void)clock_gettime(CLOCK_REALTIME, &now);
        CLEANUP_FREE char *to = xprintf("%s/%s.%lld.%ld", aside, flat, (long long)now.tv_sec, now.tv_nsec);
        int r = take_out(dir, key, &text);
        if (r == 0)
                r = files_make_dirs(aside, 0700);
        if (r == 0)
                r = files_write(AT_FDCWD, to, text.data, text.len, 0600, false);
        log_error("state that cannot be used was moved aside; what it described is no longer known to this node", LOG_S("record", key),
                  LOG_S("to", r == 0 ? to : "(could not be moved)"), LOG_S("why", why));
}

void state_list(struct state_dir *dir, const char *key, struct arena *arena, struct string_list *ret)
{
        CLEANUP_FREE char *below = xprintf("%s/", key);

        *ret = (struct string_list){0};
        pthread_mutex_lock(&dir->file_lock);
        for (const char *k = record_file_next(dir->file, below); k != NULL && str_starts_with(k, below);
             k = record_file_next(dir->file, k)) {
                const char *name = k + strlen(below);
                const char *copy = arena_strndup(arena, name, strcspn(name, "/"));

                if (ret->n == 0 || !str_eq(ret->items[ret->n - 1], copy))
                        string_list_push(arena, ret, copy);
        }
        pthread_mutex_unlock(&dir->file_lock);
}

void state_boot_id(char ret[64])
{
        struct buf text CLEANUP_BUF = {0};

        ret[0] = '\0';
        if (buf_read_file(&text, "/proc/sys/kernel/random/boot_id", 4096) == 0)
                (void)snprintf(ret, 64, "%.*s", (int)MIN(strcspn(text.data, "\n"), 63), text.data);
}
