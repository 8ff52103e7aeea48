/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task and its containers as the node sees them: what the server asked for, and what is known. Pure data with the functions that
 * need nothing else; engine.h moves them.
 *
 *   task       QUEUED ──→ PREPARING ──→ STARTING ──→ RUNNING ──→ STOPPING ──→ STOPPED ──→ REMOVING
 *                 └────────────┴────────────┴───────────────────────↗
 *
 *     QUEUED     waits until the machine has the processor share, memory and ports (images are fetched meanwhile)
 *     PREPARING  its volumes and shared namespaces are being made
 *     STARTING   containers start as their dependencies allow
 *     RUNNING    every container runs, or has ended without harm
 *     STOPPING   containers are stopped, dependents first
 *     STOPPED    nothing runs; kept for a while for `docker`-like inspection and late reports
 *     REMOVING   files and volumes are being deleted
 *
 *   container  PULLING ──→ PULLED ──→ CREATING ──→ CREATED ──→ STARTING ──→ RUNNING ──→ STOPPING ──→ STOPPED
 *                 │           │          │           │            │  ↑         │  └────────────────────↗
 *                 └───────────┴──────────┴───────────┴────────────┴──┼─────────┼───────────────────────↗
 *                                                                    └─────────┘ restart policy
 *
 *     PULLING    its image is being fetched
 *     PULLED     waits until the task is prepared
 *     CREATING   its network and volumes are being made
 *     CREATED    waits for other containers (dependsOn, links, volumesFrom)
 *     STARTING   the runtime starts it
 *     RUNNING, STOPPING (signal sent), STOPPED
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/engine/health.h"
#include "agent/engine/timers.h"
#include "api/acs.idl.h"
#include "api/docker.idl.h"
#include "api/ecs.idl.h"
#include "api/saved.idl.h"
#include "base/list.h"
#include "base/map.h"

struct engine;
struct engine_task;

enum container_state {
        CONTAINER_PULLING = 0,
        CONTAINER_PULLED,
        CONTAINER_CREATING,
        CONTAINER_CREATED,
        CONTAINER_STARTING,
        CONTAINER_RUNNING,
        CONTAINER_STOPPING,
        CONTAINER_STOPPED,
        CONTAINER_STATE_MAX
};

enum task_state {
        TASK_QUEUED = 0,
        TASK_PREPARING,
        TASK_STARTING,
        TASK_RUNNING,
        TASK_STOPPING,
        TASK_STOPPED,
        TASK_REMOVING,
        TASK_STATE_MAX
};

/* How far the server has been told, of a task or a container. */
enum report_stage { REPORT_NOTHING = 0, REPORT_RUNNING, REPORT_STOPPED, REPORT_STAGE_MAX };

/* Of one container, in the task's order. */
struct engine_container {
        struct engine_task *task;
        const struct acs_container *definition;
        const struct docker_config *config;    /* never NULL */
        const struct docker_host_config *host; /* never NULL */
        uint32_t index;
        bool essential;
        char *runtime_id;     /* the same after any restart: made of the task's id and the container's name */
        char endpoint_id[37]; /* of the metadata endpoint */

        enum container_state state;
        bool busy; /* an operation of the driver is under way that must end before the next step */
        bool pull_started;
        bool stop_sent;
        bool has_run;
        bool has_exit_code;
        bool oom_killed;
        int32_t exit_code;
        char *reason;                                /* "CannotPullContainerError: …"; NULL: none */
        char *image_digest, *image_id;               /* NULL: not known */
        int64_t created_ms, started_ms, finished_ms; /* wall clock; 0: not yet */
        int64_t running_since_us;                    /* monotonic, of the latest start in this process */
        uint32_t restart_count;
        struct ecs_network_binding_list bindings; /* in the task's arena */
        char *address;                            /* IPv4 in bridge mode; NULL: none */
        enum report_stage reported;
        uint64_t log_inode, log_offset; /* how far its log was shipped: file (0: not begun) and byte */

