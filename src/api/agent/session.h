/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One agent as the server sees it: what it still has to be told, and its connection when there is one. Private to src/api/agent
 * and its tests, which bring channels of their own.
 */
#pragma once

#include "api/acs.idl.h"
#include "api/agent/agents.h"
#include "api/agent/credentials.h"
#include "api/agent/lease.h"
#include "api/agent/metrics.h"
#include "api/agent/network.h"
#include "base/list.h"
#include "base/map.h"

/* A way to an agent: a websocket, or what a test puts in its place. */
struct agent_channel;
struct agent_channel_ops {
        void (*send)(struct agent_channel *channel, const char *text, size_t len);
        void (*ping)(struct agent_channel *channel);
        /* Closing handshake; the owner calls agent_..._closed later unless the channel was replaced. */
        void (*close)(struct agent_channel *channel, int code, const char *reason);
        void (*abort)(struct agent_channel *channel);
        uint64_t (*last_received_us)(const struct agent_channel *channel);
};
struct agent_channel {
        const struct agent_channel_ops *ops;
        struct agent *agent;             /* NULL: not in use any more (replaced, or the instance is gone) */
        int64_t pinged_us, heartbeat_us; /* monotonic: the last ones sent */
        uint32_t bad_frames;
};

enum delivery_want { WANT_RUN = 0, WANT_STOP };

/* Something that an agent has to be told of one task. */
struct delivery {
        struct map_node by_task; /* agents->deliveries, by the task's key */
        struct list link;        /* in agent->waiting, or in message->deliveries */
        struct agent *agent;
        struct task *task;
        enum delivery_want want;
        uint64_t sequence; /* the model's: may go out when this is durable */
        uint32_t tries;    /* messages that held it and were not acknowledged in time */
        bool offered;      /* an agent may know the task */
        struct message *message;
};

enum message_kind { MESSAGE_PAYLOAD = 0, MESSAGE_MANIFEST, MESSAGE_CREDENTIALS, MESSAGE_NETWORK, MESSAGE_KIND_MAX };

/* A message that waits for its acknowledgement. */
struct message {
        struct map_node by_id; /* agents->messages */
        struct list link;      /* agent->messages, oldest first */
        struct agent *agent;
        enum message_kind kind;
        char id[37];
        int64_t deadline_us;
        struct list deliveries; /* of PAYLOAD */
        char *role_key;         /* of CREDENTIALS: which; see credentials.h */
        uint32_t tries;
};

struct instance_status {
        enum ecs_instance_health_check_type type;
        enum ecs_instance_health_check_state state;
        int64_t updated_ms, changed_ms;
};

struct agent {
        struct agents *agents;
        struct list link;  /* agents->all */
        struct list dirty; /* agents->dirty; detached when there is nothing to do */
        struct instance *instance;
        struct agent_channel *control, *telemetry; /* NULL: not connected */
        bool ready;                                /* greeted: credentials, payloads and manifest may flow */
        bool send_credentials;                     /* the agent asked for all of them */
        struct lease lease;
        bool closing; /* the instance is INACTIVE: end the sessions when that is durable */
        uint64_t ready_sequence, closing_sequence;
        int64_t sequence, sequence_end; /* payload and manifest numbers: the last one given, and the last one reserved */
        struct list waiting;            /* of struct delivery */
        struct list messages;           /* of struct message */
        struct list roles;              /* of struct role, whose keys the agent has to be sent */
        char manifest_id[37];           /* the last manifest: only its verification counts */
        struct buf verification;        /* TaskStopVerificationAck that waits to be durable */
        uint64_t verification_sequence;
        struct agent_networks networks;
        int64_t connected_us;
        char *logs_endpoint; /* NULL: that of all agents */
        struct instance_status statuses[ECS_INSTANCE_HEALTH_CHECK_TYPE_MAX];
};

