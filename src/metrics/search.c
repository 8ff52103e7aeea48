/* SPDX-License-Identifier: Apache-2.0 */
/* Search expressions: a tree of terms, and what a term says of a metric's identity. */
#include "metrics/search.h"

#include <ctype.h>
#include <string.h>

#include "base/strutil.h"

#define DEPTH_MAX 32
/* Of a name or value whose every character is a token, with a blank before each. */
#define TOKENS_MAX 2056

enum kind { TERM = 0, AND, OR, NOT };

struct node {
        enum kind kind;
        const struct node *left, *right; /* of NOT only `left` */
        const char *property;            /* of a term; NULL: any */
        const char *text;                /* what it is exactly; NULL: `tokens` */
        const char *tokens;
};

struct metric_search {
        const char *space; /* NULL: no schema */
        const char **dimensions;
        size_t n_dimensions;
        const struct node *root; /* NULL: no terms */
        const char *prefix;      /* keys of all that it can find begin so */
};

/* ---- Tokens ---- */

static bool begins_token(const char *text, size_t i)
{
        unsigned char before = (unsigned char)text[i - 1], c = (unsigned char)text[i];

        if (!isalnum(before) || (isdigit(before) != 0) != (isdigit(c) != 0))
                return true;
        /* The last capital of several belongs to the word that follows: SDBFailure is SDB, Failure. */
        return isupper(c) && (!isupper(before) || islower((unsigned char)text[i + 1]));
}

/* " custom count 1 ": so tokens that follow each other are one piece of text, too. */
static void tokenize(const char *text, char ret[TOKENS_MAX])
{
        size_t n = 0;

        ret[n++] = ' ';
        for (size_t i = 0; text[i] != '\0' && n < TOKENS_MAX - 3; i++) {
                if (!isalnum((unsigned char)text[i]))
                        continue;
                if (i > 0 && n > 1 && begins_token(text, i))
                        ret[n++] = ' ';
                ret[n++] = (char)tolower((unsigned char)text[i]);
        }
        ret[n++] = ' ';
        ret[n] = '\0';
}

/* The same without what stands between tokens. */
static bool same_whole(const char *a, const char *b)
{
        for (;;) {
                a += strspn(a, " ");
                b += strspn(b, " ");
                if (*a != *b)
                        return false;
                if (*a == '\0')
                        return true;
                a++;
                b++;
        }
}

/* ---- Matching ---- */

static bool says(const struct node *term, const char *text)
{
        char tokens[TOKENS_MAX];

        if (term->text != NULL)
                return str_eq(term->text, text);
        tokenize(text, tokens);
        return strstr(tokens, term->tokens) != NULL || same_whole(tokens, term->tokens);
}

static bool term_holds(const struct node *term, const struct metric_id *id)
{
        const char *property = term->property;
        bool any = property == NULL;

        if ((any || str_eq(property, "MetricName")) && says(term, id->name))
                return true;
        if ((any || str_eq(property, "Namespace")) && says(term, id->space))
                return true;
        for (uint32_t i = 0; i < id->n_dimensions; i++) {
                const struct metric_dimension *dimension = &id->dimensions[i];

                if ((any && says(term, dimension->name)) || ((any || str_eq(property, dimension->name)) && says(term, dimension->value)))
                        return true;
        }
        return false;
}

static bool holds(const struct node *node, const struct metric_id *id)
{
        switch (node->kind) {
        case AND:
                return holds(node->left, id) && holds(node->right, id);
        case OR:
                return holds(node->left, id) || holds(node->right, id);
        case NOT:
                return !holds(node->left, id);
        default:
                return term_holds(node, id);
        }
}

static bool has_dimension(const struct metric_id *id, const char *name)
{
        for (uint32_t i = 0; i < id->n_dimensions; i++)
                if (str_eq(id->dimensions[i].name, name))
                        return true;
        return false;
}

