/* SPDX-License-Identifier: Apache-2.0 */
/* Containers of a micro-VM, from outside: logs, commands, figures. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "microvm/vm_internal.h"

#define LOG_ROTATE ((int64_t)16 << 20)
#define LOG_TIME_MAX INT64_C(253402300799999) /* the end of the year 9999 */

/* A start that waits until the machine has the image. */
struct vm_start {
        struct list link;
        struct guest_start *message; /* packed */
};

/* ---- logs ---- */

/* How much of the guest's log the file holds is written beside it, so that neither the agent's end nor its restart loses or repeats much. */
static void keep_counter(const struct vm *vm, uint32_t index)
{
        CLEANUP_FREE char *path = xprintf("%s/log%u", vm->dir, index);
        CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        int64_t value = vm->boxes[index].log_received;

        if (fd < 0 || pwrite(fd, &value, sizeof(value), 0) != (ssize_t)sizeof(value))
                log_debug("a log's position cannot be kept", LOG_S("task", vm->id));
}

static void read_counter(struct vm *vm, uint32_t index)
{
        CLEANUP_FREE char *path = xprintf("%s/log%u", vm->dir, index);
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        int64_t value = 0;

        if (fd >= 0 && pread(fd, &value, sizeof(value), 0) == (ssize_t)sizeof(value))
                vm->boxes[index].log_received = value;
}

