/* SPDX-License-Identifier: Apache-2.0 */
/* Target groups and their health checks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/elbv2/common.h"
#include "api/pagination.h"
#include "api/server.h"
#include "base/strutil.h"
#include "model/balancer_attributes.h"
#include "model/network.h"

#define MAX_TARGET_GROUPS 3000

static bool is_http(enum elbv2_protocol protocol)
{
        return protocol == ELBV2_PROTOCOL_HTTP || protocol == ELBV2_PROTOCOL_HTTPS;
}

/* ---- View ---- */

static void view_check(struct api_call *call, const struct state_target_group *state, struct elbv2_target_group *out)
{
        const struct state_health_check *check = state->health_check;

        SHAPE_SET(out, elbv2_target_group, health_check_enabled, true);
        out->health_check_protocol = check->protocol;
        out->health_check_port = check->port;
        SHAPE_SET(out, elbv2_target_group, health_check_interval_seconds, check->interval);
        SHAPE_SET(out, elbv2_target_group, health_check_timeout_seconds, check->timeout);
        SHAPE_SET(out, elbv2_target_group, healthy_threshold_count, check->healthy);
        SHAPE_SET(out, elbv2_target_group, unhealthy_threshold_count, check->unhealthy);
        if (!is_http(check->protocol))
                return;
        out->health_check_path = check->path;
        out->matcher = ARENA_NEW(call->arena, struct elbv2_matcher);
        out->matcher->http_code = check->http_code;
        out->matcher->grpc_code = check->grpc_code;
}

static void view(struct api_call *call, const struct target_group *group, struct elbv2_target_group *out)
{
        const struct state_target_group *state = group->state;

        out->target_group_arn = model_target_group_arn(call->model, call->arena, group);
        out->target_group_name = state->name;
        out->protocol = state->protocol;
        out->protocol_version = is_http(state->protocol) ? state->protocol_version : NULL;
        SHAPE_SET(out, elbv2_target_group, port, state->port);
        out->vpc_id = state->vpc_id;
        out->target_type = state->target_type;
        out->ip_address_type = state->ip_address_type;
        if (group->balancer != NULL)
                string_list_push(call->arena, &out->load_balancer_arns, model_load_balancer_arn(call->model, call->arena, group->balancer));
        view_check(call, state, out);
}

/* ---- Checking ---- */

/* "200", "200-299", "200,301-302": codes within low..high. */
static bool codes_valid(const char *text, long low, long high)
{
        const char *p = text;

        for (;;) {
                char *end;
                long from = strtol(p, &end, 10), to = from;

                if (end == p || *p < '0' || *p > '9')
                        return false;
                if (*end == '-') {
                        p = end + 1;
                        to = strtol(p, &end, 10);
                        if (end == p || *p < '0' || *p > '9')
                                return false;
                }
                if (from < low || to > high || from > to)
                        return false;
                if (*end == '\0')
                        return true;
                if (*end != ',')
                        return false;
                p = end + 1;
        }
}

static int check_matcher(struct api_call *call, const struct state_target_group *state)
{
        const struct state_health_check *check = state->health_check;
        bool network = !is_http(state->protocol);

        if (check->http_code != NULL && !codes_valid(check->http_code, 200, network ? 599 : 499))
                return api_fail(call, "ValidationError",
                                "Health check matcher HTTP code '%.64s' must be within '200-%d' or comma separated values",
                                check->http_code, network ? 599 : 499);
        if (check->grpc_code != NULL && !codes_valid(check->grpc_code, 0, 99))
                return api_fail(call, "ValidationError",
                                "Health check matcher GRPC code '%.64s' must be within '0-99' or comma separated values", check->grpc_code);
        return 0;
}

