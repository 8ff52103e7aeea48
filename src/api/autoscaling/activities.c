/* SPDX-License-Identifier: Apache-2.0 */
/* What scaling has done, and with IncludeNotScaledActivities what it has not done and why; the newest first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/autoscaling/common.h"
#include "base/strutil.h"

#define POSITION_FMT "%020lld %020lld %s" /* sorts by time, then by number */

struct row {
        const struct state_scaling_activity *state;
        const char *position;
};

static int newer_first(const void *a, const void *b)
{
        return strcmp(((const struct row *)b)->position, ((const struct row *)a)->position);
}

static void show(struct api_call *call, const struct state_scaling_activity *s, struct aas_describe_scaling_activities_response *out)
{
        struct aas_scaling_activity *a = SHAPE_PUSH(call->arena, &out->scaling_activities);

        a->activity_id = s->id;
        a->service_namespace = AAS_SERVICE_NAMESPACE_ECS;
        a->resource_id = s->resource_id;
        a->scalable_dimension = AAS_SCALABLE_DIMENSION_ECS_SERVICE_DESIREDCOUNT;
        a->description = s->description;
        a->cause = s->cause;
        a->start_time = s->started_at;
        a->end_time = s->ended_at;
        a->status_code = s->status;
        a->status_message = s->message;
        a->not_scaled_reasons = s->reasons;
}

static uint32_t collect(struct api_call *call, const struct aas_describe_scaling_activities_request *in, struct row *rows)
{
        uint32_t n = 0;

        tree_for_each (node, model_objects(call->model, OBJECT_SCALING_ACTIVITY)) {
                const struct state_scaling_activity *s = MODEL_OBJECT(node, scaling_activity)->state;

                if ((in->resource_id != NULL && !str_eq(s->resource_id, in->resource_id)) ||
                    (s->reasons.n > 0 && !in->include_not_scaled_activities))
                        continue;
                rows[n++] = (struct row){
                        s, arena_printf(call->arena, POSITION_FMT, (long long)s->started_at, (long long)s->number, s->resource_id)};
        }
        return n;
}

static int describe_activities(struct api_call *call, const void *input, void *output)
{
        const struct aas_describe_scaling_activities_request *in = input;
        struct aas_describe_scaling_activities_response *out = output;
        struct api_page page = {0};
        struct row *rows;
        uint32_t n;
        int r = autoscaling_check(call, in->service_namespace, in->resource_id, in->scalable_dimension);

        if (r == 0)
                r = autoscaling_page(call, in->next_token, SHAPE_HAS(in, aas_describe_scaling_activities_request, max_results),
                                     in->max_results, in->resource_id, &page);
        if (r < 0)
                return r;
        rows = arena_calloc(call->arena, MAX(model_objects(call->model, OBJECT_SCALING_ACTIVITY)->count, (size_t)1), sizeof(*rows));
        n = collect(call, in, rows);
        qsort(rows, n, sizeof(*rows), newer_first);
        for (uint32_t i = 0; i < n; i++) {
                if (page.after != NULL && strcmp(rows[i].position, page.after) >= 0)
                        continue;
                if (!api_page_add(&page, rows[i].position)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                show(call, rows[i].state, out);
        }
        return 0;
}

const struct api_route autoscaling_activity_routes[] = {
        {AAS_OP_DESCRIBE_SCALING_ACTIVITIES, describe_activities},
        {0, NULL},
};
