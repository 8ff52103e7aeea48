/* SPDX-License-Identifier: Apache-2.0 */
/* When to probe a container and what the results mean. Semantics: healthCheck of a task definition (ECS developer guide). */
#include "agent/engine/health.h"

#include <string.h>

#include "base/macro.h"
#include "base/strutil.h"

#define EARLY_FIRST_MS 250
#define NS_PER_MS 1000000

static uint32_t ms_of(int64_t ns, uint32_t fallback)
{
        return ns > 0 ? (uint32_t)MIN(MAX(ns / NS_PER_MS, 1), INT32_MAX) : fallback;
}

struct health_plan health_plan(const struct docker_healthcheck *check)
{
        return (struct health_plan){
                .interval_ms = ms_of(check->interval, 30000),
                .timeout_ms = ms_of(check->timeout, 5000),
                .start_period_ms = ms_of(check->start_period, 0),
                .retries = check->retries > 0 ? (uint32_t)check->retries : 3,
        };
}

bool health_is_defined(const struct docker_healthcheck *check)
{
        return check != NULL && check->test.n > 0 && !str_eq(check->test.items[0], "NONE") &&
               (check->test.n > 1 || !str_starts_with(check->test.items[0], "CMD"));
}

static void set_status(struct health *health, enum health_status status, int64_t now_ms)
{
        if (health->status == status)
                return;
        health->status = status;
        health->since_ms = now_ms;
}

/* Until the next probe: a regular one, or an early one when that comes first. */
static uint32_t next_delay(struct health *health, const struct health_plan *plan, int64_t now_us)
{
        int64_t regular_ms = MAX((health->regular_us - now_us) / 1000, 0);

        health->early =
                health->status == HEALTH_UNKNOWN && health->early_delay_ms < plan->interval_ms && health->early_delay_ms < regular_ms;
        if (!health->early)
                return (uint32_t)regular_ms;
        uint32_t delay = health->early_delay_ms;
        health->early_delay_ms *= 2;
        return delay;
}

uint32_t health_start(struct health *health, const struct health_plan *plan, int64_t now_ms, int64_t now_us)
{
        *health = (struct health){.status = HEALTH_UNKNOWN, .since_ms = now_ms, .early_delay_ms = EARLY_FIRST_MS, .started_us = now_us};
        health->regular_us = now_us + (int64_t)plan->interval_ms * 1000;
        return next_delay(health, plan, now_us);
}

static bool in_start_period(const struct health *health, const struct health_plan *plan, int64_t now_us)
{
        return health->status == HEALTH_UNKNOWN && now_us - health->started_us < (int64_t)plan->start_period_ms * 1000;
}

uint32_t health_result(struct health *health, const struct health_plan *plan, int32_t code, const char *output, uint32_t output_len,
                       int64_t now_ms, int64_t now_us, bool *ret_changed)
{
        enum health_status before = health->status;
        size_t kept = MIN(output_len, sizeof(health->output) - 1);

        health->probing = false;
        health->exit_code = code;
        if (kept > 0)
                memcpy(health->output, output, kept);
        health->output[kept] = '\0';
        if (code == 0) {
                health->failures = 0;
                set_status(health, HEALTH_HEALTHY, now_ms);
        } else if (!health->early && !in_start_period(health, plan, now_us) && ++health->failures >= plan->retries) {
                set_status(health, HEALTH_UNHEALTHY, now_ms);
        }
        if (!health->early || code == 0)
                health->regular_us = now_us + (int64_t)plan->interval_ms * 1000;
        *ret_changed = health->status != before;
        return next_delay(health, plan, now_us);
}

void health_stop(struct health *health, int64_t now_ms)
{
        health->probing = false;
        if (health->status == HEALTH_HEALTHY || health->status == HEALTH_UNHEALTHY)
                set_status(health, HEALTH_UNKNOWN, now_ms);
}

const char *health_status_name(enum health_status status)
{
        static const char *const names[HEALTH_STATUS_MAX] = {"UNKNOWN", "UNKNOWN", "HEALTHY", "UNHEALTHY"};

        return names[status];
}
