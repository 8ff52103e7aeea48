/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces: private ones, whose names are answered inside a VPC, and HTTP ones, which only DiscoverInstances answers. */
#include <ctype.h>
#include <string.h>

#include "api/servicediscovery/common.h"
#include "base/strutil.h"
#include "model/network.h"

#define DEFAULT_SOA_TTL 15 /* seconds, as AWS sets it */

/* ---- Create ---- */

/* Labels of letters, digits and hyphens, also underscores; no dot at the end. */
static bool is_dns_name(const char *name)
{
        while (name != NULL) {
                const char *label = name;
                size_t n = str_dns_label(&name);

                if (n == 0 || label[0] == '-' || label[n - 1] == '-')
                        return false;
        }
        return true;
}

static bool is_http_name(const char *name)
{
        for (const char *p = name; *p != '\0'; p++)
                if (*p < '!' || *p > '~')
                        return false;
        return name[0] != '\0' && !str_starts_with(name, "arn:");
}

/* Names of HTTP namespaces are unique; private ones may share a name in different VPCs. */
static int check_unique(struct api_call *call, const char *name, const char *vpc)
{
        tree_for_each (node, model_objects(call->model, OBJECT_DISCOVERY_NAMESPACE)) {
                const struct discovery_namespace *other = MODEL_OBJECT(node, discovery_namespace);

                if (str_eq_nocase(other->state->name, name) && (vpc == NULL || other->state->vpc == NULL || str_eq(other->state->vpc, vpc)))
                        return api_fail(call, "NamespaceAlreadyExists", "The namespace %.255s exists already: %s (CreatorRequestId %s).",
                                        name, other->state->id,
                                        other->state->creator_request_id != NULL ? other->state->creator_request_id : "none");
        }
        return 0;
}

static const char *insert(struct api_call *call, struct state_discovery_namespace *state)
{
        struct state_discovery_operation operation = {.type = SD_OPERATION_TYPE_CREATE_NAMESPACE};
        struct tx *tx = tx_begin(call->model);

        state->id = sd_new_id(call, "ns-");
        state->created_at = call->now_ms;
        if (state->creator_request_id == NULL)
                state->creator_request_id = call->request_id;
        operation.namespace = state->id;
        tx_insert(tx, OBJECT_DISCOVERY_NAMESPACE, state);
        return sd_commit(call, tx, &operation);
}

static int create_http(struct api_call *call, const void *input, void *output)
{
        const struct sd_create_http_namespace_request *in = input;
        struct sd_create_http_namespace_response *out = output;
        struct state_discovery_namespace state = {.name = in->name,
                                                  .type = SD_NAMESPACE_TYPE_HTTP,
                                                  .description = in->description,
                                                  .creator_request_id = in->creator_request_id};
        int r;

        if (!is_http_name(in->name))
                return sd_invalid(call, "Name: \"%.255s\" is not a name of printable characters without blanks.", in->name);
        r = check_unique(call, in->name, NULL);
        if (r == 0)
                r = sd_merge_tags(call, &state.tags, &in->tags);
        if (r == 0)
                out->operation_id = insert(call, &state);
        return r;
}

static int64_t soa_ttl(const struct sd_private_dns_namespace_properties *properties)
{
        return properties != NULL ? properties->dns_properties->soa->ttl : DEFAULT_SOA_TTL;
}

static int create_private(struct api_call *call, const void *input, void *output)
{
        const struct sd_create_private_dns_namespace_request *in = input;
        struct sd_create_private_dns_namespace_response *out = output;
        struct state_discovery_namespace state = {.name = in->name,
                                                  .type = SD_NAMESPACE_TYPE_DNS_PRIVATE,
                                                  .vpc = in->vpc,
                                                  .description = in->description,
                                                  .creator_request_id = in->creator_request_id};
        char zone[15];
        int r;

        if (!is_dns_name(in->name))
                return sd_invalid(call, "Name: \"%.255s\" is not a domain name: labels of 1 to 63 letters, digits, hyphens or underscores.",
                                  in->name);
        if (model_vpc(call->model, in->vpc) == NULL)
                return sd_invalid(call, "Vpc: there is no VPC %s. `aws ec2 describe-vpcs` lists them.", in->vpc);
        r = check_unique(call, in->name, in->vpc);
        if (r == 0)
                r = sd_merge_tags(call, &state.tags, &in->tags);
        if (r < 0)
                return r;
        SHAPE_SET(&state, state_discovery_namespace, soa_ttl, soa_ttl(in->properties));
        env_random_hex(model_env(call->model), zone, 14);
        for (char *p = zone; *p != '\0'; p++)
                *p = (char)toupper((unsigned char)*p);
        state.hosted_zone = arena_printf(call->arena, "Z%s", zone);
        out->operation_id = insert(call, &state);
        return 0;
}

