/* SPDX-License-Identifier: Apache-2.0 */
/* The control channel's connection. */
#include "agent/acs.h"

#include <string.h>

#include "agent/version.h"
#include "base/strutil.h"

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

static const struct acs_session_ops session_ops = {.send = session_send,
                                                   .store = session_store,
                                                   .sync = session_sync,
                                                   .sequence_changed = session_sequence,
                                                   .heartbeat = session_heartbeat};

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
                                          .backoff_max_ms = 10000};

        *acs = (struct acs){.options = options, .registration = registration, .keeper = keeper};
        link_init(&acs->link, &link, &ops, client, timers, acs);
        acs_session_init(&acs->session, engine, &session_ops, acs);
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
        link_stop(&acs->link);
}
