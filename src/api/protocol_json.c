/* SPDX-License-Identifier: Apache-2.0 */
/* AWS JSON 1.0 and 1.1: one object in, one out; failures carry __type and message. */
#include <stdio.h>
#include <string.h>

#include "api/errors.h"
#include "api/server_internal.h"
#include "base/strutil.h"
#include "codec/json.h"

/* Deep enough for every shape of the API, far from the stack's end. */
static const struct shape_limits limits = {.max_depth = 32, .max_bytes = 64u << 20};

static bool answers(const struct shape_operation *operation, const char *code)
{
        for (const char *const *name = operation->errors; *name != NULL; name++)
                if (str_eq(*name, code))
                        return true;
        return false;
}

/* A value that is out of bounds has another name in some services. */
static void name_bad_value(const struct shape_operation *operation, struct error *error)
{
        static const char *const names[] = {"InvalidParameterException", "ValidationException", "InvalidInput"};

        if (!str_eq(error->code, names[0]))
                return;
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                if (answers(operation, names[i])) {
                        (void)snprintf(error->code, sizeof(error->code), "%s", names[i]);
                        return;
                }
        }
}

static int decode(struct exchange *x, void **ret_input, struct error *error)
{
        const struct http_request *req = x->call.http;
        const char *body = req->body;
        size_t len = req->body_len;
        int r;

        if (len == 0) { /* some clients send nothing where they have nothing to say */
                body = "{}";
                len = 2;
        }
        r = shape_from_json(x->call.operation->input, x->call.arena, body, len, &limits, ret_input, error);
        if (r < 0)
                name_bad_value(x->call.operation, error);
        return r;
}

static void encode(struct exchange *x, struct buf *out)
{
        shape_to_json(x->call.operation->output, x->call.output, out);
}

void api_json_quote(struct buf *out, const char *text)
{
        json_append_string(out, text, strlen(text));
}

static void encode_error(struct exchange *x, const char *code, const char *message, int *status, struct buf *out)
{
        *status = error_json_status(code);
        buf_append_str(out, "{\"__type\":");
        api_json_quote(out, code);
        buf_append_str(out, ",\"message\":");
        api_json_quote(out, message);
        buf_append_char(out, '}');
}

const struct protocol protocol_json_1_1 = {"application/x-amz-json-1.1", decode, encode, encode_error};
const struct protocol protocol_json_1_0 = {"application/x-amz-json-1.0", decode, encode, encode_error};
