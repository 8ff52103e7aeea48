/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a new connection is for besides payloads: the manifest of everything that should run (which repairs lost messages), the
 * check of what the agent then wants to stop, and the credentials of task roles.
 */
#include <string.h>

#include "api/agent/session.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "control/task.h"

/* Numbers that a manifest skips when the one before was not acknowledged: the agent may have seen a higher one from a server
 * whose state was lost, and drops a manifest that is not newer without saying so. */
#define MANIFEST_JUMP (1 << 17)

static void manifest_tasks(struct agent *agent, struct arena *arena, struct acs_task_identifier_list *out)
{
        struct agents *agents = agent->agents;

        list_for_each (task, &agent->instance->tasks, struct task, in_instance) {
                struct acs_task_identifier *id = SHAPE_PUSH(arena, out);

                id->task_arn = model_task_arn(agents->model, arena, task->state->cluster, task->state->id);
                id->task_cluster_arn = model_cluster_arn(agents->model, arena, task->state->cluster);
                id->desired_status = task_should_stop(task->state) ? "STOPPED" : "RUNNING";
        }
}

/* Tasks that are not durable yet may be in it: naming a task that the agent does not know has no effect. */
void greet_manifest(struct agent *agent)
{
        struct agents *agents = agent->agents;
        const struct state_container_instance *state = agent->instance->state;
        CLEANUP_ARENA struct arena arena = {0};
        struct message *message = message_new(agent, MESSAGE_MANIFEST);
        struct acs_task_manifest_message out = {
                .message_id = message->id,
                .cluster_arn = model_cluster_arn(agents->model, &arena, state->cluster),
                .container_instance_arn = model_instance_arn(agents->model, &arena, state->cluster, state->id),
        };

        SHAPE_SET(&out, acs_task_manifest_message, generated_at, env_now_ms(agents->env));
        SHAPE_SET(&out, acs_task_manifest_message, timeline, ++agent->sequence);
        manifest_tasks(agent, &arena, &out.tasks);
        memcpy(agent->manifest_id, message->id, sizeof(agent->manifest_id));
        agents->stats.manifests++;
        agent_send(agent, "TaskManifestMessage", &acs_task_manifest_message_shape, &out);
}

void greet_manifest_again(struct agent *agent, uint32_t tries)
{
        agent->sequence = MIN(agent->sequence + MANIFEST_JUMP, agent->sequence_end - 1);
        greet_manifest(agent);
        CONTAINER_OF(agent->messages.prev, struct message, link)->tries = tries;
}

struct task *agents_task_of_arn(struct model *model, const char *arn)
{
        const char *slash = arn ? strrchr(arn, '/') : NULL, *kind = arn ? strstr(arn, ":task/") : NULL;
        char cluster[256];
        size_t len;

        if (!slash || !kind)
                return NULL;
        kind += strlen(":task/");
        if (slash <= kind || (len = (size_t)(slash - kind)) >= sizeof(cluster))
                return NULL;
        memcpy(cluster, kind, len);
        cluster[len] = 0;
        return model_task(model, cluster, slash + 1);
}

/* Is this something the agent should not run? */
static bool unwanted(struct agent *agent, const char *arn)
{
        const struct task *task = agents_task_of_arn(agent->agents->model, arn);

        return !task || task->instance != agent->instance || task_is_over(task->state) || task_should_stop(task->state);
}

/*
 * The agent runs tasks that the manifest did not list. Only those are stopped that nobody wants now; the answer rests on the
 * state of this moment and goes out when that is durable.
 */
void greet_stop_verification(struct agent *agent, const struct acs_task_stop_verification_message *in)
{
        struct agents *agents = agent->agents;
        CLEANUP_ARENA struct arena arena = {0};
        struct acs_task_stop_verification_ack out = {.message_id = in->message_id};

        if (!str_eq(in->message_id, agent->manifest_id))
                return;
        SHAPE_SET(&out, acs_task_stop_verification_ack, generated_at, env_now_ms(agents->env));
        for (uint32_t i = 0; i < in->stop_candidates.n; i++) {
                const struct acs_task_identifier *candidate = &in->stop_candidates.items[i];
                struct acs_task_identifier *stop;

                if (!unwanted(agent, candidate->task_arn))
                        continue;
                stop = SHAPE_PUSH(&arena, &out.stop_tasks);
                *stop = *candidate;
                stop->desired_status = "STOPPED";
                agents->stats.stops_verified++;
                log_info("agent runs a task that nobody wants: it is told to stop it", LOG_S("instance", agent->instance->object.key),
                         LOG_S("task", candidate->task_arn));
        }
        buf_clear(&agent->verification);
        buf_append_str(&agent->verification, "{\"type\":\"TaskStopVerificationAck\",\"message\":");
        shape_to_json(&acs_task_stop_verification_ack_shape, &out, &agent->verification);
        buf_append_char(&agent->verification, '}');
        agent->verification_sequence = model_sequence(agents->model);
        agent_mark(agent, agent->verification_sequence);
}

/* ---- Credentials ---- */

static bool send_role(struct agent *agent, const struct role *role, const char *message_id)
{
        struct agents *agents = agent->agents;
        const struct state_access_key *key = role->key->state;
        struct tree_node *node = tree_find(model_objects(agents->model, OBJECT_TASK), key->task);
        CLEANUP_ARENA struct arena arena = {0};
        struct acs_iam_role_credentials_message out = {.message_id = message_id, .role_type = key->role_type};
        struct task *task = node ? MODEL_OBJECT(node, task) : NULL;

        if (!task || task_is_over(task->state))
                return false;
        out.task_arn = model_task_arn(agents->model, &arena, task->state->cluster, task->state->id);
        out.task_cluster_arn = model_cluster_arn(agents->model, &arena, task->state->cluster);
        out.role_credentials = credentials_message(role, task, &arena);
        if (!out.role_credentials)
                return false;
        agents->stats.credentials++;
        agent_send(agent, "IAMRoleCredentialsMessage", &acs_iam_role_credentials_message_shape, &out);
        return true;
}

void greet_credentials(struct agent *agent)
{
        while (!list_empty(&agent->roles)) {
                struct role *role = list_first(&agent->roles, struct role, in_agent);
                struct message *message = message_new(agent, MESSAGE_CREDENTIALS);

                list_remove(&role->in_agent);
                message->role_key = xstrdup(role->name);
                if (!send_role(agent, role, message->id))
                        message_free(message);
        }
}

void greet_credentials_again(struct agent *agent, struct message *message)
{
        struct role *role = credentials_by_name(agent->agents->credentials, message->role_key);

        if (!role || !send_role(agent, role, message->id))
                message_free(message);
}
