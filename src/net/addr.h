/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as people write them: "127.0.0.1:4327", "[::1]:4327", "localhost:0", "*:80", "unix:/run/gantry.sock". */
#pragma once

#include <netinet/in.h>
#include <sys/un.h>

#include "base/error.h"

union addr {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
};

#define ADDR_TEXT_MAX 128

/* Parses an address to listen on. Host names other than localhost are refused: what is listened on must not depend on a resolver. */
int addr_parse(const char *text, union addr *ret, struct error *error) MUST_CHECK;
/* "127.0.0.1:40312", "[::1]:40312", "unix" or "unix:/path". */
void addr_format(const struct sockaddr *addr, char ret[ADDR_TEXT_MAX]);
/* 0 for unix sockets. */
int addr_port(const struct sockaddr *addr);
