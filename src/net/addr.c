/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses from text and to text. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/strutil.h"

static int parse_unix(const char *path, union addr *ret, struct error *error)
{
        if (*path == '\0')
                return error_set(error, EINVAL, "address \"unix:\" lacks a path: write unix:/path/to/socket");
        if (strlen(path) >= sizeof(ret->local.sun_path))
                return error_set(error, ENAMETOOLONG, "socket path \"%s\" is too long: at most %zu bytes", path,
                                 sizeof(ret->local.sun_path) - 1);
        *ret = (union addr){.local.sun_family = AF_UNIX};
        (void)snprintf(ret->local.sun_path, sizeof(ret->local.sun_path), "%s", path);
        return 0;
}

/* Splits "host:port" and "[host]:port"; the host goes to `ret_host`. */
static int split(const char *text, char ret_host[64], uint16_t *ret_port)
{
        const char *start = text, *end, *colon;
        int64_t port;
        if (*text == '[') {
                start = text + 1;
                end = strchr(start, ']');
                colon = end != NULL ? end + 1 : NULL;
        } else {
                end = colon = strrchr(text, ':');
                if (end != NULL && memchr(text, ':', (size_t)(end - text)) != NULL)
                        return -EINVAL; /* an IPv6 address without brackets is ambiguous */
        }
        if (colon == NULL || *colon != ':' || (size_t)(end - start) >= 64)
                return -EINVAL;
        if (colon[1] < '0' || colon[1] > '9' || str_to_int64(colon + 1, &port) < 0 || port > 65535)
                return -EINVAL;
        memcpy(ret_host, start, (size_t)(end - start));
        ret_host[end - start] = '\0';
        *ret_port = (uint16_t)port;
        return 0;
}

int addr_parse(const char *text, union addr *ret, struct error *error)
{
        char host[64];
        uint16_t port;
        union addr addr = {0};

        if (str_starts_with(text, "unix:"))
                return parse_unix(text + strlen("unix:"), ret, error);
        if (split(text, host, &port) < 0)
                return error_set(error, EINVAL, "address \"%s\" is not of the form ADDRESS:PORT, [ADDRESS]:PORT or unix:/path", text);
        if (str_eq(host, "localhost"))
                (void)strcpy(host, "127.0.0.1");
        if (str_eq(host, "*") || str_empty(host))
                (void)strcpy(host, "0.0.0.0");
        if (inet_pton(AF_INET, host, &addr.v4.sin_addr) == 1) {
                addr.v4.sin_family = AF_INET;
                addr.v4.sin_port = htons(port);
        } else if (inet_pton(AF_INET6, host, &addr.v6.sin6_addr) == 1) {
                addr.v6.sin6_family = AF_INET6;
                addr.v6.sin6_port = htons(port);
        } else {
                return error_set(error, EINVAL,
                                 "\"%s\" in address \"%s\" is not an IP address: write one of this machine, or 0.0.0.0 for all", host,
                                 text);
        }
        *ret = addr;
        return 0;
}

void addr_format(const struct sockaddr *addr, char ret[ADDR_TEXT_MAX])
{
        const union addr *a = (const union addr *)(const void *)addr;
        char host[INET6_ADDRSTRLEN] = "?";
        switch (addr->sa_family) {
        case AF_INET:
                (void)inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof(host));
                (void)snprintf(ret, ADDR_TEXT_MAX, "%s:%d", host, ntohs(a->v4.sin_port));
                break;
        case AF_INET6:
                (void)inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof(host));
                (void)snprintf(ret, ADDR_TEXT_MAX, "[%s]:%d", host, ntohs(a->v6.sin6_port));
                break;
        case AF_UNIX:
                (void)snprintf(ret, ADDR_TEXT_MAX, a->local.sun_path[0] != '\0' ? "unix:%s" : "unix%s", a->local.sun_path);
                break;
        default:
                (void)snprintf(ret, ADDR_TEXT_MAX, "unknown");
                break;
        }
}

int addr_port(const struct sockaddr *addr)
{
        const union addr *a = (const union addr *)(const void *)addr;
        if (addr->sa_family == AF_INET)
                return ntohs(a->v4.sin_port);
        if (addr->sa_family == AF_INET6)
                return ntohs(a->v6.sin6_port);
        return 0;
}
