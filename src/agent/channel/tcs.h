/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The telemetry channel: samples the containers and the node every second, publishes metrics, health and the node's own state every
 * 20 s, and a change of health at once. A server that says so gets the metrics more often, up to every sample. Also what the metadata
 * endpoint's statistics come from.
 */
#pragma once

#include "agent/agent.h"
#include "agent/engine/engine.h"
#include "agent/channel/host_metrics.h"
#include "agent/channel/link.h"
#include "agent/channel/metrics.h"
#include "agent/channel/register.h"

struct tcs {
        struct link link;
        const struct agent_options *options;
        struct registration *registration;
        const struct aws_client *client;
        struct engine *engine;
        struct runtime *runtime;
        struct timers *timers;
        struct timer sample_timer, publish_timer, health_timer;
        struct tcs_sampling *sampling; /* the read under way; NULL: none */
        struct host_metrics host;
        uint32_t often_s, since_s; /* the server wants metrics every `often_s` (0: as stock agents send them); seconds since */
        bool probed;               /* the node was looked at since the last report */
        const char *impaired;      /* why it is not well; NULL: it is */
        int64_t probed_ms, changed_ms;
        char *url; /* of the connection that is up: frames are signed for it */
        void (*gone)(struct tcs *tcs);
        void *data;
};

void tcs_init(struct tcs *tcs, const struct agent_options *options, struct registration *registration, const struct aws_client *client,
              struct engine *engine, struct runtime *runtime, struct timers *timers);
/* Starts sampling, and connects as soon as the endpoint is known. */
void tcs_connect(struct tcs *tcs);
/* Looks at the node itself; the result goes out with the next report. */
void tcs_probe(struct tcs *tcs);
void tcs_health_changed(struct tcs *tcs, struct engine_task *task);
/* `gone` follows. */
void tcs_stop(struct tcs *tcs);
void tcs_done(struct tcs *tcs);
/* Figures of a container, or NULL before the first sample. */
const struct container_metrics *tcs_metrics(const struct engine_container *c);
