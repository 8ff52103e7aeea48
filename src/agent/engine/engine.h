/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The task engine: moves tasks and containers through the states of task.h. Level-triggered: whatever happens, the task concerned is
 * looked at again from its state, and what can be done next is done. It does nothing itself: all work goes through a driver, each
 * job ends in exactly one of the completion calls below, and time comes through `env` and `timers`. So the tests run it on virtual
 * time against a driver that fails where it is told to. One thread; no call blocks; a task never waits for another one, except for
 * room on the machine.
 */
#pragma once

#include "agent/engine/host_resources.h"
#include "agent/engine/task.h"
#include "agent/engine/timers.h"

/* What has changed of a task, for the driver's `changed`. */
enum engine_change {
        ENGINE_SAVE = 1 << 0,   /* worth keeping on disk */
        ENGINE_REPORT = 1 << 1, /* worth telling the server */
        ENGINE_HEALTH = 1 << 2, /* a container's health */
};

/*
 * The engine's hands. A job that was started ends in its completion call, later or inside the call; the engine never starts a
 * second one on the same object before, except where it says so.
 */
struct engine_driver {
        /* Fetches the image: engine_container_pulled. Cancel: no completion comes any more. */
        void (*pull)(struct engine_container *c);
        void (*pull_cancel)(struct engine_container *c);
        /* Volumes, shared namespaces: engine_task_prepared. */
        void (*prepare)(struct engine_task *t);
        /* Network of one container: engine_container_created. */
        void (*create)(struct engine_container *c);
        /* engine_container_started; if that was a success, engine_container_exited once later. */
        void (*start)(struct engine_container *c);
        /* Runs it again after engine_container_exited: as start. */
        void (*restart)(struct engine_container *c);
        /* Gives up `create` or `start`: no completion comes any more, and nothing of it goes on running. */
        void (*abandon)(struct engine_container *c);
        /* Signal, and SIGKILL after the time: engine_container_exited tells the end. May be called again, and while STARTING. */
        void (*stop)(struct engine_container *c, uint32_t timeout_ms);
        /* Runs the health check: engine_container_probed. Cancel: no completion comes any more. */
        void (*probe)(struct engine_container *c, uint32_t timeout_ms);
        void (*probe_cancel)(struct engine_container *c);
        /* All containers have stopped: gives back network and namespaces: engine_task_released. */
        void (*release)(struct engine_task *t);
        /* Deletes containers, volumes, files: engine_task_removed. */
        void (*remove)(struct engine_task *t);
        /* `what`: enum engine_change. Must not call back into the engine. */
        void (*changed)(struct engine_task *t, unsigned what);
        /* Whether the task may be removed now (its reports were accepted, its logs shipped). */
        bool (*may_remove)(struct engine_task *t);
};

struct engine_limits {
        uint32_t stop_timeout_ms;  /* from signal to SIGKILL, unless the container says otherwise */
        uint32_t start_timeout_ms; /* of creating and starting a container */
        uint32_t remove_after_ms;  /* from STOPPED to removal */
        uint32_t remove_latest_ms; /* removal even if the server never took the report */
};

struct engine {
        struct env *env;
        struct timers *timers;
        const struct engine_driver *driver;
        void *data; /* the driver's */
        struct engine_limits limits;
        struct host_resources resources;
        struct map tasks;
        struct list order;
        bool admitting, admit_again;
};

void engine_init(struct engine *engine, struct env *env, struct timers *timers, const struct engine_driver *driver,
                 const struct engine_limits *limits);
/* Forgets all tasks without touching what runs. The driver's parts of the tasks must be gone. */
void engine_done(struct engine *engine);

/* Takes a task over, and starts it. There must be none with its ARN. */
void engine_add(struct engine *engine, struct engine_task *task);
/* The same for a task whose state was restored; starts it again from where it was. */
void engine_restore(struct engine *engine, struct engine_task *task);
/* NULL when there is none. */
struct engine_task *engine_find(const struct engine *engine, const char *arn);
struct engine_task *engine_find_id(const struct engine *engine, const char *id);
/* Container of a metadata endpoint, or NULL. */
struct engine_container *engine_find_endpoint(const struct engine *engine, const char *endpoint_id);
/* The server wants it stopped (fmt NULL), or the node has to (fmt: the task's reason). Again: no harm. */
void engine_task_stop(struct engine_task *task, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As engine_task_stop, and whatever still runs is killed after this time; containers are stopped all at once. */
void engine_task_cut_short(struct engine_task *task, uint32_t within_ms, const char *reason);
/* Removes stopped tasks now whose time has not come yet (the disk is full). */
void engine_remove_stopped(struct engine *engine);
/* Looks at a task again. */
void engine_step(struct engine_task *task);

/* ---- completions, called by the driver ---- */

/* `error` NULL: success; else `code` is the error's name and `message` its text. Times are 0 when nothing was asked of a registry. */
struct engine_pulled {
        const struct error *error;
        const char *digest, *image_id;
        int64_t started_ms, stopped_ms;
};
void engine_container_pulled(struct engine_container *c, const struct engine_pulled *pulled);
void engine_task_prepared(struct engine_task *t, const struct error *error);
/* Bindings and address stand in the container already. */
void engine_container_created(struct engine_container *c, const struct error *error);
void engine_container_started(struct engine_container *c, const struct error *error, int64_t started_ms);
struct engine_exit {
        bool has_exit_code;
        int32_t exit_code;
        bool oom_killed;
        const char *reason; /* "ContainerVanishedError: …", or NULL */
        int64_t finished_ms;
};
void engine_container_exited(struct engine_container *c, const struct engine_exit *ended);
/* `code` negative: the probe could not run or took too long. */
void engine_container_probed(struct engine_container *c, int32_t code, const char *output, uint32_t len);
void engine_task_released(struct engine_task *t);
/* Frees the task. */
void engine_task_removed(struct engine_task *t);
