/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane as one process of the simulated world: the real model, scheduler, API, sessions of agents and everything that
 * runs by the clock, on a disk that outlives it.
 *
 *     request arrives ─► handler ─► commits wait ─► (the disk takes its time) ─► written ─► told: answers and frames leave
 *                                                │                            │
 *                                   crash: the change never was   crash: it is kept, and nobody was told
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "model/model.h"

struct sim_world;
struct agents;
struct api;
struct controller;
struct sched;
struct retention;
struct store;

/* Where the next crash hits: see sim_server_crash_at. */
enum sim_crash {
        SIM_CRASH_NOW = 0,
        SIM_CRASH_BEFORE_WRITE, /* what waits for the disk is lost */
        SIM_CRASH_AFTER_WRITE,  /* what was written is kept, but nobody has heard of it */
        SIM_CRASH_MAX
};

struct sim_server {
        struct sim_world *world;
        struct store *disk;
        struct model *model; /* NULL: down */
        struct sched *sched;
        struct api *api;
        struct agents *agents;
        struct retention *retention;
        struct controller *controller;
        int64_t control_at_ms;          /* an event is set for its next run then; INT64_MAX: none */
        struct model_observer observer; /* the world's watch over every change */
        struct list requests;           /* of struct sim_request that are in here */
        uint64_t life;                  /* counts starts: events of an earlier life mean nothing */
        bool writing;                   /* the disk is at work */
        bool working;                   /* a handler runs: do not look at the state */
        enum sim_crash doom;            /* how the next commit ends, SIM_CRASH_NOW: well */
        int64_t restart_us;             /* a supervisor starts it again so long after a crash */
        uint64_t commits, crashes;
};

/* `disk` is the server's from now on; NULL: an empty one. Not started yet. */
void sim_server_init(struct sim_server *server, struct sim_world *world, struct store *disk);
void sim_server_done(struct sim_server *server);
static inline bool sim_server_is_up(const struct sim_server *server)
{
        return server->model != NULL;
}
void sim_server_start(struct sim_server *server);
/* The process is gone at once: connections are reset, what was not on disk never was. A server that is down stays down. */
void sim_server_crash(struct sim_server *server);
/* The same at the next commit. */
void sim_server_crash_at(struct sim_server *server, enum sim_crash when);
/* To be called after each event that may have made the server do something: what waits for the disk is given to it, and what may
 * leave leaves. */
void sim_server_turn(struct sim_server *server);

/*
 * One request over the network, from `node` or (NULL) from the operator. `answered` gets the HTTP status and the body; status 0:
 * no answer (nobody there, connection lost, time-out), and then nobody knows whether the request was carried out. `owner` must
 * outlive the world's clock. `what` tells `answered` what it had asked.
 */
struct sim_node;
typedef void (*sim_answered_fn)(void *owner, uint64_t what, int status, const char *json);
void sim_call(struct sim_world *world, struct sim_node *node, const char *operation, const char *json, sim_answered_fn answered,
              void *owner, uint64_t what);
