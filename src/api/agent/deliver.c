/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling agents what to run and stop: deliveries, the messages that carry them, acknowledgements and time-outs.
 *
 * A message with one task that the agent cannot read is never acknowledged although its other tasks run, so whatever was in a
 * message that timed out is sent again alone; and whatever a task's own reports show is known counts as acknowledged.
 */
#include <stdlib.h>
#include <string.h>

#include "api/agent/payload.h"
#include "api/agent/session.h"
#include "base/alloc.h"
#include "base/log.h"
#include "control/task.h"
#include "base/strutil.h"
#include "codec/json.h"

/* A message holds no more than that: the agent takes its tasks one by one, and one bad task costs a repetition of the rest. */
#define MAX_TASKS 100
#define MAX_BYTES (512u << 10)
/* The wait for an acknowledgement doubles up to 2^MAX_BACKOFF times. */
#define MAX_BACKOFF 3
/* Credentials for a task that the agent does not know are never acknowledged. */
#define CREDENTIALS_TRIES 5
/* A manifest may be dropped without a word too, see greet.c. */
#define MANIFEST_TRIES 4

struct delivery *deliver_find(const struct agents *agents, const struct task *task)
{
        return map_get(&agents->deliveries, task->object.key, struct delivery, by_task);
}

/* Takes the delivery off its message or the queue; a message that has nothing left to wait for goes. */
static void detach(struct delivery *delivery)
{
        struct message *message = TAKE(delivery->message);

        list_remove(&delivery->link);
        if (message && list_empty(&message->deliveries))
                message_free(message);
}

void deliver_drop(struct delivery *delivery)
{
        detach(delivery);
        map_remove(&delivery->agent->agents->deliveries, &delivery->by_task);
        free(delivery);
}

static struct delivery *delivery_new(struct agent *agent, struct task *task)
{
        struct delivery *delivery = xalloc(sizeof(*delivery));

        delivery->agent = agent;
        delivery->task = task;
        map_insert(&agent->agents->deliveries, &delivery->by_task, task->object.key);
        list_init(&delivery->link);
        return delivery;
}

static void queue(struct agent *agent, struct task *task, enum delivery_want want, uint64_t sequence, bool offered)
{
        struct delivery *delivery = deliver_find(agent->agents, task);

        if (delivery && delivery->agent != agent) {
                deliver_drop(delivery);
                delivery = NULL;
        }
        if (delivery && delivery->want == want)
                return;
        if (!delivery) {
                delivery = delivery_new(agent, task);
                delivery->offered = offered;
        }
        delivery->want = want;
        delivery->sequence = sequence;
        delivery->tries = 0;
        detach(delivery);
        list_push(&agent->waiting, &delivery->link);
}

/* What the agent of a task in this state has to be told, if anything. */
static bool wanted(const struct task *task, enum delivery_want *ret)
{
        const struct state_task *state = task->state;

        if (task_is_over(state))
                return false;
        if (task_should_stop(state)) {
                *ret = WANT_STOP;
                return true;
        }
        *ret = WANT_RUN;
        return state->desired_status != STATE_TASK_STATUS_STOPPED && (int)state->last_status < STATE_TASK_STATUS_RUNNING &&
               task->definition != NULL;
}

void deliver_task(struct agents *agents, struct task *task, uint64_t sequence, bool fresh)
{
        struct delivery *delivery = deliver_find(agents, task);
        enum delivery_want want;
        struct agent *agent;

        if (!task->instance || !wanted(task, &want)) {
                if (delivery)
                        deliver_drop(delivery);
                return;
        }
        /* Known to the agent, and it goes on: no news. */
        if (want == WANT_RUN && !fresh)
                return;
        agent = agent_of(agents, task->instance);
        /* A new connection is told of everything that its agent has not confirmed: see deliver_all. */
        if (!delivery && !fresh && !agent->control)
                return;
        queue(agent, task, want, sequence, !fresh);
        agent_mark(agent, sequence);
}

void deliver_all(struct agent *agent, uint64_t sequence)
{
        list_for_each (task, &agent->instance->tasks, struct task, in_instance) {
                enum delivery_want want;

                if (!deliver_find(agent->agents, task) && wanted(task, &want))
                        queue(agent, task, want, sequence, true);
        }
}

/* ---- Messages ---- */

struct message *message_new(struct agent *agent, enum message_kind kind)
{
        struct message *message = xalloc(sizeof(*message));

        message->agent = agent;
        message->kind = kind;
        env_random_uuid(agent->agents->env, message->id);
        list_init(&message->deliveries);
        map_insert(&agent->agents->messages, &message->by_id, message->id);
        list_push(&agent->messages, &message->link);
        message->deadline_us = agents_now_us(agent->agents) + (int64_t)agent->agents->options.ack_ms * 1000;
        return message;
}

