/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ports of one host and protocol that are taken. A port may be taken more than once (two tasks whose agent reported the
 * same dynamic port while one was still stopping): it is free when each has given it back. Hosts have few reserved ports (ECS
 * allows 100 fixed ones), so this is a sorted array: no pointer to follow, 4 bytes a port.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "codec/shape.h"

struct port_set {
        uint32_t *items; /* port << 16 | times taken, ascending */
        uint32_t n, cap;
};

struct port_set *port_set_new(void);
/* NULL is fine. Returns NULL. */
struct port_set *port_set_free(struct port_set *set);
/* Takes a port once more; numbers outside 1..65535 are ignored (0 asks for a dynamic port, which is not known yet). */
void port_set_add(struct port_set *set, int64_t port);
/* Gives a port back once; a port that is not taken is ignored. */
void port_set_remove(struct port_set *set, int64_t port);
bool port_set_has(const struct port_set *set, int64_t port);
/* Whether one of the ports is taken. */
bool port_set_has_any(const struct port_set *set, const struct int_list *ports);
void port_set_add_all(struct port_set *set, const struct int_list *ports);
void port_set_remove_all(struct port_set *set, const struct int_list *ports);
static inline uint32_t port_set_count(const struct port_set *set)
{
        return set->n;
}
/* The i-th port in ascending order. */
static inline uint16_t port_set_at(const struct port_set *set, uint32_t i)
{
        return (uint16_t)(set->items[i] >> 16);
}
