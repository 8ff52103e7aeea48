/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an instance will do: see requirement.h. */
#include "sched/requirement.h"

#include <string.h>

#include "base/strutil.h"
#include "model/ports.h"

const char *verdict_reason(enum verdict verdict)
{
        static const char *const reasons[VERDICT_MAX] = {
                [VERDICT_INACTIVE] = "INACTIVE",
                [VERDICT_AGENT] = "AGENT",
                [VERDICT_ATTRIBUTE] = "ATTRIBUTE",
                [VERDICT_LOCATION] = "LOCATION",
                [VERDICT_CPU] = "RESOURCE:CPU",
                [VERDICT_MEMORY] = "RESOURCE:MEMORY",
                [VERDICT_PORTS] = "RESOURCE:PORTS",
                [VERDICT_MEMBER_OF] = "MemberOf placement constraint unsatisfied.",
                [VERDICT_DISTINCT] = "DistinctInstance placement constraint unsatisfied.",
        };

        return reasons[verdict];
}

static struct int_list copy_ports(const struct int_list *ports, struct arena *arena)
{
        struct int_list copy = {0};

        if (ports == NULL || ports->n == 0)
                return copy;
        copy.n = ports->n;
        copy.items = arena_memdup(arena, ports->items, ports->n * sizeof(*ports->items));
        return copy;
}

/* Finds the atoms of the attributes that the queries ask for, once. */
static void resolve_names(struct requirement *q, struct arena *arena)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < q->n_queries; i++)
                for (uint32_t k = 0; query_attribute(q->queries[i], k) != NULL; k++)
                        n++;
        q->names = arena_calloc(arena, n + 1, sizeof(*q->names));
        for (uint32_t i = 0; i < q->n_queries; i++)
                for (uint32_t k = 0; query_attribute(q->queries[i], k) != NULL; k++) {
                        const char *text = query_attribute(q->queries[i], k);

                        q->names[q->n_names++] = (struct requirement_name){text, atom_ref(&q->cluster->index->atoms, text)};
                }
}

static int parse_expressions(struct requirement *q, const struct placement_rules *rules, struct arena *arena, struct error *error)
{
        for (uint32_t i = 0; i < rules->n_expressions; i++) {
                int r = query_parse(rules->expressions[i], arena, &q->queries[i], error);

                if (r < 0)
                        return r;
                q->n_queries++;
                q->dynamic_queries |= query_is_dynamic(q->queries[i]);
        }
        return 0;
}

static void resolve_zones(struct requirement *q, struct atoms *atoms, const struct string_list *zones, struct arena *arena)
{
        if (zones == NULL)
                return;
        q->zones = arena_calloc(arena, zones->n + 1, sizeof(struct atom *));
        for (uint32_t i = 0; i < zones->n; i++)
                q->zones[q->n_zones++] = atom_ref(atoms, zones->items[i]);
}

int requirement_init(struct requirement *q, struct index *index, const struct placement_request *request, bool needs_group,
                     struct arena *arena, struct error *error)
{
        const struct ecs_attribute_list *required = request->required;
        int r = 0;

        *q = (struct requirement){
                .cluster = index_cluster(index, request->cluster->object.key), .cpu = request->cpu, .memory = request->memory};
        q->ports = copy_ports(request->ports, arena);
        q->ports_udp = copy_ports(request->ports_udp, arena);
        q->launch_type = request->launch_type;
        q->external = atom_ref(&index->atoms, "ecs.capability.external");
        q->zone = atom_ref(&index->atoms, "ecs.availability-zone");
        resolve_zones(q, &index->atoms, request->zones, arena);
        if (required != NULL && required->n > 0) {
                q->attributes = arena_calloc(arena, required->n, sizeof(*q->attributes));
                q->n_attributes = required->n;
                for (uint32_t i = 0; i < required->n; i++) {
                        q->attributes[i].name = atom_ref(&index->atoms, required->items[i].name);
                        if (!str_empty(required->items[i].value))
                                q->attributes[i].value = atom_ref(&index->atoms, required->items[i].value);
                }
        }
        q->distinct_instance = request->rules != NULL && request->rules->distinct_instance;
        if (q->distinct_instance || needs_group)
                q->group = group_ref(q->cluster, request->group != NULL ? request->group : "");
        if (request->rules != NULL)
                r = parse_expressions(q, request->rules, arena, error);
        resolve_names(q, arena);
        if (r < 0)
                requirement_done(q);
        return r;
}

