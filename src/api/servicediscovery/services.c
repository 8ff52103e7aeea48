/* SPDX-License-Identifier: Apache-2.0 */
/* Services: what is found under one name. */
#include <string.h>

#include "api/servicediscovery/common.h"
#include "base/strutil.h"

#define NAME_MAX_LENGTH 127
#define DNS_NAME_MAX 253

/* ---- Rules ---- */

/* Labels between dots, of letters, digits, underscores, and hyphens that are not at an end; one of a single character is a letter or digit. */
static bool is_service_name(const char *name)
{
        if (strlen(name) > NAME_MAX_LENGTH)
                return false;
        while (name != NULL) {
                const char *label = name;
                size_t n = str_dns_label(&name);

                if (n == 0 || label[0] == '-' || label[n - 1] == '-' || (n == 1 && label[0] == '_'))
                        return false;
        }
        return true;
}

static int check_records(struct api_call *call, const struct sd_dns_record_list *records)
{
        unsigned seen = 0;

        if (records->n == 0)
                return sd_invalid(call, "DnsConfig.DnsRecords: name A or SRV, or both.");
        for (uint32_t i = 0; i < records->n; i++) {
                enum sd_record_type type = records->items[i].type;

                if (type == SD_RECORD_TYPE_AAAA || type == SD_RECORD_TYPE_CNAME)
                        return sd_invalid(call, "DnsConfig.DnsRecords[%u]: %s records are not answered here: %s. Use A or SRV.", i,
                                          shape_enum_name(&sd_record_type_enum, (int)type),
                                          type == SD_RECORD_TYPE_AAAA ? "networks have IPv4 addresses only"
                                                                      : "an alias leads outside of the VPC");
                if (seen & 1U << type)
                        return sd_invalid(call, "DnsConfig.DnsRecords[%u]: %s is given twice.", i,
                                          shape_enum_name(&sd_record_type_enum, (int)type));
                seen |= 1U << type;
        }
        return 0;
}

static int refuse_health_check(struct api_call *call, const struct sd_health_check_config *config)
{
        if (config == NULL)
                return 0;
        return sd_invalid(call, "HealthCheckConfig belongs to public namespaces: for others use HealthCheckCustomConfig, or the health "
                                "checks of the containers.");
}

/* Which kind of service it becomes, with its records. */
static int check_config(struct api_call *call, const struct sd_create_service_request *in, const struct discovery_namespace *namespace,
                        struct state_discovery_service *state)
{
        bool dns = namespace->state->type == SD_NAMESPACE_TYPE_DNS_PRIVATE;
        int r;

        if (!dns && in->dns_config != NULL)
                return sd_invalid(call, "DnsConfig: the namespace %s is of type HTTP, its services have no DNS records.",
                                  namespace->state->id);
        if (in->type == SD_SERVICE_TYPE_OPTION_HTTP && in->dns_config != NULL)
                return sd_invalid(call, "Type HTTP and DnsConfig exclude each other.");
        if (dns && in->type == SD_SERVICE_TYPE_OPTION_UNSET && in->dns_config == NULL)
                return sd_invalid(call, "DnsConfig is required in the DNS namespace %s, or Type HTTP.", namespace->state->id);
        state->type = in->dns_config != NULL ? SD_SERVICE_TYPE_DNS_HTTP : SD_SERVICE_TYPE_HTTP;
        if (in->dns_config == NULL)
                return 0;
        r = check_records(call, &in->dns_config->dns_records);
        if (r < 0)
                return r;
        if (strlen(in->name) + 1 + strlen(namespace->state->name) > DNS_NAME_MAX)
                return sd_invalid(call, "Name: %s.%s is longer than the %d characters of a domain name.", in->name, namespace->state->name,
                                  DNS_NAME_MAX);
        state->dns_records = in->dns_config->dns_records;
        state->routing_policy =
                in->dns_config->routing_policy != SD_ROUTING_POLICY_UNSET ? in->dns_config->routing_policy : SD_ROUTING_POLICY_MULTIVALUE;
        return 0;
}

static int check_unique(struct api_call *call, const struct discovery_namespace *namespace, const char *name)
{
        list_for_each (other, &namespace->services, struct discovery_service, in_namespace)
                if (str_eq_nocase(other->state->name, name))
                        return api_fail(call, "ServiceAlreadyExists",
                                        "The service %s exists in the namespace %s already: %s (CreatorRequestId %s).", name,
                                        namespace->state->name, other->state->id, other->state->creator_request_id);
        return 0;
}

/* ---- Show ---- */

