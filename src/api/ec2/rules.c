/* SPDX-License-Identifier: Apache-2.0 */
/* Rules as requests write them, and as answers show them. */
#include "api/ec2/rules.h"

#include <string.h>

#include "base/strutil.h"

#define MAX_DESCRIPTION 255
#define MAX_PORT 65535
#define MAX_ICMP 255
#define ANY (-1)

/* ---- Reading ---- */

enum port_use { PORTS_NONE = 0, PORTS_RANGE, PORTS_ICMP };

static const struct {
        const char *name;
        int number;
        enum port_use use;
} protocols[] = {
        {"tcp", 6, PORTS_RANGE}, {"udp", 17, PORTS_RANGE}, {"icmp", 1, PORTS_ICMP}, {"icmpv6", 58, PORTS_ICMP}, {"-1", -1, PORTS_NONE},
};

/* "6" is "tcp", "all" is "-1"; other numbers stay. */
static int read_protocol(struct api_call *call, const char *text, const char **ret, enum port_use *ret_use)
{
        int64_t number = 0;
        bool is_number = text != NULL && str_to_int64(text, &number) == 0;

        if (text == NULL)
                return api_fail(call, "MissingParameter", "The request must contain the parameter ipProtocol");
        if (str_eq_nocase(text, "all")) {
                number = -1;
                is_number = true;
        }
        for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
                if (is_number ? number != protocols[i].number : !str_eq_nocase(text, protocols[i].name))
                        continue;
                *ret = protocols[i].name;
                *ret_use = protocols[i].use;
                return 0;
        }
        if (!is_number || number < 0 || number > 255)
                return api_fail(call, "InvalidParameterValue",
                                "Invalid value '%.50s' for IP protocol. Use tcp, udp, icmp, icmpv6, a number from 0 to 255, or -1 for all.",
                                text);
        *ret = arena_printf(call->arena, "%d", (int)number);
        *ret_use = PORTS_NONE;
        return 0;
}

static int read_ports(struct api_call *call, const struct ec2_rule_input *in, enum port_use use, struct state_security_group_rule *out)
{
        int32_t from = in->has_from ? in->from : ANY, to = in->has_to ? in->to : ANY;

        if (use == PORTS_NONE)
                from = to = ANY;
        if (use == PORTS_RANGE && (!in->has_from || !in->has_to))
                return api_fail(call, "InvalidParameterValue",
                                "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.");
        if (use == PORTS_RANGE && (from < 0 || to > MAX_PORT || from > to))
                return api_fail(call, "InvalidParameterValue",
                                "Invalid range of ports %d-%d: both must be from 0 to %d, and the first not greater than the second.", from,
                                to, MAX_PORT);
        if (use == PORTS_ICMP && (from < ANY || from > MAX_ICMP || to < ANY || to > MAX_ICMP))
                return api_fail(call, "InvalidParameterValue", "ICMP code (%d) out of range: type and code must be from -1 to %d.",
                                from < ANY || from > MAX_ICMP ? from : to, MAX_ICMP);
        SHAPE_SET(out, state_security_group_rule, from_port, from);
        SHAPE_SET(out, state_security_group_rule, to_port, to);
        return 0;
}

static int read_peer(struct api_call *call, const struct ec2_rule_input *in, struct state_security_group_rule *out)
{
        int given = (in->cidr != NULL) + (in->cidr_ipv6 != NULL) + (in->prefix_list != NULL) + (in->group != NULL);
        struct object *group;
        struct cidr cidr;

        if (given != 1)
                return api_fail(call, given == 0 ? "MissingParameter" : "InvalidParameterCombination",
                                "A rule names exactly one of an IPv4 range, an IPv6 range, a prefix list and a security group.");
        if (in->cidr != NULL) {
                char *text = arena_bytes(call->arena, CIDR_TEXT_MAX);

                if (cidr_parse(in->cidr, &cidr) < 0)
                        return api_fail(call, "InvalidParameterValue", "CIDR block %.50s is malformed", in->cidr);
                cidr_format(cidr, text);
                out->cidr = text;
        } else if (in->cidr_ipv6 != NULL) {
                char *text = arena_bytes(call->arena, 50);

                if (cidr_normalise_ipv6(in->cidr_ipv6, text) < 0)
                        return api_fail(call, "InvalidParameterValue", "CIDR block %.50s is malformed", in->cidr_ipv6);
                out->cidr_ipv6 = text;
        } else if (in->prefix_list != NULL) {
                if (!ec2_prefix_list_known(in->prefix_list))
                        return api_fail(call, "InvalidPrefixListID.NotFound", "The prefix list ID '%.50s' does not exist", in->prefix_list);
                out->prefix_list = in->prefix_list;
        } else {
                out->group = in->group;
                return ec2_find(call, OBJECT_SECURITY_GROUP, in->group, &group);
        }
        return 0;
}

