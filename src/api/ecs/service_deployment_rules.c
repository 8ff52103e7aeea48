/* SPDX-License-Identifier: Apache-2.0 */
/* deploymentConfiguration: its defaults, how an update changes it, and what may stand in it. */
#include <math.h>

#include "api/ecs/service_rules.h"
#include "base/strutil.h"

#define MAX_BAKE_MINUTES 1440
#define MAX_THRESHOLD_COUNT 10000

#define UNSUPPORTED "UnsupportedFeatureException"
#define INVALID "InvalidParameterException"

#define HAS(object, type, member) SHAPE_HAS(object, ecs_##type, member)

/* ---- Percentages ---- */

static int check_percents(struct api_call *call, bool daemon, const struct ecs_deployment_configuration *c)
{
        if (daemon && c->maximum_percent > 100)
                return api_fail(call, INVALID,
                                "The daemon scheduling strategy does not support values above 100 for maximumPercent on a deployment "
                                "configuration. Change the maximumPercent value to 100, and try again");
        if (c->maximum_percent < 100)
                return api_fail(call, INVALID,
                                "deploymentConfiguration.maximumPercent: %d is less than 100, so the desired count could never run.",
                                c->maximum_percent);
        if (c->minimum_healthy_percent < 0 || c->minimum_healthy_percent > 100)
                return api_fail(call, INVALID, "deploymentConfiguration.minimumHealthyPercent: %d is not in 0..100.",
                                c->minimum_healthy_percent);
        if (c->maximum_percent == 100 && c->minimum_healthy_percent == 100)
                return api_fail(call, INVALID,
                                "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.");
        return 0;
}

/* ---- What ends a deployment early ---- */

static int check_breaker(struct api_call *call, const struct ecs_deployment_circuit_breaker *breaker)
{
        const struct ecs_deployment_circuit_breaker_threshold *threshold = breaker->threshold_configuration;
        int max;

        if (breaker->rollback && !breaker->enable)
                return api_fail(call, INVALID, "deploymentConfiguration.deploymentCircuitBreaker: rollback needs enable to be true.");
        if (threshold == NULL)
                return 0;
        max = threshold->type == ECS_DEPLOYMENT_CIRCUIT_BREAKER_THRESHOLD_TYPE_COUNT ? MAX_THRESHOLD_COUNT : 100;
        if (HAS(threshold, deployment_circuit_breaker_threshold, value) && (threshold->value < 1 || threshold->value > max))
                return api_fail(call, INVALID,
                                "deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.value: %d is not in 1..%d.",
                                threshold->value, max);
        return 0;
}

static int check_alarms(struct api_call *call, const struct ecs_deployment_alarms *alarms)
{
        if (alarms == NULL)
                return 0;
        if (alarms->enable && alarms->alarm_names.n == 0)
                return api_fail(call, INVALID, "deploymentConfiguration.alarms.alarmNames: name at least one alarm when enable is true.");
        if (alarms->rollback && !alarms->enable)
                return api_fail(call, INVALID, "deploymentConfiguration.alarms: rollback needs enable to be true.");
        for (uint32_t i = 0; i < alarms->alarm_names.n; i++)
                if (str_empty(alarms->alarm_names.items[i]))
                        return api_fail(call, INVALID, "deploymentConfiguration.alarms.alarmNames[%u] is empty.", i);
        return 0;
}

/* ---- Strategies ---- */

static int check_minutes(struct api_call *call, const char *member, int32_t minutes)
{
        if (minutes >= 0 && minutes <= MAX_BAKE_MINUTES)
                return 0;
        return api_fail(call, INVALID, "deploymentConfiguration.%s: %d is not in 0..%d minutes.", member, minutes, MAX_BAKE_MINUTES);
}

/* From `min` to 100 in steps of a tenth. */
static int check_percent(struct api_call *call, const char *member, double percent, double min)
{
        double tenths = percent * 10;

        if (percent >= min && percent <= 100 && fabs(tenths - round(tenths)) < 1e-6)
                return 0;
        return api_fail(call, INVALID, "deploymentConfiguration.%s: %g is not in %.1f..100.0 in steps of 0.1.", member, percent, min);
}

static int check_linear(struct api_call *call, const struct ecs_deployment_configuration *c)
{
        int r = check_percent(call, "linearConfiguration.stepPercent", c->linear_configuration->step_percent, 3.0);

        return r < 0 ? r
                     : check_minutes(call, "linearConfiguration.stepBakeTimeInMinutes", c->linear_configuration->step_bake_time_in_minutes);
}

static int check_canary(struct api_call *call, const struct ecs_deployment_configuration *c)
{
        int r = check_percent(call, "canaryConfiguration.canaryPercent", c->canary_configuration->canary_percent, 0.1);

        return r < 0 ? r
                     : check_minutes(call, "canaryConfiguration.canaryBakeTimeInMinutes",
                                     c->canary_configuration->canary_bake_time_in_minutes);
}

