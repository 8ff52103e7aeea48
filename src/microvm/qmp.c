/* SPDX-License-Identifier: Apache-2.0 */
/* See qmp.h. What is sent is short and seldom: a socket that does not take it at once belongs to a QEMU that hangs. */
#include "microvm/qmp.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "api/qmp.idl.h"
#include "base/alloc.h"
#include "base/log.h"
#include "microvm/unix_socket.h"

#define CONNECT_EVERY_MS 3
#define LINE_MAX_BYTES ((size_t)1 << 20)

struct qmp {
        uv_loop_t *loop;
        const struct qmp_callbacks *callbacks;
        void *owner;
        char *path;
        int fd;
        uint32_t tries;
        uv_timer_t timer; /* connecting; telling that it is over */
        uv_poll_t poll;
        bool polls, greeted, freed;
        uint32_t handles;
        struct buf in;
        struct list calls;
        int64_t next_id;
};

static void on_handle_closed(uv_handle_t *handle)
{
        struct qmp *q = handle->data;

        if (--q->handles > 0)
                return;
        if (q->fd >= 0)
                close(q->fd);
        buf_done(&q->in);
        free(q->path);
        free(q);
}

static void fail_calls(struct qmp *q)
{
        struct error error = {0};

        (void)error_set(&error, ECONNRESET, "the virtual machine has ended");
        while (!list_empty(&q->calls)) {
                struct qmp_call *call = list_first(&q->calls, struct qmp_call, link_);

                list_remove(&call->link_);
                call->done(call, -ECONNRESET, NULL, &error);
        }
}

static void on_over(uv_timer_t *timer)
{
        struct qmp *q = timer->data;

        fail_calls(q);
        if (!q->freed)
                q->callbacks->closed(q->owner);
}

static void over(struct qmp *q)
{
        if (q->polls)
                uv_poll_stop(&q->poll);
        (void)uv_timer_start(&q->timer, on_over, 0, 0);
}

/* ---- what QEMU says ---- */

static void take_answer(struct qmp *q, const struct qmp_said *said)
{
        list_for_each (call, &q->calls, struct qmp_call, link_) {
                struct error error = {0};

                if (call->id_ != said->id)
                        continue;
                list_remove(&call->link_);
                if (said->error != NULL)
                        (void)error_set(&error, EREMOTEIO, "QEMU: %s", said->error->desc != NULL ? said->error->desc : "refused");
                call->done(call, said->error != NULL ? -EREMOTEIO : 0, said->return_, &error);
                return;
        }
        if (said->error != NULL)
                log_warn("QEMU has refused a command", LOG_S("socket", q->path), LOG_S("error", said->error->desc));
}

static void take_line(struct qmp *q, const char *line, size_t len)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct qmp_said *said = NULL;

        if (SHAPE_PARSE(qmp_said, &arena, line, len, NULL, &said, NULL) < 0)
                return;
        if (said->qmp != NULL)
                qmp_send(q, "qmp_capabilities", NULL, -1, NULL);
        else if (said->event != NULL)
                q->callbacks->event(q->owner, said->event, said->data);
        else if (!q->greeted && said->id == 1) {
                q->greeted = true;
                q->callbacks->ready(q->owner);
        } else
                take_answer(q, said);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
        struct qmp *q = poll->data;
        char *end;
        ssize_t n = status < 0 ? 0 : recv(q->fd, buf_reserve(&q->in, 4096), 4096, 0);

        (void)events;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0 || q->in.len > LINE_MAX_BYTES) {
                over(q);
                return;
        }
        buf_advance(&q->in, (size_t)n);
        while (!q->freed && (end = memchr(q->in.data, '\n', q->in.len)) != NULL) {
                CLEANUP_FREE char *line = xstrndup(q->in.data, (size_t)(end - q->in.data));

                buf_consume(&q->in, (size_t)(end - q->in.data) + 1);
                take_line(q, line, strlen(line));
        }
}

/* ---- connecting ---- */

static void try_connect(uv_timer_t *timer)
{
        struct qmp *q = timer->data;

        q->fd = unix_socket_connect(q->path);
        if (q->fd < 0) {
                if (q->tries-- > 0)
                        (void)uv_timer_start(&q->timer, try_connect, CONNECT_EVERY_MS, 0);
                else
                        over(q);
                return;
        }
        int r = uv_poll_init(q->loop, &q->poll, q->fd);
        assert(r == 0);
        q->poll.data = q;
        q->polls = true;
        q->handles++;
        (void)uv_poll_start(&q->poll, UV_READABLE, on_readable);
}

struct qmp *qmp_new(uv_loop_t *loop, const char *path, uint32_t patience_ms, const struct qmp_callbacks *callbacks, void *owner)
{
        struct qmp *q = xalloc(sizeof(*q));
        int r = uv_timer_init(loop, &q->timer);

        assert(r == 0);
        q->loop = loop;
        q->callbacks = callbacks;
        q->owner = owner;
        q->path = xstrdup(path);
        q->fd = -1;
        q->tries = patience_ms / CONNECT_EVERY_MS;
        q->timer.data = q;
        q->handles = 1;
        list_init(&q->calls);
        (void)uv_timer_start(&q->timer, try_connect, 0, 0);
        return q;
}

struct qmp *qmp_free(struct qmp *q)
{
        if (q == NULL)
                return NULL;
        q->freed = true;
        while (!list_empty(&q->calls))
                list_remove(q->calls.next);
        uv_close((uv_handle_t *)&q->timer, on_handle_closed);
        if (q->polls)
                uv_close((uv_handle_t *)&q->poll, on_handle_closed);
        return NULL;
}

/* ---- sending ---- */

static ssize_t send_with(int socket, const struct buf *text, int fd)
{
        struct iovec part = {.iov_base = text->data, .iov_len = text->len};
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

        if (fd >= 0) {
                control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
                message.msg_control = &control;
                message.msg_controllen = sizeof(control.space);
        }
        return sendmsg(socket, &message, MSG_NOSIGNAL);
}

void qmp_send(struct qmp *q, const char *command, const char *arguments, int fd, struct qmp_call *call)
{
        CLEANUP_BUF struct buf text = {0};
        struct qmp_command line = {.execute = command, .arguments = arguments};

        SHAPE_SET(&line, qmp_command, id, ++q->next_id);
        SHAPE_WRITE(qmp_command, &line, &text);
        buf_append_char(&text, '\n');
        if (call != NULL) {
                call->id_ = q->next_id;
                list_push(&q->calls, &call->link_);
        }
        if (q->fd < 0 || send_with(q->fd, &text, fd) != (ssize_t)text.len)
                over(q);
}

void qmp_cancel(struct qmp_call *call)
{
        if (call->link_.next != NULL)
                list_remove(&call->link_);
}
