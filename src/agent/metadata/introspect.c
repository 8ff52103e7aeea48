/* SPDX-License-Identifier: Apache-2.0 */
/* Introspection for the operator of the machine: /v1/metadata, /v1/tasks. */
#include <string.h>

#include "agent/agent_internal.h"
#include "agent/metadata/internal.h"
#include "agent/version.h"
#include "base/strutil.h"

static void serve_info(struct metadata *m, struct http_request *req)
{
        const struct meta_agent_info info = {.cluster = m->agent->options.cluster,
                                             .container_instance_arn = m->agent->registration.instance_arn,
                                             .version = "Gantry agent - v" AGENT_VERSION};

        metadata_answer_shape(req, 200, &meta_agent_info_shape, &info);
}

static void serve_one(struct http_request *req, const struct engine_task *t)
{
        struct meta_seen_task out;

        if (t == NULL) {
                metadata_answer(req, 404, "{}");
                return;
        }
        view_seen_task(t, req->arena, &out);
        metadata_answer_shape(req, 200, &meta_seen_task_shape, &out);
}

/* By the id of a container, or the beginning of one. */
static void serve_by_container(struct metadata *m, struct http_request *req, const char *id)
{
        const struct engine_task *found = NULL;

        list_for_each (t, &m->agent->engine.order, struct engine_task, link) {
                for (uint32_t i = 0; i < t->n_containers; i++) {
                        if (!str_starts_with(t->containers[i].runtime_id, id))
                                continue;
                        if (found != NULL && found != t) {
                                metadata_answer(req, 400, "{}");
                                return;
                        }
                        found = t;
                }
        }
        serve_one(req, found);
}

static void serve_tasks(struct metadata *m, struct http_request *req)
{
        const char *arn = http_request_query(req, "taskarn"), *id = http_request_query(req, "dockerid");
        struct meta_seen_tasks all = {0};

        if (!str_empty(arn)) {
                serve_one(req, engine_find(&m->agent->engine, arn));
                return;
        }
        if (!str_empty(id)) {
                serve_by_container(m, req, id);
                return;
        }
        list_for_each (t, &m->agent->engine.order, struct engine_task, link) {
                struct meta_seen_task one;

                view_seen_task(t, req->arena, &one);
                *SHAPE_PUSH(req->arena, &all.tasks) = one;
        }
        metadata_answer_shape(req, 200, &meta_seen_tasks_shape, &all);
}

static void serve_license(struct http_request *req)
{
        static const char text[] = "Apache-2.0\n";

        http_respond(req, 200, NULL, 0, text, sizeof(text) - 1);
}

void introspect_request(struct http_request *req, void *data)
{
        static const char commands[] = "{\"AvailableCommands\":[\"/v1/metadata\",\"/v1/tasks\",\"/license\"]}";
        struct metadata *m = data;

        if (str_eq(req->path, "/v1/metadata"))
                serve_info(m, req);
        else if (str_eq(req->path, "/v1/tasks"))
                serve_tasks(m, req);
        else if (str_eq(req->path, "/license"))
                serve_license(req);
        else
                metadata_answer(req, 200, commands);
}
