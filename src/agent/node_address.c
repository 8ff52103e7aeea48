/* SPDX-License-Identifier: Apache-2.0 */
/* A UDP socket that is connected tells which address the kernel would send from. */
#include "agent/node_address.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>

#include "base/strutil.h"

#define LOOPBACK_NET 127
#define ANYWHERE "192.0.2.1" /* for documentation: only the default route leads there */

/* The machine's own address towards `to`; 0 when no way leads there. */
static uint32_t source_for(uint32_t to)
{
        struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = to}, own = {0};
        socklen_t len = sizeof(own);
        CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *)&peer, sizeof(peer)) < 0 || getsockname(fd, (struct sockaddr *)&own, &len) < 0)
                return 0;
        return own.sin_addr.s_addr;
}

static bool is_loopback(uint32_t address)
{
        return ntohl(address) >> 24 == LOOPBACK_NET;
}

/* IPv4 address of the host of "http://host:port/…"; 0 when it has none. */
static uint32_t address_of_server(const char *endpoint)
{
        const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
        struct addrinfo *found = NULL;
        uint32_t address = 0;
        const char *host = strstr(endpoint, "://");
        char name[256] = "";

        host = host != NULL ? host + 3 : endpoint;
        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(host, ":/"), host);
        if (getaddrinfo(name, NULL, &hints, &found) != 0)
                return 0;
        if (found != NULL)
                address = ((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr.s_addr;
        freeaddrinfo(found);
        return address;
}

bool node_address(const struct agent_options *options, char ret[16])
{
        uint32_t server = address_of_server(options->endpoint), own = server != 0 ? source_for(server) : 0;
        bool beside = server != 0 && (own == server || is_loopback(server));

        ret[0] = '\0';
        if (own == 0 || is_loopback(own))
                own = source_for(inet_addr(ANYWHERE));
        if (!str_empty(options->node_address))
                (void)snprintf(ret, 16, "%s", options->node_address);
        else if (own != 0 && !is_loopback(own))
                (void)inet_ntop(AF_INET, &own, ret, 16);
        return beside;
}
