/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host ports of a node: which are given, and to whom. A given port is also held with a socket, so that no other program takes it
 * and thinks that it listens there. On the loop's thread; binding a socket takes microseconds.
 */
#pragma once

#include "vpc/vpc.h"

struct ports;

/* Members as in vpc_options. */
struct ports *ports_new(const struct vpc_options *options);
struct ports *ports_free(struct ports *ports);

/* What one sandbox holds. Zeroes: nothing. */
struct ports_hold {
        struct vpc_port *ports; /* filled in completely */
        int **fds;              /* the sockets: ports[i].count for each i; -1 where there is none */
        uint32_t n;
};

/*
 * Checks a request, chooses the dynamic ones and takes all, or none: appended to `hold`, in order. -EINVAL for a request that makes no
 * sense, -EADDRINUSE with the port, -ENOSPC when no dynamic one is left.
 */
int ports_take(struct ports *ports, const struct vpc_port *request, uint32_t n, struct ports_hold *hold, struct error *error) MUST_CHECK;
/* The same for ports that were given earlier: if a program has one meanwhile, it is still taken (the rules go before it). */
void ports_take_again(struct ports *ports, const struct vpc_port *given, uint32_t n, struct ports_hold *hold);
/* Gives back those of `hold` that are in `given`. */
void ports_release(struct ports *ports, struct ports_hold *hold, const struct vpc_port *given, uint32_t n);
void ports_release_all(struct ports *ports, struct ports_hold *hold);
/* Is the port given to somebody? */
bool ports_is_taken(const struct ports *ports, bool udp, uint16_t port);
