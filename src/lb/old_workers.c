/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers of before a reload: connections that they still have go on being counted. A connection to the runtime socket keeps a worker
 * alive, so it is let go as soon as its listeners have no connection any more.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "lb/internal.h"

/* What is open for so long is not counted to its end. */
#define KEEP_MS 60000

static void old_worker_free(struct lb_old_worker *old)
{
        list_remove(&old->link);
        old->runtime = lb_runtime_free(old->runtime);
        lb_counters_done(&old->counters);
        free(old);
}

static void on_ended(void *data, const char *why)
{
        struct lb_old_worker *old = data;

        (void)why; /* it has finished; freed by the timer, because this comes from within the connection */
        old->ended = true;
}

static void on_counters(void *data, const char *answer)
{
        struct lb_old_worker *old = data;

        old->asked = false;
        if (answer == NULL || old->driver->traffic == NULL)
                return;
        if (lb_traffic_take(old->driver->traffic, &old->counters, answer) == 0 || uv_now(old->driver->options.loop) - old->since > KEEP_MS)
                old->ended = true;
}

void lb_old_workers_add(struct lb_driver *driver)
{
        struct lb_old_worker *old;

        if (driver->runtime == NULL || driver->traffic == NULL || !lb_runtime_ready(driver->runtime) || !driver->counters.known) {
                driver->runtime = lb_runtime_free(driver->runtime);
                lb_counters_done(&driver->counters);
                lb_counters_init(&driver->counters, true);
                return;
        }
        old = xalloc(sizeof(*old));
        old->driver = driver;
        old->runtime = TAKE(driver->runtime);
        old->counters = driver->counters;
        old->since = uv_now(driver->options.loop);
        lb_counters_init(&driver->counters, true);
        list_push(&driver->retired, &old->link);
        lb_runtime_hand_over(old->runtime, on_ended, old);
}

void lb_old_workers_tick(struct lb_driver *driver)
{
        list_for_each (old, &driver->retired, struct lb_old_worker, link) {
                if (old->ended) {
                        old_worker_free(old);
                } else if (!old->asked) {
                        old->asked = true;
                        lb_runtime_send(old->runtime, on_counters, old, "show stat -1 7 -1");
                }
        }
}

void lb_old_workers_recount(struct lb_driver *driver)
{
        lb_old_workers_done(driver);
        lb_counters_done(&driver->counters);
        lb_counters_init(&driver->counters, false);
}

void lb_old_workers_done(struct lb_driver *driver)
{
        list_for_each (old, &driver->retired, struct lb_old_worker, link)
                old_worker_free(old);
}
