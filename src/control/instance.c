/* SPDX-License-Identifier: Apache-2.0 */
/* See instance.h. */
#include "control/instance.h"

#include "control/task.h"
#include "control/task_network.h"

void instance_set_status(struct tx *tx, struct instance *instance, enum state_instance_status status)
{
        struct state_container_instance *state;

        if (instance->state->status == status)
                return;
        state = tx_edit(tx, &instance->object);
        state->status = status;
        SHAPE_SET(state, state_container_instance, version, state->version + 1);
        tx_put(tx, &instance->object, state);
}

void instance_deregister(struct tx *tx, struct instance *instance, enum ecs_task_stop_code code, const char *reason, int64_t now_ms)
{
        struct state_container_instance *state;

        list_for_each (task, &instance->tasks, struct task, in_instance) {
                struct state_task *t = tx_edit(tx, &task->object);

                if (task_finish(t, code, reason, now_ms))
                        task_put(tx_model(tx), tx, task, t);
        }
        state = tx_edit(tx, &instance->object);
        state->status = STATE_INSTANCE_STATUS_INACTIVE;
        state->inactive_at = now_ms;
        SHAPE_SET(state, state_container_instance, version, state->version + 1);
        tx_put(tx, &instance->object, state);
}
