/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines in the model: launch templates (EC2), launch configurations, Auto Scaling groups with their machines and the newest of
 * their activities. A machine is EC2's instance; when its agent has joined, a container instance has the machine's id as its
 * ec2InstanceId. Who makes machines is control/capacity/group.h's and src/machine's business.
 */
#pragma once

#include "api/autoscaling.idl.h"
#include "model/model.h"

/* Activities that a group keeps. */
#define GROUP_ACTIVITIES 100
/* On container instances that are machines of a group: its name. Tasks of a capacity provider go to no others. */
#define GROUP_ATTRIBUTE "gantry.auto-scaling-group"

struct launch_template {
        struct object object; /* key "lt-…" */
        const struct state_launch_template *state;
};

struct launch_configuration {
        struct object object; /* key: its name */
        const struct state_launch_configuration *state;
};

struct scaling_group {
        struct object object; /* key: its name */
        const struct state_scaling_group *state;
        struct list machines; /* of struct machine, in the order of their making */
        size_t n_machines;
        double reservation; /* CapacityProviderReservation of its provider with managed scaling, as last looked at; not stored */
};

struct machine {
        struct object object; /* key "i-…" */
        const struct state_machine *state;
        struct scaling_group *group;
        struct list in_group;
        int64_t connected_ms; /* when managed scaling first saw its agent connected; not stored */
};

struct group_activity {
        struct object object; /* key "GROUP/NN" */
        const struct state_group_activity *state;
};

/* Each NULL when there is none. */
struct launch_template *model_launch_template(struct model *model, const char *id);
struct launch_template *model_launch_template_by_name(struct model *model, const char *name);
struct launch_configuration *model_launch_configuration(struct model *model, const char *name);
struct scaling_group *model_scaling_group(struct model *model, const char *name);
/* A name, or the ARN of a group of this account and region. */
struct scaling_group *model_find_scaling_group(struct model *model, const char *text);
struct machine *model_machine(struct model *model, const char *id);
/* The machine that a container instance is; the container instance of a machine whose agent has joined. */
struct machine *model_machine_of(struct model *model, const struct instance *instance);
struct instance *model_machine_instance(struct model *model, const struct machine *machine);
/* The group that a capacity provider of that name scales. */
struct scaling_group *model_provider_group(struct model *model, const char *provider);

/* "$Latest", "$Default", digits, or NULL and "" (the default): the version, or NULL. */
const struct state_launch_template_version *launch_template_version(const struct launch_template *template, const char *version);
/* What a machine of the type has: "t3.small", "m5.2xlarge", or any size as "custom.VCPUSxMIB". CPU in units of 1024 a core, memory in MiB.
 * -EINVAL for a name that says no size. */
int instance_type_size(const char *type, int32_t *ret_cpu, int32_t *ret_memory) MUST_CHECK;

/* ARNs, in `arena`. */
char *model_scaling_group_arn(const struct model *model, struct arena *arena, const char *id, const char *name);
char *model_launch_configuration_arn(const struct model *model, struct arena *arena, const char *id, const char *name);
