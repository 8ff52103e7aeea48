/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzzers share that play the other end of a connection: a loop, a server on it, and plain sockets. */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "net/http_server.h"
#include "net/ws.h"

#define CHECK(condition)          \
        do {                      \
                if (!(condition)) \
                        abort();  \
        } while (0)

/* Bytes of the input, taken one after the other. */
struct script {
        const uint8_t *at, *end;
};

UNUSED static uint8_t script_byte(struct script *script)
{
        return script->at < script->end ? *script->at++ : 0;
}

UNUSED static void turns(uv_loop_t *loop, int n)
{
        for (int i = 0; i < n; i++)
                uv_run(loop, UV_RUN_NOWAIT);
}

/* Unix sockets, which leave no TIME_WAIT behind: thousands of connections a second would use up the ports. */
static char script_socket[64];

static void remove_script_socket(void)
{
        (void)unlink(script_socket);
}

UNUSED static void listen_on_path(struct http_server *server, struct sockaddr_un *ret)
{
        char address[64];
        *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
        (void)snprintf(ret->sun_path, sizeof(ret->sun_path), "/tmp/fuzz-%d.sock", (int)getpid());
        (void)snprintf(address, sizeof(address), "unix:%s", ret->sun_path);
        CHECK(http_server_listen(server, address, NULL) == 0);
        (void)snprintf(script_socket, sizeof(script_socket), "%s", ret->sun_path);
        (void)atexit(remove_script_socket);
}

UNUSED static int connect_to(const struct sockaddr_un *addr)
{
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0);
        return fd;
}

/* Sends the next bytes of the script, as many as its next byte says. */
UNUSED static void send_some(struct script *script, int fd)
{
        size_t len = script_byte(script);
        len = MIN(len, (size_t)(script->end - script->at));
        if (len > 0)
                (void)!send(fd, script->at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        script->at += len;
}

UNUSED static void discard_input(int fd)
{
        char bytes[4096];
        while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
                ;
}
