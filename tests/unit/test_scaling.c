/* SPDX-License-Identifier: Apache-2.0 */
/* Scaling: the arithmetic, random load histories with their invariants, and the scaler on a service. */
#include <math.h>

#include "service_world.h"

#include "control/alarm/evaluate.h"
#include "control/scaling/scaling.h"
#include "control/scaling/alarms.h"

#define MINUTE INT64_C(60000)
#define TARGET 50.0

static struct scaling_capacity of(int desired, int running)
{
        return (struct scaling_capacity){.desired = desired, .running = running, .min = 1, .max = 20, .now_ms = 1000 * MINUTE};
}

static bool alarms(const double *points, enum cloudwatch_comparison_operator operator, double threshold, int n)
{
        struct alarm_points window = {.values = points, .n = SCALING_IN_POINTS, .period_s = MINUTE / 1000};
        struct state_alarm alarm = {.state = CLOUDWATCH_STATE_VALUE_OK, .comparison_operator = operator};

        SHAPE_SET(&alarm, state_alarm, evaluation_periods, n);
        SHAPE_SET(&alarm, state_alarm, threshold, threshold);
        return alarm_judge(&alarm, &window) == CLOUDWATCH_STATE_VALUE_ALARM;
}

/* What the two alarms make of fifteen points, the last of which ends now; `measured` tasks ran through it. */
static struct scaling_metric metric_of(const struct scaling_capacity *c, const double *points, int measured)
{
        struct scaling_metric m = {
                .newest_ms = c->now_ms - MINUTE,
                .low_ms = c->now_ms - SCALING_IN_POINTS * MINUTE,
                .measured = measured,
                .high = alarms(points, CLOUDWATCH_COMPARISON_OPERATOR_GREATERTHANTHRESHOLD, TARGET, SCALING_OUT_POINTS),
                .low = alarms(points, CLOUDWATCH_COMPARISON_OPERATOR_LESSTHANTHRESHOLD, SCALING_IN_PART * TARGET, SCALING_IN_POINTS),
        };

        for (int i = 0; i < SCALING_IN_POINTS; i++)
                m.peak = fmax(m.peak, points[i]); /* NAN is no greater */
        for (int i = SCALING_IN_POINTS - SCALING_OUT_POINTS; i < SCALING_IN_POINTS; i++)
                m.value += points[i] / SCALING_OUT_POINTS;
        return m;
}

/* Fifteen points, the last `n` of which are `value`; the others are at the target. */
static struct scaling_wish track_measured(const struct scaling_capacity *c, double value, uint32_t n, int measured)
{
        double points[SCALING_IN_POINTS];
        struct scaling_metric metric;

        for (uint32_t i = 0; i < SCALING_IN_POINTS; i++)
                points[i] = i >= SCALING_IN_POINTS - n ? value : TARGET;
        metric = metric_of(c, points, measured);
        return scaling_track(c, &metric, TARGET, true, 300, 300);
}

static struct scaling_wish track(const struct scaling_capacity *c, double value, uint32_t n)
{
        return track_measured(c, value, n, c->running);
}

static void test_tracking(void **state)
{
        struct scaling_capacity c = of(4, 4);
        struct scaling_wish wish = track(&c, 80, 3);

        assert_int_equal(wish.want, SCALING_OUT);
        assert_int_equal(wish.capacity, 7); /* 6.4 */
        assert_int_equal(track(&c, 80, 2).want, SCALING_STAY);
        assert_int_equal(track(&c, 46, 15).want, SCALING_STAY); /* over 0.9 × target */
        wish = track(&c, 30, 15);
        assert_int_equal(wish.want, SCALING_IN);
        assert_int_equal(wish.capacity, 3); /* 2.4 */
        assert_int_equal(track(&c, 30, 14).want, SCALING_STAY);
        assert_int_equal(track(&c, 1, 15).capacity, 2); /* gentle */
        assert_int_equal(track(&c, NAN, 1).want, SCALING_UNKNOWN);
        /* It starts from what runs, not from what is desired; rounding does not invent a task. */
        c = of(6, 3);
        assert_int_equal(track(&c, 100, 3).capacity, 6);
        c = of(3, 3);
        assert_int_equal(track(&c, TARGET * 1.0000000001, 3).capacity, 3);
        /* From none: the smallest step. */
        c = of(0, 0);
        assert_int_equal(track(&c, 80, 3).capacity, 1);
        /* A point that measured the old tasks counts for those. */
        c = of(8, 8);
        assert_int_equal(track_measured(&c, 100, 3, 4).capacity, 8);
}

