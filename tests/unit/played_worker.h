/* SPDX-License-Identifier: Apache-2.0 */
/* HAProxy's runtime socket, played by the test: a loop, a socket on it, and who has connected to it. */
#pragma once

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "base/buf.h"

#include "unit.h"

struct played_worker {
        uv_loop_t loop;
        uv_pipe_t listener, peer;
        uv_timer_t limit;
        char path[64], chunk[4096];
        bool accepted;
        struct buf got; /* what it was sent */
        /* More has come; may take from `got`. May be NULL. */
        void (*received)(struct played_worker *worker);
};

static inline void played_worker_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct played_worker *worker = handle->data;

        *ret = uv_buf_init(worker->chunk, sizeof(worker->chunk));
}

static inline void played_worker_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
        struct played_worker *worker = stream->data;

        if (n < 0)
                uv_read_stop(stream);
        if (n <= 0)
                return;
        buf_append(&worker->got, data->base, (size_t)n);
        if (worker->received != NULL)
                worker->received(worker);
}

static inline void played_worker_on_connection(uv_stream_t *listener, int status)
{
        struct played_worker *worker = listener->data;

        uv_pipe_init(&worker->loop, &worker->peer, 0);
        worker->peer.data = worker;
        assert_int_equal(uv_accept(listener, (uv_stream_t *)&worker->peer), 0);
        worker->accepted = true;
        uv_read_start((uv_stream_t *)&worker->peer, played_worker_on_alloc, played_worker_on_read);
}

static inline void played_worker_on_limit(uv_timer_t *timer)
{
        struct played_worker *worker = timer->data;

        fail_msg("the test hangs; the worker got\n%s", worker->got.len > 0 ? worker->got.data : "nothing");
}

/* Listens; the test fails when it is not over within five seconds. */
static inline void played_worker_open(struct played_worker *worker)
{
        uv_loop_init(&worker->loop);
        snprintf(worker->path, sizeof(worker->path), "/tmp/gantry-lb-test-%d.sock", (int)getpid());
        unlink(worker->path);
        uv_pipe_init(&worker->loop, &worker->listener, 0);
        worker->listener.data = worker;
        assert_int_equal(uv_pipe_bind(&worker->listener, worker->path), 0);
        assert_int_equal(uv_listen((uv_stream_t *)&worker->listener, 4, played_worker_on_connection), 0);
        uv_timer_init(&worker->loop, &worker->limit);
        worker->limit.data = worker;
        uv_timer_start(&worker->limit, played_worker_on_limit, 5000, 0);
}

static inline void played_worker_say(struct played_worker *worker, const char *text)
{
        uv_buf_t piece = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));

        assert_int_equal(uv_try_write((uv_stream_t *)&worker->peer, &piece, 1), (int)strlen(text));
}

/* After all else on the loop has been closed. */
static inline void played_worker_close(struct played_worker *worker)
{
        uv_close((uv_handle_t *)&worker->listener, NULL);
        uv_close((uv_handle_t *)&worker->limit, NULL);
        if (worker->accepted && !uv_is_closing((uv_handle_t *)&worker->peer))
                uv_close((uv_handle_t *)&worker->peer, NULL);
        uv_run(&worker->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&worker->loop), 0);
        buf_done(&worker->got);
        unlink(worker->path);
}
