/* SPDX-License-Identifier: Apache-2.0 */
/* Serving containers: routes, rate limit, credentials. Introspection is in introspect.c, task protection in protection.c. */
#include "agent/metadata/metadata.h"

#include <errno.h>
#include <string.h>

#include "agent/agent_internal.h"
#include "agent/metadata/internal.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

/* The stock agent's ECS_TASK_METADATA_RPS_LIMIT; ours is for each caller's address, so that no task can starve another. */
#define RATE_STEADY 40.0
#define RATE_BURST 60.0

static const struct http_limits limits = {.max_header_bytes = 16384,
                                          .max_body_bytes = 65536,
                                          .header_timeout_ms = 5000,
                                          .body_timeout_ms = 5000,
                                          .max_connections = 1024,
                                          .max_per_address = 128};

void metadata_answer(struct http_request *req, int status, const char *json)
{
        const struct http_header headers[] = {{"Content-Type", "application/json"}};

        http_respond(req, status, headers, ARRAY_SIZE(headers), json, strlen(json));
}

void metadata_answer_shape(struct http_request *req, int status, const struct shape *shape, const void *obj)
{
        struct buf text CLEANUP_BUF = {0};

        shape_to_json(shape, obj, &text);
        metadata_answer(req, status, text.data);
}

/* As the stock agent: a JSON string. */
void metadata_answer_text(struct http_request *req, int status, const char *text)
{
        metadata_answer(req, status, arena_printf(req->arena, "\"%s\"", text));
}

static struct view_context view(const struct metadata *m, int version)
{
        return (struct view_context){
                .cluster = m->agent->options.cluster, .availability_zone = m->agent->registration.availability_zone, .version = version};
}

/* ---- credentials ---- */

static void credentials_error(struct http_request *req, int status, const char *code, const char *message)
{
        struct meta_credentials_error e = {.code = code, .message = message};

        SHAPE_SET(&e, meta_credentials_error, http_error_code, status);
        metadata_answer_shape(req, status, &meta_credentials_error_shape, &e);
}

/* Whether the caller's address is the task's own. A Fargate task is not told of others, not even by their ids. */
static bool may_see(const struct engine_task *t, const struct http_request *req)
{
        size_t len = strcspn(req->peer, ":");
        bool has_address = false;

        for (uint32_t i = 0; engine_task_is_fargate(t) && i < t->n_containers; i++) {
                const char *own = t->containers[i].address;

                has_address |= own != NULL;
                if (own != NULL && strlen(own) == len && strncmp(own, req->peer, len) == 0)
                        return true;
        }
        return !has_address;
}

static bool id_matches(const struct acs_role_credentials *credentials, const char *id)
{
        return credentials != NULL && str_eq(credentials->credentials_id, id);
}

static void serve_credentials(struct metadata *m, struct http_request *req, const char *id)
{
        bool known = false;

        if (str_empty(id)) {
                credentials_error(req, 400, "NoIdInRequest", "CredentialsV2Request: No Credential ID in the request");
                return;
        }
        list_for_each (t, &m->agent->engine.order, struct engine_task, link) {
                const struct acs_role_credentials *const live[] = {t->role_credentials, t->execution_credentials};

                for (size_t i = 0; i < ARRAY_SIZE(live); i++) {
                        if (!id_matches(live[i], id) || !may_see(t, req))
                                continue;
                        const struct meta_credentials out = {.role_arn = live[i]->role_arn,
                                                             .access_key_id = live[i]->access_key_id,
                                                             .secret_access_key = live[i]->secret_access_key,
                                                             .token = live[i]->session_token,
                                                             .expiration = live[i]->expiration};

                        log_info("credentials were read", LOG_S("peer", req->peer), LOG_S("task", t->arn),
                                 LOG_S("role", live[i]->role_arn));
                        metadata_answer_shape(req, 200, &meta_credentials_shape, &out);
                        return;
                }
                known |= may_see(t, req) &&
                         (id_matches(t->payload->role_credentials, id) || id_matches(t->payload->execution_role_credentials, id));
        }
        log_warn("credentials were asked for with an unknown id", LOG_S("peer", req->peer));
        if (known)
                credentials_error(req, 503, "CredentialsUninitialized",
                                  "the agent was restarted and the server has not sent the credentials again yet; try again in a moment");
        else
                credentials_error(req, 400, "InvalidIdInRequest", "CredentialsV2Request: Credentials not found");
}

/* ---- metadata and statistics ---- */

static void serve_container(struct metadata *m, struct http_request *req, struct engine_container *c, int version)
{
        const struct view_context context = view(m, version);
        struct meta_container out;

        view_container(c, &context, req->arena, &out);
        metadata_answer_shape(req, 200, &meta_container_shape, &out);
}

