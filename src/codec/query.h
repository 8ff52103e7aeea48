/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AWS query protocols: a form ("Action=X&Version=…&Tags.member.1.Key=k") in, XML out. EC2 has its own flavour of it: lists
 * without "member", names with or without a capital, another envelope.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "codec/shape.h"

enum query_flavor { QUERY_AWS = 0, QUERY_EC2 };

/* Reads the form (still encoded) into a new object in `arena`. Parameters that the shape does not know are skipped; the last of
 * repeated ones counts; numbers in lists give the order, gaps are closed. Errors and limits are those of shape_from_json. */
int query_read(const struct shape *shape, enum query_flavor flavor, struct arena *arena, const char *form, size_t len,
               const struct shape_limits *limits, void **ret, struct error *error) MUST_CHECK;
/* The first member that the shape requires and the object lacks, as requests name it; NULL when there is none. Members of
 * structures inside are not looked at. */
const char *query_missing_parameter(const struct shape *shape, const void *obj);
/* Appends the answer of an operation. `output` is NULL or of the operation's output shape. */
void query_append_answer(struct buf *out, const struct shape_service *service, const struct shape_operation *operation,
                         enum query_flavor flavor, const void *output, const char *request_id);
/* Appends an error answer. `xml_namespace` may be NULL; `sender`: the client's fault (else the server's). */
void query_append_error(struct buf *out, enum query_flavor flavor, const char *xml_namespace, const char *code, const char *message,
                        bool sender, const char *request_id);
