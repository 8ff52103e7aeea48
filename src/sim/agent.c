/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated agent's side of the protocol: registration, control channel, lease. */
#include "sim/agent.h"

#include <stdio.h>
#include <string.h>

#include "api/acs.idl.h"
#include "api/ecs.idl.h"
#include "base/alloc.h"
#include "base/strutil.h"
#include "sim/bugs.h"
#include "sim/image.h"
#include "sim/network.h"
#include "sim/node.h"
#include "sim/server.h"
#include "sim/world.h"

/* Reconnecting: as the agent does, from a quarter of a second to ten. */
#define BACKOFF_MIN_US (SIM_SECOND / 4)
#define BACKOFF_MAX_US (10 * SIM_SECOND)
/* The agent's disk: from a message to its acknowledgement. */
#define STORE_MAX_US (3 * SIM_MS)

static const struct shape_limits limits = {.skip_validation = true};

/* What every agent can do: the task definitions of the simulator ask for no more. */
static const char *const capabilities[] = {
        "com.amazonaws.ecs.capability.docker-remote-api.1.18",
        "com.amazonaws.ecs.capability.docker-remote-api.1.24",
        "com.amazonaws.ecs.capability.docker-remote-api.1.29",
        "com.amazonaws.ecs.capability.logging-driver.json-file",
        "com.amazonaws.ecs.capability.task-iam-role",
        "ecs.capability.container-health-check",
        "ecs.capability.execution-role-ecr-pull",
        "gantry.capability.fencing",
};

static void on_step(void *owner, void *data, uint64_t life)
{
        struct sim_node *node = owner;

        if (node->life == life)
                sim_agent_step(node);
}

static void step_later(struct sim_node *node)
{
        int64_t wait = MIN(BACKOFF_MIN_US << MIN(node->failures, 6u), BACKOFF_MAX_US);

        node->failures++;
        sim_after(&node->world->clock, sim_random_between(&node->chance, wait / 2, wait), on_step, node, NULL, node->life);
}

/* ---- Registration ---- */

static void on_registered(void *owner, uint64_t what, int status, const char *json)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct ecs_register_container_instance_response *answer;
        struct sim_node *node = owner;
        struct error error = {0};
        const char *arn;

        node->registering = false;
        /* A node that was deregistered is refused, until somebody removes the agent's state, or the machine. */
        if (status != 200 ||
            SHAPE_PARSE(ecs_register_container_instance_response, &arena, json, strlen(json), &limits, &answer, &error) < 0 ||
            answer->container_instance == NULL || (arn = answer->container_instance->container_instance_arn) == NULL) {
                step_later(node);
                return;
        }
        (void)snprintf(node->instance, sizeof(node->instance), "%s", strrchr(arn, '/') + 1);
        node->token[0] = '\0';
        sim_world_note(node->world, node, "registers");
        sim_agent_step(node);
}

static void write_attributes(const struct sim_node *node, struct buf *out)
{
        buf_append_str(out, "\"attributes\":[");
        for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
                buf_printf(out, "{\"name\":\"%s\"},", capabilities[i]);
        if (node->type[0] != '\0')
                buf_printf(out, "{\"name\":\"ecs.instance-type\",\"value\":\"%s\"},", node->type);
        buf_printf(out,
                   "{\"name\":\"ecs.cpu-architecture\",\"value\":\"x86_64\"},{\"name\":\"ecs.os-type\",\"value\":\"linux\"},"
                   "{\"name\":\"ecs.availability-zone\",\"value\":\"%s\"},{\"name\":\"name\",\"value\":\"%s\"}]",
                   node->zone, node->name);
}

