/* SPDX-License-Identifier: Apache-2.0 */
/* The default seccomp profile of containers. Pure. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "runtime/capabilities.h"

/* Appends the profile, as the JSON of linux.seccomp, for a container with these capabilities (bit per enum capability). */
void seccomp_default_profile(uint64_t capabilities, struct buf *out);
