/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blue/green, linear and canary deployments: the older revision ("blue") keeps all its tasks until the new one ("green") has as many
 * and has proved itself. The stages, each with the hooks that are to run in it:
 *
 *     RECONCILE_SERVICE   leftovers of earlier deployments go; left out when there are none
 *     PRE_SCALE_UP        hooks
 *     SCALE_UP            green gets all its tasks
 *     POST_SCALE_UP       hooks
 *     TEST_TRAFFIC_SHIFT, POST_TEST_TRAFFIC_SHIFT
 *     PRODUCTION_TRAFFIC_SHIFT   at once, in equal steps with a pause after each (LINEAR), or a little and then the rest (CANARY)
 *     POST_PRODUCTION_TRAFFIC_SHIFT
 *     BAKE_TIME           both run
 *     CLEAN_UP            blue goes
 *
 * A failure at any time before CLEAN_UP makes blue the primary again; it has all its tasks, so green just goes. The stage is stored
 * with the deployment: a server that starts again goes on where it was.
 */
#include "control/service/service.h"

#include "base/strutil.h"
#include "control/service/deploy.h"

#define MINUTE_MS INT64_C(60000)
#define PAUSE_MINUTES 1440 /* a PAUSE hook that does not say how long */

struct stages {
        struct service_run *run;
        struct service_deployment *deployment;
        struct pool *green, *blue; /* blue NULL: it is the first deployment */
        uint32_t desired;
        bool failed;
};

/* ---- Where it stands ---- */

static enum ecs_deployment_strategy strategy_of(const struct state_service_deployment *deployment)
{
        return deployment->deployment_configuration ? deployment->deployment_configuration->strategy : ECS_DEPLOYMENT_STRATEGY_UNSET;
}

bool service_keeps_older(const struct ecs_deployment_configuration *configuration)
{
        enum ecs_deployment_strategy strategy = configuration ? configuration->strategy : ECS_DEPLOYMENT_STRATEGY_UNSET;

        return strategy == ECS_DEPLOYMENT_STRATEGY_BLUE_GREEN || strategy == ECS_DEPLOYMENT_STRATEGY_LINEAR ||
               strategy == ECS_DEPLOYMENT_STRATEGY_CANARY;
}

static bool has_status(const struct service_run *run, enum ecs_service_deployment_status status)
{
        const struct service_deployment *deployment = service_current_deployment(run->controller->model, run->service);

        return deployment && deployment->state->status == status && service_keeps_older(deployment->state->deployment_configuration);
}

bool service_stages_apply(const struct service_run *run)
{
        return has_status(run, ECS_SERVICE_DEPLOYMENT_STATUS_IN_PROGRESS);
}

bool service_stages_rolled_back(const struct service_run *run)
{
        return has_status(run, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_IN_PROGRESS);
}

static void set_stage(struct stages *stages, enum ecs_service_deployment_lifecycle_stage stage)
{
        struct state_service_deployment *state = tx_edit(stages->run->tx, &stages->deployment->object);

        state->lifecycle_stage = stage;
        state->stage_since = state->updated_at = stages->run->now_ms;
        state->hooks = (struct ecs_deployment_lifecycle_hook_detail_list){0};
        tx_put(stages->run->tx, &stages->deployment->object, state);
}

/* ---- Hooks ---- */

