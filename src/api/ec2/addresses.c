/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elastic addresses: from a range that the operator gave the server. They are what NAT gateways and interfaces of the user's own are known
 * by; nothing comes in by them, so they cannot be given to tasks and balancers.
 */
#include "api/ec2/common.h"
#include "api/server.h"
#include "base/strutil.h"

#define DEFAULT_RANGE "100.64.0.0/16"
#define MIN_PREFIX 16

const struct ec2_filter_name ec2_address_filters[] = {
        {"allocation-id", "allocationId"},
        {"association-id", "associationId"},
        {"domain", "domain"},
        {"instance-id", NULL},
        {"network-border-group", "networkBorderGroup"},
        {"network-interface-id", "networkInterfaceId"},
        {"network-interface-owner-id", "networkInterfaceOwnerId"},
        {"private-ip-address", "privateIpAddress"},
        {"public-ip", "publicIp"},
        {NULL, NULL},
};

void ec2_show_address(struct api_call *call, struct arena *arena, struct object *object, void *view)
{
        const struct elastic_address *address = CONTAINER_OF(object, struct elastic_address, object);
        struct ec2_address *out = view;

        (void)arena;
        out->allocation_id = address->state->id;
        out->association_id = address->state->association;
        out->domain = "vpc";
        out->public_ip = address->state->address;
        out->public_ipv4_pool = "amazon";
        out->network_border_group = model_region(call->model);
        out->tag_set = address->state->tags;
        if (address->interface == NULL)
                return;
        out->network_interface_id = address->state->interface;
        out->network_interface_owner_id = model_account(call->model);
        out->private_ip_address = address->interface->state->address;
}

static struct elastic_address *by_public_ip(struct api_call *call, const char *ip)
{
        tree_for_each (node, model_objects(call->model, OBJECT_ELASTIC_ADDRESS)) {
                struct elastic_address *address = MODEL_OBJECT(node, elastic_address);

                if (str_eq(address->state->address, ip))
                        return address;
        }
        return NULL;
}

/* By allocation id or by the address itself. */
static int find(struct api_call *call, const char *id, const char *ip, struct elastic_address **ret)
{
        if (id != NULL)
                return EC2_FIND(call, elastic_address, OBJECT_ELASTIC_ADDRESS, id, ret);
        if (ip == NULL)
                return api_fail(call, "MissingParameter", "Either public IP or allocation id must be specified");
        *ret = by_public_ip(call, ip);
        return *ret != NULL ? 0 : api_fail(call, "InvalidAddress.NotFound", "Address '%.50s' not found.", ip);
}

/* ---- Allocating ---- */

static int read_pool(struct api_call *call, struct cidr *ret)
{
        const char *range = call->api->options.elastic_range != NULL ? call->api->options.elastic_range : DEFAULT_RANGE;

        if (cidr_parse(range, ret) < 0 || ret->prefix < MIN_PREFIX)
                return api_fail(call, "InternalFailure", "The server's range of elastic addresses, %s, is none with a prefix of %d to 32.",
                                range, MIN_PREFIX);
        return 0;
}

/* The network's and the broadcast address belong to nobody. */
static bool usable(struct cidr pool, uint32_t address)
{
        return cidr_has(pool, address) && (pool.prefix > 30 || (address != pool.address && address - pool.address != cidr_size(pool) - 1));
}

/* A free one: from a random place on, so that an address that was released comes back late. */
static int choose(struct api_call *call, struct cidr pool, uint32_t *ret)
{
        uint64_t size = cidr_size(pool), start;
        bool *taken = arena_calloc(call->arena, size, sizeof(*taken));

        tree_for_each (node, model_objects(call->model, OBJECT_ELASTIC_ADDRESS)) {
                uint32_t address;

                if (cidr_parse_address(MODEL_OBJECT(node, elastic_address)->state->address, &address) == 0 && cidr_has(pool, address))
                        taken[address - pool.address] = true;
        }
        model_env(call->model)->random(model_env(call->model), &start, sizeof(start));
        for (uint64_t i = 0; i < size; i++) {
                uint64_t offset = (start + i) % size;

                *ret = pool.address + (uint32_t)offset;
                if (!taken[offset] && usable(pool, *ret))
                        return 0;
        }
        return api_fail(call, "AddressLimitExceeded", "Too many addresses allocated: every address of the server's range is in use.");
}

static int choose_wanted(struct api_call *call, struct cidr pool, const char *text, uint32_t *ret)
{
        if (cidr_parse_address(text, ret) < 0 || !usable(pool, *ret))
                return api_fail(call, "InvalidParameterValue", "Address %.50s is not one of the server's range of elastic addresses.",
                                text);
        return by_public_ip(call, text) == NULL ? 0 : api_fail(call, "InvalidAddress.Locked", "Address %s is allocated already.", text);
}

