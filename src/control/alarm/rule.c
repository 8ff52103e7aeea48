/* SPDX-License-Identifier: Apache-2.0 */
/* See rule.h: a parser by recursive descent, and a machine with a stack. */
#include "control/alarm/rule.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/strutil.h"

#define DEPTH_MAX 64
#define NAME_MAX_ 1600 /* an ARN */

enum step_kind { STEP_CONSTANT = 0, STEP_STATE, STEP_NOT, STEP_AND, STEP_OR, STEP_AT_LEAST, STEP_MAX };

struct alarm_rule_step {
        enum step_kind kind;
        bool value; /* CONSTANT; AT_LEAST: the state is the one not to be in */
        enum cloudwatch_state_value state;
        uint32_t alarm;    /* STATE: index in alarms; AT_LEAST: the first in members */
        uint32_t n, least; /* AT_LEAST */
        uint32_t *members; /* AT_LEAST: indexes in alarms */
};

struct parser {
        const char *text, *at;
        struct arena *arena;
        struct alarm_rule *rule;
        struct error *error;
        int depth;
};

static int wrong(struct parser *p, const char *wanted)
{
        return error_api(p->error, "ValidationError", "Error in AlarmRule at character %d: expected %s%s%.40s%s",
                         (int)(p->at - p->text) + 1, wanted, *p->at != '\0' ? " instead of '" : ", but the rule ends there", p->at,
                         *p->at != '\0' ? "'" : "");
}

static void skip_blanks(struct parser *p)
{
        while (isspace((unsigned char)*p->at))
                p->at++;
}

static bool take(struct parser *p, const char *token)
{
        size_t len = strlen(token);

        skip_blanks(p);
        if (strncmp(p->at, token, len) != 0)
                return false;
        /* A word ends where no letter follows. */
        if (isalpha((unsigned char)token[0]) && (isalnum((unsigned char)p->at[len]) || p->at[len] == '_'))
                return false;
        p->at += len;
        return true;
}

static int push(struct parser *p, struct alarm_rule_step step)
{
        if (p->rule->n == ALARM_RULE_ELEMENTS)
                return error_api(p->error, "ValidationError", "AlarmRule has more than %d elements, the most that are possible.",
                                 ALARM_RULE_ELEMENTS);
        p->rule->steps[p->rule->n++] = step;
        return 0;
}

static int index_of(struct parser *p, const char *alarm, uint32_t *ret)
{
        struct alarm_rule *rule = p->rule;

        for (*ret = 0; *ret < rule->n_alarms; (*ret)++)
                if (str_eq(rule->alarms[*ret], alarm))
                        return 0;
        if (rule->n_alarms == ALARM_RULE_ALARMS)
                return error_api(p->error, "ValidationError", "AlarmRule names more than %d alarms, the most that are possible.",
                                 ALARM_RULE_ALARMS);
        rule->alarms[rule->n_alarms++] = alarm;
        return 0;
}

static int quoted_name(struct parser *p, char *ret, size_t *ret_len)
{
        size_t len = 0;

        for (p->at++; *p->at != '"'; p->at++) {
                if (*p->at == '\\' && (p->at[1] == '"' || p->at[1] == '\\'))
                        p->at++;
                if (*p->at == '\0')
                        return wrong(p, "the quotation mark that ends the name");
                if (len == NAME_MAX_)
                        return wrong(p, "a shorter name");
                ret[len++] = *p->at;
        }
        p->at++;
        *ret_len = len;
        return 0;
}

/* A name or an ARN, up to one of the characters that end it. */
static int parse_name(struct parser *p, const char *ends, uint32_t *ret)
{
        char name[NAME_MAX_ + 1];
        size_t len = 0;

        skip_blanks(p);
        if (*p->at == '"') {
                if (quoted_name(p, name, &len) < 0)
                        return -EINVAL;
        } else {
                len = strcspn(p->at, ends);
                if (len > NAME_MAX_)
                        return wrong(p, "a shorter name");
                memcpy(name, p->at, len);
                p->at += len;
                while (len > 0 && isspace((unsigned char)name[len - 1]))
                        len--;
        }
        if (len == 0)
                return wrong(p, "the name or ARN of an alarm");
        return index_of(p, arena_strndup(p->arena, name, len), ret);
}

static bool take_state(struct parser *p, enum cloudwatch_state_value *ret)
{
        static const enum cloudwatch_state_value states[] = {CLOUDWATCH_STATE_VALUE_ALARM, CLOUDWATCH_STATE_VALUE_OK,
                                                             CLOUDWATCH_STATE_VALUE_INSUFFICIENT_DATA};

        for (size_t i = 0; i < ARRAY_SIZE(states); i++)
                if (take(p, shape_enum_name(&cloudwatch_state_value_enum, (int)states[i]))) {
                        *ret = states[i];
                        return true;
                }
        return false;
}

