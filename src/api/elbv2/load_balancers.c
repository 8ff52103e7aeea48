/* SPDX-License-Identifier: Apache-2.0 */
/* Load balancers: create, describe, delete, and what can be set of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/elbv2/common.h"
#include "api/pagination.h"
#include "api/server.h"
#include "base/strutil.h"

#define MAX_LOAD_BALANCERS 1000
/* Hosted zones of the load balancers of the real region us-east-1: clients want one and nobody resolves it. */
#define ZONE_APPLICATION "Z35SXDOTRQ7X7K"
#define ZONE_NETWORK "Z26RNL4JYFTOTI"

/* ---- View ---- */

static void view_zones(struct api_call *call, const struct state_load_balancer *state, struct elbv2_availability_zone_list *ret)
{
        for (uint32_t i = 0; i < state->zones.n; i++) {
                const struct state_balancer_zone *zone = &state->zones.items[i];
                struct elbv2_availability_zone *out = SHAPE_PUSH(call->arena, ret);
                struct elbv2_load_balancer_address *address;

                out->zone_name = zone->zone_name;
                out->subnet_id = zone->subnet_id;
                if (state->type != ELBV2_LOAD_BALANCER_TYPE_NETWORK)
                        continue;
                address = SHAPE_PUSH(call->arena, &out->load_balancer_addresses);
                if (state->scheme == ELBV2_LOAD_BALANCER_SCHEME_INTERNAL)
                        address->private_ipv4_address = zone->address;
        }
}

static void view(struct api_call *call, const struct load_balancer *balancer, struct elbv2_load_balancer *out)
{
        const struct state_load_balancer *state = balancer->state;

        out->load_balancer_arn = model_load_balancer_arn(call->model, call->arena, balancer);
        out->dns_name = model_load_balancer_dns_name(call->model, call->arena, balancer, NULL);
        out->canonical_hosted_zone_id = state->type == ELBV2_LOAD_BALANCER_TYPE_NETWORK ? ZONE_NETWORK : ZONE_APPLICATION;
        out->created_time = state->created_at;
        out->load_balancer_name = state->name;
        out->scheme = state->scheme;
        out->vpc_id = state->vpc_id;
        out->type = state->type;
        out->ip_address_type = state->ip_address_type;
        out->security_groups = state->security_groups;
        out->state = ARENA_NEW(call->arena, struct elbv2_load_balancer_state);
        out->state->code = ELBV2_LOAD_BALANCER_STATE_CODE_ACTIVE;
        if (balancer->problem != NULL) {
                out->state->code = ELBV2_LOAD_BALANCER_STATE_CODE_ACTIVE_IMPAIRED;
                out->state->reason = arena_strdup(call->arena, balancer->problem);
        }
        view_zones(call, state, &out->availability_zones);
}

/* ---- Create ---- */

/*
 * Its own loopback address in 127.64.0.0/10, so that balancers can have the same port on one machine. From the id, so that it does not
 * move; the next free one when that is taken.
 */
static const char *own_loopback(struct api_call *call, const char *id)
{
        uint32_t n = (uint32_t)(strtoull(id, NULL, 16) & 0x3fffff);
        char *text = arena_bytes(call->arena, 16);
        bool taken = true;

        while (taken) {
                taken = (n & 0xff) == 0 || (n & 0xff) == 0xff;
                (void)snprintf(text, 16, "127.%u.%u.%u", 64 + (n >> 16 & 0x3f), n >> 8 & 0xff, n & 0xff);
                tree_for_each (node, model_objects(call->model, OBJECT_LOAD_BALANCER))
                        taken |= str_eq(MODEL_OBJECT(node, load_balancer)->state->loopback, text);
                n = (n + 1) & 0x3fffff;
        }
        return text;
}

/* Creating the same again answers with what is there; AWS compares what the request says. */
static int existing(struct api_call *call, const struct load_balancer *balancer, const struct state_load_balancer *wanted,
                    struct elbv2_create_load_balancer_output *out)
{
        const struct state_load_balancer *state = balancer->state;
        bool same = state->type == wanted->type && state->scheme == wanted->scheme && state->zones.n == wanted->zones.n &&
                    state->ip_address_type == wanted->ip_address_type && state->security_groups.n == wanted->security_groups.n &&
                    shape_equal(&state_load_balancer_shape, &(struct state_load_balancer){.tags = state->tags},
                                &(struct state_load_balancer){.tags = wanted->tags});

