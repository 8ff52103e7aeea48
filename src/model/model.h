/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the control plane, in memory: objects by kind and key with their indexes, changed only by transactions.
 *
 * An object's state (`struct state_xxx`, api/state.idl) is immutable and lives in one packed block; a change replaces it.
 * A transaction applies its changes to memory at once (later reads in the same turn of the loop see them), remembers the
 * old states so that it can be rolled back, and on commit appends them to the commit queue. A writer thread makes
 * batches durable. Nothing may leave the process before what it rests on is durable: whoever sends an answer or a
 * message waits with model_when_durable(model_sequence(m)).
 *
 * One thread owns a model: the loop's. No function here reads a clock or does I/O (the writer does, behind commit.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/state.idl.h"
#include "base/arena.h"
#include "base/env.h"
#include "base/error.h"
#include "base/list.h"
#include "base/map.h"
#include "base/tree.h"

/* Kinds are stored as numbers: append only. They are loaded in this order: owners before what belongs to them. */
enum object_kind {
        OBJECT_META = 0,
        OBJECT_CLUSTER = 1,
        OBJECT_FAMILY = 2,
        OBJECT_TASK_DEFINITION = 3,
        OBJECT_INSTANCE = 4,
        OBJECT_CAPACITY_PROVIDER = 5,
        OBJECT_SERVICE = 6,
        OBJECT_SERVICE_REVISION = 7,
        OBJECT_SERVICE_DEPLOYMENT = 8,
        OBJECT_SERVICE_EVENT = 9,
        OBJECT_TASK_SET = 10,
        OBJECT_TASK = 11,
        OBJECT_SETTING = 12,
        OBJECT_ACCESS_KEY = 13,
        OBJECT_CLIENT_TOKEN = 14,
        OBJECT_LOAD_BALANCER = 15,
        OBJECT_TARGET_GROUP = 16,
        OBJECT_LISTENER = 17,
        OBJECT_LISTENER_RULE = 18,
        OBJECT_TARGET = 19,
        OBJECT_CERTIFICATE = 20,
        /* Networks: structures in model/network.h. */
        OBJECT_VPC = 21,
        OBJECT_SUBNET = 22,
        OBJECT_SECURITY_GROUP = 23,
        OBJECT_NETWORK_INTERFACE = 24,
        OBJECT_INTERNET_GATEWAY = 25,
        OBJECT_ROUTE_TABLE = 26,
        OBJECT_NAT_GATEWAY = 27,
        OBJECT_ELASTIC_ADDRESS = 28,
        OBJECT_NETWORK_ACL = 29,
        OBJECT_VPC_ENDPOINT = 30,
        /* Application Auto Scaling: structures in model/scaling.h. */
        OBJECT_SCALABLE_TARGET = 31,
        OBJECT_SCALING_POLICY = 32,
        OBJECT_SCHEDULED_ACTION = 33,
        OBJECT_SCALING_ACTIVITY = 34,
        /* CloudWatch: structures in model/alarm.h. */
        OBJECT_ALARM = 35,
        OBJECT_ALARM_HISTORY = 36,
        /* Machines: structures in model/machine.h. */
        OBJECT_LAUNCH_TEMPLATE = 37,
        OBJECT_LAUNCH_CONFIGURATION = 38,
        OBJECT_SCALING_GROUP = 39,
        OBJECT_MACHINE = 40,
        OBJECT_GROUP_ACTIVITY = 41,
        OBJECT_DASHBOARD = 42, /* CloudWatch's: model/alarm.h */
        /* Service discovery: structures in model/discovery.h. */
        OBJECT_DISCOVERY_NAMESPACE = 43,
        OBJECT_DISCOVERY_SERVICE = 44,
        OBJECT_DISCOVERY_INSTANCE = 45,
        OBJECT_DISCOVERY_OPERATION = 46,
        OBJECT_KIND_MAX
};

