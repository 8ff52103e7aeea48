/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator of a story does, as requests to the API. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ecs.idl.h"
#include "base/alloc.h"
#include "base/strutil.h"
#include "model/service.h"
#include "sim/bugs.h"
#include "sim/node.h"
#include "sim/operator.h"
#include "sim/step.h"
#include "sim/want.h"
#include "sim/world.h"

static const struct shape_limits limits = {.skip_validation = true};

static unsigned long long token(struct sim_world *world)
{
        return (unsigned long long)sim_random_next(&world->chance);
}

/* ---- Task definitions ---- */

/* Every registration is a revision of its own, and the operator knows which: registrations of one family go one after the other. */
void sim_do_task(struct sim_world *world, const struct sim_step *step)
{
        struct sim_want *family = sim_want(world, SIM_WANT_DEFINITION, step->subject), *revision;
        CLEANUP_BUF struct buf json = {0};
        char name[48];

        if (family == NULL)
                family = sim_want_new(world, SIM_WANT_DEFINITION, step->subject);
        (void)snprintf(name, sizeof(name), "%.35s:%d", step->subject, ++family->revisions);
        revision = sim_want_new(world, SIM_WANT_DEFINITION, name);
        (void)snprintf(revision->image, sizeof(revision->image), "%s", step->text[SIM_IMAGE]);
        revision->cpu = (int32_t)sim_step_number(step, SIM_CPU, 128);
        revision->memory = (int32_t)sim_step_number(step, SIM_MEMORY, 128);
        revision->port = (int32_t)sim_step_number(step, SIM_PORT, 0);
        revision->checked = sim_step_has(step, SIM_CHECKED);
        buf_printf(&json, "{\"family\":\"%s\",\"containerDefinitions\":[{\"name\":\"main\",\"image\":\"%s\",\"cpu\":%d,\"memory\":%d",
                   step->subject, revision->image, revision->cpu, revision->memory);
        if (revision->port > 0)
                buf_printf(&json, ",\"portMappings\":[{\"containerPort\":%d,\"hostPort\":%d}]", revision->port, revision->port);
        if (revision->checked)
                buf_append_str(&json, ",\"healthCheck\":{\"command\":[\"CMD\",\"true\"]}");
        buf_append_str(&json, "}]}");
        sim_operate(world, family, "RegisterTaskDefinition", buf_take(&json), NULL, NULL);
}

/* ---- Services ---- */

static void write_deployment(struct sim_world *world, const struct sim_want *want, struct buf *out)
{
        buf_printf(out, ",\"deploymentConfiguration\":{\"minimumHealthyPercent\":%d,\"maximumPercent\":%d",
                   sim_bug_strikes(world, SIM_BUG_FLOOR_LOST) ? 0 : want->min_percent, want->max_percent);
        if (want->breaker && !sim_bug_strikes(world, SIM_BUG_BREAKER_LOST))
                buf_append_str(out, ",\"deploymentCircuitBreaker\":{\"enable\":true,\"rollback\":true}");
        buf_append_char(out, '}');
}

static void write_placement(struct sim_world *world, const struct sim_want *want, const char *pack, struct buf *out)
{
        bool lost = sim_bug_strikes(world, SIM_BUG_OPERATOR_CONSTRAINTS);

        if (!lost && (want->distinct || want->only_zone[0] != '\0')) {
                buf_append_str(out, ",\"placementConstraints\":[");
                if (want->distinct)
                        buf_append_str(out, "{\"type\":\"distinctInstance\"}");
                if (want->only_zone[0] != '\0')
                        buf_printf(out, "%s{\"type\":\"memberOf\",\"expression\":\"attribute:ecs.availability-zone == %s\"}",
                                   want->distinct ? "," : "", want->only_zone);
                buf_append_char(out, ']');
        }
        if (want->spread[0] == '\0' && pack == NULL)
                return;
        buf_append_str(out, ",\"placementStrategy\":[");
        if (want->spread[0] != '\0')
                buf_printf(out, "{\"type\":\"spread\",\"field\":\"%s\"}",
                           str_eq(want->spread, "zone") ? "attribute:ecs.availability-zone" : "instanceId");
        if (pack != NULL)
                buf_printf(out, "%s{\"type\":\"binpack\",\"field\":\"%s\"}", want->spread[0] != '\0' ? "," : "", pack);
        buf_append_char(out, ']');
}

