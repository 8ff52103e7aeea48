/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capacity providers: FARGATE and FARGATE_SPOT, which every account has, and those of users, each over an Auto Scaling group of its own
 * (docs/capacity.md); what they do is in control/capacity/provided.h and control/capacity/managed_scaling.h.
 */
#include <string.h>

#include "api/ecs/cluster_rules.h"
#include "api/ecs/routes.h"
#include "api/pagination.h"
#include "base/strutil.h"
#include "control/capacity/group.h"
#include "control/capacity/managed_scaling.h"
#include "control/capacity/providers.h"
#include "model/service.h"

#define MAX_NAME 255
#define MAX_DESCRIBED 100
#define MAX_PAGE 10

#define INVALID "InvalidParameterException"
#define MISSING "The specified capacity provider does not exist. Specify a valid capacity provider name or ARN and try again."

static const struct {
        const char *name;
        enum ecs_capacity_provider_type type;
} predefined[] = {
        {"FARGATE", ECS_CAPACITY_PROVIDER_TYPE_FARGATE},
        {"FARGATE_SPOT", ECS_CAPACITY_PROVIDER_TYPE_FARGATE_SPOT},
};

static char *provider_arn(struct api_call *call, const char *name)
{
        return arena_printf(call->arena, "arn:aws:ecs:%s:%s:capacity-provider/%s", model_region(call->model), model_account(call->model),
                            name);
}

/* ---- Showing ---- */

static void view_predefined(struct api_call *call, size_t i, struct ecs_capacity_provider *out)
{
        out->name = predefined[i].name;
        out->type = predefined[i].type;
        out->status = ECS_CAPACITY_PROVIDER_STATUS_ACTIVE;
        out->capacity_provider_arn = provider_arn(call, predefined[i].name);
}

static void view(struct api_call *call, const struct capacity_provider *provider, bool tags, struct ecs_capacity_provider *out)
{
        *out = *provider->state->provider;
        out->capacity_provider_arn = provider_arn(call, out->name);
        if (!tags)
                out->tags = (struct ecs_tag_list){0};
}

static struct ecs_capacity_provider *answer(struct api_call *call, const struct capacity_provider *provider)
{
        struct ecs_capacity_provider *out = ARENA_NEW(call->arena, struct ecs_capacity_provider);

        view(call, provider, true, out);
        return out;
}

/* ---- Describe ---- */

static void describe_named(struct api_call *call, const char *text, bool tags, struct ecs_describe_capacity_providers_response *out)
{
        const char *name = provider_name_in(text);
        const struct capacity_provider *provider = model_capacity_provider(call->model, name);

        for (size_t i = 0; i < ARRAY_SIZE(predefined); i++) {
                if (str_eq(predefined[i].name, name)) {
                        view_predefined(call, i, SHAPE_PUSH(call->arena, &out->capacity_providers));
                        return;
                }
        }
        if (provider != NULL)
                view(call, provider, tags, SHAPE_PUSH(call->arena, &out->capacity_providers));
        else
                ecs_fail_item(call, &out->failures, str_starts_with(text, "arn:") ? text : provider_arn(call, text), "MISSING", NULL);
}

/* The predefined ones come first: in page tokens they stand behind a character that no name has and that sorts before all. */
static bool describe_predefined(struct api_call *call, struct api_page *page, struct ecs_describe_capacity_providers_response *out)
{
        for (size_t i = 0; i < ARRAY_SIZE(predefined); i++) {
                const char *key = arena_printf(call->arena, "!%s", predefined[i].name);

                if (page->after != NULL && strcmp(key, page->after) <= 0)
                        continue;
                if (!api_page_add(page, key)) {
                        out->next_token = api_page_token(call, page);
                        return false;
                }
                view_predefined(call, i, SHAPE_PUSH(call->arena, &out->capacity_providers));
        }
        return true;
}

