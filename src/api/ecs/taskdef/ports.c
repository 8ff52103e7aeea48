/* SPDX-License-Identifier: Apache-2.0 */
/* Port mappings: numbers, ranges, names, and collisions inside the task. */
#include <stdio.h>
#include <string.h>

#include "api/ecs/taskdef/taskdef.h"
#include "base/strutil.h"

#define MAX_PORT 65535
#define MAX_RANGES 100
#define MAX_MAPPINGS 1000

/* The container's ports of a mapping: one, or a range. */
struct span {
        int32_t first, last;
};

static bool parse_range(const char *text, struct span *ret)
{
        char first[sizeof("65535")];
        size_t length = strcspn(text, "-");
        int64_t from, to;

        /* Digits and one dash: the parser of numbers would take signs. */
        if (text[length] != '-' || length >= sizeof(first) || strspn(text + length + 1, "0123456789") != strlen(text + length + 1))
                return false;
        memcpy(first, text, length);
        first[length] = '\0';
        if (strspn(first, "0123456789") != length || str_to_int64(first, &from) < 0 || str_to_int64(text + length + 1, &to) < 0)
                return false;
        ret->first = (int32_t)from;
        ret->last = to <= MAX_PORT ? (int32_t)to : INT32_MAX;
        return from >= 1 && to <= MAX_PORT && from < to;
}

static bool span_of(const struct ecs_port_mapping *m, struct span *ret)
{
        if (m->container_port_range != NULL)
                return parse_range(m->container_port_range, ret);
        ret->first = ret->last = m->container_port;
        return true;
}

static int check_range(struct taskdef *t, const struct ecs_port_mapping *m, const char *path)
{
        struct span span;

        if (!parse_range(m->container_port_range, &span))
                return taskdef_refuse_value(t, "%s.containerPortRange: \"%.40s\" is not a range FIRST-LAST within 1..%d.", path,
                                            m->container_port_range, MAX_PORT);
        if (SHAPE_HAS(m, ecs_port_mapping, container_port) || SHAPE_HAS(m, ecs_port_mapping, host_port))
                return taskdef_refuse(t, "%s: containerPortRange excludes containerPort and hostPort.", path);
        if (t->def->network_mode != ECS_NETWORK_MODE_BRIDGE && t->def->network_mode != ECS_NETWORK_MODE_AWSVPC)
                return taskdef_refuse(t, "%s.containerPortRange: only allowed when networkMode is bridge or awsvpc.", path);
        return 0;
}

static int check_numbers(struct taskdef *t, const struct ecs_port_mapping *m, const char *path)
{
        if (m->container_port_range != NULL)
                return check_range(t, m, path);
        if (m->container_port < 1 || m->container_port > MAX_PORT)
                return taskdef_refuse_value(t, "%s.containerPort: %d is not in 1..%d.", path, m->container_port, MAX_PORT);
        if (m->host_port < 0 || m->host_port > MAX_PORT)
                return taskdef_refuse_value(t, "%s.hostPort: %d is not in 0..%d.", path, m->host_port, MAX_PORT);
        if (taskdef_shares_network(t) && m->host_port != m->container_port)
                return taskdef_refuse(t,
                                      "When networkMode=%s, the host ports and container ports in port mappings must match. (%s: hostPort "
                                      "%d, containerPort %d)",
                                      shape_enum_name(&ecs_network_mode_enum, (int)t->def->network_mode), path, m->host_port,
                                      m->container_port);
        return 0;
}

