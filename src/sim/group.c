/* SPDX-License-Identifier: Apache-2.0 */
/* See group.h. */
#include "sim/group.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/keys.h"
#include "base/alloc.h"
#include "base/strutil.h"
#include "control/capacity/managed_scaling.h"
#include "sim/invariant.h"
#include "sim/node.h"
#include "sim/operator.h"
#include "sim/step.h"
#include "sim/want.h"
#include "sim/world.h"

#define MAKE_MAX_US SIM_SECOND
#define DESTROY_MAX_US (500 * SIM_MS)
#define DURABLE_US (5 * SIM_MS)
#define DEFAULT_BOOT_US (5 * SIM_SECOND)
#define DEFAULT_IDLE_US (20 * SIM_SECOND)

/* ---- The driver ---- */

static struct sim_machine *find(struct sim_world *world, const char *id)
{
        list_for_each (m, &world->machines, struct sim_machine, link)
                if (str_eq(m->id, id))
                        return m;
        return NULL;
}

static struct sim_machine *of(struct sim_world *world, const char *id)
{
        struct sim_machine *m = find(world, id);

        if (m == NULL) {
                m = xalloc(sizeof(*m));
                m->world = world;
                (void)snprintf(m->id, sizeof(m->id), "%s", id);
                list_push(&world->machines, &m->link);
        }
        return m;
}

/* Begins a request; false: it is under way. */
static bool ask(struct sim_machine *m)
{
        struct sim_server *server = &m->world->server;

        if (m->asked == server->life)
                return false;
        m->asked = server->life;
        m->sequence = model_sequence(server->model) + 1; /* the open transaction's */
        return true;
}

/* Whether the server that has asked is still there; what it asks for begins when it is on its disk. */
static bool goes_on(struct sim_machine *m, uint64_t life, sim_event_fn again)
{
        struct sim_server *server = &m->world->server;

        if (!sim_server_is_up(server) || server->life != life || m->asked != life)
                return false;
        if (model_durable(server->model) >= m->sequence)
                return true;
        sim_after(&m->world->clock, DURABLE_US, again, m, NULL, life);
        return false;
}

static void on_boot(void *owner, UNUSED void *data, UNUSED uint64_t number)
{
        struct sim_machine *m = owner;

        if (m->node != NULL)
                sim_node_boot(m->node);
}

static void on_make(void *owner, UNUSED void *data, uint64_t life)
{
        struct sim_machine *m = owner;
        struct sim_world *world = m->world;
        struct model *model = world->server.model;
        int64_t now_ms = env_now_ms(&world->clock.env);
        const struct machine *machine;
        const struct sim_want *want;

        if (!goes_on(m, life, on_make))
                return;
        m->asked = 0;
        machine = model_machine(model, m->id);
        want = machine != NULL ? sim_want(world, SIM_WANT_GROUP, machine->state->group) : NULL;
        if (want == NULL)
                return;
        if (m->node == NULL && sim_random_percent(&world->chance, want->fails)) {
                machine_was_not_created(model, m->id, "no host has room for it", now_ms);
                return;
        }
        if (m->node == NULL) {
                m->node = sim_world_new_node(world, machine->state->zone, want->cpu, want->memory);
                (void)snprintf(m->node->key, sizeof(m->node->key), "%s", machine->state->key_id);
                sim_world_note(world, m->node, "is made for group %s as %s", want->name, m->id);
                sim_after(&world->clock, want->boot_us, on_boot, m, NULL, 0);
        }
        machine_was_created(model, m->id, NULL, now_ms);
}

static void create(void *data, const struct machine *machine)
{
        struct sim_world *world = data;
        struct sim_machine *m = of(world, machine->state->id);

        if (ask(m))
                sim_after(&world->clock, sim_random_between(&world->chance, SIM_MS, MAKE_MAX_US), on_make, m, NULL, m->asked);
}

