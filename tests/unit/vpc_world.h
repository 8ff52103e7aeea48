/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for tests of networks: the process's own network namespace plays a machine, a second one, cabled to it, the world
 * outside. Needs root; without it, or without the kernel's parts, world_make ends the process as skipped.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "vpc/vpc.h"

#define NODE_ADDRESS "198.51.100.1"
#define OUTSIDE_ADDRESS "198.51.100.2"

extern char world_outside[64]; /* path of the outer namespace */

/* `dir` is a template for mkdtemp. */
void world_make(char *dir);

/* Ends the test when the command fails. */
void sh(const char *command);
/* Runs the rest of the process in the namespace. */
void enter(const char *ns);
/* Connected, or bound (and listening); -1. */
int socket_at(bool udp, const char *address, int port, bool do_bind);
/* A process in the namespace (NULL: here) that answers everybody with one letter. */
pid_t serve(const char *ns, const char *address, int port, bool udp, char letter);
void stop(pid_t pid);
/* Calls from a namespace (NULL: the machine's); the letter, or 0 when nobody answered. `from_port` 0: any. */
char ask_from(const char *ns, const char *address, int port, bool udp, int from_port);
char ask(const char *ns, const char *address, int port);

/* An operation that a test waits for. */
struct wait {
        struct vpc_op op;
        bool done;
        int status;
        struct error error;
};
struct wait *waiting(struct wait *wait);
int finish(struct wait *wait);
