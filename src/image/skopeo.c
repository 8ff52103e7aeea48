/* SPDX-License-Identifier: Apache-2.0 */
/* Runs skopeo as a child process and collects what it prints. */
#include "image/skopeo.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#define ERR_MAX (64 * 1024)

static void on_close(uv_handle_t *handle)
{
        struct skopeo_run *run = handle->data;

        if (--run->open_handles_ > 0)
                return;
        run->running_ = false;
        if (run->status_ == 0 && run->exit_status_ != 0)
                run->status_ = -EIO;
        /* The owner may free or restart it in there: nothing is touched afterwards but what was taken out before. */
        run->done(run, run->status_);
}

static void close_handle(uv_handle_t *handle)
{
        if (!uv_is_closing(handle))
                uv_close(handle, on_close);
}

static void on_child_exit(uv_process_t *process, int64_t exit_status, int signal_number)
{
        struct skopeo_run *run = process->data;

        run->exit_status_ = signal_number != 0 ? 128 + signal_number : exit_status;
        close_handle((uv_handle_t *)process);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
        struct skopeo_run *run = handle->data;
        struct buf *to = handle == (uv_handle_t *)&run->out_pipe_ ? &run->out : &run->err;

        (void)suggested;
        *buf = uv_buf_init(buf_reserve(to, 16384), 16384);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
        struct skopeo_run *run = stream->data;
        bool is_out = stream == (uv_stream_t *)&run->out_pipe_;
        struct buf *to = is_out ? &run->out : &run->err;

        (void)buf;
        if (n < 0) {
                close_handle((uv_handle_t *)stream);
                return;
        }
        buf_advance(to, (size_t)n);
        if (is_out && to->len > run->max_output)
                skopeo_run_kill(run, -EFBIG);
        /* Only the beginning of a long complaint is of use. */
        if (!is_out && to->len > ERR_MAX)
                to->len = ERR_MAX;
}

void skopeo_run_start(struct skopeo_run *run)
{
        uv_stdio_container_t stdio[3] = {
                {.flags = UV_IGNORE},
                {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&run->out_pipe_},
                {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&run->err_pipe_},
        };
        uv_process_options_t options = {
                .exit_cb = on_child_exit,
                .file = run->args[0],
                .args = (char **)(uintptr_t)run->args,
                .cwd = run->directory,
                .stdio_count = 3,
                .stdio = stdio,
        };
        int r;

        buf_init(&run->out);
        buf_init(&run->err);
        uv_pipe_init(run->loop, &run->out_pipe_, 0);
        uv_pipe_init(run->loop, &run->err_pipe_, 0);
        run->process_.data = run->out_pipe_.data = run->err_pipe_.data = run;
        run->status_ = 0;
        run->exit_status_ = 0;
        run->open_handles_ = 3;
        run->running_ = true;
        r = uv_spawn(run->loop, &run->process_, &options);
        if (r < 0) {
                run->status_ = r;
                close_handle((uv_handle_t *)&run->process_);
                close_handle((uv_handle_t *)&run->out_pipe_);
                close_handle((uv_handle_t *)&run->err_pipe_);
                return;
        }
        uv_read_start((uv_stream_t *)&run->out_pipe_, on_alloc, on_read);
        uv_read_start((uv_stream_t *)&run->err_pipe_, on_alloc, on_read);
}

void skopeo_run_kill(struct skopeo_run *run, int status)
{
        if (!run->running_ || run->status_ != 0)
                return;
        run->status_ = status;
        if (!uv_is_closing((uv_handle_t *)&run->process_))
                uv_process_kill(&run->process_, SIGKILL);
        /* A grandchild that holds the pipes must not keep us waiting. */
        close_handle((uv_handle_t *)&run->out_pipe_);
        close_handle((uv_handle_t *)&run->err_pipe_);
}
