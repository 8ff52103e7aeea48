/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of the port to a micro-VM (guest/frame.h). Connects, and connects again for as long as it is not freed: a guest that is
 * just booting, or an agent that has just started, finds the other sooner or later. One thread: the loop's.
 */
#pragma once

#include <uv.h>

#include "api/guest.idl.h"
#include "guest/frame.h"

struct channel;

struct channel_callbacks {
        void (*hello)(void *owner, const struct guest_hello *hello); /* attached: also after each time that it was lost */
        void (*event)(void *owner, const struct guest_event *event);
        void (*log)(void *owner, const struct frame *frame); /* FRAME_LOG */
};

/* `path` of the unix socket, copied; `callbacks` must stay. */
struct channel *channel_new(uv_loop_t *loop, const char *path, const struct channel_callbacks *callbacks, void *owner);
/* NULL is fine. Returns NULL. */
struct channel *channel_free(struct channel *channel);
/* Between hello and its loss; else it is dropped. */
void channel_send(struct channel *channel, const struct guest_command *command);
bool channel_is_attached(const struct channel *channel);
