/* SPDX-License-Identifier: Apache-2.0 */
/* The whole configuration: process, listeners as frontends, shared addresses, target groups. */
#include "lb/config.h"

#include <stdio.h>
#include <string.h>

#include "base/strutil.h"
#include "model/ssl_policies.h"

void lb_config_word(struct buf *out, const char *text)
{
        for (; text != NULL && *text != '\0'; text++) {
                unsigned char c = (unsigned char)*text;

                if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("._-/:,", c) != NULL)
                        buf_append_char(out, (char)c);
                else
                        buf_printf(out, "\\x%02x", c);
        }
}

static bool is_web(const struct listener *listener)
{
        return listener->state->protocol == ELBV2_PROTOCOL_HTTP || listener->state->protocol == ELBV2_PROTOCOL_HTTPS;
}

static bool is_secure(const struct listener *listener)
{
        return listener->state->protocol == ELBV2_PROTOCOL_HTTPS || listener->state->protocol == ELBV2_PROTOCOL_TLS;
}

static bool is_on(const char *value)
{
        return str_eq(value, "true");
}

/* ---- The process ---- */

static void append_global(const struct lb_config_options *options, struct buf *out)
{
        buf_printf(out,
                   "# Written by gantry: changes here are lost.\n"
                   "global\n"
                   "  stats socket %s/runtime.sock mode 600 level admin expose-fd listeners\n"
                   "  stats timeout 1d\n"
                   "  log %s len 8192 local0\n"
                   "  tune.ssl.default-dh-param 2048\n"
                   "  close-spread-time 5s\n"
                   "  hard-stop-after 2h\n",
                   options->dir, options->log);
        if (options->user != NULL)
                buf_printf(out, "  user %s\n", options->user);
        if (options->max_connections > 0)
                buf_printf(out, "  maxconn %d\n", options->max_connections);
        buf_append_str(out, "\n"
                            "defaults\n"
                            "  mode http\n"
                            "  log global\n"
                            "  option log-health-checks\n"
                            "  option redispatch 1\n"
                            "  retries 3\n"
                            "  timeout connect 4s\n"
                            "  timeout client 350s\n"
                            "  timeout server 350s\n"
                            "  timeout queue 10s\n"
                            "  timeout http-request 60s\n");
}

/* ---- One listener ---- */

static void append_ssl(const struct lb_config_options *options, const struct listener *listener, struct buf *out)
{
        const struct ssl_policy *policy = ssl_policy_find(listener->state->ssl_policy);
        const char *alpn = listener->state->alpn_policy.n > 0 ? listener->state->alpn_policy.items[0] : "None";

        buf_printf(out, " ssl crt-list %s/certs/%s.list", options->dir, listener->state->id);
        if (listener->state->protocol == ELBV2_PROTOCOL_HTTPS)
                buf_append_str(out, is_on(load_balancer_attribute(listener->balancer, "routing.http2.enabled")) ? " alpn h2,http/1.1"
                                                                                                                : " alpn http/1.1");
        else if (!str_eq(alpn, "None"))
                buf_append_str(out, str_eq(alpn, "HTTP1Only")        ? " alpn http/1.1"
                                    : str_eq(alpn, "HTTP2Only")      ? " alpn h2"
                                    : str_eq(alpn, "HTTP2Preferred") ? " alpn h2,http/1.1"
                                                                     : " alpn http/1.1,h2");
        if (policy == NULL)
                return;
        buf_printf(out, " ssl-min-ver %s ssl-max-ver %s", str_eq(policy->oldest, "TLSv1") ? "TLSv1.0" : policy->oldest, policy->newest);
        if (policy->ciphers != NULL)
                buf_printf(out, " ciphers %s%s", policy->ciphers,
                           str_eq(policy->oldest, "TLSv1") || str_eq(policy->oldest, "TLSv1.1") ? ":@SECLEVEL=0" : "");
        if (policy->suites != NULL)
                buf_printf(out, " ciphersuites %s", policy->suites);
}

static bool may_bind(const struct lb_config_options *options, const struct listener *listener, const char *address)
{
        const char *why;

        return options->bindable == NULL || options->bindable(options->data, listener, address, listener->state->port, &why);
}

static void append_bind(const struct lb_config_options *options, const struct listener *listener, const char *address, struct buf *out)
{
        if (!may_bind(options, listener, address))
                return;
        buf_printf(out, "  bind %s:%d", address, listener->state->port);
        if (is_secure(listener))
                append_ssl(options, listener, out);
        buf_append_char(out, '\n');
}

