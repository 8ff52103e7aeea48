/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces. Those of tasks, balancers and NAT gateways come and go with these. */
#include "api/ec2/common.h"
#include "base/strutil.h"
#include "control/task_network.h"

const struct ec2_filter_name ec2_interface_filters[] = {
        {"network-interface-id", "networkInterfaceId"},
        {"addresses.private-ip-address", "privateIpAddressesSet.privateIpAddress"},
        {"addresses.primary", "privateIpAddressesSet.primary"},
        {"addresses.association.public-ip", "privateIpAddressesSet.association.publicIp"},
        {"addresses.association.owner-id", "privateIpAddressesSet.association.ipOwnerId"},
        {"association.allocation-id", "association.allocationId"},
        {"association.association-id", "association.associationId"},
        {"association.ip-owner-id", "association.ipOwnerId"},
        {"association.public-dns-name", NULL},
        {"association.public-ip", "association.publicIp"},
        {"attachment.attachment-id", "attachment.attachmentId"},
        {"attachment.attach-time", "attachment.attachTime"},
        {"attachment.delete-on-termination", "attachment.deleteOnTermination"},
        {"attachment.device-index", "attachment.deviceIndex"},
        {"attachment.instance-id", "attachment.instanceId"},
        {"attachment.instance-owner-id", "attachment.instanceOwnerId"},
        {"attachment.nat-gateway-id", NULL},
        {"attachment.status", "attachment.status"},
        {"availability-zone", "availabilityZone"},
        {"availability-zone-id", "availabilityZoneId"},
        {"description", "description"},
        {"group-id", "groupSet.groupId"},
        {"group-name", "groupSet.groupName"},
        {"interface-type", "interfaceType"},
        {"ipv6-addresses.ipv6-address", NULL},
        {"mac-address", "macAddress"},
        {"owner-id", "ownerId"},
        {"private-dns-name", "privateDnsName"},
        {"private-ip-address", "privateIpAddress"},
        {"requester-id", "requesterId"},
        {"requester-managed", "requesterManaged"},
        {"source-dest-check", "sourceDestCheck"},
        {"status", "status"},
        {"subnet-id", "subnetId"},
        {"vpc-id", "vpcId"},
        {NULL, NULL},
};

/* What interfaces of a use look like: their type, and who owns the machine that they are attached to (NULL: the account). */
static const struct {
        const char *type, *owner;
} uses[STATE_INTERFACE_USE_MAX] = {
        [STATE_INTERFACE_USE_UNSET] = {"interface", NULL},
        [STATE_INTERFACE_USE_USER] = {"interface", NULL},
        [STATE_INTERFACE_USE_TASK] = {"interface", NULL},
        [STATE_INTERFACE_USE_BALANCER] = {"interface", "amazon-elb"},
        [STATE_INTERFACE_USE_NAT_GATEWAY] = {"nat_gateway", "amazon-aws"},
        [STATE_INTERFACE_USE_INSTANCE] = {"interface", NULL},
};

static void show_groups(struct arena *arena, const struct network_interface *interface, struct ec2_group_identifier_list *out)
{
        for (uint32_t i = 0; i < interface->n_memberships; i++) {
                const struct state_security_group *group = interface->memberships[i].group->state;

                *SHAPE_PUSH(arena, out) = (struct ec2_group_identifier){.group_id = group->id, .group_name = group->name};
        }
}

/* The machine that a task runs on, when it is one that EC2 knows. */
static const char *instance_of(struct api_call *call, const struct state_network_interface *state)
{
        const struct tree_node *node;

        if (state->use == STATE_INTERFACE_USE_INSTANCE)
                return state->owner;
        if (state->use != STATE_INTERFACE_USE_TASK)
                return NULL;
        node = tree_find(model_objects(call->model, OBJECT_TASK), state->owner);
        if (node == NULL || MODEL_OBJECT(node, task)->instance == NULL)
                return NULL;
        return MODEL_OBJECT(node, task)->instance->state->ec2_instance_id;
}

static struct ec2_network_interface_attachment *show_attachment(struct api_call *call, struct arena *arena,
                                                                const struct state_network_interface *state)
{
        struct ec2_network_interface_attachment *out;

        if (state->attachment_id == NULL)
                return NULL;
        out = ARENA_NEW(arena, struct ec2_network_interface_attachment);
        out->attachment_id = state->attachment_id;
        out->attach_time = state->attached_at;
        SHAPE_SET(out, ec2_network_interface_attachment, delete_on_termination, !state->keep_on_detach);
        SHAPE_SET(out, ec2_network_interface_attachment, device_index, state->device_index);
        out->instance_id = instance_of(call, state);
        out->instance_owner_id = uses[state->use].owner != NULL ? uses[state->use].owner : model_account(call->model);
        out->status = "attached";
        return out;
}

