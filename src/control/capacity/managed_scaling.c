/* SPDX-License-Identifier: Apache-2.0 */
/* See managed_scaling.h. */
#include "control/capacity/managed_scaling.h"

#include <errno.h>
#include <stdlib.h>

#include "base/strutil.h"
#include "control/capacity/attachments.h"
#include "control/capacity/fargate.h"
#include "control/capacity/group.h"
#include "control/capacity/provider_alarms.h"
#include "control/capacity/providers.h"
#include "control/service/service.h"

#define STEP_MS (INT64_C(60) * 1000)
/* A machine whose agent has just connected is still on its way: what waits for it is placed in the next moments. */
#define SETTLE_MS 5000
/* A machine whose agent has not come after so long, or the warm-up period, is not counted on any more. */
#define LATE_MS (INT64_C(180) * 1000)
#define MAX_PORTS 16

/* A machine to be filled with tasks, in thought. */
struct bin {
        int32_t cpu, memory;
        uint16_t ports[MAX_PORTS];
        uint32_t n_ports;
};

struct look {
        struct controller *controller;
        struct model *model;
        const struct capacity_provider *provider;
        const struct ecs_managed_scaling *scaling;
        struct scaling_group *group;
        struct tx *tx;
        int64_t now_ms, next;
        int32_t cpu, memory; /* of a machine */
        uint32_t n;          /* live machines */
        uint32_t n_coming;   /* of them, those whose agents are awaited */
        uint32_t busy;       /* of them, those that are needed */
        struct bin *bins;
        uint32_t n_bins, bin_room;
        uint32_t coming; /* bins that are on their way; those behind them would be new */
        struct provider_reading reading;
};

/* ---- What there is ---- */

static struct bin *add_bin(struct look *look)
{
        if (look->n_bins == look->bin_room) {
                uint32_t room = look->bin_room > 0 ? 2 * look->bin_room : 16;
                struct bin *bins = arena_calloc(tx_arena(look->tx), room, sizeof(*bins));

                for (uint32_t i = 0; i < look->n_bins; i++)
                        bins[i] = look->bins[i];
                look->bins = bins;
                look->bin_room = room;
        }
        look->bins[look->n_bins] = (struct bin){.cpu = look->cpu, .memory = look->memory};
        return &look->bins[look->n_bins++];
}

/* A machine of the group that has joined says what one really offers; else its type does. */
static void learn_size(struct look *look)
{
        struct group_recipe recipe = {0};
        struct error error = {0};

        if (group_recipe(look->model, look->group, tx_arena(look->tx), &recipe, &error) < 0)
                error_clear(&error);
        look->cpu = recipe.cpu;
        look->memory = recipe.memory;
        list_for_each (machine, &look->group->machines, struct machine, in_group) {
                const struct instance *instance = model_machine_instance(look->model, machine);

                if (instance == NULL || !str_eq(machine->state->type, recipe.type))
                        continue;
                look->cpu = instance->state->cpu;
                look->memory = instance->state->memory;
        }
}

static bool is_coming(struct look *look, struct machine *machine)
{
        const struct instance *instance = model_machine_instance(look->model, machine);
        int64_t until = machine->state->launched_at + MAX((int64_t)look->scaling->instance_warmup_period * 1000, LATE_MS);

        if (instance != NULL && instance->connected && machine->connected_ms == 0)
                machine->connected_ms = look->now_ms;
        if (machine->connected_ms != 0)
                until = machine->connected_ms + SETTLE_MS;
        if (until <= look->now_ms)
                return false;
        look->next = MIN(look->next, until);
        return true;
}

static void protect(struct look *look, struct machine *machine, bool wanted)
{
        struct state_machine *state;

        if (look->provider->state->provider->auto_scaling_group_provider->managed_termination_protection !=
                    ECS_MANAGED_TERMINATION_PROTECTION_ENABLED ||
            machine->state->protected == wanted)
                return;
        state = tx_edit(look->tx, &machine->object);
        SHAPE_SET(state, state_machine, protected, wanted);
        tx_put(look->tx, &machine->object, state);
}

static void count_machines(struct look *look)
{
        int32_t desired = look->group->state->group->desired_capacity;

        list_for_each (machine, &look->group->machines, struct machine, in_group) {
                bool guarded, coming;
                uint32_t tasks;

                if (!machine_is_live(machine))
                        continue;
                tasks = machine_tasks(look->model, machine, look->now_ms, &guarded);
                coming = is_coming(look, machine);
                look->n++;
                look->busy += tasks > 0 || coming;
                protect(look, machine, tasks > 0);
                look->n_coming += coming && machine->connected_ms == 0;
                if (coming && tasks == 0)
                        (void)add_bin(look);
        }
        /* Wanted, and not launched yet. */
        for (uint32_t n = look->n; (int64_t)n < desired; n++) {
                (void)add_bin(look);
                look->busy++;
        }
        look->coming = look->n_bins;
}