bool metric_search_matches(const struct metric_search *search, const struct metric_id *id)
{
        if (search->space != NULL && (id->n_dimensions != search->n_dimensions || !str_eq(id->space, search->space)))
                return false;
        for (size_t i = 0; i < search->n_dimensions; i++)
                if (!has_dimension(id, search->dimensions[i]))
                        return false;
        return search->root == NULL || holds(search->root, id);
}

size_t metric_search_run(const struct metric_search *search, const struct metrics *metrics, size_t max, struct arena *arena,
                         const struct metric_series ***ret, bool *ret_more)
{
        const struct metric_series **found = arena_calloc(arena, max + 1, sizeof(*found));
        size_t n = 0;

        *ret = found;
        *ret_more = false;
        for (struct tree_node *node = tree_from(metrics_series(metrics), search->prefix);
             node != NULL && str_starts_with(node->key, search->prefix); node = tree_next(node)) {
                const struct metric_series *series = CONTAINER_OF(node, struct metric_series, node);

                if (!metric_search_matches(search, &series->id))
                        continue;
                *ret_more = n == max;
                if (*ret_more)
                        break;
                found[n++] = series;
        }
        return n;
}

/* ---- Parsing ---- */

struct parser {
        const char *p;
        struct arena *arena;
        int depth;
};

static const char *parse_or(struct parser *parser, const struct node **ret);

static char peek(struct parser *parser)
{
        while (isspace((unsigned char)*parser->p))
                parser->p++;
        return *parser->p;
}

/* Up to the closing quote; NULL: there is none. */
static const char *parse_quoted(struct parser *parser)
{
        char *text = arena_bytes(parser->arena, strlen(parser->p) + 1), *out = text;

        for (parser->p++; *parser->p != '"'; parser->p++) {
                if (*parser->p == '\\' && parser->p[1] != '\0')
                        parser->p++;
                if (*parser->p == '\0')
                        return NULL;
                *out++ = *parser->p;
        }
        parser->p++;
        *out = '\0';
        return text;
}

/* Text up to one of `ends`, without blanks around it. */
static const char *parse_bare(struct parser *parser, const char *ends)
{
        size_t len = strcspn(parser->p, ends);
        const char *begin = parser->p;

        parser->p += len;
        while (len > 0 && isspace((unsigned char)begin[len - 1]))
                len--;
        return arena_strndup(parser->arena, begin, len);
}

static const char *parse_schema(struct parser *parser, struct metric_search *search)
{
        search->dimensions = arena_calloc(parser->arena, METRICS_MAX_DIMENSIONS, sizeof(*search->dimensions));
        do {
                const char *name;

                parser->p++; /* { or , */
                name = peek(parser) == '"' ? parse_quoted(parser) : parse_bare(parser, ",}\"");
                if (name == NULL || name[0] == '\0' || (peek(parser) != ',' && *parser->p != '}'))
                        return "the schema must be {Namespace, DimensionName, …}: names with other characters in double quotes";
                if (search->space == NULL)
                        search->space = name;
                else if (search->n_dimensions == METRICS_MAX_DIMENSIONS)
                        return "the schema has too many dimensions";
                else
                        search->dimensions[search->n_dimensions++] = name;
        } while (*parser->p == ',');
        parser->p++;
        if (peek(parser) == ',')
                parser->p++;
        return NULL;
}

static const char *parse_word(struct parser *parser, struct node *term)
{
        bool quoted = peek(parser) == '"';
        const char *text = quoted ? parse_quoted(parser) : parse_bare(parser, " \t\r\n()=\"");
        char tokens[TOKENS_MAX];

        if (text == NULL)
                return "a double quote is not closed";
        if (text[0] == '\0')
                return "a term was expected";
        if (peek(parser) == '=' && term->property == NULL) {
                parser->p++;
                term->property = text;
                if (text[0] == ':')
                        return "metrics of other accounts are not here: leave :aws.AccountId out";
                return parse_word(parser, term);
        }
        if (quoted) {
                term->text = text;
                return NULL;
        }
        tokenize(text, tokens);
        if (tokens[1] == ' ')
                return "a term must have a letter or a digit, or stand in double quotes";
        term->tokens = arena_strdup(parser->arena, tokens);
        return NULL;
}

