/* SPDX-License-Identifier: Apache-2.0 */
/* Distributions: few values as they are, many in classes whose bounds grow by 4%. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "metrics/internal.h"

/* Where the values of a set are not known, it counts as so many. */
#define SPREAD 16

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

/* The middle of the class that a value is in; of a middle, itself. */
static double middle_of(double value)
{
        double size = fabs(value), middle;

        if (size == 0 || !isfinite(size))
                return value;
        middle = 2 * pow(METRIC_DIGEST_GROWTH, ceil(log(size) / log(METRIC_DIGEST_GROWTH) - 1e-9)) / (1 + METRIC_DIGEST_GROWTH);
        return value < 0 ? -middle : middle;
}

static struct metric_digest *digest_new(uint32_t room)
{
        struct metric_digest *digest = xalloc(sizeof(*digest) + room * sizeof(struct metric_value));

        digest->room = room;
        digest->exact = true;
        return digest;
}

int metric_value_compare(const void *a, const void *b)
{
        double x = ((const struct metric_value *)a)->value, y = ((const struct metric_value *)b)->value;

        return (x > y) - (x < y);
}

/* Puts equal neighbours together. */
static void unite(struct metric_digest *digest)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < digest->n; i++) {
                if (n > 0 && digest->items[n - 1].value == digest->items[i].value)
                        digest->items[n - 1].count += digest->items[i].count;
                else
                        digest->items[n++] = digest->items[i];
        }
        digest->n = n;
}

static void make_classes(struct metric_digest *digest)
{
        for (uint32_t i = 0; digest->exact && i < digest->n; i++)
                digest->items[i].value = middle_of(digest->items[i].value);
        digest->exact = false;
        unite(digest);
        if (digest->n <= METRIC_DIGEST_MAX)
                return;
        /* The lowest ones become one: percentiles that anybody asks for are high. */
        for (uint32_t i = 0; i < digest->n - METRIC_DIGEST_MAX; i++)
                digest->items[digest->n - METRIC_DIGEST_MAX].count += digest->items[i].count;
        memmove(digest->items, digest->items + (digest->n - METRIC_DIGEST_MAX), METRIC_DIGEST_MAX * sizeof(*digest->items));
        digest->n = METRIC_DIGEST_MAX;
}

static uint32_t spread(const struct metric_set *set, struct metric_value values[SPREAD])
{
        if (set->min == set->max || set->count == 1) {
                values[0] = (struct metric_value){set->max, set->count};
                return 1;
        }
        for (int i = 0; i < SPREAD; i++)
                values[i] = (struct metric_value){set->min + (set->max - set->min) * i / (SPREAD - 1), set->count / SPREAD};
        return SPREAD;
}

/* Room for one more. */
static void make_room(struct metric_digest **digest)
{
        struct metric_digest *old = *digest;

        if (old->n < old->room)
                return;
        old->room = old->room * 2;
        *digest = xrealloc(old, sizeof(*old) + old->room * sizeof(struct metric_value));
}

static void insert(struct metric_digest **digest, double value, double count)
{
        struct metric_digest *d;
        uint32_t low = 0, high;

        make_room(digest);
        d = *digest;
        value = d->exact ? value : middle_of(value);
        high = d->n;
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (d->items[middle].value < value)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low < d->n && d->items[low].value == value) {
                d->items[low].count += count;
                return;
        }
        memmove(d->items + low + 1, d->items + low, (d->n - low) * sizeof(*d->items));
        d->items[low] = (struct metric_value){value, count};
        d->n++;
        if (d->n > (d->exact ? METRIC_DIGEST_EXACT : METRIC_DIGEST_MAX))
                make_classes(d);
}

static void insert_set(struct metric_digest **digest, const struct metric_set *set)
{
        struct metric_value values[SPREAD];
        uint32_t n = spread(set, values);

        for (uint32_t i = 0; i < n; i++)
                insert(digest, values[i].value, values[i].count);
}

/* Both are long: merged at once. */
static void insert_digest(struct metric_digest **digest, const struct metric_digest *more)
{
        struct metric_digest *d = *digest, *sum;

        if (more->n < 8) {
                for (uint32_t i = 0; i < more->n; i++)
                        insert(digest, more->items[i].value, more->items[i].count);
                if (!more->exact && (*digest)->exact)
                        make_classes(*digest);
                return;
        }
        sum = digest_new(d->n + more->n);
        memcpy(sum->items, d->items, d->n * sizeof(*d->items));
        memcpy(sum->items + d->n, more->items, more->n * sizeof(*d->items));
        sum->n = d->n + more->n;
        sum->exact = d->exact && more->exact;
        if (!sum->exact && (d->exact || more->exact))
                for (uint32_t i = 0; i < sum->n; i++)
                        sum->items[i].value = middle_of(sum->items[i].value);
        qsort(sum->items, sum->n, sizeof(*sum->items), metric_value_compare);
        unite(sum);
        if (sum->n > (sum->exact ? METRIC_DIGEST_EXACT : METRIC_DIGEST_MAX))
                make_classes(sum);
        free(d);
        *digest = sum;
}

void metric_point_add(struct metric_point *point, const struct metric_set *set, const struct metric_digest *digest)
{
        bool even = set->min == set->max && digest == NULL;

        if (point->set.count == 0) {
                point->set = *set;
                if (digest != NULL) {
                        point->digest = digest_new(digest->n);
                        memcpy(point->digest->items, digest->items, digest->n * sizeof(*digest->items));
                        point->digest->n = digest->n;
                        point->digest->exact = digest->exact;
                }
                return;
        }
        if (point->digest == NULL && !(even && point->set.min == point->set.max && point->set.min == set->min)) {
                point->digest = digest_new(8);
                insert_set(&point->digest, &point->set);
        }
        if (point->digest != NULL && digest != NULL)
                insert_digest(&point->digest, digest);
        else if (point->digest != NULL)
                insert_set(&point->digest, set);
        metric_set_add(&point->set, set);
}

uint32_t metric_point_values(const struct metric_point *point, struct metric_value values[METRIC_DIGEST_MAX])
{
        if (point->digest == NULL)
                return spread(&point->set, values);
        memcpy(values, point->digest->items, point->digest->n * sizeof(*values));
        return point->digest->n;
}

void metric_point_done(struct metric_point *point)
{
        free(point->digest);
        *point = (struct metric_point){0};
}
