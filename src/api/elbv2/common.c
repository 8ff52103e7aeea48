/* SPDX-License-Identifier: Apache-2.0 */
/* Finding things by ARN, names and tags, for every file of the service. */
#include "api/elbv2/common.h"

#include <string.h>

#include "api/server.h"
#include "base/strutil.h"
#include "model/names.h"

#define SERVICE "elasticloadbalancing"
#define MAX_TAGS 50
#define ID_DIGITS 16

void elbv2_register(struct api *api)
{
        api_add_routes(api, &elbv2_service, elbv2_load_balancer_routes);
        api_add_routes(api, &elbv2_service, elbv2_attribute_routes);
        api_add_routes(api, &elbv2_service, elbv2_target_group_routes);
        api_add_routes(api, &elbv2_service, elbv2_target_routes);
        api_add_routes(api, &elbv2_service, elbv2_listener_routes);
        api_add_routes(api, &elbv2_service, elbv2_listener_certificate_routes);
        api_add_routes(api, &elbv2_service, elbv2_rule_routes);
        api_add_routes(api, &elbv2_service, elbv2_tag_routes);
        api_add_routes(api, &elbv2_service, elbv2_policy_routes);
}

/*
 * The part after the last slash of an ARN of this service, account and region whose resource is of `type`; NULL when it is none.
 * The object that it names must be compared with the whole ARN: names are part of it.
 */
static const char *id_in_arn(struct api_call *call, const char *text, const char *type)
{
        const char *rest, *slash;
        struct arn arn;

        if (text == NULL || arn_parse(text, &arn) < 0 || !str_eq(arn.service, SERVICE) ||
            !str_eq(arn.account, model_account(call->model)) || !str_eq(arn.region, model_region(call->model)) ||
            (rest = arn_resource(&arn, type)) == NULL)
                return NULL;
        slash = strrchr(rest, '/');
        return slash != NULL ? slash + 1 : NULL;
}

static int malformed(struct api_call *call, const char *what, const char *arn)
{
        return api_fail(call, "ValidationError", "'%.300s' is not a valid %s ARN", arn != NULL ? arn : "", what);
}

int elbv2_find_load_balancer(struct api_call *call, const char *arn, struct load_balancer **ret)
{
        const char *id = id_in_arn(call, arn, "loadbalancer");
        struct load_balancer *found = model_load_balancer(call->model, id);

        if (id == NULL)
                return malformed(call, "load balancer", arn);
        if (found == NULL || !str_eq(model_load_balancer_arn(call->model, call->arena, found), arn))
                return api_fail(call, "LoadBalancerNotFound", "Load balancers '[%s]' not found", arn);
        *ret = found;
        return 0;
}

int elbv2_find_listener(struct api_call *call, const char *arn, struct listener **ret)
{
        const char *id = id_in_arn(call, arn, "listener");
        struct listener *found = model_listener(call->model, id);

        if (id == NULL)
                return malformed(call, "listener", arn);
        if (found == NULL || !str_eq(model_listener_arn(call->model, call->arena, found), arn))
                return api_fail(call, "ListenerNotFound", "One or more listeners not found");
        *ret = found;
        return 0;
}

/* The listener whose default rule has that ARN. */
static struct listener *listener_of_default_rule(struct api_call *call, const char *arn)
{
        tree_for_each (node, model_objects(call->model, OBJECT_LISTENER)) {
                struct listener *listener = MODEL_OBJECT(node, listener);

                if (str_eq(model_listener_rule_arn(call->model, call->arena, listener, listener->state->default_rule), arn))
                        return listener;
        }
        return NULL;
}

int elbv2_find_rule(struct api_call *call, const char *arn, struct listener **ret_listener, struct listener_rule **ret_rule)
{
        const char *id = id_in_arn(call, arn, "listener-rule");
        struct listener_rule *rule = model_listener_rule(call->model, id);
        struct listener *listener;

        if (id == NULL)
                return malformed(call, "listener rule", arn);
        listener = rule != NULL ? rule->listener : listener_of_default_rule(call, arn);
        if (listener == NULL ||
            (rule != NULL && !str_eq(model_listener_rule_arn(call->model, call->arena, listener, rule->state->id), arn)))
                return api_fail(call, "RuleNotFound", "One or more rules not found");
        *ret_listener = listener;
        *ret_rule = rule;
        return 0;
}

int elbv2_find_target_group(struct api_call *call, const char *arn, struct target_group **ret)
{
        if (id_in_arn(call, arn, "targetgroup") == NULL)
                return malformed(call, "target group", arn);
        *ret = model_target_group_of_arn(call->model, arn);
        return *ret != NULL ? 0 : api_fail(call, "TargetGroupNotFound", "One or more target groups not found");
}

char *elbv2_new_id(struct api_call *call)
{
        char *id = arena_bytes(call->arena, ID_DIGITS + 1);

        env_random_hex(call->api->env, id, ID_DIGITS);
        return id;
}

int elbv2_check_name(struct api_call *call, const char *what, const char *name)
{
        size_t len = strlen(name);

        if (len == 0 || len > 32)
                return api_fail(call, "ValidationError", "The %s name '%.64s' must have between 1 and 32 characters", what, name);
        if (!str_is_name(name, "-", 32))
                return api_fail(call, "ValidationError",
                                "The %s name '%s' can only contain characters that are alphanumeric characters or hyphens(-)", what, name);
        if (name[0] == '-' || name[len - 1] == '-')
                return api_fail(call, "ValidationError", "The %s name '%s' cannot begin or end with a hyphen", what, name);
        if (str_starts_with(name, "internal-"))
                return api_fail(call, "ValidationError", "The %s name '%s' cannot begin with 'internal-'", what, name);
        return 0;
}

int elbv2_check_tags(struct api_call *call, const struct elbv2_tag_list *tags)
{
        if (tags->n > MAX_TAGS)
                return api_fail(call, "TooManyTags", "%u tags were given; a resource can have at most %d", tags->n, MAX_TAGS);
        for (uint32_t i = 0; i < tags->n; i++) {
                if (str_starts_with(tags->items[i].key, "aws:"))
                        return api_fail(call, "ValidationError", "The tag key '%s' is reserved: keys must not begin with 'aws:'",
                                        tags->items[i].key);
                for (uint32_t j = 0; j < i; j++)
                        if (str_eq(tags->items[i].key, tags->items[j].key))
                                return api_fail(call, "DuplicateTagKeys", "The tag key '%s' is given twice", tags->items[i].key);
        }
        return 0;
}