static int allocate(struct api_call *call, const void *input, void *output)
{
        const struct ec2_allocate_address_request *in = input;
        struct ec2_allocate_address_result *out = output;
        char *text = arena_bytes(call->arena, CIDR_TEXT_MAX);
        struct state_elastic_address state = {.address = text, .created_at = call->now_ms};
        struct cidr pool;
        struct tx *tx;
        uint32_t address = 0;
        int r = read_pool(call, &pool);

        if (r == 0)
                r = ec2_refuse(call, in->customer_owned_ipv4_pool != NULL, "CustomerOwnedIpv4Pool", "there are no Outposts.");
        if (r == 0 && in->domain != NULL && !str_eq(in->domain, "vpc"))
                return api_fail(call, "InvalidParameterValue", "Value (%.50s) for parameter domain is invalid: vpc.", in->domain);
        if (r == 0)
                r = ec2_tags_of(call, &in->tag_specification, "elastic-ip", &state.tags);
        if (r == 0)
                r = in->address != NULL ? choose_wanted(call, pool, in->address, &address) : choose(call, pool, &address);
        if (r != 0)
                return r;
        cidr_format_address(address, text);
        state.id = network_id(call->model, call->arena, "eipalloc");
        tx = tx_begin(call->model);
        (void)tx_insert(tx, OBJECT_ELASTIC_ADDRESS, &state);
        (void)tx_commit(tx);
        out->public_ip = text;
        out->domain = "vpc";
        out->allocation_id = state.id;
        out->public_ipv4_pool = "amazon";
        out->network_border_group = model_region(call->model);
        return 0;
}

static int release(struct api_call *call, const void *input, void *output)
{
        const struct ec2_release_address_request *in = input;
        struct elastic_address *address;
        struct tx *tx;
        int r = find(call, in->allocation_id, in->public_ip, &address);

        if (r != 0)
                return r;
        if (address->interface != NULL)
                return api_fail(call, "InvalidIPAddress.InUse", "Address %s is in use by %s: disassociate it first.",
                                address->state->address, address->state->interface);
        tx = tx_begin(call->model);
        tx_remove(tx, &address->object);
        (void)tx_commit(tx);
        return ec2_done(output);
}

/* ---- Associating ---- */

static void set_interface(struct tx *tx, struct elastic_address *address, const char *association, const char *interface)
{
        struct state_elastic_address *state = tx_edit(tx, &address->object);

        state->association = association;
        state->interface = interface;
        tx_put(tx, &address->object, state);
}

static int check_association(struct api_call *call, const struct ec2_associate_address_request *in, const struct elastic_address *address,
                             const struct network_interface *interface)
{
        bool may_move = !SHAPE_HAS(in, ec2_associate_address_request, allow_reassociation) || in->allow_reassociation;

        enum state_interface_use use = interface->state->use;

        if (use == STATE_INTERFACE_USE_TASK || use == STATE_INTERFACE_USE_BALANCER || use == STATE_INTERFACE_USE_NAT_GATEWAY)
                return api_fail(
                        call, "OperationNotPermitted",
                        "%s belongs to %s. Elastic addresses do not lead to tasks and load balancers: put a load balancer in front, "
                        "whose addresses the operator gives with --balancer-address.",
                        interface->state->id, interface->state->owner != NULL ? interface->state->owner : "a service");
        if (in->private_ip_address != NULL && !str_eq(in->private_ip_address, interface->state->address))
                return api_fail(call, "InvalidParameterValue", "The interface %s has the address %s, not %.50s.", interface->state->id,
                                interface->state->address, in->private_ip_address);
        if (interface->elastic != NULL && interface->elastic != address)
                return api_fail(call, "Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s",
                                interface->state->id, interface->elastic->state->association);
        if (address->interface != NULL && address->interface != interface && !may_move)
                return api_fail(call, "Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s",
                                address->state->id, address->state->association);
        if (list_empty(&interface->subnet->vpc->internet_gateways))
                return api_fail(call, "Gateway.NotAttached", "Network %s is not attached to any internet gateway",
                                interface->subnet->state->vpc);
        return 0;
}