static void describe_all(struct api_call *call, struct api_page *page, bool tags, struct ecs_describe_capacity_providers_response *out)
{
        const struct tree *all = model_objects(call->model, OBJECT_CAPACITY_PROVIDER);

        if (!describe_predefined(call, page, out))
                return;
        for (struct tree_node *node = page->after ? tree_after(all, page->after) : tree_first(all); node != NULL; node = tree_next(node)) {
                if (!api_page_add(page, node->key)) {
                        out->next_token = api_page_token(call, page);
                        return;
                }
                view(call, MODEL_OBJECT(node, capacity_provider), tags, SHAPE_PUSH(call->arena, &out->capacity_providers));
        }
}

static int describe_capacity_providers(struct api_call *call, const void *input, void *output)
{
        const struct ecs_describe_capacity_providers_request *in = input;
        bool tags = ecs_includes(&in->include, ECS_CAPACITY_PROVIDER_FIELD_TAGS);
        struct cluster *cluster;
        struct api_page page;
        int r = api_page_begin(call, in->next_token, SHAPE_HAS(in, ecs_describe_capacity_providers_request, max_results), in->max_results,
                               MAX_PAGE, MAX_PAGE, NULL, &page);

        if (r == 0 && !str_empty(in->cluster))
                r = ecs_find_cluster(call, in->cluster, &cluster);
        if (r != 0)
                return r;
        if (in->capacity_providers.n > MAX_DESCRIBED)
                return api_fail(call, INVALID, "capacityProviders: at most %d can be described at once.", MAX_DESCRIBED);
        for (uint32_t i = 0; i < in->capacity_providers.n; i++)
                describe_named(call, in->capacity_providers.items[i], tags, output);
        if (in->capacity_providers.n == 0)
                describe_all(call, &page, tags, output);
        return 0;
}

/* ---- Create ---- */

static int check_name(struct api_call *call, const char *name)
{
        static const char *const reserved[] = {"aws", "ecs", "fargate"};
        bool bad = !ecs_name_valid(name, MAX_NAME);

        for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
                bad = bad || strncasecmp(name, reserved[i], strlen(reserved[i])) == 0;
        if (bad)
                return api_fail(call, INVALID,
                                "The specified capacity provider name is invalid: a name has 1 to %d letters, digits, hyphens and "
                                "underscores, and does not begin with aws, ecs or fargate.",
                                MAX_NAME);
        return 0;
}

int capacity_provider_check_tags(struct api_call *call, const struct ecs_tag_list *tags)
{
        int r = ecs_check_tags(call, tags);
        int64_t ignored;

        for (uint32_t i = 0; r == 0 && i < tags->n; i++)
                if (str_eq(tags->items[i].key, SCALE_IN_TAG) && scale_in_ms_read(tags->items[i].value, &ignored) < 0)
                        r = api_fail(
                                call, INVALID,
                                "tags: the value of " SCALE_IN_TAG
                                " must be a whole number of milliseconds from 0 to %lld: so long machines are not needed before they go.",
                                (long long)SCALE_IN_MAX_MS);
        return r;
}

static int check_managed_instances(struct api_call *call, bool given, const char *cluster)
{
        if (given)
                return api_fail(call, "UnsupportedFeatureException",
                                "Managed Instances capacity providers are not available on this server yet. Use container instances.");
        if (!str_empty(cluster))
                return api_fail(call, INVALID, "cluster: only a Managed Instances capacity provider belongs to one cluster.");
        return 0;
}

/* The group must be there, and be nobody else's. */
static int find_group(struct api_call *call, const char *text, struct scaling_group **ret)
{
        struct scaling_group *group = model_find_scaling_group(call->model, text);

        if (group == NULL || group->state->deleting)
                return api_fail(call, "ClientException",
                                "The specified Auto Scaling group ARN %.300s is not valid: there is no such group. Create the group first.",
                                text);
        tree_for_each (node, model_objects(call->model, OBJECT_CAPACITY_PROVIDER))
                if (model_provider_group(call->model, node->key) == group)
                        return api_fail(call, "ClientException",
                                        "The specified Auto Scaling group is used by capacity provider %s already. Use another group.",
                                        node->key);
        *ret = group;
        return 0;
}

