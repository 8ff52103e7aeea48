/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 ranges: which one a node's containers get. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct netlink;

struct range {
        uint32_t address; /* host byte order; the first of the range unless said otherwise */
        int prefix;
};

/* "172.31.240.0/20": a private or any other range of 16 to 256 x 256 addresses, without bits behind the prefix. */
int range_parse(const char *text, struct range *ret, struct error *error) MUST_CHECK;
bool range_overlaps(struct range a, struct range b);
static inline uint32_t range_mask(int prefix)
{
        return prefix == 0 ? 0 : ~(uint32_t)0 << (32 - prefix);
}
/* "172.31.240.0/20" or, with prefix -1, "172.31.240.0"; `ret` holds 20 bytes. */
void range_text(uint32_t address, int prefix, char ret[20]);

/*
 * The range of the node: `wanted` when that is not NULL, else the one that interface `bridge_index` (0: there is none yet) has, else the
 * first of a built-in list that clashes with nothing that this machine knows. -EADDRINUSE with what it clashes with.
 */
int range_choose(struct netlink *nl, const char *wanted, int bridge_index, struct range *ret, struct error *error) MUST_CHECK;