void metadata_add_disk(const struct metadata *m, const struct engine_task *t, int version, struct arena *arena, struct meta_task *out)
{
        uint64_t used, size;

        if (version < 4 || runtime_disk_usage(m->agent->runtime, t->id, &used, &size) < 0)
                return;
        out->ephemeral_storage_metrics = ARENA_NEW(arena, struct meta_ephemeral_storage_metrics);
        SHAPE_SET(out->ephemeral_storage_metrics, meta_ephemeral_storage_metrics, utilized, (int64_t)(used >> 20));
        SHAPE_SET(out->ephemeral_storage_metrics, meta_ephemeral_storage_metrics, reserved, (int64_t)(size >> 20));
}

static void serve_task(struct metadata *m, struct http_request *req, struct engine_container *c, int version)
{
        const struct view_context context = view(m, version);
        struct meta_task out;

        view_task(c->task, &context, req->arena, &out);
        metadata_add_disk(m, c->task, version, req->arena, &out);
        metadata_answer_shape(req, 200, &meta_task_shape, &out);
}

static void serve_stats(struct metadata *m, struct http_request *req, struct engine_container *c, int version)
{
        struct buf text CLEANUP_BUF = {0};

        (void)m;
        (void)version;
        view_stats(c, req->arena, &text);
        metadata_answer(req, 200, text.data);
}

static void serve_task_stats(struct metadata *m, struct http_request *req, struct engine_container *c, int version)
{
        struct buf text CLEANUP_BUF = {0};

        (void)m;
        (void)version;
        buf_append_char(&text, '{');
        for (uint32_t i = 0; i < c->task->n_containers; i++) {
                buf_printf(&text, "%s\"%s\":", i > 0 ? "," : "", c->task->containers[i].runtime_id);
                view_stats(&c->task->containers[i], req->arena, &text);
        }
        buf_append_char(&text, '}');
        metadata_answer(req, 200, text.data);
}

static void serve_associations(struct metadata *m, struct http_request *req, struct engine_container *c, int version)
{
        (void)m;
        (void)c;
        (void)version;
        metadata_answer(req, 200, "{\"Associations\":[]}");
}

static const struct {
        const char *path; /* behind the endpoint's id */
        void (*serve)(struct metadata *m, struct http_request *req, struct engine_container *c, int version);
} views[] = {
        {"", serve_container},
        {"/", serve_container},
        {"/task", serve_task},
        {"/stats", serve_stats},
        {"/task/stats", serve_task_stats},
        {"/taskWithTags", tags_serve},
        {"/associations/gpu", serve_associations},
        {"/associations/elastic-inference", serve_associations},
};

/* The endpoint's container from "/v4/ID/rest"; `ret_rest` is what follows the id. */
static struct engine_container *find_endpoint(struct metadata *m, struct http_request *req, const char *after, const char **ret_rest)
{
        size_t len = strcspn(after, "/");
        const char *id = arena_strndup(req->arena, after, len);
        struct engine_container *found = len > 0 ? engine_find_endpoint(&m->agent->engine, id) : NULL;

        *ret_rest = after + len;
        return found != NULL && may_see(found->task, req) ? found : NULL;
}

static void serve_views(struct metadata *m, struct http_request *req, const char *after, int version)
{
        const char *rest;
        struct engine_container *c = find_endpoint(m, req, after, &rest);

        if (c == NULL) {
                metadata_answer_text(
                        req, 404,
                        arena_printf(req->arena,
                                     "V%d container metadata handler: unable to get container ID from request: unknown endpoint id",
                                     version));
                return;
        }
        for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
                if (str_eq(rest, views[i].path)) {
                        views[i].serve(m, req, c, version);
                        return;
                }
        }
        metadata_answer_text(req, 404, "404 page not found");
}

static void serve_v4(struct metadata *m, struct http_request *req, const char *after)
{
        serve_views(m, req, after, 4);
}

static void serve_v3(struct metadata *m, struct http_request *req, const char *after)
{
        serve_views(m, req, after, 3);
}

/* Version 2 tells tasks apart by the caller's address. */
static struct engine_container *find_by_peer(struct metadata *m, struct http_request *req)
{
        const char *address = arena_strndup(req->arena, req->peer, strcspn(req->peer, ":"));

        list_for_each (t, &m->agent->engine.order, struct engine_task, link) {
                for (uint32_t i = 0; i < t->n_containers; i++) {
                        if (t->state < TASK_STOPPED && str_eq(t->containers[i].address, address))
                                return &t->containers[i];
                }
        }
        return NULL;
}

static void serve_by_peer(struct metadata *m, struct http_request *req,
                          void (*serve)(struct metadata *m, struct http_request *req, struct engine_container *c, int version))
{
        struct engine_container *c = find_by_peer(m, req);

        if (c != NULL)
                serve(m, req, c, 2);
        else
                metadata_answer_text(
                        req, 404,
                        "Unable to get task arn from request: no task has the caller's address; use ECS_CONTAINER_METADATA_URI_V4");
}

static void serve_v2_metadata(struct metadata *m, struct http_request *req, const char *after)
{
        (void)after;
        serve_by_peer(m, req, serve_task);
}