static int check_scaling(struct api_call *call, const struct ecs_auto_scaling_group_provider *group)
{
        const struct ecs_managed_scaling *scaling = group->managed_scaling;
        const struct scaling_group *machines = model_find_scaling_group(call->model, group->auto_scaling_group_arn);

        if (group->managed_termination_protection == ECS_MANAGED_TERMINATION_PROTECTION_ENABLED &&
            (scaling == NULL || scaling->status != ECS_MANAGED_SCALING_STATUS_ENABLED))
                return api_fail(call, INVALID, "managedTerminationProtection can only be ENABLED when managedScaling.status is ENABLED.");
        if (group->managed_termination_protection == ECS_MANAGED_TERMINATION_PROTECTION_ENABLED && machines != NULL &&
            !machines->state->group->new_instances_protected_from_scale_in)
                return api_fail(call, "ClientException",
                                "The managed termination protection setting for the capacity provider is invalid. To enable managed "
                                "termination protection for a capacity provider, the Auto Scaling group must have instance protection from "
                                "scale in enabled.");
        if (scaling != NULL && scaling->minimum_scaling_step_size > scaling->maximum_scaling_step_size)
                return api_fail(call, INVALID, "managedScaling: minimumScalingStepSize (%d) is greater than maximumScalingStepSize (%d).",
                                scaling->minimum_scaling_step_size, scaling->maximum_scaling_step_size);
        return 0;
}

#define SCALING_DEFAULT(scaling, member, value)                                 \
        do {                                                                    \
                if (!SHAPE_HAS(scaling, ecs_managed_scaling, member))           \
                        SHAPE_SET(scaling, ecs_managed_scaling, member, value); \
        } while (0)

static struct ecs_managed_scaling *complete_scaling(struct api_call *call, const struct ecs_managed_scaling *given)
{
        struct ecs_managed_scaling *scaling = ARENA_NEW(call->arena, struct ecs_managed_scaling);

        if (given != NULL)
                *scaling = *given;
        if (!scaling->status)
                scaling->status = ECS_MANAGED_SCALING_STATUS_DISABLED;
        SCALING_DEFAULT(scaling, target_capacity, 100);
        SCALING_DEFAULT(scaling, minimum_scaling_step_size, 1);
        SCALING_DEFAULT(scaling, maximum_scaling_step_size, 10000);
        SCALING_DEFAULT(scaling, instance_warmup_period, 300);
        return scaling;
}

/* The group's settings with AWS's defaults. */
static struct ecs_auto_scaling_group_provider *complete_group(struct api_call *call, const struct ecs_auto_scaling_group_provider *given)
{
        struct ecs_auto_scaling_group_provider *group = ARENA_NEW(call->arena, struct ecs_auto_scaling_group_provider);

        *group = *given;
        group->managed_scaling = complete_scaling(call, given->managed_scaling);
        if (!group->managed_termination_protection)
                group->managed_termination_protection = ECS_MANAGED_TERMINATION_PROTECTION_DISABLED;
        if (!group->managed_draining)
                group->managed_draining = ECS_MANAGED_DRAINING_ENABLED;
        return group;
}

/* The lifecycle hook that stands for emptying machines is there while their provider does so. */
static void put_draining_hook(struct api_call *call, struct tx *tx, struct scaling_group *group, bool wanted)
{
        struct asg_lifecycle_hook_list hooks = {0};
        struct state_scaling_group *state = tx_edit(tx, &group->object);
        struct asg_lifecycle_hook *hook;

        for (uint32_t i = 0; i < state->hooks.n; i++)
                if (!str_eq(state->hooks.items[i].lifecycle_hook_name, HOOK_DRAINING))
                        *SHAPE_PUSH(call->arena, &hooks) = state->hooks.items[i];
        if (wanted) {
                hook = SHAPE_PUSH(call->arena, &hooks);
                hook->lifecycle_hook_name = HOOK_DRAINING;
                hook->auto_scaling_group_name = group->object.key;
                hook->lifecycle_transition = HOOK_TERMINATING;
                hook->default_result = "CONTINUE";
                SHAPE_SET(hook, asg_lifecycle_hook, heartbeat_timeout, 3600);
                SHAPE_SET(hook, asg_lifecycle_hook, global_timeout, (int32_t)(MACHINE_HOOK_MS / 1000));
        }
        state->hooks = hooks;
        tx_put(tx, &group->object, state);
}

