/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where agents connect: /acs/ws and /tcs/ws. The API server has verified the signature; here the instance is found and the
 * websocket becomes a channel of its agent. Refusals have the form that the stock agent reads:
 * {"type":"InvalidInstanceException","message":{"message":"…"}}.
 */
#include <stdlib.h>
#include <string.h>

#include "api/agent/session.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "model/names.h"
#include "net/ws.h"

/* A websocket as a channel. */
struct socket_channel {
        struct agent_channel channel;
        struct ws *ws;
        bool control;
};

static struct socket_channel *socket_of(const struct agent_channel *channel)
{
        return CONTAINER_OF(channel, struct socket_channel, channel);
}

static void socket_send(struct agent_channel *channel, const char *text, size_t len)
{
        /* A connection that is closing takes no more; what was to be said is said on the next one. */
        (void)ws_send(socket_of(channel)->ws, text, len);
}

static void socket_ping(struct agent_channel *channel)
{
        ws_ping(socket_of(channel)->ws);
}

static void socket_close(struct agent_channel *channel, int code, const char *reason)
{
        ws_close(socket_of(channel)->ws, code, reason);
}

static void socket_abort(struct agent_channel *channel)
{
        ws_abort(socket_of(channel)->ws);
}

static uint64_t socket_last_received_us(const struct agent_channel *channel)
{
        return ws_last_received_us(socket_of(channel)->ws);
}

static const struct agent_channel_ops socket_ops = {socket_send, socket_ping, socket_close, socket_abort, socket_last_received_us};

static void on_message(struct ws *ws, const char *text, size_t len, void *data)
{
        struct socket_channel *socket = data;

        if (socket->control)
                agent_received(&socket->channel, text, len);
        else
                telemetry_received(&socket->channel, text, len);
}

static void on_closed(struct ws *ws, int code, const char *reason, void *data)
{
        struct socket_channel *socket = data;

        if (socket->control)
                agent_disconnected(&socket->channel, code, reason);
        else
                telemetry_disconnected(&socket->channel);
        free(socket);
}

static const struct ws_callbacks callbacks = {.message = on_message, .closed = on_closed};

/* ---- Addresses ---- */

static bool is_loopback(const char *url)
{
        const char *host = url ? strstr(url, "://") : NULL;

        if (!host)
                return false;
        host += 3;
        return str_starts_with(host, "127.") || str_starts_with(host, "localhost") || str_starts_with(host, "[::1]");
}

/* A server that listens on all addresses knows itself by the loopback address, which is of no use to another machine. */
const char *agents_base_url(const struct api *api, const struct http_request *req, struct arena *arena)
{
        const char *url = api->options.public_url;
        const char *host = req ? http_request_header(req, "Host") : NULL;

        if (host && *host && (str_empty(url) || is_loopback(url)))
                return arena_printf(arena, "%s://%s", req->tls ? "https" : "http", host);
        return str_empty(url) ? NULL : url;
}

/* NULL: the one that all agents get. */
static const char *own_logs_endpoint(const struct agents *agents, const struct api *api, const struct http_request *req)
{
        return agents->logs_endpoint && is_loopback(agents->logs_endpoint) ? agents_base_url(api, req, req->arena) : NULL;
}

/* ---- Refusals ---- */

static void refuse(struct agents *agents, struct http_request *req, int status, const char *type, const char *message)
{
        struct http_header headers[] = {{"Content-Type", "application/json"}};
        /* Texts are ours and hold nothing that JSON would escape. */
        char *body = arena_printf(req->arena, "{\"type\":\"%s\",\"message\":{\"message\":\"%s\"}}", type, message);

        agents->stats.refused++;
        log_info("agent refused", LOG_S("peer", req->peer), LOG_S("type", type), LOG_S("message", message));
        http_respond(req, status, headers, ARRAY_SIZE(headers), body, strlen(body));
}

/* May the caller speak for this instance? A node's key only for those that it registered. */
static bool owns(const struct api_principal *who, const struct instance *instance)
{
        return who->kind != STATE_KEY_KIND_AGENT || str_empty(instance->state->key_id) || str_eq(instance->state->key_id, who->key_id);
}

/*
 * The instance in the query; `cluster` there is a name or an ARN and must be the instance's. INACTIVE is refused with the one
 * exception that makes the stock agent wait for an hour: it is right only when the instance is deregistered for good.
 */
