/* SPDX-License-Identifier: Apache-2.0 */
/* The default seccomp profile of containers. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "runtime/capabilities.h"

/* Appends the profile, as the JSON of linux.seccomp, for a container with these capabilities (bit per enum capability). Pure. */
void seccomp_default_profile(uint64_t capabilities, struct buf *out);

/*
 * The same profile as a compiled program in base64: compiling takes about 8 ms, most of a container's start, and there are only a few
 * different sets of capabilities. Thread-safe. The text lives as long as the cache; NULL when it cannot be compiled.
 */
struct seccomp_cache;
struct seccomp_cache *seccomp_cache_new(void);
const char *seccomp_cache_get(struct seccomp_cache *cache, uint64_t capabilities);
/* NULL is fine. Returns NULL. */
struct seccomp_cache *seccomp_cache_free(struct seccomp_cache *cache);