static int check_create(struct api_call *call, const struct ecs_create_capacity_provider_request *in)
{
        int r = check_name(call, in->name);

        if (r == 0)
                r = capacity_provider_check_tags(call, &in->tags);
        if (r == 0)
                r = check_managed_instances(call, in->managed_instances_provider != NULL, in->cluster);
        if (r != 0)
                return r;
        if (in->auto_scaling_group_provider == NULL)
                return api_fail(call, INVALID, "autoScalingGroupProvider is required.");
        if (str_empty(in->auto_scaling_group_provider->auto_scaling_group_arn))
                return api_fail(call, INVALID, "autoScalingGroupProvider.autoScalingGroupArn is required.");
        if (model_capacity_provider(call->model, in->name) != NULL)
                return api_fail(call, "ClientException",
                                "The specified capacity provider already exists. To change the configuration of an existing capacity "
                                "provider, update the capacity provider.");
        return 0;
}

static int create_capacity_provider(struct api_call *call, const void *input, void *output)
{
        const struct ecs_create_capacity_provider_request *in = input;
        struct ecs_create_capacity_provider_response *out = output;
        struct ecs_capacity_provider provider = {
                .name = in->name,
                .type = ECS_CAPACITY_PROVIDER_TYPE_EC2_AUTOSCALING,
                .status = ECS_CAPACITY_PROVIDER_STATUS_ACTIVE,
                .update_status = ECS_CAPACITY_PROVIDER_UPDATE_STATUS_CREATE_COMPLETE,
        };
        const struct state_capacity_provider state = {.provider = &provider};
        struct scaling_group *group = NULL;
        struct object *object;
        struct tx *tx;
        int r = check_create(call, in);

        if (r != 0)
                return r;
        provider.auto_scaling_group_provider = complete_group(call, in->auto_scaling_group_provider);
        r = check_scaling(call, provider.auto_scaling_group_provider);
        if (r == 0)
                r = find_group(call, in->auto_scaling_group_provider->auto_scaling_group_arn, &group);
        if (r != 0)
                return r;
        provider.auto_scaling_group_provider->auto_scaling_group_arn = group->state->group->auto_scaling_group_arn;
        ecs_merge_tags(&provider.tags, &in->tags, call->arena);
        tx = tx_begin(call->model);
        object = tx_insert(tx, OBJECT_CAPACITY_PROVIDER, &state);
        put_draining_hook(call, tx, group, provider.auto_scaling_group_provider->managed_draining == ECS_MANAGED_DRAINING_ENABLED);
        (void)tx_commit(tx);
        out->capacity_provider = answer(call, CONTAINER_OF(object, struct capacity_provider, object));
        return 0;
}

/* ---- Update, delete ---- */

/* One of the users' own; `verb` is what cannot be done to the predefined ones. */
static int find_own(struct api_call *call, const char *text, const char *verb, struct capacity_provider **ret)
{
        const char *name = provider_name_in(text);
        struct capacity_provider *provider = model_capacity_provider(call->model, name);

        if (capacity_provider_predefined(name))
                return api_fail(call, "ClientException", "The capacity provider %s is reserved and cannot be %s.", name, verb);
        if (provider == NULL)
                return api_fail(call, "ClientException", MISSING);
        *ret = provider;
        return 0;
}

static void apply(struct api_call *call, const struct ecs_auto_scaling_group_provider_update *given,
                  struct ecs_auto_scaling_group_provider *group)
{
        if (given->managed_scaling != NULL)
                group->managed_scaling = complete_scaling(call, given->managed_scaling);
        if (given->managed_termination_protection)
                group->managed_termination_protection = given->managed_termination_protection;
        if (given->managed_draining)
                group->managed_draining = given->managed_draining;
}