static void registration(struct sim_node *node)
{
        struct sim_world *world = node->world;
        struct buf *out = &world->text;
        int32_t memory = sim_bug_strikes(world, SIM_BUG_NODE_BOASTS) ? node->memory * 4 : node->memory;

        if (node->token[0] == '\0')
                (void)snprintf(node->token, sizeof(node->token), "reg-%u-%016llx", node->number,
                               (unsigned long long)sim_random_next(&node->chance));
        buf_clear(out);
        buf_printf(out, "{\"cluster\":\"%s\",\"clientToken\":\"%s\",", world->cluster, node->token);
        if (node->instance[0] != '\0')
                buf_printf(out, "\"containerInstanceArn\":\"%s:container-instance/%s/%s\",", world->arn, world->cluster, node->instance);
        write_attributes(node, out);
        buf_printf(out,
                   ",\"totalResources\":[{\"name\":\"CPU\",\"type\":\"INTEGER\",\"integerValue\":%d},{\"name\":\"MEMORY\",\"type\":"
                   "\"INTEGER\",\"integerValue\":%d},{\"name\":\"PORTS\",\"type\":\"STRINGSET\",\"stringSetValue\":[\"22\"]},"
                   "{\"name\":\"PORTS_UDP\",\"type\":\"STRINGSET\",\"stringSetValue\":[]}]}",
                   node->cpu, memory);
        node->registering = true;
        sim_call(world, node, "RegisterContainerInstance", out->data, on_registered, node, 0);
}

/* A process registers once (also a node that is known: its resources may have changed), then it connects for as long as it lives. */
void sim_agent_step(struct sim_node *node)
{
        if (!node->agent_up || node->frozen || node->registering || node->control != NULL)
                return;
        if (node->inactive && node->gone)
                return;
        if (!node->adopted && (node->instance[0] == '\0' || node->inactive || node->registered_life != node->life)) {
                node->registered_life = node->life;
                registration(node);
                return;
        }
        node->control = sim_connect(node, false);
}

/* ---- Connections ---- */

void sim_node_connected(struct sim_node *node, struct sim_connection *c)
{
        if (c == node->telemetry) {
                node->telemetry_up = true;
                sim_node_report_health(node);
                return;
        }
        if (c != node->control)
                return;
        node->control_up = true;
        node->failures = 0;
        node->fenced = false;
        sim_node_report_health(node);
        node->fresh = false;
}

void sim_node_disconnected(struct sim_node *node, struct sim_connection *c)
{
        if (c == node->telemetry) {
                node->telemetry = NULL;
                node->telemetry_up = false;
                sim_node_telemetry_lost(node);
                return;
        }
        if (c != node->control)
                return;
        node->control = NULL;
        if (node->control_up && sim_node_reachable(node))
                node->known_us = node->world->clock.now_us;
        node->control_up = false;
        sim_agent_watch(node);
        if (node->agent_up && !sim_bug_strikes(node->world, SIM_BUG_AGENT_GIVES_UP))
                step_later(node);
}

/* ---- The lease: as src/agent/fence.c ---- */

/* Unique tasks are stopped after 16 twentieths of a lease without a sign that the server hears this node, and given one to end. */
#define STOP_AT(lease_us) ((lease_us) / 20 * 16)

static void fence(struct sim_node *node)
{
        node->fenced = true;
        sim_world_note(node->world, node, "has lost the server and stops its service tasks");
        list_for_each (run, &node->runs, struct sim_run, link)
                if (run->unique && run->status != SIM_RUN_STOPPED) {
                        run->stop_wanted = true;
                        sim_run_exit(run, 137, "The node lost the server");
                }
}

/* A server whose machine refuses connections is not running and replaces nothing: only silence counts. */
static bool is_answered(const struct sim_node *node)
{
        return sim_node_reachable(node) && (node->control_up || !sim_server_is_up(&node->world->server));
}

static void on_watch(void *owner, void *data, uint64_t life)
{
        struct sim_node *node = owner;

        if (node->life != life)
                return;
        node->watching = false;
        if (!node->frozen)
                sim_agent_watch(node);
}

void sim_agent_watch(struct sim_node *node)
{
        struct sim_clock *clock = &node->world->clock;
        int64_t left;

        if (!node->agent_up || node->frozen || node->lease_us == 0 || node->fenced)
                return;
        if (is_answered(node)) {
                node->known_us = clock->now_us;
                if (node->control_up)
                        return; /* to be called again when that ends */
        }
        left = node->known_us + STOP_AT(node->lease_us) - clock->now_us;
        if (left <= 0 && !sim_bug_strikes(node->world, SIM_BUG_AGENT_DOES_NOT_FENCE)) {
                fence(node);
        } else if (!node->watching) {
                node->watching = true;
                sim_after(clock, is_answered(node) || left <= 0 ? SIM_SECOND / 2 : left, on_watch, node, NULL, node->life);
        }
}