static bool name_valid(const char *name)
{
        size_t n = strlen(name);

        return n >= 1 && n <= 64 && name[0] != '-' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

static int check_name(struct taskdef *t, const struct ecs_port_mapping *m, const char *path)
{
        uint32_t same = 0;

        if (m->name == NULL && m->app_protocol != ECS_APPLICATION_PROTOCOL_UNSET)
                return taskdef_refuse(t, "%s.appProtocol: needs a name for the port mapping.", path);
        if (m->name == NULL)
                return 0;
        if (!name_valid(m->name))
                return taskdef_refuse(t,
                                      "%s.name: 1 to 64 lower-case letters, digits, hyphens and underscores, not \"%.70s\"; it cannot "
                                      "begin with a hyphen.",
                                      path, m->name);
        TASKDEF_FOR_EACH_CONTAINER (t, c, i)
                for (uint32_t k = 0; k < c->port_mappings.n; k++)
                        same += str_eq(c->port_mappings.items[k].name, m->name);
        return same > 1 ? taskdef_refuse(t, "%s.name: \"%s\" is given twice; names of port mappings must be unique in a task definition.",
                                         path, m->name)
                        : 0;
}

/* Whether two mappings want the same port: of the container when they are in one, of the host when it is fixed, of the shared
 * network when there is one. */
static bool collide(const struct taskdef *t, const struct ecs_port_mapping *a, const struct ecs_port_mapping *b, bool same_container)
{
        struct span x, y;

        if (a->protocol != b->protocol)
                return false;
        if (a->container_port_range == NULL && b->container_port_range == NULL && a->host_port != 0 && a->host_port == b->host_port)
                return true;
        /* One port of a container on several ports of the host is fine in bridge mode. */
        if (!taskdef_shares_network(t) && !(same_container && (a->container_port_range != NULL || b->container_port_range != NULL)))
                return false;
        return span_of(a, &x) && span_of(b, &y) && x.first <= y.last && y.first <= x.last;
}

static int check_collisions(struct taskdef *t, const struct ecs_container_definition *c, uint32_t at, const char *path)
{
        const struct ecs_port_mapping *m = &c->port_mappings.items[at];

        TASKDEF_FOR_EACH_CONTAINER (t, other, i) {
                for (uint32_t k = 0; k < other->port_mappings.n; k++) {
                        if (other == c && k == at)
                                return 0; /* the rest is compared when its turn comes */
                        if (collide(t, m, &other->port_mappings.items[k], other == c))
                                return taskdef_refuse(t,
                                                      "%s: uses the same %s port as portMappings[%u] of container '%s'; a port can only be "
                                                      "used once in a "
                                                      "task.",
                                                      path, shape_enum_name(&ecs_transport_protocol_enum, (int)m->protocol), k,
                                                      other->name);
                }
        }
        return 0;
}

static int check_container(struct taskdef *t, const struct ecs_container_definition *c, uint32_t index)
{
        uint32_t ranges = 0;

        if (c->port_mappings.n > 0 && t->def->network_mode == ECS_NETWORK_MODE_NONE)
                return taskdef_refuse(t, "Invalid setting for container '%s'. portMappings is not supported when networkMode=none.",
                                      c->name);
        if (c->port_mappings.n > MAX_MAPPINGS)
                return taskdef_refuse(t, "Invalid setting for container '%s'. portMappings: at most %d.", c->name, MAX_MAPPINGS);
        for (uint32_t k = 0; k < c->port_mappings.n; k++) {
                const char *path = arena_printf(t->arena, "containerDefinitions[%u].portMappings[%u]", index, k);
                const struct ecs_port_mapping *m = &c->port_mappings.items[k];
                int r = check_numbers(t, m, path);

                if (r == 0)
                        r = check_name(t, m, path);
                if (r == 0)
                        r = check_collisions(t, c, k, path);
                if (r < 0)
                        return r;
                ranges += m->container_port_range != NULL;
        }
        return ranges > MAX_RANGES
                       ? taskdef_refuse(t, "Invalid setting for container '%s'. portMappings: at most %d port ranges.", c->name, MAX_RANGES)
                       : 0;
}

int taskdef_check_ports(struct taskdef *t)
{
        TASKDEF_FOR_EACH_CONTAINER (t, c, i) {
                int r = check_container(t, c, i);

                if (r < 0)
                        return r;
        }
        return 0;
}
