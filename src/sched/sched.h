/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler: which container instance a task goes to. Pure: it reads the model, and keeps its own indexes in step with it
 * as an observer, within transactions too.
 *
 *     struct placement_request request = {.cluster = cluster, .cpu = 256, .memory = 512, .group = "family:web", .rules = &rules};
 *     for (i = 0; i < count; i++) {
 *             struct instance *instance = sched_pick(sched, &request);
 *             if (instance == NULL)
 *                     break;                          // sched_explain says why
 *             ... tx_insert(tx, OBJECT_TASK, …);      // before the next pick: it counts from then on
 *     }
 *
 * The cost of a pick does not depend on the number of tasks and grows with the logarithm of the number of instances; the first
 * pick for requirements that were not seen lately looks at every instance of the cluster once. (Strategies that put an
 * attribute after binpack or instanceId look at every instance each time.)
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "model/model.h"
#include "sched/rules.h"

struct sched;

/* What a task needs. Zero what does not matter. */
struct placement_request {
        struct cluster *cluster;
        int32_t cpu, memory;                       /* units, MiB */
        const struct int_list *ports, *ports_udp;  /* fixed host ports; NULL: none */
        const struct ecs_attribute_list *required; /* as in a task definition: a name, and a value when it matters; NULL: none */
        const struct string_list *zones;           /* only instances in one of these (ecs.availability-zone); NULL: any */
        enum ecs_launch_type launch_type;          /* EXTERNAL wants instances with ecs.capability.external, EC2 those without; else any */
        const char *group;                         /* of the task: "family:web", "service:web" */
        const struct placement_rules *rules;       /* NULL: any instance that fits, by chance */

        uint64_t class_id; /* the scheduler's own, 0 at first; clear it when anything above changes */
};

/* One per model, which must outlive it. */
struct sched *sched_new(struct model *model);
/* NULL is fine. Returns NULL. */
struct sched *sched_free(struct sched *sched);

/* Checks the expressions of the rules: -EINVAL with InvalidParameterException. sched_pick wants rules that passed. */
int sched_check_rules(struct sched *sched, const struct placement_rules *rules, struct error *error) MUST_CHECK;

/* The instance for one more task, or NULL when none will do. */
struct instance *sched_pick(struct sched *sched, struct placement_request *request);

/*
 * Why this instance will not do, as ECS says it in failures[].reason: "INACTIVE", "AGENT", "ATTRIBUTE", "LOCATION", "RESOURCE:CPU",
 * "RESOURCE:MEMORY", "RESOURCE:PORTS", "MemberOf placement constraint unsatisfied.", "DistinctInstance placement constraint
 * unsatisfied."; NULL when it will do. For StartTask leave `rules` NULL.
 */
const char *sched_reason(struct sched *sched, struct placement_request *request, struct instance *instance);

struct placement_failure {
        struct instance *instance;
        const char *reason; /* static */
};
struct placement_failures {
        struct placement_failure *items;
        uint32_t n;
};
/*
 * After a pick that found nothing: every instance (at most 100) with its reason, in `arena`. n is 0 when the cluster has no
 * ACTIVE instance at all: RunTask then answers InvalidParameterException "No Container Instances were found in your cluster.".
 */
void sched_explain(struct sched *sched, struct placement_request *request, struct arena *arena, struct placement_failures *ret);
