/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agents of container instances: their control (ACS) and telemetry (TCS) websockets, and what each agent has to be told.
 *
 * Level-triggered: one observer on the model sees which tasks an agent should run or stop; whatever it has not acknowledged is
 * sent, and sent again, until it does, over as many connections as that takes. Nothing is sent before the change that it rests
 * on is durable. What is waiting for one agent goes out in one message; there is no batch timer.
 *
 *     model ── changed ──► delivery (task, RUN or STOP) ── durable ──► PayloadMessage ── AckRequest ──► gone
 *                                   ▲                                       │
 *                                   └────────── time-out, new connection ───┘
 *
 * A connection is also the lease of its node: see api/agent/lease.h.
 *
 * All on the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "api/ecs.idl.h"
#include "api/server.h"
#include "model/model.h"

struct agents;
struct agent_metrics; /* api/agent/metrics.h */

struct agents_options {
        struct model *model;       /* outlives the agents */
        uv_loop_t *loop;           /* NULL (tests, simulator): call agents_sweep now and then, and agents_flush after each turn */
        const char *logs_endpoint; /* URL of our logs service for the awslogs driver of stock agents; NULL: none. Copied. A loopback
                                    * address is replaced by the one that a remote agent has connected to. */
        uint32_t ping_ms;          /* 0: 1 s of silence, then a ping */
        uint32_t silent_ms;        /* 0: 5 s */
        uint32_t dead_ms;          /* 0: 10 s */
        uint32_t restart_ms;       /* 0: 60 s for an agent that said it ends in an orderly way */
        uint32_t start_ms;         /* 0: 30 s for every agent after the server's own start */
        uint32_t heartbeat_ms;     /* 0: 30 s between HeartbeatMessages (the stock agent wants one a minute) */
        uint32_t ack_ms;           /* 0: 10 s for an acknowledgement, then the message is sent again */
        uint32_t metrics_s;        /* 0: metrics every second, from agents that can send them so often; stock agents: every 20 s */
        int64_t credentials_ms;    /* life of task role keys; 0: 6 h. Renewed when a sixth is left. */
};

/* Never NULL. Instances that are there get their pending tasks as soon as they connect. */
struct agents *agents_new(const struct agents_options *options);
/* Serves /acs/ws and /tcs/ws and adds its families to /metrics. Sets api->agents. */
void agents_serve(struct agents *agents, struct api *api);
/*
 * Where this server is for the one who sent `req` (NULL: nobody), without a slash at the end: api->options.public_url, or, when
 * that is empty or a loopback address, the address that the request was sent to. NULL when neither is known. In `arena`.
 */
const char *agents_base_url(const struct api *api, const struct http_request *req, struct arena *arena);
/* Orderly end: closes every connection (1001), stops the timer. Before the loop runs out. */
void agents_close(struct agents *agents);
/* After agents_close and the last turn of the loop, before model_close. NULL is fine. Returns NULL. */
struct agents *agents_free(struct agents *agents);

/* What the timer does: silence, heartbeats, time-outs, renewals. */
void agents_sweep(struct agents *agents);
/* Sends what may go out. With a loop this happens by itself as soon as commits are durable. */
void agents_flush(struct agents *agents);

/* NULL, or what would be right when this tag of a cluster is meant to set terms of its nodes' leases (see docs/operating.md) and cannot. */
const char *agents_tag_fault(const char *key, const char *value);

/* False only when it is certain that no agent has ever been told of the task: it may then be stopped without one. */
bool agents_offered(const struct agents *agents, const struct task *task);

/* The task that a full ARN names, of any cluster, or NULL. */
struct task *agents_task_of_arn(struct model *model, const char *arn);
/* The agent has reported about the task: it need not be told to run it any more. */
void agents_heard(struct agents *agents, const struct task *task);

/* Health that the instance's agent reported about itself (in `arena`), or NULL when it never did. */
struct ecs_container_instance_health_status *agents_health(const struct agents *agents, const struct instance *instance,
                                                           struct arena *arena);

/* Newest samples of tasks, containers and instances. */
struct agent_metrics *agents_metrics(const struct agents *agents);

/*
 * Puts access keys for the task's roles into `tx` (which has just inserted it). Without roles it does nothing. The keys reach
 * the agent with the task's payload.
 */
void agents_add_credentials(struct agents *agents, struct tx *tx, const struct task *task);
