/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictive scaling: once an hour, SchedulingBufferTime (5 minutes unless set) before it begins, each policy foretells what the hour needs
 * (control/scaling/forecast.h). ForecastAndScale brings the service up to that, and keeps it there for the hour; it never scales in.
 */
#pragma once

#include <stdint.h>

struct controller;

/* No transaction may be open. Returns when to run again (ms), or INT64_MAX. */
int64_t scaling_predict(struct controller *controller, int64_t now_ms);
