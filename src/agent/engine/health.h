/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The health of one container, from the results of its probes. Pure: the owner runs the probes and brings the time.
 *
 * A probe runs every `interval`. Before the first success there are also early probes at growing distances (250 ms, 500 ms, 1 s …
 * up to the interval), so that a container that others wait for is found healthy as soon as it is; their failures do not count.
 * Failures inside the start period do not count either.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/docker.idl.h"

enum health_status {
        HEALTH_NONE = 0, /* no check defined */
        HEALTH_UNKNOWN,  /* not decided yet */
        HEALTH_HEALTHY,
        HEALTH_UNHEALTHY,
        HEALTH_STATUS_MAX
};

struct health {
        enum health_status status;
        int64_t since_ms;  /* wall clock, of the status */
        uint32_t failures; /* in a row, that count */
        int32_t exit_code; /* of the last probe */
        char output[256];  /* start of its output */
        bool probing;
        bool early;              /* the probe under way, or to come, is an early one */
        int64_t started_us;      /* monotonic, of the container */
        int64_t regular_us;      /* when the next regular probe is due */
        uint32_t early_delay_ms; /* distance to the next early probe */
};

/* What the definition says, with Docker's defaults filled in. */
struct health_plan {
        uint32_t interval_ms, timeout_ms, start_period_ms, retries;
};
struct health_plan health_plan(const struct docker_healthcheck *check);
/* Whether there is a command to run: ["NONE"] and an empty list mean no check. */
bool health_is_defined(const struct docker_healthcheck *check);

/* The container has started: returns milliseconds until the first probe. */
uint32_t health_start(struct health *health, const struct health_plan *plan, int64_t now_ms, int64_t now_us);
/* A probe has ended with exit code `code` (negative: it could not run or took too long). Returns milliseconds until the next one;
 * `ret_changed` tells whether the status is another one now. */
uint32_t health_result(struct health *health, const struct health_plan *plan, int32_t code, const char *output, uint32_t output_len,
                       int64_t now_ms, int64_t now_us, bool *ret_changed);
/* The container has ended. */
void health_stop(struct health *health, int64_t now_ms);
const char *health_status_name(enum health_status status); /* "HEALTHY", "UNHEALTHY", "UNKNOWN"; NONE gives "UNKNOWN" */
