/* SPDX-License-Identifier: Apache-2.0 */
/* What RunTask and StartTask check alike, and what they make a task of. */
#include <errno.h>
#include <string.h>

#include "api/ecs/common.h"
#include "api/ecs/taskdef/taskdef.h"
#include "api/ecs/tasks.h"
#include "base/strutil.h"
#include "control/task_network.h"

#define MAX_OVERRIDES 8192
#define MAX_STARTED_BY 128
#define MAX_GROUP 255
#define MAX_REFERENCE 1024
#define MIN_MEMORY 6

#define INVALID "InvalidParameterException"

/* ---- Overrides ---- */

/* A copy of the request gets the whole number that a size stands for. */
static int normalize_size(struct api_call *call, const char *name, const char *unit, int (*parse)(const char *text, int64_t *ret),
                          const char **member)
{
        int64_t units;

        if (!*member)
                return 0;
        if (parse(*member, &units) < 0 || units <= 0 || units > INT32_MAX)
                return api_fail(call, INVALID, "overrides.%s: \"%.50s\" is not a size; write a whole number, or a number followed by %s.",
                                name, *member, unit);
        *member = arena_printf(call->arena, "%lld", (long long)units);
        return 0;
}

const struct ecs_container_definition *ecs_find_container(const struct ecs_task_definition *definition, const char *name)
{
        for (uint32_t i = 0; i < definition->container_definitions.n; i++)
                if (str_eq(definition->container_definitions.items[i].name, name))
                        return &definition->container_definitions.items[i];
        return NULL;
}

static int check_memory(struct api_call *call, const struct ecs_container_definition *container, const struct ecs_container_override *over)
{
        int32_t memory = SHAPE_HAS(over, ecs_container_override, memory) ? over->memory : container->memory;
        int32_t reservation =
                SHAPE_HAS(over, ecs_container_override, memory_reservation) ? over->memory_reservation : container->memory_reservation;

        if (SHAPE_HAS(over, ecs_container_override, cpu) && over->cpu < 0)
                return api_fail(call, INVALID, "Override for container %s: cpu must not be negative.", over->name);
        if (SHAPE_HAS(over, ecs_container_override, memory) && memory < MIN_MEMORY)
                return api_fail(call, INVALID, "Override for container %s: memory must be at least %d MiB.", over->name, MIN_MEMORY);
        if (SHAPE_HAS(over, ecs_container_override, memory_reservation) && reservation < MIN_MEMORY)
                return api_fail(call, INVALID, "Override for container %s: memoryReservation must be at least %d MiB.", over->name,
                                MIN_MEMORY);
        if (memory > 0 && reservation > memory)
                return api_fail(call, INVALID, "Override for container %s: memoryReservation (%d) must not be more than memory (%d).",
                                over->name, reservation, memory);
        return 0;
}

static int check_container_override(struct api_call *call, const struct ecs_task_definition *definition,
                                    const struct ecs_task_override *overrides, uint32_t i)
{
        const struct ecs_container_override *over = &overrides->container_overrides.items[i];
        const struct ecs_container_definition *container;

        if (str_empty(over->name))
                return api_fail(call, INVALID,
                                "overrides.containerOverrides[%u].name: say which container of the task definition is meant.", i);
        container = ecs_find_container(definition, over->name);
        if (!container)
                return api_fail(call, INVALID, "Override for container named %.255s is not a container in the TaskDefinition.", over->name);
        for (uint32_t j = 0; j < i; j++)
                if (str_eq(overrides->container_overrides.items[j].name, over->name))
                        return api_fail(call, INVALID, "Container %.255s is overridden twice.", over->name);
        for (uint32_t j = 0; j < over->environment.n; j++)
                if (str_empty(over->environment.items[j].name))
                        return api_fail(call, INVALID, "Override for container %s: environment[%u] has no name.", over->name, j);
        return check_memory(call, container, over);
}

