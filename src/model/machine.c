/* SPDX-License-Identifier: Apache-2.0 */
/* See machine.h. */
#include "model/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strutil.h"
#include "model/internal.h"
#include "model/names.h"

#define GROUP_RESOURCE "autoScalingGroup:"
#define GROUP_NAME ":autoScalingGroupName/"

/* ---- Indexes ---- */

int scaling_group_attach(struct model *model, struct object *object)
{
        list_init(&CONTAINER_OF(object, struct scaling_group, object)->machines);
        return 0;
}

void scaling_group_detach(struct model *model, struct object *object)
{
        assert(list_empty(&CONTAINER_OF(object, struct scaling_group, object)->machines));
}

int machine_attach(struct model *model, struct object *object)
{
        struct machine *machine = CONTAINER_OF(object, struct machine, object);

        machine->group = model_scaling_group(model, machine->state->group);
        if (machine->group == NULL)
                return -ENOENT;
        list_push(&machine->group->machines, &machine->in_group);
        machine->group->n_machines++;
        return 0;
}

void machine_detach(struct model *model, struct object *object)
{
        struct machine *machine = CONTAINER_OF(object, struct machine, object);

        list_remove(&machine->in_group);
        machine->group->n_machines--;
}

/* ---- Finding ---- */

static struct object *find(const struct model *model, enum object_kind kind, const char *key)
{
        struct tree_node *node = tree_find(model_objects(model, kind), key != NULL ? key : "");

        return node != NULL ? CONTAINER_OF(node, struct object, node) : NULL;
}

struct launch_template *model_launch_template(struct model *model, const char *id)
{
        return (struct launch_template *)(void *)find(model, OBJECT_LAUNCH_TEMPLATE, id);
}

struct launch_template *model_launch_template_by_name(struct model *model, const char *name)
{
        tree_for_each (node, model_objects(model, OBJECT_LAUNCH_TEMPLATE)) {
                struct launch_template *template = MODEL_OBJECT(node, launch_template);

                if (str_eq(template->state->name, name))
                        return template;
        }
        return NULL;
}

struct launch_configuration *model_launch_configuration(struct model *model, const char *name)
{
        return (struct launch_configuration *)(void *)find(model, OBJECT_LAUNCH_CONFIGURATION, name);
}

struct scaling_group *model_scaling_group(struct model *model, const char *name)
{
        return (struct scaling_group *)(void *)find(model, OBJECT_SCALING_GROUP, name);
}

struct scaling_group *model_find_scaling_group(struct model *model, const char *text)
{
        struct scaling_group *group;
        const char *name;
        struct arn arn;

        if (!str_starts_with(text, "arn:"))
                return model_scaling_group(model, text);
        if (arn_parse(text, &arn) < 0 || !str_eq(arn.service, "autoscaling") || !str_starts_with(arn.resource, GROUP_RESOURCE))
                return NULL;
        name = strstr(arn.resource, GROUP_NAME);
        group = name != NULL ? model_scaling_group(model, name + strlen(GROUP_NAME)) : NULL;
        /* The id in it tells a group from an earlier one of that name. */
        return group != NULL && str_eq(group->state->group->auto_scaling_group_arn, text) ? group : NULL;
}

struct machine *model_machine(struct model *model, const char *id)
{
        return (struct machine *)(void *)find(model, OBJECT_MACHINE, id);
}

struct machine *model_machine_of(struct model *model, const struct instance *instance)
{
        return instance != NULL ? model_machine(model, instance->state->ec2_instance_id) : NULL;
}

struct instance *model_machine_instance(struct model *model, const struct machine *machine)
{
        if (machine->state->cluster == NULL || machine->state->instance == NULL)
                return NULL;
        return model_instance(model, machine->state->cluster, machine->state->instance);
}

struct scaling_group *model_provider_group(struct model *model, const char *provider)
{
        const struct capacity_provider *found = provider != NULL ? model_capacity_provider(model, provider) : NULL;
        const struct ecs_auto_scaling_group_provider *group = found != NULL ? found->state->provider->auto_scaling_group_provider : NULL;

        return group != NULL ? model_find_scaling_group(model, group->auto_scaling_group_arn) : NULL;
}