static void open_log(struct vm *vm, uint32_t index)
{
        struct vm_box *box = &vm->boxes[index];
        CLEANUP_FREE char *dir = xprintf("%s/%s", vm->host->dir, vm->id);
        struct stat st;

        if (box->log_path == NULL)
                box->log_path = xprintf("%s/%u.log", dir, index);
        if (files_make_dirs(dir, 0700) < 0)
                return;
        box->log_fd = open(box->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (box->log_fd >= 0 && fstat(box->log_fd, &st) == 0)
                box->log_bytes = st.st_size;
}

static void rotate(struct vm *vm, uint32_t index)
{
        struct vm_box *box = &vm->boxes[index];
        CLEANUP_FREE char *old = xprintf("%s.1", box->log_path);

        close(TAKE_FD(box->log_fd));
        (void)rename(box->log_path, old);
        open_log(vm, index);
}

/* "2026-01-01T00:00:00.123000000+00:00 stdout F text": as conmon writes it. */
static void format(struct buf *out, int64_t ms, int stream, const char *text, size_t len)
{
        char stamp[64];
        struct tm tm = {0};

        /* The guest says it: of a time that nobody can write, the beginning. */
        ms = ms >= 0 && ms <= LOG_TIME_MAX ? ms : 0;
        (void)gmtime_r(&(time_t){ms / 1000}, &tm);
        size_t n = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
        (void)snprintf(stamp + n, sizeof(stamp) - n, ".%03d000000+00:00", (int)(ms % 1000));
        while (len > 0) {
                const char *end = memchr(text, '\n', len);
                size_t piece = end != NULL ? (size_t)(end - text) : len;

                buf_printf(out, "%s %s %c ", stamp, stream == 2 ? "stderr" : "stdout", end != NULL ? 'F' : 'P');
                buf_append(out, text, piece);
                buf_append_char(out, '\n');
                text += piece + (end != NULL);
                len -= piece + (end != NULL);
        }
}

void vm_take_log(struct vm *vm, const struct frame *frame)
{
        struct vm_box *box = frame->container < VM_BOXES ? &vm->boxes[frame->container] : NULL;
        CLEANUP_BUF struct buf text = {0};
        struct guest_ack ack = {0};
        const struct guest_command command = {.ack = &ack};
        uint64_t ms;

        if (box == NULL || frame->len < sizeof(ms) || vm->id == NULL)
                return;
        memcpy(&ms, frame->body, sizeof(ms));
        format(&text, (int64_t)le64toh(ms), frame->stream, frame->body + sizeof(ms), frame->len - sizeof(ms));
        if (box->log_fd < 0)
                open_log(vm, frame->container);
        if (box->log_fd < 0 || write(box->log_fd, text.data, text.len) != (ssize_t)text.len)
                log_warn("a container's log cannot be written: what it said now is lost", LOG_S("task", vm->id), LOG_ERRNO(-errno));
        box->log_bytes += (int64_t)text.len;
        box->log_received += (int64_t)(FRAME_HEAD + frame->len);
        keep_counter(vm, frame->container);
        SHAPE_SET(&ack, guest_ack, index, frame->container);
        SHAPE_SET(&ack, guest_ack, offset, box->log_received);
        channel_send(vm->channel, &command);
        if (box->log_bytes > LOG_ROTATE)
                rotate(vm, frame->container);
}

void vm_boxes_init(struct vm *vm)
{
        for (uint32_t i = 0; i < VM_BOXES; i++)
                vm->boxes[i].log_fd = -1;
}

const char *vm_log_path(struct vm *vm, uint32_t index)
{
        struct vm_box *box = &vm->boxes[index % VM_BOXES];

        if (box->log_fd < 0) /* a reader wants to watch it */
                open_log(vm, index % VM_BOXES);
        return box->log_path;
}

void vm_boxes_adopt(struct vm *vm)
{
        for (uint32_t i = 0; i < VM_BOXES; i++)
                read_counter(vm, i);
}

void vm_boxes_done(struct vm *vm)
{
        list_for_each (start, &vm->starts, struct vm_start, link) {
                list_remove(&start->link);
                free(start->message);
                free(start);
        }
        for (uint32_t i = 0; i < VM_BOXES; i++) {
                if (vm->boxes[i].log_fd >= 0)
                        close(vm->boxes[i].log_fd);
                free(vm->boxes[i].log_path);
        }
}

/* ---- start and signals ---- */

void vm_send_starts(struct vm *vm)
{
        list_for_each (start, &vm->starts, struct vm_start, link) {
                const struct guest_command command = {.start = start->message};

                if (vm->channel != NULL)
                        channel_send(vm->channel, &command);
                list_remove(&start->link);
                free(start->message);
                free(start);
        }
}

void vm_start_box(struct vm *vm, const struct guest_start *in)
{
        struct vm_start *start = xalloc(sizeof(*start));

        vm->starting = true;
        start->message = SHAPE_PACK(guest_start, in);
        list_push(&vm->starts, &start->link);
        if (!vm->inserting)
                vm_send_starts(vm);
}

void vm_signal_box(struct vm *vm, uint32_t index, int number, bool all)
{
        struct guest_signal signal = {0};
        const struct guest_command command = {.signal = &signal};

        SHAPE_SET(&signal, guest_signal, index, (int32_t)index);
        SHAPE_SET(&signal, guest_signal, number, number);
        SHAPE_SET(&signal, guest_signal, all, all);
        if (vm->channel != NULL)
                channel_send(vm->channel, &command);
}

/* ---- commands inside ---- */

static void on_timer_closed(uv_handle_t *handle)
{
        free(handle);
}

static void forget(struct vm_exec *exec)
{
        list_remove(&exec->link_);
        if (exec->timer_ != NULL)
                uv_close((uv_handle_t *)TAKE(exec->timer_), on_timer_closed);
        exec->vm_ = NULL;
}

static void cancel_inside(const struct vm_exec *exec)
{
        struct guest_exec in = {0};
        const struct guest_command command = {.exec_cancel = &in};

        SHAPE_SET(&in, guest_exec, number, exec->number_);
        if (exec->vm_->channel != NULL)
                channel_send(exec->vm_->channel, &command);
}

static void on_timeout(uv_timer_t *timer)
{
        struct vm_exec *exec = timer->data;
        bool ran = exec->vm_->state == VM_READY && exec->vm_->channel != NULL && channel_is_attached(exec->vm_->channel);

        cancel_inside(exec);
        forget(exec);
        exec->done(exec, ran ? -ETIMEDOUT : -ESRCH, 0, "", 0);
}

void vm_exec_start(struct vm *vm, uint32_t index, const struct string_list *args, struct vm_exec *exec)
{
        struct guest_exec in = {.args = *args};
        const struct guest_command command = {.exec = &in};

        exec->vm_ = vm;
        exec->number_ = ++vm->next_exec;
        list_push(&vm->execs, &exec->link_);
        exec->timer_ = xalloc(sizeof(*exec->timer_));
        int r = uv_timer_init(vm->host->loop, exec->timer_);
        assert(r == 0);
        exec->timer_->data = exec;
        (void)uv_timer_start(exec->timer_, on_timeout, exec->timeout_ms > 0 ? exec->timeout_ms : 60000, 0);
        SHAPE_SET(&in, guest_exec, number, exec->number_);
        SHAPE_SET(&in, guest_exec, index, (int32_t)index);
        if (vm->channel != NULL)
                channel_send(vm->channel, &command);
}

void vm_exec_cancel(struct vm_exec *exec)
{
        if (exec->vm_ == NULL)
                return;
        cancel_inside(exec);
        forget(exec);
}

void vm_take_exec(struct vm *vm, const struct guest_exec_done *done)
{
        list_for_each (exec, &vm->execs, struct vm_exec, link_)
                if (exec->number_ == done->number) {
                        forget(exec);
                        exec->done(exec, done->status, done->exit_code, done->output.data != NULL ? done->output.data : "",
                                   done->output.len);
                        return;
                }
}

/* ---- figures ---- */

void vm_ask_stats(struct vm *vm)
{
        const struct guest_command command = {.stats = true, .has = guest_command_has_stats};

        if (vm->channel != NULL && vm->state == VM_READY)
                channel_send(vm->channel, &command);
}

void vm_take_stats(struct vm *vm, const struct guest_stats *stats)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        for (uint32_t i = 0; i < stats->boxes.n; i++) {
                const struct guest_usage *u = &stats->boxes.items[i];

                if (u->index < 0 || u->index >= VM_BOXES)
                        continue;
                vm->boxes[u->index].stats = (struct runtime_stats){
                        .read_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
                        .cpu_usage_ns = (uint64_t)u->cpu_ns,
                        .cpu_user_ns = (uint64_t)u->cpu_user_ns,
                        .cpu_system_ns = (uint64_t)u->cpu_system_ns,
                        .cpu_periods = (uint64_t)u->periods,
                        .cpu_throttled_periods = (uint64_t)u->throttled,
                        .cpu_throttled_ns = (uint64_t)u->throttled_ns,
                        .system_cpu_ns = (uint64_t)stats->system_ns,
                        .online_cpus = MAX((vm->size.cpu_millis + 999) / 1000, 1),
                        .memory_usage = (uint64_t)u->memory,
                        .memory_cache = (uint64_t)u->cache,
                        .memory_rss = (uint64_t)u->rss,
                        .memory_inactive_file = (uint64_t)u->inactive_file,
                        .memory_max_usage = (uint64_t)u->max_memory,
                        .memory_limit = (uint64_t)u->memory_limit,
                        .pids = (uint64_t)u->pids,
                        .blkio_read_bytes = (uint64_t)u->read_bytes,
                        .blkio_write_bytes = (uint64_t)u->write_bytes,
                        .blkio_read_ops = (uint64_t)u->read_ops,
                        .blkio_write_ops = (uint64_t)u->write_ops,
                        .has_network = true,
                        .rx_bytes = (uint64_t)stats->rx_bytes,
                        .rx_packets = (uint64_t)stats->rx_packets,
                        .rx_errors = (uint64_t)stats->rx_errors,
                        .rx_dropped = (uint64_t)stats->rx_dropped,
                        .tx_bytes = (uint64_t)stats->tx_bytes,
                        .tx_packets = (uint64_t)stats->tx_packets,
                        .tx_errors = (uint64_t)stats->tx_errors,
                        .tx_dropped = (uint64_t)stats->tx_dropped,
                };
        }
}

void vm_stats(const struct vm *vm, uint32_t index, struct runtime_stats *ret)
{
        *ret = index < VM_BOXES ? vm->boxes[index].stats : (struct runtime_stats){0};
}
