/* SPDX-License-Identifier: Apache-2.0 */
/* What parsing and matching of queries share. */
#pragma once

#include <regex.h>

#include "base/buf.h"
#include "sched/query.h"

enum query_subject {
        SUBJECT_AGENT_CONNECTED = 0,
        SUBJECT_AGENT_VERSION,
        SUBJECT_EC2_INSTANCE_ID,
        SUBJECT_REGISTERED_AT,
        SUBJECT_RUNNING_TASKS,
        SUBJECT_PENDING_TASKS,
        SUBJECT_TASK_GROUP,
        SUBJECT_ATTRIBUTE,
        SUBJECT_MAX
};

enum query_operator {
        OPERATOR_EQUALS = 0,
        OPERATOR_NOT_EQUALS,
        OPERATOR_GREATER,
        OPERATOR_GREATER_EQUAL,
        OPERATOR_LESS,
        OPERATOR_LESS_EQUAL,
        OPERATOR_EXISTS,
        OPERATOR_NOT_EXISTS,
        OPERATOR_IN,
        OPERATOR_NOT_IN,
        OPERATOR_MATCHES,
        OPERATOR_NOT_MATCHES,
        OPERATOR_MAX
};

struct query_argument {
        const char *text;
        int64_t number; /* of counts and moments (milliseconds); agentConnected: 0 or 1 */
};

/*
 * What a regular expression said of the values that it saw last. Many instances share their values (types, zones), and matching
 * costs more than all else of a term.
 */
#define REGEX_MEMO_ROWS 8
#define REGEX_MEMO_BYTES 40
struct regex_memo {
        struct {
                char text[REGEX_MEMO_BYTES];
                bool known, matches;
        } rows[REGEX_MEMO_ROWS];
};

struct query_term {
        enum query_subject subject;
        enum query_operator operation;
        const char *attribute; /* of SUBJECT_ATTRIBUTE */
        struct query_argument *arguments;
        uint32_t n_arguments;
        regex_t *regex; /* of MATCHES and NOT_MATCHES */
        struct regex_memo *memo;
        struct query_term *next; /* all terms of the query */
};

enum query_node_kind { NODE_AND = 0, NODE_OR, NODE_NOT, NODE_TERM };

struct query_node {
        enum query_node_kind kind;
        struct query_node *left, *right; /* NOT: left alone */
        struct query_term *term;
};

struct query {
        struct query_node *root;
        struct query_term *terms;
        bool dynamic;
};

/* Compiles a Java-like regular expression that must match a whole value. -EINVAL with a plain message (no API error name). */
int query_regex_compile(const char *pattern, regex_t *ret, struct error *error) MUST_CHECK;

/* "1", "v1.68.2", "1.2-rc1": dotted numbers, perhaps with a suffix. */
bool query_is_version(const char *text);
/* Below, at or above zero, as strcmp; both must be versions. */
int query_compare_versions(const char *a, const char *b);
/* A date, or date and time with or without zone, as milliseconds since 1970. -EINVAL for other text. */
int query_parse_date(const char *text, int64_t *ret_ms) MUST_CHECK;
