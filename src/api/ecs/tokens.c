/* SPDX-License-Identifier: Apache-2.0 */
/* Client tokens as objects of the model. */
#include "api/ecs/tokens.h"

#include <string.h>

#include "base/strutil.h"

/* Operation and cluster are part of the key: the same token may be used for another kind of request. */
static const char *key_of(struct api_call *call, const char *cluster, const char *token)
{
        return arena_printf(call->arena, "%s/%s/%s", call->operation->name, cluster, token);
}

int ecs_token_find(struct api_call *call, const char *cluster, const char *token, const char *digest, struct client_token **ret)
{
        *ret = NULL;
        if (str_empty(token))
                return 0;
        *ret = model_client_token(call->model, key_of(call, cluster, token));
        if (*ret && (*ret)->state->expires_at <= call->now_ms)
                *ret = NULL;
        if (*ret && !str_eq((*ret)->state->digest, digest))
                return api_fail(call, "ConflictException",
                                "The client token %.64s was used in a request with other parameters: use a new token for each new request.",
                                token);
        return 0;
}

void ecs_token_remember(struct api_call *call, struct tx *tx, const char *cluster, const char *token, const char *digest,
                        const struct string_list *ids, int64_t keep_ms)
{
        struct state_client_token state = {.digest = digest, .task_ids = *ids, .expires_at = call->now_ms + keep_ms};
        struct client_token *old;

        if (str_empty(token))
                return;
        state.key = key_of(call, cluster, token);
        old = model_client_token(call->model, state.key);
        if (old) /* it has expired */
                tx_put(tx, &old->object, &state);
        else
                (void)tx_insert(tx, OBJECT_CLIENT_TOKEN, &state);
}
