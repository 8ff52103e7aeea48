/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container Insights of tasks: "enabled" adds the cluster's, the services' and the families' use of resources, "enhanced" that of single
 * tasks and containers as well.
 */
#include <stdlib.h>
#include <string.h>

#include "api/agent/metrics.h"
#include "api/cloudwatch.idl.h"
#include "api/cloudwatch/sources.h"
#include "api/server.h"
#include "base/map.h"
#include "base/strutil.h"
#include "metrics/metrics.h"
#include "model/service.h"

#define INSIGHTS_MS 20000

enum level { LEVEL_OFF = 0, LEVEL_ENABLED, LEVEL_ENHANCED };

static enum level level_of(const struct cluster *cluster)
{
        for (uint32_t i = 0; i < cluster->state->settings.n; i++) {
                const struct ecs_cluster_setting *setting = &cluster->state->settings.items[i];

                if (setting->name == ECS_CLUSTER_SETTING_NAME_CONTAINERINSIGHTS)
                        return str_eq(setting->value, "enhanced")  ? LEVEL_ENHANCED
                               : str_eq(setting->value, "enabled") ? LEVEL_ENABLED
                                                                   : LEVEL_OFF;
        }
        return LEVEL_OFF;
}

/* Negative: not known. */
struct use {
        double cpu, cpu_reserved, memory, memory_reserved, rx, tx, read, written;
};

static const struct use_row {
        const char *name;
        size_t offset;
        int unit;
} use_rows[] = {
        {"CpuUtilized", offsetof(struct use, cpu), CLOUDWATCH_STANDARD_UNIT_NONE},
        {"CpuReserved", offsetof(struct use, cpu_reserved), CLOUDWATCH_STANDARD_UNIT_NONE},
        {"MemoryUtilized", offsetof(struct use, memory), CLOUDWATCH_STANDARD_UNIT_MEGABYTES},
        {"MemoryReserved", offsetof(struct use, memory_reserved), CLOUDWATCH_STANDARD_UNIT_MEGABYTES},
        {"NetworkRxBytes", offsetof(struct use, rx), CLOUDWATCH_STANDARD_UNIT_BYTES_SECOND},
        {"NetworkTxBytes", offsetof(struct use, tx), CLOUDWATCH_STANDARD_UNIT_BYTES_SECOND},
        {"StorageReadBytes", offsetof(struct use, read), CLOUDWATCH_STANDARD_UNIT_BYTES},
        {"StorageWriteBytes", offsetof(struct use, written), CLOUDWATCH_STANDARD_UNIT_BYTES},
};

static void add_use(struct api *api, const struct use *use, const struct metric_dimension *dimensions, uint32_t n, int64_t now_ms)
{
        for (size_t i = 0; i < ARRAY_SIZE(use_rows); i++) {
                double value = *(const double *)(const void *)((const char *)use + use_rows[i].offset);

                if (value >= 0)
                        cloudwatch_add(api, INSIGHTS_SPACE, use_rows[i].name, dimensions, n, value, use_rows[i].unit, now_ms);
        }
}

static void add_containers(struct api *api, const struct task *task, const struct task_sample *sample,
                           struct metric_dimension dimensions[3], int64_t now_ms)
{
        list_for_each (container, &sample->containers, struct container_sample, link) {
                const struct use use = {
                        .cpu = container->cpu_percent * task->instance->state->cpu / 100,
                        .cpu_reserved = -1,
                        .memory = container->memory_mib,
                        .memory_reserved = -1,
                        .rx = container->rx_bytes_per_s,
                        .tx = container->tx_bytes_per_s,
                        .read = container->read_bytes,
                        .written = container->write_bytes,
                };

                dimensions[2] = (struct metric_dimension){"ContainerName", container->name};
                add_use(api, &use, dimensions, 3, now_ms);
                cloudwatch_add(api, INSIGHTS_SPACE, "RestartCount", dimensions, 3, (double)container->restarts,
                               CLOUDWATCH_STANDARD_UNIT_COUNT, now_ms);
        }
}

static void add_enhanced(struct api *api, const struct task *task, const struct task_sample *sample, const struct use *use, int64_t now_ms)
{
        struct metric_dimension dimensions[3] = {{"ClusterName", task->cluster->state->name},
                                                 {"TaskId", strrchr(task->object.key, '/') + 1}};

        add_use(api, use, dimensions, 2, now_ms);
        if (use->cpu_reserved > 0)
                cloudwatch_add(api, INSIGHTS_SPACE, "TaskCpuUtilization", dimensions, 2, 100 * use->cpu / use->cpu_reserved,
                               CLOUDWATCH_STANDARD_UNIT_PERCENT, now_ms);
        if (use->memory_reserved > 0)
                cloudwatch_add(api, INSIGHTS_SPACE, "TaskMemoryUtilization", dimensions, 2, 100 * use->memory / use->memory_reserved,
                               CLOUDWATCH_STANDARD_UNIT_PERCENT, now_ms);
        add_containers(api, task, sample, dimensions, now_ms);
}

/* What is there without any setting: a task's processor and memory. */
static void add_basic(struct api *api, const struct task *task, const struct use *use, int64_t now_ms)
{
        const struct metric_dimension dimensions[] = {{"ClusterName", task->cluster->state->name},
                                                      {"TaskId", strrchr(task->object.key, '/') + 1}};

        cloudwatch_add(api, INSIGHTS_SPACE, "CpuUtilized", dimensions, 2, use->cpu, CLOUDWATCH_STANDARD_UNIT_NONE, now_ms);
        cloudwatch_add(api, INSIGHTS_SPACE, "MemoryUtilized", dimensions, 2, use->memory, CLOUDWATCH_STANDARD_UNIT_MEGABYTES, now_ms);
}

void cloudwatch_insights_task(struct api *api, const struct task *task, struct task_sample *sample, int64_t now_ms)
{
        struct metric_dimension dimensions[2] = {{"ClusterName", task->cluster->state->name}};
        enum level level;
        struct use use;

        /* A little less, because samples come a little early now and then. */
        if (now_ms - sample->taken_ms < INSIGHTS_MS - 500)
                return;
        level = level_of(task->cluster);
        use = (struct use){.cpu = sample->cpu_percent * task->instance->state->cpu / 100,
                           .cpu_reserved = task->state->cpu,
                           .memory = sample->memory_mib,
                           .memory_reserved = task->state->memory,
                           .rx = sample->rx_bytes_per_s,
                           .tx = sample->tx_bytes_per_s,
                           .read = sample->read_bytes,
                           .written = sample->write_bytes};
        /* The first of a task comes at once, and then tasks take turns: after a start of the server all would come in the same second. */
        sample->taken_ms =
                sample->taken_ms == 0 ? now_ms - (int64_t)(hash_bytes(task->object.key, strlen(task->object.key)) % INSIGHTS_MS) : now_ms;
        sample->read_bytes = sample->write_bytes = 0;
        if (level == LEVEL_ENHANCED)
                add_enhanced(api, task, sample, &use, now_ms);
        else
                add_basic(api, task, &use, now_ms);
        if (level == LEVEL_OFF)
                return;
        add_use(api, &use, dimensions, 1, now_ms);
        if (task->service != NULL) {
                dimensions[1] = (struct metric_dimension){"ServiceName", task->service->state->name};
                add_use(api, &use, dimensions, 2, now_ms);
        }
        if (task->definition != NULL) {
                dimensions[1] = (struct metric_dimension){"TaskDefinitionFamily", task->definition->family->state->name};
                add_use(api, &use, dimensions, 2, now_ms);
        }
}
