/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and HMAC-SHA-256 without allocation: thread-safe, no state outside the arguments. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

void sha256(const void *data, size_t len, uint8_t ret[SHA256_SIZE]);
/* 64 lower-case hexadecimal digits and a NUL. */
void sha256_hex(const void *data, size_t len, char ret[2 * SHA256_SIZE + 1]);
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret[SHA256_SIZE]);
/* `n` bytes as 2n lower-case hexadecimal digits and a NUL. */
void hex_encode(const uint8_t *bytes, size_t n, char *ret);
