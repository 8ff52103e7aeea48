/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the proxy's driver share. */
#pragma once

#include "lb/access_log.h"
#include "lb/config.h"
#include "lb/driver.h"
#include "lb/runtime.h"
#include "lb/traffic.h"

enum lb_proxy_state {
        LB_DOWN = 0, /* no process that we know of */
        LB_CHECKING, /* haproxy -c runs over a new configuration */
        LB_CHANGING, /* a process was started, or told to reload: waiting for the new worker */
        LB_UP,       /* the worker runs the configuration of `generation` */
        LB_STATE_MAX
};

/* A server of the proxy, as far as we know. */
struct lb_server {
        struct map_node node;     /* by "T-ID/NAME" */
        struct lb_member *member; /* whose it is; NULL: nobody's any more, it goes */
        enum lb_role role;
        char *key;
        bool wanted;         /* scratch of servers_sync */
        bool quiet;          /* takes nothing new */
        bool drain;          /* by the state "drain", which lets connections go on; else by "maint" */
        int quiet_under_way; /* the worker has not answered yet: until then its statistics may be of before */
        bool removing;       /* `del server` is under way */
        enum lb_pace pace;   /* of LB_PROBE */
        /* Of the last statistics: */
        int64_t sessions; /* -1: not known since the last change */
        char status[24], check[16], last[96];
        int code;
};

/* A target in the proxy. */
struct lb_member {
        struct map_node node; /* by the target's key in the model */
        char *key;
        char name[64]; /* ADDRESS:PORT */
        bool passed;   /* its place is LB_MAIN; before the first passed check LB_PROBE */
        bool seen;     /* scratch of servers_sync */
        struct lb_server *servers[LB_ROLE_MAX];
};

/* A worker of before a reload, which finishes its connections: its counters are read until it has none. */
struct lb_old_worker {
        struct list link;
        struct lb_driver *driver;
        struct lb_runtime *runtime;
        struct lb_counters counters;
        uint64_t since; /* loop time, ms */
        bool asked, ended;
};

/* A backend whose statistics are asked for. */
struct lb_poll {
        struct map_node node;
        struct lb_driver *driver;
        char name[32];
        bool waiting, again;
};

struct lb_driver {
        struct lb_driver_options options;
        char *dir, *program, *access_logs;
        struct lb_config_options config;
        char user[64], log_address[108], name[32];
        struct arena arena; /* lives as long as the driver */

        struct model_observer observer;
        struct commit_waiter durable;
        uv_idle_t idle; /* active while something is dirty */
        uv_prepare_t prepare;
        bool structure_dirty, servers_dirty, certificates_dirty, waiting_durable;

        /* The process. */
        enum lb_proxy_state state;
        int pid;                                  /* of the master; 0: none */
        int pidfd;                                /* of the master, while there is one */
        char generation[65], next_generation[65]; /* hashes of the configuration that runs, and of the one that is being brought up */
        struct string_list bound;                 /* "ADDRESS:PORT" that our own process has; in bound_arena */
        struct arena bound_arena;
        uv_process_t check, *child; /* child: the master, when this server started it; else NULL */
        bool check_running;
        uv_pipe_t check_output;
        struct buf check_text;
        uint64_t changing_since; /* loop time, ms */
        unsigned restart_ms;
        bool any_problem;        /* a balancer does not have all its addresses */
        uint64_t last_structure; /* loop time, ms: when addresses were looked at */
        struct lb_runtime *runtime;
        struct lb_push *pushing;       /* certificates on their way to the worker; NULL: none */
        bool reloads_for_certificates; /* until a new worker is there */

        /* What the worker has. */
        struct map servers, members, polls;
        bool servers_known;
        uv_timer_t tick;
        uint64_t last_full_poll, last_workers_look;
        bool old_workers; /* a worker of before the last reload still has connections */

        /* What flows. */
        struct lb_traffic *traffic;  /* NULL: nobody wants to know */
        struct lb_counters counters; /* of the worker that `runtime` leads to, or of the one that comes */
        struct list retired;         /* of struct lb_old_worker */

        /* Events and requests that the proxy logs. */
        int log_fd;
        uv_poll_t log_poll;
        struct lb_access_log *access_log;
        bool said_no_agent;
        bool freeing;
        int open_handles, check_handles; /* that are being closed */
};

/* process.c */
/* Brings the proxy to what the model says: starts, reloads or stops it. Goes on by itself until that is so. */
void lb_process_apply(struct lb_driver *driver);
/* Looks for a process of before. */
void lb_process_adopt(struct lb_driver *driver);
/* From the timer: retries connections, notices deaths. */
void lb_process_tick(struct lb_driver *driver);
void lb_process_init(struct lb_driver *driver);
void lb_process_done(struct lb_driver *driver);

/* certificates.c */
/* Writes the files that the configuration names. */
int lb_certificates_write(struct lb_driver *driver, struct error *error);
/* Gives the running worker its certificates anew, one after the other; not while a reload is due, which brings them too. */
void lb_certificates_push(struct lb_driver *driver);

/* servers.c */
/* A new worker is there: find out which servers it has. */
void lb_servers_learn(struct lb_driver *driver);
/* Sends what is different. */
void lb_servers_sync(struct lb_driver *driver);
/* Appends the servers of a group that are known to be healthy, for the configuration file. */
void lb_servers_write(void *data, const struct target_group *group, struct buf *out);
/* How a target that has not passed is to be checked now. */
enum lb_pace lb_servers_pace(const struct lb_driver *driver, const struct target *target);
struct target *lb_member_target(struct lb_driver *driver, const struct lb_member *member);
/* Forgets the worker's servers; members keep what is known of them. */
void lb_servers_forget(struct lb_driver *driver);
void lb_servers_done(struct lb_driver *driver);

/* health.c */
void lb_poll_backend(struct lb_driver *driver, const char *name);
void lb_poll_all(struct lb_driver *driver);
/* From the timer: targets that are being probed or drained. */
void lb_health_tick(struct lb_driver *driver);

/* events.c */
int lb_events_open(struct lb_driver *driver, struct error *error);
void lb_events_close(struct lb_driver *driver);

/* old_workers.c */
/* The worker is being replaced: its connection is kept for its counters, and driver->runtime is NULL. */
void lb_old_workers_add(struct lb_driver *driver);
/* From the timer: reads their counters, and lets go of those that have finished. */
void lb_old_workers_tick(struct lb_driver *driver);
/* Nobody knows which worker answers now: what its counters say first is where counting begins. */
void lb_old_workers_recount(struct lb_driver *driver);
void lb_old_workers_done(struct lb_driver *driver);

/* driver.c */
void lb_driver_wake(struct lb_driver *driver);
/* Frees the driver when nothing of it is open any more and it is to be freed. */
void lb_driver_release(struct lb_driver *driver);
void lb_driver_on_closed(uv_handle_t *handle);
