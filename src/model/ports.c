/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of taken ports: see ports.h. */
#include "model/ports.h"

#include <string.h>

#include "base/alloc.h"

struct port_set *port_set_new(void)
{
        return xalloc(sizeof(struct port_set));
}

struct port_set *port_set_free(struct port_set *set)
{
        if (set != NULL)
                free(set->items);
        free(set);
        return NULL;
}

static bool valid(int64_t port)
{
        return port >= 1 && port <= UINT16_MAX;
}

/* Where the port is, or where it would have to be inserted. */
static uint32_t position(const struct port_set *set, uint32_t port)
{
        uint32_t low = 0, high = set->n;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (set->items[middle] >> 16 < port)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool is_at(const struct port_set *set, uint32_t i, uint32_t port)
{
        return i < set->n && set->items[i] >> 16 == port;
}

void port_set_add(struct port_set *set, int64_t port)
{
        uint32_t i;

        if (!valid(port))
                return;
        i = position(set, (uint32_t)port);
        if (is_at(set, i, (uint32_t)port)) {
                set->items[i]++;
                return;
        }
        if (set->n == set->cap) {
                set->cap = set->cap == 0 ? 8 : set->cap * 2;
                set->items = xrealloc(set->items, set->cap * sizeof(*set->items));
        }
        memmove(set->items + i + 1, set->items + i, (set->n - i) * sizeof(*set->items));
        set->items[i] = (uint32_t)port << 16 | 1;
        set->n++;
}

void port_set_remove(struct port_set *set, int64_t port)
{
        uint32_t i;

        if (!valid(port))
                return;
        i = position(set, (uint32_t)port);
        if (!is_at(set, i, (uint32_t)port))
                return;
        set->items[i]--;
        if ((set->items[i] & UINT16_MAX) != 0)
                return;
        set->n--;
        memmove(set->items + i, set->items + i + 1, (set->n - i) * sizeof(*set->items));
}

bool port_set_has(const struct port_set *set, int64_t port)
{
        return valid(port) && is_at(set, position(set, (uint32_t)port), (uint32_t)port);
}

bool port_set_has_any(const struct port_set *set, const struct int_list *ports)
{
        for (uint32_t i = 0; i < ports->n; i++)
                if (port_set_has(set, ports->items[i]))
                        return true;
        return false;
}

void port_set_add_all(struct port_set *set, const struct int_list *ports)
{
        for (uint32_t i = 0; i < ports->n; i++)
                port_set_add(set, ports->items[i]);
}

void port_set_remove_all(struct port_set *set, const struct int_list *ports)
{
        for (uint32_t i = 0; i < ports->n; i++)
                port_set_remove(set, ports->items[i]);
}
