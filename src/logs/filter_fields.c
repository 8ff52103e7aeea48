/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns for messages that are fields with spaces between: [ip, user, ..., status = 4* && status != 404, bytes > 1000]. */
#include <ctype.h>
#include <string.h>

#include "base/strutil.h"
#include "logs/filter_kinds.h"

#define FIELDS_MAX 128
#define CONDITIONS_MAX 64 /* a field */

/* Conditions in the order of the text; && binds closer: `or` starts the next alternative. */
struct field {
        const char *name;
        struct filter_condition *conditions;
        bool *starts_alternative;
        uint32_t n;
};

struct filter_fields {
        struct field *items;
        uint32_t n;
        uint32_t rest; /* items before the "…"; UINT32_MAX: there is none */
};

struct span {
        const char *start;
        size_t len;
};

static bool is_name_character(char c)
{
        return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == '@' || c == '#';
}

static const char *parse_name(struct filter_text *text)
{
        size_t n = 0;
        const char *name;

        filter_skip_space(text);
        while (is_name_character(text->at[n]))
                n++;
        name = n > 0 ? arena_strndup(text->arena, text->at, n) : NULL;
        text->at += n;
        filter_skip_space(text);
        return name;
}

static bool at_field_end(const struct filter_text *text)
{
        return *text->at == ',' || *text->at == ']' || *text->at == '\0';
}

static int parse_field(struct filter_text *text, struct filter_regex **list, struct field *field, struct error *error)
{
        bool starts_alternative = true;

        field->name = parse_name(text);
        if (at_field_end(text))
                return 0;
        field->conditions = arena_calloc(text->arena, CONDITIONS_MAX, sizeof *field->conditions);
        field->starts_alternative = arena_calloc(text->arena, CONDITIONS_MAX, sizeof *field->starts_alternative);
        for (;;) {
                const char *name;
                int r;

                if (field->n == CONDITIONS_MAX)
                        return filter_fail(text, error, "too many conditions for one field");
                field->starts_alternative[field->n] = starts_alternative;
                r = filter_condition_parse(text, " \t\n\r,]&|", list, &field->conditions[field->n++], error);
                if (r < 0)
                        return r;
                filter_skip_space(text);
                if (at_field_end(text))
                        return 0;
                starts_alternative = filter_take(text, "||");
                if (!starts_alternative && !filter_take(text, "&&"))
                        return filter_fail(text, error, "expected && or || or , or ]");
                name = parse_name(text);
                if (name != NULL && !str_eq(name, field->name))
                        return filter_fail(text, error, "conditions joined by && and || must be about the same field");
        }
}

int filter_fields_parse(struct filter_text *text, struct filter_regex **list, struct filter_fields **ret, struct error *error)
{
        struct filter_fields *fields = ARENA_NEW(text->arena, struct filter_fields);

        fields->items = arena_calloc(text->arena, FIELDS_MAX, sizeof *fields->items);
        fields->rest = UINT32_MAX;
        do {
                int r = 0;

                text->at++; /* over [ or , */
                filter_skip_space(text);
                if (fields->n == FIELDS_MAX)
                        return filter_fail(text, error, "too many fields");
                if (filter_take(text, "...")) {
                        if (fields->rest != UINT32_MAX)
                                return filter_fail(text, error, "only one ... is allowed");
                        fields->rest = fields->n;
                } else {
                        r = parse_field(text, list, &fields->items[fields->n++], error);
                }
                if (r < 0)
                        return r;
                filter_skip_space(text);
        } while (*text->at == ',');
        if (!filter_take(text, "]"))
                return filter_fail(text, error, "expected , or ]");
        *ret = fields;
        return 0;
}

/* ---- match ---- */

/* The next field of a message: what is between quotes or brackets is one, without them. */
static bool next_span(const char **at, const char *end, struct span *ret)
{
        const char *p = *at, *close;

        while (p < end && isspace((unsigned char)*p))
                p++;
        if (p == end)
                return false;
        close = *p == '"' || *p == '[' ? memchr(p + 1, *p == '[' ? ']' : '"', (size_t)(end - p - 1)) : NULL;
        if (close != NULL) {
                *ret = (struct span){p + 1, (size_t)(close - p) - 1};
                *at = close + 1;
                return true;
        }
        *ret = (struct span){p, 0};
        while (p < end && !isspace((unsigned char)*p))
                p++;
        ret->len = (size_t)(p - ret->start);
        *at = p;
        return true;
}

static bool field_matches(const struct field *field, struct span span)
{
        bool all = true;

        if (field->n == 0)
                return true;
        for (uint32_t i = 0; i < field->n; i++) {
                if (field->starts_alternative[i] && i > 0) {
                        if (all)
                                return true;
                        all = true;
                }
                all = all && filter_condition_test(&field->conditions[i], span.start, span.len, false);
        }
        return all;
}

/* Fields before "..." are counted from the front; those after it from the back, so the last spans are kept in a ring. */
bool filter_fields_match(const struct filter_fields *fields, const char *message, size_t len)
{
        uint32_t front = MIN(fields->rest, fields->n), back = fields->n - front, n = 0;
        const char *at = message, *end = message + len;
        struct span ring[FIELDS_MAX], span;

        while (next_span(&at, end, &span)) {
                if (n < front && !field_matches(&fields->items[n], span))
                        return false;
                if (n >= front && fields->rest == UINT32_MAX)
                        return false;
                ring[n % FIELDS_MAX] = span;
                n++;
        }
        if (n < fields->n)
                return false;
        for (uint32_t i = 0; i < back; i++) {
                if (!field_matches(&fields->items[front + i], ring[(n - back + i) % FIELDS_MAX]))
                        return false;
        }
        return true;
}
