/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instances of a discovery service, as they follow from the state: those that somebody registered, and the tasks of the ECS
 * services that name it in serviceRegistries. A task is an instance from RUNNING until something wants it stopped, or its node is lost:
 * nobody registers or deregisters it, so nothing can be forgotten. Pure.
 */
#pragma once

#include "base/arena.h"
#include "model/discovery.h"
#include "model/service.h"

#define DISCOVERY_IPV4 "AWS_INSTANCE_IPV4"
#define DISCOVERY_PORT "AWS_INSTANCE_PORT"
#define DISCOVERY_HEALTH "AWS_INIT_HEALTH_STATUS"
#define DISCOVERY_EC2 "AWS_EC2_INSTANCE_ID"

struct discovery_entry {
        const char *id;                              /* of a task: the task's */
        const struct discovery_instance *registered; /* NULL: of a task */
        const struct task *task;                     /* NULL: registered */
        enum sd_health_status health;                /* UNKNOWN: it has none, and counts as healthy */
        struct string_map attributes;
};
/* A list of struct discovery_entry: for SHAPE_PUSH. */
struct discovery_entries {
        struct discovery_entry *items;
        uint32_t n;
        uint32_t room_;
};

/* All instances, by id. Strings are the model's or in `arena`. */
void discovery_entries(struct model *model, struct discovery_service *service, struct arena *arena, struct discovery_entries *ret);
/* One; false when there is none of that id. */
bool discovery_entry(struct model *model, struct discovery_service *service, const char *id, struct arena *arena,
                     struct discovery_entry *ret);
/* How many discovery_entries would give. */
uint32_t discovery_count(const struct discovery_service *service);

/* The discovery service that tasks of this state are registered with, once they run; NULL: none. */
struct discovery_service *discovery_service_of_task(struct model *model, const struct state_task *state);
/* Whether a change of a task may change the instances of its discovery service. Either state may be NULL. */
bool discovery_task_changes(const struct state_task *old_state, const struct state_task *new_state);
