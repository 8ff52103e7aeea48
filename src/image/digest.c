/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 digests, by OpenSSL. */
#include "image/digest.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#define PREFIX "sha256:"

void digest_init(struct digest *digest)
{
        digest->ctx = EVP_MD_CTX_new();
        /* Can only fail for want of memory or of the algorithm: nothing works then. */
        if (digest->ctx == NULL || EVP_DigestInit_ex(digest->ctx, EVP_sha256(), NULL) != 1)
                abort();
}

void digest_update(struct digest *digest, const void *data, size_t len)
{
        if (EVP_DigestUpdate(digest->ctx, data, len) != 1)
                abort();
}

void digest_final(struct digest *digest, char ret[DIGEST_TEXT_MAX])
{
        unsigned char hash[EVP_MAX_MD_SIZE];
        unsigned int len = 0;

        if (EVP_DigestFinal_ex(digest->ctx, hash, &len) != 1 || len != DIGEST_HEX / 2)
                abort();
        memcpy(ret, PREFIX, sizeof(PREFIX));
        for (unsigned int i = 0; i < len; i++)
                snprintf(ret + strlen(PREFIX) + 2 * (size_t)i, 3, "%02x", hash[i]);
        digest_done(digest);
}

void digest_done(struct digest *digest)
{
        EVP_MD_CTX_free(digest->ctx);
        digest->ctx = NULL;
}

void digest_bytes(const void *data, size_t len, char ret[DIGEST_TEXT_MAX])
{
        struct digest digest;

        digest_init(&digest);
        digest_update(&digest, data, len);
        digest_final(&digest, ret);
}

bool digest_is_valid(const char *text)
{
        return text != NULL && strncmp(text, PREFIX, strlen(PREFIX)) == 0 &&
               strspn(text + strlen(PREFIX), "0123456789abcdef") == DIGEST_HEX && strlen(text) == strlen(PREFIX) + DIGEST_HEX;
}

const char *digest_hex(const char *text)
{
        return text + strlen(PREFIX);
}
