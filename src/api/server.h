/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server: every AWS-compatible service on one port. It owns no socket: hang `api_handle` on an http_server (or on
 * several: plain, TLS, unix) as its handler, with the api as `data`.
 *
 *     struct api_options options = {.loop = loop, .model = model, .public_url = "http://127.0.0.1:4327"};
 *     struct api *api = api_new(&options);            // routes of every service that is built are in
 *     api_bootstrap_keys(model, &admin, &agent, &error); // src/api/keys.h: the first administrator's key
 *     http_server_new(&(struct http_server_options){.loop = loop, .handler = api_handle, .reject = api_reject, .data = api}, …);
 *     …
 *     http_server_close(…); api_free(api);            // after `closed`: no request is under way any more
 *
 * How a request travels: api_handle (server.c) → route by path, X-Amz-Target or Action (dispatch.c, routes.c) → signature and kind of key
 * (auth.c) → rate limit (limits.c) → input decoded into the request's arena → handler → what it rests on is durable → answer.
 * Everything runs on the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "api/call.h"
#include "base/buf.h"
#include "net/http_server.h"

struct agents;  /* sessions of container instances: src/api/agent */
struct metrics; /* src/metrics */
struct sched;   /* src/sched */
struct discovery_watch;
struct api_state; /* what only server, dispatch, auth, limits and metrics touch: server_internal.h */

struct api_options {
        uv_loop_t *loop;        /* NULL: no timers and no websockets (unit tests) */
        struct model *model;    /* outlives the api */
        struct env *env;        /* NULL: the model's */
        struct log_store *logs; /* NULL: the logs service answers that it is switched off */
        struct sched *sched;
        struct agents *agents;
        struct metrics *metrics;   /* outlives the api; NULL: its own, in memory */
        const char *public_url;    /* what nodes and clients reach this server by, without a slash at the end; copied */
        const char *version;       /* of the program, for /healthz and metrics; NULL: "unknown" */
        size_t max_body;           /* bytes of a request to an operation; 0: 4 MiB */
        uint32_t max_in_flight;    /* requests whose answer is still to come, all connections; over it ThrottlingException; 0: 20,000 */
        uint32_t rate;             /* requests a second of one access key, in the long run; 0: 200,000 */
        uint32_t burst;            /* and at once; 0: 400,000 */
        const char *vpc_range;     /* of the default VPC, should it be made again; NULL: NETWORK_DEFAULT_RANGE */
        const char *elastic_range; /* of addresses that AllocateAddress gives out; NULL: "100.64.0.0/16" */
        bool cloud_timing;         /* as in struct controller_options */
        bool no_auth;              /* unit tests: every caller is the administrator */
};

struct api {
        struct model *model;
        struct env *env;
        uv_loop_t *loop;
        struct log_store *logs;
        struct metrics *metrics; /* CloudWatch's: src/metrics */
        struct sched *sched;
        struct discovery_watch *discovery; /* src/api/servicediscovery */
        struct agents *agents;             /* set by whoever makes it, before the first request */
        struct http_server *http;          /* for the metrics; set by the owner once it listens; may be NULL */
        struct api_options options;        /* with defaults filled in */
        struct api_state *state;
};

/* Never NULL. Registers the routes of every service (services.c). */
struct api *api_new(const struct api_options *options);
/* No call may be under way. The loop must turn once more afterwards (its timer closes). NULL is fine. Returns NULL. */
struct api *api_free(struct api *api);

/* Where nodes and clients reach the server, when that is only known once it listens (copied). Before the first request. */
void api_set_public_url(struct api *api, const char *url);

/* Ends the keys of sessions that are over, and the deletion of task definitions that tasks were still using. The api's own timer calls it every minute when there is a loop; tests call it
 * themselves. (What the model forgets with time is control/retention.h's.) */
void api_housekeeping(struct api *api);

/* An http_handler_fn and an http_reject_fn; `data` is the api. */
void api_handle(struct http_request *req, void *data);
void api_reject(int status, const char *reason, char *ret_body, size_t body_size, const char **ret_content_type, void *data);

/* Adds the operations of one file (a table that ends with a row whose run is NULL; must outlive the api). An operation may be
 * registered once. Services are known from their first table on. */
void api_add_routes(struct api *api, const struct shape_service *service, const struct api_route *routes);

/* Who signed a request. Strings live as long as the request's arena. */
struct api_principal {
        const char *arn;    /* "arn:aws:iam::123456789012:user/admin" */
        const char *key_id; /* "AKIA…"; "" with no_auth */
        enum state_key_kind kind;
        const char *role_type; /* of TASK: "TaskApplication" or "TaskExecution"; else NULL */
};

/*
 * A websocket: `fn` gets each GET of exactly `path` (such as "/acs/ws") once its signature (scope service "ecs") was found right,
 * and answers it: ws_accept, or http_respond when it refuses. `path` must outlive the api.
 * DiscoverPollEndpoint answers PUBLIC_URL/acs and PUBLIC_URL/tcs; the agent appends "/ws" to each.
 */
typedef void (*api_upgrade_fn)(struct api *api, struct http_request *req, const struct api_principal *who, void *data);
void api_add_upgrade(struct api *api, const char *path, api_upgrade_fn fn, void *data);

/* Every request, whatever its method, whose path is `prefix` (such as "/console") or lies below it goes to `fn`, which answers it and
 * sees to who may ask. `prefix` must outlive the api. */
typedef void (*api_page_fn)(struct api *api, struct http_request *req, void *data);
void api_add_page(struct api *api, const char *prefix, api_page_fn fn, void *data);

/* Lets another part write its own families into /metrics (Prometheus text; helpers in metrics.h) and its facts into /healthz
 * (members of a JSON object, each with a comma in front). Either may be NULL. */
typedef void (*api_report_fn)(struct api *api, struct buf *out, void *data);
void api_add_report(struct api *api, api_report_fn metrics, api_report_fn health, void *data);

/* Answers an AWS error outside of a call, e.g. when an upgrade is refused: JSON body, __type, x-amzn headers. */
void api_respond_error(struct http_request *req, int status, const char *code, const char *message);

/* Walks all operations of all services in order; stops when `each` returns false. `built` says whether a handler is registered. */
void api_operations(const struct api *api,
                    bool (*each)(const struct shape_service *service, const struct shape_operation *operation, bool built, void *data),
                    void *data);

/*
 * Runs one operation without HTTP and signatures: decodes `json`, runs the handler, waits for nothing (the model must commit at
 * once, as one without a loop does). Returns the HTTP status and appends the answer's JSON to `out`; 0 when
 * the handler answers later (that answer is dropped). For tests and for verbs that
 * run inside the server. `principal_arn` NULL: the administrator.
 */
int api_run(struct api *api, const char *service, const char *operation, const char *principal_arn, const char *json, struct buf *out);

/*
 * The same for a model whose commits take time: `answer` gets the answer once, when what it rests on is durable, perhaps before
 * api_submit returns. `key_id` NULL: the administrator; else whose access key that is, which must be there. Returns what api_withdraw
 * takes, or NULL when the answer was given already. The simulator's way in.
 */
struct exchange;
typedef void (*api_answer_fn)(void *data, int status, const char *json, size_t len);
struct exchange *api_submit(struct api *api, const char *service, const char *operation, const char *key_id, const char *json,
                            api_answer_fn answer, void *data);
/* Frees a request whose answer will never come, because the server that was asked is no more: before model_close. */
void api_withdraw(struct exchange *request);
