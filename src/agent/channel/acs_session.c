/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the control channel: a table of types, one function each. */
#include "agent/channel/acs_session.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#define TASKS_MAX 10000 /* of one node: far more than it can hold, and a limit to what a server can make it keep */

#define STRANGERS_MS 60000 /* a payload that is on its way is here by then */

static const struct shape_limits limits = {.skip_validation = true};

/* ---- answers ---- */

static void say(struct acs_session *session, const char *type, const struct shape *shape, const void *message)
{
        struct buf text CLEANUP_BUF = {0};

        buf_printf(&text, "{\"type\":\"%s\",\"message\":", type);
        shape_to_json(shape, message, &text);
        buf_append_char(&text, '}');
        session->ops->send(session, text.data, text.len);
}

static void send_ack(struct acs_session *session, const char *cluster, const char *instance, const char *message_id)
{
        const struct acs_ack_request ack = {.cluster = cluster, .container_instance = instance, .message_id = message_id};

        say(session, "AckRequest", &acs_ack_request_shape, &ack);
}

static void send_credentials_ack(struct acs_session *session, const char *message_id, const struct acs_role_credentials *credentials)
{
        if (credentials == NULL || str_empty(credentials->credentials_id))
                return;
        const struct acs_iam_role_credentials_ack_request ack = {
                .message_id = message_id, .credentials_id = credentials->credentials_id, .expiration = credentials->expiration};

        say(session, "IAMRoleCredentialsAckRequest", &acs_iam_role_credentials_ack_request_shape, &ack);
}

/* ---- acknowledgements that wait until everything is on the disk ---- */

struct pending_wait {
        struct keeper_wait wait;
        struct pending *pending;
};

struct pending {
        struct acs_session *session;
        struct list link;
        char *message_id, *cluster, *instance;
        uint32_t missing; /* writes under way */
        struct pending_wait *waits;
        uint32_t n_waits;
};

static struct pending *pending_new(struct acs_session *session, const struct acs_payload_message *m)
{
        struct pending *p = xalloc(sizeof(*p));

        p->session = session;
        p->message_id = xstrdup(m->message_id);
        p->cluster = xstrdup(m->cluster_arn);
        p->instance = xstrdup(m->container_instance_arn);
        p->waits = xcalloc(m->tasks.n + 1, sizeof(*p->waits));
        list_init(&p->link);
        list_push(&session->pending, &p->link);
        return p;
}

static void pending_free(struct pending *p)
{
        for (uint32_t i = 0; i < p->n_waits; i++)
                keeper_wait_cancel(&p->waits[i].wait);
        list_remove(&p->link);
        free(p->message_id);
        free(p->cluster);
        free(p->instance);
        free(p->waits);
        free(p);
}

static void pending_check(struct pending *p)
{
        if (p->missing > 0)
                return;
        send_ack(p->session, p->cluster, p->instance, p->message_id);
        pending_free(p);
}

static void stored(struct keeper_wait *wait)
{
        struct pending *p = CONTAINER_OF(wait, struct pending_wait, wait)->pending;

        p->missing--;
        pending_check(p);
}

static struct keeper_wait *pending_add(struct pending *p)
{
        struct pending_wait *w = &p->waits[p->n_waits++];

        w->pending = p;
        w->wait.done = stored;
        p->missing++;
        return &w->wait;
}

/* ---- payloads ---- */

static bool id_is_safe(const char *id)
{
        return str_is_name(id, "-_", 100);
}

static bool arn_is_usable(const char *arn)
{
        return !str_empty(arn) && id_is_safe(arn_resource_id(arn));
}

static void take_credentials(struct acs_role_credentials **to, const struct acs_role_credentials *from)
{
        if (from == NULL || str_empty(from->credentials_id))
                return;
        free(*to);
        *to = SHAPE_PACK(acs_role_credentials, (struct acs_role_credentials *)from);
}

static void stop_known(struct engine_task *task, struct acs_session *session, struct pending *p)
{
        /* A stopped task whose end was not heard of is told again when the server asks. */
        if (!task->stop_wanted)
                engine_task_stop(task, NULL);
        if (task->state < TASK_REMOVING)
                session->ops->sync(session, task, pending_add(p));
}

