/* SPDX-License-Identifier: Apache-2.0 */
/* One signed call to the server, for verbs. */
#include "cmd/client.h"

#include <errno.h>
#include <string.h>

#include "base/env.h"
#include "base/strutil.h"
#include "codec/sigv4.h"
#include "net/http_client.h"

struct exchange {
        struct arena *arena;
        struct error *error;
        const char *endpoint;
        const char *xml;
        int result;
};

static void on_done(struct http_call *call, const struct http_result *result, void *data)
{
        struct exchange *x = data;
        const char *cursor = result->body, *message;

        (void)call;
        if (result->status < 0) {
                x->result = error_set(x->error, -result->status, "no answer from %s: %s", x->endpoint, result->message);
                return;
        }
        if (result->status == 200) {
                x->xml = arena_strndup(x->arena, result->body, result->len);
                return;
        }
        message = client_xml_text(&cursor, "Message", x->arena);
        x->result = error_set(x->error, EPROTO, "the server answers %d: %s", result->status, message != NULL ? message : result->body);
}

int client_call(const struct client_request *request, struct arena *arena, const char **ret_xml, struct error *error)
{
        const struct credentials *c = request->credentials;
        struct exchange x = {.arena = arena, .error = error, .endpoint = c->endpoint};
        const char *host = strstr(c->endpoint, "://"), *authorization;
        const char *path = request->path != NULL ? request->path : "/";
        struct sigv4_credentials keys = {.key_id = c->key_id, .secret = c->secret};
        char timestamp[17];
        struct http_client *http;
        uv_loop_t loop;

        if (host == NULL)
                return error_set(error, EINVAL, "'%s' is not a URL", c->endpoint);
        host += 3;
        sigv4_timestamp(env_now_ms(env_system()), timestamp);

        struct sigv4_header signed_headers[] = {
                {"content-type", "application/x-www-form-urlencoded; charset=utf-8"}, {"host", host}, {"x-amz-date", timestamp}};
        struct sigv4_request to_sign = {.method = "POST",
                                        .path = path,
                                        .query = "",
                                        .headers = signed_headers,
                                        .n_headers = ARRAY_SIZE(signed_headers),
                                        .body = request->form,
                                        .body_len = strlen(request->form)};

        sigv4_sign(&to_sign, &keys, c->region, request->service, timestamp, arena, &authorization);

        struct http_header headers[] = {
                {"Content-Type", signed_headers[0].value}, {"X-Amz-Date", timestamp}, {"Authorization", authorization}};
        struct http_call_options options = {.method = "POST",
                                            .url = arena_printf(arena, "%s%s", c->endpoint, path),
                                            .headers = headers,
                                            .n_headers = ARRAY_SIZE(headers),
                                            .body = request->form,
                                            .body_len = strlen(request->form),
                                            .done = on_done,
                                            .data = &x};

        uv_loop_init(&loop);
        http = http_client_new(&loop, &(struct http_client_options){.user_agent = "gantry"});
        http_client_call(http, &options);
        while (x.xml == NULL && x.result == 0 && uv_run(&loop, UV_RUN_ONCE) != 0)
                ;
        http_client_free(http);
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
        *ret_xml = x.xml;
        return x.result;
}

const char *client_xml_text(const char **cursor, const char *name, struct arena *arena)
{
        static const struct {
                const char *entity;
                char c;
        } entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
        char *open = arena_printf(arena, "<%s>", name), *close = arena_printf(arena, "</%s>", name), *text, *out;
        const char *start = strstr(*cursor, open), *end = start != NULL ? strstr(start, close) : NULL;

        if (end == NULL)
                return NULL;
        *cursor = end + strlen(close);
        start += strlen(open);
        text = out = arena_strndup(arena, start, (size_t)(end - start));
        for (const char *in = text; *in != '\0';) {
                size_t i = 0;

                while (i < ARRAY_SIZE(entities) && !str_starts_with(in, entities[i].entity))
                        i++;
                *out++ = i < ARRAY_SIZE(entities) ? entities[i].c : *in;
                in += i < ARRAY_SIZE(entities) ? strlen(entities[i].entity) : 1;
        }
        *out = '\0';
        return text;
}
