/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a composite alarm is made of:
 *
 *     rule  := or                    or   := and { OR and }           and := unary { AND unary }
 *     unary := NOT unary | "(" or ")" | TRUE | FALSE | STATE "(" alarm ")" | AT_LEAST "(" number ["%"] "," [NOT] STATE "," "(" alarm { "," alarm } ")" ")"
 *     STATE := ALARM | OK | INSUFFICIENT_DATA
 *     alarm := a name or an ARN; in quotation marks where it holds brackets, commas or blanks at its ends (\" and \\ stand for themselves)
 *
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/cloudwatch.idl.h"
#include "base/arena.h"
#include "base/error.h"

/* CloudWatch's quotas. */
#define ALARM_RULE_ALARMS 100
#define ALARM_RULE_ELEMENTS 500

struct alarm_rule {
        struct alarm_rule_step *steps; /* in the order in which they are computed */
        uint32_t n;
        const char **alarms; /* that it names, as they are written, each once */
        uint32_t n_alarms;
};

/* -EINVAL with a ValidationError that says what is wrong and where. Memory is `arena`'s. */
int alarm_rule_parse(const char *text, struct arena *arena, struct alarm_rule *ret, struct error *error) MUST_CHECK;
/* UNSET for an alarm that is not there: it is in no state. */
typedef enum cloudwatch_state_value (*alarm_state_fn)(void *data, const char *alarm);
bool alarm_rule_holds(const struct alarm_rule *rule, alarm_state_fn state_of, void *data);