static int check_health_check(struct api_call *call, const struct state_target_group *state)
{
        const struct state_health_check *check = state->health_check;
        int64_t port;

        if (check->protocol != ELBV2_PROTOCOL_HTTP && check->protocol != ELBV2_PROTOCOL_HTTPS &&
            (check->protocol != ELBV2_PROTOCOL_TCP || is_http(state->protocol)))
                return api_fail(call, "InvalidConfigurationRequest",
                                "Health check protocol '%s' cannot be used with a target group of protocol '%s'",
                                shape_enum_name(&elbv2_protocol_enum, (int)check->protocol),
                                shape_enum_name(&elbv2_protocol_enum, (int)state->protocol));
        if (!str_eq(check->port, "traffic-port") && (str_to_int64(check->port, &port) < 0 || port < 1 || port > 65535))
                return api_fail(call, "ValidationError", "Health check port '%.32s' must be 'traffic-port' or in the range 1-65535",
                                check->port);
        if (is_http(check->protocol) && check->path[0] != '/')
                return api_fail(call, "ValidationError", "Health check path '%.256s' must begin with a '/' character", check->path);
        if (strpbrk(check->path, " \t\r\n#") != NULL)
                return api_fail(call, "ValidationError", "Health check path '%.256s' must not hold blanks or a '#'", check->path);
        if (check->timeout >= check->interval)
                return api_fail(call, "ValidationError", "Health check timeout '%d' must be smaller than or equal to the interval '%d'",
                                check->timeout, check->interval);
        return check_matcher(call, state);
}

static int check_kind(struct api_call *call, const struct elbv2_create_target_group_input *in)
{
        if (in->target_type == ELBV2_TARGET_TYPE_LAMBDA || in->target_type == ELBV2_TARGET_TYPE_ALB)
                return api_fail(call, "InvalidConfigurationRequest",
                                "Target type '%s' is not available here: the target type must be instance or ip",
                                shape_enum_name(&elbv2_target_type_enum, (int)in->target_type));
        if (in->protocol == ELBV2_PROTOCOL_UNSET)
                return api_fail(call, "ValidationError", "A protocol must be specified");
        if (!is_http(in->protocol) && in->protocol != ELBV2_PROTOCOL_TCP && in->protocol != ELBV2_PROTOCOL_TLS)
                return api_fail(call, "InvalidConfigurationRequest",
                                "Protocol '%s' is not available here: HAProxy, which carries the traffic, has HTTP, HTTPS, TCP and TLS",
                                shape_enum_name(&elbv2_protocol_enum, (int)in->protocol));
        if (!SHAPE_HAS(in, elbv2_create_target_group_input, port))
                return api_fail(call, "ValidationError", "A port must be specified");
        if (in->vpc_id == NULL)
                return api_fail(call, "ValidationError", "A VPC ID must be specified");
        if (model_vpc(call->model, in->vpc_id) == NULL)
                return api_fail(call, "ValidationError", "The VPC ID '%.64s' is not found", in->vpc_id);
        if (in->ip_address_type == ELBV2_TARGET_GROUP_IP_ADDRESS_TYPE_IPV6)
                return api_fail(call, "InvalidConfigurationRequest", "Networks here have IPv4 addresses only: IpAddressType must be ipv4");
        if (SHAPE_HAS(in, elbv2_create_target_group_input, health_check_enabled) && !in->health_check_enabled)
                return api_fail(call, "InvalidConfigurationRequest",
                                "Health checks must be enabled for target groups of type instance and ip");
        if (!str_empty(in->protocol_version) && !str_eq(in->protocol_version, "HTTP1") && !str_eq(in->protocol_version, "HTTP2") &&
            !str_eq(in->protocol_version, "GRPC"))
                return api_fail(call, "ValidationError", "Protocol version '%.32s' must be one of: HTTP1, HTTP2, GRPC",
                                in->protocol_version);
        if (model_objects(call->model, OBJECT_TARGET_GROUP)->count >= MAX_TARGET_GROUPS)
                return api_fail(call, "TooManyTargetGroups", "There are %d target groups, the most that can be", MAX_TARGET_GROUPS);
        return 0;
}

/* ---- Create ---- */

static int standard_timeout(const struct state_target_group *state, enum elbv2_protocol check)
{
        if (is_http(state->protocol))
                return 5;
        return check == ELBV2_PROTOCOL_HTTP ? 6 : 10;
}