/* A copy with sizes in units; *ret is NULL when nothing is overridden. */
static int check_overrides(struct api_call *call, const struct ecs_task_definition *definition, const struct ecs_task_override *in,
                           const struct ecs_task_override **ret)
{
        CLEANUP_BUF struct buf json = {0};
        struct ecs_task_override *out;
        int r;

        *ret = NULL;
        if (!in)
                return 0;
        shape_to_json(&ecs_task_override_shape, in, &json);
        if (json.len > MAX_OVERRIDES)
                return api_fail(call, INVALID, "Overrides are %zu characters of JSON; at most %d are allowed.", json.len, MAX_OVERRIDES);
        out = SHAPE_COPY(ecs_task_override, (struct ecs_task_override *)in, call->arena);
        r = normalize_size(call, "cpu", "vCPU", taskdef_parse_cpu, &out->cpu);
        if (r == 0)
                r = normalize_size(call, "memory", "GB", taskdef_parse_memory, &out->memory);
        for (uint32_t i = 0; r == 0 && i < in->container_overrides.n; i++)
                r = check_container_override(call, definition, in, i);
        if (r != 0)
                return r;
        if (out->inference_accelerator_overrides.n > 0)
                return api_fail(call, "UnsupportedFeatureException", "Inference accelerators are not available on this server.");
        *ret = out;
        return 0;
}

/* With what is overridden it still has to be one of Fargate's sizes. */
static int check_fargate_size(struct api_call *call, const struct ecs_task_definition *definition,
                              const struct ecs_task_override *overrides)
{
        const struct ecs_ephemeral_storage *storage = overrides ? overrides->ephemeral_storage : NULL;
        struct task_size size;

        if (storage && (storage->size_in_gi_b < TASKDEF_STORAGE_MIN_GIB || storage->size_in_gi_b > TASKDEF_STORAGE_MAX_GIB))
                return api_fail(call, INVALID, "overrides.ephemeralStorage.sizeInGiB: %d is not in %d..%d.", storage->size_in_gi_b,
                                TASKDEF_STORAGE_MIN_GIB, TASKDEF_STORAGE_MAX_GIB);
        task_size_of(definition, overrides, call->arena, &size);
        return taskdef_check_fargate_size(size.cpu, size.memory, &call->error);
}

/* ---- Texts ---- */

static int check_texts(struct api_call *call, const struct task_input *in)
{
        if (!str_empty(in->started_by) && !str_is_name(in->started_by, "-_/.:@=+", MAX_STARTED_BY))
                return api_fail(call, INVALID, "startedBy: 1 to %d letters, digits and - _ / . : @ = + are allowed.", MAX_STARTED_BY);
        if (in->group && strlen(in->group) > MAX_GROUP)
                return api_fail(call, INVALID, "group: at most %d characters are allowed.", MAX_GROUP);
        if (str_starts_with(in->group, "service:"))
                return api_fail(call, INVALID,
                                "group: names that start with \"service:\" are for the tasks of services; choose another one.");
        if (in->reference_id && strlen(in->reference_id) > MAX_REFERENCE)
                return api_fail(call, INVALID, "referenceId: at most %d characters are allowed.", MAX_REFERENCE);
        return 0;
}

/* ---- Network, and what is not there yet ---- */

int ecs_check_network(struct api_call *call, const struct ecs_task_definition *definition, const struct ecs_network_configuration *network,
                      bool fargate)
{
        if (!task_uses_awsvpc(definition)) {
                if (network)
                        return api_fail(call, INVALID,
                                        "Network Configuration is not valid for the given networkMode of this task definition.");
                return 0;
        }
        if (!network || !network->awsvpc_configuration)
                return api_fail(call, INVALID, "Network Configuration must be provided when networkMode 'awsvpc' is specified.");
        /* Fargate takes the wish; no task here has an address besides that of its interface. */
        if (!fargate && network->awsvpc_configuration->assign_public_ip == ECS_ASSIGN_PUBLIC_IP_ENABLED)
                return api_fail(call, INVALID, "Assign public IP is not supported for this launch type.");
        return task_network_check(call->model, network, &call->error);
}

