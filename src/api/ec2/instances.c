/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances as EC2 shows them: the machines behind container instances. A node of EC2 has the id that EC2 gave it; any other one has
 * an id made of its container instance's.
 */
#include <stdlib.h>
#include <string.h>

#include "api/ec2/common.h"
#include "api/pagination.h"
#include "base/strutil.h"

#define RUNNING 16 /* EC2's number for the state */
#define ID_DIGITS 17

static const struct ec2_filter_name instance_filters[] = {
        {"architecture", "architecture"},
        {"availability-zone", "placement.availabilityZone"},
        {"image-id", "imageId"},
        {"instance-id", "instanceId"},
        {"instance-state-code", "instanceState.code"},
        {"instance-state-name", "instanceState.name"},
        {"instance-type", "instanceType"},
        {"launch-time", "launchTime"},
        {"placement.availability-zone", "placement.availabilityZone"},
        {"tenancy", "placement.tenancy"},
        {"subnet-id", NULL},
        {"vpc-id", NULL},
        {NULL, NULL},
};

static const struct ec2_filter_name status_filters[] = {
        {"availability-zone", "availabilityZone"},       {"instance-state-code", "instanceState.code"},
        {"instance-state-name", "instanceState.name"},   {"instance-status.status", "instanceStatus.status"},
        {"system-status.status", "systemStatus.status"}, {NULL, NULL},
};

/* A machine that is registered, with its id. */
struct machine {
        const char *id;
        const struct instance *instance;
};

static int by_id(const void *a, const void *b)
{
        return strcmp(((const struct machine *)a)->id, ((const struct machine *)b)->id);
}

static const char *id_of(struct api_call *call, const struct instance *instance)
{
        if (!str_empty(instance->state->ec2_instance_id))
                return instance->state->ec2_instance_id;
        return arena_printf(call->arena, "i-%.*s", ID_DIGITS, instance->state->id);
}

/* In the order of their ids. */
static struct machine *machines(struct api_call *call, size_t *ret_n)
{
        const struct tree *instances = model_objects(call->model, OBJECT_INSTANCE);
        struct machine *list = arena_calloc(call->arena, instances->count + 1, sizeof(*list));
        size_t n = 0;

        tree_for_each (node, instances) {
                const struct instance *instance = MODEL_OBJECT(node, instance);

                if (instance->state->status != STATE_INSTANCE_STATUS_INACTIVE)
                        list[n++] = (struct machine){id_of(call, instance), instance};
        }
        qsort(list, n, sizeof(*list), by_id);
        *ret_n = n;
        return list;
}

static const char *attribute(const struct instance *instance, const char *name)
{
        const struct ecs_attribute_list *list = &instance->state->attributes;

        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].name, name))
                        return list->items[i].value;
        return NULL;
}

static struct ec2_instance_state *running(struct api_call *call)
{
        struct ec2_instance_state *state = ARENA_NEW(call->arena, struct ec2_instance_state);

        SHAPE_SET(state, ec2_instance_state, code, RUNNING);
        state->name = "running";
        return state;
}

static void show(struct api_call *call, const struct machine *machine, struct ec2_instance *out)
{
        const char *zone = network_zone_of(machine->instance);

        out->instance_id = machine->id;
        out->image_id = attribute(machine->instance, "ecs.ami-id");
        out->instance_state = running(call);
        out->instance_type = attribute(machine->instance, "ecs.instance-type");
        out->architecture = attribute(machine->instance, "ecs.cpu-architecture");
        out->launch_time = machine->instance->state->registered_at;
        out->placement = ARENA_NEW(call->arena, struct ec2_placement);
        out->placement->availability_zone = zone;
        out->placement->availability_zone_id = ec2_zone_id(call, call->arena, zone);
        out->placement->tenancy = "default";
        out->tag_set = machine->instance->state->tags;
}

static struct ec2_instance_status_summary *summary(struct api_call *call, const char *status)
{
        struct ec2_instance_status_summary *out = ARENA_NEW(call->arena, struct ec2_instance_status_summary);

