/* SPDX-License-Identifier: Apache-2.0 */
/* What signing and checking share. Private to codec. */
#pragma once

#include "base/buf.h"
#include "codec/sigv4.h"

#define SIGV4_ALGORITHM "AWS4-HMAC-SHA256"

/* As sigv4_canonical_request, into a buffer. */
void sigv4_append_canonical(struct buf *out, const struct sigv4_request *req, const char *signed_headers, bool presigned,
                            bool normalize_path);
void sigv4_signature_by_key(const uint8_t key[32], const char *string_to_sign, char ret[65]);
/* Whether the header has that name, in any case. */
bool sigv4_header_is(const struct sigv4_header *header, const char *name, size_t len);
