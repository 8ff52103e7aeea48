/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing: Authorize, Revoke and UpdateSecurityGroupRuleDescriptions, for ingress and egress. */
#include "api/ec2/rules.h"
#include "base/strutil.h"

#define MAX_RULES 1000

/* ---- The rules that a request names ---- */

struct reader {
        struct api_call *call;
        bool egress;
        const struct vpc *vpc; /* where groups are looked up by name */
        struct state_security_group_rule_list *rules;
};

static int add(struct reader *reader, const struct ec2_rule_input *input)
{
        struct state_security_group_rule rule;
        int r = ec2_read_rule(reader->call, input, reader->egress, &rule);

        if (r != 0)
                return r;
        for (uint32_t i = 0; i < reader->rules->n; i++)
                if (ec2_same_rule(&reader->rules->items[i], &rule))
                        return api_fail(reader->call, "InvalidParameterValue", "The same permission must not appear multiple times");
        *SHAPE_PUSH(reader->call->arena, reader->rules) = rule;
        return 0;
}

static int group_of_pair(struct reader *reader, const struct ec2_user_id_group_pair *pair, const char **ret)
{
        if (pair->user_id != NULL && !str_eq(pair->user_id, model_account(reader->call->model)))
                return api_fail(reader->call, "InvalidParameterValue", "Groups of other accounts (%.20s) cannot be used here.",
                                pair->user_id);
        *ret = pair->group_id;
        if (pair->group_id != NULL)
                return 0;
        list_for_each (group, &reader->vpc->groups, struct security_group, in_vpc)
                if (str_eq(group->state->name, pair->group_name)) {
                        *ret = arena_strdup(reader->call->arena, group->state->id); /* the state may be replaced */
                        return 0;
                }
        return api_fail(reader->call, "InvalidGroup.NotFound", "The security group '%.255s' does not exist in VPC '%s'",
                        pair->group_name != NULL ? pair->group_name : "", reader->vpc->state->id);
}

static int add_permission(struct reader *reader, const struct ec2_ip_permission *in)
{
        const struct ec2_rule_input ports = {.protocol = in->ip_protocol,
                                             .has_from = SHAPE_HAS(in, ec2_ip_permission, from_port),
                                             .has_to = SHAPE_HAS(in, ec2_ip_permission, to_port),
                                             .from = in->from_port,
                                             .to = in->to_port};
        struct ec2_rule_input rule;
        int r = 0;

        if (in->ip_ranges.n + in->ipv6_ranges.n + in->prefix_list_ids.n + in->groups.n == 0)
                return add(reader, &ports); /* says what is missing */
        for (uint32_t i = 0; i < in->ip_ranges.n && r == 0; i++) {
                rule = ports;
                rule.cidr = in->ip_ranges.items[i].cidr_ip;
                rule.description = in->ip_ranges.items[i].description;
                r = add(reader, &rule);
        }
        for (uint32_t i = 0; i < in->ipv6_ranges.n && r == 0; i++) {
                rule = ports;
                rule.cidr_ipv6 = in->ipv6_ranges.items[i].cidr_ipv6;
                rule.description = in->ipv6_ranges.items[i].description;
                r = add(reader, &rule);
        }
        for (uint32_t i = 0; i < in->prefix_list_ids.n && r == 0; i++) {
                rule = ports;
                rule.prefix_list = in->prefix_list_ids.items[i].prefix_list_id;
                rule.description = in->prefix_list_ids.items[i].description;
                r = add(reader, &rule);
        }
        for (uint32_t i = 0; i < in->groups.n && r == 0; i++) {
                rule = ports;
                rule.description = in->groups.items[i].description;
                r = group_of_pair(reader, &in->groups.items[i], &rule.group);
                if (r == 0)
                        r = add(reader, &rule);
        }
        return r;
}

/* The members CidrIp, IpProtocol, FromPort, ToPort and SourceSecurityGroupName name one rule without a list. */
static int add_flat(struct reader *reader, const struct ec2_security_group_permission_request *in)
{
        struct ec2_rule_input rule = {.protocol = in->ip_protocol,
                                      .has_from = SHAPE_HAS(in, ec2_security_group_permission_request, from_port),
                                      .has_to = SHAPE_HAS(in, ec2_security_group_permission_request, to_port),
                                      .from = in->from_port,
                                      .to = in->to_port,
                                      .cidr = in->cidr_ip};
        struct ec2_user_id_group_pair pair = {.group_name = in->source_security_group_name, .user_id = in->source_security_group_owner_id};
        int r = 0;

        if (in->ip_protocol == NULL && in->cidr_ip == NULL && in->source_security_group_name == NULL)
                return 0;
        if (in->source_security_group_name != NULL) {
                r = group_of_pair(reader, &pair, &rule.group);
                if (rule.protocol == NULL)
                        rule.protocol = "-1";
        }
        return r == 0 ? add(reader, &rule) : r;
}

