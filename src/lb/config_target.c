/* SPDX-License-Identifier: Apache-2.0 */
/* Target groups as backends: health checks, algorithms, stickiness. */
#include <stdlib.h>
#include <string.h>

#include "base/strutil.h"
#include "lb/config.h"
#include "model/network.h"

#define DEFAULT_IDLE_SECONDS 350

static bool is_http(enum elbv2_protocol protocol)
{
        return protocol == ELBV2_PROTOCOL_HTTP || protocol == ELBV2_PROTOCOL_HTTPS;
}

static bool is_secure(enum elbv2_protocol protocol)
{
        return protocol == ELBV2_PROTOCOL_HTTPS || protocol == ELBV2_PROTOCOL_TLS;
}

static bool is_on(const struct target_group *group, const char *key)
{
        return str_eq(target_group_attribute(group, key), "true");
}

const char *lb_backend_name(struct arena *arena, const struct target_group *group, enum lb_role role)
{
        return arena_printf(arena, "%c-%s", role == LB_PROBE ? 'P' : 'T', group->state->id);
}

const char *lb_cookie_key(const struct target_group *group)
{
        return is_http(group->state->protocol) && is_on(group, "stickiness.enabled") ? group->state->id : NULL;
}

/* ---- Servers ---- */

/* The address that a balancer has among its security groups; NULL: it is in none, and nothing passes there. */
static const char *own_address(const struct target_group *group)
{
        const struct state_load_balancer *balancer = group->balancer != NULL ? group->balancer->state : NULL;

        return balancer != NULL && balancer->security_groups.n > 0 && balancer->zones.n > 0 ? balancer->zones.items[0].address : NULL;
}

bool lb_is_in_vpc(struct model *model, const struct target *target)
{
        const struct vpc *vpc = model_vpc(model, target->group->state->vpc_id);
        uint32_t address;

        if (target->group->state->target_type != ELBV2_TARGET_TYPE_IP || vpc == NULL || cidr_parse_address(target->state->id, &address) < 0)
                return false;
        list_for_each (subnet, &vpc->subnets, struct subnet, in_vpc)
                if (cidr_has(subnet->range, address))
                        return true;
        return false;
}

const char *lb_source(struct model *model, const struct target *target)
{
        return lb_is_in_vpc(model, target) ? own_address(target->group) : NULL;
}

static void append_protocol(const struct target_group *group, struct buf *out)
{
        bool h2 = is_http(group->state->protocol) && !str_eq(group->state->protocol_version, "HTTP1");

        if (is_secure(group->state->protocol))
                buf_append_str(out, " ssl verify none");
        if (h2)
                buf_append_str(out, is_secure(group->state->protocol) ? " alpn h2" : " proto h2");
        if (is_on(group, "proxy_protocol_v2.enabled"))
                buf_append_str(out, " send-proxy-v2");
}

/*
 * A check without TLS of a target that has it. "no-check-ssl" is only for lines of the configuration; servers that are added at run time get
 * there by naming the port, which makes a check one of its own, without the proxy protocol too.
 */
static void append_plain_check(const struct target_group *group, int port, struct buf *out)
{
        if (port == 0) {
                buf_append_str(out, " no-check-ssl");
                return;
        }
        if (str_eq(group->state->health_check->port, "traffic-port")) {
                buf_printf(out, " port %d", port);
                if (is_on(group, "proxy_protocol_v2.enabled"))
                        buf_append_str(out, " check-send-proxy");
        }
}