struct agents {
        struct agents_options options;
        struct api *api; /* that they serve; NULL: none */
        struct model *model;
        struct env *env;
        struct model_observer observer;
        struct credentials *credentials;
        struct agent_metrics *metrics;
        char *logs_endpoint;
        struct list all, dirty;
        struct map deliveries, messages;
        struct networks networks;
        struct commit_waiter waiter;
        bool waiting;               /* the waiter is queued */
        bool flushing, flush_again; /* see agents_flush */
        bool closed, freed;
        uv_timer_t *timer;
        uint32_t period_ms; /* of the timer */
        int64_t swept_us;
        struct buf out;
        struct arena scratch; /* of the message that is being made */
        struct agents_stats {
                uint64_t connections, refused, disconnections, silences, payloads, payload_tasks, resends, acks, manifests, stops_verified,
                        credentials, networks, bad_frames;
                uint64_t metrics_frames, health_frames, status_frames;
        } stats;
};

/* ---- agents.c ---- */

/* The instance's agent, made on first need. */
struct agent *agent_of(struct agents *agents, struct instance *instance);
/* There is something to do for the agent once `sequence` is durable. */
void agent_mark(struct agent *agent, uint64_t sequence);
int64_t agents_now_us(const struct agents *agents);
/* The timer shall fire at least every `period_ms`. */
void agents_hurry(struct agents *agents, uint32_t period_ms);

/* ---- session.c: the control channel ---- */

struct agent_hello {
        const char *agent_version, *agent_hash, *docker_version; /* NULL: not said */
        const char *address;                                     /* that the connection comes from; NULL: not known */
        const char *logs_endpoint;                               /* where this agent finds our logs service; NULL: where all do */
        bool send_credentials;
};
/* A new connection of the instance's agent; one that it may have had before is closed. */
void agent_connected(struct agents *agents, struct instance *instance, struct agent_channel *channel, const struct agent_hello *hello);
void agent_received(struct agent_channel *channel, const char *text, size_t len);
void agent_disconnected(struct agent_channel *channel, int code, const char *reason);
/* Takes the channel away from its agent without closing it. */
void agent_detach(struct agent_channel *channel);
/* Sends one frame: {"type":TYPE,"message":...}. */
void agent_send(struct agent *agent, const char *type, const struct shape *shape, const void *message);

/* ---- deliver.c ---- */

/* Makes, changes or ends the delivery that the task's new state asks for. `fresh`: the task is new, no agent can know it. */
void deliver_task(struct agents *agents, struct task *task, uint64_t sequence, bool fresh);
/* The agent has the task in hand, or nobody needs to be told any more. */
void deliver_drop(struct delivery *delivery);
struct delivery *deliver_find(const struct agents *agents, const struct task *task);
/* Sends what may go out now; returns the smallest model sequence that something still waits for, or 0. */
uint64_t deliver_flush(struct agent *agent, uint64_t durable);
/* The connection is new or gone: what was on its way waits again. */
void deliver_reset(struct agent *agent);
/* Everything that the agent may not know is queued, for a new connection; the caller marks the agent. */
void deliver_all(struct agent *agent, uint64_t sequence);
void deliver_acknowledged(struct agent *agent, const char *message_id);
/* Messages whose time is up. */
void deliver_timeouts(struct agent *agent, int64_t now_us);
struct message *message_new(struct agent *agent, enum message_kind kind);
void message_free(struct message *message);

/* ---- greet.c: manifest, credentials, stop verification ---- */

void greet_manifest(struct agent *agent);
/* After `tries` manifests that were not acknowledged. */
void greet_manifest_again(struct agent *agent, uint32_t tries);
/* Sends the keys of agent->roles. */
void greet_credentials(struct agent *agent);
/* Sends a message with credentials once more, with the newest key. */
void greet_credentials_again(struct agent *agent, struct message *message);
void greet_stop_verification(struct agent *agent, const struct acs_task_stop_verification_message *in);

/* ---- telemetry.c ---- */

/* `every_s`: the shortest interval at which the agent can publish metrics; 0: a stock agent, which does not say. */
void telemetry_connected(struct agents *agents, struct instance *instance, struct agent_channel *channel, uint32_t every_s);
void telemetry_received(struct agent_channel *channel, const char *text, size_t len);
void telemetry_disconnected(struct agent_channel *channel);

/* ---- upgrade.c ---- */

void upgrade_serve(struct agents *agents, struct api *api);
