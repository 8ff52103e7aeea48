/* SPDX-License-Identifier: Apache-2.0 */
/* Signature Version 4: the three stages, and signing. Checking is in sigv4_verify.c. */
#include "codec/sigv4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/strutil.h"
#include "codec/sha256.h"
#include "codec/sigv4_internal.h"
#include "codec/uri.h"

/*
 * The path without empty, "." and ".." segments, then encoded once more: the path of the wire is encoded already, and all services but
 * S3 want it so.
 */
static void append_normal_path(struct buf *out, const char *path)
{
        size_t root = out->len + 1, len;

        buf_append_char(out, '/');
        for (const char *p = path; *p != '\0'; p += len) {
                p += strspn(p, "/");
                len = strcspn(p, "/");
                if (len == 0 || (len == 1 && p[0] == '.'))
                        continue;
                if (len == 2 && p[0] == '.' && p[1] == '.') {
                        while (out->len > root && out->data[--out->len] != '/')
                                ;
                        continue;
                }
                if (out->len > root)
                        buf_append_char(out, '/');
                uri_append_encoded(out, p, len, "");
        }
        if (out->len > root && str_ends_with(path, "/"))
                buf_append_char(out, '/');
}

struct parameter {
        size_t name, value; /* where they start in the text, encoded and NUL-terminated */
};

static int compare_parameters(const void *a, const void *b, void *text)
{
        const struct parameter *x = a, *y = b;
        int order = strcmp((char *)text + x->name, (char *)text + y->name);

        return order != 0 ? order : strcmp((char *)text + x->value, (char *)text + y->value);
}

/*
 * Appends one name or value, encoded as SigV4 wants it, whatever the client escaped. A blank may come as '+', as in forms: Go's clients
 * send it so (the Amazon ECS agent does in dockerVersion) and sign %20. A plus sign that is meant comes as %2B.
 */
static void append_recoded(struct buf *out, const char *s, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                char byte[4] = {s[i] == '+' ? ' ' : s[i]};

                if (s[i] == '%' && len - i > 2) {
                        char *end, digits[3] = {s[i + 1], s[i + 2]};

                        byte[0] = (char)strtoul(digits, &end, 16);
                        if (end == digits + 2 && digits[0] != '+' && digits[0] != '-' && digits[0] != ' ')
                                i += 2;
                        else
                                byte[0] = '%';
                }
                uri_append_encoded(out, byte, 1, "");
        }
}

/* A NUL-terminated copy of "a=1&b=2" into `text` with each piece recoded; returns how many parameters `ret` has. */
static size_t split_query(const char *query, bool presigned, struct buf *text, struct parameter *ret)
{
        size_t n = 0, len;

        for (const char *p = query; *p != '\0'; p += len) {
                size_t name_len;

                while (*p == '&')
                        p++;
                len = strcspn(p, "&");
                name_len = strcspn(p, "=&");
                if (len == 0 || (presigned && name_len == 15 && memcmp(p, "X-Amz-Signature", 15) == 0))
                        continue;
                ret[n].name = text->len;
                append_recoded(text, p, name_len);
                buf_append_char(text, '\0');
                ret[n].value = text->len;
                if (name_len < len)
                        append_recoded(text, p + name_len + 1, len - name_len - 1);
                buf_append_char(text, '\0');
                n++;
        }
        return n;
}

static void append_query(struct buf *out, const char *query, bool presigned)
{
        CLEANUP_BUF struct buf text = {0};
        CLEANUP_FREE struct parameter *parameters = NULL;
        size_t n = 1;

        if (str_empty(query))
                return;
        for (const char *p = query; *p != '\0'; p++)
                n += *p == '&';
        parameters = xcalloc(n, sizeof(*parameters));
        n = split_query(query, presigned, &text, parameters);
        qsort_r(parameters, n, sizeof(*parameters), compare_parameters, text.data);
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        buf_append_char(out, '&');
                buf_append_str(out, text.data + parameters[i].name);
                buf_append_char(out, '=');
                buf_append_str(out, text.data + parameters[i].value);
        }
}

/* Without white space at the ends, and with single spaces inside. */
static void append_header_value(struct buf *out, const char *value)
{
        char *p = buf_reserve(out, strlen(value)), *start = p;

        for (; *value != '\0'; value++) {
                bool space = *value == ' ' || (*value >= '\t' && *value <= '\r');

                if (!space)
                        *p++ = *value;
                else if (p > start && p[-1] != ' ')
                        *p++ = ' ';
        }
        if (p > start && p[-1] == ' ')
                p--;
        buf_advance(out, (size_t)(p - start));
}

bool sigv4_header_is(const struct sigv4_header *header, const char *name, size_t len)
{
        return strncasecmp(header->name, name, len) == 0 && header->name[len] == '\0';
}

static void lower(char *out, const char *s, size_t len)
{
        for (size_t i = 0; i < len; i++)
                out[i] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] | 0x20 : s[i]);
}

