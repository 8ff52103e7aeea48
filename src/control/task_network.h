/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of awsvpc tasks. Whoever makes a task of that mode checks the configuration once, asks the scheduler for an instance
 * in one of its zones, and gives the new task its interface in the transaction that inserts the task:
 *
 *     r = task_network_check(model, network, &error);                   // when the request comes
 *     placement.zones = task_network_zones(model, network, arena);      // the scheduler answers LOCATION for others
 *     state = task_make(…);
 *     r = task_network_attach(model, tx, state, zone, &error);          // before tx_insert(tx, OBJECT_TASK, state)
 *
 * and every change of a task is stored with task_put, which ends the interface of a task that is over.
 */
#pragma once

#include "control/interface.h"

/* Type of the attachment, as the ECS API has it. */
#define TASK_ATTACHMENT_ENI "ElasticNetworkInterface"

bool task_uses_awsvpc(const struct ecs_task_definition *definition);

/*
 * Subnets and groups exist and lie in one VPC, and there are not too many: 0, or -EINVAL with InvalidParameterException. `network` may
 * be NULL.
 */
int task_network_check(struct model *model, const struct ecs_network_configuration *network, struct error *error) MUST_CHECK;
/* Zones of its subnets, each once, in `arena`; NULL when `network` is. */
struct string_list *task_network_zones(struct model *model, const struct ecs_network_configuration *network, struct arena *arena);

/*
 * Makes the interface of `state` (not inserted yet; its networkConfiguration is set) and its attachment, in one of its subnets that is in `zone`
 * (NULL or "": in any zone), the one with the most free addresses. A task of another mode: nothing. -ENOENT: no subnet is in that
 * zone (failure reason LOCATION); -ENOSPC: none has an address left (RESOURCE:ENI); -EINVAL: a subnet or group is gone.
 */
int task_network_attach(struct model *model, struct tx *tx, struct state_task *state, const char *zone, struct error *error) MUST_CHECK;

/* Its interface, or NULL when it has none (any more). */
struct network_interface *task_network_interface(struct model *model, const struct state_task *state);
/* A detail of the attachment ("privateIPv4Address", "networkInterfaceId" …), or NULL; also after the interface is gone. */
const char *task_network_detail(const struct state_task *state, const char *name);
/* Id of the attachment (the last part of its ARN), or NULL. */
const char *task_network_attachment_id(const struct state_task *state);
/* Sets the status of the attachment: PRECREATED, CREATED, ATTACHING, ATTACHED, DETACHING, DETACHED, DELETED. Returns whether it changed. */
bool task_network_set_status(struct state_task *state, const char *status);

/* tx_put for tasks (`state` from tx_edit): the attachment of a RUNNING task is ATTACHED; when the task is over its interface is
 * deleted in the same transaction. */
void task_put(struct model *model, struct tx *tx, struct task *task, struct state_task *state);
/* Deletes interfaces of tasks that are over or gone, should there be any: for the start. Returns how many. */
size_t task_network_sweep(struct model *model);
