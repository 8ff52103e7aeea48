/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a start of the agent: the tasks that the disk knows and the containers and sandboxes that the machine has are brought
 * together. Running containers are taken over as they are; those that ended meanwhile are reported; what nobody knows goes.
 */
#pragma once

#include "agent/driver/driver.h"

/* Reads all tasks; records that cannot be used are moved aside. Blocks for a while. */
void adopt_tasks(struct driver *driver, struct engine *engine);
