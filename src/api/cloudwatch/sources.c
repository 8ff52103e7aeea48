/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics that Gantry makes by itself: AWS/ECS from the agents' telemetry (facts of ECS: used CPU and memory of a service's tasks in
 * percent of what they reserve), the reservation of clusters, counts of Container Insights.
 */
#include "api/agent/metrics.h"
#include "api/cloudwatch/common.h"
#include "api/cloudwatch/sources.h"
#include "api/server.h"
#include "base/strutil.h"
#include "model/service.h"

#define ECS_SPACE "AWS/ECS"
#define INSIGHTS_SPACE "ECS/ContainerInsights"

static void put(struct api *api, const char *space, const char *name, const struct metric_dimension *dimensions, uint32_t n, double value,
                int unit, int64_t now_ms)
{
        const struct metric_id id = {space, name, dimensions, n};

        /* What finds no room is counted, and shown in /metrics. */
        (void)metrics_put_value(api->metrics, &id, value, unit, now_ms);
}

void cloudwatch_task_sampled(struct api *api, const struct task *task, const struct task_sample *sample, int64_t now_ms)
{
        double cpu, memory;
        struct metric_dimension dimensions[2];

        if (task->service == NULL || task->instance == NULL)
                return;
        dimensions[0] = (struct metric_dimension){"ClusterName", task->cluster->state->name};
        dimensions[1] = (struct metric_dimension){"ServiceName", task->service->state->name};
        cpu = task->state->cpu;
        memory = task->state->memory;
        if (cpu > 0 && sample->cpu_percent >= 0)
                put(api, ECS_SPACE, "CPUUtilization", dimensions, 2, sample->cpu_percent * task->instance->state->cpu / cpu,
                    CLOUDWATCH_STANDARD_UNIT_PERCENT, now_ms);
        if (memory > 0 && sample->memory_mib >= 0)
                put(api, ECS_SPACE, "MemoryUtilization", dimensions, 2, 100 * sample->memory_mib / memory, CLOUDWATCH_STANDARD_UNIT_PERCENT,
                    now_ms);
}

static void cluster_metrics(struct api *api, const struct cluster *cluster, int64_t now_ms)
{
        const struct metric_dimension dimension = {"ClusterName", cluster->state->name};
        double cpu = 0, memory = 0, cpu_used = 0, memory_used = 0;

        list_for_each (instance, &cluster->instances, struct instance, in_cluster) {
                if (instance->state->status != STATE_INSTANCE_STATUS_ACTIVE && instance->state->status != STATE_INSTANCE_STATUS_DRAINING)
                        continue;
                cpu += instance->state->cpu;
                memory += instance->state->memory;
                cpu_used += instance->cpu_used;
                memory_used += instance->memory_used;
        }
        if (cpu > 0)
                put(api, ECS_SPACE, "CPUReservation", &dimension, 1, 100 * cpu_used / cpu, CLOUDWATCH_STANDARD_UNIT_PERCENT, now_ms);
        if (memory > 0)
                put(api, ECS_SPACE, "MemoryReservation", &dimension, 1, 100 * memory_used / memory, CLOUDWATCH_STANDARD_UNIT_PERCENT,
                    now_ms);
        put(api, INSIGHTS_SPACE, "ContainerInstanceCount", &dimension, 1, (double)cluster->n_instances, CLOUDWATCH_STANDARD_UNIT_COUNT,
            now_ms);
        put(api, INSIGHTS_SPACE, "TaskCount", &dimension, 1, (double)cluster->n_running, CLOUDWATCH_STANDARD_UNIT_COUNT, now_ms);
        put(api, INSIGHTS_SPACE, "ServiceCount", &dimension, 1, (double)cluster->n_services, CLOUDWATCH_STANDARD_UNIT_COUNT, now_ms);
}

static void service_metrics(struct api *api, const struct service *service, int64_t now_ms)
{
        const struct metric_dimension dimensions[] = {{"ClusterName", service->cluster->state->name},
                                                      {"ServiceName", service->state->name}};
        const struct {
                const char *name;
                double value;
        } rows[] = {
                {"RunningTaskCount", (double)service->counts.running},
                {"PendingTaskCount", (double)service->counts.pending},
                {"DesiredTaskCount", service->state->desired_count},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                put(api, INSIGHTS_SPACE, rows[i].name, dimensions, 2, rows[i].value, CLOUDWATCH_STANDARD_UNIT_COUNT, now_ms);
}

void cloudwatch_collect(struct api *api, int64_t now_ms)
{
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
