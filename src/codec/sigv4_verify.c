/* SPDX-License-Identifier: Apache-2.0 */
/* Signature Version 4: reading what a request claims, and checking it. */
#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "base/strutil.h"
#include "codec/sha256.h"
#include "codec/sigv4_internal.h"
#include "codec/uri.h"

#define INCOMPLETE "IncompleteSignatureException"
#define INVALID "InvalidSignatureException"

#define SKEW_MS (INT64_C(5) * 60 * 1000)
#define EXPIRES_MAX_S (INT64_C(7) * 24 * 3600)

static const char *header_value(const struct sigv4_request *req, const char *name)
{
        for (size_t i = 0; i < req->n_headers; i++)
                if (sigv4_header_is(&req->headers[i], name, strlen(name)))
                        return req->headers[i].value;
        return NULL;
}

static bool all_of(const char *s, size_t n, const char *set)
{
        return strspn(s, set) >= n;
}

/* "YYYYMMDDTHHMMSSZ" */
static int parse_timestamp(const char *s, int64_t *ret_ms)
{
        static const char digits[] = "0123456789";
        int64_t field[6] = {0}; /* year, month, day, hour, minute, second */
        static const int width[6] = {4, 2, 2, 2, 2, 2};
        int64_t y, of_year, days;

        if (strlen(s) != 16 || s[8] != 'T' || s[15] != 'Z' || !all_of(s, 8, digits) || !all_of(s + 9, 6, digits))
                return -EINVAL;
        for (int i = 0, at = 0; i < 6; i++) {
                at += i == 3; /* the T */
                for (int k = 0; k < width[i]; k++)
                        field[i] = field[i] * 10 + (s[at++] - '0');
        }
        if (field[1] < 1 || field[1] > 12 || field[2] < 1 || field[2] > 31 || field[3] > 23 || field[4] > 59 || field[5] > 60)
                return -EINVAL;
        y = field[1] <= 2 ? field[0] - 1 : field[0];
        of_year = (153 * (field[1] > 2 ? field[1] - 3 : field[1] + 9) + 2) / 5 + field[2] - 1;
        days = y * 365 + y / 4 - y / 100 + y / 400 + of_year - 719468;
        *ret_ms = (((days * 24 + field[3]) * 60 + field[4]) * 60 + field[5]) * 1000;
        return 0;
}

/* KEY/DATE/REGION/SERVICE/aws4_request; the key may hold slashes itself. */
static int parse_scope(const char *text, struct arena *arena, struct sigv4_claim *claim, struct error *error)
{
        char *copy = arena_strdup(arena, text), *part[4];
        const char **to[4] = {NULL, &claim->service, &claim->region, &claim->date};

        for (int i = 0; i < 4; i++) {
                part[i] = strrchr(copy, '/');
                if (part[i] == NULL || part[i][1] == '\0' || part[i] == copy)
                        return error_api(error, INCOMPLETE,
                                         "Credential must have the form KEY/YYYYMMDD/REGION/SERVICE/aws4_request, not \"%.200s\".", text);
                *part[i]++ = '\0';
                if (to[i] != NULL)
                        *to[i] = part[i];
        }
        claim->key_id = copy;
        if (strcmp(part[0], "aws4_request") != 0)
                return error_api(error, INCOMPLETE, "Credential must end in /aws4_request, not in \"%.50s\".", part[0]);
        return 0;
}

/* What the two forms have in common: time, scope, shape of the signature. */
static int finish_claim(struct sigv4_claim *claim, const char *credential, struct arena *arena, struct error *error)
{
        int r = parse_scope(credential, arena, claim, error);

        if (r < 0)
                return r;
        if (parse_timestamp(claim->timestamp, &claim->timestamp_ms) < 0)
                return error_api(error, INCOMPLETE, "X-Amz-Date must look like 20300102T030405Z, not \"%.50s\".", claim->timestamp);
        if (strlen(claim->date) != 8 || strncmp(claim->date, claim->timestamp, 8) != 0)
                return error_api(error, INVALID, "The date of the credential scope, %.50s, is not that of X-Amz-Date, %s.", claim->date,
                                 claim->timestamp);
        if (strlen(claim->signature) != 64 || !all_of(claim->signature, 64, "0123456789abcdef"))
                return error_api(error, INVALID, "Signature must be 64 lower-case hexadecimal digits.");
        return 0;
}