        struct health health;
        struct timer health_timer; /* next probe */
        struct timer start_timer;  /* limit of CREATING and STARTING */
        struct timer wait_timer;   /* limit of waiting for dependencies */
        struct timer stop_timer;   /* looks after a stop that does not end */
        struct timer restart_timer;

        void *driver;  /* the driver's part */
        void *log;     /* the log shipper's part */
        void *metrics; /* the metrics' part: freed with the container */
};

struct engine_task {
        struct engine *engine;
        struct map_node node; /* in engine->tasks, by ARN */
        struct list link;     /* in engine->order: first accepted first */
        struct arena arena;   /* payload and bindings */
        const struct acs_task *payload;
        char *arn;
        char *id; /* last element of the ARN */
        struct engine_container *containers;
        uint32_t n_containers;

        enum task_state state;
        bool stop_wanted;
        bool durable;  /* its record is on the disk */
        bool busy;     /* the driver prepares, releases or removes */
        bool released; /* network and resources are free */
        bool holds_resources;
        uint32_t stop_within_ms; /* 0: the containers' own stop timeouts; else the limit of all of them */
        bool rejected;           /* never startable: reason says why */
        bool in_step;            /* engine_step is at work on it */
        bool step_again;
        bool has_run;        /* was RUNNING once */
        bool health_changed; /* since the telemetry channel last told of it */
        char *reason;        /* of the task itself; NULL: none */
        enum report_stage reported;
        int64_t accepted_ms, pull_started_ms, pull_stopped_ms, execution_stopped_ms, stopped_ms;
        struct timer remove_timer;

        /* Credentials live in memory only; the server sends them again after a restart. */
        struct acs_role_credentials *role_credentials, *execution_credentials; /* packed; NULL: none */

        void *driver; /* the driver's part */
        void *report; /* the reporter's part */
        void *save;   /* the saver's part */
};

const char *container_state_name(enum container_state state);
const char *task_state_name(enum task_state state);
/* -EINVAL for an unknown word. */
int container_state_parse(const char *word, enum container_state *ret) MUST_CHECK;
int task_state_parse(const char *word, enum task_state *ret) MUST_CHECK;
const char *report_stage_name(enum report_stage stage); /* "", "RUNNING", "STOPPED" */
enum report_stage report_stage_parse(const char *word);
/* Whether the diagrams above allow the step. */
bool container_may_move(enum container_state from, enum container_state to);
bool task_may_move(enum task_state from, enum task_state to);

/*
 * Makes a task of a payload, which is copied; secret parts of credentials go to memory only. Never fails: a payload that cannot be
 * carried out gives a task with `rejected` and a reason, so that the server is told like of any other end.
 */
struct engine_task *engine_task_new(const struct acs_task *payload, struct env *env);
/* NULL is fine. The driver's, reporter's and saver's parts must be gone. */
struct engine_task *engine_task_free(struct engine_task *task);
/* NULL when there is none. */
struct engine_container *engine_task_container(struct engine_task *task, const char *name);
/* Replaces the reason; the first one counts, later ones are dropped. */
void engine_task_set_reason(struct engine_task *task, const char *fmt, ...) PRINTF_LIKE(2, 3);
void engine_container_set_reason(struct engine_container *container, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* RUNNING for a container and for a task as the server counts: what to tell it now. */
enum report_stage engine_task_stage(const struct engine_task *task);
enum report_stage engine_container_stage(const struct engine_container *container);
/* Whether the container was given a health check. */
bool engine_container_has_health(const struct engine_container *container);
/* The network mode: "bridge", "host", "none", "awsvpc". */
const char *engine_task_network_mode(const struct engine_task *task);
bool engine_task_is_awsvpc(const struct engine_task *task);
bool engine_task_is_fargate(const struct engine_task *task);
/* The cluster as the task shall see it: of a Fargate task its own cluster's ARN, else `cluster`, the node's. */
const char *engine_task_cluster(const struct engine_task *task, const char *cluster);
/* "arn:…/id" gives "id"; a plain id stays. */
const char *arn_resource_id(const char *arn);
