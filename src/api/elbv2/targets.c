/* SPDX-License-Identifier: Apache-2.0 */
/* Targets: register, deregister, health. */
#include <arpa/inet.h>
#include <string.h>

#include "api/elbv2/common.h"
#include "base/strutil.h"
#include "control/targets.h"

#define MAX_TARGETS 5000

/* The port that a request means: its own, or the group's. */
static int port_of(const struct target_group *group, const struct elbv2_target_description *target)
{
        return SHAPE_HAS(target, elbv2_target_description, port) ? target->port : group->state->port;
}

static int check_ip(struct api_call *call, const char *id)
{
        struct in_addr address;

        if (inet_pton(AF_INET, id, &address) != 1)
                return api_fail(call, "ValidationError", "The IP address '%.64s' is not a valid IPv4 address", id);
        if (address.s_addr == 0 || IN_MULTICAST(ntohl(address.s_addr)) || ntohl(address.s_addr) >> 16 == 0xa9fe)
                return api_fail(call, "InvalidTarget", "The IP address '%s' cannot be a target", id);
        return 0;
}

static int check_target(struct api_call *call, const struct target_group *group, const struct elbv2_target_description *target)
{
        if (group->state->target_type == ELBV2_TARGET_TYPE_IP)
                return check_ip(call, target->id);
        if (model_instance_of_target(call->model, target->id) == NULL)
                return api_fail(call, "InvalidTarget",
                                "The following targets are not in a running state and cannot be registered: '%.64s'. A target of type "
                                "instance is a "
                                "container instance: its ec2InstanceId, or the last part of its ARN",
                                target->id);
        return 0;
}

static int register_targets(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_register_targets_input *in = input;
        struct target_group *group;
        struct tx *tx;
        int r = elbv2_find_target_group(call, in->target_group_arn, &group);

        (void)output;
        for (uint32_t i = 0; r == 0 && i < in->targets.n; i++)
                r = check_target(call, group, &in->targets.items[i]);
        if (r < 0)
                return r;
        if (group->n_targets + in->targets.n > MAX_TARGETS)
                return api_fail(call, "TooManyTargets", "The target group has %zu targets; at most %d can be registered", group->n_targets,
                                MAX_TARGETS);
        tx = tx_begin(call->model);
        for (uint32_t i = 0; i < in->targets.n; i++) {
                const struct elbv2_target_description *target = &in->targets.items[i];

                target_register(call->model, tx, group, target->id, port_of(group, target), target->availability_zone, NULL, call->now_ms);
        }
        tx_commit(tx);
        return 0;
}

/* Those that a description without a port means: all of that id. */
static size_t deregister(struct api_call *call, struct tx *tx, struct target_group *group, const struct elbv2_target_description *which)
{
        size_t n = 0;

        list_for_each (target, &group->targets, struct target, in_group) {
                if (!str_eq(target->state->id, which->id) ||
                    (SHAPE_HAS(which, elbv2_target_description, port) && target->state->port != which->port))
                        continue;
                target_deregister(call->model, tx, target, call->now_ms);
                n++;
        }
        return n;
}

static int deregister_targets(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_deregister_targets_input *in = input;
        struct target_group *group;
        struct tx *tx;
        int r = elbv2_find_target_group(call, in->target_group_arn, &group);

        (void)output;
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        for (uint32_t i = 0; i < in->targets.n; i++)
                (void)deregister(call, tx, group, &in->targets.items[i]);
        tx_commit(tx);
        return 0;
}

/* ---- Health ---- */

static const struct {
        enum elbv2_target_health_reason reason;
        const char *text;
} descriptions[] = {
        {ELBV2_TARGET_HEALTH_REASON_ELB_REGISTRATIONINPROGRESS, "Target registration is in progress"},
        {ELBV2_TARGET_HEALTH_REASON_ELB_INITIALHEALTHCHECKING, "Initial health checks in progress"},
        {ELBV2_TARGET_HEALTH_REASON_TARGET_RESPONSECODEMISMATCH, "Health checks failed"},
        {ELBV2_TARGET_HEALTH_REASON_TARGET_TIMEOUT, "Request timed out"},
        {ELBV2_TARGET_HEALTH_REASON_TARGET_FAILEDHEALTHCHECKS, "Health checks failed"},
        {ELBV2_TARGET_HEALTH_REASON_TARGET_NOTREGISTERED, "Target is not registered to the target group"},
        {ELBV2_TARGET_HEALTH_REASON_TARGET_NOTINUSE, "Target group is not configured to receive traffic from the load balancer"},
        {ELBV2_TARGET_HEALTH_REASON_TARGET_DEREGISTRATIONINPROGRESS, "Target deregistration is in progress"},
        {ELBV2_TARGET_HEALTH_REASON_TARGET_INVALIDSTATE, "Target is in the stopped state"},
};

