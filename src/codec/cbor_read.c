/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes from CBOR: items are written as JSON, and the JSON reader does the rest: types, ranges, limits, messages (as with query.c). */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/cbor.h"
#include "codec/shape_internal.h"

enum major {
        MAJOR_UNSIGNED = 0,
        MAJOR_NEGATIVE,
        MAJOR_BYTES,
        MAJOR_TEXT,
        MAJOR_ARRAY,
        MAJOR_MAP,
        MAJOR_TAG,
        MAJOR_SIMPLE,
};

/* Values of the additional information that are more than a size. */
#define INFO_HALF 25
#define INFO_SINGLE 26
#define INFO_DOUBLE 27
#define INFO_INDEFINITE 31
#define TAG_EPOCH 1
#define BREAK 0xff

struct reader {
        const uint8_t *begin, *p, *end;
        struct buf json;
        uint32_t depth; /* levels that may still open */
        size_t max;     /* bytes of JSON at most */
        const char *problem;
};

struct head {
        enum major major;
        uint8_t info;
        uint64_t value;
};

static int fail(struct reader *r, const char *problem)
{
        r->problem = problem;
        return -EINVAL;
}

static int read_head(struct reader *r, struct head *ret)
{
        size_t more;

        if (r->p >= r->end)
                return fail(r, "the data ends too early");
        *ret = (struct head){.major = (enum major)(*r->p >> 5), .info = *r->p & 31, .value = *r->p & 31};
        r->p++;
        if (ret->info < 24 || ret->info == INFO_INDEFINITE)
                return 0;
        if (ret->info > INFO_DOUBLE)
                return fail(r, "a reserved length was used");
        more = (size_t)1 << (ret->info - 24);
        if ((size_t)(r->end - r->p) < more)
                return fail(r, "the data ends too early");
        ret->value = 0;
        for (size_t i = 0; i < more; i++)
                ret->value = ret->value << 8 | *r->p++;
        return 0;
}

static int take(struct reader *r, uint64_t len, const uint8_t **ret)
{
        if (len > (uint64_t)(r->end - r->p))
                return fail(r, "the data ends too early");
        *ret = r->p;
        r->p += len;
        return 0;
}

/* The end of something of indefinite length. */
static bool at_break(struct reader *r)
{
        if (r->p >= r->end || *r->p != BREAK)
                return false;
        r->p++;
        return true;
}

/* A text or byte string, in one piece or in several. */
static int read_bytes(struct reader *r, const struct head *head, struct buf *ret)
{
        const uint8_t *bytes = NULL;
        struct head piece;

        if (head->info != INFO_INDEFINITE) {
                if (take(r, head->value, &bytes) < 0)
                        return -EINVAL;
                buf_append(ret, bytes, head->value);
                return 0;
        }
        while (!at_break(r)) {
                if (read_head(r, &piece) < 0)
                        return -EINVAL;
                if (piece.major != head->major || piece.info == INFO_INDEFINITE)
                        return fail(r, "a piece of a string is no string");
                if (take(r, piece.value, &bytes) < 0)
                        return -EINVAL;
                buf_append(ret, bytes, piece.value);
        }
        return 0;
}

static int read_text(struct reader *r, const struct head *head)
{
        CLEANUP_BUF struct buf text = {0};

        if (read_bytes(r, head, &text) < 0)
                return -EINVAL;
        for (const char *p = text.data, *end = p + text.len; p < end;) {
                size_t n = *p == '\0' ? 0 : utf8_sequence(p, end);

                if (n == 0)
                        return fail(r, "a text is not valid UTF-8, or has a NUL in it");
                p += n;
        }
        json_append_string(&r->json, text.len > 0 ? text.data : "", text.len);
        return 0;
}

static int read_blob(struct reader *r, const struct head *head)
{
        CLEANUP_BUF struct buf bytes = {0};

        if (read_bytes(r, head, &bytes) < 0)
                return -EINVAL;
        buf_append_char(&r->json, '"');
        if (bytes.len > 0)
                base64_append(&r->json, bytes.data, bytes.len);
        buf_append_char(&r->json, '"');
        return 0;
}

static double half_value(uint16_t bits)
{
        int exponent = bits >> 10 & 31, fraction = bits & 1023;
        double value;

        if (exponent == 31)
                value = fraction != 0 ? NAN : INFINITY;
        else
                value = exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, exponent - 25);
        return (bits & 0x8000) != 0 ? -value : value;
}

