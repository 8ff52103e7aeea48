/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the ECS service share: finding things by the names that clients use, rules for tags, pages. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "api/call.h"
#include "api/ecs.idl.h"
#include "base/arena.h"
#include "model/model.h"

/* Registers every file's routes: one line per table in ecs/routes.c. */
void ecs_register(struct api *api);

/* ---- Names: model/names.h with the call's error ---- */

/* 1..max letters, digits, '-' and '_': the names of clusters and families. */
bool ecs_name_valid(const char *name, size_t max);
/* The ACTIVE cluster that the caller names (NULL or "": "default"); ClusterNotFoundException when there is none. */
int ecs_find_cluster(struct api_call *call, const char *cluster, struct cluster **ret) MUST_CHECK;
/* The same, and FARGATE_CLUSTER too: for agents and operators. */
int ecs_find_host_cluster(struct api_call *call, const char *cluster, struct cluster **ret) MUST_CHECK;
/* NULL when the text names none in that cluster, for whatever reason: describing operations report it as MISSING. The instance
 * may be INACTIVE. */
struct task *ecs_find_task(struct api_call *call, struct cluster *cluster, const char *text);
struct instance *ecs_find_instance(struct api_call *call, struct cluster *cluster, const char *text);
/*
 * "family" (its newest ACTIVE revision), "family:7" or an ARN. Finds revisions of any status when the revision is named: callers
 * check `state->definition->status`. ClientException "Unable to describe task definition." when there is none (`ecs_find…`);
 * `ecs_runnable…` refuses with "TaskDefinition not found." or, for one that is not ACTIVE, "TaskDefinition is inactive".
 */
int ecs_find_task_definition(struct api_call *call, const char *text, struct task_definition **ret) MUST_CHECK;
int ecs_runnable_task_definition(struct api_call *call, const char *text, struct task_definition **ret) MUST_CHECK;

/* ---- Tags ---- */

/* Checks tags of a request: at most 50, keys 1..128 and given once, values to 256 characters, allowed characters, no "aws:". */
int ecs_check_tags(struct api_call *call, const struct ecs_tag_list *tags) MUST_CHECK;
/* Sets `tags` on top of `list` (same key: new value), into `arena`. */
void ecs_merge_tags(struct ecs_tag_list *list, const struct ecs_tag_list *tags, struct arena *arena);

/* ---- Lists ---- */

/* True when an `include` list (struct int_list of enum values) names `value`. */
bool ecs_includes(const struct int_list *include, int value);
/* Appends to a response's failures. `reason` must outlive the call's arena or be in it; `detail` may be NULL. */
void ecs_fail_item(struct api_call *call, struct ecs_failure_list *failures, const char *arn, const char *reason, const char *detail);
