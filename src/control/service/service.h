/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reconcilers of services, from the inside. Private to src/control: what others call is in controller.h and deploy.h.
 *
 * One run of one service, in one transaction (service.c):
 *
 *     settle      what nobody has to decide: lost nodes, balancers' targets, tasks that have proved themselves
 *     deployment  where its newest deployment stands: breaker, alarms, stages, rollback          rollout.c, stages.c
 *     scale       how many tasks of which revision start and stop                                scale.c, daemon.c
 *     report      completed, steady, stuck; the events that tell of it                           report.c
 *
 * What a decision rests on is in the pools (pool.h), which agree with the model at every moment, within the transaction too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "control/controller.h"
#include "control/service/pool.h"
#include "control/work.h"

/* Failing launches at the normal pace before each has to wait. */
#define LAUNCHES_UNTHROTTLED 10
/* Tasks that an event names. */
#define EVENT_NAMES 40

struct controller {
        struct model *model;
        struct sched *sched;
        struct controller_options options;
        struct model_observer observer;
        struct work_queue queue;
        struct list waiting;      /* of struct service_control: there was no room for a task */
        struct list provisioning; /* of struct task, by place.link: Fargate tasks of no service that wait for a host */
        struct work placing;      /* of those */
        struct work scaling;      /* scheduled actions and scaling policies: control/scaling/scaler.h */
        struct list composites;   /* of struct alarm_control: control/alarm/alarms.c */
        struct arena scratch;     /* of one evaluation of an alarm */
        struct work groups;       /* Auto Scaling groups: control/capacity/group.h */
        bool capacity;            /* there may be more room than before */
        int64_t now_ms;           /* of the last run */
        int64_t started_ms;       /* the first run; 0: there was none */
};

struct service_control {
        struct work work;
        struct controller *controller;
        struct service *service;
        struct list pools;
        struct list waiting; /* in the controller's */
        bool recheck;        /* tasks in their grace period are to be looked at again */
        bool sweep;          /* daemons: look at every instance */
        uint32_t extra;      /* tasks beyond the desired count while zones are brought into balance */
        bool unbalanced;     /* that work is not done yet */
        char fullest[64];    /* the zone that has too many */
};

/* Tasks that one event tells of. */
struct task_names {
        struct buf text; /* " (task ID) (task ID)" */
        uint32_t n;
};

struct service_run {
        struct controller *controller;
        struct service_control *control;
        struct service *service;
        struct tx *tx;
        struct work_turn *turn;
        int64_t now_ms;
        struct task_names started, stopped;
        uint32_t draining; /* tasks whose targets have begun to drain */
        bool blocked;      /* there is no room for a task that should run */
        bool waited;       /* it was blocked after the run before */
        bool throttled;    /* a task that should run has to wait */
        bool stuck;        /* minimumHealthyPercent and maximumPercent leave no way */
        bool guarded;      /* protected tasks keep it from scaling in */
};

/* ---- controller.c ---- */
void service_control_new(struct controller *controller, struct service *service);
void service_control_free(struct service_control *control);
bool task_was_offered(const struct controller *controller, const struct task *task);

/* ---- pool.c, service.c ---- */
static inline struct service_control *service_control_of(const struct service *service)
{
        return service->reconciler;
}
static inline bool instance_is_lost(const struct instance *instance)
{
        return instance && instance->lost;
}
/* The load balancers that tasks of the pool are put behind. */
const struct ecs_load_balancer_list *pool_balancers(const struct pool *pool);
/* Its tasks go to the alternate target groups of those. */
static inline bool pool_is_alternate(const struct pool *pool)
{
        return pool->revision && pool->revision->state->alternate;
}
void service_work(struct work *work, struct work_turn *turn);
/* Run again, at once or at a moment. */
void service_again(struct service_run *run);
void service_wake(struct service_run *run, int64_t at_ms);

/* ---- scale.c: the arithmetic of a group of pools that share one number of tasks ---- */
struct service_group {
        struct pool *primary; /* its tasks are wanted; NULL: none is */
        struct list *pools;   /* all pools of the service; those that do not belong are left alone: see `alone` */
        bool alone;           /* the group is the primary only */
        uint32_t desired;
        uint32_t extra; /* how many of them are beyond what floor and ceiling are reckoned from */
        bool launch;    /* new tasks may be started */
};
uint32_t service_floor(const struct state_service *state, uint32_t desired);
uint32_t service_ceiling(const struct state_service *state, uint32_t desired);
void service_scale_group(struct service_run *run, const struct service_group *group);
/* Whether all is as it should be: `desired` healthy tasks of the primary, and nothing else in the group. */
bool service_group_settled(const struct service_group *group);

/* ---- stop.c ---- */
/* Stops a task for the reason that services give. */
void service_stop_task(struct service_run *run, struct task *task, enum ecs_task_stop_code code, const char *reason);
/* The same for its health, with the event that says which check failed. */
void service_stop_unhealthy(struct service_run *run, struct task *task);
/* The same because of the deployment that the task's pool is. */
void service_scale_in_task(struct service_run *run, struct task *task);
bool task_is_protected(const struct task *task, int64_t now_ms);

