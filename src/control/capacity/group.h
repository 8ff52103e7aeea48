/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Auto Scaling groups: as many machines as a group wants, made and destroyed by a driver that is outside (src/machine).
 *
 *     Pending ──driver: it is there──► [Pending:Wait ─hook─►] InService
 *        └─────driver: it failed─────────────┐                   │ too many, unhealthy, or somebody says so
 *                                            ▼                   ▼
 *        gone ◄──driver: it is gone── Terminating:Proceed ◄─ [Terminating:Wait: its tasks go, hooks] ◄─ Terminating
 *
 * Level-triggered: groups_run looks at every group and machine and does what is due; it can run at any time. The driver is told again
 * whenever a machine should be made or destroyed, until it has said what came of it; it acts once for each id. What happens is told in
 * the group's activities. Pure: no clock, no I/O. No transaction may be open but where one is given.
 */
#pragma once

#include "model/machine.h"

struct controller;

/* How long a machine may take from being there until its agent has joined, at least (its group's grace period may be longer), and how
 * long a machine is waited for whose agent is lost. Then it is unhealthy, and replaced. */
#define MACHINE_JOIN_MS (INT64_C(10) * 60 * 1000)
#define MACHINE_LOST_MS (INT64_C(60) * 1000)
/* The longest that a lifecycle hook, or emptying a machine, may take. */
#define MACHINE_HOOK_MS (INT64_C(48) * 3600 * 1000)

#define HOOK_LAUNCHING "autoscaling:EC2_INSTANCE_LAUNCHING"
#define HOOK_TERMINATING "autoscaling:EC2_INSTANCE_TERMINATING"
/* The hook that stands for emptying a machine (managedDraining of its capacity provider): it ends by itself. */
#define HOOK_DRAINING "ecs-managed-draining-termination-hook"

#define MACHINE_HEALTHY "Healthy"
#define MACHINE_UNHEALTHY "Unhealthy"

/* Who makes machines. Each may be called again for the same machine, and answers once with one of the reports below; not within the call. */
struct machine_ops {
        void (*create)(void *data, const struct machine *machine);
        void (*destroy)(void *data, const struct machine *machine);
        /* Inserts an access key that only this machine can join with; its id. */
        const char *(*join_key)(void *data, struct tx *tx, const char *machine);
};

/* ---- The driver's reports; each in a transaction of its own. An unknown id is ignored. `note` and `why` may be NULL. ---- */
void machine_was_created(struct model *model, const char *id, const char *note, int64_t now_ms);
/* It is destroyed then, for parts of it may be there, and the group tries another, later. */
void machine_was_not_created(struct model *model, const char *id, const char *why, int64_t now_ms);
void machine_was_destroyed(struct model *model, const char *id, int64_t now_ms);
/* It is tried again. */
void machine_was_not_destroyed(struct model *model, const char *id, const char *why, int64_t now_ms);
/* The driver does not have it any more although nobody wanted it destroyed. */
void machine_has_vanished(struct model *model, const char *id, int64_t now_ms);

/* ---- What others do to groups and machines, in their transaction ---- */

/* The group's desired capacity, with the sentence that says why ("a user request … "), which becomes part of its activities' causes. */
void group_set_desired(struct tx *tx, struct scaling_group *group, int32_t desired, const char *cause);
/* Begins to terminate a machine: "an instance was taken out of service in response to …". Does nothing when that has begun already. */
void machine_terminate(struct tx *tx, struct machine *machine, const char *cause, int64_t now_ms);
void machine_set_health(struct tx *tx, struct machine *machine, const char *health, const char *reason);
/* Its agent has registered the container instance `state`. */
void machine_join(struct tx *tx, struct machine *machine, const struct state_container_instance *state, int64_t now_ms);
/* "CONTINUE" or "ABANDON" of the lifecycle hook that the machine waits for. */
void machine_finish_hook(struct tx *tx, struct machine *machine, const char *result);

/* ---- Asking ---- */

/* Counts toward the group's capacity: not on its way out. */
bool machine_is_live(const struct machine *machine);
uint32_t group_live(const struct scaling_group *group);
bool group_is_suspended(const struct scaling_group *group, const char *process);
/* Its lifecycle hook of that name, or NULL. */
const struct asg_lifecycle_hook *group_hook(const struct scaling_group *group, const char *name);
/* What machines that the group launches now are made of: in `arena`, or a message that says what is missing. */
struct group_recipe {
        const char *type, *image, *user_data; /* user data is base64, as it was given; may be NULL */
        const char *template_id, *template_name, *template_version, *configuration;
        int32_t cpu, memory; /* units, MiB */
        struct ecs_tag_list tags;
};
int group_recipe(struct model *model, const struct scaling_group *group, struct arena *arena, struct group_recipe *ret,
                 struct error *error) MUST_CHECK;
/* The cluster that its machines join: ECS_CLUSTER=… in the user data, else one that has a capacity provider of the group, else "default". */
const char *group_cluster(struct model *model, const struct scaling_group *group, const char *user_data, struct arena *arena);
/* Whether a capacity provider empties the group's machines before they go. */
bool group_drains(struct model *model, const struct scaling_group *group);

/* ---- Activities ---- */

/* Records that something begins (`message` NULL) or that it has failed at once; returns its number. */
int64_t group_activity_begin(struct tx *tx, struct scaling_group *group, enum asg_scaling_activity_status_code status,
                             const char *description, const char *cause, const char *message, int64_t now_ms);
/* `end`: it is over. */
void group_activity_update(struct tx *tx, struct scaling_group *group, int64_t number, enum asg_scaling_activity_status_code status,
                           const char *message, bool end, int64_t now_ms);

/* NULL: forgotten. */
struct group_activity *group_activity_find(struct model *model, const struct scaling_group *group, int64_t number);

/* ---- The reconciler ---- */

/* Looks at every group; returns when to look again for time's sake (INT64_MAX: when something changes). */
int64_t groups_run(struct controller *controller, int64_t now_ms);

/* group_choice.c: where the next machine goes, and which goes next (NULL: none may). */
const char *group_next_zone(struct model *model, const struct scaling_group *group, struct arena *arena, const char **ret_subnet);
struct machine *group_next_victim(struct model *model, const struct scaling_group *group, int64_t now_ms);
/* Tasks on the machine that keep it (not a daemon's), and whether one of them must not be interrupted. */
uint32_t machine_tasks(struct model *model, const struct machine *machine, int64_t now_ms, bool *ret_guarded);