static bool accept_word(struct parser *parser, const char *word)
{
        size_t len = strlen(word);

        (void)peek(parser);
        if (!str_starts_with(parser->p, word) ||
            (parser->p[len] != '(' && parser->p[len] != '"' && !isspace((unsigned char)parser->p[len])))
                return false;
        parser->p += len;
        return true;
}

static const struct node *node_new(struct parser *parser, enum kind kind, const struct node *left, const struct node *right)
{
        struct node *node = ARENA_NEW(parser->arena, struct node);

        *node = (struct node){.kind = kind, .left = left, .right = right};
        return node;
}

static const char *parse_factor(struct parser *parser, const struct node **ret)
{
        const char *problem;

        if (++parser->depth > DEPTH_MAX)
                return "nested too deeply";
        if (accept_word(parser, "NOT")) {
                problem = parse_factor(parser, ret);
                *ret = node_new(parser, NOT, *ret, NULL);
        } else if (peek(parser) == '(') {
                parser->p++;
                problem = parse_or(parser, ret);
                if (problem == NULL && peek(parser) != ')')
                        problem = "')' was expected";
                if (problem == NULL)
                        parser->p++;
        } else {
                struct node *term = ARENA_NEW(parser->arena, struct node);

                *ret = term;
                problem = parse_word(parser, term);
        }
        parser->depth--;
        return problem;
}

static const char *parse_and(struct parser *parser, const struct node **ret)
{
        const struct node *right = NULL;
        const char *problem = parse_factor(parser, ret);

        while (problem == NULL) {
                if (!accept_word(parser, "AND")) {
                        const char *begin = parser->p;
                        bool other = accept_word(parser, "OR");

                        parser->p = begin;
                        if (other || peek(parser) == '\0' || *parser->p == ')')
                                break;
                }
                problem = parse_factor(parser, &right);
                *ret = node_new(parser, AND, *ret, right);
        }
        return problem;
}

static const char *parse_or(struct parser *parser, const struct node **ret)
{
        const struct node *right = NULL;
        const char *problem = parse_and(parser, ret);

        while (problem == NULL && accept_word(parser, "OR")) {
                problem = parse_and(parser, &right);
                *ret = node_new(parser, OR, *ret, right);
        }
        return problem;
}

/* The name that all that is found has. NULL: none is sure. */
static const char *sure_name(const struct node *node)
{
        const char *left;

        if (node->kind == AND)
                return (left = sure_name(node->left)) != NULL ? left : sure_name(node->right);
        return node->kind == TERM && node->text != NULL && str_eq(node->property, "MetricName") ? node->text : NULL;
}

const char *metric_search_parse(const char *text, struct arena *arena, const struct metric_search **ret)
{
        struct metric_search *search = ARENA_NEW(arena, struct metric_search);
        struct parser parser = {.p = text, .arena = arena};
        const char *problem = NULL, *name;

        if (strlen(text) > METRIC_SEARCH_LENGTH)
                return "the search must not be longer than 1024 characters";
        if (peek(&parser) == '{')
                problem = parse_schema(&parser, search);
        if (problem == NULL && peek(&parser) != '\0') {
                problem = parse_or(&parser, &search->root);
                if (problem == NULL && peek(&parser) != '\0')
                        problem = "AND, OR or the end was expected";
        } else if (problem == NULL && search->space == NULL) {
                problem = "the search is empty: give {Namespace, DimensionName, …}, terms, or both";
        }
        if (problem != NULL)
                return problem;
        name = search->root != NULL ? sure_name(search->root) : NULL;
        search->prefix = search->space == NULL ? "" : arena_printf(arena, "%s\n%s", search->space, name != NULL ? name : "");
        *ret = search;
        return NULL;
}
