/* SPDX-License-Identifier: Apache-2.0 */
/* Which services and operations there are, and which of them have a handler. */
#include <assert.h>
#include <string.h>

#include "api/server_internal.h"
#include "base/alloc.h"
#include "base/strutil.h"

struct service_entry *api_service(struct api *api, const char *name)
{
        list_for_each (entry, &api->state->services, struct service_entry, link)
                if (str_eq(entry->service->name, name))
                        return entry;
        return NULL;
}

static struct service_entry *add_service(struct api *api, const struct shape_service *service)
{
        struct service_entry *entry = xalloc(sizeof(*entry));

        entry->service = service;
        entry->operations = xcalloc(service->n_operations, sizeof(*entry->operations));
        map_init(&entry->by_name);
        stats_init(&entry->unknown);
        for (uint32_t i = 0; i < service->n_operations; i++) {
                entry->operations[i].operation = &service->operations[i];
                stats_init(&entry->operations[i].stats);
                map_insert(&entry->by_name, &entry->operations[i].node, service->operations[i].name);
        }
        list_push(&api->state->services, &entry->link);
        return entry;
}

void api_add_routes(struct api *api, const struct shape_service *service, const struct api_route *routes)
{
        struct service_entry *entry = api_service(api, service->name);

        if (entry == NULL)
                entry = add_service(api, service);
        for (; routes->run != NULL; routes++) {
                assert(routes->operation < service->n_operations);
                assert(entry->operations[routes->operation].run == NULL); /* two files claim it */
                entry->operations[routes->operation].run = routes->run;
        }
}

struct operation_entry *service_operation(const struct service_entry *service, const char *name)
{
        return map_get(&service->by_name, name, struct operation_entry, node);
}

void route_target(struct api *api, const char *target, struct service_entry **ret_service, struct operation_entry **ret_operation)
{
        *ret_service = NULL;
        *ret_operation = NULL;
        list_for_each (entry, &api->state->services, struct service_entry, link) {
                const char *prefix = entry->service->target_prefix;

                if (prefix == NULL || !str_starts_with(target, prefix))
                        continue;
                *ret_service = entry;
                *ret_operation = service_operation(entry, target + strlen(prefix));
                return;
        }
}

void api_operations(const struct api *api,
                    bool (*each)(const struct shape_service *service, const struct shape_operation *operation, bool built, void *data),
                    void *data)
{
        list_for_each (entry, &api->state->services, struct service_entry, link)
                for (uint32_t i = 0; i < entry->service->n_operations; i++)
                        if (!each(entry->service, entry->operations[i].operation, entry->operations[i].run != NULL, data))
                                return;
}

void routes_done(struct api *api)
{
        list_for_each (entry, &api->state->services, struct service_entry, link) {
                for (uint32_t i = 0; i < entry->service->n_operations; i++)
                        stats_done(&entry->operations[i].stats);
                stats_done(&entry->unknown);
                map_done(&entry->by_name);
                list_remove(&entry->link);
                free(entry->operations);
                free(entry);
        }
}
