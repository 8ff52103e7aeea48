/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of Auto Scaling groups share. */
#pragma once

#include "control/capacity/group.h"

/* A group that cannot launch for want of a template or a driver tries again after so long, or when something changes. */
#define GROUP_RETRY_MS 60000

/* One look at one group, in one transaction. */
struct machine_run {
        struct model *model;
        struct tx *tx;
        const struct machine_ops *ops;
        void *ops_data;
        int64_t now_ms;
        int64_t next; /* when to look again */
};

/* One machine: its health, its hooks, the driver. */
void machine_run(struct machine_run *run, struct machine *machine);
