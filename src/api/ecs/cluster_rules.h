/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand in a cluster: settings, configuration, capacity providers and strategies. */
#pragma once

#include "api/ecs/common.h"

/* Tags of a cluster: those that mean something to this server must have values that can be. */
int cluster_check_tags(struct api_call *call, const struct ecs_tag_list *tags) MUST_CHECK;
int cluster_check_settings(struct api_call *call, const struct ecs_cluster_setting_list *settings) MUST_CHECK;
/* `old` (NULL: the account's defaults for the caller) with `given` on top; in the call's arena. */
struct ecs_cluster_setting_list cluster_settings(struct api_call *call, const struct ecs_cluster_setting_list *old,
                                                 const struct ecs_cluster_setting_list *given);
/* NULL is fine. */
int cluster_check_configuration(struct api_call *call, const struct ecs_cluster_configuration *configuration) MUST_CHECK;
/* NamespaceNotFoundException for an ARN: there is no service discovery yet. A name is kept for later. */
int cluster_check_namespace(struct api_call *call, const char *name) MUST_CHECK;

/* Providers of a cluster must exist, the strategy may only name them. */
int cluster_check_providers(struct api_call *call, const struct string_list *providers,
                            const struct ecs_capacity_provider_strategy_item_list *strategy) MUST_CHECK;
/* The rules of a strategy alone; `providers` are those of the cluster. Also for RunTask and services. */
int cluster_check_strategy(struct api_call *call, const struct string_list *providers,
                           const struct ecs_capacity_provider_strategy_item_list *strategy) MUST_CHECK;
/* Tags of a capacity provider, as cluster_check_tags. */
int capacity_provider_check_tags(struct api_call *call, const struct ecs_tag_list *tags) MUST_CHECK;
/* FARGATE or FARGATE_SPOT, which every account has. */
bool capacity_provider_predefined(const char *name);
