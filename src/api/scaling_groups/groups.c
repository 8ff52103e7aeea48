/* SPDX-License-Identifier: Apache-2.0 */
/* Auto Scaling groups: create, describe, update. */
#include <string.h>

#include "api/scaling_groups/common.h"
#include "base/strutil.h"
#include "model/network.h"

#define MAX_GROUPS 500
#define MAX_SIZE 10000
#define COOLDOWN 300
#define ANY_NETWORK "Give VPCZoneIdentifier (subnets) or AvailabilityZones."

/* ---- Showing ---- */

static void view_machine(struct api_call *call, const struct machine *machine, struct asg_instance *out)
{
        const struct state_machine *state = machine->state;

        out->instance_id = state->id;
        out->instance_type = state->type;
        out->availability_zone = state->zone;
        out->lifecycle_state = state->state;
        out->health_status = state->health;
        out->launch_configuration_name = state->configuration;
        out->image_id = state->image;
        SHAPE_SET(out, asg_instance, protected_from_scale_in, state->protected);
        out->launch_template = scaling_template_of(call, state);
}

void scaling_group_view(struct api_call *call, const struct scaling_group *group, bool instances, struct asg_auto_scaling_group *out)
{
        *out = *group->state->group;
        if (group->state->deleting)
                out->status = "Delete in progress";
        if (!instances)
                return;
        list_for_each (machine, &group->machines, struct machine, in_group)
                view_machine(call, machine, SHAPE_PUSH(call->arena, &out->instances));
}

/* ---- Checking what a group is made of ---- */

static int find_template(struct api_call *call, const struct asg_launch_template_specification *in,
                         struct asg_launch_template_specification **ret)
{
        struct asg_launch_template_specification *spec = ARENA_NEW(call->arena, struct asg_launch_template_specification);
        const struct launch_template *template;
        const struct state_launch_template_version *version;

        if ((in->launch_template_id == NULL) == (in->launch_template_name == NULL))
                return api_fail(call, "ValidationError", "Valid requests must contain either launchTemplateId or LaunchTemplateName");
        template = in->launch_template_id != NULL ? model_launch_template(call->model, in->launch_template_id)
                                                  : model_launch_template_by_name(call->model, in->launch_template_name);
        if (template == NULL)
                return api_fail(call, "ValidationError",
                                "You must use a valid fully-formed launch template. The specified launch template, %.128s, does not exist.",
                                in->launch_template_id != NULL ? in->launch_template_id : in->launch_template_name);
        version = launch_template_version(template, in->version);
        if (version == NULL)
                return api_fail(call, "ValidationError",
                                "You must use a valid fully-formed launch template. Launch template %s has no version %.20s.",
                                template->state->id, in->version);
        if (version->data->instance_type == NULL)
                return api_fail(
                        call, "ValidationError",
                        "You must use a valid fully-formed launch template. The parameter InstanceType is missing in version %lld of "
                        "launch template %s.",
                        (long long)version->number, template->state->id);
        spec->launch_template_id = template->state->id;
        spec->launch_template_name = template->state->name;
        spec->version = in->version;
        *ret = spec;
        return 0;
}

/* What both operations may be asked for and this server has not. */
static int refuse(struct api_call *call, bool given, const char *parameter, const char *instead)
{
        return given ? api_fail(call, "ValidationError", "%s is not available on this server: %s", parameter, instead) : 0;
}

static int take_source(struct api_call *call, const struct asg_launch_template_specification *template, const char *configuration,
                       bool required, struct asg_auto_scaling_group *group)
{
        struct asg_launch_template_specification *spec = NULL;
        int r = 0;

        if (template != NULL && configuration != NULL)
                return api_fail(call, "ValidationError", "Give either a LaunchTemplate or a LaunchConfigurationName, not both.");
        if (template == NULL && configuration == NULL)
                return required ? api_fail(call, "ValidationError",
                                           "Valid requests must contain either LaunchTemplate or LaunchConfigurationName.")
                                : 0;
        if (template != NULL)
                r = find_template(call, template, &spec);
        else if (model_launch_configuration(call->model, configuration) == NULL)
                r = api_fail(call, "ValidationError",
                             "Launch configuration name not found - A launch configuration with the name: %.255s "
                             "does not exist",
                             configuration);
        if (r != 0)
                return r;
        group->launch_template = spec;
        group->launch_configuration_name = configuration;
        return 0;
}

