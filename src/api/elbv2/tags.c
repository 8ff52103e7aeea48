/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of load balancers, target groups, listeners and rules. */
#include <string.h>

#include "api/elbv2/common.h"
#include "base/strutil.h"

#define MAX_TAGS 50
#define MAX_RESOURCES 20

/* A resource that has tags, and where they are in a copy of its state. */
struct tagged {
        struct object *object;
        void *state; /* in the call's arena */
        struct elbv2_tag_list *tags;
};

static int find_rule(struct api_call *call, const char *arn, struct tagged *ret)
{
        struct state_listener_rule *rule_state;
        struct listener_rule *rule;
        struct listener *listener;
        int r = elbv2_find_rule(call, arn, &listener, &rule);

        if (r < 0)
                return r;
        if (rule == NULL)
                return api_fail(call, "ValidationError", "Default rule '%s' has no tags", arn);
        rule_state = SHAPE_COPY(state_listener_rule, (struct state_listener_rule *)rule->state, call->arena);
        *ret = (struct tagged){&rule->object, rule_state, &rule_state->tags};
        return 0;
}

static int find_listener(struct api_call *call, const char *arn, struct tagged *ret)
{
        struct state_listener *state;
        struct listener *listener;
        int r = elbv2_find_listener(call, arn, &listener);

        if (r < 0)
                return r;
        state = SHAPE_COPY(state_listener, (struct state_listener *)listener->state, call->arena);
        *ret = (struct tagged){&listener->object, state, &state->tags};
        return 0;
}

static int find_group(struct api_call *call, const char *arn, struct tagged *ret)
{
        struct state_target_group *state;
        struct target_group *group;
        int r = elbv2_find_target_group(call, arn, &group);

        if (r < 0)
                return r;
        state = SHAPE_COPY(state_target_group, (struct state_target_group *)group->state, call->arena);
        *ret = (struct tagged){&group->object, state, &state->tags};
        return 0;
}

static int find_balancer(struct api_call *call, const char *arn, struct tagged *ret)
{
        struct state_load_balancer *state;
        struct load_balancer *balancer;
        int r = elbv2_find_load_balancer(call, arn, &balancer);

        if (r < 0)
                return r;
        state = SHAPE_COPY(state_load_balancer, (struct state_load_balancer *)balancer->state, call->arena);
        *ret = (struct tagged){&balancer->object, state, &state->tags};
        return 0;
}

static int find(struct api_call *call, const char *arn, struct tagged *ret)
{
        if (strstr(arn, ":listener-rule/") != NULL)
                return find_rule(call, arn, ret);
        if (strstr(arn, ":listener/") != NULL)
                return find_listener(call, arn, ret);
        if (strstr(arn, ":targetgroup/") != NULL)
                return find_group(call, arn, ret);
        return find_balancer(call, arn, ret);
}

static int find_all(struct api_call *call, const struct string_list *arns, struct tagged **ret)
{
        struct tagged *found = arena_calloc(call->arena, arns->n + 1, sizeof(*found));

        if (arns->n > MAX_RESOURCES)
                return api_fail(call, "ValidationError", "%u resources were given; at most %d can be in one request", arns->n,
                                MAX_RESOURCES);
        for (uint32_t i = 0; i < arns->n; i++) {
                int r = find(call, arns->items[i], &found[i]);

                if (r < 0)
                        return r;
        }
        *ret = found;
        return 0;
}

static void put_all(struct api_call *call, const struct tagged *found, uint32_t n)
{
        struct tx *tx = tx_begin(call->model);

        for (uint32_t i = 0; i < n; i++)
                tx_put(tx, found[i].object, found[i].state);
        tx_commit(tx);
}

static int add_tags(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_add_tags_input *in = input;
        struct tagged *found;
        int r = elbv2_check_tags(call, &in->tags);

        (void)output;
        if (r < 0 || (r = find_all(call, &in->resource_arns, &found)) < 0)
                return r;
        for (uint32_t i = 0; i < in->resource_arns.n; i++) {
                struct elbv2_tag_list tags = {0};

                for (uint32_t j = 0; j < found[i].tags->n; j++)
                        *SHAPE_PUSH(call->arena, &tags) = found[i].tags->items[j];
                for (uint32_t j = 0; j < in->tags.n; j++)
                        balancer_tag_set(call->arena, &tags, in->tags.items[j].key, in->tags.items[j].value);
                if (tags.n > MAX_TAGS)
                        return api_fail(call, "TooManyTags", "'%s' would have %u tags; a resource can have at most %d",
                                        in->resource_arns.items[i], tags.n, MAX_TAGS);
                *found[i].tags = tags;
        }
        put_all(call, found, in->resource_arns.n);
        return 0;
}

static int remove_tags(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_remove_tags_input *in = input;
        struct tagged *found;
        int r = find_all(call, &in->resource_arns, &found);

        (void)output;
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < in->resource_arns.n; i++) {
                struct elbv2_tag_list *tags = found[i].tags;
                uint32_t n = 0;

                for (uint32_t j = 0; j < tags->n; j++) {
                        bool gone = false;

                        for (uint32_t k = 0; k < in->tag_keys.n; k++)
                                gone |= str_eq(in->tag_keys.items[k], tags->items[j].key);
                        if (!gone)
                                tags->items[n++] = tags->items[j];
                }
                tags->n = n;
        }
        put_all(call, found, in->resource_arns.n);
        return 0;
}

static int describe_tags(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_describe_tags_input *in = input;
        struct elbv2_describe_tags_output *out = output;
        struct tagged *found;
        int r = find_all(call, &in->resource_arns, &found);

        if (r < 0)
                return r;
        for (uint32_t i = 0; i < in->resource_arns.n; i++) {
                struct elbv2_tag_description *item = SHAPE_PUSH(call->arena, &out->tag_descriptions);

                item->resource_arn = in->resource_arns.items[i];
                item->tags = *found[i].tags;
        }
        return 0;
}

const struct api_route elbv2_tag_routes[] = {
        {ELBV2_OP_ADD_TAGS, add_tags},
        {ELBV2_OP_REMOVE_TAGS, remove_tags},
        {ELBV2_OP_DESCRIBE_TAGS, describe_tags},
        {0, NULL},
};
