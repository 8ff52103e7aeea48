/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of agents: see network.h. */
#include "sim/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "sim/bugs.h"
#include "sim/node.h"
#include "sim/world.h"

struct sim_frame {
        struct list link;
        int64_t due_us;
        bool end; /* the closing handshake: nothing comes after it */
        size_t len;
        char text[];
};

int64_t sim_network_delay(struct sim_world *world, struct sim_node *node)
{
        struct sim_random *chance = node != NULL ? &node->chance : &world->chance;
        int64_t delay = sim_random_between(chance, world->network.min_us, world->network.max_us);

        return sim_random_percent(chance, 1) ? delay * 10 : delay;
}

/* ---- Pipes ---- */

static void pipe_init(struct sim_pipe *pipe)
{
        *pipe = (struct sim_pipe){0};
        list_init(&pipe->frames);
}

static void pipe_empty(struct sim_pipe *pipe)
{
        list_for_each (frame, &pipe->frames, struct sim_frame, link) {
                list_remove(&frame->link);
                free(frame);
        }
}

static void pump(struct sim_connection *c, struct sim_pipe *pipe);

static void on_pump_down(void *owner, void *data, uint64_t number)
{
        struct sim_connection *c = owner;

        c->down.pumping = false;
        pump(c, &c->down);
}

static void on_pump_up(void *owner, void *data, uint64_t number)
{
        struct sim_connection *c = owner;

        c->up.pumping = false;
        pump(c, &c->up);
}

static void pump_at(struct sim_connection *c, struct sim_pipe *pipe, int64_t at_us)
{
        if (pipe->pumping)
                return;
        pipe->pumping = true;
        sim_after(&c->world->clock, at_us - c->world->clock.now_us, pipe == &c->down ? on_pump_down : on_pump_up, c, NULL, 0);
}

static void push(struct sim_connection *c, struct sim_pipe *pipe, const char *text, size_t len, bool end)
{
        struct sim_frame *frame = xalloc(sizeof(*frame) + len + 1);

        memcpy(frame->text, text, len);
        frame->len = len;
        frame->end = end;
        frame->due_us = MAX(pipe->latest_us, c->world->clock.now_us + sim_network_delay(c->world, c->node));
        pipe->latest_us = frame->due_us;
        list_push(&pipe->frames, &frame->link);
        pump_at(c, pipe, frame->due_us);
}

/* ---- The two ends ---- */

static void agent_end_closed(struct sim_connection *c)
{
        if (!c->agent_open)
                return;
        c->agent_open = false;
        pipe_empty(&c->down);
        sim_node_disconnected(c->node, c);
}

static void server_end_closed(struct sim_connection *c)
{
        if (!c->server_open)
                return;
        c->server_open = false;
        pipe_empty(&c->up);
        if (c->channel.agent == NULL || !sim_server_is_up(&c->world->server))
                return;
        if (c->telemetry)
                telemetry_disconnected(&c->channel);
        else
                agent_disconnected(&c->channel, 1006, "");
}

static void arrive_down(struct sim_connection *c, const struct sim_frame *frame)
{
        if (frame->end)
                agent_end_closed(c);
        else if (c->agent_open)
                sim_node_received(c->node, c, frame->text, frame->len);
}

static void arrive_up(struct sim_connection *c, const struct sim_frame *frame)
{
        if (frame->end)
                server_end_closed(c);
        else if (!c->server_open || c->channel.agent == NULL)
                return;
        else if (c->telemetry)
                telemetry_received(&c->channel, frame->text, frame->len);
        else
                agent_received(&c->channel, frame->text, frame->len);
}

/* The first frame when its moment has come, no longer in the pipe; NULL when not, or when the way is barred: then sim_network_heal
 * pumps again. */
static struct sim_frame *next_due(struct sim_connection *c, struct sim_pipe *pipe)
{
        struct sim_frame *frame = list_first(&pipe->frames, struct sim_frame, link);

        if (frame == NULL || !sim_node_reachable(c->node) || (pipe == &c->down && c->agent_open && c->node->frozen))
                return NULL;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyzer does not see that a frame is off the list before it is freed */
        if (frame->due_us > c->world->clock.now_us) {
                pump_at(c, pipe, frame->due_us);
                return NULL;
        }
        list_remove(&frame->link);
        return frame;
}

static bool pump_one(struct sim_connection *c, struct sim_pipe *pipe)
{
        struct sim_frame *frame = next_due(c, pipe);

        if (frame == NULL)
                return false;
        if (pipe == &c->down)
                arrive_down(c, frame);
        else
                arrive_up(c, frame);
        free(frame);
        return true;
}

static void pump(struct sim_connection *c, struct sim_pipe *pipe)
{
        while (pump_one(c, pipe))
                ;
}

void sim_network_heal(struct sim_node *node)
{
        list_for_each (c, &node->world->connections, struct sim_connection, link) {
                if (c->node != node)
                        continue;
                /* A side that has given up meanwhile answers the other's packets with a reset. */
                if (c->agent_open && !c->server_open && c->greeted)
                        push(c, &c->down, "", 0, true);
                if (c->server_open && !c->agent_open)
                        push(c, &c->up, "", 0, true);
                pump(c, &c->down);
                pump(c, &c->up);
        }
}

