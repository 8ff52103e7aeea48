/* SPDX-License-Identifier: Apache-2.0 */
/* Writes and reads the credential files of a data directory: four lines "name = value". */
#include "cmd/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/files.h"
#include "base/strutil.h"

static const struct {
        const char *name;
        size_t offset;
} members[] = {
        {"endpoint", offsetof(struct credentials, endpoint)},
        {"region", offsetof(struct credentials, region)},
        {"access-key-id", offsetof(struct credentials, key_id)},
        {"secret-access-key", offsetof(struct credentials, secret)},
};

static const char **member(struct credentials *credentials, size_t i)
{
        return (const char **)(void *)((char *)credentials + members[i].offset);
}

int credentials_write(const char *dir, const char *name, const struct credentials *credentials, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_BUF struct buf text = {0};
        struct credentials copy = *credentials;
        char *path = arena_printf(&arena, "%s/%s", dir, name);
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                buf_printf(&text, "%s = %s\n", members[i].name, *member(&copy, i));
        r = files_write(AT_FDCWD, path, text.data, text.len, 0600, true);
        return r < 0 ? error_set(error, -r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

int credentials_read(const char *dir, const char *name, struct arena *arena, struct credentials *ret, struct error *error)
{
        CLEANUP_BUF struct buf text = {0};
        struct credentials found = {0};
        char *path = arena_printf(arena, "%s/%s", dir, name), *save = NULL;
        int r = buf_read_file(&text, path, 65536);

        if (r < 0)
                return error_set(error, -r, "cannot read %s: %s%s", path, strerror(-r),
                                 r == -ENOENT   ? ". Is --data-dir right, and has the server been started?"
                                 : r == -EACCES ? ". Run this as the user that runs the server (sudo)."
                                                : "");
        for (char *line = strtok_r(text.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
                for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
                        size_t len = strlen(members[i].name);

                        if (str_starts_with(line, members[i].name) && str_starts_with(line + len, " = "))
                                *member(&found, i) = arena_strdup(arena, line + len + 3);
                }
        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                if (*member(&found, i) == NULL)
                        return error_set(error, EINVAL, "%s has no line \"%s = …\": stop the server, remove the file, start it again", path,
                                         members[i].name);
        *ret = found;
        return 0;
}
