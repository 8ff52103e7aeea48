/* SPDX-License-Identifier: Apache-2.0 */
/* See change.h. */
#include "control/alarm/change.h"

#include <string.h>

#include "base/buf.h"
#include "codec/json.h"

#define SUMMARY_MAX 250
#define DATA_MAX 4000

enum cloudwatch_alarm_type alarm_type(const struct state_alarm *state)
{
        return state->rule != NULL ? CLOUDWATCH_ALARM_TYPE_COMPOSITEALARM : CLOUDWATCH_ALARM_TYPE_METRICALARM;
}

static void append_quoted(struct buf *out, const char *text)
{
        json_append_string(out, text, strlen(text));
}

/* Summaries are short, and names may be long. */
static void record(struct tx *tx, const struct state_alarm *state, enum cloudwatch_history_item_type type, const char *summary,
                   const char *data, int64_t now_ms)
{
        struct state_alarm_history item = {.type = alarm_type(state),
                                           .item = type,
                                           .at = now_ms,
                                           .summary = arena_strndup(tx_arena(tx), summary, SUMMARY_MAX),
                                           .data = data};

        model_alarm_record(tx, state->name, &item);
}

/* ---- configuration ---- */

static void record_update(struct tx *tx, const struct state_alarm *state, enum alarm_update update, int64_t now_ms)
{
        static const char *const words[ALARM_UPDATE_MAX][2] = {{"Create", "created"}, {"Update", "updated"}, {"Delete", "deleted"}};
        CLEANUP_BUF struct buf data = {0};

        buf_printf(&data, "{\"version\":\"1.0\",\"type\":\"%s\",\"%sAlarm\":{\"alarmName\":", words[update][0],
                   update == ALARM_CREATED   ? "created"
                   : update == ALARM_DELETED ? "deleted"
                                             : "updated");
        append_quoted(&data, state->name);
        buf_append_str(&data, "}}");
        record(tx, state, CLOUDWATCH_HISTORY_ITEM_TYPE_CONFIGURATIONUPDATE,
               arena_printf(tx_arena(tx), "Alarm \"%.200s\" %s", state->name, words[update][1]),
               arena_strndup(tx_arena(tx), data.data, data.len), now_ms);
}

struct alarm *alarm_create(struct tx *tx, struct state_alarm *state, int64_t now_ms)
{
        struct alarm *alarm;

        state->state = CLOUDWATCH_STATE_VALUE_INSUFFICIENT_DATA;
        state->reason = "Unchecked: Initial alarm creation";
        state->reason_data = NULL;
        state->configured_at = state->state_at = state->transitioned_at = now_ms;
        alarm = (struct alarm *)(void *)tx_insert(tx, OBJECT_ALARM, state);
        record_update(tx, alarm->state, ALARM_CREATED, now_ms);
        return alarm;
}

void alarm_configure(struct tx *tx, struct alarm *alarm, struct state_alarm *state, int64_t now_ms)
{
        const struct state_alarm *old = alarm->state;

        state->state = old->state;
        state->reason = old->reason;
        state->reason_data = old->reason_data;
        state->state_at = old->state_at;
        state->transitioned_at = old->transitioned_at;
        state->evaluation_state = old->evaluation_state;
        state->suppressed_by = old->suppressed_by;
        state->suppressed_reason = old->suppressed_reason;
        state->suppressed_at = old->suppressed_at;
        state->configured_at = now_ms;
        tx_put(tx, &alarm->object, state);
        record_update(tx, alarm->state, ALARM_UPDATED, now_ms);
}

void alarm_delete(struct tx *tx, struct alarm *alarm, int64_t now_ms)
{
        struct state_alarm *state = tx_edit(tx, &alarm->object);

        tx_remove(tx, &alarm->object);
        record_update(tx, state, ALARM_DELETED, now_ms);
}

/* ---- state ---- */

static void append_state(struct buf *out, const char *member, enum cloudwatch_state_value value, const char *reason, const char *data)
{
        buf_printf(out, "\"%s\":{\"stateValue\":\"%s\",\"stateReason\":", member,
                   shape_enum_name(&cloudwatch_state_value_enum, (int)value));
        append_quoted(out, reason != NULL ? reason : "");
        if (data != NULL && data[0] == '{')
                buf_printf(out, ",\"stateReasonData\":%s", data);
        buf_append_char(out, '}');
}

/* The data of a reason is left out where there is no room for it. */
static const char *state_data(struct tx *tx, const struct state_alarm *old, const struct state_alarm *new)
{
        CLEANUP_BUF struct buf out = {0};

        for (int detail = 2; detail >= 0 && (out.len == 0 || out.len > DATA_MAX); detail--) {
                buf_clear(&out);
                buf_append_str(&out, "{\"version\":\"1.0\",");
                append_state(&out, "oldState", old->state, old->reason, detail > 1 ? old->reason_data : NULL);
                buf_append_char(&out, ',');
                append_state(&out, "newState", new->state, new->reason, detail > 0 ? new->reason_data : NULL);
                buf_append_char(&out, '}');
        }
        return arena_strndup(tx_arena(tx), out.data, out.len);
}

void alarm_set_state(struct tx *tx, struct alarm *alarm, enum cloudwatch_state_value value, const char *reason, const char *data,
                     int64_t now_ms)
{
        struct state_alarm *old = tx_edit(tx, &alarm->object), *state = tx_edit(tx, &alarm->object);
        bool moved = old->state != value;

        state->state = value;
        state->reason = reason;
        state->reason_data = data;
        state->state_at = now_ms;
        if (moved)
                state->transitioned_at = MAX(now_ms, old->transitioned_at + 1); /* each transition can be told from the one before */
        tx_put(tx, &alarm->object, state);
        if (moved)
                record(tx, state, CLOUDWATCH_HISTORY_ITEM_TYPE_STATEUPDATE,
                       arena_printf(tx_arena(tx), "Alarm updated from %s to %s",
                                    shape_enum_name(&cloudwatch_state_value_enum, (int)old->state),
                                    shape_enum_name(&cloudwatch_state_value_enum, (int)value)),
                       state_data(tx, old, state), now_ms);
}

void alarm_record_action(struct tx *tx, const struct alarm *alarm, const char *action, const char *problem, int64_t now_ms)
{
        CLEANUP_BUF struct buf data = {0};

        buf_printf(&data, "{\"actionState\":\"%s\",\"notificationResource\":", problem == NULL ? "Succeeded" : "Failed");
        append_quoted(&data, action);
        buf_printf(&data, ",\"stateUpdateTimestamp\":%lld,\"publishedMessage\":null,\"error\":", (long long)alarm->state->transitioned_at);
        if (problem != NULL)
                append_quoted(&data, problem);
        else
                buf_append_str(&data, "null");
        buf_append_char(&data, '}');
        record(tx, alarm->state, CLOUDWATCH_HISTORY_ITEM_TYPE_ACTION,
               problem == NULL ? arena_printf(tx_arena(tx), "Successfully executed action %s", action)
                               : arena_printf(tx_arena(tx), "Failed to execute action %s", action),
               arena_strndup(tx_arena(tx), data.data, data.len), now_ms);
}
