/* SPDX-License-Identifier: Apache-2.0 */
/* Counting what tasks take of the machine. */
#include "agent/engine/host_resources.h"

#include <errno.h>
#include <string.h>

#include "agent/engine/ports.h"
#include "base/strutil.h"

void host_resources_init(struct host_resources *resources, int64_t cpu, int64_t memory)
{
        *resources = (struct host_resources){.cpu_total = cpu, .memory_total = memory};
}

int64_t host_resources_cpu(const struct engine_task *task)
{
        int64_t sum = 0;

        if (task->payload->cpu > 0)
                return (int64_t)(task->payload->cpu * 1024 + 0.5);
        for (uint32_t i = 0; i < task->n_containers; i++)
                sum += MAX(task->containers[i].definition->cpu, 0);
        return sum;
}

int64_t host_resources_memory(const struct engine_task *task)
{
        int64_t sum = 0;

        if (task->payload->memory > 0)
                return task->payload->memory;
        for (uint32_t i = 0; i < task->n_containers; i++) {
                const struct engine_container *c = &task->containers[i];

                sum += c->host->memory_reservation > 0 ? c->host->memory_reservation >> 20 : MAX(c->definition->memory, 0);
        }
        return sum;
}

/* Calls `fn` for each port of the machine that the task names itself; ends early when it returns false. */
static bool each_port(const struct engine_task *task, bool (*fn)(uint8_t *bits, uint32_t port), uint8_t *tcp, uint8_t *udp)
{
        bool host_mode = str_eq(engine_task_network_mode(task), "host");

        /* Ports of a task with an address of its own are not the machine's. */
        if (engine_task_is_awsvpc(task))
                return true;
        for (uint32_t i = 0; i < task->n_containers; i++) {
                const struct acs_port_mapping_list *list = &task->containers[i].definition->port_mappings;

                for (uint32_t k = 0; k < list->n; k++) {
                        const struct acs_port_mapping *pm = &list->items[k];
                        uint8_t *bits = str_eq(pm->protocol, "udp") ? udp : tcp;
                        uint32_t first = (uint32_t)MAX(pm->host_port, 0), last;

                        if (host_mode && first == 0)
                                first = (uint32_t)MAX(pm->container_port, 0);
                        last = first;
                        if (host_mode && pm->container_port_range != NULL && ports_parse_range(pm->container_port_range, &first, &last) < 0)
                                continue;
                        for (uint32_t port = first; port > 0 && port <= last && port < 65536; port++) {
                                if (!fn(bits, port))
                                        return false;
                        }
                }
        }
        return true;
}

static bool port_is_free(uint8_t *bits, uint32_t port)
{
        return (bits[port / 8] & (1u << (port % 8))) == 0;
}

static bool port_set(uint8_t *bits, uint32_t port)
{
        bits[port / 8] |= (uint8_t)(1u << (port % 8));
        return true;
}

static bool port_clear(uint8_t *bits, uint32_t port)
{
        bits[port / 8] &= (uint8_t) ~(1u << (port % 8));
        return true;
}

int host_resources_check(const struct host_resources *r, const struct engine_task *task, struct error *error)
{
        int64_t cpu = host_resources_cpu(task), memory = host_resources_memory(task);

        if (r->cpu_total > 0 && cpu > r->cpu_total)
                return error_set(error, ERANGE, "the task needs %lld CPU units and this node has %lld", (long long)cpu,
                                 (long long)r->cpu_total);
        if (r->memory_total > 0 && memory > r->memory_total)
                return error_set(error, ERANGE, "the task needs %lld MiB of memory and this node has %lld", (long long)memory,
                                 (long long)r->memory_total);
        return 0;
}

void host_resources_force(struct host_resources *r, const struct engine_task *task)
{
        r->cpu_used += host_resources_cpu(task);
        r->memory_used += host_resources_memory(task);
        (void)each_port(task, port_set, r->tcp, r->udp);
}

bool host_resources_take(struct host_resources *r, const struct engine_task *task)
{
        if (r->cpu_total > 0 && r->cpu_used + host_resources_cpu(task) > r->cpu_total)
                return false;
        if (r->memory_total > 0 && r->memory_used + host_resources_memory(task) > r->memory_total)
                return false;
        if (!each_port(task, port_is_free, r->tcp, r->udp))
                return false;
        host_resources_force(r, task);
        return true;
}

void host_resources_give(struct host_resources *r, const struct engine_task *task)
{
        r->cpu_used -= host_resources_cpu(task);
        r->memory_used -= host_resources_memory(task);
        (void)each_port(task, port_clear, r->tcp, r->udp);
}
