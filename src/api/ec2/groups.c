/* SPDX-License-Identifier: Apache-2.0 */
/* Security groups: making, showing, deleting. Their rules: permissions.c and rules_describe.c. */
#include <string.h>

#include "api/ec2/rules.h"
#include "base/strutil.h"

#define MAX_GROUPS 2500
#define MAX_TEXT 255

#define PERMISSION_FILTERS(prefix, path)                                                                                                  \
        {prefix ".cidr", path ".ipRanges.cidrIp"}, {prefix ".from-port", path ".fromPort"}, {prefix ".group-id", path ".groups.groupId"}, \
                {prefix ".ipv6-cidr", path ".ipv6Ranges.cidrIpv6"}, {prefix ".prefix-list-id", path ".prefixListIds.prefixListId"},       \
                {prefix ".protocol", path ".ipProtocol"}, {prefix ".to-port", path ".toPort"},                                            \
        {                                                                                                                                 \
                prefix ".user-id", path ".groups.userId"                                                                                  \
        }

const struct ec2_filter_name ec2_group_filters[] = {
        {"group-id", "groupId"},
        {"group-name", "groupName"},
        {"description", "groupDescription"},
        {"owner-id", "ownerId"},
        {"vpc-id", "vpcId"},
        PERMISSION_FILTERS("ip-permission", "ipPermissions"),
        PERMISSION_FILTERS("egress.ip-permission", "ipPermissionsEgress"),
        {NULL, NULL},
};

void ec2_show_group(struct api_call *call, struct arena *arena, struct object *object, void *view)
{
        const struct state_security_group *state = CONTAINER_OF(object, struct security_group, object)->state;
        struct ec2_security_group *out = view;

        out->group_id = state->id;
        out->group_name = state->name;
        out->group_description = state->description;
        out->owner_id = model_account(call->model);
        out->vpc_id = state->vpc;
        out->security_group_arn = ec2_arn(call, arena, "security-group", state->id);
        out->tag_set = state->tags;
        for (uint32_t i = 0; i < state->rules.n; i++) {
                const struct state_security_group_rule *rule = &state->rules.items[i];

                ec2_show_permission(call, arena, rule, rule->egress ? &out->ip_permissions_egress : &out->ip_permissions);
        }
}

/* ---- Making ---- */

static int check_text(struct api_call *call, const char *what, const char *text)
{
        if (str_empty(text))
                return api_fail(call, "InvalidParameterValue", "Value () for parameter %s is invalid. The value cannot be empty", what);
        if (strlen(text) > MAX_TEXT)
                return api_fail(call, "InvalidParameterValue", "Value for parameter %s is invalid: at most %d characters are allowed.",
                                what, MAX_TEXT);
        for (const char *p = text; *p != '\0'; p++)
                if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9') &&
                    strchr(" ._-:/()#,@[]+=&;{}!$*", *p) == NULL)
                        return api_fail(
                                call, "InvalidParameterValue",
                                "Value (%.255s) for parameter %s is invalid. Character sets beyond ASCII are not supported; letters, "
                                "digits, spaces and ._-:/()#,@[]+=&;{}!$* are.",
                                text, what);
        return 0;
}

static int check_name(struct api_call *call, const char *name, const struct vpc *vpc)
{
        int r = check_text(call, "GroupName", name);

        if (r != 0)
                return r;
        if (str_starts_with(name, "sg-"))
                return api_fail(call, "InvalidParameterValue",
                                "Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", name);
        if (str_eq_nocase(name, "default"))
                return api_fail(call, "InvalidParameterValue", "Cannot use reserved security group name: %s", name);
        list_for_each (group, &vpc->groups, struct security_group, in_vpc)
                if (str_eq(group->state->name, name))
                        return api_fail(call, "InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name,
                                        vpc->state->id);
        return 0;
}

static int find_vpc(struct api_call *call, const char *id, struct vpc **ret)
{
        if (id != NULL)
                return EC2_FIND(call, vpc, OBJECT_VPC, id, ret);
        *ret = model_default_vpc(call->model);
        return *ret != NULL ? 0 : api_fail(call, "VPCIdNotSpecified", "No default VPC for this user. Give VpcId.");
}

static void let_all_out(struct api_call *call, struct arena *arena, struct state_security_group *state)
{
        struct state_security_group_rule *rule = SHAPE_PUSH(arena, &state->rules);

        rule->id = network_id(call->model, arena, "sgr");
        SHAPE_SET(rule, state_security_group_rule, egress, true);
        rule->protocol = "-1";
        SHAPE_SET(rule, state_security_group_rule, from_port, -1);
        SHAPE_SET(rule, state_security_group_rule, to_port, -1);
        rule->cidr = "0.0.0.0/0";
}

static size_t count_groups(const struct vpc *vpc)
{
        size_t n = 0;

        list_for_each (group, &vpc->groups, struct security_group, in_vpc)
                n++;
        return n;
}