static void append_check(const struct target_group *group, bool probe, enum lb_pace pace, int port, struct buf *out)
{
        static const int intervals_ms[] = {[LB_PACE_FIRST] = 5, [LB_PACE_FAST] = 100, [LB_PACE_SLOW] = 1000};
        const struct state_health_check *check = group->state->health_check;
        bool h2 = is_http(group->state->protocol) && !str_eq(group->state->protocol_version, "HTTP1");

        bool eager = probe && pace != LB_PACE_RECOVERY;
        int interval_ms = eager ? intervals_ms[pace] : check->interval * 1000;

        buf_printf(out, " check inter %dms rise %d fall %d", interval_ms, eager ? 1 : check->healthy, probe ? 1 : check->unhealthy);
        if (!str_eq(check->port, "traffic-port"))
                buf_printf(out, " port %s", check->port);
        if (check->protocol == ELBV2_PROTOCOL_HTTPS)
                buf_append_str(out, " check-ssl verify none");
        else if (is_secure(group->state->protocol))
                append_plain_check(group, port, out);
        if (h2 && is_http(check->protocol))
                buf_append_str(out, check->protocol == ELBV2_PROTOCOL_HTTPS ? " check-alpn h2" : " check-proto h2");
}

bool lb_ends_sessions_when_down(const struct target_group *group)
{
        return !is_http(group->state->protocol) && is_on(group, "target_health_state.unhealthy.connection_termination.enabled");
}

void lb_server_options(const struct target_group *group, enum lb_role role, enum lb_pace pace, int port, struct buf *out)
{
        int64_t slow = 0;

        append_protocol(group, out);
        /* Servers that are added at run time do not get HAProxy's defaults: without these every request would open a connection. */
        if (role != LB_PROBE)
                buf_append_str(out, " pool-purge-delay 5s pool-max-conn -1");
        if (role == LB_OPEN) {
                buf_append_str(out, " backup");
                return;
        }
        append_check(group, role == LB_PROBE, pace, port, out);
        if (role == LB_MAIN && is_http(group->state->protocol) &&
            str_to_int64(target_group_attribute(group, "slow_start.duration_seconds"), &slow) == 0 && slow > 0)
                buf_printf(out, " slowstart %llds", (long long)slow);
        if (role == LB_MAIN && lb_ends_sessions_when_down(group))
                buf_append_str(out, " on-marked-down shutdown-sessions");
}

/* ---- Backends ---- */

/* "12,20-22" as a regular expression of what the header grpc-status may hold. */
static void append_grpc_codes(const char *codes, struct buf *out)
{
        const char *p = codes;

        buf_append_str(out, "^(");
        for (bool first = true; *p != '\0'; first = false) {
                char *end;
                long from = strtol(p, &end, 10), to = *end == '-' ? strtol(end + 1, &end, 10) : from;

                for (long code = from; code <= to; code++)
                        buf_printf(out, "%s%ld", first && code == from ? "" : "|", code);
                p = *end == ',' ? end + 1 : end;
        }
        buf_append_str(out, ")$");
}

static void append_http_check(const struct target_group *group, struct buf *out)
{
        const struct state_health_check *check = group->state->health_check;
        CLEANUP_BUF struct buf codes = {0};

        buf_append_str(out, "  option httpchk\n  http-check send meth ");
        buf_append_str(out, check->grpc_code != NULL ? "POST uri " : "GET uri ");
        lb_config_word(out, check->path);
        /* A server's name is where it is: what AWS sends as the host. */
        buf_append_str(out, " ver HTTP/1.1 hdr Host %[srv_name] hdr User-Agent ELB-HealthChecker/2.0");
        if (check->grpc_code != NULL)
                buf_append_str(out, " hdr Content-Type application/grpc hdr TE trailers");
        buf_append_char(out, '\n');
        if (check->grpc_code == NULL) {
                buf_printf(out, "  http-check expect status %s\n", check->http_code);
                return;
        }
        append_grpc_codes(check->grpc_code, &codes);
        buf_append_str(out, "  http-check expect hdr name grpc-status value -m reg ");
        lb_config_word(out, codes.data);
        buf_append_char(out, '\n');
}

static void append_balance(const struct target_group *group, struct buf *out)
{
        const char *algorithm = target_group_attribute(group, "load_balancing.algorithm.type");

        if (!is_http(group->state->protocol) && is_on(group, "stickiness.enabled")) {
                buf_append_str(out, "  balance source\n  hash-type consistent\n");
                return;
        }
        buf_printf(out, "  balance %s\n",
                   str_eq(algorithm, "least_outstanding_requests") ? "leastconn"
                   : str_eq(algorithm, "weighted_random")          ? "random"
                                                                   : "roundrobin");
}