static int read_rules(struct api_call *call, const struct ec2_security_group_permission_request *in, const struct security_group *group,
                      bool egress, struct state_security_group_rule_list *ret)
{
        struct reader reader = {.call = call, .egress = egress, .vpc = group->vpc, .rules = ret};
        int r = add_flat(&reader, in);

        for (uint32_t i = 0; i < in->ip_permissions.n && r == 0; i++)
                r = add_permission(&reader, &in->ip_permissions.items[i]);
        return r;
}

/* ---- Authorize ---- */

static int check_new(struct api_call *call, const struct security_group *group, const struct state_security_group_rule_list *rules)
{
        int r = 0;

        if (rules->n == 0)
                return api_fail(call, "MissingParameter", "The request must contain the parameter ipPermissions");
        if (group->state->rules.n + rules->n > MAX_RULES)
                return api_fail(call, "RulesPerSecurityGroupLimitExceeded",
                                "The maximum number of rules per security group (%d) has been reached.", MAX_RULES);
        for (uint32_t i = 0; i < rules->n && r == 0; i++)
                if (ec2_find_same(group->state, &rules->items[i]) >= 0)
                        r = ec2_duplicate_rule(call, &rules->items[i]);
        return r;
}

static int authorize(struct api_call *call, const struct ec2_security_group_permission_request *in, bool egress,
                     struct ec2_authorize_security_group_result *out)
{
        struct state_security_group_rule_list rules = {0};
        struct state_security_group *state;
        struct security_group *group;
        struct ecs_tag_list tags = {0};
        struct tx *tx;
        int r = ec2_find_group(call, in->group_id, in->group_name, &group);

        if (r == 0)
                r = read_rules(call, in, group, egress, &rules);
        if (r == 0)
                r = check_new(call, group, &rules);
        if (r == 0)
                r = ec2_tags_of(call, &in->tag_specification, "security-group-rule", &tags);
        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &group->object);
        for (uint32_t i = 0; i < rules.n; i++) {
                rules.items[i].id = network_id(call->model, call->arena, "sgr");
                rules.items[i].tags = tags;
                *SHAPE_PUSH(tx_arena(tx), &state->rules) = rules.items[i];
        }
        tx_put(tx, &group->object, state);
        (void)tx_commit(tx);
        for (uint32_t i = 0; i < rules.n; i++)
                ec2_show_rule(call, call->arena, group, &rules.items[i], SHAPE_PUSH(call->arena, &out->security_group_rule_set));
        SHAPE_SET(out, ec2_authorize_security_group_result, return_, true);
        return 0;
}

static int authorize_ingress(struct api_call *call, const void *input, void *output)
{
        return authorize(call, input, false, output);
}

static int authorize_egress(struct api_call *call, const void *input, void *output)
{
        return authorize(call, input, true, output);
}

/* ---- Revoke ---- */

static void show_revoked(struct api_call *call, const struct security_group *group, const struct state_security_group_rule *rule,
                         struct ec2_revoked_security_group_rule *out)
{
        /* The state that they are in is about to go. */
        const struct state_security_group_rule *copy =
                SHAPE_COPY(state_security_group_rule, (struct state_security_group_rule *)(uintptr_t)rule, call->arena);

        out->security_group_rule_id = copy->id;
        out->group_id = arena_strdup(call->arena, group->state->id);
        SHAPE_SET(out, ec2_revoked_security_group_rule, is_egress, copy->egress);
        out->ip_protocol = copy->protocol;
        SHAPE_SET(out, ec2_revoked_security_group_rule, from_port, copy->from_port);
        SHAPE_SET(out, ec2_revoked_security_group_rule, to_port, copy->to_port);
        out->cidr_ipv4 = copy->cidr;
        out->cidr_ipv6 = copy->cidr_ipv6;
        out->prefix_list_id = copy->prefix_list;
        out->referenced_group_id = copy->group;
        out->description = copy->description;
}

