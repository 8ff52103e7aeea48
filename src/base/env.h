/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pure parts of the program may know of the world: the time and randomness. The simulator passes its own, so
 * that a run is repeatable bit for bit. Anything in model/, sched/ and control/ that reads a clock in another way is a bug.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct env {
        int64_t (*now_ms)(struct env *env);  /* wall clock, milliseconds since 1970 */
        int64_t (*mono_us)(struct env *env); /* monotonic, microseconds */
        void (*random)(struct env *env, void *bytes, size_t n);
};

/* The real clock and getrandom. Static; thread-safe. */
struct env *env_system(void);

static inline int64_t env_now_ms(struct env *env)
{
        return env->now_ms(env);
}
static inline int64_t env_mono_us(struct env *env)
{
        return env->mono_us(env);
}
/* `digits` lower-case hexadecimal digits and a NUL into `ret` (digits + 1 bytes). */
void env_random_hex(struct env *env, char *ret, size_t digits);
/* A version 4 UUID: 36 characters and a NUL. */
void env_random_uuid(struct env *env, char ret[37]);
