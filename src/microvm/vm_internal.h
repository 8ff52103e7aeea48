/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of micro-VMs share. */
#pragma once

#include <net/if.h>

#include "base/arena.h"
#include "microvm/channel.h"
#include "microvm/vm.h"
#include "vpc/vpc.h"

/* Disks of a machine: the task's, then the images'. */
#define VM_DISK 0
#define VM_DISK_IMAGE 1
#define VM_USER_FIRST 0x60000000u /* users of QEMU processes: above those of sandboxes */
/* What QEMU may take beside the task's memory: the guest kernel's own, translated code, device buffers, its program; and pages of the
 * template that nobody had touched before, which come to be when a machine first writes there, and count as that machine's. */
#define VM_OVERHEAD_MIB(mib) (384 + (mib) + (mib) / 48)

enum template_state { TEMPLATE_BOOTING = 0, TEMPLATE_SAVING, TEMPLATE_READY, TEMPLATE_FAILED };

/* A saved machine of one size. */
struct vm_template {
        struct list link;
        struct vm_host *host;
        uint32_t vcpus, memory_mib;
        enum template_state state;
        char *dir;
        struct qemu *qemu;
        struct channel *channel;
        struct qmp_call save;
        int memory_fd, state_fd; /* sealed, when READY */
        uint64_t memory_bytes;   /* of the machine: what the guest counts is exactly the size asked for */
        uint64_t balloon_target; /* 0: not set yet */
        bool saved;
        int tap_fd;
        struct error error;
        struct list waiting; /* of struct vm */
        uint32_t wanted;     /* how often it was asked for, lately */
};

enum vm_state { VM_WAITING = 0, VM_MAKING, VM_RESTORING, VM_ATTACHED, VM_CONFIGURING, VM_READY, VM_ENDED };

struct vm_box {
        char *log_path;
        int log_fd;
        int64_t log_bytes;    /* in the file */
        int64_t log_received; /* of the guest's frames: what is acknowledged */
        struct runtime_stats stats;
};

struct vm {
        struct list link;  /* in host->vms */
        struct list group; /* in template->waiting, or host->warm */
        struct vm_host *host;
        struct vm_template *template;
        enum vm_state state;
        char *id; /* NULL: nobody's yet */
        uint32_t number;
        struct vm_size size;
        char *dir, *group_path;
        const struct vm_callbacks *callbacks; /* NULL: warm, or let go */
        void *data;
        struct qemu *qemu;
        struct channel *channel;
        char tap[IFNAMSIZ];
        int tap_fd, disk_fd;
        bool told_taken, adopted, ending, freed, working, disk_there;
        bool starting, limited;            /* a container was sent; one has run, and the machine has its size */
        uint32_t images;                   /* a bit each: inserted */
        uint32_t ran;                      /* a bit for each container that has run, in the record before anybody is told */
        struct guest_configure *configure; /* packed: to be sent when its disk is in */
        uv_work_t work;
        struct qmp_call call;
        struct qmp_call insert; /* of the last image */
        uint32_t inserting;     /* 1: under way */
        struct list starts;     /* of struct vm_start: wait for images */
        struct error error;
        struct vm_box boxes[VM_BOXES];
        struct list execs;
        int32_t next_exec;
        char reason[256];
};

struct vm_host {
        uv_loop_t *loop;
        struct arena arena;
        const char *dir, *run_dir, *kernel, *initrd, *parent;
        uint32_t warm_max;
        enum qemu_accel accel;
        struct cgroups cgroups;
        struct list templates, vms, warm;
        uint32_t next_number;
        uv_timer_t timer; /* fills the warm pool */
        bool freeing;
        uint32_t holds; /* things that must end before it is freed */
};

/* guest_image.c: `dir` NULL: the usual place; `ret` in the arena. -errno, having tried to make it. Blocks. */
int guest_image_prepare(const char *dir, struct arena *arena, const char **ret, struct error *error) MUST_CHECK;

/* template.c */
struct vm_template *template_get(struct vm_host *host, uint32_t vcpus, uint32_t memory_mib);
struct vm_template *template_free(struct vm_template *t);
/* The devices of every machine, which a saved state fits to. */
void template_fill_spec(const struct vm_host *host, struct qemu_spec *spec);

/* vm.c */
struct vm *vm_new(struct vm_host *host, struct vm_template *t);
/* Its template is ready: goes on. */
void vm_make(struct vm *vm);
void vm_failed(struct vm *vm, const struct error *error);
void vm_settle(struct vm *vm);

/* vm_box.c */
void vm_take_log(struct vm *vm, const struct frame *frame);
void vm_take_stats(struct vm *vm, const struct guest_stats *stats);
void vm_take_exec(struct vm *vm, const struct guest_exec_done *done);
/* Sends the starts that waited for images. */
void vm_send_starts(struct vm *vm);
void vm_boxes_init(struct vm *vm);
void vm_boxes_done(struct vm *vm);
/* Opens log and counter again after a restart. */
void vm_boxes_adopt(struct vm *vm);

/* vm_host.c: path of a machine's control group, malloc'ed. */
char *vm_host_group(const struct vm_host *host, uint32_t number);
/* Directory of the machine that belongs to the task, malloc'ed; NULL. Blocks. */
char *vm_host_find(const struct vm_host *host, const char *id);

/* warm.c */
void warm_look(struct vm_host *host);
struct vm *warm_take(struct vm_host *host, const struct vm_template *t);