        for (uint32_t i = 0; same && i < wanted->zones.n; i++)
                same = str_eq(state->zones.items[i].subnet_id, wanted->zones.items[i].subnet_id);
        for (uint32_t i = 0; same && i < wanted->security_groups.n; i++)
                same = str_eq(state->security_groups.items[i], wanted->security_groups.items[i]);
        if (!same)
                return api_fail(call, "DuplicateLoadBalancerName",
                                "A load balancer with the same name '%s' exists, but with different settings", state->name);
        view(call, balancer, SHAPE_PUSH(call->arena, &out->load_balancers));
        return 0;
}

static int check_kind(struct api_call *call, const struct elbv2_create_load_balancer_input *in)
{
        if (in->type == ELBV2_LOAD_BALANCER_TYPE_GATEWAY)
                return api_fail(call, "InvalidConfigurationRequest",
                                "Gateway load balancers are not available here: the type must be application or network");
        if (in->ip_address_type != ELBV2_IP_ADDRESS_TYPE_UNSET && in->ip_address_type != ELBV2_IP_ADDRESS_TYPE_IPV4)
                return api_fail(call, "InvalidConfigurationRequest", "Networks here have IPv4 addresses only: IpAddressType must be ipv4");
        if (model_objects(call->model, OBJECT_LOAD_BALANCER)->count >= MAX_LOAD_BALANCERS)
                return api_fail(call, "TooManyLoadBalancers", "There are %d load balancers, the most that can be", MAX_LOAD_BALANCERS);
        return 0;
}

static int make_state(struct api_call *call, const struct elbv2_create_load_balancer_input *in, struct state_load_balancer *state)
{
        struct elbv2_placement placement;
        int r;

        *state = (struct state_load_balancer){
                .name = in->name,
                .type = in->type != ELBV2_LOAD_BALANCER_TYPE_UNSET ? in->type : ELBV2_LOAD_BALANCER_TYPE_APPLICATION,
                .scheme = in->scheme != ELBV2_LOAD_BALANCER_SCHEME_UNSET ? in->scheme : ELBV2_LOAD_BALANCER_SCHEME_INTERNET_FACING,
                .ip_address_type = ELBV2_IP_ADDRESS_TYPE_IPV4,
                .tags = in->tags,
                .created_at = call->now_ms};
        if ((r = elbv2_check_name(call, "load balancer", in->name)) < 0 || (r = elbv2_check_tags(call, &in->tags)) < 0 ||
            (r = check_kind(call, in)) < 0 ||
            (r = elbv2_resolve_subnets(call, state->type, &in->subnets, &in->subnet_mappings, &placement)) < 0)
                return r;
        state->zones = placement.zones;
        state->vpc_id = placement.vpc_id;
        /* A network balancer without groups has none; an application balancer gets its VPC's default group. */
        if (state->type == ELBV2_LOAD_BALANCER_TYPE_NETWORK && in->security_groups.n == 0)
                return 0;
        return elbv2_resolve_groups(call, state->vpc_id, &in->security_groups, &state->security_groups);
}

static int create_load_balancer(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_create_load_balancer_input *in = input;
        struct elbv2_create_load_balancer_output *out = output;
        struct state_load_balancer state;
        struct load_balancer *balancer;
        struct object *object;
        struct tx *tx;
        int r = make_state(call, in, &state);

        if (r < 0)
                return r;
        balancer = model_load_balancer_by_name(call->model, in->name);
        if (balancer != NULL)
                return existing(call, balancer, &state, out);
        state.id = elbv2_new_id(call);
        state.loopback = own_loopback(call, state.id);
        tx = tx_begin(call->model);
        r = elbv2_place(call, tx, &state);
        if (r < 0) {
                tx_rollback(tx);
                return r;
        }
        object = tx_insert(tx, OBJECT_LOAD_BALANCER, &state);
        tx_commit(tx);
        view(call, CONTAINER_OF(object, struct load_balancer, object), SHAPE_PUSH(call->arena, &out->load_balancers));
        return 0;
}

