/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the cluster query language: a hand-written descent, one function a rule of the grammar in query.h. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/strutil.h"
#include "sched/query_internal.h"

/* How deep parentheses and negations may nest. */
#define MAX_DEPTH 50

struct parser {
        const char *text, *p;
        struct arena *arena;
        struct error *error;
        struct query *query;
        uint32_t n_terms;
        int depth;
};

/* What a subject's values are, and with that, what can be asked of it. */
enum value_kind { VALUE_BOOL = 0, VALUE_VERSION, VALUE_TEXT, VALUE_DATE, VALUE_NUMBER };

static const struct {
        const char *name;
        enum value_kind kind;
        bool dynamic;
} subjects[SUBJECT_MAX] = {
        [SUBJECT_AGENT_CONNECTED] = {"agentConnected", VALUE_BOOL, true},
        [SUBJECT_AGENT_VERSION] = {"agentVersion", VALUE_VERSION, false},
        [SUBJECT_EC2_INSTANCE_ID] = {"ec2InstanceId", VALUE_TEXT, false},
        [SUBJECT_REGISTERED_AT] = {"registeredAt", VALUE_DATE, false},
        [SUBJECT_RUNNING_TASKS] = {"runningTasksCount", VALUE_NUMBER, true},
        [SUBJECT_PENDING_TASKS] = {"pendingTasksCount", VALUE_NUMBER, true},
        [SUBJECT_TASK_GROUP] = {"task:group", VALUE_TEXT, true},
        [SUBJECT_ATTRIBUTE] = {"attribute:NAME", VALUE_TEXT, false},
};

/* Longer symbols before those that they start with. */
static const struct {
        const char *symbol;
        enum query_operator operation;
} operators[] = {
        {"not_equals", OPERATOR_NOT_EQUALS},
        {"not_exists", OPERATOR_NOT_EXISTS},
        {"not_in", OPERATOR_NOT_IN},
        {"not_matches", OPERATOR_NOT_MATCHES},
        {"greater_than_equal", OPERATOR_GREATER_EQUAL},
        {"greater_than", OPERATOR_GREATER},
        {"less_than_equal", OPERATOR_LESS_EQUAL},
        {"less_than", OPERATOR_LESS},
        {"equals", OPERATOR_EQUALS},
        {"exists", OPERATOR_EXISTS},
        {"matches", OPERATOR_MATCHES},
        {"in", OPERATOR_IN},
        {"!exists", OPERATOR_NOT_EXISTS},
        {"!in", OPERATOR_NOT_IN},
        {"==", OPERATOR_EQUALS},
        {"!=", OPERATOR_NOT_EQUALS},
        {"=~", OPERATOR_MATCHES},
        {"!~", OPERATOR_NOT_MATCHES},
        {">=", OPERATOR_GREATER_EQUAL},
        {"<=", OPERATOR_LESS_EQUAL},
        {">", OPERATOR_GREATER},
        {"<", OPERATOR_LESS},
};

/* Where we are, and what would have been right there. */
static int fail_at(struct parser *parser, const char *at, const char *expected)
{
        size_t position = (size_t)(at - parser->text) + 1;
        int shown = (int)strcspn(at, " \t\r\n");

        if (shown == 0)
                return error_api(parser->error, "InvalidParameterException",
                                 "Invalid expression: it ends at character %zu, where %s was expected.", position, expected);
        return error_api(parser->error, "InvalidParameterException", "Invalid expression at character %zu (%.*s): %s was expected.",
                         position, MIN(shown, 40), at, expected);
}

static void skip_space(struct parser *parser)
{
        parser->p += strspn(parser->p, " \t\r\n");
}

static bool is_word_char(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("_.-:/\\", c) != NULL);
}

/* Takes the symbol when it stands here: words end where no letter follows. */
static bool accept(struct parser *parser, const char *symbol)
{
        size_t len = strlen(symbol);

        skip_space(parser);
        if (strncasecmp(parser->p, symbol, len) != 0)
                return false;
        if (is_word_char(symbol[len - 1]) && is_word_char(parser->p[len]))
                return false;
        parser->p += len;
        return true;
}

