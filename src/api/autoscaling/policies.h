/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of scaling policies. */
#pragma once

#include "api/autoscaling/common.h"

/* The policy that the request asks for: its type (StepScaling when absent) and its one configuration; ValidationException with what is wrong
 * and what would be right. `existing` NULL: a new one. */
int autoscaling_check_policy(struct api_call *call, const struct aas_put_scaling_policy_request *in, const struct scaling_policy *existing,
                             enum aas_policy_type *ret_type) MUST_CHECK;
