/* SPDX-License-Identifier: Apache-2.0 */
/* Between port mappings, the network's ports and networkBindings. */
#include "agent/engine/ports.h"

#include <errno.h>
#include <stdlib.h>

#include "base/strutil.h"

int ports_parse_range(const char *text, uint32_t *ret_first, uint32_t *ret_last)
{
        char *end = NULL;

        if (text == NULL || *text < '0' || *text > '9')
                return -EINVAL;
        unsigned long first = strtoul(text, &end, 10);
        if (*end != '-' || end[1] < '0' || end[1] > '9')
                return -EINVAL;
        unsigned long last = strtoul(end + 1, &end, 10);
        if (*end != '\0' || first == 0 || last < first || last > 65535)
                return -EINVAL;
        *ret_first = (uint32_t)first;
        *ret_last = (uint32_t)last;
        return 0;
}

int ports_wanted(const struct engine_container *c, struct arena *arena, struct vpc_port **ret, uint32_t *ret_n, struct error *error)
{
        const struct acs_port_mapping_list *list = &c->definition->port_mappings;
        struct vpc_port *ports = arena_calloc(arena, list->n + 1, sizeof(*ports));

        for (uint32_t i = 0; i < list->n; i++) {
                const struct acs_port_mapping *pm = &list->items[i];

                ports[i] = (struct vpc_port){.udp = str_eq(pm->protocol, "udp"), .count = 1};
                if (!str_empty(pm->container_port_range)) {
                        uint32_t first, last;

                        if (ports_parse_range(pm->container_port_range, &first, &last) < 0)
                                return error_set(error, EINVAL, "container %s: containerPortRange \"%s\" is not FIRST-LAST",
                                                 c->definition->name, pm->container_port_range);
                        ports[i].container_port = (uint16_t)first;
                        ports[i].count = (uint16_t)(last - first + 1);
                        continue;
                }
                if (pm->container_port < 1 || pm->container_port > 65535 || pm->host_port < 0 || pm->host_port > 65535)
                        return error_set(error, EINVAL, "container %s: port mapping %d to %d is not possible", c->definition->name,
                                         pm->host_port, pm->container_port);
                ports[i].container_port = (uint16_t)pm->container_port;
                ports[i].host_port = (uint16_t)pm->host_port;
        }
        *ret = ports;
        *ret_n = list->n;
        return 0;
}

void ports_bindings(struct engine_container *c, const struct vpc_port *ports, uint32_t n)
{
        struct arena *arena = &c->task->arena;
        const struct acs_port_mapping_list *wanted = &c->definition->port_mappings;

        c->bindings = (struct ecs_network_binding_list){0};
        for (uint32_t i = 0; i < n; i++) {
                struct ecs_network_binding *b = SHAPE_PUSH(arena, &c->bindings);
                const struct vpc_port *p = &ports[i];

                b->bind_ip = "0.0.0.0";
                b->protocol = p->udp ? ECS_TRANSPORT_PROTOCOL_UDP : ECS_TRANSPORT_PROTOCOL_TCP;
                if (i < wanted->n && !str_empty(wanted->items[i].container_port_range)) {
                        b->container_port_range = arena_strdup(arena, wanted->items[i].container_port_range);
                        b->host_port_range = arena_printf(arena, "%u-%u", p->host_port, p->host_port + MAX(p->count, 1) - 1);
                        continue;
                }
                SHAPE_SET(b, ecs_network_binding, container_port, p->container_port);
                SHAPE_SET(b, ecs_network_binding, host_port, p->host_port);
        }
}
