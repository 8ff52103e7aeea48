/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service discovery (AWS Cloud Map) in the model: namespaces, the services in them, and the instances that somebody has registered.
 *
 *     namespace ── service ─┬─ instances, by API
 *                           └─ users: revisions and task sets of ECS services that name it; their tasks are instances too
 *                                     (control/discovery.h), and nothing of that is stored
 */
#pragma once

#include "model/model.h"

/* Operations that are remembered. */
#define DISCOVERY_OPERATIONS 1000

struct discovery_namespace {
        struct object object; /* key: its id */
        const struct state_discovery_namespace *state;
        struct list services; /* of struct discovery_service, by in_namespace */
        size_t n_services;
};

struct discovery_service {
        struct object object; /* key: its id */
        const struct state_discovery_service *state;
        struct discovery_namespace *namespace;
        struct list in_namespace;
        struct list instances; /* of struct discovery_instance, by in_service */
        size_t n_instances;
        struct list users; /* of struct discovery_user, by in_service */
        int64_t revision;  /* of its instances; 0: none has changed since the start. Not the model's, not stored */
};

struct discovery_instance {
        struct object object; /* key "SERVICE/ID" */
        const struct state_discovery_instance *state;
        struct discovery_service *service;
        struct list in_service;
};

struct discovery_operation {
        struct object object; /* key: the number, of fixed width */
        const struct state_discovery_operation *state;
};

/* Part of a struct service_revision or struct task_set. */
struct discovery_user {
        struct list in_service;
        struct discovery_service *service; /* NULL: it names none, or none that there is */
        struct object *owner;              /* what it is part of */
};

/* Each NULL when there is none (or `id` is NULL). */
struct discovery_namespace *model_discovery_namespace(struct model *model, const char *id);
struct discovery_service *model_discovery_service(struct model *model, const char *id);
struct discovery_instance *model_discovery_instance(struct model *model, const char *service, const char *id);
struct discovery_operation *model_discovery_operation(struct model *model, const char *id);
/* By its ARN, of this account and region. */
struct discovery_service *model_discovery_service_of_arn(struct model *model, const char *arn);
/* The service registry that it names. Never NULL of a user with a service. */
const struct ecs_service_registry *discovery_user_registry(const struct discovery_user *user);

/* "arn:aws:servicediscovery:REGION:ACCOUNT:TYPE/ID" in `arena`; type is "namespace" or "service". */
char *model_discovery_arn(const struct model *model, struct arena *arena, const char *type, const char *id);
/* Records an operation, with its number, and forgets the oldest when there are too many. */
void model_discovery_record(struct tx *tx, struct state_discovery_operation *operation);
