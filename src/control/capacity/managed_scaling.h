/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Managed scaling of ECS capacity providers: the desired capacity of their Auto Scaling groups follows the tasks.
 *
 *     CapacityProviderReservation = M / N x 100      N machines are up, M machines are needed
 *     desired capacity            = M x 100 / targetCapacity, rounded up
 *
 * Tasks wait as PROVISIONING: M is what there is and as many machines more as packing them takes (what is on its way counts first), at least
 * minimumScalingStepSize and at most maximumScalingStepSize. None waits: M is the machines that have tasks other than daemons', or are on
 * their way. N and M 0: 100; only N 0: 200. Above the target the group grows at once; when it has been below for SCALE_IN_MS, the group
 * shrinks, by half at most each minute. The metric and its alarms (provider_alarms.h) show these numbers. Pure.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"

struct controller;

/* ECS waits for 15 values of a minute. The tag of the capacity provider sets another time in milliseconds. */
#define SCALE_IN_MS (INT64_C(15) * 60 * 1000)
#define SCALE_IN_TAG "gantry:scale-in-ms"
#define SCALE_IN_MAX_MS (INT64_C(24) * 3600 * 1000)
/* The tag's value. -EINVAL: it is no number of milliseconds from 0 to SCALE_IN_MAX_MS. */
int scale_in_ms_read(const char *value, int64_t *ret) MUST_CHECK;

/* Looks at every capacity provider; returns when to look again for time's sake (INT64_MAX: when something changes). */
int64_t managed_scaling_run(struct controller *controller, int64_t now_ms);
