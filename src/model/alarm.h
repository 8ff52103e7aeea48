/* SPDX-License-Identifier: Apache-2.0 */
/* CloudWatch alarms in the model, and what has happened to them; dashboards. */
#pragma once

#include "model/model.h"

/* Items of history that are kept of an alarm, and of all of them together. */
#define ALARM_HISTORY 100
#define ALARM_HISTORY_ALL 20000

/* The newest known points of an alarm's metric, at most EvaluationPeriods of them. */
struct alarm_window {
        double newest, mean, greatest; /* NAN: none is known */
        int64_t newest_ms, oldest_ms;  /* when the newest one's and the oldest one's period began */
};

struct alarm {
        struct object object; /* key: its name */
        const struct state_alarm *state;
        struct list history; /* of struct alarm_history, the oldest first; what happened to an earlier alarm of that name is not in it */
        size_t n_history;
        /* Not stored, of whoever evaluates it: */
        void *control;            /* control/alarm/alarms.h */
        struct alarm_window seen; /* as it was evaluated last */
};

struct alarm_history {
        struct object object; /* key: the number, of fixed width */
        const struct state_alarm_history *state;
        struct alarm *alarm; /* NULL: it is no more */
        struct list in_alarm;
};

struct dashboard {
        struct object object; /* key: its name */
        const struct state_dashboard *state;
};

/* NULL when there is none. */
struct alarm *model_alarm(struct model *model, const char *name);
/* In `arena`: arn:aws:cloudwatch:REGION:ACCOUNT:alarm:NAME */
char *model_alarm_arn(const struct model *model, struct arena *arena, const char *name);
/* The name in such an ARN, or in a text that is no ARN the text itself; NULL: an ARN of something else. */
const char *model_alarm_name(const struct model *model, const char *text);
/* Adds an item, with its number, and forgets what is too much. */
void model_alarm_record(struct tx *tx, const char *name, struct state_alarm_history *item);
