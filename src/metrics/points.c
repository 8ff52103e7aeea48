/* SPDX-License-Identifier: Apache-2.0 */
/* The points of one series at one resolution: an array in order of time. New points come at its end nearly always, old ones go at its front. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "metrics/internal.h"

#define ROOM_MIN 8

uint32_t metric_points_from(const struct metric_points *points, int64_t at_s)
{
        uint32_t low = points->head, high = points->n;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (points->items[middle].at_s < at_s)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

void metric_set_add(struct metric_set *set, const struct metric_set *more)
{
        if (set->count == 0) {
                *set = *more;
                return;
        }
        set->count += more->count;
        set->sum += more->sum;
        set->min = more->min < set->min ? more->min : set->min;
        set->max = more->max > set->max ? more->max : set->max;
}

/* Moves what is left to the front of the array. */
static void close_up(struct metric_points *points)
{
        if (points->head == 0)
                return;
        memmove(points->items, points->items + points->head, (points->n - points->head) * sizeof(*points->items));
        points->n -= points->head;
        points->head = 0;
}

static size_t make_room(struct metric_points *points)
{
        uint32_t before = points->room;

        if (points->n < points->room)
                return 0;
        if (points->head > points->n / 4) {
                close_up(points);
                return 0;
        }
        points->room = before == 0 ? ROOM_MIN : before + before / 2;
        points->items = xrealloc(points->items, points->room * sizeof(*points->items));
        return (points->room - before) * sizeof(*points->items);
}

size_t metric_points_add(struct metric_points *points, int64_t at_s, const struct metric_set *set, bool apart)
{
        uint32_t at = points->n, same = 0;
        size_t grown;

        if (points->n > points->head && points->items[points->n - 1].at_s > at_s)
                at = metric_points_from(points, at_s + 1);
        while (at - same > points->head && points->items[at - same - 1].at_s == at_s && same < METRICS_SECOND_VALUES)
                same++;
        if (same > 0 && (!apart || same == METRICS_SECOND_VALUES || set->min != set->max)) {
                metric_set_add(&points->items[at - 1].set, set);
                return 0;
        }
        at -= points->head;
        grown = make_room(points);
        at += points->head;
        memmove(points->items + at + 1, points->items + at, (points->n - at) * sizeof(*points->items));
        points->items[at] = (struct metric_point){at_s, *set};
        points->n++;
        return grown;
}

size_t metric_points_trim(struct metric_points *points, int64_t oldest_s)
{
        uint32_t before = points->room, left;

        points->head = metric_points_from(points, oldest_s);
        left = points->n - points->head;
        if (before <= 2 * left + ROOM_MIN)
                return 0;
        close_up(points);
        points->room = left;
        if (left == 0) {
                free(points->items);
                points->items = NULL;
        } else {
                points->items = xrealloc(points->items, left * sizeof(*points->items));
        }
        return (before - left) * sizeof(*points->items);
}
