/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of scaling.h: numbers in, numbers out. */
#include <math.h>

#include "control/scaling/scaling.h"

#define CAPACITY_MAX 1000000

static int32_t ceil_capacity(double value)
{
        if (!(value > 0))
                return 0;
        /* 3 × 0.7 ÷ 0.7 must be 3, not 4. */
        return value >= CAPACITY_MAX ? CAPACITY_MAX : (int32_t)ceil(value - 1e-9);
}

static int32_t clamp(const struct scaling_capacity *c, int32_t capacity)
{
        return MAX(MIN(capacity, c->max), c->min);
}

struct scaling_wish scaling_track(const struct scaling_capacity *c, const struct scaling_metric *metric, double target, bool scale_in,
                                  int32_t out_cooldown_s, int32_t in_cooldown_s)
{
        struct scaling_wish wish = {.want = SCALING_STAY, .out_only = !scale_in};

        if (isnan(metric->value) || !(target > 0))
                return (struct scaling_wish){.want = SCALING_UNKNOWN, .out_only = !scale_in};
        if (metric->high) {
                wish.want = SCALING_OUT;
                /* Points that began before the tasks of the last scale-out ran measure those of before; the others count already. */
                wish.capacity = c->running == 0 ? MAX(c->desired, 0) + (c->desired == 0)
                                                : ceil_capacity(MIN(c->running, metric->measured) * metric->value / target);
                wish.cooldown_s = out_cooldown_s;
        } else if (scale_in && metric->low && c->out_at_ms <= metric->low_ms && c->in_at_ms <= metric->newest_ms) {
                wish.want = SCALING_IN;
                /* Gentle: what was too much for a long time may still be half of what is needed next. */
                wish.capacity = MAX(ceil_capacity(c->running * metric->peak / target), c->desired / 2);
                wish.cooldown_s = in_cooldown_s;
        }
        return wish;
}

/* Steps above the threshold include their lower bound, those below it their upper one. */
static bool step_covers(const struct aas_step_adjustment *step, double distance)
{
        double low = SHAPE_HAS(step, aas_step_adjustment, metric_interval_lower_bound) ? step->metric_interval_lower_bound : -INFINITY;
        double high = SHAPE_HAS(step, aas_step_adjustment, metric_interval_upper_bound) ? step->metric_interval_upper_bound : INFINITY;

        return low >= 0 ? distance >= low && distance < high : distance > low && distance <= high;
}

static int32_t adjusted(const struct aas_step_scaling_policy_configuration *policy, int32_t base, int32_t adjustment)
{
        double change = adjustment;

        if (policy->adjustment_type == AAS_ADJUSTMENT_TYPE_EXACTCAPACITY)
                return adjustment;
        if (policy->adjustment_type == AAS_ADJUSTMENT_TYPE_PERCENTCHANGEINCAPACITY) {
                double least = SHAPE_HAS(policy, aas_step_scaling_policy_configuration, min_adjustment_magnitude)
                                       ? policy->min_adjustment_magnitude
                                       : 0;

                change = base * (double)adjustment / 100;
                change = fabs(change) < 1 && change != 0 ? copysign(1, change) : trunc(change);
                if (fabs(change) < least)
                        change = copysign(least, adjustment);
        }
        return (int32_t)MAX(MIN(base + change, (double)CAPACITY_MAX), 0.0);
}