/* ---- What waits ---- */

static bool has_port(const struct bin *bin, const struct int_list *ports)
{
        for (uint32_t i = 0; i < ports->n; i++)
                for (uint32_t j = 0; j < bin->n_ports; j++)
                        if (bin->ports[j] == ports->items[i])
                                return true;
        return false;
}

static bool put(struct bin *bin, const struct state_task *task)
{
        if (task->cpu > bin->cpu || task->memory > bin->memory || has_port(bin, &task->ports))
                return false;
        bin->cpu -= task->cpu;
        bin->memory -= task->memory;
        for (uint32_t i = 0; i < task->ports.n && bin->n_ports < MAX_PORTS; i++)
                bin->ports[bin->n_ports++] = (uint16_t)task->ports.items[i];
        return true;
}

/* The first bin that has room, else a new one; what no machine could hold asks for none. */
static void pack(struct look *look, const struct state_task *task)
{
        if (task->cpu > look->cpu || task->memory > look->memory)
                return;
        for (uint32_t i = 0; i < look->n_bins; i++)
                if (put(&look->bins[i], task))
                        return;
        (void)put(add_bin(look), task);
}

struct waiting {
        const struct state_task **items;
        uint32_t n, room;
};

static void add_waiting(struct look *look, struct waiting *waiting, const struct task *task)
{
        if (!str_eq(task->state->capacity_provider, look->provider->state->provider->name) || !task_is_waiting(task->state))
                return;
        if (waiting->n == waiting->room) {
                uint32_t room = waiting->room > 0 ? 2 * waiting->room : 64;
                const struct state_task **items = arena_calloc(tx_arena(look->tx), room, sizeof(*items));

                for (uint32_t i = 0; i < waiting->n; i++)
                        items[i] = waiting->items[i];
                waiting->items = items;
                waiting->room = room;
        }
        waiting->items[waiting->n++] = task->state;
}

static void find_waiting(struct look *look, struct waiting *waiting)
{
        list_for_each (task, &look->controller->provisioning, struct task, place.link)
                add_waiting(look, waiting, task);
        tree_for_each (node, model_objects(look->model, OBJECT_CLUSTER)) {
                const struct cluster *cluster = MODEL_OBJECT(node, cluster);

                if (!providers_list(&cluster->state->capacity_providers, look->provider->state->provider->name))
                        continue;
                list_for_each (service, &cluster->services, struct service, in_cluster) {
                        if (service_control_of(service) == NULL)
                                continue;
                        list_for_each (pool, &service_control_of(service)->pools, struct pool, link)
                                pool_for_each(task, pool, POOL_WAITING) add_waiting(look, waiting, task);
                }
        }
}

/* The largest first: they pack best. */
static int by_size(const void *a, const void *b)
{
        const struct state_task *x = *(const struct state_task *const *)a, *y = *(const struct state_task *const *)b;
        int64_t of_x = (int64_t)x->memory + x->cpu, of_y = (int64_t)y->memory + y->cpu;

        return (of_x < of_y) - (of_x > of_y);
}

/* Machines that are missing. */
static uint32_t needed(struct look *look)
{
        struct waiting waiting = {0};
        uint32_t n;

        find_waiting(look, &waiting);
        if (waiting.n > 0)
                qsort(waiting.items, waiting.n, sizeof(*waiting.items), by_size);
        for (uint32_t i = 0; i < waiting.n; i++)
                pack(look, waiting.items[i]);
        n = look->n_bins - look->coming;
        if (n == 0)
                return 0;
        return MIN(MAX(n, (uint32_t)MAX(look->scaling->minimum_scaling_step_size, 1)), (uint32_t)look->scaling->maximum_scaling_step_size);
}

/* ---- What follows ---- */

int scale_in_ms_read(const char *value, int64_t *ret)
{
        int64_t ms;

        if (value == NULL || str_to_int64(value, &ms) < 0 || ms < 0 || ms > SCALE_IN_MAX_MS)
                return -EINVAL;
        *ret = ms;
        return 0;
}

static int64_t scale_in_ms(const struct look *look)
{
        const struct ecs_tag_list *tags = &look->provider->state->provider->tags;
        int64_t ms = SCALE_IN_MS;

        for (uint32_t i = 0; i < tags->n; i++)
                if (str_eq(tags->items[i].key, SCALE_IN_TAG) && scale_in_ms_read(tags->items[i].value, &ms) == 0)
                        break;
        return ms;
}

static void remember(struct look *look, bool scaled_in)
{
        struct state_scaling_group *state;

        if (look->group->state->low_since == look->reading.low_since && !scaled_in)
                return;
        state = tx_edit(look->tx, &look->group->object);
        state->low_since = look->reading.low_since;
        if (scaled_in)
                state->scaled_in_at = look->now_ms;
        tx_put(look->tx, &look->group->object, state);
}