void message_free(struct message *message)
{
        list_for_each (delivery, &message->deliveries, struct delivery, link) {
                delivery->message = NULL;
                deliver_drop(delivery);
        }
        map_remove(&message->agent->agents->messages, &message->by_id);
        list_remove(&message->link);
        free(message->role_key);
        free(message);
}

/* Gives up on an acknowledgement: the deliveries wait again, at the front. */
static void message_abandon(struct message *message)
{
        struct list *front = message->agent->waiting.next;

        list_for_each (delivery, &message->deliveries, struct delivery, link) {
                delivery->message = NULL;
                list_remove(&delivery->link);
                list_insert_before(front, &delivery->link);
        }
        message_free(message);
}

void deliver_reset(struct agent *agent)
{
        /* newest first: what was sent first shall be sent first again */
        while (!list_empty(&agent->messages))
                message_abandon(CONTAINER_OF(agent->messages.prev, struct message, link));
}

/* ---- Payloads ---- */

static struct acs_role_credentials *role_credentials(struct agents *agents, struct task *task, const char *type, struct arena *arena)
{
        struct role *role = credentials_find(agents->credentials, task, type);

        if (!role)
                return NULL;
        list_remove(&role->in_agent); /* they travel with the payload */
        return credentials_message(role, task, arena);
}

static void write_task(struct delivery *delivery, struct arena *arena, struct buf *out)
{
        struct agents *agents = delivery->agent->agents;
        struct task *task = delivery->task;
        struct acs_task acs = {0};

        if (delivery->want == WANT_STOP) {
                payload_stop(agents->model, task, arena, &acs);
        } else {
                struct payload_extras extras = {
                        .role = role_credentials(agents, task, ROLE_APPLICATION, arena),
                        .execution_role = role_credentials(agents, task, ROLE_EXECUTION, arena),
                        .logs_endpoint = delivery->agent->logs_endpoint ? delivery->agent->logs_endpoint : agents->logs_endpoint,
                        .zone = delivery->agent->instance->zone,
                        .unique = delivery->agent->lease.can_fence && !str_empty(task->state->service_name),
                };

                payload_run(agents->model, task, &extras, arena, &acs);
        }
        shape_to_json(&acs_task_shape, &acs, out);
}

static void write_head(struct agent *agent, const struct message *message, struct arena *arena, struct buf *out)
{
        const struct state_container_instance *state = agent->instance->state;
        struct agents *agents = agent->agents;

        /* Ids and ARNs hold nothing that JSON would escape. */
        buf_append_str(out, "{\"type\":\"PayloadMessage\",\"message\":{\"messageId\":\"");
        buf_append_str(out, message->id);
        buf_append_str(out, "\",\"clusterArn\":\"");
        buf_append_str(out, model_cluster_arn(agents->model, arena, state->cluster));
        buf_append_str(out, "\",\"containerInstanceArn\":\"");
        buf_append_str(out, model_instance_arn(agents->model, arena, state->cluster, state->id));
        buf_append_str(out, "\",\"generatedAt\":");
        json_append_int(out, env_now_ms(agents->env));
        buf_append_str(out, ",\"seqNum\":");
        json_append_int(out, (int64_t)++agent->sequence);
        buf_append_str(out, ",\"tasks\":[");
}

/* May this delivery go into the message after `n` others? One that failed before travels alone. */
static bool fits(const struct delivery *delivery, size_t n, uint64_t durable)
{
        return delivery->sequence <= durable && (n == 0 || delivery->tries == 0);
}

/* One payload message with as much of what waits as it holds. */
static void send_payload(struct agent *agent, uint64_t durable)
{
        struct agents *agents = agent->agents;
        struct buf *out = &agents->out;
        struct arena *arena = &agents->scratch;
        struct message *message = message_new(agent, MESSAGE_PAYLOAD);
        size_t n = 0;
        bool alone = false;

        buf_clear(out);
        arena_reset(arena);
        write_head(agent, message, arena, out);
        list_for_each (delivery, &agent->waiting, struct delivery, link) {
                if (n >= MAX_TASKS || out->len > MAX_BYTES || alone || !fits(delivery, n, durable))
                        break;
                alone = delivery->tries > 0;
                if (n++ > 0)
                        buf_append_char(out, ',');
                write_task(delivery, arena, out);
                delivery->offered = true;
                delivery->message = message;
                message->tries = MAX(message->tries, delivery->tries);
                list_remove(&delivery->link);
                list_push(&message->deliveries, &delivery->link);
        }
        buf_append_str(out, "]}}");
        message->deadline_us += (int64_t)agents->options.ack_ms * 1000 * ((1 << MIN(message->tries, MAX_BACKOFF)) - 1);
        agents->stats.payloads++;
        agents->stats.payload_tasks += n;
        agent->control->ops->send(agent->control, out->data, out->len);
}

