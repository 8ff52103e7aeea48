/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of Application Auto Scaling share. */
#pragma once

#include "api/application-autoscaling.idl.h"
#include "api/call.h"
#include "api/pagination.h"
#include "model/scaling.h"

/* Registers all operations. */
void autoscaling_register(struct api *api);

/* Everything below fails with the client's error in the call and -EINVAL. */

/* This server scales the namespace ecs, its dimension and resource ids service/CLUSTER/SERVICE: ValidationException for others. `dimension`
 * and `resource_id` may be absent where a request may leave them out. */
int autoscaling_check(struct api_call *call, enum aas_service_namespace space, const char *resource_id,
                      enum aas_scalable_dimension dimension) MUST_CHECK;
/* The registered target, or ObjectNotFoundException in the words that are used when something is put on it. */
int autoscaling_find_target(struct api_call *call, const char *resource_id, struct scalable_target **ret) MUST_CHECK;
/* Names of policies and actions are parts of ARNs: no control characters, no '|', ':' or '/'. */
int autoscaling_check_name(struct api_call *call, const char *member, const char *name) MUST_CHECK;
/* How many objects of the kind the target has. */
uint32_t autoscaling_count(struct api_call *call, enum object_kind kind, const char *resource_id);
/* A page of 1 to 50; InvalidNextTokenException for a token of another list. */
int autoscaling_page(struct api_call *call, const char *token, bool has_max, int max_results, const char *binding,
                     struct api_page *ret) MUST_CHECK;
/* One page of objects of a kind that pass `show`, which appends the object to the answer. */
typedef void (*autoscaling_show_fn)(struct api_call *call, const struct object *object, const void *input, void *output);
typedef bool (*autoscaling_match_fn)(const struct object *object, const void *input);
struct autoscaling_list {
        enum object_kind kind;
        const char *resource_id; /* NULL: of all targets */
        autoscaling_match_fn match;
        autoscaling_show_fn show;
};
void autoscaling_fill(struct api_call *call, const struct autoscaling_list *list, struct api_page *page, const void *input, void *output,
                      const char **ret_token);

/* For struct controller_ops: the load that a predictive policy names, by the hour. */
uint32_t autoscaling_load_history(const struct api *api, const struct state_scaling_policy *policy, int64_t now_ms, struct arena *arena,
                                  double **ret);

extern const struct api_route autoscaling_forecast_routes[], autoscaling_target_routes[], autoscaling_policy_routes[],
        autoscaling_action_routes[], autoscaling_activity_routes[], autoscaling_tag_routes[];
