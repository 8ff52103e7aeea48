/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's hands on a real machine: images, sandboxes, containers, volumes. Keeps what belongs to a task and its containers in
 * their `driver` members.
 */
#pragma once

#include "agent/agent.h"
#include "agent/engine/engine.h"
#include "agent/state/keeper.h"
#include "agent/logs/ship.h"
#include "agent/network.h"
#include "agent/channel/report.h"
#include "image/image.h"
#include "microvm/vm.h"
#include "runtime/runtime.h"
#include "vpc/vpc.h"

struct driver {
        uv_loop_t *loop;
        struct env *env;
        struct timers *timers;
        const struct agent_options *options;
        const char *cluster;
        const char *resolv_conf; /* for containers with a network of their own; NULL: the runtime's choice */
        struct image_store *images;
        struct runtime *runtime;
        struct vm_host *vms;           /* NULL: Fargate tasks run in sandboxes */
        struct seccomp_cache *seccomp; /* for what runs in micro-VMs */
        struct vpc *vpc;               /* NULL: bridge and awsvpc mode are not to be had */
        struct node_network *network;
        struct state_dir *state;
        struct keeper *keeper;
        struct reporter *reporter;
        struct log_shipper *logs;
        uint32_t jobs; /* thread-pool jobs under way, which must end before the driver goes */
        void (*health_changed)(struct engine_task *task, void *data);
        void (*no_space)(void *data); /* something met a full disk */
        void *data;
};

/* Engine's `data` must be the driver. */
extern const struct engine_driver driver_ops;

/* The runtime's container, or NULL: for stats, metadata, logs. */
struct runtime_container *driver_container(const struct engine_container *c);
/* The latest figures of a container in a micro-VM, and a request for newer ones; false when it is in none. */
bool driver_vm_stats(const struct engine_container *c, struct runtime_stats *ret);
/* Whether the container has, or had, a sandbox of its own. */
bool driver_has_network(const struct engine_container *c);
/* After a restart: takes what still is there of a restored container. */
void driver_adopt(struct driver *driver, struct engine_container *c, struct runtime_container *running);
/* Drops the driver's parts of a task without touching what runs. For the end of the agent. */
void driver_forget(struct engine_task *task);
/* Id of the sandbox that the containers of an awsvpc task share. */
const char *driver_network_id(const struct engine_task *task, struct arena *arena);
/* Id of the container that holds a task's shared namespaces. */
const char *driver_pause_id(const struct engine_task *task, struct arena *arena);