static void add_step(struct aas_step_scaling_policy_configuration *policy, struct aas_step_adjustment *step, double low, double high,
                     int by)
{
        *step = (struct aas_step_adjustment){0};
        if (isfinite(low))
                SHAPE_SET(step, aas_step_adjustment, metric_interval_lower_bound, low);
        if (isfinite(high))
                SHAPE_SET(step, aas_step_adjustment, metric_interval_upper_bound, high);
        SHAPE_SET(step, aas_step_adjustment, scaling_adjustment, by);
        policy->step_adjustments.n++;
}

static void test_steps(void **state)
{
        struct aas_step_adjustment steps[4];
        struct aas_step_scaling_policy_configuration policy = {.adjustment_type = AAS_ADJUSTMENT_TYPE_CHANGEINCAPACITY,
                                                               .step_adjustments = {.items = steps}};
        struct scaling_capacity c = of(10, 10);

        add_step(&policy, &steps[0], 0, 10, 1);
        add_step(&policy, &steps[1], 10, INFINITY, 3);
        add_step(&policy, &steps[2], -10, 0, -1);
        add_step(&policy, &steps[3], -INFINITY, -10, -3);
        assert_int_equal(scaling_step(&c, &policy, 0).capacity, 11);
        assert_int_equal(scaling_step(&c, &policy, 9.9).capacity, 11);
        assert_int_equal(scaling_step(&c, &policy, 10).capacity, 13);
        assert_int_equal(scaling_step(&c, &policy, -0.1).capacity, 9);
        assert_int_equal(scaling_step(&c, &policy, -10).capacity, 7); /* below, the upper bound is in */
        assert_int_equal(scaling_step(&c, &policy, NAN).want, SCALING_UNKNOWN);
        /* In a scale-out's cooldown what it added is part of the next. */
        c.out_until_ms = c.now_ms + 1;
        c.out_from = 9;
        assert_int_equal(scaling_step(&c, &policy, 5).want, SCALING_STAY);
        assert_int_equal(scaling_step(&c, &policy, 15).capacity, 12);
        c.out_until_ms = 0;
        policy.adjustment_type = AAS_ADJUSTMENT_TYPE_PERCENTCHANGEINCAPACITY;
        assert_int_equal(scaling_step(&c, &policy, 5).capacity, 11);   /* 0.1 becomes 1 */
        assert_int_equal(scaling_step(&c, &policy, -0.1).capacity, 9); /* and −0.1 becomes −1 */
        steps[0].scaling_adjustment = 27;
        assert_int_equal(scaling_step(&c, &policy, 5).capacity, 12); /* 2.7 becomes 2 */
        SHAPE_SET(&policy, aas_step_scaling_policy_configuration, min_adjustment_magnitude, 4);
        assert_int_equal(scaling_step(&c, &policy, 5).capacity, 14);
        policy.adjustment_type = AAS_ADJUSTMENT_TYPE_EXACTCAPACITY;
        assert_int_equal(scaling_step(&c, &policy, 5).capacity, 27);
}

