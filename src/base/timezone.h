/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones by their names in the tz database ("Europe/Berlin"), without touching the process's own zone as tzset() would. Reads the
 * compiled form (RFC 8536): the transitions of version 2 and later, and behind the last one the rule in the footer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct tz_zone;

/* From the bytes of a TZif file; -EINVAL when they are none, or of version 1. */
int tz_parse(const void *bytes, size_t len, struct tz_zone **ret) MUST_CHECK;
/* By name from the system's database, /usr/share/zoneinfo; NULL and "" are UTC, which needs no file. -ENOENT: there is no such zone.
 * Reads one small file that stays in the kernel's cache: quick enough for the loop's thread. */
int tz_load(const char *name, struct tz_zone **ret) MUST_CHECK;
/* NULL is fine. Returns NULL. */
struct tz_zone *tz_free(struct tz_zone *zone);

/* Seconds east of UTC at that moment (seconds since 1970). */
int32_t tz_offset(const struct tz_zone *zone, int64_t utc);
/* The moment that clocks of the zone show as `local` (seconds since 1970 as if it were UTC). What they show twice is the first time; what
 * they skip is as long after the gap's beginning as it would have been without the gap. */
int64_t tz_to_utc(const struct tz_zone *zone, int64_t local);

/* Days since 1970 of a date of the Gregorian calendar, and back; month 1..12, day 1..31. */
int64_t date_to_days(int year, int month, int day);
void days_to_date(int64_t days, int *ret_year, int *ret_month, int *ret_day);
int days_in_month(int year, int month);
