/* SPDX-License-Identifier: Apache-2.0 */
/* The control channel: the session of acs_session.h on a link of link.h. */
#pragma once

#include "agent/acs_session.h"
#include "agent/agent.h"
#include "agent/link.h"
#include "agent/register.h"

struct acs {
        struct link link;
        struct acs_session session;
        struct keeper *keeper;
        const struct agent_options *options;
        struct registration *registration;
        bool credentials_sent; /* this process has had all credentials once */
        void (*up)(struct acs *acs);
        void (*sequence_changed)(struct acs *acs);
        void (*heartbeat)(struct acs *acs);
        void (*gone)(struct acs *acs);
        void *data;
};

void acs_init(struct acs *acs, const struct agent_options *options, struct registration *registration, const struct aws_client *client,
              struct engine *engine, struct keeper *keeper, struct timers *timers);
/* Connects as soon as the endpoint is known; call again when it may be. */
void acs_connect(struct acs *acs);
/* `gone` follows. */
void acs_stop(struct acs *acs);
