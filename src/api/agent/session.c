/* SPDX-License-Identifier: Apache-2.0 */
/* The control channel (ACS) of one agent: greeting, what it says, and its end. */
#include "api/agent/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

/* Numbers for payloads and manifests are reserved in the store in blocks of this size, so that sending costs no commit and a
 * server that starts again never gives a number twice. */
#define SEQUENCE_BLOCK (1 << 20)
/* After that many frames that cannot be read the connection is closed. */
#define MAX_BAD_FRAMES 100

void agent_send(struct agent *agent, const char *type, const struct shape *shape, const void *message)
{
        struct buf *out = &agent->agents->out;

        buf_clear(out);
        buf_printf(out, "{\"type\":\"%s\",\"message\":", type);
        shape_to_json(shape, message, out);
        buf_append_char(out, '}');
        agent->control->ops->send(agent->control, out->data, out->len);
}

void agent_detach(struct agent_channel *channel)
{
        struct agent *agent = channel->agent;

        if (!agent)
                return;
        if (agent->control == channel)
                agent->control = NULL;
        if (agent->telemetry == channel)
                agent->telemetry = NULL;
        channel->agent = NULL;
}

static bool set_text(const char **member, const char *value)
{
        if (str_empty(value) || str_eq(*member, value))
                return false;
        *member = value;
        return true;
}

/* Stores what the agent says of itself, and reserves numbers when few are left. Returns what the greeting must wait for. */
static uint64_t store_hello(struct agent *agent, const struct agent_hello *hello)
{
        struct model *model = agent->agents->model;
        struct tx *tx = tx_begin(model);
        struct state_container_instance *state = tx_edit(tx, &agent->instance->object);
        bool changed = false;

        changed |= set_text(&state->agent_version, hello->agent_version);
        changed |= set_text(&state->agent_hash, hello->agent_hash);
        changed |= set_text(&state->docker_version, hello->docker_version);
        if (changed)
                SHAPE_SET(state, state_container_instance, version, state->version + 1);
        changed |= set_text(&state->address, hello->address);
        if (agent->sequence_end - agent->sequence < SEQUENCE_BLOCK / 2) {
                if (agent->sequence_end == 0)
                        agent->sequence = state->sequence;
                agent->sequence_end = MAX(state->sequence, agent->sequence) + SEQUENCE_BLOCK;
                SHAPE_SET(state, state_container_instance, sequence, agent->sequence_end);
                changed = true;
        }
        if (!changed) {
                tx_rollback(tx);
                return model_sequence(model);
        }
        tx_put(tx, &agent->instance->object, state);
        return tx_commit(tx);
}

static void end_previous(struct agent *agent)
{
        struct agent_channel *old = agent->control;

        if (!old)
                return;
        log_info("agent connected again: its older connection is closed", LOG_S("instance", agent->instance->object.key));
        agent_detach(old);
        old->ops->close(old, 1000, "Replaced by a newer connection of the same agent");
        deliver_reset(agent);
}

static void queue_roles(struct agent *agent)
{
        static const char *const types[] = {ROLE_APPLICATION, ROLE_EXECUTION};

        list_for_each (task, &agent->instance->tasks, struct task, in_instance)
                for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                        struct role *role = credentials_find(agent->agents->credentials, task, types[i]);

                        if (role && list_empty(&role->in_agent))
                                list_push(&agent->roles, &role->in_agent);
                }
}

void agent_connected(struct agents *agents, struct instance *instance, struct agent_channel *channel, const struct agent_hello *hello)
{
        struct agent *agent = agent_of(agents, instance);

        end_previous(agent);
        agent->control = channel;
        channel->agent = agent;
        agent->ready = false;
        agent->connected_us = channel->heartbeat_us = channel->pinged_us = agents_now_us(agents);
        free(agent->logs_endpoint);
        agent->logs_endpoint = xstrdup(hello->logs_endpoint);
        buf_clear(&agent->verification);
        agents->stats.connections++;
        agent->ready_sequence = store_hello(agent, hello);
        if (hello->send_credentials)
                queue_roles(agent);
        lease_held(agent);
        log_info("agent connected", LOG_S("instance", instance->object.key), LOG_S("version", hello->agent_version),
                 LOG_I("tasks", instance->n_running + instance->n_pending));
        network_begin(agent);
        deliver_all(agent, model_sequence(agents->model));
        agent_mark(agent, agent->ready_sequence);
}

