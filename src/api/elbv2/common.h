/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the Elastic Load Balancing service share: finding things by their ARNs, tags, attributes, views. */
#pragma once

#include "api/call.h"
#include "api/elbv2.idl.h"
#include "model/balancer.h"

/* Registers every file's routes. */
void elbv2_register(struct api *api);

extern const struct api_route elbv2_load_balancer_routes[], elbv2_target_group_routes[], elbv2_target_routes[], elbv2_listener_routes[],
        elbv2_listener_certificate_routes[], elbv2_rule_routes[], elbv2_attribute_routes[], elbv2_tag_routes[], elbv2_policy_routes[];

/* ---- By ARN; each fails with AWS's ...NotFound ---- */

int elbv2_find_load_balancer(struct api_call *call, const char *arn, struct load_balancer **ret) MUST_CHECK;
int elbv2_find_listener(struct api_call *call, const char *arn, struct listener **ret) MUST_CHECK;
/* `ret_rule` gets NULL for the listener's default rule. */
int elbv2_find_rule(struct api_call *call, const char *arn, struct listener **ret_listener, struct listener_rule **ret_rule) MUST_CHECK;
int elbv2_find_target_group(struct api_call *call, const char *arn, struct target_group **ret) MUST_CHECK;

/* ---- Names, ids, tags ---- */

/* 16 random hexadecimal digits, in the arena. */
char *elbv2_new_id(struct api_call *call);
/* Load balancers and target groups: 1 to 32 letters, digits and hyphens, none at either end. `what`: "load balancer". */
int elbv2_check_name(struct api_call *call, const char *what, const char *name) MUST_CHECK;
int elbv2_check_tags(struct api_call *call, const struct elbv2_tag_list *tags) MUST_CHECK;

/* ---- Attributes ---- */

/* All attributes of a scope (model/balancer_attributes.h) with the values in `set` or their defaults. */
void elbv2_view_attributes(struct api_call *call, unsigned scope, const struct string_map *set, struct elbv2_attribute_list *ret);

/* ---- Actions and conditions ---- */

/*
 * Checks the actions of a listener or rule and brings them into the form that is stored: every forward has a ForwardConfig, every
 * action an order. What HAProxy cannot do is refused. Fails with ValidationError, TargetGroupNotFound, IncompatibleProtocols,
 * TargetGroupAssociationLimit, TooManyActions, InvalidLoadBalancerAction.
 */
int elbv2_check_actions(struct api_call *call, const struct load_balancer *balancer, enum elbv2_protocol protocol,
                        const struct elbv2_action_list *in, struct elbv2_action_list *ret) MUST_CHECK;
/* The same for conditions: every one has its config, with the old form's Values in it. */
int elbv2_check_conditions(struct api_call *call, const struct elbv2_rule_condition_list *in,
                           struct elbv2_rule_condition_list *ret) MUST_CHECK;
int elbv2_check_transforms(struct api_call *call, const struct elbv2_rule_transform_list *in) MUST_CHECK;
/* As the API shows actions. */
void elbv2_view_actions(struct api_call *call, const struct elbv2_action_list *actions, struct elbv2_action_list *ret);

/* ---- SSL ---- */

/* SSLPolicyNotFound unless there is a policy of that name. */
int elbv2_check_ssl_policy(struct api_call *call, const char *name) MUST_CHECK;
int elbv2_check_certificate(struct api_call *call, const char *arn) MUST_CHECK;

/* ---- Networks ---- */

/* What subnets and security groups of a request come to. */
struct elbv2_placement {
        struct state_balancer_zone_list zones;
        const char *vpc_id;
};
int elbv2_resolve_subnets(struct api_call *call, enum elbv2_load_balancer_type type, const struct string_list *subnets,
                          const struct elbv2_subnet_mapping_list *mappings, struct elbv2_placement *ret) MUST_CHECK;
int elbv2_resolve_groups(struct api_call *call, const char *vpc_id, const struct string_list *groups, struct string_list *ret) MUST_CHECK;
/* Makes the network interfaces of a balancer agree with its zones and groups, within `tx`: fills in their ids and addresses. */
int elbv2_place(struct api_call *call, struct tx *tx, struct state_load_balancer *state) MUST_CHECK;
/* Takes the interfaces away. */
void elbv2_unplace(struct api_call *call, struct tx *tx, const struct state_load_balancer *state);
