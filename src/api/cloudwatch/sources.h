/* SPDX-License-Identifier: Apache-2.0 */
/* Where Gantry's own metrics come in. */
#pragma once

#include <stdint.h>

struct api;
struct task;
struct task_sample;

/* A task's telemetry has come: CPUUtilization and MemoryUtilization of its service. */
void cloudwatch_task_sampled(struct api *api, const struct task *task, const struct task_sample *sample, int64_t now_ms);
/* Once a second: finishes the metrics' seconds. */
void cloudwatch_second(struct api *api, int64_t now_ms);
/* Reservation and counts of clusters and services, as they are now. Once a minute. */
void cloudwatch_collect(struct api *api, int64_t now_ms);
