/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources and attributes of the registration. The names are those of the stock agent, as far as they are true of this node: the
 * server places a task only where the capabilities are that its definition needs.
 */
#include "agent/channel/capabilities.h"

#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/engine/support.h"
#include "base/strutil.h"

static const char *const capabilities[] = {
        "com.amazonaws.ecs.capability.privileged-container",
        "com.amazonaws.ecs.capability.task-iam-role",
        "com.amazonaws.ecs.capability.task-iam-role-network-host",
        "ecs.capability.container-health-check",
        "ecs.capability.container-ordering",
        "ecs.capability.container-restart-policy",
        "ecs.capability.docker-plugin.local",
        "ecs.capability.execution-role-awslogs",
        "ecs.capability.full-sync",
        "ecs.capability.increased-task-cpu-limit",
        "ecs.capability.network.container-port-range",
        "ecs.capability.pid-ipc-namespace-sharing",
        "ecs.capability.task-cpu-mem-limit",
        /* Ours: the server may send what only this agent understands. */
        "gantry.capability.agent",
        "gantry.capability.fencing",
};

/* Versions of the Docker API whose container options this node knows. */
static const char *const docker_versions[] = {"1.17", "1.18", "1.19", "1.20", "1.21", "1.22", "1.23",
                                              "1.24", "1.25", "1.28", "1.29", "1.30", "1.32"};

#define RESERVED_PORTS "22,2375,2376,51678,51679"

void capabilities_machine(struct machine *ret)
{
        struct utsname uts;
        struct sysinfo info;
        long cores = sysconf(_SC_NPROCESSORS_ONLN);

        *ret = (struct machine){.cpu = MAX(cores, 1) * 1024, .arch = "x86_64"};
        if (sysinfo(&info) == 0)
                ret->memory = (int64_t)(((uint64_t)info.totalram * info.mem_unit) >> 20);
        if (uname(&uts) == 0 && strcmp(uts.machine, "aarch64") == 0)
                ret->arch = "arm64";
}

void capabilities_size(const struct agent_options *options, const struct machine *machine, int64_t *ret_cpu, int64_t *ret_memory)
{
        int64_t cpu = options->total_cpu > 0 ? options->total_cpu : machine->cpu;
        int64_t memory = options->total_memory > 0 ? options->total_memory : machine->memory;

        *ret_cpu = MAX(cpu - options->reserved_cpu, 0);
        *ret_memory = MAX(memory - options->reserved_memory, 0);
}

static void add(struct arena *arena, struct ecs_attribute_list *list, const char *name, const char *value)
{
        struct ecs_attribute *a = SHAPE_PUSH(arena, list);

        a->name = name;
        a->value = value;
}

/* What only a node with networks has. */
static void put_networks(const struct machine *machine, struct arena *arena, struct ecs_attribute_list *list)
{
        add(arena, list, "ecs.capability.task-eni", NULL);
        add(arena, list, "gantry.capability.network", NULL);
        if (machine->address != NULL)
                add(arena, list, "gantry.node-address", machine->address);
        if (machine->beside_server)
                add(arena, list, "gantry.balancers", NULL);
}

static void put_attributes(const struct agent_options *options, const struct machine *machine, bool first, struct arena *arena,
                           struct ecs_attribute_list *list)
{
        for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
                add(arena, list, capabilities[i], NULL);
        for (size_t i = 0; i < ARRAY_SIZE(docker_versions); i++)
                add(arena, list, arena_printf(arena, "com.amazonaws.ecs.capability.docker-remote-api.%s", docker_versions[i]), NULL);
        for (const char *const *driver = support_log_drivers(); *driver != NULL; driver++)
                add(arena, list, arena_printf(arena, "com.amazonaws.ecs.capability.logging-driver.%s", *driver), NULL);
        if (!options->no_network)
                put_networks(machine, arena, list);
        if (!str_empty(options->fargate)) {
                add(arena, list, "gantry.fargate", options->fargate);
                add(arena, list, "gantry.fargate-spot", NULL);
        }
        add(arena, list, "ecs.os-type", "linux");
        add(arena, list, "ecs.os-family", "LINUX");
        add(arena, list, "ecs.cpu-architecture", machine->arch);
        if (!str_empty(options->availability_zone))
                add(arena, list, "ecs.availability-zone", options->availability_zone);
        if (!str_empty(options->instance_type))
                add(arena, list, "ecs.instance-type", options->instance_type);
        for (uint32_t i = 0; first && i < options->n_attributes; i++)
                add(arena, list, options->attributes[i].name, options->attributes[i].value);
}

static void put_ports(const char *name, const char *text, struct arena *arena, struct ecs_resource_list *list)
{
        struct ecs_resource *r = SHAPE_PUSH(arena, list);
        char *copy = arena_strdup(arena, text), *save = NULL;

        r->name = name;
        r->type = "STRINGSET";
        r->string_set_value.items = arena_calloc(arena, 1, sizeof(char *)); /* an empty set is sent too */
        for (char *word = strtok_r(copy, ", []", &save); word != NULL; word = strtok_r(NULL, ", []", &save))
                string_list_push(arena, &r->string_set_value, word);
}

static void put_number(const char *name, int64_t value, struct arena *arena, struct ecs_resource_list *list)
{
        struct ecs_resource *r = SHAPE_PUSH(arena, list);

        r->name = name;
        r->type = "INTEGER";
        SHAPE_SET(r, ecs_resource, integer_value, (int32_t)MIN(value, INT32_MAX));
}

void capabilities_request(const struct agent_options *options, const struct machine *machine, bool first, struct arena *arena,
                          struct ecs_register_container_instance_request *ret)
{
        int64_t cpu, memory;

        capabilities_size(options, machine, &cpu, &memory);
        put_number("CPU", cpu, arena, &ret->total_resources);
        put_number("MEMORY", memory, arena, &ret->total_resources);
        put_ports("PORTS", options->reserved_ports != NULL ? options->reserved_ports : RESERVED_PORTS, arena, &ret->total_resources);
        put_ports("PORTS_UDP", options->reserved_ports_udp != NULL ? options->reserved_ports_udp : "", arena, &ret->total_resources);
        put_attributes(options, machine, first, arena, &ret->attributes);
        ret->instance_identity_document = "";
        ret->instance_identity_document_signature = "";
        for (uint32_t i = 0; first && i < options->n_tags; i++) {
                struct ecs_tag *tag = SHAPE_PUSH(arena, &ret->tags);

                tag->key = options->tags[i].name;
                tag->value = options->tags[i].value;
        }
}
