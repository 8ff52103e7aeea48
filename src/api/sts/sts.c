/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GetCallerIdentity, GetSessionToken, AssumeRole. There are no roles to look up yet: whoever may call everything may take on any
 * role of the account, and the session may do what its maker may.
 */
#include "api/sts/sts.h"

#include <string.h>

#include "api/keys.h"
#include "api/sts.idl.h"
#include "base/strutil.h"
#include "model/names.h"

/* Seconds, as AWS has them when the request does not say. */
#define ROLE_SECONDS 3600
#define SESSION_SECONDS 43200

/* "AROA…" of a role, which every session of it shows in front of its name. */
static char *role_id(struct api_call *call, const char *role)
{
        return api_unique_id(call->arena, "AROA", arena_printf(call->arena, "arn:aws:iam::%s:role/%s", model_account(call->model), role));
}

static const char *user_id(struct api_call *call)
{
        static const char mark[] = ":assumed-role/";
        const char *arn = call->principal_arn, *role = strstr(arn, mark), *session = strrchr(arn, '/');

        if (role == NULL)
                return api_unique_id(call->arena, "AIDA", arn);
        role += strlen(mark);
        if (session < role) /* no session's name: not one of ours */
                return role_id(call, role);
        return arena_printf(call->arena, "%s:%s", role_id(call, arena_strndup(call->arena, role, (size_t)(session - role))), session + 1);
}

static int get_caller_identity(struct api_call *call, const void *input, void *output)
{
        struct sts_get_caller_identity_response *out = output;

        (void)input;
        out->account = model_account(call->model);
        out->arn = call->principal_arn;
        out->user_id = user_id(call);
        return 0;
}

static int make_session(struct api_call *call, const char *principal, int64_t seconds, struct sts_credentials **ret)
{
        struct api_key_request request = {
                .kind = STATE_KEY_KIND_SESSION,
                .principal_arn = principal,
                .comment = "session",
                .expires_at = call->now_ms + seconds * 1000,
        };
        const struct access_key *key;
        struct sts_credentials *out;
        int r = api_key_create(call->model, &request, &key, &call->error);

        if (r < 0)
                return r;
        out = ARENA_NEW(call->arena, struct sts_credentials);
        out->access_key_id = key->state->id;
        out->secret_access_key = key->state->secret;
        out->session_token = key->state->session_token;
        out->expiration = key->state->expires_at;
        *ret = out;
        return 0;
}

static int get_session_token(struct api_call *call, const void *input, void *output)
{
        const struct sts_get_session_token_request *in = input;
        struct sts_get_session_token_response *out = output;

        if (call->key_kind == STATE_KEY_KIND_SESSION)
                return api_fail(call, "AccessDeniedException", "Cannot call GetSessionToken with session credentials");
        return make_session(call, call->principal_arn,
                            SHAPE_HAS(in, sts_get_session_token_request, duration_seconds) ? in->duration_seconds : SESSION_SECONDS,
                            &out->credentials);
}

/* The role's name in "arn:aws:iam::A:role/path/NAME". */
static int role_name(struct api_call *call, const char *text, const char **ret)
{
        const char *slash;
        struct arn arn;

        if (arn_parse(text, &arn) < 0 || !str_eq(arn.service, "iam") || arn_resource(&arn, "role") == NULL)
                return api_fail(call, "InvalidParameterException", "%.300s is invalid: give arn:aws:iam::%s:role/NAME", text,
                                model_account(call->model));
        if (!str_eq(arn.account, model_account(call->model)))
                return api_fail(call, "AccessDeniedException", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s",
                                call->principal_arn, text);
        slash = strrchr(text, '/');
        if (!str_is_name(slash + 1, "_+=,.@-", 64))
                return api_fail(call, "InvalidParameterException",
                                "%.300s is invalid: a role's name has 1 to 64 letters, digits and _+=,.@-", text);
        *ret = slash + 1;
        return 0;
}

static int assume_role(struct api_call *call, const void *input, void *output)
{
        const struct sts_assume_role_request *in = input;
        struct sts_assume_role_response *out = output;
        const char *role = NULL, *arn;
        int r = role_name(call, in->role_arn, &role);

        if (r < 0)
                return r;
        if (!str_is_name(in->role_session_name, "_+=,.@-", 64))
                return api_fail(call, "InvalidParameterException",
                                "RoleSessionName: 2 to 64 letters, digits and _+=,.@- are allowed, not \"%.100s\"", in->role_session_name);
        /* Who asks for less than everything must not be given everything. */
        if (in->policy != NULL || in->policy_arns.n > 0)
                return api_fail(
                        call, "MalformedPolicyDocument",
                        "Policy and PolicyArns: this server does not evaluate policies: leave them out; the session may then do what "
                        "its maker may.");
        arn = arena_printf(call->arena, "arn:aws:sts::%s:assumed-role/%s/%s", model_account(call->model), role, in->role_session_name);
        r = make_session(call, arn, SHAPE_HAS(in, sts_assume_role_request, duration_seconds) ? in->duration_seconds : ROLE_SECONDS,
                         &out->credentials);
        if (r < 0)
                return r;
        out->assumed_role_user = ARENA_NEW(call->arena, struct sts_assumed_role_user);
        out->assumed_role_user->arn = arn;
        out->assumed_role_user->assumed_role_id = arena_printf(call->arena, "%s:%s", role_id(call, role), in->role_session_name);
        out->source_identity = in->source_identity;
        return 0;
}

void sts_register(struct api *api)
{
        static const struct api_route routes[] = {
                {STS_OP_GET_CALLER_IDENTITY, get_caller_identity},
                {STS_OP_GET_SESSION_TOKEN, get_session_token},
                {STS_OP_ASSUME_ROLE, assume_role},
                {0, NULL},
        };

        api_add_routes(api, &sts_service, routes);
}
