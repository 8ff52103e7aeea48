/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteAlarms, SetAlarmState, EnableAlarmActions and DisableAlarmActions. */
#include <string.h>

#include "api/cloudwatch/alarms.h"
#include "base/strutil.h"
#include "control/alarm/change.h"

/* Names that are wrong are left out; when all of them are, that is said. At most one composite alarm, as CloudWatch. */
static int delete_alarms(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct cloudwatch_delete_alarms_input *in = input;
        uint32_t found = 0, composites = 0;
        struct tx *tx;

        for (uint32_t i = 0; i < in->alarm_names.n; i++) {
                const struct alarm *alarm = model_alarm(call->model, in->alarm_names.items[i]);

                found += alarm != NULL;
                composites += alarm != NULL && alarm->state->rule != NULL;
        }
        if (found == 0)
                return api_fail(call, "ResourceNotFound", "There is no alarm %.255s.",
                                in->alarm_names.n > 0 ? in->alarm_names.items[0] : "");
        if (composites > 1)
                return api_fail(call, "ValidationError", "At most one composite alarm can be deleted at once, not %u.", composites);
        tx = tx_begin(call->model);
        for (uint32_t i = 0; i < in->alarm_names.n; i++) {
                struct alarm *alarm = model_alarm(call->model, in->alarm_names.items[i]);

                if (alarm != NULL)
                        alarm_delete(tx, alarm, call->now_ms);
        }
        tx_commit(tx);
        return 0;
}

static bool looks_like_json(const char *text)
{
        CLEANUP_ARENA struct arena arena = {0};
        void *ignored;

        return shape_from_json(&shape_empty_shape, &arena, text, strlen(text), NULL, &ignored, NULL) == 0;
}

static int set_alarm_state(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct cloudwatch_set_alarm_state_input *in = input;
        struct alarm *alarm = model_alarm(call->model, in->alarm_name);
        struct tx *tx;

        if (alarm == NULL)
                return api_fail(call, "ResourceNotFound", "There is no alarm %.255s.", in->alarm_name);
        if (in->state_reason_data != NULL && !looks_like_json(in->state_reason_data))
                return api_fail(call, "InvalidFormatFault", "StateReasonData must be a JSON object.");
        tx = tx_begin(call->model);
        alarm_set_state(tx, alarm, in->state_value, in->state_reason, in->state_reason_data, call->now_ms);
        tx_commit(tx);
        return 0;
}

static int set_actions(struct api_call *call, const struct string_list *names, bool enabled)
{
        struct tx *tx = tx_begin(call->model);

        for (uint32_t i = 0; i < names->n; i++) {
                struct alarm *alarm = model_alarm(call->model, names->items[i]);
                struct state_alarm *state;

                if (alarm == NULL || alarm->state->actions_enabled == enabled)
                        continue;
                state = tx_edit(tx, &alarm->object);
                SHAPE_SET(state, state_alarm, actions_enabled, enabled);
                alarm_configure(tx, alarm, state, call->now_ms);
        }
        tx_commit(tx);
        return 0;
}

static int enable_actions(struct api_call *call, const void *input, UNUSED void *output)
{
        return set_actions(call, &((const struct cloudwatch_enable_alarm_actions_input *)input)->alarm_names, true);
}

static int disable_actions(struct api_call *call, const void *input, UNUSED void *output)
{
        return set_actions(call, &((const struct cloudwatch_disable_alarm_actions_input *)input)->alarm_names, false);
}

const struct api_route cloudwatch_alarm_state_routes[] = {
        {CLOUDWATCH_OP_DELETE_ALARMS, delete_alarms},
        {CLOUDWATCH_OP_SET_ALARM_STATE, set_alarm_state},
        {CLOUDWATCH_OP_ENABLE_ALARM_ACTIONS, enable_actions},
        {CLOUDWATCH_OP_DISABLE_ALARM_ACTIONS, disable_actions},
        {0, NULL},
};
