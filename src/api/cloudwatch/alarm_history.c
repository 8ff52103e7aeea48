/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeAlarmHistory: newest first unless asked otherwise; also of alarms that are gone. */
#include "api/cloudwatch/alarms.h"
#include "api/pagination.h"
#include "base/strutil.h"

#define PAGE 100

static bool matches(const struct cloudwatch_describe_alarm_history_input *in, const struct state_alarm_history *s)
{
        bool type = in->alarm_types.n == 0;

        for (uint32_t i = 0; i < in->alarm_types.n; i++)
                type = type || in->alarm_types.items[i] == (int64_t)s->type;
        return type && (in->alarm_name == NULL || str_eq(in->alarm_name, s->alarm)) &&
               (in->history_item_type == CLOUDWATCH_HISTORY_ITEM_TYPE_UNSET || in->history_item_type == s->item) &&
               (in->start_date == 0 || s->at >= in->start_date) && (in->end_date == 0 || s->at <= in->end_date);
}

static int describe_alarm_history(struct api_call *call, const void *input, void *output)
{
        const struct cloudwatch_describe_alarm_history_input *in = input;
        struct cloudwatch_describe_alarm_history_output *out = output;
        const struct tree *all = model_objects(call->model, OBJECT_ALARM_HISTORY);
        bool ascending = in->scan_by == CLOUDWATCH_SCAN_BY_TIMESTAMPASCENDING;
        struct tree_node *node;
        struct api_page page;

        if (api_page_begin(call, in->next_token, SHAPE_HAS(in, cloudwatch_describe_alarm_history_input, max_records), in->max_records, PAGE,
                           PAGE, in->alarm_name, &page) < 0)
                return cloudwatch_bad_token(call, "InvalidNextToken", "DescribeAlarmHistory");
        if (ascending)
                node = page.after != NULL ? tree_after(all, page.after) : tree_first(all);
        else if (page.after == NULL)
                node = tree_last(all);
        else {
                /* What comes before the last one, which may be gone. */
                node = tree_from(all, page.after);
                node = node != NULL ? tree_prev(node) : tree_last(all);
        }
        for (; node != NULL; node = ascending ? tree_next(node) : tree_prev(node)) {
                const struct state_alarm_history *s = MODEL_OBJECT(node, alarm_history)->state;

                if (!matches(in, s))
                        continue;
                if (!api_page_add(&page, node->key)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                *SHAPE_PUSH(call->arena, &out->alarm_history_items) = (struct cloudwatch_alarm_history_item){.alarm_name = s->alarm,
                                                                                                             .alarm_type = s->type,
                                                                                                             .timestamp = s->at,
                                                                                                             .history_item_type = s->item,
                                                                                                             .history_summary = s->summary,
                                                                                                             .history_data = s->data};
        }
        return 0;
}

const struct api_route cloudwatch_alarm_history_routes[] = {
        {CLOUDWATCH_OP_DESCRIBE_ALARM_HISTORY, describe_alarm_history},
        {0, NULL},
};
