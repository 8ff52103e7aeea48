/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one container, for the engine. */
#pragma once

#include "agent/engine/engine.h"

/* Does what can be done next; true when the state moved. */
bool container_step(struct engine_container *c);
/* After a restart of the agent: sets what belongs to the restored state going (timers, probes). */
void container_restored(struct engine_container *c);
/* The task's stop_within_ms has become less: a stop that is under way hurries up. */
void container_stop_sooner(struct engine_container *c);
void container_cancel_timers(struct engine_container *c);
