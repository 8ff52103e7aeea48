/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of changes: see event_ring.h. */
#include "api/event_ring.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "codec/json.h"

/* ---- Kinds ---- */

/* `arn`: the resource of its ARN, in front of the key; NULL when the key is not the rest of it. `clustered`: the key begins with the
 * cluster's name; `served`: its second part is a service's; `quiet`: its changes are nobody's business. */
static const struct kind_row {
        const char *name, *service, *arn;
        bool clustered, served, quiet;
} kinds[OBJECT_KIND_MAX] = {
        [OBJECT_META] = {"meta", .quiet = true},
        [OBJECT_CLUSTER] = {"cluster", "ecs", "cluster", .clustered = true},
        [OBJECT_FAMILY] = {"family", .quiet = true},
        [OBJECT_TASK_DEFINITION] = {"task-definition", "ecs", "task-definition"},
        [OBJECT_INSTANCE] = {"container-instance", "ecs", "container-instance", .clustered = true},
        [OBJECT_CAPACITY_PROVIDER] = {"capacity-provider", "ecs", "capacity-provider"},
        [OBJECT_SERVICE] = {"service", "ecs", "service", .clustered = true, .served = true},
        [OBJECT_SERVICE_REVISION] = {"service-revision", "ecs", "service-revision", .clustered = true, .served = true},
        [OBJECT_SERVICE_DEPLOYMENT] = {"service-deployment", "ecs", "service-deployment", .clustered = true, .served = true},
        [OBJECT_SERVICE_EVENT] = {"service-event", .clustered = true, .served = true},
        [OBJECT_TASK_SET] = {"task-set", .clustered = true, .served = true},
        [OBJECT_TASK] = {"task", "ecs", "task", .clustered = true},
        [OBJECT_SETTING] = {"setting"},
        [OBJECT_ACCESS_KEY] = {"access-key", .quiet = true},
        [OBJECT_CLIENT_TOKEN] = {"client-token", .quiet = true},
        [OBJECT_LOAD_BALANCER] = {"load-balancer"},
        [OBJECT_TARGET_GROUP] = {"target-group"},
        [OBJECT_LISTENER] = {"listener"},
        [OBJECT_LISTENER_RULE] = {"listener-rule"},
        [OBJECT_TARGET] = {"target"},
        [OBJECT_CERTIFICATE] = {"certificate"},
        [OBJECT_VPC] = {"vpc"},
        [OBJECT_SUBNET] = {"subnet"},
        [OBJECT_SECURITY_GROUP] = {"security-group"},
        [OBJECT_NETWORK_INTERFACE] = {"network-interface"},
        [OBJECT_INTERNET_GATEWAY] = {"internet-gateway"},
        [OBJECT_ROUTE_TABLE] = {"route-table"},
        [OBJECT_NAT_GATEWAY] = {"nat-gateway"},
        [OBJECT_ELASTIC_ADDRESS] = {"elastic-address"},
        [OBJECT_NETWORK_ACL] = {"network-acl"},
        [OBJECT_VPC_ENDPOINT] = {"vpc-endpoint"},
        [OBJECT_SCALABLE_TARGET] = {"scalable-target"},
        [OBJECT_SCALING_POLICY] = {"scaling-policy"},
        [OBJECT_SCHEDULED_ACTION] = {"scheduled-action"},
        [OBJECT_SCALING_ACTIVITY] = {"scaling-activity"},
        [OBJECT_ALARM] = {"alarm"},
        [OBJECT_ALARM_HISTORY] = {"alarm-history", .quiet = true},
        [OBJECT_LAUNCH_TEMPLATE] = {"launch-template"},
        [OBJECT_LAUNCH_CONFIGURATION] = {"launch-configuration"},
        [OBJECT_SCALING_GROUP] = {"auto-scaling-group"},
        [OBJECT_MACHINE] = {"machine"},
        [OBJECT_GROUP_ACTIVITY] = {"group-activity"},
        [OBJECT_DASHBOARD] = {"dashboard"},
        [OBJECT_DISCOVERY_NAMESPACE] = {"discovery-namespace"},
        [OBJECT_DISCOVERY_SERVICE] = {"discovery-service"},
        [OBJECT_DISCOVERY_INSTANCE] = {"discovery-instance"},
        [OBJECT_DISCOVERY_OPERATION] = {"discovery-operation", .quiet = true},
};

const char *event_ring_kind_name(enum object_kind kind)
{
        return kinds[kind].name;
}

