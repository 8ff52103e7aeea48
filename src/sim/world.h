/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world: the real control plane in one process with nodes, a network, a disk and an operator that are played, on
 * virtual time. One step is one event; after each the invariants are checked (sim/invariant.h).
 *
 *     struct sim_world *world = sim_world_new(&(struct sim_options){.seed = 7});
 *     sim_nodes_add(world, …); sim_server_start(&world->server);
 *     sim_world_run(world, 60 * SIM_SECOND);
 *     if (world->violation.invariant != NULL) …
 *     world = sim_world_free(world);
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "sim/bugs.h"
#include "sim/clock.h"
#include "sim/network.h"
#include "sim/server.h"

struct sim_node;
struct sim_run;
struct sim_scenario;

/* Told of what happens, in words, as it happens. `node` may be NULL; `text` is NULL when only a task on a node has changed. */
typedef void (*sim_note_fn)(void *data, struct sim_world *world, const struct sim_node *node, const char *text);

struct sim_options {
        uint64_t seed;
        enum sim_bug bug;
        const char *cluster;          /* NULL: "sim" */
        struct store *disk;           /* the server's; taken over; NULL: an empty one */
        const char *account, *region; /* of what is on the disk; NULL: 123456789012, us-east-1 */
        int64_t epoch_ms;             /* the moment at which the story begins; 0: 2026-01-01 */
        sim_note_fn note;             /* NULL: nobody listens */
        void *note_data;
        bool unchecked; /* no invariants: benchmarks */
};

struct sim_violation {
        const char *invariant; /* NULL: none yet; static */
        int64_t at_us;
        char text[512];
};

struct sim_world {
        struct sim_clock clock;
        uint64_t seed;
        enum sim_bug bug;
        uint32_t bug_strikes;
        bool unchecked;
        char cluster[256], account[16], region[32];
        char arn[80]; /* what ARNs of ECS begin with here: "arn:aws:ecs:us-east-1:123456789012" */
        struct sim_random chance, disk_chance, bug_chance;
        struct sim_network network;
        struct sim_server server;
        struct sim_node **nodes; /* by number, from 1; nodes[0] is node-1 */
        uint32_t n_nodes, nodes_cap;
        struct list connections; /* of struct sim_connection */
        struct list requests;
        struct list images;
        struct list loads;                   /* of struct sim_load */
        struct list machines;                /* of struct sim_machine: what the machine driver has */
        struct list wants;                   /* of struct sim_want: what the operator has been promised */
        const struct sim_scenario *scenario; /* that is played, or NULL */
        int64_t faults_until_us;             /* the last fault that was set ends then: what is at rest may be asked for after it */
        struct list operations;              /* of the operator, not answered yet */
        uint64_t changes;                    /* of the model's state, seen so far */
        uint64_t digest;                     /* of everything that happened: two runs of one seed have the same */
        int64_t changed_us;                  /* the last change of a task anywhere */
        struct sim_violation violation;
        sim_note_fn note;
        void *note_data;
        struct buf text; /* scratch of whoever writes a message */
        struct arena arena;
};

struct sim_world *sim_world_new(const struct sim_options *options);
/* NULL is fine. Returns NULL. */
struct sim_world *sim_world_free(struct sim_world *world);

/* Adds a node that is off; one that boots now. */
struct sim_node *sim_world_new_node(struct sim_world *world, const char *zone, int32_t cpu, int32_t memory);
struct sim_node *sim_world_add_node(struct sim_world *world, const char *zone, int32_t cpu, int32_t memory);
/* By name ("node-3"), or NULL. */
struct sim_node *sim_world_node(const struct sim_world *world, const char *name);

/* Runs events up to this moment (µs since the start), or until an invariant is broken. */
void sim_world_run(struct sim_world *world, int64_t until_us);

/* A fault ends then (INT64_MAX: not before it is ended): nothing has to be at rest earlier. */
void sim_world_fault(struct sim_world *world, int64_t until_us);

/* Records the first violation; the run ends. */
void sim_world_violate(struct sim_world *world, const char *invariant, const char *fmt, ...) PRINTF_LIKE(3, 4);
void sim_world_note(struct sim_world *world, const struct sim_node *node, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* For the parts: the server has started, has ended; its model changed; a task on a node changed. */
void sim_world_server_started(struct sim_world *world);
void sim_world_server_stopped(struct sim_world *world);
void sim_world_changed(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state);
void sim_world_connected(struct model_observer *observer, struct instance *instance);
void sim_world_run_changed(struct sim_run *run);

/* operator.c: the world ends. */
void sim_operations_free(struct sim_world *world);
