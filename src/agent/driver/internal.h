/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of the driver share. */
#pragma once

#include "agent/driver/driver.h"

/* The driver's part of a container. */
struct drive {
        struct driver *d;
        struct engine_container *c; /* NULL: forgotten, frees itself when `clearing` ends */
        struct image *image;        /* from the pull until the start */
        struct image_pull pull;
        bool pulling;
        struct vpc_op op;      /* the sandbox: making or destroying it */
        uint32_t create_parts; /* of creation, that are not done */
        struct error create_error;
        struct runtime_container *rc;
        bool clearing; /* a leftover container is being removed before the start */
        bool abandoned;
        struct timer retry; /* of making the sandbox or starting, while a leftover of the same name is on its way out */
        uint32_t *stop_timeout_ms, stop_timeout_value_ms; /* a stop was asked for */
        struct runtime_exec exec;
        bool probing;
        struct keeper_wait exit_wait;
        struct drive_vm_box *vm; /* of vm.c */
};

/* The driver's part of a task. */
struct drive_task {
        struct driver *d;
        struct engine_task *t; /* NULL: forgotten, frees itself when the last job ends */
        uv_work_t work;
        int work_result;
        struct error work_error;
        struct network_wait network; /* for the interface of an awsvpc task */
        struct vpc_op op;            /* its sandbox: making or destroying it */
        struct timer retry;
        struct runtime_container *pause;
        char *pid_path, *ipc_path, *user_path;
        void (*network_made)(struct drive_task *dt, const struct error *error);
        void (*network_gone)(struct drive_task *dt);
        uint32_t pending;   /* parts of release or removal that are not done */
        uint32_t callbacks; /* of jobs that cannot be cancelled */
        struct state_op files;
        bool releasing;
        struct vm *vm; /* its server; NULL: none (yet, any more) */
        bool vm_preparing, vm_ready;
        void (*vm_gone)(struct drive_task *dt); /* release waits for its end */
};

/* The sandbox of an awsvpc task, or NULL. */
struct vpc_sandbox *drive_task_sandbox(const struct driver *d, const struct engine_task *t);

struct drive_task *drive_task_of(struct engine_task *t);

/* Tasks in micro-VMs: vm.c. */
bool drive_in_vm(const struct engine_task *t);
/* engine_task_prepared follows. */
void drive_vm_prepare(struct drive_task *dt);
void drive_vm_start(struct engine_container *c, bool again);
void drive_vm_abandon(struct engine_container *c);
void drive_vm_stop(struct engine_container *c, uint32_t timeout_ms);
void drive_vm_probe(struct engine_container *c, const struct string_list *args, uint32_t timeout_ms);
void drive_vm_probe_cancel(struct engine_container *c);
void drive_vm_box_free(struct drive *dr);
/* Ends the machine; false when there is none, else `gone` follows. */
bool drive_vm_release(struct drive_task *dt, void (*gone)(struct drive_task *dt));
/* No callback any more; the machine runs on. */
void drive_vm_forget(struct drive_task *dt);
/* Looks for the machine of a restored task and sets the states of its containers. */
void drive_vm_adopt(struct driver *d, struct engine_task *t);

/* network of a whole task: network.c. `done` gets NULL or why it could not be made. */
void drive_network_make(struct drive_task *dt, void (*done)(struct drive_task *dt, const struct error *error));
/* True when there is something to take away: `done` follows. */
bool drive_network_release(struct drive_task *dt, void (*done)(struct drive_task *dt));
/* No `done` is called any more. */
void drive_network_cancel(struct drive_task *dt);

struct drive *drive_of(struct engine_container *c);
void drive_free(struct engine_container *c);
void drive_exit_reason(const struct runtime_exit *from, struct engine_exit *ret);

void drive_prepare(struct engine_task *t);
void drive_release(struct engine_task *t);
/* Gives the control groups of a stopped task back, once all that they tell of its end (out of memory) is stored. */
void drive_release_groups(struct engine_task *t);
void drive_remove(struct engine_task *t);
