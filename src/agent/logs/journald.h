/* SPDX-License-Identifier: Apache-2.0 */
/* Sending lines to systemd's journal in its native protocol. */
#pragma once

#include <stddef.h>

#include "agent/engine/task.h"
#include "base/error.h"

/* A socket, or -errno with a message when this machine has no journal. */
int journald_open(struct error *error) MUST_CHECK;
/* The fields that all lines of a container have, as they go in front of each. */
void journald_fields(const struct engine_container *c, const char *tag, struct buf *out);
/* Blocks while the journal is busy. -errno. */
int journald_send(int fd, const struct buf *fields, bool is_stderr, const char *text, size_t len) MUST_CHECK;
