/* SPDX-License-Identifier: Apache-2.0 */
/* See control_ops.h. */
#include "api/control_ops.h"

#include "api/agent/agents.h"
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

const struct controller_ops api_controller_ops = {
        .offered = offered,
        .add_credentials = add_credentials,
};
