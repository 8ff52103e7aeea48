/* SPDX-License-Identifier: Apache-2.0 */
/* gantry capacity: the hosts that Fargate tasks run on. */
#include <stdio.h>

#include "base/strutil.h"
#include "cmd/client.h"
#include "cmd/verbs.h"

struct capacity_values {
        const char *data_dir;
};

static int run_capacity(const struct verb *verb, void *values, char **args)
{
        const struct capacity_values *v = values;
        CLEANUP_ARENA struct arena arena = {0};
        struct client_request request = {.service = "ecs", .form = "", .path = "/capacity"};
        struct credentials c;
        struct error error = {0};
        const char *answer;

        if (args[0] != NULL &&
            ((!str_eq(args[0], "reclaim") && !str_eq(args[0], "offer")) || args[1] == NULL || !str_is_name(args[1], "", 64)))
                return verb_fail_text(verb,
                                      "say nothing, or: reclaim HOST, or: offer HOST, with the id of a host that `gantry capacity` shows");
        if (args[0] != NULL)
                request.form = arena_printf(&arena, "%s=%s", str_eq(args[0], "offer") ? "Offer" : "Reclaim", args[1]);
        if (credentials_read(v->data_dir, CREDENTIALS_ADMIN, &arena, &c, &error) < 0)
                return verb_fail(verb, &error);
        request.credentials = &c;
        if (client_call(&request, &arena, &answer, &error) < 0)
                return verb_fail(verb, &error);
        fputs(answer, stdout);
        return 0;
}

static const struct option_row capacity_options[] = {
        {"data-dir", OPTION_STRING, offsetof(struct capacity_values, data_dir), "DIR", DEFAULT_DATA_DIR, "data directory of the server"},
        OPTION_END,
};

const struct verb verb_capacity = {
        .name = "capacity",
        .summary = "show the hosts of Fargate tasks, or take FARGATE_SPOT capacity back",
        .usage = "[reclaim HOST | offer HOST]",
        .max_args = 2,
        .description = "Hosts join with `gantry agent --fargate`; a machine under `gantry up` is one too. reclaim tells all FARGATE_SPOT "
                       "tasks of\n"
                       "a host to stop, as ECS does when it needs the capacity, and gives the host no others until offer; their services\n"
                       "start others where there is room.\n",
        .options = capacity_options,
        .size = sizeof(struct capacity_values),
        .run = run_capacity,
};