/* A client's connection ends after a request when it is older than the operator wants; by default none does. */
static void append_keep_alive(const struct listener *listener, struct buf *out)
{
        const char *seconds = string_map_get(&listener->balancer->state->attributes, "client_keep_alive.seconds");

        if (seconds != NULL)
                buf_printf(out,
                           "  tcp-request session set-var(sess.began) date\n"
                           "  http-after-response set-header Connection close if { date,sub(sess.began) -m int ge %s }\n",
                           seconds);
}

/* 1-TIME-ID in hexadecimal digits, as X-Ray reads it. */
#define TRACE "1-%[date,bytes(4),hex,lower]-%[rand,bytes(4),hex,lower]%[rand,bytes(4),hex,lower]%[rand,bytes(4),hex,lower]"
#define TRACED "req.fhdr(X-Amzn-Trace-Id)"

/* A request that has a Root gets a Self, in the place of that of the balancer before; one that has none gets a Root. All else is kept. */
static void append_trace(struct buf *out)
{
        buf_append_str(out, "  http-request set-header X-Amzn-Trace-Id 'Self=" TRACE ";%[" TRACED
                            ",regsub(\";?Self=[^;]*$|Self=[^;]*;\",\"\")]' "
                            "if { " TRACED " -m sub Root= }\n"
                            "  http-request set-header X-Amzn-Trace-Id 'Root=" TRACE ";%[" TRACED "]' if { " TRACED " -m found } !{ " TRACED
                            " -m sub Root= }\n"
                            "  http-request add-header X-Amzn-Trace-Id 'Root=" TRACE "' unless { " TRACED " -m found }\n");
}

static void append_headers(const struct listener *listener, struct buf *out)
{
        const char *xff = load_balancer_attribute(listener->balancer, "routing.http.xff_header_processing.mode");
        bool port = is_on(load_balancer_attribute(listener->balancer, "routing.http.xff_client_port.enabled"));

        if (is_on(load_balancer_attribute(listener->balancer, "routing.http.drop_invalid_header_fields.enabled"))) {
                buf_append_str(out, "  http-request del-header ");
                lb_config_word(out, "[^-A-Za-z0-9]");
                buf_append_str(out, " -m reg\n");
        }
        if (str_eq(xff, "remove"))
                buf_append_str(out, "  http-request del-header X-Forwarded-For\n");
        else if (str_eq(xff, "append") && port)
                buf_append_str(
                        out,
                        "  http-request set-header X-Forwarded-For \"%[req.fhdr(X-Forwarded-For)], %[src]:%[src_port]\" if { "
                        "req.hdr(X-Forwarded-For) -m found }\n"
                        "  http-request set-header X-Forwarded-For \"%[src]:%[src_port]\" unless { req.hdr(X-Forwarded-For) -m found }\n");
        else if (str_eq(xff, "append"))
                buf_append_str(out, "  http-request set-header X-Forwarded-For \"%[req.fhdr(X-Forwarded-For)], %[src]\" if { "
                                    "req.hdr(X-Forwarded-For) -m found }\n"
                                    "  option forwardfor if-none\n");
        buf_printf(out, "  http-request set-header X-Forwarded-Proto %s\n  http-request set-header X-Forwarded-Port %d\n",
                   is_secure(listener) ? "https" : "http", listener->state->port);
        if (is_secure(listener) &&
            is_on(load_balancer_attribute(listener->balancer, "routing.http.x_amzn_tls_version_and_cipher_suite.enabled")))
                buf_append_str(out, "  http-request set-header X-Amzn-Tls-Version %[ssl_fc_protocol]\n"
                                    "  http-request set-header X-Amzn-Tls-Cipher-Suite %[ssl_fc_cipher]\n");
        append_trace(out);
}

