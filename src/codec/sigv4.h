/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4, in its three stages (canonical request, string to sign, signature), for header and presigned requests,
 * both sides. Pure: no clock, no I/O. Source: the "AWS Signature Version 4 signing process" documentation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct sigv4_header {
        const char *name, *value;
};

struct sigv4_request {
        const char *method;
        const char *path;  /* still percent-encoded, as on the wire */
        const char *query; /* without '?', as on the wire */
        const struct sigv4_header *headers;
        size_t n_headers;
        const void *body;
        size_t body_len;
};

struct sigv4_credentials {
        const char *key_id, *secret;
        const char *session_token;  /* NULL: none */
        const uint8_t *signing_key; /* for sigv4_verify: 32 bytes of sigv4_signing_key for the claim's scope, when the caller keeps
                                       them; NULL: derived from the secret each time */
};

/* What a request says about its signature: from the Authorization header or from X-Amz-… query parameters. */
struct sigv4_claim {
        const char *key_id, *date, *region, *service; /* credential scope; date is YYYYMMDD */
        const char *timestamp;                        /* YYYYMMDDTHHMMSSZ */
        int64_t timestamp_ms;
        const char *signed_headers; /* "host;x-amz-date" */
        const char *signature;      /* 64 hexadecimal digits */
        const char *session_token;  /* NULL: none */
        bool presigned;
        int64_t expires_s; /* of presigned requests */
};

/* Reads the claim. -ENOENT when the request is not signed at all (no error set); -EINVAL with code
 * "IncompleteSignatureException" or "InvalidSignatureException" for a malformed one. */
int sigv4_parse(const struct sigv4_request *req, struct arena *arena, struct sigv4_claim *ret, struct error *error) MUST_CHECK;
/* Checks the signature (constant time), clock skew of more than 5 minutes, expiry, session token, and that host (and every
 * x-amz-* header that must be) is signed. Codes: InvalidSignatureException, ExpiredTokenException, UnrecognizedClientException. */
int sigv4_verify(const struct sigv4_request *req, const struct sigv4_claim *claim, const struct sigv4_credentials *credentials,
                 int64_t now_ms, struct arena *arena, struct error *error) MUST_CHECK;

/* Signs: returns in `ret_authorization` the header value for "Authorization" (arena). `headers` must hold host and x-amz-date
 * (and x-amz-security-token when there is one); all given headers are signed. */
void sigv4_sign(const struct sigv4_request *req, const struct sigv4_credentials *credentials, const char *region, const char *service,
                const char *timestamp, struct arena *arena, const char **ret_authorization);
/* "YYYYMMDDTHHMMSSZ" */
void sigv4_timestamp(int64_t now_ms, char ret[17]);

/* The key of a scope, which is good for one day, region and service: who checks many requests derives it once. */
void sigv4_signing_key(const char *secret, const char *date, const char *region, const char *service, uint8_t ret[32]);

/* The stages, for tests. */
char *sigv4_canonical_request(const struct sigv4_request *req, const char *signed_headers, bool presigned, bool normalize_path,
                              struct arena *arena);
char *sigv4_string_to_sign(const struct sigv4_claim *claim, const char *canonical_request, struct arena *arena);
void sigv4_signature(const struct sigv4_claim *claim, const char *secret, const char *string_to_sign, char ret[65]);
