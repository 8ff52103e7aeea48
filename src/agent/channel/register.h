/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the node is for the server, and where its channels are: RegisterContainerInstance until it succeeds, then
 * DiscoverPollEndpoint, whose answer is kept for 12 hours (and asked for again when connecting fails).
 */
#pragma once

#include "agent/agent.h"
#include "agent/channel/aws_client.h"
#include "agent/channel/backoff.h"
#include "agent/channel/capabilities.h"
#include "agent/engine/timers.h"

struct registration {
        const struct aws_client *client;
        const struct agent_options *options;
        struct timers *timers;
        struct env *env;
        char *instance_arn;      /* NULL before the first registration ever */
        char *availability_zone; /* as the server answered; NULL: unknown */
        char *acs_endpoint, *tcs_endpoint;
        int64_t discovered_us; /* 0: never */

        struct aws_call call; /* register or create cluster */
        struct aws_call discover;
        struct backoff backoff, discover_backoff;
        struct timer timer, discover_timer;
        char token[37];
        char node_address[16]; /* as it was announced; "": none */
        bool registered, closed;

        void (*on_registered)(struct registration *r);
        void (*on_endpoints)(struct registration *r); /* each time they were asked for */
        void (*on_refused)(struct registration *r, const struct error *error);
};

void registration_init(struct registration *r, const struct aws_client *client, const struct agent_options *options, struct timers *timers,
                       struct env *env);
void registration_done(struct registration *r);
void registration_start(struct registration *r);
/* Asks where the channels are unless that is known and young enough; on_endpoints follows, perhaps inside the call. `fresh`: ask in any
 * case, and use the old answer when that fails. */
void registration_discover(struct registration *r, bool fresh);