static const char *cause(const struct look *look)
{
        char at[32];

        str_iso8601(look->now_ms, false, at);
        return arena_printf(tx_arena(look->tx),
                            "At %s capacity provider %s, whose CapacityProviderReservation is %.0f at a target of %d, is", at,
                            look->provider->state->provider->name, look->reading.reservation, look->reading.target);
}

/* By half at most, and a minute apart. */
static void shrink(struct look *look, int32_t wanted)
{
        const struct asg_auto_scaling_group *g = look->group->state->group;
        int64_t pause_ms = MIN(STEP_MS, look->reading.in_ms), at = look->group->state->scaled_in_at + pause_ms;
        int32_t half = g->desired_capacity - MAX(g->desired_capacity / 2, 1);

        if (at > look->now_ms) {
                look->next = MIN(look->next, at);
                return;
        }
        group_set_desired(look->tx, look->group, MAX(MAX(wanted, half), g->min_size), cause(look));
        remember(look, true);
        look->next = MIN(look->next, look->now_ms + MAX(pause_ms, 1000));
}

/* The metric, and whether it is over its target, or has been below for long enough. */
static void read_metric(struct look *look, uint32_t more)
{
        struct provider_reading *reading = &look->reading;
        uint32_t desired = (uint32_t)look->group->state->group->desired_capacity;

        /* What the group wants already and has not got yet is not asked for twice. */
        reading->needed = more > 0 ? MAX(look->n, desired) + more : look->busy;
        reading->up = look->n - look->n_coming;
        reading->reservation = reading->up > 0 ? 100.0 * reading->needed / reading->up : reading->needed > 0 ? 200 : 100;
        reading->target = look->scaling->target_capacity > 0 ? look->scaling->target_capacity : 100;
        reading->in_ms = scale_in_ms(look);
        reading->high = reading->needed > 0 && reading->reservation > reading->target;
        if (reading->reservation < reading->target)
                reading->low_since = look->group->state->low_since != 0 ? look->group->state->low_since : look->now_ms;
        reading->low = reading->low_since != 0 && look->now_ms >= reading->low_since + reading->in_ms;
        if (reading->low_since != 0 && !reading->low)
                look->next = MIN(look->next, reading->low_since + reading->in_ms);
        look->group->reservation = reading->reservation;
}

static void tell_alarms(struct look *look)
{
        const char *name = look->provider->state->provider->name;

        tree_for_each (node, model_objects(look->model, OBJECT_CLUSTER)) {
                const struct cluster *cluster = MODEL_OBJECT(node, cluster);
                const struct state_cluster_attachment *attachment = attachment_of_policy(cluster, name);

                if (attachment != NULL)
                        provider_alarms_tell(look->tx, cluster->state->name, attachment, &look->reading, look->now_ms);
        }
}

static void decide(struct look *look, uint32_t more)
{
        const struct asg_auto_scaling_group *g = look->group->state->group;
        int32_t wanted;

        read_metric(look, more);
        tell_alarms(look);
        remember(look, false);
        wanted = (int32_t)(((int64_t)look->reading.needed * 100 + look->reading.target - 1) / look->reading.target);
        if (look->reading.high && wanted > g->desired_capacity)
                group_set_desired(look->tx, look->group, MAX(MIN(wanted, g->max_size), g->desired_capacity), cause(look));
        else if (look->reading.low && MAX(wanted, g->min_size) < g->desired_capacity)
                shrink(look, wanted);
}

static void run_provider(struct controller *controller, const struct capacity_provider *provider, int64_t now_ms, int64_t *next)
{
        const struct ecs_auto_scaling_group_provider *p = provider->state->provider->auto_scaling_group_provider;
        struct look look = {.controller = controller,
                            .model = controller->model,
                            .provider = provider,
                            .scaling = p != NULL ? p->managed_scaling : NULL,
                            .group = p != NULL ? model_find_scaling_group(controller->model, p->auto_scaling_group_arn) : NULL,
                            .now_ms = now_ms,
                            .next = *next};

        if (look.group == NULL || look.group->state->deleting || look.scaling == NULL ||
            look.scaling->status != ECS_MANAGED_SCALING_STATUS_ENABLED)
                return;
        look.tx = tx_begin(look.model);
        learn_size(&look);
        count_machines(&look);
        decide(&look, needed(&look));
        (void)tx_commit(look.tx);
        *next = look.next;
}

int64_t managed_scaling_run(struct controller *controller, int64_t now_ms)
{
        int64_t next = INT64_MAX;

        tree_for_each (node, model_objects(controller->model, OBJECT_CAPACITY_PROVIDER))
                run_provider(controller, MODEL_OBJECT(node, capacity_provider), now_ms, &next);
        return next;
}
