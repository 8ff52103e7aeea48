/* SPDX-License-Identifier: Apache-2.0 */
/* One container of a payload: the members of acs.Container that come from the definition and its override. */
#include "api/agent/payload.h"

#include <stdio.h>
#include <string.h>

#include "base/strutil.h"
#include "control/service/images.h"

/* Seconds a container must have run before its restart policy starts it again. */
#define RESTART_ATTEMPT_PERIOD 300

/* The override's variables win over the definition's; what the agent does not set by itself is added. */
static void environment(const struct payload_container_source *source, struct arena *arena, struct string_map *out)
{
        const struct ecs_key_value_pair_list *own = &source->container->environment;

        for (uint32_t i = 0; i < own->n; i++)
                if (own->items[i].name)
                        string_map_set(arena, out, own->items[i].name, own->items[i].value ? own->items[i].value : "");
        for (uint32_t i = 0; source->over && i < source->over->environment.n; i++) {
                const struct ecs_key_value_pair *pair = &source->over->environment.items[i];

                if (pair->name)
                        string_map_set(arena, out, pair->name, pair->value ? pair->value : "");
        }
        if (!string_map_get(out, "AWS_EXECUTION_ENV"))
                string_map_set(arena, out, "AWS_EXECUTION_ENV",
                               source->task->state->launch_type == ECS_LAUNCH_TYPE_FARGATE ? "AWS_ECS_FARGATE" : "AWS_ECS_EC2");
}

static void environment_files(const struct ecs_environment_file_list *in, struct arena *arena, struct acs_container *out)
{
        for (uint32_t i = 0; i < in->n; i++) {
                struct acs_environment_file *file = SHAPE_PUSH(arena, &out->environment_files);

                file->type = "s3";
                file->value = in->items[i].value;
        }
}

static void ports(const struct payload_container_source *source, struct arena *arena, struct acs_container *out)
{
        const struct ecs_port_mapping_list *in = &source->container->port_mappings;
        /* In these modes a container's port is the host's (or the task interface's) port of the same number. */
        bool same =
                source->definition->network_mode == ECS_NETWORK_MODE_HOST || source->definition->network_mode == ECS_NETWORK_MODE_AWSVPC;

        for (uint32_t i = 0; i < in->n; i++) {
                const struct ecs_port_mapping *port = &in->items[i];
                struct acs_port_mapping *p = SHAPE_PUSH(arena, &out->port_mappings);

                p->protocol = port->protocol == ECS_TRANSPORT_PROTOCOL_UDP ? "udp" : "tcp";
                if (port->container_port_range) {
                        p->container_port_range = port->container_port_range;
                        continue;
                }
                SHAPE_SET(p, acs_port_mapping, container_port, port->container_port);
                SHAPE_SET(p, acs_port_mapping, host_port, same ? port->container_port : port->host_port);
        }
}

static void mounts(const struct ecs_container_definition *in, struct arena *arena, struct acs_container *out)
{
        for (uint32_t i = 0; i < in->mount_points.n; i++) {
                struct acs_mount_point *m = SHAPE_PUSH(arena, &out->mount_points);

                m->source_volume = in->mount_points.items[i].source_volume;
                m->container_path = in->mount_points.items[i].container_path;
                SHAPE_SET(m, acs_mount_point, read_only, in->mount_points.items[i].read_only);
        }
        for (uint32_t i = 0; i < in->volumes_from.n; i++) {
                struct acs_volume_from *v = SHAPE_PUSH(arena, &out->volumes_from);

                v->source_container = in->volumes_from.items[i].source_container;
                SHAPE_SET(v, acs_volume_from, read_only, in->volumes_from.items[i].read_only);
        }
}

static void order(const struct ecs_container_definition *in, struct arena *arena, struct acs_container *out)
{
        for (uint32_t i = 0; i < in->depends_on.n; i++) {
                struct acs_container_dependency *d = SHAPE_PUSH(arena, &out->depends_on);

                d->container_name = in->depends_on.items[i].container_name;
                d->condition = shape_enum_name(&ecs_container_condition_enum, in->depends_on.items[i].condition);
        }
        if (in->start_timeout > 0)
                SHAPE_SET(out, acs_container, start_timeout, in->start_timeout);
        if (in->stop_timeout > 0)
                SHAPE_SET(out, acs_container, stop_timeout, in->stop_timeout);
        if (in->restart_policy && in->restart_policy->enabled) {
                struct acs_restart_policy *policy = ARENA_NEW(arena, struct acs_restart_policy);

                SHAPE_SET(policy, acs_restart_policy, enabled, true);
                policy->ignored_exit_codes = in->restart_policy->ignored_exit_codes;
                SHAPE_SET(policy, acs_restart_policy, restart_attempt_period,
                          SHAPE_HAS(in->restart_policy, ecs_container_restart_policy, restart_attempt_period)
                                  ? in->restart_policy->restart_attempt_period
                                  : RESTART_ATTEMPT_PERIOD);
                out->restart_policy = policy;
        }
}

/* Part `index` (counted from 0) of "arn:aws:ssm:REGION:…", or NULL when `text` is no ARN. */
static const char *arn_part(const char *text, int index, struct arena *arena)
{
        if (!str_starts_with(text, "arn:"))
                return NULL;
        for (; index > 0; index--) {
                text = strchr(text, ':');
                if (!text)
                        return NULL;
                text++;
        }
        return arena_strndup(arena, text, strcspn(text, ":"));
}

