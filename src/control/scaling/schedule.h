/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When something recurs: at(2030-01-31T08:00:00), rate(5 minutes) or cron(0 8 ? * MON-FRI *), as Application Auto Scaling's scheduled
 * actions and EventBridge write them. Pure: what the clock shows where comes in as a time zone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/timezone.h"

enum schedule_kind { SCHEDULE_AT = 0, SCHEDULE_RATE, SCHEDULE_CRON, SCHEDULE_KIND_MAX };

/* Years that a cron expression can name: 1970 to 2199. */
#define SCHEDULE_FIRST_YEAR 1970
#define SCHEDULE_YEARS 230

struct schedule {
        enum schedule_kind kind;
        int64_t local_s; /* AT: what the zone's clocks show, seconds since 1970 as if it were UTC */
        int64_t rate_s;  /* RATE */
        /* CRON: a bit for each value that matches. */
        uint64_t minutes, hours, days, months, weekdays; /* weekdays: bit 1 is Sunday */
        bool years[SCHEDULE_YEARS];
        bool any_day, any_weekday; /* "?" there */
        bool last_day;             /* L: the month's last day */
        bool last_workday;         /* LW */
        uint8_t workday_near;      /* 15W: the working day nearest to the 15th; 0: none */
        uint8_t last_weekday;      /* 6L: the last Friday; 0: none */
        uint8_t nth_weekday, nth;  /* 6#3: the third Friday */
};

/* -EINVAL with a ValidationException that says what is wrong. */
int schedule_parse(const char *text, struct schedule *ret, struct error *error) MUST_CHECK;
/* The first moment after `after_ms` (ms since 1970); INT64_MAX: never again. `start_ms` is what rate() counts from. */
int64_t schedule_next(const struct schedule *schedule, const struct tz_zone *zone, int64_t start_ms, int64_t after_ms);
