/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes, told as it happens: `GET /events`, server-sent events for consoles and operators (docs/api.md says how to read it).
 *
 *     model ── changed ──► ring (while somebody reads) ── durable ──► each reader, as fast as it takes it
 *
 * An event says that an object is there, is different or is gone, and what to ask for again; it holds no more. Events are numbered;
 * who comes back with the last number that he has goes on from there as long as the ring still has what follows, and is told "reset"
 * (ask for everything again) when it does not. A reader that is slower than the ring is cut off with a reset.
 *
 * All on the loop's thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "api/server.h"

struct event_stream;

struct event_stream_options {
        uint32_t capacity;     /* events in the ring; 0: 16,384 */
        uint32_t max_readers;  /* over it ThrottlingException; 0: 256 */
        size_t max_queued;     /* bytes that wait for a reader before it has to catch up; 0: 256 KiB */
        uint32_t keepalive_ms; /* a comment so often, and a look whether the reader's key is still good; 0: 15 s */
        uint32_t linger_ms;    /* the ring is kept after the last reader has gone; 0: 5 minutes */
};

/* Serves /events of `api`, which must outlive it and have a loop. Never NULL. `options` NULL: all defaults. */
struct event_stream *event_stream_new(struct api *api, const struct event_stream_options *options);
/* Ends every answer: before http_server_close, which would wait for them. New readers are refused from now on. */
void event_stream_close(struct event_stream *stream);
/* After event_stream_close and the last turn of the loop, before api_free. NULL is fine. Returns NULL. */
struct event_stream *event_stream_free(struct event_stream *stream);