static void take_task(struct acs_session *session, const struct acs_task *payload, struct pending *p)
{
        struct engine_task *task = engine_find(session->engine, payload->arn);

        if (task != NULL) {
                take_credentials(&task->role_credentials, payload->role_credentials);
                take_credentials(&task->execution_credentials, payload->execution_role_credentials);
                if (str_eq(payload->desired_status, "STOPPED"))
                        stop_known(task, session, p);
                else if (!task->durable)
                        session->ops->store(session, task, pending_add(p));
                return;
        }
        log_info("task accepted", LOG_S("task", payload->arn), LOG_S("desired", payload->desired_status), LOG_S("family", payload->family));
        task = engine_task_new(payload, session->engine->env);
        /* The disk and the start work side by side; the acknowledgement waits for the disk. */
        session->ops->store(session, task, pending_add(p));
        engine_add(session->engine, task);
}

static bool task_is_usable(const struct acs_session *session, const struct acs_task *payload)
{
        const char *id = arn_resource_id(payload->arn);

        if (!arn_is_usable(payload->arn)) {
                log_error("a task without a usable ARN was sent; it is ignored and not acknowledged", LOG_S("task", payload->arn));
                return false;
        }
        const struct engine_task *same_id = engine_find_id(session->engine, id);
        if (same_id != NULL && !str_eq(same_id->arn, payload->arn)) {
                log_error("two tasks with one id; the second is ignored and not acknowledged", LOG_S("task", payload->arn));
                return false;
        }
        return session->engine->tasks.count < TASKS_MAX;
}

static bool on_payload(struct acs_session *session, const void *message)
{
        const struct acs_payload_message *m = message;
        bool usable = true;

        if (str_empty(m->message_id) || str_empty(m->cluster_arn) || str_empty(m->container_instance_arn))
                return false;
        for (uint32_t i = 0; i < m->tasks.n; i++)
                usable &= task_is_usable(session, &m->tasks.items[i]);
        if (sequence_take_payload(&session->sequence, m))
                session->ops->sequence_changed(session);
        struct pending *p = pending_new(session, m);
        p->missing = usable ? 1 : 2; /* this loop itself; a bad task keeps the message unacknowledged */
        /* Those to be stopped first: they make room. */
        for (int stops = 1; stops >= 0; stops--) {
                for (uint32_t i = 0; i < m->tasks.n; i++) {
                        const struct acs_task *t = &m->tasks.items[i];

                        if (str_eq(t->desired_status, "STOPPED") == (stops == 1) && task_is_usable(session, t))
                                take_task(session, t, p);
                }
        }
        for (uint32_t i = 0; i < m->tasks.n; i++) {
                send_credentials_ack(session, m->message_id, m->tasks.items[i].execution_role_credentials);
                send_credentials_ack(session, m->message_id, m->tasks.items[i].role_credentials);
        }
        p->missing--;
        if (usable)
                pending_check(p);
        else
                pending_free(p);
        return true;
}

/* ---- tasks that the server believes to be here ---- */

static void forget_strangers(struct acs_session *session)
{
        for (uint32_t i = 0; i < session->n_strangers; i++)
                free(session->strangers[i]);
        free(session->strangers);
        session->strangers = NULL;
        session->n_strangers = 0;
        timers_cancel(session->engine->timers, &session->strangers_timer);
}

/* They did not come: this node has lost them (its record was corrupt). The server would count them as running for ever. */
static void strangers_fire(struct timer *timer)
{
        struct acs_session *session = CONTAINER_OF(timer, struct acs_session, strangers_timer);

        for (uint32_t i = 0; i < session->n_strangers; i++) {
                const struct acs_task payload = {.arn = session->strangers[i], .desired_status = "STOPPED"};

                if (engine_find(session->engine, payload.arn) != NULL)
                        continue;
                log_warn("the server believes that a task runs here, and nothing is known of it; it is reported stopped",
                         LOG_S("task", payload.arn));
                struct engine_task *task = engine_task_new(&payload, session->engine->env);
                engine_task_set_reason(task, "The node has lost its record of this task: see \"moved aside\" in the node's log");
                session->ops->store(session, task, NULL);
                engine_add(session->engine, task);
        }
        forget_strangers(session);
}