/* ---- Describe ---- */

static int describe_named(struct api_call *call, const struct elbv2_describe_load_balancers_input *in,
                          struct elbv2_describe_load_balancers_output *out)
{
        for (uint32_t i = 0; i < in->load_balancer_arns.n; i++) {
                struct load_balancer *balancer;
                int r = elbv2_find_load_balancer(call, in->load_balancer_arns.items[i], &balancer);

                if (r < 0)
                        return r;
                view(call, balancer, SHAPE_PUSH(call->arena, &out->load_balancers));
        }
        for (uint32_t i = 0; i < in->names.n; i++) {
                const struct load_balancer *balancer = model_load_balancer_by_name(call->model, in->names.items[i]);

                if (balancer == NULL)
                        return api_fail(call, "LoadBalancerNotFound", "Load balancers '[%.64s]' not found", in->names.items[i]);
                view(call, balancer, SHAPE_PUSH(call->arena, &out->load_balancers));
        }
        return 0;
}

static int describe_load_balancers(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_describe_load_balancers_input *in = input;
        struct elbv2_describe_load_balancers_output *out = output;
        struct api_page page;
        int r;

        if (in->load_balancer_arns.n > 0 && in->names.n > 0)
                return api_fail(call, "ValidationError", "Load balancer names and load balancer ARNs cannot be specified at the same time");
        if (in->load_balancer_arns.n > 0 || in->names.n > 0)
                return describe_named(call, in, out);
        r = api_page_begin(call, in->marker, SHAPE_HAS(in, elbv2_describe_load_balancers_input, page_size), in->page_size, 400, 400, NULL,
                           &page);
        if (r < 0)
                return r;
        for (struct tree_node *node = tree_after(model_objects(call->model, OBJECT_LOAD_BALANCER), page.after); node != NULL;
             node = tree_next(node)) {
                const struct load_balancer *balancer = MODEL_OBJECT(node, load_balancer);

                if (!api_page_add(&page, balancer->object.key)) {
                        out->next_marker = api_page_token(call, &page);
                        break;
                }
                view(call, balancer, SHAPE_PUSH(call->arena, &out->load_balancers));
        }
        return 0;
}

/* ---- Delete ---- */

/* With its listeners and their rules. Deleting what is not there succeeds, as AWS has it. */
static int delete_load_balancer(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_delete_load_balancer_input *in = input;
        struct load_balancer *balancer;
        struct tx *tx;

        if (elbv2_find_load_balancer(call, in->load_balancer_arn, &balancer) < 0) {
                if (!str_eq(call->error.code, "LoadBalancerNotFound"))
                        return -EINVAL;
                error_clear(&call->error);
                return 0;
        }
        if (str_eq(load_balancer_attribute(balancer, "deletion_protection.enabled"), "true"))
                return api_fail(call, "OperationNotPermitted",
                                "Load balancer '%s' cannot be deleted because deletion protection is enabled", in->load_balancer_arn);
        tx = tx_begin(call->model);
        list_for_each (listener, &balancer->listeners, struct listener, in_balancer) {
                list_for_each (rule, &listener->rules, struct listener_rule, in_listener)
                        tx_remove(tx, &rule->object);
                tx_remove(tx, &listener->object);
        }
        elbv2_unplace(call, tx, balancer->state);
        tx_remove(tx, &balancer->object);
        tx_commit(tx);
        return 0;
}

/* ---- Set ---- */

/* Stores a changed state with its interfaces as they should be. */
static int store(struct api_call *call, struct load_balancer *balancer, struct state_load_balancer *state)
{
        struct tx *tx = tx_begin(call->model);
        int r = elbv2_place(call, tx, state);

        if (r < 0) {
                tx_rollback(tx);
                return r;
        }
        tx_put(tx, &balancer->object, state);
        tx_commit(tx);
        return 0;
}

