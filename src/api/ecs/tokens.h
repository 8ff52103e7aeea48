/* SPDX-License-Identifier: Apache-2.0 */
/* Client tokens: the same request made again does nothing and gets the same answer; another request with its token is a conflict. */
#pragma once

#include "api/call.h"
#include "model/model.h"

/*
 * The earlier request of this operation with `token` in `cluster`, or NULL (also for an empty token). `digest` says what that
 * request asked for. ConflictException when it asked for something else.
 */
int ecs_token_find(struct api_call *call, const char *cluster, const char *token, const char *digest, struct client_token **ret) MUST_CHECK;
/* Remembers in `tx` what the request made. An empty token is not remembered. */
void ecs_token_remember(struct api_call *call, struct tx *tx, const char *cluster, const char *token, const char *digest,
                        const struct string_list *ids, int64_t keep_ms);