static void on_destroy(void *owner, UNUSED void *data, uint64_t life)
{
        struct sim_machine *m = owner;

        if (!goes_on(m, life, on_destroy))
                return;
        m->asked = 0;
        if (m->node != NULL && !m->node->gone) {
                sim_world_note(m->world, m->node, "is taken away");
                sim_node_die(m->node);
                m->node->gone = true;
        }
        machine_was_destroyed(m->world->server.model, m->id, env_now_ms(&m->world->clock.env));
}

static void destroy(void *data, const struct machine *machine)
{
        struct sim_world *world = data;
        struct sim_machine *m = of(world, machine->state->id);

        if (ask(m))
                sim_after(&world->clock, sim_random_between(&world->chance, SIM_MS, DESTROY_MAX_US), on_destroy, m, NULL, m->asked);
}

static const char *join_key(UNUSED void *data, struct tx *tx, const char *machine)
{
        return api_key_for_machine(tx_model(tx), tx, machine);
}

const struct machine_ops sim_machine_ops = {.create = create, .destroy = destroy, .join_key = join_key};

void sim_machines_free(struct sim_world *world)
{
        list_for_each (m, &world->machines, struct sim_machine, link)
                free(m);
}

/* ---- What must hold ---- */

#define VIOLATE(world, which, ...) sim_world_violate(world, sim_invariants[which].name, __VA_ARGS__)

/* It is there, its agent is heard of, and nobody takes the whole group away. */
static const struct instance *well(struct sim_world *world, const struct machine *machine)
{
        const struct instance *instance = model_machine_instance(world->server.model, machine);
        bool is_well = instance != NULL && !instance->lost && str_eq(machine->state->health, MACHINE_HEALTHY) &&
                       !machine->group->state->deleting && instance->state->status != STATE_INSTANCE_STATUS_INACTIVE;

        return is_well ? instance : NULL;
}

static uint32_t tasks_on(struct sim_world *world, const struct machine *machine)
{
        bool guarded;

        return machine_tasks(world->server.model, machine, env_now_ms(&world->clock.env), &guarded);
}

/* In the moment in which it may be destroyed: what was lost then may not be known to be so after a start of the server. */
static void check_emptied(struct sim_world *world, const struct machine *machine)
{
        const struct instance *instance = well(world, machine);

        if (instance == NULL)
                return;
        if (tasks_on(world, machine) > 0)
                VIOLATE(world, SIM_INV_EMPTIED, "machine %s of group %s is destroyed with %u tasks on it", machine->state->id,
                        machine->state->group, tasks_on(world, machine));
        if (instance->state->status == STATE_INSTANCE_STATUS_ACTIVE)
                VIOLATE(world, SIM_INV_EMPTIED, "machine %s of group %s is destroyed, and is not drained", machine->state->id,
                        machine->state->group);
}

static bool is_live(enum asg_lifecycle_state state)
{
        return state == ASG_LIFECYCLE_STATE_PENDING || state == ASG_LIFECYCLE_STATE_PENDING_WAIT || state == ASG_LIFECYCLE_STATE_INSERVICE;
}

/* Groups of the simulator have managed termination protection: whoever has tasks stays, above all those that are protected. */
static void check_guarded(struct sim_world *world, const struct machine *machine)
{
        const struct instance *instance = well(world, machine);
        const struct sim_machine *m = find(world, machine->state->id);

        if (instance == NULL || (m != NULL && m->dismissed))
                return;
        list_for_each (task, &instance->tasks, struct task, in_instance) {
                const struct sim_want *want = sim_want(world, SIM_WANT_TASK, task->state->id);

                if (want != NULL && want->protected_us > world->clock.now_us)
                        VIOLATE(world, SIM_INV_GUARDED, "machine %s of group %s is taken out of service, and task %s on it is protected",
                                machine->state->id, machine->state->group, want->name);
        }
        if (tasks_on(world, machine) > 0)
                VIOLATE(world, SIM_INV_GUARDED, "machine %s of group %s is taken out of service with %u tasks, which should protect it",
                        machine->state->id, machine->state->group, tasks_on(world, machine));
}