int ec2_read_rule(struct api_call *call, const struct ec2_rule_input *in, bool egress, struct state_security_group_rule *ret)
{
        struct state_security_group_rule rule = {0};
        enum port_use use = PORTS_NONE;
        int r = read_protocol(call, in->protocol, &rule.protocol, &use);

        if (r == 0)
                r = read_ports(call, in, use, &rule);
        if (r == 0)
                r = read_peer(call, in, &rule);
        if (r != 0)
                return r;
        if (in->description != NULL && strlen(in->description) > MAX_DESCRIPTION)
                return api_fail(call, "InvalidParameterValue", "Invalid rule description: at most %d characters are allowed.",
                                MAX_DESCRIPTION);
        SHAPE_SET(&rule, state_security_group_rule, egress, egress);
        rule.description = str_empty(in->description) ? NULL : in->description;
        *ret = rule;
        return 0;
}

/* ---- Comparing and finding ---- */

bool ec2_same_rule(const struct state_security_group_rule *a, const struct state_security_group_rule *b)
{
        return a->egress == b->egress && a->from_port == b->from_port && a->to_port == b->to_port && str_eq(a->protocol, b->protocol) &&
               str_eq(a->cidr, b->cidr) && str_eq(a->cidr_ipv6, b->cidr_ipv6) && str_eq(a->prefix_list, b->prefix_list) &&
               str_eq(a->group, b->group);
}

int64_t ec2_find_same(const struct state_security_group *group, const struct state_security_group_rule *rule)
{
        for (uint32_t i = 0; i < group->rules.n; i++)
                if (ec2_same_rule(&group->rules.items[i], rule))
                        return i;
        return -1;
}

int64_t ec2_rule_index(const struct state_security_group *group, const char *id)
{
        for (uint32_t i = 0; i < group->rules.n; i++)
                if (str_eq(group->rules.items[i].id, id))
                        return i;
        return -1;
}

int ec2_find_rule(struct api_call *call, const char *id, struct security_group **ret_group, uint32_t *ret_index)
{
        tree_for_each (node, model_objects(call->model, OBJECT_SECURITY_GROUP)) {
                int64_t i = ec2_rule_index(MODEL_OBJECT(node, security_group)->state, id);

                if (i < 0)
                        continue;
                *ret_group = MODEL_OBJECT(node, security_group);
                *ret_index = (uint32_t)i;
                return 0;
        }
        return api_fail(call, "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%.100s' does not exist", id);
}

int ec2_find_group(struct api_call *call, const char *id, const char *name, struct security_group **ret)
{
        struct vpc *vpc;

        if (id != NULL)
                return EC2_FIND(call, security_group, OBJECT_SECURITY_GROUP, id, ret);
        if (name == NULL)
                return api_fail(call, "MissingParameter", "The request must contain the parameter groupName or groupId");
        vpc = model_default_vpc(call->model);
        if (vpc != NULL)
                list_for_each (group, &vpc->groups, struct security_group, in_vpc)
                        if (str_eq(group->state->name, name)) {
                                *ret = group;
                                return 0;
                        }
        return api_fail(call, "InvalidGroup.NotFound", "The security group '%.255s' does not exist in the default VPC", name);
}

static const char *peer_of(const struct state_security_group_rule *rule)
{
        if (rule->group != NULL)
                return rule->group;
        if (rule->cidr != NULL)
                return rule->cidr;
        return rule->cidr_ipv6 != NULL ? rule->cidr_ipv6 : rule->prefix_list;
}

