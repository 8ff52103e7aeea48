/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets that QEMU serves. */
#pragma once

#include "base/macro.h"

/* A non-blocking stream to who listens at `path`, or -errno. */
int unix_socket_connect(const char *path) MUST_CHECK;
