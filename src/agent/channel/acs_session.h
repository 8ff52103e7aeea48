/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the messages of the control channel mean and what is answered, without the connection under it. Messages are handled in order
 * of arrival. Nothing that the server sends is trusted further than its types: what is malformed is logged and not answered, as the
 * stock agent does. One thread.
 */
#pragma once

#include "agent/state/keeper.h"
#include "agent/channel/sequence.h"

struct acs_session;

struct acs_session_ops {
        /* Sends an envelope to the server; dropped when there is no connection. */
        void (*send)(struct acs_session *session, const char *text, size_t len);
        /* Writes a new task to the disk; `wait` (may be NULL) is called when it is there, perhaps inside the call. */
        void (*store)(struct acs_session *session, struct engine_task *task, struct keeper_wait *wait);
        /* The same for what is known of it now. */
        void (*sync)(struct acs_session *session, struct engine_task *task, struct keeper_wait *wait);
        /* A sequence number that must be kept. */
        void (*sequence_changed)(struct acs_session *session);
        /* What is new of the node's networks; false when it makes no sense. acs_session_answer tells when it is in force. */
        bool (*network)(struct acs_session *session, const struct acs_network_message *message);
        /* A heartbeat came (the health of the node is looked at and goes out on the other channel). */
        void (*heartbeat)(struct acs_session *session);
        /* The terms of this node's lease: see fence.h. */
        void (*lease)(struct acs_session *session, uint32_t lease_ms, bool only_server);
};

struct acs_session {
        struct engine *engine;
        const struct acs_session_ops *ops;
        void *data;
        const char *cluster, *instance_arn;
        struct sequence sequence;
        struct list pending; /* messages whose acknowledgement waits for the disk */
        /* ARNs of tasks that the last manifest has and this node does not: on their way, or lost. */
        char **strangers;
        uint32_t n_strangers;
        struct timer strangers_timer;
};

void acs_session_init(struct acs_session *session, struct engine *engine, const struct acs_session_ops *ops, void *data);
/* Forgets acknowledgements that wait. */
void acs_session_done(struct acs_session *session);
/* Tells the server that this node ends in an orderly way and will be back. */
void acs_session_stopping(struct acs_session *session, const char *reason);
/* Acknowledges a NetworkMessage, or refuses it with `reason`. */
void acs_session_answer(struct acs_session *session, const struct acs_network_message *head, const char *reason);
/* A text frame. Returns false when it could not be understood at all (then it does not count as a sign of life). */
bool acs_session_message(struct acs_session *session, const char *text, size_t len);
