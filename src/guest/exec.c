/* SPDX-License-Identifier: Apache-2.0 */
/* Commands inside a running container: health checks. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "guest/guest.h"

static void tell(struct guest *guest, const struct exec *exec, int32_t number, int status, int code)
{
        struct guest_exec_done done = {0};
        const struct guest_event event = {.exec_done = &done};

        SHAPE_SET(&done, guest_exec_done, number, number);
        SHAPE_SET(&done, guest_exec_done, status, status);
        SHAPE_SET(&done, guest_exec_done, exit_code, code);
        if (exec != NULL)
                done.output = (struct shape_blob){.data = exec->output.data != NULL ? exec->output.data : "", .len = exec->output.len};
        guest_tell(guest, &event);
}

/* Into the group and the namespaces of the container, then one more process: only children are in a pid namespace. */
static _Noreturn void run_child(const struct box *box, const struct guest_exec *in, int out)
{
        CLEANUP_ARENA struct arena arena = {0};
        int pidfd = (int)syscall(SYS_pidfd_open, box->pid, 0), null = open("/dev/null", O_RDONLY | O_CLOEXEC), status;
        pid_t pid;

        (void)setsid();
        (void)guest_write_file(arena_printf(&arena, "/sys/fs/cgroup%s/cgroup.procs", box_group(box, &arena)), "0");
        if (pidfd < 0 || setns(pidfd, CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNS) < 0 ||
            dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
                _exit(126);
        pid = fork();
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                box_child_become(box->spec, in->args.items, in->args.n, 2);
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
                _exit(126);
        _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

void exec_start(struct guest *guest, const struct guest_exec *in)
{
        const struct box *box = in->index >= 0 && in->index < GUEST_BOXES ? &guest->boxes[in->index] : NULL;
        struct exec *exec = NULL;
        int out[2];

        for (size_t i = 0; exec == NULL && i < GUEST_EXECS; i++)
                exec = guest->execs[i].pid == 0 ? &guest->execs[i] : NULL;
        if (box == NULL || box->state != BOX_RUNNING || exec == NULL || in->args.n == 0 || pipe2(out, O_CLOEXEC) < 0) {
                tell(guest, NULL, in->number, exec == NULL ? -EBUSY : -ESRCH, 0);
                return;
        }
        exec->pid = fork();
        if (exec->pid == 0)
                run_child(box, in, out[1]);
        close(out[1]);
        if (exec->pid < 0) {
                exec->pid = 0;
                close(out[0]);
                tell(guest, NULL, in->number, -EAGAIN, 0);
                return;
        }
        exec->number = in->number;
        exec->out = out[0];
        buf_clear(&exec->output);
}

void exec_cancel(struct guest *guest, int32_t number)
{
        for (size_t i = 0; i < GUEST_EXECS; i++)
                if (guest->execs[i].pid != 0 && guest->execs[i].number == number)
                        (void)kill(guest->execs[i].pid, SIGKILL);
}

void exec_read(struct exec *exec)
{
        char text[GUEST_EXEC_OUTPUT];
        ssize_t n = read(exec->out, text, sizeof(text));

        if (n > 0 && exec->output.len < GUEST_EXEC_OUTPUT)
                buf_append(&exec->output, text, MIN((size_t)n, GUEST_EXEC_OUTPUT - exec->output.len));
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
                close(exec->out);
                exec->out = -1;
        }
}

void exec_ended(struct guest *guest, struct exec *exec, int status)
{
        if (exec->out >= 0) {
                (void)fcntl(exec->out, F_SETFL, O_NONBLOCK);
                exec_read(exec);
        }
        if (exec->out >= 0)
                close(exec->out);
        exec->out = -1;
        exec->pid = 0;
        tell(guest, exec, exec->number, 0, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}