/* Hooks of a stage of the deployment; PRODUCTION_TRAFFIC_SHIFT has some before its work, too. */
static enum ecs_deployment_lifecycle_hook_stage hook_stage(enum ecs_service_deployment_lifecycle_stage stage, bool before)
{
        static const struct {
                enum ecs_service_deployment_lifecycle_stage stage;
                enum ecs_deployment_lifecycle_hook_stage hooks, before;
        } table[] = {
                {ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_RECONCILE_SERVICE, ECS_DEPLOYMENT_LIFECYCLE_HOOK_STAGE_RECONCILE_SERVICE, 0},
                {ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_PRE_SCALE_UP, ECS_DEPLOYMENT_LIFECYCLE_HOOK_STAGE_PRE_SCALE_UP, 0},
                {ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_POST_SCALE_UP, ECS_DEPLOYMENT_LIFECYCLE_HOOK_STAGE_POST_SCALE_UP, 0},
                {ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_TEST_TRAFFIC_SHIFT, ECS_DEPLOYMENT_LIFECYCLE_HOOK_STAGE_TEST_TRAFFIC_SHIFT, 0},
                {ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_POST_TEST_TRAFFIC_SHIFT,
                 ECS_DEPLOYMENT_LIFECYCLE_HOOK_STAGE_POST_TEST_TRAFFIC_SHIFT, 0},
                {ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_PRODUCTION_TRAFFIC_SHIFT,
                 ECS_DEPLOYMENT_LIFECYCLE_HOOK_STAGE_PRODUCTION_TRAFFIC_SHIFT,
                 ECS_DEPLOYMENT_LIFECYCLE_HOOK_STAGE_PRE_PRODUCTION_TRAFFIC_SHIFT},
                {ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_POST_PRODUCTION_TRAFFIC_SHIFT,
                 ECS_DEPLOYMENT_LIFECYCLE_HOOK_STAGE_POST_PRODUCTION_TRAFFIC_SHIFT, 0},
        };

        for (size_t i = 0; i < ARRAY_SIZE(table); i++)
                if (table[i].stage == stage)
                        return before ? table[i].before : table[i].hooks;
        return ECS_DEPLOYMENT_LIFECYCLE_HOOK_STAGE_UNSET;
}

static bool runs_in(const struct ecs_deployment_lifecycle_hook *hook, enum ecs_deployment_lifecycle_hook_stage stage)
{
        for (uint32_t i = 0; i < hook->lifecycle_stages.n; i++)
                if (hook->lifecycle_stages.items[i] == (int64_t)stage)
                        return true;
        return false;
}

static const char *hook_id(struct arena *arena, enum ecs_deployment_lifecycle_hook_stage stage, uint32_t index)
{
        return arena_printf(arena, "%s-%u", shape_enum_name(&ecs_deployment_lifecycle_hook_stage_enum, (int)stage), index);
}

static struct ecs_deployment_lifecycle_hook_detail *find_detail(struct state_service_deployment *state, const char *id)
{
        for (uint32_t i = 0; i < state->hooks.n; i++)
                if (str_eq(state->hooks.items[i].hook_id, id))
                        return &state->hooks.items[i];
        return NULL;
}

static void begin_hook(struct stages *stages, struct state_service_deployment *state, const struct ecs_deployment_lifecycle_hook *hook,
                       const char *id)
{
        struct ecs_deployment_lifecycle_hook_detail *detail = SHAPE_PUSH(tx_arena(stages->run->tx), &state->hooks);
        const struct ecs_deployment_lifecycle_hook_timeout_configuration *timeout = hook->timeout_configuration;
        int minutes = timeout && timeout->timeout_in_minutes > 0 ? timeout->timeout_in_minutes : PAUSE_MINUTES;

        detail->hook_id = id;
        detail->target_type = hook->target_type;
        detail->target_arn = hook->hook_target_arn;
        detail->status = hook->target_type == ECS_DEPLOYMENT_LIFECYCLE_HOOK_TARGET_TYPE_PAUSE
                                 ? ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_AWAITING_ACTION
                                 : ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_IN_PROGRESS;
        detail->expires_at = stages->run->now_ms + minutes * MINUTE_MS;
        detail->timeout_action = timeout && timeout->action ? timeout->action : ECS_DEPLOYMENT_LIFECYCLE_HOOK_ACTION_ROLLBACK;
}

static void ask_hook(struct stages *stages, const struct ecs_deployment_lifecycle_hook *hook,
                     enum ecs_deployment_lifecycle_hook_stage stage, struct ecs_deployment_lifecycle_hook_detail *detail)
{
        const struct controller_options *options = &stages->run->controller->options;
        enum hook_answer answer = HOOK_FAILED;

        if (options->ops && options->ops->hook)
                answer = options->ops->hook(options->data, stages->deployment, hook, stage);
        if (answer == HOOK_SUCCEEDED)
                detail->status = ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_SUCCEEDED;
        else if (answer == HOOK_FAILED)
                detail->status = ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_FAILED;
}

/* Time is over: what the hook's configuration says happens. */
static void expire_hook(struct stages *stages, struct ecs_deployment_lifecycle_hook_detail *detail)
{
        if (detail->expires_at > stages->run->now_ms)
                return service_wake(stages->run, detail->expires_at);
        detail->status = ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_TIMED_OUT;
}

