/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an instance is one that a query asks for. */
#include <string.h>

#include "base/strutil.h"
#include "sched/query_internal.h"

static bool is_negative(enum query_operator operation)
{
        return operation == OPERATOR_NOT_EQUALS || operation == OPERATOR_NOT_EXISTS || operation == OPERATOR_NOT_IN ||
               operation == OPERATOR_NOT_MATCHES;
}

/* What an ordering operator says of a comparison's result. */
static bool holds(enum query_operator operation, int order)
{
        switch (operation) {
        case OPERATOR_GREATER:
                return order > 0;
        case OPERATOR_GREATER_EQUAL:
                return order >= 0;
        case OPERATOR_LESS:
                return order < 0;
        case OPERATOR_LESS_EQUAL:
                return order <= 0;
        default:
                return order == 0;
        }
}

static bool match_number(const struct query_term *term, int64_t value)
{
        for (uint32_t i = 0; i < term->n_arguments; i++) {
                int64_t wanted = term->arguments[i].number;

                if (holds(term->operation, value < wanted ? -1 : value > wanted))
                        return true;
        }
        return false;
}

/* Text orders as numbers where both are numbers, as versions where both look like versions. */
static int compare_text(const char *a, const char *b)
{
        double x, y;

        if (str_to_double(a, &x) == 0 && str_to_double(b, &y) == 0)
                return x < y ? -1 : x > y;
        if (query_is_version(a) && query_is_version(b))
                return query_compare_versions(a, b);
        return strcmp(a, b);
}

static bool match_regex(const struct query_term *term, const char *value)
{
        size_t len = strlen(value);
        size_t row = len == 0 ? 0
                              : (len + (unsigned char)value[len - 1] + (unsigned char)value[0] * 3u + (unsigned char)value[len / 2] * 5u) %
                                        REGEX_MEMO_ROWS;
        bool matches;

        if (len >= REGEX_MEMO_BYTES)
                return regexec(term->regex, value, 0, NULL, 0) == 0;
        if (term->memo->rows[row].known && strcmp(term->memo->rows[row].text, value) == 0)
                return term->memo->rows[row].matches;
        matches = regexec(term->regex, value, 0, NULL, 0) == 0;
        memcpy(term->memo->rows[row].text, value, len + 1);
        term->memo->rows[row].known = true;
        term->memo->rows[row].matches = matches;
        return matches;
}

/* With an operator that is positive or an ordering; the caller turns negative ones round. */
static bool match_text(const struct query_term *term, const char *value)
{
        bool ordering = term->operation >= OPERATOR_GREATER && term->operation <= OPERATOR_LESS_EQUAL;

        if (term->regex != NULL)
                return match_regex(term, value);
        for (uint32_t i = 0; i < term->n_arguments; i++) {
                int order = ordering ? compare_text(value, term->arguments[i].text) : strcmp(value, term->arguments[i].text);

                if (holds(term->operation, order))
                        return true;
        }
        return false;
}

static bool match_version(const struct query_term *term, const char *value)
{
        if (term->regex != NULL)
                return match_text(term, value);
        if (!query_is_version(value))
                return false;
        for (uint32_t i = 0; i < term->n_arguments; i++)
                if (holds(term->operation, query_compare_versions(value, term->arguments[i].text)))
                        return true;
        return false;
}

static bool match_group(const struct query_term *term, const struct query_view *view)
{
        if (term->operation == OPERATOR_EXISTS || term->operation == OPERATOR_NOT_EXISTS)
                return !list_empty(&view->instance->tasks);
        if (term->regex != NULL) {
                list_for_each (task, &view->instance->tasks, struct task, in_instance)
                        if (task->state->group != NULL && match_text(term, task->state->group))
                                return true;
                return false;
        }
        for (uint32_t i = 0; i < term->n_arguments; i++)
                if (view->has_group(view, term->arguments[i].text))
                        return true;
        return false;
}

/* A value that may be missing: nothing positive is true of a missing one. */
static bool match_optional(const struct query_term *term, const char *value,
                           bool (*match)(const struct query_term *term, const char *value))
{
        if (value == NULL)
                return false;
        return term->operation == OPERATOR_EXISTS || term->operation == OPERATOR_NOT_EXISTS || match(term, value);
}

/* The positive of the term: a negative operator is its opposite. */
static bool match_positive(const struct query_term *term, const struct query_view *view)
{
        const struct instance *instance = view->instance;
        bool exists = term->operation == OPERATOR_EXISTS || term->operation == OPERATOR_NOT_EXISTS;

        switch (term->subject) {
        case SUBJECT_AGENT_CONNECTED:
                return exists || match_number(term, instance->connected);
        case SUBJECT_AGENT_VERSION:
                return match_optional(term, instance->state->agent_version, match_version);
        case SUBJECT_EC2_INSTANCE_ID:
                return match_optional(term, instance->state->ec2_instance_id, match_text);
        case SUBJECT_REGISTERED_AT:
                return instance->state->registered_at != 0 && (exists || match_number(term, instance->state->registered_at));
        case SUBJECT_RUNNING_TASKS:
                return exists || match_number(term, (int64_t)instance->n_running);
        case SUBJECT_PENDING_TASKS:
                return exists || match_number(term, (int64_t)instance->n_pending);
        case SUBJECT_TASK_GROUP:
                return match_group(term, view);
        case SUBJECT_ATTRIBUTE:
                return match_optional(term, view->attribute(view, term->attribute), match_text);
        case SUBJECT_MAX:
                break;
        }
        return false;
}

static bool match_node(const struct query_node *node, const struct query_view *view)
{
        switch (node->kind) {
        case NODE_AND:
                return match_node(node->left, view) && match_node(node->right, view);
        case NODE_OR:
                return match_node(node->left, view) || match_node(node->right, view);
        case NODE_NOT:
                return !match_node(node->left, view);
        case NODE_TERM:
                return match_positive(node->term, view) != is_negative(node->term->operation);
        }
        return false;
}

bool query_match_view(const struct query *query, const struct query_view *view)
{
        return match_node(query->root, view);
}

static const char *attribute_of(const struct query_view *view, const char *name)
{
        const struct ecs_attribute_list *attributes = &view->instance->state->attributes;

        for (uint32_t i = 0; i < attributes->n; i++)
                if (str_eq(attributes->items[i].name, name))
                        return attributes->items[i].value != NULL ? attributes->items[i].value : "";
        return NULL;
}

static bool group_on(const struct query_view *view, const char *group)
{
        list_for_each (task, &view->instance->tasks, struct task, in_instance)
                if (str_eq(task->state->group, group))
                        return true;
        return false;
}

bool query_match(const struct query *query, const struct instance *instance)
{
        struct query_view view = {.instance = instance, .attribute = attribute_of, .has_group = group_on};

        return query_match_view(query, &view);
}