/* The cluster that Fargate hosts are registered in: users cannot make one of that name, and it is in no list. */
#define FARGATE_CLUSTER ".fargate"
/* An instance with this attribute ("sandbox" or "microvm") takes Fargate tasks. */
#define FARGATE_ATTRIBUTE "gantry.fargate"
#define FARGATE_SPOT_ATTRIBUTE "gantry.fargate-spot" /* it takes tasks of FARGATE_SPOT too; an operator can take it away */

/* What every kind has in common; first member of the structures below. */
struct object {
        enum object_kind kind : 16;
        uint64_t id : 48; /* its number in the store: the greater the later it came */
        union {
                struct tree_node node; /* in model->objects[kind], ordered by key */
                struct {
                        struct tree_page *page_;
                        const char *key; /* the node's, e.g. "default/3f2a…"; owned by the object */
                };
        };
        struct tx_change *change; /* the open transaction's; the model's own business */
};

struct cluster {
        struct object object;
        const struct state_cluster *state;
        struct list instances; /* of struct instance, every status but INACTIVE */
        struct list services;  /* of struct service, every status; see model/service.h */
        size_t n_services;     /* not INACTIVE */
        size_t n_services_active;
        size_t n_instances; /* registered (not INACTIVE) */
        size_t n_awaited;   /* of them, those that were there when the model was opened and have not been connected since, nor lost */
        size_t n_running, n_pending; /* tasks by lastStatus; PENDING counts everything before RUNNING */
        size_t n_stopped;
        size_t n_waiting; /* of those that are PENDING: PROVISIONING without an instance, which a capacity provider has to bring */
        /* The same by launch type; a task that names none counts as EC2. */
        size_t n_running_by_type[ECS_LAUNCH_TYPE_MAX], n_pending_by_type[ECS_LAUNCH_TYPE_MAX];
        size_t n_members; /* instances and services of any status, and tasks: a cluster that has any cannot be removed */
};

struct family {
        struct object object;
        const struct state_family *state;
        struct list revisions;          /* of struct task_definition, ascending */
        struct task_definition *latest; /* newest ACTIVE, or NULL */
        size_t n_active;
};

struct task_definition {
        struct object object;
        const struct state_task_definition *state;
        struct family *family;
        struct list in_family;
        struct list tasks; /* of struct task, all that are remembered */
        size_t n_tasks;    /* tasks that are not STOPPED and use it */
};

struct instance {
        struct object object;
        const struct state_container_instance *state;
        struct cluster *cluster;
        struct list in_cluster;
        struct list tasks;             /* of struct task, not STOPPED */
        struct list stopped;           /* of struct task, STOPPED here and still remembered */
        int32_t cpu_used, memory_used; /* reserved by those tasks */
        size_t n_running, n_pending;
        const char *zone;                             /* the value of its attribute ecs.availability-zone, in its state; NULL: none */
        struct port_set *ports_used, *ports_used_udp; /* the instance's own reserved ports and its tasks'; see model/ports.h */
        /* Its agent's lease; not stored. connected → silent → lost → connected again. Set with the functions below. */
        bool awaited;   /* counted in cluster->n_awaited */
        bool connected; /* an ACS session is open and the agent was heard of lately: new tasks may go there */
        bool lost;      /* the lease has run out: what has to run is made up for elsewhere. Never together with `connected` */
        bool fenced;    /* lost, and its agent has stopped what is made up for: it runs nowhere, unless the machine only stood still */
        int64_t lease_until_us; /* monotonic: when it will be lost unless its agent is heard of; 0 while connected or lost */
        void *session;          /* the server's session, or NULL; not the model's */
        void *node;             /* the scheduler's, or NULL; not the model's */
};

