/* SPDX-License-Identifier: Apache-2.0 */
/* Constraints and strategies as clients write them: see rules.h. */
#include "sched/rules.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"

#define INVALID "InvalidParameterException"

static int add_expression(struct placement_rules *rules, const char *expression, struct error *error)
{
        if (str_empty(expression))
                return error_api(error, INVALID, "A memberOf placement constraint needs an expression.");
        rules->expressions[rules->n_expressions++] = expression;
        return 0;
}

static int read_constraint(const struct ecs_placement_constraint *constraint, struct placement_rules *rules, struct error *error)
{
        switch (constraint->type) {
        case ECS_PLACEMENT_CONSTRAINT_TYPE_DISTINCTINSTANCE:
                if (!str_empty(constraint->expression))
                        return error_api(error, INVALID, "A distinctInstance placement constraint has no expression.");
                rules->distinct_instance = true;
                return 0;
        case ECS_PLACEMENT_CONSTRAINT_TYPE_MEMBEROF:
                return add_expression(rules, constraint->expression, error);
        default:
                return error_api(error, INVALID, "A placement constraint needs a type: distinctInstance or memberOf.");
        }
}

/* Fields of spread and binpack. */
static const struct {
        enum ecs_placement_strategy_type type;
        const char *field;
        enum strategy_kind kind;
} fields[] = {
        {ECS_PLACEMENT_STRATEGY_TYPE_SPREAD, "instanceId", STRATEGY_SPREAD_INSTANCE},
        {ECS_PLACEMENT_STRATEGY_TYPE_SPREAD, "host", STRATEGY_SPREAD_INSTANCE},
        {ECS_PLACEMENT_STRATEGY_TYPE_BINPACK, "cpu", STRATEGY_BINPACK_CPU},
        {ECS_PLACEMENT_STRATEGY_TYPE_BINPACK, "memory", STRATEGY_BINPACK_MEMORY},
};

static int read_strategy(const struct ecs_placement_strategy *strategy, struct strategy *ret, struct error *error)
{
        const char *field = strategy->field != NULL ? strategy->field : "";
        size_t prefix = strlen("attribute:");

        if (strategy->type == ECS_PLACEMENT_STRATEGY_TYPE_UNSET)
                return error_api(error, INVALID, "A placement strategy needs a type: random, spread or binpack.");
        if (strategy->type == ECS_PLACEMENT_STRATEGY_TYPE_RANDOM) {
                if (!str_empty(field))
                        return error_api(error, INVALID, "The placement strategy random has no field.");
                *ret = (struct strategy){.kind = STRATEGY_RANDOM};
                return 0;
        }
        if (strategy->type == ECS_PLACEMENT_STRATEGY_TYPE_SPREAD && str_starts_with(field, "attribute:") && field[prefix] != '\0') {
                *ret = (struct strategy){.kind = STRATEGY_SPREAD_ATTRIBUTE, .attribute = field + prefix};
                return 0;
        }
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
                if (fields[i].type != strategy->type || !str_eq_nocase(fields[i].field, field))
                        continue;
                *ret = (struct strategy){.kind = fields[i].kind};
                return 0;
        }
        return error_api(error, INVALID, "The placement strategy %s cannot use the field %.128s: %s.",
                         strategy->type == ECS_PLACEMENT_STRATEGY_TYPE_SPREAD ? "spread" : "binpack", field[0] != '\0' ? field : "(none)",
                         strategy->type == ECS_PLACEMENT_STRATEGY_TYPE_SPREAD ? "instanceId, host or attribute:NAME would do"
                                                                              : "cpu or memory would do");
}

int placement_rules_read(const struct ecs_placement_constraint_list *constraints,
                         const struct ecs_task_definition_placement_constraint_list *of_definition,
                         const struct ecs_placement_strategy_list *strategies, struct placement_rules *ret, struct error *error)
{
        struct placement_rules rules = {0};
        uint32_t n = (constraints != NULL ? constraints->n : 0) + (of_definition != NULL ? of_definition->n : 0);
        int r = 0;

        if (n > RULES_MAX_CONSTRAINTS)
                return error_api(error, INVALID,
                                 "There are %u placement constraints with those of the task definition; at most %d are allowed.", n,
                                 RULES_MAX_CONSTRAINTS);
        if (strategies != NULL && strategies->n > RULES_MAX_STRATEGIES)
                return error_api(error, INVALID, "There are %u placement strategies; at most %d are allowed.", strategies->n,
                                 RULES_MAX_STRATEGIES);
        for (uint32_t i = 0; r == 0 && constraints != NULL && i < constraints->n; i++)
                r = read_constraint(&constraints->items[i], &rules, error);
        for (uint32_t i = 0; r == 0 && of_definition != NULL && i < of_definition->n; i++)
                r = add_expression(&rules, of_definition->items[i].expression, error);
        for (uint32_t i = 0; r == 0 && strategies != NULL && i < strategies->n; i++)
                r = read_strategy(&strategies->items[i], &rules.strategies[rules.n_strategies++], error);
        if (r == 0)
                *ret = rules;
        return r;
}

void placement_rules_default_service(struct placement_rules *rules)
{
        rules->strategies[0] = (struct strategy){.kind = STRATEGY_SPREAD_ATTRIBUTE, .attribute = "ecs.availability-zone"};
        rules->strategies[1] = (struct strategy){.kind = STRATEGY_SPREAD_INSTANCE};
        rules->n_strategies = 2;
}
