/* SPDX-License-Identifier: Apache-2.0 */
/* What listeners and rules do with a request: checked, and brought into the form that is stored. */
#include <string.h>

#include "api/elbv2/common.h"
#include "base/strutil.h"

#define MAX_FORWARD_GROUPS 5

static bool is_http(enum elbv2_protocol protocol)
{
        return protocol == ELBV2_PROTOCOL_HTTP || protocol == ELBV2_PROTOCOL_HTTPS;
}

/* ---- Forward ---- */

static int check_group(struct api_call *call, const struct load_balancer *balancer, enum elbv2_protocol protocol, const char *arn)
{
        struct target_group *group;
        int r = elbv2_find_target_group(call, arn, &group);

        if (r < 0)
                return r;
        if (is_http(group->state->protocol) != is_http(protocol))
                return api_fail(call, "IncompatibleProtocols",
                                "The protocol '%s' of target group '%s' does not fit a listener of protocol '%s'",
                                shape_enum_name(&elbv2_protocol_enum, (int)group->state->protocol), group->state->name,
                                shape_enum_name(&elbv2_protocol_enum, (int)protocol));
        if (!str_eq(group->state->vpc_id, balancer->state->vpc_id))
                return api_fail(call, "InvalidConfigurationRequest", "The load balancer and the target group '%s' must be in one VPC", arn);
        if (group->balancer != NULL && group->balancer != balancer)
                return api_fail(call, "TargetGroupAssociationLimit",
                                "The following target groups cannot be associated with more than one load balancer: %s", arn);
        return 0;
}

/* Every forward gets a ForwardConfig; a request may name one group by TargetGroupArn alone. */
static struct elbv2_forward_action_config *forward_of(struct api_call *call, const struct elbv2_action *in)
{
        struct elbv2_forward_action_config *forward;

        if (in->forward_config != NULL && in->forward_config->target_groups.n > 0)
                return SHAPE_COPY(elbv2_forward_action_config, in->forward_config, call->arena);
        if (in->target_group_arn == NULL)
                return NULL;
        forward = ARENA_NEW(call->arena, struct elbv2_forward_action_config);
        SHAPE_PUSH(call->arena, &forward->target_groups)->target_group_arn = in->target_group_arn;
        if (in->forward_config != NULL)
                forward->target_group_stickiness_config = in->forward_config->target_group_stickiness_config;
        return forward;
}

static int check_weights(struct api_call *call, struct elbv2_forward_action_config *forward)
{
        for (uint32_t i = 0; i < forward->target_groups.n; i++) {
                struct elbv2_target_group_tuple *tuple = &forward->target_groups.items[i];

                if (!SHAPE_HAS(tuple, elbv2_target_group_tuple, weight))
                        SHAPE_SET(tuple, elbv2_target_group_tuple, weight, 1);
                if (tuple->weight < 0 || tuple->weight > 999)
                        return api_fail(call, "ValidationError", "The weight %d of target group '%s' must be between 0 and 999",
                                        tuple->weight, tuple->target_group_arn);
                for (uint32_t j = 0; j < i; j++)
                        if (str_eq(forward->target_groups.items[j].target_group_arn, tuple->target_group_arn))
                                return api_fail(call, "ValidationError", "The target group '%s' is given twice in one action",
                                                tuple->target_group_arn);
        }
        return 0;
}

static int check_stickiness(struct api_call *call, struct elbv2_forward_action_config *forward)
{
        struct elbv2_target_group_stickiness_config *sticky = forward->target_group_stickiness_config;

        if (sticky == NULL) {
                sticky = forward->target_group_stickiness_config = ARENA_NEW(call->arena, struct elbv2_target_group_stickiness_config);
                SHAPE_SET(sticky, elbv2_target_group_stickiness_config, enabled, false);
                return 0;
        }
        if (!sticky->enabled)
                return 0;
        if (!SHAPE_HAS(sticky, elbv2_target_group_stickiness_config, duration_seconds) || sticky->duration_seconds < 1 ||
            sticky->duration_seconds > 604800)
                return api_fail(call, "ValidationError", "Target group stickiness duration must be between 1 and 604800 seconds");
        return 0;
}

