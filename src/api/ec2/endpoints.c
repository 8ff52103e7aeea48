/* SPDX-License-Identifier: Apache-2.0 */
/* VPC endpoints, kept as records: tasks reach this server's services at its own address, with or without one. */
#include "api/ec2/common.h"
#include <string.h>

#include "base/strutil.h"

#define OPEN_POLICY \
        "{\"Version\":\"2008-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}"

const struct ec2_filter_name ec2_endpoint_filters[] = {
        {"vpc-endpoint-id", "vpcEndpointId"},
        {"vpc-endpoint-type", "vpcEndpointType"},
        {"vpc-endpoint-state", "state"},
        {"service-name", "serviceName"},
        {"service-region", "serviceRegion"},
        {"ip-address-type", "ipAddressType"},
        {"vpc-id", "vpcId"},
        {NULL, NULL},
};

void ec2_show_endpoint(struct api_call *call, struct arena *arena, struct object *object, void *view)
{
        const struct state_vpc_endpoint *state = CONTAINER_OF(object, struct vpc_endpoint, object)->state;
        struct ec2_vpc_endpoint *out = view;

        out->vpc_endpoint_id = state->id;
        out->vpc_endpoint_type = state->type;
        out->vpc_id = state->vpc;
        out->service_name = state->service;
        out->service_region = model_region(call->model);
        out->state = "available";
        out->policy_document = state->policy;
        out->ip_address_type = "ipv4";
        out->route_table_id_set = state->route_tables;
        out->subnet_id_set = state->subnets;
        for (uint32_t i = 0; i < state->groups.n; i++) {
                const struct security_group *group = model_security_group(call->model, state->groups.items[i]);

                *SHAPE_PUSH(arena, &out->group_set) = (struct ec2_group_identifier){
                        .group_id = state->groups.items[i], .group_name = group != NULL ? group->state->name : NULL};
        }
        SHAPE_SET(out, ec2_vpc_endpoint, private_dns_enabled, state->private_dns);
        out->creation_timestamp = state->created_at;
        out->owner_id = model_account(call->model);
        out->tag_set = state->tags;
}

/* ---- What they refer to ---- */

static int check_members(struct api_call *call, const struct vpc *vpc, enum object_kind kind, const struct string_list *ids)
{
        for (uint32_t i = 0; i < ids->n; i++) {
                struct object *object;
                int r = ec2_find(call, kind, ids->items[i], &object);

                if (r != 0)
                        return r;
                if (((const struct vpc_member *)(const void *)object)->vpc != vpc)
                        return api_fail(call, "InvalidParameter", "%s does not belong to %s.", ids->items[i], vpc->state->id);
        }
        return 0;
}

static int check_lists(struct api_call *call, const struct vpc *vpc, const struct string_list *tables, const struct string_list *subnets,
                       const struct string_list *groups)
{
        int r = check_members(call, vpc, OBJECT_ROUTE_TABLE, tables);

        if (r == 0)
                r = check_members(call, vpc, OBJECT_SUBNET, subnets);
        if (r == 0)
                r = check_members(call, vpc, OBJECT_SECURITY_GROUP, groups);
        return r;
}

/* ---- Making ---- */

static int check_service(struct api_call *call, const struct ec2_create_vpc_endpoint_request *in, const char **ret_type)
{
        const char *prefix = arena_printf(call->arena, "com.amazonaws.%s.", model_region(call->model));

        if (in->service_name == NULL)
                return api_fail(call, "MissingParameter", "The request must contain the parameter ServiceName");
        if (!str_starts_with(in->service_name, prefix) || in->service_name[strlen(prefix)] == '\0')
                return api_fail(call, "InvalidServiceName", "The Vpc Endpoint Service '%.100s' does not exist: names are %sNAME.",
                                in->service_name, prefix);
        *ret_type = in->vpc_endpoint_type != NULL ? in->vpc_endpoint_type : "Gateway";
        if (str_eq(*ret_type, "Gateway") || str_eq(*ret_type, "Interface"))
                return 0;
        return api_fail(call, "UnsupportedOperation", "VPC endpoints can be of type Gateway or Interface, not %.50s.", *ret_type);
}

static void answer(struct api_call *call, struct object *object, const char *token, struct ec2_create_vpc_endpoint_result *out)
{
        out->vpc_endpoint = ARENA_NEW(call->arena, struct ec2_vpc_endpoint);
        ec2_show_endpoint(call, call->arena, object, out->vpc_endpoint);
        out->client_token = token;
}

