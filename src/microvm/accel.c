/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM or not. Two trials: three instructions, which takes a millisecond; and, because there are machines that pass that and hang in
 * anything larger, a kernel that boots until it misses its root file system.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/strutil.h"
#include "microvm/kvm.h"
#include "microvm/qemu.h"
#include "runtime/launch.h"

#define QEMU "/usr/bin/qemu-system-x86_64"
#define BOOT_MS 3000 /* ten times what it takes */
#define TRIAL_USER 0x6000ffffu

static const char *const accel_names[QEMU_ACCEL_MAX] = {[QEMU_TCG] = "tcg", [QEMU_KVM] = "kvm"};

const char *qemu_accel_name(enum qemu_accel accel)
{
        return accel_names[accel];
}

/* It ends with a reboot, which ends QEMU. */
static bool boots(const char *kernel, struct error *why)
{
        static const char reached[] = "/proc/self/fd/3"; /* the trial's user may not reach the file itself */
        const char *const argv[] = {
                QEMU, "-nodefaults", "-no-user-config", "-no-reboot",  "-nographic", "-accel", "kvm",     "-machine", "q35", "-cpu", "host",
                "-m", "256",         "-bios",           QEMU_FIRMWARE, "-kernel",    reached,  "-append", "panic=-1", NULL};
        const char *const envp[] = {"PATH=/usr/bin:/bin", NULL};
        CLEANUP_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        CLEANUP_CLOSE int file = open(kernel, O_RDONLY | O_CLOEXEC);
        struct launch launch = {
                .program = QEMU, .argv = argv, .envp = envp, .cgroup_fd = -1, .users_fd = -1, .user = TRIAL_USER, .n_fds = 4};
        struct pollfd ended = {.events = POLLIN};
        siginfo_t info = {0};
        bool in_time;
        int r;

        if (file < 0)
                return error_set(why, errno, "the trial of KVM has no kernel to boot: %s: %s", kernel, strerror(errno)) == 0;
        for (int i = 0; i < 4; i++) {
                launch.fds[i].from = i < 3 ? null : file;
                launch.fds[i].to = i;
        }
        r = launch_start(&launch);
        if (r < 0)
                return error_set(why, -r, "the trial of KVM could not be started: %s", strerror(-r)) == 0;
        ended.fd = launch.pidfd;
        in_time = poll(&ended, 1, BOOT_MS) > 0;
        if (!in_time)
                (void)syscall(SYS_pidfd_send_signal, launch.pidfd, SIGKILL, NULL, 0);
        r = waitid(P_PIDFD, (id_t)launch.pidfd, &info, WEXITED);
        close(launch.report_fd);
        close(launch.pidfd);
        if (!in_time)
                return error_set(why, ETIMEDOUT, "under /dev/kvm a kernel does not boot in %d s", BOOT_MS / 1000) == 0;
        if (r < 0 || info.si_code != CLD_EXITED || info.si_status != 0)
                return error_set(why, EIO, "QEMU cannot use /dev/kvm: is its group allowed to?") == 0;
        return true;
}

/* The answer of this machine's trial, if there was one since it started: "BOOT-ID kvm". */
static bool read_answer(const char *cache, const char *boot_id, enum qemu_accel *ret)
{
        CLEANUP_BUF struct buf text = {0};

        if (cache == NULL || buf_read_file(&text, cache, 256) < 0 || !str_starts_with(text.data, boot_id))
                return false;
        *ret = strstr(text.data, " kvm") != NULL ? QEMU_KVM : QEMU_TCG;
        return true;
}

enum qemu_accel qemu_accel_choose(const char *kernel, const char *cache, struct error *why)
{
        CLEANUP_BUF struct buf boot_id = {0}, text = {0};
        enum qemu_accel accel = QEMU_TCG;

        if (!kvm_works(why))
                return QEMU_TCG;
        if (buf_read_file(&boot_id, "/proc/sys/kernel/random/boot_id", 64) < 0 || boot_id.len < 36)
                cache = NULL;
        else
                boot_id.data[36] = '\0';
        if (read_answer(cache, boot_id.data, &accel)) {
                if (accel == QEMU_TCG)
                        (void)error_set(why, ENOTSUP, "a kernel did not boot under /dev/kvm when it was tried; to try again delete %s",
                                        cache);
                return accel;
        }
        accel = boots(kernel, why) ? QEMU_KVM : QEMU_TCG;
        CLEANUP_CLOSE int fd = cache != NULL ? open(cache, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
        buf_printf(&text, "%s %s\n", cache != NULL ? boot_id.data : "", accel_names[accel]);
        if (fd >= 0 && write(fd, text.data, text.len) != (ssize_t)text.len)
                (void)unlink(cache);
        return accel;
}
