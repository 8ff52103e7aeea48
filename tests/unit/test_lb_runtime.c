/* SPDX-License-Identifier: Apache-2.0 */
/* The dialogue on HAProxy's runtime socket, against a socket that plays HAProxy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "lb/runtime.h"
#include "unit.h"

/* What the played proxy got and what it says to each line, in order. */
struct world {
        uv_loop_t loop;
        char path[64];
        uv_pipe_t listener, peer;
        bool accepted;
        struct buf got;
        struct lb_runtime *runtime;
        struct buf answers;
        int connected, ended, n_answers, n_null;
        char chunk[4096];
        uv_timer_t limit;
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct world *w = handle->data;

        *ret = uv_buf_init(w->chunk, sizeof(w->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
        struct world *w = stream->data;

        if (n > 0)
                buf_append(&w->got, data->base, (size_t)n);
        if (n < 0)
                uv_read_stop(stream);
}

static void on_connection(uv_stream_t *listener, int status)
{
        struct world *w = listener->data;

        uv_pipe_init(&w->loop, &w->peer, 0);
        w->peer.data = w;
        assert_int_equal(uv_accept(listener, (uv_stream_t *)&w->peer), 0);
        w->accepted = true;
        uv_read_start((uv_stream_t *)&w->peer, on_alloc, on_read);
}

static void on_connected(void *data)
{
        ((struct world *)data)->connected++;
}

static void on_ended(void *data, const char *why)
{
        ((struct world *)data)->ended++;
}

static void on_answer(void *data, const char *answer)
{
        struct world *w = data;

        w->n_answers++;
        w->n_null += answer == NULL;
        buf_printf(&w->answers, "[%s]", answer != NULL ? answer : "NULL");
}

static void on_limit(uv_timer_t *timer)
{
        fail_msg("the test hangs");
}

static void begin(struct world *w)
{
        *w = (struct world){0};
        uv_loop_init(&w->loop);
        snprintf(w->path, sizeof(w->path), "/tmp/gantry-lb-test-%d.sock", (int)getpid());
        unlink(w->path);
        uv_pipe_init(&w->loop, &w->listener, 0);
        w->listener.data = w;
        assert_int_equal(uv_pipe_bind(&w->listener, w->path), 0);
        assert_int_equal(uv_listen((uv_stream_t *)&w->listener, 4, on_connection), 0);
        uv_timer_init(&w->loop, &w->limit);
        uv_timer_start(&w->limit, on_limit, 5000, 0);
        w->runtime = lb_runtime_new(
                &(struct lb_runtime_options){.loop = &w->loop, .path = w->path, .connected = on_connected, .ended = on_ended, .data = w});
}

static void end(struct world *w)
{
        w->runtime = lb_runtime_free(w->runtime);
        uv_close((uv_handle_t *)&w->listener, NULL);
        uv_close((uv_handle_t *)&w->limit, NULL);
        if (w->accepted && !uv_is_closing((uv_handle_t *)&w->peer))
                uv_close((uv_handle_t *)&w->peer, NULL);
        uv_run(&w->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&w->loop), 0);
        buf_done(&w->got);
        buf_done(&w->answers);
        unlink(w->path);
}

static void turn_until(struct world *w, const int *value, int wanted)
{
        while (*value < wanted)
                uv_run(&w->loop, UV_RUN_ONCE);
}

static void turn_until_got(struct world *w, const char *text)
{
        while (w->got.data == NULL || strstr(w->got.data, text) == NULL)
                uv_run(&w->loop, UV_RUN_ONCE);
}

static void say(struct world *w, const char *text)
{
        uv_buf_t piece = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));

        assert_int_equal(uv_try_write((uv_stream_t *)&w->peer, &piece, 1), (int)strlen(text));
}

static void greet(struct world *w)
{
        turn_until_got(w, "prompt\n");
        say(w, "\n> ");
        turn_until(w, &w->connected, 1);
}

static void test_answers_in_order(void **state)
{
        struct world w;

        begin(&w);
        greet(&w);
        lb_runtime_send(w.runtime, on_answer, &w, "add server %s", "T-1/a");
        lb_runtime_send(w.runtime, NULL, NULL, "enable health T-1/a");
        lb_runtime_send(w.runtime, on_answer, &w, "show stat");
        assert_int_equal(lb_runtime_waiting(w.runtime), 3);
        turn_until_got(&w, "show stat\n");
        assert_string_equal(w.got.data, "prompt\nadd server T-1/a\nenable health T-1/a\nshow stat\n");
        /* In pieces that cut a prompt in two. */
        say(&w, "New server registered.\n\n");
        say(&w, "> \n> # pxname,svname\na,b\n\n>");
        turn_until(&w, &w.n_answers, 1);
        say(&w, " ");
        turn_until(&w, &w.n_answers, 2);
        assert_string_equal(w.answers.data, "[New server registered.\n][# pxname,svname\na,b\n]");
        assert_int_equal(lb_runtime_waiting(w.runtime), 0);
        end(&w);
}

/* Every command is answered once, with NULL when the worker has gone; later ones at once. */
static void test_the_worker_goes(void **state)
{
        struct world w;

        begin(&w);
        greet(&w);
        lb_runtime_send(w.runtime, on_answer, &w, "one");
        lb_runtime_send(w.runtime, on_answer, &w, "two");
        turn_until_got(&w, "two\n");
        say(&w, "first\n> ");
        turn_until(&w, &w.n_answers, 1);
        uv_close((uv_handle_t *)&w.peer, NULL);
        turn_until(&w, &w.ended, 1);
        assert_int_equal(w.n_answers, 2);
        lb_runtime_send(w.runtime, on_answer, &w, "three");
        assert_int_equal(w.n_answers, 3);
        assert_int_equal(w.n_null, 2);
        assert_int_equal(w.ended, 1);
        end(&w);
}

static void test_nobody_listens(void **state)
{
        struct world w;

        begin(&w);
        w.runtime = lb_runtime_free(w.runtime);
        unlink(w.path);
        w.runtime = lb_runtime_new(
                &(struct lb_runtime_options){.loop = &w.loop, .path = w.path, .connected = on_connected, .ended = on_ended, .data = &w});
        turn_until(&w, &w.ended, 1);
        assert_int_equal(w.connected, 0);
        end(&w);
}

/* Freed while answers are to come: they come as NULL, and nothing afterwards. */
static void test_freed_early(void **state)
{
        struct world w;

        begin(&w);
        greet(&w);
        lb_runtime_send(w.runtime, on_answer, &w, "one");
        w.runtime = lb_runtime_free(w.runtime);
        assert_int_equal(w.n_null, 1);
        end(&w);
        assert_int_equal(w.ended, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers_in_order),
                cmocka_unit_test(test_the_worker_goes),
                cmocka_unit_test(test_nobody_listens),
                cmocka_unit_test(test_freed_early),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