static void write_provider(const char *provider, struct buf *out)
{
        if (!str_empty(provider))
                buf_printf(out, ",\"capacityProviderStrategy\":[{\"capacityProvider\":\"%s\"}]", provider);
}

static void copy(char *to, size_t size, const char *from)
{
        (void)snprintf(to, size, "%s", from != NULL ? from : "");
}

static struct sim_want *service_want(struct sim_world *world, const struct sim_step *step)
{
        struct sim_want *want = sim_want_new(world, SIM_WANT_SERVICE, step->subject);

        want->daemon = sim_step_has(step, SIM_DAEMON);
        want->distinct = sim_step_has(step, SIM_DISTINCT);
        want->breaker = sim_step_has(step, SIM_BREAKER);
        want->high = want->daemon ? INT32_MAX : (int32_t)sim_step_number(step, SIM_COUNT, 1);
        want->min_percent = (int32_t)sim_step_number(step, SIM_MIN, want->daemon ? 0 : 100);
        want->max_percent = (int32_t)sim_step_number(step, SIM_MAX, want->daemon ? 100 : 200);
        copy(want->only_zone, sizeof(want->only_zone), step->text[SIM_ONLY]);
        copy(want->spread, sizeof(want->spread), step->text[SIM_SPREAD]);
        copy(want->provider, sizeof(want->provider), step->text[SIM_PROVIDER]);
        copy(want->revision, sizeof(want->revision), step->text[SIM_TASK]);
        return want;
}

static void on_created(struct sim_world *world, struct sim_want *want, const char *data, const char *answer)
{
        want->promised = true;
        want->desired = want->daemon ? 0 : (int32_t)strtol(data, NULL, 10);
}

void sim_do_create_service(struct sim_world *world, const struct sim_step *step)
{
        CLEANUP_BUF struct buf json = {0};
        struct sim_want *want = sim_want(world, SIM_WANT_SERVICE, step->subject);

        if (want != NULL && (!want->gone || want->asking > 0))
                return;
        if (want != NULL)
                want->name[0] = '\0'; /* an earlier one of this name, deleted: no longer of interest */
        want = service_want(world, step);
        buf_printf(&json, "{\"cluster\":\"%s\",\"serviceName\":\"%s\",\"taskDefinition\":\"%s\",\"clientToken\":\"t-%016llx\"",
                   world->cluster, step->subject, want->revision, token(world));
        if (want->daemon)
                buf_append_str(&json, ",\"schedulingStrategy\":\"DAEMON\"");
        else
                buf_printf(&json, ",\"desiredCount\":%d", want->high);
        write_deployment(world, want, &json);
        write_placement(world, want, step->text[SIM_PACK], &json);
        write_provider(want->provider, &json);
        buf_append_char(&json, '}');
        sim_operate(world, want, "CreateService", buf_take(&json), on_created, xprintf("%d", want->daemon ? 0 : want->high));
}

/* `data` is "COUNT REVISION", COUNT -1 and REVISION empty when they were not asked for. */
static void on_updated(struct sim_world *world, struct sim_want *want, const char *data, const char *answer)
{
        char *end;
        long count = strtol(data, &end, 10);

        if (count >= 0)
                want->desired = (int32_t)count;
        if (end[0] == ' ' && end[1] != '\0')
                copy(want->revision, sizeof(want->revision), end + 1);
}

