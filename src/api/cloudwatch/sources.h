/* SPDX-License-Identifier: Apache-2.0 */
/* Where Gantry's own metrics come in. */
#pragma once

#include <stdint.h>

#include "base/buf.h"

struct api;
struct cluster;
struct instance;
struct instance_sample;
struct metric_dimension;
struct task;
struct task_sample;

#define ECS_SPACE "AWS/ECS"
#define INSIGHTS_SPACE "ECS/ContainerInsights"

/* A task's telemetry has come: CPUUtilization and MemoryUtilization of its service, and now and then the task's own. */
void cloudwatch_task_sampled(struct api *api, const struct task *task, struct task_sample *sample, int64_t now_ms);
void cloudwatch_instance_sampled(struct api *api, const struct instance *instance, struct instance_sample *sample, int64_t now_ms);
/* Once a second: finishes the metrics' seconds, and every 10 s cloudwatch_collect. */
void cloudwatch_second(struct api *api, int64_t now_ms);
/* Utilisation, reservation and counts of clusters and services, as they are now. */
void cloudwatch_collect(struct api *api, int64_t now_ms);

/* insights.c: what a cluster's setting containerInsights adds for a task, every 20 s. */
void cloudwatch_insights_task(struct api *api, const struct task *task, struct task_sample *sample, int64_t now_ms);

/* Adds one value. */
void cloudwatch_add(struct api *api, const char *space, const char *name, const struct metric_dimension *dimensions, uint32_t n,
                    double value, int unit, int64_t now_ms);

/* exposition.c: the same for Prometheus. Of clusters, services, instances and balancers; single tasks are the agents' families. */
void cloudwatch_expose(struct api *api, struct buf *out, int64_t now_ms);
/* groups.c: the same of Auto Scaling groups, as cloudwatch_collect; and of their capacity providers, every second. */
void cloudwatch_collect_groups(struct api *api, int64_t now_ms);
void cloudwatch_collect_providers(struct api *api, int64_t now_ms);
