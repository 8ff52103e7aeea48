/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default seccomp profile: system calls that every container may make, those that need a capability besides, and the few whose
 * arguments decide. Everything else, also what newer kernels add, is refused with EPERM, as Docker does. The table holds the calls of
 * x86-64 and of its 32-bit modes; names that an architecture lacks are passed over by the runtime.
 */
#include "runtime/seccomp_profile.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "codec/base64.h"

static const char *const always[] = {
        "_llseek",
        "_newselect",
        "accept",
        "accept4",
        "access",
        "adjtimex",
        "alarm",
        "arch_prctl",
        "bdflush",
        "bind",
        "brk",
        "capget",
        "capset",
        "chdir",
        "chmod",
        "chown",
        "chown32",
        "clock_getres",
        "clock_getres_time64",
        "clock_gettime",
        "clock_gettime64",
        "clock_nanosleep",
        "clock_nanosleep_time64",
        "close",
        "close_range",
        "connect",
        "copy_file_range",
        "creat",
        "dup",
        "dup2",
        "dup3",
        "epoll_create",
        "epoll_create1",
        "epoll_ctl",
        "epoll_ctl_old",
        "epoll_pwait",
        "epoll_pwait2",
        "epoll_wait",
        "epoll_wait_old",
        "eventfd",
        "eventfd2",
        "execve",
        "execveat",
        "exit",
        "exit_group",
        "faccessat",
        "faccessat2",
        "fadvise64",
        "fadvise64_64",
        "fallocate",
        "fanotify_mark",
        "fchdir",
        "fchmod",
        "fchmodat",
        "fchown",
        "fchown32",
        "fchownat",
        "fcntl",
        "fcntl64",
        "fdatasync",
        "fgetxattr",
        "flistxattr",
        "flock",
        "fork",
        "fremovexattr",
        "fsetxattr",
        "fstat",
        "fstat64",
        "fstatat64",
        "fstatfs",
        "fstatfs64",
        "fsync",
        "ftime",
        "ftruncate",
        "ftruncate64",
        "futex",
        "futex_time64",
        "futex_waitv",
        "futimesat",
        "get_robust_list",
        "get_thread_area",
        "getcpu",
        "getcwd",
        "getdents",
        "getdents64",
        "getegid",
        "getegid32",
        "geteuid",
        "geteuid32",
        "getgid",
        "getgid32",
        "getgroups",
        "getgroups32",
        "getitimer",
        "getpeername",
        "getpgid",
        "getpgrp",
        "getpid",
        "getppid",
        "getpriority",
        "getrandom",
        "getresgid",
        "getresgid32",
        "getresuid",
        "getresuid32",
        "getrlimit",
        "getrusage",
        "getsid",
        "getsockname",
        "getsockopt",
        "gettid",
        "gettimeofday",
        "getuid",
        "getuid32",
        "getxattr",
        "idle",
        "inotify_add_watch",
        "inotify_init",
        "inotify_init1",
        "inotify_rm_watch",
        "io_cancel",
        "io_destroy",
        "io_getevents",
        "io_pgetevents",
        "io_pgetevents_time64",
        "io_setup",
        "io_submit",
        "ioctl",
        "ioprio_get",
        "ioprio_set",
        "ipc",
        "kcmp",
        "kill",
        "landlock_add_rule",
        "landlock_create_ruleset",
        "landlock_restrict_self",
        "lchown",
        "lchown32",
        "lgetxattr",
        "link",
        "linkat",
        "listen",
        "listxattr",
        "llistxattr",
        "lremovexattr",
        "lseek",
        "lsetxattr",
        "lstat",
        "lstat64",
        "madvise",
        "membarrier",
        "memfd_create",
        "mincore",
        "mkdir",
        "mkdirat",
        "mknod",
        "mknodat",
        "mlock",
        "mlock2",
        "mlockall",
        "mmap",
        "mmap2",
        "modify_ldt",
        "mprotect",
        "mq_getsetattr",
        "mq_notify",
        "mq_open",
        "mq_timedreceive",
        "mq_timedreceive_time64",
        "mq_timedsend",
        "mq_timedsend_time64",
        "mq_unlink",
        "mremap",
        "msgctl",
        "msgget",
        "msgrcv",
        "msgsnd",
        "msync",
        "munlock",
        "munlockall",
        "munmap",
        "name_to_handle_at",
        "nanosleep",
        "newfstatat",
        "nice",
        "oldfstat",
        "oldlstat",
        "oldolduname",
        "oldstat",
        "olduname",
        "open",
        "openat",
        "openat2",
        "pause",
        "pidfd_open",
        "pidfd_send_signal",
        "pipe",
        "pipe2",
        "pkey_alloc",
        "pkey_free",
        "pkey_mprotect",
        "poll",
        "ppoll",
        "ppoll_time64",
        "prctl",
        "pread64",
        "preadv",
        "preadv2",
        "prlimit64",
        "process_madvise",
        "process_mrelease",
        "process_vm_readv",
        "process_vm_writev",
        "pselect6",
        "pselect6_time64",
        "ptrace",
        "pwrite64",
        "pwritev",
        "pwritev2",
        "read",
        "readahead",
        "readdir",
        "readlink",
        "readlinkat",
        "readv",
        "recvfrom",
        "recvmmsg",
        "recvmmsg_time64",
        "recvmsg",
        "remap_file_pages",
        "removexattr",
        "rename",
        "renameat",
        "renameat2",
        "restart_syscall",
        "rmdir",
        "rseq",
        "rt_sigaction",
        "rt_sigpending",
        "rt_sigprocmask",
        "rt_sigqueueinfo",
        "rt_sigreturn",
        "rt_sigsuspend",
        "rt_sigtimedwait",
        "rt_sigtimedwait_time64",
        "rt_tgsigqueueinfo",
        "sched_get_priority_max",
        "sched_get_priority_min",
        "sched_getaffinity",
        "sched_getattr",
        "sched_getparam",
        "sched_getscheduler",
        "sched_rr_get_interval",
        "sched_rr_get_interval_time64",
        "sched_setaffinity",
        "sched_setattr",
        "sched_setparam",
        "sched_setscheduler",
        "sched_yield",
        "seccomp",
        "select",
        "semctl",
        "semget",
        "semop",
        "semtimedop",
        "semtimedop_time64",
        "sendfile",
        "sendfile64",
        "sendmmsg",
        "sendmsg",
        "sendto",
        "set_robust_list",
        "set_thread_area",
        "set_tid_address",
        "setfsgid",
        "setfsgid32",
        "setfsuid",
        "setfsuid32",
        "setgid",
        "setgid32",
        "setgroups",
        "setgroups32",
        "setitimer",
        "setpgid",
        "setpriority",
        "setregid",
        "setregid32",
        "setresgid",
        "setresgid32",
        "setresuid",
        "setresuid32",
        "setreuid",
        "setreuid32",
        "setrlimit",
        "setsid",
        "setsockopt",
        "setuid",
        "setuid32",
        "setxattr",
        "sgetmask",
        "shmat",
        "shmctl",
        "shmdt",
        "shmget",
        "shutdown",
        "sigaction",
        "sigaltstack",
        "signal",
        "signalfd",
        "signalfd4",
        "sigpending",
        "sigprocmask",
        "sigreturn",
        "sigsuspend",
        "socketcall",
        "socketpair",
        "splice",
        "ssetmask",
        "stat",
        "stat64",
        "statfs",
        "statfs64",
        "statx",
        "symlink",
        "symlinkat",
        "sync",
        "sync_file_range",
        "syncfs",
        "sysinfo",
        "tee",
        "tgkill",
        "time",
        "timer_create",
        "timer_delete",
        "timer_getoverrun",
        "timer_gettime",
        "timer_gettime64",
        "timer_settime",
        "timer_settime64",
        "timerfd_create",
        "timerfd_gettime",
        "timerfd_gettime64",
        "timerfd_settime",
        "timerfd_settime64",
        "times",
        "tkill",
        "truncate",
        "truncate64",
        "ugetrlimit",
        "umask",
        "uname",
        "unlink",
        "unlinkat",
        "utime",
        "utimensat",
        "utimensat_time64",
        "utimes",
        "vfork",
        "vmsplice",
        "wait4",
        "waitid",
        "waitpid",
        "write",
        "writev",
};