static void machine_changed(struct sim_world *world, const struct machine *machine, const struct state_machine *old)
{
        uint32_t live = group_live(machine->group);

        if (old == NULL && live > (uint32_t)machine->group->state->group->max_size)
                VIOLATE(world, SIM_INV_GROUP_LIMITS, "group %s has %u machines, and may have %d", machine->state->group, live,
                        machine->group->state->group->max_size);
        if (old != NULL && is_live(old->state) && !machine_is_live(machine))
                check_guarded(world, machine);
        if (old != NULL && old->state != machine->state->state && machine->state->state == ASG_LIFECYCLE_STATE_TERMINATING_PROCEED)
                check_emptied(world, machine);
}

void sim_group_changed(struct sim_world *world, struct object *object, const void *old_state, const void *new_state)
{
        if (new_state == NULL)
                return;
        if (object->kind == OBJECT_MACHINE)
                machine_changed(world, CONTAINER_OF(object, struct machine, object), old_state);
        if (object->kind == OBJECT_SCALING_GROUP) {
                const struct asg_auto_scaling_group *g = ((const struct state_scaling_group *)new_state)->group;

                if (g->desired_capacity < g->min_size || g->desired_capacity > g->max_size)
                        VIOLATE(world, SIM_INV_GROUP_LIMITS, "group %s wants %d machines; its limits are %d and %d", object->key,
                                g->desired_capacity, g->min_size, g->max_size);
        }
}

/* ---- At rest ---- */

static bool group_rests(struct sim_world *world, const struct scaling_group *group, struct buf *why)
{
        const struct asg_auto_scaling_group *g = group->state->group;
        uint32_t live = group_live(group), joined = sim_group_joined(world, group->object.key);

        if (live != (uint32_t)g->desired_capacity || joined != live) {
                buf_printf(why, "group %s wants %d machines, has %u, and %u have joined", group->object.key, g->desired_capacity, live,
                           joined);
                return false;
        }
        list_for_each (machine, &group->machines, struct machine, in_group) {
                uint32_t tasks = tasks_on(world, machine);

                if (tasks == 0 && !machine_is_live(machine)) {
                        buf_printf(why, "machine %s has nothing left to do and does not go", machine->state->id);
                        return false;
                }
                if (tasks == 0 && live > (uint32_t)g->min_size) {
                        buf_printf(why, "group %s keeps machine %s, which nobody needs", group->object.key, machine->state->id);
                        return false;
                }
        }
        return true;
}

bool sim_groups_rest(struct sim_world *world, struct buf *why)
{
        tree_for_each (node, model_objects(world->server.model, OBJECT_SCALING_GROUP))
                if (!group_rests(world, MODEL_OBJECT(node, scaling_group), why))
                        return false;
        return true;
}

uint32_t sim_group_joined(struct sim_world *world, const char *name)
{
        const struct scaling_group *group = sim_server_is_up(&world->server) ? model_scaling_group(world->server.model, name) : NULL;
        uint32_t n = 0;

        if (group == NULL)
                return 0;
        list_for_each (machine, &group->machines, struct machine, in_group) {
                const struct instance *instance = model_machine_instance(world->server.model, machine);

                n += machine_is_live(machine) && instance != NULL && instance->connected;
        }
        return n;
}

bool sim_group_may_grow(struct sim_world *world, const char *name, int32_t cpu, int32_t memory)
{
        const struct scaling_group *group = model_scaling_group(world->server.model, name);
        const struct sim_want *want = sim_want(world, SIM_WANT_GROUP, name);

        return group != NULL && want != NULL && cpu <= want->cpu && memory <= want->memory &&
               group_live(group) < (uint32_t)group->state->group->max_size;
}

/* ---- The verbs ---- */