static int check_forward(struct api_call *call, const struct load_balancer *balancer, enum elbv2_protocol protocol,
                         const struct elbv2_action *in, struct elbv2_action *out)
{
        struct elbv2_forward_action_config *forward = forward_of(call, in);
        int r = 0;

        if (forward == NULL)
                return api_fail(call, "ValidationError", "A forward action needs a TargetGroupArn or a ForwardConfig with target groups");
        if (forward->target_groups.n > (is_http(protocol) ? MAX_FORWARD_GROUPS : 1))
                return api_fail(call, "TooManyUniqueTargetGroupsPerLoadBalancer", "An action can forward to at most %d target groups here",
                                is_http(protocol) ? MAX_FORWARD_GROUPS : 1);
        if (in->target_group_arn != NULL &&
            (forward->target_groups.n != 1 || !str_eq(forward->target_groups.items[0].target_group_arn, in->target_group_arn)))
                return api_fail(call, "ValidationError",
                                "TargetGroupArn and ForwardConfig of an action must name the same single target group");
        for (uint32_t i = 0; r == 0 && i < forward->target_groups.n; i++)
                r = check_group(call, balancer, protocol, forward->target_groups.items[i].target_group_arn);
        if (r < 0 || (r = check_weights(call, forward)) < 0 || (r = check_stickiness(call, forward)) < 0)
                return r;
        out->forward_config = forward;
        return 0;
}

/* ---- Redirect ---- */

static bool has_control(const char *s)
{
        for (; s != NULL && *s != '\0'; s++)
                if ((unsigned char)*s < ' ' || *s == 0x7f)
                        return true;
        return false;
}

/* Every #{…} is one of the five. */
static bool placeholders_valid(const char *text)
{
        static const char *const known[] = {"#{protocol}", "#{host}", "#{port}", "#{path}", "#{query}"};

        for (const char *p = text; (p = strstr(p, "#{")) != NULL; p += 2) {
                bool ok = false;

                for (size_t i = 0; i < ARRAY_SIZE(known); i++)
                        ok |= str_starts_with(p, known[i]);
                if (!ok)
                        return false;
        }
        return true;
}

static int check_redirect(struct api_call *call, const struct elbv2_action *in, struct elbv2_action *out)
{
        const struct elbv2_redirect_action_config *given = in->redirect_config;
        struct elbv2_redirect_action_config *redirect;
        const char *parts[4];
        int64_t port;

        if (given == NULL)
                return api_fail(call, "ValidationError", "A redirect action needs a RedirectConfig");
        redirect = SHAPE_COPY(elbv2_redirect_action_config, given, call->arena);
#define FILL(member, standard) redirect->member = redirect->member != NULL ? redirect->member : (standard)
        FILL(protocol, "#{protocol}");
        FILL(port, "#{port}");
        FILL(host, "#{host}");
        FILL(path, "/#{path}");
        FILL(query, "#{query}");
#undef FILL
        parts[0] = redirect->host, parts[1] = redirect->path, parts[2] = redirect->query, parts[3] = redirect->port;
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                if (has_control(parts[i]) || !placeholders_valid(parts[i]))
                        return api_fail(call, "ValidationError",
                                        "'%.128s' is not valid in a redirect: only #{protocol}, #{host}, #{port}, #{path} and #{query} can "
                                        "stand in it",
                                        parts[i]);
        if (!str_eq(redirect->protocol, "HTTP") && !str_eq(redirect->protocol, "HTTPS") && !str_eq(redirect->protocol, "#{protocol}"))
                return api_fail(call, "ValidationError", "The redirect protocol '%.32s' must be HTTP, HTTPS or #{protocol}",
                                redirect->protocol);
        if (!str_eq(redirect->port, "#{port}") && (str_to_int64(redirect->port, &port) < 0 || port < 1 || port > 65535))
                return api_fail(call, "ValidationError", "The redirect port '%.32s' must be between 1 and 65535 or #{port}",
                                redirect->port);
        if (redirect->path[0] != '/')
                return api_fail(call, "ValidationError", "The redirect path '%.128s' must begin with '/'", redirect->path);
        if (str_eq(redirect->protocol, "#{protocol}") && str_eq(redirect->port, "#{port}") && str_eq(redirect->host, "#{host}") &&
            str_eq(redirect->path, "/#{path}"))
                return api_fail(call, "InvalidLoadBalancerAction", "The redirect configuration is not valid because it creates a loop");
        out->redirect_config = redirect;
        return 0;
}