static int create_endpoint(struct api_call *call, const void *input, void *output)
{
        const struct ec2_create_vpc_endpoint_request *in = input;
        struct state_vpc_endpoint state = {.service = in->service_name,
                                           .route_tables = in->route_table_id,
                                           .subnets = in->subnet_id,
                                           .groups = in->security_group_id,
                                           .created_at = call->now_ms};
        struct vpc_endpoint *earlier_endpoint;
        struct object *object;
        const char *earlier;
        struct vpc *vpc = NULL;
        struct tx *tx;
        int r = ec2_token_find(call, in->client_token, in, &earlier);

        if (r == 0 && earlier != NULL && (earlier_endpoint = model_vpc_endpoint(call->model, earlier)) != NULL) {
                answer(call, &earlier_endpoint->object, in->client_token, output);
                return 0;
        }
        if (r == 0)
                r = EC2_FIND(call, vpc, OBJECT_VPC, in->vpc_id, &vpc);
        if (r == 0)
                r = check_service(call, in, &state.type);
        if (r == 0)
                r = check_lists(call, vpc, &in->route_table_id, &in->subnet_id, &in->security_group_id);
        if (r == 0)
                r = ec2_tags_of(call, &in->tag_specification, "vpc-endpoint", &state.tags);
        if (r != 0)
                return r;
        state.id = network_id(call->model, call->arena, "vpce");
        state.vpc = in->vpc_id;
        state.policy = in->policy_document != NULL ? in->policy_document : OPEN_POLICY;
        if (str_eq(state.type, "Interface") && state.groups.n == 0)
                string_list_push(call->arena, &state.groups, vpc->default_group->state->id);
        SHAPE_SET(&state, state_vpc_endpoint, private_dns, in->private_dns_enabled);
        tx = tx_begin(call->model);
        object = tx_insert(tx, OBJECT_VPC_ENDPOINT, &state);
        ec2_token_remember(call, tx, in->client_token, in, state.id);
        (void)tx_commit(tx);
        answer(call, object, in->client_token, output);
        return 0;
}

/* ---- Showing, changing, deleting ---- */

static int describe_endpoints(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_vpc_endpoints_request *in = input;
        struct ec2_describe_vpc_endpoints_result *out = output;
        struct ec2_query query = EC2_QUERY(ec2_describe_vpc_endpoints_request, in, vpc_endpoint_id);

        return ec2_describe(call, ec2_kind(OBJECT_VPC_ENDPOINT), &query, &out->vpc_endpoint_set, &out->next_token);
}

static struct string_list changed_list(struct arena *arena, const struct string_list *list, const struct string_list *add,
                                       const struct string_list *remove)
{
        struct string_list out = {0};

        for (uint32_t i = 0; i < list->n; i++)
                if (!ec2_list_has(remove, list->items[i]))
                        string_list_push(arena, &out, list->items[i]);
        for (uint32_t i = 0; i < add->n; i++)
                if (!ec2_list_has(&out, add->items[i]))
                        string_list_push(arena, &out, add->items[i]);
        return out;
}

static int modify_endpoint(struct api_call *call, const void *input, void *output)
{
        const struct ec2_modify_vpc_endpoint_request *in = input;
        struct state_vpc_endpoint *state;
        struct vpc_endpoint *endpoint;
        struct tx *tx;
        int r = EC2_FIND(call, vpc_endpoint, OBJECT_VPC_ENDPOINT, in->vpc_endpoint_id, &endpoint);

        if (r == 0)
                r = check_lists(call, endpoint->vpc, &in->add_route_table_id, &in->add_subnet_id, &in->add_security_group_id);
        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &endpoint->object);
        state->route_tables = changed_list(tx_arena(tx), &state->route_tables, &in->add_route_table_id, &in->remove_route_table_id);
        state->subnets = changed_list(tx_arena(tx), &state->subnets, &in->add_subnet_id, &in->remove_subnet_id);
        state->groups = changed_list(tx_arena(tx), &state->groups, &in->add_security_group_id, &in->remove_security_group_id);
        if (in->policy_document != NULL)
                state->policy = in->policy_document;
        if (in->reset_policy)
                state->policy = OPEN_POLICY;
        if (SHAPE_HAS(in, ec2_modify_vpc_endpoint_request, private_dns_enabled))
                SHAPE_SET(state, state_vpc_endpoint, private_dns, in->private_dns_enabled);
        tx_put(tx, &endpoint->object, state);
        (void)tx_commit(tx);
        return ec2_done(output);
}

static int delete_endpoints(struct api_call *call, const void *input, void *output)
{
        const struct ec2_delete_vpc_endpoints_request *in = input;
        struct ec2_delete_vpc_endpoints_result *out = output;
        struct tx *tx = tx_begin(call->model);

        for (uint32_t i = 0; i < in->vpc_endpoint_id.n; i++) {
                struct vpc_endpoint *endpoint = model_vpc_endpoint(call->model, in->vpc_endpoint_id.items[i]);
                struct ec2_unsuccessful_item *item;

                if (endpoint != NULL) {
                        tx_remove(tx, &endpoint->object);
                        continue;
                }
                item = SHAPE_PUSH(call->arena, &out->unsuccessful);
                item->resource_id = in->vpc_endpoint_id.items[i];
                item->error = ARENA_NEW(call->arena, struct ec2_unsuccessful_item_error);
                item->error->code = "InvalidVpcEndpoint.NotFound";
                item->error->message = arena_printf(call->arena, "The Vpc Endpoint Id '%.100s' does not exist", item->resource_id);
        }
        (void)tx_commit(tx);
        return 0;
}

const struct api_route ec2_endpoint_routes[] = {
        {EC2_OP_CREATE_VPC_ENDPOINT, create_endpoint},
        {EC2_OP_DESCRIBE_VPC_ENDPOINTS, describe_endpoints},
        {EC2_OP_MODIFY_VPC_ENDPOINT, modify_endpoint},
        {EC2_OP_DELETE_VPC_ENDPOINTS, delete_endpoints},
        {0, NULL},
};