static void note_strangers(struct acs_session *session, const struct acs_task_manifest_message *m)
{
        forget_strangers(session);
        session->strangers = xcalloc(m->tasks.n + 1, sizeof(char *));
        for (uint32_t i = 0; i < m->tasks.n && session->n_strangers < TASKS_MAX; i++) {
                const struct acs_task_identifier *id = &m->tasks.items[i];

                if (str_eq(id->desired_status, "RUNNING") && arn_is_usable(id->task_arn) &&
                    engine_find(session->engine, id->task_arn) == NULL)
                        session->strangers[session->n_strangers++] = xstrdup(id->task_arn);
        }
        if (session->n_strangers > 0)
                timers_set(session->engine->timers, &session->strangers_timer, STRANGERS_MS, strangers_fire);
}

/* ---- the other messages ---- */

static bool on_heartbeat(struct acs_session *session, const void *message)
{
        const struct acs_heartbeat_message *m = message;
        const struct acs_heartbeat_ack_request ack = {.message_id = m->message_id};

        if (!str_empty(m->message_id))
                say(session, "HeartbeatAckRequest", &acs_heartbeat_ack_request_shape, &ack);
        session->ops->heartbeat(session);
        return true;
}

static bool on_credentials(struct acs_session *session, const void *message)
{
        const struct acs_iam_role_credentials_message *m = message;
        struct engine_task *task = engine_find(session->engine, m->task_arn);

        if (str_empty(m->message_id) || task == NULL || m->role_credentials == NULL || str_empty(m->role_credentials->credentials_id))
                return false;
        if (str_eq(m->role_type, "TaskApplication"))
                take_credentials(&task->role_credentials, m->role_credentials);
        else if (str_eq(m->role_type, "TaskExecution"))
                take_credentials(&task->execution_credentials, m->role_credentials);
        else
                return false;
        send_credentials_ack(session, m->message_id, m->role_credentials);
        return true;
}

static bool on_manifest(struct acs_session *session, const void *message)
{
        const struct acs_task_manifest_message *m = message;
        struct arena arena CLEANUP_ARENA = {0};
        struct acs_task_stop_verification_message verification = {.message_id = m->message_id};

        if (!sequence_take_manifest(&session->sequence, m)) {
                log_debug("stale manifest dropped", LOG_I("timeline", m->timeline), LOG_I("latest", session->sequence.latest));
                return true;
        }
        session->ops->sequence_changed(session);
        send_ack(session, m->cluster_arn, m->container_instance_arn, m->message_id);
        sequence_stop_candidates(&session->sequence, m, session->engine, &arena, &verification.stop_candidates);
        note_strangers(session, m);
        if (verification.stop_candidates.n > 0)
                say(session, "TaskStopVerificationMessage", &acs_task_stop_verification_message_shape, &verification);
        return true;
}

static bool on_verification(struct acs_session *session, const void *message)
{
        const struct acs_task_stop_verification_ack *m = message;

        if (!sequence_take_verification(&session->sequence, m))
                return true;
        for (uint32_t i = 0; i < m->stop_tasks.n; i++) {
                struct engine_task *task = engine_find(session->engine, m->stop_tasks.items[i].task_arn);

                if (task == NULL || task->stop_wanted)
                        continue;
                log_warn("the server no longer wants this task; stopping it", LOG_S("task", task->arn));
                engine_task_stop(task, NULL);
        }
        return true;
}

static bool on_lease(struct acs_session *session, const void *message)
{
        const struct acs_lease_message *m = message;

        if (m->lease_ms < 0 || m->lease_ms > UINT32_MAX / 2)
                return false;
        session->ops->lease(session, (uint32_t)m->lease_ms, m->only_server);
        return true;
}

void acs_session_stopping(struct acs_session *session, const char *reason)
{
        const struct acs_agent_stopping_message message = {.reason = reason};

        say(session, "AgentStoppingMessage", &acs_agent_stopping_message_shape, &message);
}

static bool on_network(struct acs_session *session, const void *message)
{
        return session->ops->network(session, message);
}

