/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP status and names of errors by protocol. */
#include "api/errors.h"

#include "base/macro.h"
#include "base/strutil.h"

static const struct {
        const char *code;  /* of JSON services */
        const char *query; /* of query services; NULL: the same */
        int status, query_status;
} rows[] = {
        {"MissingAuthenticationTokenException", "MissingAuthenticationToken", 400, 403},
        {"IncompleteSignatureException", "IncompleteSignature", 400, 400},
        {"InvalidSignatureException", "SignatureDoesNotMatch", 400, 403},
        {"UnrecognizedClientException", "InvalidClientTokenId", 400, 403},
        {"ExpiredTokenException", "ExpiredToken", 400, 403},
        {"AccessDeniedException", "AccessDenied", 400, 403},
        {"ThrottlingException", "Throttling", 400, 400},
        {"UnknownOperationException", "InvalidAction", 400, 400},
        {"SerializationException", "MalformedInput", 400, 400},
        {"InvalidParameterException", "ValidationError", 400, 400},
        {"ServerException", "InternalFailure", 500, 500},
        {"InternalFailure", NULL, 500, 500},
        {"ServiceUnavailableException", "ServiceUnavailable", 500, 503},
        /* CloudWatch's own. */
        {"InvalidParameterValueException", "InvalidParameterValue", 400, 400},
        {"MissingRequiredParameterException", "MissingParameter", 400, 400},
        {"InvalidParameterCombinationException", "InvalidParameterCombination", 400, 400},
        {"LimitExceededFault", "LimitExceeded", 400, 400},
        {"InvalidFormatFault", "InvalidFormat", 400, 400},
        {"ResourceNotFound", NULL, 404, 404},
        {"DashboardNotFoundError", "ResourceNotFound", 404, 404},
        {"DashboardInvalidInputError", "InvalidParameterInput", 400, 400},
        /* EC2 Auto Scaling's own. */
        {"AlreadyExistsFault", "AlreadyExists", 400, 400},
        {"ResourceInUseFault", "ResourceInUse", 400, 400},
        {"ScalingActivityInProgressFault", "ScalingActivityInProgress", 400, 400},
        /* IAM's own. */
        {"NoSuchEntity", NULL, 404, 404},
        {"LimitExceeded", NULL, 409, 409},
        {"DeleteConflict", NULL, 409, 409},
        {"ServiceFailure", NULL, 500, 500},
        {"RequestEntityTooLargeException", NULL, 413, 413},
};

int error_json_status(const char *code)
{
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (str_eq(rows[i].code, code))
                        return rows[i].status;
        return 400;
}

const char *error_query_code(const char *code, int *ret_status)
{
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                if (!str_eq(rows[i].code, code))
                        continue;
                *ret_status = rows[i].query_status;
                return rows[i].query != NULL ? rows[i].query : code;
        }
        *ret_status = 400;
        return code;
}
