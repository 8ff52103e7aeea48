/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of listeners. HAProxy runs all http-request lines before it looks at use_backend, so that rules which answer by themselves
 * and rules which forward could not be in one order. Where a listener has both, or splits traffic by weight, the first
 * rule that applies leaves its number in a variable, and what it does follows from that. Where all rules forward to one
 * group each, use_backend alone does it.
 */
#include <stdio.h>
#include <string.h>

#include "base/strutil.h"
#include "lb/config.h"

/* ---- Patterns ---- */

/* A pattern with wildcards as an anchored regular expression. `any` is what a wildcard stands for. */
static void append_glob(const char *pattern, const char *any, struct buf *out)
{
        for (const char *p = pattern; *p != '\0'; p++) {
                if (*p == '*')
                        buf_printf(out, "%s*", any);
                else if (*p == '?')
                        buf_append_str(out, any);
                else if (strchr("\\^$.|+()[]{}", *p) != NULL)
                        buf_printf(out, "\\%c", *p);
                else
                        buf_append_char(out, *p);
        }
}

static bool has_wildcard(const char *pattern)
{
        return strpbrk(pattern, "*?") != NULL;
}

/* One value of a condition: an ACL line. Lines of one name are alternatives. */
static void append_acl(struct buf *out, int rule, int condition, const char *fetch, const char *flags, const char *pattern)
{
        buf_printf(out, "  acl r%dc%d %s %s -- ", rule, condition, fetch, flags);
        lb_config_word(out, pattern);
        buf_append_char(out, '\n');
}

static void append_pattern(struct buf *out, int rule, int condition, const char *fetch, bool ignore_case, const char *pattern)
{
        CLEANUP_BUF struct buf regex = {0};

        if (!has_wildcard(pattern)) {
                append_acl(out, rule, condition, fetch, ignore_case ? "-m str -i" : "-m str", pattern);
                return;
        }
        buf_append_char(&regex, '^');
        append_glob(pattern, ".", &regex);
        buf_append_char(&regex, '$');
        append_acl(out, rule, condition, fetch, ignore_case ? "-m reg -i" : "-m reg", regex.data);
}

static void append_patterns(struct buf *out, int rule, int condition, const char *fetch, bool ignore_case, const struct string_list *values,
                            const struct string_list *regexes)
{
        for (uint32_t i = 0; i < values->n; i++)
                append_pattern(out, rule, condition, fetch, ignore_case, values->items[i]);
        for (uint32_t i = 0; regexes != NULL && i < regexes->n; i++)
                append_acl(out, rule, condition, fetch, ignore_case ? "-m reg -i" : "-m reg", regexes->items[i]);
}

/* Keys and values are compared without regard to case; a pair without a key means any key. */
static void append_query(struct buf *out, int rule, int condition, const struct elbv2_query_string_key_value_pair *pair)
{
        CLEANUP_BUF struct buf regex = {0};

        buf_append_str(&regex, "(^|&)");
        if (pair->key != NULL)
                append_glob(pair->key, "[^&=]", &regex);
        else
                buf_append_str(&regex, "[^&=]*");
        buf_append_char(&regex, '=');
        append_glob(pair->value, "[^&]", &regex);
        buf_append_str(&regex, "(&|$)");
        append_acl(out, rule, condition, "query", "-m reg -i", regex.data);
}

static void append_condition(struct buf *out, int rule, int n, const struct elbv2_rule_condition *c)
{
        if (c->host_header_config != NULL)
                append_patterns(out, rule, n, "req.hdr(host),field(1,:)", true, &c->host_header_config->values,
                                &c->host_header_config->regex_values);
        if (c->path_pattern_config != NULL)
                append_patterns(out, rule, n, "path", false, &c->path_pattern_config->values, &c->path_pattern_config->regex_values);
        if (c->http_header_config != NULL) {
                CLEANUP_BUF struct buf fetch = {0};

                buf_append_str(&fetch, "req.fhdr(");
                lb_config_word(&fetch, c->http_header_config->http_header_name);
                buf_append_char(&fetch, ')');
                append_patterns(out, rule, n, fetch.data, true, &c->http_header_config->values, &c->http_header_config->regex_values);
        }
        if (c->http_request_method_config != NULL)
                append_patterns(out, rule, n, "method", false, &c->http_request_method_config->values, NULL);
        if (c->source_ip_config != NULL)
                for (uint32_t i = 0; i < c->source_ip_config->values.n; i++)
                        append_acl(out, rule, n, "src", "", c->source_ip_config->values.items[i]);
        if (c->query_string_config != NULL)
                for (uint32_t i = 0; i < c->query_string_config->values.n; i++)
                        append_query(out, rule, n, &c->query_string_config->values.items[i]);
}

