/* SPDX-License-Identifier: Apache-2.0 */
/* Delays between tries. */
#include "agent/channel/backoff.h"

#include "base/macro.h"

uint32_t backoff_next(struct backoff *backoff, struct env *env)
{
        uint32_t random = 0;

        if (backoff->next_ms < backoff->min_ms)
                backoff->next_ms = backoff->min_ms;
        double delay = backoff->next_ms;
        backoff->next_ms = MIN(delay * backoff->factor, (double)backoff->max_ms);
        env->random(env, &random, sizeof(random));
        return (uint32_t)(delay * (1.0 + backoff->jitter * ((double)random / UINT32_MAX)));
}

void backoff_reset(struct backoff *backoff)
{
        backoff->next_ms = 0;
}
