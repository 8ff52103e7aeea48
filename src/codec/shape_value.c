/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes from JSON: strings, numbers, times, words; and the messages for what is none. */
#include "codec/base64.h"
#include "codec/shape_reader.h"

/* What a value that starts so is, in words. */
static const char *type_name(const struct json *json, char c)
{
        switch (c) {
        case '"':
                return "a string";
        case '{':
                return "an object";
        case '[':
                return "a list";
        case 't':
        case 'f':
                return "a boolean";
        case '-':
        case '0' ... '9':
                return "a number";
        default:
                return json->p >= json->end ? "the end of the text" : NULL;
        }
}

void reader_report_type(struct shape_reader *r, const char *wanted)
{
        const char *got = type_name(&r->json, json_peek(&r->json));

        if (got == NULL)
                (void)reader_fail(r, "a value was expected");
        else
                shape_report(r->path, r->error, SHAPE_BAD_FORM, "%s was expected, not %s", wanted, got);
}

int reader_charge(struct shape_reader *r, size_t size)
{
        if (size > r->left)
                return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "the object is too large to be read: send less at once");
        r->left -= size;
        return 0;
}

/* A NUL-terminated copy in the arena; json is behind the closing quote. */
int reader_copy(struct shape_reader *r, const struct json_string *s, char **ret, size_t *ret_len)
{
        size_t len = s->len;
        char *text;
        int k = reader_charge(r, len + 1);

        if (k < 0)
                return k;
        text = arena_bytes(r->arena, len + 1);
        if (!s->escaped)
                memcpy(text, s->text, len);
        else if (json_unescape(&r->json, s, text, &len) < 0)
                return reader_fail_json(r);
        text[len] = '\0';
        *ret = text;
        if (ret_len != NULL)
                *ret_len = len;
        return 0;
}

int reader_text(struct shape_reader *r, char **ret, size_t *ret_len)
{
        struct json_string s;

        if (json_peek(&r->json) != '"')
                return reader_fail_type(r, "a string");
        if (json_read_string(&r->json, &s) < 0)
                return reader_fail_json(r);
        return reader_copy(r, &s, ret, ret_len);
}

static inline bool is_number(char c)
{
        return c == '-' || (c >= '0' && c <= '9');
}

static int read_string(struct shape_reader *r, const struct shape_field *field, void *slot)
{
        return reader_text(r, slot, NULL);
}

static int read_blob(struct shape_reader *r, const struct shape_field *field, void *slot)
{
        struct shape_blob *blob = slot;
        char *text = NULL;
        size_t len = 0;
        int k = reader_text(r, &text, &len);

        if (k < 0)
                return k;
        /* In place: the bytes are never longer than their text. */
        k = base64_decode(text, len, text, &blob->len);
        if (k < 0)
                return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "the text is not valid base64");
        text[blob->len] = '\0';
        blob->data = text;
        return 0;
}

static int read_json(struct shape_reader *r, const struct shape_field *field, void *slot)
{
        const char *start;
        size_t len;
        char *text;
        int k;

        json_peek(&r->json);
        start = r->json.p;
        if (json_skip(&r->json, r->depth) < 0)
                return reader_fail_json(r);
        len = (size_t)(r->json.p - start);
        k = reader_charge(r, len + 1);
        if (k < 0)
                return k;
        text = arena_bytes(r->arena, len + 1);
        memcpy(text, start, len);
        text[len] = '\0';
        *(char **)slot = text;
        return 0;
}

int reader_enum(struct shape_reader *r, const struct shape_field *field, int64_t *ret)
{
        char words[700];
        struct json_string s;
        char *text = NULL;
        int k;

        if (json_peek(&r->json) != '"')
                return reader_fail_type(r, "a string");
        if (json_read_string(&r->json, &s) < 0)
                return reader_fail_json(r);
        if (s.escaped) {
                k = reader_copy(r, &s, &text, &s.len);
                if (k < 0)
                        return k;
                s.text = text;
        }
        *ret = shape_enum_find(field->enumeration, s.text, s.len);
        if (*ret != 0 || (field->flags & SHAPE_OPEN_ENUM) != 0)
                return 0;
        shape_enum_words(field->enumeration, words, sizeof(words));
        return shape_fail(r->path, r->error, SHAPE_BAD_VALUE, "\"%.*s\" is not one of %s", (int)MIN(s.len, (size_t)100), s.text, words);
}

static int read_enum(struct shape_reader *r, const struct shape_field *field, void *slot)
{
        int64_t value;
        int k = reader_enum(r, field, &value);

        if (k == 0)
                *(int *)slot = (int)value;
        return k;
}

