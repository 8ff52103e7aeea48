/* SPDX-License-Identifier: Apache-2.0 */
/* See predict.h. */
#include "control/scaling/predict.h"

#include <math.h>

#include "base/strutil.h"
#include "control/scaling/forecast.h"
#include "control/scaling/scaling.h"
#include "control/service/service.h"

#define HOUR_MS INT64_C(3600000)
#define BUFFER_S 300

static int64_t buffer_ms(const struct aas_predictive_scaling_policy_configuration *c)
{
        return (SHAPE_HAS(c, aas_predictive_scaling_policy_configuration, scheduling_buffer_time) ? c->scheduling_buffer_time : BUFFER_S) *
               INT64_C(1000);
}

/* Writes down what the hour needs; nothing when nobody can tell. */
static void foretell(struct controller *controller, struct scaling_policy *policy, int64_t hour_ms, int64_t now_ms)
{
        const struct controller_options *options = &controller->options;
        const struct aas_predictive_scaling_metric_specification *m = policy->state->predictive->metric_specifications.items;
        struct tx *tx = tx_begin(controller->model);
        struct state_scaling_policy *state = tx_edit(tx, &policy->object);
        double *history = NULL, load = NAN;
        uint32_t n = options->ops->load_history(options->data, policy->state, now_ms, tx_arena(tx), &history);

        if (forecast_known(history, n) >= FORECAST_HOURS_NEEDED)
                load = forecast_load(history, n, (uint32_t)(hour_ms / HOUR_MS - now_ms / HOUR_MS));
        state->forecast_at = hour_ms;
        SHAPE_CLEAR(state, state_scaling_policy, forecast_capacity);
        if (!isnan(load))
                SHAPE_SET(state, state_scaling_policy, forecast_capacity, forecast_capacity(load, m->target_value));
        tx_put(tx, &policy->object, state);
        tx_commit(tx);
}

static void scale(struct controller *controller, const struct scaling_policy *policy, int64_t now_ms)
{
        const struct state_scaling_policy *s = policy->state;
        struct scalable_target *target = model_scalable_target(controller->model, s->resource_id);
        struct service *service = model_scaled_service(controller->model, s->resource_id);
        const struct aas_suspended_state *suspended = target != NULL ? target->state->suspended : NULL;
        int32_t wanted = target != NULL ? scaling_foretold_by(s, target) : 0;
        const char *cause;
        char hour[32];
        struct tx *tx;

        if (service == NULL || wanted <= service->state->desired_count)
                return;
        str_iso8601(s->forecast_at, false, hour);
        tx = tx_begin(controller->model);
        cause = arena_printf(tx_arena(tx), "predictive scaling policy %s forecasts a need of %d tasks from %s on", s->name, wanted, hour);
        if (suspended != NULL && suspended->dynamic_scaling_out_suspended)
                scaling_record_reason(tx, target, SCALING_REASON_SUSPENDED, "Attempting to scale due to a forecast.", cause, now_ms);
        else
                scaling_apply(tx, target, service, wanted, 0, cause, now_ms);
        tx_commit(tx);
}

int64_t scaling_predict(struct controller *controller, int64_t now_ms)
{
        const struct controller_ops *ops = controller->options.ops;
        int64_t next = INT64_MAX;

        if (ops == NULL || ops->load_history == NULL)
                return next;
        tree_for_each (node, model_objects(controller->model, OBJECT_SCALING_POLICY)) {
                struct scaling_policy *policy = MODEL_OBJECT(node, scaling_policy);
                int64_t buffer, hour_ms;

                if (policy->state->predictive == NULL)
                        continue;
                buffer = buffer_ms(policy->state->predictive);
                hour_ms = (now_ms + buffer) / HOUR_MS * HOUR_MS;
                next = MIN(next, hour_ms + HOUR_MS - buffer);
                if (policy->state->forecast_at == hour_ms)
                        continue;
                foretell(controller, policy, hour_ms, now_ms);
                if (policy->state->predictive->mode == AAS_PREDICTIVE_SCALING_MODE_FORECASTANDSCALE &&
                    SHAPE_HAS(policy->state, state_scaling_policy, forecast_capacity))
                        scale(controller, policy, now_ms);
        }
        return next;
}
