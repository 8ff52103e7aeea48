/* SPDX-License-Identifier: Apache-2.0 */
/* EC2's flavour of AWS query: lists without "member", another envelope, and names of its own for the errors that all services have. */
#include <errno.h>

#include "api/errors.h"
#include "api/server_internal.h"
#include "base/strutil.h"
#include "codec/query.h"

static const struct shape_limits limits = {.max_depth = 16, .max_bytes = 16u << 20, .skip_validation = true};

static const struct {
        const char *code; /* as JSON services call it */
        const char *ec2;
        int status;
} codes[] = {
        {"MissingAuthenticationTokenException", "AuthFailure", 401},
        {"IncompleteSignatureException", "IncompleteSignature", 400},
        {"InvalidSignatureException", "AuthFailure", 401},
        {"UnrecognizedClientException", "AuthFailure", 401},
        {"ExpiredTokenException", "RequestExpired", 400},
        {"AccessDeniedException", "UnauthorizedOperation", 403},
        {"ThrottlingException", "RequestLimitExceeded", 503},
        {"UnknownOperationException", "InvalidAction", 400},
        {"SerializationException", "InvalidParameterValue", 400},
        {"InvalidParameterException", "InvalidParameterValue", 400},
        {"ServerException", "InternalError", 500},
        {"InternalFailure", "InternalError", 500},
        {"ServiceUnavailableException", "Unavailable", 503},
        {"RequestEntityTooLargeException", "RequestEntityTooLarge", 413},
        {"DryRunOperation", "DryRunOperation", 412},
};

/* Every request of EC2 starts with it. It stands for the question whether the caller may. */
static bool is_dry_run(const struct shape *shape, const void *input)
{
        const struct shape_field *first = shape->n_fields > 0 ? &shape->fields[0] : NULL;

        return first != NULL && first->kind == SHAPE_BOOL && str_eq(first->wire, "DryRun") &&
               *(const bool *)((const char *)input + first->offset);
}

static int decode(struct exchange *x, void **ret_input, struct error *error)
{
        const struct shape *shape = x->call.operation->input;
        const char *missing;
        int r = query_read(shape, QUERY_EC2, x->call.arena, x->form, x->form_len, &limits, ret_input, error);

        if (r < 0)
                return r;
        missing = query_missing_parameter(shape, *ret_input);
        if (missing != NULL)
                return error_api(error, "MissingParameter", "The request must contain the parameter %s", missing);
        r = shape_validate(shape, *ret_input, error);
        if (r == 0 && is_dry_run(shape, *ret_input))
                return error_api(error, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
        return r;
}

static void encode(struct exchange *x, struct buf *out)
{
        query_append_answer(out, x->call.service, x->call.operation, QUERY_EC2, x->call.output, x->request_id);
}

static void encode_error(struct exchange *x, const char *code, const char *message, int *status, struct buf *out)
{
        *status = 400;
        for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
                if (!str_eq(codes[i].code, code))
                        continue;
                code = codes[i].ec2;
                *status = codes[i].status;
                break;
        }
        query_append_error(out, QUERY_EC2, NULL, code, message, *status < 500, x->request_id);
}

const struct protocol protocol_ec2 = {"text/xml;charset=UTF-8", decode, encode, encode_error};
