/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version consistency: all tasks of a deployment run the same image although tags move. The first task of a revision that runs says
 * which digest its tags stood for; the revision remembers it (containerImages), and later tasks are told the digest.
 */
#pragma once

#include "base/arena.h"
#include "model/service.h"

/* What the container of the task should run: "repository@sha256:…" once that is known, else the definition's image. In `arena`. */
const char *service_image(const struct task *task, const struct ecs_container_definition *container, struct arena *arena);
