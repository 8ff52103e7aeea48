/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's frame: what changed in the model, when it is durable, and the timer. */
#include "lb/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "lb/internal.h"

#define TICK_MS 100
#define TICK_IDLE_MS 1000

/* ---- What has changed ---- */

static void instance_changed(struct lb_driver *driver, const struct state_container_instance *old_state,
                             const struct state_container_instance *new_state)
{
        /* Where its published ports are reached. */
        if (old_state == NULL || new_state == NULL || !str_eq(old_state->address, new_state->address) ||
            !str_eq(instance_attribute(old_state, INSTANCE_ADDRESS_ATTRIBUTE), instance_attribute(new_state, INSTANCE_ADDRESS_ATTRIBUTE)))
                driver->servers_dirty = true;
}

static void on_changed(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state)
{
        struct lb_driver *driver = CONTAINER_OF(observer, struct lb_driver, observer);

        switch (object->kind) {
        case OBJECT_TARGET:
                driver->servers_dirty = true;
                break;
        case OBJECT_LOAD_BALANCER:
        case OBJECT_LISTENER:
        case OBJECT_LISTENER_RULE:
        case OBJECT_TARGET_GROUP:
                driver->structure_dirty = driver->servers_dirty = true;
                break;
        case OBJECT_CERTIFICATE:
                driver->certificates_dirty = true;
                break;
        case OBJECT_INSTANCE:
                instance_changed(driver, old_state, new_state);
                break;
        default:
                return;
        }
        lb_driver_wake(driver);
}

/* Everything that memory says is on disk: the proxy may follow. */
static void apply(struct lb_driver *driver)
{
        if (driver->structure_dirty)
                lb_process_apply(driver);
        if (driver->certificates_dirty)
                lb_certificates_push(driver);
        if (driver->servers_dirty)
                lb_servers_sync(driver);
}

static void on_durable(struct commit_waiter *waiter)
{
        struct lb_driver *driver = CONTAINER_OF(waiter, struct lb_driver, durable);

        driver->waiting_durable = false;
        if (driver->freeing) {
                lb_driver_release(driver);
                return;
        }
        /* What came after the commit that was waited for has to wait for its own. */
        if (model_sequence(driver->options.model) > model_durable(driver->options.model))
                lb_driver_wake(driver);
        else
                apply(driver);
}

/* At the end of a loop turn, once for all changes in it. */
static void on_prepare(uv_prepare_t *prepare)
{
        struct lb_driver *driver = prepare->data;

        uv_prepare_stop(prepare);
        uv_idle_stop(&driver->idle);
        if (driver->waiting_durable)
                return;
        driver->waiting_durable = true;
        driver->durable.durable = on_durable;
        model_when_durable(driver->options.model, model_sequence(driver->options.model), &driver->durable);
}

static void on_idle(uv_idle_t *idle)
{
        (void)idle; /* keeps the loop from sleeping before on_prepare */
}

void lb_driver_wake(struct lb_driver *driver)
{
        if (driver->waiting_durable || driver->freeing || uv_is_active((uv_handle_t *)&driver->prepare))
                return;
        uv_idle_start(&driver->idle, on_idle);
        uv_prepare_start(&driver->prepare, on_prepare);
}

/* ---- Timer ---- */

static bool is_busy(const struct lb_driver *driver)
{
        if (driver->state == LB_CHANGING)
                return true;
        tree_for_each (node, model_objects(driver->options.model, OBJECT_TARGET)) {
                const struct target *target = MODEL_OBJECT(node, target);

                if (target->group->n_uses > 0 &&
                    (target->state->draining_since != 0 || target->health == ELBV2_TARGET_HEALTH_STATE_INITIAL))
                        return true;
        }
        return false;
}

static void on_tick(uv_timer_t *timer)
{
        struct lb_driver *driver = timer->data;
        uint64_t next;

        lb_process_tick(driver);
        lb_health_tick(driver);
        lb_old_workers_tick(driver);
        map_for_each (node, &driver->servers)
                if (!CONTAINER_OF(node, struct lb_server, node)->wanted)
                        driver->servers_dirty = true;
        if (driver->servers_dirty || driver->certificates_dirty || (driver->structure_dirty && driver->state == LB_UP))
                lb_driver_wake(driver);
        next = driver->state == LB_CHANGING ? TICK_MS / 10 : is_busy(driver) ? TICK_MS : TICK_IDLE_MS;
        if (uv_timer_get_repeat(timer) != next)
                uv_timer_start(timer, on_tick, next, next);
}

