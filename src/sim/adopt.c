/* SPDX-License-Identifier: Apache-2.0 */
/* See adopt.h. */
#include "sim/adopt.h"

#include <errno.h>
#include <stdio.h>

#include "api/state.idl.h"
#include "base/strutil.h"
#include "control/task.h"
#include "model/service.h"
#include "model/stored.h"
#include "sim/image.h"
#include "sim/node.h"
#include "sim/want.h"
#include "store/store.h"

/* ---- The store ---- */

struct reading {
        struct arena *arena;
        struct sim_options *options;
        struct error *error;
};

static int read_meta(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len)
{
        struct reading *reading = data;
        struct state_meta *meta;
        void *state;
        int r;

        if (kind != OBJECT_META)
                return 0;
        r = stored_decode(&state_meta_shape, stored_upgrades, reading->arena, bytes, len, &state, reading->error);
        if (r < 0)
                return r;
        meta = state;
        reading->options->account = meta->account_id;
        reading->options->region = meta->region;
        return 1;
}

int sim_adopt_store(const char *dir, int64_t now_ms, struct arena *arena, struct sim_options *options, struct error *error)
{
        struct reading reading = {arena, options, error};
        int r = store_sqlite_copy(dir, &options->disk, error);

        if (r < 0)
                return r;
        options->epoch_ms = now_ms;
        r = options->disk->ops->load(options->disk, read_meta, &reading, error);
        if (r == 0)
                r = error_set(error, EINVAL, "the store in %s is empty: no server has ever run on it", dir);
        if (r < 0)
                options->disk = store_close(options->disk);
        return r < 0 ? r : 0;
}

/* ---- What runs ---- */

static void copy(char *to, size_t size, const char *from)
{
        (void)snprintf(to, size, "%.*s", (int)size - 1, from != NULL ? from : "");
}

static struct sim_want *definition_of(struct sim_world *world, const struct task_definition *definition)
{
        const struct ecs_task_definition *d = definition->state->definition;
        CLEANUP_ARENA struct arena arena = {0};
        struct sim_want *want;
        struct task_size size;
        char name[48];

        (void)snprintf(name, sizeof(name), "%.35s:%d", d->family, d->revision);
        want = sim_want_definition(world, name);
        if (want != NULL)
                return want;
        want = sim_want_new(world, SIM_WANT_DEFINITION, name);
        task_size_of(d, NULL, &arena, &size);
        want->cpu = size.cpu;
        want->memory = size.memory;
        want->port = size.ports.n > 0 ? (int32_t)size.ports.items[0] : 0;
        if (d->container_definitions.n > 0) {
                copy(want->image, sizeof(want->image), d->container_definitions.items[0].image);
                want->checked = d->container_definitions.items[0].health_check != NULL;
        }
        return want;
}

static void adopt_definitions(struct sim_world *world)
{
        struct model *model = world->server.model;

        tree_for_each (node, model_objects(model, OBJECT_TASK_DEFINITION))
                (void)definition_of(world, MODEL_OBJECT(node, task_definition));
        /* The next registration of a family is counted on from its last one. */
        tree_for_each (node, model_objects(model, OBJECT_FAMILY)) {
                const struct state_family *family = MODEL_OBJECT(node, family)->state;

                sim_want_new(world, SIM_WANT_DEFINITION, family->name)->revisions = (int32_t)family->latest_revision;
        }
}

static void adopt_task(struct sim_node *node, const struct task *task)
{
        const struct state_task *state = task->state;
        struct sim_run *run;

        if (task_is_over(state) || state->last_status != STATE_TASK_STATUS_RUNNING || task->definition == NULL)
                return; /* what has not run yet is sent again */
        run = sim_run_new(node, state->id);
        copy(run->family, sizeof(run->family), state->family);
        copy(run->service, sizeof(run->service), state->service_name);
        copy(run->container, sizeof(run->container), state->containers.n > 0 ? state->containers.items[0].name : "");
        run->revision = state->revision;
        run->cpu = state->cpu;
        run->memory = state->memory;
        run->unique = run->service[0] != '\0';
        run->checked = definition_of(node->world, task->definition)->checked;
        run->health = run->checked ? SIM_HEALTH_GOOD : SIM_HEALTH_NONE;
        run->image = sim_image(node->world, definition_of(node->world, task->definition)->image);
        run->status = run->reported = SIM_RUN_RUNNING;
        run->has_reported = true;
}

static void adopt_instance(struct sim_world *world, struct instance *instance)
{
        const struct state_container_instance *state = instance->state;
        const char *zone = "", *name = "";
        struct sim_node *node;

        for (uint32_t i = 0; i < state->attributes.n; i++) {
                const struct ecs_attribute *attribute = &state->attributes.items[i];

                if (str_eq(attribute->name, "ecs.availability-zone"))
                        zone = attribute->value != NULL ? attribute->value : "";
        }
        if (!str_empty(state->ec2_instance_id))
                name = state->ec2_instance_id;
        node = sim_world_add_node(world, zone, state->cpu, state->memory);
        copy(node->instance, sizeof(node->instance), state->id);
        node->adopted = true;
        node->sequence = state->sequence;
        list_for_each (task, &instance->tasks, struct task, in_instance)
                adopt_task(node, task);
        sim_world_note(world, node, "is %s%s%s in %s", state->id, name[0] != '\0' ? ", " : "", name, node->zone);
}

static void adopt_service(struct sim_world *world, const struct service *service)
{
        const struct state_service *state = service->state;
        const struct ecs_deployment_configuration *configuration = state->deployment_configuration;
        const struct service_revision *primary = service_primary(world->server.model, service);
        struct sim_want *want;

        if (state->status != STATE_SERVICE_STATUS_ACTIVE || primary == NULL)
                return;
        want = sim_want_new(world, SIM_WANT_SERVICE, state->name);
        want->promised = true;
        want->desired = want->high = state->desired_count;
        want->daemon = state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON;
        want->min_percent = configuration != NULL ? configuration->minimum_healthy_percent : 100;
        want->max_percent = configuration != NULL ? configuration->maximum_percent : 200;
        want->breaker = configuration != NULL && configuration->deployment_circuit_breaker != NULL &&
                        configuration->deployment_circuit_breaker->enable && configuration->deployment_circuit_breaker->rollback;
        (void)snprintf(want->revision, sizeof(want->revision), "%.35s:%d", primary->state->family, primary->state->revision);
        for (uint32_t i = 0; i < state->placement_constraints.n; i++)
                want->distinct |= state->placement_constraints.items[i].type == ECS_PLACEMENT_CONSTRAINT_TYPE_DISTINCTINSTANCE;
}

void sim_adopt_cluster(struct sim_world *world, void *data)
{
        struct cluster *cluster = model_cluster(world->server.model, world->cluster);

        if (cluster == NULL) {
                sim_world_violate(world, "the story's expectations", "there is no cluster %s in the store", world->cluster);
                return;
        }
        adopt_definitions(world);
        list_for_each (instance, &cluster->instances, struct instance, in_cluster)
                adopt_instance(world, instance);
        list_for_each (service, &cluster->services, struct service, in_cluster)
                adopt_service(world, service);
}
