/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures: every stage against golden files (tests/golden/sigv4), and what the check refuses. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>

#include "base/strutil.h"
#include "codec/sigv4.h"
#include "unit.h"

#define NOW_MS INT64_C(1440938160000) /* 2015-08-30T12:36:00Z, when the golden requests were signed */

static const struct sigv4_credentials example = {.key_id = "AKIDEXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};

struct golden {
        json_t *json;
        struct sigv4_request request;
        struct sigv4_credentials credentials;
};

static const char *text(const struct golden *g, const char *name)
{
        return json_string_value(json_object_get(g->json, name));
}

static void golden_load(struct golden *g, const char *file, struct arena *arena)
{
        json_t *headers;
        struct sigv4_header *list;

        g->json = json_load_file(file, 0, NULL);
        assert_non_null(g->json);
        headers = json_object_get(g->json, "headers");
        list = arena_calloc(arena, json_array_size(headers), sizeof(*list));
        for (size_t i = 0; i < json_array_size(headers); i++) {
                list[i].name = json_string_value(json_array_get(json_array_get(headers, i), 0));
                list[i].value = json_string_value(json_array_get(json_array_get(headers, i), 1));
        }
        g->request = (struct sigv4_request){.method = text(g, "method"),
                                            .path = text(g, "path"),
                                            .query = text(g, "query"),
                                            .headers = list,
                                            .n_headers = json_array_size(headers),
                                            .body = text(g, "body"),
                                            .body_len = strlen(text(g, "body"))};
        g->credentials = (struct sigv4_credentials){
                .key_id = text(g, "key_id"), .secret = text(g, "secret"), .session_token = text(g, "session_token")};
}

static void check_stages(const struct golden *g, struct arena *arena)
{
        struct sigv4_claim claim = {0};
        struct error error = {0};
        char signature[65], *canonical;

        assert_int_equal(sigv4_parse(&g->request, arena, &claim, &error), 0);
        assert_string_equal(claim.key_id, g->credentials.key_id);
        assert_string_equal(claim.service, text(g, "service"));
        assert_string_equal(claim.region, text(g, "region"));
        assert_string_equal(claim.timestamp, text(g, "timestamp"));
        assert_int_equal(claim.timestamp_ms, NOW_MS);
        assert_int_equal(claim.presigned, json_is_true(json_object_get(g->json, "presigned")));
        canonical = sigv4_canonical_request(&g->request, claim.signed_headers, claim.presigned, !str_eq(claim.service, "s3"), arena);
        assert_string_equal(canonical, text(g, "canonical"));
        assert_string_equal(sigv4_string_to_sign(&claim, canonical, arena), text(g, "string_to_sign"));
        sigv4_signature(&claim, g->credentials.secret, text(g, "string_to_sign"), signature);
        assert_string_equal(signature, text(g, "signature"));
        assert_int_equal(sigv4_verify(&g->request, &claim, &g->credentials, NOW_MS, arena, &error), 0);
}

/* A derived key that is kept does the same; another secret or another body does not pass. */
static void check_refusals(struct golden *g, struct arena *arena)
{
        struct sigv4_credentials wrong = g->credentials;
        struct sigv4_claim claim = {0};
        struct error error = {0};
        uint8_t key[32];

        assert_int_equal(sigv4_parse(&g->request, arena, &claim, &error), 0);
        sigv4_signing_key(g->credentials.secret, claim.date, claim.region, claim.service, key);
        g->credentials.signing_key = key;
        assert_int_equal(sigv4_verify(&g->request, &claim, &g->credentials, NOW_MS, arena, &error), 0);
        wrong.secret = "another";
        assert_int_equal(sigv4_verify(&g->request, &claim, &wrong, NOW_MS, arena, &error), -EINVAL);
        assert_string_equal(error.code, "InvalidSignatureException");
        g->request.body = "other";
        g->request.body_len = 5;
        assert_int_equal(sigv4_verify(&g->request, &claim, &g->credentials, NOW_MS, arena, NULL), -EINVAL);
}

static void test_golden_files(void **state)
{
        DIR *dir = opendir(SOURCE_ROOT "/tests/golden/sigv4");
        struct dirent *entry;
        size_t n = 0;

        assert_non_null(dir);
        while ((entry = readdir(dir)) != NULL) {
                CLEANUP_ARENA struct arena arena = {0};
                struct golden g = {0};

                if (!str_ends_with(entry->d_name, ".json"))
                        continue;
                golden_load(&g, arena_printf(&arena, "%s/tests/golden/sigv4/%s", SOURCE_ROOT, entry->d_name), &arena);
                print_message("           %s\n", entry->d_name);
                check_stages(&g, &arena);
                check_refusals(&g, &arena);
                json_decref(g.json);
                n++;
        }
        closedir(dir);
        assert_true(n >= 28);
}

/* A request that we sign ourselves: the ground for what follows. */
struct own {
        struct arena arena;
        struct sigv4_header headers[8];
        struct sigv4_request request;
        struct sigv4_credentials credentials;
};

static void own_sign(struct own *o, const char *timestamp)
{
        const char *authorization;
        size_t n = 0;

        o->headers[n++] = (struct sigv4_header){"Host", "127.0.0.1:4327"};
        o->headers[n++] = (struct sigv4_header){"X-Amz-Date", timestamp};
        o->headers[n++] = (struct sigv4_header){"X-Amz-Target", "Service.Operation"};
        o->credentials = example;
        o->request = (struct sigv4_request){
                .method = "POST", .path = "/", .query = "", .headers = o->headers, .n_headers = n, .body = "{}", .body_len = 2};
        sigv4_sign(&o->request, &o->credentials, "us-east-1", "ecs", timestamp, &o->arena, &authorization);
        o->headers[n++] = (struct sigv4_header){"Authorization", authorization};
        o->request.n_headers = n;
}

static int own_verify(struct own *o, int64_t now_ms, struct error *error)
{
        struct sigv4_claim claim = {0};
        int r;

        *error = (struct error){0};
        r = sigv4_parse(&o->request, &o->arena, &claim, error);
        return r < 0 ? r : sigv4_verify(&o->request, &claim, &o->credentials, now_ms, &o->arena, error);
}

static void test_signs_what_it_accepts(void **state)
{
        struct own o = {0};
        struct error error;
        char now[17];

        sigv4_timestamp(NOW_MS, now);
        assert_string_equal(now, "20150830T123600Z");
        own_sign(&o, now);
        assert_int_equal(own_verify(&o, NOW_MS, &error), 0);
        arena_done(&o.arena);
}

static void test_clock(void **state)
{
        static const struct {
                int64_t offset_ms;
                bool accepted;
        } rows[] = {{0, true}, {300000, true}, {-300000, true}, {300001, false}, {-300001, false}, {INT64_C(86400000), false}};
        struct own o = {0};
        struct error error;

        own_sign(&o, "20150830T123600Z");
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                assert_int_equal(own_verify(&o, NOW_MS + rows[i].offset_ms, &error), rows[i].accepted ? 0 : -EINVAL);
                if (!rows[i].accepted)
                        assert_string_equal(error.code, "InvalidSignatureException");
        }
        arena_done(&o.arena);
}

