/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns that are terms: ERROR "out of memory" -DEBUG ?WARN %regex%. */
#include <ctype.h>
#include <string.h>

#include "logs/filter_kinds.h"

enum term_kind { TERM_REQUIRED = 0, TERM_OPTIONAL, TERM_EXCLUDED };

struct term {
        struct term *next;
        enum term_kind kind;
        const char *text; /* NULL: the regex */
        size_t len;
        struct filter_regex *regex;
};

struct filter_terms {
        struct term *first;
        bool has_required, has_optional;
};

static bool is_word_character(char c)
{
        return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static int parse_word(struct filter_text *text, struct term *term, struct error *error)
{
        const char *start = text->at, *end = start;
        bool bad = false;

        for (; *end != '\0' && !isspace((unsigned char)*end); end++)
                bad |= !is_word_character(*end);
        if (bad || end == start)
                return filter_fail(text, error, "a term with other characters than letters, digits and _ must be in double quotes");
        term->text = arena_strndup(text->arena, start, (size_t)(end - start));
        text->at = end;
        return 0;
}

static int parse_term(struct filter_text *text, struct filter_regex **list, struct term *term, struct error *error)
{
        int r;

        if (filter_take(text, "?"))
                term->kind = TERM_OPTIONAL;
        else if (filter_take(text, "-"))
                term->kind = TERM_EXCLUDED;
        if (*text->at == '%')
                r = filter_regex_parse(text, list, &term->regex, error);
        else if (*text->at == '"')
                r = filter_quoted(text, &term->text, error);
        else
                r = parse_word(text, term, error);
        if (r == 0 && term->text != NULL)
                term->len = strlen(term->text);
        if (r == 0 && *text->at != '\0' && !isspace((unsigned char)*text->at))
                return filter_fail(text, error, "terms need a space between them");
        return r;
}

int filter_terms_parse(struct filter_text *text, struct filter_regex **list, struct filter_terms **ret, struct error *error)
{
        struct filter_terms *terms = ARENA_NEW(text->arena, struct filter_terms);
        struct term **last = &terms->first;

        for (filter_skip_space(text); *text->at != '\0'; filter_skip_space(text)) {
                struct term *term = ARENA_NEW(text->arena, struct term);
                int r = parse_term(text, list, term, error);

                if (r < 0)
                        return r;
                terms->has_required |= term->kind == TERM_REQUIRED;
                terms->has_optional |= term->kind == TERM_OPTIONAL;
                *last = term;
                last = &term->next;
        }
        *ret = terms;
        return 0;
}

static bool occurs(const struct term *term, const char *message, size_t len)
{
        if (term->regex != NULL)
                return filter_regex_match(term->regex, message, len);
        return term->len == 0 || (len > 0 && memmem(message, len, term->text, term->len) != NULL);
}

bool filter_terms_match(const struct filter_terms *terms, const char *message, size_t len)
{
        bool any = false;

        for (const struct term *term = terms->first; term != NULL; term = term->next) {
                if (term->kind == TERM_OPTIONAL)
                        any = any || (!terms->has_required && occurs(term, message, len));
                else if (occurs(term, message, len) != (term->kind == TERM_REQUIRED))
                        return false;
        }
        return any || terms->has_required || !terms->has_optional;
}
