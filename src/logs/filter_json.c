/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns for messages that are JSON: { $.a.b[0] = "x*" && ($.n >= 4 || $.e NOT EXISTS) }. */
#include <ctype.h>
#include <string.h>

#include "base/strutil.h"
#include "logs/filter_kinds.h"
#include "logs/json_find.h"

#define STEPS_MAX 64
#define DEPTH_MAX 64
#define STRING_MAX 4096 /* longer strings with escapes in them are compared as they stand */

enum test { TEST_COMPARE = 0, TEST_NULL, TEST_TRUE, TEST_FALSE, TEST_EXISTS, TEST_NOT_EXISTS };
enum node_kind { NODE_TEST = 0, NODE_AND, NODE_OR };

struct node {
        enum node_kind kind;
        const struct node *left, *right; /* of AND and OR */
        enum test test;
        struct json_step *steps;
        size_t n_steps;
        struct filter_condition condition;
};

struct filter_json {
        const struct node *root;
};

/* ---- selectors: $.name, $["name"], $[0], $[*] ---- */

static bool is_name_character(char c)
{
        return isalnum((unsigned char)c) || (c != '\0' && strchr("_-@:/", c) != NULL) || (unsigned char)c >= 0x80;
}

static int parse_name(struct filter_text *text, struct json_step *ret, struct error *error)
{
        size_t n = 0;

        if (*text->at == '"')
                return filter_quoted(text, &ret->key, error);
        while (is_name_character(text->at[n]))
                n++;
        if (n == 0)
                return filter_fail(text, error, "expected the name of a property after $.");
        ret->key = arena_strndup(text->arena, text->at, n);
        text->at += n;
        return 0;
}

/* 'name' in brackets. */
static int parse_bracket_name(struct filter_text *text, struct json_step *ret, struct error *error)
{
        const char *end;

        if (*text->at == '"')
                return filter_quoted(text, &ret->key, error);
        end = strchr(text->at + 1, '\'');
        if (end == NULL)
                return filter_fail(text, error, "the quoted name does not end");
        ret->key = arena_strndup(text->arena, text->at + 1, (size_t)(end - text->at) - 1);
        text->at = end + 1;
        return 0;
}

static int parse_bracket(struct filter_text *text, struct json_step *ret, struct error *error)
{
        int64_t index = 0;
        int r = 0;

        if (*text->at == '"' || *text->at == '\'') {
                r = parse_bracket_name(text, ret, error);
        } else if (filter_take(text, "*")) {
                ret->index = -1;
        } else {
                if (!isdigit((unsigned char)*text->at))
                        return filter_fail(text, error, "expected a number, * or a quoted name in the brackets");
                for (; isdigit((unsigned char)*text->at) && index < 100000000; text->at++)
                        index = index * 10 + (*text->at - '0');
                ret->index = index;
        }
        if (r == 0 && !filter_take(text, "]"))
                return filter_fail(text, error, "expected ]");
        return r;
}

static int parse_selector(struct filter_text *text, struct node *node, struct error *error)
{
        if (!filter_take(text, "$"))
                return filter_fail(text, error, "expected a property such as $.name");
        node->steps = arena_calloc(text->arena, STEPS_MAX, sizeof *node->steps);
        for (;;) {
                struct json_step *step = &node->steps[node->n_steps];
                int r;

                if (*text->at != '.' && *text->at != '[')
                        break;
                if (node->n_steps == STEPS_MAX)
                        return filter_fail(text, error, "the property is nested too deeply");
                if (filter_take(text, ".") && *text->at != '[')
                        r = parse_name(text, step, error);
                else
                        r = filter_take(text, "[") ? parse_bracket(text, step, error) : filter_fail(text, error, "expected a name");
                if (r < 0)
                        return r;
                node->n_steps++;
        }
        return 0;
}

/* ---- expressions ---- */

static int parse_test(struct filter_text *text, struct filter_regex **list, struct node *node, struct error *error)
{
        static const struct {
                const char *first, *second;
                enum test test;
        } words[] = {{"IS", "NULL", TEST_NULL},
                     {"IS", "TRUE", TEST_TRUE},
                     {"IS", "FALSE", TEST_FALSE},
                     {"NOT", "EXISTS", TEST_NOT_EXISTS},
                     {"EXISTS", "", TEST_EXISTS}};
        int r = parse_selector(text, node, error);

        if (r < 0)
                return r;
        filter_skip_space(text);
        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                const char *before = text->at;

                if (filter_take(text, words[i].first)) {
                        filter_skip_space(text);
                        if (filter_take(text, words[i].second)) {
                                node->test = words[i].test;
                                return 0;
                        }
                }
                text->at = before;
        }
        return filter_condition_parse(text, " \t\n\r)}&|", list, &node->condition, error);
}

