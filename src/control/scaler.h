/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the controller that scales services as time passes: runs scheduled actions when they are due, asks the policies at the pace of
 * their metrics. Decisions and changes are control/scaling.h's. A schedule that fell due while no server ran is made up for once.
 */
#pragma once

#include <stdint.h>

#include "model/scaling.h"

struct controller_ops;

/* Ends of points of the metrics that are kept fine, and of all others. */
#define SCALING_FINE_MS 2000
#define SCALING_COARSE_MS 60000

/* No transaction may be open. Returns when to run again (ms), or INT64_MAX. `ops` may be NULL. */
int64_t scaler_run(struct model *model, const struct controller_ops *ops, void *data, int64_t now_ms);
/* The alarm of a step scaling policy is in ALARM; `distance` is its metric less its threshold, `alarm` its name. The same call serves again
 * while it stays so. No transaction may be open. */
void scaler_alarm(struct model *model, struct scaling_policy *policy, const char *alarm, double distance, int64_t now_ms);