/* ---- choice.c: which tasks go first ---- */
struct choice_source {
        struct pool *pool;
        enum pool_class class;
        uint32_t rank; /* the higher the sooner */
};
/* Up to `n` tasks of the sources that are not protected, in the order in which they should go, in the transaction's arena. */
uint32_t service_choose(struct service_run *run, const struct choice_source *sources, size_t n_sources, uint32_t n, struct task ***ret);

/* ---- launch.c ---- */
/* Starts up to `n` tasks; says in `run` what kept it from doing so. Returns how many. `zone` NULL: any. */
uint32_t service_launch(struct service_run *run, struct pool *pool, uint32_t n, const char *zone);
/* One task on this instance (a daemon's); false when it does not fit: *ret_reason says why. */
bool service_launch_on(struct service_run *run, struct pool *pool, struct instance *instance, const char **ret_reason);
/* How many may be started now: see its definition. */
uint32_t service_launches_allowed(struct service_run *run, const struct pool *pool);
/* The same on instances of a capacity provider; NULL as well when it has no Auto Scaling group. */
struct placement_request *pool_placement_of(struct service_run *run, struct pool *pool, const char *provider);
/* What tasks of the pool need; NULL when their definition is gone. */
struct placement_request *pool_placement(struct service_run *run, struct pool *pool);

/* ---- waiting.c ---- */
/* Gives instances to tasks that wait for one, and ends those that have waited too long. */
void service_place_waiting(struct service_run *run, struct pool *pool);

/* ---- daemon.c ---- */
void service_run_daemon(struct service_run *run, struct pool *primary, bool launch);
bool service_daemon_settled(struct service_run *run, struct pool *primary);

/* ---- rollout.c ---- */
/* Counts failures and successes, and ends a deployment that has failed. */
void service_judge(struct service_run *run);
/* The newest deployment has got where it was going to. */
void service_complete(struct service_run *run);
/* May a deployment that has its tasks be completed, or does its bake time still run? */
bool service_baked(struct service_run *run, const struct service_deployment *deployment);
bool breaker_armed(const struct service_deployment *deployment);
uint32_t breaker_threshold(const struct ecs_deployment_configuration *configuration, uint32_t desired);

/* Counts launches of a service whose task sets are made by others. */
void service_note_task_sets(struct service_run *run);

/* ---- traffic.c: who gets the traffic of listener rules ---- */

/* Gives green that much of the test or production traffic, and the rest to blue (NULL: there is none). Returns whether the rules say so. */
bool service_shift_traffic(struct service_run *run, const struct service_revision *green, const struct service_revision *blue, bool test,
                           double percent);
/* All of it to the revision to which a deployment was rolled back. */
void service_take_traffic_back(struct service_run *run, const struct service_revision *primary);

/* ---- stages.c: deployments that keep the older revision until the new one has proved itself ---- */
bool service_stages_apply(const struct service_run *run);
/* One of those has failed, and the older revision is the primary again. */
bool service_stages_rolled_back(const struct service_run *run);
/* Returns whether all is as it should be. */
bool service_run_stages(struct service_run *run, const struct service_group *group);

/* ---- report.c ---- */
void task_names_add(struct task_names *names, const struct task *task);
void task_names_done(struct task_names *names);
void service_report(struct service_run *run);
/* Nothing can be placed, wherever there is room: the definition or the constraints are at fault. */
void service_report_unreadable(struct service_run *run, const struct pool *pool);
void service_report_unplaced(struct service_run *run, struct pool *pool);
/* A task of the capacity provider waits for an instance. */
void service_report_waiting(struct service_run *run, const char *provider);
/* The same when the scheduler found an instance and something else was missing ("RESOURCE:ENI"). */
void service_report_refused(struct service_run *run, const struct instance *instance, const char *reason);
/* Says what has not been said since the last word that would have resolved it, or for six hours. */
void service_say_once(struct service_run *run, const char *begin, const char *rest);
void service_set_steady(struct service_run *run, bool steady);

/* ---- images.c ---- */
/* The digests of the revision's images, from the first of its tasks that runs. */
void service_learn_images(struct service_run *run, struct pool *pool);

/* ---- targets.c ---- */
/* Registers tasks that run, drains those that are to stop. */
void service_settle_targets(struct service_run *run, struct pool *pool);

/* ---- rebalance.c ---- */
/* Scales the group; while zones are brought into balance it may have a few tasks more. Returns whether all is as it should be. */
bool service_run_rebalancing(struct service_run *run, const struct service_group *group);
/* Of a steady service: starts tasks in the emptiest zone when zones differ too much. Returns whether it did. */
bool service_rebalance(struct service_run *run, struct pool *primary);
