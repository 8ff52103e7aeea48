/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points as bytes, the same in memory, journal and block:
 *
 *     flags (ONE: a single value · EVEN: values that are all the same · DIGEST · EXACT)
 *     ONE: value    EVEN: count value    else: count sum minimum maximum
 *     DIGEST: how many, and each's value (EXACT) or number of its class, and count
 *
 * A number is a byte that says how it goes on: 0…8 of the first bytes of its IEEE form (the others are zero), or 9 and a whole number as
 * a varint. A count is a varint of twice the count, or of 1 with the eight bytes of a fraction behind it.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "metrics/internal.h"

#define FLAG_ONE 1
#define FLAG_EVEN 2
#define FLAG_DIGEST 4
#define FLAG_EXACT 8
#define WHOLE 9
#define WHOLE_MAX 1e9
#define COUNT_MAX 1e15
#define CLASS_MAX 20000

void metric_varint_append(struct buf *out, uint64_t value)
{
        for (; value >= 0x80; value >>= 7)
                buf_append_char(out, (char)(0x80 | (value & 0x7f)));
        buf_append_char(out, (char)value);
}

int metric_varint_read(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
        uint64_t value = 0;

        for (int shift = 0; *p < end && shift < 64; shift += 7) {
                uint8_t byte = *(*p)++;

                value |= (uint64_t)(byte & 0x7f) << shift;
                if ((byte & 0x80) == 0) {
                        *ret = value;
                        return 0;
                }
        }
        return -EBADMSG;
}

