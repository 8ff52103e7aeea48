/* SPDX-License-Identifier: Apache-2.0 */
/* See load.h. What must hold of services under load is checked here, at each of the sensor's seconds. */
#include "sim/load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/server.h"
#include "base/alloc.h"
#include "base/strutil.h"
#include "control/alarm/evaluate.h"
#include "metrics/metrics.h"
#include "model/scaling.h"
#include "sim/bugs.h"
#include "sim/invariant.h"
#include "sim/node.h"
#include "sim/operator.h"
#include "sim/step.h"
#include "sim/want.h"
#include "sim/world.h"

/* Under a load that has been steady for so long, and without faults, a service has found its size, */
#define SETTLED_US (120 * SIM_SECOND)
/* and turns no more, or no more often than so when its sensor is off or fails, */
#define TURNS_NOISY 3
/* and more work than this for each task, for so long, makes it grow. */
#define HOT 1.15
#define HOT_PERIODS 4 /* of its alarm: three points, and the one that had begun */
#define HOT_US (8 * SIM_SECOND)
#define CALM_US (30 * SIM_SECOND) /* after a fault */

/* ---- shapes: what part of the way from `from` to `to`, by the part of a turn ---- */

static double steady(UNUSED double turn)
{
        return 0;
}

static double steps(double turn)
{
        return fmod(turn, 1) < 0.5 ? 0 : 1;
}

static double ramp(double turn)
{
        return MIN(turn, 1);
}

static double spikes(double turn)
{
        return fmod(turn, 1) < 0.9 ? 0 : 1;
}

static double day(double turn)
{
        return (1 - cos(2 * M_PI * turn)) / 2;
}

static const struct {
        const char *name;
        double (*part)(double turn);
} shapes[] = {{"steady", steady}, {"steps", steps}, {"ramp", ramp}, {"spikes", spikes}, {"day", day}};

static double load_now(const struct sim_load *load)
{
        double turn = (double)(load->world->clock.now_us - load->since_us) / (double)load->every_us;

        return load->from + (load->to - load->from) * shapes[load->shape].part(turn);
}

static bool is_steady(const struct sim_load *load)
{
        return load->from == load->to || shapes[load->shape].part == steady ||
               (shapes[load->shape].part == ramp && load->world->clock.now_us - load->since_us > load->every_us + SETTLED_US);
}

/* ---- the sensor ---- */

static int32_t running(const struct sim_load *load)
{
        int32_t n = 0;

        for (uint32_t i = 0; i < load->world->n_nodes; i++) {
                const struct sim_node *node = load->world->nodes[i];

                if (!node->on || node->frozen)
                        continue;
                list_for_each (run, &node->runs, struct sim_run, link)
                        n += run->status == SIM_RUN_RUNNING && str_eq(run->service, load->service);
        }
        return n;
}

static void tell(struct sim_load *load, double value)
{
        struct sim_world *world = load->world;
        const struct metric_dimension dimensions[] = {{"ClusterName", world->cluster}, {"ServiceName", load->service}};
        const struct metric_id id = {"AWS/ECS", "CPUUtilization", dimensions, ARRAY_SIZE(dimensions)};
        double off = (double)sim_random_between(&load->chance, -1000, 1000) / 1000 * load->noise / 100;

        (void)metrics_put_value(world->server.api->metrics, &id, value * (1 + off), 0, env_now_ms(&world->clock.env));
}

/* ---- what must hold ---- */

#define VIOLATE(world, which, ...) sim_world_violate(world, sim_invariants[which].name, __VA_ARGS__)

void sim_load_service_changed(struct sim_world *world, struct object *object, const void *old_state, const void *new_state)
{
        const struct state_service *old = old_state, *new = new_state;
        const struct scalable_target *target;
        char id[600];

        if (object->kind != OBJECT_SERVICE || old == NULL || new == NULL || old->desired_count == new->desired_count)
                return;
        (void)snprintf(id, sizeof(id), "service/%s/%s", new->cluster, new->name);
        target = model_scalable_target(world->server.model, id);
        if (target != NULL && (new->desired_count < target->state->min_capacity || new->desired_count > target->state->max_capacity))
                VIOLATE(world, SIM_INV_LIMITS, "service %s went from %d to %d tasks; its limits are %d and %d", new->name,
                        old->desired_count, new->desired_count, target->state->min_capacity, target->state->max_capacity);
}

static bool is_calm(const struct sim_load *load, int64_t for_us)
{
        const struct sim_world *world = load->world;

        return world->clock.now_us > world->faults_until_us + CALM_US && world->clock.now_us > load->since_us + for_us;
}

static void check_turns(struct sim_load *load, int32_t desired)
{
        int direction = desired > load->desired ? 1 : -1;

        if (desired == load->desired)
                return;
        if (!is_steady(load) || !is_calm(load, SETTLED_US) || load->world->clock.now_us < load->world->faults_until_us + SETTLED_US)
                load->turns = 0;
        else if (load->direction != 0 && direction != load->direction && ++load->turns > (load->noise + load->blind > 0 ? TURNS_NOISY : 0))
                VIOLATE(load->world, SIM_INV_FLAPPING,
                        "service %s turned %u times under a steady load of %.2f tasks, now from %d to %d tasks", load->service, load->turns,
                        load->from, load->desired, desired);
        load->direction = direction;
        load->desired = desired;
}

/* How long too much work may last before there are more tasks. */
static int64_t patience_us(const struct sim_load *load, const char *resource_id)
{
        struct model *model = load->world->server.model;
        const struct scaling_policy *policy = model_scaling_policy(model, resource_id, "p");
        const struct alarm *high =
                policy != NULL && policy->state->alarms.n > 0 ? model_alarm(model, policy->state->alarms.items[0]) : NULL;

        return HOT_US + (high != NULL ? alarm_period_s(high->state) : 60) * HOT_PERIODS * SIM_SECOND;
}

