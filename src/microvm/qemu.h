/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One QEMU process and its directory: started, watched, commanded over QMP, found again by the next agent, erased. What it runs is the
 * caller's: a micro-VM of Fargate (vm.h) or a whole machine.
 *
 *     qemu_start ──► STARTING ──(QMP answers)──► ready ──► ended ──► qemu_erase
 *                        └────────────────────────────────────↗
 *
 * QEMU is a process of its own session, so neither the end of the agent nor a signal to its group reaches it; process.json in its directory
 * says which one it is (process id and its start time), and qemu_adopt takes it over. It runs as a user that nobody else is, may not
 * start programs, and gets what it needs as open files.
 *
 * One thread: the loop's. Callbacks come on later turns.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/arena.h"
#include "base/error.h"
#include "codec/shape.h"
#include "microvm/qmp.h"

struct qemu;

enum qemu_accel { QEMU_TCG = 0, QEMU_KVM, QEMU_ACCEL_MAX };
/*
 * KVM where it works, else TCG and the reason in `why`. Found out by booting `kernel` (a bzImage); the answer is kept in the file `cache`
 * (NULL: nowhere) until the machine restarts. Blocks: for up to three seconds when there was no trial yet.
 */
enum qemu_accel qemu_accel_choose(const char *kernel, const char *cache, struct error *why);
const char *qemu_accel_name(enum qemu_accel accel); /* "kvm", "tcg" */

/* A virtio disk. Its block node is DISK and the number of its place, "disk0". */
struct qemu_disk {
        const char *file;   /* path, as the process sees it; NULL: nothing yet, see qemu_disk_insert */
        const char *format; /* "raw" (NULL) or "qcow2" */
        bool read_only;
        const char *serial; /* what the guest finds it by, at most 20 characters; NULL: none */
};

/* A virtio network interface. */
struct qemu_nic {
        int tap_fd;      /* of /dev/net/tun, with IFF_VNET_HDR */
        const char *mac; /* "02:67:…" */
};

/* A virtio-serial port: a byte stream between the guest and a unix socket, which QEMU serves (one peer at a time). */
struct qemu_port {
        const char *name;   /* /dev/virtio-ports/NAME */
        const char *socket; /* see qemu_socket */
};

#define QEMU_NICS_MAX 4

/* NULL and 0 mean "none" unless something is named. Read during qemu_start. */
struct qemu_spec {
        const char *dir;  /* the machine's directory, absolute; made when missing */
        const char *qemu; /* program; default /usr/bin/qemu-system-x86_64 */
        enum qemu_accel accel;
        uint32_t vcpus;
        uint64_t memory_bytes; /* a multiple of 4096 */
        int memory_fd;         /* file that is its memory, of that size; -1: anonymous memory */
        bool memory_shared;    /* writes go to that file; else they stay private */
        int state_fd;          /* a stream that qemu_save wrote: goes on from there, paused; -1: boots */
        const char *kernel, *initrd, *append;
        const struct qemu_disk *disks;
        uint32_t n_disks;
        const struct qemu_nic *nics;
        uint32_t n_nics; /* at most QEMU_NICS_MAX */
        const struct qemu_port *ports;
        uint32_t n_ports;
        bool console;                   /* the first serial port goes to DIR/io/console */
        uint32_t user;                  /* user and group of the process; 0: root */
        const char *const *tasks_files; /* control groups that it starts in: files that "0" is written to; NULL-terminated */
        int cgroup_fd;                  /* the same for version 2; -1: none */
        const char *const *extra;       /* further arguments, NULL-terminated */
};

struct qemu_events {
        void (*ready)(struct qemu *qemu, void *data);
        /* The process has gone; `reason` is a sentence's part such as "it was killed by signal 9". Last call. */
        void (*ended)(struct qemu *qemu, const char *reason, void *data);
        void (*event)(struct qemu *qemu, const char *name, const char *json, void *data); /* of QMP; may be NULL */
};

/* -errno when the process cannot be started; what fails later ends it: `ended`, and its own words are in DIR/log. */
int qemu_start(uv_loop_t *loop, const struct qemu_spec *spec, const struct qemu_events *events, void *data, struct qemu **ret,
               struct error *error) MUST_CHECK;
/* The process that an earlier agent started in `dir`. -ESRCH when it is gone, -ENOENT when there never was one. */
int qemu_adopt(uv_loop_t *loop, const char *dir, const struct qemu_events *events, void *data, struct qemu **ret,
               struct error *error) MUST_CHECK;
/* Lets go: the process runs on. No callback any more. NULL is fine. Returns NULL. */
struct qemu *qemu_free(struct qemu *qemu);
/* Ends the process at once: `ended` follows, with `why` as its reason unless it is NULL or the process was ending otherwise. */
void qemu_kill(struct qemu *qemu, const char *why);
/* Ends the process that an earlier agent has left in `dir`, if it is there, and deletes the directory. Blocks: for start-up. */
void qemu_end_stray(const char *dir);
/* Deletes the directory of a process that has ended. Blocks: thread pool. */
int qemu_erase(const char *dir) MUST_CHECK;

int32_t qemu_pid(const struct qemu *qemu);
bool qemu_is_ready(const struct qemu *qemu);
const char *qemu_dir(const struct qemu *qemu);

/* QMP: see qmp_send. Only when ready. */
void qemu_command(struct qemu *qemu, const char *command, const char *arguments, int fd, struct qmp_call *call);
/* Puts a file behind disk `index`, which had none: the guest must look at its size again (bind its driver). `fd` stays the caller's;
 * `call` is the last command's, and NULL is fine. */
void qemu_disk_insert(struct qemu *qemu, uint32_t index, int fd, bool read_only, struct qmp_call *call);

/*
 * Stops the guest and writes its state, without the memory that is a shared file, to `fd`, which may be closed at once. `call` tells the
 * end; qmp_cancel does not apply. With that memory's contents the state can be gone on from any number of times.
 */
void qemu_save(struct qemu *qemu, int fd, struct qmp_call *call);

/* Path of a port's socket. The process has only DIR/io for its own: what is beside it is root's, and can be trusted. */
const char *qemu_socket(const char *dir, const char *socket, struct arena *arena);

/* The last lines of DIR/log, for a message. Blocks for a short file. */
const char *qemu_last_words(const char *dir, struct arena *arena);

/* qemu_args.c: the command line; `ret` is NULL-terminated. Descriptors are QEMU_FD_…, see there. Pure. */
void qemu_arguments(const struct qemu_spec *spec, struct arena *arena, struct string_list *ret);

/* What boots a kernel that is given as a file. */
#define QEMU_FIRMWARE "qboot.rom"

/* Where the process finds what it is given. */
enum { QEMU_FD_MEMORY = 3, QEMU_FD_STATE, QEMU_FD_KERNEL, QEMU_FD_INITRD, QEMU_FD_NIC };
