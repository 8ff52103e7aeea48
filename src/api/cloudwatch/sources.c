/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics that Gantry makes by itself: AWS/ECS from the agents' telemetry (facts of ECS: used CPU and memory of a service's tasks in
 * percent of what they reserve), the reservation of clusters, use of instances, counts.
 */
#include <string.h>

#include "api/agent/agents.h"
#include "api/agent/metrics.h"
#include "api/cloudwatch/common.h"
#include "api/cloudwatch/sources.h"
#include "api/server.h"
#include "base/strutil.h"
#include "model/service.h"

#define COLLECT_S 10
#define INSTANCE_MS 10000

void cloudwatch_add(struct api *api, const char *space, const char *name, const struct metric_dimension *dimensions, uint32_t n,
                    double value, int unit, int64_t now_ms)
{
        const struct metric_id id = {space, name, dimensions, n};

        /* What finds no room is counted, and shown in /metrics. */
        (void)metrics_put_value(api->metrics, &id, value, unit, now_ms);
}

/* ---- Tasks and instances ---- */

static void add_service(struct api *api, const struct task *task, const struct task_sample *sample, int64_t now_ms)
{
        const struct metric_dimension dimensions[] = {{"ClusterName", task->cluster->state->name},
                                                      {"ServiceName", task->service->state->name}};
        double cpu = task->state->cpu, memory = task->state->memory;

        if (cpu > 0 && sample->cpu_percent >= 0)
                cloudwatch_add(api, ECS_SPACE, "CPUUtilization", dimensions, 2, sample->cpu_percent * task->instance->state->cpu / cpu,
                               CLOUDWATCH_STANDARD_UNIT_PERCENT, now_ms);
        if (memory > 0 && sample->memory_mib >= 0)
                cloudwatch_add(api, ECS_SPACE, "MemoryUtilization", dimensions, 2, 100 * sample->memory_mib / memory,
                               CLOUDWATCH_STANDARD_UNIT_PERCENT, now_ms);
}

void cloudwatch_task_sampled(struct api *api, const struct task *task, struct task_sample *sample, int64_t now_ms)
{
        if (task->instance == NULL)
                return;
        if (task->service != NULL)
                add_service(api, task, sample, now_ms);
        cloudwatch_insights_task(api, task, sample, now_ms);
}

void cloudwatch_instance_sampled(struct api *api, const struct instance *instance, struct instance_sample *sample, int64_t now_ms)
{
        const struct metric_dimension dimensions[] = {{"ClusterName", instance->cluster->state->name},
                                                      {"ContainerInstanceId", strrchr(instance->object.key, '/') + 1}};
        const struct {
                const char *name;
                double value;
                int unit;
        } rows[] = {
                {"instance_cpu_utilization", sample->cpu_percent, CLOUDWATCH_STANDARD_UNIT_PERCENT},
                {"instance_memory_utilization", sample->memory_total_mib > 0 ? 100 * sample->memory_mib / sample->memory_total_mib : -1,
                 CLOUDWATCH_STANDARD_UNIT_PERCENT},
                {"instance_filesystem_utilization", sample->root_filesystem_percent, CLOUDWATCH_STANDARD_UNIT_PERCENT},
                {"instance_network_total_bytes", sample->rx_bytes_per_s < 0 ? -1 : sample->rx_bytes_per_s + sample->tx_bytes_per_s,
                 CLOUDWATCH_STANDARD_UNIT_BYTES_SECOND},
                {"instance_number_of_running_tasks", (double)instance->n_running, CLOUDWATCH_STANDARD_UNIT_COUNT},
        };

        if (now_ms - sample->taken_ms < INSTANCE_MS - 500)
                return;
        /* Without the machine's own figures it is a stock agent's, which come seldom, or our agent's first. */
        if (sample->cpu_percent >= 0)
                sample->taken_ms = now_ms;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (rows[i].value >= 0)
                        cloudwatch_add(api, INSIGHTS_SPACE, rows[i].name, dimensions, 2, rows[i].value, rows[i].unit, now_ms);
}

/* ---- Clusters and services ---- */

/* CPU units and MiB that the tasks of an instance use, from their newest samples. */
static void add_used(const struct api *api, const struct instance *instance, double *cpu, double *memory)
{
        if (api->agents == NULL || agent_metrics_count(agents_metrics(api->agents)) == 0)
                return;
        list_for_each (task, &instance->tasks, struct task, in_instance) {
                const struct task_sample *sample = agent_metrics_task(agents_metrics(api->agents), task->object.key);

                if (sample == NULL)
                        continue;
                *cpu += sample->cpu_percent * instance->state->cpu / 100;
                *memory += sample->memory_mib;
        }
}

