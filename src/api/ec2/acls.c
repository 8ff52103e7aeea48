/* SPDX-License-Identifier: Apache-2.0 */
/* Network ACLs and which subnets have them: every VPC has a default one, which lets everything through. The entries inside: acl_entries.c. */
#include "api/ec2/common.h"
#include "base/strutil.h"

#define MAX_ACLS 200

const struct ec2_filter_name ec2_acl_filters[] = {
        {"network-acl-id", "networkAclId"},
        {"association.association-id", "associationSet.networkAclAssociationId"},
        {"association.network-acl-id", "associationSet.networkAclId"},
        {"association.subnet-id", "associationSet.subnetId"},
        {"default", "default"},
        {"entry.cidr", "entrySet.cidrBlock"},
        {"entry.egress", "entrySet.egress"},
        {"entry.icmp.code", "entrySet.icmpTypeCode.code"},
        {"entry.icmp.type", "entrySet.icmpTypeCode.type"},
        {"entry.ipv6-cidr", "entrySet.ipv6CidrBlock"},
        {"entry.port-range.from", "entrySet.portRange.from"},
        {"entry.port-range.to", "entrySet.portRange.to"},
        {"entry.protocol", "entrySet.protocol"},
        {"entry.rule-action", "entrySet.ruleAction"},
        {"entry.rule-number", "entrySet.ruleNumber"},
        {"owner-id", "ownerId"},
        {"vpc-id", "vpcId"},
        {NULL, NULL},
};

static void show_entry(const struct state_acl_entry *entry, struct arena *arena, struct ec2_network_acl_entry *out)
{
        SHAPE_SET(out, ec2_network_acl_entry, rule_number, entry->number);
        SHAPE_SET(out, ec2_network_acl_entry, egress, entry->egress);
        out->protocol = entry->protocol;
        out->rule_action = entry->allow ? "allow" : "deny";
        out->cidr_block = entry->cidr;
        out->ipv6_cidr_block = entry->cidr_ipv6;
        if (str_eq(entry->protocol, "6") || str_eq(entry->protocol, "17")) {
                out->port_range = ARENA_NEW(arena, struct ec2_port_range);
                SHAPE_SET(out->port_range, ec2_port_range, from, entry->from);
                SHAPE_SET(out->port_range, ec2_port_range, to, entry->to);
        } else if (str_eq(entry->protocol, "1") || str_eq(entry->protocol, "58")) {
                out->icmp_type_code = ARENA_NEW(arena, struct ec2_icmp_type_code);
                SHAPE_SET(out->icmp_type_code, ec2_icmp_type_code, type, entry->from);
                SHAPE_SET(out->icmp_type_code, ec2_icmp_type_code, code, entry->to);
        }
}

void ec2_show_acl(struct api_call *call, struct arena *arena, struct object *object, void *view)
{
        const struct network_acl *acl = CONTAINER_OF(object, struct network_acl, object);
        struct ec2_network_acl *out = view;

        out->network_acl_id = acl->state->id;
        out->vpc_id = acl->state->vpc;
        out->owner_id = model_account(call->model);
        SHAPE_SET(out, ec2_network_acl, default_, acl->state->is_default);
        out->tag_set = acl->state->tags;
        for (uint32_t i = 0; i < acl->state->entries.n; i++)
                show_entry(&acl->state->entries.items[i], arena, SHAPE_PUSH(arena, &out->entry_set));
        list_for_each (subnet, &acl->vpc->subnets, struct subnet, in_vpc)
                if (str_eq(subnet->state->acl, acl->state->id))
                        *SHAPE_PUSH(arena, &out->association_set) =
                                (struct ec2_network_acl_association){.network_acl_association_id = subnet->state->acl_association,
                                                                     .network_acl_id = acl->state->id,
                                                                     .subnet_id = subnet->state->id};
}

static int describe_acls(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_network_acls_request *in = input;
        struct ec2_describe_network_acls_result *out = output;
        struct ec2_query query = EC2_QUERY(ec2_describe_network_acls_request, in, network_acl_id);

        return ec2_describe(call, ec2_kind(OBJECT_NETWORK_ACL), &query, &out->network_acl_set, &out->next_token);
}

/* ---- Making and deleting ---- */

static void answer(struct api_call *call, struct object *object, const char *token, struct ec2_create_network_acl_result *out)
{
        out->network_acl = ARENA_NEW(call->arena, struct ec2_network_acl);
        ec2_show_acl(call, call->arena, object, out->network_acl);
        out->client_token = token;
}

static size_t count_acls(const struct vpc *vpc)
{
        size_t n = 0;

        list_for_each (acl, &vpc->acls, struct network_acl, in_vpc)
                n++;
        return n;
}