/* ---- Life ---- */

static int make_folder(const char *path, struct error *error)
{
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return error_set(error, errno, "cannot make %s: %s", path, strerror(errno));
        return 0;
}

void lb_driver_release(struct lb_driver *driver)
{
        if (!driver->freeing || driver->open_handles > 0 || driver->check_handles > 0 || driver->waiting_durable)
                return;
        free(driver->dir);
        free(driver->program);
        free(driver->access_logs);
        arena_done(&driver->arena);
        free(driver);
}

void lb_driver_on_closed(uv_handle_t *handle)
{
        struct lb_driver *driver = handle->data;

        driver->open_handles--;
        lb_driver_release(driver);
}

/* HAProxy reads its files again long after it was started. Takes and returns allocated memory. */
static char *absolute(char *path)
{
        char *resolved = realpath(path, NULL);

        if (resolved == NULL)
                return path;
        free(path);
        return resolved;
}

int lb_driver_new(const struct lb_driver_options *options, struct lb_driver **ret, struct error *error)
{
        struct lb_driver *driver = xalloc(sizeof(*driver));
        uv_loop_t *loop = options->loop;
        int r;

        driver->options = *options;
        driver->dir = xstrdup(options->dir);
        driver->program = xstrdup(options->program != NULL ? options->program : "haproxy");
        driver->access_logs = options->access_logs != NULL ? xstrdup(options->access_logs) : xprintf("%s/access-logs", options->dir);
        (void)snprintf(driver->name, sizeof(driver->name), "gantry-%.8s", model_meta(options->model)->id);
        if ((r = make_folder(driver->dir, error)) < 0 || (r = lb_events_open(driver, error)) < 0) {
                free(driver->dir);
                free(driver->program);
                free(driver->access_logs);
                free(driver);
                return r;
        }
        driver->dir = absolute(driver->dir);
        driver->config = (struct lb_config_options){.dir = driver->dir, .log = driver->log_address, .name = driver->name};
        for (uint32_t i = 0; i < options->shared.n; i++)
                string_list_push(&driver->arena, &driver->config.shared, arena_strdup(&driver->arena, options->shared.items[i]));
        if (options->shared.n == 0)
                string_list_push(&driver->arena, &driver->config.shared, "127.0.0.1");
        if (options->metrics != NULL)
                driver->traffic = lb_traffic_new(options->model, options->metrics);
        lb_counters_init(&driver->counters, true);
        list_init(&driver->retired);
        lb_process_init(driver);
        uv_idle_init(loop, &driver->idle);
        uv_prepare_init(loop, &driver->prepare);
        uv_timer_init(loop, &driver->tick);
        driver->idle.data = driver->prepare.data = driver->tick.data = driver;
        driver->observer.changed = on_changed;
        model_observe(options->model, &driver->observer);
        model_set_balancing(options->model, true);
        lb_process_adopt(driver);
        driver->structure_dirty = driver->servers_dirty = true;
        uv_timer_start(&driver->tick, on_tick, TICK_MS / 10, TICK_MS);
        uv_unref((uv_handle_t *)&driver->tick);
        uv_unref((uv_handle_t *)&driver->log_poll);
        lb_driver_wake(driver);
        *ret = driver;
        return 0;
}

struct lb_driver *lb_driver_free(struct lb_driver *driver)
{
        if (driver == NULL)
                return NULL;
        driver->freeing = true;
        model_set_balancing(driver->options.model, false);
        model_unobserve(driver->options.model, &driver->observer);
        lb_servers_done(driver);
        lb_old_workers_done(driver);
        lb_process_done(driver);
        lb_counters_done(&driver->counters);
        driver->traffic = lb_traffic_free(driver->traffic);
        lb_events_close(driver);
        driver->open_handles += 4;
        uv_close((uv_handle_t *)&driver->idle, lb_driver_on_closed);
        uv_close((uv_handle_t *)&driver->prepare, lb_driver_on_closed);
        uv_close((uv_handle_t *)&driver->tick, lb_driver_on_closed);
        uv_close((uv_handle_t *)&driver->log_poll, lb_driver_on_closed);
        return NULL;
}
