/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console's files. They are mapped, not read: what nobody asks for takes no memory. Beside each file that compresses there
 * is one with ".gz" behind its name, made when the console was built.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/console/internal.h"
#include "base/alloc.h"
#include "base/strutil.h"

#define MAX_FILES 2000
#define MAX_DEPTH 8

/* Nothing but what the server itself serves may run or load; nobody may frame it. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self' data:; "
                             "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const struct {
        const char *suffix, *type;
} types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".json", "application/json"},
        {".txt", "text/plain; charset=utf-8"},
};

static const char *type_of(const char *path)
{
        size_t len = strlen(path);

        if (str_ends_with(path, ".gz"))
                len -= 3;
        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                size_t n = strlen(types[i].suffix);

                if (len >= n && strncmp(path + len - n, types[i].suffix, n) == 0)
                        return types[i].type;
        }
        return "application/octet-stream";
}

/* Changes with the file's contents: good enough for what only a build replaces, and no page of it is read for it. */
static void make_tag(const struct stat *st, char ret[40])
{
        snprintf(ret, 40, "\"%llx-%llx\"", (unsigned long long)st->st_size,
                 (unsigned long long)st->st_mtim.tv_sec * 1000000000 + (unsigned long long)st->st_mtim.tv_nsec);
}

static int map_file(const char *full, struct console_file *file)
{
        int fd = open(full, O_RDONLY | O_CLOEXEC), r = 0;
        struct stat st;
        void *data;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                r = -errno;
        if (r == 0 && st.st_size > 0) {
                data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
                if (data == MAP_FAILED)
                        r = -errno;
                else
                        file->data = data;
        }
        if (r == 0) {
                file->len = (size_t)st.st_size;
                make_tag(&st, file->tag);
        }
        close(fd);
        return r;
}

static int add_file(struct console *console, const char *full, const char *path, struct error *error)
{
        struct console_file *file = xalloc(sizeof(*file) + strlen(path) + 1);
        int r = map_file(full, file);

        if (r < 0) {
                free(file);
                return error_set(error, -r, "cannot read %s: %s", full, strerror(-r));
        }
        memcpy(file->path, path, strlen(path) + 1);
        file->type = type_of(path);
        file->immutable = str_starts_with(path, "assets/");
        map_insert(&console->files, &file->node, file->path);
        return 0;
}

static int add_folder(struct console *console, const char *full, const char *path, int depth, struct error *error);

static int add_entry(struct console *console, const char *full, const char *path, int depth, struct error *error)
{
        struct stat st;

        if (stat(full, &st) < 0)
                return error_set(error, errno, "cannot read %s: %s", full, strerror(errno));
        if (S_ISDIR(st.st_mode))
                return depth < MAX_DEPTH ? add_folder(console, full, path, depth + 1, error) : 0;
        if (!S_ISREG(st.st_mode) || console->files.count >= MAX_FILES)
                return 0;
        return add_file(console, full, path, error);
}

static int add_folder(struct console *console, const char *full, const char *path, int depth, struct error *error)
{
        DIR *dir = opendir(full);
        struct dirent *entry;
        int r = 0;

        if (dir == NULL)
                return error_set(error, errno, "cannot read %s: %s", full, strerror(errno));
        while (r == 0 && (entry = readdir(dir)) != NULL) {
                CLEANUP_ARENA struct arena arena = {0};

                if (entry->d_name[0] != '.')
                        r = add_entry(console, arena_printf(&arena, "%s/%s", full, entry->d_name),
                                      arena_printf(&arena, "%s%s%s", path, *path != '\0' ? "/" : "", entry->d_name), depth, error);
        }
        closedir(dir);
        return r;
}

int console_files_load(struct console *console, struct error *error)
{
        int r = add_folder(console, console->dir, "", 0, error);

        if (r == 0 && map_find(&console->files, "index.html") == NULL)
                return error_set(error, ENOENT, "there is no index.html in %s", console->dir);
        return r;
}

void console_files_free(struct console *console)
{
        map_for_each (node, &console->files) {
                struct console_file *file = CONTAINER_OF(node, struct console_file, node);

                if (file->data != NULL)
                        munmap((void *)(uintptr_t)file->data, file->len);
                free(file);
        }
        map_done(&console->files);
}

/* The application's own paths ("clusters/default") are all its one page; a missing file is missing. */
static struct console_file *find(struct console *console, const char *path)
{
        struct console_file *file = map_get(&console->files, path, struct console_file, node);
        const char *last = strrchr(path, '/');

        if (file != NULL || str_starts_with(path, "assets/") || strchr(last != NULL ? last : path, '.') != NULL)
                return file;
        return map_get(&console->files, "index.html", struct console_file, node);
}

static struct console_file *compressed(struct console *console, const struct http_request *req, const struct console_file *file)
{
        const char *accepted = http_request_header(req, "Accept-Encoding");

        if (accepted == NULL || strstr(accepted, "gzip") == NULL)
                return NULL;
        return map_get(&console->files, arena_printf(req->arena, "%s.gz", file->path), struct console_file, node);
}

static void answer_missing(struct console *console, struct http_request *req)
{
        static const struct http_header headers[] = {{"Content-Type", "text/plain; charset=utf-8"}};
        const char *text = console->files.count > 0 ? "There is no such file in the console.\n"
                                                    : "The console was not built: `make console` builds it, then start the server again "
                                                      "(gantry server --console-dir says where it looks).\n";

        http_respond(req, 404, headers, ARRAY_SIZE(headers), text, strlen(text));
}

void console_files_answer(struct console *console, struct http_request *req, const char *path)
{
        struct console_file *file = find(console, *path != '\0' ? path : "index.html"), *packed;
        const char *tag = http_request_header(req, "If-None-Match");

        if (file == NULL) {
                answer_missing(console, req);
                return;
        }
        packed = compressed(console, req, file);

        struct http_header headers[] = {
                {"Content-Type", file->type},
                {"ETag", file->tag},
                {"Cache-Control", file->immutable ? "public, max-age=31536000, immutable" : "no-cache"},
                {"Vary", "Accept-Encoding"},
                {"Content-Security-Policy", policy},
                {"X-Content-Type-Options", "nosniff"},
                {"Referrer-Policy", "no-referrer"},
                {"Content-Encoding", "gzip"},
        };
        size_t n = ARRAY_SIZE(headers) - (packed == NULL);

        if (str_eq(tag, file->tag))
                http_respond(req, 304, headers, n, NULL, 0);
        else if (packed != NULL)
                http_respond(req, 200, headers, n, packed->data, packed->len);
        else
                http_respond(req, 200, headers, n, file->data, file->len);
}