static int create_acl(struct api_call *call, const void *input, void *output)
{
        const struct ec2_create_network_acl_request *in = input;
        struct state_network_acl state = {.created_at = call->now_ms, .vpc = in->vpc_id};
        struct network_acl *earlier_acl;
        struct object *object;
        const char *earlier;
        struct vpc *vpc = NULL;
        struct tx *tx;
        int r = ec2_token_find(call, in->client_token, in, &earlier);

        if (r == 0 && earlier != NULL && (earlier_acl = model_network_acl(call->model, earlier)) != NULL) {
                answer(call, &earlier_acl->object, in->client_token, output);
                return 0;
        }
        if (r == 0)
                r = EC2_FIND(call, vpc, OBJECT_VPC, in->vpc_id, &vpc);
        if (r == 0)
                r = ec2_tags_of(call, &in->tag_specification, "network-acl", &state.tags);
        if (r != 0)
                return r;
        if (count_acls(vpc) >= MAX_ACLS)
                return api_fail(call, "NetworkAclLimitExceeded", "The maximum number of network ACLs in a VPC (%d) has been reached.",
                                MAX_ACLS);
        state.id = network_id(call->model, call->arena, "acl");
        network_acl_add_entries(call->arena, &state, false);
        tx = tx_begin(call->model);
        object = tx_insert(tx, OBJECT_NETWORK_ACL, &state);
        ec2_token_remember(call, tx, in->client_token, in, state.id);
        (void)tx_commit(tx);
        answer(call, object, in->client_token, output);
        return 0;
}

static int delete_acl(struct api_call *call, const void *input, void *output)
{
        const struct ec2_delete_network_acl_request *in = input;
        struct network_acl *acl;
        struct tx *tx;
        int r = EC2_FIND(call, network_acl, OBJECT_NETWORK_ACL, in->network_acl_id, &acl);

        if (r != 0)
                return r;
        if (acl->state->is_default)
                return api_fail(call, "InvalidParameterValue", "cannot delete default network ACL %s", in->network_acl_id);
        list_for_each (subnet, &acl->vpc->subnets, struct subnet, in_vpc)
                if (str_eq(subnet->state->acl, acl->state->id))
                        return api_fail(call, "DependencyViolation",
                                        "The networkAcl '%s' has dependencies and cannot be deleted (%s has it: replace that association).",
                                        in->network_acl_id, subnet->state->id);
        tx = tx_begin(call->model);
        tx_remove(tx, &acl->object);
        (void)tx_commit(tx);
        return ec2_done(output);
}

/* ---- Associations ---- */

static struct subnet *by_association(struct api_call *call, const char *id)
{
        tree_for_each (node, model_objects(call->model, OBJECT_SUBNET)) {
                struct subnet *subnet = MODEL_OBJECT(node, subnet);

                if (str_eq(subnet->state->acl_association, id))
                        return subnet;
        }
        return NULL;
}

static int replace_association(struct api_call *call, const void *input, void *output)
{
        const struct ec2_replace_network_acl_association_request *in = input;
        struct ec2_replace_network_acl_association_result *out = output;
        struct subnet *subnet = by_association(call, in->association_id);
        struct state_subnet *state;
        struct network_acl *acl;
        struct tx *tx;
        int r;

        if (subnet == NULL)
                return api_fail(call, "InvalidAssociationID.NotFound", "The association ID '%.100s' does not exist", in->association_id);
        r = EC2_FIND(call, network_acl, OBJECT_NETWORK_ACL, in->network_acl_id, &acl);
        if (r != 0)
                return r;
        if (acl->vpc != subnet->vpc)
                return api_fail(call, "InvalidParameterValue", "networkAcl %s and subnet %s belong to different networks",
                                in->network_acl_id, subnet->state->id);
        out->new_association_id = network_id(call->model, call->arena, "aclassoc");
        tx = tx_begin(call->model);
        state = tx_edit(tx, &subnet->object);
        state->acl = in->network_acl_id;
        state->acl_association = out->new_association_id;
        tx_put(tx, &subnet->object, state);
        (void)tx_commit(tx);
        return 0;
}

const struct api_route ec2_acl_routes[] = {
        {EC2_OP_CREATE_NETWORK_ACL, create_acl},
        {EC2_OP_DESCRIBE_NETWORK_ACLS, describe_acls},
        {EC2_OP_DELETE_NETWORK_ACL, delete_acl},
        {EC2_OP_REPLACE_NETWORK_ACL_ASSOCIATION, replace_association},
        {0, NULL},
};
