/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a task, as pure functions: state and reports in, state out. A task's state only ever moves forward:
 *
 *     PROVISIONING → PENDING → ACTIVATING → RUNNING → DEACTIVATING → STOPPING → DEPROVISIONING → STOPPED
 *
 * and steps are left out freely. Reports of agents come late, twice and out of order; what would move a task back is ignored.
 * Every change that a client can see raises `version` by one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/ecs.idl.h"
#include "base/arena.h"
#include "base/env.h"
#include "model/model.h"

#define TASK_REASON_USER "Task stopped by user"
#define TASK_REASON_ESSENTIAL "Essential container in task exited"
#define TASK_REASON_FAILED_TO_START "Task failed to start"
#define TASK_REASON_DEREGISTERED "Container instance deregistration forced by user"

/* What a task needs of its instance: see task_size_of. */
struct task_size {
        int32_t cpu;                      /* units, 1024 a core */
        int32_t memory;                   /* MiB */
        struct int_list ports, ports_udp; /* fixed host ports */
};

/*
 * Task-level cpu and memory (override before definition) where they are given, else the sums over the containers: cpu, and
 * memoryReservation before memory, each after its override. Ports: fixed host ports in bridge mode, container ports in host mode.
 */
void task_size_of(const struct ecs_task_definition *definition, const struct ecs_task_override *overrides, struct arena *arena,
                  struct task_size *ret);

/* Ephemeral storage of a Fargate task in GiB: what RunTask said, else the definition, else the default. Both may be NULL. */
int32_t task_storage_gib(const struct ecs_task_definition *definition, const struct ecs_task_override *overrides);

/* What a new task is made of. Pointers must live as long as the result. */
struct task_request {
        const struct cluster *cluster;
        const struct task_definition *definition;
        const struct ecs_task_override *overrides;       /* NULL: none */
        const struct ecs_network_configuration *network; /* NULL: none */
        const struct string_list *zones;                 /* where its subnets are; NULL: anywhere */
        const char *group, *started_by;                  /* group never NULL */
        const char *service_name, *capacity_provider;    /* NULL: none */
        enum ecs_launch_type launch_type;
        const char *platform_version; /* of Fargate; NULL: none */
        struct ecs_tag_list tags;
};
/* A PENDING task with new ids, not placed yet, in `arena`. */
struct state_task *task_make(struct env *env, const struct task_request *request, struct arena *arena);

/* Where a status stands in the life of a task: greater is later. */
static inline bool task_is_before(enum state_task_status a, enum state_task_status b)
{
        return (int)a < (int)b;
}

/* Whether its agent should stop it now: not while connections through its targets are under way. */
static inline bool task_should_stop(const struct state_task *state)
{
        return state->desired_status == STATE_TASK_STATUS_STOPPED && state->last_status != STATE_TASK_STATUS_DEACTIVATING;
}

/* A report about one container; NULL, 0 and clear has-bits leave things as they are. */
struct task_container_report {
        const char *name;
        enum state_container_status status; /* UNSET: not said */
        bool has_exit_code;
        int32_t exit_code;
        const char *reason, *runtime_id, *image_digest;
        const struct ecs_network_binding_list *bindings; /* NULL: not said */
};
struct task_report {
        enum state_task_status status; /* PENDING, RUNNING or STOPPED; UNSET: only containers */
        const char *reason;
        const struct task_container_report *containers;
        size_t n_containers;
        int64_t pull_started_at, pull_stopped_at, execution_stopped_at;
};
/*
 * Applies what an agent says about `task` to `state` (a copy from tx_edit). Returns whether anything changed; when not, nothing
 * needs to be stored. Knows which containers are essential from the task's definition.
 */
bool task_apply_report(const struct task *task, struct state_task *state, const struct task_report *report, struct arena *arena,
                       int64_t now_ms);

/* Somebody wants the task stopped: its agent has to act, after its targets have drained (DEACTIVATING). Returns false when that was so
 * before. */
bool task_want_stopped(const struct task *task, struct state_task *state, enum ecs_task_stop_code code, const char *reason, int64_t now_ms);
/* The task is over without its agent: never handed out, or its instance is gone. Returns false when it was STOPPED already. */
bool task_finish(struct state_task *state, enum ecs_task_stop_code code, const char *reason, int64_t now_ms);

/* Health of one container, from telemetry. Returns whether it (and so perhaps the task's) changed. */
bool task_set_health(const struct task *task, struct state_task *state, const char *container, enum ecs_health_status health);

/* Whether a task of the definition (NULL: no) has a health: only essential containers with a health check give it one. */
bool task_definition_has_checks(const struct task_definition *definition);

/* Whether the definition says that this container's end is the task's end (yes when the definition is gone). */
bool task_container_essential(const struct task *task, const char *container);