void acs_session_answer(struct acs_session *session, const struct acs_network_message *head, const char *reason)
{
        const struct acs_nack_request nack = {.cluster = head->cluster_arn,
                                              .container_instance = head->container_instance_arn,
                                              .message_id = head->message_id,
                                              .reason = reason};

        if (reason != NULL)
                say(session, "NackRequest", &acs_nack_request_shape, &nack);
        else
                send_ack(session, head->cluster_arn, head->container_instance_arn, head->message_id);
}

/* Devices that somebody plugs into this machine: the node has not said that it could wait for those. Its interfaces come with the
 * task's payload, and are made here. */
static bool on_attach(struct acs_session *session, const void *message)
{
        const struct acs_attach_task_network_interfaces_message *m = message;

        log_warn("an attachment was sent that this node cannot take", LOG_S("task", m->task_arn));
        (void)session;
        return true;
}

static bool on_update(struct acs_session *session, const void *message)
{
        const struct acs_update_message *m = message;
        const struct acs_nack_request nack = {.cluster = m->cluster_arn,
                                              .container_instance = m->container_instance_arn,
                                              .message_id = m->message_id,
                                              .reason = "Updates are disabled"};

        if (str_empty(m->message_id))
                return false;
        say(session, "NackRequest", &acs_nack_request_shape, &nack);
        return true;
}

static bool on_close(struct acs_session *session, const void *message)
{
        const struct acs_close_message *m = message;

        (void)session;
        log_info("message from the server", LOG_S("message", m->message));
        return true;
}

static const struct {
        const char *type;
        const struct shape *shape;
        bool (*handle)(struct acs_session *session, const void *message);
} handlers[] = {
        {"HeartbeatMessage", &acs_heartbeat_message_shape, on_heartbeat},
        {"PayloadMessage", &acs_payload_message_shape, on_payload},
        {"IAMRoleCredentialsMessage", &acs_iam_role_credentials_message_shape, on_credentials},
        {"TaskManifestMessage", &acs_task_manifest_message_shape, on_manifest},
        {"TaskStopVerificationAck", &acs_task_stop_verification_ack_shape, on_verification},
        {"LeaseMessage", &acs_lease_message_shape, on_lease},
        {"NetworkMessage", &acs_network_message_shape, on_network},
        {"AttachTaskNetworkInterfacesMessage", &acs_attach_task_network_interfaces_message_shape, on_attach},
        {"AttachInstanceNetworkInterfacesMessage", &acs_attach_task_network_interfaces_message_shape, on_attach},
        {"ConfirmAttachmentMessage", &acs_attach_task_network_interfaces_message_shape, on_attach},
        {"StageUpdateMessage", &acs_update_message_shape, on_update},
        {"PerformUpdateMessage", &acs_update_message_shape, on_update},
        {"CloseMessage", &acs_close_message_shape, on_close},
        {"ErrorMessage", &acs_close_message_shape, on_close},
};

bool acs_session_message(struct acs_session *session, const char *text, size_t len)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct acs_frame *frame = NULL;
        struct error error = {0};
        void *message = NULL;

        if (SHAPE_PARSE(acs_frame, &arena, text, len, &limits, &frame, &error) < 0) {
                log_warn("a frame of the server cannot be read", LOG_S("error", error.message));
                return false;
        }
        for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
                if (!str_eq(frame->type, handlers[i].type))
                        continue;
                const char *body = frame->message != NULL ? frame->message : "{}";
                int r = shape_from_json(handlers[i].shape, &arena, body, strlen(body), &limits, &message, &error);
                if (r == 0 && handlers[i].handle(session, message))
                        return true;
                log_warn("a message of the server is malformed; it is not answered", LOG_S("type", frame->type),
                         LOG_S("error", r < 0 ? error.message : "a required member is missing"));
                return true;
        }
        log_debug("a message of an unknown type was ignored", LOG_S("type", frame->type));
        return true;
}

void acs_session_init(struct acs_session *session, struct engine *engine, const struct acs_session_ops *ops, void *data)
{
        *session = (struct acs_session){.engine = engine, .ops = ops, .data = data};
        sequence_init(&session->sequence, -1);
        list_init(&session->pending);
}

void acs_session_done(struct acs_session *session)
{
        list_for_each (p, &session->pending, struct pending, link)
                pending_free(p);
        forget_strangers(session);
}
