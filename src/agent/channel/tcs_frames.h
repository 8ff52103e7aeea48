/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of the telemetry channel. Pure, but for the sizes of two file systems. */
#pragma once

#include "agent/engine/engine.h"

struct tcs_source {
        const struct engine *engine;
        const char *cluster, *instance, *data_dir;
        const struct tcs_host_metrics *host; /* NULL: not to be sent */
        void (*send)(const char *json, size_t len, void *data);
        void *data;
};

#define TCS_TASKS_MAX 10 /* in one message */

/* PublishMetricsRequest, as many as needed; takes the figures of the interval out of the containers. */
void tcs_frames_metrics(const struct tcs_source *source);
/* PublishHealthRequest: of all tasks with health checks, or only of those whose health has changed. Nothing when there are none. */
void tcs_frames_health(const struct tcs_source *source, bool only_changed);
/* PublishInstanceStatusRequest. `impaired` NULL: the node is well. */
void tcs_frames_status(const struct tcs_source *source, const char *impaired, int64_t probed_ms, int64_t changed_ms);