int ecs_check_volumes(struct api_call *call, const struct ecs_task_definition *definition, uint32_t n_configured)
{
        if (n_configured > 0)
                return api_fail(call, "UnsupportedFeatureException",
                                "Volumes that are configured at launch (EBS) are not available on this server yet.");
        for (uint32_t i = 0; i < definition->volumes.n; i++) {
                const struct ecs_volume *volume = &definition->volumes.items[i];

                if (volume->configured_at_launch)
                        return api_fail(call, INVALID,
                                        "Volume %s is to be configured at launch, but volumeConfigurations does not name it.",
                                        volume->name);
                if (volume->s3files_volume_configuration || volume->fsx_windows_file_server_volume_configuration)
                        return api_fail(call, "UnsupportedFeatureException",
                                        "Volume %s: this kind of volume is not available on this server.", volume->name);
        }
        return 0;
}

int ecs_check_features(struct api_call *call, const struct ecs_task_definition *definition, bool execute_command)
{
        if (execute_command)
                return api_fail(call, "UnsupportedFeatureException",
                                "ECS Exec is not available on this server yet: run the task without enableExecuteCommand.");
        if (definition->proxy_configuration)
                return api_fail(call, "UnsupportedFeatureException", "Proxy configurations (App Mesh) are not available on this server.");
        return 0;
}

static bool list_has_gpu(const struct ecs_resource_requirement_list *list)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (list->items[i].type == ECS_RESOURCE_TYPE_GPU)
                        return true;
        return false;
}

bool ecs_needs_gpu(const struct task_request *request)
{
        const struct ecs_task_definition *definition = request->definition->state->definition;

        for (uint32_t i = 0; i < definition->container_definitions.n; i++)
                if (list_has_gpu(&definition->container_definitions.items[i].resource_requirements))
                        return true;
        for (uint32_t i = 0; request->overrides && i < request->overrides->container_overrides.n; i++)
                if (list_has_gpu(&request->overrides->container_overrides.items[i].resource_requirements))
                        return true;
        return false;
}

/* ---- Tags ---- */

static int make_tags(struct api_call *call, const struct task_input *in, const struct task_request *request, struct ecs_tag_list *out)
{
        int r = ecs_check_tags(call, in->tags);

        if (r != 0)
                return r;
        if (in->propagate_tags == ECS_PROPAGATE_TAGS_SERVICE)
                return api_fail(call, INVALID, "propagateTags: SERVICE is for services; use TASK_DEFINITION.");
        if (in->propagate_tags == ECS_PROPAGATE_TAGS_TASK_DEFINITION)
                *out = request->definition->state->tags;
        ecs_merge_tags(out, in->tags, call->arena);
        if (in->managed_tags) {
                struct ecs_tag cluster = {.key = "aws:ecs:clusterName", .value = request->cluster->state->name};

                ecs_merge_tags(out, &(struct ecs_tag_list){&cluster, 1}, call->arena);
        }
        return 0;
}

int ecs_prepare_task(struct api_call *call, struct cluster *cluster, const struct task_input *in, struct task_request *ret)
{
        struct task_request request = {.cluster = cluster, .started_by = in->started_by};
        const struct ecs_task_definition *definition;
        struct task_definition *found;
        int r = ecs_runnable_task_definition(call, in->task_definition, &found);

        if (r != 0)
                return r;
        request.definition = found;
        definition = found->state->definition;
        r = check_texts(call, in);
        if (r == 0)
                r = ecs_check_network(call, definition, in->network, in->fargate);
        if (r == 0)
                r = ecs_check_volumes(call, definition, in->volumes->n);
        if (r == 0)
                r = ecs_check_features(call, definition, in->execute_command);
        if (r == 0)
                r = check_overrides(call, definition, in->overrides, &request.overrides);
        if (r == 0)
                r = make_tags(call, in, &request, &request.tags);
        if (r == 0 && in->fargate)
                r = check_fargate_size(call, definition, request.overrides);
        if (r != 0)
                return r;
        if (task_uses_awsvpc(definition)) {
                request.network = in->network;
                request.zones = task_network_zones(call->model, in->network, call->arena);
        }
        request.group = !str_empty(in->group) ? in->group : arena_printf(call->arena, "family:%s", definition->family);
        if (str_empty(request.started_by))
                request.started_by = NULL;
        *ret = request;
        return 0;
}
