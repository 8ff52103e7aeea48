/* SPDX-License-Identifier: Apache-2.0 */
/* Signing in: a code that somebody with keys asked for is changed, once, into keys for the browser. */
#include <stdlib.h>
#include <string.h>

#include "api/console.idl.h"
#include "api/console/internal.h"
#include "api/keys.h"
#include "api/server_internal.h"
#include "base/alloc.h"
#include "base/strutil.h"

#define CODE_MS (10 * 60 * 1000)
#define SESSION_MS (INT64_C(12) * 3600 * 1000)

static void clear(struct console_code *code)
{
        free(code->principal_arn);
        *code = (struct console_code){0};
}

void console_codes_free(struct console *console)
{
        for (size_t i = 0; i < MAX_CODES; i++)
                clear(&console->codes[i]);
}

/* A free place, else that of the oldest code. */
static struct console_code *place(struct console *console)
{
        struct console_code *best = &console->codes[0];

        for (size_t i = 1; i < MAX_CODES; i++)
                if (console->codes[i].expires_ms < best->expires_ms)
                        best = &console->codes[i];
        return best;
}

static void answer_json(struct http_request *req, const struct buf *body)
{
        static const struct http_header headers[] = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};

        http_respond(req, 200, headers, ARRAY_SIZE(headers), body->data, body->len);
}

void console_code_answer(struct console *console, struct http_request *req)
{
        struct env *env = console->api->env;
        CLEANUP_BUF struct buf body = {0};
        struct console_sign_in_code out = {0};
        struct api_principal who;
        struct console_code *code;
        struct error error = {0};

        if (authenticate(console->api, req, "ecs", &who, &error) < 0 || authorize(&who, "gantry:SignIn", &error) < 0) {
                api_respond_error(req, 403, error.code, error.message);
                return;
        }
        code = place(console);
        clear(code);
        env_random_hex(env, code->text, CODE_DIGITS);
        code->principal_arn = xstrdup(who.arn);
        code->expires_ms = env_now_ms(env) + CODE_MS;
        out.code = code->text;
        SHAPE_SET(&out, console_sign_in_code, expires_in_seconds, CODE_MS / 1000);
        SHAPE_WRITE(console_sign_in_code, &out, &body);
        answer_json(req, &body);
}

/* The code that the request names, when it is one that still counts. */
static struct console_code *find(struct console *console, const struct http_request *req)
{
        static const struct shape_limits limits = {.max_depth = 4, .max_bytes = 4096};
        struct console_sign_in_request *in;
        struct error error = {0};

        if (SHAPE_PARSE(console_sign_in_request, req->arena, req->body, req->body_len, &limits, &in, &error) < 0 || str_empty(in->code))
                return NULL;
        for (size_t i = 0; i < MAX_CODES; i++)
                if (console->codes[i].expires_ms > env_now_ms(console->api->env) && str_eq(console->codes[i].text, in->code))
                        return &console->codes[i];
        return NULL;
}

/* An answer that waits until its keys are on disk. */
struct waiting {
        struct commit_waiter waiter;
        struct http_request *req;
        struct buf body;
};

static void on_durable(struct commit_waiter *waiter)
{
        struct waiting *waiting = CONTAINER_OF(waiter, struct waiting, waiter);

        answer_json(waiting->req, &waiting->body);
        buf_done(&waiting->body);
        free(waiting);
}

void console_session_answer(struct console *console, struct http_request *req)
{
        struct model *model = console->api->model;
        struct console_code *code = find(console, req);
        struct api_key_request request = {
                .kind = STATE_KEY_KIND_SESSION, .comment = "console", .expires_at = env_now_ms(console->api->env) + SESSION_MS};
        const struct access_key *key;
        struct waiting *waiting;
        struct error error = {0};

        if (code == NULL) {
                api_respond_error(req, 403, "AccessDeniedException",
                                  "This sign-in link was used before or is older than ten minutes: `gantry console` prints a new one.");
                return;
        }
        request.principal_arn = code->principal_arn;
        if (api_key_create(model, &request, &key, &error) < 0) {
                api_respond_error(req, 500, "ServerException", error.message);
                return;
        }
        clear(code);
        waiting = xalloc(sizeof(*waiting));
        waiting->req = req;
        SHAPE_WRITE(console_session,
                    (&(struct console_session){
                            .access_key_id = key->state->id,
                            .secret_access_key = key->state->secret,
                            .session_token = key->state->session_token,
                            .region = model_region(model),
                            .account = model_account(model),
                            .expiration = key->state->expires_at,
                    }),
                    &waiting->body);
        waiting->waiter.durable = on_durable;
        model_when_durable(model, model_sequence(model), &waiting->waiter);
}