void sim_agent_thaw(struct sim_node *node)
{
        node->known_us = node->heard_us;
        if (node->agent_up && node->lease_us > 0 && node->world->clock.now_us - node->known_us >= STOP_AT(node->lease_us) &&
            !sim_bug_strikes(node->world, SIM_BUG_AGENT_DOES_NOT_FENCE))
                fence(node);
        else
                sim_agent_watch(node);
}

void sim_agent_lost(struct sim_node *node)
{
        /* The server pings every second; the last answer that this agent had to a ping of its own is older than that. */
        node->heard_us = MAX(node->heard_us - sim_random_between(&node->chance, 0, SIM_SECOND), 0);
        node->known_us = MAX(node->heard_us - sim_random_between(&node->chance, SIM_MS, SIM_SECOND), 0);
        node->fenced = false;
        sim_agent_watch(node);
}

/* ---- What the server says ---- */

static const char *id_of(const char *arn)
{
        const char *slash = arn != NULL ? strrchr(arn, '/') : NULL;

        return slash != NULL ? slash + 1 : "";
}

static void acknowledge(struct sim_node *node, const char *message_id)
{
        const struct acs_ack_request ack = {
                .cluster = node->world->cluster, .container_instance = node->instance, .message_id = message_id};

        sim_say(node->control, "AckRequest", &acs_ack_request_shape, &ack);
}

static void describe(struct sim_run *run, const struct acs_task *in)
{
        const struct acs_container *container = in->containers.n > 0 ? &in->containers.items[0] : NULL;
        int64_t revision = 0;

        if (str_to_int64(in->version, &revision) == 0)
                run->revision = (int32_t)revision;
        run->unique = in->unique;
        (void)snprintf(run->family, sizeof(run->family), "%s", in->family != NULL ? in->family : "");
        if (str_starts_with(in->group, "service:"))
                (void)snprintf(run->service, sizeof(run->service), "%s", in->group + strlen("service:"));
        if (container == NULL)
                return;
        run->cpu = container->cpu;
        run->memory = container->memory;
        run->checked = !str_empty(container->health_check_type);
        if (container->port_mappings.n > 0)
                run->port = container->port_mappings.items[0].host_port;
        (void)snprintf(run->container, sizeof(run->container), "%s", container->name);
        run->image = sim_image(run->node->world, container->image);
}

static void take_task(struct sim_node *node, const struct acs_task *in)
{
        bool stop = str_eq(in->desired_status, "STOPPED");
        struct sim_run *run = sim_node_find(node, id_of(in->arn));

        if (run != NULL) {
                if (stop) {
                        run->has_reported &= run->status != SIM_RUN_STOPPED; /* it asks: say it again */
                        sim_run_stop(run, "Task stopped by user");
                }
                return;
        }
        if (!stop && sim_bug_strikes(node->world, SIM_BUG_AGENT_LOSES_TASK))
                return;
        run = sim_run_new(node, id_of(in->arn));
        describe(run, in);
        if (stop || run->image == NULL) {
                run->stop_wanted = true;
                run->status = SIM_RUN_STOPPED;
                run->exit_code = -1;
                sim_run_report(run);
                return;
        }
        sim_run_start(run);
        if (sim_bug_strikes(node->world, SIM_BUG_AGENT_STARTS_TWICE)) {
                struct sim_run *ghost = sim_run_new(node, "00000000000000000000000000000000");

                describe(ghost, in);
                ghost->ghost = true;
                sim_run_start(ghost);
        }
}

/* The acknowledgement leaves when the agent's disk has it. */
static void on_stored(void *owner, void *data, uint64_t life)
{
        struct sim_node *node = owner;

        if (node->life == life && node->control != NULL)
                acknowledge(node, data);
        free(data);
}

