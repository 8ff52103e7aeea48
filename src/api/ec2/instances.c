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
#include "control/capacity/group.h"

/* EC2's numbers for states */
#define PENDING 0
#define RUNNING 16
#define SHUTTING_DOWN 32
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

/* A machine that is registered, or that an Auto Scaling group has launched and whose agent has not come yet. */
struct listed {
        const char *id;
        const struct instance *instance; /* NULL: not registered */
        const struct machine *machine;   /* NULL: of no group */
};

static int by_id(const void *a, const void *b)
{
        return strcmp(((const struct listed *)a)->id, ((const struct listed *)b)->id);
}

static const char *id_of(struct api_call *call, const struct instance *instance)
{
        if (!str_empty(instance->state->ec2_instance_id))
                return instance->state->ec2_instance_id;
        return arena_printf(call->arena, "i-%.*s", ID_DIGITS, instance->state->id);
}

/* In the order of their ids. */
static struct listed *list_all(struct api_call *call, size_t *ret_n)
{
        const struct tree *instances = model_objects(call->model, OBJECT_INSTANCE);
        const struct tree *launched = model_objects(call->model, OBJECT_MACHINE);
        struct listed *list = arena_calloc(call->arena, instances->count + launched->count + 1, sizeof(*list));
        size_t n = 0;

        tree_for_each (node, instances) {
                const struct instance *instance = MODEL_OBJECT(node, instance);

                if (instance->state->status != STATE_INSTANCE_STATUS_INACTIVE)
                        list[n++] = (struct listed){id_of(call, instance), instance, model_machine_of(call->model, instance)};
        }
        tree_for_each (node, launched) {
                const struct machine *machine = MODEL_OBJECT(node, machine);
                const struct instance *instance = model_machine_instance(call->model, machine);

                if (instance == NULL || instance->state->status == STATE_INSTANCE_STATUS_INACTIVE)
                        list[n++] = (struct listed){machine->state->id, NULL, machine};
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

static struct ec2_instance_state *state_of(struct api_call *call, const struct listed *listed)
{
        struct ec2_instance_state *state = ARENA_NEW(call->arena, struct ec2_instance_state);
        const struct machine *machine = listed->machine;
        bool pending = machine != NULL && machine_is_live(machine) && machine->state->created_at == 0;
        bool going = machine != NULL && machine->state->state == ASG_LIFECYCLE_STATE_TERMINATING_PROCEED;

        SHAPE_SET(state, ec2_instance_state, code, pending ? PENDING : going ? SHUTTING_DOWN : RUNNING);
        state->name = pending ? "pending" : going ? "shutting-down" : "running";
        return state;
}

static const char *zone_of(const struct listed *listed)
{
        if (listed->instance != NULL)
                return listed->instance->zone;
        return listed->machine != NULL ? listed->machine->state->zone : NULL;
}

static void add_tags(struct api_call *call, const struct ecs_tag_list *from, struct ecs_tag_list *to)
{
        for (uint32_t i = 0; i < from->n; i++)
                *SHAPE_PUSH(call->arena, to) = from->items[i];
}

static void show(struct api_call *call, const struct listed *listed, struct ec2_instance *out)
{
        const struct instance *instance = listed->instance;
        const struct state_machine *machine = listed->machine != NULL ? listed->machine->state : NULL;

        out->instance_id = listed->id;
        out->instance_state = state_of(call, listed);
        out->placement = ARENA_NEW(call->arena, struct ec2_placement);
        out->placement->availability_zone = zone_of(listed);
        out->placement->availability_zone_id = ec2_zone_id(call, call->arena, zone_of(listed));
        out->placement->tenancy = "default";
        if (instance != NULL) {
                out->image_id = attribute(instance, "ecs.ami-id");
                out->instance_type = attribute(instance, "ecs.instance-type");
                out->architecture = attribute(instance, "ecs.cpu-architecture");
                out->launch_time = instance->state->registered_at;
                add_tags(call, &instance->state->tags, &out->tag_set);
        }
        if (machine != NULL) {
                out->image_id = machine->image;
                out->instance_type = machine->type;
                out->launch_time = machine->launched_at;
                add_tags(call, &machine->tags, &out->tag_set);
        }
}

static struct ec2_instance_status_summary *summary(struct api_call *call, const char *status)
{
        struct ec2_instance_status_summary *out = ARENA_NEW(call->arena, struct ec2_instance_status_summary);

        out->status = status;
        return out;
}

static void show_status(struct api_call *call, const struct listed *listed, struct ec2_instance_status *out)
{
        const char *status = listed->instance == NULL ? "initializing" : listed->instance->connected ? "ok" : "impaired";

        out->instance_id = listed->id;
        out->availability_zone = zone_of(listed);
        out->availability_zone_id = ec2_zone_id(call, call->arena, zone_of(listed));
        out->instance_state = state_of(call, listed);
        out->instance_status = summary(call, status);
        out->system_status = summary(call, status);
}

static int check_ids(struct api_call *call, const struct string_list *ids, const struct listed *list, size_t n)
{
        for (uint32_t i = 0; i < ids->n; i++) {
                struct listed wanted = {.id = ids->items[i]};

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
        const struct listed *list = list_all(call, &n);
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
                reservation->reservation_id = arena_printf(call->arena, "r-%s", list[i].id + (str_starts_with(list[i].id, "i-") ? 2 : 0));
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
        const struct listed *list = list_all(call, &n);
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
                if (!ec2_filters_match(filters, &ec2_instance_status_shape, &view,
                                       list[i].instance != NULL ? &list[i].instance->state->tags : NULL))
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