int ec2_duplicate_rule(struct api_call *call, const struct state_security_group_rule *rule)
{
        bool all = str_eq(rule->protocol, "-1");

        if (rule->from_port == ANY)
                return api_fail(call, "InvalidPermission.Duplicate", "the specified rule \"peer: %s, %s, ALLOW\" already exists",
                                peer_of(rule), all ? "ALL" : rule->protocol);
        return api_fail(call, "InvalidPermission.Duplicate",
                        "the specified rule \"peer: %s, %s, from port: %d, to port: %d, ALLOW\" already exists", peer_of(rule),
                        rule->protocol, rule->from_port, rule->to_port);
}

/* ---- Showing ---- */

void ec2_show_rule(struct api_call *call, struct arena *arena, const struct security_group *group,
                   const struct state_security_group_rule *rule, struct ec2_security_group_rule *out)
{
        const struct security_group *peer = model_security_group(call->model, rule->group);

        out->security_group_rule_id = rule->id;
        out->security_group_rule_arn = ec2_arn(call, arena, "security-group-rule", rule->id);
        out->group_id = group->state->id;
        out->group_owner_id = model_account(call->model);
        SHAPE_SET(out, ec2_security_group_rule, is_egress, rule->egress);
        out->ip_protocol = rule->protocol;
        SHAPE_SET(out, ec2_security_group_rule, from_port, rule->from_port);
        SHAPE_SET(out, ec2_security_group_rule, to_port, rule->to_port);
        out->cidr_ipv4 = rule->cidr;
        out->cidr_ipv6 = rule->cidr_ipv6;
        out->prefix_list_id = rule->prefix_list;
        out->description = rule->description;
        out->tag_set = rule->tags;
        if (rule->group == NULL)
                return;
        out->referenced_group_info = ARENA_NEW(arena, struct ec2_referenced_security_group);
        *out->referenced_group_info = (struct ec2_referenced_security_group){
                .group_id = rule->group, .user_id = model_account(call->model), .vpc_id = peer != NULL ? peer->state->vpc : NULL};
}

/* The permission for these ports, made when there is none. */
static struct ec2_ip_permission *permission_for(struct arena *arena, const struct state_security_group_rule *rule,
                                                struct ec2_ip_permission_list *list)
{
        bool has_ports = !str_eq(rule->protocol, "-1");
        struct ec2_ip_permission *permission;

        for (uint32_t i = 0; i < list->n; i++) {
                permission = &list->items[i];
                if (str_eq(permission->ip_protocol, rule->protocol) &&
                    (!has_ports || (permission->from_port == rule->from_port && permission->to_port == rule->to_port)))
                        return permission;
        }
        permission = SHAPE_PUSH(arena, list);
        permission->ip_protocol = rule->protocol;
        if (has_ports) {
                SHAPE_SET(permission, ec2_ip_permission, from_port, rule->from_port);
                SHAPE_SET(permission, ec2_ip_permission, to_port, rule->to_port);
        }
        return permission;
}

void ec2_show_permission(struct api_call *call, struct arena *arena, const struct state_security_group_rule *rule,
                         struct ec2_ip_permission_list *out)
{
        struct ec2_ip_permission *permission = permission_for(arena, rule, out);

        if (rule->group != NULL)
                *SHAPE_PUSH(arena, &permission->groups) = (struct ec2_user_id_group_pair){
                        .group_id = rule->group, .user_id = model_account(call->model), .description = rule->description};
        else if (rule->cidr != NULL)
                *SHAPE_PUSH(arena, &permission->ip_ranges) = (struct ec2_ip_range){.cidr_ip = rule->cidr, .description = rule->description};
        else if (rule->cidr_ipv6 != NULL)
                *SHAPE_PUSH(arena, &permission->ipv6_ranges) =
                        (struct ec2_ipv6_range){.cidr_ipv6 = rule->cidr_ipv6, .description = rule->description};
        else
                *SHAPE_PUSH(arena, &permission->prefix_list_ids) =
                        (struct ec2_prefix_list_id){.prefix_list_id = rule->prefix_list, .description = rule->description};
}
