/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the EC2 service share: resources by id, how each is shown, filtered and tagged. A resource is one row of the
 * table ec2_kinds (kinds.c); describing, tagging and looking up are the same code for all.
 */
#pragma once

#include "api/call.h"
#include "api/ec2.idl.h"
#include "control/interface.h"
#include "control/network.h"

/* A name that clients filter by, and where the answer has its value. */
struct ec2_filter_name {
        const char *name; /* "vpc-id"; NULL ends a table */
        const char *path; /* in the shape that is shown, "vpcId"; see codec/shape_path.h. NULL: nothing here ever has it */
};

/* Fills `out` (zeroed, of the kind's shape). New strings and lists go into `arena`; others may be the state's. */
typedef void (*ec2_show_fn)(struct api_call *call, struct arena *arena, struct object *object, void *out);

struct ec2_kind {
        enum object_kind kind;
        const char *prefix;  /* of ids: "vpc-" */
        const char *type;    /* in tag specifications and DescribeTags: "vpc" */
        const char *missing; /* error code: "InvalidVpcID.NotFound" */
        const char *text;    /* and its message, with a %s for the id */
        size_t tags;         /* of the tags in the state */
        const struct shape *shape;
        ec2_show_fn show;
        const struct ec2_filter_name *filters; /* besides tag:KEY, tag-key and tag-value */
};
extern const struct ec2_kind ec2_kinds[];
extern const size_t ec2_n_kinds;
const struct ec2_kind *ec2_kind(enum object_kind kind);
/* By the prefix of an id; NULL. */
const struct ec2_kind *ec2_kind_of_id(const char *id);

void ec2_register(struct api *api);

/* ---- Finding ---- */

/* 0 and the object, or the kind's error. A missing id (NULL, "") fails as well. */
int ec2_find(struct api_call *call, enum object_kind kind, const char *id, struct object **ret) MUST_CHECK;
#define EC2_FIND(call, type, kind, id, ret)                                          \
        ({                                                                           \
                struct object *found_ = NULL;                                        \
                int r_ = ec2_find(call, kind, id, &found_);                          \
                                                                                     \
                *(ret) = r_ == 0 ? CONTAINER_OF(found_, struct type, object) : NULL; \
                r_;                                                                  \
        })

/* ---- Describing ---- */

/* What a Describe operation was asked. */
struct ec2_query {
        const struct string_list *ids;
        const struct ec2_filter_list *filters;
        const char *next_token;
        bool has_max;
        int32_t max;
};
#define EC2_QUERY(type, in, ids_)                                        \
        ((struct ec2_query){.ids = &(in)->ids_,                          \
                            .filters = &(in)->filter,                    \
                            .next_token = (in)->next_token,              \
                            .has_max = SHAPE_HAS(in, type, max_results), \
                            .max = (in)->max_results})

/*
 * Shows all objects of the kind that the query asks for into `list` (a list of the kind's shape), a page at a time (1,000 unless
 * the query says less). Unknown ids and filters fail.
 */
int ec2_describe(struct api_call *call, const struct ec2_kind *kind, const struct ec2_query *query, void *list,
                 const char **ret_next_token) MUST_CHECK;

/* The same without pages: of operations that have none. `list` gets all of them. */
int ec2_describe_all(struct api_call *call, const struct ec2_kind *kind, const struct ec2_query *query, void *list) MUST_CHECK;

/* Filters, checked against the names that there are. */
struct ec2_filters;
int ec2_filters_read(struct api_call *call, const struct ec2_filter_list *in, const struct ec2_filter_name *table,
                     struct ec2_filters **ret) MUST_CHECK;
bool ec2_filters_match(const struct ec2_filters *filters, const struct shape *shape, const void *view, const struct ecs_tag_list *tags);
/* The text of the filters: binds page tokens to them. */
const char *ec2_filters_binding(struct api_call *call, const struct ec2_filter_list *in);
/* Whether `text` matches `pattern` with * and ?, and \ before one that is meant itself. */
bool ec2_wildcard_match(const char *pattern, const char *text);

/* Drops from a list of views (of `shape`) those that the filters do not match: for what is no object of the model. */
int ec2_filter_views(struct api_call *call, const struct ec2_filter_list *in, const struct ec2_filter_name *table,
                     const struct shape *shape, void *list) MUST_CHECK;

