/* SPDX-License-Identifier: Apache-2.0 */
/* See run.h. The program leads a process group of its own, so that what it has started goes with it. */
#include "machine/run.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"

#define MAX_OUTPUT ((size_t)1 << 20)

struct stream {
        uv_pipe_t pipe;
        struct buf text;
        char chunk[4096];
};

struct program_run {
        uv_process_t process;
        uv_timer_t timer;
        uv_pipe_t in;
        uv_write_t write;
        struct stream out, errors;
        char *input;
        program_done_fn done;
        void *data;
        int status;
        int open;    /* handles that are not closed yet */
        int waiting; /* ends of output, and the exit, that are still to come */
        bool running, finished;
};

static void on_closed(uv_handle_t *handle)
{
        struct program_run *run = handle->data;

        if (--run->open > 0)
                return;
        buf_done(&run->out.text);
        buf_done(&run->errors.text);
        free(run->input);
        free(run);
}

static void close_handle(uv_handle_t *handle)
{
        if (!uv_is_closing(handle))
                uv_close(handle, on_closed);
}

static void close_all(struct program_run *run)
{
        close_handle((uv_handle_t *)&run->timer);
        close_handle((uv_handle_t *)&run->in);
        close_handle((uv_handle_t *)&run->out.pipe);
        close_handle((uv_handle_t *)&run->errors.pipe);
        /* One that has been killed has to be waited for: see on_ended. */
        if (!run->running)
                close_handle((uv_handle_t *)&run->process);
}

static void kill_group(struct program_run *run)
{
        if (run->running)
                (void)kill(-uv_process_get_pid(&run->process), SIGKILL);
}

static void finish(struct program_run *run)
{
        if (run->finished)
                return;
        run->finished = true;
        if (run->done != NULL)
                run->done(run->data, run->status, &run->out.text, &run->errors.text);
        close_all(run);
}

static void one_less(struct program_run *run)
{
        if (--run->waiting == 0)
                finish(run);
}

static void on_timeout(uv_timer_t *timer)
{
        struct program_run *run = timer->data;

        kill_group(run);
        run->status = -ETIMEDOUT;
        /* What it has left behind may hold its output open. */
        finish(run);
}

/* It could not be started; the caller hears of it as of everything: later. */
static void on_unstarted(uv_timer_t *timer)
{
        finish(timer->data);
}

static void on_ended(uv_process_t *process, int64_t status, int term_signal)
{
        struct program_run *run = process->data;

        run->running = false;
        if (run->finished) {
                close_handle((uv_handle_t *)process);
                return;
        }
        run->status = term_signal != 0 ? 128 + term_signal : (int)status;
        one_less(run);
}

static void on_alloc(uv_handle_t *handle, UNUSED size_t suggested, uv_buf_t *ret)
{
        struct stream *stream = CONTAINER_OF(handle, struct stream, pipe);

        *ret = uv_buf_init(stream->chunk, sizeof(stream->chunk));
}

static void on_output(uv_stream_t *handle, ssize_t n, const uv_buf_t *data)
{
        struct stream *stream = CONTAINER_OF(handle, struct stream, pipe);
        struct program_run *run = handle->data;

        if (n > 0 && stream->text.len + (size_t)n <= MAX_OUTPUT)
                buf_append(&stream->text, data->base, (size_t)n);
        if (n >= 0)
                return;
        uv_read_stop(handle);
        one_less(run);
}

static void on_written(uv_write_t *write, UNUSED int status)
{
        struct program_run *run = write->data;

        close_handle((uv_handle_t *)&run->in);
}

static void open_handles(uv_loop_t *loop, struct program_run *run)
{
        uv_timer_init(loop, &run->timer);
        uv_pipe_init(loop, &run->in, 0);
        uv_pipe_init(loop, &run->out.pipe, 0);
        uv_pipe_init(loop, &run->errors.pipe, 0);
        run->process.data = run->timer.data = run->in.data = run->out.pipe.data = run->errors.pipe.data = run->write.data = run;
        run->open = 5;
}

struct program_run *program_start(uv_loop_t *loop, char **argv, const char *input, int64_t timeout_ms, program_done_fn done, void *data)
{
        struct program_run *run = xalloc(sizeof(*run));
        uv_stdio_container_t stdio[3] = {{.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&run->in},
                                         {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&run->out.pipe},
                                         {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&run->errors.pipe}};
        uv_process_options_t options = {
                .exit_cb = on_ended, .file = argv[0], .args = argv, .stdio_count = 3, .stdio = stdio, .flags = UV_PROCESS_DETACHED};
        uv_buf_t text;
        int r;

        run->done = done;
        run->data = data;
        run->input = xstrdup(input);
        open_handles(loop, run);
        r = uv_spawn(loop, &run->process, &options);
        if (r < 0) {
                run->status = r;
                buf_printf(&run->errors.text, "%s: %s\n", argv[0], uv_strerror(r));
                uv_timer_start(&run->timer, on_unstarted, 0, 0);
                return run;
        }
        run->running = true;
        run->waiting = 3;
        text = uv_buf_init(run->input, (unsigned)strlen(run->input));
        uv_write(&run->write, (uv_stream_t *)&run->in, &text, 1, on_written);
        uv_read_start((uv_stream_t *)&run->out.pipe, on_alloc, on_output);
        uv_read_start((uv_stream_t *)&run->errors.pipe, on_alloc, on_output);
        uv_timer_start(&run->timer, on_timeout, (uint64_t)timeout_ms, 0);
        return run;
}

void program_abandon(struct program_run *run)
{
        run->done = NULL;
        kill_group(run);
        finish(run);
}
