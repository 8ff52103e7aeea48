/* SPDX-License-Identifier: Apache-2.0 */
/* A container's first process, from its creation to its program. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "codec/base64.h"
#include "guest/guest.h"
#include "runtime/capabilities.h"

#define SECCOMP_ANNOTATION "run.oci.seccomp_bpf_data"

struct report {
        int number;
        char text[300];
};

static _Noreturn void fail(int to, const struct error *error)
{
        struct report report = {.number = error->number};

        (void)snprintf(report.text, sizeof(report.text), "%.299s", error->message);
        ssize_t n = write(to, &report, sizeof(report));
        (void)n;
        _exit(127);
}

static _Noreturn void fail_errno(int to, const char *what)
{
        struct error error = {0};

        (void)error_set(&error, errno, "cannot %s: %s", what, strerror(errno));
        fail(to, &error);
}

int box_child_explain(int from, struct error *error)
{
        struct report report;

        if (read(from, &report, sizeof(report)) != (ssize_t)sizeof(report))
                return 0;
        report.text[sizeof(report.text) - 1] = '\0';
        return error_set(error, report.number, "%s", report.text);
}

/* ---- what the process may do ---- */

static void set_limits(const struct oci_spec_process *p, int report)
{
        static const struct {
                const char *name;
                int resource;
        } names[] = {
                {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
                {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
                {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
                {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
                {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
                {"RLIMIT_STACK", RLIMIT_STACK},
        };

        for (uint32_t i = 0; i < p->rlimits.n; i++)
                for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
                        const struct oci_spec_rlimit *limit = &p->rlimits.items[i];
                        const struct rlimit value = {.rlim_cur = strtoull(limit->soft != NULL ? limit->soft : "0", NULL, 10),
                                                     .rlim_max = strtoull(limit->hard != NULL ? limit->hard : "0", NULL, 10)};

                        if (str_eq(names[k].name, limit->type) && setrlimit((__rlimit_resource_t)names[k].resource, &value) < 0)
                                fail_errno(report, limit->type);
                }
}

static uint64_t capability_bits(const struct string_list *names)
{
        uint64_t bits = 0;

        for (int bit = 0; bit < CAPABILITY_MAX; bit++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct string_list one = {0};

                capabilities_names(UINT64_C(1) << bit, &arena, &one);
                for (uint32_t i = 0; one.n > 0 && i < names->n; i++)
                        if (str_eq(names->items[i], one.items[0]))
                                bits |= UINT64_C(1) << bit;
        }
        return bits;
}

static void become_user(const struct oci_spec_process *p, int report)
{
        gid_t groups[64];
        size_t n = 0;

        for (uint32_t i = 0; i < p->user->additional_gids.n && n < ARRAY_SIZE(groups); i++)
                groups[n++] = (gid_t)p->user->additional_gids.items[i];
        if (setgroups(n, groups) < 0 || setresgid((gid_t)p->user->gid, (gid_t)p->user->gid, (gid_t)p->user->gid) < 0)
                fail_errno(report, "set the container's groups");
        if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresuid((uid_t)p->user->uid, (uid_t)p->user->uid, (uid_t)p->user->uid) < 0)
                fail_errno(report, "become the container's user");
}

static void set_capabilities(const struct oci_spec_process *p, int report)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        const struct oci_spec_capabilities *c = p->capabilities;
        uint64_t bounding = c != NULL ? capability_bits(&c->bounding) : 0, effective = c != NULL ? capability_bits(&c->effective) : 0,
                 permitted = c != NULL ? capability_bits(&c->permitted) : 0, inheritable = c != NULL ? capability_bits(&c->inheritable) : 0;
        struct __user_cap_data_struct data[2];

        for (unsigned long bit = 0; bit <= CAP_LAST_CAP; bit++)
                if ((bounding & UINT64_C(1) << bit) == 0 && prctl(PR_CAPBSET_DROP, bit) < 0 && errno != EINVAL)
                        fail_errno(report, "give up capabilities");
        become_user(p, report);
        for (int i = 0; i < 2; i++)
                data[i] = (struct __user_cap_data_struct){.effective = (uint32_t)(effective >> (32 * i)),
                                                          .permitted = (uint32_t)(permitted >> (32 * i)),
                                                          .inheritable = (uint32_t)(inheritable >> (32 * i))};
        if (syscall(SYS_capset, &header, data) < 0)
                fail_errno(report, "set its capabilities");
}

static void set_seccomp(const struct oci_spec *spec, int report)
{
        const char *text = string_map_get(&spec->annotations, SECCOMP_ANNOTATION);
        struct error error = {0};
        struct sock_fprog program;
        size_t len;

        if (spec->linux_ != NULL && spec->linux_->seccomp != NULL) {
                (void)error_set(&error, ENOTSUP, "a seccomp profile of one's own is not to be had in a micro-VM");
                fail(report, &error);
        }
        if (text == NULL)
                return;
        program.filter = xalloc(strlen(text) + 8);
        if (base64_decode(text, strlen(text), program.filter, &len) < 0)
                return;
        program.len = (unsigned short)(len / sizeof(struct sock_filter));
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
                fail_errno(report, "set its seccomp profile");
}

static const char *path_of(const struct oci_spec_process *p)
{
        for (uint32_t i = 0; i < p->env.n; i++)
                if (str_starts_with(p->env.items[i], "PATH="))
                        return p->env.items[i];
        return "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static const char **terminated(const char *const *words, uint32_t n)
{
        const char **list = xcalloc((size_t)n + 1, sizeof(*list));

        for (uint32_t i = 0; i < n; i++)
                list[i] = words[i];
        return list;
}

void box_child_become(const struct oci_spec *spec, const char *const *args, uint32_t n_args, int report)
{
        const struct oci_spec_process *p = spec->process;
        const char **argv = terminated(args, n_args), **envp = terminated(p->env.items, p->env.n);
        sigset_t none;
        struct error error = {0};

        set_limits(p, report);
        if (SHAPE_HAS(p, oci_spec_process, oom_score_adj)) {
                char text[16];

                (void)snprintf(text, sizeof(text), "%d", p->oom_score_adj);
                (void)guest_write_file("/proc/self/oom_score_adj", text);
        } else {
                (void)guest_write_file("/proc/self/oom_score_adj", "0");
        }
        /* With rights: before they go. */
        if (!p->no_new_privileges)
                set_seccomp(spec, report);
        set_capabilities(p, report);
        if (p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                fail_errno(report, "give up gaining rights");
        if (p->no_new_privileges)
                set_seccomp(spec, report);
        if (chdir(p->cwd) < 0)
                fail_errno(report, "enter its working directory");
        for (int i = 1; i < NSIG; i++)
                if (i != SIGKILL && i != SIGSTOP)
                        (void)signal(i, SIG_DFL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)umask(022);
        (void)putenv((char *)(uintptr_t)path_of(p));
        execvpe(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
        (void)error_set(&error, errno, "exec: \"%s\": %s", argv[0],
                        errno == ENOENT ? "executable file not found in the container" : strerror(errno));
        fail(report, &error);
}

/* ---- its world ---- */

static void set_names(const struct oci_spec *spec, int report)
{
        if (spec->hostname != NULL && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
                fail_errno(report, "set its host name");
        if (spec->domainname != NULL && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
                fail_errno(report, "set its domain name");
}

static void set_sysctls(const struct oci_spec *spec, int report)
{
        for (uint32_t i = 0; spec->linux_ != NULL && i < spec->linux_->sysctl.n; i++) {
                CLEANUP_FREE char *path = xprintf("/proc/sys/%s", spec->linux_->sysctl.items[i].key);

                for (char *c = path + sizeof("/proc/sys/") - 1; *c != '\0'; c++)
                        if (*c == '.')
                                *c = '/';
                if (guest_write_file(path, spec->linux_->sysctl.items[i].value) < 0)
                        fail_errno(report, path);
        }
}

static void change_root(const struct box *box, int report)
{
        if (chdir(box->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                fail_errno(report, "change its root");
        if (box->spec->root != NULL && box->spec->root->readonly && mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
                fail_errno(report, "make its root read-only");
}

void box_child_run(const struct box *box, const struct box_start_files *files, int report)
{
        struct error error = {0};

        (void)setsid();
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount(box->root, box->root, NULL, MS_BIND | MS_REC, NULL) < 0)
                fail_errno(report, "separate its mounts");
        set_sysctls(box->spec, report);
        set_names(box->spec, report);
        if (mounts_make(box->spec, box->root, &error) < 0)
                fail(report, &error);
        if (dup2(files->in, 0) < 0 || dup2(files->out, 1) < 0 || dup2(files->err, 2) < 0)
                fail_errno(report, "arrange its files");
        if (files->terminal >= 0 && ioctl(0, TIOCSCTTY, 0) < 0)
                fail_errno(report, "get its terminal");
        change_root(box, report);
        box_child_become(box->spec, box->spec->process->args.items, box->spec->process->args.n, report);
}
