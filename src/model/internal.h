/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of src/model share and nobody else sees. */
#pragma once

#include "base/buf.h"
#include "model/commit.h"
#include "model/discovery.h"
#include "model/model.h"
#include "model/table.h"

/* Every object's structure starts like this. */
struct any_object {
        struct object object;
        const void *state;
};

struct meta {
        struct object object;
        const struct state_meta *state;
};

/*
 * What is special about a kind. The hooks keep the indexes; the object's key, state and place in its tree are seen to by the
 * caller. They are called for loading, transactions and their reversal alike.
 */
struct kind {
        const struct shape *shape;
        size_t size; /* of the object's structure */
        /* Appends the key that the state stands for. */
        void (*key)(const void *state, struct buf *out);
        /* The object has got its first state: links it with what it belongs to. -ENOENT when that is missing. NULL: nothing to do. */
        int (*attach)(struct model *model, struct object *object);
        /* object->state is new. NULL: nothing to do. */
        void (*change)(struct model *model, struct object *object, const void *old_state);
        /* The object, still with its state, leaves all indexes. NULL: nothing to do. */
        void (*detach)(struct model *model, struct object *object);
        /* Frees what the structure owns besides key and state. NULL: nothing. */
        void (*release)(struct object *object);
};

extern const struct kind model_kinds[OBJECT_KIND_MAX];

/* Hooks, one file per kind. */
int cluster_attach(struct model *model, struct object *object);
void cluster_detach(struct model *model, struct object *object);
int family_attach(struct model *model, struct object *object);
void family_detach(struct model *model, struct object *object);
int definition_attach(struct model *model, struct object *object);
void definition_change(struct model *model, struct object *object, const void *old_state);
void definition_detach(struct model *model, struct object *object);
int instance_attach(struct model *model, struct object *object);
void instance_change(struct model *model, struct object *object, const void *old_state);
void instance_detach(struct model *model, struct object *object);
/* Its agent has come, or is not waited for any more. */
void instance_arrived(struct instance *instance);
void instance_release(struct object *object);
int task_attach(struct model *model, struct object *object);
void task_change(struct model *model, struct object *object, const void *old_state);
void task_detach(struct model *model, struct object *object);
int service_attach(struct model *model, struct object *object);
void service_change(struct model *model, struct object *object, const void *old_state);
void service_detach(struct model *model, struct object *object);
int service_revision_attach(struct model *model, struct object *object);
void service_revision_detach(struct model *model, struct object *object);
int service_deployment_attach(struct model *model, struct object *object);
void service_deployment_detach(struct model *model, struct object *object);
int service_event_attach(struct model *model, struct object *object);
void service_event_change(struct model *model, struct object *object, const void *old_state);
void service_event_detach(struct model *model, struct object *object);
int task_set_attach(struct model *model, struct object *object);
void task_set_detach(struct model *model, struct object *object);
/* A task counts with its service, and its revision or task set, until it is STOPPED. */
void task_join_service(struct model *model, struct task *task, const struct state_task *state);
void task_leave_service(struct task *task, const struct state_task *state);
void task_change_service(struct model *model, struct task *task, const struct state_task *old);
int load_balancer_attach(struct model *model, struct object *object);
void load_balancer_detach(struct model *model, struct object *object);
void load_balancer_release(struct object *object);
int listener_attach(struct model *model, struct object *object);
void listener_change(struct model *model, struct object *object, const void *old_state);
void listener_detach(struct model *model, struct object *object);
int listener_rule_attach(struct model *model, struct object *object);
void listener_rule_change(struct model *model, struct object *object, const void *old_state);
void listener_rule_detach(struct model *model, struct object *object);
int target_group_attach(struct model *model, struct object *object);
void target_group_detach(struct model *model, struct object *object);
int target_attach(struct model *model, struct object *object);
void target_change(struct model *model, struct object *object, const void *old_state);
void target_detach(struct model *model, struct object *object);
/* A task that is forgotten leaves its targets, and finds them again when that is undone. */
void task_leave_targets(struct task *task);
void task_join_targets(struct model *model, struct task *task);
int vpc_kind_attach(struct model *model, struct object *object);
void vpc_kind_detach(struct model *model, struct object *object);
int vpc_member_attach(struct model *model, struct object *object);
void vpc_member_change(struct model *model, struct object *object, const void *old_state);
void vpc_member_detach(struct model *model, struct object *object);
int security_group_attach(struct model *model, struct object *object);
void security_group_detach(struct model *model, struct object *object);
int subnet_attach(struct model *model, struct object *object);
void subnet_detach(struct model *model, struct object *object);
void subnet_release(struct object *object);
int interface_attach(struct model *model, struct object *object);
void interface_change(struct model *model, struct object *object, const void *old_state);
void interface_detach(struct model *model, struct object *object);
void interface_release(struct object *object);
int elastic_attach(struct model *model, struct object *object);
void elastic_change(struct model *model, struct object *object, const void *old_state);
void elastic_detach(struct model *model, struct object *object);
int alarm_attach(struct model *model, struct object *object);
void alarm_detach(struct model *model, struct object *object);
int alarm_history_attach(struct model *model, struct object *object);
void alarm_history_detach(struct model *model, struct object *object);
int scaling_group_attach(struct model *model, struct object *object);
void scaling_group_detach(struct model *model, struct object *object);
int machine_attach(struct model *model, struct object *object);
void machine_detach(struct model *model, struct object *object);
int discovery_namespace_attach(struct model *model, struct object *object);
void discovery_namespace_detach(struct model *model, struct object *object);
int discovery_service_attach(struct model *model, struct object *object);
void discovery_service_detach(struct model *model, struct object *object);
int discovery_instance_attach(struct model *model, struct object *object);
void discovery_instance_detach(struct model *model, struct object *object);
/* A revision or task set that names a discovery service is among its users while both are there. */
void discovery_user_join(struct model *model, struct discovery_user *user, struct object *owner);
void discovery_user_leave(struct discovery_user *user);
/* For an instance or definition that comes back when a transaction is reversed: gives it the tasks that it had. */
void task_join_instance(struct model *model, struct task *task);
void task_leave_instance(struct task *task);
void task_join_definition(struct model *model, struct task *task);
void task_leave_definition(struct task *task);

