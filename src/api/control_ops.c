/* SPDX-License-Identifier: Apache-2.0 */
/* See control_ops.h. */
#include "api/control_ops.h"

#include "api/agent/agents.h"
#include "api/autoscaling/common.h"
#include "api/cloudwatch/alarms.h"
#include "api/server.h"

static bool offered(void *data, const struct task *task)
{
        struct api *api = data;

        return api->agents == NULL || agents_offered(api->agents, task);
}

static void add_credentials(void *data, struct tx *tx, const struct task *task)
{
        struct api *api = data;

        if (api->agents != NULL)
                agents_add_credentials(api->agents, tx, task);
}

static void alarm_points(void *data, const struct state_alarm *alarm, uint32_t n, int64_t now_ms, struct arena *arena,
                         struct alarm_points *ret)
{
        struct api *api = data;

        cloudwatch_alarm_points(api->metrics, alarm, n, now_ms, arena, ret);
}

static uint32_t load_history(void *data, const struct state_scaling_policy *policy, int64_t now_ms, struct arena *arena, double **ret)
{
        return autoscaling_load_history(data, policy, now_ms, arena, ret);
}

const struct controller_ops api_controller_ops = {
        .offered = offered,
        .add_credentials = add_credentials,
        .alarm_points = alarm_points,
        .load_history = load_history,
};