static bool has_zone(const struct string_list *zones, const char *zone)
{
        for (uint32_t i = 0; i < zones->n; i++)
                if (str_eq(zones->items[i], zone))
                        return true;
        return false;
}

/* The zones of the subnets that are named, separated by commas. */
static int zones_of_subnets(struct api_call *call, const char *identifier, struct string_list *zones)
{
        char *ids = arena_strdup(call->arena, identifier), *rest = NULL;

        for (char *id = strtok_r(ids, ", ", &rest); id != NULL; id = strtok_r(NULL, ", ", &rest)) {
                const struct subnet *subnet = model_subnet(call->model, id);

                if (subnet == NULL)
                        return api_fail(call, "ValidationError", "The subnet ID '%.40s' does not exist", id);
                if (!has_zone(zones, subnet->state->zone))
                        string_list_push(call->arena, zones, subnet->state->zone);
        }
        return zones->n > 0 ? 0 : api_fail(call, "ValidationError", "VPCZoneIdentifier names no subnet. " ANY_NETWORK);
}

static int take_network(struct api_call *call, const char *subnets, const struct string_list *zones, bool required,
                        struct asg_auto_scaling_group *group)
{
        const struct string_list *known = &model_meta(call->model)->zones;
        struct string_list found = {0};
        int r;

        if (subnets == NULL && zones->n == 0)
                return required
                               ? api_fail(call, "ValidationError", "At least one Availability Zone or VPC Subnet is required. " ANY_NETWORK)
                               : 0;
        for (uint32_t i = 0; i < zones->n; i++)
                if (!has_zone(known, zones->items[i]))
                        return api_fail(call, "ValidationError",
                                        "Invalid availability zones: [%.60s]. describe-availability-zones lists them.", zones->items[i]);
        if (subnets == NULL) {
                group->availability_zones = *zones;
                return 0;
        }
        r = zones_of_subnets(call, subnets, &found);
        if (r != 0)
                return r;
        for (uint32_t i = 0; i < zones->n; i++)
                if (!has_zone(&found, zones->items[i]))
                        return api_fail(
                                call, "ValidationError",
                                "The availability zones of the specified subnets and the Auto Scaling group do not match: no subnet is "
                                "in %s",
                                zones->items[i]);
        group->availability_zones = found;
        group->vpc_zone_identifier = subnets;
        return 0;
}

static int check_sizes(struct api_call *call, const struct asg_auto_scaling_group *g)
{
        if (g->min_size < 0 || g->max_size < 0 || g->max_size > MAX_SIZE)
                return api_fail(call, "ValidationError", "MinSize and MaxSize must be in 0..%d", MAX_SIZE);
        if (g->max_size < g->min_size)
                return api_fail(call, "ValidationError", "Max bound, %d, must be greater than or equal to min bound, %d", g->max_size,
                                g->min_size);
        if (g->desired_capacity < g->min_size || g->desired_capacity > g->max_size)
                return api_fail(call, "ValidationError", "Desired capacity:%d must be between the specified min size:%d and max size:%d",
                                g->desired_capacity, g->min_size, g->max_size);
        return 0;
}

static int check_words(struct api_call *call, const struct asg_auto_scaling_group *g)
{
        if (!str_eq(g->health_check_type, "EC2") && !str_eq(g->health_check_type, "ELB") && !str_eq(g->health_check_type, "EC2,ELB"))
                return api_fail(call, "ValidationError", "HealthCheckType: '%.32s' is not EC2: the agent of a machine is its health here.",
                                g->health_check_type);
        return 0;
}

/* ---- Create ---- */

#define TAKE_NUMBER(type, member)        \
        if (SHAPE_HAS(in, type, member)) \
        SHAPE_SET(g, asg_auto_scaling_group, member, in->member)

