/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 and HMAC on OpenSSL's block functions. They are called "deprecated" since OpenSSL 3, but they need neither a fetched
 * algorithm (which would be global state) nor an allocated context, and that counts where a request needs five short hashes: measured
 * on 64 bytes 72 ns against 126 ns with a fetched EVP_MD, 309 ns with SHA256(), and 943 ns for HMAC() alone.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "codec/sha256.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#define BLOCK 64

static void hash_two(const void *a, size_t a_len, const void *b, size_t b_len, uint8_t ret[SHA256_SIZE])
{
        SHA256_CTX context;

        SHA256_Init(&context);
        SHA256_Update(&context, a, a_len);
        SHA256_Update(&context, b, b_len);
        SHA256_Final(ret, &context);
}

void sha256(const void *data, size_t len, uint8_t ret[SHA256_SIZE])
{
        hash_two(data, len, NULL, 0, ret);
}

void hex_encode(const uint8_t *bytes, size_t n, char *ret)
{
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < n; i++) {
                *ret++ = digits[bytes[i] >> 4];
                *ret++ = digits[bytes[i] & 15];
        }
        *ret = '\0';
}

void sha256_hex(const void *data, size_t len, char ret[2 * SHA256_SIZE + 1])
{
        uint8_t digest[SHA256_SIZE];

        sha256(data, len, digest);
        hex_encode(digest, sizeof(digest), ret);
}

/* RFC 2104. */
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret[SHA256_SIZE])
{
        uint8_t inner[BLOCK] = {0}, outer[BLOCK];

        if (key_len > BLOCK)
                sha256(key, key_len, inner);
        else if (key_len > 0)
                memcpy(inner, key, key_len);
        for (size_t i = 0; i < BLOCK; i++) {
                outer[i] = inner[i] ^ 0x5c;
                inner[i] ^= 0x36;
        }
        hash_two(inner, sizeof(inner), data, len, ret);
        hash_two(outer, sizeof(outer), ret, SHA256_SIZE, ret);
        OPENSSL_cleanse(inner, sizeof(inner));
        OPENSSL_cleanse(outer, sizeof(outer));
}
