/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's native protocol: one datagram an entry, lines FIELD=value; values with newlines carry their length. */
#include "agent/logs/journald.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

int journald_open(struct error *error)
{
        const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
        CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return error_set(error, errno, "journald is not enabled on this node (%s: %s); use another log driver", JOURNAL_SOCKET,
                                 strerror(errno));
        return TAKE_FD(fd);
}

static void put(struct buf *out, const char *name, const char *value, size_t len)
{
        uint64_t n = len;

        if (memchr(value, '\n', len) == NULL) {
                buf_printf(out, "%s=", name);
                buf_append(out, value, len);
                buf_append_char(out, '\n');
                return;
        }
        buf_printf(out, "%s\n", name);
        for (int i = 0; i < 8; i++)
                buf_append_char(out, (char)(n >> (8 * i)));
        buf_append(out, value, len);
        buf_append_char(out, '\n');
}

void journald_fields(const struct engine_container *c, const char *tag, struct buf *out)
{
        const struct {
                const char *name, *value;
        } fields[] = {{"CONTAINER_ID", c->runtime_id}, {"CONTAINER_ID_FULL", c->runtime_id}, {"CONTAINER_NAME", c->definition->name},
                      {"CONTAINER_TAG", tag},          {"SYSLOG_IDENTIFIER", tag},           {"IMAGE_NAME", c->definition->image},
                      {"ECS_TASK_ARN", c->task->arn}};

        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
                put(out, fields[i].name, fields[i].value, strlen(fields[i].value));
}

int journald_send(int fd, const struct buf *fields, bool is_stderr, const char *text, size_t len)
{
        struct buf entry CLEANUP_BUF = {0};

        buf_append(&entry, fields->data, fields->len);
        buf_append_str(&entry, is_stderr ? "PRIORITY=3\n" : "PRIORITY=6\n");
        put(&entry, "MESSAGE", text, len);
        while (send(fd, entry.data, entry.len, MSG_NOSIGNAL) < 0) {
                if (errno != EINTR)
                        return -errno;
        }
        return 0;
}
