/* SPDX-License-Identifier: Apache-2.0 */
/* The control channel: the session of acs_session.h on a link of link.h. */
#pragma once

#include "agent/channel/acs_session.h"
#include "agent/agent.h"
#include "agent/fence.h"
#include "agent/channel/link.h"
#include "agent/channel/register.h"

struct acs {
        struct link link;
        struct acs_session session;
        struct fence fence;
        struct reach *reach; /* a look whether the server's machine answers, while one is under way */
        uv_loop_t *loop;
        struct keeper *keeper;
        const struct agent_options *options;
        struct registration *registration;
        struct node_network *network;
        bool credentials_sent; /* this process has had all credentials once */
        void (*up)(struct acs *acs);
        void (*sequence_changed)(struct acs *acs);
        void (*heartbeat)(struct acs *acs);
        void (*lease_changed)(struct acs *acs); /* fence.lease_ms or fence.only_server is new */
        void (*gone)(struct acs *acs);
        void *data;
};

void acs_init(struct acs *acs, const struct agent_options *options, struct registration *registration, const struct aws_client *client,
              struct engine *engine, struct keeper *keeper, struct timers *timers);
/* Connects as soon as the endpoint is known; call again when it may be. */
void acs_connect(struct acs *acs);
/* Terms of the lease as they were saved: a node that starts while it is cut off keeps to them. */
void acs_restore_lease(struct acs *acs, uint32_t lease_ms, bool only_server);
/* Says goodbye when there is a connection. `gone` follows. */
void acs_stop(struct acs *acs);
void acs_done(struct acs *acs);
