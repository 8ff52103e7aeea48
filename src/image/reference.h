/* SPDX-License-Identifier: Apache-2.0 */
/* Names of images, as people write them in task definitions. Any thread. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

enum image_reference_kind { IMAGE_REGISTRY = 0, IMAGE_OCI_LAYOUT, IMAGE_DOCKER_ARCHIVE, IMAGE_REFERENCE_KIND_MAX };

struct image_reference {
        enum image_reference_kind kind;
        const char *canonical; /* two names mean the same exactly when these are equal */

        /* Of a registry. */
        const char *registry;   /* "docker.io", "127.0.0.1:5000" */
        const char *repository; /* "library/nginx" */
        const char *tag;        /* NULL when there is a digest */
        const char *digest;     /* NULL when there is a tag */

        /* Of a file or directory on this machine. */
        const char *path;
        const char *reference; /* which image in there; NULL: the only one */
};

/* Completes and checks a name; strings are in `arena` or literals. -EINVAL with a message that says what is wrong. */
int image_reference_parse(const char *name, struct arena *arena, struct image_reference *ret, struct error *error) MUST_CHECK;

/* Whether a registry ("host", "host:port", "[::1]:5000") is on this machine: plain HTTP is safe. */
bool image_registry_is_loopback(const char *registry);