static int read_timestamp(struct shape_reader *r, const struct shape_field *field, void *slot)
{
        struct json_number n;
        struct json_string s;
        int64_t ms;
        char c = json_peek(&r->json);
        int k;

        if (is_number(c)) {
                if (json_read_number(&r->json, &n) < 0)
                        return reader_fail_json(r);
                k = json_number_scaled(&n, (field->flags & SHAPE_MILLIS) != 0 ? 0 : 3, &ms);
        } else if (c == '"') {
                if (json_read_string(&r->json, &s) < 0)
                        return reader_fail_json(r);
                k = shape_time_parse(s.text, s.len, &ms);
        } else {
                return reader_fail_type(r, "a time (seconds since 1970)");
        }
        if (k < 0 || !shape_time_valid(ms))
                return shape_fail(r->path, r->error, SHAPE_BAD_FORM,
                                  "not a time between the years 1 and 9999, such as 1700000000.123 or \"2023-11-14T22:13:20Z\"");
        *(int64_t *)slot = ms;
        return 0;
}

/* The usual: few digits and nothing special behind them. */
static inline bool quick_integer(struct json *json, int64_t *ret)
{
        const char *p = json->p, *end = json->end, *digits;
        bool negative = p < end && *p == '-';
        int64_t value = 0;

        digits = p += negative;
        while (p < end && (unsigned char)(*p - '0') < 10 && p - digits < 18)
                value = value * 10 + (*p++ - '0');
        if (p == digits || p == end || (*digits == '0' && p - digits > 1) || (*p != ',' && *p != '}' && *p != ']'))
                return false;
        json->p = p;
        *ret = negative ? -value : value;
        return true;
}

int reader_integer(struct shape_reader *r, int64_t min, int64_t max, int64_t *ret)
{
        struct json_number n;
        int k = 0;

        if (!is_number(json_peek(&r->json)))
                return reader_fail_type(r, "a whole number");
        if (!quick_integer(&r->json, ret)) {
                if (json_read_number(&r->json, &n) < 0)
                        return reader_fail_json(r);
                k = json_number_int64(&n, ret);
        }
        if (k == -EDOM)
                return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "%.*s is not a whole number", (int)MIN(n.len, (size_t)40), n.text);
        if (k < 0 || *ret < min || *ret > max)
                return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "the number does not fit into %d bits", max == INT32_MAX ? 32 : 64);
        return 0;
}

static int read_int(struct shape_reader *r, const struct shape_field *field, void *slot)
{
        int64_t value;
        int k = reader_integer(r, INT32_MIN, INT32_MAX, &value);

        if (k == 0)
                *(int32_t *)slot = (int32_t)value;
        return k;
}

static int read_long(struct shape_reader *r, const struct shape_field *field, void *slot)
{
        return reader_integer(r, INT64_MIN, INT64_MAX, slot);
}

static int read_double_word(struct shape_reader *r, double *ret)
{
        static const struct {
                const char *word;
                double value;
        } rows[] = {{"NaN", __builtin_nan("")}, {"Infinity", __builtin_inf()}, {"-Infinity", -__builtin_inf()}};
        struct json_string s;

        if (json_read_string(&r->json, &s) < 0)
                return reader_fail_json(r);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                if (s.len == strlen(rows[i].word) && memcmp(s.text, rows[i].word, s.len) == 0) {
                        *ret = rows[i].value;
                        return 0;
                }
        }
        return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "a number was expected, not a string");
}

static int read_double(struct shape_reader *r, const struct shape_field *field, void *slot)
{
        struct json_number n;
        char c = json_peek(&r->json);

        if (c == '"')
                return read_double_word(r, slot);
        if (!is_number(c))
                return reader_fail_type(r, "a number");
        if (json_read_number(&r->json, &n) < 0)
                return reader_fail_json(r);
        if (json_number_double(&n, slot) < 0)
                return shape_fail(r->path, r->error, SHAPE_BAD_FORM, "the number is too large");
        return 0;
}

static int read_bool(struct shape_reader *r, const struct shape_field *field, void *slot)
{
        char c = json_peek(&r->json);

        if (c != 't' && c != 'f')
                return reader_fail_type(r, "true or false");
        return json_read_bool(&r->json, slot) < 0 ? reader_fail_json(r) : 0;
}

int (*const reader_scalars[SHAPE_KIND_MAX])(struct shape_reader *, const struct shape_field *, void *) = {
        [SHAPE_STRING] = read_string, [SHAPE_BLOB] = read_blob,           [SHAPE_JSON] = read_json,
        [SHAPE_ENUM] = read_enum,     [SHAPE_TIMESTAMP] = read_timestamp, [SHAPE_INT] = read_int,
        [SHAPE_LONG] = read_long,     [SHAPE_DOUBLE] = read_double,       [SHAPE_BOOL] = read_bool,
};
