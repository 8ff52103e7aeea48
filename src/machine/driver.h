/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the machines of Auto Scaling groups by running a program: PROGRAM create | destroy | list, with a machine_order (api/machine.idl)
 * as JSON on its standard input. The contract is in docs/capacity.md. The built-in driver for QEMU is such a program as well.
 *
 * A verb for a machine runs once at a time, and only when the state that asks for it is durable. What a program writes to standard error
 * goes to the log; its last line is the reason when it fails. Every minute the driver is asked what it has: a machine that it lost is
 * reported, one that nobody wants is destroyed. On the loop's thread.
 */
#pragma once

#include <uv.h>

#include "base/env.h"
#include "control/capacity/group.h"

struct machine_driver;

struct machine_driver_options {
        uv_loop_t *loop;
        struct model *model; /* outlives the driver */
        struct env *env;
        const char *program;    /* words: the program, and arguments before the verb, separated by blanks; copied */
        const char *server_url; /* that agents connect to; copied */
        int64_t timeout_ms;     /* of one run; then its process group is killed. 0: five minutes */
        int64_t list_ms;        /* from one list to the next; 0: a minute */
        /* Inserts the key that a machine joins with: see struct machine_ops. */
        const char *(*join_key)(struct model *model, struct tx *tx, const char *machine);
};

/* Never NULL. */
struct machine_driver *machine_driver_new(const struct machine_driver_options *options);
/* Ends what runs (it is started again by the next server). The loop must turn once more. NULL is fine. Returns NULL. */
struct machine_driver *machine_driver_free(struct machine_driver *driver);
/* For the controller; `data` is the driver. */
extern const struct machine_ops machine_driver_ops;