static int create_group(struct api_call *call, const void *input, void *output)
{
        const struct ec2_create_security_group_request *in = input;
        struct ec2_create_security_group_result *out = output;
        struct state_security_group state = {.name = in->group_name, .description = in->group_description, .created_at = call->now_ms};
        struct vpc *vpc = NULL;
        struct tx *tx;
        int r = find_vpc(call, in->vpc_id, &vpc);

        if (r == 0)
                r = check_name(call, in->group_name, vpc);
        if (r == 0)
                r = check_text(call, "GroupDescription", in->group_description);
        if (r == 0)
                r = ec2_tags_of(call, &in->tag_specification, "security-group", &state.tags);
        if (r != 0)
                return r;
        if (count_groups(vpc) >= MAX_GROUPS)
                return api_fail(call, "SecurityGroupLimitExceeded", "The maximum number of security groups in a VPC (%d) has been reached.",
                                MAX_GROUPS);
        state.id = network_id(call->model, call->arena, "sg");
        state.vpc = vpc->state->id;
        let_all_out(call, call->arena, &state);
        tx = tx_begin(call->model);
        (void)tx_insert(tx, OBJECT_SECURITY_GROUP, &state);
        (void)tx_commit(tx);
        SHAPE_SET(out, ec2_create_security_group_result, return_, true);
        out->group_id = state.id;
        out->security_group_arn = ec2_arn(call, call->arena, "security-group", state.id);
        out->tag_set = state.tags;
        return 0;
}

/* ---- Showing ---- */

/* Names are a filter, and each must be there. */
static int describe_by_name(struct api_call *call, const struct ec2_describe_security_groups_request *in,
                            struct ec2_describe_security_groups_result *out)
{
        struct ec2_filters *filters;
        int r = ec2_filters_read(call, &in->filter, ec2_group_filters, &filters);

        for (uint32_t i = 0; i < in->group_name.n && r == 0; i++) {
                struct ec2_security_group view = {0};
                struct security_group *group;

                r = ec2_find_group(call, NULL, in->group_name.items[i], &group);
                if (r != 0)
                        break;
                ec2_show_group(call, call->arena, &group->object, &view);
                if (ec2_filters_match(filters, &ec2_security_group_shape, &view, &group->state->tags))
                        *SHAPE_PUSH(call->arena, &out->security_group_info) = view;
        }
        return r;
}

static int describe_groups(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_security_groups_request *in = input;
        struct ec2_describe_security_groups_result *out = output;
        struct ec2_query query = EC2_QUERY(ec2_describe_security_groups_request, in, group_id);

        if (in->group_name.n > 0 && in->group_id.n == 0)
                return describe_by_name(call, in, out);
        return ec2_describe(call, ec2_kind(OBJECT_SECURITY_GROUP), &query, &out->security_group_info, &out->next_token);
}

/* ---- Deleting ---- */

/* What still needs the group, or NULL. */
static const char *dependent(struct api_call *call, const struct security_group *group)
{
        const char *id = group->state->id;

        list_for_each (membership, &group->members, struct group_membership, in_group)
                return membership->interface->state->id;
        tree_for_each (node, model_objects(call->model, OBJECT_SECURITY_GROUP)) {
                const struct security_group *other = MODEL_OBJECT(node, security_group);

                for (uint32_t i = 0; other != group && i < other->state->rules.n; i++)
                        if (str_eq(other->state->rules.items[i].group, id))
                                return other->state->id;
        }
        list_for_each (endpoint, &group->vpc->endpoints, struct vpc_endpoint, in_vpc)
                if (ec2_list_has(&endpoint->state->groups, id))
                        return endpoint->state->id;
        return NULL;
}

static int delete_group(struct api_call *call, const void *input, void *output)
{
        const struct ec2_delete_security_group_request *in = input;
        struct ec2_delete_security_group_result *out = output;
        struct security_group *group;
        const char *user;
        struct tx *tx;
        int r = ec2_find_group(call, in->group_id, in->group_name, &group);

        if (r != 0)
                return r;
        if (group == group->vpc->default_group)
                return api_fail(call, "CannotDelete", "the specified group: \"%s\" name: \"default\" cannot be deleted by a user",
                                group->state->id);
        user = dependent(call, group);
        if (user != NULL)
                return api_fail(call, "DependencyViolation", "resource %s has a dependent object (%s)", group->state->id, user);
        SHAPE_SET(out, ec2_delete_security_group_result, return_, true);
        out->group_id = arena_strdup(call->arena, group->state->id);
        tx = tx_begin(call->model);
        tx_remove(tx, &group->object);
        (void)tx_commit(tx);
        return 0;
}

const struct api_route ec2_group_routes[] = {
        {EC2_OP_CREATE_SECURITY_GROUP, create_group},
        {EC2_OP_DESCRIBE_SECURITY_GROUPS, describe_groups},
        {EC2_OP_DELETE_SECURITY_GROUP, delete_group},
        {0, NULL},
};