/* Members that belong to another strategy than the chosen one would do nothing: say so. */
static int check_foreign_members(struct api_call *call, const struct ecs_deployment_configuration *given,
                                 enum ecs_deployment_strategy strategy)
{
        const char *word = shape_enum_name(&ecs_deployment_strategy_enum, (int)strategy);

        if (given->linear_configuration != NULL && strategy != ECS_DEPLOYMENT_STRATEGY_LINEAR)
                return api_fail(call, INVALID, "deploymentConfiguration.linearConfiguration is only valid with strategy LINEAR, not %s.",
                                word);
        if (given->canary_configuration != NULL && strategy != ECS_DEPLOYMENT_STRATEGY_CANARY)
                return api_fail(call, INVALID, "deploymentConfiguration.canaryConfiguration is only valid with strategy CANARY, not %s.",
                                word);
        if (given->lifecycle_hooks.n > 0 && strategy == ECS_DEPLOYMENT_STRATEGY_ROLLING)
                return api_fail(
                        call, INVALID,
                        "deploymentConfiguration.lifecycleHooks run in deployments with strategy BLUE_GREEN, LINEAR or CANARY; a %s "
                        "deployment has no such stages.",
                        word);
        return 0;
}

/* ---- Hooks ---- */

static int check_hook(struct api_call *call, const struct ecs_deployment_lifecycle_hook *hook, uint32_t i)
{
        bool pause = hook->target_type == ECS_DEPLOYMENT_LIFECYCLE_HOOK_TARGET_TYPE_PAUSE;

        if (!pause)
                return api_fail(
                        call, UNSUPPORTED,
                        "deploymentConfiguration.lifecycleHooks[%u].targetType: there is no AWS Lambda on this server. Use PAUSE, and "
                        "ContinueServiceDeployment by whoever decides.",
                        i);
        if (pause && !str_empty(hook->hook_target_arn))
                return api_fail(call, INVALID, "deploymentConfiguration.lifecycleHooks[%u].hookTargetArn: a PAUSE hook has no target.", i);
        if (hook->lifecycle_stages.n == 0)
                return api_fail(call, INVALID, "deploymentConfiguration.lifecycleHooks[%u].lifecycleStages: name at least one stage.", i);
        for (uint32_t j = 0; j < hook->lifecycle_stages.n; j++)
                for (uint32_t k = 0; k < j; k++)
                        if (hook->lifecycle_stages.items[j] == hook->lifecycle_stages.items[k])
                                return api_fail(call, INVALID,
                                                "deploymentConfiguration.lifecycleHooks[%u].lifecycleStages: a stage is given twice.", i);
        return 0;
}