static struct sd_dns_config *show_dns(struct api_call *call, const struct state_discovery_service *state)
{
        struct sd_dns_config *out;

        if (state->type == SD_SERVICE_TYPE_HTTP)
                return NULL;
        out = ARENA_NEW(call->arena, struct sd_dns_config);
        out->namespace_id = state->namespace;
        out->routing_policy = state->routing_policy;
        out->dns_records = state->dns_records;
        return out;
}

static void show(struct api_call *call, const struct discovery_service *service, struct sd_service_detail *out)
{
        const struct state_discovery_service *state = service->state;

        out->id = state->id;
        out->arn = model_discovery_arn(call->model, call->arena, "service", state->id);
        out->resource_owner = model_account(call->model);
        out->name = state->name;
        out->namespace_id = state->namespace;
        out->description = state->description;
        SHAPE_SET(out, sd_service_detail, instance_count, (int32_t)discovery_count(service));
        out->dns_config = show_dns(call, state);
        out->type = state->type;
        out->health_check_custom_config = state->custom_health;
        out->create_date = state->created_at;
        out->creator_request_id = state->creator_request_id;
        out->created_by_account = model_account(call->model);
}

static void show_summary(struct api_call *call, const struct discovery_service *service, struct sd_service_summary *out)
{
        const struct state_discovery_service *state = service->state;

        out->id = state->id;
        out->arn = model_discovery_arn(call->model, call->arena, "service", state->id);
        out->resource_owner = model_account(call->model);
        out->name = state->name;
        out->type = state->type;
        out->description = state->description;
        SHAPE_SET(out, sd_service_summary, instance_count, (int32_t)discovery_count(service));
        out->dns_config = show_dns(call, state);
        out->health_check_custom_config = state->custom_health;
        out->create_date = state->created_at;
        out->created_by_account = model_account(call->model);
}

/* ---- Create, get, list ---- */

static int create_service(struct api_call *call, const void *input, void *output)
{
        const struct sd_create_service_request *in = input;
        struct sd_create_service_response *out = output;
        const char *namespace_id = in->namespace_id != NULL ? in->namespace_id
                                   : in->dns_config != NULL ? in->dns_config->namespace_id
                                                            : NULL;
        struct state_discovery_service state = {.name = in->name,
                                                .custom_health = in->health_check_custom_config,
                                                .description = in->description,
                                                .creator_request_id =
                                                        in->creator_request_id != NULL ? in->creator_request_id : call->request_id,
                                                .created_at = call->now_ms};
        struct discovery_namespace *namespace = NULL;
        struct object *object;
        struct tx *tx;
        int r;

        if (namespace_id == NULL)
                return sd_invalid(call, "NamespaceId is required.");
        if (!is_service_name(in->name))
                return sd_invalid(call,
                                  "Name: \"%.200s\" must be labels of letters, digits, hyphens and underscores, at most %d characters.",
                                  in->name, NAME_MAX_LENGTH);
        r = sd_find_namespace(call, namespace_id, &namespace);
        if (r == 0)
                r = refuse_health_check(call, in->health_check_config);
        if (r == 0)
                r = check_config(call, in, namespace, &state);
        if (r == 0)
                r = check_unique(call, namespace, in->name);
        if (r == 0)
                r = sd_merge_tags(call, &state.tags, &in->tags);
        if (r < 0)
                return r;
        state.id = sd_new_id(call, "srv-");
        state.namespace = namespace->state->id;
        tx = tx_begin(call->model);
        object = tx_insert(tx, OBJECT_DISCOVERY_SERVICE, &state);
        tx_commit(tx);
        out->service = ARENA_NEW(call->arena, struct sd_service_detail);
        show(call, CONTAINER_OF(object, struct discovery_service, object), out->service);
        return 0;
}

static int get_service(struct api_call *call, const void *input, void *output)
{
        const struct sd_get_service_request *in = input;
        struct sd_get_service_response *out = output;
        struct discovery_service *service = NULL;
        int r = sd_find_service(call, in->id, &service);

        if (r < 0)
                return r;
        out->service = ARENA_NEW(call->arena, struct sd_service_detail);
        show(call, service, out->service);
        return 0;
}