static bool is_open(const struct ecs_deployment_lifecycle_hook_detail *detail)
{
        return detail->status == ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_AWAITING_ACTION ||
               detail->status == ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_IN_PROGRESS;
}

static bool has_failed(const struct ecs_deployment_lifecycle_hook_detail *detail)
{
        return detail->status == ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_FAILED ||
               (detail->status == ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_TIMED_OUT &&
                detail->timeout_action == ECS_DEPLOYMENT_LIFECYCLE_HOOK_ACTION_ROLLBACK);
}

/* Returns whether it is done with. */
static bool run_hook(struct stages *stages, struct state_service_deployment *state, const struct ecs_deployment_lifecycle_hook *hook,
                     enum ecs_deployment_lifecycle_hook_stage stage, const char *id)
{
        struct ecs_deployment_lifecycle_hook_detail *detail = find_detail(state, id);

        if (!detail) {
                begin_hook(stages, state, hook, id);
                detail = find_detail(state, id);
        }
        if (detail->status == ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_IN_PROGRESS)
                ask_hook(stages, hook, stage, detail);
        if (is_open(detail))
                expire_hook(stages, detail);
        stages->failed |= has_failed(detail);
        return !is_open(detail);
}

/* Returns whether all hooks of the stage have succeeded. */
static bool run_hooks(struct stages *stages, bool before)
{
        const struct ecs_deployment_configuration *configuration = stages->deployment->state->deployment_configuration;
        enum ecs_deployment_lifecycle_hook_stage stage = hook_stage(stages->deployment->state->lifecycle_stage, before);
        struct state_service_deployment *state;
        bool done = true, any = false;

        for (uint32_t i = 0; stage && i < configuration->lifecycle_hooks.n; i++)
                any |= runs_in(&configuration->lifecycle_hooks.items[i], stage);
        if (!any)
                return true;
        state = tx_edit(stages->run->tx, &stages->deployment->object);
        for (uint32_t i = 0; i < configuration->lifecycle_hooks.n; i++)
                if (runs_in(&configuration->lifecycle_hooks.items[i], stage))
                        done &= run_hook(stages, state, &configuration->lifecycle_hooks.items[i], stage,
                                         hook_id(tx_arena(stages->run->tx), stage, i));
        if (!shape_equal(&state_service_deployment_shape, state, stages->deployment->state))
                tx_put(stages->run->tx, &stages->deployment->object, state);
        return done && !stages->failed;
}

/* ---- Traffic ---- */

static double percent_after(double step, int64_t steps)
{
        return MIN(step * (double)steps, 100.0);
}

/* How much of the production traffic green should have, and when that changes; 0: not any more. */
static double production_percent(const struct state_service_deployment *state, int64_t now_ms, int64_t *ret_next)
{
        const struct ecs_deployment_configuration *c = state->deployment_configuration;
        int64_t elapsed = now_ms - state->stage_since, pause;
        double percent;

        *ret_next = 0;
        if (strategy_of(state) == ECS_DEPLOYMENT_STRATEGY_LINEAR) {
                const struct ecs_linear_configuration *l = c->linear_configuration;
                double step = l && SHAPE_HAS(l, ecs_linear_configuration, step_percent) ? l->step_percent : 10;

                pause = (l && SHAPE_HAS(l, ecs_linear_configuration, step_bake_time_in_minutes) ? l->step_bake_time_in_minutes : 6) *
                        MINUTE_MS;
                percent = pause > 0 ? percent_after(step, elapsed / pause + 1) : 100;
                if (percent < 100)
                        *ret_next = state->stage_since + (elapsed / pause + 1) * pause;
                return percent;
        }
        if (strategy_of(state) == ECS_DEPLOYMENT_STRATEGY_CANARY) {
                const struct ecs_canary_configuration *n = c->canary_configuration;

                pause = (n && SHAPE_HAS(n, ecs_canary_configuration, canary_bake_time_in_minutes) ? n->canary_bake_time_in_minutes : 10) *
                        MINUTE_MS;
                if (elapsed < pause) {
                        *ret_next = state->stage_since + pause;
                        return n && SHAPE_HAS(n, ecs_canary_configuration, canary_percent) ? n->canary_percent : 5;
                }
        }
        return 100;
}

