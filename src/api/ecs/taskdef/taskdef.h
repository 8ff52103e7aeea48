/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may stand in a task definition. RegisterTaskDefinition turns the request into the definition that will be stored
 * (normalise.c), then checks it noun by noun; a file each. Every refusal names the path, the value and the rule. AWS's own words
 * are used where clients (Terraform, CDK, people's scripts) look for them.
 *
 * Refusals are ClientException, as AWS's are, but for values outside of what the API's reference states for a single member
 * (ports, tags, expressions), which are InvalidParameterException.
 */
#pragma once

#include <stdbool.h>

#include "api/ecs.idl.h"
#include "base/arena.h"
#include "base/error.h"

/* A definition while it is looked at. */
struct taskdef {
        struct ecs_task_definition *def; /* normalised, mutable, in `arena` */
        struct arena *arena;
        struct error *error;
        const char *account; /* of this installation: role names become ARNs */
        int64_t cpu, memory; /* task level, units and MiB; 0: not given */
};

/* Both return -EINVAL: `return taskdef_refuse(t, "%s.memory: …", path);` */
int taskdef_refuse(struct taskdef *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
int taskdef_refuse_value(struct taskdef *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Loop over the containers: `c` and its index `i`. */
#define TASKDEF_FOR_EACH_CONTAINER(t, c, i)                                                                                           \
        for (uint32_t i = 0; i < (t)->def->container_definitions.n; i++)                                                              \
                for (struct ecs_container_definition *c = &(t)->def->container_definitions.items[i], *c##_once = c; c##_once != NULL; \
                     c##_once = NULL)

/* The container of that name, or NULL. */
struct ecs_container_definition *taskdef_container(const struct taskdef *t, const char *name);
struct ecs_volume *taskdef_volume(const struct taskdef *t, const char *name);
bool taskdef_requires(const struct taskdef *t, enum ecs_compatibility compatibility);
bool taskdef_is_windows(const struct taskdef *t);
/* host or awsvpc: the task's containers share one network, so ports are not mapped. */
bool taskdef_shares_network(const struct taskdef *t);
bool container_is_essential(const struct ecs_container_definition *c);

/* Builds the definition from the request and fills in what AWS fills in. Sizes are parsed here. */
int taskdef_normalise(struct taskdef *t, const struct ecs_register_task_definition_request *in) MUST_CHECK;

/* The nouns. */
int taskdef_check_task(struct taskdef *t) MUST_CHECK;        /* task.c: roles, modes, placement, proxy */
int taskdef_check_containers(struct taskdef *t) MUST_CHECK;  /* containers.c */
int taskdef_check_environment(struct taskdef *t) MUST_CHECK; /* environment.c: environment, secrets, files */
int taskdef_check_linux(struct taskdef *t) MUST_CHECK;       /* linux.c: capabilities, devices, tmpfs, ulimits, sysctls */
int taskdef_check_logs(struct taskdef *t) MUST_CHECK;        /* logs.c: drivers, FireLens */
int taskdef_check_ports(struct taskdef *t) MUST_CHECK;       /* ports.c */
int taskdef_check_volumes(struct taskdef *t) MUST_CHECK;     /* volumes.c: volumes, mounts, volumesFrom */
int taskdef_check_graph(struct taskdef *t) MUST_CHECK;       /* graph.c: dependsOn, links, cycles */
int taskdef_check_sizes(struct taskdef *t) MUST_CHECK;       /* sizes.c: cpu and memory */

/* Whether the definition can run with one launch type; the error says why not. compat.c */
int taskdef_check_compatibility(struct taskdef *t, enum ecs_compatibility compatibility) MUST_CHECK;
/* Fills in `compatibilities`: refuses when one that is required does not fit. */
int taskdef_set_compatibilities(struct taskdef *t) MUST_CHECK;
/* Fills in `requiresAttributes`: what a container instance must announce. attributes.c */
void taskdef_set_attributes(struct taskdef *t);

/* All of it, in order. */
int taskdef_make(struct taskdef *t, const struct ecs_register_task_definition_request *in) MUST_CHECK;

/* sizes.c: "1 vCPU", ".5vcpu", "512" → units; "2GB", "0.5 GB", "512" → MiB. -EINVAL for anything else. Also for overrides. */
int taskdef_parse_cpu(const char *text, int64_t *ret) MUST_CHECK;
int taskdef_parse_memory(const char *text, int64_t *ret) MUST_CHECK;
/* Ephemeral storage that can be asked for. */
#define TASKDEF_STORAGE_MIN_GIB 21
#define TASKDEF_STORAGE_MAX_GIB 200
/* "No Fargate configuration exists for given values" and so on; also for overrides. */
int taskdef_check_fargate_size(int64_t cpu, int64_t memory, struct error *error) MUST_CHECK;