static int refuse_create(struct api_call *call, const struct asg_create_auto_scaling_group_type *in)
{
        int r = refuse(call, in->mixed_instances_policy != NULL, "MixedInstancesPolicy", "give a LaunchTemplate with one InstanceType.");

        if (r == 0)
                r = refuse(call, in->instance_id != NULL, "InstanceId", "give a LaunchTemplate.");
        if (r == 0)
                r = refuse(call, in->load_balancer_names.n > 0 || in->target_group_ar_ns.n > 0 || in->traffic_sources.n > 0,
                           "TargetGroupARNs", "services register their tasks with target groups.");
        return r;
}

static int fill(struct api_call *call, const struct asg_create_auto_scaling_group_type *in, struct asg_auto_scaling_group *g)
{
        int r;

        g->auto_scaling_group_name = in->auto_scaling_group_name;
        SHAPE_SET(g, asg_auto_scaling_group, min_size, in->min_size);
        SHAPE_SET(g, asg_auto_scaling_group, max_size, in->max_size);
        SHAPE_SET(g, asg_auto_scaling_group, desired_capacity,
                  SHAPE_HAS(in, asg_create_auto_scaling_group_type, desired_capacity) ? in->desired_capacity : in->min_size);
        SHAPE_SET(g, asg_auto_scaling_group, default_cooldown, COOLDOWN);
        SHAPE_SET(g, asg_auto_scaling_group, health_check_grace_period, 0);
        SHAPE_SET(g, asg_auto_scaling_group, new_instances_protected_from_scale_in, in->new_instances_protected_from_scale_in);
        TAKE_NUMBER(asg_create_auto_scaling_group_type, default_cooldown);
        TAKE_NUMBER(asg_create_auto_scaling_group_type, health_check_grace_period);
        TAKE_NUMBER(asg_create_auto_scaling_group_type, capacity_rebalance);
        TAKE_NUMBER(asg_create_auto_scaling_group_type, max_instance_lifetime);
        TAKE_NUMBER(asg_create_auto_scaling_group_type, default_instance_warmup);
        g->health_check_type = in->health_check_type != NULL ? in->health_check_type : "EC2";
        g->placement_group = in->placement_group;
        g->context = in->context;
        g->desired_capacity_type = in->desired_capacity_type;
        g->instance_maintenance_policy = in->instance_maintenance_policy;
        g->deletion_protection = in->deletion_protection;
        g->termination_policies = in->termination_policies;
        if (in->termination_policies.n == 0)
                string_list_push(call->arena, &g->termination_policies, "Default");
        g->service_linked_role_arn = in->service_linked_role_arn != NULL
                                             ? in->service_linked_role_arn
                                             : arena_printf(call->arena,
                                                            "arn:aws:iam::%s:role/aws-service-role/autoscaling.amazonaws.com/"
                                                            "AWSServiceRoleForAutoScaling",
                                                            model_account(call->model));
        r = take_source(call, in->launch_template, in->launch_configuration_name, true, g);
        if (r == 0)
                r = take_network(call, in->vpc_zone_identifier, &in->availability_zones, true, g);
        if (r == 0)
                r = scaling_tags_merge(call, in->auto_scaling_group_name, NULL, &in->tags, &g->tags);
        if (r == 0)
                r = check_sizes(call, g);
        return r == 0 ? check_words(call, g) : r;
}

