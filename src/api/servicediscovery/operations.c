/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: everything is done before its operation is answered, so all of them have succeeded. */
#include "api/servicediscovery/common.h"
#include "base/strutil.h"

#define STATUS "SUCCESS"

static void show_targets(struct api_call *call, const struct state_discovery_operation *state, struct string_map *ret)
{
        const struct {
                enum sd_operation_target_type type;
                const char *id;
        } targets[] = {
                {SD_OPERATION_TARGET_TYPE_NAMESPACE, state->namespace},
                {SD_OPERATION_TARGET_TYPE_SERVICE, state->service},
                {SD_OPERATION_TARGET_TYPE_INSTANCE, state->instance},
        };

        for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
                if (targets[i].id != NULL)
                        string_map_set(call->arena, ret, shape_enum_name(&sd_operation_target_type_enum, (int)targets[i].type),
                                       targets[i].id);
}

static int get_operation(struct api_call *call, const void *input, void *output)
{
        const struct sd_get_operation_request *in = input;
        struct sd_get_operation_response *out = output;
        const struct discovery_operation *operation = model_discovery_operation(call->model, in->operation_id);
        struct sd_operation_detail *view;

        if (operation == NULL)
                return api_fail(call, "OperationNotFound", "There is no operation %.255s; the newest %d are remembered.", in->operation_id,
                                DISCOVERY_OPERATIONS);
        view = out->operation = ARENA_NEW(call->arena, struct sd_operation_detail);
        view->id = operation->state->id;
        view->owner_account = model_account(call->model);
        view->type = operation->state->type;
        view->status = SD_OPERATION_STATUS_SUCCESS;
        view->create_date = view->update_date = operation->state->created_at;
        show_targets(call, operation->state, &view->targets);
        return 0;
}

/* BETWEEN of seconds since 1970. */
static bool is_between(const struct sd_filter *filter, int64_t ms)
{
        double from = 0, to = 0;

        return str_to_double(filter->values->items[0], &from) == 0 && str_to_double(filter->values->items[1], &to) == 0 &&
               (double)ms >= from * 1000 && (double)ms <= to * 1000;
}

static bool matches(const struct sd_filter *filter, enum sd_operation_filter_name name, const struct state_discovery_operation *state)
{
        switch (name) {
        case SD_OPERATION_FILTER_NAME_NAMESPACE_ID:
                return sd_filter_matches(filter, state->namespace);
        case SD_OPERATION_FILTER_NAME_SERVICE_ID:
                return sd_filter_matches(filter, state->service);
        case SD_OPERATION_FILTER_NAME_STATUS:
                return sd_filter_matches(filter, STATUS);
        case SD_OPERATION_FILTER_NAME_TYPE:
                return sd_filter_matches(filter, shape_enum_name(&sd_operation_type_enum, (int)state->type));
        default:
                return is_between(filter, state->created_at);
        }
}

/* -EINVAL, or whether the operation passes. */
static int passes(struct api_call *call, const struct sd_list_operations_request *in, const struct state_discovery_operation *state)
{
        static const unsigned allowed[SD_OPERATION_FILTER_NAME_MAX] = {
                [SD_OPERATION_FILTER_NAME_NAMESPACE_ID] = SD_ALLOW(EQ),
                [SD_OPERATION_FILTER_NAME_SERVICE_ID] = SD_ALLOW(EQ),
                [SD_OPERATION_FILTER_NAME_STATUS] = SD_ALLOW(EQ) | SD_ALLOW(IN),
                [SD_OPERATION_FILTER_NAME_TYPE] = SD_ALLOW(EQ) | SD_ALLOW(IN),
                [SD_OPERATION_FILTER_NAME_UPDATE_DATE] = SD_ALLOW(BETWEEN),
        };

        for (uint32_t i = 0; i < in->filters.n; i++) {
                enum sd_operation_filter_name name = in->filters.items[i].name;
                struct sd_filter filter = {.name = shape_enum_name(&sd_operation_filter_name_enum, (int)name),
                                           .condition = in->filters.items[i].condition,
                                           .values = &in->filters.items[i].values};
                int r = sd_filter_check(call, &filter, allowed[name]);

                if (r < 0)
                        return r;
                if (!matches(&filter, name, state))
                        return 0;
        }
        return 1;
}

static int list_operations(struct api_call *call, const void *input, void *output)
{
        const struct sd_list_operations_request *in = input;
        struct sd_list_operations_response *out = output;
        struct api_page page;
        int r = sd_page(call, in->next_token, SHAPE_HAS(in, sd_list_operations_request, max_results), in->max_results, NULL, &page);

        for (struct tree_node *node = r == 0 ? tree_after(model_objects(call->model, OBJECT_DISCOVERY_OPERATION), page.after) : NULL;
             node != NULL; node = tree_next(node)) {
                const struct discovery_operation *operation = MODEL_OBJECT(node, discovery_operation);
                struct sd_operation_summary *view;

                r = passes(call, in, operation->state);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                if (!api_page_add(&page, operation->object.key)) {
                        out->next_token = api_page_token(call, &page);
                        return 0;
                }
                view = SHAPE_PUSH(call->arena, &out->operations);
                view->id = operation->state->id;
                view->status = SD_OPERATION_STATUS_SUCCESS;
        }
        return r < 0 ? r : 0;
}

const struct api_route sd_operation_routes[] = {
        {SD_OP_GET_OPERATION, get_operation},
        {SD_OP_LIST_OPERATIONS, list_operations},
        {0, NULL},
};
