/* SPDX-License-Identifier: Apache-2.0 */
/* The control channel's connection. */
#include "agent/channel/acs.h"

#include <string.h>

#include <arpa/inet.h>

#include "agent/network.h"
#include "agent/version.h"
#include "base/log.h"
#include "base/strutil.h"
#include "net/reach.h"

#define SILENCE_MS 60000 /* the server promises a message a minute */

static const char *url(struct link *link, struct arena *arena)
{
        struct acs *acs = link->data;
        const char *base = acs->registration->acs_endpoint;

        if (base == NULL)
                return NULL;
        return arena_printf(arena,
                            "%s%sws?agentHash=%s&agentVersion=%s&clusterArn=%s&containerInstanceArn=%s&dockerVersion=%s&protocolVersion=2"
                            "&sendCredentials=%s&seqNum=1",
                            base, str_ends_with(base, "/") ? "" : "/", AGENT_HASH, AGENT_VERSION, uri_encode(acs->options->cluster, arena),
                            uri_encode(acs->registration->instance_arn, arena), uri_encode("DockerVersion: " RUNTIME_NAME, arena),
                            acs->credentials_sent ? "false" : "true");
}

static void up(struct link *link)
{
        struct acs *acs = link->data;

        acs->credentials_sent = true;
        acs->up(acs);
}

static void message(struct link *link, const char *text, size_t len)
{
        struct acs *acs = link->data;

        if (acs_session_message(&acs->session, text, len))
                link_alive(link);
}

static void down(struct link *link)
{
        (void)link;
}

static void failed(struct link *link)
{
        struct acs *acs = link->data;

        registration_discover(acs->registration, true);
}

static void gone(struct link *link)
{
        struct acs *acs = link->data;

        acs->gone(acs);
}

static const struct link_ops ops = {.url = url, .up = up, .message = message, .down = down, .failed = failed, .gone = gone};

static void session_send(struct acs_session *session, const char *text, size_t len)
{
        struct acs *acs = session->data;

        /* Without a connection there is nobody to answer: the server asks again on the next one. */
        (void)link_send(&acs->link, text, len);
}

static void session_store(struct acs_session *session, struct engine_task *task, struct keeper_wait *wait)
{
        struct acs *acs = session->data;

        keeper_accept(acs->keeper, task, wait);
}

static void session_sync(struct acs_session *session, struct engine_task *task, struct keeper_wait *wait)
{
        struct acs *acs = session->data;

        keeper_sync(acs->keeper, task, wait);
}

static void session_sequence(struct acs_session *session)
{
        struct acs *acs = session->data;

        acs->sequence_changed(acs);
}

static void session_heartbeat(struct acs_session *session)
{
        struct acs *acs = session->data;

        acs->heartbeat(acs);
}

static bool session_network(struct acs_session *session, const struct acs_network_message *message)
{
        struct acs *acs = session->data;
        struct in_addr own;

        acs->network->instance_id = arn_resource_id(acs->registration->instance_arn);
        acs->network->node_address = inet_pton(AF_INET, acs->registration->node_address, &own) == 1 ? ntohl(own.s_addr) : 0;
        return node_network_take(acs->network, message);
}

/* ---- the lease ---- */

#define CONNECT_MIN_MS 500

/* Silence has to be noticed, and a new connection tried, well before the lease is over. */
static void take_terms(struct acs *acs, uint32_t lease_ms, bool only_server)
{
        fence_terms(&acs->fence, lease_ms, only_server);
        if (lease_ms > 0)
                link_set_pace(&acs->link, MAX(lease_ms / 5, 1), MAX(lease_ms / 2, 1), MAX(lease_ms / 3, CONNECT_MIN_MS));
}

static void session_lease(struct acs_session *session, uint32_t lease_ms, bool only_server)
{
        struct acs *acs = session->data;
        bool changed = acs->fence.lease_ms != lease_ms || acs->fence.only_server != only_server;

        take_terms(acs, lease_ms, only_server);
        if (changed)
                acs->lease_changed(acs);
}

void acs_restore_lease(struct acs *acs, uint32_t lease_ms, bool only_server)
{
        take_terms(acs, lease_ms, only_server);
}

static int64_t fence_heard(struct fence *fence)
{
        struct acs *acs = fence->data;

        return acs->link.heard_us;
}

static void fence_ping(struct fence *fence)
{
        struct acs *acs = fence->data;

        link_ping(&acs->link);
}

static void on_reached(void *data, bool answers)
{
        struct acs *acs = data;

        acs->reach = NULL;
        if (!answers)
                return;
        fence_answered(&acs->fence);
        link_hurry(&acs->link);
}

static void fence_reach(struct fence *fence, uint32_t timeout_ms)
{
        struct acs *acs = fence->data;
        struct error error = {0};
        const char *url = acs->registration->acs_endpoint != NULL ? acs->registration->acs_endpoint : acs->options->endpoint;

        if (acs->reach == NULL && (acs->reach = reach_new(acs->loop, url, timeout_ms, on_reached, acs, &error)) == NULL)
                log_debug("the server's endpoint is not a URL", LOG_S("url", url), LOG_S("error", error.message));
}

static const struct fence_ops fence_ops = {.heard_us = fence_heard, .ping = fence_ping, .reach = fence_reach};

static const struct acs_session_ops session_ops = {.send = session_send,
                                                   .store = session_store,
                                                   .sync = session_sync,
                                                   .sequence_changed = session_sequence,
                                                   .heartbeat = session_heartbeat,
                                                   .network = session_network,
                                                   .lease = session_lease};

void acs_init(struct acs *acs, const struct agent_options *options, struct registration *registration, const struct aws_client *client,
              struct engine *engine, struct keeper *keeper, struct timers *timers)
{
        const struct link_options link = {.loop = options->loop,
                                          .name = "control",
                                          .ca_file = options->ca_file,
                                          .insecure = options->insecure,
                                          .ping_ms = options->ping_ms,
                                          .dead_ms = options->dead_ms,
                                          .silence_ms = SILENCE_MS,
                                          .backoff_min_ms = 250,
                                          .backoff_max_ms = 2000};

        *acs = (struct acs){.options = options, .registration = registration, .keeper = keeper, .loop = options->loop};
        link_init(&acs->link, &link, &ops, client, timers, acs);
        acs_session_init(&acs->session, engine, &session_ops, acs);
        fence_init(&acs->fence, engine, &fence_ops, acs);
}

void acs_connect(struct acs *acs)
{
        acs->session.cluster = acs->options->cluster;
        acs->session.instance_arn = acs->registration->instance_arn;
        if (acs->link.state == LINK_DOWN)
                link_start(&acs->link);
        else
                link_retry(&acs->link);
}

void acs_stop(struct acs *acs)
{
        acs->reach = reach_cancel(acs->reach);
        fence_done(&acs->fence);
        acs_session_stopping(&acs->session, "The node is shutting down; its containers run on");
        link_stop(&acs->link);
}

void acs_done(struct acs *acs)
{
        acs->reach = reach_cancel(acs->reach);
        fence_done(&acs->fence);
        acs_session_done(&acs->session);
}