static struct instance *find_instance(struct agents *agents, struct http_request *req, const struct api_principal *who,
                                      const char *cluster_text, const char *instance_text)
{
        struct error error = {0};
        struct cluster *cluster;
        struct instance *instance;
        char name[256];

        if (str_empty(instance_text)) {
                refuse(agents, req, 400, "InvalidInstanceException", "The request names no container instance");
                return NULL;
        }
        if (model_parse_cluster(agents->model, cluster_text, name, &error) < 0 || !(cluster = model_cluster(agents->model, name)) ||
            cluster->state->status != STATE_CLUSTER_STATUS_ACTIVE) {
                refuse(agents, req, 400, "InvalidClusterException", "Cluster not found.");
                return NULL;
        }
        if (model_find_instance(agents->model, cluster, instance_text, &instance, &error) < 0) {
                refuse(agents, req, 400, "InvalidInstanceException", "The container instance is not registered in this cluster");
                return NULL;
        }
        if (instance->state->status == STATE_INSTANCE_STATUS_INACTIVE) {
                refuse(agents, req, 400, "InactiveInstanceException", "The container instance is deregistered");
                return NULL;
        }
        if (!owns(who, instance)) {
                refuse(agents, req, 403, "AccessDeniedException", "The container instance was registered with another access key");
                return NULL;
        }
        return instance;
}

static struct socket_channel *accept_socket(struct http_request *req, bool control)
{
        /* Telemetry frames hold at most 1 MiB; on the control channel agents say little. Silence is watched in agents.c. */
        struct ws_limits limits = {.max_message = 2u << 20};
        struct socket_channel *socket = xalloc(sizeof(*socket));

        socket->channel.ops = &socket_ops;
        socket->control = control;
        socket->ws = ws_accept(req, &limits, &callbacks, socket);
        if (socket->ws)
                return socket;
        free(socket);
        return NULL;
}

/* "10.0.0.7:40312" without its port, "[::1]:40312" without brackets too; NULL for a unix socket. Allocated. */
static char *peer_address(const char *peer)
{
        const char *colon = peer != NULL ? strrchr(peer, ':') : NULL;

        if (colon == NULL || str_starts_with(peer, "unix"))
                return NULL;
        return peer[0] == '[' ? xstrndup(peer + 1, (size_t)(colon - peer) - 2) : xstrndup(peer, (size_t)(colon - peer));
}

static void on_control(struct api *api, struct http_request *req, const struct api_principal *who, void *data)
{
        struct agents *agents = data;
        struct agent_hello hello = {
                .agent_version = http_request_query(req, "agentVersion"),
                .agent_hash = http_request_query(req, "agentHash"),
                .docker_version = http_request_query(req, "dockerVersion"),
                .logs_endpoint = own_logs_endpoint(agents, api, req),
                .send_credentials = str_eq(http_request_query(req, "sendCredentials"), "true"),
        };
        struct instance *instance =
                find_instance(agents, req, who, http_request_query(req, "clusterArn"), http_request_query(req, "containerInstanceArn"));
        struct socket_channel *socket;

        if (!instance)
                return;
        /* The request and its arena end with the answer. */
        hello.agent_version = xstrdup(hello.agent_version);
        hello.agent_hash = xstrdup(hello.agent_hash);
        hello.docker_version = xstrdup(hello.docker_version);
        hello.logs_endpoint = xstrdup(hello.logs_endpoint);
        hello.address = peer_address(req->peer);
        socket = accept_socket(req, true);
        if (socket)
                agent_connected(agents, instance, &socket->channel, &hello);
        free((char *)hello.agent_version);
        free((char *)hello.agent_hash);
        free((char *)hello.docker_version);
        free((char *)hello.logs_endpoint);
        free((char *)hello.address);
}

static void on_telemetry(struct api *api, struct http_request *req, const struct api_principal *who, void *data)
{
        struct agents *agents = data;
        const char *interval = http_request_query(req, "metricsInterval"); /* before a refusal ends the request */
        struct instance *instance =
                find_instance(agents, req, who, http_request_query(req, "cluster"), http_request_query(req, "containerInstance"));
        int64_t every_s = 0;
        struct socket_channel *socket;

        if (!instance)
                return;
        if (interval && (str_to_int64(interval, &every_s) < 0 || every_s < 0 || every_s > 3600))
                every_s = 0;
        socket = accept_socket(req, false);
        if (socket)
                telemetry_connected(agents, instance, &socket->channel, (uint32_t)every_s);
}

void upgrade_serve(struct agents *agents, struct api *api)
{
        api_add_upgrade(api, "/acs/ws", on_control, agents);
        api_add_upgrade(api, "/tcs/ws", on_telemetry, agents);
}