/* One line for each signed header; values of repeated headers are joined. */
static void append_headers(struct buf *out, const struct sigv4_request *req, const char *signed_headers)
{
        size_t len;

        for (const char *p = signed_headers; *p != '\0'; p += len + (p[len] == ';')) {
                bool first = true;

                len = strcspn(p, ";");
                lower(buf_reserve(out, len), p, len);
                buf_advance(out, len);
                buf_append_char(out, ':');
                for (size_t i = 0; i < req->n_headers; i++) {
                        if (!sigv4_header_is(&req->headers[i], p, len))
                                continue;
                        if (!first)
                                buf_append_char(out, ',');
                        append_header_value(out, req->headers[i].value);
                        first = false;
                }
                buf_append_char(out, '\n');
        }
}

void sigv4_append_canonical(struct buf *out, const struct sigv4_request *req, const char *signed_headers, bool presigned,
                            bool normalize_path)
{
        char digest[2 * SHA256_SIZE + 1];

        buf_append_str(out, req->method);
        buf_append_char(out, '\n');
        if (normalize_path)
                append_normal_path(out, req->path);
        else
                buf_append_str(out, str_empty(req->path) ? "/" : req->path);
        buf_append_char(out, '\n');
        append_query(out, req->query, presigned);
        buf_append_char(out, '\n');
        append_headers(out, req, signed_headers);
        buf_append_char(out, '\n');
        buf_append_str(out, signed_headers);
        buf_append_char(out, '\n');
        sha256_hex(req->body, req->body_len, digest);
        buf_append(out, digest, 2 * SHA256_SIZE);
}

char *sigv4_canonical_request(const struct sigv4_request *req, const char *signed_headers, bool presigned, bool normalize_path,
                              struct arena *arena)
{
        CLEANUP_BUF struct buf out = {0};

        sigv4_append_canonical(&out, req, signed_headers, presigned, normalize_path);
        return arena_strndup(arena, out.data, out.len);
}

char *sigv4_string_to_sign(const struct sigv4_claim *claim, const char *canonical_request, struct arena *arena)
{
        char digest[2 * SHA256_SIZE + 1];

        sha256_hex(canonical_request, strlen(canonical_request), digest);
        return arena_printf(arena, SIGV4_ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", claim->timestamp, claim->date, claim->region,
                            claim->service, digest);
}

void sigv4_signing_key(const char *secret, const char *date, const char *region, const char *service, uint8_t ret[32])
{
        CLEANUP_FREE char *first = xprintf("AWS4%s", secret);

        hmac_sha256(first, strlen(first), date, strlen(date), ret);
        hmac_sha256(ret, SHA256_SIZE, region, strlen(region), ret);
        hmac_sha256(ret, SHA256_SIZE, service, strlen(service), ret);
        hmac_sha256(ret, SHA256_SIZE, "aws4_request", 12, ret);
        explicit_bzero(first, strlen(first));
}

void sigv4_signature_by_key(const uint8_t key[32], const char *string_to_sign, char ret[65])
{
        uint8_t digest[SHA256_SIZE];

        hmac_sha256(key, SHA256_SIZE, string_to_sign, strlen(string_to_sign), digest);
        hex_encode(digest, sizeof(digest), ret);
}

void sigv4_signature(const struct sigv4_claim *claim, const char *secret, const char *string_to_sign, char ret[65])
{
        uint8_t key[SHA256_SIZE];

        sigv4_signing_key(secret, claim->date, claim->region, claim->service, key);
        sigv4_signature_by_key(key, string_to_sign, ret);
        explicit_bzero(key, sizeof(key));
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "host;x-amz-date" of all headers of the request. */
static const char *header_names(const struct sigv4_request *req, struct arena *arena)
{
        char **names = arena_calloc(arena, req->n_headers, sizeof(*names)), *text, *p;
        size_t len = 1;

        for (size_t i = 0; i < req->n_headers; i++) {
                names[i] = arena_strdup(arena, req->headers[i].name);
                lower(names[i], names[i], strlen(names[i]));
                len += strlen(names[i]) + 1;
        }
        qsort(names, req->n_headers, sizeof(*names), compare_names);
        text = p = arena_alloc(arena, len);
        for (size_t i = 0; i < req->n_headers; i++) {
                if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
                        continue;
                if (i > 0)
                        *p++ = ';';
                p = stpcpy(p, names[i]);
        }
        return text;
}

void sigv4_sign(const struct sigv4_request *req, const struct sigv4_credentials *credentials, const char *region, const char *service,
                const char *timestamp, struct arena *arena, const char **ret_authorization)
{
        struct sigv4_claim claim = {
                .region = region, .service = service, .timestamp = timestamp, .date = arena_strndup(arena, timestamp, 8)};
        const char *names = header_names(req, arena);
        char *canonical, signature[65];

        canonical = sigv4_canonical_request(req, names, false, !str_eq(service, "s3"), arena);
        sigv4_signature(&claim, credentials->secret, sigv4_string_to_sign(&claim, canonical, arena), signature);
        *ret_authorization = arena_printf(arena, SIGV4_ALGORITHM " Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
                                          credentials->key_id, claim.date, region, service, names, signature);
}

void sigv4_timestamp(int64_t now_ms, char ret[17])
{
        time_t seconds = (time_t)(now_ms / 1000);
        struct tm tm;

        if (gmtime_r(&seconds, &tm) == NULL || strftime(ret, 17, "%Y%m%dT%H%M%SZ", &tm) == 0)
                ret[0] = '\0';
}
