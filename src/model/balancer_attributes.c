/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of load balancers, listeners and target groups. */
#include "model/balancer_attributes.h"

#include "base/strutil.h"

#define APP ATTRIBUTE_APPLICATION
#define NET ATTRIBUTE_NETWORK
#define HTTP_GROUP ATTRIBUTE_HTTP_GROUP
#define TCP_GROUP ATTRIBUTE_TCP_GROUP
#define WEB (ATTRIBUTE_HTTP | ATTRIBUTE_HTTPS)

static const char *const xff_modes[] = {"append", "preserve", "remove", NULL};
static const char *const desync_modes[] = {"monitor", "defensive", "strictest", NULL};
static const char *const dns_policies[] = {"any_availability_zone", "availability_zone_affinity", "partial_availability_zone_affinity",
                                           NULL};
static const char *const cross_zone_words[] = {"true", "false", "use_load_balancer_configuration", NULL};
static const char *const algorithms[] = {"round_robin", "least_outstanding_requests", "weighted_random", NULL};
static const char *const on_off[] = {"on", "off", NULL};
static const char *const http_stickiness[] = {"lb_cookie", "app_cookie", NULL};
static const char *const tcp_stickiness[] = {"source_ip", NULL};

const struct balancer_attribute balancer_attributes[] = {
        /* load balancers */
        {"access_logs.s3.enabled", "false", APP | NET},
        {"access_logs.s3.bucket", "", APP | NET, ATTRIBUTE_TEXT},
        {"access_logs.s3.prefix", "", APP | NET, ATTRIBUTE_TEXT},
        {"idle_timeout.timeout_seconds", "60", APP, ATTRIBUTE_INT, 1, 4000},
        {"deletion_protection.enabled", "false", APP | NET},
        {"routing.http2.enabled", "true", APP},
        {"routing.http.drop_invalid_header_fields.enabled", "false", APP},
        {"routing.http.xff_client_port.enabled", "false", APP},
        {"routing.http.preserve_host_header.enabled", "false", APP},
        {"routing.http.xff_header_processing.mode", "append", APP, ATTRIBUTE_WORD, .words = xff_modes},
        {"load_balancing.cross_zone.enabled", "true", APP | NET, .standard_tcp = "false"},
        {"routing.http.desync_mitigation_mode", "defensive", APP, ATTRIBUTE_WORD, .words = desync_modes},
        {"client_keep_alive.seconds", "3600", APP, ATTRIBUTE_INT, 60, 604800},
        {"waf.fail_open.enabled", "false", APP, .only = "there is no web application firewall"},
        {"routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false", APP},
        {"zonal_shift.config.enabled", "false", APP | NET, .only = "balancers are in all zones at once"},
        {"connection_logs.s3.enabled", "false", APP, .only = "only requests are logged: set access_logs.s3.enabled"},
        {"connection_logs.s3.bucket", "", APP, ATTRIBUTE_TEXT},
        {"connection_logs.s3.prefix", "", APP, ATTRIBUTE_TEXT},
        {"dns_record.client_routing_policy", "any_availability_zone", NET, ATTRIBUTE_WORD, .words = dns_policies,
         .only = "a balancer has one address for all zones"},
        {"secondary_ips.auto_assigned.per_subnet", "0", NET, ATTRIBUTE_INT, 0, 7, .only = "a balancer has one address in each subnet"},
        /* target groups */
        {"deregistration_delay.timeout_seconds", "300", HTTP_GROUP | TCP_GROUP, ATTRIBUTE_INT, 0, 3600},
        {"stickiness.enabled", "false", HTTP_GROUP | TCP_GROUP},
        {"stickiness.type", "lb_cookie", HTTP_GROUP, ATTRIBUTE_WORD, .words = http_stickiness},
        {"stickiness.type", "source_ip", TCP_GROUP, ATTRIBUTE_WORD, .words = tcp_stickiness},
        {"load_balancing.cross_zone.enabled", "use_load_balancer_configuration", HTTP_GROUP | TCP_GROUP, ATTRIBUTE_WORD,
         .words = cross_zone_words},
        {"load_balancing.algorithm.type", "round_robin", HTTP_GROUP, ATTRIBUTE_WORD, .words = algorithms},
        {"load_balancing.algorithm.anomaly_mitigation", "off", HTTP_GROUP, ATTRIBUTE_WORD, .words = on_off,
         .only = "targets get traffic until a health check fails"},
        {"slow_start.duration_seconds", "0", HTTP_GROUP, ATTRIBUTE_INT, 0, 900},
        {"stickiness.lb_cookie.duration_seconds", "86400", HTTP_GROUP, ATTRIBUTE_INT, 1, 604800},
        {"stickiness.app_cookie.cookie_name", "", HTTP_GROUP, ATTRIBUTE_TEXT},
        {"stickiness.app_cookie.duration_seconds", "86400", HTTP_GROUP, ATTRIBUTE_INT, 1, 604800},
        {"target_group_health.dns_failover.minimum_healthy_targets.count", "1", HTTP_GROUP | TCP_GROUP, ATTRIBUTE_PERCENT, 1, 1000,
         .only = "a balancer has one address for all zones"},
        {"target_group_health.dns_failover.minimum_healthy_targets.percentage", "off", HTTP_GROUP | TCP_GROUP, ATTRIBUTE_PERCENT, 1, 100,
         .only = "a balancer has one address for all zones"},
        {"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1", HTTP_GROUP | TCP_GROUP, ATTRIBUTE_INT, 1, 1000,
         .only = "all targets get traffic when none is healthy, not before"},
        {"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off", HTTP_GROUP | TCP_GROUP, ATTRIBUTE_PERCENT,
         1, 100, .only = "all targets get traffic when none is healthy, not before"},
        {"deregistration_delay.connection_termination.enabled", "false", TCP_GROUP},
        {"preserve_client_ip.enabled", "false", TCP_GROUP, .only = "targets see the balancer's address: set proxy_protocol_v2.enabled"},
        {"proxy_protocol_v2.enabled", "false", TCP_GROUP},
        {"target_health_state.unhealthy.connection_termination.enabled", "true", TCP_GROUP},
        {"target_health_state.unhealthy.draining_interval_seconds", "0", TCP_GROUP, ATTRIBUTE_INT, 0, 360000,
         .only = "connections of unhealthy targets end at once or stay"},
        /* listeners */
        {"tcp.idle_timeout.seconds", "350", ATTRIBUTE_TCP, ATTRIBUTE_INT, 60, 6000},
        {"routing.http.response.server.enabled", "true", WEB},
        {"routing.http.response.strict_transport_security.header_value", "", ATTRIBUTE_HTTPS, ATTRIBUTE_TEXT},
        {"routing.http.response.access_control_allow_origin.header_value", "", WEB, ATTRIBUTE_TEXT},
        {"routing.http.response.access_control_allow_methods.header_value", "", WEB, ATTRIBUTE_TEXT},
        {"routing.http.response.access_control_allow_headers.header_value", "", WEB, ATTRIBUTE_TEXT},
        {"routing.http.response.access_control_allow_credentials.header_value", "", WEB, ATTRIBUTE_TEXT},
        {"routing.http.response.access_control_expose_headers.header_value", "", WEB, ATTRIBUTE_TEXT},
        {"routing.http.response.access_control_max_age.header_value", "", WEB, ATTRIBUTE_TEXT},
        {"routing.http.response.content_security_policy.header_value", "", WEB, ATTRIBUTE_TEXT},
        {"routing.http.response.x_content_type_options.header_value", "", WEB, ATTRIBUTE_TEXT},
        {"routing.http.response.x_frame_options.header_value", "", WEB, ATTRIBUTE_TEXT},
        {NULL, NULL, 0},
};