static const char *description_of(enum elbv2_target_health_reason reason)
{
        for (size_t i = 0; i < ARRAY_SIZE(descriptions); i++)
                if (descriptions[i].reason == reason)
                        return descriptions[i].text;
        return NULL;
}

/* What the target's health comes to with what the model knows besides. */
static void health_of(struct api_call *call, const struct target *target, struct elbv2_target_health *out)
{
        if (target->state->draining_since != 0) {
                out->state = ELBV2_TARGET_HEALTH_STATE_DRAINING;
                out->reason = ELBV2_TARGET_HEALTH_REASON_TARGET_DEREGISTRATIONINPROGRESS;
        } else if (target->group->n_uses == 0) {
                out->state = ELBV2_TARGET_HEALTH_STATE_UNUSED;
                out->reason = ELBV2_TARGET_HEALTH_REASON_TARGET_NOTINUSE;
        } else {
                out->state = target->health;
                out->reason = target->health == ELBV2_TARGET_HEALTH_STATE_HEALTHY ? ELBV2_TARGET_HEALTH_REASON_UNSET : target->reason;
                if (target->description[0] != '\0' && out->reason != ELBV2_TARGET_HEALTH_REASON_UNSET)
                        out->description = arena_strdup(call->arena, target->description);
        }
        if (out->description == NULL)
                out->description = description_of(out->reason);
}

static struct elbv2_target_health_description *push(struct api_call *call, const struct target_group *group, const char *id, int port,
                                                    struct elbv2_describe_target_health_output *out)
{
        struct elbv2_target_health_description *item = SHAPE_PUSH(call->arena, &out->target_health_descriptions);
        const char *check = group->state->health_check->port;

        item->target = ARENA_NEW(call->arena, struct elbv2_target_description);
        item->target->id = id;
        SHAPE_SET(item->target, elbv2_target_description, port, port);
        item->health_check_port = str_eq(check, "traffic-port") ? arena_printf(call->arena, "%d", port) : check;
        item->target_health = ARENA_NEW(call->arena, struct elbv2_target_health);
        return item;
}

static void push_target(struct api_call *call, const struct target *target, struct elbv2_describe_target_health_output *out)
{
        struct elbv2_target_health_description *item = push(call, target->group, target->state->id, target->state->port, out);

        item->target->availability_zone = target->state->zone;
        health_of(call, target, item->target_health);
}

static void push_unregistered(struct api_call *call, const struct target_group *group, const struct elbv2_target_description *asked,
                              struct elbv2_describe_target_health_output *out)
{
        struct elbv2_target_health *health = push(call, group, asked->id, port_of(group, asked), out)->target_health;

        health->state = ELBV2_TARGET_HEALTH_STATE_UNUSED;
        health->reason = ELBV2_TARGET_HEALTH_REASON_TARGET_NOTREGISTERED;
        health->description = description_of(health->reason);
}

static int describe_target_health(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_describe_target_health_input *in = input;
        struct elbv2_describe_target_health_output *out = output;
        struct target_group *group;
        int r = elbv2_find_target_group(call, in->target_group_arn, &group);

        if (r < 0)
                return r;
        if (in->targets.n == 0)
                list_for_each (target, &group->targets, struct target, in_group)
                        push_target(call, target, out);
        for (uint32_t i = 0; i < in->targets.n; i++) {
                const struct elbv2_target_description *asked = &in->targets.items[i];
                const struct target *target = model_target(call->model, group->state->id, asked->id, port_of(group, asked));

                if (target != NULL)
                        push_target(call, target, out);
                else
                        push_unregistered(call, group, asked, out);
        }
        return 0;
}

const struct api_route elbv2_target_routes[] = {
        {ELBV2_OP_REGISTER_TARGETS, register_targets},
        {ELBV2_OP_DEREGISTER_TARGETS, deregister_targets},
        {ELBV2_OP_DESCRIBE_TARGET_HEALTH, describe_target_health},
        {0, NULL},
};