/* A change of the open transaction: one for each object that it touched. */
struct tx_change {
        struct list link;
        struct object *object;
        const void *old_state; /* before the transaction; NULL: it created the object */
        bool removed;
};

/* A state that the transaction replaced after having made it. */
struct tx_garbage {
        struct tx_garbage *next;
        const void *state;
};

struct tx {
        struct model *model;
        struct arena arena;
        struct list changes; /* in the order in which objects were first touched */
        struct tx_garbage *garbage;
        bool open, undoing;
};

struct model {
        struct store *store;
        struct env *env;
        struct tree objects[OBJECT_KIND_MAX];
        struct table tables[OBJECT_KIND_MAX]; /* the same objects */
        uint64_t last_id[OBJECT_KIND_MAX];    /* that was given to an object of the kind */
        struct list observers;
        struct list stopped; /* of struct task, by stoppedAt */
        size_t n_stopped;
        struct commit_queue *queue;
        struct buf key; /* scratch */
        struct tx tx;
        struct meta *meta;
        bool balancing; /* a proxy serves the load balancers */
        bool loading;   /* the queue of stopped tasks is sorted afterwards */
};

static inline const void *object_state(const struct object *object)
{
        return ((const struct any_object *)(const void *)object)->state;
}

/* The key that a state stands for, in the model's scratch buffer. */
const char *model_key_of(struct model *model, enum object_kind kind, const void *state);
/* A new object with this state (taken over) and key, in no index yet. Its id is the caller's to give. */
struct object *object_new(enum object_kind kind, const void *state, const char *key);
void object_free(struct object *object);
/* The same, but returns the state, which is the caller's now. */
const void *object_free_but_state(struct object *object);
/* Into its tree and indexes: 0 or -ENOENT when what it belongs to is missing (then it is in no index). */
int object_link(struct model *model, struct object *object);
void object_unlink(struct model *model, struct object *object);