static int associate(struct api_call *call, const void *input, void *output)
{
        const struct ec2_associate_address_request *in = input;
        struct ec2_associate_address_result *out = output;
        struct network_interface *interface;
        struct elastic_address *address;
        struct tx *tx;
        int r = find(call, in->allocation_id, in->public_ip, &address);

        if (r == 0)
                r = ec2_refuse(call, in->instance_id != NULL, "InstanceId", "name the network interface.");
        if (r == 0 && in->network_interface_id == NULL)
                return api_fail(call, "MissingParameter", "Either instance ID or network interface id must be specified");
        if (r == 0)
                r = EC2_FIND(call, network_interface, OBJECT_NETWORK_INTERFACE, in->network_interface_id, &interface);
        if (r == 0)
                r = check_association(call, in, address, interface);
        if (r != 0)
                return r;
        out->association_id = network_id(call->model, call->arena, "eipassoc");
        SHAPE_SET(out, ec2_associate_address_result, return_, true);
        tx = tx_begin(call->model);
        set_interface(tx, address, out->association_id, in->network_interface_id);
        (void)tx_commit(tx);
        return 0;
}

static struct elastic_address *by_association(struct api_call *call, const char *id)
{
        tree_for_each (node, model_objects(call->model, OBJECT_ELASTIC_ADDRESS)) {
                struct elastic_address *address = MODEL_OBJECT(node, elastic_address);

                if (id != NULL && str_eq(address->state->association, id))
                        return address;
        }
        return NULL;
}

static int disassociate(struct api_call *call, const void *input, void *output)
{
        const struct ec2_disassociate_address_request *in = input;
        struct elastic_address *address;
        struct tx *tx;
        int r = 0;

        if (in->association_id != NULL) {
                address = by_association(call, in->association_id);
                if (address == NULL)
                        return api_fail(call, "InvalidAssociationID.NotFound", "The association ID '%.100s' does not exist",
                                        in->association_id);
        } else {
                r = find(call, NULL, in->public_ip, &address);
        }
        if (r != 0)
                return r;
        if (address->interface != NULL && address->interface->state->use == STATE_INTERFACE_USE_NAT_GATEWAY)
                return api_fail(call, "OperationNotPermitted", "%s belongs to %s: delete that instead.", address->state->address,
                                address->interface->state->owner);
        tx = tx_begin(call->model);
        set_interface(tx, address, NULL, NULL);
        (void)tx_commit(tx);
        return ec2_done(output);
}

/* ---- Showing ---- */

static int describe(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_addresses_request *in = input;
        struct ec2_describe_addresses_result *out = output;
        struct string_list ids = {0};
        struct ec2_query query = {.ids = &ids, .filters = &in->filter};

        for (uint32_t i = 0; i < in->allocation_id.n; i++)
                string_list_push(call->arena, &ids, in->allocation_id.items[i]);
        for (uint32_t i = 0; i < in->public_ip.n; i++) {
                struct elastic_address *address;
                int r = find(call, NULL, in->public_ip.items[i], &address);

                if (r != 0)
                        return r;
                string_list_push(call->arena, &ids, address->state->id);
        }
        /* There are no pages: the pool is no larger than what fits into an answer. */
        return ec2_describe_all(call, ec2_kind(OBJECT_ELASTIC_ADDRESS), &query, &out->addresses_set);
}

static int describe_attribute(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_addresses_attribute_request *in = input;
        struct ec2_describe_addresses_attribute_result *out = output;
        struct ec2_filter_list no_filters = {0};
        struct ec2_query query = {.ids = &in->allocation_id, .filters = &no_filters};
        struct ec2_address_list addresses = {0};
        int r;

        if (in->attribute != NULL && !str_eq(in->attribute, "domain-name"))
                return api_fail(call, "InvalidParameterValue", "Value (%.50s) for parameter attribute is invalid: domain-name.",
                                in->attribute);
        r = ec2_describe_all(call, ec2_kind(OBJECT_ELASTIC_ADDRESS), &query, &addresses);
        for (uint32_t i = 0; i < addresses.n && r == 0; i++)
                *SHAPE_PUSH(call->arena, &out->address_set) = (struct ec2_address_attribute){
                        .allocation_id = addresses.items[i].allocation_id, .public_ip = addresses.items[i].public_ip};
        return r;
}

const struct api_route ec2_address_routes[] = {
        {EC2_OP_ALLOCATE_ADDRESS, allocate},
        {EC2_OP_RELEASE_ADDRESS, release},
        {EC2_OP_ASSOCIATE_ADDRESS, associate},
        {EC2_OP_DISASSOCIATE_ADDRESS, disassociate},
        {EC2_OP_DESCRIBE_ADDRESSES, describe},
        {EC2_OP_DESCRIBE_ADDRESSES_ATTRIBUTE, describe_attribute},
        {0, NULL},
};
