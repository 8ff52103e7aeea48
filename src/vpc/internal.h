/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: the node's object, its sandboxes and its queue of jobs. */
#pragma once

#include <uv.h>

#include "base/list.h"
#include "base/map.h"
#include "vpc/netns.h"
#include "vpc/port.h"
#include "vpc/ports.h"
#include "vpc/router.h"
#include "vpc/vpc.h"

#define SLOT_MAX 65536           /* slots of a range: offsets of addresses in it */
#define NONE_SLOT_FIRST SLOT_MAX /* slots of sandboxes without address come after them */
#define NONE_SLOTS 4096

struct vpc {
        uv_loop_t *loop;
        char *dir;
        char *range_text;
        char gateway_text[20];
        struct vpc_kernel kernel;
        struct ports *ports;

        struct map by_id; /* of struct vpc_sandbox, also those that are being made or destroyed */
        uint64_t slots[(SLOT_MAX + NONE_SLOTS) / 64];
        uint32_t next_slot, next_none_slot;

        struct map routers; /* of struct router, by the id of the VPC */

        struct list vacant; /* prepared sandboxes without an id */
        uint32_t n_vacant, prepared;
        bool prepare_failed; /* creating one will tell why; tried again when one was destroyed */

        struct list waiting; /* of struct vpc_job */
        struct vpc_job *running;
        uv_work_t work;
        uv_mutex_t busy; /* held while a job touches the kernel */
        bool closing;
};

enum sandbox_state { SANDBOX_VACANT = 0, SANDBOX_MAKING, SANDBOX_READY, SANDBOX_LEAVING };

struct vpc_sandbox {
        struct map_node node; /* in vpc->by_id unless VACANT */
        struct list link;     /* in vpc->vacant when VACANT */
        struct vpc *vpc;
        enum sandbox_state state;
        enum vpc_mode mode;
        char *id;
        uint32_t slot;
        uint32_t address;          /* host byte order; 0 with VPC_NONE */
        char *network, *interface; /* with VPC_INTERFACE: of its VPC and of the network interface */
        struct port port;          /* the same */
        bool is_tap;               /* there is no namespace, only the router's port */
        char *path;
        char address_text[20];
        char mac_text[18];
        struct ports_hold hold;
};

/*
 * One thing to do in the kernel. `work` runs in the thread pool and may touch only the job's own strings and vpc->kernel; `finish` runs
 * on the loop before `done` of the operation.
 */
struct vpc_job {
        struct list link;
        struct vpc *vpc;
        struct vpc_op *op;                                     /* NULL: nobody asks */
        bool cancelled;                                        /* there was an op */
        int (*work)(struct vpc_job *job, struct error *error); /* NULL: only to tell the status */
        void (*finish)(struct vpc_job *job);
        int status;
        struct error error;

        struct vpc_sandbox *sandbox;
        bool make;              /* create: the namespace is not there yet */
        uint32_t address;       /* of the sandbox */
        struct vpc_port *ports; /* that it publishes or takes back */
        uint32_t n_ports;
        char *path;        /* of the namespace */
        char *record;      /* path of the record */
        char *record_text; /* what goes there; NULL: as it is */
        char *script;      /* nftables; NULL: none */

        struct router *router;       /* its `jobs` counts this one */
        struct vpc_network *network; /* to come into force */
        struct port port;
        char *tap;              /* the port's cable is this link of the machine; NULL: a new one */
        struct replug *replugs; /* cables that should be there */
        uint32_t n_replugs;
};

/* A sandbox that must have a cable to a router. */
struct replug {
        char *path; /* of its namespace */
        struct port port;
};

/* queue.c */
struct vpc_job *vpc_job_new(struct vpc *vpc, struct vpc_op *op);
void vpc_job_free(struct vpc_job *job);
void vpc_queue_add(struct vpc_job *job);
/* Starts the next job, if none runs. When nothing waits: prepares sandboxes for later. */
void vpc_queue_start(struct vpc *vpc);
/* Drops the jobs that wait; the one that runs tells nobody any more. */
void vpc_queue_close(struct vpc *vpc);

/* sandbox.c */
struct vpc_sandbox *sandbox_new(struct vpc *vpc, enum vpc_mode mode, uint32_t slot);
void sandbox_free(struct vpc_sandbox *sandbox);
/* `port` is filled in; the ids are copied. */
void sandbox_set_interface(struct vpc_sandbox *sandbox, const char *network, const char *interface);
/* -ENOSPC when all are taken. */
int slot_take(struct vpc *vpc, enum vpc_mode mode, uint32_t *ret, struct error *error);
bool slot_claim(struct vpc *vpc, uint32_t slot);
void slot_release(struct vpc *vpc, uint32_t slot);
/* Makes one vacant sandbox more. */
void sandbox_prepare(struct vpc *vpc);

/* network.c */
/* Reads the routers that an earlier agent left, removes what does not work. Blocks. */
int routers_load(struct vpc *vpc, struct error *error);
/* Frees all routers; with `remove` they go from the kernel too. */
void routers_free(struct vpc *vpc, bool remove);
/* Makes the machine's part of VPCs (nft.h) what the routers need. Jobs only. */
int routers_outer(struct vpc_kernel *kernel, struct error *error) MUST_CHECK;
/* MTU of the interfaces of tasks in VPCs. */
uint32_t network_task_mtu(const struct vpc_kernel *kernel);
/* The router whose picture in force has the interface; NULL when none has. */
struct router *router_of_interface(const struct vpc *vpc, const char *interface_id);
/* A job for the router ends: frees the router when nothing is left of it. */
void router_job_done(struct vpc *vpc, struct router *router);

/* record.c: DIR/records/SLOT says what the sandbox of that slot is. */
char *record_path(const struct vpc *vpc, uint32_t slot);
char *record_text(const struct vpc_sandbox *sandbox);
int record_write(const char *path, const char *text, struct error *error);
/* Calls `each` for every file of DIR/`folder` that is named by a number, and removes others. */
int for_each_slot(struct vpc *vpc, const char *folder, void (*each)(struct vpc *vpc, uint32_t slot, const char *path), struct error *error);
/* Reads what is there, drops what does not work (and namespaces without a record), and leaves every sandbox READY in by_id with its
 * ports held again. Blocks. */
int records_load(struct vpc *vpc, struct error *error);

/* conntrack.c */
/* Forgets "connections" to those of these host ports that are UDP: until then packets of an old peer would go where they went before.
 * Best effort. */
void conntrack_forget(const struct vpc_port *ports, uint32_t n);
