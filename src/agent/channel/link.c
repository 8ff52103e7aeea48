/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping a websocket up. */
#include "agent/channel/link.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/strutil.h"

#define CONNECT_TIMEOUT_MS 10000
#define STABLE_US 5000000      /* a connection that lasted so long was a good one */
#define INACTIVE_WAIT_MS 60000 /* the server says that the instance is inactive */

static void try_connect(struct link *link);

void link_init(struct link *link, const struct link_options *options, const struct link_ops *ops, const struct aws_client *client,
               struct timers *timers, void *data)
{
        *link = (struct link){.options = *options, .ops = ops, .client = client, .timers = timers, .env = client->env, .data = data};
        link->connect_ms = CONNECT_TIMEOUT_MS;
        link->backoff =
                (struct backoff){.min_ms = options->backoff_min_ms, .max_ms = options->backoff_max_ms, .factor = 1.5, .jitter = 0.3};
}

static void timer_fires(struct timer *timer)
{
        struct link *link = CONTAINER_OF(timer, struct link, timer);

        if (link->state == LINK_WAITING) {
                try_connect(link);
        } else if (link->state == LINK_UP) {
                log_warn("the server has been silent for too long; connecting anew", LOG_S("channel", link->options.name));
                ws_close(link->ws, 1000, "ConnectionExpired: Reconnect to continue");
        }
}

static void wait_and_try(struct link *link, uint32_t delay_ms)
{
        link->state = LINK_WAITING;
        timers_set(link->timers, &link->timer, delay_ms, timer_fires);
}

static void failed(struct link *link, uint32_t at_least_ms)
{
        uint32_t delay = backoff_next(&link->backoff, link->env);

        wait_and_try(link, MAX(delay, at_least_ms));
        if (link->ops->failed != NULL)
                link->ops->failed(link);
}

/* A server may be away for long: said at the first failure, then less and less often. */
static void say_failure(struct link *link, int status, const char *answer)
{
        uint32_t n = ++link->failures;

        if ((n & (n - 1)) == 0)
                log_warn("no connection to the server", LOG_S("channel", link->options.name), LOG_I("status", status),
                         LOG_S("answer", answer), LOG_I("tries", n));
        else
                log_debug("no connection to the server", LOG_S("channel", link->options.name), LOG_I("status", status),
                          LOG_S("answer", answer));
}

static void on_connected(struct ws *ws, int status, const char *body, size_t len, void *data)
{
        struct link *link = data;

        if (status != 101) {
                bool inactive = body != NULL && memmem(body, len, "InactiveInstanceException", 25) != NULL;

                link->ws = NULL;
                if (link->closed) {
                        link->ops->gone(link);
                        return;
                }
                say_failure(link, status, body != NULL && len > 0 ? body : (status < 0 ? strerror(-status) : ""));
                failed(link, inactive ? INACTIVE_WAIT_MS : 0);
                return;
        }
        link->ws = ws;
        link->state = LINK_UP;
        link->up_since_us = env_mono_us(link->env);
        link->heard_us = MAX(link->heard_us, link->tried_us);
        link->connections++;
        link->failures = 0;
        log_info("connected", LOG_S("channel", link->options.name));
        link_alive(link);
        link->ops->up(link);
}

static void on_message(struct ws *ws, const char *text, size_t len, void *data)
{
        struct link *link = data;

        (void)ws;
        if (!link->closed)
                link->ops->message(link, text, len);
}

static void on_pong(struct ws *ws, void *data)
{
        struct link *link = data;

        link->heard_us = MAX(link->heard_us, (int64_t)ws_last_confirmed_us(ws));
}

