/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a state looks in the store: the version of its shape in decimal, a space, and its JSON:  1 {"name":"default",…}
 * A version counts up only when a program that knows the older one could not make sense of the bytes; upgrades rewrite the
 * JSON one version at a time when it is loaded.
 */
#pragma once

#include "codec/shape.h"

/* Rewrites the JSON of version `from` as that of version `from` + 1. */
struct stored_upgrade {
        const struct shape *shape; /* NULL ends a table */
        int from;
        int (*rewrite)(struct arena *arena, const char *json, size_t len, struct buf *ret_json, struct error *error);
};

/* The upgrades that this program has: see stored.c. */
extern const struct stored_upgrade stored_upgrades[];

void stored_encode(const struct shape *shape, const void *state, struct buf *out);
/* The state in `arena`. -EINVAL for damaged bytes, -EPROTONOSUPPORT for those of a newer program. */
int stored_decode(const struct shape *shape, const struct stored_upgrade *upgrades, struct arena *arena, const void *bytes, size_t len,
                  void **ret, struct error *error) MUST_CHECK;