/* "AT_LEAST" has been read. */
static int parse_at_least(struct parser *p)
{
        struct alarm_rule_step step = {.kind = STEP_AT_LEAST, .members = arena_calloc(p->arena, ALARM_RULE_ALARMS, sizeof(uint32_t))};
        uint32_t number = 0;
        bool percent;

        if (!take(p, "("))
                return wrong(p, "'('");
        skip_blanks(p);
        if (!isdigit((unsigned char)*p->at))
                return wrong(p, "a number");
        for (; isdigit((unsigned char)*p->at) && number <= ALARM_RULE_ALARMS; p->at++)
                number = number * 10 + (uint32_t)(*p->at - '0');
        percent = take(p, "%");
        if (!take(p, ","))
                return wrong(p, "','");
        step.value = take(p, "NOT");
        if (!take_state(p, &step.state))
                return wrong(p, "ALARM, OK or INSUFFICIENT_DATA");
        if (!take(p, ",") || !take(p, "("))
                return wrong(p, "', (' and the alarms");
        do {
                if (step.n == ALARM_RULE_ALARMS)
                        return wrong(p, "fewer alarms");
                if (parse_name(p, ",)", &step.members[step.n++]) < 0)
                        return -EINVAL;
        } while (take(p, ","));
        for (int i = 0; i < 2; i++) /* of the list, and of AT_LEAST */
                if (!take(p, ")"))
                        return wrong(p, "')'");
        step.least = percent ? (number * step.n + 99) / 100 : number;
        if (step.least < 1 || step.least > step.n)
                return error_api(p->error, "ValidationError", "Error in AlarmRule: AT_LEAST must ask for 1 to %u of its %u alarms.", step.n,
                                 step.n);
        return push(p, step);
}

static int parse_or(struct parser *p);

static int parse_unary(struct parser *p)
{
        struct alarm_rule_step step = {.kind = STEP_STATE};
        int r;

        if (++p->depth > DEPTH_MAX)
                return wrong(p, "fewer brackets in brackets");
        if (take(p, "NOT")) {
                r = parse_unary(p);
                r = r < 0 ? r : push(p, (struct alarm_rule_step){.kind = STEP_NOT});
        } else if (take(p, "(")) {
                r = parse_or(p);
                if (r == 0 && !take(p, ")"))
                        r = wrong(p, "')'");
        } else if (take(p, "TRUE")) {
                r = push(p, (struct alarm_rule_step){.kind = STEP_CONSTANT, .value = true});
        } else if (take(p, "FALSE")) {
                r = push(p, (struct alarm_rule_step){.kind = STEP_CONSTANT});
        } else if (take(p, "AT_LEAST")) {
                r = parse_at_least(p);
        } else if (take_state(p, &step.state)) {
                r = take(p, "(") ? parse_name(p, ")", &step.alarm) : wrong(p, "'('");
                if (r == 0 && !take(p, ")"))
                        r = wrong(p, "')'");
                r = r < 0 ? r : push(p, step);
        } else {
                r = wrong(p, "ALARM(…), OK(…), INSUFFICIENT_DATA(…), AT_LEAST(…), NOT, TRUE, FALSE or '('");
        }
        p->depth--;
        return r;
}

static int parse_and(struct parser *p)
{
        int r = parse_unary(p);

        while (r == 0 && take(p, "AND")) {
                r = parse_unary(p);
                r = r < 0 ? r : push(p, (struct alarm_rule_step){.kind = STEP_AND});
        }
        return r;
}

static int parse_or(struct parser *p)
{
        int r = parse_and(p);

        while (r == 0 && take(p, "OR")) {
                r = parse_and(p);
                r = r < 0 ? r : push(p, (struct alarm_rule_step){.kind = STEP_OR});
        }
        return r;
}

int alarm_rule_parse(const char *text, struct arena *arena, struct alarm_rule *ret, struct error *error)
{
        struct alarm_rule rule = {.steps = arena_calloc(arena, ALARM_RULE_ELEMENTS, sizeof(struct alarm_rule_step)),
                                  .alarms = arena_calloc(arena, ALARM_RULE_ALARMS, sizeof(char *))};
        struct parser p = {.text = text, .at = text, .arena = arena, .rule = &rule, .error = error};

        if (parse_or(&p) < 0)
                return -EINVAL;
        skip_blanks(&p);
        if (*p.at != '\0')
                return wrong(&p, "AND, OR or the end");
        *ret = rule;
        return 0;
}

static bool at_least(const struct alarm_rule *rule, const struct alarm_rule_step *step, alarm_state_fn state_of, void *data)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < step->n; i++) {
                enum cloudwatch_state_value state = state_of(data, rule->alarms[step->members[i]]);

                n += state != CLOUDWATCH_STATE_VALUE_UNSET && (state == step->state) != step->value;
        }
        return n >= step->least;
}

bool alarm_rule_holds(const struct alarm_rule *rule, alarm_state_fn state_of, void *data)
{
        bool stack[ALARM_RULE_ELEMENTS + 1] = {false};
        uint32_t top = 0;

        for (uint32_t i = 0; i < rule->n; i++) {
                const struct alarm_rule_step *step = &rule->steps[i];

                switch (step->kind) {
                case STEP_CONSTANT:
                        stack[top++] = step->value;
                        break;
                case STEP_STATE:
                        stack[top++] = state_of(data, rule->alarms[step->alarm]) == step->state;
                        break;
                case STEP_AT_LEAST:
                        stack[top++] = at_least(rule, step, state_of, data);
                        break;
                case STEP_NOT:
                        stack[top - 1] = !stack[top - 1];
                        break;
                case STEP_AND:
                        top--;
                        stack[top - 1] = stack[top - 1] && stack[top];
                        break;
                case STEP_OR:
                        top--;
                        stack[top - 1] = stack[top - 1] || stack[top];
                        break;
                case STEP_MAX:
                        break;
                }
        }
        return top == 1 && stack[0];
}
