/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of EC2 Auto Scaling share. */
#pragma once

#include "api/autoscaling.idl.h"
#include "api/call.h"
#include "api/pagination.h"
#include "control/capacity/group.h"

/* Registers all operations. */
void scaling_groups_register(struct api *api);

/* Everything below fails with the client's error in the call and -EINVAL. */

/* A group by its name, not one that is being deleted; ValidationError. */
int scaling_group_find(struct api_call *call, const char *name, struct scaling_group **ret) MUST_CHECK;
/* A machine of any group by its instance id; ValidationError. */
int scaling_machine_find(struct api_call *call, const char *id, struct machine **ret) MUST_CHECK;
/* 1 to 255 printable characters without a '/'. `what`: "AutoScalingGroupName". */
int scaling_name_check(struct api_call *call, const char *what, const char *name) MUST_CHECK;
/* A page of up to `limit` (InvalidNextToken, ValidationError). */
int scaling_page(struct api_call *call, const char *token, bool has_max, int32_t max, int32_t limit, const char *binding,
                 struct api_page *ret) MUST_CHECK;
/* Tags of a request for the group of that name, checked, as descriptions: those of `tags` on top of `old` (NULL: none). */
int scaling_tags_merge(struct api_call *call, const char *group, const struct asg_tag_description_list *old,
                       const struct asg_tag_list *tags, struct asg_tag_description_list *ret) MUST_CHECK;
/* Hooks of a request, checked, put into `hooks` (one of the same name is replaced). */
int scaling_hook_put(struct api_call *call, struct asg_lifecycle_hook_list *hooks, const struct asg_lifecycle_hook *hook) MUST_CHECK;
struct asg_lifecycle_hook scaling_hook_of(const char *group, const struct asg_lifecycle_hook_specification *in);

/* As the API shows them, in the call's arena. */
void scaling_group_view(struct api_call *call, const struct scaling_group *group, bool instances, struct asg_auto_scaling_group *out);
void scaling_activity_view(struct api_call *call, const struct group_activity *activity, struct asg_activity *out);
/* The launch template that a machine was made from; NULL: from none. */
struct asg_launch_template_specification *scaling_template_of(struct api_call *call, const struct state_machine *state);
/* "At T a user request …", for causes. */
const char *scaling_request_cause(struct api_call *call, const char *what);

extern const struct api_route scaling_group_routes[], scaling_group_change_routes[], scaling_machine_routes[], scaling_activity_routes[],
        scaling_hook_routes[], scaling_tag_routes[], scaling_process_routes[], launch_configuration_routes[];