void sim_do_update_service(struct sim_world *world, const struct sim_step *step)
{
        struct sim_want *want = sim_want(world, SIM_WANT_SERVICE, step->subject);
        CLEANUP_BUF struct buf json = {0};
        int32_t count = -1;

        if (want == NULL || want->gone)
                return;
        buf_printf(&json, "{\"cluster\":\"%s\",\"service\":\"%s\"", world->cluster, step->subject);
        if (sim_step_has(step, SIM_COUNT) && !want->daemon) {
                count = (int32_t)step->number[SIM_COUNT];
                want->high = MAX(want->high, count);
                buf_printf(&json, ",\"desiredCount\":%d", count);
        }
        if (sim_step_has(step, SIM_TASK))
                buf_printf(&json, ",\"taskDefinition\":\"%s\"", step->text[SIM_TASK]);
        if (sim_step_has(step, SIM_FORCE))
                buf_append_str(&json, ",\"forceNewDeployment\":true");
        buf_append_char(&json, '}');
        sim_operate(world, want, "UpdateService", buf_take(&json), on_updated,
                    xprintf("%d %s", count, sim_step_has(step, SIM_TASK) ? step->text[SIM_TASK] : ""));
}

void sim_do_delete_service(struct sim_world *world, const struct sim_step *step)
{
        struct sim_want *want = sim_want(world, SIM_WANT_SERVICE, step->subject);

        if (want == NULL || want->gone)
                return;
        want->gone = true;
        sim_operate(world, want, "DeleteService",
                    xprintf("{\"cluster\":\"%s\",\"service\":\"%s\",\"force\":true}", world->cluster, step->subject), NULL, NULL);
}

/* ---- Tasks ---- */

static void on_run(struct sim_world *world, struct sim_want *want, const char *data, const char *answer)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct ecs_run_task_response *out;
        struct error error = {0};

        if (SHAPE_PARSE(ecs_run_task_response, &arena, answer, strlen(answer), &limits, &out, &error) < 0)
                return;
        for (uint32_t i = 0; i < out->tasks.n; i++) {
                struct sim_want *task = sim_want_new(world, SIM_WANT_TASK, strrchr(out->tasks.items[i].task_arn, '/') + 1);

                (void)snprintf(task->group, sizeof(task->group), "%s", data);
                task->promised = true;
        }
}

void sim_do_run_task(struct sim_world *world, const struct sim_step *step)
{
        int64_t left = sim_step_number(step, SIM_COUNT, 1);

        /* Ten at a time, as the API wants it. */
        for (; left > 0; left -= 10) {
                CLEANUP_BUF struct buf json = {0};

                buf_printf(&json, "{\"cluster\":\"%s\",\"taskDefinition\":\"%s\",\"count\":%d,\"clientToken\":\"r-%016llx\"",
                           world->cluster, step->subject, (int)MIN(left, 10), token(world));
                write_provider(step->text[SIM_PROVIDER], &json);
                buf_append_char(&json, '}');
                sim_operate(world, NULL, "RunTask", buf_take(&json), on_run, xprintf("family:%s", step->subject));
        }
}

/* Calls `each` for up to `max` tasks that the server has running in the service, or else of the family. */
static void each_task(struct sim_world *world, const char *name, int64_t max,
                      void (*each)(struct sim_world *world, struct task *task, void *data), void *data)
{
        struct model *model = world->server.model;
        struct service *service;
        struct cluster *cluster;

        if (model == NULL || (cluster = model_cluster(model, world->cluster)) == NULL)
                return;
        service = model_service(model, world->cluster, name);
        model_for_each_task (task, model, cluster) {
                bool of_it = service != NULL ? str_eq(task->state->service_name, name)
                                             : str_empty(task->state->service_name) && str_eq(task->state->family, name);

                if (max > 0 && of_it && task->state->last_status == STATE_TASK_STATUS_RUNNING &&
                    task->state->desired_status == STATE_TASK_STATUS_RUNNING) {
                        each(world, task, data);
                        max--;
                }
        }
}

static void stop_one(struct sim_world *world, struct task *task, void *data)
{
        struct sim_want *want = sim_want(world, SIM_WANT_TASK, task->state->id);

        if (want == NULL)
                want = sim_want_new(world, SIM_WANT_TASK, task->state->id);
        want->gone = true;
        sim_operate(world, want, "StopTask", xprintf("{\"cluster\":\"%s\",\"task\":\"%s\"}", world->cluster, task->state->id), NULL, NULL);
}

