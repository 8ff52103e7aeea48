/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two alarms of a capacity provider's managed scaling in a cluster: TargetTracking-GROUP-AlarmHigh-ID and …-AlarmLow-ID on
 * CapacityProviderReservation, as ECS makes them. They are the record of managed scaling's decisions, not their cause: managed_scaling.c
 * computes the metric from tasks and machines at each change, acts on it in the same moment, and sets the alarms by the same numbers; so
 * no evaluation of the metric's points comes after it, or to another result. What people do to them is put right at once.
 */
#pragma once

#include "model/alarm.h"

#define PROVIDER_METRIC_SPACE "AWS/ECS/ManagedScaling"
#define PROVIDER_METRIC "CapacityProviderReservation"

/* What managed scaling has found. */
struct provider_reading {
        double reservation;
        uint32_t needed, up; /* machines: M and N */
        int32_t target;      /* percent */
        int64_t in_ms;       /* machines go when the reservation has been below the target for so long */
        int64_t low_since;   /* since then; 0: it is not */
        bool high, low;      /* it is time to add machines, to take some away */
};

/* Makes or changes the alarms of `attachment` (as_policy) of the cluster, and sets their states. */
void provider_alarms_tell(struct tx *tx, const char *cluster, const struct state_cluster_attachment *attachment,
                          const struct provider_reading *reading, int64_t now_ms);
void provider_alarms_remove(struct tx *tx, const struct state_cluster_attachment *attachment, int64_t now_ms);