/* The first of what waits decides: deliveries are queued in order of their sequence. */
static struct delivery *next_waiting(const struct agent *agent)
{
        return list_first(&agent->waiting, struct delivery, link);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
        return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The numbers reserved for this connection are used up: the next one reserves more. */
static bool exhausted(struct agent *agent)
{
        if (agent->sequence < agent->sequence_end)
                return false;
        agent->control->ops->close(agent->control, 1000, "ConnectionExpired: Reconnect to continue");
        return true;
}

static uint64_t flush_payloads(struct agent *agent, uint64_t durable)
{
        struct delivery *delivery;

        while ((delivery = next_waiting(agent)) != NULL && delivery->sequence <= durable) {
                if (exhausted(agent))
                        return 0;
                send_payload(agent, durable);
        }
        return delivery ? delivery->sequence : 0;
}

static uint64_t flush_verification(struct agent *agent, uint64_t durable)
{
        if (agent->verification.len == 0)
                return 0;
        if (agent->verification_sequence > durable)
                return agent->verification_sequence;
        agent->control->ops->send(agent->control, agent->verification.data, agent->verification.len);
        buf_clear(&agent->verification);
        return 0;
}

static void close_channels(struct agent *agent)
{
        struct agent_channel *control = agent->control, *telemetry = agent->telemetry;

        if (control) {
                struct acs_close_message close = {.message = "The container instance is deregistered"};

                agent_send(agent, "CloseMessage", &acs_close_message_shape, &close);
                agent_disconnected(control, 1000, "deregistered");
                control->ops->close(control, 1000, "The container instance is deregistered");
        }
        if (telemetry) {
                agent_detach(telemetry);
                telemetry->ops->close(telemetry, 1000, "The container instance is deregistered");
        }
}

/*
 * The greeting of a new connection: the terms of its lease, then credentials, so that a task that is told to run finds them, then what is to run and
 * stop, then the list of everything that should be running.
 */
uint64_t deliver_flush(struct agent *agent, uint64_t durable)
{
        uint64_t rest = 0;
        bool greet = false;

        if (agent->closing) {
                if (agent->closing_sequence > durable)
                        return agent->closing_sequence;
                close_channels(agent);
                return 0;
        }
        if (!agent->control)
                return 0;
        if (!agent->ready) {
                if (agent->ready_sequence > durable)
                        return agent->ready_sequence;
                agent->ready = greet = true;
        }
        lease_tell(agent);
        rest = smaller(rest, network_flush(agent, durable));
        rest = smaller(rest, flush_payloads(agent, durable));
        greet_credentials(agent);
        if (greet && !exhausted(agent))
                greet_manifest(agent);
        return smaller(rest, flush_verification(agent, durable));
}

/* ---- Acknowledgements ---- */

void deliver_acknowledged(struct agent *agent, const char *id)
{
        struct message *message = id ? map_get(&agent->agents->messages, id, struct message, by_id) : NULL;

        if (!message || message->agent != agent)
                return; /* late: it was sent again meanwhile */
        agent->agents->stats.acks++;
        message_free(message);
}

static void log_timeout(const struct agent *agent, const struct message *message)
{
        const struct delivery *first = list_first(&message->deliveries, struct delivery, link);

        log_warn("agent has not acknowledged a message in time: it is sent again", LOG_S("instance", agent->instance->object.key),
                 LOG_S("message", message->id), LOG_S("task", first ? first->task->object.key : ""), LOG_I("tries", message->tries));
}

static void timed_out(struct agent *agent, struct message *message)
{
        enum message_kind kind = message->kind;
        uint32_t tries = ++message->tries;

        agent->agents->stats.resends++;
        log_timeout(agent, message);
        list_for_each (delivery, &message->deliveries, struct delivery, link)
                delivery->tries++;
        if (kind == MESSAGE_CREDENTIALS && tries < CREDENTIALS_TRIES) {
                message->deadline_us = agents_now_us(agent->agents) + (int64_t)agent->agents->options.ack_ms * 1000;
                greet_credentials_again(agent, message);
                return;
        }
        message_abandon(message);
        if (kind == MESSAGE_NETWORK)
                network_begin(agent);
        if (kind == MESSAGE_MANIFEST && tries < MANIFEST_TRIES)
                greet_manifest_again(agent, tries);
}

void deliver_timeouts(struct agent *agent, int64_t now_us)
{
        bool any = false;

        list_for_each (message, &agent->messages, struct message, link) {
                if (message->deadline_us > now_us)
                        continue;
                timed_out(agent, message);
                any = true;
        }
        if (any && agent->control)
                agent_mark(agent, model_durable(agent->agents->model));
}
