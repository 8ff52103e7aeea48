/* SPDX-License-Identifier: Apache-2.0 */
/* gantry console: a link that signs a browser in. */
#include <stdio.h>
#include <string.h>

#include "api/console.idl.h"
#include "cmd/client.h"
#include "cmd/verbs.h"

struct console_values {
        const char *data_dir;
};

static const struct option_row console_options[] = {
        {"data-dir", OPTION_STRING, offsetof(struct console_values, data_dir), "DIR", DEFAULT_DATA_DIR, "data directory of the server"},
        OPTION_END,
};

int console_link(const char *data_dir, struct arena *arena, const char **ret, struct error *error)
{
        struct console_sign_in_code *code;
        struct credentials c;
        const char *answer;
        int r = credentials_read(data_dir, CREDENTIALS_ADMIN, arena, &c, error);

        if (r < 0)
                return r;
        r = client_call(&(struct client_request){&c, "ecs", "", "/console/code"}, arena, &answer, error);
        if (r < 0)
                return r;
        r = SHAPE_PARSE(console_sign_in_code, arena, answer, strlen(answer), NULL, &code, error);
        if (r < 0) {
                (void)error_wrap(error, "the server answers something else than a code");
                return r;
        }
        *ret = arena_printf(arena, "%s/console/#code=%s", c.endpoint, code->code);
        return 0;
}

static int run_console(const struct verb *verb, void *values, char **args)
{
        const struct console_values *v = values;
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        const char *link;

        (void)args;
        if (console_link(v->data_dir, &arena, &link, &error) < 0)
                return verb_fail(verb, &error);
        printf("%s\n", link);
        return 0;
}

const struct verb verb_console = {
        .name = "console",
        .summary = "print a link that signs a browser in to the web console",
        .usage = "[--data-dir DIR]",
        .description =
                "The link works once and for ten minutes; the browser is then signed in for twelve hours. Run it on the server's machine\n"
                "(it reads the administrator's keys from the data directory).\n",
        .options = console_options,
        .size = sizeof(struct console_values),
        .run = run_console,
};