static uint64_t zigzag(int64_t value)
{
        return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t value)
{
        return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static void append_number(struct buf *out, double value)
{
        uint64_t bits;
        int n = 8;

        if (fabs(value) <= WHOLE_MAX && value == (double)(int64_t)value) {
                buf_append_char(out, WHOLE);
                metric_varint_append(out, zigzag((int64_t)value));
                return;
        }
        memcpy(&bits, &value, sizeof(bits));
        while (n > 0 && ((bits >> (8 * (8 - n))) & 0xff) == 0)
                n--;
        buf_append_char(out, (char)n);
        for (int i = 0; i < n; i++)
                buf_append_char(out, (char)(bits >> (8 * (7 - i))));
}

static int read_number(const uint8_t **p, const uint8_t *end, double *ret)
{
        uint64_t bits = 0;
        uint8_t n;

        if (*p == end)
                return -EBADMSG;
        n = *(*p)++;
        if (n == WHOLE) {
                if (metric_varint_read(p, end, &bits) < 0)
                        return -EBADMSG;
                *ret = (double)unzigzag(bits);
                return 0;
        }
        if (n > 8 || end - *p < n)
                return -EBADMSG;
        for (int i = 0; i < n; i++)
                bits |= (uint64_t) * (*p)++ << (8 * (7 - i));
        memcpy(ret, &bits, sizeof(bits));
        return isfinite(*ret) ? 0 : -EBADMSG;
}

static void append_count(struct buf *out, double count)
{
        uint64_t bits;

        if (count >= 0 && count <= COUNT_MAX && count == (double)(uint64_t)count) {
                metric_varint_append(out, (uint64_t)count << 1);
                return;
        }
        buf_append_char(out, 1);
        memcpy(&bits, &count, sizeof(bits));
        buf_append(out, &bits, sizeof(bits));
}

static int read_count(const uint8_t **p, const uint8_t *end, double *ret)
{
        uint64_t value;

        if (metric_varint_read(p, end, &value) < 0)
                return -EBADMSG;
        if ((value & 1) == 0) {
                *ret = (double)(value >> 1);
                return value > 0 ? 0 : -EBADMSG;
        }
        if (value != 1 || end - *p < 8)
                return -EBADMSG;
        memcpy(ret, *p, 8);
        *p += 8;
        return isfinite(*ret) && *ret > 0 ? 0 : -EBADMSG;
}

/* ---- Distributions ---- */

/* 0: zero; else twice the class's number, and the sign. */
static uint64_t class_of(double middle)
{
        int64_t number;

        if (middle == 0)
                return 0;
        number = llround(log(fabs(middle) * (1 + METRIC_DIGEST_GROWTH) / 2) / log(METRIC_DIGEST_GROWTH));
        return 1 + (zigzag(number) << 1 | (middle < 0));
}

static int middle_of(uint64_t class, double *ret)
{
        int64_t number;

        if (class == 0) {
                *ret = 0;
                return 0;
        }
        number = unzigzag((class - 1) >> 1);
        if (number > CLASS_MAX || number < -CLASS_MAX)
                return -EBADMSG;
        *ret = 2 * pow(METRIC_DIGEST_GROWTH, (double)number) / (1 + METRIC_DIGEST_GROWTH) * ((class - 1) & 1 ? -1 : 1);
        return 0;
}

static void append_digest(struct buf *out, const struct metric_digest *digest)
{
        metric_varint_append(out, digest->n);
        for (uint32_t i = 0; i < digest->n; i++) {
                if (digest->exact)
                        append_number(out, digest->items[i].value);
                else
                        metric_varint_append(out, class_of(digest->items[i].value));
                append_count(out, digest->items[i].count);
        }
}

static int read_digest(const uint8_t **p, const uint8_t *end, bool exact, bool wanted, struct metric_digest **ret)
{
        struct metric_digest *digest = NULL;
        struct metric_value value;
        uint64_t n, class;
        int r = 0;

        if (metric_varint_read(p, end, &n) < 0 || n == 0 || n > METRIC_DIGEST_MAX)
                return -EBADMSG;
        if (wanted) {
                digest = xalloc(sizeof(*digest) + n * sizeof(struct metric_value));
                digest->room = (uint32_t)n;
                digest->exact = exact;
        }
        for (uint64_t i = 0; i < n && r == 0; i++) {
                if (exact)
                        r = read_number(p, end, &value.value);
                else if ((r = metric_varint_read(p, end, &class)) == 0)
                        r = middle_of(class, &value.value);
                if (r == 0)
                        r = read_count(p, end, &value.count);
                if (r == 0 && digest != NULL)
                        digest->items[digest->n++] = value;
        }
        if (r < 0) {
                free(digest);
                return r;
        }
        *ret = digest;
        return 0;
}

/* ---- Points ---- */

void metric_point_encode(const struct metric_point *point, struct buf *out)
{
        const struct metric_set *set = &point->set;
        bool one = set->count == 1 && set->min == set->max && set->sum == set->max && point->digest == NULL;
        bool even = set->min == set->max && set->sum == set->count * set->max && point->digest == NULL;

        buf_append_char(out, (char)((one    ? FLAG_ONE
                                     : even ? FLAG_EVEN
                                            : 0) |
                                    (point->digest != NULL ? FLAG_DIGEST | (point->digest->exact ? FLAG_EXACT : 0) : 0)));
        if (!one)
                append_count(out, set->count);
        append_number(out, one || even ? set->max : set->sum);
        if (one || even)
                return;
        append_number(out, set->min);
        append_number(out, set->max);
        if (point->digest != NULL)
                append_digest(out, point->digest);
}

int metric_point_decode(const uint8_t **p, const uint8_t *end, bool digest, struct metric_point *ret)
{
        struct metric_set set = {.count = 1};
        struct metric_digest *values = NULL;
        uint8_t flags;

        if (*p == end)
                return -EBADMSG;
        flags = *(*p)++;
        if (flags > 15 || ((flags & FLAG_ONE) == 0 && read_count(p, end, &set.count) < 0) || read_number(p, end, &set.sum) < 0)
                return -EBADMSG;
        if (flags & (FLAG_ONE | FLAG_EVEN)) {
                set.min = set.max = set.sum;
                set.sum *= set.count;
        } else if (read_number(p, end, &set.min) < 0 || read_number(p, end, &set.max) < 0 ||
                   ((flags & FLAG_DIGEST) && read_digest(p, end, (flags & FLAG_EXACT) != 0, digest, &values) < 0)) {
                return -EBADMSG;
        }
        ret->set = set;
        ret->digest = values;
        return 0;
}
