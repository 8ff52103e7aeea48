/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the console share. */
#pragma once

#include "api/console/console.h"
#include "base/map.h"

#define MAX_CODES 32
#define CODE_DIGITS 32

/* A file as it is mapped into memory. */
struct console_file {
        struct map_node node; /* by path below the folder: "assets/app-3f2a.js" */
        const char *type;     /* content type */
        const void *data;
        size_t len;
        bool immutable; /* its name changes with its contents */
        char tag[40];   /* for If-None-Match, with the quotes */
        char path[];
};

/* A sign-in code that was not used yet. */
struct console_code {
        char text[CODE_DIGITS + 1]; /* "": free */
        char *principal_arn;
        int64_t expires_ms;
};

struct console {
        struct api *api;
        struct map files;
        struct console_code codes[MAX_CODES];
        char *dir;
};

/* files.c */
/* 0, or -errno with the reason; -ENOENT without index.html. */
int console_files_load(struct console *console, struct error *error) MUST_CHECK;
void console_files_free(struct console *console);
void console_files_answer(struct console *console, struct http_request *req, const char *path);

/* signin.c */
void console_code_answer(struct console *console, struct http_request *req);
void console_session_answer(struct console *console, struct http_request *req);
void console_codes_free(struct console *console);
