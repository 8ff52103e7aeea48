/* SPDX-License-Identifier: Apache-2.0 */
/* Container instances as the API shows them, and who may speak for one. */
#pragma once

#include "api/call.h"
#include "api/ecs.idl.h"
#include "model/model.h"

/* Fills `out`; strings point into the model's state or the call's arena. `include`: TAGS, CONTAINER_INSTANCE_HEALTH. */
void ecs_view_instance(struct api_call *call, const struct instance *instance, const struct int_list *include,
                       struct ecs_container_instance *out);
/* InvalidParameterException when the cluster has no such instance (also an INACTIVE one is found). */
int ecs_need_instance(struct api_call *call, struct cluster *cluster, const char *text, struct instance **ret) MUST_CHECK;
/* AccessDeniedException when the caller's key is a node's and did not register this instance. */
int ecs_own_instance(struct api_call *call, const struct instance *instance) MUST_CHECK;
/* Value of an attribute; NULL when the instance has no such attribute, "" when it has no value. */
const char *ecs_instance_attribute(const struct instance *instance, const char *name);
