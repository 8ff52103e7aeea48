/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of security groups as resources of their own: DescribeSecurityGroupRules, ModifySecurityGroupRules. */
#include <stdlib.h>
#include <string.h>

#include "api/ec2/rules.h"
#include "api/pagination.h"
#include "base/strutil.h"

static const struct ec2_filter_name rule_filters[] = {{"group-id", "groupId"},
                                                      {"security-group-rule-id", "securityGroupRuleId"},
                                                      {"group-owner-id", "groupOwnerId"},
                                                      {"is-egress", "isEgress"},
                                                      {NULL, NULL}};

struct found {
        const struct security_group *group;
        const struct state_security_group_rule *rule;
};

static int by_id(const void *a, const void *b)
{
        return strcmp(((const struct found *)a)->rule->id, ((const struct found *)b)->rule->id);
}

/* All rules in the order of their ids. */
static struct found *all_rules(struct api_call *call, size_t *ret_n)
{
        const struct tree *groups = model_objects(call->model, OBJECT_SECURITY_GROUP);
        struct found *found;
        size_t n = 0;

        tree_for_each (node, groups)
                n += MODEL_OBJECT(node, security_group)->state->rules.n;
        found = arena_calloc(call->arena, n + 1, sizeof(*found));
        n = 0;
        tree_for_each (node, groups) {
                const struct security_group *group = MODEL_OBJECT(node, security_group);

                for (uint32_t i = 0; i < group->state->rules.n; i++)
                        found[n++] = (struct found){group, &group->state->rules.items[i]};
        }
        qsort(found, n, sizeof(*found), by_id);
        *ret_n = n;
        return found;
}

static int describe_ids(struct api_call *call, const struct string_list *ids, const struct ec2_filters *filters,
                        struct ec2_describe_security_group_rules_result *out)
{
        int r = 0;

        for (uint32_t i = 0; i < ids->n && r == 0; i++) {
                struct ec2_security_group_rule view = {0};
                struct security_group *group;
                uint32_t index;

                r = ec2_find_rule(call, ids->items[i], &group, &index);
                if (r != 0)
                        break;
                ec2_show_rule(call, call->arena, group, &group->state->rules.items[index], &view);
                if (ec2_filters_match(filters, &ec2_security_group_rule_shape, &view, &group->state->rules.items[index].tags))
                        *SHAPE_PUSH(call->arena, &out->security_group_rule_set) = view;
        }
        return r;
}

static int describe_rules(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_security_group_rules_request *in = input;
        struct ec2_describe_security_group_rules_result *out = output;
        struct ec2_query query = EC2_QUERY(ec2_describe_security_group_rules_request, in, security_group_rule_id);
        struct ec2_filters *filters;
        struct api_page page;
        struct found *found;
        size_t n;
        int r = ec2_filters_read(call, &in->filter, rule_filters, &filters);

        if (r == 0)
                r = ec2_page_begin(call, &query, &page);
        if (r != 0)
                return r;
        if (in->security_group_rule_id.n > 0)
                return describe_ids(call, &in->security_group_rule_id, filters, out);
        found = all_rules(call, &n);
        for (size_t i = 0; i < n; i++) {
                struct ec2_security_group_rule view = {0};

                if (page.after != NULL && strcmp(found[i].rule->id, page.after) <= 0)
                        continue;
                ec2_show_rule(call, call->arena, found[i].group, found[i].rule, &view);
                if (!ec2_filters_match(filters, &ec2_security_group_rule_shape, &view, &found[i].rule->tags))
                        continue;
                if (!api_page_add(&page, found[i].rule->id)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                *SHAPE_PUSH(call->arena, &out->security_group_rule_set) = view;
        }
        return 0;
}

/* ---- Modify ---- */

static int modify_rule(struct api_call *call, const struct ec2_security_group_rule_update *update, struct state_security_group *state)
{
        const struct ec2_security_group_rule_request *in = update->security_group_rule;
        struct state_security_group_rule rule, *old;
        struct ec2_rule_input input;
        int64_t index, same;
        int r;

        if (update->security_group_rule_id == NULL || in == NULL)
                return api_fail(call, "MissingParameter", "Each SecurityGroupRule needs a SecurityGroupRuleId and a SecurityGroupRule.");
        index = ec2_rule_index(state, update->security_group_rule_id);
        if (index < 0)
                return api_fail(call, "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%.100s' does not exist",
                                update->security_group_rule_id);
        old = &state->rules.items[index];
        input = (struct ec2_rule_input){.protocol = in->ip_protocol,
                                        .has_from = SHAPE_HAS(in, ec2_security_group_rule_request, from_port),
                                        .has_to = SHAPE_HAS(in, ec2_security_group_rule_request, to_port),
                                        .from = in->from_port,
                                        .to = in->to_port,
                                        .cidr = in->cidr_ipv4,
                                        .cidr_ipv6 = in->cidr_ipv6,
                                        .prefix_list = in->prefix_list_id,
                                        .group = in->referenced_group_id,
                                        .description = in->description};
        r = ec2_read_rule(call, &input, old->egress, &rule);
        if (r != 0)
                return r;
        same = ec2_find_same(state, &rule);
        if (same >= 0 && same != index)
                return ec2_duplicate_rule(call, &rule);
        rule.id = old->id;
        rule.tags = old->tags;
        *old = rule;
        return 0;
}

static int modify_rules(struct api_call *call, const void *input, void *output)
{
        const struct ec2_modify_security_group_rules_request *in = input;
        struct state_security_group *state;
        struct security_group *group;
        struct tx *tx;
        int r = ec2_find_group(call, in->group_id, NULL, &group);

        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &group->object);
        for (uint32_t i = 0; i < in->security_group_rule.n && r == 0; i++)
                r = modify_rule(call, &in->security_group_rule.items[i], state);
        if (r != 0) {
                tx_rollback(tx);
                return r;
        }
        tx_put(tx, &group->object, state);
        (void)tx_commit(tx);
        return ec2_done(output);
}

const struct api_route ec2_rule_routes[] = {
        {EC2_OP_DESCRIBE_SECURITY_GROUP_RULES, describe_rules},
        {EC2_OP_MODIFY_SECURITY_GROUP_RULES, modify_rules},
        {0, NULL},
};
