/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nftables table of a router as data: chains and sets by name. Two of them can be compared, and the difference is the script
 * that turns the one into the other in one transaction. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

#define RULESET_TABLE "vpc" /* family ip, in the router's own network namespace */

struct ruleset_chain {
        const char *name;
        const char *hook; /* "{ type filter hook forward …; }"; NULL: entered by a jump */
        const char *body; /* rules, a line each */
};

struct ruleset_element {
        const char *key;   /* "10.0.0.1" */
        const char *value; /* "goto e.sg-1"; NULL: of a set */
};

struct ruleset_set {
        const char *name;
        const char *type; /* "ipv4_addr", "ipv4_addr : verdict" for a map */
        struct ruleset_element *elements;
        uint32_t n, room;
};

struct ruleset {
        struct arena arena;
        struct ruleset_chain *chains;
        uint32_t n_chains, chain_room;
        struct ruleset_set *sets;
        uint32_t n_sets, set_room;
};

struct ruleset *ruleset_new(void);
/* NULL is fine. Returns NULL. */
struct ruleset *ruleset_free(struct ruleset *ruleset);

/* Names must be unique among chains, and among sets. `name` and `hook` are borrowed, `body` is copied. */
void ruleset_add_chain(struct ruleset *ruleset, const char *name, const char *hook, const char *body);
/* Index of the new set: for ruleset_add_element. */
uint32_t ruleset_add_set(struct ruleset *ruleset, const char *name, const char *type);
/* Both are borrowed; the same key twice is one element. */
void ruleset_add_element(struct ruleset *ruleset, uint32_t set, const char *key, const char *value);
/* Sorts everything: before the first ruleset_diff. */
void ruleset_finish(struct ruleset *ruleset);

/* Appends the script from `old` (NULL: whatever there is) to `new`. Nothing when they are equal. */
void ruleset_diff(const struct ruleset *old, const struct ruleset *new, struct buf *script);
