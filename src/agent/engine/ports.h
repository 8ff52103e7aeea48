/* SPDX-License-Identifier: Apache-2.0 */
/* Port mappings of a container: what to ask of the network, and what to report. Pure. */
#pragma once

#include "agent/engine/task.h"
#include "vpc/vpc.h"

/* "FIRST-LAST" of ports 1 to 65535: 0 or -EINVAL. */
int ports_parse_range(const char *text, uint32_t *ret_first, uint32_t *ret_last) MUST_CHECK;
/* What a bridge sandbox is to publish, in the order of the definition. -EINVAL with a message for a mapping that makes no sense. */
int ports_wanted(const struct engine_container *container, struct arena *arena, struct vpc_port **ret, uint32_t *ret_n,
                 struct error *error) MUST_CHECK;
/* What was published, as networkBindings in the task's arena. `ports` has one entry a mapping, as asked for. */
void ports_bindings(struct engine_container *container, const struct vpc_port *ports, uint32_t n);