/* Allowed with one of the capabilities. */
static const struct {
        const char *name;
        enum capability any[2];
        int n;
} with_capability[] = {
        {"acct", {CAPABILITY_SYS_PACCT}, 1},
        {"bpf", {CAPABILITY_SYS_ADMIN, CAPABILITY_BPF}, 2},
        {"chroot", {CAPABILITY_SYS_CHROOT}, 1},
        {"clock_adjtime", {CAPABILITY_SYS_TIME}, 1},
        {"clock_adjtime64", {CAPABILITY_SYS_TIME}, 1},
        {"clock_settime", {CAPABILITY_SYS_TIME}, 1},
        {"clock_settime64", {CAPABILITY_SYS_TIME}, 1},
        {"settimeofday", {CAPABILITY_SYS_TIME}, 1},
        {"stime", {CAPABILITY_SYS_TIME}, 1},
        {"delete_module", {CAPABILITY_SYS_MODULE}, 1},
        {"finit_module", {CAPABILITY_SYS_MODULE}, 1},
        {"init_module", {CAPABILITY_SYS_MODULE}, 1},
        {"fanotify_init", {CAPABILITY_SYS_ADMIN}, 1},
        {"fsconfig", {CAPABILITY_SYS_ADMIN}, 1},
        {"fsmount", {CAPABILITY_SYS_ADMIN}, 1},
        {"fsopen", {CAPABILITY_SYS_ADMIN}, 1},
        {"fspick", {CAPABILITY_SYS_ADMIN}, 1},
        {"get_mempolicy", {CAPABILITY_SYS_NICE}, 1},
        {"set_mempolicy", {CAPABILITY_SYS_NICE}, 1},
        {"set_mempolicy_home_node", {CAPABILITY_SYS_NICE}, 1},
        {"mbind", {CAPABILITY_SYS_NICE}, 1},
        {"migrate_pages", {CAPABILITY_SYS_NICE}, 1},
        {"move_pages", {CAPABILITY_SYS_NICE}, 1},
        {"ioperm", {CAPABILITY_SYS_RAWIO}, 1},
        {"iopl", {CAPABILITY_SYS_RAWIO}, 1},
        {"lookup_dcookie", {CAPABILITY_SYS_ADMIN}, 1},
        {"mount", {CAPABILITY_SYS_ADMIN}, 1},
        {"mount_setattr", {CAPABILITY_SYS_ADMIN}, 1},
        {"move_mount", {CAPABILITY_SYS_ADMIN}, 1},
        {"open_tree", {CAPABILITY_SYS_ADMIN}, 1},
        {"umount", {CAPABILITY_SYS_ADMIN}, 1},
        {"umount2", {CAPABILITY_SYS_ADMIN}, 1},
        {"open_by_handle_at", {CAPABILITY_DAC_READ_SEARCH}, 1},
        {"perf_event_open", {CAPABILITY_SYS_ADMIN, CAPABILITY_PERFMON}, 2},
        {"pidfd_getfd", {CAPABILITY_SYS_PTRACE}, 1},
        {"quotactl", {CAPABILITY_SYS_ADMIN}, 1},
        {"quotactl_fd", {CAPABILITY_SYS_ADMIN}, 1},
        {"reboot", {CAPABILITY_SYS_BOOT}, 1},
        {"setdomainname", {CAPABILITY_SYS_ADMIN}, 1},
        {"sethostname", {CAPABILITY_SYS_ADMIN}, 1},
        {"setns", {CAPABILITY_SYS_ADMIN}, 1},
        {"syslog", {CAPABILITY_SYSLOG}, 1},
        {"unshare", {CAPABILITY_SYS_ADMIN}, 1},
        {"vhangup", {CAPABILITY_SYS_TTY_CONFIG}, 1},
};

