/* SPDX-License-Identifier: Apache-2.0 */
/* See managed_scaling.h. */
#include "control/managed_scaling.h"

#include <errno.h>
#include <stdlib.h>

#include "base/strutil.h"
#include "control/fargate.h"
#include "control/group.h"
#include "control/providers.h"
#include "control/service.h"

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
        uint32_t busy;       /* of them, those that are needed */
        struct bin *bins;
        uint32_t n_bins, bin_room;
        uint32_t coming; /* bins that are on their way; those behind them would be new */
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
        if (!str_eq(task->state->capacity_provider, look->provider->state->provider->name) || !fargate_waits(task->state))
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

static bool lists(const struct cluster *cluster, const char *provider)
{
        for (uint32_t i = 0; i < cluster->state->capacity_providers.n; i++)
                if (str_eq(provider_name_in(cluster->state->capacity_providers.items[i]), provider))
                        return true;
        return false;
}

static void find_waiting(struct look *look, struct waiting *waiting)
{
        list_for_each (task, &look->controller->provisioning, struct task, place.link)
                add_waiting(look, waiting, task);
        tree_for_each (node, model_objects(look->model, OBJECT_CLUSTER)) {
                const struct cluster *cluster = MODEL_OBJECT(node, cluster);

                if (!lists(cluster, look->provider->state->provider->name))
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

static void remember(struct look *look, int64_t low_since, bool scaled_in)
{
        struct state_scaling_group *state;

        if (look->group->state->low_since == low_since && !scaled_in)
                return;
        state = tx_edit(look->tx, &look->group->object);
        state->low_since = low_since;
        if (scaled_in)
                state->scaled_in_at = look->now_ms;
        tx_put(look->tx, &look->group->object, state);
}

static const char *cause(const struct look *look, double reservation)
{
        char at[32];

        str_iso8601(look->now_ms, false, at);
        return arena_printf(tx_arena(look->tx),
                            "At %s capacity provider %s, whose CapacityProviderReservation is %.0f at a target of %d, is", at,
                            look->provider->state->provider->name, reservation, look->scaling->target_capacity);
}

static void grow(struct look *look, int32_t wanted, double reservation)
{
        const struct asg_auto_scaling_group *g = look->group->state->group;

        group_set_desired(look->tx, look->group, MAX(MIN(wanted, g->max_size), g->desired_capacity), cause(look, reservation));
        remember(look, 0, false);
}

/* Not before it has been so for a while, and then by half a minute at most. */
static void shrink(struct look *look, int32_t wanted, double reservation)
{
        const struct asg_auto_scaling_group *g = look->group->state->group;
        int64_t since = look->group->state->low_since != 0 ? look->group->state->low_since : look->now_ms, wait_ms = scale_in_ms(look);
        int64_t at = MAX(since + wait_ms, look->group->state->scaled_in_at + MIN(STEP_MS, wait_ms));
        int32_t half = g->desired_capacity - MAX(g->desired_capacity / 2, 1);

        if (at > look->now_ms) {
                remember(look, since, false);
                look->next = MIN(look->next, at);
                return;
        }
        group_set_desired(look->tx, look->group, MAX(MAX(wanted, half), g->min_size), cause(look, reservation));
        remember(look, since, true);
        look->next = MIN(look->next, look->now_ms + MAX(MIN(STEP_MS, wait_ms), 1000));
}

static void decide(struct look *look, uint32_t more)
{
        const struct asg_auto_scaling_group *g = look->group->state->group;
        /* What the group wants already and has not got yet is not asked for twice. */
        uint32_t m = more > 0 ? MAX(look->n, (uint32_t)g->desired_capacity) + more : look->busy;
        double reservation = look->n > 0 ? 100.0 * m / look->n : m > 0 ? 200 : 100;
        int32_t target = look->scaling->target_capacity > 0 ? look->scaling->target_capacity : 100;
        int32_t wanted = (int32_t)(((int64_t)m * 100 + target - 1) / target);

        look->group->reservation = reservation;
        if (wanted > g->desired_capacity)
                grow(look, wanted, reservation);
        else if (more == 0 && MAX(wanted, g->min_size) < g->desired_capacity)
                shrink(look, wanted, reservation);
        else
                remember(look, 0, false);
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
