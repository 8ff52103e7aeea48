/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images, containers and sandboxes that exist only in memory, in place of the libraries of the same functions: a whole node runs in a
 * test without root. They outlive the node, as real ones do.
 */
#pragma once

#include "image/image.h"
#include "runtime/runtime.h"
#include "vpc/vpc.h"

struct fakes {
        const char *missing_image; /* pulls of it fail */
        const char *failing_start; /* a container whose id contains this does not start */
        uint32_t starts, stops, removals;
        char log_dir[200]; /* where containers write */
};
extern struct fakes fakes;

/* Ends a running container by itself. NULL ids end all. */
void fakes_exit(const char *id_part, int code, enum runtime_exit_cause cause);
/* As if the machine had been rebooted. */
void fakes_reboot(void);
/* Appends a line to the log of the container whose id contains `id_part`. */
void fakes_log(const char *id_part, const char *text);
uint32_t fakes_running(void);
/* Forgets everything. */
void fakes_reset(void);
