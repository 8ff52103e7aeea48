/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of security groups: read from requests, found, compared, shown. */
#pragma once

#include "api/ec2/common.h"

/* A rule as a request names it; each from one of the several forms that requests have. */
struct ec2_rule_input {
        const char *protocol; /* "tcp", "6", "-1", "all" … */
        bool has_from, has_to;
        int32_t from, to;
        const char *cidr, *cidr_ipv6, *prefix_list; /* one of these four is there */
        const char *group;                          /* id */
        const char *description;
};

/* Checks and normalises it into `ret` (without an id). */
int ec2_read_rule(struct api_call *call, const struct ec2_rule_input *in, bool egress, struct state_security_group_rule *ret) MUST_CHECK;
/* Whether they open the same, whatever their ids and descriptions. */
bool ec2_same_rule(const struct state_security_group_rule *a, const struct state_security_group_rule *b);
/* Index of a rule that opens the same, or -1. */
int64_t ec2_find_same(const struct state_security_group *group, const struct state_security_group_rule *rule);
/* Index of the rule with this id, or -1. */
int64_t ec2_rule_index(const struct state_security_group *group, const char *id);
/* The rule with this id in any group: InvalidSecurityGroupRuleId.NotFound. */
int ec2_find_rule(struct api_call *call, const char *id, struct security_group **ret_group, uint32_t *ret_index) MUST_CHECK;
/* By id or, in the default VPC, by name. */
int ec2_find_group(struct api_call *call, const char *id, const char *name, struct security_group **ret) MUST_CHECK;
/* Fails with InvalidPermission.Duplicate. */
int ec2_duplicate_rule(struct api_call *call, const struct state_security_group_rule *rule) MUST_CHECK;

void ec2_show_rule(struct api_call *call, struct arena *arena, const struct security_group *group,
                   const struct state_security_group_rule *rule, struct ec2_security_group_rule *out);
/* Appends the rule to the permissions, with others for the same ports. */
void ec2_show_permission(struct api_call *call, struct arena *arena, const struct state_security_group_rule *rule,
                         struct ec2_ip_permission_list *out);

/* Whether there is a prefix list of this id (prefix_lists.c). */
bool ec2_prefix_list_known(const char *id);
