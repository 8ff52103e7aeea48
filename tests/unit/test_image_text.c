/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that the image store reads: logins, what skopeo says, manifests, configurations. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/strutil.h"
#include "image/login.h"
#include "image/manifest.h"
#include "image/skopeo.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX64

static void test_logins(void **state)
{
        struct login_list *logins = login_list_new();
        CLEANUP_BUF struct buf out = {0};
        static const char docker[] =
                "{\"https://index.docker.io/v1/\": {\"username\": \"me\", \"password\": \"a\\\"b\", \"email\": \"x\"}, \"r.example:5000\": "
                "{\"username\":\"u\",\"password\":\"p\"}}";
        static const char dockercfg[] =
                "{\"other.example\": {\"auth\": \"dTpw\", \"email\": \"x\"}, \"r.example:5000\": {\"auth\": \"bmV3\"}}";
        static const char auths[] =
                "{\"credsStore\": \"x\", \"auths\": {\"third.example\": {\"auth\": \"eDp5\"}}, \"more\": [1, {\"a\": null}]}";
        struct error error = {0};

        (void)state;
        login_write(logins, &out);
        assert_int_equal(out.len, 0);
        assert_int_equal(login_add_engine_auth(logins, "docker", docker, &error), 0);
        assert_int_equal(login_add_engine_auth(logins, "dockercfg", dockercfg, &error), 0);
        assert_int_equal(login_add_auth_json(logins, auths, strlen(auths), &error), 0);
        login_write(logins, &out);
        assert_non_null(strstr(out.data, "\"docker.io\":{\"auth\":\"bWU6YSJi\"}"));
        assert_non_null(strstr(out.data, "\"other.example\":{\"auth\":\"dTpw\"}"));
        assert_non_null(strstr(out.data, "\"r.example:5000\":{\"auth\":\"bmV3\"}"));
        assert_non_null(strstr(out.data, "\"third.example\":{\"auth\":\"eDp5\"}"));
        assert_null(strstr(out.data, "dTpw\"},\"r.example:5000\":{\"auth\":\"dTpw\""));
        assert_int_equal(login_add_engine_auth(logins, "helper", docker, &error), -EINVAL);
        error_clear(&error);
        assert_int_equal(login_add_engine_auth(logins, "docker", "{\"a\": {\"username\": \"top-secret\", }", &error), -EINVAL);
        assert_null(strstr(error.message, "top-secret"));
        login_list_free(logins);
}

static void test_explanations(void **state)
{
        static const struct {
                const char *said, *code, *words;
                int number;
                bool retry;
        } cases[] = {
                {"time=\"x\" level=fatal msg=\"Error parsing image name \\\"docker://r/a:1\\\": reading manifest 1 in r/a: manifest "
                 "unknown: manifest unknown\"",
                 "CannotPullContainerError", "check the image's name", ENOENT, false},
                {"level=fatal msg=\"... requested access to the resource is denied\"", "CannotPullContainerAuthError", "login", EACCES,
                 false},
                {"level=fatal msg=\"unauthorized: authentication required\"", "CannotPullContainerAuthError", "login", EACCES, false},
                {"level=fatal msg=\"pinging: dial tcp 1.2.3.4:443: connect: connection refused\"", "CannotPullContainerError",
                 "does not answer", ECONNREFUSED, true},
                {"level=fatal msg=\"toomanyrequests: You have reached your pull rate limit\"", "CannotPullContainerError", "mirror", EAGAIN,
                 true},
                {"level=fatal msg=\"writing blob: write /x: no space left on device\"", "CannotPullContainerError",
                 "disk of this node is full", ENOSPC, false},
                {"level=fatal msg=\"x509: certificate signed by unknown authority\"", "CannotPullContainerError", "CA certificate", EPROTO,
                 false},
                {"something new", "CannotPullContainerError", "something new", EIO, false},
                {"", "CannotPullContainerError", "without a word", EIO, false},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct error error = {0};

                assert_int_equal(skopeo_explain(cases[i].said, "r/a:1", "r", &error), cases[i].retry);
                assert_string_equal(error.code, cases[i].code);
                assert_int_equal(error.number, cases[i].number);
                assert_non_null(strstr(error.message, cases[i].words));
                assert_null(strstr(error.message, "level="));
                assert_null(strstr(error.message, "Error parsing"));
        }
}

