/* SPDX-License-Identifier: Apache-2.0 */
/* Image names: completion, canonical form, refusals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "image/reference.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_accepted(void **state)
{
        static const struct {
                const char *name, *canonical;
                enum image_reference_kind kind;
        } cases[] = {
                {"nginx", "docker.io/library/nginx:latest", IMAGE_REGISTRY},
                {"nginx:1.25", "docker.io/library/nginx:1.25", IMAGE_REGISTRY},
                {"team/app", "docker.io/team/app:latest", IMAGE_REGISTRY},
                {"index.docker.io/library/nginx", "docker.io/library/nginx:latest", IMAGE_REGISTRY},
                {"localhost/app", "localhost/app:latest", IMAGE_REGISTRY},
                {"127.0.0.1:5000/a/b-c/d__e:T.1", "127.0.0.1:5000/a/b-c/d__e:T.1", IMAGE_REGISTRY},
                {"[::1]:5000/app", "[::1]:5000/app:latest", IMAGE_REGISTRY},
                {"r.example/app:1@sha256:" HEX, "r.example/app@sha256:" HEX, IMAGE_REGISTRY},
                {"nginx@sha256:" HEX, "docker.io/library/nginx@sha256:" HEX, IMAGE_REGISTRY},
                {"oci:/srv/images", "oci:/srv/images", IMAGE_OCI_LAYOUT},
                {"oci:/srv/images:web", "oci:/srv/images:web", IMAGE_OCI_LAYOUT},
                {"docker-archive:/a.tar:x:y", "docker-archive:/a.tar:x:y", IMAGE_DOCKER_ARCHIVE},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct image_reference reference;
                struct error error = {0};

                assert_int_equal(image_reference_parse(cases[i].name, &arena, &reference, &error), 0);
                assert_string_equal(reference.canonical, cases[i].canonical);
                assert_int_equal(reference.kind, cases[i].kind);
        }
        (void)state;
}

static void test_refused(void **state)
{
        static const char *const names[] = {
                "",
                "Nginx",
                "a b",
                "nginx:",
                "nginx:-x",
                "a//b",
                "/a",
                "a/",
                "nginx@sha256:12",
                ("nginx@md5:" HEX),
                "r.example/",
                "-x",
                "x-",
                "a..b",
                "a___b",
                "host.example/A",
                "oci:relative",
                "docker-archive:x.tar",
                "r.exa mple/app",
                "--help",
        };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct image_reference reference;
                struct error error = {0};

                assert_int_equal(image_reference_parse(names[i], &arena, &reference, &error), -EINVAL);
                assert_true(error.message[0] != '\0');
        }
        (void)state;
}

static void test_loopback(void **state)
{
        (void)state;
        assert_true(image_registry_is_loopback("localhost"));
        assert_true(image_registry_is_loopback("localhost:5000"));
        assert_true(image_registry_is_loopback("127.0.0.1:5000"));
        assert_true(image_registry_is_loopback("127.1.2.3"));
        assert_true(image_registry_is_loopback("[::1]:80"));
        assert_false(image_registry_is_loopback("127.0.0.1.evil.example"));
        assert_false(image_registry_is_loopback("localhost.evil.example"));
        assert_false(image_registry_is_loopback("docker.io"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepted),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_loopback),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
