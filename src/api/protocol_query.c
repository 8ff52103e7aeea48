/* SPDX-License-Identifier: Apache-2.0 */
/* AWS query: a form in, XML out. */
#include "api/errors.h"
#include "api/server_internal.h"
#include "codec/query.h"

static const struct shape_limits limits = {.max_depth = 16, .max_bytes = 16u << 20};

static int decode(struct exchange *x, void **ret_input, struct error *error)
{
        return query_read(x->call.operation->input, QUERY_AWS, x->call.arena, x->form, x->form_len, &limits, ret_input, error);
}

static void encode(struct exchange *x, struct buf *out)
{
        query_append_answer(out, x->call.service, x->call.operation, QUERY_AWS, x->call.output, x->request_id);
}

static void encode_error(struct exchange *x, const char *code, const char *message, int *status, struct buf *out)
{
        const char *query_code = error_query_code(code, status);
        const char *xml_namespace = x->service != NULL ? x->service->service->xml_namespace : NULL;

        query_append_error(out, QUERY_AWS, xml_namespace, query_code, message, *status < 500, x->request_id);
}

const struct protocol protocol_query = {"text/xml", decode, encode, encode_error};