static int parse_or(struct filter_text *text, struct filter_regex **list, unsigned depth, const struct node **ret, struct error *error);

static int parse_primary(struct filter_text *text, struct filter_regex **list, unsigned depth, const struct node **ret, struct error *error)
{
        struct node *node;
        int r;

        filter_skip_space(text);
        if (!filter_take(text, "(")) {
                node = ARENA_NEW(text->arena, struct node);
                *ret = node;
                return parse_test(text, list, node, error);
        }
        if (depth == DEPTH_MAX)
                return filter_fail(text, error, "too many parentheses");
        r = parse_or(text, list, depth + 1, ret, error);
        filter_skip_space(text);
        if (r == 0 && !filter_take(text, ")"))
                return filter_fail(text, error, "expected )");
        return r;
}

static const struct node *join(struct filter_text *text, enum node_kind kind, const struct node *left, const struct node *right)
{
        struct node *node = ARENA_NEW(text->arena, struct node);

        *node = (struct node){.kind = kind, .left = left, .right = right};
        return node;
}

static int parse_and(struct filter_text *text, struct filter_regex **list, unsigned depth, const struct node **ret, struct error *error)
{
        const struct node *right;
        int r = parse_primary(text, list, depth, ret, error);

        for (filter_skip_space(text); r == 0 && filter_take(text, "&&"); filter_skip_space(text)) {
                r = parse_primary(text, list, depth, &right, error);
                if (r == 0)
                        *ret = join(text, NODE_AND, *ret, right);
        }
        return r;
}

static int parse_or(struct filter_text *text, struct filter_regex **list, unsigned depth, const struct node **ret, struct error *error)
{
        const struct node *right;
        int r = parse_and(text, list, depth, ret, error);

        for (filter_skip_space(text); r == 0 && filter_take(text, "||"); filter_skip_space(text)) {
                r = parse_and(text, list, depth, &right, error);
                if (r == 0)
                        *ret = join(text, NODE_OR, *ret, right);
        }
        return r;
}

int filter_json_parse(struct filter_text *text, struct filter_regex **list, struct filter_json **ret, struct error *error)
{
        struct filter_json *json = ARENA_NEW(text->arena, struct filter_json);
        int r;

        (void)filter_take(text, "{");
        r = parse_or(text, list, 0, &json->root, error);
        filter_skip_space(text);
        if (r == 0 && !filter_take(text, "}"))
                return filter_fail(text, error, "expected && or || or }");
        *ret = json;
        return r;
}

/* ---- match ---- */

static bool compare_string(const struct filter_condition *condition, const struct json_value *value)
{
        char copy[STRING_MAX];

        if (value->len > sizeof copy || memchr(value->start, '\\', value->len) == NULL)
                return filter_condition_test(condition, value->start + 1, value->len - 2, true);
        return filter_condition_test(condition, copy, json_value_unescape(value, copy), true);
}

static bool test_value(const struct json_value *value, void *data)
{
        const struct node *node = data;

        switch (node->test) {
        case TEST_NULL:
                return value->kind == JSON_NULL;
        case TEST_TRUE:
                return value->kind == JSON_TRUE;
        case TEST_FALSE:
                return value->kind == JSON_FALSE;
        case TEST_EXISTS:
        case TEST_NOT_EXISTS:
                return true;
        case TEST_COMPARE:
                break;
        }
        if (value->kind == JSON_STRING)
                return compare_string(&node->condition, value);
        if (value->kind == JSON_OBJECT || value->kind == JSON_ARRAY || value->kind == JSON_NULL)
                return false;
        return filter_condition_test(&node->condition, value->start, value->len, false);
}

static bool evaluate(const struct node *node, const char *message, size_t len)
{
        bool found;

        if (node->kind == NODE_AND)
                return evaluate(node->left, message, len) && evaluate(node->right, message, len);
        if (node->kind == NODE_OR)
                return evaluate(node->left, message, len) || evaluate(node->right, message, len);
        found = json_find(message, len, node->steps, node->n_steps, test_value, (void *)(uintptr_t)node);
        return found != (node->test == TEST_NOT_EXISTS);
}

bool filter_json_match(const struct filter_json *json, const char *message, size_t len)
{
        return json_is_valid(message, len) && evaluate(json->root, message, len);
}
