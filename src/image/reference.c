/* SPDX-License-Identifier: Apache-2.0 */
/* Image names: completed as Docker completes them, and checked against the grammar that registries insist on. */
#include "image/reference.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"
#include "image/digest.h"

#define REPOSITORY_MAX 255
#define TAG_MAX 128

static const struct {
        const char *prefix;
        enum image_reference_kind kind;
} local_kinds[] = {
        {"oci:", IMAGE_OCI_LAYOUT},
        {"docker-archive:", IMAGE_DOCKER_ARCHIVE},
};

/* A component: runs of lower-case letters and digits, joined by one '.', one or two '_', or any number of '-'. */
static const char *skip_component(const char *p)
{
        static const char alnum[] = "abcdefghijklmnopqrstuvwxyz0123456789";

        for (;;) {
                size_t run = strspn(p, alnum);
                size_t separator;

                if (run == 0)
                        return NULL;
                p += run;
                if (*p == '.')
                        separator = 1;
                else if (*p == '_')
                        separator = p[1] == '_' ? 2 : 1;
                else
                        separator = strspn(p, "-");
                if (separator == 0)
                        return p;
                p += separator;
        }
}

static bool repository_is_valid(const char *repository)
{
        const char *p = repository;

        if (strlen(repository) > REPOSITORY_MAX)
                return false;
        for (;;) {
                p = skip_component(p);
                if (p == NULL)
                        return false;
                if (*p == '\0')
                        return true;
                if (*p++ != '/')
                        return false;
        }
}

static bool tag_is_valid(const char *tag)
{
        return str_is_name(tag, "_.-", TAG_MAX) && *tag != '.' && *tag != '-';
}

static bool registry_is_valid(const char *registry)
{
        return strspn(registry, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") == strlen(registry) &&
               *registry != '\0';
}

static int parse_local(const char *rest, struct arena *arena, struct image_reference *ref, struct error *error)
{
        const char *colon = strchr(rest, ':');

        ref->path = colon == NULL ? arena_strdup(arena, rest) : arena_strndup(arena, rest, (size_t)(colon - rest));
        if (*ref->path != '/')
                return error_set(error, EINVAL,
                                 "the image path \"%s\" is not absolute: write it from the root, such as oci:/srv/images/web:latest",
                                 ref->path);
        if (colon != NULL && colon[1] != '\0')
                ref->reference = arena_strdup(arena, colon + 1);
        return 0;
}

static int check_registry(const struct image_reference *ref, const char *name, struct error *error)
{
        if (!registry_is_valid(ref->registry))
                return error_set(error, EINVAL, "image \"%s\": \"%s\" is not a registry's host name", name, ref->registry);
        if (!repository_is_valid(ref->repository))
                return error_set(error, EINVAL,
                                 "image \"%s\": \"%s\" is not a repository name: use lower-case letters, digits, and . _ - / between them",
                                 name, ref->repository);
        if (ref->tag != NULL && !tag_is_valid(ref->tag))
                return error_set(error, EINVAL, "image \"%s\": \"%s\" is not a tag: use letters, digits and . _ -, at most 128 of them",
                                 name, ref->tag);
        if (ref->digest != NULL && !digest_is_valid(ref->digest))
                return error_set(error, EINVAL, "image \"%s\": \"%s\" is not a digest: write sha256: and 64 hexadecimal digits", name,
                                 ref->digest);
        return 0;
}

static int parse_registry(const char *name, struct arena *arena, struct image_reference *ref, struct error *error)
{
        char *rest = arena_strdup(arena, name);
        char *at = strchr(rest, '@');
        char *slash = strchr(rest, '/');
        char *colon;

        if (at != NULL) {
                *at = '\0';
                ref->digest = at + 1;
        }
        if (slash != NULL && (size_t)(slash - rest) == strcspn(rest, "/") &&
            (memchr(rest, '.', (size_t)(slash - rest)) != NULL || memchr(rest, ':', (size_t)(slash - rest)) != NULL ||
             strncmp(rest, "localhost/", 10) == 0)) {
                *slash = '\0';
                ref->registry = rest;
                rest = slash + 1;
        } else {
                ref->registry = "docker.io";
        }
        if (str_eq(ref->registry, "index.docker.io") || str_eq(ref->registry, "registry-1.docker.io"))
                ref->registry = "docker.io";
        colon = strrchr(rest, ':');
        if (colon != NULL && strchr(colon, '/') == NULL) {
                *colon = '\0';
                ref->tag = colon + 1;
        } else {
                ref->tag = "latest";
        }
        ref->repository = rest;
        if (str_eq(ref->registry, "docker.io") && strchr(rest, '/') == NULL)
                ref->repository = arena_printf(arena, "library/%s", rest);
        return check_registry(ref, name, error);
}

int image_reference_parse(const char *name, struct arena *arena, struct image_reference *ret, struct error *error)
{
        struct image_reference ref = {0};
        int r;

        if (str_empty(name))
                return error_set(error, EINVAL, "the image name is empty");
        for (size_t i = 0; i < ARRAY_SIZE(local_kinds); i++) {
                if (!str_starts_with(name, local_kinds[i].prefix))
                        continue;
                ref.kind = local_kinds[i].kind;
                r = parse_local(name + strlen(local_kinds[i].prefix), arena, &ref, error);
                if (r < 0)
                        return r;
                ref.canonical = arena_printf(arena, "%s%s%s%s", local_kinds[i].prefix, ref.path, ref.reference != NULL ? ":" : "",
                                             ref.reference != NULL ? ref.reference : "");
                *ret = ref;
                return 0;
        }
        r = parse_registry(name, arena, &ref, error);
        if (r < 0)
                return r;
        /* What has a digest is that: the tag beside it says nothing more. */
        if (ref.digest != NULL)
                ref.tag = NULL;
        ref.canonical = arena_printf(arena, "%s/%s%c%s", ref.registry, ref.repository, ref.digest != NULL ? '@' : ':',
                                     ref.digest != NULL ? ref.digest : ref.tag);
        *ret = ref;
        return 0;
}

bool image_registry_is_loopback(const char *registry)
{
        size_t host = strcspn(registry, ":");

        if (*registry == '[')
                return str_starts_with(registry, "[::1]");
        if (host == strlen("localhost") && strncmp(registry, "localhost", host) == 0)
                return true;
        return str_starts_with(registry, "127.") && strspn(registry, "0123456789.") == host;
}
