/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated machine with its agent, which speaks the real messages of the agent protocol (facts about it: src/agent, whose
 * behaviour this follows: what it was told is on its disk before it acknowledges; a restarted agent adopts its containers; an agent
 * that has lost the server for the length of a lease stops the tasks of services, because the server starts others then).
 *
 *     machine:  on ── dies ──► off ── boots ──► on (containers are gone)        frozen: everything on it stands still
 *     agent:    registers ─► connects ─► takes payloads, reports; crash and upgrade end the process, not the containers
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "sim/clock.h"

struct sim_connection;
struct sim_image;
struct sim_world;

enum sim_run_status { SIM_RUN_PENDING = 0, SIM_RUN_RUNNING, SIM_RUN_STOPPING, SIM_RUN_STOPPED };
enum sim_health { SIM_HEALTH_NONE = 0, SIM_HEALTH_UNKNOWN, SIM_HEALTH_GOOD, SIM_HEALTH_BAD };

/* A task on a node: one container. What survives the agent's process is all but `reporting`. */
struct sim_run {
        struct list link; /* node->runs, in order of arrival */
        struct sim_node *node;
        struct sim_image *image;
        char id[33];
        char family[48];
        char service[48]; /* "" when no service owns it */
        char container[48];
        int32_t revision;
        int32_t cpu, memory, port;
        bool checked; /* has a health check */
        enum sim_health health;
        enum sim_run_status status, reported;
        bool unique; /* to be stopped when the lease is over */
        bool has_reported, reporting, stop_wanted, ghost;
        uint64_t generation; /* of its timers */
        int32_t exit_code;
        const char *reason; /* static */
        int64_t taken_us, running_us;
};

/* An image that a node has. */
struct sim_pulled {
        struct list link; /* node->images */
        const struct sim_image *image;
};

struct sim_node {
        struct sim_world *world;
        char name[24]; /* "node-3" */
        char zone[24];
        uint32_t number; /* 3 */
        int32_t cpu, memory;
        char type[24]; /* attribute ecs.instance-type */
        const char *version;
        struct sim_random chance;

        bool on, frozen, cut, agent_up, reports_health;
        uint64_t life;            /* of the agent's process */
        uint64_t registered_life; /* the process that registered last */
        uint64_t power;           /* of the machine: containers' timers of an earlier one mean nothing */
        int64_t heard_us;         /* the last moment at which it could be heard, while it cannot */
        int64_t died_us;          /* the end of the agent's last process */
        int64_t known_us;         /* the last moment at which the agent knows that it was heard: not after heard_us */
        bool fenced;              /* it has stopped its service tasks for that reason */
        bool fresh;               /* the first connection of this process asks for all credentials */
        bool adopted;             /* it stands for an instance of a copied store, whose registration stays as it is */
        bool registering;
        bool watching;      /* an event is set for a look at the lease */
        int64_t started_us; /* of the agent's process */
        bool inactive;      /* the server said so */
        bool gone;          /* deregistered for good by the operator, or its machine taken away: it does not come back */
        uint32_t failures;  /* to connect, in a row */

        /* The agent's disk. */
        char instance[33];  /* "" before the first registration */
        char token[37];     /* of the registration under way */
        char key[33];       /* access key that it registers with, of a group's machine; "": the administrator's */
        int64_t lease_us;   /* as the server said; 0: nothing is to be stopped */
        int64_t sequence;   /* highest number of a payload or manifest */
        struct list runs;   /* of struct sim_run */
        struct list images; /* of struct sim_pulled */

        char manifest[40];
        struct sim_connection *control, *telemetry;
        bool control_up, telemetry_up;
        uint32_t n_live; /* runs that hold resources */
};

struct sim_node *sim_node_new(struct sim_world *world, const char *zone, int32_t cpu, int32_t memory);
void sim_node_free(struct sim_node *node);

/* Faults and their ends; each does nothing when it has happened already. */
void sim_node_boot(struct sim_node *node);
void sim_node_die(struct sim_node *node);
void sim_node_freeze(struct sim_node *node, bool frozen);
void sim_node_cut(struct sim_node *node, bool cut);
void sim_node_agent_crash(struct sim_node *node); /* it is started again after a moment */

/* Packets pass both ways. */
static inline bool sim_node_reachable(const struct sim_node *node)
{
        return node->on && !node->cut;
}
/* The last moment (µs since the start) at which the server can have heard it. */
int64_t sim_node_last_heard(const struct sim_node *node);

/* For network.c. */
void sim_node_connected(struct sim_node *node, struct sim_connection *connection);
void sim_node_disconnected(struct sim_node *node, struct sim_connection *connection);
void sim_node_received(struct sim_node *node, struct sim_connection *connection, const char *text, size_t len);

/* For run.c and agent.c. */
struct sim_run *sim_node_find(struct sim_node *node, const char *id);
/* Acts on where the agent stands: registers, connects. */
void sim_agent_step(struct sim_node *node);

/* run.c: what happens to tasks on a node. */
struct sim_run *sim_run_new(struct sim_node *node, const char *id);
void sim_run_free(struct sim_run *run);
void sim_run_start(struct sim_run *run);
void sim_run_stop(struct sim_run *run, const char *reason);
/* Its container ends now. */
void sim_run_exit(struct sim_run *run, int32_t exit_code, const char *reason);
/* Reports what the server has not heard, when the agent can. */
void sim_run_report(struct sim_run *run);
/* Health of all its tasks, over the telemetry channel. */
void sim_node_report_health(struct sim_node *node);
/* The telemetry channel has ended, or could not be opened: tries again later. */
void sim_node_telemetry_lost(struct sim_node *node);
static inline bool sim_run_is_live(const struct sim_run *run)
{
        return run->status == SIM_RUN_RUNNING || run->status == SIM_RUN_STOPPING;
}
