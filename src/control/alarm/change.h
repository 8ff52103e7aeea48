/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of alarms within a transaction, each with its item of history. Texts and JSON are CloudWatch's. */
#pragma once

#include "model/alarm.h"

enum alarm_update { ALARM_CREATED = 0, ALARM_UPDATED, ALARM_DELETED, ALARM_UPDATE_MAX };

enum cloudwatch_alarm_type alarm_type(const struct state_alarm *state);

/* A new alarm: in INSUFFICIENT_DATA, until it is evaluated. */
struct alarm *alarm_create(struct tx *tx, struct state_alarm *state, int64_t now_ms);
/* Another configuration: everything in `state` but how the alarm stands. */
void alarm_configure(struct tx *tx, struct alarm *alarm, struct state_alarm *state, int64_t now_ms);
void alarm_delete(struct tx *tx, struct alarm *alarm, int64_t now_ms);
/* Another state; the same one with another reason is no transition. `data` may be NULL. */
void alarm_set_state(struct tx *tx, struct alarm *alarm, enum cloudwatch_state_value value, const char *reason, const char *data,
                     int64_t now_ms);
/* What came of an action: `problem` NULL: it was done. */
void alarm_record_action(struct tx *tx, const struct alarm *alarm, const char *action, const char *problem, int64_t now_ms);
