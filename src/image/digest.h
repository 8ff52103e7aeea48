/* SPDX-License-Identifier: Apache-2.0 */
/* Content digests as images use them: "sha256:" and 64 lower-case hexadecimal digits. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

#define DIGEST_TEXT_MAX 72 /* with the NUL */
#define DIGEST_HEX 64

struct evp_md_ctx_st;
struct digest {
        struct evp_md_ctx_st *ctx;
};

void digest_init(struct digest *digest);
void digest_update(struct digest *digest, const void *data, size_t len);
/* Writes the text and frees the context. */
void digest_final(struct digest *digest, char ret[DIGEST_TEXT_MAX]);
/* Frees without a result. An all-zero digest is fine. */
void digest_done(struct digest *digest);

void digest_bytes(const void *data, size_t len, char ret[DIGEST_TEXT_MAX]);
/* The only algorithm that the store speaks; everything else is false. */
bool digest_is_valid(const char *text);
/* The hexadecimal part of a valid digest. */
const char *digest_hex(const char *text);
