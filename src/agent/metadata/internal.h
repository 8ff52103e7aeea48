/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the metadata endpoints share. */
#pragma once

#include "agent/channel/aws_client.h"
#include "agent/metadata/metadata.h"
#include "agent/metadata/view.h"
#include "net/http_server.h"

#define METADATA_BUCKETS 256

struct metadata {
        struct agent *agent;
        struct http_server *tasks, *introspection;
        struct metadata_bucket {
                double spent; /* of the rate limit's burst */
                int64_t seen_us;
        } buckets[METADATA_BUCKETS];
        struct list proxied; /* requests that wait for an answer of the server */
        uint32_t closing;
        void (*closed)(void *data);
        void *closed_data;
};

/* A request of a container that the server has to answer. */
struct proxied {
        struct metadata *m;
        struct list link;
        struct http_request *req;
        struct aws_client client; /* signs with the task role's credentials, or the node's */
        struct aws_call call;
        char *task_arn, *cluster;
        void *state; /* the route's, in the request's arena */
};

struct proxied *proxied_new(struct metadata *m, struct http_request *req, const struct engine_task *task);
void proxied_free(struct proxied *p);
/* Answers all that wait with 503. */
void proxied_cancel_all(struct metadata *m);

/* What the task has written to its disk, where it has one. */
void metadata_add_disk(const struct metadata *m, const struct engine_task *t, int version, struct arena *arena, struct meta_task *out);
void metadata_answer(struct http_request *req, int status, const char *json);
void metadata_answer_shape(struct http_request *req, int status, const struct shape *shape, const void *obj);
void metadata_answer_text(struct http_request *req, int status, const char *text);

void introspect_request(struct http_request *req, void *data);
void protection_serve(struct metadata *m, struct http_request *req, struct engine_container *c);
/* /taskWithTags */
void tags_serve(struct metadata *m, struct http_request *req, struct engine_container *c, int version);
