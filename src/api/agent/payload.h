/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a task and its definition to what an agent is told: acs.Task, with Docker's configuration as two JSON texts inside.
 * Pure: state in, structures of api/acs.idl out, all in the caller's arena. What the stock agent expects where is in
 * facts/agent-protocol.md 2.5 and 6.2; golden files under tests/golden/payload hold the results.
 */
#pragma once

#include "api/acs.idl.h"
#include "api/docker.idl.h"
#include "api/ecs.idl.h"
#include "base/arena.h"
#include "model/model.h"

/* What does not come from the task itself. Members may be NULL. */
struct payload_extras {
        const struct acs_role_credentials *role, *execution_role;
        const char *logs_endpoint; /* for awslogs where the definition names none: our own logs service */
        const char *zone;          /* availability zone of the container instance */
        bool unique;               /* replaced elsewhere when the node is lost: its agent stops it when it is cut off */
};

/*
 * The task to run. Its definition must be there (`task->definition`). Overrides are applied here: the agent accepts none but
 * `command`, and that one is put in place too. Strings may point into the model's state: use the result before the next change.
 */
void payload_run(const struct model *model, const struct task *task, const struct payload_extras *extras, struct arena *arena,
                 struct acs_task *ret);
/* The same task to stop: names only. */
void payload_stop(const struct model *model, const struct task *task, struct arena *arena, struct acs_task *ret);

/* Parts, for payload_run. `over` is the container's override or NULL. */
struct payload_container_source {
        const struct model *model;
        const struct task *task;
        const struct ecs_task_definition *definition;
        const struct ecs_container_definition *container;
        const struct ecs_container_override *over;
        const struct payload_extras *extras;
};
void payload_container(const struct payload_container_source *source, const char *container_arn, struct arena *arena,
                       struct acs_container *ret);
struct acs_docker_config *payload_docker(const struct payload_container_source *source, struct arena *arena);

/* The override of container `name`, or NULL. */
const struct ecs_container_override *payload_override(const struct ecs_task_override *overrides, const char *name);
/* Task size "512" (cpu units) or "1024" (MiB): the override's, else the definition's; 0 when neither says. */
int64_t payload_task_cpu(const struct ecs_task_definition *definition, const struct ecs_task_override *overrides);
int64_t payload_task_memory(const struct ecs_task_definition *definition, const struct ecs_task_override *overrides);
