/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bugs that the simulator can plant at the interfaces between the parts, to show that its invariants would find them. One at a
 * time, chosen when a world is made; tests/sim/test_bugs.c keeps which invariant must catch which.
 */
#pragma once

#include <stdbool.h>

struct sim_world;

enum sim_bug {
        SIM_BUG_NONE = 0,
        SIM_BUG_STORE_FORGETS,        /* a commit is said to be on disk and is not */
        SIM_BUG_ANSWERS_EARLY,        /* answers leave before the commit that they rest on */
        SIM_BUG_NODE_BOASTS,          /* a node registers with four times its memory, so the scheduler fills it beyond what it has */
        SIM_BUG_AGENT_DOES_NOT_FENCE, /* a node that lost the server goes on running its service tasks */
        SIM_BUG_AGENT_STARTS_TWICE,   /* a task is started a second time beside the first */
        SIM_BUG_AGENT_LOSES_TASK,     /* a task is acknowledged and forgotten */
        SIM_BUG_AGENT_GIVES_UP,       /* it does not connect again when a connection has ended */
        SIM_BUG_AGENT_FORGETS_END,    /* the end of a task is never reported */
        SIM_BUG_TASK_GOES_BACK,       /* the server takes a task from RUNNING back to PENDING */
        SIM_BUG_OPERATOR_CONSTRAINTS, /* placement constraints of a service get lost on the way to the server */
        SIM_BUG_FLOOR_LOST,           /* minimumHealthyPercent gets lost on the way, so a rollout may stop everything first */
        SIM_BUG_BREAKER_LOST,         /* the circuit breaker of a service gets lost on the way */
        SIM_BUG_PROTECTION_LOST,      /* protection is acknowledged and forgotten */
        SIM_BUG_ONE_TOO_MANY,         /* a task appears that nobody has asked for, in the name of a service */
        SIM_BUG_ORPHAN,               /* a task names a service that is not there */
        SIM_BUG_BEYOND_LIMITS,        /* a service that scales by itself gets more tasks than its maximum */
        SIM_BUG_TURNS,                /* it gets a task more, and one less, in turn */
        SIM_BUG_DEAF_ALARM,           /* the alarm of its policy does not act */
        SIM_BUG_GROUP_BEYOND_LIMITS,  /* a group wants a machine more than its maximum */
        SIM_BUG_GUARD_LOST,           /* scale-in takes a machine with a protected task */
        SIM_BUG_NOT_EMPTIED,          /* a machine that goes does not wait until its tasks have gone */
        SIM_BUG_MAX
};

extern const char *const sim_bug_names[SIM_BUG_MAX];

/* Whether the bug is planted and shows itself this time. */
bool sim_bug_strikes(struct sim_world *world, enum sim_bug bug);
bool sim_bug_answers_early(struct sim_world *world);
/* The bug that changes what the server holds, now and then; called after the server's turns. */
void sim_bug_meddle(struct sim_world *world);