static int create(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_create_auto_scaling_group_type *in = input;
        struct asg_auto_scaling_group group = {.created_time = call->now_ms};
        struct state_scaling_group state = {.group = &group};
        char id[37];
        struct tx *tx;
        int r = scaling_name_check(call, "AutoScalingGroupName", in->auto_scaling_group_name);

        if (r == 0 && model_scaling_group(call->model, in->auto_scaling_group_name) != NULL)
                r = api_fail(call, "AlreadyExistsFault",
                             "AutoScalingGroup by this name already exists - A group with the name %s already exists",
                             in->auto_scaling_group_name);
        if (r == 0 && model_objects(call->model, OBJECT_SCALING_GROUP)->count >= MAX_GROUPS)
                r = api_fail(call, "LimitExceededFault", "There are %d groups, the most that are possible. Delete some.", MAX_GROUPS);
        if (r == 0)
                r = refuse_create(call, in);
        if (r == 0)
                r = fill(call, in, &group);
        for (uint32_t i = 0; r == 0 && i < in->lifecycle_hook_specification_list.n; i++) {
                struct asg_lifecycle_hook hook =
                        scaling_hook_of(in->auto_scaling_group_name, &in->lifecycle_hook_specification_list.items[i]);

                r = scaling_hook_put(call, &state.hooks, &hook);
        }
        if (r != 0)
                return r;
        env_random_uuid(model_env(call->model), id);
        group.auto_scaling_group_arn = model_scaling_group_arn(call->model, call->arena, id, in->auto_scaling_group_name);
        state.cause = scaling_request_cause(call, arena_printf(call->arena,
                                                               "a user request created an AutoScalingGroup changing the desired capacity "
                                                               "from 0 to %d",
                                                               group.desired_capacity));
        tx = tx_begin(call->model);
        (void)tx_insert(tx, OBJECT_SCALING_GROUP, &state);
        (void)tx_commit(tx);
        return 0;
}

/* ---- Update ---- */

static int apply(struct api_call *call, const struct asg_update_auto_scaling_group_type *in, struct asg_auto_scaling_group *g)
{
        int r;

        TAKE_NUMBER(asg_update_auto_scaling_group_type, min_size);
        TAKE_NUMBER(asg_update_auto_scaling_group_type, max_size);
        TAKE_NUMBER(asg_update_auto_scaling_group_type, default_cooldown);
        TAKE_NUMBER(asg_update_auto_scaling_group_type, health_check_grace_period);
        TAKE_NUMBER(asg_update_auto_scaling_group_type, new_instances_protected_from_scale_in);
        TAKE_NUMBER(asg_update_auto_scaling_group_type, capacity_rebalance);
        TAKE_NUMBER(asg_update_auto_scaling_group_type, max_instance_lifetime);
        TAKE_NUMBER(asg_update_auto_scaling_group_type, default_instance_warmup);
        if (in->health_check_type != NULL)
                g->health_check_type = in->health_check_type;
        if (in->placement_group != NULL)
                g->placement_group = in->placement_group;
        if (in->context != NULL)
                g->context = in->context;
        if (in->desired_capacity_type != NULL)
                g->desired_capacity_type = in->desired_capacity_type;
        if (in->instance_maintenance_policy != NULL)
                g->instance_maintenance_policy = in->instance_maintenance_policy;
        if (in->deletion_protection)
                g->deletion_protection = in->deletion_protection;
        if (in->termination_policies.n > 0)
                g->termination_policies = in->termination_policies;
        if (in->service_linked_role_arn != NULL)
                g->service_linked_role_arn = in->service_linked_role_arn;
        r = refuse(call, in->mixed_instances_policy != NULL, "MixedInstancesPolicy", "give a LaunchTemplate with one InstanceType.");
        if (r == 0)
                r = take_source(call, in->launch_template, in->launch_configuration_name, false, g);
        return r == 0 ? take_network(call, in->vpc_zone_identifier, &in->availability_zones, false, g) : r;
}

