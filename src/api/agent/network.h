/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling agents of the networks that they have a part in. Private to src/api/agent and its tests.
 *
 *     model ── changed ──► feed of the VPC: ids that are new ── once a turn ──► one text ── durable ──► every subscriber
 *                                                                  the whole picture ──► a new subscriber
 *
 * An agent subscribes to a VPC by having a task with an interface in it, or the load balancers' machine by a balancer's. What is
 * written rests on the model of that moment, and goes out when that is durable, in order. A connection begins with everything; what is not
 * acknowledged in time is begun again in the same way. Only agents that announce NETWORK_CAPABILITY are told.
 */
#pragma once

#include "api/acs.idl.h"
#include "api/agent/agents.h"
#include "base/list.h"
#include "base/map.h"

struct agent;
struct network_interface;
struct vpc;

#define NETWORK_CAPABILITY "gantry.capability.network"

struct networks {
        struct map feeds;  /* of struct feed, by the id of the VPC */
        struct list dirty; /* of struct feed: something is new */
        struct list fresh; /* of struct agent: to be told everything */
};

/* An agent's part. */
struct agent_networks {
        struct list fresh;         /* in networks->fresh */
        struct list subscriptions; /* of struct subscription */
        struct list outbox;        /* of struct parcel, oldest first */
};

void networks_init(struct networks *networks);
void networks_done(struct networks *networks);
void network_agent_init(struct agent *agent);
void network_agent_done(struct agent *agent);

/* A change of the model; returns whether anybody has to be told: then agents_flush is due. */
bool network_changed(struct agents *agents, struct object *object, const void *old_state, const void *new_state);
/* The instance's lease is another: whether it is lost. The same. */
bool network_lease_changed(struct agents *agents, const struct instance *instance);
/* The agent is to be told everything (a new connection, or a message that was not acknowledged); it is gone. */
void network_begin(struct agent *agent);
void network_end(struct agent *agent);
/* Writes what is new, for everybody. */
void network_write(struct agents *agents);
/* Sends what may go out; returns the smallest sequence that something still waits for, or 0. */
uint64_t network_flush(struct agent *agent, uint64_t durable);

/* ---- network_message.c: from the model to the message; pure ---- */

/* The container instance that has the interface, or NULL. */
struct instance *network_place(struct model *model, const struct network_interface *interface);
/* Everything of the VPC. */
void network_message_all(struct model *model, struct vpc *vpc, struct arena *arena, struct acs_network_vpc *ret);
/* What became of one thing, by its id. */
void network_message_add(struct model *model, struct vpc *vpc, const char *id, struct arena *arena, struct acs_network_vpc *ret);
/* VPC id, number and ranges. */
void network_message_head(const struct vpc *vpc, struct arena *arena, struct acs_network_vpc *ret);
