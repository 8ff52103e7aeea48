/* SPDX-License-Identifier: Apache-2.0 */
/* See forecast.h. */
#include "control/scaling/forecast.h"

#include <math.h>

#define DAY 24
#define DECAY 0.8
#define WEEK_WEIGHT 6
#define CAPACITY_MAX 1000000

double forecast_load(const double *history, uint32_t n, uint32_t ahead)
{
        double sum = 0, weights = 0, weight = 1;

        for (uint32_t day = 1; day <= FORECAST_DAYS; day++) {
                double w = day % 7 == 0 ? WEEK_WEIGHT * weight : weight;
                int64_t at = (int64_t)n + ahead - (int64_t)day * DAY;

                weight *= DECAY;
                if (at < 0 || at >= (int64_t)n || isnan(history[at]))
                        continue;
                sum += w * history[at];
                weights += w;
        }
        return weights > 0 ? sum / weights : NAN;
}

uint32_t forecast_known(const double *history, uint32_t n)
{
        uint32_t known = 0;

        for (uint32_t i = 0; i < n; i++)
                known += !isnan(history[i]);
        return known;
}

int32_t forecast_capacity(double load, double target)
{
        double capacity = ceil(load / target - 1e-9);

        return !(capacity > 0) ? 0 : capacity > CAPACITY_MAX ? CAPACITY_MAX : (int32_t)capacity;
}
