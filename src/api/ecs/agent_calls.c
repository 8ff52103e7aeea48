/* SPDX-License-Identifier: Apache-2.0 */
/* What only agents call: where to connect, and what has become of their tasks. */
#include <errno.h>
#include <string.h>

#include "api/agent/agents.h"
#include "api/ecs/common.h"
#include "api/ecs/instances.h"
#include "api/ecs/routes.h"
#include "api/server.h"
#include "base/strutil.h"
#include "control/task.h"
#include "control/task_network.h"

/* ---- DiscoverPollEndpoint ---- */

static int discover_poll_endpoint(struct api_call *call, const void *input, void *output)
{
        struct ecs_discover_poll_endpoint_response *out = output;
        const char *url = agents_base_url(call->api, call->http, call->arena);

        if (str_empty(url))
                return api_fail(call, "ServerException", "This server does not know its own address: start it with --public-url.");
        out->endpoint = arena_printf(call->arena, "%s/acs", url);
        out->telemetry_endpoint = arena_printf(call->arena, "%s/tcs", url);
        return 0;
}

/* ---- State changes ---- */

/* An unknown task is no reason to try again: with this code the agent forgets the report. */
static int find_reported(struct api_call *call, const char *cluster_text, const char *text, struct task **ret)
{
        struct cluster *cluster;
        int r = ecs_find_host_cluster(call, cluster_text, &cluster);

        if (r != 0)
                return r;
        *ret = str_empty(text) ? NULL : ecs_find_task(call, cluster, text);
        /* A Fargate host reports tasks of all clusters. */
        if (!*ret && !str_empty(text))
                *ret = agents_task_of_arn(call->model, text);
        if (*ret && (*ret)->cluster != cluster && !str_eq((*ret)->state->host_cluster, cluster->state->name))
                *ret = NULL;
        if (!*ret)
                return api_fail(call, "InvalidParameterException", "The referenced task was not found.");
        return (*ret)->instance ? ecs_own_instance(call, (*ret)->instance) : 0;
}

static enum state_container_status container_status(const char *text)
{
        return (enum state_container_status)shape_enum_value(&state_container_status_enum, text);
}

static void read_container(const struct ecs_container_state_change *in, struct task_container_report *out)
{
        *out = (struct task_container_report){
                .name = in->container_name,
                .status = container_status(in->status),
                .has_exit_code = SHAPE_HAS(in, ecs_container_state_change, exit_code),
                .exit_code = in->exit_code,
                .reason = in->reason,
                .runtime_id = in->runtime_id,
                .image_digest = in->image_digest,
                .bindings = &in->network_bindings,
        };
}

static int read_status(struct api_call *call, const char *text, enum state_task_status *ret)
{
        *ret = (enum state_task_status)shape_enum_value(&state_task_status_enum, text);
        if (str_empty(text) || *ret == STATE_TASK_STATUS_PENDING || *ret == STATE_TASK_STATUS_RUNNING || *ret == STATE_TASK_STATUS_STOPPED)
                return 0;
        return api_fail(call, "InvalidParameterException", "status: \"%.50s\" is none of PENDING, RUNNING and STOPPED.", text);
}

/* The agent has the task's interface in hand. ATTACHED is the only word that agents say. */
static bool apply_attachments(struct state_task *state, const struct ecs_attachment_state_change_list *attachments)
{
        const char *id = task_network_attachment_id(state);
        bool changed = false;

        for (uint32_t i = 0; attachments != NULL && id != NULL && i < attachments->n; i++) {
                const struct ecs_attachment_state_change *one = &attachments->items[i];

                if (str_ends_with(one->attachment_arn, id) && str_eq(one->status, "ATTACHED") && !task_is_over(state))
                        changed |= task_network_set_status(state, "ATTACHED");
        }
        return changed;
}

static void apply(struct api_call *call, struct task *task, const struct task_report *report,
                  const struct ecs_attachment_state_change_list *attachments)
{
        struct tx *tx = tx_begin(call->model);
        struct state_task *state = tx_edit(tx, &task->object);
        bool changed = apply_attachments(state, attachments);

        if (task_apply_report(task, state, report, tx_arena(tx), call->now_ms) || changed) {
                task_put(call->model, tx, task, state);
                (void)tx_commit(tx);
        } else {
                tx_rollback(tx);
        }
        if (call->api->agents)
                agents_heard(call->api->agents, task);
}

static int submit_task_state_change(struct api_call *call, const void *input, void *output)
{
        const struct ecs_submit_task_state_change_request *in = input;
        struct ecs_submit_task_state_change_response *out = output;
        struct task_container_report *containers = arena_calloc(call->arena, in->containers.n, sizeof(*containers));
        struct task_report report = {
                .reason = in->reason,
                .containers = containers,
                .n_containers = in->containers.n,
                .pull_started_at = in->pull_started_at,
                .pull_stopped_at = in->pull_stopped_at,
                .execution_stopped_at = in->execution_stopped_at,
        };
        struct task *task;
        int r = read_status(call, in->status, &report.status);

        if (r == 0)
                r = find_reported(call, in->cluster, in->task, &task);
        if (r != 0)
                return r;
        for (uint32_t i = 0; i < in->containers.n; i++)
                read_container(&in->containers.items[i], &containers[i]);
        apply(call, task, &report, &in->attachments);
        out->acknowledgment = "ACK";
        return 0;
}

static int submit_container_state_change(struct api_call *call, const void *input, void *output)
{
        const struct ecs_submit_container_state_change_request *in = input;
        struct ecs_submit_container_state_change_response *out = output;
        struct task_container_report container = {
                .name = in->container_name,
                .status = container_status(in->status),
                .has_exit_code = SHAPE_HAS(in, ecs_submit_container_state_change_request, exit_code),
                .exit_code = in->exit_code,
                .reason = in->reason,
                .runtime_id = in->runtime_id,
                .bindings = &in->network_bindings,
        };
        struct task *task;
        int r = find_reported(call, in->cluster, in->task, &task);

        if (r != 0)
                return r;
        apply(call, task, &(struct task_report){.containers = &container, .n_containers = 1}, NULL);
        out->acknowledgment = "ACK";
        return 0;
}

/* For attachments that belong to no task (trunk interfaces, volumes): there are none. */
static int submit_attachment_state_changes(struct api_call *call, const void *input, void *output)
{
        const struct ecs_submit_attachment_state_changes_request *in = input;
        struct ecs_submit_attachment_state_changes_response *out = output;
        struct cluster *cluster;
        int r = ecs_find_host_cluster(call, in->cluster, &cluster);

        if (r != 0)
                return r;
        out->acknowledgment = "ACK";
        return 0;
}

const struct api_route ecs_agent_routes[] = {
        {ECS_OP_DISCOVER_POLL_ENDPOINT, discover_poll_endpoint},
        {ECS_OP_SUBMIT_TASK_STATE_CHANGE, submit_task_state_change},
        {ECS_OP_SUBMIT_CONTAINER_STATE_CHANGE, submit_container_state_change},
        {ECS_OP_SUBMIT_ATTACHMENT_STATE_CHANGES, submit_attachment_state_changes},
        {0, NULL},
};
