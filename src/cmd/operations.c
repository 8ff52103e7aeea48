/* SPDX-License-Identifier: Apache-2.0 */
/* gantry operations: which operations of which services are built. docs/operations.md is its output. */
#include <stdio.h>

#include "api/server.h"
#include "cmd/verbs.h"
#include "store/store.h"

struct operations_values {
        bool markdown, missing;
};

struct tally {
        const struct operations_values *values;
        const struct shape_service *service;
        unsigned built, all;
};

static void end_service(const struct tally *t)
{
        if (t->service != NULL && t->values->markdown)
                printf("\n%u of %u operations of `%s` are built.\n", t->built, t->all, t->service->name);
}

static bool print_operation(const struct shape_service *service, const struct shape_operation *operation, bool built, void *data)
{
        struct tally *t = data;

        if (service != t->service) {
                end_service(t);
                *t = (struct tally){.values = t->values, .service = service};
                if (t->values->markdown)
                        printf("\n## %s\n\n| operation | built |\n|---|---|\n", service->name);
        }
        t->all++;
        t->built += built;
        if (t->values->missing && built)
                return true;
        if (t->values->markdown)
                printf("| %s | %s |\n", operation->name, built ? "yes" : "not yet");
        else
                printf("%-6s %-40s %s\n", service->name, operation->name, built ? "built" : "not built yet");
        return true;
}

static int run_operations(const struct verb *verb, void *values, char **args)
{
        struct tally tally = {.values = values};
        struct error error = {0};
        struct store *store = store_memory_new(-1);
        struct model *model;
        struct api *api;

        (void)args;
        if (model_open(store, env_system(), NULL, "123456789012", "us-east-1", &model, &error) < 0)
                return verb_fail(verb, &error);
        api = api_new(&(struct api_options){.model = model});
        if (tally.values->markdown)
                printf("# Operations\n\nWritten by `gantry operations --markdown` from the tables that the server answers by.\n");
        api_operations(api, print_operation, &tally);
        end_service(&tally);
        api_free(api);
        model_close(model);
        store_close(store);
        return 0;
}

static const struct option_row operations_options[] = {
        {"markdown", OPTION_BOOL, offsetof(struct operations_values, markdown), NULL, NULL, "as the table in docs/operations.md"},
        {"missing", OPTION_BOOL, offsetof(struct operations_values, missing), NULL, NULL, "only those that are not built"},
        OPTION_END,
};

const struct verb verb_operations = {
        .name = "operations",
        .summary = "list the API operations and which of them are built",
        .usage = "[--missing] [--markdown]",
        .description = "Lists every operation that the server knows. One that is not built answers with an error that says so.\n",
        .options = operations_options,
        .size = sizeof(struct operations_values),
        .run = run_operations,
};
