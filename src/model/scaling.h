/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Application Auto Scaling in the model: a scalable target is a service that somebody has registered, known by its resource id
 * "service/CLUSTER/SERVICE"; policies, scheduled actions and activities belong to it by that id and go with it.
 */
#pragma once

#include "model/service.h"

/* Activities that a target keeps. */
#define SCALING_ACTIVITIES 100

struct scalable_target {
        struct object object; /* key "service/CLUSTER/SERVICE" */
        const struct state_scalable_target *state;
};

struct scaling_policy {
        struct object object; /* key "service/CLUSTER/SERVICE/NAME" */
        const struct state_scaling_policy *state;
};

struct scheduled_action {
        struct object object; /* key "service/CLUSTER/SERVICE/NAME" */
        const struct state_scheduled_action *state;
};

struct scaling_activity {
        struct object object; /* key "service/CLUSTER/SERVICE/NN" */
        const struct state_scaling_activity *state;
};

/* Each NULL when there is none. */
struct scalable_target *model_scalable_target(struct model *model, const char *resource_id);
struct scaling_policy *model_scaling_policy(struct model *model, const char *resource_id, const char *name);
struct scheduled_action *model_scheduled_action(struct model *model, const char *resource_id, const char *name);
/* By its ARN; NULL also when another policy has that name now. */
struct scaling_policy *model_scaling_policy_of_arn(struct model *model, const char *arn);
/* The ACTIVE service that a resource id means, or NULL. */
struct service *model_scaled_service(struct model *model, const char *resource_id);
/* The first of what a target has of one of the kinds above, and what comes after `object`; NULL at the end. All of them start with
 * their resource id, so an object may be removed once the next is known. */
struct object *model_scaling_first(struct model *model, enum object_kind kind, const char *resource_id);
struct object *model_scaling_next(const struct object *object, const char *resource_id);

/* Names, in `arena`, as AWS makes them. */
char *model_scalable_target_arn(const struct model *model, struct arena *arena, const struct state_scalable_target *state);
char *model_scaling_policy_arn(const struct model *model, struct arena *arena, const struct state_scaling_policy *state);
char *model_scheduled_action_arn(const struct model *model, struct arena *arena, const struct state_scheduled_action *state);