static void on_closed(struct ws *ws, int code, const char *reason, void *data)
{
        struct link *link = data;
        bool was_up = link->state == LINK_UP;

        (void)ws;
        link->ws = NULL;
        timers_cancel(link->timers, &link->timer);
        if (link->closed) {
                link->ops->gone(link);
                return;
        }
        log_info("disconnected", LOG_S("channel", link->options.name), LOG_I("code", code), LOG_S("reason", reason));
        if (was_up)
                link->ops->down(link);
        if (env_mono_us(link->env) - link->up_since_us >= STABLE_US)
                backoff_reset(&link->backoff);
        /* The first try comes at once, but not in step with all the others that the server has lost. */
        if (code != 1008 && link->backoff.next_ms == 0) {
                uint8_t spread = 0;

                link->env->random(link->env, &spread, sizeof(spread));
                link->backoff.next_ms = link->backoff.min_ms;
                wait_and_try(link, spread / 8);
                return;
        }
        wait_and_try(link, backoff_next(&link->backoff, link->env));
}

static void try_connect(struct link *link)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct http_header headers[5];
        struct error error = {0};

        if (link->closed)
                return;
        const char *url = link->ops->url(link, &arena);
        if (url == NULL) {
                link->state = LINK_WAITING;
                return;
        }
        size_t n = aws_sign_get(link->client, url, "", 0, &arena, headers);
        /* The transport says Host itself, in the same words. */
        struct http_header sent[5];
        size_t n_sent = 0;
        for (size_t i = 0; i < n; i++) {
                if (!str_eq_nocase(headers[i].name, "host"))
                        sent[n_sent++] = headers[i];
        }
        const struct ws_connect_options options = {
                .loop = link->options.loop,
                .url = url,
                .headers = sent,
                .n_headers = n_sent,
                .limits = {.max_message = (size_t)16 << 20, .ping_ms = link->options.ping_ms, .dead_ms = link->options.dead_ms},
                .timeout_ms = link->connect_ms,
                .ca_file = link->options.ca_file,
                .insecure = link->options.insecure,
                .callbacks = {.message = on_message, .closed = on_closed, .pong = on_pong},
                .data = link,
                .connected = on_connected,
        };
        link->state = LINK_CONNECTING;
        link->tried_us = env_mono_us(link->env);
        link->ws = ws_connect(&options, &error);
        if (link->ws == NULL) {
                log_error("the server's endpoint is not a URL", LOG_S("url", url), LOG_S("error", error.message));
                failed(link, 5000);
        }
}

void link_start(struct link *link)
{
        if (link->state == LINK_DOWN)
                try_connect(link);
}

void link_retry(struct link *link)
{
        if (link->state == LINK_WAITING && !timer_is_set(&link->timer))
                try_connect(link);
}

void link_set_pace(struct link *link, uint32_t ping_ms, uint32_t dead_ms, uint32_t connect_ms)
{
        link->options.ping_ms = MIN(link->options.ping_ms, ping_ms);
        link->options.dead_ms = MIN(link->options.dead_ms, dead_ms);
        link->connect_ms = MIN(CONNECT_TIMEOUT_MS, connect_ms);
        if (link->state == LINK_UP)
                ws_set_silence(link->ws, link->options.ping_ms, link->options.dead_ms);
}

void link_hurry(struct link *link)
{
        if (link->state == LINK_WAITING && timer_is_set(&link->timer))
                timers_set(link->timers, &link->timer, 0, timer_fires);
}

void link_ping(struct link *link)
{
        if (link->state == LINK_UP)
                ws_ping(link->ws);
}

int link_send(struct link *link, const char *text, size_t len)
{
        return link->state == LINK_UP ? ws_send(link->ws, text, len) : -ENOTCONN;
}

void link_alive(struct link *link)
{
        uint32_t random = 0;

        if (link->state != LINK_UP || link->options.silence_ms == 0)
                return;
        link->env->random(link->env, &random, sizeof(random));
        timers_set(link->timers, &link->timer, (int64_t)link->options.silence_ms + random % link->options.silence_ms, timer_fires);
}

void link_stop(struct link *link)
{
        bool up = link->state == LINK_UP;

        link->closed = true;
        timers_cancel(link->timers, &link->timer);
        link->state = LINK_DOWN;
        if (link->ws == NULL)
                link->ops->gone(link);
        else if (up)
                ws_close(link->ws, 1000, "The node is shutting down");
        else
                ws_abort(link->ws);
}
