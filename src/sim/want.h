/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operator of the simulated world has asked for and was promised: the measure for the invariants. The operator is a careful
 * client: repeats a request that got no answer until it gets one, and then knows what holds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct sim_world;
struct sim_step;

enum sim_want_kind { SIM_WANT_SERVICE = 0, SIM_WANT_TASK, SIM_WANT_DEFINITION, SIM_WANT_GROUP };

struct sim_want {
        struct list link; /* world->wants */
        enum sim_want_kind kind;
        char name[48];   /* of the service or family; of a task its id */
        char group[56];  /* of a task: "family:web" */
        bool promised;   /* acknowledged */
        uint32_t asking; /* requests about it that have not been answered: until then either state is right */
        bool gone;       /* deletion, or a stop, was asked for */
        /* Services: */
        int32_t desired; /* the last acknowledged */
        int32_t high;    /* the largest that was ever asked for */
        int32_t min_percent, max_percent;
        bool daemon, distinct, breaker;
        bool scaled; /* the server may change the desired count by itself */
        char only_zone[24];
        char spread[24];      /* "zone", "instance", "" */
        char provider[48];    /* its tasks go to machines of this group; "": to any node */
        char revision[64];    /* "web:2": asked for last */
        char good[64];        /* the last whose rollout was complete */
        int64_t protected_us; /* of a task: promised to be protected until then; 0: not */
        /* Definitions: what the containers are. */
        char image[64];
        int32_t cpu, memory, port, revisions; /* cpu and memory also of a group's machines */
        bool checked;
        /* Groups: */
        int32_t least, most;
        int64_t boot_us;
        uint32_t fails; /* percent */
};

struct sim_want *sim_want(struct sim_world *world, enum sim_want_kind kind, const char *name);
struct sim_want *sim_want_new(struct sim_world *world, enum sim_want_kind kind, const char *name);
/* The definition behind "web:2", or NULL. */
struct sim_want *sim_want_definition(struct sim_world *world, const char *revision);
void sim_wants_free(struct sim_world *world);
