/* SPDX-License-Identifier: Apache-2.0 */
/* Lines to events, events to batches. */
#include "agent/logs/batch.h"

#include <string.h>

#include "base/alloc.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* Length of the UTF-8 character at `s`, or 0 when there is none (overlong, surrogate, cut, or NUL). */
static size_t utf8_char(const unsigned char *s, size_t len)
{
        if (s[0] < 0x80)
                return s[0] != 0 ? 1 : 0;
        size_t need = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;
        if (need == 0 || need > len)
                return 0;
        for (size_t i = 1; i < need; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
        }
        if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
            (s[0] == 0xf4 && s[1] > 0x8f))
                return 0;
        return need;
}

void log_text_clean(const char *text, size_t len, struct buf *out)
{
        size_t i = 0;

        while (i < len) {
                size_t start = i, n = 0;

                while (i < len && (n = utf8_char((const unsigned char *)text + i, len - i)) > 0)
                        i += n;
                buf_append(out, text + start, i - start);
                if (i < len) {
                        buf_append_str(out, "\xef\xbf\xbd");
                        i++;
                }
        }
}

void log_batch_init(struct log_batch *batch, const struct multiline *multiline)
{
        *batch = (struct log_batch){.multiline = multiline};
}

void log_batch_done(struct log_batch *batch)
{
        for (size_t i = 0; i < batch->n; i++)
                free(batch->events[i].text);
        free(batch->events);
        buf_done(&batch->open);
}

static void add_event(struct log_batch *batch, int64_t time_ms, const char *text, size_t len, const struct log_position *end)
{
        if (batch->n == batch->cap) {
                batch->cap = MAX(batch->cap * 2, 64);
                batch->events = xrealloc(batch->events, batch->cap * sizeof(*batch->events));
        }
        batch->events[batch->n++] = (struct log_event){.time_ms = time_ms, .text = xstrndup(text, len), .len = len, .end = *end};
        batch->bytes += len + LOG_EVENT_OVERHEAD;
}

/* Events that are too long go as several; never cut inside a character. */
static void close_event(struct log_batch *batch, const struct log_position *end)
{
        const char *text = batch->open.data;
        size_t left = batch->open.len;

        if (!batch->is_open)
                return;
        batch->is_open = false;
        while (left > LOG_EVENT_BYTES) {
                size_t n = LOG_EVENT_BYTES;

                while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
                        n--;
                add_event(batch, batch->open_ms, text, n, end);
                text += n;
                left -= n;
        }
        if (left > 0)
                add_event(batch, batch->open_ms, text, left, end);
        else if (batch->n > 0)
                batch->events[batch->n - 1].end = *end; /* an empty line is no event, but it was read */
        buf_clear(&batch->open);
}

void log_batch_line(struct log_batch *batch, int64_t time_ms, const char *text, size_t len, const struct log_position *start)
{
        struct buf clean CLEANUP_BUF = {0};

        log_text_clean(text, len, &clean);
        bool begins = !batch->is_open || multiline_begins(batch->multiline, clean.data != NULL ? clean.data : "") ||
                      batch->open.len + clean.len > LOG_EVENT_BYTES;
        if (begins) {
                close_event(batch, start);
                batch->is_open = true;
                batch->open_ms = time_ms;
        } else {
                buf_append_char(&batch->open, '\n');
        }
        buf_append(&batch->open, clean.data != NULL ? clean.data : "", clean.len);
}

void log_batch_end(struct log_batch *batch, const struct log_position *end, bool flush)
{
        if (flush || !batch->multiline->active)
                close_event(batch, end);
}

/* Nearly always in order: standard output and error differ by little. Stable; positions stay in the order of the file. */
static void sort_by_time(struct log_event *events, size_t n)
{
        size_t first = 1;

        while (first < n && events[first - 1].time_ms <= events[first].time_ms)
                first++;
        if (first >= n)
                return;
        CLEANUP_FREE struct log_position *ends = xcalloc(n, sizeof(*ends));
        for (size_t i = 0; i < n; i++)
                ends[i] = events[i].end;
        for (size_t i = first; i < n; i++) {
                struct log_event e = events[i];
                size_t k = i;

                for (; k > 0 && events[k - 1].time_ms > e.time_ms; k--)
                        events[k] = events[k - 1];
                events[k] = e;
        }
        for (size_t i = 0; i < n; i++)
                events[i].end = ends[i];
}

size_t log_batch_next(const struct log_batch *batch)
{
        size_t n = 0, bytes = 0;
        int64_t first = INT64_MAX, last = INT64_MIN;

        for (; n < batch->n && n < LOG_BATCH_EVENTS; n++) {
                const struct log_event *e = &batch->events[n];

                first = MIN(first, e->time_ms);
                last = MAX(last, e->time_ms);
                bytes += e->len + LOG_EVENT_OVERHEAD;
                if (bytes > LOG_BATCH_BYTES || last - first >= DAY_MS)
                        break;
        }
        sort_by_time(batch->events, n);
        return n;
}

struct log_position log_batch_accept(struct log_batch *batch, size_t n)
{
        struct log_position end = batch->events[n - 1].end;

        assert(n > 0 && n <= batch->n);
        for (size_t i = 0; i < n; i++) {
                batch->bytes -= batch->events[i].len + LOG_EVENT_OVERHEAD;
                free(batch->events[i].text);
        }
        batch->n -= n;
        memmove(batch->events, batch->events + n, batch->n * sizeof(*batch->events));
        return end;
}

bool log_batch_is_full(const struct log_batch *batch)
{
        return batch->bytes >= 2 * (size_t)LOG_BATCH_BYTES || batch->n >= 2 * (size_t)LOG_BATCH_EVENTS;
}
