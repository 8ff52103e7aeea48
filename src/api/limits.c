/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of each access key that signs requests: a token bucket, so that one client that runs wild does not starve
 * the others, and the signing keys derived from its secret (five HMACs that would otherwise be most of a request's cost).
 */
#include <stdio.h>
#include <string.h>

#include "api/server_internal.h"
#include "base/alloc.h"
#include "base/strutil.h"

/* Only keys that exist get an entry, so this bounds memory where sessions come and go. */
#define MAX_CALLERS 20000

static void callers_clear(struct api *api)
{
        map_for_each (node, &api->state->callers)
                free(CONTAINER_OF(node, struct caller, node));
        map_done(&api->state->callers);
        map_init(&api->state->callers);
}

void callers_done(struct api *api)
{
        callers_clear(api);
        map_done(&api->state->callers);
}

struct caller *caller_get(struct api *api, const char *key_id, const char *secret)
{
        struct caller *caller = map_get(&api->state->callers, key_id, struct caller, node);

        if (caller != NULL && str_eq(caller->secret, secret))
                return caller;
        if (caller != NULL) {
                map_remove(&api->state->callers, &caller->node);
                free(caller);
        }
        if (api->state->callers.count >= MAX_CALLERS)
                callers_clear(api);
        caller = xalloc(sizeof(*caller));
        (void)snprintf(caller->key_id, sizeof(caller->key_id), "%s", key_id);
        (void)snprintf(caller->secret, sizeof(caller->secret), "%s", secret);
        caller->tokens_u = (int64_t)api->options.burst * 1000000;
        caller->refilled_us = env_mono_us(api->env);
        map_insert(&api->state->callers, &caller->node, caller->key_id);
        return caller;
}

const uint8_t *caller_signing_key(struct caller *caller, const char *secret, const struct sigv4_claim *claim)
{
        struct scope_key *slot;
        char scope[sizeof(slot->scope)];
        int n = snprintf(scope, sizeof(scope), "%s/%s/%s", claim->date, claim->region, claim->service);

        if (n < 0 || (size_t)n >= sizeof(scope))
                return NULL; /* absurdly long: the check derives it itself */
        for (size_t i = 0; i < CALLER_SCOPES; i++)
                if (strcmp(caller->scopes[i].scope, scope) == 0)
                        return caller->scopes[i].key;
        slot = &caller->scopes[caller->next_scope++ % CALLER_SCOPES];
        memcpy(slot->scope, scope, (size_t)n + 1);
        sigv4_signing_key(secret, claim->date, claim->region, claim->service, slot->key);
        return slot->key;
}

bool caller_admit(struct api *api, const char *key_id)
{
        struct caller *caller = map_get(&api->state->callers, key_id, struct caller, node);
        const int64_t full = (int64_t)api->options.burst * 1000000;
        int64_t now, elapsed;

        if (caller == NULL)
                return true;
        now = env_mono_us(api->env);
        elapsed = MIN(now - caller->refilled_us, 3600 * INT64_C(1000000));
        caller->refilled_us = now;
        if (elapsed > 0) /* `rate` a second is `rate` millionths a microsecond */
                caller->tokens_u = MIN(full, caller->tokens_u + elapsed * api->options.rate);
        if (caller->tokens_u < 1000000)
                return false;
        caller->tokens_u -= 1000000;
        return true;
}