/* By a cookie that names the server, so that no table has to outlive a reload. Beside an application's cookie it counts only in requests that
 * have the latter too: it is taken off others. */
static void append_stickiness(const struct target_group *group, struct buf *out)
{
        const char *key = lb_cookie_key(group);
        bool own = str_eq(target_group_attribute(group, "stickiness.type"), "lb_cookie");

        if (key == NULL)
                return;
        buf_printf(out, "  cookie %s insert indirect nocache dynamic maxlife %ss\n  dynamic-cookie-key %s\n",
                   own ? "AWSALB" : "AWSALBAPP-0",
                   target_group_attribute(group, own ? "stickiness.lb_cookie.duration_seconds" : "stickiness.app_cookie.duration_seconds"),
                   key);
        if (own)
                return;
        buf_append_str(out, "  http-request replace-header Cookie ");
        lb_config_word(out, "^(.*; *)?AWSALBAPP-0=[^;]*(; *)?(.*)$");
        buf_append_char(out, ' ');
        lb_config_word(out, "\\1\\3");
        buf_append_str(out, " if { req.cook(AWSALBAPP-0) -m found } !{ req.cook(");
        lb_config_word(out, target_group_attribute(group, "stickiness.app_cookie.cookie_name"));
        buf_append_str(out, ") -m found }\n");
}

static bool forwards_to(const struct listener *listener, const struct target_group *group)
{
        const struct elbv2_forward_action_config *forward = listener->state->actions.items[0].forward_config;

        for (uint32_t i = 0; forward != NULL && i < forward->target_groups.n; i++)
                if (str_ends_with(forward->target_groups.items[i].target_group_arn, group->state->id))
                        return true;
        return false;
}

/* How long a connection may be silent: application balancers say it, network balancers' listeners, of which the most patient counts. */
static int64_t idle_seconds(const struct target_group *group)
{
        const char *seconds = group->balancer != NULL ? load_balancer_attribute(group->balancer, "idle_timeout.timeout_seconds") : NULL;
        int64_t most = 0, n;

        if (seconds != NULL && str_to_int64(seconds, &n) == 0)
                return n;
        if (group->balancer != NULL)
                list_for_each (listener, &group->balancer->listeners, struct listener, in_balancer)
                        if (forwards_to(listener, group) && str_to_int64(listener_attribute(listener, "tcp.idle_timeout.seconds"), &n) == 0)
                                most = MAX(most, n);
        return most > 0 ? most : DEFAULT_IDLE_SECONDS;
}

static void append_backend(const struct target_group *group, enum lb_role role, struct buf *out)
{
        const struct state_target_group *state = group->state;
        int64_t idle;

        buf_printf(out, "\nbackend %c-%s # %s\n  mode %s\n", role == LB_PROBE ? 'P' : 'T', state->id, state->name,
                   is_http(state->protocol) ? "http" : "tcp");
        /* Servers say it themselves; here, so that a change of it is one of the text. */
        if (own_address(group) != NULL)
                buf_printf(out, "  # from %s\n", own_address(group));
        buf_printf(out, "  timeout check %ds\n", state->health_check->timeout);
        if (is_http(state->health_check->protocol))
                append_http_check(group, out);
        if (role == LB_PROBE)
                return;
        append_balance(group, out);
        idle = idle_seconds(group);
        /* The tunnel's counts for websockets and for TCP. */
        buf_printf(out, "  option allbackups\n  timeout server %llds\n  timeout tunnel %llds\n", (long long)idle, (long long)idle);
        append_stickiness(group, out);
        buf_append_str(out, "  default-server");
        lb_server_options(group, role, LB_PACE_FIRST, 0, out);
        buf_append_char(out, '\n');
}

void lb_config_group(const struct lb_config_options *options, const struct target_group *group, struct buf *out)
{
        append_backend(group, LB_MAIN, out);
        if (options->servers != NULL)
                options->servers(options->data, group, out);
        append_backend(group, LB_PROBE, out);
}
