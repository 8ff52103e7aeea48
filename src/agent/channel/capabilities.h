/* SPDX-License-Identifier: Apache-2.0 */
/* What the node tells the server about itself when it registers: size, attributes, tags. Pure, but for the machine's own facts. */
#pragma once

#include "agent/agent.h"
#include "api/ecs.idl.h"
#include "base/arena.h"

/* Of the machine; see capabilities_machine. */
struct machine {
        int64_t cpu;         /* CPU units */
        int64_t memory;      /* MiB */
        const char *arch;    /* "x86_64", "arm64" */
        const char *address; /* among the other nodes, "10.0.0.5"; NULL: none */
        bool beside_server;  /* the server runs on this machine, and its load balancers too */
};
void capabilities_machine(struct machine *ret);

/* CPU units and MiB that tasks may have: the machine's (or what the options say), less what the system keeps. */
void capabilities_size(const struct agent_options *options, const struct machine *machine, int64_t *ret_cpu, int64_t *ret_memory);
/* Fills the request but for cluster, ARN and token. Own attributes only when `first`. */
void capabilities_request(const struct agent_options *options, const struct machine *machine, bool first, struct arena *arena,
                          struct ecs_register_container_instance_request *ret);