static void append_conditions(struct buf *out, int rule, const struct listener_rule *r)
{
        for (uint32_t i = 0; i < r->state->conditions.n; i++)
                append_condition(out, rule, (int)i, &r->state->conditions.items[i]);
}

/* " r1c0 r1c1": all must hold. */
static void append_when(struct buf *out, int rule, const struct listener_rule *r)
{
        for (uint32_t i = 0; i < r->state->conditions.n; i++)
                buf_printf(out, " r%dc%d", rule, (int)i);
}

/* ---- Redirect ---- */

/* What stands for a placeholder in HAProxy's format. The path is without its first slash. */
static const struct {
        const char *placeholder, *format;
} placeholders[] = {
        {"#{host}", "%[req.hdr(host),field(1,:)]"},
        {"#{port}", "%[dst_port]"},
        {"#{path}", "%[path,regsub(^/,)]"},
        {"#{query}", "%[query]"},
};

static void append_format(struct buf *out, const char *text)
{
        while (*text != '\0') {
                size_t i = 0;

                while (i < ARRAY_SIZE(placeholders) && !str_starts_with(text, placeholders[i].placeholder))
                        i++;
                if (i < ARRAY_SIZE(placeholders)) {
                        buf_append_str(out, placeholders[i].format);
                        text += strlen(placeholders[i].placeholder);
                } else {
                        if (*text == '%')
                                buf_append_char(out, '%');
                        buf_append_char(out, *text++);
                }
        }
}

static void append_redirect_line(struct buf *out, const struct listener *listener, const struct elbv2_redirect_action_config *redirect,
                                 bool with_query, const char *when)
{
        CLEANUP_BUF struct buf location = {0};
        const char *protocol = redirect->protocol;

        if (str_eq(protocol, "#{protocol}"))
                protocol = shape_enum_name(&elbv2_protocol_enum, (int)listener->state->protocol);
        buf_append_str(&location, str_eq(protocol, "HTTPS") ? "https://" : "http://");
        append_format(&location, redirect->host);
        buf_append_char(&location, ':');
        if (str_eq(redirect->port, "#{port}"))
                buf_printf(&location, "%d", listener->state->port);
        else
                buf_append_str(&location, redirect->port);
        append_format(&location, redirect->path);
        if (with_query) {
                buf_append_char(&location, '?');
                append_format(&location, redirect->query);
        }
        buf_append_str(out, "  http-request redirect location ");
        lb_config_word(out, location.data);
        buf_printf(out, " code %d%s\n", redirect->status_code == ELBV2_REDIRECT_ACTION_STATUS_CODE_HTTP_301 ? 301 : 302, when);
}

/* A question mark only where a query follows. */
static void append_redirect(struct buf *out, const struct listener *listener, const struct elbv2_redirect_action_config *redirect,
                            const char *when)
{
        CLEANUP_BUF struct buf with_query = {0};

        if (str_eq(redirect->query, "#{query}")) {
                buf_printf(&with_query, "%s { query -m len gt 0 }", *when != '\0' ? when : " if");
                append_redirect_line(out, listener, redirect, true, with_query.data);
                append_redirect_line(out, listener, redirect, false, when);
        } else {
                append_redirect_line(out, listener, redirect, !str_empty(redirect->query), when);
        }
}

/* ---- Fixed response ---- */

static void append_fixed(struct buf *out, const struct elbv2_fixed_response_action_config *fixed, const char *when)
{
        buf_printf(out, "  http-request return status %s", fixed->status_code);
        if (!str_empty(fixed->message_body)) {
                buf_printf(out, " content-type %s string ", fixed->content_type != NULL ? fixed->content_type : "text/plain");
                lb_config_word(out, fixed->message_body);
        } else {
                buf_append_str(out, " hdr Content-Length 0");
        }
        buf_printf(out, "%s\n", when);
}

/* ---- Forward ---- */

static const char *group_id(const struct elbv2_target_group_tuple *tuple)
{
        return strrchr(tuple->target_group_arn, '/') + 1;
}

static const struct elbv2_forward_action_config *forward_of(const struct elbv2_action_list *actions)
{
        return actions->items[0].type == ELBV2_ACTION_TYPE_FORWARD ? actions->items[0].forward_config : NULL;
}

static bool is_sticky(const struct elbv2_forward_action_config *forward)
{
        return forward->target_group_stickiness_config != NULL && forward->target_group_stickiness_config->enabled;
}

static bool is_plain(const struct elbv2_action_list *actions)
{
        const struct elbv2_forward_action_config *forward = forward_of(actions);

        if (forward == NULL || is_sticky(forward))
                return false;
        for (uint32_t i = 1; i < forward->target_groups.n; i++)
                if (forward->target_groups.items[i].weight > 0)
                        return false;
        return !SHAPE_HAS(&forward->target_groups.items[0], elbv2_target_group_tuple, weight) || forward->target_groups.items[0].weight > 0;
}

