/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that the test sets and randomness that is the same in every run. */
#pragma once

#include "base/env.h"
#include "base/macro.h"

struct fixed_env {
        struct env env;
        int64_t now_ms;
        uint64_t seed;
};

static int64_t fixed_now(struct env *env)
{
        return CONTAINER_OF(env, struct fixed_env, env)->now_ms;
}

static int64_t fixed_mono(struct env *env)
{
        return CONTAINER_OF(env, struct fixed_env, env)->now_ms * 1000;
}

static void fixed_random(struct env *env, void *bytes, size_t n)
{
        struct fixed_env *f = CONTAINER_OF(env, struct fixed_env, env);

        for (size_t i = 0; i < n; i++) {
                f->seed ^= f->seed << 13;
                f->seed ^= f->seed >> 7;
                f->seed ^= f->seed << 17;
                ((unsigned char *)bytes)[i] = (unsigned char)(f->seed >> 32);
        }
}

static inline struct fixed_env fixed_env_make(void)
{
        return (struct fixed_env){
                .env = {fixed_now, fixed_mono, fixed_random}, .now_ms = INT64_C(1767225600000), .seed = 88172645463325252u};
}