/* Marks what is to go. In the default VPC a rule that is not there is only reported. */
static int choose_rules(struct api_call *call, const struct ec2_security_group_permission_request *in, const struct security_group *group,
                        bool egress, bool *chosen, struct ec2_revoke_security_group_result *out)
{
        struct state_security_group_rule_list rules = {0};
        int r = read_rules(call, in, group, egress, &rules);

        if (r != 0)
                return r;
        if (rules.n == 0 && in->security_group_rule_id.n == 0)
                return api_fail(call, "MissingParameter", "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided.");
        if (rules.n > 0 && in->security_group_rule_id.n > 0)
                return api_fail(call, "InvalidParameterCombination",
                                "The parameters ipPermissions and securityGroupRuleIds may not be used together.");
        for (uint32_t i = 0; i < in->security_group_rule_id.n; i++) {
                int64_t index = ec2_rule_index(group->state, in->security_group_rule_id.items[i]);

                if (index < 0 || group->state->rules.items[index].egress != egress)
                        return api_fail(call, "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%.100s' does not exist",
                                        in->security_group_rule_id.items[i]);
                chosen[index] = true;
        }
        for (uint32_t i = 0; i < rules.n; i++) {
                int64_t index = ec2_find_same(group->state, &rules.items[i]);

                if (index >= 0)
                        chosen[index] = true;
                else if (group->vpc->state->is_default)
                        ec2_show_permission(call, call->arena, &rules.items[i], &out->unknown_ip_permission_set);
                else
                        return api_fail(call, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.");
        }
        return 0;
}

static int revoke_rules(struct api_call *call, const struct ec2_security_group_permission_request *in, bool egress,
                        struct ec2_revoke_security_group_result *out)
{
        struct state_security_group *state;
        struct security_group *group;
        uint32_t kept = 0;
        bool *chosen;
        struct tx *tx;
        int r = ec2_find_group(call, in->group_id, in->group_name, &group);

        if (r != 0)
                return r;
        chosen = arena_calloc(call->arena, group->state->rules.n + 1, sizeof(*chosen));
        r = choose_rules(call, in, group, egress, chosen, out);
        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &group->object);
        for (uint32_t i = 0; i < state->rules.n; i++)
                if (chosen[i])
                        show_revoked(call, group, &group->state->rules.items[i],
                                     SHAPE_PUSH(call->arena, &out->revoked_security_group_rule_set));
                else
                        state->rules.items[kept++] = state->rules.items[i];
        state->rules.n = kept;
        tx_put(tx, &group->object, state);
        (void)tx_commit(tx);
        SHAPE_SET(out, ec2_revoke_security_group_result, return_, true);
        return 0;
}

static int revoke_ingress(struct api_call *call, const void *input, void *output)
{
        return revoke_rules(call, input, false, output);
}

static int revoke_egress(struct api_call *call, const void *input, void *output)
{
        return revoke_rules(call, input, true, output);
}

/* ---- Descriptions ---- */

static int describe_rules(struct api_call *call, const struct ec2_security_group_permission_request *in, const struct security_group *group,
                          bool egress, struct state_security_group *state)
{
        struct state_security_group_rule_list rules = {0};
        int r = read_rules(call, in, group, egress, &rules);

        for (uint32_t i = 0; i < rules.n && r == 0; i++) {
                int64_t index = ec2_find_same(state, &rules.items[i]);

                if (index < 0)
                        return api_fail(call, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.");
                state->rules.items[index].description = rules.items[i].description;
        }
        for (uint32_t i = 0; i < in->security_group_rule_description.n && r == 0; i++) {
                const struct ec2_security_group_rule_description *wanted = &in->security_group_rule_description.items[i];
                int64_t index = ec2_rule_index(state, wanted->security_group_rule_id);

                if (index < 0 || state->rules.items[index].egress != egress)
                        return api_fail(call, "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%.100s' does not exist",
                                        wanted->security_group_rule_id != NULL ? wanted->security_group_rule_id : "");
                state->rules.items[index].description = str_empty(wanted->description) ? NULL : wanted->description;
        }
        return r;
}

static int update_descriptions(struct api_call *call, const struct ec2_security_group_permission_request *in, bool egress, void *output)
{
        struct security_group *group;
        struct tx *tx;
        void *state;
        int r = ec2_find_group(call, in->group_id, in->group_name, &group);

        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &group->object);
        r = describe_rules(call, in, group, egress, state);
        if (r != 0) {
                tx_rollback(tx);
                return r;
        }
        tx_put(tx, &group->object, state);
        (void)tx_commit(tx);
        return ec2_done(output);
}

static int update_descriptions_ingress(struct api_call *call, const void *input, void *output)
{
        return update_descriptions(call, input, false, output);
}

static int update_descriptions_egress(struct api_call *call, const void *input, void *output)
{
        return update_descriptions(call, input, true, output);
}

const struct api_route ec2_permission_routes[] = {
        {EC2_OP_AUTHORIZE_SECURITY_GROUP_INGRESS, authorize_ingress},
        {EC2_OP_AUTHORIZE_SECURITY_GROUP_EGRESS, authorize_egress},
        {EC2_OP_REVOKE_SECURITY_GROUP_INGRESS, revoke_ingress},
        {EC2_OP_REVOKE_SECURITY_GROUP_EGRESS, revoke_egress},
        {EC2_OP_UPDATE_SECURITY_GROUP_RULE_DESCRIPTIONS_INGRESS, update_descriptions_ingress},
        {EC2_OP_UPDATE_SECURITY_GROUP_RULE_DESCRIPTIONS_EGRESS, update_descriptions_egress},
        {0, NULL},
};