static void add_names(struct buf *out, const char *const *names, size_t n)
{
        buf_append_str(out, "{\"names\":[");
        for (size_t i = 0; i < n; i++)
                buf_printf(out, "%s\"%s\"", i > 0 ? "," : "", names[i]);
        buf_append_str(out, "],\"action\":\"SCMP_ACT_ALLOW\"}");
}

static bool has_any(uint64_t capabilities, const enum capability *any, int n)
{
        for (int i = 0; i < n; i++)
                if ((capabilities >> any[i] & 1) != 0)
                        return true;
        return false;
}

#define NEW_NAMESPACES (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)
/* AF_VSOCK leads to the hypervisor past every network namespace. */
#define AF_VSOCK_NUMBER 40

/* Personalities that programs really use: plain Linux, uname 2.6 emulation, the 32-bit form of each, and asking. */
static const unsigned long personalities[] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};

/* New namespaces need CAP_SYS_ADMIN; clone3 hides its flags in memory, so it answers "no such call" and libraries fall back to clone. */
static void add_clone(struct buf *out, bool admin)
{
        if (admin) {
                buf_append_str(out, ",{\"names\":[\"clone\",\"clone3\"],\"action\":\"SCMP_ACT_ALLOW\"}");
                return;
        }
        buf_printf(out,
                   ",{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":%lu,\"valueTwo\":0,"
                   "\"op\":\"SCMP_CMP_MASKED_EQ\"}]},{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":%d}",
                   (unsigned long)NEW_NAMESPACES, ENOSYS);
}

static void add_personality(struct buf *out)
{
        for (size_t i = 0; i < ARRAY_SIZE(personalities); i++)
                buf_printf(out,
                           ",{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":%lu,\"op\":\"SCMP_"
                           "CMP_EQ\"}]}",
                           personalities[i]);
}

