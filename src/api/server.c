/* SPDX-License-Identifier: Apache-2.0 */
/* The API server: made, asked, freed; and the paths that are not operations: /healthz, /metrics, websockets. */
#include "api/server.h"

#include <stdio.h>
#include <string.h>

#include "api/cloudwatch/sources.h"
#include "api/keys.h"
#include "api/server_internal.h"
#include "api/services.h"
#include "base/alloc.h"
#include "base/strutil.h"
#include "metrics/metrics.h"

#define HOUSEKEEPING_MS 60000
#define SECOND_MS 1000

/* ---- Life ---- */

static void housekeeping_due(uv_timer_t *timer)
{
        api_housekeeping(timer->data);
}

static void second_is_over(uv_timer_t *timer)
{
        struct api *api = timer->data;

        cloudwatch_second(api, env_now_ms(api->env));
}

static uv_timer_t *start_timer(struct api *api, uv_timer_cb due, uint64_t period_ms)
{
        uv_timer_t *timer;

        if (api->loop == NULL)
                return NULL;
        timer = xalloc(sizeof(*timer));
        (void)uv_timer_init(api->loop, timer);
        timer->data = api;
        (void)uv_timer_start(timer, due, period_ms, period_ms);
        uv_unref((uv_handle_t *)timer); /* does not keep the loop alive by itself */
        return timer;
}

static struct api_options with_defaults(const struct api_options *given)
{
        struct api_options options = *given;

        if (options.env == NULL)
                options.env = model_env(options.model);
        if (options.max_body == 0)
                options.max_body = 4u << 20;
        if (options.max_in_flight == 0)
                options.max_in_flight = 20000;
        if (options.rate == 0)
                options.rate = 200000;
        if (options.burst == 0)
                options.burst = 400000;
        return options;
}

struct api *api_new(const struct api_options *options)
{
        struct api *api = xalloc(sizeof(*api));
        struct api_state *state = xalloc(sizeof(*state));

        api->state = state;
        api->options = with_defaults(options);
        state->public_url = xstrdup(options->public_url != NULL ? options->public_url : "http://127.0.0.1:4327");
        state->version = xstrdup(options->version != NULL ? options->version : "unknown");
        api->options.public_url = state->public_url;
        api->options.version = state->version;
        api->model = options->model;
        api->env = api->options.env;
        api->loop = options->loop;
        api->logs = options->logs;
        api->sched = options->sched;
        api->agents = options->agents;
        list_init(&state->services);
        list_init(&state->upgrades);
        list_init(&state->pages);
        list_init(&state->reports);
        map_init(&state->callers);
        stats_init(&state->unrouted);
        state->random_used = sizeof(state->random);
        state->started_ms = env_now_ms(api->env);
        state->metrics = options->metrics == NULL ? metrics_new(NULL) : NULL;
        api->metrics = options->metrics != NULL ? options->metrics : state->metrics;
        services_register(api);
        state->timer = start_timer(api, housekeeping_due, HOUSEKEEPING_MS);
        state->second = start_timer(api, second_is_over, SECOND_MS);
        return api;
}

static void timer_closed(uv_handle_t *handle)
{
        free(handle);
}

struct api *api_free(struct api *api)
{
        struct api_state *state;

        if (api == NULL)
                return NULL;
        state = api->state;
        services_done(api);
        if (state->timer != NULL)
                uv_close((uv_handle_t *)state->timer, timer_closed);
        if (state->second != NULL)
                uv_close((uv_handle_t *)state->second, timer_closed);
        list_for_each (upgrade, &state->upgrades, struct upgrade_entry, link)
                free(upgrade);
        list_for_each (page, &state->pages, struct page_entry, link)
                free(page);
        list_for_each (report, &state->reports, struct report_entry, link)
                free(report);
        routes_done(api);
        callers_done(api);
        stats_done(&state->unrouted);
        metrics_free(state->metrics);
        buf_done(&state->out);
        free(state->public_url);
        free(state->version);
        free(state);
        free(api);
        return NULL;
}

void api_set_public_url(struct api *api, const char *url)
{
        free(api->state->public_url);
        api->state->public_url = xstrdup(url);
        api->options.public_url = api->state->public_url;
}

void api_add_upgrade(struct api *api, const char *path, api_upgrade_fn fn, void *data)
{
        struct upgrade_entry *entry = xalloc(sizeof(*entry));

        *entry = (struct upgrade_entry){.path = path, .fn = fn, .data = data};
        list_push(&api->state->upgrades, &entry->link);
}

void api_add_page(struct api *api, const char *prefix, api_page_fn fn, void *data)
{
        struct page_entry *entry = xalloc(sizeof(*entry));

        *entry = (struct page_entry){.prefix = prefix, .fn = fn, .data = data};
        list_push(&api->state->pages, &entry->link);
}

