/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of a micro-VM: our agent's part inside. It makes the machine usable, does what the host's agent asks over the
 * port, runs the task's containers itself (they are alone in their machine: no other runtime is needed) and passes on what they write.
 * One thread, one poll loop; nothing in here outlives the machine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "api/guest.idl.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#define GUEST_BOXES 32
#define GUEST_EXECS 32
/* What a container has written and the host has not acknowledged: at most so much is held, then the container waits. */
#define GUEST_LOG_MAX ((size_t)256 << 10)
#define GUEST_EXEC_OUTPUT 4096
#define GUEST_REHEARSE "rehearse" /* argument of gantry-init: end at once */
#define GUEST_REHEARSE_PROGRAM "/rehearsal"

enum box_state { BOX_NONE = 0, BOX_RUNNING, BOX_ENDED };

/* A container of the task. */
struct box {
        enum box_state state;
        uint16_t index;
        struct arena arena;
        struct oci_spec *spec; /* in the arena */
        char *root;            /* where its root is mounted */
        pid_t pid;
        int out[2];               /* what it writes: 1, 2; -1: closed */
        struct buf log;           /* whole frames that are not acknowledged */
        int64_t log_at, log_sent; /* bytes of its log before `log`; bytes of `log` that this session has */
        int64_t started_ms, finished_ms;
        int exit_code;
        uint64_t oom_before;
        bool oom_killed;
};

struct exec {
        int32_t number;
        pid_t pid; /* 0: free */
        int out;
        struct buf output;
};

struct guest {
        int port; /* -1: not open */
        bool attached, off, configured;
        struct buf in, to_host;
        size_t sent; /* of to_host */
        struct box boxes[GUEST_BOXES];
        struct exec execs[GUEST_EXECS];
        int signals; /* signalfd */
};

/* setup.c: file systems, modules, a root that can be changed. -errno with what failed in `error`. */
int setup_machine(struct error *error) MUST_CHECK;
/* The disk of tasks at /disk, and their control group; nothing when they are there. */
int setup_disk(struct error *error) MUST_CHECK;
/* The task's disk, its clock, randomness, name, limit and network. */
int setup_task(const struct guest_configure *in, struct error *error) MUST_CHECK;
/* Image `number` at /images/NUMBER, when it is not there yet. */
int setup_image(int number, struct error *error) MUST_CHECK;
/* network.c */
int setup_network(const struct guest_configure *in, struct error *error) MUST_CHECK;
/* As if it had never been. */
void setup_network_off(void);
void setup_power_off(void);

/* box.c */
void box_start(struct guest *guest, const struct guest_start *in);
void box_signal(struct guest *guest, const struct guest_signal *in);
/* Reads what it wrote; false when there is nothing more to come. */
bool box_read(struct box *box, int which);
/* Its first process has ended with this status of waitpid. */
void box_ended(struct guest *guest, struct box *box, int status);
void box_describe(const struct box *box, struct arena *arena, struct guest_box *ret);
const char *box_group(const struct box *box, struct arena *arena);
/* As if one that has ended had never been: its files and its group go, too. */
void box_forget(struct box *box);

/* box_child.c: in the new process. Never returns; what fails is written to `report`. */
struct box_start_files {
        int in, out, err, terminal; /* terminal: slave side, or -1 */
};
_Noreturn void box_child_run(const struct box *box, const struct box_start_files *files, int report);
/* The process's own part: user, rights, limits, working directory; then the program. */
_Noreturn void box_child_become(const struct oci_spec *spec, const char *const *args, uint32_t n_args, int report);
/* What a report says, as a sentence's part. */
int box_child_explain(int report, struct error *error);

/* mounts.c: everything that the specification mounts below `root`, in the caller's mount namespace. */
int mounts_make(const struct oci_spec *spec, const char *root, struct error *error) MUST_CHECK;

/* exec.c */
void exec_start(struct guest *guest, const struct guest_exec *in);
void exec_cancel(struct guest *guest, int32_t number);
void exec_read(struct exec *exec);
void exec_ended(struct guest *guest, struct exec *exec, int status);

/* rehearse.c: with the disk there and no task. */
int rehearse(struct guest *guest, struct error *error) MUST_CHECK;

/* main.c: an event for the host. */
void guest_tell(struct guest *guest, const struct guest_event *event);
void guest_tell_box(struct guest *guest, const struct box *box, const char *error);
/* stats.c */
void guest_tell_stats(struct guest *guest);
int64_t guest_now_ms(void);
int guest_write_file(const char *path, const char *text);
