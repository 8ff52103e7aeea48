/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What capacity providers over Auto Scaling groups attach to the clusters that list them, as DescribeClusters shows it:
 *
 *     as_policy         managed scaling: the scaling policy ECSManagedAutoScalingPolicy-ID, with its alarms (provider_alarms.h)
 *     managed_draining  the lifecycle hook that empties machines
 *
 * The API changes providers and clusters; the attachments follow at the end of the loop's turn. Pure.
 */
#pragma once

#include "model/model.h"

#define ATTACHMENT_POLICY "as_policy"
#define ATTACHMENT_DRAINING "managed_draining"

/* Gives every cluster the attachments that it should have, and takes away the others with their alarms. No transaction may be open. */
void attachments_run(struct model *model, int64_t now_ms);
/* UPDATE_COMPLETE; UPDATE_IN_PROGRESS: attachments_run has something to do; UPDATE_FAILED: the group of a provider is gone. NULL: the
 * cluster has no provider that attaches anything. */
const char *attachments_status(struct model *model, const struct cluster *cluster);
/* ECSManagedAutoScalingPolicy-ID, in `arena`. */
const char *attachment_policy_name(struct arena *arena, const char *id);
/* The cluster's attachment of the provider's managed scaling, or NULL. */
const struct state_cluster_attachment *attachment_of_policy(const struct cluster *cluster, const char *provider);