static void serve_v2_stats(struct metadata *m, struct http_request *req, const char *after)
{
        (void)after;
        serve_by_peer(m, req, serve_task_stats);
}

static void serve_v1_credentials(struct metadata *m, struct http_request *req, const char *after)
{
        (void)after;
        serve_credentials(m, req, http_request_query(req, "id"));
}

static void serve_api(struct metadata *m, struct http_request *req, const char *after)
{
        const char *rest;
        struct engine_container *c = find_endpoint(m, req, after, &rest);

        if (c == NULL)
                metadata_answer_text(req, 404, "unknown endpoint id");
        else if (str_eq(rest, "/task-protection/v1/state"))
                protection_serve(m, req, c);
        else if (str_starts_with(rest, "/fault/"))
                metadata_answer(req, 400, "{\"Error\":\"fault injection is not available on this node\"}");
        else
                metadata_answer_text(req, 404, "404 page not found");
}

static const struct {
        const char *prefix;
        void (*serve)(struct metadata *m, struct http_request *req, const char *after);
} routes[] = {
        {"/v2/credentials/", serve_credentials},
        {"/v1/credentials", serve_v1_credentials},
        {"/v4/", serve_v4},
        {"/v3/", serve_v3},
        {"/v2/metadata", serve_v2_metadata},
        {"/v2/stats", serve_v2_stats},
        {"/api/", serve_api},
};

/* Token buckets, by a hash of the caller's address. */
static bool may_pass(struct metadata *m, const char *peer)
{
        struct metadata_bucket *bucket = &m->buckets[hash_bytes(peer, strcspn(peer, ":")) % METADATA_BUCKETS];
        int64_t now = env_mono_us(m->agent->env);

        bucket->spent = MAX(bucket->spent - (double)(now - bucket->seen_us) / 1e6 * RATE_STEADY, 0);
        bucket->seen_us = now;
        if (bucket->spent + 1 > RATE_BURST)
                return false;
        bucket->spent += 1;
        return true;
}

static void on_request(struct http_request *req, void *data)
{
        struct metadata *m = data;

        if (!may_pass(m, req->peer)) {
                metadata_answer_text(req, 429, "Too many requests: the task metadata endpoint answers a task 40 a second");
                return;
        }
        for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
                if (str_starts_with(req->path, routes[i].prefix)) {
                        routes[i].serve(m, req, req->path + strlen(routes[i].prefix));
                        return;
                }
        }
        metadata_answer_text(req, 404, "404 page not found");
}

/* ---- servers ---- */

static int serve(struct metadata *m, int port, http_handler_fn handler, struct http_server **ret, struct error *error)
{
        const struct http_server_options options = {.loop = m->agent->loop, .limits = limits, .handler = handler, .data = m};
        struct http_server *server = NULL;
        char address[64];
        int r = http_server_new(&options, &server, error);

        if (r < 0)
                return r;
        (void)snprintf(address, sizeof(address), "127.0.0.1:%d", MAX(port, 0));
        r = http_server_listen(server, address, error);
        if (r < 0) {
                http_server_close(server, 0, NULL, NULL);
                return r;
        }
        *ret = server;
        return 0;
}

int metadata_new(struct agent *agent, struct metadata **ret, struct error *error)
{
        struct metadata *m = xalloc(sizeof(*m));
        int r;

        m->agent = agent;
        list_init(&m->proxied);
        r = serve(m, agent->options.metadata_port, on_request, &m->tasks, error);
        if (r < 0)
                error_wrap(error, "task metadata endpoint (choose another --metadata-port)");
        if (r == 0 && agent->options.introspection_port >= 0) {
                r = serve(m, agent->options.introspection_port, introspect_request, &m->introspection, error);
                if (r < 0)
                        error_wrap(error, "introspection endpoint (choose another --introspection-port)");
        }
        if (r < 0) {
                metadata_free(m);
                return r;
        }
        *ret = m;
        return 0;
}

int metadata_port(const struct metadata *m)
{
        return http_server_port(m->tasks);
}

static void on_closed(void *data)
{
        struct metadata *m = data;

        if (--m->closing > 0)
                return;
        m->closed(m->closed_data);
}

void metadata_close(struct metadata *m, void (*closed)(void *data), void *data)
{
        m->closed = closed;
        m->closed_data = data;
        m->closing = m->introspection != NULL ? 2 : 1;
        proxied_cancel_all(m);
        http_server_close(TAKE(m->tasks), 500, on_closed, m);
        if (m->introspection != NULL)
                http_server_close(TAKE(m->introspection), 500, on_closed, m);
}

struct metadata *metadata_free(struct metadata *m)
{
        if (m == NULL)
                return NULL;
        proxied_cancel_all(m);
        if (m->tasks != NULL)
                http_server_close(m->tasks, 0, NULL, NULL);
        if (m->introspection != NULL)
                http_server_close(m->introspection, 0, NULL, NULL);
        free(m);
        return NULL;
}