void seccomp_default_profile(uint64_t capabilities, struct buf *out)
{
        buf_printf(out,
                   "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":%d,\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\","
                   "\"SCMP_ARCH_X32\"],\"syscalls\":[",
                   EPERM);
        add_names(out, always, ARRAY_SIZE(always));
        for (size_t i = 0; i < ARRAY_SIZE(with_capability); i++)
                if (has_any(capabilities, with_capability[i].any, with_capability[i].n)) {
                        buf_append_char(out, ',');
                        add_names(out, &with_capability[i].name, 1);
                }
        add_clone(out, (capabilities >> CAPABILITY_SYS_ADMIN & 1) != 0);
        add_personality(out);
        buf_printf(out,
                   ",{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":%d,\"op\":\"SCMP_CMP_NE\"}]}]}",
                   AF_VSOCK_NUMBER);
}

/* ---- the same, compiled ---- */

static void allow(scmp_filter_ctx filter, const char *name)
{
        int number = seccomp_syscall_resolve_name(name);

        if (number != __NR_SCMP_ERROR)
                (void)seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
}

static void allow_conditionally(scmp_filter_ctx filter, uint64_t capabilities)
{
        for (size_t i = 0; i < ARRAY_SIZE(with_capability); i++)
                if (has_any(capabilities, with_capability[i].any, with_capability[i].n))
                        allow(filter, with_capability[i].name);
        if ((capabilities >> CAPABILITY_SYS_ADMIN & 1) != 0) {
                allow(filter, "clone");
                allow(filter, "clone3");
        } else {
                (void)seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, NEW_NAMESPACES, 0));
                (void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
        }
        for (size_t i = 0; i < ARRAY_SIZE(personalities); i++)
                (void)seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1, SCMP_A0(SCMP_CMP_EQ, personalities[i]));
        (void)seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_NE, AF_VSOCK_NUMBER));
}

/* The program for seccomp(SECCOMP_SET_MODE_FILTER), in a memory file. -errno. */
static int export_filter(scmp_filter_ctx filter, struct buf *out)
{
        CLEANUP_CLOSE int fd = memfd_create("seccomp", MFD_CLOEXEC);
        char chunk[4096];
        ssize_t n;
        int r;

        if (fd < 0)
                return -errno;
        r = seccomp_export_bpf(filter, fd);
        if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return r < 0 ? r : -errno;
        while ((n = read(fd, chunk, sizeof(chunk))) > 0)
                buf_append(out, chunk, (size_t)n);
        return n < 0 ? -errno : 0;
}

static int compile(uint64_t capabilities, struct buf *out)
{
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        int r;

        if (filter == NULL)
                return -ENOMEM;
        (void)seccomp_arch_add(filter, SCMP_ARCH_X86);
        (void)seccomp_arch_add(filter, SCMP_ARCH_X32);
        /* A binary tree of system calls instead of a list: fewer comparisons for each call that a container makes. */
        (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        for (size_t i = 0; i < ARRAY_SIZE(always); i++)
                allow(filter, always[i]);
        allow_conditionally(filter, capabilities);
        r = export_filter(filter, out);
        seccomp_release(filter);
        return r;
}

struct compiled {
        struct compiled *next;
        uint64_t capabilities;
        char *base64;
};

struct seccomp_cache {
        pthread_mutex_t mutex;
        struct compiled *first;
};

struct seccomp_cache *seccomp_cache_new(void)
{
        struct seccomp_cache *cache = xalloc(sizeof(*cache));

        pthread_mutex_init(&cache->mutex, NULL);
        return cache;
}

struct seccomp_cache *seccomp_cache_free(struct seccomp_cache *cache)
{
        if (cache == NULL)
                return NULL;
        while (cache->first != NULL) {
                struct compiled *entry = cache->first;

                cache->first = entry->next;
                free(entry->base64);
                free(entry);
        }
        pthread_mutex_destroy(&cache->mutex);
        free(cache);
        return NULL;
}

static struct compiled *compile_entry(uint64_t capabilities)
{
        CLEANUP_BUF struct buf program = {0}, text = {0};
        struct compiled *entry;

        if (compile(capabilities, &program) < 0)
                return NULL;
        base64_append(&text, program.data, program.len);
        entry = xalloc(sizeof(*entry));
        entry->capabilities = capabilities;
        entry->base64 = buf_take(&text);
        return entry;
}

const char *seccomp_cache_get(struct seccomp_cache *cache, uint64_t capabilities)
{
        struct compiled *entry;

        pthread_mutex_lock(&cache->mutex);
        for (entry = cache->first; entry != NULL && entry->capabilities != capabilities;)
                entry = entry->next;
        if (entry == NULL && (entry = compile_entry(capabilities)) != NULL) {
                entry->next = cache->first;
                cache->first = entry;
        }
        pthread_mutex_unlock(&cache->mutex);
        return entry != NULL ? entry->base64 : NULL;
}
