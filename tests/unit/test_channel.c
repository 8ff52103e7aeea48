/* SPDX-License-Identifier: Apache-2.0 */
/* The port to the agent in a micro-VM, with a guest that is up to no good. */
#include "unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "microvm/channel.h"

static char dir[] = "/tmp/gantry-channel-XXXXXX";
static int hellos;

static void on_hello(void *owner, const struct guest_hello *hello)
{
        (void)owner;
        (void)hello;
        hellos++;
}

static void on_event(void *owner, const struct guest_event *event)
{
        (void)owner;
        (void)event;
}

static void on_log(void *owner, const struct frame *frame)
{
        (void)owner;
        (void)frame;
}

static const struct channel_callbacks callbacks = {.hello = on_hello, .event = on_event, .log = on_log};

static int listen_at(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        assert_int_equal(0, bind(fd, (struct sockaddr *)&address, sizeof(address)));
        assert_int_equal(0, listen(fd, 4));
        return fd;
}

static int accept_one(int listener)
{
        int fd;

        while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) < 0) {
                uv_run(uv_default_loop(), UV_RUN_NOWAIT);
                (void)usleep(1000);
        }
        return fd;
}

/* As gantry-init does, and then it never reads again. */
static void greet(int fd)
{
        CLEANUP_BUF struct buf in = {0}, out = {0};
        char session[FRAME_SESSION + 1];
        const int before = hellos;
        size_t at;

        while (!port_frame_find_mark(&in, session)) {
                uv_run(uv_default_loop(), UV_RUN_NOWAIT);
                ssize_t n = read(fd, buf_reserve(&in, 4096), 4096);
                if (n > 0)
                        buf_advance(&in, (size_t)n);
        }
        port_frame_mark(&out, session);
        at = port_frame_begin(&out, FRAME_JSON, 0, 0);
        buf_printf(&out, "{\"hello\":{\"session\":\"%s\"}}", session);
        port_frame_end(&out, at);
        assert_int_equal(out.len, write(fd, out.data, out.len));
        while (hellos == before)
                uv_run(uv_default_loop(), UV_RUN_ONCE);
}

static void test_guest_that_does_not_listen(void **state)
{
        CLEANUP_FREE char *path = xprintf("%s/guest", dir), *text = xalloc(((size_t)1 << 20) + 1);
        const struct guest_file file = {.path = "/f", .content = memset(text, 'x', (size_t)1 << 20)};
        const struct guest_start start = {.files = {.items = (struct guest_file *)&file, .n = 1}};
        const struct guest_command command = {.start = (struct guest_start *)&start};
        int listener = listen_at(path);
        struct channel *channel = channel_new(uv_default_loop(), path, &callbacks, NULL);
        int first = accept_one(listener), second;

        (void)state;
        greet(first);
        for (int i = 0; i < 64; i++)
                channel_send(channel, &command);
        second = accept_one(listener); /* it was given up, and what it had not read with it */
        greet(second);
        assert_int_equal(2, hellos);
        assert_true(channel_is_attached(channel));
        channel_free(channel);
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
        close(first);
        close(second);
        close(listener);
        assert_int_equal(0, unlink(path));
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_guest_that_does_not_listen)};
        int r;

        if (mkdtemp(dir) == NULL)
                return 1;
        r = cmocka_run_group_tests(tests, NULL, NULL);
        return rmdir(dir) < 0 ? 1 : r;
}
