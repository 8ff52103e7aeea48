/* SPDX-License-Identifier: Apache-2.0 */
/* One comparison of a filter pattern: = "text with *", > 5, = %regex%; and the words of the language. */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

/* A place in the text of a pattern. */
struct filter_text {
        const char *start, *at;
        struct arena *arena; /* of what is made of it */
        unsigned n_regex;    /* so far: two are allowed */
};

/* "invalid filter pattern at character 7: …"; returns -EINVAL. */
int filter_fail(const struct filter_text *text, struct error *error, const char *what);
void filter_skip_space(struct filter_text *text);
/* Takes `word` if the text goes on with it (and, for letters, the word ends there). */
bool filter_take(struct filter_text *text, const char *word);
/* "…" with \" and \\ inside. */
int filter_quoted(struct filter_text *text, const char **ret, struct error *error);

/* %…%: compiled into `ret`, which filter_regex_done frees. */
struct filter_regex {
        struct filter_regex *next;
        regex_t compiled;
};
int filter_regex_parse(struct filter_text *text, struct filter_regex **list, struct filter_regex **ret, struct error *error);
bool filter_regex_match(const struct filter_regex *regex, const char *s, size_t len);
void filter_regex_done(struct filter_regex *list);

enum filter_operator { FILTER_EQ = 0, FILTER_NE, FILTER_LT, FILTER_LE, FILTER_GT, FILTER_GE };

struct filter_condition {
        enum filter_operator operator;
        const char *text; /* of the operand, unquoted; NULL: the regex */
        bool quoted;      /* then it is no number */
        bool is_number;
        double number;
        struct filter_regex *regex;
};

/* From the operator on. `stop`: characters that end an operand without quotes. */
int filter_condition_parse(struct filter_text *text, const char *stop, struct filter_regex **list, struct filter_condition *ret,
                           struct error *error);
/* `s` is the value; `is_text`: it is text by its kind and never a number (a JSON string). */
bool filter_condition_test(const struct filter_condition *condition, const char *s, size_t len, bool is_text);
