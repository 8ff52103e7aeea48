/* SPDX-License-Identifier: Apache-2.0 */
/* gantry env: the lines that make aws, SDKs and Terraform talk to the server on this machine. */
#include <stdio.h>

#include "cmd/credentials.h"
#include "cmd/verbs.h"

struct env_values {
        const char *data_dir;
        bool function;
};

static const struct option_row env_options[] = {
        {"data-dir", OPTION_STRING, offsetof(struct env_values, data_dir), "DIR", DEFAULT_DATA_DIR, "data directory of the server"},
        {"function", OPTION_BOOL, offsetof(struct env_values, function), NULL, NULL,
         "also define a shell function aws that passes the endpoint on: the AWS CLI before 2.13 (Debian 12 has 2.9) does not read "
         "AWS_ENDPOINT_URL"},
        OPTION_END,
};

static int run_env(const struct verb *verb, void *values, char **args)
{
        const struct env_values *v = values;
        CLEANUP_ARENA struct arena arena = {0};
        struct credentials c;
        struct error error = {0};

        (void)args;
        if (credentials_read(v->data_dir, CREDENTIALS_ADMIN, &arena, &c, &error) < 0)
                return verb_fail(verb, &error);
        printf("export AWS_ENDPOINT_URL=%s\n", c.endpoint);
        printf("export AWS_REGION=%s\nexport AWS_DEFAULT_REGION=%s\n", c.region, c.region);
        printf("export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n", c.key_id, c.secret);
        /* Cloud Map's SDKs would look for DiscoverInstances at "data-" and the endpoint's host. */
        printf("export AWS_DISABLE_HOST_PREFIX_INJECTION=true\n");
        if (v->function)
                printf("aws() { command aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }\n");
        return 0;
}

const struct verb verb_env = {
        .name = "env",
        .summary = "print the variables that point aws, SDKs and Terraform here",
        .usage = "[--data-dir DIR] [--function]",
        .description = "Prints export lines: endpoint, region and the administrator's keys. Use it as\n\n"
                       "    eval \"$(gantry env)\"\n",
        .options = env_options,
        .size = sizeof(struct env_values),
        .run = run_env,
};
