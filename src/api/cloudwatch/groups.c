/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of Auto Scaling groups, and of the capacity providers that scale them. */
#include "api/cloudwatch/common.h"
#include "api/cloudwatch/sources.h"
#include "api/server.h"
#include "base/strutil.h"
#include "control/capacity/group.h"
#include "control/capacity/provider_alarms.h"
#include "control/capacity/providers.h"

#define GROUP_SPACE "AWS/AutoScaling"

/* Of capacity providers with managed scaling, for each cluster that has them. */
static void provider_metrics(struct api *api, const struct cluster *cluster, int64_t now_ms)
{
        for (uint32_t i = 0; i < cluster->state->capacity_providers.n; i++) {
                const char *name = provider_name_in(cluster->state->capacity_providers.items[i]);
                const struct capacity_provider *provider = model_capacity_provider(api->model, name);
                const struct ecs_auto_scaling_group_provider *p =
                        provider != NULL ? provider->state->provider->auto_scaling_group_provider : NULL;
                const struct scaling_group *group = model_provider_group(api->model, name);
                const struct metric_dimension dimensions[] = {{"CapacityProviderName", name}, {"ClusterName", cluster->state->name}};

                if (group != NULL && p != NULL && p->managed_scaling != NULL &&
                    p->managed_scaling->status == ECS_MANAGED_SCALING_STATUS_ENABLED)
                        cloudwatch_add(api, PROVIDER_METRIC_SPACE, PROVIDER_METRIC, dimensions, 2, group->reservation,
                                       CLOUDWATCH_STANDARD_UNIT_PERCENT, now_ms);
        }
}

/* Of an Auto Scaling group: those that EnableMetricsCollection named. */
static void group_metrics(struct api *api, const struct scaling_group *group, int64_t now_ms)
{
        const struct asg_auto_scaling_group *g = group->state->group;
        const struct metric_dimension dimension = {"AutoScalingGroupName", g->auto_scaling_group_name};
        double pending = 0, in_service = 0, terminating = 0;

        list_for_each (machine, &group->machines, struct machine, in_group) {
                bool live = machine_is_live(machine);

                terminating += !live;
                in_service += machine->state->state == ASG_LIFECYCLE_STATE_INSERVICE;
                pending += live && machine->state->state != ASG_LIFECYCLE_STATE_INSERVICE;
        }
        for (uint32_t i = 0; i < g->enabled_metrics.n; i++) {
                const struct {
                        const char *name;
                        double value;
                } rows[] = {{"GroupMinSize", g->min_size},
                            {"GroupMaxSize", g->max_size},
                            {"GroupDesiredCapacity", g->desired_capacity},
                            {"GroupInServiceInstances", in_service},
                            {"GroupPendingInstances", pending},
                            {"GroupTerminatingInstances", terminating},
                            {"GroupTotalInstances", (double)group->n_machines}};

                for (size_t j = 0; j < ARRAY_SIZE(rows); j++)
                        if (str_eq(rows[j].name, g->enabled_metrics.items[i].metric))
                                cloudwatch_add(api, GROUP_SPACE, rows[j].name, &dimension, 1, rows[j].value, CLOUDWATCH_STANDARD_UNIT_NONE,
                                               now_ms);
        }
}

void cloudwatch_collect_groups(struct api *api, int64_t now_ms)
{
        tree_for_each (node, model_objects(api->model, OBJECT_SCALING_GROUP))
                group_metrics(api, MODEL_OBJECT(node, scaling_group), now_ms);
}

void cloudwatch_collect_providers(struct api *api, int64_t now_ms)
{
        if (model_objects(api->model, OBJECT_CAPACITY_PROVIDER)->count == 0)
                return;
        tree_for_each (node, model_objects(api->model, OBJECT_CLUSTER))
                provider_metrics(api, MODEL_OBJECT(node, cluster), now_ms);
}
