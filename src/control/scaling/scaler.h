/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the controller that scales services as time passes: runs scheduled actions when they are due, and policies when their
 * alarms say so. Decisions and changes are control/scaling/scaling.h's. A schedule that fell due while no server ran is made up for once.
 */
#pragma once

#include <stdint.h>

#include "model/scaling.h"

struct controller;
struct alarm;

/* Tasks of a service count as measured when they ran so long before a point of the metric began: their first moments are not like the rest. */
#define SCALING_SETTLE_MS 1000

/* Runs the scheduled actions that are due, and keeps the alarms of policies as they should be. No transaction may be open. Returns when to
 * run again (ms), or INT64_MAX. */
int64_t scaler_run(struct controller *controller, int64_t now_ms);
/* An alarm that has the policy among its actions is in the state that asks for them: once when it gets there, and again each time that it
 * was evaluated and stays. No transaction may be open. */
void scaler_alarm(struct model *model, struct scaling_policy *policy, const struct alarm *alarm, int64_t now_ms);
