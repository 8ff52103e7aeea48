/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files in a server's data directory that tell the programs on this machine how to reach it: "credentials" (the
 * administrator's key) and "agent-credentials" (the key that nodes join with). Readable by their owner only.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"

#define CREDENTIALS_ADMIN "credentials"
#define CREDENTIALS_AGENT "agent-credentials"

struct credentials {
        const char *endpoint; /* "http://127.0.0.1:4327" */
        const char *region;
        const char *key_id;
        const char *secret;
};

/* `dir`/`name`, replaced atomically, mode 0600. */
int credentials_write(const char *dir, const char *name, const struct credentials *credentials, struct error *error) MUST_CHECK;
int credentials_read(const char *dir, const char *name, struct arena *arena, struct credentials *ret, struct error *error) MUST_CHECK;
