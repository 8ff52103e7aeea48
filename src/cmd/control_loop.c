/* SPDX-License-Identifier: Apache-2.0 */
/* See control_loop.h. */
#include "cmd/control_loop.h"

#include "base/env.h"

/* Changes that keep the writer busy until the loop has made more. */
#define BACKLOG 8192
/* The controller is never held back longer than that. */
#define HELD_MS 100

static void on_idle(uv_idle_t *idle)
{
        (void)idle;
}

static void turn(struct control_loop *loop);

static void on_timer(uv_timer_t *timer)
{
        struct control_loop *loop = timer->data;

        loop->timer_at = INT64_MAX;
        turn(loop);
}

static void set_timer(struct control_loop *loop, int64_t at_ms, int64_t now_ms)
{
        if (at_ms == loop->timer_at)
                return;
        loop->timer_at = at_ms;
        if (at_ms == INT64_MAX)
                uv_timer_stop(&loop->timer);
        else
                uv_timer_start(&loop->timer, on_timer, (uint64_t)MAX(at_ms - now_ms, 0), 0);
}

static void turn(struct control_loop *loop)
{
        int64_t now_ms = env_now_ms(env_system()), next = controller_next(loop->controller);

        if (next <= now_ms && model_backlog(loop->model) >= BACKLOG)
                next = loop->ran_ms + HELD_MS; /* or when the writer says that it got on, which makes a turn as well */
        if (next <= now_ms) {
                controller_run(loop->controller, now_ms);
                loop->ran_ms = now_ms;
                next = controller_next(loop->controller);
        }
        if (next <= now_ms) {
                uv_idle_start(&loop->idle, on_idle);
                return;
        }
        uv_idle_stop(&loop->idle);
        set_timer(loop, next, now_ms);
}

static void on_prepare(uv_prepare_t *prepare)
{
        turn(prepare->data);
}

static void on_check(uv_check_t *check)
{
        turn(check->data);
}

void control_loop_start(struct control_loop *loop, uv_loop_t *uv, struct model *model, struct controller *controller)
{
        *loop = (struct control_loop){.controller = controller, .model = model, .timer_at = INT64_MAX};
        uv_prepare_init(uv, &loop->prepare);
        uv_check_init(uv, &loop->check);
        uv_idle_init(uv, &loop->idle);
        uv_timer_init(uv, &loop->timer);
        loop->prepare.data = loop->check.data = loop->timer.data = loop;
        uv_prepare_start(&loop->prepare, on_prepare);
        uv_check_start(&loop->check, on_check);
        uv_unref((uv_handle_t *)&loop->prepare);
        uv_unref((uv_handle_t *)&loop->check);
        uv_unref((uv_handle_t *)&loop->timer);
}

void control_loop_stop(struct control_loop *loop)
{
        uv_close((uv_handle_t *)&loop->prepare, NULL);
        uv_close((uv_handle_t *)&loop->check, NULL);
        uv_close((uv_handle_t *)&loop->idle, NULL);
        uv_close((uv_handle_t *)&loop->timer, NULL);
}
