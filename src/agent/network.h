/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The networks that this node has a part in, as the server tells of them: NetworkMessages are merged into pictures, one for each VPC,
 * and each picture is brought into force as a whole (vpc/network.h). A message is acknowledged when all that it holds is in force. One
 * thread.
 */
#pragma once

#include "agent/engine/timers.h"
#include "api/acs.idl.h"
#include "base/list.h"
#include "base/map.h"
#include "vpc/network.h"

struct node_network {
        struct timers *timers;
        struct vpc *vpc; /* NULL: this node has no networks, and announces none */
        const char *instance_id;
        uint32_t node_address; /* of this machine among the others, host byte order; 0: none */
        struct map parts;      /* of struct part, by the id of the VPC */
        struct list waits;     /* of struct network_wait */
        /* Answers to a message. `reason` NULL: everything in it is in force. */
        void (*answer)(struct node_network *network, const struct acs_network_message *head, const char *reason);
        void *data;
};

/* Somebody who needs an interface. Embedded in its owner. */
struct network_wait {
        struct list link;
        char *interface;
        struct timer timer;
        struct node_network *network; /* NULL: not waiting */
        /* A sandbox with the interface can be made now; or `error`. */
        void (*done)(struct network_wait *wait, const struct error *error);
};

void node_network_init(struct node_network *network, struct vpc *vpc, struct timers *timers);
/* Forgets everything; what is in force stays so. No `done` is called. */
void node_network_done(struct node_network *network);
/* A message of the server. False when it makes no sense: it is not answered then. */
bool node_network_take(struct node_network *network, const struct acs_network_message *message);
/* Calls `done` when the interface is there, perhaps at once, or after a minute with an error. */
void node_network_wait(struct node_network *network, struct network_wait *wait, const char *interface);
/* No-op when it does not wait. */
void network_wait_cancel(struct network_wait *wait);