struct task {
        struct object object;
        const struct state_task *state;
        struct cluster *cluster;
        struct task_definition *definition; /* NULL only after its definition was deleted */
        struct instance *instance;          /* NULL before placement and after the instance is gone */
        struct service *service;            /* NULL: none, or the task is STOPPED; see model/service.h */
        struct service_revision *revision;  /* that it was started for; NULL: none, of a task set, or the task is STOPPED */
        struct task_set *task_set;          /* the same */
        union {
                struct list in_service; /* in service->tasks */
                struct list in_stopped; /* in the model's queue of STOPPED tasks: those have no service */
        };
        struct list in_instance; /* in instance->tasks, or instance->stopped once STOPPED */
        struct list in_definition;
        struct list targets; /* of struct target, in_task: what is registered with load balancers for it; see model/balancer.h */
        struct task_place {  /* where the service's reconciler has it: see control/service/pool.h; not the model's */
                struct list link;
                struct pool *pool;
                int class;
                bool proven; /* it was healthy once */
        } place;
};

struct capacity_provider {
        struct object object;
        const struct state_capacity_provider *state;
};

struct setting {
        struct object object;
        const struct state_setting *state;
};

struct access_key {
        struct object object;
        const struct state_access_key *state;
};

struct client_token {
        struct object object;
        const struct state_client_token *state;
};

struct model;
struct store;
struct target;
struct tx;

/* Told of each change once its transaction has committed (in memory), in order. `old_state`/`new_state` are NULL for
 * creation/removal and only valid during the call. Must not change the model: mark something dirty and return. */
struct model_observer {
        struct list link;
        void (*changed)(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state);
        /* For indexes that must agree with memory at every moment: told of each change as soon as it is applied, within the
         * transaction, and of its reversal when the transaction is rolled back. May be NULL. */
        void (*applied)(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state);
        /* instance->connected or instance->lost has changed. May be NULL. */
        void (*connected)(struct model_observer *observer, struct instance *instance);
        /* A target's health or its reason has changed (model/balancer.h). May be NULL. */
        void (*target_health)(struct model_observer *observer, struct target *target);
};

struct commit_waiter {
        struct list link;
        uint64_t sequence;
        void (*durable)(struct commit_waiter *waiter); /* on the loop's thread; may free the waiter */
};

/*
 * Loads everything from `store` (which must outlive the model). `account` and `region` are written at first start and
 * must agree later. With `loop` (a uv_loop_t *) commits run on a writer thread; with NULL they run at once in tx_commit
 * (tests, simulator), unless they are held: see model_hold_commits. If a commit fails the process logs why and ends with status
 * 70: acknowledged state is never lost.
 */
int model_open(struct store *store, struct env *env, void *loop, const char *account, const char *region, struct model **ret,
               struct error *error) MUST_CHECK;
/* Waits for the commit queue to drain. Returns NULL. */
struct model *model_close(struct model *model);

struct env *model_env(const struct model *model);
const char *model_account(const struct model *model);
const char *model_region(const struct model *model);
const struct state_meta *model_meta(const struct model *model);
/* Adds an observer; `changed` may be NULL. It must stay until it is removed or the model is closed. */
void model_observe(struct model *model, struct model_observer *observer);
void model_unobserve(struct model *model, struct model_observer *observer);

/* All objects of a kind, ordered by key. */
const struct tree *model_objects(const struct model *model, enum object_kind kind);
#define MODEL_OBJECT(tree_node, type) ((struct type *)(void *)CONTAINER_OF(tree_node, struct object, node))

/* Each NULL when there is none. */
struct cluster *model_cluster(struct model *model, const char *name);
struct family *model_family(struct model *model, const char *name);
struct task_definition *model_task_definition(struct model *model, const char *family, int revision);
struct instance *model_instance(struct model *model, const char *cluster, const char *id);
/* That a task's state names; NULL when it names none or it is gone. */
struct instance *model_task_instance(struct model *model, const struct state_task *state);
struct task *model_task(struct model *model, const char *cluster, const char *id);
struct capacity_provider *model_capacity_provider(struct model *model, const char *name);
struct setting *model_setting(struct model *model, const char *principal_arn, enum ecs_setting_name name);
struct access_key *model_access_key(struct model *model, const char *id);
struct client_token *model_client_token(struct model *model, const char *key);

