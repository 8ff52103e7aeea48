/* SPDX-License-Identifier: Apache-2.0 */
/* How tasks may be launched: launch types, platform versions, capacity providers. Alike for RunTask, services and task sets. */
#pragma once

#include "api/call.h"
#include "api/ecs.idl.h"
#include "model/model.h"

/* What a request says; everything may be absent. */
struct launch_wish {
        enum ecs_launch_type launch_type;
        const struct ecs_capacity_provider_strategy_item_list *strategy;
        const char *platform_version;
};

/*
 * Checks the wish against the task definition and what this server has. `ret` gets the strategy that is to be used: the wish's, else,
 * without a launch type, the cluster's default; empty when a launch type decides.
 */
int launch_check(struct api_call *call, const struct cluster *cluster, const struct ecs_task_definition *definition,
                 const struct launch_wish *wish, struct ecs_capacity_provider_strategy_item_list *ret) MUST_CHECK;
/* Whether tasks go to the pool of Fargate hosts. `strategy` may be NULL. */
bool launch_is_fargate(enum ecs_launch_type type, const struct ecs_capacity_provider_strategy_item_list *strategy);
/* Whether the task definition is made for that compatibility; one that names none is for all. */
bool launch_compatible(const struct ecs_task_definition *definition, enum ecs_compatibility with);