static struct state_health_check *make_check(struct api_call *call, const struct elbv2_create_target_group_input *in,
                                             const struct state_target_group *state)
{
        struct state_health_check *check = ARENA_NEW(call->arena, struct state_health_check);
        bool grpc = str_eq(state->protocol_version, "GRPC");
        const struct elbv2_matcher *matcher = in->matcher;

#define GIVEN(member, standard) (SHAPE_HAS(in, elbv2_create_target_group_input, member) ? in->member : (standard))
        check->protocol = in->health_check_protocol != ELBV2_PROTOCOL_UNSET ? in->health_check_protocol
                          : is_http(state->protocol)                        ? state->protocol
                                                                            : ELBV2_PROTOCOL_TCP;
        check->port = !str_empty(in->health_check_port) ? in->health_check_port : "traffic-port";
        check->path = !str_empty(in->health_check_path) ? in->health_check_path : grpc ? "/AWS.ALB/healthcheck" : "/";
        SHAPE_SET(check, state_health_check, interval, GIVEN(health_check_interval_seconds, 30));
        SHAPE_SET(check, state_health_check, timeout, GIVEN(health_check_timeout_seconds, standard_timeout(state, check->protocol)));
        SHAPE_SET(check, state_health_check, healthy, GIVEN(healthy_threshold_count, 5));
        SHAPE_SET(check, state_health_check, unhealthy, GIVEN(unhealthy_threshold_count, 2));
#undef GIVEN
        if (grpc)
                check->grpc_code = matcher != NULL && matcher->grpc_code != NULL ? matcher->grpc_code : "12";
        else
                check->http_code = matcher != NULL && matcher->http_code != NULL ? matcher->http_code
                                   : is_http(state->protocol)                    ? "200"
                                                                                 : "200-399";
        return check;
}

static int create_target_group(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_create_target_group_input *in = input;
        struct elbv2_create_target_group_output *out = output;
        struct state_target_group state = {.name = in->name,
                                           .protocol = in->protocol,
                                           .protocol_version = !str_empty(in->protocol_version) ? in->protocol_version : "HTTP1",
                                           .vpc_id = in->vpc_id,
                                           .target_type = in->target_type != ELBV2_TARGET_TYPE_UNSET ? in->target_type
                                                                                                     : ELBV2_TARGET_TYPE_INSTANCE,
                                           .ip_address_type = ELBV2_TARGET_GROUP_IP_ADDRESS_TYPE_IPV4,
                                           .tags = in->tags,
                                           .created_at = call->now_ms};
        struct target_group *group;
        struct object *object;
        struct tx *tx;
        int r;

        if ((r = elbv2_check_name(call, "target group", in->name)) < 0 || (r = elbv2_check_tags(call, &in->tags)) < 0 ||
            (r = check_kind(call, in)) < 0)
                return r;
        SHAPE_SET(&state, state_target_group, port, in->port);
        state.health_check = make_check(call, in, &state);
        if ((r = check_health_check(call, &state)) < 0)
                return r;
        group = model_target_group_by_name(call->model, in->name);
        if (group != NULL) {
                struct state_target_group same = *group->state;

                same.id = NULL;
                same.created_at = state.created_at;
                same.attributes = (struct string_map){0};
                if (!shape_equal(&state_target_group_shape, &same, &state))
                        return api_fail(call, "DuplicateTargetGroupName",
                                        "A target group with the same name '%s' exists, but with different settings", in->name);
                view(call, group, SHAPE_PUSH(call->arena, &out->target_groups));
                return 0;
        }
        state.id = elbv2_new_id(call);
        tx = tx_begin(call->model);
        object = tx_insert(tx, OBJECT_TARGET_GROUP, &state);
        tx_commit(tx);
        view(call, CONTAINER_OF(object, struct target_group, object), SHAPE_PUSH(call->arena, &out->target_groups));
        return 0;
}

/* ---- Describe ---- */

static int describe_named(struct api_call *call, const struct elbv2_describe_target_groups_input *in,
                          struct elbv2_describe_target_groups_output *out)
{
        for (uint32_t i = 0; i < in->target_group_arns.n; i++) {
                struct target_group *group;
                int r = elbv2_find_target_group(call, in->target_group_arns.items[i], &group);

                if (r < 0)
                        return r;
                view(call, group, SHAPE_PUSH(call->arena, &out->target_groups));
        }
        for (uint32_t i = 0; i < in->names.n; i++) {
                const struct target_group *group = model_target_group_by_name(call->model, in->names.items[i]);

                if (group == NULL)
                        return api_fail(call, "TargetGroupNotFound", "One or more target groups not found");
                view(call, group, SHAPE_PUSH(call->arena, &out->target_groups));
        }
        return 0;
}

