/* SPDX-License-Identifier: Apache-2.0 */
/* Every service that this server speaks. */
#include "api/services.h"

#include "api/acm.idl.h"
#include "api/acm/certificates.h"
#include "api/autoscaling/common.h"
#include "api/capacity.h"
#include "api/cloudwatch/common.h"
#include "api/ec2/common.h"
#include "api/ecs/common.h"
#include "api/ecs/task_definitions.h"
#include "api/elbv2/common.h"
#include "api/iam.idl.h"
#include "api/iam/access_keys.h"
#include "api/iam/server_certificates.h"
#include "api/logs/common.h"
#include "api/scaling_groups/common.h"
#include "api/server.h"
#include "api/servicediscovery/common.h"
#include "api/sts/sts.h"

void services_register(struct api *api)
{
        ecs_register(api);
        ec2_register(api);
        logs_register(api);
        sts_register(api);
        api_add_routes(api, &iam_service, iam_access_key_routes);
        api_add_routes(api, &iam_service, iam_server_certificate_routes);
        api_add_routes(api, &acm_service, acm_certificate_routes);
        elbv2_register(api);
        capacity_register(api);
        autoscaling_register(api);
        scaling_groups_register(api);
        cloudwatch_register(api);
        servicediscovery_register(api);
}

void services_done(struct api *api)
{
        servicediscovery_done(api);
}

void services_housekeeping(struct api *api)
{
        (void)ecs_finish_deletions(api->model);
        logs_housekeeping(api, env_now_ms(api->env));
        cloudwatch_housekeeping(api, env_now_ms(api->env));
}
