/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives the API's handlers in a test: a model on a memory store, a clock that the test sets, operations called by name with JSON
 * in and JSON out, without HTTP. Link api_harness.c; needs cmocka and jansson.
 *
 *     struct api_harness h;
 *     harness_begin(&h);
 *     harness_ok(&h, "CreateCluster", "{'clusterName':'web'}");
 *     assert_string_equal(harness_text(&h, "cluster.clusterName"), "web");
 *     harness_fails(&h, "DeleteCluster", "{'cluster':'none'}", "ClusterNotFoundException", "Cluster not found.");
 *     harness_end(&h);
 *
 * JSON may be written with single quotes; a format's arguments must not hold any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/server.h"
#include "base/env.h"

struct store;

struct harness_env {
        struct env env;
        int64_t now_ms; /* set it to move the clock; starts at 2026-01-01T00:00:00Z */
        uint64_t seed;
};

struct api_harness {
        struct harness_env env;
        struct store *store;
        struct model *model;
        struct api *api;
        const char *service;   /* "ecs"; set it to call another one */
        const char *principal; /* NULL: the administrator */
        int status;            /* of the last call */
        void *answer;          /* of the last call: json_t */
        struct buf text;       /* of the last call, raw */
};

/* Account 123456789012, region us-east-1. */
void harness_begin(struct api_harness *h);
/* The same with options (model, env and loop are the harness's own). */
void harness_begin_with(struct api_harness *h, const struct api_options *options);
void harness_end(struct api_harness *h);
/* Closes the model and opens it again from the store: what was not stored is gone. */
void harness_restart(struct api_harness *h);

/* The default VPC and its first two subnets. */
struct harness_networks {
        char vpc[64], subnets[2][64];
};
void harness_networks(struct api_harness *h, struct harness_networks *ret);

/* Returns the HTTP status. */
int harness_call(struct api_harness *h, const char *operation, const char *json_fmt, ...) PRINTF_LIKE(3, 4);
/* Fails the test unless the status is 200. */
void harness_ok(struct api_harness *h, const char *operation, const char *json_fmt, ...) PRINTF_LIKE(3, 4);
/* Fails the test unless the answer is an error of that code; `text` must be in its message (NULL: anything). */
void harness_fails(struct api_harness *h, const char *operation, const char *json, const char *code, const char *text);

/* A member of the last answer by path, such as "failures[0].reason". */
const char *harness_text(const struct api_harness *h, const char *path); /* NULL when absent; fails on another type */
int64_t harness_int(const struct api_harness *h, const char *path);      /* fails when absent */
bool harness_has(const struct api_harness *h, const char *path);
size_t harness_count(const struct api_harness *h, const char *path); /* of a list; fails when absent */
bool harness_true(const struct api_harness *h, const char *path);