static int check_hooks(struct api_call *call, const struct ecs_deployment_lifecycle_hook_list *hooks)
{
        for (uint32_t i = 0; i < hooks->n; i++) {
                int r = check_hook(call, &hooks->items[i], i);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- Putting it together ---- */

static struct ecs_deployment_configuration *defaults(struct api_call *call, bool daemon)
{
        struct ecs_deployment_configuration *c = ARENA_NEW(call->arena, struct ecs_deployment_configuration);

        SHAPE_SET(c, ecs_deployment_configuration, maximum_percent, daemon ? 100 : 200);
        SHAPE_SET(c, ecs_deployment_configuration, minimum_healthy_percent, daemon ? 0 : 100);
        SHAPE_SET(c, ecs_deployment_configuration, bake_time_in_minutes, 0);
        c->strategy = ECS_DEPLOYMENT_STRATEGY_ROLLING;
        c->deployment_circuit_breaker = ARENA_NEW(call->arena, struct ecs_deployment_circuit_breaker);
        SHAPE_SET(c->deployment_circuit_breaker, ecs_deployment_circuit_breaker, enable, false);
        SHAPE_SET(c->deployment_circuit_breaker, ecs_deployment_circuit_breaker, rollback, false);
        return c;
}

/* A new strategy leaves behind what belonged to the old one. */
static void change_strategy(struct ecs_deployment_configuration *c, enum ecs_deployment_strategy strategy)
{
        c->strategy = strategy;
        if (strategy != ECS_DEPLOYMENT_STRATEGY_LINEAR)
                c->linear_configuration = NULL;
        if (strategy != ECS_DEPLOYMENT_STRATEGY_CANARY)
                c->canary_configuration = NULL;
        if (strategy == ECS_DEPLOYMENT_STRATEGY_ROLLING) {
                c->lifecycle_hooks = (struct ecs_deployment_lifecycle_hook_list){0};
                c->bake_time_in_minutes = 0;
        }
}

static void merge(struct ecs_deployment_configuration *c, const struct ecs_deployment_configuration *given)
{
        if (HAS(given, deployment_configuration, maximum_percent))
                c->maximum_percent = given->maximum_percent;
        if (HAS(given, deployment_configuration, minimum_healthy_percent))
                c->minimum_healthy_percent = given->minimum_healthy_percent;
        if (given->strategy)
                change_strategy(c, given->strategy);
        if (HAS(given, deployment_configuration, bake_time_in_minutes))
                c->bake_time_in_minutes = given->bake_time_in_minutes;
        if (given->deployment_circuit_breaker != NULL)
                c->deployment_circuit_breaker = given->deployment_circuit_breaker;
        if (given->alarms != NULL)
                c->alarms = given->alarms;
        if (given->lifecycle_hooks.items != NULL)
                c->lifecycle_hooks = given->lifecycle_hooks;
        if (given->linear_configuration != NULL)
                c->linear_configuration = given->linear_configuration;
        if (given->canary_configuration != NULL)
                c->canary_configuration = given->canary_configuration;
}

static void complete_steps(struct api_call *call, struct ecs_deployment_configuration *c)
{
        if (c->strategy == ECS_DEPLOYMENT_STRATEGY_LINEAR) {
                struct ecs_linear_configuration *linear = c->linear_configuration;

                linear = linear ? SHAPE_COPY(ecs_linear_configuration, linear, call->arena)
                                : ARENA_NEW(call->arena, struct ecs_linear_configuration);
                if (!HAS(linear, linear_configuration, step_percent))
                        SHAPE_SET(linear, ecs_linear_configuration, step_percent, 10.0);
                if (!HAS(linear, linear_configuration, step_bake_time_in_minutes))
                        SHAPE_SET(linear, ecs_linear_configuration, step_bake_time_in_minutes, 6);
                c->linear_configuration = linear;
        } else if (c->strategy == ECS_DEPLOYMENT_STRATEGY_CANARY) {
                struct ecs_canary_configuration *canary = c->canary_configuration;

                canary = canary ? SHAPE_COPY(ecs_canary_configuration, canary, call->arena)
                                : ARENA_NEW(call->arena, struct ecs_canary_configuration);
                if (!HAS(canary, canary_configuration, canary_percent))
                        SHAPE_SET(canary, ecs_canary_configuration, canary_percent, 5.0);
                if (!HAS(canary, canary_configuration, canary_bake_time_in_minutes))
                        SHAPE_SET(canary, ecs_canary_configuration, canary_bake_time_in_minutes, 10);
                c->canary_configuration = canary;
        }
}

/* What only deployments that ECS itself makes know. */
static int check_controller(struct api_call *call, const struct state_service *service, const struct ecs_deployment_configuration *c)
{
        const char *member = NULL;

        if (c->strategy != ECS_DEPLOYMENT_STRATEGY_ROLLING && service->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON)
                return api_fail(
                        call, INVALID,
                        "deploymentConfiguration.strategy: services with the DAEMON scheduling strategy are deployed with ROLLING.");
        if (service->deployment_controller == ECS_DEPLOYMENT_CONTROLLER_TYPE_ECS)
                return 0;
        if (c->deployment_circuit_breaker->enable)
                member = "deploymentCircuitBreaker";
        else if (c->alarms != NULL && c->alarms->enable)
                member = "alarms";
        else if (c->strategy != ECS_DEPLOYMENT_STRATEGY_ROLLING)
                member = "strategy";
        if (member == NULL)
                return 0;
        return api_fail(call, INVALID, "deploymentConfiguration.%s is only supported for services with the ECS deployment controller.",
                        member);
}

int service_deployment_configuration(struct api_call *call, const struct state_service *service,
                                     const struct ecs_deployment_configuration *old, const struct ecs_deployment_configuration *given,
                                     struct ecs_deployment_configuration **ret)
{
        bool daemon = service->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON;
        struct ecs_deployment_configuration *c = defaults(call, daemon);
        int r = 0;

        if (old != NULL)
                *c = *old;
        if (given != NULL) {
                merge(c, given);
                r = check_foreign_members(call, given, c->strategy);
        }
        complete_steps(call, c);
        if (r == 0)
                r = check_percents(call, daemon, c);
        if (r == 0)
                r = check_minutes(call, "bakeTimeInMinutes", c->bake_time_in_minutes);
        if (r == 0 && c->linear_configuration != NULL)
                r = check_linear(call, c);
        if (r == 0 && c->canary_configuration != NULL)
                r = check_canary(call, c);
        if (r == 0)
                r = check_breaker(call, c->deployment_circuit_breaker);
        if (r == 0)
                r = check_alarms(call, c->alarms);
        if (r == 0)
                r = check_hooks(call, &c->lifecycle_hooks);
        if (r == 0)
                r = check_controller(call, service, c);
        if (r == 0)
                *ret = c;
        return r;
}
