/* SPDX-License-Identifier: Apache-2.0 */
/* The prefix lists that every account has. Those services are not here, so the lists name no range: a rule with one opens nothing. */
#include "api/ec2/rules.h"
#include "base/strutil.h"

static const struct {
        const char *id, *service;
} lists[] = {
        {"pl-63a5400a", "s3"},
        {"pl-02cd2c6b", "dynamodb"},
};

static const struct ec2_filter_name filters[] = {{"prefix-list-id", "prefixListId"}, {"prefix-list-name", "prefixListName"}, {NULL, NULL}};
static const struct ec2_filter_name managed_filters[] = {
        {"prefix-list-id", "prefixListId"}, {"prefix-list-name", "prefixListName"}, {"owner-id", "ownerId"}, {NULL, NULL}};

bool ec2_prefix_list_known(const char *id)
{
        for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
                if (str_eq(lists[i].id, id))
                        return true;
        return false;
}

static int check_ids(struct api_call *call, const struct string_list *ids)
{
        for (uint32_t i = 0; i < ids->n; i++)
                if (!ec2_prefix_list_known(ids->items[i]))
                        return api_fail(call, "InvalidPrefixListID.NotFound", "The prefix list ID '%.50s' does not exist", ids->items[i]);
        return 0;
}

static const char *name_of(struct api_call *call, size_t i)
{
        return arena_printf(call->arena, "com.amazonaws.%s.%s", model_region(call->model), lists[i].service);
}

static int describe(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_prefix_lists_request *in = input;
        struct ec2_describe_prefix_lists_result *out = output;
        int r = check_ids(call, &in->prefix_list_id);

        for (size_t i = 0; i < ARRAY_SIZE(lists) && r == 0; i++)
                if (in->prefix_list_id.n == 0 || ec2_list_has(&in->prefix_list_id, lists[i].id))
                        *SHAPE_PUSH(call->arena, &out->prefix_list_set) =
                                (struct ec2_prefix_list){.prefix_list_id = lists[i].id, .prefix_list_name = name_of(call, i)};
        return r == 0 ? ec2_filter_views(call, &in->filter, filters, &ec2_prefix_list_shape, &out->prefix_list_set) : r;
}

static int describe_managed(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_prefix_lists_request *in = input;
        struct ec2_describe_managed_prefix_lists_result *out = output;
        int r = check_ids(call, &in->prefix_list_id);

        for (size_t i = 0; i < ARRAY_SIZE(lists) && r == 0; i++)
                if (in->prefix_list_id.n == 0 || ec2_list_has(&in->prefix_list_id, lists[i].id))
                        *SHAPE_PUSH(call->arena, &out->prefix_list_set) = (struct ec2_managed_prefix_list){
                                .prefix_list_id = lists[i].id,
                                .prefix_list_name = name_of(call, i),
                                .prefix_list_arn = arena_printf(call->arena, "arn:aws:ec2:%s:aws:prefix-list/%s", model_region(call->model),
                                                                lists[i].id),
                                .state = "create-complete",
                                .address_family = "IPv4",
                                .owner_id = "AWS"};
        return r == 0 ? ec2_filter_views(call, &in->filter, managed_filters, &ec2_managed_prefix_list_shape, &out->prefix_list_set) : r;
}

static int get_entries(struct api_call *call, const void *input, void *output)
{
        const struct ec2_get_managed_prefix_list_entries_request *in = input;
        const char *id = in->prefix_list_id;

        (void)output;
        return check_ids(call, &(struct string_list){.items = &id, .n = 1});
}

const struct api_route ec2_prefix_list_routes[] = {
        {EC2_OP_DESCRIBE_PREFIX_LISTS, describe},
        {EC2_OP_DESCRIBE_MANAGED_PREFIX_LISTS, describe_managed},
        {EC2_OP_GET_MANAGED_PREFIX_LIST_ENTRIES, get_entries},
        {0, NULL},
};
