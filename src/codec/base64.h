/* SPDX-License-Identifier: Apache-2.0 */
/* Base64, the standard alphabet with padding (RFC 4648 section 4). */
#pragma once

#include <stddef.h>

#include "base/buf.h"

/* Bytes of the text of `len` bytes, without a NUL. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* Writes BASE64_LEN(len) characters and a NUL to `ret`. */
void base64_encode(const void *data, size_t len, char *ret);
void base64_append(struct buf *out, const void *data, size_t len);
/* Strict: padded, no white space, no bits left over. `ret` needs len / 4 * 3 bytes and may be `text` itself. -EINVAL. */
int base64_decode(const char *text, size_t len, void *ret, size_t *ret_len) MUST_CHECK;
