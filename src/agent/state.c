/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that writes the node's files, and the reading of them at the start. */
#include "agent/state.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/fsutil.h"
#include "api/saved.idl.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#define FILE_MAX ((size_t)16 << 20)

struct state_dir {
        char *path;
        uv_async_t wake; /* the loop: something is done */
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t more;
        struct list queue, done; /* of state_op; under the lock */
        bool ending;
};

static int run_write(const struct state_dir *dir, const struct state_op *op)
{
        CLEANUP_FREE char *path = xprintf("%s/%s", dir->path, op->path_);
        CLEANUP_FREE char *parent = xstrdup(path);
        char *slash = strrchr(parent, '/');
        int r;

        *slash = '\0';
        if (mkdir(parent, 0700) == 0) {
                /* A new directory: its own entry must last as well. */
                CLEANUP_FREE char *above = xstrdup(parent);

                *strrchr(above, '/') = '\0';
                r = op->durable_ ? fs_sync_dir(above) : 0;
                if (r < 0)
                        return r;
        } else if (errno != EEXIST) {
                return -errno;
        }
        return fs_write_file(path, op->content_.data, op->content_.len, op->durable_);
}

static int run_op(const struct state_dir *dir, const struct state_op *op)
{
        if (!op->remove_)
                return run_write(dir, op);
        CLEANUP_FREE char *path = xprintf("%s/%s", dir->path, op->path_);
        return fs_remove_tree(path);
}

static void *work(void *data)
{
        struct state_dir *dir = data;

        pthread_mutex_lock(&dir->lock);
        for (;;) {
                struct state_op *op = list_first(&dir->queue, struct state_op, link_);

                if (op == NULL && dir->ending)
                        break;
                if (op == NULL) {
                        pthread_cond_wait(&dir->more, &dir->lock);
                        continue;
                }
                list_remove(&op->link_);
                pthread_mutex_unlock(&dir->lock);
                op->result_ = run_op(dir, op);
                pthread_mutex_lock(&dir->lock);
                list_push(&dir->done, &op->link_);
                (void)uv_async_send(&dir->wake);
        }
        pthread_mutex_unlock(&dir->lock);
        return NULL;
}

static void clear(struct state_op *op)
{
        free(op->path_);
        op->path_ = NULL;
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
        CLEANUP_FREE char *tasks = xprintf("%s/tasks", path);
        int r = fs_make_dirs(tasks, 0700);

        if (r < 0)
                return error_set(error, -r, "cannot make %s: %s; choose another --data-dir", tasks, strerror(-r));
        struct state_dir *dir = xalloc(sizeof(*dir));
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
        uv_close((uv_handle_t *)&dir->wake, on_closed);
        return NULL;
}

const char *state_dir_path(const struct state_dir *dir)
{
        return dir->path;
}

static void enqueue(struct state_dir *dir, struct state_op *op, const char *path)
{
        assert(!op->busy_);
        op->path_ = xstrdup(path);
        op->busy_ = true;
        op->cancelled_ = false;
        list_init(&op->link_);
        pthread_mutex_lock(&dir->lock);
        list_push(&dir->queue, &op->link_);
        pthread_cond_signal(&dir->more);
        pthread_mutex_unlock(&dir->lock);
}

void state_write(struct state_dir *dir, struct state_op *op, const char *path, struct buf *content, bool durable)
{
        op->content_ = *content;
        *content = (struct buf){0};
        op->durable_ = durable;
        op->remove_ = false;
        enqueue(dir, op, path);
}

void state_remove(struct state_dir *dir, struct state_op *op, const char *path)
{
        op->remove_ = true;
        enqueue(dir, op, path);
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

int state_read(const struct state_dir *dir, const char *path, const struct shape *shape, struct arena *arena, void **ret,
               struct error *error)
{
        struct buf text CLEANUP_BUF = {0};
        const struct shape_limits limits = {.skip_validation = true};
        const char *full = arena_printf(arena, "%s/%s", dir->path, path);
        int r = buf_read_file(&text, full, FILE_MAX);

        if (r == -ENOENT)
                return r;
        if (r < 0)
                return error_set(error, EINVAL, "cannot read it: %s", strerror(-r));
        r = check_version(shape, arena, &text, error);
        if (r < 0)
                return r;
        return shape_from_json(shape, arena, text.data, text.len, &limits, ret, error);
}

void state_move_aside(const struct state_dir *dir, const char *path, const char *why)
{
        struct timespec now;
        CLEANUP_FREE char *from = xprintf("%s/%s", dir->path, path);
        CLEANUP_FREE char *aside = xprintf("%s/aside", dir->path);
        CLEANUP_FREE char *flat = xstrdup(path);

        for (char *p = flat; *p != '\0'; p++) {
                if (*p == '/')
                        *p = '_';
        }
        (void)clock_gettime(CLOCK_REALTIME, &now);
        CLEANUP_FREE char *to = xprintf("%s/%s.%lld.%ld", aside, flat, (long long)now.tv_sec, now.tv_nsec);
        int r = fs_make_dirs(aside, 0700);
        if (r == 0 && rename(from, to) < 0)
                r = -errno;
        log_error("state that cannot be used was moved aside; what it described is no longer known to this node", LOG_S("path", from),
                  LOG_S("to", r == 0 ? to : "(could not be moved)"), LOG_S("why", why));
}

void state_list(const struct state_dir *dir, const char *path, struct arena *arena, struct string_list *ret)
{
        CLEANUP_FREE char *full = xprintf("%s/%s", dir->path, path);
        DIR *d = opendir(full);

        *ret = (struct string_list){0};
        if (d == NULL)
                return;
        for (struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d)) {
                if (entry->d_name[0] != '.')
                        string_list_push(arena, ret, arena_strdup(arena, entry->d_name));
        }
        (void)closedir(d);
}

void state_boot_id(char ret[64])
{
        struct buf text CLEANUP_BUF = {0};

        ret[0] = '\0';
        if (buf_read_file(&text, "/proc/sys/kernel/random/boot_id", 4096) == 0)
                (void)snprintf(ret, 64, "%.*s", (int)MIN(strcspn(text.data, "\n"), 63), text.data);
}
