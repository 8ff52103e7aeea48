/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counter that orders payloads and manifests of one node, and what a manifest means. Pure. A payload raises the number; a
 * manifest counts only when its own is greater than all seen, since otherwise it was made before a payload that is here already.
 */
#pragma once

#include "agent/engine/engine.h"

struct sequence {
        int64_t latest;        /* -1: none yet */
        char manifest_id[128]; /* message id of the manifest whose verification is awaited; "" none */
};

void sequence_init(struct sequence *sequence, int64_t latest);
/* True when the number was raised. */
bool sequence_take_payload(struct sequence *sequence, const struct acs_payload_message *payload);
/* False for a manifest that is stale or has no number or id: it is dropped without an answer. */
bool sequence_take_manifest(struct sequence *sequence, const struct acs_task_manifest_message *manifest);
/* Tasks that run here and should not, by this manifest. Sets the awaited verification when there are any. */
void sequence_stop_candidates(struct sequence *sequence, const struct acs_task_manifest_message *manifest, const struct engine *engine,
                              struct arena *arena, struct acs_task_identifier_list *ret);
/* Whether a verification answers the last manifest; only once. */
bool sequence_take_verification(struct sequence *sequence, const struct acs_task_stop_verification_ack *ack);
