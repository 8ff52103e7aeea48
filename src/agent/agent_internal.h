/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a node, put together. */
#pragma once

#include "agent/channel/acs.h"
#include "agent/agent.h"
#include "agent/driver/driver.h"
#include "agent/metadata/metadata.h"
#include "agent/network.h"
#include "agent/channel/tcs.h"

/* What the server calls the cluster of Fargate hosts. */
#define AGENT_FARGATE_CLUSTER ".fargate"

struct agent {
        struct arena arena; /* of the options */
        struct agent_options options;
        uv_loop_t *loop;
        struct env *env;
        uv_timer_t clock; /* for `timers` */
        struct timers timers;
        struct state_dir *state;
        struct state_op instance_op;
        bool instance_dirty;
        struct http_client *http;
        struct aws_client client;
        struct image_store *images;
        struct runtime *runtime;
        struct vm_host *vms; /* NULL: no micro-VMs */
        struct seccomp_cache *seccomp;
        struct vpc *vpc;
        struct node_network network;
        struct engine engine;
        struct driver driver;
        struct keeper keeper;
        struct reporter reporter;
        struct registration registration;
        struct log_shipper *logs;
        struct acs acs;
        struct tcs tcs;
        struct metadata *metadata;
        struct timer disk_timer;
        struct timer trim_timer; /* gives freed memory back */
        bool started, connected_once, stopping;
        uint32_t closing; /* parts that are not gone yet */
        void (*stopped)(struct agent *agent, void *data);
        void *stopped_data;
};

/* options.c: copies with defaults filled in; -EINVAL with a message for what cannot be. */
int agent_options_copy(const struct agent_options *from, struct arena *arena, struct agent_options *ret, struct error *error) MUST_CHECK;
/* "22,2375" as numbers in the arena. */
int agent_parse_ports(const char *text, struct arena *arena, uint16_t **ret, uint32_t *ret_n, struct error *error) MUST_CHECK;