void sim_do_stop_task(struct sim_world *world, const struct sim_step *step)
{
        each_task(world, step->subject, sim_step_number(step, SIM_COUNT, 1), stop_one, NULL);
}

static void on_protected(struct sim_world *world, struct sim_want *want, const char *data, const char *answer)
{
        /* A task that was stopping meanwhile could not be protected: the answer says so. */
        if (strstr(answer, want->name) != NULL && strstr(answer, "\"reason\"") == NULL)
                want->protected_us = strtoll(data, NULL, 10);
}

static void protect_one(struct sim_world *world, struct task *task, void *data)
{
        int64_t minutes = *(int64_t *)data;
        struct sim_want *want = sim_want(world, SIM_WANT_TASK, task->state->id);

        if (want == NULL)
                want = sim_want_new(world, SIM_WANT_TASK, task->state->id);
        sim_operate(world, want, "UpdateTaskProtection",
                    xprintf("{\"cluster\":\"%s\",\"tasks\":[\"%s\"],\"protectionEnabled\":%s,\"expiresInMinutes\":%lld}", world->cluster,
                            task->state->id, sim_bug_strikes(world, SIM_BUG_PROTECTION_LOST) ? "false" : "true", (long long)minutes),
                    on_protected, xprintf("%lld", (long long)world->clock.now_us + (long long)minutes * 60 * SIM_SECOND));
}

void sim_do_protect(struct sim_world *world, const struct sim_step *step)
{
        int64_t minutes = (sim_step_number(step, SIM_FOR, 120 * 60 * SIM_SECOND) + 60 * SIM_SECOND - 1) / (60 * SIM_SECOND);

        minutes = MIN(MAX(minutes, 1), 2880);
        each_task(world, step->subject, sim_step_number(step, SIM_COUNT, 1), protect_one, &minutes);
}

/* ---- Nodes, as the API sees them ---- */

static void each_instance(struct sim_world *world, const struct sim_step *step, const char *operation, const char *format,
                          sim_promised_fn promised)
{
        for (uint32_t i = 0; i < world->n_nodes; i++) {
                struct sim_node *node = world->nodes[i];
                CLEANUP_BUF struct buf json = {0};

                if ((!str_eq(node->name, step->subject) && !str_eq(node->zone, step->subject)) || node->instance[0] == '\0')
                        continue;
                buf_printf(&json, "{\"cluster\":\"%s\",", world->cluster);
                for (const char *p = format; *p != '\0'; p++)
                        if (*p == '@')
                                buf_append_str(&json, node->instance);
                        else
                                buf_append_char(&json, *p);
                sim_operate(world, NULL, operation, buf_take(&json), promised, xstrdup(node->name));
        }
}

void sim_do_drain(struct sim_world *world, const struct sim_step *step)
{
        each_instance(world, step, "UpdateContainerInstancesState", "\"status\":\"DRAINING\",\"containerInstances\":[\"@\"]}", NULL);
}

void sim_do_activate(struct sim_world *world, const struct sim_step *step)
{
        each_instance(world, step, "UpdateContainerInstancesState", "\"status\":\"ACTIVE\",\"containerInstances\":[\"@\"]}", NULL);
}

/* Whoever deregisters a node takes its machine away. */
static void on_deregistered(struct sim_world *world, struct sim_want *want, const char *data, const char *answer)
{
        struct sim_node *node = sim_world_node(world, data);

        sim_node_die(node);
        node->gone = true;
}

void sim_do_deregister(struct sim_world *world, const struct sim_step *step)
{
        each_instance(world, step, "DeregisterContainerInstance",
                      sim_step_has(step, SIM_FORCE) ? "\"force\":true,\"containerInstance\":\"@\"}" : "\"containerInstance\":\"@\"}",
                      on_deregistered);
}
