/* SPDX-License-Identifier: Apache-2.0 */
/* The larger parts of spec_make. */
#pragma once

#include "agent/engine/spec.h"

/* The definition's variables and those that ECS adds. */
void spec_put_env(const struct engine_container *c, const struct spec_context *context, struct arena *arena,
                  struct runtime_container_spec *spec);
/* mountPoints, volumesFrom and tmpfs, each destination once: the container's own win. */
void spec_put_mounts(const struct engine_container *c, const struct spec_context *context, struct arena *arena,
                     struct runtime_container_spec *spec);
