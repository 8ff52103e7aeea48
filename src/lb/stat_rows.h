/* SPDX-License-Identifier: Apache-2.0 */
/* HAProxy's statistics as it prints them for `show stat`: CSV whose first line names the columns. */
#pragma once

#include <stddef.h>

#define LB_COLUMNS_MAX 24

/* A row's fields in the order that the columns were asked for; "" for columns that this HAProxy does not have. */
typedef void (*lb_stat_row_fn)(void *data, const char *const *fields);

/* Calls `row` for each row of an answer. `columns` are at most LB_COLUMNS_MAX names as HAProxy prints them; the first is "# pxname". */
void lb_stat_rows(const char *answer, const char *const *columns, size_t n, lb_stat_row_fn row, void *data);