static void secret(const struct model *model, const struct ecs_secret *in, const char *target, struct arena *arena,
                   struct acs_container *out)
{
        const char *service = arn_part(in->value_from, 2, arena), *region = arn_part(in->value_from, 3, arena);
        struct acs_secret *s = SHAPE_PUSH(arena, &out->secrets);

        s->name = in->name;
        s->value_from = in->value_from;
        s->region = str_empty(region) ? model_region(model) : region;
        s->provider = str_eq(service, "secretsmanager") ? "asm" : "ssm";
        s->type = "ENVIRONMENT_VARIABLE";
        s->target = target;
}

static void secrets(const struct payload_container_source *source, struct arena *arena, struct acs_container *out)
{
        const struct ecs_container_definition *in = source->container;
        const struct ecs_log_configuration *log = in->log_configuration;

        for (uint32_t i = 0; i < in->secrets.n; i++)
                secret(source->model, &in->secrets.items[i], "CONTAINER", arena, out);
        for (uint32_t i = 0; log && i < log->secret_options.n; i++)
                secret(source->model, &log->secret_options.items[i], "LOG_DRIVER", arena, out);
}

/* "ACCOUNT.dkr.ecr.REGION.amazonaws.com/…": the agent gets a login from ECR by itself when told so. */
static struct acs_ecr_auth_data *ecr_image(const char *image, bool execution_role, struct arena *arena)
{
        char account[13], region[32];
        struct acs_ecr_auth_data *out;
        int end = 0;

        if (!image || sscanf(image, "%12[0-9].dkr.ecr.%31[a-z0-9-].amazonaws.com%n", account, region, &end) != 2 || image[end] == 0 ||
            end == 0)
                return NULL;
        out = ARENA_NEW(arena, struct acs_ecr_auth_data);
        out->registry_id = arena_strdup(arena, account);
        out->region = arena_strdup(arena, region);
        SHAPE_SET(out, acs_ecr_auth_data, use_execution_role, execution_role);
        return out;
}

static void registry(const struct payload_container_source *source, struct arena *arena, struct acs_container *out)
{
        const struct ecs_repository_credentials *login = source->container->repository_credentials;
        struct acs_registry_authentication *auth = ARENA_NEW(arena, struct acs_registry_authentication);

        if (login && login->credentials_parameter) {
                const char *region = arn_part(login->credentials_parameter, 3, arena);

                auth->type = "asm";
                auth->asm_auth_data = ARENA_NEW(arena, struct acs_asm_auth_data);
                auth->asm_auth_data->credentials_parameter = login->credentials_parameter;
                auth->asm_auth_data->region = str_empty(region) ? model_region(source->model) : region;
        } else {
                auth->ecr_auth_data = ecr_image(source->container->image, source->extras->execution_role != NULL, arena);
                auth->type = "ecr";
        }
        if (auth->asm_auth_data || auth->ecr_auth_data)
                out->registry_authentication = auth;
}

static void firelens(const struct ecs_firelens_configuration *in, struct arena *arena, struct acs_container *out)
{
        if (!in)
                return;
        out->firelens_configuration = ARENA_NEW(arena, struct acs_firelens_configuration);
        out->firelens_configuration->type = shape_enum_name(&ecs_firelens_configuration_type_enum, in->type);
        out->firelens_configuration->options = in->options;
}

static void sizes(const struct payload_container_source *source, struct acs_container *out)
{
        const struct ecs_container_definition *in = source->container;
        const struct ecs_container_override *over = source->over;

        SHAPE_SET(out, acs_container, cpu, over && SHAPE_HAS(over, ecs_container_override, cpu) ? over->cpu : in->cpu);
        SHAPE_SET(out, acs_container, memory, over && SHAPE_HAS(over, ecs_container_override, memory) ? over->memory : in->memory);
}

void payload_container(const struct payload_container_source *source, const char *container_arn, struct arena *arena,
                       struct acs_container *ret)
{
        const struct ecs_container_definition *in = source->container;
        const struct ecs_container_override *over = source->over;

        ret->name = in->name;
        ret->image = service_image(source->task, in, arena);
        ret->container_arn = container_arn;
        ret->command = over && over->command.n > 0 ? over->command : in->command;
        ret->entry_point = in->entry_point;
        SHAPE_SET(ret, acs_container, essential, !SHAPE_HAS(in, ecs_container_definition, essential) || in->essential);
        ret->links = in->links;
        /* Any other key in here than "command" would make the agent refuse the whole task. */
        ret->overrides = "{}";
        sizes(source, ret);
        environment(source, arena, &ret->environment);
        environment_files(&in->environment_files, arena, ret);
        if (over)
                environment_files(&over->environment_files, arena, ret);
        ports(source, arena, ret);
        mounts(in, arena, ret);
        order(in, arena, ret);
        secrets(source, arena, ret);
        registry(source, arena, ret);
        firelens(in->firelens_configuration, arena, ret);
        ret->credential_specs = in->credential_specs;
        /* Lower case: with "DOCKER" the agent would not watch the container's health, and would not say so. */
        if (in->health_check)
                ret->health_check_type = "docker";
        if (in->log_configuration && in->log_configuration->log_driver == ECS_LOG_DRIVER_AWSLOGS && source->extras->execution_role)
                ret->logs_auth_strategy = "ExecutionRole";
        ret->docker_config = payload_docker(source, arena);
}
