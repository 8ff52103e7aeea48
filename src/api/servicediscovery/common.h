/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of AWS Cloud Map share. */
#pragma once

#include "api/call.h"
#include "api/pagination.h"
#include "api/servicediscovery.idl.h"
#include "control/discovery.h"

/* Registers all operations. */
void servicediscovery_register(struct api *api);
/* Frees what that made. */
void servicediscovery_done(struct api *api);
/* discover.c: begins to count the revisions of services. */
void servicediscovery_watch(struct api *api);

/* Everything below fails with the client's error in the call and -EINVAL. */

/* By id or ARN: NamespaceNotFound, ServiceNotFound. */
int sd_find_namespace(struct api_call *call, const char *text, struct discovery_namespace **ret) MUST_CHECK;
int sd_find_service(struct api_call *call, const char *text, struct discovery_service **ret) MUST_CHECK;
/* InvalidInput with the text. */
int sd_invalid(struct api_call *call, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A page of 1 to 100: InvalidInput. */
int sd_page(struct api_call *call, const char *token, bool has_max, int max_results, const char *binding, struct api_page *ret) MUST_CHECK;
/* A new id, "ns-" and 16 letters and digits, in the call's arena. */
const char *sd_new_id(struct api_call *call, const char *prefix);

/* Puts the operation into the transaction, commits that, and gives the operation's id for the answer. Of `operation` type and ids are
 * set. */
const char *sd_commit(struct api_call *call, struct tx *tx, struct state_discovery_operation *operation);

/* How a condition of a filter compares: EQ when it says none. `allowed` are those that may be used. InvalidInput. */
struct sd_filter {
        const char *name;
        enum sd_filter_condition condition;
        const struct string_list *values;
};
int sd_filter_check(struct api_call *call, struct sd_filter *filter, unsigned allowed) MUST_CHECK;
bool sd_filter_matches(const struct sd_filter *filter, const char *value);
#define SD_ALLOW(condition) (1U << SD_FILTER_CONDITION_##condition)

/* Tags of a creation, checked (TooManyTagsException, InvalidInput) and added to `tags`; a key that is there gets the new value. */
int sd_merge_tags(struct api_call *call, struct ecs_tag_list *tags, const struct sd_tag_list *more) MUST_CHECK;

extern const struct api_route sd_namespace_routes[], sd_service_routes[], sd_instance_routes[], sd_discover_routes[], sd_operation_routes[],
        sd_attribute_routes[], sd_tag_routes[];
