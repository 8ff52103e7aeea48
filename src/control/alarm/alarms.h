/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the controller that evaluates alarms as time passes, and does what they ask for:
 *
 *     a period of its metric is over ─► points ─► state (evaluate.h) ─► history, actions ─► composite alarms, deployments
 *
 * A metric alarm is looked at when a period of its metric is over (at least once a minute), a moment later so that the last values are in,
 * and each alarm at a moment of its own so that thousands do not fall together. While it stays in its state, scaling policies among the
 * state's actions are asked again each time; other actions are done, or recorded as not possible, once for each transition.
 */
#pragma once

#include "control/work.h"
#include "model/alarm.h"

struct controller;

/* OBJECT_ALARM, for the controller's observer: `applied` keeps what is known of each alarm, `changed` wakes who depends on it. */
void alarm_applied(struct controller *controller, struct object *object, const void *old_state, const void *new_state);
void alarm_changed(struct controller *controller, struct object *object, const void *old_state, const void *new_state);
/* At the start, for each alarm that was loaded; and at the end. */
void alarm_load(struct controller *controller, struct alarm *alarm);
void alarm_unload(struct alarm *alarm);
/* Points of its metric were missing when it was last evaluated. */
bool alarm_has_gaps(const struct alarm *alarm);
