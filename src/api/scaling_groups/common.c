/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, naming, paging, and the registration of the service. */
#include "api/scaling_groups/common.h"

#include <string.h>

#include "api/server.h"
#include "base/strutil.h"

void scaling_groups_register(struct api *api)
{
        static const struct api_route *const tables[] = {scaling_group_routes,    scaling_group_change_routes, scaling_machine_routes,
                                                         scaling_activity_routes, scaling_hook_routes,         scaling_tag_routes,
                                                         scaling_process_routes,  launch_configuration_routes};

        for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
                api_add_routes(api, &asg_service, tables[i]);
}

int scaling_group_find(struct api_call *call, const char *name, struct scaling_group **ret)
{
        struct scaling_group *group = model_find_scaling_group(call->model, name);

        if (group == NULL || group->state->deleting)
                return api_fail(call, "ValidationError", "AutoScalingGroup name not found - AutoScalingGroup '%.255s' not found", name);
        *ret = group;
        return 0;
}

int scaling_machine_find(struct api_call *call, const char *id, struct machine **ret)
{
        *ret = model_machine(call->model, id);
        if (*ret == NULL)
                return api_fail(call, "ValidationError", "Instance Id not found - No managed instance found for instance ID: %.19s", id);
        return 0;
}

int scaling_name_check(struct api_call *call, const char *what, const char *name)
{
        for (const char *p = name; *p != '\0'; p++)
                if (*p == '/' || (unsigned char)*p < ' ' || *p == 0x7f)
                        return api_fail(call, "ValidationError", "%s: '%.255s' must not hold a '/' or control characters", what, name);
        return 0;
}

int scaling_page(struct api_call *call, const char *token, bool has_max, int32_t max, int32_t limit, const char *binding,
                 struct api_page *ret)
{
        struct api_page page = {0};

        if (has_max && (max < 1 || max > limit))
                return api_fail(call, "ValidationError", "MaxRecords: %d is not in 1..%d", max, limit);
        if (api_page_begin(call, token, has_max, max, limit, MIN(50, limit), binding, &page) < 0) {
                error_clear(&call->error);
                return api_fail(call, "InvalidNextToken", "The token '%.100s' is invalid: it must be the one of the previous page.", token);
        }
        *ret = page;
        return 0;
}

struct asg_launch_template_specification *scaling_template_of(struct api_call *call, const struct state_machine *state)
{
        struct asg_launch_template_specification *out;

        if (state->template_id == NULL)
                return NULL;
        out = ARENA_NEW(call->arena, struct asg_launch_template_specification);
        out->launch_template_id = state->template_id;
        out->launch_template_name = state->template_name;
        out->version = state->template_version;
        return out;
}

const char *scaling_request_cause(struct api_call *call, const char *what)
{
        char at[32];

        str_iso8601(call->now_ms, false, at);
        return arena_printf(call->arena, "At %s %s", at, what);
}
