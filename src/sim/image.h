/* SPDX-License-Identifier: Apache-2.0 */
/* How containers of an image behave in the simulated world. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct sim_image {
        struct list link; /* world->images */
        int64_t pull_us;  /* on a node that does not have it; and half to twice as long by chance */
        int64_t start_us;
        int64_t exit_us; /* runs so long and ends by itself; 0: runs until it is stopped */
        int64_t stop_us; /* from SIGTERM to its end */
        int32_t exit_code;
        bool missing;         /* cannot be pulled */
        int64_t healthy_us;   /* of containers with a health check: first HEALTHY after so long */
        int64_t unhealthy_us; /* and UNHEALTHY so long after the start; 0: never */
        char name[64];
};

struct sim_world;
/* Made with ordinary behaviour when there was none of that name. */
struct sim_image *sim_image(struct sim_world *world, const char *name);
