/* SPDX-License-Identifier: Apache-2.0 */
/* Any pattern (up to the first zero byte) on any message (the rest). */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "logs/filter_pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
        size_t n = end != NULL ? (size_t)(end - data) : size;
        CLEANUP_FREE char *text = xstrndup((const char *)data, n);
        /* A block of its own, so that reading beyond the message is seen. */
        size_t len = end != NULL ? size - n - 1 : 0;
        CLEANUP_FREE char *message = xalloc(len + (len == 0));
        struct filter_pattern *pattern = NULL;
        struct error error = {0};

        if (len > 0)
                memcpy(message, end + 1, len);
        if (filter_pattern_parse(text, &pattern, &error) == 0)
                (void)filter_pattern_match(pattern, message, len);
        (void)filter_pattern_free(pattern);
        return 0;
}
