/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The web console under /console: the files that console/ is built into, and the way in.
 *
 *     gantry console ── POST /console/code (signed) ──────► a code, good once and for ten minutes
 *     browser ───────── GET  /console/#code=CODE ─────────► the application
 *     application ───── POST /console/session {"code":…} ─► keys of a session (12 h), which sign all that it asks for
 *
 * The application is a client of the public API like any other; nothing else is made for it here. All on the loop's thread.
 */
#pragma once

#include "api/server.h"

struct console;

/*
 * Serves the files in and below `dir` (read now, so before the loop turns). -ENOENT when there is no index.html: the server runs
 * without a console then, and says at /console how to get it; `*ret` is set all the same. The api must outlive it.
 */
int console_new(struct api *api, const char *dir, struct console **ret, struct error *error) MUST_CHECK;
/* NULL is fine. Returns NULL. */
struct console *console_free(struct console *console);
