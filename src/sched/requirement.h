/* SPDX-License-Identifier: Apache-2.0 */
/* What a task needs of an instance, prepared for asking many instances. Apart from the strategies: those choose, this excludes. */
#pragma once

#include "base/arena.h"
#include "sched/index.h"
#include "sched/query.h"
#include "sched/sched.h"

enum verdict {
        VERDICT_FITS = 0,
        VERDICT_INACTIVE,
        VERDICT_AGENT,
        VERDICT_ATTRIBUTE,
        VERDICT_LOCATION,
        VERDICT_CPU,
        VERDICT_MEMORY,
        VERDICT_PORTS,
        VERDICT_DISTINCT,
        VERDICT_MEMBER_OF,
        VERDICT_MAX
};

struct requirement {
        struct index_cluster *cluster;
        int32_t cpu, memory;
        struct int_list ports, ports_udp;
        struct node_attribute *attributes; /* value NULL: any */
        uint32_t n_attributes;
        struct atom **zones; /* any of these; NULL: all will do */
        uint32_t n_zones;
        struct atom *zone;     /* "ecs.availability-zone" */
        struct atom *external; /* "ecs.capability.external" */
        enum ecs_launch_type launch_type;
        bool distinct_instance;
        struct group *group; /* NULL when it does not matter */
        struct query *queries[RULES_MAX_CONSTRAINTS];
        uint32_t n_queries;
        bool dynamic_queries; /* one of them looks at tasks or the connection */
        struct requirement_name {
                const char *text; /* as the query has it */
                struct atom *atom;
        } * names; /* that queries ask for */
        uint32_t n_names;
};

/* `needs_group`: strategies look at it too. -EINVAL for an expression that is wrong. Strings and lists are copied into `arena`. */
int requirement_init(struct requirement *requirement, struct index *index, const struct placement_request *request, bool needs_group,
                     struct arena *arena, struct error *error) MUST_CHECK;
void requirement_done(struct requirement *requirement);

/* What the stored state of the instance says: holds until node->state_changed. */
enum verdict requirement_static(const struct requirement *requirement, const struct node *node);
/* What its connection, resources and tasks say; VERDICT_FITS also needs requirement_static's. */
enum verdict requirement_dynamic(const struct requirement *requirement, const struct node *node);
/* The first reason against it in ECS's order. */
enum verdict requirement_check(const struct requirement *requirement, const struct node *node);
/* As in failures[].reason; NULL for VERDICT_FITS. */
const char *verdict_reason(enum verdict verdict);