static int set_security_groups(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_set_security_groups_input *in = input;
        struct elbv2_set_security_groups_output *out = output;
        struct state_load_balancer *state;
        struct load_balancer *balancer;
        int r = elbv2_find_load_balancer(call, in->load_balancer_arn, &balancer);

        if (r < 0)
                return r;
        if (balancer->state->type == ELBV2_LOAD_BALANCER_TYPE_NETWORK && balancer->state->security_groups.n == 0)
                return api_fail(call, "InvalidConfigurationRequest",
                                "Security groups cannot be set on a network load balancer that was created without any");
        state = SHAPE_COPY(state_load_balancer, (struct state_load_balancer *)balancer->state, call->arena);
        r = elbv2_resolve_groups(call, state->vpc_id, &in->security_groups, &state->security_groups);
        if (r < 0 || (r = store(call, balancer, state)) < 0)
                return r;
        out->security_group_ids = balancer->state->security_groups;
        return 0;
}

/* Interfaces of zones that stay are kept; those of zones that go are deleted with the change. */
static void carry_over(struct api_call *call, struct tx *tx, const struct state_load_balancer *old, struct state_load_balancer *state)
{
        struct state_load_balancer gone = {0};

        for (uint32_t i = 0; i < old->zones.n; i++) {
                struct state_balancer_zone *same = NULL;

                for (uint32_t j = 0; j < state->zones.n; j++)
                        if (str_eq(state->zones.items[j].subnet_id, old->zones.items[i].subnet_id))
                                same = &state->zones.items[j];
                if (same != NULL)
                        same->interface_id = old->zones.items[i].interface_id;
                else
                        *SHAPE_PUSH(call->arena, &gone.zones) = old->zones.items[i];
        }
        elbv2_unplace(call, tx, &gone);
}

static int set_subnets(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_set_subnets_input *in = input;
        struct elbv2_set_subnets_output *out = output;
        struct state_load_balancer *state, *old;
        struct elbv2_placement placement;
        struct load_balancer *balancer;
        struct tx *tx;
        int r = elbv2_find_load_balancer(call, in->load_balancer_arn, &balancer);

        if (r < 0 || (r = elbv2_resolve_subnets(call, balancer->state->type, &in->subnets, &in->subnet_mappings, &placement)) < 0)
                return r;
        if (!str_eq(placement.vpc_id, balancer->state->vpc_id))
                return api_fail(call, "InvalidConfigurationRequest", "The subnets must be in the load balancer's VPC '%s'",
                                balancer->state->vpc_id);
        old = SHAPE_COPY(state_load_balancer, (struct state_load_balancer *)balancer->state, call->arena);
        state = SHAPE_COPY(state_load_balancer, old, call->arena);
        state->zones = placement.zones;
        tx = tx_begin(call->model);
        carry_over(call, tx, old, state);
        r = elbv2_place(call, tx, state);
        if (r < 0) {
                tx_rollback(tx);
                return r;
        }
        tx_put(tx, &balancer->object, state);
        tx_commit(tx);
        view_zones(call, balancer->state, &out->availability_zones);
        out->ip_address_type = balancer->state->ip_address_type;
        return 0;
}

static int set_ip_address_type(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_set_ip_address_type_input *in = input;
        struct elbv2_set_ip_address_type_output *out = output;
        struct load_balancer *balancer;
        int r = elbv2_find_load_balancer(call, in->load_balancer_arn, &balancer);

        if (r < 0)
                return r;
        if (in->ip_address_type != ELBV2_IP_ADDRESS_TYPE_IPV4)
                return api_fail(call, "InvalidConfigurationRequest", "Networks here have IPv4 addresses only: IpAddressType must be ipv4");
        out->ip_address_type = balancer->state->ip_address_type;
        return 0;
}

const struct api_route elbv2_load_balancer_routes[] = {
        {ELBV2_OP_CREATE_LOAD_BALANCER, create_load_balancer},
        {ELBV2_OP_DESCRIBE_LOAD_BALANCERS, describe_load_balancers},
        {ELBV2_OP_DELETE_LOAD_BALANCER, delete_load_balancer},
        {ELBV2_OP_SET_SECURITY_GROUPS, set_security_groups},
        {ELBV2_OP_SET_SUBNETS, set_subnets},
        {ELBV2_OP_SET_IP_ADDRESS_TYPE, set_ip_address_type},
        {0, NULL},
};
