/* SPDX-License-Identifier: Apache-2.0 */
/* See api_harness.h. */
#include "api_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "control/network.h"
#include "model/network.h"
#include "store/store.h"

static int64_t harness_now(struct env *env)
{
        return CONTAINER_OF(env, struct harness_env, env)->now_ms;
}

static int64_t harness_mono(struct env *env)
{
        return CONTAINER_OF(env, struct harness_env, env)->now_ms * 1000;
}

/* xorshift: every run sees the same ids. */
static void harness_random(struct env *env, void *bytes, size_t n)
{
        struct harness_env *h = CONTAINER_OF(env, struct harness_env, env);

        for (size_t i = 0; i < n; i++) {
                h->seed ^= h->seed << 13;
                h->seed ^= h->seed >> 7;
                h->seed ^= h->seed << 17;
                ((unsigned char *)bytes)[i] = (unsigned char)(h->seed >> 32);
        }
}

static void open_model(struct api_harness *h, const struct api_options *given)
{
        struct api_options options = *given;
        struct error error = {0};

        if (model_open(h->store, &h->env.env, NULL, "123456789012", "us-east-1", &h->model, &error) < 0)
                fail_msg("model_open: %s", error.message);
        if (network_ensure(h->model, NULL, &error) < 0)
                fail_msg("network_ensure: %s", error.message);
        options.model = h->model;
        options.env = &h->env.env;
        options.loop = NULL;
        h->api = api_new(&options);
}

void harness_begin_with(struct api_harness *h, const struct api_options *options)
{
        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT); /* refusals are what is tested */
        *h = (struct api_harness){.service = "ecs"};
        h->env.env = (struct env){harness_now, harness_mono, harness_random};
        h->env.now_ms = INT64_C(1767225600000);
        h->env.seed = 88172645463325252u;
        h->store = store_memory_new(-1);
        open_model(h, options);
}

void harness_begin(struct api_harness *h)
{
        harness_begin_with(h, &(struct api_options){.no_auth = true});
}

static void forget_answer(struct api_harness *h)
{
        if (h->answer != NULL)
                json_decref(h->answer);
        h->answer = NULL;
        buf_clear(&h->text);
}

void harness_end(struct api_harness *h)
{
        forget_answer(h);
        buf_done(&h->text);
        h->api = api_free(h->api);
        h->model = model_close(h->model);
        h->store = store_close(h->store);
}

void harness_restart(struct api_harness *h)
{
        struct api_options options = h->api->options;

        options.public_url = NULL;
        options.version = NULL;
        h->api = api_free(h->api);
        h->model = model_close(h->model);
        open_model(h, &options);
}

static int call(struct api_harness *h, const char *operation, char *json)
{
        json_error_t error;

        for (char *p = json; *p != '\0'; p++)
                if (*p == '\'')
                        *p = '"';
        forget_answer(h);
        h->status = api_run(h->api, h->service, operation, h->principal, json, &h->text);
        h->answer = h->text.len > 0 ? json_loads(h->text.data, JSON_REJECT_DUPLICATES, &error) : NULL;
        if (h->text.len > 0 && h->answer == NULL)
                fail_msg("%s answered bad JSON (%s): %s", operation, error.text, h->text.data);
        return h->status;
}

PRINTF_LIKE(1, 0)
static char *format(const char *fmt, va_list args)
{
        char *text = NULL;

        if (vasprintf(&text, fmt, args) < 0)
                abort();
        return text;
}

void harness_networks(struct api_harness *h, struct harness_networks *ret)
{
        size_t n = 0;

        tree_for_each (node, model_objects(h->model, OBJECT_SUBNET)) {
                const struct subnet *subnet = MODEL_OBJECT(node, subnet);

                if (n < ARRAY_SIZE(ret->subnets))
                        snprintf(ret->subnets[n++], sizeof(ret->subnets[0]), "%s", subnet->state->id);
                snprintf(ret->vpc, sizeof(ret->vpc), "%s", subnet->state->vpc);
        }
        assert_int_equal(n, ARRAY_SIZE(ret->subnets));
}

int harness_call(struct api_harness *h, const char *operation, const char *json_fmt, ...)
{
        CLEANUP_FREE char *json = NULL;
        va_list args;

        va_start(args, json_fmt);
        json = format(json_fmt, args);
        va_end(args);
        return call(h, operation, json);
}

void harness_ok(struct api_harness *h, const char *operation, const char *json_fmt, ...)
{
        CLEANUP_FREE char *json = NULL;
        va_list args;

        va_start(args, json_fmt);
        json = format(json_fmt, args);
        va_end(args);
        if (call(h, operation, json) != 200)
                fail_msg("%s %s: %d %s", operation, json, h->status, h->text.data);
}

void harness_fails(struct api_harness *h, const char *operation, const char *json, const char *code, const char *text)
{
        CLEANUP_FREE char *copy = xstrdup(json);
        const char *message;

        if (call(h, operation, copy) == 200)
                fail_msg("%s %s went well, but should fail with %s", operation, copy, code);
        message = harness_text(h, "message");
        if (!str_eq(harness_text(h, "__type"), code) || (text != NULL && strstr(message, text) == NULL))
                fail_msg("%s %s: should fail with %s \"%s\", but: %s", operation, copy, code, text != NULL ? text : "", h->text.data);
}

/* "a.b[2].c" */
static json_t *find(const struct api_harness *h, const char *path)
{
        json_t *at = h->answer;

        while (at != NULL && *path != '\0') {
                char name[128];
                size_t n = strcspn(path, ".[");

                if (*path == '[') {
                        at = json_array_get(at, strtoul(path + 1, NULL, 10));
                        path = strchr(path, ']') + 1;
                } else {
                        assert_true(n < sizeof(name));
                        memcpy(name, path, n);
                        name[n] = '\0';
                        at = json_object_get(at, name);
                        path += n;
                }
                if (*path == '.')
                        path++;
        }
        return at;
}

const char *harness_text(const struct api_harness *h, const char *path)
{
        json_t *value = find(h, path);

        if (value != NULL && !json_is_string(value))
                fail_msg("%s is not a string: %s", path, h->text.data);
        return value != NULL ? json_string_value(value) : NULL;
}

int64_t harness_int(const struct api_harness *h, const char *path)
{
        json_t *value = find(h, path);

        if (!json_is_integer(value))
                fail_msg("%s is not an integer: %s", path, h->text.data);
        return json_integer_value(value);
}

bool harness_has(const struct api_harness *h, const char *path)
{
        return find(h, path) != NULL;
}

size_t harness_count(const struct api_harness *h, const char *path)
{
        json_t *value = find(h, path);

        if (!json_is_array(value))
                fail_msg("%s is not a list: %s", path, h->text.data);
        return json_array_size(value);
}

bool harness_true(const struct api_harness *h, const char *path)
{
        return json_is_true(find(h, path));
}
