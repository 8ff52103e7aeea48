/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network interfaces: made and ended in the transaction of whatever needs them (a task, a balancer, a NAT gateway).
 *
 *     struct network_interface *interface;
 *     r = network_interface_create(model, tx, &(struct interface_request){.subnet = subnet, .groups = &ids,
 *                                  .use = STATE_INTERFACE_USE_BALANCER, .owner = arn, .description = "ELB app/web/50dc6c495c0c9188"},
 *                                  &interface, &call->error);
 *     interface->state->id, ->address, ->mac, ->attachment_id
 *
 * Addresses are unique in their subnet and come round: a freed one is given out again only after the rest of the range. The MAC
 * follows from VPC and address, so it is unique in the VPC and an address that comes back makes no neighbour's cache wrong.
 */
#pragma once

#include "model/network.h"

#define INTERFACE_MAX_GROUPS 16

struct interface_request {
        struct subnet *subnet;
        const struct string_list *groups; /* ids, at most 16, of the subnet's VPC; NULL or empty: the VPC's default group */
        const char *address;              /* the one that is wanted, or NULL: the next free one */
        const char *description;          /* NULL: none */
        enum state_interface_use use;     /* USER: it is attached to nothing; else it is in use from the start */
        const char *owner;                /* see state.idl; NULL for USER */
        const char *requester_id;         /* e.g. "amazon-elb"; NULL: the user */
        const char *client_token;
        struct ecs_tag_list tags;
};

/*
 * -ENOSPC (InsufficientFreeAddressesInSubnet), -EADDRINUSE (InvalidIPAddress.InUse), -EINVAL for an address outside of the range, an
 * unknown group or one of another VPC; `error` says it with EC2's code. Nothing is changed then.
 */
int network_interface_create(struct model *model, struct tx *tx, const struct interface_request *request, struct network_interface **ret,
                             struct error *error) MUST_CHECK;
/* Gives its address back. An elastic address that was associated with it becomes free. */
void network_interface_delete(struct tx *tx, struct network_interface *interface);

/* "ip-10-0-1-17.ec2.internal" (us-east-1) or "ip-10-0-1-17.eu-west-1.compute.internal". */
char *network_private_dns_name(const struct model *model, struct arena *arena, const char *address);
/* "PREFIX-" and 17 hexadecimal digits, as EC2 has it. */
char *network_id(struct model *model, struct arena *arena, const char *prefix);
