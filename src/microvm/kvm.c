/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual machine of one page, in a process of its own: a broken KVM may hang it or worse. */
#include "microvm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE 4096
#define CODE_AT 0x1000
#define PATIENCE_MS 1000

/* mov $0x2a,%al; out %al,$0x10; hlt */
static const unsigned char code[] = {0xb0, 0x2a, 0xe6, 0x10, 0xf4};

/* 0 when the processor has written 0x2a to port 0x10, else a positive errno. Only system calls: it runs in a forked child. */
static int run_code(void)
{
        int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        int vm = kvm >= 0 ? ioctl(kvm, KVM_CREATE_VM, 0) : -1;
        int cpu = vm >= 0 ? ioctl(vm, KVM_CREATE_VCPU, 0) : -1;
        int size = cpu >= 0 ? ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0) : -1;
        struct kvm_userspace_memory_region region = {.guest_phys_addr = CODE_AT, .memory_size = PAGE};
        struct kvm_regs regs = {.rip = CODE_AT, .rflags = 2};
        struct kvm_sregs sregs;
        struct kvm_run *run;
        unsigned char *memory;

        if (size < 0)
                return errno;
        memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
        if (memory == MAP_FAILED || run == MAP_FAILED)
                return errno;
        memcpy(memory, code, sizeof(code));
        region.userspace_addr = (uint64_t)(uintptr_t)memory;
        if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0 || ioctl(cpu, KVM_GET_SREGS, &sregs) < 0)
                return errno;
        sregs.cs.base = sregs.cs.selector = 0;
        if (ioctl(cpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(cpu, KVM_SET_REGS, &regs) < 0 || ioctl(cpu, KVM_RUN, 0) < 0)
                return errno;
        if (run->exit_reason != KVM_EXIT_IO || run->io.port != 0x10 || ((unsigned char *)run)[run->io.data_offset] != 0x2a)
                return ENOTSUP;
        return 0;
}

bool kvm_works(struct error *why)
{
        struct pollfd ended = {.events = POLLIN};
        siginfo_t info = {0};
        pid_t pid = fork();

        if (pid == 0)
                _exit(run_code());
        ended.fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
        if (ended.fd < 0)
                return error_set(why, errno, "the trial of KVM could not be started: %s", strerror(errno)) == 0;
        if (poll(&ended, 1, PATIENCE_MS) <= 0)
                (void)kill(pid, SIGKILL);
        close(ended.fd);
        if (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 || info.si_code != CLD_EXITED)
                return error_set(why, ETIMEDOUT, "/dev/kvm is there, but a virtual processor does not run") == 0;
        if (info.si_status == ENOTSUP)
                return error_set(why, ENOTSUP, "/dev/kvm is there, but a virtual processor does not do what it is told") == 0;
        if (info.si_status != 0)
                return error_set(why, info.si_status, "/dev/kvm: %s", strerror(info.si_status)) == 0;
        return true;
}
