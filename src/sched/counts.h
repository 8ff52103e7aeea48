/* SPDX-License-Identifier: Apache-2.0 */
/* Small counters by number, of which most are zero: how many tasks of a group are on each instance. Open addressing. */
#pragma once

#include <stdint.h>

struct counts {
        struct counts_item {
                uint32_t key;   /* number + 1; 0: empty */
                uint32_t count; /* never 0 in an item that is not empty */
        } * items;
        uint32_t n, cap; /* cap: 0 or a power of two, more than 4/3 n */
};

/* An empty one is all zeroes. */
void counts_done(struct counts *counts);
uint32_t counts_get(const struct counts *counts, uint32_t number);
/* Adds `delta`; the result must not be negative. */
void counts_add(struct counts *counts, uint32_t number, int32_t delta);
