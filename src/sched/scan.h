/* SPDX-License-Identifier: Apache-2.0 */
/* Strategies that a ranking cannot hold, by looking at every instance: an attribute to spread over after a number. */
#pragma once

#include <stdint.h>

struct node;
struct placement_class;

/* The node for the next task of a class that has caught up, or NULL. `random` decides between those that tie. */
struct node *scan_pick(struct placement_class *class, uint64_t random);
