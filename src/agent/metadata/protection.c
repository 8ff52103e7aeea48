/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of containers that the server answers: task protection (with the task role's credentials) and the tags of a task (with the
 * node's).
 */
#include <string.h>

#include "agent/agent_internal.h"
#include "agent/metadata/internal.h"
#include "base/alloc.h"
#include "base/strutil.h"

#define TIMEOUT_MS 4000

struct proxied *proxied_new(struct metadata *m, struct http_request *req, const struct engine_task *task)
{
        struct proxied *p = xalloc(sizeof(*p));

        p->m = m;
        p->req = req;
        p->client = m->agent->client;
        p->task_arn = xstrdup(task->arn);
        p->cluster = xstrdup(engine_task_cluster(task, m->agent->options.cluster));
        list_init(&p->link);
        list_push(&m->proxied, &p->link);
        return p;
}

void proxied_free(struct proxied *p)
{
        aws_call_cancel(&p->call);
        list_remove(&p->link);
        free(p->task_arn);
        free(p->cluster);
        free(p);
}

void proxied_cancel_all(struct metadata *m)
{
        list_for_each (p, &m->proxied, struct proxied, link) {
                metadata_answer_text(p->req, 503, "the agent is shutting down");
                proxied_free(p);
        }
}

/* ---- task protection ---- */

static void answer_error(struct http_request *req, int status, const char *arn, const char *code, const char *message)
{
        struct meta_protection_error error = {.arn = arn, .code = code, .message = message};
        const struct meta_protection_answer out = {.error = &error};

        metadata_answer_shape(req, status, &meta_protection_answer_shape, &out);
}

static void on_protection(struct aws_call *call, const struct aws_answer *answer)
{
        struct proxied *p = CONTAINER_OF(call, struct proxied, call);
        /* Both operations answer in one shape. */
        const struct ecs_get_task_protection_response *in = answer->output;
        struct meta_protection_answer out = {0};
        struct meta_protection protection = {0};
        struct meta_protection_failure failure = {0};

        if (answer->result < 0) {
                answer_error(p->req, answer->status >= 400 ? answer->status : 500, p->task_arn,
                             str_empty(answer->code) ? "ServerException" : answer->code, answer->message);
                proxied_free(p);
                return;
        }
        if (in->failures.n > 0) {
                failure = (struct meta_protection_failure){
                        .arn = in->failures.items[0].arn, .reason = in->failures.items[0].reason, .detail = in->failures.items[0].detail};
                out.failure = &failure;
        } else if (in->protected_tasks.n > 0) {
                protection.task_arn = in->protected_tasks.items[0].task_arn;
                protection.expiration_date = in->protected_tasks.items[0].expiration_date;
                SHAPE_SET(&protection, meta_protection, protection_enabled, in->protected_tasks.items[0].protection_enabled);
                out.protection = &protection;
        }
        metadata_answer_shape(p->req, 200, &meta_protection_answer_shape, &out);
        proxied_free(p);
}

static void start_protection(struct proxied *p, const char *operation, const void *input)
{
        p->call.done = on_protection;
        aws_client_call(&p->client, &p->call, p->m->agent->options.endpoint, &ecs_service, operation, input, TIMEOUT_MS);
}

static void get_protection(struct proxied *p)
{
        const char *arn = p->task_arn;
        const struct ecs_get_task_protection_request req = {.cluster = p->cluster, .tasks = {&arn, 1}};

        start_protection(p, "GetTaskProtection", &req);
}

static void put_protection(struct proxied *p, const struct meta_protection_request *in)
{
        const char *arn = p->task_arn;
        struct ecs_update_task_protection_request req = {.cluster = p->cluster, .tasks = {&arn, 1}};

        SHAPE_SET(&req, ecs_update_task_protection_request, protection_enabled, in->protection_enabled);
        if (SHAPE_HAS(in, meta_protection_request, expires_in_minutes))
                SHAPE_SET(&req, ecs_update_task_protection_request, expires_in_minutes, in->expires_in_minutes);
        start_protection(p, "UpdateTaskProtection", &req);
}

void protection_serve(struct metadata *m, struct http_request *req, struct engine_container *c)
{
        const struct acs_role_credentials *role = c->task->role_credentials;
        struct meta_protection_request *in = NULL;
        struct error error = {0};
        bool put = str_eq(req->method, "PUT");

        if (!put && !str_eq(req->method, "GET")) {
                metadata_answer_text(req, 405, "use GET or PUT");
                return;
        }
        if (role == NULL) {
                answer_error(req, 403, c->task->arn, "AccessDeniedException",
                             "task protection is asked for with the task role's credentials, and this task has no task role");
                return;
        }
        if (put && (SHAPE_PARSE(meta_protection_request, req->arena, req->body, req->body_len, NULL, &in, &error) < 0 ||
                    !SHAPE_HAS(in, meta_protection_request, protection_enabled))) {
                answer_error(req, 400, c->task->arn, "InvalidParameterException",
                             error_is_set(&error) ? error.message : "Invalid request: does not contain 'ProtectionEnabled' field");
                return;
        }
        struct proxied *p = proxied_new(m, req, c->task);
        p->client.credentials = (struct sigv4_credentials){.key_id = arena_strdup(req->arena, role->access_key_id),
                                                           .secret = arena_strdup(req->arena, role->secret_access_key),
                                                           .session_token = arena_strdup(req->arena, role->session_token)};
        if (put)
                put_protection(p, in);
        else
                get_protection(p);
}

/* ---- tags ---- */

struct tags_state {
        struct meta_task task;
        int version;
        bool instance; /* the second call is under way */
};

static void ask_tags(struct proxied *p, const char *arn);

static void on_tags(struct aws_call *call, const struct aws_answer *answer)
{
        struct proxied *p = CONTAINER_OF(call, struct proxied, call);
        struct tags_state *state = p->state;
        const struct ecs_list_tags_for_resource_response *in = answer->output;
        struct string_map *to = state->instance ? &state->task.container_instance_tags : &state->task.task_tags;
        struct arena *arena = p->req->arena;

        for (uint32_t i = 0; answer->result == 0 && i < in->tags.n; i++)
                string_map_set(arena, to, arena_strdup(arena, in->tags.items[i].key), arena_strdup(arena, in->tags.items[i].value));
        if (answer->result < 0) {
                struct meta_tag_error *e = SHAPE_PUSH(arena, &state->task.errors);

                e->error_field = state->instance ? "ContainerInstanceTags" : "TaskTags";
                e->error_code = arena_strdup(arena, answer->code);
                e->error_message = arena_strdup(arena, answer->message);
                SHAPE_SET(e, meta_tag_error, status_code, answer->status);
        }
        if (!state->instance && p->m->agent->registration.instance_arn != NULL) {
                state->instance = true;
                ask_tags(p, p->m->agent->registration.instance_arn);
                return;
        }
        metadata_answer_shape(p->req, 200, &meta_task_shape, &state->task);
        proxied_free(p);
}

static void ask_tags(struct proxied *p, const char *arn)
{
        const struct ecs_list_tags_for_resource_request req = {.resource_arn = arn};

        p->call.done = on_tags;
        aws_client_call(&p->client, &p->call, p->m->agent->options.endpoint, &ecs_service, "ListTagsForResource", &req, TIMEOUT_MS);
}

void tags_serve(struct metadata *m, struct http_request *req, struct engine_container *c, int version)
{
        const struct view_context context = {
                .cluster = m->agent->options.cluster, .availability_zone = m->agent->registration.availability_zone, .version = version};
        struct proxied *p = proxied_new(m, req, c->task);
        struct tags_state *state = ARENA_NEW(req->arena, struct tags_state);
        struct meta_task live;

        /* The task may change before the answer is there: a copy of what it is now. */
        view_task(c->task, &context, req->arena, &live);
        metadata_add_disk(m, c->task, version, req->arena, &live);
        shape_copy_into(&meta_task_shape, &state->task, &live, req->arena);
        p->state = state;
        ask_tags(p, p->task_arn);
}
