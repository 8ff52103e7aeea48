/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive doubly linked list: the links live in the object, so adding and removing allocate nothing and cost O(1).
 * A detached link points at itself; removing it again does no harm.
 */
#pragma once

#include <stdbool.h>

#include "base/macro.h"

struct list {
        struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
        l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
        return l->next == l;
}

static inline void list_insert_before(struct list *pos, struct list *item)
{
        item->prev = pos->prev;
        item->next = pos;
        pos->prev->next = item;
        pos->prev = item;
}

/* Adds at the end. */
static inline void list_push(struct list *head, struct list *item)
{
        list_insert_before(head, item);
}

/* Adds at the front. */
static inline void list_push_front(struct list *head, struct list *item)
{
        list_insert_before(head->next, item);
}

static inline void list_remove(struct list *item)
{
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyzer does not see that what was freed is off the list */
        item->prev->next = item->next;
        item->next->prev = item->prev;
        list_init(item);
}

/* Moves all items to the end of another list. */
static inline void list_move_all(struct list *from, struct list *to)
{
        if (list_empty(from))
                return;
        from->next->prev = to->prev;
        to->prev->next = from->next;
        from->prev->next = to;
        to->prev = from->prev;
        list_init(from);
}

/* The first item, or NULL. */
#define list_first(head, type, member) (list_empty(head) ? NULL : CONTAINER_OF((head)->next, type, member))

/* Loops over objects of `type`; `it` may be removed inside the loop. */
#define list_for_each(it, head, type, member)                                                                               \
        for (type *it = CONTAINER_OF((head)->next, type, member), *it##_next = CONTAINER_OF(it->member.next, type, member); \
             &it->member != (head); it = it##_next, it##_next = CONTAINER_OF(it->member.next, type, member))
/* The same from the end. */
#define list_for_each_reverse(it, head, type, member)                                                                       \
        for (type *it = CONTAINER_OF((head)->prev, type, member), *it##_next = CONTAINER_OF(it->member.prev, type, member); \
             &it->member != (head); it = it##_next, it##_next = CONTAINER_OF(it->member.prev, type, member))
