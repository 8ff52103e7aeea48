/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a task may try with system calls to get out, or at its neighbours: attacker PID [forks], with the victim's process id. One line per
 * attempt, "BROKE name" or "held name: why", and "attacks: N" at the end. Static, so that it runs in any image.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORKS 20000

static int victim;

/* ---- another task's processes and memory ---- */

static long try_kill(void)
{
        return kill(victim, SIGKILL);
}

static long try_ptrace(void)
{
        return ptrace(PTRACE_ATTACH, victim, NULL, NULL);
}

static long try_read_memory(void)
{
        char here[16];
        struct iovec local = {here, sizeof(here)}, remote = {(void *)0x400000, sizeof(here)};

        return process_vm_readv(victim, &local, 1, &remote, 1, 0);
}

static long try_pidfd(void)
{
        return syscall(SYS_pidfd_open, victim, 0);
}

static long try_priority(void)
{
        return setpriority(PRIO_PROCESS, 0, -20);
}

/* ---- the kernel ---- */

static long try_add_key(void)
{
        return syscall(SYS_add_key, "user", "attack", "x", 1, KEY_SPEC_SESSION_KEYRING);
}

static long try_keyctl(void)
{
        return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0);
}

static long try_bpf(void)
{
        union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

        return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static long try_perf(void)
{
        struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_CPU_CLOCK};

        return syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
}

static long try_userfaultfd(void)
{
        return syscall(SYS_userfaultfd, 0);
}

static long try_module(void)
{
        return syscall(SYS_init_module, "x", 1UL, "");
}

static long try_kexec(void)
{
        return syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0UL);
}

static long try_reboot(void)
{
        return syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_ON, NULL);
}

static long try_syslog(void)
{
        char text[64];

        return syscall(SYS_syslog, 3, text, sizeof(text));
}

static long try_clock(void)
{
        struct timeval now;

        gettimeofday(&now, NULL);
        return settimeofday(&now, NULL);
}

static long try_swap(void)
{
        return swapon("/etc/passwd", 0);
}

static long try_ports(void)
{
        return syscall(SYS_iopl, 3);
}

static long try_accounting(void)
{
        return syscall(SYS_acct, "/tmp/acct");
}

/* ---- files ---- */

static long try_device(const char *path, mode_t kind, unsigned major_number, unsigned minor_number)
{
        char byte;
        int fd;

        (void)unlink(path);
        if (mknod(path, kind | 0666, makedev(major_number, minor_number)) < 0)
                return -1;
        fd = open(path, O_RDWR);
        return fd < 0 ? -1 : read(fd, &byte, 1);
}

static long try_disk_device(void)
{
        return try_device("/tmp/attack-disk", S_IFBLK, 254, 0);
}

static long try_loop_device(void)
{
        return try_device("/tmp/attack-loop", S_IFBLK, 7, 0);
}

static long try_memory_device(void)
{
        return try_device("/tmp/attack-memory", S_IFCHR, 1, 1);
}

/* By its number, whatever directory it is in: once a way out of every container. */
static long try_handle(void)
{
        char space[sizeof(struct file_handle) + 8] = {0};
        struct file_handle *handle = (struct file_handle *)(void *)space;
        int fd = open("/", O_RDONLY);

        handle->handle_bytes = 8;
        handle->handle_type = 1;
        handle->f_handle[0] = 2; /* the root directory's number in every ext4 */
        return open_by_handle_at(fd, handle, O_RDONLY);
}

static long try_mount(void)
{
        return mount("none", "/tmp", "tmpfs", 0, NULL);
}

static long try_unmount(void)
{
        return umount2("/proc/sys", MNT_DETACH);
}

static long try_remount(void)
{
        return mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL);
}

static long try_new_mount(void)
{
        return syscall(SYS_fsopen, "proc", 0);
}

static long try_copy_tree(void)
{
        return syscall(SYS_open_tree, AT_FDCWD, "/", 1);
}

static long try_pivot(void)
{
        return syscall(SYS_pivot_root, "/", "/tmp");
}

/* ---- namespaces ---- */

static long try_user_namespace(void)
{
        return unshare(CLONE_NEWUSER);
}

static long try_mount_namespace(void)
{
        return unshare(CLONE_NEWNS);
}

static long try_join(void)
{
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/ns/net", victim);
        fd = open(path, O_RDONLY);
        return fd < 0 ? -1 : setns(fd, 0);
}

static long try_host_name(void)
{
        return sethostname("attacker", 8);
}

/* ---- others ---- */

static long try_host_over_vsock(void)
{
        struct {
                unsigned short family, reserved;
                unsigned port, cid;
                unsigned char zero[4];
        } host = {.family = AF_VSOCK, .port = 4327, .cid = 2};
        int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

        return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&host, sizeof(host));
}

/* How many processes there can be at once. */
static void count_forks(void)
{
        pid_t pid = fork();
        int n = 0, status;

        if (pid == 0) {
                setpgid(0, 0);
                while (n < FORKS && (pid = fork()) > 0)
                        n++;
                if (pid == 0)
                        pause();
                printf("forks: %d\n", n);
                kill(0, SIGKILL);
        }
        waitpid(pid, &status, 0);
}

static const struct {
        const char *name;
        long (*attempt)(void);
} attacks[] = {
        {"kill another task's process", try_kill},
        {"trace another task's process", try_ptrace},
        {"read another task's memory", try_read_memory},
        {"hold another task's process", try_pidfd},
        {"take a better priority", try_priority},
        {"add a key", try_add_key},
        {"look at keyrings", try_keyctl},
        {"load a BPF map", try_bpf},
        {"watch the processors", try_perf},
        {"handle page faults", try_userfaultfd},
        {"load a module", try_module},
        {"load a kernel", try_kexec},
        {"reboot", try_reboot},
        {"read the kernel's log", try_syslog},
        {"set the clock", try_clock},
        {"swap", try_swap},
        {"use input and output ports", try_ports},
        {"account for processes", try_accounting},
        {"read a disk", try_disk_device},
        {"read another task's disk", try_loop_device},
        {"read physical memory", try_memory_device},
        {"open the host's root by handle", try_handle},
        {"mount", try_mount},
        {"uncover /proc/sys", try_unmount},
        {"make /proc/sys writable", try_remount},
        {"open a file system", try_new_mount},
        {"copy the mount tree", try_copy_tree},
        {"pivot the root", try_pivot},
        {"make a user namespace", try_user_namespace},
        {"make a mount namespace", try_mount_namespace},
        {"join another task's network", try_join},
        {"change the host's name", try_host_name},
        {"reach the host over vsock", try_host_over_vsock},
};

int main(int argc, char **argv)
{
        size_t n = sizeof(attacks) / sizeof(attacks[0]);

        victim = argc > 1 ? atoi(argv[1]) : 1;
        setvbuf(stdout, NULL, _IOLBF, 0);
        for (size_t i = 0; i < n; i++) {
                errno = 0;
                if (attacks[i].attempt() >= 0)
                        printf("BROKE %s\n", attacks[i].name);
                else
                        printf("held %s: %s\n", attacks[i].name, strerror(errno));
        }
        if (argc > 2)
                count_forks();
        printf("attacks: %zu\n", n);
        return 0;
}