static struct ec2_network_interface_association *show_association(struct api_call *call, struct arena *arena,
                                                                  const struct network_interface *interface)
{
        struct ec2_network_interface_association *out;

        if (interface->elastic == NULL)
                return NULL;
        out = ARENA_NEW(arena, struct ec2_network_interface_association);
        out->allocation_id = interface->elastic->state->id;
        out->association_id = interface->elastic->state->association;
        out->public_ip = interface->elastic->state->address;
        out->ip_owner_id = model_account(call->model);
        return out;
}

void ec2_show_interface(struct api_call *call, struct arena *arena, struct object *object, void *view)
{
        const struct network_interface *interface = CONTAINER_OF(object, struct network_interface, object);
        const struct state_network_interface *state = interface->state;
        struct ec2_network_interface_private_ip_address *address;
        struct ec2_network_interface *out = view;

        out->network_interface_id = state->id;
        out->subnet_id = state->subnet;
        out->vpc_id = interface->subnet->state->vpc;
        out->availability_zone = interface->subnet->state->zone;
        out->availability_zone_id = ec2_zone_id(call, arena, interface->subnet->state->zone);
        out->description = state->description;
        out->owner_id = model_account(call->model);
        out->requester_id = state->requester_id;
        SHAPE_SET(out, ec2_network_interface, requester_managed, state->requester_id != NULL);
        out->status = state->attachment_id != NULL ? "in-use" : "available";
        out->interface_type = uses[state->use].type;
        out->mac_address = state->mac;
        out->private_ip_address = state->address;
        out->private_dns_name = network_private_dns_name(call->model, arena, state->address);
        SHAPE_SET(out, ec2_network_interface, source_dest_check, !state->no_source_check);
        show_groups(arena, interface, &out->group_set);
        out->attachment = show_attachment(call, arena, state);
        out->association = show_association(call, arena, interface);
        address = SHAPE_PUSH(arena, &out->private_ip_addresses_set);
        address->private_ip_address = state->address;
        address->private_dns_name = out->private_dns_name;
        SHAPE_SET(address, ec2_network_interface_private_ip_address, primary, true);
        address->association = out->association;
        out->tag_set = state->tags;
}

static int find(struct api_call *call, const char *id, struct network_interface **ret)
{
        return EC2_FIND(call, network_interface, OBJECT_NETWORK_INTERFACE, id, ret);
}

/* ---- Making ---- */

/* The one address that is asked for, in either of the two ways; NULL: any. */
static int wanted_address(struct api_call *call, const struct ec2_create_network_interface_request *in, const char **ret)
{
        const struct ec2_private_ip_address_specification_list *list = &in->private_ip_addresses;
        int r = ec2_refuse(call, list->n > 1 || in->secondary_private_ip_address_count > 0, "SecondaryPrivateIpAddressCount",
                           "an interface has one address.");

        if (r == 0)
                r = ec2_refuse(call, in->ipv6_address_count > 0, "Ipv6AddressCount", "networks have IPv4 addresses only.");
        if (r == 0)
                r = ec2_refuse(call, in->interface_type != NULL && !str_eq(in->interface_type, "interface"), "InterfaceType",
                               "only ordinary interfaces can be made.");
        *ret = in->private_ip_address != NULL ? in->private_ip_address : list->n > 0 ? list->items[0].private_ip_address : NULL;
        return r;
}

static void answer(struct api_call *call, struct network_interface *interface, const char *token,
                   struct ec2_create_network_interface_result *out)
{
        out->network_interface = ARENA_NEW(call->arena, struct ec2_network_interface);
        ec2_show_interface(call, call->arena, &interface->object, out->network_interface);
        out->client_token = token;
}

static int create_interface(struct api_call *call, const void *input, void *output)
{
        const struct ec2_create_network_interface_request *in = input;
        struct interface_request request = {
                .groups = &in->security_group_id, .description = in->description, .use = STATE_INTERFACE_USE_USER};
        struct network_interface *interface;
        const char *earlier;
        struct tx *tx;
        int r = ec2_token_find(call, in->client_token, in, &earlier);

        if (r == 0 && earlier != NULL && (interface = model_network_interface(call->model, earlier)) != NULL) {
                answer(call, interface, in->client_token, output);
                return 0;
        }
        if (r == 0)
                r = EC2_FIND(call, subnet, OBJECT_SUBNET, in->subnet_id, &request.subnet);
        if (r == 0)
                r = wanted_address(call, in, &request.address);
        if (r == 0)
                r = ec2_tags_of(call, &in->tag_specification, "network-interface", &request.tags);
        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        r = network_interface_create(call->model, tx, &request, &interface, &call->error);
        if (r != 0) {
                tx_rollback(tx);
                return r;
        }
        ec2_token_remember(call, tx, in->client_token, in, interface->state->id);
        (void)tx_commit(tx);
        answer(call, interface, in->client_token, output);
        return 0;
}

/* ---- Showing, changing, deleting ---- */