static int parse(const char *json, struct image_manifest *ret, struct error *error, struct arena *arena)
{
        *error = (struct error){0};
        return image_manifest_parse(json, strlen(json), arena, ret, error);
}

static void test_manifests(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        const struct oci_descriptor *entry;
        struct image_manifest manifest;
        struct error error;
        const char *text;

        (void)state;
        assert_int_equal(parse("{\"schemaVersion\":2,\"config\":{\"digest\":\"" DIGEST "\"},\"layers\":[]}", &manifest, &error, &arena), 0);
        assert_non_null(manifest.image);
        assert_int_equal(parse("{\"schemaVersion\":1,\"fsLayers\":[]}", &manifest, &error, &arena), -EINVAL);
        assert_non_null(strstr(error.message, "schema 1"));
        assert_int_equal(parse("{\"schemaVersion\":2,\"config\":{\"digest\":\"sha512:x\"},\"layers\":[]}", &manifest, &error, &arena),
                         -EINVAL);
        assert_int_equal(parse("{\"schemaVersion\":2,\"config\":{\"digest\":\"" DIGEST "\"},\"layers\":[{\"digest\":\"../../x\"}]}",
                               &manifest, &error, &arena),
                         -EINVAL);
        assert_int_equal(parse("not json", &manifest, &error, &arena), -EINVAL);
        text = arena_printf(&arena,
                            "{\"manifests\":[{\"digest\":\"%s1\",\"platform\":{\"os\":\"windows\",\"architecture\":\"%s\"}},"
                            "{\"digest\":\"%s2\",\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\",\"variant\":\"v3\"}},"
                            "{\"digest\":\"%s3\",\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}},"
                            "{\"digest\":\"%s4\",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}}]}",
                            "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde", image_architecture(),
                            "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde", image_architecture(),
                            "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde", image_architecture(),
                            "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde");
        assert_int_equal(parse(text, &manifest, &error, &arena), 0);
        assert_int_equal(image_index_choose(manifest.index, &entry, &error), 0);
        assert_true(str_ends_with(entry->digest, "cde3"));
        assert_int_equal(parse("{\"manifests\":[{\"digest\":\"" DIGEST "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"vax\"}}]}",
                               &manifest, &error, &arena),
                         0);
        assert_int_equal(image_index_choose(manifest.index, &entry, &error), -ENOENT);
        assert_non_null(strstr(error.message, "linux/vax"));
}

static void test_configurations(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        static const char *const bad[] = {
                "{\"rootfs\":{\"diff_ids\":[]}}",
                "{\"rootfs\":{\"diff_ids\":[\"x\"]}}",
                "{\"os\":\"windows\",\"rootfs\":{\"diff_ids\":[\"" DIGEST "\"]}}",
                "{\"os\":\"linux\",\"architecture\":\"vax\",\"rootfs\":{\"diff_ids\":[\"" DIGEST "\"]}}",
                "{}",
        };
        static const char good[] =
                "{\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[\"" DIGEST "\"]},\"config\":{\"Env\":[\"A=b\"],\"Volumes\":{\"/d\":{}}}}";
        char digest[DIGEST_TEXT_MAX];
        struct oci_descriptor layer = {.digest = DIGEST}, config_blob = {.digest = digest};
        struct oci_manifest manifest = {.config = &config_blob, .layers = {&layer, 1}};
        struct oci_image_config *config;
        struct error error = {0};

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                error_clear(&error);
                digest_bytes(bad[i], strlen(bad[i]), digest);
                assert_int_equal(image_config_parse(bad[i], strlen(bad[i]), &manifest, &arena, &config, &error), -EINVAL);
        }
        digest_bytes(good, strlen(good), digest);
        assert_int_equal(image_config_parse(good, strlen(good), &manifest, &arena, &config, &error), 0);
        assert_string_equal(config->config->env.items[0], "A=b");
        digest[10] ^= 1;
        assert_int_equal(image_config_parse(good, strlen(good), &manifest, &arena, &config, &error), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_logins),
                cmocka_unit_test(test_explanations),
                cmocka_unit_test(test_manifests),
                cmocka_unit_test(test_configurations),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
