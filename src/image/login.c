/* SPDX-License-Identifier: Apache-2.0 */
/* Registry logins: "docker" and "dockercfg" of ECS_ENGINE_AUTH_DATA, auth.json, and single ones. */
#include "image/login.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/strutil.h"
#include "codec/json.h"

#define JSON_DEPTH 8

struct login {
        struct list link;
        char *registry;
        char *auth; /* base64 of "user:password" */
};

struct login_list {
        struct list logins;
};

struct login_list *login_list_new(void)
{
        struct login_list *logins = xalloc(sizeof(*logins));

        list_init(&logins->logins);
        return logins;
}

static void login_free(struct login *login)
{
        list_remove(&login->link);
        OPENSSL_cleanse(login->auth, strlen(login->auth));
        free(login->auth);
        free(login->registry);
        free(login);
}

struct login_list *login_list_free(struct login_list *logins)
{
        if (logins == NULL)
                return NULL;
        list_for_each (login, &logins->logins, struct login, link)
                login_free(login);
        free(logins);
        return NULL;
}

/* "https://index.docker.io/v1/" and its like -> "docker.io"; "https://host:5000/v2/" -> "host:5000". */
static char *registry_of(const char *text)
{
        const char *host = strstr(text, "://") != NULL ? strstr(text, "://") + 3 : text;
        char *registry = xstrndup(host, strcspn(host, "/"));

        if (str_eq(registry, "index.docker.io") || str_eq(registry, "registry-1.docker.io")) {
                free(registry);
                return xstrdup("docker.io");
        }
        return registry;
}

static void add_auth(struct login_list *logins, const char *registry, const char *auth)
{
        struct login *login = xalloc(sizeof(*login));

        login->registry = registry_of(registry);
        login->auth = xstrdup(auth);
        list_for_each (old, &logins->logins, struct login, link)
                if (str_eq(old->registry, login->registry))
                        login_free(old);
        list_push(&logins->logins, &login->link);
}

void login_add(struct login_list *logins, const char *registry, const char *username, const char *password)
{
        CLEANUP_FREE char *plain = xprintf("%s:%s", username != NULL ? username : "", password != NULL ? password : "");
        size_t len = strlen(plain);
        CLEANUP_FREE char *auth = xalloc(4 * ((len + 2) / 3) + 1);

        EVP_EncodeBlock((unsigned char *)auth, (const unsigned char *)plain, (int)len);
        add_auth(logins, registry, auth);
        OPENSSL_cleanse(plain, len);
        OPENSSL_cleanse(auth, strlen(auth));
}

/* One {"username", "password", "auth", …}. */
struct fields {
        char *username, *password, *auth;
};

static void fields_done(struct fields *fields)
{
        char *all[] = {fields->username, fields->password, fields->auth};

        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                if (all[i] != NULL)
                        OPENSSL_cleanse(all[i], strlen(all[i]));
                free(all[i]);
        }
}

static int read_text(struct json *json, char **ret)
{
        struct json_string string;
        size_t len;
        int r;

        r = json_read_string(json, &string);
        if (r < 0)
                return r;
        *ret = xalloc(string.len + 1);
        if (!string.escaped) {
                memcpy(*ret, string.text, string.len);
                return 0;
        }
        r = json_unescape(json, &string, *ret, &len);
        if (r == 0)
                (*ret)[len] = '\0';
        return r;
}

/* Calls `fn` for each member of the object at json->p, which must read its value. */
static int each_member(struct json *json, int (*fn)(struct json *json, const char *key, void *data), void *data)
{
        int r;

        if (!json_take(json, '{'))
                return json_fail(json, "it is not an object");
        if (json_take(json, '}'))
                return 0;
        do {
                CLEANUP_FREE char *key = NULL;

                if (json_peek(json) != '"')
                        return json_fail(json, "a member has no name");
                r = read_text(json, &key);
                if (r < 0)
                        return r;
                if (!json_take(json, ':'))
                        return json_fail(json, "a colon is missing");
                json_peek(json);
                r = fn(json, key, data);
                if (r < 0)
                        return r;
        } while (json_take(json, ','));
        return json_take(json, '}') ? 0 : json_fail(json, "a brace is missing");
}

static int read_field(struct json *json, const char *key, void *data)
{
        struct fields *fields = data;
        char **place = str_eq(key, "username")   ? &fields->username
                       : str_eq(key, "password") ? &fields->password
                       : str_eq(key, "auth")     ? &fields->auth
                                                 : NULL;

        if (place == NULL || json_peek(json) != '"')
                return json_skip(json, JSON_DEPTH);
        free(*place);
        *place = NULL;
        return read_text(json, place);
}

static int read_host(struct json *json, const char *key, void *data)
{
        struct login_list *logins = data;
        struct fields fields CLEANUP(fields_done) = {0};
        int r = each_member(json, read_field, &fields);

        if (r < 0)
                return r;
        if (fields.username != NULL && fields.password != NULL)
                login_add(logins, key, fields.username, fields.password);
        else if (!str_empty(fields.auth))
                add_auth(logins, key, fields.auth);
        return 0;
}

static int read_auths(struct json *json, const char *key, void *data)
{
        return str_eq(key, "auths") ? each_member(json, read_host, data) : json_skip(json, JSON_DEPTH);
}

int login_add_engine_auth(struct login_list *logins, const char *type, const char *data, struct error *error)
{
        struct json json;

        if (!str_eq(type, "docker") && !str_eq(type, "dockercfg"))
                return error_set(error, EINVAL, "the type of registry logins is \"%s\": it must be \"docker\" or \"dockercfg\"",
                                 type != NULL ? type : "");
        json_init(&json, data, strlen(data));
        if (each_member(&json, read_host, logins) < 0)
                return error_set(
                        error, EINVAL,
                        "the registry logins are not valid JSON (%s): write {\"registry.example\": {\"username\": …, \"password\": …}}",
                        json.problem != NULL ? json.problem : "unreadable");
        return 0;
}

int login_add_auth_json(struct login_list *logins, const char *text, size_t len, struct error *error)
{
        struct json json;

        json_init(&json, text, len);
        if (each_member(&json, read_auths, logins) < 0)
                return error_set(error, EINVAL, "the file of registry logins is not valid JSON: %s",
                                 json.problem != NULL ? json.problem : "unreadable");
        return 0;
}

void login_write(const struct login_list *logins, struct buf *out)
{
        const char *before = "{\"auths\":{";

        list_for_each (login, (struct list *)(uintptr_t)&logins->logins, struct login, link) {
                buf_append_str(out, before);
                json_append_string(out, login->registry, strlen(login->registry));
                buf_append_str(out, ":{\"auth\":");
                json_append_string(out, login->auth, strlen(login->auth));
                buf_append_char(out, '}');
                before = ",";
        }
        if (!list_empty(&logins->logins))
                buf_append_str(out, "}}\n");
}