static void test_several_policies(void **state)
{
        struct scaling_capacity c = of(4, 4);
        struct scaling_wish wishes[3] = {{SCALING_OUT, 6, 60}, {SCALING_OUT, 9, 90}, {SCALING_IN, 2, 30}};
        struct scaling_decision d = scaling_decide(&c, wishes, 3);

        assert_int_equal(d.desired, 9); /* the largest, and out before in */
        assert_int_equal(d.policy, 1);
        assert_int_equal(d.cooldown_s, 90);
        wishes[0] = (struct scaling_wish){.want = SCALING_STAY};
        wishes[1] = (struct scaling_wish){.want = SCALING_IN, .capacity = 3};
        assert_int_equal(scaling_decide(&c, wishes, 3).policy, -1); /* one does not agree */
        wishes[0].out_only = true;
        assert_int_equal(scaling_decide(&c, wishes, 3).desired, 3);
        wishes[0] = (struct scaling_wish){.want = SCALING_UNKNOWN};
        assert_int_equal(scaling_decide(&c, wishes, 3).desired, 3);
        c.deploying = true;
        assert_int_equal(scaling_decide(&c, wishes, 3).reason, SCALING_REASON_DEPLOYING);
        c.deploying = false;
        c.in_until_ms = c.now_ms + 1;
        assert_int_equal(scaling_decide(&c, wishes, 3).reason, SCALING_REASON_COOLDOWN);
        wishes[0] = (struct scaling_wish){.want = SCALING_OUT, .capacity = 50};
        assert_int_equal(scaling_decide(&c, wishes, 3).desired, 20); /* neither held by that cooldown nor beyond the maximum */
        c.out_suspended = true;
        assert_int_equal(scaling_decide(&c, wishes, 3).reason, SCALING_REASON_SUSPENDED);
        c = of(0, 0);
        wishes[0].capacity = 1;
        c.min = 3;
        assert_int_equal(scaling_decide(&c, wishes, 1).desired, 3); /* below the minimum: first up to it */
        c = of(20, 20);
        assert_int_equal(scaling_decide(&c, wishes, 1).reason, SCALING_REASON_AT_MAX);
}

/* ---- random histories: a minute a step, load in tasks' worth at the target ---- */

static uint64_t seed;

static uint32_t below(uint32_t n)
{
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return (uint32_t)(seed >> 32) % n;
}

static double load_at(int shape, int minute, double from, double to)
{
        switch (shape) {
        case 0: /* steps */
                return minute / 97 % 2 ? to : from;
        case 1: /* a ramp */
                return from + (to - from) * minute / 600;
        case 2: /* spikes */
                return minute % 131 < 5 ? to : from;
        default: /* a day */
                return from + (to - from) * (1 - cos(minute * 2 * M_PI / 300)) / 2;
        }
}

/* One history; after 300 minutes of change the load stays what it is. */
static void play(uint64_t number)
{
        struct scaling_capacity c = {.min = 1 + (int)below(3), .max = 8 + (int)below(20)};
        double points[SCALING_IN_POINTS], from = below(10) + 0.5, to = below(30) + 0.5;
        int shape = (int)below(4), sensor = (int)below(3), last = 0, changes = 0, ran[2];

        for (int i = 0; i < SCALING_IN_POINTS; i++)
                points[i] = NAN;
        c.desired = c.running = ran[0] = ran[1] = c.min;
        for (int minute = 0; minute < 600; minute++) {
                double load = load_at(shape, MIN(minute, 300), from, to);
                struct scaling_decision d;
                struct scaling_metric metric;
                struct scaling_wish wish;
                int measured = MIN(MIN(ran[0], ran[1]), c.running);
                bool blind = sensor == 0 && below(10) == 0;

                ran[0] = ran[1];
                ran[1] = c.running;
                memmove(points, points + 1, sizeof(points) - sizeof(points[0]));
                points[SCALING_IN_POINTS - 1] = blind || c.running == 0 ? NAN : load * TARGET / c.running;
                c.now_ms = (minute + 1) * MINUTE;
                c.running += c.desired > c.running ? 1 + (int)below((uint32_t)(c.desired - c.running)) : c.desired - c.running;
                metric = metric_of(&c, points, measured);
                wish = scaling_track(&c, &metric, TARGET, true, 120, 300);
                d = scaling_decide(&c, &wish, 1);
                if (d.desired < c.min || d.desired > c.max)
                        fail_msg("history %llu: %d is outside", (unsigned long long)number, d.desired);
                if (blind)
                        assert_int_equal(d.desired, c.desired); /* who knows nothing does nothing */
                if (wish.want == SCALING_OUT && MIN(wish.capacity, c.max) > c.desired)
                        assert_true(d.desired > c.desired); /* whatever cooldown there is */
                if (minute > 360 && d.desired != c.desired) {
                        int direction = d.desired > c.desired ? 1 : -1;

                        changes += last != 0 && direction != last;
                        last = direction;
                }
                if (d.desired > c.desired) {
                        c.out_from = c.desired;
                        c.out_at_ms = c.now_ms;
                        c.out_until_ms = c.now_ms + d.cooldown_s * INT64_C(1000);
                        c.in_until_ms = 0;
                } else if (d.desired < c.desired) {
                        c.in_at_ms = c.now_ms;
                        c.in_until_ms = c.now_ms + d.cooldown_s * INT64_C(1000);
                }
                c.desired = d.desired;
        }
        if (changes > 0)
                fail_msg("history %llu: it turned %d times under a steady load", (unsigned long long)number, changes);
}