/* -EINVAL, or whether the service passes. */
static int passes(struct api_call *call, const struct sd_list_services_request *in, const struct discovery_service *service)
{
        for (uint32_t i = 0; i < in->filters.n; i++) {
                bool owner = in->filters.items[i].name == SD_SERVICE_FILTER_NAME_RESOURCE_OWNER;
                struct sd_filter filter = {.name = owner ? "RESOURCE_OWNER" : "NAMESPACE_ID",
                                           .condition = in->filters.items[i].condition,
                                           .values = &in->filters.items[i].values};
                int r = sd_filter_check(call, &filter, owner ? SD_ALLOW(EQ) : SD_ALLOW(EQ) | SD_ALLOW(IN));

                if (r < 0)
                        return r;
                if (!sd_filter_matches(&filter, owner ? "SELF" : service->state->namespace) &&
                    (owner ||
                     !sd_filter_matches(&filter, model_discovery_arn(call->model, call->arena, "namespace", service->state->namespace))))
                        return 0;
        }
        return 1;
}

static int list_services(struct api_call *call, const void *input, void *output)
{
        const struct sd_list_services_request *in = input;
        struct sd_list_services_response *out = output;
        struct api_page page;
        int r = sd_page(call, in->next_token, SHAPE_HAS(in, sd_list_services_request, max_results), in->max_results, NULL, &page);

        for (struct tree_node *node = r == 0 ? tree_after(model_objects(call->model, OBJECT_DISCOVERY_SERVICE), page.after) : NULL;
             node != NULL; node = tree_next(node)) {
                const struct discovery_service *service = MODEL_OBJECT(node, discovery_service);

                r = passes(call, in, service);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                if (!api_page_add(&page, service->object.key)) {
                        out->next_token = api_page_token(call, &page);
                        return 0;
                }
                show_summary(call, service, SHAPE_PUSH(call->arena, &out->services));
        }
        return r < 0 ? r : 0;
}

/* ---- Update and delete ---- */

static bool has_record(const struct sd_dns_record_list *records, enum sd_record_type type)
{
        for (uint32_t i = 0; i < records->n; i++)
                if (records->items[i].type == type)
                        return true;
        return false;
}

/* Instances were registered for the types of records that there are; what they lack would be missing. */
static int check_same_types(struct api_call *call, const struct discovery_service *service, const struct sd_dns_record_list *records)
{
        if (service->state->type == SD_SERVICE_TYPE_HTTP)
                return sd_invalid(call, "DnsConfig: the service %s is of type HTTP and has no DNS records.", service->state->id);
        if ((service->n_instances > 0 || !list_empty(&service->users)) && has_record(records, SD_RECORD_TYPE_SRV) &&
            !has_record(&service->state->dns_records, SD_RECORD_TYPE_SRV))
                return api_fail(call, "InvalidInput",
                                "DnsConfig: SRV records need ports, which the instances of the service %s were not registered with.",
                                service->state->id);
        return 0;
}

static int update_service(struct api_call *call, const void *input, void *output)
{
        const struct sd_update_service_request *in = input;
        struct sd_update_service_response *out = output;
        struct state_discovery_operation operation = {.type = SD_OPERATION_TYPE_UPDATE_SERVICE};
        struct discovery_service *service = NULL;
        struct state_discovery_service *state;
        struct tx *tx;
        int r = sd_find_service(call, in->id, &service);

        if (r == 0)
                r = refuse_health_check(call, in->service->health_check_config);
        if (r == 0 && in->service->dns_config != NULL)
                r = check_records(call, &in->service->dns_config->dns_records);
        if (r == 0 && in->service->dns_config != NULL)
                r = check_same_types(call, service, &in->service->dns_config->dns_records);
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &service->object);
        if (in->service->description != NULL)
                state->description = in->service->description;
        if (in->service->dns_config != NULL)
                state->dns_records = in->service->dns_config->dns_records;
        tx_put(tx, &service->object, state);
        operation.service = arena_strdup(call->arena, state->id);
        out->operation_id = sd_commit(call, tx, &operation);
        return 0;
}

static int delete_service(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct sd_delete_service_request *in = input;
        struct discovery_service *service = NULL;
        int r = sd_find_service(call, in->id, &service);
        uint32_t n;
        struct tx *tx;

        if (r < 0)
                return r;
        n = discovery_count(service);
        if (n > 0)
                return api_fail(call, "ResourceInUse",
                                "The service %s has %u instance(s): deregister them; those of ECS tasks go when their ECS service does.",
                                in->id, n);
        tx = tx_begin(call->model);
        tx_remove(tx, &service->object);
        tx_commit(tx);
        return 0;
}

const struct api_route sd_service_routes[] = {
        {SD_OP_CREATE_SERVICE, create_service}, {SD_OP_GET_SERVICE, get_service},       {SD_OP_LIST_SERVICES, list_services},
        {SD_OP_UPDATE_SERVICE, update_service}, {SD_OP_DELETE_SERVICE, delete_service}, {0, NULL},
};
