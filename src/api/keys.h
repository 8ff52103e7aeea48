/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access keys. USER keys are people and programs and may call everything; AGENT keys are what nodes join with (a join token is
 * "KEYID:SECRET" of one) and may call only what an agent needs (auth.c lists it); SESSION keys come from sts, carry a token
 * and end. Secrets are stored as they are: SigV4 is symmetric.
 */
#pragma once

#include "api/server.h"

struct api_key_request {
        enum state_key_kind kind;
        const char *principal_arn;                     /* NULL: user/admin for USER; "…:role/ecsInstanceRole" for AGENT */
        const char *comment;                           /* NULL: none */
        int64_t expires_at;                            /* ms; 0: never. Required for SESSION and TASK. */
        const char *task, *role_type, *credentials_id; /* of TASK: see AccessKey in api/state.idl */
        const char *machine;                           /* of AGENT: the machine of a group that joins with it */
};

/* Creates a key in `tx`. TASK and SESSION keys get a session token. */
struct access_key *api_key_insert(struct model *model, struct tx *tx, const struct api_key_request *request);

/* Creates a key and queues it for the store; wait with model_when_durable before showing it to anybody. */
int api_key_create(struct model *model, const struct api_key_request *request, const struct access_key **ret,
                   struct error *error) MUST_CHECK;
/* -ENOENT with a message when there is none; refuses (-EBUSY) to remove the last USER key. */
int api_key_delete(struct model *model, const char *id, struct error *error) MUST_CHECK;
/* Removes SESSION keys that ended before `now_ms`; returns how many. */
size_t api_keys_expire(struct model *model, int64_t now_ms);

/* A key for the machine of that id, in `tx`; its id. For struct machine_driver_options. */
const char *api_key_for_machine(struct model *model, struct tx *tx, const char *machine);

/* The administrator's key (USER) and the join key (AGENT) of this installation: made at the first start, found later. */
int api_bootstrap_keys(struct model *model, const struct access_key **ret_admin, const struct access_key **ret_agent,
                       struct error *error) MUST_CHECK;

/* "arn:aws:iam::ACCOUNT:user/admin" */
char *api_admin_arn(const struct model *model, struct arena *arena);
/* A stable unique id of a principal such as "AIDAQ3ZK…" (prefix "AIDA" for users, "AROA" for roles), as clients show it; in the arena. */
char *api_unique_id(struct arena *arena, const char *prefix, const char *arn);
