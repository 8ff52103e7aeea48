/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone3 into a new mount namespace, a few system calls in the child, execve.
 *
 * The child borrows the agent's memory until it executes, as posix_spawn's does: to copy the page tables of a process with some
 * megabytes, to fault its pages in again and to throw the copy away costs more than all that the child does. The thread that starts it
 * sleeps meanwhile.
 */
#include "runtime/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

#define READY_TIMEOUT_MS 10000
#define HIGH_FD 64
#define STACK_SIZE 65536
/* It runs on a stack that a sanitizer does not know. */
#define NO_SANITIZE __attribute__((no_sanitize_address))

enum stage {
        STAGE_READY = 0,
        STAGE_CGROUP,
        STAGE_PROPAGATION,
        STAGE_HIDE,
        STAGE_DISK,
        STAGE_VIEW,
        STAGE_OVERLAY,
        STAGE_FDS,
        STAGE_USER,
        STAGE_EXEC,
        STAGE_MAX
};

static const char *const stage_words[STAGE_MAX] = {
        [STAGE_READY] = "start",
        [STAGE_CGROUP] = "enter its control groups",
        [STAGE_PROPAGATION] = "separate its mounts from the host's",
        [STAGE_HIDE] = "hide the second control group mount",
        [STAGE_DISK] = "mount its task's disk",
        [STAGE_VIEW] = "mount the view of its size",
        [STAGE_OVERLAY] = "mount its root file system (overlay; with users of its own that needs Linux 5.19)",
        [STAGE_FDS] = "arrange its file descriptors",
        [STAGE_USER] = "become a user of its own",
        [STAGE_EXEC] = "execute its monitor",
};

struct report {
        int32_t stage, number;
};

/* ---- in the child: only system calls, nothing that might take a lock or change what the agent has in memory ---- */

static void report(int fd, enum stage stage, int number)
{
        const struct report what = {.stage = (int32_t)stage, .number = number};
        ssize_t n = write(fd, &what, sizeof(what));

        (void)n;
}

static int enter_groups(const char *const *files)
{
        for (; files != NULL && *files != NULL; files++) {
                int fd = open(*files, O_WRONLY | O_CLOEXEC);

                if (fd < 0 || write(fd, "0", 1) < 0)
                        return -1;
                close(fd);
        }
        return 0;
}

