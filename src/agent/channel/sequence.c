/* SPDX-License-Identifier: Apache-2.0 */
/* Sequence numbers and manifests. */
#include "agent/channel/sequence.h"

#include <stdio.h>

#include "base/strutil.h"

void sequence_init(struct sequence *sequence, int64_t latest)
{
        *sequence = (struct sequence){.latest = latest};
}

bool sequence_take_payload(struct sequence *sequence, const struct acs_payload_message *payload)
{
        if (!SHAPE_HAS(payload, acs_payload_message, seq_num) || payload->seq_num <= sequence->latest)
                return false;
        sequence->latest = payload->seq_num;
        return true;
}

bool sequence_take_manifest(struct sequence *sequence, const struct acs_task_manifest_message *manifest)
{
        if (str_empty(manifest->message_id) || !SHAPE_HAS(manifest, acs_task_manifest_message, timeline) ||
            manifest->timeline <= sequence->latest)
                return false;
        sequence->latest = manifest->timeline;
        sequence->manifest_id[0] = '\0';
        return true;
}

static bool wants(const struct acs_task_manifest_message *manifest, const char *arn)
{
        for (uint32_t i = 0; i < manifest->tasks.n; i++) {
                if (str_eq(manifest->tasks.items[i].task_arn, arn) && str_eq(manifest->tasks.items[i].desired_status, "RUNNING"))
                        return true;
        }
        return false;
}

void sequence_stop_candidates(struct sequence *sequence, const struct acs_task_manifest_message *manifest, const struct engine *engine,
                              struct arena *arena, struct acs_task_identifier_list *ret)
{
        *ret = (struct acs_task_identifier_list){0};
        list_for_each (task, &engine->order, struct engine_task, link) {
                if (task->stop_wanted || wants(manifest, task->arn))
                        continue;
                struct acs_task_identifier *candidate = SHAPE_PUSH(arena, ret);

                candidate->task_arn = task->arn;
                candidate->task_cluster_arn = task->payload->task_cluster_arn;
                candidate->desired_status = "STOPPED";
        }
        if (ret->n > 0)
                (void)snprintf(sequence->manifest_id, sizeof(sequence->manifest_id), "%s", manifest->message_id);
}

bool sequence_take_verification(struct sequence *sequence, const struct acs_task_stop_verification_ack *ack)
{
        if (str_empty(ack->message_id) || !str_eq(ack->message_id, sequence->manifest_id))
                return false;
        sequence->manifest_id[0] = '\0';
        return true;
}
