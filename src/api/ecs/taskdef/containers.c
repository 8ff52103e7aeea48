/* SPDX-License-Identifier: Apache-2.0 */
/* A container definition's own members: names, health, times, names on the network. */
#include <arpa/inet.h>

#include "api/ecs/taskdef/taskdef.h"
#include "base/strutil.h"

#define MAX_EXIT_CODES 50

static int check_names(struct taskdef *t, const struct ecs_container_definition *c, uint32_t i)
{
        if (str_empty(c->name))
                return taskdef_refuse(t, "Container.name should not be null or empty. (containerDefinitions[%u])", i);
        if (!str_is_name(c->name, "-_", 255))
                return taskdef_refuse(t,
                                      "containerDefinitions[%u].name: a container name has 1 to 255 letters, digits, hyphens and "
                                      "underscores, not \"%.260s\".",
                                      i, c->name);
        if (taskdef_container(t, c->name) != c)
                return taskdef_refuse(t, "containerDefinitions[%u].name: \"%s\" is given twice; container names must be unique.", i,
                                      c->name);
        if (str_empty(c->image))
                return taskdef_refuse(t, "Container.image should not be null or empty. (container '%s')", c->name);
        if (!str_is_name(c->image, "-_.:/@#", 255))
                return taskdef_refuse(
                        t, "Invalid setting for container '%s'. image: 1 to 255 letters, digits and - _ . : / @ # are allowed.", c->name);
        return 0;
}

/* Ranges of single numbers, as a table. */
static int check_ranges(struct taskdef *t, const struct ecs_container_definition *c)
{
        const struct ecs_health_check *h = c->health_check;
        const struct ecs_container_restart_policy *p = c->restart_policy;
        const struct {
                const char *member;
                bool given;
                int64_t value, min, max;
        } rows[] = {
                {"healthCheck.interval", h != NULL, h != NULL ? h->interval : 0, 5, 300},
                {"healthCheck.timeout", h != NULL, h != NULL ? h->timeout : 0, 2, 60},
                {"healthCheck.retries", h != NULL, h != NULL ? h->retries : 0, 1, 10},
                {"healthCheck.startPeriod", h != NULL, h != NULL ? h->start_period : 0, 0, 300},
                {"restartPolicy.restartAttemptPeriod", p != NULL && SHAPE_HAS(p, ecs_container_restart_policy, restart_attempt_period),
                 p != NULL ? p->restart_attempt_period : 0, 60, 1800},
                {"startTimeout", SHAPE_HAS(c, ecs_container_definition, start_timeout), c->start_timeout, 2, INT32_MAX},
                {"stopTimeout", SHAPE_HAS(c, ecs_container_definition, stop_timeout), c->stop_timeout, 0, INT32_MAX},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                if (!rows[i].given || (rows[i].value >= rows[i].min && rows[i].value <= rows[i].max))
                        continue;
                if (rows[i].max == INT32_MAX)
                        return taskdef_refuse(t, "Invalid setting for container '%s'. %s: %lld is less than %lld seconds.", c->name,
                                              rows[i].member, (long long)rows[i].value, (long long)rows[i].min);
                return taskdef_refuse(t, "Invalid setting for container '%s'. %s: %lld is not in %lld..%lld.", c->name, rows[i].member,
                                      (long long)rows[i].value, (long long)rows[i].min, (long long)rows[i].max);
        }
        return 0;
}

static int check_health(struct taskdef *t, const struct ecs_container_definition *c)
{
        const struct string_list *command;

        if (c->health_check == NULL)
                return 0;
        command = &c->health_check->command;
        if (command->n == 0)
                return taskdef_refuse(t, "Invalid setting for container '%s'. healthCheck.command: must not be empty.", c->name);
        if (str_eq(command->items[0], "CMD-SHELL") && command->n != 2)
                return taskdef_refuse(
                        t, "Invalid setting for container '%s'. healthCheck.command: CMD-SHELL takes one string, a shell command.",
                        c->name);
        if (str_eq(command->items[0], "CMD") && command->n < 2)
                return taskdef_refuse(t, "Invalid setting for container '%s'. healthCheck.command: CMD takes a command and its arguments.",
                                      c->name);
        if (!str_eq(command->items[0], "CMD") && !str_eq(command->items[0], "CMD-SHELL") && !str_eq(command->items[0], "NONE"))
                return taskdef_refuse(
                        t,
                        "Invalid setting for container '%s'. healthCheck.command: must begin with CMD, CMD-SHELL or NONE, not \"%.100s\".",
                        c->name, command->items[0]);
        return 0;
}

