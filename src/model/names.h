/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients write for a resource, and the resource behind it: a short name, an id or a full ARN, everywhere. ARNs are made
 * by model_..._arn (model.h); both the long form and the short one of before 2018 (task/ID, container-instance/ID) are read.
 *
 * Finders return 0 and the object; -ENOENT when the text is well formed and nothing is there; -EINVAL with the API error set
 * when it is malformed, of another type, or of another account, region or cluster.
 */
#pragma once

#include "model/model.h"

/* arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE */
struct arn {
        char partition[24], service[32], region[40], account[16];
        const char *resource; /* in the text that was parsed: "task/default/ID" */
};

/* -EINVAL when it is not an ARN (no error object: the caller knows what it wanted). */
int arn_parse(const char *text, struct arn *ret) MUST_CHECK;
/* The part of the resource behind "TYPE/", or NULL when it is of another type. */
const char *arn_resource(const struct arn *arn, const char *type);

struct task_definition_name {
        char family[256];
        int revision; /* 0: none given, the latest active one is meant */
};

/* "family", "family:revision" or an ARN; -EINVAL with a ClientException. */
int model_parse_task_definition(const struct model *model, const char *text, struct task_definition_name *ret,
                                struct error *error) MUST_CHECK;
/* The name in a cluster's name or ARN, into `ret` (256 bytes); NULL and "" mean "default". -EINVAL: InvalidParameterException, or
 * ClusterNotFoundException for another account or region. It need not exist. */
int model_parse_cluster(const struct model *model, const char *text, char ret[256], struct error *error) MUST_CHECK;

/* NULL and "" mean "default". When there is none, `error` says ClusterNotFoundException as well. The cluster may be INACTIVE. */
int model_find_cluster(struct model *model, const char *text, struct cluster **ret, struct error *error) MUST_CHECK;
/* The same, and an INACTIVE cluster counts as not found. */
int model_find_active_cluster(struct model *model, const char *text, struct cluster **ret, struct error *error) MUST_CHECK;
int model_find_task(struct model *model, struct cluster *cluster, const char *text, struct task **ret, struct error *error) MUST_CHECK;
int model_find_instance(struct model *model, struct cluster *cluster, const char *text, struct instance **ret,
                        struct error *error) MUST_CHECK;
/* Without a revision: the latest ACTIVE one; with one: that, whatever its status. */
int model_find_task_definition(struct model *model, const char *text, struct task_definition **ret, struct error *error) MUST_CHECK;
/* A name or an ARN; the service may be INACTIVE. */
int model_find_service(struct model *model, struct cluster *cluster, const char *text, struct service **ret,
                       struct error *error) MUST_CHECK;
/* "ecs-svc/DIGITS", the digits alone, or an ARN. */
int model_find_task_set(struct model *model, const struct service *service, const char *text, struct task_set **ret,
                        struct error *error) MUST_CHECK;
/* Whatever the full ARN names: a cluster, task definition, task, container instance, capacity provider, service, or what belongs
 * to a service (others: -ENOENT). */
int model_find_resource(struct model *model, const char *text, struct object **ret, struct error *error) MUST_CHECK;
