/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access keys of task roles: made with the task, renewed before they end, taken back when the task has stopped. The keys are
 * objects of the model (kind TASK); this is the index from tasks to them. The agent knows each role's credentials by an id that
 * stays the same over all renewals and that nobody can guess.
 */
#pragma once

#include "api/acs.idl.h"
#include "base/list.h"
#include "base/map.h"
#include "model/model.h"

#define ROLE_APPLICATION "TaskApplication"
#define ROLE_EXECUTION "TaskExecution"

/* One role of one task, and its newest key. */
struct role {
        struct map_node node;   /* by "ROLETYPE cluster/id" */
        struct list in_agent;   /* agent->roles while the agent has to be sent it; not touched by credentials.c */
        struct list in_renewal; /* in order of the newest key's making */
        struct access_key *key;
        char name[];
};

struct credentials;

/* `renewed` is told when a role got a newer key, within the model's announcement of it. `lifetime_ms` of a key. */
struct credentials *credentials_new(struct model *model, int64_t lifetime_ms,
                                    void (*renewed)(struct role *role, uint64_t sequence, void *data), void *data);
struct credentials *credentials_free(struct credentials *credentials);

/* The ARN of the task's role of this type (override before definition), or NULL. */
const char *credentials_role_arn(const struct task *task, const char *role_type);
/* Inserts a key for each role of `task`. */
void credentials_add(struct credentials *credentials, struct tx *tx, const struct task *task);
/* NULL when the task has no such role or its keys are gone. */
struct role *credentials_find(const struct credentials *credentials, const struct task *task, const char *role_type);
/* As it goes to the agent, in `arena`. NULL for NULL. */
struct acs_role_credentials *credentials_message(const struct role *role, const struct task *task, struct arena *arena);
/* Renews what is due and takes back what belongs to no living task; a bounded number. No transaction may be open. */
void credentials_sweep(struct credentials *credentials, int64_t now_ms);
struct role *credentials_by_name(const struct credentials *credentials, const char *name);
