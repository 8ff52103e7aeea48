/* SPDX-License-Identifier: Apache-2.0 */
/* One process per data directory: a lock file that names its holder. */
#pragma once

#include "base/error.h"

/*
 * Takes DIR/state.lock, creating it when missing. Returns the file descriptor that holds the lock (closing it, or the end of the
 * process however it comes, releases it), or -EBUSY with a message that names the process which holds it, or another -errno.
 */
int store_lock(const char *dir, struct error *error) MUST_CHECK;