/* Returns whether the traffic goes where it should. */
static bool shift(struct stages *stages, bool test, double percent)
{
        return service_shift_traffic(stages->run, stages->green->revision, stages->blue ? stages->blue->revision : NULL, test, percent);
}

static bool shift_production(struct stages *stages)
{
        int64_t next;
        double percent = production_percent(stages->deployment->state, stages->run->now_ms, &next);
        bool done = shift(stages, false, percent);

        if (next > 0)
                service_wake(stages->run, next);
        return done && next == 0;
}

/* ---- The work of each stage; returns whether it is done ---- */

static bool scale(struct stages *stages, struct pool *primary, bool alone, uint32_t desired)
{
        struct service_group group = {
                .primary = primary, .pools = &stages->run->control->pools, .alone = alone, .desired = desired, .launch = true};

        service_scale_group(stages->run, &group);
        return service_group_settled(&group);
}

static bool bake(struct stages *stages)
{
        const struct state_service_deployment *state = stages->deployment->state;
        const struct ecs_deployment_configuration *c = state->deployment_configuration;
        int64_t until = state->stage_since + c->bake_time_in_minutes * MINUTE_MS;

        if (until <= stages->run->now_ms)
                return true;
        service_wake(stages->run, until);
        return false;
}

static bool work(struct stages *stages)
{
        switch (stages->deployment->state->lifecycle_stage) {
        case ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_RECONCILE_SERVICE:
                return !stages->blue || scale(stages, stages->blue, false, stages->desired);
        case ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_SCALE_UP:
                return scale(stages, stages->green, true, stages->desired);
        case ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_TEST_TRAFFIC_SHIFT:
                return shift(stages, true, 100);
        case ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_PRODUCTION_TRAFFIC_SHIFT:
                return run_hooks(stages, true) && shift_production(stages);
        case ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_BAKE_TIME:
                return bake(stages);
        case ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_CLEAN_UP:
                return scale(stages, stages->green, false, stages->desired);
        default:
                return true;
        }
}

/* Both keep their number of tasks all the time, whatever dies. Before its time green gets nothing, whatever an earlier deployment left. */
static void keep_up(struct stages *stages)
{
        enum ecs_service_deployment_lifecycle_stage stage = stages->deployment->state->lifecycle_stage;

        if (stage < ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_TEST_TRAFFIC_SHIFT)
                (void)shift(stages, true, 0);
        if (stage < ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_PRODUCTION_TRAFFIC_SHIFT)
                (void)shift(stages, false, 0);
        if (stages->blue && stage != ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_RECONCILE_SERVICE &&
            stage != ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_CLEAN_UP)
                scale(stages, stages->blue, true, stages->desired);
        if (stage > ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_SCALE_UP && stage != ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_CLEAN_UP)
                scale(stages, stages->green, true, stages->desired);
}

static bool has_leftovers(const struct stages *stages)
{
        list_for_each (pool, &stages->run->control->pools, struct pool, link)
                if (pool != stages->green && pool != stages->blue && pool_live(pool) > 0)
                        return true;
        return false;
}

bool service_run_stages(struct service_run *run, const struct service_group *group)
{
        struct service_revision *blue = service_rollback_target(run->controller->model, run->service);
        struct stages stages = {.run = run,
                                .deployment = service_current_deployment(run->controller->model, run->service),
                                .green = group->primary,
                                .blue = blue ? blue->pool : NULL,
                                .desired = group->desired};

        if (stages.deployment->state->lifecycle_stage == ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_UNSET)
                set_stage(&stages, has_leftovers(&stages) ? ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_RECONCILE_SERVICE
                                                          : ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_PRE_SCALE_UP);
        keep_up(&stages);
        while (work(&stages) && run_hooks(&stages, false)) {
                if (stages.deployment->state->lifecycle_stage == ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_CLEAN_UP)
                        return true;
                set_stage(&stages, stages.deployment->state->lifecycle_stage + 1);
        }
        if (stages.failed) {
                service_fail_deployment(run->tx, run->service, DEPLOYMENT_FAILURE_HOOK, true, run->now_ms);
                service_again(run);
        }
        return false;
}
