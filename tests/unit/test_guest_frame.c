/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions on the port of a micro-VM: where one begins, whatever the one before has left half said. */
#include "unit.h"

#include <errno.h>

#include "base/macro.h"
#include "guest/frame.h"

#define FIRST "0123456789abcdef"
#define SECOND "fedcba9876543210"

static void put_frame(struct buf *out, const char *body)
{
        size_t at = port_frame_begin(out, FRAME_JSON, 0, 0);

        buf_append_str(out, body);
        port_frame_end(out, at);
}

static void expect_frame(struct buf *in, const char *body)
{
        struct frame frame;

        assert_int_equal(1, port_frame_peek(in, &frame));
        assert_int_equal(strlen(body), frame.len);
        assert_memory_equal(body, frame.body, frame.len);
        port_frame_drop(in, &frame);
}

static void test_begins_after_anything(void **state)
{
        CLEANUP_BUF struct buf in = {0};
        char session[FRAME_SESSION + 1];

        (void)state;
        buf_append_str(&in, "left over");
        port_frame_mark(&in, FIRST);
        put_frame(&in, "{\"stats\":true}");
        assert_true(port_frame_find_mark(&in, session));
        assert_string_equal(FIRST, session);
        assert_false(port_frame_find_mark(&in, session));
        expect_frame(&in, "{\"stats\":true}");
        assert_int_equal(0, in.len);
}

/* A host that went and came again before the guest saw it: the mark is in the midst of frames, here of one that never ends. */
static void test_begins_inside_a_frame(void **state)
{
        CLEANUP_BUF struct buf in = {0};
        char session[FRAME_SESSION + 1];

        (void)state;
        put_frame(&in, "{\"exec\":{\"number\":1,\"args\":[\"true\"]}}");
        in.len -= 10;
        port_frame_mark(&in, SECOND);
        put_frame(&in, "{}");
        assert_true(port_frame_find_mark(&in, session));
        assert_string_equal(SECOND, session);
        expect_frame(&in, "{}");
}

static void test_comes_in_pieces(void **state)
{
        CLEANUP_BUF struct buf whole = {0}, in = {0};
        char session[FRAME_SESSION + 1];

        (void)state;
        buf_append_str(&whole, "\n--gantry \n--gantry-gue");
        port_frame_mark(&whole, FIRST);
        for (size_t i = 0; i < whole.len; i++) {
                assert_false(port_frame_find_mark(&in, session));
                port_frame_skip(&in);
                buf_append(&in, whole.data + i, 1);
        }
        assert_true(port_frame_find_mark(&in, session));
        assert_string_equal(FIRST, session);
        assert_int_equal(0, in.len);
}

static void test_nonsense(void **state)
{
        CLEANUP_BUF struct buf in = {0};
        struct frame frame;

        (void)state;
        assert_int_equal(0, port_frame_peek(&in, &frame));
        port_frame_mark(&in, FIRST); /* a mark is no frame */
        assert_int_equal(-EPROTO, port_frame_peek(&in, &frame));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_begins_after_anything),
                cmocka_unit_test(test_begins_inside_a_frame),
                cmocka_unit_test(test_comes_in_pieces),
                cmocka_unit_test(test_nonsense),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
