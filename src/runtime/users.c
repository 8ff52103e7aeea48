/* SPDX-License-Identifier: Apache-2.0 */
/* Reads passwd and group of an image. */
#include "runtime/users.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/buf.h"
#include "base/strutil.h"

#define MAX_FILE (1024 * 1024)
#define MAX_ID UINT32_C(0xfffffffe)

/* Opens `path` inside the directory `root`, which no link can leave. */
static int open_inside(const char *root, const char *path)
{
        struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_IN_ROOT};
        CLEANUP_CLOSE int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

        int fd;

        if (dir < 0)
                return -errno;
        fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
        return fd < 0 ? -errno : fd;
}

/* The topmost layer's file; "" when no layer has one, or a higher one removed it (a whiteout is a character device). */
static const char *read_topmost(const char *const *layers, uint32_t n_layers, const char *path, struct arena *arena)
{
        for (uint32_t i = n_layers; i-- > 0;) {
                CLEANUP_CLOSE int fd = open_inside(layers[i], path);
                struct stat st;
                char *text;
                ssize_t n;

                if (fd < 0)
                        continue;
                if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > MAX_FILE)
                        return "";
                text = arena_bytes(arena, (size_t)st.st_size + 1);
                n = read(fd, text, (size_t)st.st_size);
                text[n > 0 ? n : 0] = '\0';
                return text;
        }
        return "";
}

/* Splits "a:b:c" in place; returns how many fields there are, at most `max`. */
static size_t split_line(char *line, char **fields, size_t max)
{
        size_t n = 0;

        while (line != NULL && n < max)
                fields[n++] = strsep(&line, ":");
        return n;
}

static bool parse_id(const char *text, uint32_t *ret)
{
        int64_t value;

        if (str_to_int64(text, &value) < 0 || value < 0 || value > MAX_ID)
                return false;
        *ret = (uint32_t)value;
        return true;
}

/* Fields of the first line whose field `column` is `text`; false when there is none. */
static bool find_line(const char *file, size_t column, const char *text, struct arena *arena, char **fields, size_t n_fields)
{
        char *copy = arena_strdup(arena, file), *line;

        while ((line = strsep(&copy, "\n")) != NULL) {
                char *found[8] = {0};

                if (split_line(line, found, ARRAY_SIZE(found)) < 3 || !str_eq(found[column], text))
                        continue;
                memcpy(fields, found, n_fields * sizeof(*fields));
                return true;
        }
        return false;
}

/* Groups that list `name` as a member. */
static void collect_groups(const char *file, const char *name, struct arena *arena, struct int_list *ret)
{
        char *copy = arena_strdup(arena, file), *line;

        while ((line = strsep(&copy, "\n")) != NULL) {
                char *fields[4] = {0}, *member;
                uint32_t gid;

                if (split_line(line, fields, ARRAY_SIZE(fields)) < 4 || !parse_id(fields[2], &gid))
                        continue;
                while ((member = strsep(&fields[3], ",")) != NULL)
                        if (str_eq(member, name)) {
                                int64_t *grown = arena_calloc(arena, ret->n + 1, sizeof(*grown));

                                if (ret->n > 0)
                                        memcpy(grown, ret->items, ret->n * sizeof(*grown));
                                grown[ret->n++] = gid;
                                ret->items = grown;
                                break;
                        }
        }
}

int user_resolve(const char *text, const char *const *layers, uint32_t n_layers, struct arena *arena, struct user_identity *ret,
                 struct error *error)
{
        const char *colon, *user, *group, *passwd, *groups;
        struct user_identity found = {.home = "/"};
        char *fields[6] = {0};
        bool known;

        if (str_empty(text))
                text = "0";
        colon = strchr(text, ':');
        user = colon != NULL ? arena_strndup(arena, text, (size_t)(colon - text)) : text;
        group = colon != NULL ? colon + 1 : NULL;
        passwd = read_topmost(layers, n_layers, "etc/passwd", arena);
        groups = read_topmost(layers, n_layers, "etc/group", arena);
        known = find_line(passwd, 0, user, arena, fields, ARRAY_SIZE(fields));
        if (!known && parse_id(user, &found.uid))
                known = find_line(passwd, 2, user, arena, fields, ARRAY_SIZE(fields));
        else if (!known || !parse_id(fields[2], &found.uid))
                return error_set(error, EINVAL, "user '%s': the image's /etc/passwd has no such name; give a number or use another image",
                                 user);
        if (known) {
                if (!str_empty(fields[5]))
                        found.home = fields[5];
                if (fields[3] == NULL || !parse_id(fields[3], &found.gid))
                        found.gid = 0;
        }
        if (group == NULL && known)
                collect_groups(groups, fields[0], arena, &found.groups);
        if (group != NULL && !parse_id(group, &found.gid)) {
                if (!find_line(groups, 0, group, arena, fields, 3) || !parse_id(fields[2], &found.gid))
                        return error_set(error, EINVAL, "user '%s': the image's /etc/group has no group '%s'", text, group);
        }
        *ret = found;
        return 0;
}
