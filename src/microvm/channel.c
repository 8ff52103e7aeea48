/* SPDX-License-Identifier: Apache-2.0 */
/* See channel.h. */
#include "microvm/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/env.h"
#include "base/log.h"
#include "base/strutil.h"
#include "microvm/unix_socket.h"

#define RETRY_MS 5                 /* while nobody serves the socket */
#define REST_MS 60                 /* after a loss: longer than the guest takes to notice it */
#define OUT_MAX ((size_t)16 << 20) /* what a guest has not read: many times what any task is sent at once */
#define HELLO_WITHIN_MS 3000       /* then once more: a guest that boots has not missed anything */

enum channel_state { CHANNEL_CONNECTING = 0, CHANNEL_GREETING, CHANNEL_ATTACHED };

struct channel {
        uv_loop_t *loop;
        const struct channel_callbacks *callbacks;
        void *owner;
        char *path;
        int fd;
        enum channel_state state;
        char session[FRAME_SESSION + 1];
        uv_timer_t timer;
        uv_poll_t *poll; /* of the connection that there is */
        struct buf in, out;
        bool marked; /* the guest's mark of this session was found: frames from here on */
        bool told;   /* that this guest does not keep to the protocol: said once, or it could fill the log */
        bool freed;
};

static void connect_later(struct channel *c, uint64_t ms);

static void on_poll_closed(uv_handle_t *handle)
{
        free(handle);
}

static void disconnect(struct channel *c)
{
        if (c->poll != NULL) {
                uv_poll_stop(c->poll);
                uv_close((uv_handle_t *)TAKE(c->poll), on_poll_closed);
        }
        if (c->fd >= 0)
                close(c->fd);
        c->fd = -1;
        c->state = CHANNEL_CONNECTING;
        c->marked = false;
        buf_clear(&c->in);
        buf_clear(&c->out);
}

static void tell(struct channel *c, const char *what)
{
        if (!c->told)
                log_warn("a micro-VM does not keep to the protocol: it is greeted anew", LOG_S("socket", c->path), LOG_S("reason", what),
                         LOG_S("next", "if it goes on, stop its task: what runs inside may have taken the guest's kernel over"));
        c->told = true;
}

static void lose(struct channel *c)
{
        disconnect(c);
        connect_later(c, REST_MS);
}

/* ---- receiving ---- */

static int take_event(struct channel *c, const struct frame *frame)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct guest_event *event = NULL;

        if (SHAPE_PARSE(guest_event, &arena, frame->body, frame->len, NULL, &event, NULL) < 0)
                return -EPROTO;
        if (event->hello != NULL) {
                c->state = CHANNEL_ATTACHED;
                uv_timer_stop(&c->timer);
                c->callbacks->hello(c->owner, event->hello);
        } else {
                c->callbacks->event(c->owner, event);
        }
        return 0;
}

static int take_frames(struct channel *c)
{
        char session[FRAME_SESSION + 1];
        struct frame frame;
        int r;

        while (!c->marked && port_frame_find_mark(&c->in, session))
                c->marked = str_eq(session, c->session);
        if (!c->marked)
                port_frame_skip(&c->in);
        while (c->marked && !c->freed && (r = port_frame_peek(&c->in, &frame)) != 0) {
                if (r == 1 && frame.kind == FRAME_JSON)
                        r = take_event(c, &frame);
                else if (r == 1)
                        c->callbacks->log(c->owner, &frame);
                if (r < 0)
                        return r;
                if (!c->freed && c->in.len > 0)
                        port_frame_drop(&c->in, &frame);
        }
        return 0;
}

static void flush(struct channel *c)
{
        while (c->out.len > 0) {
                ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);

                if (n <= 0)
                        break;
                buf_consume(&c->out, (size_t)n);
        }
}

static void on_socket(uv_poll_t *poll, int status, int events);

static void watch(struct channel *c)
{
        (void)uv_poll_start(c->poll, UV_READABLE | (c->out.len > 0 ? UV_WRITABLE : 0), on_socket);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
        struct channel *c = poll->data;
        ssize_t n = 1;

        if (events & UV_READABLE) {
                n = recv(c->fd, buf_reserve(&c->in, 65536), 65536, 0);
                if (n > 0)
                        buf_advance(&c->in, (size_t)n);
                else if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        n = 1;
        }
        bool gone = status < 0 || n <= 0, bad = !gone && take_frames(c) < 0;
        if (gone || bad) {
                if (bad && !c->freed)
                        tell(c, "what it sent is no message");
                if (!c->freed)
                        lose(c);
                return;
        }
        if (c->freed)
                return;
        flush(c);
        watch(c);
}

/* ---- connecting ---- */

static void on_late(uv_timer_t *timer)
{
        lose(timer->data);
}

static void try_connect(uv_timer_t *timer)
{
        struct channel *c = timer->data;

        c->fd = unix_socket_connect(c->path);
        if (c->fd < 0) {
                connect_later(c, RETRY_MS);
                return;
        }
        c->poll = xalloc(sizeof(*c->poll));
        int r = uv_poll_init(c->loop, c->poll, c->fd);
        assert(r == 0);
        c->poll->data = c;
        c->state = CHANNEL_GREETING;
        env_random_hex(env_system(), c->session, FRAME_SESSION);
        port_frame_mark(&c->out, c->session);
        flush(c);
        watch(c);
        (void)uv_timer_start(&c->timer, on_late, HELLO_WITHIN_MS, 0);
}

static void connect_later(struct channel *c, uint64_t ms)
{
        (void)uv_timer_start(&c->timer, try_connect, ms, 0);
}

struct channel *channel_new(uv_loop_t *loop, const char *path, const struct channel_callbacks *callbacks, void *owner)
{
        struct channel *c = xalloc(sizeof(*c));
        int r = uv_timer_init(loop, &c->timer);

        assert(r == 0);
        c->loop = loop;
        c->callbacks = callbacks;
        c->owner = owner;
        c->path = xstrdup(path);
        c->fd = -1;
        c->timer.data = c;
        connect_later(c, 0);
        return c;
}

static void on_timer_closed(uv_handle_t *handle)
{
        struct channel *c = handle->data;

        buf_done(&c->in);
        buf_done(&c->out);
        free(c->path);
        free(c);
}

struct channel *channel_free(struct channel *c)
{
        if (c == NULL)
                return NULL;
        c->freed = true;
        disconnect(c);
        uv_close((uv_handle_t *)&c->timer, on_timer_closed);
        return NULL;
}

bool channel_is_attached(const struct channel *c)
{
        return c->state == CHANNEL_ATTACHED;
}

void channel_send(struct channel *c, const struct guest_command *command)
{
        size_t at;

        if (c->state != CHANNEL_ATTACHED)
                return;
        /* It writes and does not listen. The memory is not its own: it has to greet again. */
        if (c->out.len > OUT_MAX) {
                tell(c, "it does not read what it is sent");
                (void)uv_timer_start(&c->timer, on_late, 0, 0);
                return;
        }
        at = port_frame_begin(&c->out, FRAME_JSON, 0, 0);
        SHAPE_WRITE(guest_command, command, &c->out);
        port_frame_end(&c->out, at);
        flush(c);
        watch(c);
}
