/* SPDX-License-Identifier: Apache-2.0 */
/* Instances: registered by clients, or derived from the tasks of ECS services, which only ECS changes. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "api/servicediscovery/common.h"
#include "base/strutil.h"
#include "model/balancer.h"

#define INSTANCES_MAX 1000 /* registered ones of a service, as on AWS */
#define ATTRIBUTES_MAX 30
#define ATTRIBUTE_KEY_MAX 255
#define ATTRIBUTE_VALUE_MAX 1024
#define LABEL_MAX 63

static int not_found(struct api_call *call, const struct discovery_service *service, const char *id)
{
        return api_fail(call, "InstanceNotFound", "The service %s has no instance %.64s.", service->state->id, id);
}

/* Fails for instances that are tasks. */
static int check_not_task(struct api_call *call, const char *code, struct discovery_service *service, const char *id)
{
        struct discovery_entry entry;

        if (model_discovery_instance(call->model, service->state->id, id) != NULL ||
            !discovery_entry(call->model, service, id, call->arena, &entry))
                return 0;
        return api_fail(
                call, code,
                "The instance %s is a task of the ECS service %s, which registers, checks and deregisters it: stop the task or change "
                "that service instead.",
                id, entry.task->state->service_name);
}

/* ---- Register ---- */

static bool is_graphic(const char *text, bool blanks)
{
        for (const char *p = text; *p != '\0'; p++)
                if ((*p < '!' || *p > '~') && !(blanks && p != text && (*p == ' ' || *p == '\t')))
                        return false;
        return true;
}

