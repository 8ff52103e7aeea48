/* SPDX-License-Identifier: Apache-2.0 */
/* Growing delays between tries, with jitter so that many nodes do not come back in step. Pure. */
#pragma once

#include <stdint.h>

#include "base/env.h"

struct backoff {
        uint32_t min_ms, max_ms;
        double factor;  /* of growth from one delay to the next */
        double jitter;  /* 0.2: up to a fifth more */
        double next_ms; /* private; 0 after a reset */
};

/* The delay before the next try, in milliseconds; grows with each call. */
uint32_t backoff_next(struct backoff *backoff, struct env *env);
/* After a success. */
void backoff_reset(struct backoff *backoff);
