/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of changes to the store.
 *
 *     loop's thread                       writer thread
 *     commit_begin ─ put … ─ commit_end
 *          │ (into the waiting batch)
 *          └──────── wakes ────────────►  takes the whole batch, encodes it, store->commit
 *     waiters, in order  ◄── uv_async ──  durable = last sequence of the batch
 *
 * The writer starts as soon as it is idle, and what arrives meanwhile forms the next batch: one client waits for one fsync,
 * and many clients share one. A transaction is never split. Without a loop the commit happens in commit_end itself. States are immutable and
 * stay until they are written, so the writer reads them where they are.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "codec/shape.h"
#include "model/model.h"

struct commit_queue;

/* `loop` is a uv_loop_t or NULL. The store must outlive the queue. */
int commit_queue_new(struct store *store, void *loop, struct commit_queue **ret, struct error *error) MUST_CHECK;
/* Waits until everything is durable and runs the waiters. NULL is fine. Returns NULL. */
struct commit_queue *commit_queue_free(struct commit_queue *queue);

/* One transaction: begin, one put for each object (at least one), end. Between begin and end the writer is locked out: be quick. */
void commit_begin(struct commit_queue *queue);
/* `state` NULL: the object is deleted. Else it must stay as it is until it is given to commit_release, or the queue is freed. */
void commit_put(struct commit_queue *queue, uint16_t kind, uint64_t id, const struct shape *shape, const void *state);
/* Its sequence number. */
uint64_t commit_end(struct commit_queue *queue);
/* Takes over a malloc'ed state that no object has any more: it is freed when everything so far is durable. */
void commit_release(struct commit_queue *queue, const void *state);

/* Without a loop: see model_hold_commits. */
void commit_hold(struct commit_queue *queue);
bool commit_write(struct commit_queue *queue);
void commit_written(struct commit_queue *queue);

uint64_t commit_sequence(const struct commit_queue *queue);
uint64_t commit_durable(const struct commit_queue *queue);
/* Changes that are not known to be durable yet. */
size_t commit_backlog(const struct commit_queue *queue);
void commit_when_durable(struct commit_queue *queue, uint64_t sequence, struct commit_waiter *waiter);
