/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load by the hour, foretold from what it was: the same hour of the days before, newer days counting more, and the same day of the week more
 * than others.
 *
 *     forecast(h) = Σ w · load(h − 24 d) ÷ Σ w      d = 1 … 14,  w = 0.8^(d−1), six times that when d is a week or two
 *
 * A day of history is needed; with a week of it weekdays show. Pure.
 */
#pragma once

#include <stdint.h>

#define FORECAST_HOURS_NEEDED 24
#define FORECAST_DAYS 14
/* Hours ahead for which a forecast makes sense. */
#define FORECAST_HOURS_AHEAD 48

/*
 * The load of the hour that begins `ahead` hours after the last known one ended: `history` holds `n` hours, oldest first, NAN where nothing is
 * known. `ahead` 0 is the hour that has just begun. NAN when none of the days before has that hour.
 */
double forecast_load(const double *history, uint32_t n, uint32_t ahead);
/* How many hours are known. */
uint32_t forecast_known(const double *history, uint32_t n);
/* Tasks that bring that load to the target; at least 0. */
int32_t forecast_capacity(double load, double target);