/* The value of `name=` in a list divided by commas; NULL when it is not there. */
static const char *list_value(const char *list, const char *name, struct arena *arena)
{
        size_t name_len = strlen(name), len;

        for (const char *p = list; *p != '\0'; p += len) {
                p += strspn(p, ", \t");
                len = strcspn(p, ",");
                if (len <= name_len || strncmp(p, name, name_len) != 0 || p[name_len] != '=')
                        continue;
                p += name_len + 1;
                return arena_strndup(arena, p, strcspn(p, ", \t"));
        }
        return NULL;
}

static int missing(struct error *error, const char *where, const char *what)
{
        return error_api(error, INCOMPLETE, "%s lacks %s.", where, what);
}

static int parse_header(const struct sigv4_request *req, const char *authorization, struct arena *arena, struct sigv4_claim *claim,
                        struct error *error)
{
        const char *credential;

        if (strncmp(authorization, SIGV4_ALGORITHM " ", sizeof(SIGV4_ALGORITHM)) != 0)
                return error_api(error, INCOMPLETE, "The signature's algorithm must be " SIGV4_ALGORITHM ", not \"%.*s\".",
                                 (int)MIN(strcspn(authorization, " "), (size_t)50), authorization);
        authorization += sizeof(SIGV4_ALGORITHM);
        credential = list_value(authorization, "Credential", arena);
        claim->signed_headers = list_value(authorization, "SignedHeaders", arena);
        claim->signature = list_value(authorization, "Signature", arena);
        claim->timestamp = header_value(req, "X-Amz-Date");
        if (claim->timestamp == NULL)
                claim->timestamp = header_value(req, "Date");
        claim->session_token = header_value(req, "X-Amz-Security-Token");
        if (credential == NULL)
                return missing(error, "The Authorization header", "Credential");
        if (claim->signed_headers == NULL)
                return missing(error, "The Authorization header", "SignedHeaders");
        if (claim->signature == NULL)
                return missing(error, "The Authorization header", "Signature");
        if (claim->timestamp == NULL)
                return missing(error, "The request", "the X-Amz-Date header");
        return finish_claim(claim, credential, arena, error);
}

static int parse_presigned(const struct sigv4_request *req, const char *algorithm, struct arena *arena, struct sigv4_claim *claim,
                           struct error *error)
{
        const struct {
                const char *name;
                const char *value;
        } needed[] = {
                {"X-Amz-Credential", uri_query_get(arena, req->query, "X-Amz-Credential")},
                {"X-Amz-Date", uri_query_get(arena, req->query, "X-Amz-Date")},
                {"X-Amz-Expires", uri_query_get(arena, req->query, "X-Amz-Expires")},
                {"X-Amz-SignedHeaders", uri_query_get(arena, req->query, "X-Amz-SignedHeaders")},
                {"X-Amz-Signature", uri_query_get(arena, req->query, "X-Amz-Signature")},
        };

        if (strcmp(algorithm, SIGV4_ALGORITHM) != 0)
                return error_api(error, INCOMPLETE, "X-Amz-Algorithm must be " SIGV4_ALGORITHM ", not \"%.50s\".", algorithm);
        for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
                if (needed[i].value == NULL)
                        return missing(error, "The presigned request", needed[i].name);
        claim->presigned = true;
        claim->timestamp = needed[1].value;
        if (str_to_int64(needed[2].value, &claim->expires_s) < 0 || claim->expires_s < 1 || claim->expires_s > EXPIRES_MAX_S)
                return error_api(error, INCOMPLETE, "X-Amz-Expires must be a number of seconds from 1 to %" PRId64 ", not \"%.50s\".",
                                 EXPIRES_MAX_S, needed[2].value);
        claim->signed_headers = needed[3].value;
        claim->signature = needed[4].value;
        claim->session_token = uri_query_get(arena, req->query, "X-Amz-Security-Token");
        return finish_claim(claim, needed[0].value, arena, error);
}

int sigv4_parse(const struct sigv4_request *req, struct arena *arena, struct sigv4_claim *ret, struct error *error)
{
        const char *authorization = header_value(req, "Authorization"), *algorithm;
        struct sigv4_claim claim = {0};
        int r;

        if (authorization != NULL && strncmp(authorization, "AWS4-", 5) == 0) {
                r = parse_header(req, authorization, arena, &claim, error);
        } else {
                algorithm = req->query != NULL && strstr(req->query, "X-Amz-") != NULL ? uri_query_get(arena, req->query, "X-Amz-Algorithm")
                                                                                       : NULL;
                if (algorithm == NULL)
                        return -ENOENT;
                r = parse_presigned(req, algorithm, arena, &claim, error);
        }
        if (r == 0)
                *ret = claim;
        return r;
}