/* The directory over itself, with the owners as the user namespace has them. */
static int shift_owners(const char *dir, int users_fd)
{
        struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)users_fd};
        int fd = open_tree(AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

        if (fd < 0)
                return -1;
        if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 || move_mount(fd, "", AT_FDCWD, dir, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return -1;
        close(fd);
        return 0;
}

static int mount_overlay(const struct launch *launch)
{
        if (launch->overlay_target == NULL)
                return 0;
        /* The kernel lets a user namespace mount /proc only where all of one is seen; of this machine's, parts may be covered. */
        if (launch->users_fd >= 0 && mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
                return -1;
        if (launch->empty_options != NULL)
                return mount("tmpfs", launch->overlay_target, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, launch->empty_options);
        if (launch->users_fd >= 0 && (launch->overlay_dir == NULL || shift_owners(launch->overlay_dir, launch->users_fd) < 0))
                return -1;
        if (launch->overlay_dir != NULL && chdir(launch->overlay_dir) < 0)
                return -1;
        if (mount("overlay", launch->overlay_target, "overlay", 0, launch->overlay_options) < 0)
                return -1;
        return 0;
}

static int arrange_fds(const struct launch *launch, int *report_fd)
{
        int high[LAUNCH_FDS_MAX];

        /* All out of the way first: one's place may be where another is. */
        *report_fd = fcntl(*report_fd, F_DUPFD_CLOEXEC, HIGH_FD);
        if (*report_fd < 0)
                return -1;
        for (uint32_t i = 0; i < launch->n_fds; i++) {
                high[i] = fcntl(launch->fds[i].from, F_DUPFD_CLOEXEC, HIGH_FD);
                if (high[i] < 0)
                        return -1;
        }
        for (uint32_t i = 0; i < launch->n_fds; i++)
                if (dup2(high[i], launch->fds[i].to) < 0)
                        return -1;
        return 0;
}

/* By system calls: the C library's functions speak to its threads, which are not here. */
static int become(uint32_t user)
{
        struct stat st;
        gid_t group = stat("/dev/kvm", &st) == 0 ? st.st_gid : 0;

        if (syscall(SYS_setgroups, group != 0 ? 1 : 0, &group) < 0)
                return -1;
        return syscall(SYS_setresgid, user, user, user) < 0 || syscall(SYS_setresuid, user, user, user) < 0 ? -1 : 0;
}

static void reset_signals(void)
{
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigset_t none;

        for (int i = 1; i < NSIG; i++)
                if (i != SIGKILL && i != SIGSTOP)
                        (void)sigaction(i, &action, NULL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

struct child {
        const struct launch *launch;
        int report_fd;
};

static _Noreturn NO_SANITIZE void run_child(void *data)
{
        const struct child *child = data;
        const struct launch *launch = child->launch;
        int report_fd = child->report_fd;
        enum stage stage = STAGE_CGROUP;

        reset_signals();
        if (launch->new_session)
                (void)setsid();
        if (enter_groups(launch->tasks_files) < 0)
                goto fail;
        stage = STAGE_PROPAGATION;
        if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                goto fail;
        stage = STAGE_HIDE;
        if (launch->hide != NULL && umount2(launch->hide, MNT_DETACH) < 0 && errno != EINVAL)
                goto fail;
        stage = STAGE_DISK;
        if (launch->disk_target != NULL && move_mount(launch->disk_fd, "", AT_FDCWD, launch->disk_target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                goto fail;
        stage = STAGE_VIEW;
        if (launch->view_source != NULL && mount(launch->view_source, launch->view_target, NULL, MS_BIND, NULL) < 0)
                goto fail;
        stage = STAGE_OVERLAY;
        if (mount_overlay(launch) < 0 || chdir(launch->directory != NULL ? launch->directory : "/") < 0)
                goto fail;
        stage = STAGE_FDS;
        if (arrange_fds(launch, &report_fd) < 0)
                goto fail;
        stage = STAGE_USER;
        if (launch->user != 0 && become(launch->user) < 0)
                goto fail;
        report(report_fd, STAGE_READY, 0);
        stage = STAGE_EXEC;
        execve(launch->program, (char *const *)(uintptr_t)launch->argv, (char *const *)(uintptr_t)launch->envp);
fail:
        report(report_fd, stage, errno);
        _exit(127);
}

/* ---- in the parent ---- */

#ifdef __x86_64__
/* The C library has no clone3 for others; its syscall() would return twice on one stack. */
static long clone_child(struct clone_args *args, struct child *child)
{
        CLEANUP_FREE char *stack = xrealloc(NULL, STACK_SIZE);
        uintptr_t top = ((uintptr_t)stack + STACK_SIZE) & ~(uintptr_t)15;
        long r;

        args->flags |= CLONE_VM | CLONE_VFORK;
        args->stack = (uint64_t)(uintptr_t)stack;
        args->stack_size = top - (uintptr_t)stack;
        __asm__ volatile("syscall\n\t"
                         "test %%rax, %%rax\n\t"
                         "jnz 1f\n\t"
                         "xor %%ebp, %%ebp\n\t"
                         "mov %[child], %%rdi\n\t"
                         "call *%[run]\n\t"
                         "hlt\n"
                         "1:"
                         : "=a"(r)
                         : "0"((long)SYS_clone3), "D"(args), "S"(sizeof(*args)), [run] "r"(run_child), [child] "r"(child)
                         : "rcx", "r11", "memory");
        return r;
}
#else
static long clone_child(struct clone_args *args, struct child *child)
{
        long pid = syscall(SYS_clone3, args, sizeof(*args));

        if (pid == 0)
                run_child(child);
        return pid < 0 ? -errno : pid;
}
#endif

int launch_start(struct launch *launch)
{
        struct clone_args args = {
                .flags = CLONE_NEWNS | CLONE_PIDFD,
                .pidfd = (uint64_t)(uintptr_t)&launch->pidfd,
                .exit_signal = SIGCHLD,
        };
        struct child child = {.launch = launch};
        sigset_t all, before;
        int report_fds[2];
        long pid;

        launch->pidfd = launch->report_fd = -1;
        if (pipe2(report_fds, O_CLOEXEC) < 0)
                return -errno;
        child.report_fd = report_fds[1];
        if (launch->cgroup_fd >= 0) {
                args.flags |= CLONE_INTO_CGROUP;
                args.cgroup = (uint64_t)launch->cgroup_fd;
        }
        /* A handler of the agent's must not run in the child. */
        sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        pid = clone_child(&args, &child);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        close(report_fds[1]);
        if (pid < 0) {
                close(report_fds[0]);
                launch->pidfd = -1;
                return (int)pid;
        }
        launch->pid = (pid_t)pid;
        launch->report_fd = report_fds[0];
        return 0;
}

static int explain(const struct report *what, const char *program, struct error *error)
{
        enum stage stage = what->stage > 0 && what->stage < STAGE_MAX ? (enum stage)what->stage : STAGE_EXEC;

        if (stage == STAGE_EXEC)
                return error_set(error, what->number, "cannot execute %s: %s", program, strerror(what->number));
        return error_set(error, what->number > 0 ? what->number : EIO, "the container could not %s: %s", stage_words[stage],
                         strerror(what->number));
}

int launch_wait_ready(struct launch *launch, struct error *error)
{
        struct pollfd poll_fd = {.fd = launch->report_fd, .events = POLLIN};
        struct report what;
        int n;

        do {
                n = poll(&poll_fd, 1, READY_TIMEOUT_MS);
        } while (n < 0 && errno == EINTR);
        if (n <= 0)
                return error_set(error, ETIMEDOUT, "the container's file systems were not mounted within %d s", READY_TIMEOUT_MS / 1000);
        if (read(launch->report_fd, &what, sizeof(what)) != (ssize_t)sizeof(what))
                return error_set(error, EIO, "the process that starts the container was killed");
        return what.stage == STAGE_READY ? 0 : explain(&what, launch->program, error);
}

int launch_read_failure(int report_fd, const char *program, struct error *error)
{
        struct pollfd poll_fd = {.fd = report_fd, .events = POLLIN};
        struct report what;

        if (poll(&poll_fd, 1, 0) <= 0 || read(report_fd, &what, sizeof(what)) != (ssize_t)sizeof(what))
                return 0;
        return explain(&what, program, error);
}

static void give_null(struct launch *launch, int null)
{
        for (int i = 0; i < 3; i++) {
                launch->fds[launch->n_fds].from = null;
                launch->fds[launch->n_fds++].to = i;
        }
}

int launch_run(struct launch *launch, const char *package, struct error *error)
{
        static const char *const envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
        CLEANUP_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        siginfo_t info = {0};
        int r;

        assert(launch->n_fds + 3 <= LAUNCH_FDS_MAX);
        give_null(launch, null);
        launch->envp = envp;
        r = launch_start(launch);
        if (r < 0)
                return error_set(error, -r, "cannot start %s: %s", launch->program, strerror(-r));
        r = launch_wait_ready(launch, error);
        if (waitid(P_PIDFD, (id_t)launch->pidfd, &info, WEXITED) < 0)
                r = error_set(error, errno, "cannot wait for %s: %s", launch->program, strerror(errno));
        if (r == 0)
                r = launch_read_failure(launch->report_fd, launch->program, error);
        close(launch->report_fd);
        close(launch->pidfd);
        if (r == 0 && info.si_code != CLD_EXITED)
                r = error_set(error, EIO, "%s was killed by signal %d", launch->program, info.si_status);
        else if (r == 0 && info.si_status != 0)
                r = error_set(error, EIO, "%s (package %s) has failed with status %d: is there room on the disk?", launch->program, package,
                              info.si_status);
        return r;
}
