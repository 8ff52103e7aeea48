/* SPDX-License-Identifier: Apache-2.0 */
/* The network of an awsvpc task: one sandbox with the task's interface, in which all its containers are. */
#include <errno.h>
#include <string.h>

#include "agent/driver/internal.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#define RETRY_MS 50
#define LOOK_MS 200 /* how soon a stop of a task that waits for its interface is noticed */

const char *driver_network_id(const struct engine_task *task, struct arena *arena)
{
        return arena_printf(arena, "%.100s-net", task->id);
}

struct vpc_sandbox *drive_task_sandbox(const struct driver *d, const struct engine_task *t)
{
        struct arena arena CLEANUP_ARENA = {0};

        return d->vpc != NULL && engine_task_is_awsvpc(t) ? vpc_sandbox_find(d->vpc, driver_network_id(t, &arena)) : NULL;
}

/* All containers have the task's address. */
static void take_address(struct drive_task *dt, const struct vpc_sandbox *sandbox)
{
        for (uint32_t i = 0; i < dt->t->n_containers; i++) {
                free(dt->t->containers[i].address);
                dt->t->containers[i].address = xstrdup(vpc_sandbox_address(sandbox));
        }
}

static void made(struct drive_task *dt, const struct error *error)
{
        timers_cancel(dt->d->timers, &dt->retry);
        dt->network_made(dt, error);
}

static void create(struct drive_task *dt);

static void create_again(struct timer *timer)
{
        create(CONTAINER_OF(timer, struct drive_task, retry));
}

static void on_created(struct vpc_op *op, int status, const struct error *error)
{
        struct drive_task *dt = CONTAINER_OF(op, struct drive_task, op);
        struct error named = {0};

        if (status == -EEXIST && !dt->t->stop_wanted) {
                /* One that an earlier agent left is still being taken away. */
                timers_set(dt->d->timers, &dt->retry, RETRY_MS, create_again);
                return;
        }
        if (status == 0) {
                take_address(dt, drive_task_sandbox(dt->d, dt->t));
                made(dt, NULL);
                return;
        }
        (void)error_api(&named, "ResourceInitializationError", "the network interface of the task could not be set up: %s",
                        error != NULL && error->message[0] != '\0' ? error->message : strerror(-status));
        made(dt, &named);
}

static void create(struct drive_task *dt)
{
        struct arena arena CLEANUP_ARENA = {0};
        const struct vpc_sandbox_spec spec = {.id = driver_network_id(dt->t, &arena),
                                              .mode = VPC_INTERFACE,
                                              .tap = dt->vm != NULL ? vm_tap(dt->vm) : NULL,
                                              .interface = dt->t->payload->elastic_network_interfaces.items[0].ec2_id};

        dt->op.done = on_created;
        vpc_sandbox_create(dt->d->vpc, &spec, &dt->op);
}

static void on_interface(struct network_wait *wait, const struct error *error)
{
        struct drive_task *dt = CONTAINER_OF(wait, struct drive_task, network);

        if (error != NULL)
                made(dt, error);
        else
                create(dt);
}

static void look(struct timer *timer)
{
        struct drive_task *dt = CONTAINER_OF(timer, struct drive_task, retry);

        if (dt->network.network == NULL)
                return;
        if (!dt->t->stop_wanted) {
                timers_set(dt->d->timers, &dt->retry, LOOK_MS, look);
                return;
        }
        network_wait_cancel(&dt->network);
        made(dt, NULL); /* it ends anyway */
}

void drive_network_make(struct drive_task *dt, void (*done)(struct drive_task *dt, const struct error *error))
{
        const struct acs_elastic_network_interface_list *interfaces = &dt->t->payload->elastic_network_interfaces;
        struct vpc_sandbox *there = drive_task_sandbox(dt->d, dt->t);
        struct error error = {0};

        dt->network_made = done;
        if (!engine_task_is_awsvpc(dt->t)) {
                done(dt, NULL);
                return;
        }
        if (there != NULL) {
                /* The agent was restarted. */
                take_address(dt, there);
                done(dt, NULL);
                return;
        }
        if (dt->d->vpc == NULL || interfaces->n == 0 || str_empty(interfaces->items[0].ec2_id)) {
                (void)error_api(&error, "ResourceInitializationError",
                                dt->d->vpc == NULL ? "this node runs without networks; place awsvpc tasks on another one"
                                                   : "the server has sent no network interface with the task");
                done(dt, &error);
                return;
        }
        timers_set(dt->d->timers, &dt->retry, LOOK_MS, look);
        dt->network.done = on_interface;
        node_network_wait(dt->d->network, &dt->network, interfaces->items[0].ec2_id);
}

static void on_gone(struct vpc_op *op, int status, const struct error *error)
{
        struct drive_task *dt = CONTAINER_OF(op, struct drive_task, op);

        if (status < 0)
                log_warn("a task's network could not be taken away", LOG_S("task", dt->t->arn),
                         LOG_S("error", error != NULL ? error->message : strerror(-status)));
        dt->network_gone(dt);
}

bool drive_network_release(struct drive_task *dt, void (*done)(struct drive_task *dt))
{
        struct vpc_sandbox *sandbox = drive_task_sandbox(dt->d, dt->t);

        if (sandbox == NULL)
                return false;
        dt->network_gone = done;
        vpc_op_cancel(&dt->op);
        dt->op.done = on_gone;
        vpc_sandbox_destroy(sandbox, &dt->op);
        return true;
}

void drive_network_cancel(struct drive_task *dt)
{
        network_wait_cancel(&dt->network);
        timers_cancel(dt->d->timers, &dt->retry);
        vpc_op_cancel(&dt->op);
}