static void test_every_amz_header_must_be_signed(void **state)
{
        struct own o = {0};
        struct error error;

        own_sign(&o, "20150830T123600Z");
        o.headers[o.request.n_headers++] = (struct sigv4_header){"Content-Length", "2"};
        assert_int_equal(own_verify(&o, NOW_MS, &error), 0);
        o.headers[o.request.n_headers++] = (struct sigv4_header){"x-amz-security-token", "smuggled"};
        assert_int_equal(own_verify(&o, NOW_MS, &error), -EINVAL);
        assert_non_null(strstr(error.message, "x-amz-security-token"));
        arena_done(&o.arena);
}

static void test_signed_header_must_be_there(void **state)
{
        struct own o = {0};
        struct error error;

        own_sign(&o, "20150830T123600Z");
        o.headers[2].name = "Y-Other";
        assert_int_equal(own_verify(&o, NOW_MS, &error), -EINVAL);
        assert_non_null(strstr(error.message, "x-amz-target"));
        arena_done(&o.arena);
}

static void test_session_token_must_match(void **state)
{
        struct own o = {0};
        struct error error;

        own_sign(&o, "20150830T123600Z");
        o.credentials.session_token = "token";
        assert_int_equal(own_verify(&o, NOW_MS, &error), -EINVAL);
        assert_string_equal(error.code, "UnrecognizedClientException");
        arena_done(&o.arena);
}

static void test_presigned_expires(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct golden g = {0};
        struct sigv4_claim claim = {0};
        struct error error = {0};

        golden_load(&g, SOURCE_ROOT "/tests/golden/sigv4/presigned.json", &arena);
        assert_int_equal(sigv4_parse(&g.request, &arena, &claim, &error), 0);
        assert_int_equal(claim.expires_s, 60);
        assert_int_equal(sigv4_verify(&g.request, &claim, &g.credentials, NOW_MS + 60000, &arena, &error), 0);
        assert_int_equal(sigv4_verify(&g.request, &claim, &g.credentials, NOW_MS + 60001, &arena, &error), -EINVAL);
        assert_string_equal(error.code, "ExpiredTokenException");
        json_decref(g.json);
}

#define GOOD_CREDENTIAL "Credential=AKID/20150830/us-east-1/ecs/aws4_request"
#define GOOD_SIGNATURE "Signature=0123456789012345678901234567890123456789012345678901234567890123"

