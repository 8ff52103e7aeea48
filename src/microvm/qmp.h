/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's machine protocol over a unix socket: commands and their answers, in order, with descriptors. One thread: the loop's. After a
 * restart of the agent a new connection goes on where there is one QEMU.
 */
#pragma once

#include <uv.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"

struct qmp;

/* A command that somebody waits for. Embedded in its owner, which must stay until `done` (exactly once, on a later turn) or cancel. */
struct qmp_call {
        /* 0 and the JSON of what QEMU returned, or -errno: -EREMOTEIO is QEMU's own refusal, -ECONNRESET its end. */
        void (*done)(struct qmp_call *call, int status, const char *answer, const struct error *error);

        struct list link_; /* private from here */
        int64_t id_;
};

struct qmp_callbacks {
        void (*ready)(void *owner); /* greeted: commands are answered from now on */
        void (*event)(void *owner, const char *name, const char *data);
        void (*closed)(void *owner); /* the last call: QEMU has gone, or nobody listened in time */
};

/* Connects, trying for `patience_ms` while nobody listens there yet. `callbacks` must stay. */
struct qmp *qmp_new(uv_loop_t *loop, const char *path, uint32_t patience_ms, const struct qmp_callbacks *callbacks, void *owner);
/* No callback any more; calls under way get none either. NULL is fine. Returns NULL. */
struct qmp *qmp_free(struct qmp *qmp);
/* `arguments`: JSON object or NULL. `fd` >= 0 goes along (getfd, add-fd) and stays the caller's. `call` may be NULL: nobody asks. */
void qmp_send(struct qmp *qmp, const char *command, const char *arguments, int fd, struct qmp_call *call);
/* `done` is not called any more. */
void qmp_cancel(struct qmp_call *call);