static void cluster_metrics(struct api *api, const struct cluster *cluster, int64_t now_ms)
{
        const struct metric_dimension dimension = {"ClusterName", cluster->state->name};
        double cpu = 0, memory = 0, cpu_reserved = 0, memory_reserved = 0, cpu_used = 0, memory_used = 0;

        list_for_each (instance, &cluster->instances, struct instance, in_cluster) {
                if (instance->state->status != STATE_INSTANCE_STATUS_ACTIVE && instance->state->status != STATE_INSTANCE_STATUS_DRAINING)
                        continue;
                cpu += instance->state->cpu;
                memory += instance->state->memory;
                cpu_reserved += instance->cpu_used;
                memory_reserved += instance->memory_used;
                add_used(api, instance, &cpu_used, &memory_used);
        }
        const struct {
                const char *space, *name;
                double value;
                bool known;
                int unit;
        } rows[] = {
                {ECS_SPACE, "CPUReservation", 100 * cpu_reserved / MAX(cpu, 1), cpu > 0, CLOUDWATCH_STANDARD_UNIT_PERCENT},
                {ECS_SPACE, "MemoryReservation", 100 * memory_reserved / MAX(memory, 1), memory > 0, CLOUDWATCH_STANDARD_UNIT_PERCENT},
                {ECS_SPACE, "CPUUtilization", 100 * cpu_used / MAX(cpu, 1), cpu > 0, CLOUDWATCH_STANDARD_UNIT_PERCENT},
                {ECS_SPACE, "MemoryUtilization", 100 * memory_used / MAX(memory, 1), memory > 0, CLOUDWATCH_STANDARD_UNIT_PERCENT},
                {INSIGHTS_SPACE, "ContainerInstanceCount", (double)cluster->n_instances, true, CLOUDWATCH_STANDARD_UNIT_COUNT},
                {INSIGHTS_SPACE, "TaskCount", (double)cluster->n_running, true, CLOUDWATCH_STANDARD_UNIT_COUNT},
                {INSIGHTS_SPACE, "ServiceCount", (double)cluster->n_services, true, CLOUDWATCH_STANDARD_UNIT_COUNT},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (rows[i].known)
                        cloudwatch_add(api, rows[i].space, rows[i].name, &dimension, 1, rows[i].value, rows[i].unit, now_ms);
}

static size_t count_list(const struct list *list)
{
        size_t n = 0;

        for (const struct list *item = list->next; item != list; item = item->next)
                n++;
        return n;
}

static size_t count_deployments(const struct service *service)
{
        size_t n = 0;

        list_for_each (deployment, &service->deployments, struct service_deployment, in_service)
                n += deployment->state->status == ECS_SERVICE_DEPLOYMENT_STATUS_IN_PROGRESS ||
                     deployment->state->status == ECS_SERVICE_DEPLOYMENT_STATUS_PENDING;
        return MAX(n, 1); /* the one that stands counts as ECS shows it */
}

static void service_metrics(struct api *api, const struct service *service, int64_t now_ms)
{
        const struct metric_dimension dimensions[] = {{"ClusterName", service->cluster->state->name},
                                                      {"ServiceName", service->state->name}};
        const struct {
                const char *name;
                double value;
        } rows[] = {
                {"RunningTaskCount", (double)service->counts.running},     {"PendingTaskCount", (double)service->counts.pending},
                {"DesiredTaskCount", service->state->desired_count},       {"DeploymentCount", (double)count_deployments(service)},
                {"TaskSetCount", (double)count_list(&service->task_sets)},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                cloudwatch_add(api, INSIGHTS_SPACE, rows[i].name, dimensions, 2, rows[i].value, CLOUDWATCH_STANDARD_UNIT_COUNT, now_ms);
}

void cloudwatch_collect(struct api *api, int64_t now_ms)
{
        cloudwatch_collect_groups(api, now_ms);
        tree_for_each (node, model_objects(api->model, OBJECT_CLUSTER)) {
                const struct cluster *cluster = MODEL_OBJECT(node, cluster);

                if (cluster->state->status == STATE_CLUSTER_STATUS_ACTIVE && !str_eq(cluster->state->name, FARGATE_CLUSTER))
                        cluster_metrics(api, cluster, now_ms);
        }
        tree_for_each (node, model_objects(api->model, OBJECT_SERVICE)) {
                const struct service *service = MODEL_OBJECT(node, service);

                if (service->state->status == STATE_SERVICE_STATUS_ACTIVE)
                        service_metrics(api, service, now_ms);
        }
}

void cloudwatch_second(struct api *api, int64_t now_ms)
{
        if (now_ms / 1000 % COLLECT_S == 0)
                cloudwatch_collect(api, now_ms);
        cloudwatch_collect_providers(api, now_ms);
        metrics_tick(api->metrics, now_ms);
}
