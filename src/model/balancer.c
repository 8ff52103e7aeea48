/* SPDX-License-Identifier: Apache-2.0 */
/* Finding what belongs to load balancers, their names, and what the proxy says of them. */
#include "model/balancer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "model/internal.h"
#include "model/names.h"

#define SERVICE "elasticloadbalancing"

static struct object *find(struct model *model, enum object_kind kind, const char *key)
{
        return key != NULL ? table_find(&model->tables[kind], key) : NULL;
}

#define FIND(model, kind, key, type)                                               \
        ({                                                                         \
                struct object *found_ = find(model, kind, key);                    \
                found_ != NULL ? CONTAINER_OF(found_, struct type, object) : NULL; \
        })

struct load_balancer *model_load_balancer(struct model *model, const char *id)
{
        return FIND(model, OBJECT_LOAD_BALANCER, id, load_balancer);
}

struct load_balancer *model_load_balancer_by_name(struct model *model, const char *name)
{
        tree_for_each (node, &model->objects[OBJECT_LOAD_BALANCER])
                if (str_eq(MODEL_OBJECT(node, load_balancer)->state->name, name))
                        return MODEL_OBJECT(node, load_balancer);
        return NULL;
}

struct listener *model_listener(struct model *model, const char *id)
{
        return FIND(model, OBJECT_LISTENER, id, listener);
}

struct listener_rule *model_listener_rule(struct model *model, const char *id)
{
        return FIND(model, OBJECT_LISTENER_RULE, id, listener_rule);
}

struct target_group *model_target_group(struct model *model, const char *id)
{
        return FIND(model, OBJECT_TARGET_GROUP, id, target_group);
}

struct target_group *model_target_group_by_name(struct model *model, const char *name)
{
        tree_for_each (node, &model->objects[OBJECT_TARGET_GROUP])
                if (str_eq(MODEL_OBJECT(node, target_group)->state->name, name))
                        return MODEL_OBJECT(node, target_group);
        return NULL;
}

struct target_group *model_target_group_of_arn(struct model *model, const char *text)
{
        const char *rest, *slash;
        struct target_group *group;
        struct arn arn;

        if (text == NULL || arn_parse(text, &arn) < 0 || !str_eq(arn.service, SERVICE) ||
            (rest = arn_resource(&arn, "targetgroup")) == NULL)
                return NULL;
        /* While the store is loaded nobody knows yet who we are; what was stored was ours. */
        if (model->meta != NULL && (!str_eq(arn.account, model_account(model)) || !str_eq(arn.region, model_region(model))))
                return NULL;
        slash = strrchr(rest, '/');
        group = slash != NULL ? model_target_group(model, slash + 1) : NULL;
        return group != NULL && strlen(group->state->name) == (size_t)(slash - rest) &&
                               strncmp(group->state->name, rest, (size_t)(slash - rest)) == 0
                       ? group
                       : NULL;
}

struct object *model_forwarding_of_arn(struct model *model, const char *text)
{
        struct listener_rule *rule;
        struct listener *listener;
        char listener_id[32];
        const char *last, *before;
        struct arn arn;

        if (text == NULL || arn_parse(text, &arn) < 0 || !str_eq(arn.service, SERVICE) || !str_eq(arn.account, model_account(model)) ||
            !str_eq(arn.region, model_region(model)))
                return NULL;
        last = strrchr(text, '/');
        if (last == NULL)
                return NULL;
        if (arn_resource(&arn, "listener") != NULL) {
                listener = model_listener(model, last + 1);
                return listener != NULL ? &listener->object : NULL;
        }
        if (arn_resource(&arn, "listener-rule") == NULL)
                return NULL;
        rule = model_listener_rule(model, last + 1);
        if (rule != NULL)
                return &rule->object;
        for (before = last; before > text && before[-1] != '/'; before--)
                ;
        snprintf(listener_id, sizeof(listener_id), "%.*s", (int)(last - before), before);
        listener = model_listener(model, listener_id);
        return listener != NULL && str_eq(listener->state->default_rule, last + 1) ? &listener->object : NULL;
}

struct target *model_target(struct model *model, const char *group, const char *id, int port)
{
        char key[256];
        int n = snprintf(key, sizeof(key), "%s/%s/%d", group, id, port);

        return n > 0 && (size_t)n < sizeof(key) ? FIND(model, OBJECT_TARGET, key, target) : NULL;
}

struct certificate *model_certificate(struct model *model, const char *arn)
{
        return FIND(model, OBJECT_CERTIFICATE, arn, certificate);
}

/* ---- Names ---- */

static const char *type_letters(const struct load_balancer *balancer)
{
        return balancer->state->type == ELBV2_LOAD_BALANCER_TYPE_NETWORK ? "net" : "app";
}

char *model_load_balancer_arn(const struct model *model, struct arena *arena, const struct load_balancer *balancer)
{
        return arena_printf(arena, "arn:aws:" SERVICE ":%s:%s:loadbalancer/%s/%s/%s", model_region(model), model_account(model),
                            type_letters(balancer), balancer->state->name, balancer->state->id);
}