/* ---- The server's end, as src/api/agent sees it ---- */

static struct sim_connection *connection_of(const struct agent_channel *channel)
{
        return CONTAINER_OF(channel, struct sim_connection, channel);
}

static void channel_send(struct agent_channel *channel, const char *text, size_t len)
{
        struct sim_connection *c = connection_of(channel);

        if (c->server_open && c->agent_open)
                push(c, &c->down, text, len, false);
}

/* Pings and pongs are not sent one by one: channel_last_received knows what they would have shown. */
static void channel_ping(struct agent_channel *channel)
{
}

static void channel_close(struct agent_channel *channel, int code, const char *reason)
{
        struct sim_connection *c = connection_of(channel);

        if (c->server_open)
                push(c, &c->down, "", 0, true);
        /* The agent's answer to the handshake. */
        if (c->server_open && c->agent_open)
                push(c, &c->up, "", 0, true);
}

static void on_abort(void *owner, void *data, uint64_t number)
{
        struct sim_connection *c = owner;

        server_end_closed(c);
        if (c->agent_open && sim_node_reachable(c->node))
                push(c, &c->down, "", 0, true);
}

static void channel_abort(struct agent_channel *channel)
{
        struct sim_connection *c = connection_of(channel);

        sim_after(&c->world->clock, 0, on_abort, c, NULL, 0);
}

static uint64_t channel_last_received(const struct agent_channel *channel)
{
        const struct sim_connection *c = connection_of(channel);
        int64_t heard = sim_node_last_heard(c->node);

        if (!c->agent_open || c->life != c->node->life)
                heard = MIN(heard, c->node->died_us);
        return (uint64_t)(MAX(heard, 0) + SIM_SECOND);
}

static const struct agent_channel_ops channel_ops = {channel_send, channel_ping, channel_close, channel_abort, channel_last_received};

/* ---- Opening and ending ---- */

static void on_refused(void *owner, void *data, uint64_t number)
{
        agent_end_closed(owner);
}

static void on_arrived(void *owner, void *data, uint64_t number)
{
        struct sim_connection *c = owner;
        struct sim_node *node = c->node;
        struct sim_server *server = &c->world->server;
        struct agent_hello hello = {
                .agent_version = node->version, .agent_hash = "5eed", .docker_version = "gantry", .send_credentials = node->fresh};
        struct instance *instance;

        if (!c->agent_open)
                return;
        instance = sim_server_is_up(server) && sim_node_reachable(node) && node->instance[0] != '\0'
                           ? model_instance(server->model, c->world->cluster, node->instance)
                           : NULL;
        if (instance == NULL || instance->state->status == STATE_INSTANCE_STATUS_INACTIVE) {
                if (instance != NULL)
                        node->inactive = true; /* InactiveInstanceException */
                sim_after(&c->world->clock, sim_network_delay(c->world, node), on_refused, c, NULL, 0);
                return;
        }
        c->server_open = c->greeted = true;
        if (c->telemetry)
                telemetry_connected(server->agents, instance, &c->channel, 0);
        else
                agent_connected(server->agents, instance, &c->channel, &hello);
        sim_node_connected(node, c);
}

struct sim_connection *sim_connect(struct sim_node *node, bool telemetry)
{
        struct sim_connection *c = xalloc(sizeof(*c));

        c->channel.ops = &channel_ops;
        c->world = node->world;
        c->node = node;
        c->life = node->life;
        c->telemetry = telemetry;
        c->agent_open = true;
        pipe_init(&c->down);
        pipe_init(&c->up);
        list_push(&node->world->connections, &c->link);
        sim_after(&node->world->clock, 3 * sim_network_delay(node->world, node), on_arrived, c, NULL, 0);
        return c;
}

void sim_say(struct sim_connection *c, const char *type, const struct shape *shape, const void *message)
{
        struct buf *out = &c->world->text;

        if (!c->agent_open)
                return;
        buf_clear(out);
        buf_printf(out, "{\"type\":\"%s\",\"message\":", type);
        shape_to_json(shape, message, out);
        buf_append_char(out, '}');
        push(c, &c->up, out->data, out->len, false);
}

void sim_connection_drop(struct sim_connection *c, bool reset)
{
        c->agent_open = false;
        pipe_empty(&c->down);
        if (reset && sim_node_reachable(c->node))
                push(c, &c->up, "", 0, true);
        else
                pipe_empty(&c->up);
}

void sim_connections_reset(struct sim_world *world)
{
        list_for_each (c, &world->connections, struct sim_connection, link) {
                if (!c->server_open)
                        continue;
                agent_detach(&c->channel);
                c->server_open = false;
                pipe_empty(&c->up);
                /* The kernel says so to those who can hear it; the others find out when they are reachable again. */
                if (c->agent_open)
                        push(c, &c->down, "", 0, true);
        }
}

void sim_connection_free(struct sim_connection *c)
{
        pipe_empty(&c->down);
        pipe_empty(&c->up);
        list_remove(&c->link);
        free(c);
}
