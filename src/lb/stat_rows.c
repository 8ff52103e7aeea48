/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/stat_rows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* The fields of a line that are wanted, by `places`; quotes are taken off. */
static void split(char *line, const int *places, const char **fields, size_t n_fields)
{
        int n = 0;

        for (size_t i = 0; i < n_fields; i++)
                fields[i] = "";
        for (char *p = line; p != NULL; n++) {
                char *start = p, *end;

                if (*p == '"') {
                        start = p + 1;
                        end = strchr(start, '"');
                        p = end != NULL ? strchr(end, ',') : NULL;
                } else {
                        end = strchr(p, ',');
                        p = end;
                }
                if (end != NULL)
                        *end = '\0';
                p = p != NULL ? p + 1 : NULL;
                for (size_t i = 0; i < n_fields; i++)
                        if (places[i] == n)
                                fields[i] = start;
        }
}

static void find_columns(const char *header, const char *const *columns, int *places, size_t n_columns)
{
        int n = 0;

        for (size_t i = 0; i < n_columns; i++)
                places[i] = -1;
        for (const char *p = header; p != NULL; n++) {
                size_t len = strcspn(p, ",");

                for (size_t i = 0; i < n_columns; i++)
                        if (strlen(columns[i]) == len && strncmp(columns[i], p, len) == 0)
                                places[i] = n;
                p = p[len] == ',' ? p + len + 1 : NULL;
        }
}

void lb_stat_rows(const char *answer, const char *const *columns, size_t n, lb_stat_row_fn row, void *data)
{
        int places[LB_COLUMNS_MAX];
        const char *fields[LB_COLUMNS_MAX];
        char *copy = xstrdup(answer), *save;

        assert(n <= LB_COLUMNS_MAX);
        for (size_t i = 0; i < n; i++)
                places[i] = -1;
        for (char *line = strtok_r(copy, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
                if (line[0] == '#') {
                        find_columns(line, columns, places, n);
                        continue;
                }
                split(line, places, fields, n);
                row(data, fields);
        }
        free(copy);
}
