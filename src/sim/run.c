/* SPDX-License-Identifier: Apache-2.0 */
/* A task on a simulated node: pull, start, health, end, and what its agent reports of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "api/tcs.idl.h"
#include "sim/bugs.h"
#include "sim/image.h"
#include "sim/network.h"
#include "sim/node.h"
#include "sim/server.h"
#include "sim/world.h"

/* How often an agent tells the health of its containers (TCS). */
#define HEALTH_US (10 * SIM_SECOND)

static bool has_image(const struct sim_node *node, const struct sim_image *image)
{
        list_for_each (pulled, &node->images, struct sim_pulled, link)
                if (pulled->image == image)
                        return true;
        return false;
}

static void add_image(struct sim_node *node, const struct sim_image *image)
{
        struct sim_pulled *pulled;

        if (has_image(node, image))
                return;
        pulled = xalloc(sizeof(*pulled));
        pulled->image = image;
        list_push(&node->images, &pulled->link);
}

struct sim_run *sim_run_new(struct sim_node *node, const char *id)
{
        struct sim_run *run = xalloc(sizeof(*run));

        run->node = node;
        (void)snprintf(run->id, sizeof(run->id), "%s", id);
        run->taken_us = node->world->clock.now_us;
        list_push(&node->runs, &run->link);
        return run;
}

void sim_run_free(struct sim_run *run)
{
        list_remove(&run->link);
        free(run);
}

/* ---- Life ---- */

static void set_status(struct sim_run *run, enum sim_run_status status)
{
        run->status = status;
        run->generation++;
        sim_world_run_changed(run);
}

/* Timers name the run by its address, which stays until the world ends; the generation says whether they still mean anything. A
 * frozen machine's timers wait with it. */
static void in(struct sim_run *run, int64_t delay_us, sim_event_fn fire)
{
        sim_after(&run->node->world->clock, delay_us, fire, run, NULL, run->generation);
}

static bool stale(struct sim_run *run, uint64_t generation, sim_event_fn again)
{
        if (run->generation != generation)
                return true;
        if (!run->node->frozen)
                return false;
        in(run, SIM_SECOND / 10, again);
        return true;
}

void sim_run_exit(struct sim_run *run, int32_t exit_code, const char *reason)
{
        if (run->status == SIM_RUN_STOPPED)
                return;
        run->exit_code = exit_code;
        if (run->reason == NULL)
                run->reason = reason;
        set_status(run, SIM_RUN_STOPPED);
        sim_run_report(run);
}

static void on_ended(void *owner, void *data, uint64_t generation)
{
        struct sim_run *run = owner;

        if (!stale(run, generation, on_ended))
                sim_run_exit(run, run->image->exit_code, "Essential container in task exited");
}

static void on_stopped(void *owner, void *data, uint64_t generation)
{
        struct sim_run *run = owner;

        if (!stale(run, generation, on_stopped))
                sim_run_exit(run, 143, NULL);
}

static void set_health(struct sim_run *run, enum sim_health health)
{
        if (run->health == health)
                return;
        run->health = health;
        sim_world_run_changed(run);
        sim_node_report_health(run->node);
}

static void on_sick(void *owner, void *data, uint64_t generation)
{
        struct sim_run *run = owner;

        if (!stale(run, generation, on_sick))
                set_health(run, SIM_HEALTH_BAD);
}

static void on_healthy(void *owner, void *data, uint64_t generation)
{
        struct sim_run *run = owner;

        if (!stale(run, generation, on_healthy) && run->health != SIM_HEALTH_BAD)
                set_health(run, SIM_HEALTH_GOOD);
}

static void on_running(void *owner, void *data, uint64_t generation)
{
        struct sim_run *run = owner;
        const struct sim_image *image = run->image;

        if (stale(run, generation, on_running))
                return;
        run->running_us = run->node->world->clock.now_us;
        set_status(run, SIM_RUN_RUNNING);
        if (image->exit_us > 0)
                in(run, image->exit_us, on_ended);
        if (run->checked) {
                run->health = SIM_HEALTH_UNKNOWN;
                if (image->unhealthy_us == 0 || image->healthy_us < image->unhealthy_us)
                        in(run, image->healthy_us, on_healthy);
                if (image->unhealthy_us > 0)
                        in(run, image->unhealthy_us, on_sick);
        }
        sim_run_report(run);
}

static void on_pulled(void *owner, void *data, uint64_t generation)
{
        struct sim_run *run = owner;

        if (stale(run, generation, on_pulled))
                return;
        if (run->image->missing) {
                sim_run_exit(run, -1, "CannotPullContainerError: the image is not there");
                return;
        }
        add_image(run->node, run->image);
        in(run, sim_random_between(&run->node->chance, run->image->start_us / 2, run->image->start_us * 3 / 2), on_running);
}

void sim_run_start(struct sim_run *run)
{
        const struct sim_image *image = run->image;
        int64_t pull = 0;

        if (image->missing || !has_image(run->node, image))
                pull = sim_random_between(&run->node->chance, image->pull_us / 2, image->pull_us * 2);
        sim_world_run_changed(run);
        in(run, pull, on_pulled);
}

