/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an http, https, ws or wss URL. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct url {
        const char *host;        /* without brackets */
        const char *host_header; /* as the Host header says it: with brackets, and with the port unless it is the scheme's own */
        const char *target;      /* path and query; at least "/" */
        uint16_t port;
        bool tls;
};

/* The strings live in `arena`. Refuses user names, fragments, and anything that is not printable ASCII. */
int url_parse(const char *text, struct arena *arena, struct url *ret, struct error *error) MUST_CHECK;
