/* SPDX-License-Identifier: Apache-2.0 */
/* URLs taken apart. */
#include "net/url.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"

static const struct {
        const char *prefix;
        uint16_t port;
        bool tls;
} schemes[] = {
        {"http://", 80, false},
        {"ws://", 80, false},
        {"https://", 443, true},
        {"wss://", 443, true},
};

/* "host:port" or "[host]:port"; port stays as it is when not said. */
static int parse_authority(char *text, struct url *url, struct arena *arena)
{
        char *host = text, *port;
        uint16_t usual = url->port;
        int64_t number = usual;
        if (*text == '[') {
                char *end = strchr(text, ']');
                if (end == NULL || (end[1] != '\0' && end[1] != ':'))
                        return -EINVAL;
                port = end[1] == ':' ? end + 2 : NULL;
                *end = '\0';
                host = text + 1;
        } else {
                port = strchr(text, ':');
                if (port != NULL)
                        *port++ = '\0';
        }
        if (port != NULL && (*port < '0' || *port > '9' || str_to_int64(port, &number) < 0 || number < 1 || number > 65535))
                return -EINVAL;
        if (*host == '\0' || strpbrk(host, "@[]/\\<>\"") != NULL)
                return -EINVAL;
        url->host = host;
        url->port = (uint16_t)number;
        const char *shown = *text == '[' ? arena_printf(arena, "[%s]", host) : host;
        url->host_header = url->port == usual ? shown : arena_printf(arena, "%s:%u", shown, url->port);
        return 0;
}

int url_parse(const char *text, struct arena *arena, struct url *ret, struct error *error)
{
        struct url url = {0};
        const char *rest = NULL;

        for (const char *p = text; *p != '\0'; p++) {
                if (*p <= ' ' || *p >= 0x7f || *p == '#')
                        return error_set(error, EINVAL, "URL \"%s\" has a character that a URL for a connection cannot have", text);
        }
        for (size_t i = 0; i < ARRAY_SIZE(schemes) && rest == NULL; i++) {
                if (!str_starts_with(text, schemes[i].prefix))
                        continue;
                rest = text + strlen(schemes[i].prefix);
                url.port = schemes[i].port;
                url.tls = schemes[i].tls;
        }
        if (rest == NULL)
                return error_set(error, EINVAL, "URL \"%s\" does not begin with http://, https://, ws:// or wss://", text);

        size_t len = strcspn(rest, "/?");
        if (parse_authority(arena_strndup(arena, rest, len), &url, arena) < 0)
                return error_set(error, EINVAL, "URL \"%s\" has no valid HOST or HOST:PORT after the scheme", text);
        url.target = rest[len] == '/' ? arena_strdup(arena, rest + len) : arena_printf(arena, "/%s", rest + len);
        *ret = url;
        return 0;
}
