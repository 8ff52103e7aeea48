/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of access log lines, and the work that writes them. */
#include "lb/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/files.h"
#include "base/log.h"
#include "base/map.h"

/* More than that waits only when the disk stands still. */
#define MAX_WAITING ((size_t)32 << 20)

/* What one file gets. */
struct piece {
        struct map_node node; /* by path */
        char *path;
        struct buf lines;
};

struct lb_access_log {
        uv_loop_t *loop;
        struct map waiting; /* of struct piece; the loop's */
        size_t waiting_bytes;
        uint64_t dropped;
        uv_work_t work;
        struct map writing; /* of struct piece; the thread's while `busy` */
        bool busy, freed;
        int error; /* of the last batch: errno, 0: none */
};

/* ---- On the thread ---- */

/* A descriptor, or -errno. */
static int open_file(const char *path)
{
        int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, fd = open(path, flags, 0640);
        CLEANUP_FREE char *folder = NULL;
        int r;

        if (fd >= 0 || errno != ENOENT)
                return fd < 0 ? -errno : fd;
        folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
        r = files_make_dirs(folder, 0750);
        if (r < 0)
                return r;
        fd = open(path, flags, 0640);
        return fd < 0 ? -errno : fd;
}

/* 0 or errno. */
static int write_piece(struct piece *piece)
{
        int fd = open_file(piece->path), error = 0;

        if (fd < 0)
                return -fd;
        for (size_t done = 0; done < piece->lines.len && error == 0;) {
                ssize_t n = write(fd, piece->lines.data + done, piece->lines.len - done);

                if (n > 0)
                        done += (size_t)n;
                else if (n == 0 || errno != EINTR)
                        error = n == 0 ? EIO : errno;
        }
        (void)close(fd);
        return error;
}

static void write_batch(uv_work_t *work)
{
        struct lb_access_log *log = work->data;

        log->error = 0;
        map_for_each (node, &log->writing) {
                int error = write_piece(CONTAINER_OF(node, struct piece, node));

                if (error != 0)
                        log->error = error;
        }
}

/* ---- On the loop ---- */

static void drop_pieces(struct map *pieces)
{
        map_for_each (node, pieces) {
                struct piece *piece = CONTAINER_OF(node, struct piece, node);

                map_remove(pieces, &piece->node);
                buf_done(&piece->lines);
                free(piece->path);
                free(piece);
        }
        map_done(pieces);
}

static void begin_batch(struct lb_access_log *log);

static void on_batch(uv_work_t *work, int status)
{
        struct lb_access_log *log = work->data;

        (void)status; /* never cancelled */
        log->busy = false;
        drop_pieces(&log->writing);
        if (log->error != 0)
                log_error("access logs of load balancers cannot be written", LOG_S("error", strerror(log->error)));
        if (log->dropped > 0)
                log_warn("lines of access logs were dropped: the disk is too slow", LOG_I("lines", (int64_t)log->dropped));
        log->dropped = 0;
        begin_batch(log);
}

/* The next one when there is something to write, or the end. */
static void begin_batch(struct lb_access_log *log)
{
        if (log->busy)
                return;
        if (log->waiting.count == 0) {
                if (log->freed) {
                        map_done(&log->waiting);
                        free(log);
                }
                return;
        }
        log->writing = log->waiting;
        map_init(&log->waiting);
        log->waiting_bytes = 0;
        log->work.data = log;
        log->busy = true;
        (void)uv_queue_work(log->loop, &log->work, write_batch, on_batch); /* fails only without a function */
}

struct lb_access_log *lb_access_log_new(uv_loop_t *loop)
{
        struct lb_access_log *log = xalloc(sizeof(*log));

        log->loop = loop;
        map_init(&log->waiting);
        map_init(&log->writing);
        return log;
}

void lb_access_log_append(struct lb_access_log *log, const char *path, const char *line)
{
        struct piece *piece = map_get(&log->waiting, path, struct piece, node);

        if (log->waiting_bytes >= MAX_WAITING) {
                log->dropped++;
                return;
        }
        if (piece == NULL) {
                piece = xalloc(sizeof(*piece));
                piece->path = xstrdup(path);
                map_insert(&log->waiting, &piece->node, piece->path);
        }
        buf_append_str(&piece->lines, line);
        buf_append_char(&piece->lines, '\n');
        log->waiting_bytes += strlen(line) + 1;
        begin_batch(log);
}

struct lb_access_log *lb_access_log_free(struct lb_access_log *log)
{
        if (log == NULL)
                return NULL;
        log->freed = true;
        begin_batch(log);
        return NULL;
}