/* Response headers that listener attributes ask for: the middle of the key is the header's name. */
static void append_response_headers(const struct listener *listener, struct buf *out)
{
        static const struct {
                const char *key, *header;
        } headers[] = {
                {"strict_transport_security", "Strict-Transport-Security"},
                {"access_control_allow_origin", "Access-Control-Allow-Origin"},
                {"access_control_allow_methods", "Access-Control-Allow-Methods"},
                {"access_control_allow_headers", "Access-Control-Allow-Headers"},
                {"access_control_allow_credentials", "Access-Control-Allow-Credentials"},
                {"access_control_expose_headers", "Access-Control-Expose-Headers"},
                {"access_control_max_age", "Access-Control-Max-Age"},
                {"content_security_policy", "Content-Security-Policy"},
                {"x_content_type_options", "X-Content-Type-Options"},
                {"x_frame_options", "X-Frame-Options"},
        };
        char key[128];

        if (!is_on(listener_attribute(listener, "routing.http.response.server.enabled")))
                buf_append_str(out, "  http-response del-header Server\n");
        for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
                CLEANUP_BUF struct buf format = {0};
                const char *value;

                (void)snprintf(key, sizeof(key), "routing.http.response.%s.header_value", headers[i].key);
                value = listener_attribute(listener, key);
                if (str_empty(value))
                        continue;
                for (; *value != '\0'; value++)
                        buf_printf(&format, *value == '%' ? "%%%%" : "%c", *value);
                buf_printf(out, "  http-response set-header %s ", headers[i].header);
                lb_config_word(out, format.data);
                buf_append_char(out, '\n');
        }
}

/* What AWS writes for each request, with the same places. The driver puts what only it knows in front. */
static void append_access_log(const struct listener *listener, struct buf *out)
{
        if (!is_on(load_balancer_attribute(listener->balancer, "access_logs.s3.enabled"))) {
                buf_append_str(out, "  option dontlog-normal\n  no log\n");
                return;
        }
        if (!is_web(listener)) {
                buf_printf(
                        out,
                        "  log-format \"access %s %%b tcp %%[date(0,ms),ms_utime(%%Y-%%m-%%dT%%H:%%M:%%S)]Z %%ci:%%cp %%si:%%sp %%Tt %%U "
                        "%%B\"\n",
                        listener->balancer->state->id);
                return;
        }
        buf_printf(
                out,
                "  log-format \"access %s %%b %s %%[date,utime(%%Y-%%m-%%dT%%H:%%M:%%SZ)] %%ci:%%cp %%si:%%sp %%TR %%Tr %%Td %%ST %%U %%B "
                "%%{+Q}r %%{+Q}[capture.req.hdr(0)]\"\n  capture request header User-Agent len 256\n",
                listener->balancer->state->id, is_secure(listener) ? "https" : "http");
}

static void append_http(const struct listener *listener, struct buf *out)
{
        const char *idle = load_balancer_attribute(listener->balancer, "idle_timeout.timeout_seconds");

        buf_printf(out, "  mode http\n  timeout client %ss\n  timeout http-keep-alive %ss\n", idle, idle);
        append_keep_alive(listener, out);
        append_headers(listener, out);
        append_response_headers(listener, out);
        lb_config_rules(listener, out);
}

static void append_tcp(const struct listener *listener, struct buf *out)
{
        const struct elbv2_action *action = &listener->state->actions.items[0];
        const char *idle = listener_attribute(listener, "tcp.idle_timeout.seconds");

        buf_printf(out, "  mode tcp\n  timeout client %ss\n", idle);
        buf_printf(out, "  default_backend T-%s\n", strrchr(action->forward_config->target_groups.items[0].target_group_arn, '/') + 1);
}

/* ---- Addresses that balancers share ---- */

/* Older than the other? Listeners made in the same millisecond are told apart by their ids. */
static bool is_older(const struct listener *a, const struct listener *b)
{
        if (a->state->created_at != b->state->created_at)
                return a->state->created_at < b->state->created_at;
        return strcmp(a->state->id, b->state->id) < 0;
}

/* The oldest listener on a port, and how many there are that can be told apart from it by name: both HTTP, or both with TLS. */
static const struct listener *first_on(struct model *model, int port, size_t *ret_alike)
{
        const struct listener *first = NULL;

        *ret_alike = 0;
        tree_for_each (node, model_objects(model, OBJECT_LISTENER)) {
                const struct listener *listener = MODEL_OBJECT(node, listener);

                if (listener->state->port == port && (first == NULL || is_older(listener, first)))
                        first = listener;
        }
        if (first == NULL)
                return NULL;
        tree_for_each (node, model_objects(model, OBJECT_LISTENER)) {
                const struct listener *listener = MODEL_OBJECT(node, listener);

                *ret_alike += listener->state->port == port && is_secure(listener) == is_secure(first) &&
                              (listener->state->protocol != ELBV2_PROTOCOL_TCP) == (first->state->protocol != ELBV2_PROTOCOL_TCP);
        }
        if (first->state->protocol == ELBV2_PROTOCOL_TCP)
                *ret_alike = 1; /* plain TCP says no name */
        return first;
}

