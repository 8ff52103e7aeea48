/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics of clusters, services, instances and load balancers for Prometheus: one row a family and set of dimensions. Counters count from
 * the server's start. There are as many samples as there are such things; single tasks are in the agents' families, metrics that
 * users put are not here.
 */
#include <string.h>

#include "api/cloudwatch/common.h"
#include "api/cloudwatch/sources.h"
#include "api/metrics.h"
#include "api/server.h"
#include "base/strutil.h"

/* A gauge that was not set for so long is not shown. */
#define STALE_MS 90000

enum how { GAUGE = 0, COUNTER, SUMMARY };
static const char *const types[] = {[GAUGE] = "gauge", [COUNTER] = "counter", [SUMMARY] = "summary"};

#define ALB "AWS/ApplicationELB"
#define NLB "AWS/NetworkELB"
#define CLUSTER "ClusterName"
#define SERVICE "ClusterName,ServiceName"
#define INSTANCE "ClusterName,ContainerInstanceId"
#define BALANCER "LoadBalancer"
#define GROUP "LoadBalancer,TargetGroup"

/* Rows of one family stand together. */
static const struct exposed {
        const char *name, *help;
        enum how how;
        const char *space, *metric, *dimensions;
        const char *more; /* labels beside those of the dimensions; NULL: none */
} families[] = {
        {"gantry_cluster_cpu_utilization_percent", "Processor time that tasks use, of what the instances have.", GAUGE, ECS_SPACE,
         "CPUUtilization", CLUSTER, NULL},
        {"gantry_cluster_memory_utilization_percent", "Memory that tasks use, of what the instances have.", GAUGE, ECS_SPACE,
         "MemoryUtilization", CLUSTER, NULL},
        {"gantry_cluster_cpu_reservation_percent", "Processor time that tasks reserve, of what the instances have.", GAUGE, ECS_SPACE,
         "CPUReservation", CLUSTER, NULL},
        {"gantry_cluster_memory_reservation_percent", "Memory that tasks reserve, of what the instances have.", GAUGE, ECS_SPACE,
         "MemoryReservation", CLUSTER, NULL},
        {"gantry_cluster_container_instances", "Container instances.", GAUGE, INSIGHTS_SPACE, "ContainerInstanceCount", CLUSTER, NULL},
        {"gantry_cluster_running_tasks", "Tasks that run.", GAUGE, INSIGHTS_SPACE, "TaskCount", CLUSTER, NULL},
        {"gantry_cluster_services", "Services.", GAUGE, INSIGHTS_SPACE, "ServiceCount", CLUSTER, NULL},
        {"gantry_service_cpu_utilization_percent", "Processor time that the tasks use, of what they reserve.", GAUGE, ECS_SPACE,
         "CPUUtilization", SERVICE, NULL},
        {"gantry_service_memory_utilization_percent", "Memory that the tasks use, of what they reserve.", GAUGE, ECS_SPACE,
         "MemoryUtilization", SERVICE, NULL},
        {"gantry_service_running_tasks", "Tasks that run.", GAUGE, INSIGHTS_SPACE, "RunningTaskCount", SERVICE, NULL},
        {"gantry_service_pending_tasks", "Tasks that are starting.", GAUGE, INSIGHTS_SPACE, "PendingTaskCount", SERVICE, NULL},
        {"gantry_service_desired_tasks", "Tasks that should run.", GAUGE, INSIGHTS_SPACE, "DesiredTaskCount", SERVICE, NULL},
        {"gantry_instance_cpu_utilization_percent", "Processor time that the machine uses, tasks or not.", GAUGE, INSIGHTS_SPACE,
         "instance_cpu_utilization", INSTANCE, NULL},
        {"gantry_instance_memory_utilization_percent", "Memory that the machine uses.", GAUGE, INSIGHTS_SPACE,
         "instance_memory_utilization", INSTANCE, NULL},
        {"gantry_instance_network_bytes_per_second", "Bytes that its interfaces receive and send.", GAUGE, INSIGHTS_SPACE,
         "instance_network_total_bytes", INSTANCE, NULL},
        {"gantry_load_balancer_requests_total", "Requests that were sent to a target group.", COUNTER, ALB, "RequestCount", BALANCER, NULL},
        {"gantry_load_balancer_connections", "Connections of clients and to targets.", GAUGE, ALB, "ActiveConnectionCount", BALANCER, NULL},
        {"gantry_load_balancer_connections", "", GAUGE, NLB, "ActiveFlowCount", BALANCER, NULL},
        {"gantry_load_balancer_connections_total", "Connections that clients made.", COUNTER, ALB, "NewConnectionCount", BALANCER, NULL},
        {"gantry_load_balancer_connections_total", "", COUNTER, NLB, "NewFlowCount", BALANCER, NULL},
        {"gantry_load_balancer_bytes_total", "Bytes of requests and answers.", COUNTER, ALB, "ProcessedBytes", BALANCER, NULL},
        {"gantry_load_balancer_bytes_total", "", COUNTER, NLB, "ProcessedBytes", BALANCER, NULL},
        {"gantry_load_balancer_responses_total", "Answers of its own: redirects, fixed ones, errors.", COUNTER, ALB,
         "HTTPCode_ELB_3XX_Count", BALANCER, "code=\"3xx\""},
        {"gantry_load_balancer_responses_total", "", COUNTER, ALB, "HTTPCode_ELB_4XX_Count", BALANCER, "code=\"4xx\""},
        {"gantry_load_balancer_responses_total", "", COUNTER, ALB, "HTTPCode_ELB_5XX_Count", BALANCER, "code=\"5xx\""},
        {"gantry_target_group_requests_total", "Requests.", COUNTER, ALB, "RequestCount", GROUP, NULL},
        {"gantry_target_group_responses_total", "Answers of targets.", COUNTER, ALB, "HTTPCode_Target_2XX_Count", GROUP, "code=\"2xx\""},
        {"gantry_target_group_responses_total", "", COUNTER, ALB, "HTTPCode_Target_3XX_Count", GROUP, "code=\"3xx\""},
        {"gantry_target_group_responses_total", "", COUNTER, ALB, "HTTPCode_Target_4XX_Count", GROUP, "code=\"4xx\""},
        {"gantry_target_group_responses_total", "", COUNTER, ALB, "HTTPCode_Target_5XX_Count", GROUP, "code=\"5xx\""},
        {"gantry_target_group_response_seconds", "From a request's way to a target to the begin of the answer.", SUMMARY, ALB,
         "TargetResponseTime", GROUP, NULL},
        {"gantry_target_group_connect_errors_total", "Connections to targets that failed.", COUNTER, ALB, "TargetConnectionErrorCount",
         GROUP, NULL},
        {"gantry_target_group_healthy_targets", "Targets that are healthy.", GAUGE, ALB, "HealthyHostCount", GROUP, NULL},
        {"gantry_target_group_healthy_targets", "", GAUGE, NLB, "HealthyHostCount", GROUP, NULL},
        {"gantry_target_group_unhealthy_targets", "Targets that are not.", GAUGE, ALB, "UnHealthyHostCount", GROUP, NULL},
        {"gantry_target_group_unhealthy_targets", "", GAUGE, NLB, "UnHealthyHostCount", GROUP, NULL},
};