struct scaling_wish scaling_step(const struct scaling_capacity *c, const struct aas_step_scaling_policy_configuration *policy,
                                 double distance)
{
        struct scaling_wish wish = {.want = SCALING_STAY,
                                    .cooldown_s = SHAPE_HAS(policy, aas_step_scaling_policy_configuration, cooldown) ? policy->cooldown
                                                                                                                     : SCALING_COOLDOWN_S};

        if (isnan(distance))
                return (struct scaling_wish){.want = SCALING_UNKNOWN};
        for (uint32_t i = 0; i < policy->step_adjustments.n; i++) {
                const struct aas_step_adjustment *step = &policy->step_adjustments.items[i];
                bool cooling = c->now_ms < c->out_until_ms && step->scaling_adjustment > 0;

                if (!step_covers(step, distance))
                        continue;
                /* In a scale-out's cooldown, what it has added is part of what the next one adds. */
                wish.capacity = adjusted(policy, cooling ? MIN(c->out_from, c->desired) : c->desired, step->scaling_adjustment);
                if (wish.capacity > c->desired)
                        wish.want = SCALING_OUT;
                else if (wish.capacity < c->desired && !cooling)
                        wish.want = SCALING_IN;
                break;
        }
        return wish;
}

const char *scaling_reason_name(enum scaling_reason reason)
{
        static const char *const names[SCALING_REASON_MAX] = {
                [SCALING_REASON_NONE] = "",
                [SCALING_REASON_AT_MAX] = "AlreadyAtMaxCapacity",
                [SCALING_REASON_AT_MIN] = "AlreadyAtMinCapacity",
                [SCALING_REASON_AT_DESIRED] = "AlreadyAtDesiredCapacity",
                [SCALING_REASON_COOLDOWN] = "CooldownInEffect",
                [SCALING_REASON_DEPLOYING] = "DeploymentInProgress",
                [SCALING_REASON_SUSPENDED] = "ScalingSuspended",
        };

        return names[reason];
}

static struct scaling_decision decide_out(const struct scaling_capacity *c, const struct scaling_wish *wishes, int largest)
{
        struct scaling_decision d = {.desired = c->desired, .policy = largest, .cooldown_s = wishes[largest].cooldown_s};
        int32_t capacity = clamp(c, MAX(wishes[largest].capacity, c->min));

        if (c->out_suspended)
                d.reason = SCALING_REASON_SUSPENDED;
        else if (capacity > c->desired)
                d.desired = capacity;
        else if (c->desired >= c->max)
                d.reason = SCALING_REASON_AT_MAX;
        else
                d.reason = SCALING_REASON_AT_DESIRED;
        return d;
}

static struct scaling_decision decide_in(const struct scaling_capacity *c, const struct scaling_wish *wishes, int largest)
{
        struct scaling_decision d = {.desired = c->desired, .policy = largest, .cooldown_s = wishes[largest].cooldown_s};
        int32_t capacity = clamp(c, wishes[largest].capacity);

        if (c->in_suspended)
                d.reason = SCALING_REASON_SUSPENDED;
        else if (c->desired <= c->min)
                d.reason = SCALING_REASON_AT_MIN;
        else if (capacity >= c->desired)
                d.reason = SCALING_REASON_AT_DESIRED;
        else if (c->deploying)
                d.reason = SCALING_REASON_DEPLOYING;
        else if (c->now_ms < c->in_until_ms)
                d.reason = SCALING_REASON_COOLDOWN;
        else
                d.desired = capacity;
        return d;
}

struct scaling_decision scaling_decide(const struct scaling_capacity *c, const struct scaling_wish *wishes, uint32_t n)
{
        int out = -1, in = -1;
        bool agreed = true;

        for (uint32_t i = 0; i < n; i++) {
                const struct scaling_wish *wish = &wishes[i];

                if (wish->want == SCALING_OUT && (out < 0 || wish->capacity > wishes[out].capacity))
                        out = (int)i;
                /* The one that takes away least. */
                if (wish->want == SCALING_IN && (in < 0 || wish->capacity > wishes[in].capacity))
                        in = (int)i;
                if (wish->want == SCALING_STAY && !wish->out_only)
                        agreed = false;
        }
        if (out >= 0)
                return decide_out(c, wishes, out);
        if (in >= 0 && agreed)
                return decide_in(c, wishes, in);
        return (struct scaling_decision){.desired = c->desired, .policy = -1};
}
