/* SPDX-License-Identifier: Apache-2.0 */
/* See unix_socket.h. */
#include "microvm/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/env.h"

int unix_socket_connect(const char *path)
{
        CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un to = {.sun_family = AF_UNIX};

        if (fd < 0)
                return -errno;
        if (strlen(path) >= sizeof(to.sun_path))
                return -ENAMETOOLONG;
        memcpy(to.sun_path, path, strlen(path) + 1);
        if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
                return -errno;
        return TAKE_FD(fd);
}