int event_ring_kind_by_name(const char *name, size_t len)
{
        for (int i = 0; i < OBJECT_KIND_MAX; i++)
                if (!kinds[i].quiet && strlen(kinds[i].name) == len && memcmp(kinds[i].name, name, len) == 0)
                        return i;
        return -1;
}

/* ---- The ring ---- */

void event_ring_init(struct event_ring *ring, uint32_t capacity)
{
        *ring = (struct event_ring){.capacity = capacity, .first = 1, .next = 1};
}

static void forget(struct ring_event *event)
{
        free(event->key);
        free(event->service);
        *event = (struct ring_event){0};
}

void event_ring_done(struct event_ring *ring)
{
        for (uint32_t i = 0; ring->events != NULL && i < ring->capacity; i++)
                forget(&ring->events[i]);
        free(ring->events);
        ring->events = NULL;
}

void event_ring_clear(struct event_ring *ring)
{
        event_ring_done(ring);
        ring->next++; /* stands for all that will not be recorded */
        ring->first = ring->next;
}

const struct ring_event *event_ring_get(const struct event_ring *ring, uint64_t number)
{
        return number >= ring->first && number < ring->next ? &ring->events[number % ring->capacity] : NULL;
}

/* What the second part of the key says, or the state of a task. */
static char *service_of(const struct object *object, const void *state)
{
        const char *slash = strchr(object->key, '/');

        if (object->kind == OBJECT_TASK)
                return ((const struct state_task *)state)->service_name ? xstrdup(((const struct state_task *)state)->service_name) : NULL;
        if (!kinds[object->kind].served || slash == NULL)
                return NULL;
        return xstrndup(slash + 1, strcspn(slash + 1, "/"));
}

/* As the key of the store, but for task definitions, whose revision has a fixed width there. */
static char *key_of(const struct object *object, const void *state)
{
        const struct ecs_task_definition *definition;
        CLEANUP_BUF struct buf key = {0};

        if (object->kind != OBJECT_TASK_DEFINITION)
                return xstrdup(object->key);
        definition = ((const struct state_task_definition *)state)->definition;
        buf_printf(&key, "%s:%d", definition->family, definition->revision);
        return xstrndup(key.data, key.len);
}

bool event_ring_record(struct event_ring *ring, const struct object *object, const void *old_state, const void *new_state,
                       uint64_t sequence)
{
        const void *state = new_state != NULL ? new_state : old_state;
        struct ring_event *event;

        assert(state != NULL); /* there is one before the change or after it */
        if (kinds[object->kind].quiet)
                return false;
        if (ring->events == NULL)
                ring->events = xcalloc(ring->capacity, sizeof(*ring->events));
        event = &ring->events[ring->next % ring->capacity];
        forget(event);
        *event = (struct ring_event){
                .number = ring->next++,
                .sequence = sequence,
                .kind = object->kind,
                .change = old_state == NULL   ? "created"
                          : new_state == NULL ? "removed"
                                              : "changed",
                .key = key_of(object, state),
                .service = service_of(object, state),
        };
        if (object->kind == OBJECT_TASK)
                event->status = shape_enum_name(&state_task_status_enum, (int)((const struct state_task *)state)->last_status);
        if (ring->next - ring->first > ring->capacity)
                ring->first = ring->next - ring->capacity;
        return true;
}

bool event_ring_in_cluster(const struct ring_event *event, const char *cluster)
{
        size_t len = strlen(cluster);

        return kinds[event->kind].clustered && strncmp(event->key, cluster, len) == 0 &&
               (event->key[len] == '/' || event->key[len] == '\0');
}

/* ---- As text ---- */

static void write_member(struct buf *out, const char *name, const char *value, size_t len)
{
        buf_printf(out, ",\"%s\":", name);
        json_append_string(out, value, len);
}

void event_ring_write(const struct model *model, const struct ring_event *event, struct buf *out)
{
        const struct kind_row *row = &kinds[event->kind];

        buf_printf(out, "{\"kind\":\"%s\",\"change\":\"%s\"", row->name, event->change);
        write_member(out, "key", event->key, strlen(event->key));
        if (row->arn != NULL)
                buf_printf(out, ",\"arn\":\"arn:aws:%s:%s:%s:%s/%s\"", row->service, model_region(model), model_account(model), row->arn,
                           event->key);
        if (row->clustered)
                write_member(out, "cluster", event->key, strcspn(event->key, "/"));
        if (event->service != NULL)
                write_member(out, "service", event->service, strlen(event->service));
        if (event->status != NULL)
                buf_printf(out, ",\"status\":\"%s\"", event->status);
        buf_append_char(out, '}');
}
