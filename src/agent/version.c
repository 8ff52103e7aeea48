/* SPDX-License-Identifier: Apache-2.0 */
/* Escaping for query strings. */
#include "agent/version.h"

#include <stdio.h>
#include <string.h>

const char *uri_encode(const char *text, struct arena *arena)
{
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
        char *out = arena_bytes(arena, strlen(text) * 3 + 1), *p = out;

        for (; *text != '\0'; text++) {
                if (strchr(plain, *text) != NULL)
                        *p++ = *text;
                else
                        p += sprintf(p, "%%%02X", (unsigned char)*text);
        }
        *p = '\0';
        return out;
}
