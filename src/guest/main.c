/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of a micro-VM's first process: see guest.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strutil.h"
#include "guest/frame.h"
#include "guest/guest.h"

#define PORTS "/sys/class/virtio-ports"
#define PORT_NAME "gantry" /* as the host calls it */
#define ALONE_MS 20        /* how often it is looked whether the host is there again */
#define POLLS_MAX (2 + 2 * GUEST_BOXES + GUEST_EXECS)

static void say(const char *text, const char *more)
{
        (void)dprintf(2, "gantry-init: %s%s%s\n", text, more != NULL ? ": " : "", more != NULL ? more : "");
}

/* ---- to the host ---- */

void guest_tell(struct guest *guest, const struct guest_event *event)
{
        size_t at;

        if (!guest->attached)
                return; /* the next host asks how things are */
        at = port_frame_begin(&guest->to_host, FRAME_JSON, 0, 0);
        SHAPE_WRITE(guest_event, event, &guest->to_host);
        port_frame_end(&guest->to_host, at);
}

/* Its log goes before the news of its end. */
static void queue_log(struct guest *guest, struct box *box)
{
        if (!guest->attached || box->log_sent >= (int64_t)box->log.len)
                return;
        buf_append(&guest->to_host, box->log.data + box->log_sent, box->log.len - (size_t)box->log_sent);
        box->log_sent = (int64_t)box->log.len;
}

void guest_tell_box(struct guest *guest, const struct box *box, const char *error)
{
        struct guest_box described = {.error = error};
        const struct guest_event event = {.box = &described};

        queue_log(guest, &guest->boxes[box->index]);
        box_describe(box, NULL, &described);
        guest_tell(guest, &event);
}

static void send_queued(struct guest *guest)
{
        while (guest->sent < guest->to_host.len) {
                ssize_t n = write(guest->port, guest->to_host.data + guest->sent, MIN(guest->to_host.len - guest->sent, (size_t)32768));

                if (n <= 0)
                        return;
                guest->sent += (size_t)n;
        }
        guest->sent = 0;
        buf_clear(&guest->to_host);
}

/* ---- from the host ---- */

static void say_hello(struct guest *guest, const char *session)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct guest_hello hello = {.session = session};
        const struct guest_event event = {.hello = &hello};
        struct utsname name;
        struct sysinfo info;

        guest->attached = true;
        guest->sent = 0;
        buf_clear(&guest->to_host);
        port_frame_mark(&guest->to_host, session);
        (void)uname(&name);
        (void)sysinfo(&info);
        hello.kernel = name.release;
        SHAPE_SET(&hello, guest_hello, processors, (int32_t)sysconf(_SC_NPROCESSORS_ONLN));
        SHAPE_SET(&hello, guest_hello, memory, (int64_t)info.totalram * info.mem_unit);
        SHAPE_SET(&hello, guest_hello, configured, guest->configured);
        for (size_t i = 0; i < GUEST_BOXES; i++) {
                guest->boxes[i].log_sent = 0;
                if (guest->boxes[i].state != BOX_NONE)
                        box_describe(&guest->boxes[i], &arena, SHAPE_PUSH(&arena, &hello.boxes));
        }
        guest_tell(guest, &event);
}

static void configure(struct guest *guest, const struct guest_configure *in)
{
        struct error error = {0};
        struct guest_failure failure = {0};
        const struct guest_event event = {.configured = &failure};

        if (!guest->configured && setup_task(in, &error) < 0)
                failure.error = error.message;
        else
                guest->configured = true;
        guest_tell(guest, &event);
}

/* The machine is as good without it. */
static void prepare(struct guest *guest)
{
        struct error error = {0};
        int r = setup_disk(&error);

        if (r == 0)
                r = rehearse(guest, &error);
        if (r < 0)
                say("cannot prepare for a task", error.message);
}

static void take_ack(struct guest *guest, const struct guest_ack *ack)
{
        struct box *box = ack->index >= 0 && ack->index < GUEST_BOXES ? &guest->boxes[ack->index] : NULL;
        int64_t n = box != NULL ? ack->offset - box->log_at : 0;

        if (n <= 0 || n > box->log_sent)
                return;
        buf_consume(&box->log, (size_t)n);
        box->log_at += n;
        box->log_sent -= n;
}

static void take_command(struct guest *guest, const struct frame *frame)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct guest_command *c = NULL;
        struct error error = {0};

        if (frame->kind != FRAME_JSON || SHAPE_PARSE(guest_command, &arena, frame->body, frame->len, NULL, &c, &error) < 0) {
                say("cannot read what the host says", error.message);
                return;
        }
        if (c->prepare && !guest->configured)
                prepare(guest);
        if (c->configure != NULL)
                configure(guest, c->configure);
        if (c->start != NULL)
                box_start(guest, c->start);
        if (c->signal != NULL)
                box_signal(guest, c->signal);
        if (c->exec != NULL)
                exec_start(guest, c->exec);
        if (c->exec_cancel != NULL)
                exec_cancel(guest, c->exec_cancel->number);
        if (c->ack != NULL)
                take_ack(guest, c->ack);
        if (c->stats)
                guest_tell_stats(guest);
        guest->off |= c->off;
}

static void detach(struct guest *guest)
{
        guest->attached = false;
        buf_clear(&guest->in);
        buf_clear(&guest->to_host);
        guest->sent = 0;
}