static int update_capacity_provider(struct api_call *call, const void *input, void *output)
{
        const struct ecs_update_capacity_provider_request *in = input;
        struct ecs_update_capacity_provider_response *out = output;
        struct capacity_provider *provider = NULL;
        struct state_capacity_provider *state;
        struct scaling_group *group;
        struct tx *tx;
        int r = find_own(call, in->name, "updated", &provider);

        if (r == 0)
                r = check_managed_instances(call, in->managed_instances_provider != NULL, in->cluster);
        if (r != 0)
                return r;
        if (in->auto_scaling_group_provider == NULL)
                return api_fail(call, INVALID, "autoScalingGroupProvider is required.");
        tx = tx_begin(call->model);
        state = tx_edit(tx, &provider->object);
        apply(call, in->auto_scaling_group_provider, state->provider->auto_scaling_group_provider);
        state->provider->update_status = ECS_CAPACITY_PROVIDER_UPDATE_STATUS_UPDATE_COMPLETE;
        r = check_scaling(call, state->provider->auto_scaling_group_provider);
        if (r < 0) {
                tx_rollback(tx);
                return r;
        }
        tx_put(tx, &provider->object, state);
        group = model_provider_group(call->model, provider->object.key);
        if (group != NULL)
                put_draining_hook(call, tx, group,
                                  provider->state->provider->auto_scaling_group_provider->managed_draining == ECS_MANAGED_DRAINING_ENABLED);
        (void)tx_commit(tx);
        out->capacity_provider = answer(call, provider);
        return 0;
}

static int check_unused(struct api_call *call, const char *name)
{
        tree_for_each (node, model_objects(call->model, OBJECT_CLUSTER)) {
                const struct state_cluster *cluster = MODEL_OBJECT(node, cluster)->state;

                if (cluster->status == STATE_CLUSTER_STATUS_ACTIVE && providers_list(&cluster->capacity_providers, name))
                        return api_fail(call, "ClientException",
                                        "The specified capacity provider is in use and cannot be removed: cluster %s lists it. Take it out "
                                        "with PutClusterCapacityProviders and try again.",
                                        cluster->name);
        }
        return 0;
}

static int delete_capacity_provider(struct api_call *call, const void *input, void *output)
{
        const struct ecs_delete_capacity_provider_request *in = input;
        struct ecs_delete_capacity_provider_response *out = output;
        struct capacity_provider *provider = NULL;
        struct ecs_capacity_provider *last;
        struct scaling_group *group;
        struct tx *tx;
        int r = find_own(call, in->capacity_provider, "deleted", &provider);

        if (r == 0)
                r = check_managed_instances(call, false, in->cluster);
        if (r == 0)
                r = check_unused(call, provider->state->provider->name);
        if (r != 0)
                return r;
        last = SHAPE_COPY(ecs_capacity_provider, answer(call, provider), call->arena);
        last->status = ECS_CAPACITY_PROVIDER_STATUS_INACTIVE;
        last->update_status = ECS_CAPACITY_PROVIDER_UPDATE_STATUS_DELETE_COMPLETE;
        group = model_provider_group(call->model, provider->object.key);
        tx = tx_begin(call->model);
        if (group != NULL)
                put_draining_hook(call, tx, group, false);
        tx_remove(tx, &provider->object);
        (void)tx_commit(tx);
        out->capacity_provider = last;
        return 0;
}

const struct api_route ecs_capacity_provider_routes[] = {
        {ECS_OP_CREATE_CAPACITY_PROVIDER, create_capacity_provider},
        {ECS_OP_DESCRIBE_CAPACITY_PROVIDERS, describe_capacity_providers},
        {ECS_OP_UPDATE_CAPACITY_PROVIDER, update_capacity_provider},
        {ECS_OP_DELETE_CAPACITY_PROVIDER, delete_capacity_provider},
        {0, NULL},
};