struct api_page;
/* Checks max_results (5 to 1,000) and the token: as api_page_begin. */
int ec2_page_begin(struct api_call *call, const struct ec2_query *query, struct api_page *ret) MUST_CHECK;

/* ---- Tags ---- */

/* The tags of the specifications, which must be for this type of resource, checked and merged. */
int ec2_tags_of(struct api_call *call, const struct ec2_tag_specification_list *specifications, const char *type,
                struct ecs_tag_list *ret) MUST_CHECK;

/* ---- Small things ---- */

/* Ends an operation that answers ec2_return_result: true. */
int ec2_done(void *output);

/* "arn:aws:ec2:REGION:ACCOUNT:TYPE/ID" */
const char *ec2_arn(const struct api_call *call, struct arena *arena, const char *type, const char *id);
/* "use1-az1" of "us-east-1a": by its place among the account's zones. */
const char *ec2_zone_id(const struct api_call *call, struct arena *arena, const char *zone);
/* InvalidParameterValue unless it is a range; `name` is the parameter. */
int ec2_read_cidr(struct api_call *call, const char *name, const char *text, struct cidr *ret) MUST_CHECK;
/* For parameters that cannot be had: fails with `code` when `given`. */
int ec2_refuse(struct api_call *call, bool given, const char *parameter, const char *why) MUST_CHECK;
bool ec2_list_has(const struct string_list *list, const char *text);
/* "dopt-…": the one set of DHCP options that there is. */
const char *ec2_dhcp_options_id(const struct api_call *call, struct arena *arena);

/* What a request with this token made, or NULL; IdempotentParameterMismatch when it was another request. */
int ec2_token_find(struct api_call *call, const char *token, const void *input, const char **ret_id) MUST_CHECK;
void ec2_token_remember(struct api_call *call, struct tx *tx, const char *token, const void *input, const char *id);

/* ---- How things are shown ---- */

void ec2_show_vpc(struct api_call *call, struct arena *arena, struct object *object, void *out);
void ec2_show_subnet(struct api_call *call, struct arena *arena, struct object *object, void *out);
void ec2_show_group(struct api_call *call, struct arena *arena, struct object *object, void *out);
void ec2_show_interface(struct api_call *call, struct arena *arena, struct object *object, void *out);
void ec2_show_internet_gateway(struct api_call *call, struct arena *arena, struct object *object, void *out);
void ec2_show_route_table(struct api_call *call, struct arena *arena, struct object *object, void *out);
void ec2_show_nat_gateway(struct api_call *call, struct arena *arena, struct object *object, void *out);
void ec2_show_address(struct api_call *call, struct arena *arena, struct object *object, void *out);
void ec2_show_acl(struct api_call *call, struct arena *arena, struct object *object, void *out);
void ec2_show_endpoint(struct api_call *call, struct arena *arena, struct object *object, void *out);
void ec2_show_launch_template(struct api_call *call, struct arena *arena, struct object *object, void *out);
extern const struct ec2_filter_name ec2_vpc_filters[], ec2_subnet_filters[], ec2_group_filters[], ec2_interface_filters[],
        ec2_internet_gateway_filters[], ec2_route_table_filters[], ec2_nat_gateway_filters[], ec2_address_filters[], ec2_acl_filters[],
        ec2_endpoint_filters[], ec2_launch_template_filters[];

/* ---- Routes, a table a file ---- */

extern const struct api_route ec2_vpc_routes[], ec2_vpc_attribute_routes[], ec2_subnet_routes[], ec2_group_routes[],
        ec2_permission_routes[], ec2_rule_routes[], ec2_interface_routes[], ec2_internet_gateway_routes[], ec2_route_table_routes[],
        ec2_route_routes[], ec2_nat_gateway_routes[], ec2_address_routes[], ec2_acl_routes[], ec2_acl_entry_routes[], ec2_endpoint_routes[],
        ec2_account_routes[], ec2_instance_routes[], ec2_instance_type_routes[], ec2_launch_template_routes[], ec2_prefix_list_routes[],
        ec2_tag_routes[];
