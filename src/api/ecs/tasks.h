/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks as the API shows them, and what RunTask and StartTask have in common. */
#pragma once

#include "api/call.h"
#include "api/ecs.idl.h"
#include "control/task.h"
#include "model/model.h"

/* Fills `out`; strings point into the model's state or the call's arena. `include`: TAGS. */
void ecs_view_task(struct api_call *call, const struct task *task, const struct int_list *include, struct ecs_task *out);

/* The members that RunTask and StartTask share. */
struct task_input {
        const char *cluster, *task_definition, *group, *started_by, *reference_id;
        const struct ecs_task_override *overrides;
        const struct ecs_network_configuration *network;
        const struct ecs_tag_list *tags;
        const struct ecs_task_volume_configuration_list *volumes;
        enum ecs_propagate_tags propagate_tags;
        bool managed_tags, execute_command;
        bool fargate; /* it goes to the pool of hosts */
};
/*
 * Checks everything that does not depend on how instances are found, and says what the tasks are made of. `ret` holds no launch
 * type yet. The definition of `ret` is ACTIVE.
 */
int ecs_prepare_task(struct api_call *call, struct cluster *cluster, const struct task_input *in, struct task_request *ret) MUST_CHECK;
/* The container of that name, or NULL. */
const struct ecs_container_definition *ecs_find_container(const struct ecs_task_definition *definition, const char *name);
/* What RunTask and services check of a definition alike: the network that its mode asks for, its volumes (`n_configured`: how many
 * the request configures), and features that this server does not have. */
int ecs_check_network(struct api_call *call, const struct ecs_task_definition *definition, const struct ecs_network_configuration *network,
                      bool fargate) MUST_CHECK;
int ecs_check_volumes(struct api_call *call, const struct ecs_task_definition *definition, uint32_t n_configured) MUST_CHECK;
int ecs_check_features(struct api_call *call, const struct ecs_task_definition *definition, bool execute_command) MUST_CHECK;
/* True when the task needs GPUs, which no container instance here offers. */
bool ecs_needs_gpu(const struct task_request *request);