void sim_run_stop(struct sim_run *run, const char *reason)
{
        run->stop_wanted = true;
        if (run->status == SIM_RUN_STOPPED) {
                sim_run_report(run);
                return;
        }
        if (run->status == SIM_RUN_STOPPING)
                return;
        run->reason = reason;
        if (run->status == SIM_RUN_PENDING) {
                sim_run_exit(run, -1, reason);
                return;
        }
        set_status(run, SIM_RUN_STOPPING);
        in(run, sim_random_between(&run->node->chance, run->image->stop_us / 2, run->image->stop_us * 3 / 2), on_stopped);
}

/* ---- Reports ---- */

static enum sim_run_status to_report(const struct sim_run *run)
{
        return run->status == SIM_RUN_STOPPING ? SIM_RUN_RUNNING : run->status;
}

static void on_retry(void *owner, void *data, uint64_t life)
{
        struct sim_run *run = owner;

        if (life != run->node->life)
                return;
        run->reporting = false;
        sim_run_report(run);
}

static void on_reported(void *owner, uint64_t what, int status, const char *json)
{
        struct sim_run *run = owner;
        struct sim_node *node = run->node;

        if (status == 0 || status >= 500) {
                sim_after(&node->world->clock, sim_random_between(&node->chance, SIM_SECOND / 4, 2 * SIM_SECOND), on_retry, run, NULL,
                          node->life);
                return;
        }
        run->reporting = false;
        run->has_reported = true;
        run->reported = (enum sim_run_status)what;
        sim_run_report(run);
}

void sim_run_report(struct sim_run *run)
{
        static const char *const words[] = {"PENDING", "RUNNING", "RUNNING", "STOPPED"};
        struct sim_node *node = run->node;
        struct sim_world *world = node->world;
        enum sim_run_status status = to_report(run);
        struct buf *out = &world->text;

        if (!node->agent_up || node->frozen || run->reporting || status == SIM_RUN_PENDING ||
            (run->has_reported && run->reported == status))
                return;
        if (status == SIM_RUN_STOPPED && sim_bug_strikes(world, SIM_BUG_AGENT_FORGETS_END)) {
                run->has_reported = true;
                run->reported = status;
                return;
        }
        run->reporting = true;
        buf_clear(out);
        buf_printf(out, "{\"cluster\":\"%s\",\"task\":\"%s:task/%s/%s\",\"status\":\"%s\",\"reason\":\"%s\",", world->cluster, world->arn,
                   world->cluster, run->id, words[status],
                   status == SIM_RUN_STOPPED && run->reason != NULL && !run->stop_wanted ? run->reason : "");
        buf_printf(out, "\"containers\":[{\"containerName\":\"%s\",\"runtimeId\":\"%s\",\"status\":\"%s\"", run->container, run->id,
                   words[status]);
        if (status == SIM_RUN_STOPPED && run->exit_code >= 0)
                buf_printf(out, ",\"exitCode\":%d", run->exit_code);
        buf_append_str(out, "}]}");
        sim_call(world, node, "SubmitTaskStateChange", out->data, on_reported, run, (uint64_t)status);
}

/* ---- Health ---- */

static void on_health_due(void *owner, void *data, uint64_t life)
{
        struct sim_node *node = owner;

        if (life != node->life)
                return;
        node->reports_health = false;
        sim_node_report_health(node);
}

void sim_node_telemetry_lost(struct sim_node *node)
{
        if (node->agent_up && !node->reports_health) {
                node->reports_health = true;
                sim_after(&node->world->clock, HEALTH_US / 4, on_health_due, node, NULL, node->life);
        }
}

static void health_of(struct sim_run *run, struct arena *arena, struct tcs_publish_health_request *out)
{
        static const char *const words[] = {"UNKNOWN", "UNKNOWN", "HEALTHY", "UNHEALTHY"};
        const struct sim_world *world = run->node->world;
        struct tcs_task_health *task = SHAPE_PUSH(arena, &out->tasks);
        struct tcs_container_health *container = SHAPE_PUSH(arena, &task->containers);

        task->task_arn = arena_printf(arena, "%s:task/%s/%s", world->arn, world->cluster, run->id);
        task->cluster_arn = world->cluster;
        container->container_name = run->container;
        container->health_status = words[run->health];
}

static bool has_checks(const struct sim_node *node)
{
        list_for_each (run, &node->runs, struct sim_run, link)
                if (run->checked && run->status == SIM_RUN_RUNNING)
                        return true;
        return false;
}

void sim_node_report_health(struct sim_node *node)
{
        struct sim_world *world = node->world;
        struct tcs_publish_health_request out = {0};

        if (!node->agent_up || node->frozen || !has_checks(node))
                return;
        if (node->telemetry == NULL) {
                if (node->control_up)
                        node->telemetry = sim_connect(node, true);
                return;
        }
        if (node->telemetry_up) {
                CLEANUP_ARENA struct arena arena = {0};

                list_for_each (run, &node->runs, struct sim_run, link)
                        if (run->checked && run->status == SIM_RUN_RUNNING)
                                health_of(run, &arena, &out);
                if (out.tasks.n > 0)
                        sim_say(node->telemetry, "PublishHealthRequest", &tcs_publish_health_request_shape, &out);
        }
        if (!node->reports_health) {
                node->reports_health = true;
                sim_after(&world->clock, HEALTH_US, on_health_due, node, NULL, node->life);
        }
}
