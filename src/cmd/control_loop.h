/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller on a libuv loop: run at the end of every turn in which something has changed, and when its time has come. While
 * there is more to do than fits one turn, the loop does not sleep, but sees to its connections between the slices.
 *
 * It does not run ahead of the disk: what is decided now is durable, and so told to agents, only after all that waits to be written. While
 * that is much, deciding later costs nothing, and tasks that start by the thousand are reported while their rows are still at hand.
 */
#pragma once

#include <uv.h>

#include "control/controller.h"

struct control_loop {
        uv_prepare_t prepare; /* before the loop sleeps: what timers have changed */
        uv_check_t check;     /* after it has read: what requests and agents have changed */
        uv_idle_t idle;       /* there is more to do */
        uv_timer_t timer;
        struct controller *controller;
        struct model *model;
        int64_t timer_at; /* for when the timer is set; INT64_MAX: it is not */
        int64_t ran_ms;
};

/* `controller`, of `model`, must outlive it. Does not keep the loop alive. */
void control_loop_start(struct control_loop *loop, uv_loop_t *uv, struct model *model, struct controller *controller);
/* Closes its handles; the memory may go when the loop has run out. */
void control_loop_stop(struct control_loop *loop);
