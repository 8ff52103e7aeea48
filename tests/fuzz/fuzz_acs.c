/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of an agent on its control channel. An input is a sequence of frames, separated by newlines; the line "~" breaks the
 * connection and makes a new one, "!" lets time pass, and "$ID" in a frame stands for the id of the last message sent.
 */
#include <stdint.h>

#include "agent_world.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct agent_world *w, const char *line, size_t len)
{
        CLEANUP_BUF struct buf frame = {0};

        for (size_t i = 0; i < len; i++)
                if (len - i >= 3 && memcmp(line + i, "$ID", 3) == 0) {
                        buf_append_str(&frame, w->last_id);
                        i += 2;
                } else {
                        buf_append_char(&frame, line[i]);
                }
        agent_received(&w->channel, frame.len > 0 ? frame.data : "", frame.len);
        agents_flush(w->agents);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data, *end = text + size;
        struct agent_world w;

        world_begin(&w, false);
        while (text < end) {
                const char *newline = memchr(text, '\n', (size_t)(end - text));
                size_t len = newline ? (size_t)(newline - text) : (size_t)(end - text);

                if (len == 1 && *text == '~') {
                        world_disconnect(&w);
                        world_connect(&w);
                } else if (len == 1 && *text == '!') {
                        world_wait(&w);
                } else {
                        feed(&w, text, len);
                }
                text += len + 1;
        }
        world_end(&w);
        return 0;
}
