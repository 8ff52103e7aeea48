/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service auto scaling: what a target's policies and schedules do to its service's desiredCount. Everything here is pure: state, metrics and
 * time come in, changes of an open transaction go out. The scaler (control/scaling/scaler.h) calls it as time passes.
 *
 * What is decided (the numbers are Application Auto Scaling's):
 *
 *     target tracking   out: ceil(running × metric ÷ target) while its alarm High is in ALARM: over the target for 3 points in a row,
 *                            of which the mean counts
 *                       in:  the same while its alarm Low is: under 0.9 × target for 15 points, of which the greatest counts; at most
 *                            half at once
 *     step              the step that the alarm's distance to its threshold falls into
 *     several policies  the largest scale-out wins; a scale-in needs all policies that know their metric and may scale in
 *     cooldown          a larger scale-out always acts; a scale-in waits for the cooldowns, and is ended by a scale-out
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/scaling.h"

/* ---- decisions: decide.c ---- */

/* Out of how many points in a row target tracking concludes. */
#define SCALING_OUT_POINTS 3
#define SCALING_IN_POINTS 15
/* Load below this part of the target is too little. */
#define SCALING_IN_PART 0.9
/* Seconds of a cooldown that nobody set; ECS's. */
#define SCALING_COOLDOWN_S 300

/* What a service and its target are like at the moment of a decision. */
struct scaling_capacity {
        int32_t desired, running;
        int32_t min, max;
        int64_t now_ms;
        int64_t out_at_ms, out_until_ms; /* the last scale-out and its cooldown; 0: none */
        int32_t out_from;                /* what it started from */
        int64_t in_at_ms, in_until_ms;   /* the last scale-in and its cooldown; 0: none */
        bool deploying;                  /* no scale-in meanwhile */
        bool in_suspended, out_suspended;
};

/* What one policy wants. */
enum scaling_want {
        SCALING_UNKNOWN = 0, /* it does not know its metric: it has no say */
        SCALING_STAY,
        SCALING_OUT,
        SCALING_IN,
        SCALING_WANT_MAX
};

struct scaling_wish {
        enum scaling_want want;
        int32_t capacity; /* of OUT and IN, not clamped yet */
        int32_t cooldown_s;
        bool out_only; /* it never scales in, so it need not agree to it */
};

/* What target tracking goes by: its two alarms (control/scaling/alarms.h) and what they have seen. */
struct scaling_metric {
        double value;      /* the mean of High's points: a single one may be chance. NAN: not known */
        double peak;       /* the greatest of Low's points */
        int64_t newest_ms; /* when the newest point's period began, */
        int64_t low_ms;    /* and that of the oldest of Low's */
        int32_t measured;  /* tasks that ran all through High's points: those that the value is about */
        bool high, low;    /* the alarms that are in ALARM */
};
struct scaling_wish scaling_track(const struct scaling_capacity *capacity, const struct scaling_metric *metric, double target,
                                  bool scale_in, int32_t out_cooldown_s, int32_t in_cooldown_s);
/* Step scaling when the policy's alarm is in ALARM: `distance` is metric − threshold. STAY when no step covers it. */
struct scaling_wish scaling_step(const struct scaling_capacity *capacity, const struct aas_step_scaling_policy_configuration *policy,
                                 double distance);

/* Why a service stays as it is though a policy wants something else; words of NotScaledReason. */
enum scaling_reason {
        SCALING_REASON_NONE = 0,
        SCALING_REASON_AT_MAX,     /* AlreadyAtMaxCapacity */
        SCALING_REASON_AT_MIN,     /* AlreadyAtMinCapacity */
        SCALING_REASON_AT_DESIRED, /* AlreadyAtDesiredCapacity */
        SCALING_REASON_COOLDOWN,   /* a cooldown holds */
        SCALING_REASON_DEPLOYING,  /* a deployment is in progress: no scale-in */
        SCALING_REASON_SUSPENDED,
        SCALING_REASON_MAX
};
const char *scaling_reason_name(enum scaling_reason reason);

struct scaling_decision {
        int32_t desired;            /* the same as it is: nothing happens */
        int policy;                 /* index of the wish that decided; -1: none wanted anything */
        int32_t cooldown_s;         /* to begin now */
        enum scaling_reason reason; /* when nothing happens though something was wanted */
};
/* Puts the wishes of all policies together. */
struct scaling_decision scaling_decide(const struct scaling_capacity *capacity, const struct scaling_wish *wishes, uint32_t n);

/* ---- application: scaling.c ---- */

/* The capacity of a target and its service now. */
struct scaling_capacity scaling_capacity_of(struct model *model, const struct scalable_target *target, const struct service *service,
                                            int64_t now_ms);

/* How many tasks ForecastAndScale policies want at least now, within what they may; 0: none says anything. */
int32_t scaling_foretold(struct model *model, const struct scalable_target *target, int64_t now_ms);
/* Tasks that a predictive policy may ask for, of those that it has foretold. */
int32_t scaling_foretold_by(const struct state_scaling_policy *policy, const struct scalable_target *target);

/* Records what happened, or with a reason what did not; the same reason is recorded again only after another activity. */
void scaling_record(struct tx *tx, struct scalable_target *target, enum aas_scaling_activity_status_code status, const char *description,
                    const char *cause, const char *message, int64_t now_ms);
void scaling_record_reason(struct tx *tx, struct scalable_target *target, enum scaling_reason reason, const char *description,
                           const char *cause, int64_t now_ms);
/* Another number of tasks, with its activity and cooldown. */
void scaling_apply(struct tx *tx, struct scalable_target *target, struct service *service, int32_t desired, int32_t cooldown_s,
                   const char *cause, int64_t now_ms);
/* New limits; a service outside of them is brought inside at once unless that direction is suspended. */
void scaling_set_limits(struct tx *tx, struct scalable_target *target, int32_t min, int32_t max, int64_t now_ms);
