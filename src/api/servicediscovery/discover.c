/* SPDX-License-Identifier: Apache-2.0 */
/* DiscoverInstances: what is found under a name, and by attributes; and how often that has changed. */
#include <stdlib.h>

#include "api/server.h"
#include "api/servicediscovery/common.h"
#include "base/alloc.h"
#include "base/strutil.h"

#define RESULTS_DEFAULT 100

/* ---- Revisions ---- */

/*
 * A service's revision grows when an instance comes or goes: milliseconds of the clock, or one more than the last when that is not later.
 * It is not stored; after a start every service begins with the moment of that.
 */
struct discovery_watch {
        struct model_observer observer;
        struct model *model;
        int64_t start_ms;
};

static void bump(struct discovery_watch *watch, struct discovery_service *service)
{
        if (service != NULL)
                service->revision = MAX(MAX(service->revision, watch->start_ms) + 1, env_now_ms(model_env(watch->model)));
}

static void on_change(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state)
{
        struct discovery_watch *watch = CONTAINER_OF(observer, struct discovery_watch, observer);

        if (object->kind == OBJECT_DISCOVERY_INSTANCE) {
                const struct state_discovery_instance *state = new_state != NULL ? new_state : old_state;

                bump(watch, model_discovery_service(watch->model, state->service));
        } else if (object->kind == OBJECT_TASK && discovery_task_changes(old_state, new_state)) {
                bump(watch, discovery_service_of_task(watch->model, new_state != NULL ? new_state : old_state));
        }
}

/* A node that is lost takes its tasks along, and brings them back. */
static void on_connected(struct model_observer *observer, struct instance *instance)
{
        struct discovery_watch *watch = CONTAINER_OF(observer, struct discovery_watch, observer);

        if (model_objects(watch->model, OBJECT_DISCOVERY_SERVICE)->count == 0)
                return;
        list_for_each (task, &instance->tasks, struct task, in_instance)
                bump(watch, discovery_service_of_task(watch->model, task->state));
}

void servicediscovery_watch(struct api *api)
{
        struct discovery_watch *watch = xalloc(sizeof(*watch));

        watch->model = api->model;
        watch->start_ms = env_now_ms(model_env(api->model));
        watch->observer.changed = on_change;
        watch->observer.connected = on_connected;
        model_observe(api->model, &watch->observer);
        api->discovery = watch;
}

void servicediscovery_done(struct api *api)
{
        model_unobserve(api->model, &api->discovery->observer);
        free(TAKE(api->discovery));
}

static int64_t revision_of(const struct api_call *call, const struct discovery_service *service)
{
        return MAX(service->revision, call->api->discovery->start_ms);
}

/* ---- Discover ---- */

/* Namespaces of different VPCs may have the same name: the first one that has the service. */
static int find(struct api_call *call, const char *namespace_name, const char *service_name, struct discovery_service **ret)
{
        bool any = false;

        tree_for_each (node, model_objects(call->model, OBJECT_DISCOVERY_NAMESPACE)) {
                const struct discovery_namespace *namespace = MODEL_OBJECT(node, discovery_namespace);

                if (!str_eq_nocase(namespace->state->name, namespace_name))
                        continue;
                any = true;
                list_for_each (service, &namespace->services, struct discovery_service, in_namespace) {
                        if (str_eq_nocase(service->state->name, service_name)) {
                                *ret = service;
                                return 0;
                        }
                }
        }
        if (!any)
                return api_fail(call, "NamespaceNotFound", "There is no namespace of the name %.255s.", namespace_name);
        return api_fail(call, "ServiceNotFound", "The namespace %.255s has no service %.127s.", namespace_name, service_name);
}

static bool has_all(const struct discovery_entry *entry, const struct string_map *wanted)
{
        for (uint32_t i = 0; i < wanted->n; i++)
                if (!str_eq(string_map_get(&entry->attributes, wanted->items[i].key), wanted->items[i].value) ||
                    string_map_get(&entry->attributes, wanted->items[i].key) == NULL)
                        return false;
        return true;
}

