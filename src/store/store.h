/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store keeps (kind, id) -> bytes. The ids are numbers that the caller gives, 1 and up, each kind its own: what comes later has the
 * greater one, so that what is written together lies together. Adapters: SQLite (one machine), memory (tests and the simulator),
 * etcd later.
 * Calls block; the model's writer thread makes them, one at a time. Nothing in here knows what the bytes mean.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define STORE_KINDS (1 << 15)
#define STORE_ID_MAX ((UINT64_C(1) << 48) - 1)

struct store_change {
        uint16_t kind;    /* below STORE_KINDS */
        uint64_t id;      /* 1 … STORE_ID_MAX */
        const void *data; /* NULL: delete */
        size_t len;
};

struct store;

struct store_ops {
        /* Applies all changes or none, durably: when it returns 0 they survive a power cut. */
        int (*commit)(struct store *store, const struct store_change *changes, size_t n, struct error *error);
        /* Calls `row` for every object, in order of kind and id; a non-zero return stops the walk and is returned. */
        int (*load)(struct store *store, int (*row)(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len), void *data,
                    struct error *error);
        void (*close)(struct store *store);
};

struct store {
        const struct store_ops *ops;
};

/* Opens or creates DIR/state.db (WAL, synchronous=FULL, locked against a second process). */
int store_sqlite_open(const char *dir, struct store **ret, struct error *error) MUST_CHECK;
/* Keeps everything in memory. `fail_after` >= 0: that many commits succeed, the next fails (fault injection). */
struct store *store_memory_new(int fail_after);
/* A store in memory with everything that is in DIR/state.db at this moment. Only reads: a server may be using it. */
int store_sqlite_copy(const char *dir, struct store **ret, struct error *error) MUST_CHECK;
/* NULL is fine. */
struct store *store_close(struct store *store);
