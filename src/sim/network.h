/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is between the nodes and the server. Requests (HTTP) are single: late, lost on the way there or back, repeated, in any
 * order. A connection (websocket over TCP) keeps its order: while a node is cut off its frames are held, and come late when the cut
 * ends before either side has given up; else they are lost with the connection.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/agent/session.h"
#include "base/list.h"

struct sim_node;
struct sim_server;
struct sim_world;

struct sim_network {
        int64_t min_us, max_us; /* one way */
        uint32_t loss_percent;  /* of requests, and of answers */
        uint32_t repeat_percent;
};

/* What is on its way in one direction. */
struct sim_pipe {
        struct list frames; /* of struct sim_frame, oldest first */
        int64_t latest_us;  /* arrival of the last one: none overtakes it */
        bool pumping;       /* an event is set for the first */
};

struct sim_connection {
        struct agent_channel channel; /* the server's end */
        struct sim_world *world;
        struct sim_node *node;
        struct list link; /* world->connections: freed with the world */
        uint64_t life;    /* of the agent's process that opened it */
        bool telemetry;
        bool greeted; /* the server knows it: channel.agent was set */
        bool server_open, agent_open;
        struct sim_pipe down, up; /* to the agent, to the server */
};

/* The node's agent opens a connection: the server sees it after a while, if it is there. */
struct sim_connection *sim_connect(struct sim_node *node, bool telemetry);
/* The agent says something. */
void sim_say(struct sim_connection *connection, const char *type, const struct shape *shape, const void *message);
/* The agent's end is gone: its process ended (`reset`: the kernel tells the server) or its machine did (nobody is told). */
void sim_connection_drop(struct sim_connection *connection, bool reset);
/* The server's process ended. */
void sim_connections_reset(struct sim_world *world);
/* Something about the node's reachability changed: what was held may go on. */
void sim_network_heal(struct sim_node *node);
void sim_connection_free(struct sim_connection *connection);

/* One-way delay of the next message. */
int64_t sim_network_delay(struct sim_world *world, struct sim_node *node);
/* Requests in the server's hands are lost with it. */
void sim_requests_lost(struct sim_server *server);
/* The world ends. */
void sim_requests_free(struct sim_world *world);
