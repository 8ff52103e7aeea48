/* SPDX-License-Identifier: Apache-2.0 */
/* The server's disk: how long a commit takes, and what a broken one does to it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sim_server;
struct sim_world;

/* Microseconds from the moment that a batch is ready until it is on disk. */
int64_t sim_disk_delay(struct sim_world *world);
/* Puts on disk what waits. False when there was nothing, or when the disk refused and the server has ended for that reason. */
bool sim_disk_write(struct sim_server *server);