static bool is_web(enum elbv2_protocol protocol)
{
        return protocol == ELBV2_PROTOCOL_HTTP || protocol == ELBV2_PROTOCOL_HTTPS;
}

unsigned load_balancer_scope(const struct state_load_balancer *balancer)
{
        return balancer->type == ELBV2_LOAD_BALANCER_TYPE_NETWORK ? ATTRIBUTE_NETWORK : ATTRIBUTE_APPLICATION;
}

unsigned target_group_scope(const struct state_target_group *group)
{
        return is_web(group->protocol) ? ATTRIBUTE_HTTP_GROUP : ATTRIBUTE_TCP_GROUP;
}

unsigned listener_scope(const struct state_listener *listener)
{
        return listener->protocol == ELBV2_PROTOCOL_HTTP    ? ATTRIBUTE_HTTP
               : listener->protocol == ELBV2_PROTOCOL_HTTPS ? ATTRIBUTE_HTTPS
                                                            : ATTRIBUTE_TCP;
}

const struct balancer_attribute *balancer_attribute_find(unsigned scope, const char *key)
{
        for (const struct balancer_attribute *row = balancer_attributes; row->key != NULL; row++)
                if ((row->scopes & scope) != 0 && str_eq(row->key, key))
                        return row;
        return NULL;
}

const char *balancer_attribute_standard(const struct balancer_attribute *attribute, unsigned scope)
{
        return scope == ATTRIBUTE_NETWORK && attribute->standard_tcp != NULL ? attribute->standard_tcp : attribute->standard;
}

static const char *value_of(unsigned scope, const struct string_map *set, const char *key)
{
        const struct balancer_attribute *attribute = balancer_attribute_find(scope, key);
        const char *value = string_map_get(set, key);

        return value != NULL ? value : attribute != NULL ? balancer_attribute_standard(attribute, scope) : NULL;
}

const char *load_balancer_attribute(const struct load_balancer *balancer, const char *key)
{
        return value_of(load_balancer_scope(balancer->state), &balancer->state->attributes, key);
}

const char *listener_attribute(const struct listener *listener, const char *key)
{
        return value_of(listener_scope(listener->state), &listener->state->attributes, key);
}

const char *target_group_attribute(const struct target_group *group, const char *key)
{
        return value_of(target_group_scope(group->state), &group->state->attributes, key);
}
