/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus text format. Families: gantry_…; names end in _total for counters, units in the name (seconds, bytes). */
#pragma once

#include <stdint.h>

#include "base/buf.h"

/* HELP and TYPE lines; `type` is "counter", "gauge" or "histogram". Once per family, before its samples. */
void prom_family(struct buf *out, const char *name, const char *type, const char *help);
/* `labels` is what stands between the braces, e.g. "kind=\"task\""; NULL: none. */
void prom_sample(struct buf *out, const char *name, const char *labels, double value);
/* A family with one sample. */
void prom_gauge(struct buf *out, const char *name, const char *help, double value);
void prom_counter(struct buf *out, const char *name, const char *help, uint64_t value);