static void test_parses_authorization(void **state)
{
        static const struct {
                const char *authorization, *date;
                int r;
                const char *code, *words;
        } rows[] = {
                {NULL, "20150830T123600Z", -ENOENT, "", ""},
                {"Bearer abc", "20150830T123600Z", -ENOENT, "", ""},
                {"AWS4-HMAC-SHA256 " GOOD_CREDENTIAL ",SignedHeaders=host," GOOD_SIGNATURE, "20150830T123600Z", 0, "", ""},
                {"AWS4-HMAC-SHA256   " GOOD_SIGNATURE " ,\tSignedHeaders=host,  " GOOD_CREDENTIAL, "20150830T123600Z", 0, "", ""},
                {"AWS4-HMAC-SHA256", "20150830T123600Z", -EINVAL, "IncompleteSignatureException", "algorithm"},
                {"AWS4-ECDSA-P256-SHA256 x", "20150830T123600Z", -EINVAL, "IncompleteSignatureException", "AWS4-ECDSA-P256-SHA256"},
                {"AWS4-HMAC-SHA256 SignedHeaders=host, " GOOD_SIGNATURE, "20150830T123600Z", -EINVAL, "IncompleteSignatureException",
                 "lacks Credential"},
                {"AWS4-HMAC-SHA256 " GOOD_CREDENTIAL ", " GOOD_SIGNATURE, "20150830T123600Z", -EINVAL, "IncompleteSignatureException",
                 "lacks SignedHeaders"},
                {"AWS4-HMAC-SHA256 " GOOD_CREDENTIAL ", SignedHeaders=host", "20150830T123600Z", -EINVAL, "IncompleteSignatureException",
                 "lacks Signature"},
                {"AWS4-HMAC-SHA256 " GOOD_CREDENTIAL ", SignedHeaders=host, " GOOD_SIGNATURE, NULL, -EINVAL, "IncompleteSignatureException",
                 "X-Amz-Date"},
                {"AWS4-HMAC-SHA256 " GOOD_CREDENTIAL ", SignedHeaders=host, " GOOD_SIGNATURE, "20150831T123600Z", -EINVAL,
                 "InvalidSignatureException", "scope"},
                {"AWS4-HMAC-SHA256 " GOOD_CREDENTIAL ", SignedHeaders=host, " GOOD_SIGNATURE, "2015-08-30T12:36Z", -EINVAL,
                 "IncompleteSignatureException", "X-Amz-Date"},
                {"AWS4-HMAC-SHA256 " GOOD_CREDENTIAL ", SignedHeaders=host, Signature=ABCD", "20150830T123600Z", -EINVAL,
                 "InvalidSignatureException", "64"},
                {"AWS4-HMAC-SHA256 Credential=AKID/x/aws4_request, SignedHeaders=host, " GOOD_SIGNATURE, "20150830T123600Z", -EINVAL,
                 "IncompleteSignatureException", "AKID/x/aws4_request"},
                {"AWS4-HMAC-SHA256 Credential=AKID/20150830/r/s/aws5_request, SignedHeaders=host, " GOOD_SIGNATURE, "20150830T123600Z",
                 -EINVAL, "IncompleteSignatureException", "aws5_request"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct sigv4_header headers[2];
                struct sigv4_request request = {.method = "GET", .path = "/", .query = "", .headers = headers};
                struct sigv4_claim claim = {0};
                struct error error = {0};
                int r;

                if (rows[i].authorization != NULL)
                        headers[request.n_headers++] = (struct sigv4_header){"authorization", rows[i].authorization};
                if (rows[i].date != NULL)
                        headers[request.n_headers++] = (struct sigv4_header){"x-amz-date", rows[i].date};
                r = sigv4_parse(&request, &arena, &claim, &error);
                if (r != rows[i].r || strcmp(error.code, rows[i].code) != 0 || strstr(error.message, rows[i].words) == NULL)
                        fail_msg("%s: %d %s %s", rows[i].authorization, r, error.code, error.message);
                if (r == 0) {
                        assert_string_equal(claim.key_id, "AKID");
                        assert_string_equal(claim.signed_headers, "host");
                }
        }
}

/* Go's clients write a blank as '+' and sign %20; a plus sign itself is %2B on both sides. */
static void test_plus_is_a_blank(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct sigv4_header host = {"Host", "127.0.0.1:4327"};
        struct sigv4_request request = {.method = "GET",
                                        .path = "/acs/ws",
                                        .query = "dockerVersion=DockerVersion%3A+20.10.24%2Bdfsg1&a+b=",
                                        .headers = &host,
                                        .n_headers = 1};
        char *canonical = sigv4_canonical_request(&request, "host", false, true, &arena);

        assert_non_null(strstr(canonical, "\na%20b=&dockerVersion=DockerVersion%3A%2020.10.24%2Bdfsg1\n"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden_files),
                cmocka_unit_test(test_signs_what_it_accepts),
                cmocka_unit_test(test_clock),
                cmocka_unit_test(test_every_amz_header_must_be_signed),
                cmocka_unit_test(test_signed_header_must_be_there),
                cmocka_unit_test(test_session_token_must_match),
                cmocka_unit_test(test_presigned_expires),
                cmocka_unit_test(test_parses_authorization),
                cmocka_unit_test(test_plus_is_a_blank),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
