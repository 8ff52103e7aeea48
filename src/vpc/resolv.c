/* SPDX-License-Identifier: Apache-2.0 */
/* Which resolv.conf a container can use. */
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>

#include "base/buf.h"
#include "base/strutil.h"
#include "vpc/vpc.h"

/* systemd-resolved offers a stub on loopback in the first and the true servers in the others. */
static const char *const files[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"};

static bool is_loopback(const char *server)
{
        return str_starts_with(server, "127.") || str_eq(server, "::1") || str_eq(server, "localhost");
}

/* At least one name server that is not this machine's loopback. */
static bool is_usable(const char *path)
{
        CLEANUP_BUF struct buf text = {0};
        char *save = NULL;

        if (buf_read_file(&text, path, 65536) < 0 || text.len == 0)
                return false;
        for (char *line = strtok_r(text.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
                char *inner = NULL, *word = strtok_r(line, " \t", &inner), *server = strtok_r(NULL, " \t", &inner);

                if (str_eq(word, "nameserver") && server != NULL && !is_loopback(server))
                        return true;
        }
        return false;
}

const char *vpc_resolv_conf(void)
{
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                if (is_usable(files[i]))
                        return files[i];
        }
        return NULL;
}

bool vpc_name_server(char ret[16])
{
        static const char *const all[] = {NULL, "/etc/resolv.conf"};

        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                const char *path = all[i] != NULL ? all[i] : vpc_resolv_conf();
                CLEANUP_BUF struct buf text = {0};
                char *save = NULL;

                if (path == NULL || buf_read_file(&text, path, 65536) < 0 || text.len == 0)
                        continue;
                for (char *line = strtok_r(text.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
                        struct in_addr in;

                        if (sscanf(line, " nameserver %15[0-9.]", ret) == 1 && inet_pton(AF_INET, ret, &in) == 1 &&
                            (all[i] != NULL || !is_loopback(ret)))
                                return true;
                }
        }
        return false;
}
