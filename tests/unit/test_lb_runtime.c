/* SPDX-License-Identifier: Apache-2.0 */
/* The dialogue on HAProxy's runtime socket, against a socket that plays HAProxy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "lb/runtime.h"
#include "played_worker.h"
#include "unit.h"

/* What the played proxy got and what it says to each line, in order. */
struct world {
        struct played_worker worker;
        struct lb_runtime *runtime;
        struct buf answers;
        int connected, ended, n_answers, n_null;
};

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

static void connect_to(struct world *w)
{
        w->runtime = lb_runtime_new(&(struct lb_runtime_options){
                .loop = &w->worker.loop, .path = w->worker.path, .connected = on_connected, .ended = on_ended, .data = w});
}

static void begin(struct world *w)
{
        *w = (struct world){0};
        played_worker_open(&w->worker);
        connect_to(w);
}

static void end(struct world *w)
{
        w->runtime = lb_runtime_free(w->runtime);
        played_worker_close(&w->worker);
        buf_done(&w->answers);
}

static void turn_until(struct world *w, const int *value, int wanted)
{
        while (*value < wanted)
                uv_run(&w->worker.loop, UV_RUN_ONCE);
}

static void turn_until_got(struct world *w, const char *text)
{
        while (w->worker.got.data == NULL || strstr(w->worker.got.data, text) == NULL)
                uv_run(&w->worker.loop, UV_RUN_ONCE);
}

static void greet(struct world *w)
{
        turn_until_got(w, "prompt\n");
        played_worker_say(&w->worker, "\n> ");
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
        assert_string_equal(w.worker.got.data, "prompt\nadd server T-1/a\nenable health T-1/a\nshow stat\n");
        /* In pieces that cut a prompt in two. */
        played_worker_say(&w.worker, "New server registered.\n\n");
        played_worker_say(&w.worker, "> \n> # pxname,svname\na,b\n\n>");
        turn_until(&w, &w.n_answers, 1);
        played_worker_say(&w.worker, " ");
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
        played_worker_say(&w.worker, "first\n> ");
        turn_until(&w, &w.n_answers, 1);
        uv_close((uv_handle_t *)&w.worker.peer, NULL);
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
        unlink(w.worker.path);
        connect_to(&w);
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