static int update(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_update_auto_scaling_group_type *in = input;
        struct state_scaling_group *state;
        struct scaling_group *group = NULL;
        struct asg_auto_scaling_group *g;
        int32_t desired, old;
        struct tx *tx;
        int r = scaling_group_find(call, in->auto_scaling_group_name, &group);

        if (r != 0)
                return r;
        old = group->state->group->desired_capacity;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &group->object);
        g = state->group;
        r = apply(call, in, g);
        /* New limits take the desired capacity along, unless the request says what it is to be. */
        desired = SHAPE_HAS(in, asg_update_auto_scaling_group_type, desired_capacity) ? in->desired_capacity
                                                                                      : MAX(MIN(old, g->max_size), g->min_size);
        SHAPE_SET(g, asg_auto_scaling_group, desired_capacity, desired);
        if (r == 0)
                r = check_sizes(call, g);
        if (r == 0)
                r = check_words(call, g);
        if (r != 0) {
                tx_rollback(tx);
                return r;
        }
        SHAPE_SET(g, asg_auto_scaling_group, desired_capacity, old);
        state->next_launch_at = 0; /* what kept it from launching may be mended */
        SHAPE_SET(state, state_scaling_group, failures, 0);
        tx_put(tx, &group->object, state);
        group_set_desired(
                tx, group, desired,
                scaling_request_cause(call, arena_printf(call->arena,
                                                         "a user request update of AutoScalingGroup constraints to min: %d, max: %d, "
                                                         "desired: %d",
                                                         g->min_size, g->max_size, desired)));
        (void)tx_commit(tx);
        return 0;
}

/* ---- Describe ---- */

static const char *tag_of(const struct asg_auto_scaling_group *g, const char *key)
{
        for (uint32_t i = 0; i < g->tags.n; i++)
                if (str_eq(g->tags.items[i].key, key))
                        return g->tags.items[i].value;
        return NULL;
}

static bool value_matches(const struct asg_auto_scaling_group *g, const char *name, const char *value)
{
        if (str_eq(name, "tag-key"))
                return tag_of(g, value) != NULL;
        if (str_starts_with(name, "tag:"))
                return tag_of(g, name + strlen("tag:")) != NULL && str_eq(tag_of(g, name + strlen("tag:")), value);
        for (uint32_t i = 0; i < g->tags.n; i++)
                if (str_eq(name, "tag-value") && str_eq(g->tags.items[i].value, value))
                        return true;
        return false;
}

static bool matches(const struct asg_filter_list *filters, const struct asg_auto_scaling_group *g)
{
        for (uint32_t i = 0; i < filters->n; i++) {
                bool any = false;

                for (uint32_t j = 0; j < filters->items[i].values.n; j++)
                        any |= value_matches(g, filters->items[i].name, filters->items[i].values.items[j]);
                if (!any)
                        return false;
        }
        return true;
}

static int describe(struct api_call *call, const void *input, void *output)
{
        const struct asg_auto_scaling_group_names_type *in = input;
        struct asg_auto_scaling_groups_type *out = output;
        const struct tree *all = model_objects(call->model, OBJECT_SCALING_GROUP);
        bool instances = !SHAPE_HAS(in, asg_auto_scaling_group_names_type, include_instances) || in->include_instances;
        struct api_page page = {0};
        int r = scaling_page(call, in->next_token, SHAPE_HAS(in, asg_auto_scaling_group_names_type, max_records), in->max_records, 100,
                             NULL, &page);

        if (r != 0)
                return r;
        for (uint32_t i = 0; i < in->auto_scaling_group_names.n; i++) {
                const struct scaling_group *group = model_find_scaling_group(call->model, in->auto_scaling_group_names.items[i]);

                if (group != NULL && matches(&in->filters, group->state->group))
                        scaling_group_view(call, group, instances, SHAPE_PUSH(call->arena, &out->auto_scaling_groups));
        }
        if (in->auto_scaling_group_names.n > 0)
                return 0;
        for (struct tree_node *node = page.after != NULL ? tree_after(all, page.after) : tree_first(all); node != NULL;
             node = tree_next(node)) {
                const struct scaling_group *group = MODEL_OBJECT(node, scaling_group);

                if (!matches(&in->filters, group->state->group))
                        continue;
                if (!api_page_add(&page, node->key)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                scaling_group_view(call, group, instances, SHAPE_PUSH(call->arena, &out->auto_scaling_groups));
        }
        return 0;
}

const struct api_route scaling_group_routes[] = {
        {ASG_OP_CREATE_AUTO_SCALING_GROUP, create},
        {ASG_OP_UPDATE_AUTO_SCALING_GROUP, update},
        {ASG_OP_DESCRIBE_AUTO_SCALING_GROUPS, describe},
        {0, NULL},
};