/* All tasks of a cluster that are remembered, by id; NULL starts and ends. None may be removed meanwhile. */
struct task *model_next_task(struct model *model, const struct cluster *cluster, const struct task *task);
#define model_for_each_task(task, model, cluster) \
        for (struct task *task = model_next_task(model, cluster, NULL); task != NULL; task = model_next_task(model, cluster, task))

/* The STOPPED task whose stoppedAt is the oldest, or NULL: for whoever forgets old tasks. */
struct task *model_oldest_stopped(struct model *model);
/* STOPPED tasks of all clusters that are remembered. */
size_t model_stopped_count(const struct model *model);
/* lastStatus STOPPED or DELETED: holds no resources any more. */
bool task_is_over(const struct state_task *state);
/* PROVISIONING without an instance: waits for one that its capacity provider has to bring. */
bool task_is_waiting(const struct state_task *state);

/* Says whether the instance's agent is connected, and tells the observers when that is new. Not part of a transaction: a
 * connection is never stored. Connected again, an instance is not lost any more. */
void model_set_connected(struct model *model, struct instance *instance, bool connected);
/* Until when an instance that is neither connected nor lost is waited for. */
void model_set_lease(struct model *model, struct instance *instance, int64_t until_us);
/* The lease of an instance that is not connected has run out. Tells the observers when that is new. */
void model_set_lost(struct model *model, struct instance *instance, bool fenced);

/* Commits so far, and the last durable one. */
uint64_t model_sequence(const struct model *model);
uint64_t model_durable(const struct model *model);
/* Changes of objects that wait to become durable. */
size_t model_backlog(const struct model *model);
/* Calls waiter->durable when everything up to `sequence` is on disk; at once when it is already. */
void model_when_durable(struct model *model, uint64_t sequence, struct commit_waiter *waiter);

/*
 * For whoever plays the disk (simulator; a model without a loop): from now on commits wait in the queue. model_write hands all
 * that wait to the store, in one batch, as the writer thread does, and model_written then tells those who waited. What is between
 * the two is on disk and nobody knows it yet. False: nothing waited. A model that is closed with commits in its queue loses them.
 */
void model_hold_commits(struct model *model);
bool model_write(struct model *model);
void model_written(struct model *model);

/* At most one transaction is open at a time. Its arena lives until commit or rollback. */
struct tx *tx_begin(struct model *model);
struct arena *tx_arena(struct tx *tx);
struct model *tx_model(struct tx *tx);
/* A mutable deep copy of the object's state in the transaction's arena, e.g. `struct state_task *t = tx_edit(tx, &task->object);`
 * Put it back with tx_put. */
void *tx_edit(struct tx *tx, const struct object *object);
/* Makes `state` (of the kind's shape; copied) the object's state. The members that form the key must not change. States that
 * the object had before stay readable until the transaction ends. */
void tx_put(struct tx *tx, struct object *object, const void *state);
/* Creates an object from `state`; the key comes from its members and must be new; what it belongs to (cluster, family) must
 * exist. */
struct object *tx_insert(struct tx *tx, enum object_kind kind, const void *state);
/* Removes the object; its memory lives until the transaction ends. A cluster must be empty; tasks survive their instance and
 * their task definition. */
void tx_remove(struct tx *tx, struct object *object);
/* Queues the changes for the store, tells the observers, frees the transaction; returns its sequence number. A transaction
 * without changes gets that of the last one. */
uint64_t tx_commit(struct tx *tx);
/* Undoes everything and frees the transaction. */
void tx_rollback(struct tx *tx);

/* Names. Each returns memory of `arena`. The way back, from what clients write, is in model/names.h. */
char *model_cluster_arn(const struct model *model, struct arena *arena, const char *cluster);
char *model_task_arn(const struct model *model, struct arena *arena, const char *cluster, const char *id);
char *model_instance_arn(const struct model *model, struct arena *arena, const char *cluster, const char *id);
char *model_container_arn(const struct model *model, struct arena *arena, const char *cluster, const char *task, const char *id);
char *model_task_definition_arn(const struct model *model, struct arena *arena, const char *family, int revision);
