/*
 * One call of an AWS operation, from the decoded request to the answer.
 *
 * The dispatcher authenticates, finds the operation, decodes and validates the input into the call's arena, runs the handler,
 * waits until what the answer rests on is durable, encodes the output and answers. Handlers never see HTTP, JSON or XML, free
 * nothing and do not log failures. All on the loop's thread.
 */
#pragma once

#include "base/arena.h"
#include "base/env.h"
#include "base/error.h"
#include "codec/shape.h"
#include "model/model.h"

struct api;          /* the server: src/api/server.h */
struct log_store;    /* src/logs */
struct http_request; /* net */

/* Returned by a handler that will answer later with api_call_finish. */
#define API_LATER 1

struct api_call {
        struct api *api;
        struct model *model;
        struct arena *arena; /* lives until the answer is sent */
        const struct shape_service *service;
        const struct shape_operation *operation;
        const char *principal_arn; /* who calls: "arn:aws:iam::123456789012:user/admin" */
        const char *key_id;
        enum state_key_kind key_kind;
        const char *request_id; /* UUID */
        int64_t now_ms;
        void *output;       /* of operation->output, zeroed, in the arena */
        struct error error; /* what the client gets when the handler fails */
        struct http_request *http;
        uint64_t sequence; /* model sequence the answer rests on */
        struct commit_waiter waiter;
};

/* 0: `output` is the answer; it may point into the input and into states of the model, for it is encoded before anything else
 * runs. Negative: `call->error` is (error_api's code, else ServerException). API_LATER: later. */
typedef int (*api_handler_fn)(struct api_call *call, const void *input, void *output);

/* The operations that one file implements; ends with a row whose run is NULL. */
struct api_route {
        uint32_t operation; /* index in the service's table, e.g. ECS_OP_RUN_TASK */
        api_handler_fn run;
};

/* Records the error for the client and returns -EINVAL: `return api_fail(call, "ClusterNotFoundException", "…");` */
int api_fail(struct api_call *call, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
#ifdef __clang_analyzer__
#define api_fail(call, ...) (api_fail(call, __VA_ARGS__), -22) /* why: error.h */
#endif
/* After API_LATER: `result` as a handler would have returned it. */
void api_call_finish(struct api_call *call, int result);