void api_add_report(struct api *api, api_report_fn metrics, api_report_fn health, void *data)
{
        struct report_entry *entry = xalloc(sizeof(*entry));

        *entry = (struct report_entry){.metrics = metrics, .health = health, .data = data};
        list_push(&api->state->reports, &entry->link);
}

void api_housekeeping(struct api *api)
{
        (void)api_keys_expire(api->model, env_now_ms(api->env));
        services_housekeeping(api);
}

/* ---- Paths ---- */

static void respond_text(struct http_request *req, const char *content_type, const struct buf *body)
{
        struct http_header headers[] = {{"Content-Type", content_type}, {"Cache-Control", "no-store"}};

        http_respond(req, 200, headers, ARRAY_SIZE(headers), body->data, body->len);
}

/* Says that the loop turns and the store keeps up; no secrets, so no signature. */
static void answer_health(struct api *api, struct http_request *req)
{
        CLEANUP_BUF struct buf body = {0};

        buf_append_str(&body, "{\"status\":\"ok\",\"version\":");
        api_json_quote(&body, api->options.version);
        buf_printf(&body, ",\"uptimeSeconds\":%lld,\"commitsWaiting\":%llu",
                   (long long)(env_now_ms(api->env) - api->state->started_ms) / 1000,
                   (unsigned long long)(model_sequence(api->model) - model_durable(api->model)));
        list_for_each (report, &api->state->reports, struct report_entry, link)
                if (report->health != NULL)
                        report->health(api, &body, report->data);
        buf_append_str(&body, "}\n");
        respond_text(req, "application/json", &body);
}

static bool from_this_machine(const struct http_request *req)
{
        return str_eq(req->peer, "unix") || str_starts_with(req->peer, "127.") || str_starts_with(req->peer, "[::1]");
}

static void answer_error(struct http_request *req, const struct error *error)
{
        api_respond_error(req, 403, error->code, error->message);
}

/* Names of clusters do not show in metrics, yet sizes do: open to this machine only, else to whoever signs (scope "ecs"). */
static void answer_metrics(struct api *api, struct http_request *req)
{
        CLEANUP_BUF struct buf body = {0};
        struct api_principal who;
        struct error error = {0};

        if (!from_this_machine(req) &&
            (authenticate(api, req, "ecs", &who, &error) < 0 || authorize(&who, "gantry:GetMetrics", &error) < 0)) {
                answer_error(req, &error);
                return;
        }
        metrics_write(api, &body);
        respond_text(req, "text/plain; version=0.0.4", &body);
}

static bool answer_upgrade(struct api *api, struct http_request *req)
{
        struct api_principal who;
        struct error error = {0};

        list_for_each (entry, &api->state->upgrades, struct upgrade_entry, link) {
                if (!str_eq(entry->path, req->path))
                        continue;
                if (authenticate(api, req, "ecs", &who, &error) < 0 || authorize(&who, "ecs:Poll", &error) < 0)
                        answer_error(req, &error);
                else
                        entry->fn(api, req, &who, entry->data);
                return true;
        }
        return false;
}

static bool answer_page(struct api *api, struct http_request *req)
{
        list_for_each (entry, &api->state->pages, struct page_entry, link) {
                size_t len = strlen(entry->prefix);

                if (strncmp(req->path, entry->prefix, len) != 0 || (req->path[len] != '\0' && req->path[len] != '/'))
                        continue;
                entry->fn(api, req, entry->data);
                return true;
        }
        return false;
}

void api_handle(struct http_request *req, void *data)
{
        struct api *api = data;
        bool get = str_eq(req->method, "GET") || str_eq(req->method, "HEAD");

        if (str_eq(req->path, "/") || str_starts_with(req->path, API_CBOR_PREFIX))
                dispatch_request(api, req);
        else if (get && str_eq(req->path, "/healthz"))
                answer_health(api, req);
        else if (get && str_eq(req->path, "/metrics"))
                answer_metrics(api, req);
        else if (answer_page(api, req))
                return;
        else if (!get || !answer_upgrade(api, req))
                api_respond_error(req, 404, "UnknownOperationException", "There is nothing at this path. Operations are POSTed to \"/\".");
}

void api_reject(int status, const char *reason, char *ret_body, size_t body_size, const char **ret_content_type, void *data)
{
        CLEANUP_BUF struct buf message = {0};

        api_json_quote(&message, reason);
        (void)snprintf(ret_body, body_size, "{\"__type\":\"%s\",\"message\":%s}",
                       status == 413 ? "RequestEntityTooLargeException" : "SerializationException", message.data);
        *ret_content_type = "application/x-amz-json-1.1";
}
