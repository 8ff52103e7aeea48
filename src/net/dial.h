/* SPDX-License-Identifier: Apache-2.0 */
/* Outgoing connections: name resolution (in the thread pool), each address in turn, TLS, one time limit. Internal to net/. */
#pragma once

#include "net/conn.h"

struct dial;

struct dial_options {
        const char *host; /* name or IP address */
        uint16_t port;
        const char *unix_socket; /* its path, instead of host and port; NULL: TCP */
        bool tls;
        const char *ca_file; /* NULL: the system's authorities */
        bool insecure;
        uint32_t timeout_ms;
        /* Called once, never from within dial_new: a connection, whose owner is to be set at once, or NULL with a negative errno and
         * its explanation with the next step (valid during the call). The dial is freed after it returns. */
        void (*done)(void *data, struct conn *conn, int r, const char *why);
        void *data;
};
/* Options are copied. Never NULL. */
struct dial *dial_new(struct net_loop *net, const struct dial_options *options);
/* `done` is not called any more. */
void dial_cancel(struct dial *dial);