static void on_payload(struct sim_node *node, const void *message)
{
        const struct acs_payload_message *in = message;

        node->sequence = MAX(node->sequence, in->seq_num);
        for (uint32_t i = 0; i < in->tasks.n; i++)
                take_task(node, &in->tasks.items[i]);
        sim_after(&node->world->clock, sim_random_between(&node->chance, 100, STORE_MAX_US), on_stored, node, xstrdup(in->message_id),
                  node->life);
}

static bool is_listed(const struct acs_task_manifest_message *in, const char *id)
{
        for (uint32_t i = 0; i < in->tasks.n; i++)
                if (str_eq(id_of(in->tasks.items[i].task_arn), id) && str_eq(in->tasks.items[i].desired_status, "RUNNING"))
                        return true;
        return false;
}

static void on_manifest(struct sim_node *node, const void *message)
{
        const struct acs_task_manifest_message *in = message;
        struct acs_task_stop_verification_message out = {.message_id = in->message_id};
        CLEANUP_ARENA struct arena arena = {0};

        if (in->timeline <= node->sequence)
                return;
        node->sequence = in->timeline;
        (void)snprintf(node->manifest, sizeof(node->manifest), "%s", in->message_id);
        acknowledge(node, in->message_id);
        list_for_each (run, &node->runs, struct sim_run, link)
                if (!run->stop_wanted && run->status != SIM_RUN_STOPPED && !run->ghost && !is_listed(in, run->id)) {
                        struct acs_task_identifier *candidate = SHAPE_PUSH(&arena, &out.stop_candidates);

                        candidate->task_arn = arena_printf(&arena, "%s:task/%s/%s", node->world->arn, node->world->cluster, run->id);
                        candidate->desired_status = "STOPPED";
                }
        if (out.stop_candidates.n > 0)
                sim_say(node->control, "TaskStopVerificationMessage", &acs_task_stop_verification_message_shape, &out);
}

static void on_verified(struct sim_node *node, const void *message)
{
        const struct acs_task_stop_verification_ack *in = message;

        if (!str_eq(in->message_id, node->manifest))
                return;
        node->manifest[0] = '\0';
        for (uint32_t i = 0; i < in->stop_tasks.n; i++) {
                struct sim_run *run = sim_node_find(node, id_of(in->stop_tasks.items[i].task_arn));

                if (run != NULL)
                        sim_run_stop(run, "Task stopped by server");
        }
}

static void on_heartbeat(struct sim_node *node, const void *message)
{
        const struct acs_heartbeat_message *in = message;
        const struct acs_heartbeat_ack_request ack = {.message_id = in->message_id};

        sim_say(node->control, "HeartbeatAckRequest", &acs_heartbeat_ack_request_shape, &ack);
}

static void on_lease(struct sim_node *node, const void *message)
{
        const struct acs_lease_message *in = message;

        node->lease_us = in->lease_ms * SIM_MS;
}

static const struct {
        const char *head; /* how a frame of this type begins */
        const struct shape *shape;
        void (*handle)(struct sim_node *node, const void *message);
} kinds[] = {
        {"{\"type\":\"PayloadMessage\",\"message\":", &acs_payload_message_shape, on_payload},
        {"{\"type\":\"TaskManifestMessage\",\"message\":", &acs_task_manifest_message_shape, on_manifest},
        {"{\"type\":\"TaskStopVerificationAck\",\"message\":", &acs_task_stop_verification_ack_shape, on_verified},
        {"{\"type\":\"HeartbeatMessage\",\"message\":", &acs_heartbeat_message_shape, on_heartbeat},
        {"{\"type\":\"LeaseMessage\",\"message\":", &acs_lease_message_shape, on_lease},
};

void sim_node_received(struct sim_node *node, struct sim_connection *c, const char *text, size_t len)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        void *message;

        if (c != node->control)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                size_t head = strlen(kinds[i].head);

                if (!str_starts_with(text, kinds[i].head))
                        continue;
                /* Without the head, and without the brace that closes the frame. */
                if (shape_from_json(kinds[i].shape, &arena, text + head, len - head - 1, &limits, &message, &error) < 0)
                        sim_world_violate(node->world, "messages can be read", "%s: %s", error.message, text);
                else
                        kinds[i].handle(node, message);
                return;
        }
}