static int describe_target_groups(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_describe_target_groups_input *in = input;
        struct elbv2_describe_target_groups_output *out = output;
        struct load_balancer *balancer = NULL;
        struct api_page page;
        int r;

        if ((in->target_group_arns.n > 0) + (in->names.n > 0) + (in->load_balancer_arn != NULL) > 1)
                return api_fail(call, "ValidationError",
                                "Only one of target group names, target group ARNs and load balancer ARN can be specified");
        if (in->target_group_arns.n > 0 || in->names.n > 0)
                return describe_named(call, in, out);
        if (in->load_balancer_arn != NULL && (r = elbv2_find_load_balancer(call, in->load_balancer_arn, &balancer)) < 0)
                return r;
        r = api_page_begin(call, in->marker, SHAPE_HAS(in, elbv2_describe_target_groups_input, page_size), in->page_size, 400, 400,
                           in->load_balancer_arn, &page);
        if (r < 0)
                return r;
        for (struct tree_node *node = tree_after(model_objects(call->model, OBJECT_TARGET_GROUP), page.after); node != NULL;
             node = tree_next(node)) {
                const struct target_group *group = MODEL_OBJECT(node, target_group);

                if (balancer != NULL && group->balancer != balancer)
                        continue;
                if (!api_page_add(&page, group->object.key)) {
                        out->next_marker = api_page_token(call, &page);
                        break;
                }
                view(call, group, SHAPE_PUSH(call->arena, &out->target_groups));
        }
        return 0;
}

/* ---- Modify, delete ---- */

static void update_check(const struct elbv2_modify_target_group_input *in, struct state_health_check *check)
{
#define UPDATE(theirs, ours)                                        \
        if (SHAPE_HAS(in, elbv2_modify_target_group_input, theirs)) \
        SHAPE_SET(check, state_health_check, ours, in->theirs)
        UPDATE(health_check_interval_seconds, interval);
        UPDATE(health_check_timeout_seconds, timeout);
        UPDATE(healthy_threshold_count, healthy);
        UPDATE(unhealthy_threshold_count, unhealthy);
#undef UPDATE
        if (in->health_check_protocol != ELBV2_PROTOCOL_UNSET)
                check->protocol = in->health_check_protocol;
        if (!str_empty(in->health_check_port))
                check->port = in->health_check_port;
        if (!str_empty(in->health_check_path))
                check->path = in->health_check_path;
        if (in->matcher != NULL && in->matcher->http_code != NULL)
                check->http_code = in->matcher->http_code;
        if (in->matcher != NULL && in->matcher->grpc_code != NULL)
                check->grpc_code = in->matcher->grpc_code;
}

static int modify_target_group(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_modify_target_group_input *in = input;
        struct elbv2_modify_target_group_output *out = output;
        struct state_target_group *state;
        struct target_group *group;
        struct tx *tx;
        int r = elbv2_find_target_group(call, in->target_group_arn, &group);

        if (r < 0)
                return r;
        if (SHAPE_HAS(in, elbv2_modify_target_group_input, health_check_enabled) && !in->health_check_enabled)
                return api_fail(call, "InvalidConfigurationRequest",
                                "Health checks must be enabled for target groups of type instance and ip");
        state = SHAPE_COPY(state_target_group, (struct state_target_group *)group->state, call->arena);
        update_check(in, state->health_check);
        r = check_health_check(call, state);
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        tx_put(tx, &group->object, state);
        tx_commit(tx);
        view(call, group, SHAPE_PUSH(call->arena, &out->target_groups));
        return 0;
}

static int delete_target_group(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_delete_target_group_input *in = input;
        struct target_group *group;
        struct tx *tx;

        (void)output;
        if (elbv2_find_target_group(call, in->target_group_arn, &group) < 0) {
                if (!str_eq(call->error.code, "TargetGroupNotFound"))
                        return -EINVAL;
                error_clear(&call->error); /* as AWS has it */
                return 0;
        }
        if (group->n_uses > 0)
                return api_fail(call, "ResourceInUse", "Target group '%s' is currently in use by a listener or a rule",
                                in->target_group_arn);
        tx = tx_begin(call->model);
        list_for_each (target, &group->targets, struct target, in_group)
                tx_remove(tx, &target->object);
        tx_remove(tx, &group->object);
        tx_commit(tx);
        return 0;
}

const struct api_route elbv2_target_group_routes[] = {
        {ELBV2_OP_CREATE_TARGET_GROUP, create_target_group},
        {ELBV2_OP_DESCRIBE_TARGET_GROUPS, describe_target_groups},
        {ELBV2_OP_MODIFY_TARGET_GROUP, modify_target_group},
        {ELBV2_OP_DELETE_TARGET_GROUP, delete_target_group},
        {0, NULL},
};