static void test_histories(void **state)
{
        for (uint64_t i = 1; i <= 1000; i++) {
                seed = i * UINT64_C(0x9e3779b97f4a7c15);
                play(i);
        }
}

/* ---- the scaler on a service ---- */

static struct scalable_target *add_target(struct world *w, int min, int max)
{
        struct state_scalable_target s = {.resource_id = "service/c/web", .id = "0", .created_at = w->env.now_ms};
        struct tx *tx = tx_begin(w->model);
        struct object *object;

        SHAPE_SET(&s, state_scalable_target, min_capacity, min);
        SHAPE_SET(&s, state_scalable_target, max_capacity, max);
        object = tx_insert(tx, OBJECT_SCALABLE_TARGET, &s);
        tx_commit(tx);
        return (struct scalable_target *)(void *)object;
}

static void add_action(struct world *w, const char *name, const char *schedule, int64_t next_at, int min, int max)
{
        struct state_scheduled_action s = {.resource_id = "service/c/web",
                                           .name = name,
                                           .id = "1",
                                           .schedule = schedule,
                                           .created_at = w->env.now_ms,
                                           .next_at = next_at};
        struct tx *tx = tx_begin(w->model);

        SHAPE_SET(&s, state_scheduled_action, min_capacity, min);
        SHAPE_SET(&s, state_scheduled_action, max_capacity, max);
        tx_insert(tx, OBJECT_SCHEDULED_ACTION, &s);
        tx_commit(tx);
}

static void test_scheduled(void **state)
{
        struct world w;
        int64_t at;

        world_begin(&w);
        world_create(&w, 2);
        add_target(&w, 1, 10);
        world_run(&w);
        at = w.env.now_ms + 7000;
        add_action(&w, "once", "at(1999-01-01T00:00:00)", at, 4, 5);
        world_wait(&w, 6999);
        assert_int_equal(world_service(&w)->state->desired_count, 2);
        world_wait(&w, 1);
        assert_int_equal(world_service(&w)->state->desired_count, 4);
        assert_int_equal(model_scalable_target(w.model, "service/c/web")->state->max_capacity, 5);
        assert_int_equal(model_scheduled_action(w.model, "service/c/web", "once")->state->next_at, 0);
        /* What fell due while no server ran is made up for, once. */
        add_action(&w, "often", "rate(1 minute)", w.env.now_ms + MINUTE, 6, 6);
        w.env.now_ms += 10 * MINUTE;
        world_restart(&w);
        world_run(&w);
        assert_int_equal(world_service(&w)->state->desired_count, 6);
        assert_true(model_scheduled_action(w.model, "service/c/web", "often")->state->next_at > w.env.now_ms);
        world_end(&w);
}