/* ---- Templates and types ---- */

const struct state_launch_template_version *launch_template_version(const struct launch_template *template, const char *version)
{
        int64_t number = template->state->default_;

        if (str_eq(version, "$Latest"))
                number = template->state->latest;
        else if (!str_empty(version) && !str_eq(version, "$Default") && str_to_int64(version, &number) < 0)
                return NULL;
        for (uint32_t i = 0; i < template->state->versions.n; i++)
                if (template->state->versions.items[i].number == number)
                        return &template->state->versions.items[i];
        return NULL;
}

static int custom_size(const char *text, int32_t *ret_cpu, int32_t *ret_memory)
{
        char *end;
        long cores = strtol(text, &end, 10), memory;

        if (end == text || *end != 'x' || cores < 1 || cores > 1024)
                return -EINVAL;
        text = end + 1;
        memory = strtol(text, &end, 10);
        if (end == text || *end != '\0' || memory < 64 || memory > INT32_MAX)
                return -EINVAL;
        *ret_cpu = (int32_t)cores * 1024;
        *ret_memory = (int32_t)memory;
        return 0;
}

/* Memory of a core, by the family's letters: GiB. */
static const struct {
        const char *family;
        int32_t gib;
} families[] = {{"im", 4}, {"is", 6}, {"inf", 4}, {"a", 2}, {"c", 2}, {"m", 4}, {"t", 4}, {"r", 8},
                {"z", 8},  {"x", 16}, {"i", 8},   {"d", 8}, {"h", 4}, {"g", 4}, {"p", 8}};

/* Sizes below "large" are the T family's, mostly: cores and MiB. */
static const struct {
        const char *size;
        int32_t cores, mib;
} small_sizes[] = {{"nano", 2, 512}, {"micro", 2, 1024}, {"small", 2, 2048}};

int instance_type_size(const char *type, int32_t *ret_cpu, int32_t *ret_memory)
{
        const char *dot = type != NULL ? strchr(type, '.') : NULL, *size = dot != NULL ? dot + 1 : NULL;
        int64_t factor = 1;
        int32_t cores, gib = 0;

        if (size == NULL)
                return -EINVAL;
        if (str_starts_with(type, "custom."))
                return custom_size(size, ret_cpu, ret_memory);
        for (size_t i = 0; i < ARRAY_SIZE(families) && gib == 0; i++)
                if (str_starts_with(type, families[i].family))
                        gib = families[i].gib;
        for (size_t i = 0; i < ARRAY_SIZE(small_sizes); i++)
                if (str_eq(size, small_sizes[i].size)) {
                        *ret_cpu = small_sizes[i].cores * 1024;
                        *ret_memory = small_sizes[i].mib;
                        return 0;
                }
        if (str_ends_with(size, "xlarge")) {
                char digits[8] = "1";
                size_t n = strlen(size) - strlen("xlarge");

                if (n >= sizeof(digits) || (n > 0 && (memcpy(digits, size, n), digits[n] = '\0', str_to_int64(digits, &factor) < 0)))
                        return -EINVAL;
                cores = (int32_t)factor * 4;
        } else if (str_eq(size, "large") || str_eq(size, "medium")) {
                cores = str_eq(size, "medium") && type[0] != 't' ? 1 : 2;
                gib = str_eq(size, "medium") && type[0] == 't' ? gib / 2 : gib;
        } else {
                return -EINVAL;
        }
        if (gib == 0 || factor < 1 || factor > 256)
                return -EINVAL;
        *ret_cpu = cores * 1024;
        *ret_memory = cores * gib * 1024;
        return 0;
}

/* ---- Names ---- */

char *model_scaling_group_arn(const struct model *model, struct arena *arena, const char *id, const char *name)
{
        return arena_printf(arena, "arn:aws:autoscaling:%s:%s:" GROUP_RESOURCE "%s" GROUP_NAME "%s", model_region(model),
                            model_account(model), id, name);
}

char *model_launch_configuration_arn(const struct model *model, struct arena *arena, const char *id, const char *name)
{
        return arena_printf(arena, "arn:aws:autoscaling:%s:%s:launchConfiguration:%s:launchConfigurationName/%s", model_region(model),
                            model_account(model), id, name);
}