static void read_port(struct guest *guest)
{
        char session[FRAME_SESSION + 1];
        struct frame frame;
        ssize_t n = read(guest->port, buf_reserve(&guest->in, 32768), 32768);

        if (n <= 0) {
                if (n == 0)
                        detach(guest);
                return;
        }
        buf_advance(&guest->in, (size_t)n);
        /* Also in the midst of a session: a host that went and came again at once, as after a restore, was never seen to be away. */
        while (port_frame_find_mark(&guest->in, session))
                say_hello(guest, session);
        while (guest->attached && (n = port_frame_peek(&guest->in, &frame)) != 0) {
                if (n < 0) {
                        guest->attached = false;
                        break;
                }
                take_command(guest, &frame);
                port_frame_drop(&guest->in, &frame);
        }
        if (!guest->attached)
                port_frame_skip(&guest->in);
}

/* ---- processes ---- */

static void reap(struct guest *guest)
{
        struct signalfd_siginfo info;
        int status;
        pid_t pid;

        while (read(guest->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
                ;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                for (size_t i = 0; i < GUEST_BOXES; i++)
                        if (guest->boxes[i].pid == pid)
                                box_ended(guest, &guest->boxes[i], status);
                for (size_t i = 0; i < GUEST_EXECS; i++)
                        if (guest->execs[i].pid == pid)
                                exec_ended(guest, &guest->execs[i], status);
        }
}

/* ---- the port ---- */

static int open_port(void)
{
        DIR *dir = opendir(PORTS);
        int fd = -1;

        for (struct dirent *entry; dir != NULL && fd < 0 && (entry = readdir(dir)) != NULL;) {
                CLEANUP_ARENA struct arena arena = {0};
                CLEANUP_BUF struct buf name = {0};

                if (entry->d_name[0] != '.' && buf_read_file(&name, arena_printf(&arena, PORTS "/%s/name", entry->d_name), 8192) == 0 &&
                    str_eq(name.data, PORT_NAME "\n"))
                        fd = open(arena_printf(&arena, "/dev/%s", entry->d_name), O_RDWR | O_NONBLOCK | O_CLOEXEC);
        }
        if (dir != NULL)
                closedir(dir);
        return fd;
}

/* ---- the loop ---- */

struct polls {
        struct pollfd fds[POLLS_MAX];
        struct {
                struct box *box;
                int which;
                struct exec *exec;
        } of[POLLS_MAX];
        nfds_t n;
};

static void add(struct polls *p, int fd, short events, struct box *box, int which, struct exec *exec)
{
        p->fds[p->n] = (struct pollfd){.fd = fd, .events = events};
        p->of[p->n].box = box;
        p->of[p->n].which = which;
        p->of[p->n++].exec = exec;
}

static void collect(struct guest *guest, struct polls *p)
{
        bool full = guest->to_host.len - guest->sent > FRAME_MAX;

        p->n = 0;
        add(p, guest->signals, POLLIN, NULL, 0, NULL);
        add(p, guest->port, (short)(POLLIN | (guest->sent < guest->to_host.len ? POLLOUT : 0)), NULL, 0, NULL);
        for (size_t i = 0; i < GUEST_BOXES; i++)
                for (int k = 0; k < 2; k++)
                        if (guest->boxes[i].state == BOX_RUNNING && guest->boxes[i].out[k] >= 0 &&
                            guest->boxes[i].log.len < GUEST_LOG_MAX && !full)
                                add(p, guest->boxes[i].out[k], POLLIN, &guest->boxes[i], k, NULL);
        for (size_t i = 0; i < GUEST_EXECS; i++)
                if (guest->execs[i].pid != 0 && guest->execs[i].out >= 0)
                        add(p, guest->execs[i].out, POLLIN, NULL, 0, &guest->execs[i]);
}

static void turn(struct guest *guest)
{
        struct polls p;
        bool alone;

        send_queued(guest);
        collect(guest, &p);
        /* While nobody is at the other end the port says so at once, each time. */
        alone = poll(&p.fds[1], 1, 0) > 0 && (p.fds[1].revents & POLLHUP) != 0;
        if (alone) {
                if (guest->attached)
                        detach(guest);
                p.fds[1].fd = -1;
        }
        if (poll(p.fds, p.n, alone ? ALONE_MS : -1) <= 0)
                return;
        if (p.fds[1].revents & POLLIN)
                read_port(guest);
        for (nfds_t i = 2; i < p.n; i++) {
                if (p.fds[i].revents == 0)
                        continue;
                if (p.of[i].exec != NULL)
                        exec_read(p.of[i].exec);
                else
                        (void)box_read(p.of[i].box, p.of[i].which);
        }
        if (p.fds[0].revents & POLLIN)
                reap(guest);
        for (size_t i = 0; i < GUEST_BOXES; i++)
                queue_log(guest, &guest->boxes[i]);
}

int main(int argc, char **argv)
{
        static struct guest guest = {.port = -1};
        struct error error = {0};
        sigset_t set;
        int r;

        if (argc > 1 && str_eq(argv[1], GUEST_REHEARSE))
                return 0;
        r = setup_machine(&error);

        if (r < 0) {
                say(error.message, NULL);
                setup_power_off();
        }
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        (void)signal(SIGPIPE, SIG_IGN);
        guest.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        for (size_t i = 0; i < GUEST_BOXES; i++)
                guest.boxes[i].out[0] = guest.boxes[i].out[1] = -1;
        for (int i = 0; guest.port < 0 && i < 1000; i++) {
                guest.port = open_port();
                if (guest.port < 0)
                        (void)usleep(1000);
        }
        if (guest.port < 0) {
                say("the port to the host is missing", strerror(errno));
                setup_power_off();
        }
        while (!guest.off)
                turn(&guest);
        setup_power_off();
        return 0;
}