static const struct state_scaling_activity *newest_activity(struct world *w)
{
        const struct state_scaling_activity *newest = NULL;

        for (struct object *o = model_scaling_first(w->model, OBJECT_SCALING_ACTIVITY, "service/c/web"); o != NULL;
             o = model_scaling_next(o, "service/c/web")) {
                const struct state_scaling_activity *s = ((struct scaling_activity *)(void *)o)->state;

                if (newest == NULL || s->number > newest->number)
                        newest = s;
        }
        return newest;
}

static void test_suspended(void **state)
{
        const struct state_scaling_activity *activity;
        struct world w;
        struct aas_suspended_state suspended = {0};
        struct scalable_target *target;
        struct state_scalable_target *s;
        struct tx *tx;

        world_begin(&w);
        world_create(&w, 2);
        target = add_target(&w, 1, 10);
        tx = tx_begin(w.model);
        s = tx_edit(tx, &target->object);
        SHAPE_SET(&suspended, aas_suspended_state, scheduled_scaling_suspended, true);
        s->suspended = &suspended;
        tx_put(tx, &target->object, s);
        tx_commit(tx);
        add_action(&w, "once", "at(1999-01-01T00:00:00)", w.env.now_ms + 1000, 4, 5);
        world_wait(&w, 2000);
        assert_int_equal(world_service(&w)->state->desired_count, 2);
        assert_int_equal(target->state->activities, 1);
        activity = newest_activity(&w);
        assert_string_equal(activity->reasons.items[0].code, "ScalingSuspended");
        assert_string_equal(activity->description, "Attempting to set the limits due to a scheduled action.");
        assert_string_equal(activity->cause, "scheduled action name once was triggered");
        world_end(&w);
}

/* Whatever was not done says why, and what would change it. */
static void test_reasons(UNUSED void **state)
{
        static const char *const words[SCALING_REASON_MAX] = {
                [SCALING_REASON_AT_MAX] = "Nothing was changed (AlreadyAtMaxCapacity): the maximum capacity of 10 is reached; a greater",
                [SCALING_REASON_AT_MIN] = "Nothing was changed (AlreadyAtMinCapacity): the minimum capacity of 1 is reached; a smaller",
                [SCALING_REASON_AT_DESIRED] = "(AlreadyAtDesiredCapacity): the service has the capacity that the policy asks for",
                [SCALING_REASON_COOLDOWN] = "(CooldownInEffect): the cooldown of the last scale-in is not over",
                [SCALING_REASON_DEPLOYING] = "(DeploymentInProgress): there is no scale-in while a deployment is in progress",
                [SCALING_REASON_SUSPENDED] = "(ScalingSuspended): it is suspended; RegisterScalableTarget",
        };
        struct scalable_target *target;
        struct world w;

        world_begin(&w);
        world_create(&w, 2);
        target = add_target(&w, 1, 10);
        for (int reason = SCALING_REASON_NONE + 1; reason < SCALING_REASON_MAX; reason++) {
                struct tx *tx = tx_begin(w.model);

                scaling_record_reason(tx, target, (enum scaling_reason)reason, "d", "c", w.env.now_ms);
                tx_commit(tx);
                assert_int_equal(target->state->activities, reason);
                assert_non_null(strstr(newest_activity(&w)->message, words[reason]));
                /* The same again is not told again. */
                tx = tx_begin(w.model);
                scaling_record_reason(tx, target, (enum scaling_reason)reason, "d", "c", w.env.now_ms);
                tx_commit(tx);
                assert_int_equal(target->state->activities, reason);
        }
        world_end(&w);
}

static double metric;
static void points_of(UNUSED void *data, UNUSED const struct state_alarm *alarm, uint32_t n, int64_t now_ms, struct arena *arena,
                      struct alarm_points *ret)
{
        double *values = arena_calloc(arena, n, sizeof(double));

        for (uint32_t i = 0; i < n; i++)
                values[i] = metric;
        *ret = (struct alarm_points){.values = values, .n = n, .period_s = 1, .from_s = now_ms / 1000 - n};
}

static const struct state_alarm *policy_alarm(struct world *w, uint32_t which)
{
        return model_alarm(w->model, model_scaling_policy(w->model, "service/c/web", "cpu")->state->alarms.items[which])->state;
}