static void check_growth(struct sim_load *load, double work, int32_t n, const struct service *service, const struct scalable_target *target)
{
        int64_t now_us = load->world->clock.now_us;
        bool hot = is_calm(load, 0) && n > 0 && work > n * HOT && n == service->state->desired_count && n < target->state->max_capacity;

        if (!hot || load->hot_us == 0 || load->hot_tasks != n) {
                load->hot_us = hot ? now_us : 0;
                load->hot_tasks = n;
        } else if (now_us - load->hot_us > patience_us(load, target->state->resource_id)) {
                VIOLATE(load->world, SIM_INV_GROWTH, "service %s has had %.2f tasks' work for %d tasks for %lld s, and got no more of them",
                        load->service, work, n, (long long)((now_us - load->hot_us) / SIM_SECOND));
        }
}

static void on_second(void *owner, UNUSED void *data, UNUSED uint64_t number)
{
        struct sim_load *load = owner;
        struct sim_world *world = load->world;
        bool blind = sim_random_percent(&load->chance, load->blind);
        int32_t n = running(load);
        double work = load_now(load);
        const struct service *service;
        const struct scalable_target *target;
        char id[400];

        sim_after(&world->clock, SIM_SECOND, on_second, load, NULL, 0);
        if (blind || !sim_server_is_up(&world->server)) {
                load->hot_us = 0;
                return;
        }
        if (n > 0)
                tell(load, work * SIM_LOAD_TARGET / n);
        (void)snprintf(id, sizeof(id), "service/%s/%s", world->cluster, load->service);
        service = model_scaled_service(world->server.model, id);
        target = model_scalable_target(world->server.model, id);
        if (world->unchecked || service == NULL || target == NULL)
                return;
        check_turns(load, service->state->desired_count);
        check_growth(load, work, n, service, target);
}

/* ---- verbs ---- */

static struct sim_load *find(struct sim_world *world, const char *service)
{
        list_for_each (load, &world->loads, struct sim_load, link)
                if (str_eq(load->service, service))
                        return load;
        return NULL;
}

void sim_do_load(struct sim_world *world, const struct sim_step *step)
{
        struct sim_load *load = find(world, step->subject);
        double from = (double)step->number[SIM_FROM] / 100;

        if (load == NULL) {
                load = xalloc(sizeof(*load));
                load->world = world;
                load->chance = sim_random_make(world->seed, "load", 0);
                (void)snprintf(load->service, sizeof(load->service), "%s", step->subject);
                list_push(&world->loads, &load->link);
                sim_after(&world->clock, SIM_SECOND, on_second, load, NULL, 0);
        }
        load->shape = 0;
        for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
                if (str_eq(shapes[i].name, step->text[SIM_SHAPE]))
                        load->shape = (int)i;
        load->from = from;
        load->to = sim_step_has(step, SIM_TO) ? (double)step->number[SIM_TO] / 100 : from;
        load->every_us = MAX(sim_step_number(step, SIM_EVERY, 60 * SIM_SECOND), SIM_SECOND);
        load->noise = (uint32_t)step->number[SIM_NOISE];
        load->blind = (uint32_t)step->number[SIM_BLIND];
        load->since_us = world->clock.now_us;
        load->turns = 0;
        load->hot_us = 0;
}

static void on_scaled(UNUSED struct sim_world *world, struct sim_want *want, const char *data, UNUSED const char *answer)
{
        want->scaled = true;
        want->high = MAX(want->high, (int32_t)strtol(data, NULL, 10));
}

#define WHO "\"ServiceNamespace\":\"ecs\",\"ScalableDimension\":\"ecs:service:DesiredCount\",\"ResourceId\":\"service/%s/%s\""

void sim_do_scale(struct sim_world *world, const struct sim_step *step)
{
        struct sim_want *want = sim_want(world, SIM_WANT_SERVICE, step->subject);
        long long cooldown_s = sim_step_number(step, SIM_COOLDOWN, 30 * SIM_SECOND) / SIM_SECOND;
        CLEANUP_BUF struct buf target = {0}, policy = {0}, most = {0};

        if (want == NULL)
                return;
        buf_printf(&target, "{" WHO ",\"MinCapacity\":%lld,\"MaxCapacity\":%lld}", world->cluster, step->subject,
                   (long long)step->number[SIM_AT_LEAST], (long long)step->number[SIM_AT_MOST]);
        buf_printf(&policy,
                   "{" WHO ",\"PolicyName\":\"p\",\"PolicyType\":\"TargetTrackingScaling\",\"TargetTrackingScalingPolicyConfiguration\":{"
                   "\"TargetValue\":%d,\"ScaleInCooldown\":%lld,\"ScaleOutCooldown\":%lld,"
                   "\"PredefinedMetricSpecification\":{\"PredefinedMetricType\":\"ECSServiceAverageCPUUtilization\"}}}",
                   world->cluster, step->subject, SIM_LOAD_TARGET, cooldown_s, cooldown_s);
        buf_printf(&most, "%lld", (long long)step->number[SIM_AT_MOST]);
        want->scaled = true; /* from the moment on at which the server may do it */
        want->high = MAX(want->high, (int32_t)step->number[SIM_AT_MOST]);
        sim_operate(world, want, "application-autoscaling:RegisterScalableTarget", buf_take(&target), on_scaled, buf_take(&most));
        sim_operate(world, want, "application-autoscaling:PutScalingPolicy", buf_take(&policy), NULL, NULL);
}

void sim_loads_free(struct sim_world *world)
{
        list_for_each (load, &world->loads, struct sim_load, link)
                free(load);
}
