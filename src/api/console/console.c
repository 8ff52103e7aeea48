/* SPDX-License-Identifier: Apache-2.0 */
/* The paths below /console. */
#include "api/console/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/console/internal.h"
#include "base/alloc.h"
#include "base/strutil.h"

#define PREFIX "/console"

static void redirect(struct http_request *req)
{
        static const struct http_header headers[] = {{"Location", PREFIX "/"}};

        http_respond(req, 302, headers, ARRAY_SIZE(headers), NULL, 0);
}

static void answer(struct api *api, struct http_request *req, void *data)
{
        struct console *console = data;
        const char *path = req->path + strlen(PREFIX);
        bool get = str_eq(req->method, "GET") || str_eq(req->method, "HEAD"), post = str_eq(req->method, "POST");

        (void)api;
        if (post && str_eq(path, "/code"))
                console_code_answer(console, req);
        else if (post && str_eq(path, "/session"))
                console_session_answer(console, req);
        else if (!get)
                api_respond_error(req, 405, "MethodNotAllowed", "Pages are read with GET.");
        else if (*path == '\0')
                redirect(req);
        else
                console_files_answer(console, req, path + 1);
}

int console_new(struct api *api, const char *dir, struct console **ret, struct error *error)
{
        struct console *console = xalloc(sizeof(*console));
        int r;

        console->api = api;
        console->dir = xstrdup(dir);
        map_init(&console->files);
        r = console_files_load(console, error);
        if (r < 0 && r != -ENOENT) {
                console_free(console);
                return r;
        }
        api_add_page(api, PREFIX, answer, console);
        *ret = console;
        return r;
}

struct console *console_free(struct console *console)
{
        if (console == NULL)
                return NULL;
        console_files_free(console);
        console_codes_free(console);
        free(console->dir);
        free(console);
        return NULL;
}