static struct query_node *new_node(struct parser *parser, enum query_node_kind kind, struct query_node *left, struct query_node *right)
{
        struct query_node *node = ARENA_NEW(parser->arena, struct query_node);

        *node = (struct query_node){.kind = kind, .left = left, .right = right};
        return node;
}

static int parse_subject(struct parser *parser, struct query_term *term)
{
        const char *begin;
        size_t len;

        skip_space(parser);
        begin = parser->p;
        len = 0;
        while (is_word_char(begin[len]))
                len++;
        if (len > strlen("attribute:") && strncasecmp(begin, "attribute:", strlen("attribute:")) == 0) {
                term->subject = SUBJECT_ATTRIBUTE;
                term->attribute = arena_strndup(parser->arena, begin + strlen("attribute:"), len - strlen("attribute:"));
                parser->p += len;
                return 0;
        }
        for (size_t i = 0; i < SUBJECT_ATTRIBUTE; i++) {
                if (len != strlen(subjects[i].name) || strncasecmp(begin, subjects[i].name, len) != 0)
                        continue;
                term->subject = (enum query_subject)i;
                parser->query->dynamic |= subjects[i].dynamic;
                parser->p += len;
                return 0;
        }
        return fail_at(parser, begin,
                       "attribute:NAME, task:group, agentConnected, agentVersion, ec2InstanceId, registeredAt, runningTasksCount or "
                       "pendingTasksCount");
}

static int parse_operator(struct parser *parser, struct query_term *term)
{
        skip_space(parser);
        for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
                if (!accept(parser, operators[i].symbol))
                        continue;
                term->operation = operators[i].operation;
                return 0;
        }
        return fail_at(parser, parser->p, "an operator (==, !=, >, >=, <, <=, in, !in, =~, !~, exists, !exists)");
}

static int parse_quoted(struct parser *parser, const char **ret)
{
        char quote = *parser->p;
        const char *begin = parser->p + 1, *end = strchr(begin, quote);

        if (end == NULL)
                return fail_at(parser, begin + strlen(begin), quote == '\'' ? "a closing '" : "a closing \"");
        *ret = arena_strndup(parser->arena, begin, (size_t)(end - begin));
        parser->p = end + 1;
        return 0;
}

/*
 * A literal without quotes goes up to white space. Brackets belong to it as far as it opened them itself, so that regular
 * expressions need no quotes; in a list it ends at a comma.
 */
static int parse_literal(struct parser *parser, bool in_list, const char **ret)
{
        const char *begin;
        int round = 0, square = 0;

        skip_space(parser);
        begin = parser->p;
        if (*begin == '\'' || *begin == '"')
                return parse_quoted(parser, ret);
        for (; *parser->p != '\0' && strchr(" \t\r\n", *parser->p) == NULL; parser->p++) {
                char c = *parser->p;

                if (c == '\\' && parser->p[1] != '\0' && !in_list) {
                        parser->p++;
                        continue;
                }
                if ((c == ',' && in_list) || (c == ')' && round == 0) || (c == ']' && square == 0))
                        break;
                round += (c == '(') - (c == ')');
                square += (c == '[') - (c == ']');
        }
        if (parser->p == begin)
                return fail_at(parser, begin, "a value");
        *ret = arena_strndup(parser->arena, begin, (size_t)(parser->p - begin));
        return 0;
}

static int fail_value(struct parser *parser, const char *at, const char *value, const char *expected)
{
        return error_api(parser->error, "InvalidParameterException", "Invalid expression at character %zu: %.60s is not %s.",
                         (size_t)(at - parser->text) + 1, value, expected);
}