/* Reserved ones that mean nothing here. */
static int check_reserved(struct api_call *call, const char *key)
{
        static const struct {
                const char *key, *why;
        } refused[] = {
                {"AWS_ALIAS_DNS_NAME", "aliases to load balancers belong to Route 53, which is not here; register an address"},
                {"AWS_INSTANCE_CNAME", "CNAME records are not answered here; register an address"},
                {"AWS_INSTANCE_IPV6", "networks have IPv4 addresses only; register AWS_INSTANCE_IPV4"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
                if (str_eq(refused[i].key, key))
                        return sd_invalid(call, "Attributes: %s: %s.", key, refused[i].why);
        return 0;
}

static int check_attributes(struct api_call *call, const struct string_map *attributes)
{
        if (attributes->n > ATTRIBUTES_MAX)
                return sd_invalid(call, "Attributes: at most %d, not %u.", ATTRIBUTES_MAX, attributes->n);
        for (uint32_t i = 0; i < attributes->n; i++) {
                const char *key = attributes->items[i].key, *value = attributes->items[i].value != NULL ? attributes->items[i].value : "";

                if (str_empty(key) || strlen(key) > ATTRIBUTE_KEY_MAX || !is_graphic(key, false))
                        return sd_invalid(call, "Attributes: \"%.255s\" is not a key of 1 to %d printable characters without blanks.", key,
                                          ATTRIBUTE_KEY_MAX);
                if (strlen(value) > ATTRIBUTE_VALUE_MAX || !is_graphic(value, true))
                        return sd_invalid(call, "Attributes: the value of %s must be at most %d printable characters.", key,
                                          ATTRIBUTE_VALUE_MAX);
                if (check_reserved(call, key) < 0)
                        return -EINVAL;
        }
        return 0;
}

/* With the id of a machine comes its address. */
static int add_machine_address(struct api_call *call, const struct discovery_service *service, struct string_map *attributes)
{
        const char *machine = string_map_get(attributes, DISCOVERY_EC2), *address;
        const struct instance *instance;

        if (machine == NULL)
                return 0;
        if (service->state->type != SD_SERVICE_TYPE_HTTP)
                return sd_invalid(call, "Attributes: " DISCOVERY_EC2 " is for services without DNS records; register " DISCOVERY_IPV4 ".");
        instance = model_instance_of_target(call->model, machine);
        address = instance != NULL ? instance_address(instance->state) : NULL;
        if (address == NULL)
                return sd_invalid(call, "Attributes: " DISCOVERY_EC2 ": there is no machine %s whose address is known.", machine);
        string_map_set(call->arena, attributes, DISCOVERY_IPV4, address);
        return 0;
}

static bool has_record(const struct discovery_service *service, enum sd_record_type type)
{
        for (uint32_t i = 0; i < service->state->dns_records.n; i++)
                if (service->state->dns_records.items[i].type == type)
                        return true;
        return false;
}

/* What the records of the service are made of. */
static int check_records(struct api_call *call, const struct discovery_service *service, const char *id,
                         const struct string_map *attributes)
{
        const char *address = string_map_get(attributes, DISCOVERY_IPV4), *port = string_map_get(attributes, DISCOVERY_PORT);
        struct in_addr in;
        int64_t number = 0;

        if (address != NULL && inet_pton(AF_INET, address, &in) != 1)
                return sd_invalid(call, "Attributes: " DISCOVERY_IPV4 ": \"%s\" is not an IPv4 address.", address);
        if (port != NULL && (str_to_int64(port, &number) < 0 || number < 0 || number > UINT16_MAX))
                return sd_invalid(call, "Attributes: " DISCOVERY_PORT ": \"%s\" is not a port.", port);
        if (service->state->dns_records.n > 0 && address == NULL)
                return sd_invalid(call, "Attributes: the service has DNS records, which need " DISCOVERY_IPV4 ".");
        if (!has_record(service, SD_RECORD_TYPE_SRV))
                return 0;
        if (port == NULL)
                return sd_invalid(call, "Attributes: the service has SRV records, which need " DISCOVERY_PORT ".");
        if (!str_is_name(id, "_-", LABEL_MAX))
                return sd_invalid(call,
                                  "InstanceId: of a service with SRV records it is a label of a domain name: letters, digits, "
                                  "hyphens and underscores, at most %d.",
                                  LABEL_MAX);
        return 0;
}

static int read_health(struct api_call *call, const struct discovery_service *service, const struct string_map *attributes,
                       enum sd_custom_health_status *ret)
{
        const char *text = string_map_get(attributes, DISCOVERY_HEALTH);

        if (service->state->custom_health == NULL)
                return text == NULL ? 0
                                    : sd_invalid(call, "Attributes: " DISCOVERY_HEALTH " needs a service with HealthCheckCustomConfig.");
        *ret = text != NULL ? (enum sd_custom_health_status)shape_enum_value(&sd_custom_health_status_enum, text)
                            : SD_CUSTOM_HEALTH_STATUS_HEALTHY;
        if (*ret == SD_CUSTOM_HEALTH_STATUS_UNSET)
                return sd_invalid(call, "Attributes: " DISCOVERY_HEALTH " is HEALTHY or UNHEALTHY, not \"%s\".", text);
        return 0;
}

static int register_instance(struct api_call *call, const void *input, void *output)
{
        const struct sd_register_instance_request *in = input;
        struct sd_register_instance_response *out = output;
        struct state_discovery_operation operation = {.type = SD_OPERATION_TYPE_REGISTER_INSTANCE, .instance = in->instance_id};
        struct state_discovery_instance state = {
                .id = in->instance_id, .creator_request_id = in->creator_request_id, .created_at = call->now_ms};
        struct discovery_service *service = NULL;
        struct discovery_instance *existing;
        struct tx *tx;
        int r = sd_find_service(call, in->service_id, &service);

        if (r < 0)
                return r;
        if (!str_is_name(in->instance_id, "_/:.@-", SIZE_MAX))
                return sd_invalid(call, "InstanceId: letters, digits and _/:.@- only, not \"%.64s\".", in->instance_id);
        for (uint32_t i = 0; i < in->attributes.n; i++)
                string_map_set(call->arena, &state.attributes, in->attributes.items[i].key,
                               in->attributes.items[i].value != NULL ? in->attributes.items[i].value : "");
        if ((r = check_attributes(call, &state.attributes)) < 0 || (r = add_machine_address(call, service, &state.attributes)) < 0 ||
            (r = check_records(call, service, in->instance_id, &state.attributes)) < 0 ||
            (r = read_health(call, service, &state.attributes, &state.health)) < 0 ||
            (r = check_not_task(call, "ResourceInUse", service, in->instance_id)) < 0)
                return r;
        existing = model_discovery_instance(call->model, service->state->id, in->instance_id);
        if (existing == NULL && service->n_instances >= INSTANCES_MAX)
                return api_fail(call, "ResourceLimitExceeded", "The service %s has %d instances, the most that can be registered.",
                                service->state->id, INSTANCES_MAX);
        state.service = operation.service = arena_strdup(call->arena, service->state->id);
        operation.namespace = service->state->namespace;
        tx = tx_begin(call->model);
        if (existing != NULL)
                tx_put(tx, &existing->object, &state);
        else
                tx_insert(tx, OBJECT_DISCOVERY_INSTANCE, &state);
        out->operation_id = sd_commit(call, tx, &operation);
        return 0;
}

static int deregister_instance(struct api_call *call, const void *input, void *output)
{
        const struct sd_deregister_instance_request *in = input;
        struct sd_deregister_instance_response *out = output;
        struct state_discovery_operation operation = {.type = SD_OPERATION_TYPE_DEREGISTER_INSTANCE, .instance = in->instance_id};
        struct discovery_service *service = NULL;
        struct discovery_instance *instance;
        struct tx *tx;
        int r = sd_find_service(call, in->service_id, &service);

        if (r == 0)
                r = check_not_task(call, "ResourceInUse", service, in->instance_id);
        if (r < 0)
                return r;
        instance = model_discovery_instance(call->model, service->state->id, in->instance_id);
        if (instance == NULL)
                return not_found(call, service, in->instance_id);
        operation.service = service->state->id;
        operation.namespace = service->state->namespace;
        tx = tx_begin(call->model);
        tx_remove(tx, &instance->object);
        out->operation_id = sd_commit(call, tx, &operation);
        return 0;
}

/* ---- Look ---- */

static int get_instance(struct api_call *call, const void *input, void *output)
{
        const struct sd_get_instance_request *in = input;
        struct sd_get_instance_response *out = output;
        struct discovery_service *service = NULL;
        struct discovery_entry entry;
        int r = sd_find_service(call, in->service_id, &service);

        if (r < 0)
                return r;
        if (!discovery_entry(call->model, service, in->instance_id, call->arena, &entry))
                return not_found(call, service, in->instance_id);
        out->resource_owner = model_account(call->model);
        out->instance = ARENA_NEW(call->arena, struct sd_instance);
        out->instance->id = entry.id;
        out->instance->creator_request_id = entry.registered != NULL ? entry.registered->state->creator_request_id : NULL;
        out->instance->attributes = entry.attributes;
        out->instance->created_by_account = model_account(call->model);
        return 0;
}

static int list_instances(struct api_call *call, const void *input, void *output)
{
        const struct sd_list_instances_request *in = input;
        struct sd_list_instances_response *out = output;
        struct discovery_service *service = NULL;
        struct discovery_entries entries;
        struct api_page page = {0};
        int r = sd_find_service(call, in->service_id, &service);

        if (r == 0)
                r = sd_page(call, in->next_token, SHAPE_HAS(in, sd_list_instances_request, max_results), in->max_results, in->service_id,
                            &page);
        if (r < 0)
                return r;
        out->resource_owner = model_account(call->model);
        discovery_entries(call->model, service, call->arena, &entries);
        for (uint32_t i = 0; i < entries.n; i++) {
                struct sd_instance_summary *view;

                if (page.after != NULL && strcmp(entries.items[i].id, page.after) <= 0)
                        continue;
                if (!api_page_add(&page, entries.items[i].id)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                view = SHAPE_PUSH(call->arena, &out->instances);
                view->id = entries.items[i].id;
                view->attributes = entries.items[i].attributes;
                view->created_by_account = model_account(call->model);
        }
        return 0;
}

/* ---- Health ---- */

static const char *health_word(const struct discovery_entry *entry)
{
        return shape_enum_name(&sd_health_status_enum, (int)entry->health);
}

static int get_named_health(struct api_call *call, struct discovery_service *service, const struct string_list *ids, struct string_map *ret)
{
        for (uint32_t i = 0; i < ids->n; i++) {
                struct discovery_entry entry;

                if (!discovery_entry(call->model, service, ids->items[i], call->arena, &entry))
                        return not_found(call, service, ids->items[i]);
                string_map_set(call->arena, ret, entry.id, health_word(&entry));
        }
        return 0;
}

static int get_health(struct api_call *call, const void *input, void *output)
{
        const struct sd_get_instances_health_status_request *in = input;
        struct sd_get_instances_health_status_response *out = output;
        struct discovery_service *service = NULL;
        struct discovery_entries entries;
        struct api_page page = {0};
        int r = sd_find_service(call, in->service_id, &service);

        if (r == 0)
                r = sd_page(call, in->next_token, SHAPE_HAS(in, sd_get_instances_health_status_request, max_results), in->max_results,
                            in->service_id, &page);
        if (r < 0)
                return r;
        if (in->instances.n > 0)
                return get_named_health(call, service, &in->instances, &out->status);
        discovery_entries(call->model, service, call->arena, &entries);
        for (uint32_t i = 0; i < entries.n; i++) {
                if (page.after != NULL && strcmp(entries.items[i].id, page.after) <= 0)
                        continue;
                if (!api_page_add(&page, entries.items[i].id)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                string_map_set(call->arena, &out->status, entries.items[i].id, health_word(&entries.items[i]));
        }
        return 0;
}

static int update_health(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct sd_update_instance_custom_health_status_request *in = input;
        struct discovery_service *service = NULL;
        struct state_discovery_instance *state;
        struct discovery_instance *instance;
        struct tx *tx;
        int r = sd_find_service(call, in->service_id, &service);

        if (r < 0)
                return r;
        if (service->state->custom_health == NULL)
                return api_fail(call, "CustomHealthNotFound", "The service %s was made without HealthCheckCustomConfig.",
                                service->state->id);
        r = check_not_task(call, "InvalidInput", service, in->instance_id);
        if (r < 0)
                return r;
        instance = model_discovery_instance(call->model, service->state->id, in->instance_id);
        if (instance == NULL)
                return not_found(call, service, in->instance_id);
        tx = tx_begin(call->model);
        state = tx_edit(tx, &instance->object);
        state->health = in->status;
        tx_put(tx, &instance->object, state);
        (void)tx_commit(tx);
        return 0;
}

const struct api_route sd_instance_routes[] = {
        {SD_OP_REGISTER_INSTANCE, register_instance},
        {SD_OP_DEREGISTER_INSTANCE, deregister_instance},
        {SD_OP_GET_INSTANCE, get_instance},
        {SD_OP_LIST_INSTANCES, list_instances},
        {SD_OP_GET_INSTANCES_HEALTH_STATUS, get_health},
        {SD_OP_UPDATE_INSTANCE_CUSTOM_HEALTH_STATUS, update_health},
        {0, NULL},
};
