/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sends a request and what that key may do. Codes and texts are those of AWS: clients tell their users by them what to do.
 *
 * There are no policies yet. A USER key may do everything, and so may a SESSION of one. An AGENT key may do what the managed
 * policy AmazonEC2ContainerServiceforEC2Role allows, as far as it exists here. A TASK key of the task role, which a container holds,
 * may only ask who it is and protect itself from scale-in (api/ecs/task_protection.c sees to "itself"); one of the execution role may
 * also write logs: Docker's awslogs driver does so with it.
 */
#include <errno.h>
#include <string.h>

#include "api/keys.h"
#include "api/server_internal.h"
#include "base/strutil.h"

static const char *const agent_permissions[] = {
        "ecs:CreateCluster",
        "ecs:DeregisterContainerInstance",
        "ecs:DiscoverPollEndpoint",
        "ecs:ListTagsForResource",
        "ecs:Poll",
        "ecs:RegisterContainerInstance",
        "ecs:StartTelemetrySession",
        "ecs:SubmitAttachmentStateChanges",
        "ecs:SubmitContainerStateChange",
        "ecs:SubmitTaskStateChange",
        "ecs:UpdateContainerInstancesState",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "sts:GetCallerIdentity",
};
static const char *const execution_permissions[] = {
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents", "sts:GetCallerIdentity",
};
static const char *const task_permissions[] = {
        "ecs:GetTaskProtection",
        "ecs:UpdateTaskProtection",
        "servicediscovery:DiscoverInstances",
        "servicediscovery:DiscoverInstancesRevision",
        "sts:GetCallerIdentity",
};

/* What a kind of key with a list may do; NULL: everything. */
static const char *const *permissions(const struct api_principal *who, size_t *ret_n)
{
        if (who->kind == STATE_KEY_KIND_USER || who->kind == STATE_KEY_KIND_SESSION)
                return NULL;
        if (who->kind == STATE_KEY_KIND_AGENT) {
                *ret_n = ARRAY_SIZE(agent_permissions);
                return agent_permissions;
        }
        if (str_eq(who->role_type, "TaskExecution")) {
                *ret_n = ARRAY_SIZE(execution_permissions);
                return execution_permissions;
        }
        *ret_n = ARRAY_SIZE(task_permissions);
        return task_permissions;
}

static bool permitted(const struct api_principal *who, const char *permission)
{
        size_t n = 0;
        const char *const *list = permissions(who, &n);

        for (size_t i = 0; list && i < n; i++)
                if (str_eq(list[i], permission))
                        return true;
        return !list;
}

int authorize(const struct api_principal *who, const char *permission, struct error *error)
{
        if (permitted(who, permission))
                return 0;
        if (who->kind == STATE_KEY_KIND_AGENT)
                return error_api(error, "AccessDeniedException",
                                 "User: %s is not authorized to perform: %s on resource: * because access key %s is a node's (kind AGENT). "
                                 "Use a USER key, see `gantry env`.",
                                 who->arn, permission, who->key_id);
        return error_api(error, "AccessDeniedException",
                         "User: %s is not authorized to perform: %s on resource: * because no identity-based policy allows the %s action",
                         who->arn, permission, permission);
}

/* The request as the signature stages want it. */
static void signed_request(const struct http_request *req, struct sigv4_request *ret)
{
        struct sigv4_header *headers = arena_calloc(req->arena, req->n_headers, sizeof(*headers));

        for (size_t i = 0; i < req->n_headers; i++)
                headers[i] = (struct sigv4_header){req->headers[i].name, req->headers[i].value};
        *ret = (struct sigv4_request){
                .method = req->method,
                .path = req->path,
                .query = req->query,
                .headers = headers,
                .n_headers = req->n_headers,
                .body = req->body,
                .body_len = req->body_len,
        };
}

static int check_scope(const struct api *api, const struct sigv4_claim *claim, const char *service, struct error *error)
{
        if (!str_eq(claim->service, service))
                return error_api(error, "InvalidSignatureException", "Credential should be scoped to correct service: '%s'. ", service);
        /* The global services are signed for us-east-1 or for whatever region their client prefers. */
        if (!str_eq(claim->region, model_region(api->model)) && !str_eq(service, "sts") && !str_eq(service, "iam"))
                return error_api(
                        error, "InvalidSignatureException",
                        "Credential should be scoped to a valid region, not '%s'. This server's region is '%s': set AWS_REGION to it.",
                        claim->region, model_region(api->model));
        return 0;
}

static int check_claim(struct api *api, const struct sigv4_request *request, const struct sigv4_claim *claim, const char *service,
                       struct arena *arena, struct api_principal *ret, struct error *error)
{
        const struct access_key *key = model_access_key(api->model, claim->key_id);
        struct sigv4_credentials credentials = {0};
        int64_t now_ms = env_now_ms(api->env);
        int r;

        if (key == NULL)
                return error_api(error, "UnrecognizedClientException", "The security token included in the request is invalid.");
        r = check_scope(api, claim, service, error);
        if (r < 0)
                return r;
        credentials.key_id = claim->key_id;
        credentials.secret = key->state->secret;
        credentials.session_token = key->state->session_token;
        credentials.signing_key = caller_signing_key(caller_get(api, claim->key_id, key->state->secret), key->state->secret, claim);
        r = sigv4_verify(request, claim, &credentials, now_ms, arena, error);
        if (r < 0)
                return r;
        if (key->state->expires_at != 0 && key->state->expires_at <= now_ms)
                return error_api(error, "ExpiredTokenException", "The security token included in the request is expired");
        /* The key may be deleted before the answer is sent. */
        *ret = (struct api_principal){
                .arn = arena_strdup(arena, key->state->principal_arn),
                .key_id = claim->key_id,
                .kind = key->state->kind,
                .role_type = key->state->role_type ? arena_strdup(arena, key->state->role_type) : NULL,
        };
        return 0;
}

int authenticate(struct api *api, const struct http_request *req, const char *service, struct api_principal *ret, struct error *error)
{
        struct sigv4_request request;
        struct sigv4_claim claim = {0};
        int r;

        if (api->options.no_auth) {
                *ret = (struct api_principal){.arn = api_admin_arn(api->model, req->arena), .key_id = "", .kind = STATE_KEY_KIND_USER};
                return 0;
        }
        signed_request(req, &request);
        r = sigv4_parse(&request, req->arena, &claim, error);
        if (r == -ENOENT)
                return error_api(error, "MissingAuthenticationTokenException", "Missing Authentication Token");
        if (r < 0)
                return r;
        return check_claim(api, &request, &claim, service, req->arena, ret, error);
}

const char *auth_scope_service(const struct http_request *req)
{
        struct sigv4_request request;
        struct sigv4_claim claim = {0};
        struct error error = {0};

        signed_request(req, &request);
        return sigv4_parse(&request, req->arena, &claim, &error) < 0 ? NULL : claim.service;
}