/* Reads the number behind the text, where the subject has one. */
static int convert(struct parser *parser, const struct query_term *term, const char *at, struct query_argument *argument)
{
        switch (subjects[term->subject].kind) {
        case VALUE_BOOL:
                argument->number = str_eq_nocase(argument->text, "true");
                return argument->number == 1 || str_eq_nocase(argument->text, "false")
                               ? 0
                               : fail_value(parser, at, argument->text, "true or false");
        case VALUE_VERSION:
                return query_is_version(argument->text) ? 0 : fail_value(parser, at, argument->text, "a version such as 1.68.2");
        case VALUE_DATE:
                return query_parse_date(argument->text, &argument->number) == 0
                               ? 0
                               : fail_value(parser, at, argument->text, "a date such as 2018-06-18T22:28:28Z");
        case VALUE_NUMBER:
                return str_to_int64(argument->text, &argument->number) == 0 ? 0 : fail_value(parser, at, argument->text, "a whole number");
        case VALUE_TEXT:
                return 0;
        }
        return 0;
}

static int parse_argument(struct parser *parser, struct query_term *term, bool in_list, struct query_argument *ret)
{
        const char *at;
        int r;

        skip_space(parser);
        at = parser->p;
        r = parse_literal(parser, in_list, &ret->text);
        return r < 0 ? r : convert(parser, term, at, ret);
}

static int parse_list(struct parser *parser, struct query_term *term)
{
        uint32_t cap = 1;

        if (!accept(parser, "["))
                return fail_at(parser, parser->p, "a list such as [a, b]");
        for (const char *c = parser->p; *c != '\0'; c++)
                cap += *c == ',';
        term->arguments = arena_calloc(parser->arena, cap, sizeof(*term->arguments));
        do {
                int r = parse_argument(parser, term, true, &term->arguments[term->n_arguments]);

                if (r < 0)
                        return r;
                term->n_arguments++;
        } while (accept(parser, ","));
        return accept(parser, "]") ? 0 : fail_at(parser, parser->p, "a comma or ]");
}

static int parse_regex(struct parser *parser, struct query_term *term)
{
        struct error error = {0};
        const char *at, *pattern = NULL;
        regex_t *regex;
        int r;

        skip_space(parser);
        at = parser->p;
        r = parse_literal(parser, false, &pattern);
        if (r < 0)
                return r;
        regex = ARENA_NEW(parser->arena, regex_t);
        r = query_regex_compile(pattern, regex, &error);
        if (r < 0)
                return error_api(parser->error, "InvalidParameterException",
                                 "Invalid expression at character %zu: the regular expression %.60s cannot be used: %s.",
                                 (size_t)(at - parser->text) + 1, pattern, error.message);
        term->regex = regex;
        term->memo = ARENA_NEW(parser->arena, struct regex_memo);
        return 0;
}

static bool is_ordering(enum query_operator operation)
{
        return operation >= OPERATOR_GREATER && operation <= OPERATOR_LESS_EQUAL;
}

/* Refuses questions that no value could answer. */
static int check_operator(struct parser *parser, const struct query_term *term, const char *at)
{
        enum value_kind kind = subjects[term->subject].kind;
        bool matching = term->operation == OPERATOR_MATCHES || term->operation == OPERATOR_NOT_MATCHES;

        if (is_ordering(term->operation) &&
            (kind == VALUE_BOOL || term->subject == SUBJECT_EC2_INSTANCE_ID || term->subject == SUBJECT_TASK_GROUP))
                return fail_at(parser, at, "==, !=, in, !in, =~, !~, exists or !exists (this subject has no order)");
        if (matching && kind != VALUE_TEXT && kind != VALUE_VERSION)
                return fail_at(parser, at, "==, !=, >, >=, <, <=, in, !in, exists or !exists (this subject is no text)");
        return 0;
}

static int parse_operand(struct parser *parser, struct query_term *term)
{
        switch (term->operation) {
        case OPERATOR_EXISTS:
        case OPERATOR_NOT_EXISTS:
                return 0;
        case OPERATOR_IN:
        case OPERATOR_NOT_IN:
                return parse_list(parser, term);
        case OPERATOR_MATCHES:
        case OPERATOR_NOT_MATCHES:
                return parse_regex(parser, term);
        default:
                term->arguments = ARENA_NEW(parser->arena, struct query_argument);
                term->n_arguments = 1;
                return parse_argument(parser, term, false, term->arguments);
        }
}

