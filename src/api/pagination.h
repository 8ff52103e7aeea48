/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of a list: nextToken is opaque, says after which key the list goes on, and is bound to the operation and to the request's
 * other members by a check value, so that a token of another list is refused. Nothing is kept on the server, and a token stays
 * good when objects come and go meanwhile.
 */
#pragma once

#include "api/call.h"

struct api_page {
        const char *after; /* key of the last element that the client has, or NULL at the start */
        size_t max;        /* elements in this page */
        size_t n;          /* elements so far */
        const char *last;  /* key of the newest element in this page */
        uint64_t binding;
};

/*
 * `max_results` of the request (use 0 when absent), checked against 1..limit; absent means `standard`. `binding` is any text that
 * must stay the same from page to page (filters of the request), or NULL. InvalidParameterException for a bad number or token.
 */
int api_page_begin(struct api_call *call, const char *next_token, bool has_max, int max_results, int limit, int standard,
                   const char *binding, struct api_page *ret) MUST_CHECK;
/* Counts an element with `key` in; false when the page is full: stop, there is more (api_page_token then gives the token). */
bool api_page_add(struct api_page *page, const char *key);
/* The token for what follows the page, in the call's arena. Call it only when api_page_add has returned false. */
const char *api_page_token(struct api_call *call, const struct api_page *page);
