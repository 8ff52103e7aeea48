/* SPDX-License-Identifier: Apache-2.0 */
/* A verb's own calls to the server: one signed request, made and awaited. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "cmd/credentials.h"

struct client_request {
        const struct credentials *credentials;
        const char *service; /* of the signature: "iam" */
        const char *form;    /* "Action=ListAccessKeys&Version=2010-05-08" */
        const char *path;    /* NULL: "/" */
};

/* Runs a loop of its own until the answer is there. Returns 0 with the answer's text in `ret_xml` (arena), or -errno with the reason: for an
 * answer with an error, the server's words. */
int client_call(const struct client_request *request, struct arena *arena, const char **ret_xml, struct error *error) MUST_CHECK;
/* Text of the first element `name` at or after `*cursor`, in the arena, with entities resolved; moves the cursor behind it. NULL when
 * there is none. Enough for the flat answers that verbs read. */
const char *client_xml_text(const char **cursor, const char *name, struct arena *arena);