static int check_restart(struct taskdef *t, const struct ecs_container_definition *c)
{
        const struct ecs_container_restart_policy *p = c->restart_policy;

        if (p == NULL)
                return 0;
        if (p->ignored_exit_codes.n > MAX_EXIT_CODES)
                return taskdef_refuse(t, "Invalid setting for container '%s'. restartPolicy.ignoredExitCodes: at most %d codes.", c->name,
                                      MAX_EXIT_CODES);
        if (!p->enabled && (p->ignored_exit_codes.n > 0 || SHAPE_HAS(p, ecs_container_restart_policy, restart_attempt_period)))
                return taskdef_refuse(
                        t,
                        "Invalid setting for container '%s'. restartPolicy: ignoredExitCodes and restartAttemptPeriod need enabled=true.",
                        c->name);
        return 0;
}

/* Members that name things on the network, and where they make no sense. */
static int check_network_members(struct taskdef *t, const struct ecs_container_definition *c)
{
        enum ecs_network_mode mode = t->def->network_mode;
        const struct {
                const char *member;
                bool given, bridge_only;
        } rows[] = {
                {"links", c->links.n > 0, true},
                {"hostname", !str_empty(c->hostname), false},
                {"extraHosts", c->extra_hosts.n > 0, false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                if (rows[i].given && mode == ECS_NETWORK_MODE_AWSVPC)
                        return taskdef_refuse(t, "Invalid setting for container '%s'. %s is not supported when networkMode=awsvpc.",
                                              c->name, rows[i].member);
                if (rows[i].given && rows[i].bridge_only && mode != ECS_NETWORK_MODE_BRIDGE)
                        return taskdef_refuse(t, "Invalid setting for container '%s'. %s is only supported when networkMode=bridge.",
                                              c->name, rows[i].member);
        }
        return 0;
}

static bool is_address(const char *text)
{
        unsigned char bytes[sizeof(struct in6_addr)];

        return text != NULL && (inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1);
}

static int check_hosts(struct taskdef *t, const struct ecs_container_definition *c)
{
        if (!str_empty(c->hostname) && !str_is_name(c->hostname, "-.", 255))
                return taskdef_refuse(t, "Invalid setting for container '%s'. hostname: letters, digits, hyphens and dots are allowed.",
                                      c->name);
        for (uint32_t i = 0; i < c->dns_servers.n; i++)
                if (!is_address(c->dns_servers.items[i]))
                        return taskdef_refuse(t, "Invalid setting for container '%s'. dnsServers[%u]: \"%.60s\" is not an IP address.",
                                              c->name, i, c->dns_servers.items[i]);
        for (uint32_t i = 0; i < c->extra_hosts.n; i++) {
                if (str_empty(c->extra_hosts.items[i].hostname))
                        return taskdef_refuse(t, "Invalid setting for container '%s'. extraHosts[%u].hostname: must not be empty.", c->name,
                                              i);
                if (!is_address(c->extra_hosts.items[i].ip_address))
                        return taskdef_refuse(
                                t, "Invalid setting for container '%s'. extraHosts[%u].ipAddress: \"%.60s\" is not an IP address.", c->name,
                                i, c->extra_hosts.items[i].ip_address);
        }
        return 0;
}

static bool is_accelerator(const struct taskdef *t, const char *name)
{
        for (uint32_t i = 0; i < t->def->inference_accelerators.n; i++)
                if (str_eq(t->def->inference_accelerators.items[i].device_name, name))
                        return true;
        return false;
}

static int check_resources(struct taskdef *t, const struct ecs_container_definition *c)
{
        for (uint32_t i = 0; i < c->resource_requirements.n; i++) {
                const struct ecs_resource_requirement *r = &c->resource_requirements.items[i];
                int64_t n;

                if (r->type == ECS_RESOURCE_TYPE_GPU && (str_to_int64(r->value, &n) < 0 || n < 1 || n > 1000))
                        return taskdef_refuse(
                                t,
                                "Invalid setting for container '%s'. resourceRequirements[%u].value: GPU takes a number of 1 or more, not "
                                "\"%.60s\".",
                                c->name, i, r->value);
                if (r->type == ECS_RESOURCE_TYPE_INFERENCEACCELERATOR && !is_accelerator(t, r->value))
                        return taskdef_refuse(t,
                                              "Invalid setting for container '%s'. resourceRequirements[%u].value: no "
                                              "inferenceAccelerators entry has the "
                                              "deviceName \"%.100s\".",
                                              c->name, i, r->value);
        }
        return 0;
}

static int check_one(struct taskdef *t, const struct ecs_container_definition *c, uint32_t i)
{
        static int (*const checks[])(struct taskdef * t, const struct ecs_container_definition *c) = {
                check_ranges, check_health, check_restart, check_network_members, check_hosts, check_resources,
        };
        int r = check_names(t, c, i);

        for (size_t k = 0; r == 0 && k < ARRAY_SIZE(checks); k++)
                r = checks[k](t, c);
        return r;
}

int taskdef_check_containers(struct taskdef *t)
{
        bool essential = false;

        TASKDEF_FOR_EACH_CONTAINER (t, c, i) {
                int r = check_one(t, c, i);

                if (r < 0)
                        return r;
                essential |= container_is_essential(c);
        }
        return essential ? 0 : taskdef_refuse(t, "At least one container in a task definition must be essential.");
}