        out->status = status;
        return out;
}

static void show_status(struct api_call *call, const struct machine *machine, struct ec2_instance_status *out)
{
        const char *zone = network_zone_of(machine->instance), *status = machine->instance->connected ? "ok" : "impaired";

        out->instance_id = machine->id;
        out->availability_zone = zone;
        out->availability_zone_id = ec2_zone_id(call, call->arena, zone);
        out->instance_state = running(call);
        out->instance_status = summary(call, status);
        out->system_status = summary(call, status);
}

static int check_ids(struct api_call *call, const struct string_list *ids, const struct machine *list, size_t n)
{
        for (uint32_t i = 0; i < ids->n; i++) {
                struct machine wanted = {.id = ids->items[i]};

                if (bsearch(&wanted, list, n, sizeof(*list), by_id) == NULL)
                        return api_fail(call, "InvalidInstanceID.NotFound", "The instance ID '%.100s' does not exist", ids->items[i]);
        }
        return 0;
}

/* Whether the list goes on behind what the client has. */
static bool is_asked(const struct api_page *page, const struct string_list *ids, const char *id)
{
        return (page->after == NULL || strcmp(id, page->after) > 0) && (ids->n == 0 || ec2_list_has(ids, id));
}

static int describe_instances(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_instances_request *in = input;
        struct ec2_describe_instances_result *out = output;
        struct ec2_query query = EC2_QUERY(ec2_describe_instances_request, in, instance_id);
        struct ec2_filters *filters = NULL;
        struct api_page page = {0};
        size_t n;
        const struct machine *list = machines(call, &n);
        int r = ec2_filters_read(call, &in->filter, instance_filters, &filters);

        if (r == 0)
                r = ec2_page_begin(call, &query, &page);
        if (r == 0)
                r = check_ids(call, &in->instance_id, list, n);
        for (size_t i = 0; r == 0 && i < n; i++) {
                struct ec2_reservation *reservation;
                struct ec2_instance view = {0};

                if (!is_asked(&page, &in->instance_id, list[i].id))
                        continue;
                show(call, &list[i], &view);
                if (!ec2_filters_match(filters, &ec2_instance_shape, &view, &view.tag_set))
                        continue;
                if (!api_page_add(&page, list[i].id)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                reservation = SHAPE_PUSH(call->arena, &out->reservation_set);
                reservation->reservation_id = arena_printf(call->arena, "r-%.*s", ID_DIGITS, list[i].instance->state->id);
                reservation->owner_id = model_account(call->model);
                *SHAPE_PUSH(call->arena, &reservation->instances_set) = view;
        }
        return r;
}

static int describe_status(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_instance_status_request *in = input;
        struct ec2_describe_instance_status_result *out = output;
        struct ec2_query query = EC2_QUERY(ec2_describe_instance_status_request, in, instance_id);
        struct ec2_filters *filters = NULL;
        struct api_page page = {0};
        size_t n;
        const struct machine *list = machines(call, &n);
        int r = ec2_filters_read(call, &in->filter, status_filters, &filters);

        if (r == 0)
                r = ec2_page_begin(call, &query, &page);
        if (r == 0)
                r = check_ids(call, &in->instance_id, list, n);
        for (size_t i = 0; r == 0 && i < n; i++) {
                struct ec2_instance_status view = {0};

                if (!is_asked(&page, &in->instance_id, list[i].id))
                        continue;
                show_status(call, &list[i], &view);
                if (!ec2_filters_match(filters, &ec2_instance_status_shape, &view, &list[i].instance->state->tags))
                        continue;
                if (!api_page_add(&page, list[i].id)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                *SHAPE_PUSH(call->arena, &out->instance_status_set) = view;
        }
        return r;
}

const struct api_route ec2_instance_routes[] = {
        {EC2_OP_DESCRIBE_INSTANCES, describe_instances},
        {EC2_OP_DESCRIBE_INSTANCE_STATUS, describe_status},
        {0, NULL},
};