static const struct {
        const char *dimension, *label;
} labels[] = {{"ClusterName", "cluster"},
              {"ServiceName", "service"},
              {"ContainerInstanceId", "instance"},
              {"LoadBalancer", "load_balancer"},
              {"TargetGroup", "target_group"}};

static const char *label_of(const char *dimension)
{
        for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
                if (str_eq(labels[i].dimension, dimension))
                        return labels[i].label;
        return NULL;
}

/* The labels of a series that has exactly the family's dimensions; their values are names without quotes. */
static bool write_labels(const struct exposed *family, const struct metric_series *series, struct buf *out)
{
        const char *rest = family->dimensions;

        buf_clear(out);
        for (uint32_t i = 0; i < series->id.n_dimensions; i++) {
                const struct metric_dimension *dimension = &series->id.dimensions[i];
                size_t len = strlen(dimension->name);

                if (!str_starts_with(rest, dimension->name) || (rest[len] != ',' && rest[len] != '\0') ||
                    strpbrk(dimension->value, "\"\\") != NULL)
                        return false;
                buf_printf(out, "%s%s=\"%s\"", i > 0 ? "," : "", label_of(dimension->name), dimension->value);
                rest += len + (rest[len] == ',');
        }
        if (family->more != NULL)
                buf_printf(out, ",%s", family->more);
        return rest[0] == '\0';
}

static void write_series(const struct exposed *family, const struct metric_series *series, const char *with, int64_t now_ms,
                         struct buf *out)
{
        CLEANUP_ARENA struct arena arena = {0};
        const struct metric_set *set = family->how == GAUGE ? &series->newest : &series->total;

        if (set->count == 0 || (family->how == GAUGE && series->last_ms < now_ms - STALE_MS))
                return;
        switch (family->how) {
        case GAUGE:
                prom_sample(out, family->name, with, set->sum / set->count);
                break;
        case COUNTER:
                prom_sample(out, family->name, with, set->sum);
                break;
        case SUMMARY:
                prom_sample(out, arena_printf(&arena, "%s_sum", family->name), with, set->sum);
                prom_sample(out, arena_printf(&arena, "%s_count", family->name), with, set->count);
                break;
        }
}

void cloudwatch_expose(struct api *api, struct buf *out, int64_t now_ms)
{
        CLEANUP_BUF struct buf prefix = {0}, with = {0};

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                const struct exposed *family = &families[i];

                if (i == 0 || !str_eq(families[i - 1].name, family->name))
                        prom_family(out, family->name, types[family->how], family->help);
                buf_clear(&prefix);
                buf_printf(&prefix, "%s\n%s\n", family->space, family->metric);
                for (struct tree_node *node = tree_from(metrics_series(api->metrics), prefix.data);
                     node != NULL && str_starts_with(node->key, prefix.data); node = tree_next(node)) {
                        const struct metric_series *series = CONTAINER_OF(node, struct metric_series, node);

                        if (write_labels(family, series, &with))
                                write_series(family, series, with.data, now_ms, out);
                }
        }
}
