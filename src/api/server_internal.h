/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the API server proper know of each other. Handlers of operations do not include this. */
#pragma once

#include "api/server.h"
#include "base/list.h"
#include "base/map.h"
#include "codec/sigv4.h"

#define HISTOGRAM_BUCKETS 12

/* Answers of one operation under one code ("200", or an error's name). */
struct code_count {
        struct list link;
        char code[64];
        uint64_t n;
};

struct operation_stats {
        struct list codes;                       /* of struct code_count */
        uint64_t buckets[HISTOGRAM_BUCKETS + 1]; /* not cumulative; the last one is everything longer */
        uint64_t n, sum_us;
};

struct operation_entry {
        struct map_node node; /* in its service, by name */
        const struct shape_operation *operation;
        api_handler_fn run; /* NULL: declared, not built */
        struct operation_stats stats;
};

struct service_entry {
        struct list link;
        const struct shape_service *service;
        struct map by_name;
        struct operation_entry *operations; /* service->n_operations */
        struct operation_stats unknown;     /* requests that name no operation of it */
};

struct upgrade_entry {
        struct list link;
        const char *path;
        api_upgrade_fn fn;
        void *data;
};

struct page_entry {
        struct list link;
        const char *prefix;
        api_page_fn fn;
        void *data;
};

struct report_entry {
        struct list link;
        api_report_fn metrics, health;
        void *data;
};

/* What is remembered of an access key that signs requests: its rate and its derived signing keys. */
#define CALLER_SCOPES 4
struct caller {
        struct map_node node;
        char key_id[129];
        int64_t tokens_u; /* millionths of a request that may be made now */
        int64_t refilled_us;
        struct scope_key {
                char scope[96]; /* date/region/service */
                uint8_t key[32];
        } scopes[CALLER_SCOPES];
        uint32_t next_scope;
        char secret[129]; /* that the keys were derived from */
};

struct api_state {
        struct list services; /* of struct service_entry */
        struct list upgrades;
        struct list pages;
        struct list reports;
        struct map callers;
        struct operation_stats unrouted; /* no service at all */
        struct buf out;                  /* answers are written here and copied by the connection */
        uint8_t random[4096];            /* for request ids: secrecy does not matter, a system call each would */
        size_t random_used;
        uint32_t in_flight;
        uint64_t throttled;
        int64_t started_ms;
        char *public_url, *version;
        uv_timer_t *timer, *second; /* NULL without a loop */
        struct metrics *metrics;    /* its own; NULL: given */
};

struct exchange;

/* How a kind of service speaks: AWS JSON (protocol_json.c), AWS query with XML answers (protocol_query.c), EC2's flavour of it
 * (protocol_ec2.c), or CBOR (protocol_cbor.c). */
struct protocol {
        const char *content_type;
        int (*decode)(struct exchange *x, void **ret_input, struct error *error);
        void (*encode)(struct exchange *x, struct buf *out);
        void (*encode_error)(struct exchange *x, const char *code, const char *message, int *status, struct buf *out);
};
extern const struct protocol protocol_json_1_1, protocol_json_1_0, protocol_query, protocol_ec2, protocol_cbor;

/* One request to an operation, from its first byte to its answer. Lives in the request's arena. */
struct exchange {
        struct api_call call;
        const struct protocol *protocol;
        struct service_entry *service;     /* NULL: the request names none */
        struct operation_entry *operation; /* NULL: the service has none of that name */
        const char *operation_name;        /* as the request says */
        const char *form;                  /* of query requests: parameters, url-encoded */
        size_t form_len;
        bool query_mode; /* x-amzn-query-mode: errors also carry x-amzn-query-error */
        uint64_t started_us;
        /* The answer, while it waits to be durable. */
        int status;
        const char *code, *message; /* "200", or the error's name and text */
        const void *body;
        size_t body_len;
        int status_override; /* HTTP status of the error instead of the one that its code has; 0: none */
        bool in_flight;      /* counted in api_state.in_flight */
        char request_id[37];
        /* api_run and api_submit: no connection, the answer goes here. */
        bool detached;
        struct buf *run_out;
        api_answer_fn answer; /* of api_submit; NULL: api_run's, which does not wait until things are durable */
        void *answer_data;
        int run_status;          /* 0: no answer yet */
        struct arena *abandoned; /* holds this exchange when api_run returned before the answer */
};

/* routes.c */
struct service_entry *api_service(struct api *api, const char *name);
/* The operation that `target` ("AmazonEC2ContainerServiceV20141113.RunTask") names; *ret_service NULL when no service has that
 * prefix, *ret_operation NULL when the service has no such operation. */
void route_target(struct api *api, const char *target, struct service_entry **ret_service, struct operation_entry **ret_operation);
struct operation_entry *service_operation(const struct service_entry *service, const char *name);
void routes_done(struct api *api);

/* Where requests in CBOR go. */
#define API_CBOR_PREFIX "/service/"

/* dispatch.c: a request whose path is "/" or begins with API_CBOR_PREFIX. */
void dispatch_request(struct api *api, struct http_request *req);

/* answer.c */
/* Sends what the handler made, or the error, once it is durable; ends the exchange. `result` as a handler returns it. */
void exchange_finish(struct exchange *x, int result);
/* Answers with an error and ends the exchange. */
void exchange_fail(struct exchange *x, const struct error *error);
void api_request_id(struct api *api, char ret[37]);

/* protocol_json.c: a JSON string with its quotes. */
void api_json_quote(struct buf *out, const char *text);

/* metrics.c */
void stats_init(struct operation_stats *stats);
void stats_done(struct operation_stats *stats);
void stats_record(struct operation_stats *stats, const char *code, uint64_t us);
void metrics_write(struct api *api, struct buf *out);

/* auth.c */
/* `service` is the signing name that the credential scope must have; `permission` ("ecs:RunTask") what is asked for, NULL: anything
 * that any valid key may do. Error codes are those of JSON services. */
int authenticate(struct api *api, const struct http_request *req, const char *service, struct api_principal *ret,
                 struct error *error) MUST_CHECK;
int authorize(const struct api_principal *who, const char *permission, struct error *error) MUST_CHECK;
/* The service in the credential scope without checking anything, or NULL: query requests are routed by it. */
const char *auth_scope_service(const struct http_request *req);

/* limits.c */
struct caller *caller_get(struct api *api, const char *key_id, const char *secret);
/* The derived key for the claim's scope, which the caller keeps. */
const uint8_t *caller_signing_key(struct caller *caller, const char *secret, const struct sigv4_claim *claim);
/* False when the key has used up its rate. */
bool caller_admit(struct api *api, const char *key_id);
void callers_done(struct api *api);
