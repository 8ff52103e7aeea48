/* SPDX-License-Identifier: Apache-2.0 */
/* What services ask of load balancers. */
#include "api/ecs/service_rules.h"

int service_check_target_group(struct api_call *call, const char *arn, enum ecs_network_mode mode)
{
        (void)mode;
        return api_fail(call, "InvalidParameterException", "The target group with targetGroupArn %.300s does not exist.", arn);
}
