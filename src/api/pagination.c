/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: 16 hexadecimal digits that bind them to the list, then the hexadecimal bytes of the last key. */
#include "api/pagination.h"

#include <stdio.h>
#include <string.h>

#include "base/strutil.h"

#define BINDING_DIGITS 16
#define MAX_TOKEN 2048

/* FNV-1a: the same in every process, so that tokens survive a restart. Not a secret: a forged token only skips elements. */
static uint64_t mix(uint64_t h, const char *s)
{
        for (; s != NULL && *s != '\0'; s++)
                h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
        return (h ^ 0xff) * UINT64_C(0x100000001b3);
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The key that a token carries, or NULL when it is not one of this list's. */
static const char *token_key(struct api_call *call, const char *token, uint64_t binding)
{
        char expected[BINDING_DIGITS + 1];
        size_t len = strlen(token), n;
        char *key;

        (void)snprintf(expected, sizeof(expected), "%016llx", (unsigned long long)binding);
        if (len <= BINDING_DIGITS || len > MAX_TOKEN || len % 2 != 0 || strncmp(token, expected, BINDING_DIGITS) != 0)
                return NULL;
        n = (len - BINDING_DIGITS) / 2;
        key = arena_bytes(call->arena, n + 1);
        for (size_t i = 0; i < n; i++) {
                int high = hex_digit(token[BINDING_DIGITS + 2 * i]), low = hex_digit(token[BINDING_DIGITS + 2 * i + 1]);

                if (high < 0 || low < 0 || (high == 0 && low == 0))
                        return NULL;
                key[i] = (char)(high << 4 | low);
        }
        key[n] = '\0';
        return key;
}

int api_page_begin(struct api_call *call, const char *next_token, bool has_max, int max_results, int limit, int standard,
                   const char *binding, struct api_page *ret)
{
        struct api_page page = {.max = (size_t)standard};

        if (has_max && (max_results < 1 || max_results > limit))
                return api_fail(call, "InvalidParameterException", "maxResults: %d is not in 1..%d.", max_results, limit);
        if (has_max)
                page.max = (size_t)max_results;
        page.binding = mix(mix(UINT64_C(0xcbf29ce484222325), call->operation->name), binding);
        if (!str_empty(next_token)) {
                page.after = token_key(call, next_token, page.binding);
                if (page.after == NULL)
                        return api_fail(call, "InvalidParameterException",
                                        "Invalid token. nextToken must be the one of the previous page of the same request.");
        }
        *ret = page;
        return 0;
}

bool api_page_add(struct api_page *page, const char *key)
{
        if (page->n == page->max)
                return false;
        page->n++;
        page->last = key;
        return true;
}

const char *api_page_token(struct api_call *call, const struct api_page *page)
{
        size_t n = strlen(page->last);
        char *token = arena_bytes(call->arena, BINDING_DIGITS + 2 * n + 1);

        (void)snprintf(token, BINDING_DIGITS + 1, "%016llx", (unsigned long long)page->binding);
        for (size_t i = 0; i < n; i++)
                (void)snprintf(token + BINDING_DIGITS + 2 * i, 3, "%02x", (unsigned char)page->last[i]);
        return token;
}