/* ---- Fixed response ---- */

static int check_fixed(struct api_call *call, const struct elbv2_action *in, struct elbv2_action *out)
{
        static const char *const types[] = {"text/plain", "text/css", "text/html", "application/javascript", "application/json"};
        const struct elbv2_fixed_response_action_config *fixed = in->fixed_response_config;
        const char *code = fixed != NULL ? fixed->status_code : NULL;
        bool known = fixed != NULL && fixed->content_type == NULL;

        if (fixed == NULL)
                return api_fail(call, "ValidationError", "A fixed-response action needs a FixedResponseConfig");
        if (strlen(code) != 3 || strspn(code, "0123456789") != 3 || strchr("245", code[0]) == NULL)
                return api_fail(call, "ValidationError", "The status code '%.16s' must be a 2XX, 4XX or 5XX code", code);
        for (size_t i = 0; fixed->content_type != NULL && i < ARRAY_SIZE(types); i++)
                known |= str_eq(types[i], fixed->content_type);
        if (!known)
                return api_fail(call, "ValidationError",
                                "The content type '%.32s' must be one of: text/plain, text/css, text/html, "
                                "application/javascript, application/json",
                                fixed->content_type);
        out->fixed_response_config = in->fixed_response_config;
        return 0;
}

/* ---- All ---- */

static int check_action(struct api_call *call, const struct load_balancer *balancer, enum elbv2_protocol protocol,
                        const struct elbv2_action *in, struct elbv2_action *out)
{
        if (!is_http(protocol) && in->type != ELBV2_ACTION_TYPE_FORWARD)
                return api_fail(call, "InvalidLoadBalancerAction", "Listeners of protocol '%s' can only forward",
                                shape_enum_name(&elbv2_protocol_enum, (int)protocol));
        out->type = in->type;
        switch (in->type) {
        case ELBV2_ACTION_TYPE_FORWARD:
                return check_forward(call, balancer, protocol, in, out);
        case ELBV2_ACTION_TYPE_REDIRECT:
                return check_redirect(call, in, out);
        case ELBV2_ACTION_TYPE_FIXED_RESPONSE:
                return check_fixed(call, in, out);
        default:
                return api_fail(call, "InvalidLoadBalancerAction",
                                "Actions of type '%s' are not available here: use forward, redirect or fixed-response",
                                shape_enum_name(&elbv2_action_type_enum, (int)in->type));
        }
}

int elbv2_check_actions(struct api_call *call, const struct load_balancer *balancer, enum elbv2_protocol protocol,
                        const struct elbv2_action_list *in, struct elbv2_action_list *ret)
{
        struct elbv2_action_list out = {0};
        struct elbv2_action *action;
        int r;

        if (in->n == 0)
                return api_fail(call, "ValidationError", "At least one action must be specified");
        if (in->n > 1)
                return api_fail(call, "TooManyActions",
                                "%u actions were given. Several go together only with authentication, which is not available here", in->n);
        action = SHAPE_PUSH(call->arena, &out);
        r = check_action(call, balancer, protocol, &in->items[0], action);
        if (r < 0)
                return r;
        if (SHAPE_HAS(&in->items[0], elbv2_action, order))
                SHAPE_SET(action, elbv2_action, order, in->items[0].order);
        *ret = out;
        return 0;
}

void elbv2_view_actions(struct api_call *call, const struct elbv2_action_list *actions, struct elbv2_action_list *ret)
{
        for (uint32_t i = 0; i < actions->n; i++) {
                struct elbv2_action *action = SHAPE_PUSH(call->arena, ret);

                *action = actions->items[i];
                /* One group shows in both places, as clients of before there were several expect. */
                if (action->forward_config != NULL && action->forward_config->target_groups.n == 1)
                        action->target_group_arn = action->forward_config->target_groups.items[0].target_group_arn;
        }
}
