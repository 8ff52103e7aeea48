/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of an agent on its telemetry channel, with or without signed headers; NUL bytes separate them, "~"
 * breaks the connection and makes a new one, "!" lets time pass.
 */
#include <stdint.h>

#include "agent_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data, *end = text + size;
        CLEANUP_BUF struct buf metrics = {0};
        struct agent_world w;

        world_begin(&w, true);
        while (text < end) {
                const char *nul = memchr(text, 0, (size_t)(end - text));
                size_t len = nul ? (size_t)(nul - text) : (size_t)(end - text);
                char *frame = malloc(len + 1);

                memcpy(frame, text, len);
                frame[len] = 0;
                if (strcmp(frame, "~") == 0) {
                        world_disconnect(&w);
                        world_connect(&w);
                } else if (strcmp(frame, "!") == 0) {
                        world_wait(&w);
                } else {
                        telemetry_received(&w.channel, frame, len);
                }
                free(frame);
                text += len + 1;
        }
        agent_metrics_write(agents_metrics(w.agents), &metrics);
        world_end(&w);
        return 0;
}