void requirement_done(struct requirement *q)
{
        struct atoms *atoms = &q->cluster->index->atoms;

        for (uint32_t i = 0; i < q->n_queries; i++)
                query_done(q->queries[i]);
        for (uint32_t i = 0; i < q->n_attributes; i++) {
                atom_unref(atoms, q->attributes[i].name);
                atom_unref(atoms, q->attributes[i].value);
        }
        for (uint32_t i = 0; i < q->n_names; i++)
                atom_unref(atoms, q->names[i].atom);
        for (uint32_t i = 0; i < q->n_zones; i++)
                atom_unref(atoms, q->zones[i]);
        q->zone = atom_unref(atoms, q->zone);
        q->external = atom_unref(atoms, q->external);
        q->group = group_unref(q->group);
        q->n_queries = q->n_attributes = q->n_names = q->n_zones = 0;
}

static bool has_attributes(const struct requirement *q, const struct node *node)
{
        bool external;

        for (uint32_t i = 0; i < q->n_attributes; i++) {
                const struct atom *value = node_attribute(node, q->attributes[i].name);

                if (value == NULL || (q->attributes[i].value != NULL && q->attributes[i].value != value))
                        return false;
        }
        if (q->launch_type != ECS_LAUNCH_TYPE_EXTERNAL && q->launch_type != ECS_LAUNCH_TYPE_EC2)
                return true;
        external = node_attribute(node, q->external) != NULL;
        return external == (q->launch_type == ECS_LAUNCH_TYPE_EXTERNAL);
}

static bool in_zones(const struct requirement *q, const struct node *node)
{
        const struct atom *zone;

        if (q->zones == NULL)
                return true;
        zone = node_attribute(node, q->zone);
        for (uint32_t i = 0; i < q->n_zones; i++)
                if (zone == q->zones[i])
                        return true;
        return false;
}

/* A node as queries see it. */
struct node_view {
        struct query_view view;
        const struct requirement *requirement;
        const struct node *node;
};

static const char *view_attribute(const struct query_view *view, const char *name)
{
        const struct node_view *own = CONTAINER_OF(view, struct node_view, view);
        const struct requirement_name *known = own->requirement->names;
        const struct atom *value;

        while (known->text != name)
                known++;
        value = node_attribute(own->node, known->atom);
        return value != NULL ? value->text : NULL;
}

static bool view_has_group(const struct query_view *view, const char *group)
{
        const struct node *node = CONTAINER_OF(view, struct node_view, view)->node;

        return group_count(group_find(node->cluster, group), node->slot) > 0;
}

/* Whether all queries hold that are (not) dynamic. */
static bool satisfies(const struct requirement *q, const struct node *node, bool dynamic)
{
        struct node_view view = {.view = {.instance = node->instance, .attribute = view_attribute, .has_group = view_has_group},
                                 .requirement = q,
                                 .node = node};

        for (uint32_t i = 0; i < q->n_queries; i++)
                if (query_is_dynamic(q->queries[i]) == dynamic && !query_match_view(q->queries[i], &view.view))
                        return false;
        return true;
}

enum verdict requirement_static(const struct requirement *q, const struct node *node)
{
        if (node->instance->state->status != STATE_INSTANCE_STATUS_ACTIVE)
                return VERDICT_INACTIVE;
        if (!has_attributes(q, node))
                return VERDICT_ATTRIBUTE;
        if (!in_zones(q, node))
                return VERDICT_LOCATION;
        return satisfies(q, node, false) ? VERDICT_FITS : VERDICT_MEMBER_OF;
}

static enum verdict check_resources(const struct requirement *q, const struct instance *instance)
{
        if (q->cpu > instance->state->cpu - instance->cpu_used)
                return VERDICT_CPU;
        if (q->memory > instance->state->memory - instance->memory_used)
                return VERDICT_MEMORY;
        if ((q->ports.n > 0 && port_set_has_any(instance->ports_used, &q->ports)) ||
            (q->ports_udp.n > 0 && port_set_has_any(instance->ports_used_udp, &q->ports_udp)))
                return VERDICT_PORTS;
        return VERDICT_FITS;
}

enum verdict requirement_dynamic(const struct requirement *q, const struct node *node)
{
        enum verdict verdict;

        if (!node->instance->connected)
                return VERDICT_AGENT;
        verdict = check_resources(q, node->instance);
        if (verdict != VERDICT_FITS)
                return verdict;
        if (q->distinct_instance && group_count(q->group, node->slot) > 0)
                return VERDICT_DISTINCT;
        return q->dynamic_queries && !satisfies(q, node, true) ? VERDICT_MEMBER_OF : VERDICT_FITS;
}

/* ECS filters by status, connection, attributes and resources first, and looks at constraints then. */
enum verdict requirement_check(const struct requirement *q, const struct node *node)
{
        enum verdict of_state = requirement_static(q, node), of_moment = requirement_dynamic(q, node);

        if (of_state == VERDICT_INACTIVE || of_moment == VERDICT_FITS)
                return of_state;
        return of_state != VERDICT_FITS ? MIN(of_state, of_moment) : of_moment;
}