static void add_policy(struct world *w)
{
        struct aas_predefined_metric_specification predefined = {.predefined_metric_type =
                                                                         AAS_METRIC_TYPE_ECSSERVICEAVERAGECPUUTILIZATIONHIGHRESOLUTION};
        struct aas_target_tracking_scaling_policy_configuration tracking = {.predefined_metric_specification = &predefined};
        struct state_scaling_policy policy = {.resource_id = "service/c/web",
                                              .name = "cpu",
                                              .id = "2",
                                              .type = AAS_POLICY_TYPE_TARGETTRACKINGSCALING,
                                              .tracking = &tracking};
        struct tx *tx = tx_begin(w->model);

        SHAPE_SET(&tracking, aas_target_tracking_scaling_policy_configuration, target_value, TARGET);
        SHAPE_SET(&tracking, aas_target_tracking_scaling_policy_configuration, scale_in_cooldown, 60);
        scaling_alarms_put(tx, &policy, true, w->env.now_ms);
        tx_insert(tx, OBJECT_SCALING_POLICY, &policy);
        tx_commit(tx);
}

/* Alarms that can be seen, and what they do to a service; somebody deletes one. */
static void test_tracking_service(void **state)
{
        static const struct controller_ops ops = {.alarm_points = points_of};
        const struct state_scaling_activity *activity;
        struct world w;
        struct tx *tx;

        world_begin(&w);
        w.options.ops = &ops;
        world_restart(&w);
        world_add_instance(&w, NULL, 4096, 4096);
        world_create(&w, 2);
        add_target(&w, 1, 6);
        world_settle(&w);
        metric = TARGET;
        add_policy(&w);
        world_wait(&w, 10000);
        assert_int_equal(world_service(&w)->state->desired_count, 2);
        assert_true(str_starts_with(policy_alarm(&w, 0)->name, "TargetTracking-service/c/web-AlarmHigh-"));
        assert_int_equal(policy_alarm(&w, 0)->state, CLOUDWATCH_STATE_VALUE_OK);
        metric = 95;
        world_wait(&w, 1600);
        assert_int_equal(policy_alarm(&w, 0)->state, CLOUDWATCH_STATE_VALUE_ALARM);
        assert_int_equal(world_service(&w)->state->desired_count, 4);
        activity = ((struct scaling_activity *)(void *)model_scaling_first(w.model, OBJECT_SCALING_ACTIVITY, "service/c/web"))->state;
        assert_non_null(strstr(activity->cause, "monitor alarm TargetTracking-service/c/web-AlarmHigh-"));
        assert_non_null(strstr(activity->cause, "in state ALARM triggered policy cpu"));
        /* The new tasks are not measured yet: the same value asks for no more of them. */
        world_work(&w);
        world_wait(&w, 1000);
        assert_int_equal(world_service(&w)->state->desired_count, 4);
        metric = TARGET;
        world_settle(&w);
        world_wait(&w, 30000);
        metric = 10;
        world_wait(&w, 30000);
        assert_int_equal(policy_alarm(&w, 1)->state, CLOUDWATCH_STATE_VALUE_ALARM);
        assert_int_equal(world_service(&w)->state->desired_count, 2);
        tx = tx_begin(w.model);
        tx_remove(tx, &model_alarm(w.model, policy_alarm(&w, 1)->name)->object);
        tx_commit(tx);
        world_wait(&w, 15000);
        assert_int_equal(policy_alarm(&w, 1)->state, CLOUDWATCH_STATE_VALUE_ALARM);
        world_restart(&w);
        world_wait(&w, 2000);
        assert_int_equal(policy_alarm(&w, 1)->state, CLOUDWATCH_STATE_VALUE_ALARM);
        world_end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tracking),         cmocka_unit_test(test_steps),
                cmocka_unit_test(test_several_policies), cmocka_unit_test(test_histories),
                cmocka_unit_test(test_scheduled),        cmocka_unit_test(test_suspended),
                cmocka_unit_test(test_reasons),          cmocka_unit_test(test_tracking_service),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