void sim_do_terminate(struct sim_world *world, const struct sim_step *step)
{
        list_for_each (m, &world->machines, struct sim_machine, link) {
                if (m->node == NULL || m->node->gone || (!str_eq(m->node->name, step->subject) && !str_eq(m->node->zone, step->subject)))
                        continue;
                m->dismissed = true;
                sim_operate(world, NULL, "autoscaling:TerminateInstanceInAutoScalingGroup",
                            xprintf("{\"InstanceId\":\"%s\",\"ShouldDecrementDesiredCapacity\":false}", m->id), NULL, NULL);
        }
}

static void on_group(UNUSED struct sim_world *world, struct sim_want *want, UNUSED const char *data, UNUSED const char *answer)
{
        want->promised = true;
}

static void list_providers(struct sim_world *world, struct buf *out)
{
        const char *comma = "";

        list_for_each (want, &world->wants, struct sim_want, link)
                if (want->kind == SIM_WANT_GROUP) {
                        buf_printf(out, "%s\"%s\"", comma, want->name);
                        comma = ",";
                }
}

void sim_do_group(struct sim_world *world, const struct sim_step *step)
{
        static const char *const zones[] = {"\"zone-a\"", "\"zone-a\",\"zone-b\"", "\"zone-a\",\"zone-b\",\"zone-c\""};
        long long idle_ms = sim_step_number(step, SIM_IDLE, DEFAULT_IDLE_US) / SIM_MS;
        int64_t n_zones = MIN(sim_step_number(step, SIM_ZONES, 1), (int64_t)ARRAY_SIZE(zones));
        CLEANUP_BUF struct buf providers = {0};
        struct sim_want *want;

        if (sim_want(world, SIM_WANT_GROUP, step->subject) != NULL)
                return;
        want = sim_want_new(world, SIM_WANT_GROUP, step->subject);
        want->cpu = (int32_t)((sim_step_number(step, SIM_CPU, 2048) + 1023) / 1024 * 1024);
        want->memory = (int32_t)sim_step_number(step, SIM_MEMORY, 4096);
        want->least = (int32_t)step->number[SIM_AT_LEAST];
        want->most = (int32_t)step->number[SIM_AT_MOST];
        want->boot_us = sim_step_number(step, SIM_BOOTS, DEFAULT_BOOT_US);
        want->fails = (uint32_t)sim_step_number(step, SIM_FAILS, 0);
        sim_operate(world, want, "ec2:CreateLaunchTemplate",
                    xprintf("{\"LaunchTemplateName\":\"of-%s\",\"LaunchTemplateData\":{\"InstanceType\":\"custom.%dx%d\"}}", want->name,
                            want->cpu / 1024, want->memory),
                    NULL, NULL);
        sim_operate(world, want, "autoscaling:CreateAutoScalingGroup",
                    xprintf("{\"AutoScalingGroupName\":\"%s\",\"MinSize\":%d,\"MaxSize\":%d,\"NewInstancesProtectedFromScaleIn\":true,"
                            "\"LaunchTemplate\":{\"LaunchTemplateName\":\"of-%s\"},\"AvailabilityZones\":[%s]}",
                            want->name, want->least, want->most, want->name, zones[n_zones - 1]),
                    NULL, NULL);
        sim_operate(world, want, "CreateCapacityProvider",
                    xprintf("{\"name\":\"%s\",\"tags\":[{\"key\":\"" SCALE_IN_TAG "\",\"value\":\"%lld\"}],\"autoScalingGroupProvider\":{"
                            "\"autoScalingGroupArn\":\"%s\",\"managedScaling\":{\"status\":\"ENABLED\"},"
                            "\"managedTerminationProtection\":\"ENABLED\"}}",
                            want->name, idle_ms, want->name),
                    NULL, NULL);
        list_providers(world, &providers);
        sim_operate(world, want, "PutClusterCapacityProviders",
                    xprintf("{\"cluster\":\"%s\",\"capacityProviders\":[%s],\"defaultCapacityProviderStrategy\":[]}", world->cluster,
                            providers.data),
                    on_group, NULL);
}
