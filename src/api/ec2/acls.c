/* SPDX-License-Identifier: Apache-2.0 */
/* Network ACLs: every VPC has its default one, which lets everything through; security groups are what opens and closes. */
#include "api/ec2/common.h"
#include "base/strutil.h"

const struct ec2_filter_name ec2_acl_filters[] = {
        {"network-acl-id", "networkAclId"},
        {"association.association-id", "associationSet.networkAclAssociationId"},
        {"association.network-acl-id", "associationSet.networkAclId"},
        {"association.subnet-id", "associationSet.subnetId"},
        {"default", "default"},
        {"entry.cidr", "entrySet.cidrBlock"},
        {"entry.egress", "entrySet.egress"},
        {"entry.ipv6-cidr", NULL},
        {"entry.protocol", "entrySet.protocol"},
        {"entry.rule-action", "entrySet.ruleAction"},
        {"entry.rule-number", "entrySet.ruleNumber"},
        {"owner-id", "ownerId"},
        {"vpc-id", "vpcId"},
        {NULL, NULL},
};

static void show_entry(const struct state_acl_entry *entry, struct ec2_network_acl_entry *out)
{
        SHAPE_SET(out, ec2_network_acl_entry, rule_number, entry->number);
        SHAPE_SET(out, ec2_network_acl_entry, egress, entry->egress);
        out->protocol = entry->protocol;
        out->rule_action = entry->allow ? "allow" : "deny";
        out->cidr_block = entry->cidr;
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
                show_entry(&acl->state->entries.items[i], SHAPE_PUSH(arena, &out->entry_set));
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

const struct api_route ec2_acl_routes[] = {
        {EC2_OP_DESCRIBE_NETWORK_ACLS, describe_acls},
        {0, NULL},
};