static bool is_signed(const char *signed_headers, const char *name)
{
        size_t name_len = strlen(name), len;

        for (const char *p = signed_headers; *p != '\0'; p += len + (p[len] == ';')) {
                len = strcspn(p, ";");
                if (len == name_len && strncasecmp(p, name, len) == 0)
                        return true;
        }
        return false;
}

/* Whoever sits between client and server must not be able to add or change what we act on. */
static int check_signed_headers(const struct sigv4_request *req, const struct sigv4_claim *claim, struct error *error)
{
        char name[128];
        size_t len;

        if (!is_signed(claim->signed_headers, "host"))
                return error_api(error, INVALID, "The Host header must be signed: add \"host\" to SignedHeaders.");
        for (size_t i = 0; i < req->n_headers; i++)
                if (strncasecmp(req->headers[i].name, "x-amz-", 6) == 0 && !is_signed(claim->signed_headers, req->headers[i].name))
                        return error_api(error, INVALID, "The header %.100s must be signed: add it to SignedHeaders.",
                                         req->headers[i].name);
        for (const char *p = claim->signed_headers; *p != '\0'; p += len + (p[len] == ';')) {
                len = strcspn(p, ";");
                if (len >= sizeof(name))
                        return error_api(error, INVALID, "SignedHeaders has a name that is longer than %zu characters.", sizeof(name) - 1);
                memcpy(name, p, len);
                name[len] = '\0';
                if (header_value(req, name) == NULL)
                        return error_api(error, INVALID, "The signed header %s is not in the request.", name);
        }
        return 0;
}

static int check_time(const struct sigv4_claim *claim, int64_t now_ms, struct error *error)
{
        char now[17];

        sigv4_timestamp(now_ms, now);
        if (claim->timestamp_ms > now_ms + SKEW_MS)
                return error_api(
                        error, INVALID,
                        "Signature not yet current: %s is more than 5 minutes after %s, the server's time. Set the client's clock.",
                        claim->timestamp, now);
        if (claim->presigned && claim->timestamp_ms + claim->expires_s * 1000 < now_ms)
                return error_api(error, "ExpiredTokenException", "Signature expired: it was good for %" PRId64 " s from %s; now it is %s.",
                                 claim->expires_s, claim->timestamp, now);
        if (!claim->presigned && claim->timestamp_ms < now_ms - SKEW_MS)
                return error_api(error, INVALID,
                                 "Signature expired: %s is more than 5 minutes before %s, the server's time. Set the client's clock.",
                                 claim->timestamp, now);
        return 0;
}

static int check_token(const struct sigv4_claim *claim, const struct sigv4_credentials *credentials, struct error *error)
{
        const char *want = credentials->session_token != NULL ? credentials->session_token : "";
        const char *got = claim->session_token != NULL ? claim->session_token : "";

        if (strlen(want) == strlen(got) && CRYPTO_memcmp(want, got, strlen(want)) == 0)
                return 0;
        return error_api(error, "UnrecognizedClientException", "The security token included in the request is invalid.");
}

int sigv4_verify(const struct sigv4_request *req, const struct sigv4_claim *claim, const struct sigv4_credentials *credentials,
                 int64_t now_ms, struct arena *arena, struct error *error)
{
        CLEANUP_BUF struct buf canonical = {0};
        char signature[65];
        const char *to_sign;
        int r;

        r = check_signed_headers(req, claim, error);
        if (r == 0)
                r = check_time(claim, now_ms, error);
        if (r == 0)
                r = check_token(claim, credentials, error);
        if (r < 0)
                return r;
        (void)buf_reserve(&canonical, 1024);
        sigv4_append_canonical(&canonical, req, claim->signed_headers, claim->presigned, !str_eq(claim->service, "s3"));
        to_sign = sigv4_string_to_sign(claim, canonical.data, arena);
        if (credentials->signing_key != NULL)
                sigv4_signature_by_key(credentials->signing_key, to_sign, signature);
        else
                sigv4_signature(claim, credentials->secret, to_sign, signature);
        if (CRYPTO_memcmp(signature, claim->signature, 64) != 0)
                return error_api(error, INVALID,
                                 "The request signature we calculated does not match the signature you provided. Check the secret access "
                                 "key, and that "
                                 "nothing between client and server changes the Host header or the path.");
        return 0;
}
