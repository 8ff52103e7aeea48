/* SPDX-License-Identifier: Apache-2.0 */
/* Where load balancers stand: subnets, security groups, and a network interface of their own in each zone. */
#include <errno.h>

#include "api/elbv2/common.h"
#include "base/strutil.h"
#include "control/interface.h"

#define MAX_GROUPS 5

static int add_zone(struct api_call *call, const char *id, const struct elbv2_subnet_mapping *mapping, struct elbv2_placement *placement)
{
        const struct subnet *subnet = model_subnet(call->model, id);
        struct state_balancer_zone *zone;

        if (subnet == NULL)
                return api_fail(call, "SubnetNotFound", "The subnet ID '%.100s' does not exist", id != NULL ? id : "");
        if (placement->vpc_id != NULL && !str_eq(placement->vpc_id, subnet->state->vpc))
                return api_fail(call, "InvalidConfigurationRequest",
                                "The subnet '%s' belongs to '%s', the others to '%s': all must be in one VPC", id, subnet->state->vpc,
                                placement->vpc_id);
        for (uint32_t i = 0; i < placement->zones.n; i++)
                if (str_eq(placement->zones.items[i].zone_name, subnet->state->zone))
                        return api_fail(call, "InvalidConfigurationRequest",
                                        "A load balancer cannot be attached to multiple subnets in the same Availability Zone");
        if (mapping != NULL && mapping->allocation_id != NULL)
                return api_fail(
                        call, "InvalidConfigurationRequest",
                        "Elastic addresses do not lead to load balancers here: leave AllocationId out. The operator gives balancers "
                        "their addresses with --balancer-address");
        placement->vpc_id = subnet->state->vpc;
        zone = SHAPE_PUSH(call->arena, &placement->zones);
        zone->subnet_id = subnet->state->id;
        zone->zone_name = subnet->state->zone;
        zone->address = mapping != NULL ? mapping->private_ipv4_address : NULL;
        return 0;
}

int elbv2_resolve_subnets(struct api_call *call, enum elbv2_load_balancer_type type, const struct string_list *subnets,
                          const struct elbv2_subnet_mapping_list *mappings, struct elbv2_placement *ret)
{
        struct elbv2_placement placement = {0};
        int r = 0;

        if ((subnets->n > 0) == (mappings->n > 0))
                return api_fail(call, "ValidationError",
                                subnets->n > 0 ? "You can specify either 'Subnets' or 'SubnetMappings', not both"
                                               : "You must specify either 'Subnets' or 'SubnetMappings'");
        for (uint32_t i = 0; r == 0 && i < subnets->n; i++)
                r = add_zone(call, subnets->items[i], NULL, &placement);
        for (uint32_t i = 0; r == 0 && i < mappings->n; i++)
                r = add_zone(call, mappings->items[i].subnet_id, &mappings->items[i], &placement);
        if (r < 0)
                return r;
        if (type == ELBV2_LOAD_BALANCER_TYPE_APPLICATION && placement.zones.n < 2)
                return api_fail(call, "ValidationError", "At least two subnets in two different Availability Zones must be specified");
        *ret = placement;
        return 0;
}

int elbv2_resolve_groups(struct api_call *call, const char *vpc_id, const struct string_list *groups, struct string_list *ret)
{
        const struct vpc *vpc = model_vpc(call->model, vpc_id);

        *ret = (struct string_list){0};
        if (groups->n > MAX_GROUPS)
                return api_fail(call, "InvalidConfigurationRequest", "%u security groups were given; a load balancer can have at most %d",
                                groups->n, MAX_GROUPS);
        for (uint32_t i = 0; i < groups->n; i++) {
                const struct security_group *group = model_security_group(call->model, groups->items[i]);

                if (group == NULL || group->vpc != vpc)
                        return api_fail(call, "InvalidSecurityGroup", "The security group '%.100s' does not exist in VPC '%s'",
                                        groups->items[i], vpc_id);
                string_list_push(call->arena, ret, group->state->id);
        }
        if (ret->n == 0 && vpc != NULL && vpc->default_group != NULL)
                string_list_push(call->arena, ret, vpc->default_group->state->id);
        return 0;
}

/* Shapes have no ARN before they are in the model. */
static const char *arn_of(struct api_call *call, const struct state_load_balancer *state)
{
        struct load_balancer balancer = {.state = state};

        return model_load_balancer_arn(call->model, call->arena, &balancer);
}

static const char *description_of(struct api_call *call, const struct state_load_balancer *state)
{
        return arena_printf(call->arena, "ELB %s/%s/%s", state->type == ELBV2_LOAD_BALANCER_TYPE_NETWORK ? "net" : "app", state->name,
                            state->id);
}

static bool same_groups(const struct string_list *a, const struct string_list *b)
{
        bool same = a->n == b->n;

        for (uint32_t i = 0; same && i < a->n; i++)
                same = str_eq(a->items[i], b->items[i]);
        return same;
}

/* The interface that the zone has already, with the groups that it should have; NULL when it needs one. */
static struct network_interface *keep_interface(struct api_call *call, struct tx *tx, const struct state_balancer_zone *zone,
                                                const struct string_list *groups)
{
        struct network_interface *interface = zone->interface_id != NULL ? model_network_interface(call->model, zone->interface_id) : NULL;
        struct state_network_interface *state;

        if (interface == NULL || same_groups(&interface->state->groups, groups))
                return interface;
        state = tx_edit(tx, &interface->object);
        state->groups = *groups;
        tx_put(tx, &interface->object, state);
        return interface;
}

static int no_interface(struct api_call *call, const struct state_balancer_zone *zone, int r)
{
        if (r != -ENOSPC)
                return r;
        error_clear(&call->error);
        return api_fail(call, "InvalidSubnet", "The subnet '%s' has no free address", zone->subnet_id);
}

int elbv2_place(struct api_call *call, struct tx *tx, struct state_load_balancer *state)
{
        for (uint32_t i = 0; i < state->zones.n; i++) {
                struct state_balancer_zone *zone = &state->zones.items[i];
                struct network_interface *interface = keep_interface(call, tx, zone, &state->security_groups);
                int r;

                if (interface == NULL) {
                        struct interface_request request = {.subnet = model_subnet(call->model, zone->subnet_id),
                                                            .groups = &state->security_groups,
                                                            .address = zone->address,
                                                            .description = description_of(call, state),
                                                            .use = STATE_INTERFACE_USE_BALANCER,
                                                            .owner = arn_of(call, state),
                                                            .requester_id = "amazon-elb"};

                        r = network_interface_create(call->model, tx, &request, &interface, &call->error);
                        if (r < 0)
                                return no_interface(call, zone, r);
                }
                zone->interface_id = interface->state->id;
                zone->address = interface->state->address;
        }
        return 0;
}

void elbv2_unplace(struct api_call *call, struct tx *tx, const struct state_load_balancer *state)
{
        for (uint32_t i = 0; i < state->zones.n; i++) {
                struct network_interface *interface = state->zones.items[i].interface_id != NULL
                                                              ? model_network_interface(call->model, state->zones.items[i].interface_id)
                                                              : NULL;

                if (interface != NULL)
                        network_interface_delete(tx, interface);
        }
}