static int describe_interfaces(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_network_interfaces_request *in = input;
        struct ec2_describe_network_interfaces_result *out = output;
        struct ec2_query query = EC2_QUERY(ec2_describe_network_interfaces_request, in, network_interface_id);

        return ec2_describe(call, ec2_kind(OBJECT_NETWORK_INTERFACE), &query, &out->network_interface_set, &out->next_token);
}

static int describe_attribute(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_network_interface_attribute_request *in = input;
        struct ec2_describe_network_interface_attribute_result *out = output;
        struct network_interface *interface;
        int r = find(call, in->network_interface_id, &interface);

        if (r != 0)
                return r;
        out->network_interface_id = interface->state->id;
        if (in->attribute == EC2_NETWORK_INTERFACE_ATTRIBUTE_DESCRIPTION) {
                out->description = ARENA_NEW(call->arena, struct ec2_attribute_value);
                out->description->value = interface->state->description;
        } else if (in->attribute == EC2_NETWORK_INTERFACE_ATTRIBUTE_GROUPSET) {
                show_groups(call->arena, interface, &out->group_set);
        } else if (in->attribute == EC2_NETWORK_INTERFACE_ATTRIBUTE_SOURCEDESTCHECK) {
                out->source_dest_check = ARENA_NEW(call->arena, struct ec2_attribute_boolean_value);
                SHAPE_SET(out->source_dest_check, ec2_attribute_boolean_value, value, !interface->state->no_source_check);
        } else {
                out->attachment = show_attachment(call, call->arena, interface->state);
        }
        return 0;
}

static int check_groups(struct api_call *call, const struct string_list *groups, const struct network_interface *interface)
{
        for (uint32_t i = 0; i < groups->n; i++) {
                struct string_list before = {.items = groups->items, .n = i};
                struct security_group *group;
                int r = EC2_FIND(call, security_group, OBJECT_SECURITY_GROUP, groups->items[i], &group);

                if (r != 0)
                        return r;
                if (group->vpc != interface->subnet->vpc)
                        return api_fail(call, "InvalidParameterValue", "Security group %s and interface %s belong to different networks.",
                                        groups->items[i], interface->state->id);
                if (ec2_list_has(&before, groups->items[i]))
                        return api_fail(call, "InvalidParameterValue", "Security group %s is named twice.", groups->items[i]);
        }
        if (groups->n > INTERFACE_MAX_GROUPS)
                return api_fail(call, "SecurityGroupsPerInterfaceLimitExceeded",
                                "%u security groups for one network interface; at most %d are allowed.", groups->n, INTERFACE_MAX_GROUPS);
        return 0;
}

static int modify_attribute(struct api_call *call, const void *input, void *output)
{
        const struct ec2_modify_network_interface_attribute_request *in = input;
        struct state_network_interface *state;
        struct network_interface *interface;
        struct tx *tx;
        int r = find(call, in->network_interface_id, &interface);

        if (r == 0)
                r = check_groups(call, &in->security_group_id, interface);
        if (r != 0)
                return r;
        if (interface->state->requester_id != NULL)
                return api_fail(call, "OperationNotPermitted", "The network interface %s is managed by %s and cannot be changed.",
                                interface->state->id, interface->state->requester_id);
        tx = tx_begin(call->model);
        state = tx_edit(tx, &interface->object);
        if (in->description != NULL)
                state->description = in->description->value;
        if (in->source_dest_check != NULL)
                SHAPE_SET(state, state_network_interface, no_source_check, !in->source_dest_check->value);
        if (in->security_group_id.n > 0)
                state->groups = in->security_group_id;
        if (in->attachment != NULL)
                SHAPE_SET(state, state_network_interface, keep_on_detach, !in->attachment->delete_on_termination);
        tx_put(tx, &interface->object, state);
        (void)tx_commit(tx);
        return ec2_done(output);
}

static int delete_interface(struct api_call *call, const void *input, void *output)
{
        const struct ec2_delete_network_interface_request *in = input;
        struct network_interface *interface;
        struct tx *tx;
        int r = find(call, in->network_interface_id, &interface);

        if (r != 0)
                return r;
        if (interface->state->attachment_id != NULL)
                return api_fail(call, "InvalidNetworkInterface.InUse", "Network interface '%s' is currently in use%s%s.",
                                interface->state->id, interface->state->owner != NULL ? " by " : "",
                                interface->state->owner != NULL ? interface->state->owner : "");
        tx = tx_begin(call->model);
        network_interface_delete(tx, interface);
        (void)tx_commit(tx);
        return ec2_done(output);
}

const struct api_route ec2_interface_routes[] = {
        {EC2_OP_CREATE_NETWORK_INTERFACE, create_interface},
        {EC2_OP_DESCRIBE_NETWORK_INTERFACES, describe_interfaces},
        {EC2_OP_DESCRIBE_NETWORK_INTERFACE_ATTRIBUTE, describe_attribute},
        {EC2_OP_MODIFY_NETWORK_INTERFACE_ATTRIBUTE, modify_attribute},
        {EC2_OP_DELETE_NETWORK_INTERFACE, delete_interface},
        {0, NULL},
};