/* Keeps what has all the attributes. */
static void keep_matching(struct discovery_entries *entries, const struct string_map *wanted)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < entries->n; i++)
                if (has_all(&entries->items[i], wanted))
                        entries->items[n++] = entries->items[i];
        entries->n = n;
}

static void keep_preferred(struct arena *arena, struct discovery_entries *entries, const struct string_map *wanted)
{
        struct discovery_entries copy = {.items = arena_memdup(arena, entries->items, entries->n * sizeof(*entries->items)),
                                         .n = entries->n};

        if (wanted->n == 0 || entries->n == 0)
                return;
        keep_matching(&copy, wanted);
        if (copy.n > 0)
                *entries = copy;
}

/* Who has no health counts as healthy. */
static void keep_health(struct discovery_entries *entries, enum sd_health_status_filter filter)
{
        uint32_t n = 0, healthy = 0;

        for (uint32_t i = 0; i < entries->n; i++)
                healthy += entries->items[i].health != SD_HEALTH_STATUS_UNHEALTHY;
        if (filter == SD_HEALTH_STATUS_FILTER_ALL ||
            (healthy == 0 && (filter == SD_HEALTH_STATUS_FILTER_UNSET || filter == SD_HEALTH_STATUS_FILTER_HEALTHY_OR_ELSE_ALL)))
                return;
        for (uint32_t i = 0; i < entries->n; i++)
                if ((entries->items[i].health == SD_HEALTH_STATUS_UNHEALTHY) == (filter == SD_HEALTH_STATUS_FILTER_UNHEALTHY))
                        entries->items[n++] = entries->items[i];
        entries->n = n;
}

/* Any of them in any order, so that many clients that take a few reach all. */
static void shuffle(struct api_call *call, struct discovery_entries *entries)
{
        for (uint32_t i = entries->n; i > 1; i--) {
                uint32_t j;
                struct discovery_entry other;

                model_env(call->model)->random(model_env(call->model), &j, sizeof(j));
                j %= i;
                other = entries->items[i - 1];
                entries->items[i - 1] = entries->items[j];
                entries->items[j] = other;
        }
}

static int discover_instances(struct api_call *call, const void *input, void *output)
{
        const struct sd_discover_instances_request *in = input;
        struct sd_discover_instances_response *out = output;
        uint32_t max = SHAPE_HAS(in, sd_discover_instances_request, max_results) ? (uint32_t)in->max_results : RESULTS_DEFAULT;
        struct discovery_service *service = NULL;
        struct discovery_entries entries;
        int r = find(call, in->namespace_name, in->service_name, &service);

        if (r < 0)
                return r;
        discovery_entries(call->model, service, call->arena, &entries);
        keep_matching(&entries, &in->query_parameters);
        keep_health(&entries, in->health_status);
        keep_preferred(call->arena, &entries, &in->optional_parameters);
        shuffle(call, &entries);
        for (uint32_t i = 0; i < entries.n && i < max; i++) {
                struct sd_http_instance_summary *view = SHAPE_PUSH(call->arena, &out->instances);

                view->instance_id = entries.items[i].id;
                view->namespace_name = service->namespace->state->name;
                view->service_name = service->state->name;
                view->health_status = entries.items[i].health;
                view->attributes = entries.items[i].attributes;
        }
        SHAPE_SET(out, sd_discover_instances_response, instances_revision, revision_of(call, service));
        return 0;
}

static int discover_revision(struct api_call *call, const void *input, void *output)
{
        const struct sd_discover_instances_revision_request *in = input;
        struct sd_discover_instances_revision_response *out = output;
        struct discovery_service *service = NULL;
        int r = find(call, in->namespace_name, in->service_name, &service);

        if (r == 0)
                SHAPE_SET(out, sd_discover_instances_revision_response, instances_revision, revision_of(call, service));
        return r;
}

const struct api_route sd_discover_routes[] = {
        {SD_OP_DISCOVER_INSTANCES, discover_instances},
        {SD_OP_DISCOVER_INSTANCES_REVISION, discover_revision},
        {0, NULL},
};