static int refuse_public(struct api_call *call, UNUSED const void *input, UNUSED void *output)
{
        return sd_invalid(call, "Public namespaces need a DNS server that the Internet asks, which this server is not. Use "
                                "CreatePrivateDnsNamespace, whose names are answered inside a VPC, or CreateHttpNamespace.");
}

/* ---- Show ---- */

static void show_properties(struct api_call *call, const struct state_discovery_namespace *state, struct sd_namespace_properties **ret)
{
        struct sd_namespace_properties *out = *ret = ARENA_NEW(call->arena, struct sd_namespace_properties);

        out->http_properties = ARENA_NEW(call->arena, struct sd_http_properties);
        out->http_properties->http_name = state->name;
        out->dns_properties = ARENA_NEW(call->arena, struct sd_dns_properties);
        if (state->type != SD_NAMESPACE_TYPE_DNS_PRIVATE)
                return;
        out->dns_properties->hosted_zone_id = state->hosted_zone;
        out->dns_properties->soa = ARENA_NEW(call->arena, struct sd_soa);
        SHAPE_SET(out->dns_properties->soa, sd_soa, ttl, state->soa_ttl);
}

static int get_namespace(struct api_call *call, const void *input, void *output)
{
        const struct sd_get_namespace_request *in = input;
        struct sd_get_namespace_response *out = output;
        struct discovery_namespace *namespace = NULL;
        int r = sd_find_namespace(call, in->id, &namespace);
        struct sd_namespace *view;

        if (r < 0)
                return r;
        view = out->namespace = ARENA_NEW(call->arena, struct sd_namespace);
        view->id = namespace->state->id;
        view->arn = model_discovery_arn(call->model, call->arena, "namespace", namespace->state->id);
        view->resource_owner = model_account(call->model);
        view->name = namespace->state->name;
        view->type = namespace->state->type;
        view->description = namespace->state->description;
        SHAPE_SET(view, sd_namespace, service_count, (int32_t) namespace->n_services);
        show_properties(call, namespace->state, &view->properties);
        view->create_date = namespace->state->created_at;
        view->creator_request_id = namespace->state->creator_request_id;
        return 0;
}

static void show_summary(struct api_call *call, const struct discovery_namespace *namespace, struct sd_namespace_summary *out)
{
        out->id = namespace->state->id;
        out->arn = model_discovery_arn(call->model, call->arena, "namespace", namespace->state->id);
        out->resource_owner = model_account(call->model);
        out->name = namespace->state->name;
        out->type = namespace->state->type;
        out->description = namespace->state->description;
        SHAPE_SET(out, sd_namespace_summary, service_count, (int32_t) namespace->n_services);
        show_properties(call, namespace->state, &out->properties);
        out->create_date = namespace->state->created_at;
}

/* -EINVAL, or whether the namespace passes. */
static int passes(struct api_call *call, const struct sd_list_namespaces_request *in, const struct state_discovery_namespace *state)
{
        for (uint32_t i = 0; i < in->filters.n; i++) {
                struct sd_filter filter = {.name = shape_enum_name(&sd_namespace_filter_name_enum, (int)in->filters.items[i].name),
                                           .condition = in->filters.items[i].condition,
                                           .values = &in->filters.items[i].values};
                bool owner = in->filters.items[i].name == SD_NAMESPACE_FILTER_NAME_RESOURCE_OWNER;
                const char *value = state->name;
                int r = sd_filter_check(call, &filter, owner ? SD_ALLOW(EQ) : SD_ALLOW(EQ) | SD_ALLOW(BEGINS_WITH));

                if (r < 0)
                        return r;
                if (owner)
                        value = "SELF";
                else if (in->filters.items[i].name == SD_NAMESPACE_FILTER_NAME_TYPE)
                        value = shape_enum_name(&sd_namespace_type_enum, (int)state->type);
                if (!sd_filter_matches(&filter, value))
                        return 0;
        }
        return 1;
}

