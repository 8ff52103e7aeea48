/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks of services that wait as PROVISIONING for an instance of their capacity provider: see control/capacity/provided.h. */
#include "control/capacity/provided.h"
#include "control/service/service.h"

void service_place_waiting(struct service_run *run, struct pool *pool)
{
        const struct placement_request *request = pool->n[POOL_WAITING] > 0 ? pool_placement(run, pool) : NULL;

        pool_for_each(task, pool, POOL_WAITING)
        {
                if (provided_until(task) <= run->now_ms) {
                        provided_give_up(run->tx, task, run->now_ms);
                } else if (request == NULL || !provided_place(run->controller, run->tx, task, request->rules)) {
                        run->blocked = true;
                        service_wake(run, provided_until(task));
                }
        }
}
