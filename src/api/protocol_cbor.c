/* SPDX-License-Identifier: Apache-2.0 */
/* Smithy's RPC v2: CBOR in and out, the operation in the path; failures carry __type and message. */
#include "api/errors.h"
#include "api/server_internal.h"
#include "base/strutil.h"
#include "codec/cbor.h"

static const struct shape_limits limits = {.max_depth = 32, .max_bytes = 64u << 20};

static int decode(struct exchange *x, void **ret_input, struct error *error)
{
        const struct http_request *req = x->call.http;
        static const uint8_t nothing[] = {0xa0}; /* an empty map: operations without input may come without a body */
        bool empty = req->body_len == 0;

        if (!str_eq(http_request_header(req, "smithy-protocol"), "rpc-v2-cbor"))
                return error_api(error, "SerializationException",
                                 "Requests to this path must have the header \"smithy-protocol: rpc-v2-cbor\" and a body in CBOR.");
        return cbor_read(x->call.operation->input, x->call.arena, empty ? (const void *)nothing : req->body,
                         empty ? sizeof(nothing) : req->body_len, &limits, ret_input, error);
}

static void encode(struct exchange *x, struct buf *out)
{
        cbor_write(x->call.operation->output, x->call.output, out);
}

static void encode_error(struct exchange *x, const char *code, const char *message, int *status, struct buf *out)
{
        *status = error_json_status(code);
        cbor_append_map(out, 2);
        cbor_append_text(out, "__type");
        cbor_append_text(out, code);
        cbor_append_text(out, "message");
        cbor_append_text(out, message);
}

const struct protocol protocol_cbor = {"application/cbor", decode, encode, encode_error};