char *model_listener_arn(const struct model *model, struct arena *arena, const struct listener *listener)
{
        const struct load_balancer *balancer = listener->balancer;

        return arena_printf(arena, "arn:aws:" SERVICE ":%s:%s:listener/%s/%s/%s/%s", model_region(model), model_account(model),
                            type_letters(balancer), balancer->state->name, balancer->state->id, listener->state->id);
}

char *model_listener_rule_arn(const struct model *model, struct arena *arena, const struct listener *listener, const char *rule)
{
        const struct load_balancer *balancer = listener->balancer;

        return arena_printf(arena, "arn:aws:" SERVICE ":%s:%s:listener-rule/%s/%s/%s/%s/%s", model_region(model), model_account(model),
                            type_letters(balancer), balancer->state->name, balancer->state->id, listener->state->id, rule);
}

char *model_target_group_arn(const struct model *model, struct arena *arena, const struct target_group *group)
{
        return arena_printf(arena, "arn:aws:" SERVICE ":%s:%s:targetgroup/%s/%s", model_region(model), model_account(model),
                            group->state->name, group->state->id);
}

char *model_load_balancer_dns_name(const struct model *model, struct arena *arena, const struct load_balancer *balancer, const char *suffix)
{
        const char *internal = balancer->state->scheme == ELBV2_LOAD_BALANCER_SCHEME_INTERNAL ? "internal-" : "";
        char *name = arena_printf(arena, "%s%s-%s.%s.%s", internal, balancer->state->name, balancer->state->id, model_region(model),
                                  suffix != NULL ? suffix : "elb.localhost");

        for (char *p = name; *p != '\0'; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char)(*p - 'A' + 'a');
        return name;
}

/* ---- Targets ---- */

struct instance *model_instance_of_target(const struct model *model, const char *id)
{
        tree_for_each (node, &model->objects[OBJECT_INSTANCE]) {
                struct instance *instance = MODEL_OBJECT(node, instance);

                if (str_eq(instance->state->ec2_instance_id, id) || str_eq(instance->state->id, id))
                        return instance;
        }
        return NULL;
}

const char *instance_attribute(const struct state_container_instance *state, const char *name)
{
        for (uint32_t i = 0; state != NULL && i < state->attributes.n; i++)
                if (str_eq(state->attributes.items[i].name, name))
                        return state->attributes.items[i].value != NULL ? state->attributes.items[i].value : "";
        return NULL;
}

bool instance_has_balancers(const struct state_container_instance *state)
{
        return state != NULL && state->status != STATE_INSTANCE_STATUS_INACTIVE &&
               instance_attribute(state, INSTANCE_BALANCERS_ATTRIBUTE) != NULL;
}

struct instance *model_balancers_instance(const struct model *model)
{
        tree_for_each (node, &model->objects[OBJECT_INSTANCE]) {
                struct instance *instance = MODEL_OBJECT(node, instance);

                if (instance_has_balancers(instance->state))
                        return instance;
        }
        return NULL;
}

const char *instance_address(const struct state_container_instance *state)
{
        const char *announced = instance_attribute(state, INSTANCE_ADDRESS_ATTRIBUTE);

        if (str_empty(announced))
                announced = state->address;
        return !str_empty(announced) ? announced : NULL;
}

const char *target_address(const struct model *model, const struct target *target, struct arena *arena)
{
        const struct instance *instance;
        const char *address;

        if (target->group->state->target_type != ELBV2_TARGET_TYPE_INSTANCE)
                return target->state->id;
        instance = model_instance_of_target(model, target->state->id);
        if (instance == NULL)
                return NULL;
        address = instance_address(instance->state);
        return address != NULL ? arena_strdup(arena, address) : NULL;
}

void model_set_target_health(struct model *model, struct target *target, enum elbv2_target_health_state health,
                             enum elbv2_target_health_reason reason, const char *description)
{
        bool same = target->health == health && target->reason == reason;

        (void)snprintf(target->description, sizeof(target->description), "%s", description != NULL ? description : "");
        if (same)
                return;
        target->health = health;
        target->reason = reason;
        list_for_each (observer, &model->observers, struct model_observer, link)
                if (observer->target_health != NULL)
                        observer->target_health(observer, target);
}

void model_set_balancer_problem(struct load_balancer *balancer, const char *problem)
{
        char *copy = xstrdup(problem);

        free(balancer->problem);
        balancer->problem = copy;
}

void model_set_balancing(struct model *model, bool balancing)
{
        model->balancing = balancing;
}

bool model_balancing(const struct model *model)
{
        return model->balancing;
}

void balancer_tag_set(struct arena *arena, struct elbv2_tag_list *tags, const char *key, const char *value)
{
        for (uint32_t i = 0; i < tags->n; i++) {
                if (!str_eq(tags->items[i].key, key))
                        continue;
                tags->items[i].value = value != NULL ? value : "";
                return;
        }
        *SHAPE_PUSH(arena, tags) = (struct elbv2_tag){.key = key, .value = value != NULL ? value : ""};
}
