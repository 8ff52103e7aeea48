/* SPDX-License-Identifier: Apache-2.0 */
/* A filter pattern: which of the three kinds it is. */
#include "logs/filter_pattern.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "logs/filter_kinds.h"

struct filter_pattern {
        struct arena arena;
        struct filter_regex *regexes;
        /* One of these; none: everything matches. */
        struct filter_terms *terms;
        struct filter_json *json;
        struct filter_fields *fields;
};

static int parse(struct filter_pattern *p, struct filter_text *text, struct error *error)
{
        filter_skip_space(text);
        if (*text->at == '\0')
                return 0;
        if (*text->at == '{')
                return filter_json_parse(text, &p->regexes, &p->json, error);
        if (*text->at == '[')
                return filter_fields_parse(text, &p->regexes, &p->fields, error);
        return filter_terms_parse(text, &p->regexes, &p->terms, error);
}

int filter_pattern_parse(const char *string, struct filter_pattern **ret, struct error *error)
{
        struct filter_pattern *p;
        struct filter_text text;
        int r;

        if (strlen(string) > FILTER_PATTERN_MAX)
                return error_set(error, EINVAL, "Invalid filter pattern: it is longer than %d characters", FILTER_PATTERN_MAX);
        p = xalloc(sizeof *p);
        text = (struct filter_text){string, string, &p->arena, 0};
        r = parse(p, &text, error);
        filter_skip_space(&text);
        if (r == 0 && *text.at != '\0')
                r = filter_fail(&text, error, "there is something after its end");
        if (r < 0) {
                (void)filter_pattern_free(p);
                return r;
        }
        *ret = p;
        return 0;
}

struct filter_pattern *filter_pattern_free(struct filter_pattern *p)
{
        if (p == NULL)
                return NULL;
        filter_regex_done(p->regexes);
        arena_done(&p->arena);
        free(p);
        return NULL;
}

bool filter_pattern_is_empty(const struct filter_pattern *p)
{
        return p->terms == NULL && p->json == NULL && p->fields == NULL;
}

bool filter_pattern_match(const struct filter_pattern *p, const char *message, size_t len)
{
        if (p->json != NULL)
                return filter_json_match(p->json, message, len);
        if (p->fields != NULL)
                return filter_fields_match(p->fields, message, len);
        return p->terms == NULL || filter_terms_match(p->terms, message, len);
}
