/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Micro-VMs: a server on demand for every Fargate task of this machine, of exactly its size, that vanishes with it.
 *
 *                        (first of its size)
 *     vm_take ──► BOOTS a template, saves its state ─┐
 *        ├──────────────────────────────────────────►├─► RESTORED ──► ATTACHED ──vm_configure──► READY ──► ENDED
 *        └─────────(one waits in the warm pool)──────┴───────────────────↗
 *
 * A template of each size is booted once and its state is kept in memory: every machine goes on from there with memory that it shares
 * until it writes. What a machine is made of: a QEMU process (qemu.h) of a user of its own in a control group of the task's size, a
 * tap that becomes the task's network interface, an unlinked file as its disk, and the port to the agent inside (guest/guest.h). All of it
 * goes with the process. The machine's directory is on tmpfs; the next agent finds it there.
 *
 * Containers run inside, by number. Their logs are written here, in the format that log_reader.h reads.
 *
 * One thread: the loop's; callbacks come on later turns.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "api/guest.idl.h"
#include "base/env.h"
#include "base/error.h"
#include "microvm/qemu.h"
#include "runtime/cgroup.h"
#include "runtime/runtime.h"

struct vm_host;
struct vm;

#define VM_BOXES 10 /* containers, and image disks, of a machine */
#define VM_STORAGE_GIB 20

/* NULL and 0: the default that is named. Copied. */
struct vm_host_options {
        uv_loop_t *loop;
        const char *dir;     /* of logs; on the disk */
        const char *run_dir; /* on tmpfs, short: machines' directories */
        const char *
                image_dir; /* kernel and initramfs, made by tools/microvm-image.sh when missing; default: BUILD/microvm for a program in its build
                                  tree, else /var/lib/gantry/microvm */
        const char *cgroup_parent;
        uint32_t warm; /* machines that wait for a task, at most; UINT32_MAX: none; default 2 */
};

/* Sees what it needs (QEMU, the guest's image) and tries KVM. Blocks; for some seconds when the image has to be made. */
int vm_host_new(const struct vm_host_options *options, struct vm_host **ret, struct error *error) MUST_CHECK;
/* Machines of tasks go on; those that wait for one end. NULL is fine. Returns NULL. */
struct vm_host *vm_host_free(struct vm_host *host);
enum qemu_accel vm_host_accel(const struct vm_host *host);
/* Ends every machine that no vm_adopt has taken. Once, after start. */
void vm_host_sweep(struct vm_host *host);

struct vm_size {
        uint32_t cpu_millis; /* 250: a quarter of a virtual processor */
        uint32_t memory_mib;
        uint32_t storage_gib;
};

struct vm_callbacks {
        /* vm_take is done: attached, not configured; or `error`, and the machine has ended. Not after vm_adopt. */
        void (*taken)(struct vm *vm, const struct error *error, void *data);
        /* Answer to vm_configure; also the first news after vm_adopt. */
        void (*configured)(struct vm *vm, const struct error *error, void *data);
        /* A container has started or could not (`error` set), or has ended. After vm_adopt each of them once. */
        void (*box)(struct vm *vm, const struct guest_box *box, void *data);
        /* The machine has gone; `reason` is the end of a sentence. The last call. */
        void (*ended)(struct vm *vm, const char *reason, void *data);
};

/* `id` is the task's. */
int vm_take(struct vm_host *host, const char *id, const struct vm_size *size, const struct vm_callbacks *callbacks, void *data,
            struct vm **ret, struct error *error) MUST_CHECK;
/* The machine that an earlier agent has given to the task. -ESRCH when it is gone. */
int vm_adopt(struct vm_host *host, const char *id, const struct vm_callbacks *callbacks, void *data, struct vm **ret,
             struct error *error) MUST_CHECK;
/* A bit for each container that has run in the task's machine, as an earlier agent wrote down before it told anybody; 0 when there is none. */
uint32_t vm_ran(const struct vm_host *host, const char *id);
/* Powers it off at once: `ended` follows when all of it is gone. */
void vm_end(struct vm *vm);
/* Lets go: the machine runs on. No callback any more. NULL is fine. Returns NULL. */
struct vm *vm_free(struct vm *vm);

/* The tap that is its network interface, until it is a port of a router: for vpc_sandbox_create. */
const char *vm_tap(const struct vm *vm);
int32_t vm_pid(const struct vm *vm);
/* After `taken`. The rest of `in` (clock, randomness, disk) is filled in here. */
void vm_configure(struct vm *vm, const struct guest_configure *in);
/* From here on it gets no more of the processor than it asked for: the start is on the house. */
void vm_limit(struct vm *vm);
/* Gives it the image as disk `number`; the descriptor is taken. Again: no harm. */
void vm_insert_image(struct vm *vm, uint32_t number, int fd);
void vm_start_box(struct vm *vm, const struct guest_start *in);
void vm_signal_box(struct vm *vm, uint32_t index, int number, bool all);
/* Where the log of a container is written; valid as long as the vm. */
const char *vm_log_path(struct vm *vm, uint32_t index);
/* Directory for the task's files on this side, its logs among them: in the arena. The owner deletes it when they are shipped. */
const char *vm_task_dir(const struct vm_host *host, const char *id, struct arena *arena);
const char *vm_task_log(const struct vm_host *host, const char *id, uint32_t index, struct arena *arena);

/* A command in a container. Embedded in its owner; must stay until `done` or cancel. */
struct vm_exec {
        /* status 0 and what it printed, or -errno. */
        void (*done)(struct vm_exec *exec, int status, int exit_code, const char *output, size_t len);
        uint32_t timeout_ms; /* 0: none */

        struct list link_; /* private */
        struct vm *vm_;
        int32_t number_;
        uv_timer_t *timer_;
};
void vm_exec_start(struct vm *vm, uint32_t index, const struct string_list *args, struct vm_exec *exec);
void vm_exec_cancel(struct vm_exec *exec);

/* Asks for what its containers use; vm_stats gives the latest answer, zeroes (read_ms 0) before the first. */
void vm_ask_stats(struct vm *vm);
void vm_stats(const struct vm *vm, uint32_t index, struct runtime_stats *ret);