static int read_simple(struct reader *r, const struct head *head)
{
        uint32_t bits = (uint32_t)head->value;
        double value;
        float single;

        switch (head->info) {
        case 20:
        case 21:
                buf_append_str(&r->json, head->info == 21 ? "true" : "false");
                return 0;
        case 22: /* null */
        case 23: /* undefined */
                buf_append_str(&r->json, "null");
                return 0;
        case INFO_HALF:
                value = half_value((uint16_t)bits);
                break;
        case INFO_SINGLE:
                memcpy(&single, &bits, sizeof(single));
                value = (double)single;
                break;
        case INFO_DOUBLE:
                memcpy(&value, &head->value, sizeof(value));
                break;
        default:
                return fail(r, "a simple value that has no meaning here");
        }
        json_append_double(&r->json, value);
        return 0;
}

static int read_item(struct reader *r);

static int read_members(struct reader *r, const struct head *head)
{
        bool open = head->info == INFO_INDEFINITE, map = head->major == MAJOR_MAP;

        buf_append_char(&r->json, map ? '{' : '[');
        for (uint64_t i = 0; open ? !at_break(r) : i < head->value; i++) {
                if (i > 0)
                        buf_append_char(&r->json, ',');
                if (map && (r->p >= r->end || *r->p >> 5 != MAJOR_TEXT))
                        return fail(r, "a key of a map is no text");
                if (map && read_item(r) < 0)
                        return -EINVAL;
                if (map)
                        buf_append_char(&r->json, ':');
                if (read_item(r) < 0)
                        return -EINVAL;
        }
        buf_append_char(&r->json, map ? '}' : ']');
        return 0;
}

/* Times become what JSON has: seconds, with a fraction. Other tags say nothing that matters here. */
static int read_tagged(struct reader *r, const struct head *head)
{
        if (head->value == TAG_EPOCH && r->p < r->end && *r->p >> 5 != MAJOR_UNSIGNED && *r->p >> 5 != MAJOR_NEGATIVE &&
            *r->p >> 5 != MAJOR_SIMPLE)
                return fail(r, "a time is no number");
        return read_item(r);
}

static int read_item(struct reader *r)
{
        struct head head;
        int k;

        if (r->depth == 0)
                return fail(r, "nested too deeply");
        if (r->json.len > r->max)
                return fail(r, "the object is too large to be read: send less at once");
        if (read_head(r, &head) < 0)
                return -EINVAL;
        if (head.info == INFO_INDEFINITE && (head.major < MAJOR_BYTES || head.major > MAJOR_MAP))
                return fail(r, "only strings, arrays and maps may be of indefinite length");
        r->depth--;
        switch (head.major) {
        case MAJOR_UNSIGNED:
                buf_printf(&r->json, "%llu", (unsigned long long)head.value);
                k = 0;
                break;
        case MAJOR_NEGATIVE:
                if (head.value > INT64_MAX)
                        return fail(r, "an integer below -2^63");
                json_append_int(&r->json, -1 - (int64_t)head.value);
                k = 0;
                break;
        case MAJOR_BYTES:
                k = read_blob(r, &head);
                break;
        case MAJOR_TEXT:
                k = read_text(r, &head);
                break;
        case MAJOR_TAG:
                k = read_tagged(r, &head);
                break;
        case MAJOR_SIMPLE:
                k = read_simple(r, &head);
                break;
        default:
                k = read_members(r, &head);
                break;
        }
        r->depth++;
        return k;
}

int cbor_read(const struct shape *shape, struct arena *arena, const void *data, size_t len, const struct shape_limits *limits, void **ret,
              struct error *error)
{
        struct reader r = {.begin = data, .p = data, .depth = SHAPE_DEPTH_DEFAULT, .max = SIZE_MAX};
        int k;

        r.end = r.begin + len;
        if (limits != NULL && limits->max_depth != 0)
                r.depth = limits->max_depth;
        if (limits != NULL && limits->max_bytes != 0)
                r.max = limits->max_bytes;
        k = read_item(&r);
        if (k == 0 && r.p != r.end)
                k = fail(&r, "nothing may follow the object");
        if (k < 0)
                (void)error_api(error, SHAPE_BAD_FORM, "%s (byte %zu of the CBOR data)", r.problem, (size_t)(r.p - r.begin));
        else
                k = shape_from_json(shape, arena, r.json.data, r.json.len, limits, ret, error);
        buf_done(&r.json);
        return k;
}