static int list_namespaces(struct api_call *call, const void *input, void *output)
{
        const struct sd_list_namespaces_request *in = input;
        struct sd_list_namespaces_response *out = output;
        struct api_page page;
        int r = sd_page(call, in->next_token, SHAPE_HAS(in, sd_list_namespaces_request, max_results), in->max_results, NULL, &page);

        for (struct tree_node *node = r == 0 ? tree_after(model_objects(call->model, OBJECT_DISCOVERY_NAMESPACE), page.after) : NULL;
             node != NULL; node = tree_next(node)) {
                const struct discovery_namespace *namespace = MODEL_OBJECT(node, discovery_namespace);

                r = passes(call, in, namespace->state);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                if (!api_page_add(&page, namespace->object.key)) {
                        out->next_token = api_page_token(call, &page);
                        return 0;
                }
                show_summary(call, namespace, SHAPE_PUSH(call->arena, &out->namespaces));
        }
        return r < 0 ? r : 0;
}

/* ---- Update and delete ---- */

static int update(struct api_call *call, const char *id, enum sd_namespace_type type, const char *description,
                  const struct sd_private_dns_namespace_properties_change *properties, const char **ret_operation)
{
        struct state_discovery_operation operation = {.type = SD_OPERATION_TYPE_UPDATE_NAMESPACE};
        struct discovery_namespace *namespace = NULL;
        struct state_discovery_namespace *state;
        struct tx *tx;
        int r = sd_find_namespace(call, id, &namespace);

        if (r < 0)
                return r;
        if (namespace->state->type != type)
                return sd_invalid(call, "The namespace %s is of type %s.", id,
                                  shape_enum_name(&sd_namespace_type_enum, (int)namespace->state->type));
        tx = tx_begin(call->model);
        state = tx_edit(tx, &namespace->object);
        if (description != NULL)
                state->description = description;
        if (properties != NULL)
                SHAPE_SET(state, state_discovery_namespace, soa_ttl, properties->dns_properties->soa->ttl);
        tx_put(tx, &namespace->object, state);
        operation.namespace = arena_strdup(call->arena, state->id);
        *ret_operation = sd_commit(call, tx, &operation);
        return 0;
}

static int update_http(struct api_call *call, const void *input, void *output)
{
        const struct sd_update_http_namespace_request *in = input;
        struct sd_update_http_namespace_response *out = output;

        return update(call, in->id, SD_NAMESPACE_TYPE_HTTP, in->namespace->description, NULL, &out->operation_id);
}

static int update_private(struct api_call *call, const void *input, void *output)
{
        const struct sd_update_private_dns_namespace_request *in = input;
        struct sd_update_private_dns_namespace_response *out = output;

        return update(call, in->id, SD_NAMESPACE_TYPE_DNS_PRIVATE, in->namespace->description, in->namespace->properties,
                      &out->operation_id);
}

static int delete_namespace(struct api_call *call, const void *input, void *output)
{
        const struct sd_delete_namespace_request *in = input;
        struct sd_delete_namespace_response *out = output;
        struct state_discovery_operation operation = {.type = SD_OPERATION_TYPE_DELETE_NAMESPACE};
        struct discovery_namespace *namespace = NULL;
        int r = sd_find_namespace(call, in->id, &namespace);
        struct tx *tx;

        if (r < 0)
                return r;
        if (namespace->n_services > 0)
                return api_fail(call, "ResourceInUse", "The namespace %s has %zu service(s): delete them first.", in->id,
                                namespace->n_services);
        tx = tx_begin(call->model);
        operation.namespace = arena_strdup(call->arena, namespace->state->id);
        tx_remove(tx, &namespace->object);
        out->operation_id = sd_commit(call, tx, &operation);
        return 0;
}

const struct api_route sd_namespace_routes[] = {
        {SD_OP_CREATE_HTTP_NAMESPACE, create_http},
        {SD_OP_CREATE_PRIVATE_DNS_NAMESPACE, create_private},
        {SD_OP_CREATE_PUBLIC_DNS_NAMESPACE, refuse_public},
        {SD_OP_UPDATE_PUBLIC_DNS_NAMESPACE, refuse_public},
        {SD_OP_GET_NAMESPACE, get_namespace},
        {SD_OP_LIST_NAMESPACES, list_namespaces},
        {SD_OP_UPDATE_HTTP_NAMESPACE, update_http},
        {SD_OP_UPDATE_PRIVATE_DNS_NAMESPACE, update_private},
        {SD_OP_DELETE_NAMESPACE, delete_namespace},
        {0, NULL},
};
