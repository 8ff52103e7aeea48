/* SPDX-License-Identifier: Apache-2.0 */
/* Commands to a HAProxy worker and its answers. */
#include "lb/runtime.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define PROMPT "\n> "
#define FIRST_PROMPT "> "

struct pending {
        struct list link;
        lb_answer_fn answer;
        void *data;
};

struct lb_runtime {
        struct lb_runtime_options options;
        uv_pipe_t pipe;
        uv_connect_t connect;
        struct list pending;
        size_t n_pending;
        struct buf in;
        size_t scanned; /* of `in`: no prompt ends before here */
        bool open, ready, closing, freed;
        char chunk[65536];
};

struct write {
        uv_write_t request;
        char data[];
};

static void on_closed(uv_handle_t *handle)
{
        struct lb_runtime *runtime = handle->data;

        buf_done(&runtime->in);
        free(runtime);
}

static void drop_pending(struct lb_runtime *runtime)
{
        list_for_each (pending, &runtime->pending, struct pending, link) {
                list_remove(&pending->link);
                runtime->n_pending--;
                if (pending->answer != NULL)
                        pending->answer(pending->data, NULL);
                free(pending);
        }
}

static void end(struct lb_runtime *runtime, const char *why)
{
        if (runtime->closing)
                return;
        runtime->closing = true;
        uv_read_stop((uv_stream_t *)&runtime->pipe);
        drop_pending(runtime);
        if (!runtime->freed)
                runtime->options.ended(runtime->options.data, why);
}

/* A whole answer is at the start of `in`, `len` bytes long. */
static void take_answer(struct lb_runtime *runtime, size_t len)
{
        struct pending *pending = list_first(&runtime->pending, struct pending, link);

        runtime->in.data[len] = '\0';
        if (!runtime->ready) {
                runtime->ready = true;
                runtime->options.connected(runtime->options.data);
                return;
        }
        if (pending == NULL)
                return;
        list_remove(&pending->link);
        runtime->n_pending--;
        if (pending->answer != NULL)
                pending->answer(pending->data, runtime->in.data);
        free(pending);
}

static void take_answers(struct lb_runtime *runtime)
{
        while (!runtime->freed && !runtime->closing) {
                size_t from = runtime->scanned > 2 ? runtime->scanned - 2 : 0, skip;
                const char *found;

                if (!runtime->ready && runtime->in.len >= 2 && memcmp(runtime->in.data, FIRST_PROMPT, 2) == 0) {
                        found = runtime->in.data;
                        skip = 2;
                } else {
                        found = runtime->in.len > from ? memmem(runtime->in.data + from, runtime->in.len - from, PROMPT, 3) : NULL;
                        skip = 3;
                }
                if (found == NULL) {
                        runtime->scanned = runtime->in.len;
                        return;
                }
                skip += (size_t)(found - runtime->in.data);
                take_answer(runtime, (size_t)(found - runtime->in.data));
                buf_consume(&runtime->in, skip);
                runtime->scanned = 0;
        }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct lb_runtime *runtime = handle->data;

        (void)suggested;
        *ret = uv_buf_init(runtime->chunk, sizeof(runtime->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
        struct lb_runtime *runtime = stream->data;

        if (n < 0) {
                end(runtime, n == UV_EOF ? "the proxy closed its runtime socket" : uv_strerror((int)n));
                return;
        }
        buf_append(&runtime->in, data->base, (size_t)n);
        take_answers(runtime);
}

static void on_written(uv_write_t *request, int status)
{
        struct lb_runtime *runtime = request->handle->data;

        if (status < 0 && status != UV_ECANCELED)
                end(runtime, uv_strerror(status));
        free(request);
}

static void write_text(struct lb_runtime *runtime, const char *text, size_t len)
{
        struct write *write = xalloc(sizeof(*write) + len);
        uv_buf_t piece;
        int r;

        memcpy(write->data, text, len);
        piece = uv_buf_init(write->data, (unsigned)len);
        r = uv_write(&write->request, (uv_stream_t *)&runtime->pipe, &piece, 1, on_written);
        if (r < 0)
                free(write); /* the read side says that it has ended */
}

static void on_connect(uv_connect_t *request, int status)
{
        struct lb_runtime *runtime = request->handle->data;

        if (runtime->freed)
                return;
        if (status < 0) {
                end(runtime, uv_strerror(status));
                return;
        }
        runtime->open = true;
        uv_read_start((uv_stream_t *)&runtime->pipe, on_alloc, on_read);
        write_text(runtime, "prompt\n", strlen("prompt\n"));
}

struct lb_runtime *lb_runtime_new(const struct lb_runtime_options *options)
{
        struct lb_runtime *runtime = xalloc(sizeof(*runtime));

        runtime->options = *options;
        list_init(&runtime->pending);
        uv_pipe_init(options->loop, &runtime->pipe, 0);
        runtime->pipe.data = runtime;
        uv_pipe_connect(&runtime->connect, &runtime->pipe, options->path, on_connect);
        return runtime;
}

void lb_runtime_send(struct lb_runtime *runtime, lb_answer_fn answer, void *data, const char *fmt, ...)
{
        CLEANUP_BUF struct buf text = {0};
        struct pending *pending;
        va_list args;
        char *line;
        int n;

        if (runtime->closing || runtime->freed || !runtime->ready) {
                if (answer != NULL)
                        answer(data, NULL);
                return;
        }
        va_start(args, fmt);
        n = vasprintf(&line, fmt, args);
        va_end(args);
        if (n < 0)
                abort();
        buf_append(&text, line, (size_t)n);
        buf_append_char(&text, '\n');
        free(line);
        pending = xalloc(sizeof(*pending));
        pending->answer = answer;
        pending->data = data;
        list_push(&runtime->pending, &pending->link);
        runtime->n_pending++;
        write_text(runtime, text.data, text.len);
}

void lb_runtime_hand_over(struct lb_runtime *runtime, void (*ended)(void *data, const char *why), void *data)
{
        runtime->options.ended = ended;
        runtime->options.data = data;
        /* They stay in the queue: their answers have to be taken for what they are. */
        list_for_each (pending, &runtime->pending, struct pending, link) {
                lb_answer_fn answer = pending->answer;

                pending->answer = NULL;
                if (answer != NULL)
                        answer(pending->data, NULL);
        }
}

bool lb_runtime_ready(const struct lb_runtime *runtime)
{
        return runtime->ready && !runtime->closing && !runtime->freed;
}

size_t lb_runtime_waiting(const struct lb_runtime *runtime)
{
        return runtime->n_pending;
}

struct lb_runtime *lb_runtime_free(struct lb_runtime *runtime)
{
        if (runtime == NULL)
                return NULL;
        runtime->freed = true;
        drop_pending(runtime);
        uv_close((uv_handle_t *)&runtime->pipe, on_closed);
        return NULL;
}