static int parse_term(struct parser *parser, struct query_node **ret)
{
        struct query_term *term = ARENA_NEW(parser->arena, struct query_term);
        const char *at;
        int r;

        if (++parser->n_terms > QUERY_MAX_TERMS)
                return error_api(parser->error, "InvalidParameterException", "Invalid expression: it has more than %d terms.",
                                 QUERY_MAX_TERMS);
        /* In the list from the start: whatever was compiled must be released also when something later is wrong. */
        term->next = parser->query->terms;
        parser->query->terms = term;
        r = parse_subject(parser, term);
        if (r < 0)
                return r;
        skip_space(parser);
        at = parser->p;
        r = parse_operator(parser, term);
        if (r == 0)
                r = check_operator(parser, term, at);
        if (r == 0)
                r = parse_operand(parser, term);
        if (r < 0)
                return r;
        *ret = new_node(parser, NODE_TERM, NULL, NULL);
        (*ret)->term = term;
        return 0;
}

static int parse_or(struct parser *parser, struct query_node **ret);

static int parse_unary(struct parser *parser, struct query_node **ret)
{
        struct query_node *inner = NULL;
        int r;

        if (++parser->depth > MAX_DEPTH)
                return error_api(parser->error, "InvalidParameterException", "Invalid expression: it nests more than %d levels deep.",
                                 MAX_DEPTH);
        if (accept(parser, "not") || accept(parser, "!")) {
                r = parse_unary(parser, &inner);
                if (r == 0)
                        *ret = new_node(parser, NODE_NOT, inner, NULL);
        } else if (accept(parser, "(")) {
                r = parse_or(parser, ret);
                if (r == 0 && !accept(parser, ")"))
                        r = fail_at(parser, parser->p, "and, or or )");
        } else {
                r = parse_term(parser, ret);
        }
        parser->depth--;
        return r;
}

static int parse_and(struct parser *parser, struct query_node **ret)
{
        struct query_node *left = NULL, *right = NULL;
        int r = parse_unary(parser, &left);

        while (r == 0 && (accept(parser, "and") || accept(parser, "&&"))) {
                r = parse_unary(parser, &right);
                if (r == 0)
                        left = new_node(parser, NODE_AND, left, right);
        }
        if (r == 0)
                *ret = left;
        return r;
}

static int parse_or(struct parser *parser, struct query_node **ret)
{
        struct query_node *left = NULL, *right = NULL;
        int r = parse_and(parser, &left);

        while (r == 0 && (accept(parser, "or") || accept(parser, "||"))) {
                r = parse_and(parser, &right);
                if (r == 0)
                        left = new_node(parser, NODE_OR, left, right);
        }
        if (r == 0)
                *ret = left;
        return r;
}

int query_parse(const char *text, struct arena *arena, struct query **ret, struct error *error)
{
        struct parser parser = {.text = text, .p = text, .arena = arena, .error = error};
        int r;

        if (strlen(text) > QUERY_MAX_BYTES)
                return error_api(error, "InvalidParameterException", "Invalid expression: it has more than %d bytes.", QUERY_MAX_BYTES);
        parser.query = ARENA_NEW(arena, struct query);
        r = parse_or(&parser, &parser.query->root);
        skip_space(&parser);
        if (r == 0 && *parser.p != '\0')
                r = fail_at(&parser, parser.p, "and, or, or the end");
        if (r < 0) {
                query_done(parser.query);
                return r;
        }
        *ret = parser.query;
        return 0;
}

void query_done(struct query *query)
{
        if (query == NULL)
                return;
        for (struct query_term *term = query->terms; term != NULL; term = term->next) {
                if (term->regex != NULL)
                        regfree(term->regex);
                term->regex = NULL;
        }
}

const char *query_attribute(const struct query *query, uint32_t i)
{
        for (const struct query_term *term = query->terms; term != NULL; term = term->next)
                if (term->attribute != NULL && i-- == 0)
                        return term->attribute;
        return NULL;
}

bool query_is_dynamic(const struct query *query)
{
        return query->dynamic;
}