static bool is_alike(const struct listener *listener, const struct listener *first)
{
        return listener->state->port == first->state->port && is_secure(listener) == is_secure(first) &&
               listener->state->protocol != ELBV2_PROTOCOL_TCP;
}

/* The listener behind says how long a connection may be silent; here it is longer than any of them. */
#define PATIENCE "6010s"

/*
 * The shared frontend of a port: finds the listener by the name that the client asked for, and passes the connection on within the
 * process, with the client's address in front. Unknown names go to the oldest listener.
 */
static void append_shared(struct model *model, const struct lb_config_options *options, const struct listener *first, struct buf *out)
{
        CLEANUP_ARENA struct arena arena = {0};
        const char *mode = is_secure(first) ? "tcp" : "http";

        buf_printf(out, "\nfrontend S-%d\n  mode %s\n  no log\n  timeout client " PATIENCE "\n  timeout http-keep-alive " PATIENCE "\n",
                   first->state->port, mode);
        for (uint32_t i = 0; i < options->shared.n; i++)
                if (may_bind(options, first, options->shared.items[i]))
                        buf_printf(out, "  bind %s:%d\n", options->shared.items[i], first->state->port);
        if (is_secure(first))
                buf_append_str(out, "  tcp-request inspect-delay 5s\n  tcp-request content accept if { req.ssl_hello_type 1 }\n");
        tree_for_each (node, model_objects(model, OBJECT_LISTENER)) {
                const struct listener *listener = MODEL_OBJECT(node, listener);

                if (!is_alike(listener, first))
                        continue;
                buf_printf(out, "  use_backend S-%s if { %s -m str -i %s }\n", listener->state->id,
                           is_secure(first) ? "req.ssl_sni" : "req.hdr(host),field(1,:)",
                           model_load_balancer_dns_name(model, &arena, listener->balancer, options->dns_suffix));
        }
        buf_printf(out, "  default_backend S-%s\n", first->state->id);
        tree_for_each (node, model_objects(model, OBJECT_LISTENER)) {
                const struct listener *listener = MODEL_OBJECT(node, listener);

                if (is_alike(listener, first))
                        buf_printf(out,
                                   "\nbackend S-%s\n  mode %s\n  timeout server " PATIENCE "\n  timeout tunnel " PATIENCE
                                   "\n  server listener abns@%s-%s send-proxy-v2\n",
                                   listener->state->id, mode, options->name, listener->state->id);
        }
}

static void append_listener(struct model *model, const struct lb_config_options *options, const struct listener *listener, struct buf *out)
{
        size_t alike;
        const struct listener *first = first_on(model, listener->state->port, &alike);

        buf_printf(out, "\nfrontend L-%s # %s:%d\n", listener->state->id, listener->balancer->state->name, listener->state->port);
        append_bind(options, listener, listener->balancer->state->loopback, out);
        if (first == NULL)
                return;
        if (listener == first && alike == 1)
                for (uint32_t i = 0; i < options->shared.n; i++)
                        append_bind(options, listener, options->shared.items[i], out);
        if (alike > 1 && is_alike(listener, first)) {
                buf_printf(out, "  bind abns@%s-%s accept-proxy", options->name, listener->state->id);
                if (is_secure(listener))
                        append_ssl(options, listener, out);
                buf_append_char(out, '\n');
        }
        /* Not HAProxy's business, but a change of the list needs a reload. */
        for (uint32_t i = 0; i < listener->state->certificates.n; i++)
                buf_printf(out, "  # %s\n", listener->state->certificates.items[i]);
        append_access_log(listener, out);
        if (is_web(listener))
                append_http(listener, out);
        else
                append_tcp(listener, out);
        if (listener == first && alike > 1)
                append_shared(model, options, first, out);
}

bool lb_config_write(struct model *model, const struct lb_config_options *options, struct buf *out)
{
        if (model_objects(model, OBJECT_LISTENER)->count == 0)
                return false;
        append_global(options, out);
        tree_for_each (node, model_objects(model, OBJECT_LISTENER))
                append_listener(model, options, MODEL_OBJECT(node, listener), out);
        tree_for_each (node, model_objects(model, OBJECT_TARGET_GROUP)) {
                const struct target_group *group = MODEL_OBJECT(node, target_group);

                if (group->n_uses > 0)
                        lb_config_group(options, group, out);
        }
        return true;
}