/* The share of each group is a range of a random number; a client that has the cookie keeps its group while that has a share. */
static void append_weighted(struct buf *out, const struct elbv2_forward_action_config *forward, const char *when)
{
        int total = 0, reached = 0;

        for (uint32_t i = 0; i < forward->target_groups.n; i++)
                total += forward->target_groups.items[i].weight;
        for (uint32_t i = 0; is_sticky(forward) && i < forward->target_groups.n; i++)
                if (forward->target_groups.items[i].weight > 0)
                        buf_printf(out, "  http-request set-var(txn.group) str(%s)%s { req.cook(AWSALBTG) -m str %s }\n",
                                   group_id(&forward->target_groups.items[i]), when, group_id(&forward->target_groups.items[i]));
        if (total == 0) {
                buf_printf(out, "  http-request return status 503%s\n", when);
                return;
        }
        buf_printf(out, "  http-request set-var(txn.share) rand(%d)%s !{ var(txn.group) -m found }\n", total, when);
        for (uint32_t i = 0; i < forward->target_groups.n; i++) {
                const struct elbv2_target_group_tuple *tuple = &forward->target_groups.items[i];

                reached += tuple->weight;
                if (tuple->weight == 0)
                        continue;
                buf_printf(out,
                           "  http-request set-var(txn.group) str(%s)%s !{ var(txn.group) -m found } { var(txn.share) -m int lt %d }\n",
                           group_id(tuple), when, reached);
        }
        if (is_sticky(forward))
                buf_printf(out, "  http-request set-var(txn.keep) int(%d)%s\n", forward->target_group_stickiness_config->duration_seconds,
                           when);
}

static void append_action(struct buf *out, const struct listener *listener, const struct elbv2_action_list *actions, const char *when)
{
        const struct elbv2_action *action = &actions->items[0];

        switch (action->type) {
        case ELBV2_ACTION_TYPE_REDIRECT:
                append_redirect(out, listener, action->redirect_config, when);
                break;
        case ELBV2_ACTION_TYPE_FIXED_RESPONSE:
                append_fixed(out, action->fixed_response_config, when);
                break;
        default:
                if (is_plain(actions))
                        buf_printf(out, "  http-request set-var(txn.group) str(%s)%s\n",
                                   group_id(&action->forward_config->target_groups.items[0]), when);
                else
                        append_weighted(out, action->forward_config, when);
                break;
        }
}

/* ---- A listener ---- */

static bool all_plain(const struct listener *listener)
{
        list_for_each (rule, &listener->rules, struct listener_rule, in_listener)
                if (!is_plain(&rule->state->actions))
                        return false;
        return is_plain(&listener->state->actions);
}

static void append_plain(const struct listener *listener, struct buf *out)
{
        int n = 1;

        list_for_each (rule, &listener->rules, struct listener_rule, in_listener) {
                append_conditions(out, n, rule);
                buf_printf(out, "  use_backend T-%s if", group_id(&forward_of(&rule->state->actions)->target_groups.items[0]));
                append_when(out, n++, rule);
                buf_append_char(out, '\n');
        }
        buf_printf(out, "  default_backend T-%s\n", group_id(&forward_of(&listener->state->actions)->target_groups.items[0]));
}

static void append_numbered(const struct listener *listener, struct buf *out)
{
        char when[64];
        int n = 1;

        list_for_each (rule, &listener->rules, struct listener_rule, in_listener) {
                append_conditions(out, n, rule);
                buf_printf(out, "  http-request set-var(txn.rule) int(%d) if !{ var(txn.rule) -m found }", n);
                append_when(out, n++, rule);
                buf_append_char(out, '\n');
        }
        buf_append_str(out, "  http-request set-var(txn.rule) int(0) if !{ var(txn.rule) -m found }\n");
        n = 1;
        list_for_each (rule, &listener->rules, struct listener_rule, in_listener) {
                (void)snprintf(when, sizeof(when), " if { var(txn.rule) -m int %d }", n++);
                append_action(out, listener, &rule->state->actions, when);
        }
        append_action(out, listener, &listener->state->actions, " if { var(txn.rule) -m int 0 }");
        buf_append_str(out, "  use_backend T-%[var(txn.group)] if { var(txn.group) -m found }\n"
                            "  http-response add-header Set-Cookie \"AWSALBTG=%[var(txn.group)]; Max-Age=%[var(txn.keep)]; Path=/\" "
                            "if { var(txn.keep) -m found }\n");
}

void lb_config_rules(const struct listener *listener, struct buf *out)
{
        if (all_plain(listener))
                append_plain(listener, out);
        else
                append_numbered(listener, out);
}
