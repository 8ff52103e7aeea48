/* SPDX-License-Identifier: Apache-2.0 */
/* What services ask of load balancers. */
#include "api/ecs/service_rules.h"

#include "model/balancer.h"

#define INVALID "InvalidParameterException"

int service_check_target_group(struct api_call *call, const char *arn, enum ecs_network_mode mode)
{
        const struct target_group *group = model_target_group_of_arn(call->model, arn);
        bool awsvpc = mode == ECS_NETWORK_MODE_AWSVPC;
        enum elbv2_target_type wanted = awsvpc ? ELBV2_TARGET_TYPE_IP : ELBV2_TARGET_TYPE_INSTANCE;

        if (group == NULL)
                return api_fail(call, INVALID, "The target group with targetGroupArn %.300s does not exist.", arn);
        if (group->state->target_type != wanted)
                return api_fail(
                        call, INVALID,
                        "The provided target group %.300s has target type %s, which is incompatible with the %s network mode specified "
                        "in the task definition. Its target type must be %s.",
                        arn, shape_enum_name(&elbv2_target_type_enum, (int)group->state->target_type),
                        mode ? shape_enum_name(&ecs_network_mode_enum, (int)mode) : "bridge",
                        shape_enum_name(&elbv2_target_type_enum, (int)wanted));
        if (group->balancer == NULL)
                return api_fail(call, INVALID, "The target group with targetGroupArn %.300s does not have an associated load balancer.",
                                arn);
        return 0;
}
