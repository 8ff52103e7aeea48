/* SPDX-License-Identifier: Apache-2.0 */
/* gantry keys: makes, lists and removes access keys, through the IAM operations of the server. */
#include <stdio.h>
#include <string.h>

#include "base/strutil.h"
#include "cmd/client.h"
#include "cmd/verbs.h"

struct keys_values {
        const char *data_dir, *user;
        bool agent;
};

#define IAM_FORM(action) "Action=" action "&Version=2010-05-08"

/* What this machine calls its server, other machines may not reach it by. */
static void print_next_step(const char *endpoint, const char *id, const char *secret)
{
        const char *loopback = strstr(endpoint, "://127."), *port = strrchr(endpoint, ':');

        fprintf(stderr, "\nOn the new node, as root:\n    GANTRY_ACCESS_KEY=%s GANTRY_SECRET_KEY=%s gantry agent --server ", id, secret);
        if (loopback == NULL)
                fprintf(stderr, "%s\n", endpoint);
        else
                fprintf(stderr,
                        "%.*s://SERVER%s\n"
                        "SERVER is an address of this machine that the node reaches; the server has to answer there (--listen "
                        "0.0.0.0%s).\n",
                        (int)(loopback - endpoint), endpoint, port, port);
}

static int create_key(const struct verb *verb, const struct keys_values *v, const struct credentials *c, const char *argument)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        const char *xml, *id, *secret, *cursor;
        struct client_request request = {c, "iam",
                                         arena_printf(&arena, IAM_FORM("CreateAccessKey") "&UserName=%s", v->agent ? "agent" : v->user)};

        (void)argument;
        if (client_call(&request, &arena, &xml, &error) < 0)
                return verb_fail(verb, &error);
        cursor = xml;
        id = client_xml_text(&cursor, "AccessKeyId", &arena);
        cursor = xml;
        secret = client_xml_text(&cursor, "SecretAccessKey", &arena);
        printf("access-key = %s\nsecret-key = %s\n", id, secret);
        if (v->agent)
                print_next_step(c->endpoint, id, secret);
        return 0;
}

static int list_keys(const struct verb *verb, const struct keys_values *v, const struct credentials *c, const char *argument)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        const char *xml, *member;
        struct client_request request = {c, "iam", IAM_FORM("ListAccessKeys")};

        (void)v;
        (void)argument;
        if (client_call(&request, &arena, &xml, &error) < 0)
                return verb_fail(verb, &error);
        while ((member = client_xml_text(&xml, "member", &arena)) != NULL) {
                const char *user = member, *id = member, *created = member;

                id = client_xml_text(&id, "AccessKeyId", &arena);
                user = client_xml_text(&user, "UserName", &arena);
                created = client_xml_text(&created, "CreateDate", &arena);
                printf("%-24s %-12s %s\n", id, user != NULL ? user : "", created != NULL ? created : "");
        }
        return 0;
}

static int delete_key(const struct verb *verb, const struct keys_values *v, const struct credentials *c, const char *argument)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        const char *xml;
        struct client_request request = {c, "iam", NULL};

        (void)v;
        if (argument == NULL || !str_is_name(argument, "", 128))
                return verb_fail_text(verb, "delete needs the key's ID: gantry keys list");
        request.form = arena_printf(&arena, IAM_FORM("DeleteAccessKey") "&AccessKeyId=%s", argument);
        return client_call(&request, &arena, &xml, &error) < 0 ? verb_fail(verb, &error) : 0;
}

static int run_keys(const struct verb *verb, void *values, char **args)
{
        static const struct {
                const char *word;
                int (*run)(const struct verb *verb, const struct keys_values *v, const struct credentials *c, const char *argument);
        } actions[] = {{"create", create_key}, {"list", list_keys}, {"delete", delete_key}};
        const struct keys_values *v = values;
        CLEANUP_ARENA struct arena arena = {0};
        struct credentials c;
        struct error error = {0};

        if (!str_is_name(v->user, "_-+=,.@", 128))
                return verb_fail_text(verb, "--user: '%s' is not a user name (letters, digits and _-+=,.@)", v->user);
        for (size_t i = 0; args[0] != NULL && i < ARRAY_SIZE(actions); i++)
                if (str_eq(args[0], actions[i].word)) {
                        if (credentials_read(v->data_dir, CREDENTIALS_ADMIN, &arena, &c, &error) < 0)
                                return verb_fail(verb, &error);
                        return actions[i].run(verb, v, &c, args[1]);
                }
        return verb_fail_text(verb, "say what to do: create, list or delete ID");
}

static const struct option_row keys_options[] = {
        {"data-dir", OPTION_STRING, offsetof(struct keys_values, data_dir), "DIR", DEFAULT_DATA_DIR, "data directory of the server"},
        {"user", OPTION_STRING, offsetof(struct keys_values, user), "NAME", "admin", "user that a new key belongs to"},
        {"agent", OPTION_BOOL, offsetof(struct keys_values, agent), NULL, NULL, "make a key that nodes join with; it can do nothing else"},
        OPTION_END,
};

const struct verb verb_keys = {
        .name = "keys",
        .summary = "make, list and remove access keys",
        .usage = "create [--agent] [--user NAME] | list | delete ID",
        .max_args = 2,
        .description = "Access keys sign requests. The administrator's is made at the first start (gantry env prints it); nodes join with\n"
                       "keys of their own. A removed key stops working at once.\n",
        .options = keys_options,
        .size = sizeof(struct keys_values),
        .run = run_keys,
};
