/* SPDX-License-Identifier: Apache-2.0 */
/* Every service that this server speaks. */
#include "api/services.h"

#include "api/ecs/common.h"
#include "api/ecs/task_definitions.h"
#include "api/iam.idl.h"
#include "api/iam/access_keys.h"
#include "api/logs.idl.h"
#include "api/server.h"
#include "api/sts/sts.h"

void services_register(struct api *api)
{
        /* Makes a service known whose operations are in other files, or not built yet. */
        static const struct api_route none[] = {{0, NULL}};

        ecs_register(api);
        api_add_routes(api, &logs_service, none);
        sts_register(api);
        api_add_routes(api, &iam_service, iam_access_key_routes);
}

void services_housekeeping(struct api *api)
{
        (void)ecs_finish_deletions(api->model);
}
