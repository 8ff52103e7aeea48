/* SPDX-License-Identifier: Apache-2.0 */
/* The newest changes of the model, numbered, in a ring of fixed size: what event_stream.c tells its readers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/model.h"

/* "task", "service"… as in ARNs; of kinds that are not told, too. Never NULL. */
const char *event_ring_kind_name(enum object_kind kind);
/* -1: none of that name is told. */
int event_ring_kind_by_name(const char *name, size_t len);

struct ring_event {
        uint64_t number;
        uint64_t sequence; /* of the model: may be told once that is durable */
        enum object_kind kind;
        const char *change; /* "created", "changed", "removed" */
        char *key;          /* as in the store; owned */
        char *service;      /* that it belongs to, or NULL; owned */
        const char *status; /* of a task: "RUNNING"; NULL for others */
};

struct event_ring {
        struct ring_event *events; /* `capacity`, or NULL while nothing is recorded */
        uint32_t capacity;
        uint64_t first, next; /* numbers of the oldest event that is there and of the next one: equal when there is none */
};

void event_ring_init(struct event_ring *ring, uint32_t capacity);
void event_ring_done(struct event_ring *ring);
/* Nobody reads: drops everything. Whoever comes back later has missed something. */
void event_ring_clear(struct event_ring *ring);
/* Records a change as observers of the model are told of it; false when its kind is not told. */
bool event_ring_record(struct event_ring *ring, const struct object *object, const void *old_state, const void *new_state,
                       uint64_t sequence);
/* NULL when it is not there any more, or not yet. */
const struct ring_event *event_ring_get(const struct event_ring *ring, uint64_t number);
/* Whether the event belongs to the cluster of that name. */
bool event_ring_in_cluster(const struct ring_event *event, const char *cluster);
/* The event as JSON. */
void event_ring_write(const struct model *model, const struct ring_event *event, struct buf *out);