void agent_disconnected(struct agent_channel *channel, int code, const char *reason)
{
        struct agent *agent = channel->agent;

        if (!agent)
                return; /* replaced, or the instance is gone */
        agent_detach(channel);
        agent->ready = false;
        agent->agents->stats.disconnections++;
        deliver_reset(agent);
        network_end(agent);
        lease_released(agent);
        log_info("agent disconnected", LOG_S("instance", agent->instance->object.key), LOG_I("code", code), LOG_S("reason", reason),
                 LOG_I("seconds", (agents_now_us(agent->agents) - agent->connected_us) / 1000000),
                 LOG_I("undelivered", list_empty(&agent->waiting) ? 0 : 1));
}

/* ---- What agents say ---- */

static void on_ack(struct agent *agent, const void *message)
{
        const struct acs_ack_request *in = message;

        deliver_acknowledged(agent, in->message_id);
}

static void on_nack(struct agent *agent, const void *message)
{
        const struct acs_nack_request *in = message;

        /* A picture of networks that the node cannot bring into force is sent again when its time is up. */
        log_warn("agent refuses a message", LOG_S("instance", agent->instance->object.key), LOG_S("message", in->message_id),
                 LOG_S("reason", in->reason));
}

/* Credentials inside a payload are acknowledged with the payload's id: that is not the payload's own acknowledgement. */
static void on_credentials_ack(struct agent *agent, const void *data)
{
        const struct acs_iam_role_credentials_ack_request *in = data;
        struct message *message = in->message_id ? map_get(&agent->agents->messages, in->message_id, struct message, by_id) : NULL;

        if (message && message->agent == agent && message->kind == MESSAGE_CREDENTIALS)
                deliver_acknowledged(agent, in->message_id);
}

static void on_stop_verification(struct agent *agent, const void *message)
{
        greet_stop_verification(agent, message);
}

static void on_stopping(struct agent *agent, const void *message)
{
        log_info("agent ends in an orderly way: it is waited for longer", LOG_S("instance", agent->instance->object.key));
        agent->lease.restarting = true;
}

static void on_heartbeat_ack(struct agent *agent, const void *message)
{
}

static const struct frame_kind {
        const char *type;
        const struct shape *shape;
        void (*handle)(struct agent *agent, const void *message);
} frame_kinds[] = {
        {"AckRequest", &acs_ack_request_shape, on_ack},
        {"NackRequest", &acs_nack_request_shape, on_nack},
        {"HeartbeatAckRequest", &acs_heartbeat_ack_request_shape, on_heartbeat_ack},
        {"IAMRoleCredentialsAckRequest", &acs_iam_role_credentials_ack_request_shape, on_credentials_ack},
        {"AgentStoppingMessage", &acs_agent_stopping_message_shape, on_stopping},
        {"TaskStopVerificationMessage", &acs_task_stop_verification_message_shape, on_stop_verification},
};

static void bad_frame(struct agent_channel *channel, const struct error *error)
{
        struct agent *agent = channel->agent;

        agent->agents->stats.bad_frames++;
        log_debug("frame of an agent cannot be read", LOG_S("instance", agent->instance->object.key), LOG_S("error", error->message));
        if (++channel->bad_frames > MAX_BAD_FRAMES)
                channel->ops->close(channel, 1008, "Too many frames that cannot be read");
}

void agent_received(struct agent_channel *channel, const char *text, size_t len)
{
        static const struct shape_limits limits = {.max_bytes = 16u << 20};
        CLEANUP_ARENA struct arena arena = {0};
        struct acs_frame *frame;
        struct error error = {0};
        void *message;

        if (!channel->agent)
                return;
        if (SHAPE_PARSE(acs_frame, &arena, text, len, &limits, &frame, &error) < 0) {
                bad_frame(channel, &error);
                return;
        }
        for (size_t i = 0; i < ARRAY_SIZE(frame_kinds); i++) {
                const struct frame_kind *kind = &frame_kinds[i];
                const char *body = frame->message ? frame->message : "{}";

                if (!str_eq(frame->type, kind->type))
                        continue;
                if (shape_from_json(kind->shape, &arena, body, strlen(body), &limits, &message, &error) < 0)
                        bad_frame(channel, &error);
                else
                        kind->handle(channel->agent, message);
                return;
        }
        /* Newer agents may say more. */
        log_debug("frame of an unknown type", LOG_S("instance", channel->agent->instance->object.key), LOG_S("type", frame->type));
}
