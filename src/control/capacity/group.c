/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: as many machines as they want. See group.h. */
#include "control/capacity/group.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"
#include "codec/base64.h"
#include "control/capacity/group_internal.h"
#include "control/capacity/providers.h"
#include "control/service/service.h"

/* Machines that one run launches for a group. */
#define MAX_LAUNCHES 50
#define MAX_USER_DATA 65536
#define CLUSTER_WORD "ECS_CLUSTER="
#define GROUP_TAG "aws:autoscaling:groupName"

/* ---- Asking ---- */

uint32_t group_live(const struct scaling_group *group)
{
        uint32_t n = 0;

        list_for_each (machine, &group->machines, struct machine, in_group)
                n += machine_is_live(machine);
        return n;
}

bool group_is_suspended(const struct scaling_group *group, const char *process)
{
        const struct asg_suspended_process_list *list = &group->state->group->suspended_processes;

        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].process_name, process))
                        return true;
        return false;
}

static const struct ecs_auto_scaling_group_provider *provider_of(struct model *model, const struct scaling_group *group,
                                                                 const struct capacity_provider *provider)
{
        const struct ecs_auto_scaling_group_provider *p = provider->state->provider->auto_scaling_group_provider;

        return p != NULL && model_find_scaling_group(model, p->auto_scaling_group_arn) == group ? p : NULL;
}

bool group_drains(struct model *model, const struct scaling_group *group)
{
        tree_for_each (node, model_objects(model, OBJECT_CAPACITY_PROVIDER)) {
                const struct ecs_auto_scaling_group_provider *p = provider_of(model, group, MODEL_OBJECT(node, capacity_provider));

                if (p != NULL && p->managed_draining == ECS_MANAGED_DRAINING_ENABLED)
                        return true;
        }
        return false;
}

/* ---- What machines are made of ---- */

static int recipe_of_template(struct model *model, const struct asg_launch_template_specification *spec, struct group_recipe *ret,
                              struct error *error)
{
        const struct launch_template *template = spec->launch_template_id != NULL
                                                         ? model_launch_template(model, spec->launch_template_id)
                                                         : model_launch_template_by_name(model, spec->launch_template_name);
        const struct state_launch_template_version *version = template != NULL ? launch_template_version(template, spec->version) : NULL;
        const struct ec2_launch_template_data *data = version != NULL ? version->data : NULL;

        if (data == NULL)
                return error_set(error, ENOENT, "The launch template %s, version %s, does not exist: update the group with one that does",
                                 spec->launch_template_id != NULL ? spec->launch_template_id : spec->launch_template_name,
                                 spec->version != NULL ? spec->version : "$Default");
        ret->template_id = template->state->id;
        ret->template_name = template->state->name;
        ret->type = data->instance_type;
        ret->image = data->image_id;
        ret->user_data = data->user_data;
        return 0;
}

static int recipe_of_configuration(struct model *model, const char *name, struct group_recipe *ret, struct error *error)
{
        const struct launch_configuration *found = model_launch_configuration(model, name);
        const struct asg_launch_configuration *c = found != NULL ? found->state->configuration : NULL;

        if (c == NULL)
                return error_set(error, ENOENT, "The launch configuration %s does not exist: update the group with one that does", name);
        ret->configuration = name;
        ret->type = c->instance_type;
        ret->image = c->image_id;
        ret->user_data = c->user_data;
        return 0;
}

static void add_tag(struct arena *arena, struct ecs_tag_list *tags, const char *key, const char *value)
{
        for (uint32_t i = 0; i < tags->n; i++)
                if (str_eq(tags->items[i].key, key)) {
                        tags->items[i].value = value;
                        return;
                }
        *SHAPE_PUSH(arena, tags) = (struct ecs_tag){.key = key, .value = value};
}

/* Of the template, then of the group, then the group's name. */
static void collect_tags(struct model *model, const struct scaling_group *group, const struct group_recipe *recipe, struct arena *arena,
                         struct ecs_tag_list *tags)
{
        const struct asg_tag_description_list *own = &group->state->group->tags;
        const struct launch_template *template = model_launch_template(model, recipe->template_id);
        const struct state_launch_template_version *version =
                template != NULL ? launch_template_version(template, recipe->template_version) : NULL;

        for (uint32_t i = 0; version != NULL && i < version->data->tag_specification_set.n; i++) {
                const struct ec2_launch_template_tag_specification *spec = &version->data->tag_specification_set.items[i];

                for (uint32_t j = 0; str_eq(spec->resource_type, "instance") && j < spec->tag_set.n; j++)
                        add_tag(arena, tags, spec->tag_set.items[j].key, spec->tag_set.items[j].value);
        }
        for (uint32_t i = 0; i < own->n; i++)
                if (own->items[i].propagate_at_launch)
                        add_tag(arena, tags, own->items[i].key, own->items[i].value);
        add_tag(arena, tags, GROUP_TAG, group->state->group->auto_scaling_group_name);
}

int group_recipe(struct model *model, const struct scaling_group *group, struct arena *arena, struct group_recipe *ret, struct error *error)
{
        const struct asg_auto_scaling_group *g = group->state->group;
        struct group_recipe recipe = {0};
        int r = g->launch_template != NULL ? recipe_of_template(model, g->launch_template, &recipe, error)
                                           : recipe_of_configuration(model, g->launch_configuration_name, &recipe, error);

        if (r < 0)
                return r;
        if (recipe.template_id != NULL)
                recipe.template_version = arena_printf(
                        arena, "%lld",
                        (long long)launch_template_version(model_launch_template(model, recipe.template_id), g->launch_template->version)
                                ->number);
        if (instance_type_size(recipe.type, &recipe.cpu, &recipe.memory) < 0)
                return error_set(error, EINVAL,
                                 "The launch template names no instance type whose size is known by its name: use one such as "
                                 "t3.small or custom.2x4096");
        collect_tags(model, group, &recipe, arena, &recipe.tags);
        *ret = recipe;
        return 0;
}

/* The value of ECS_CLUSTER in decoded user data, in whatever kind of script it stands. */
static const char *cluster_in(const char *text, struct arena *arena)
{
        const char *at = strstr(text, CLUSTER_WORD);
        size_t n;

        if (at == NULL)
                return NULL;
        at += strlen(CLUSTER_WORD);
        at += *at == '"' || *at == '\'';
        for (n = 0; n < 255 && (str_is_name((char[]){at[n], '\0'}, "-_", 1)); n++)
                ;
        return n > 0 ? arena_strndup(arena, at, n) : NULL;
}

const char *group_cluster(struct model *model, const struct scaling_group *group, const char *user_data, struct arena *arena)
{
        size_t len = user_data != NULL ? strlen(user_data) : 0, n = 0;
        char *text = arena_bytes(arena, len + 1);
        const char *found = NULL;

        if (len > 0 && len <= MAX_USER_DATA && base64_decode(user_data, len, text, &n) == 0) {
                text[n] = '\0';
                found = cluster_in(text, arena);
        }
        tree_for_each (node, model_objects(model, OBJECT_CLUSTER)) {
                const struct cluster *cluster = MODEL_OBJECT(node, cluster);

                for (uint32_t i = 0;
                     found == NULL && cluster->state->status == STATE_CLUSTER_STATUS_ACTIVE && i < cluster->state->capacity_providers.n;
                     i++)
                        if (model_provider_group(model, provider_name_in(cluster->state->capacity_providers.items[i])) == group)
                                found = cluster->state->name;
        }
        return found != NULL ? found : "default";
}

/* ---- Desired capacity ---- */

void group_set_desired(struct tx *tx, struct scaling_group *group, int32_t desired, const char *cause)
{
        struct state_scaling_group *state;
        int32_t old = group->state->group->desired_capacity;

        if (old == desired)
                return;
        state = tx_edit(tx, &group->object);
        SHAPE_SET(state->group, asg_auto_scaling_group, desired_capacity, desired);
        state->cause = arena_printf(tx_arena(tx), "%s changing the desired capacity from %d to %d", cause, old, desired);
        tx_put(tx, &group->object, state);
}

/* ---- More, and fewer ---- */

static void say_failed(struct machine_run *run, struct scaling_group *group, const char *message)
{
        struct state_scaling_group *state = tx_edit(run->tx, &group->object);
        char at[32];

        str_iso8601(run->now_ms, false, at);
        SHAPE_SET(state, state_scaling_group, failures, state->failures + 1);
        state->next_launch_at = run->now_ms + GROUP_RETRY_MS;
        run->next = MIN(run->next, state->next_launch_at);
        tx_put(run->tx, &group->object, state);
        /* Said once, not with each try. */
        if (state->failures == 1)
                (void)group_activity_begin(run->tx, group, ASG_SCALING_ACTIVITY_STATUS_CODE_FAILED, "Launching a new EC2 instance.",
                                           arena_printf(tx_arena(run->tx), "At %s an instance was to be started.", at), message,
                                           run->now_ms);
}

static void launch(struct machine_run *run, struct scaling_group *group, const struct group_recipe *recipe, uint32_t live)
{
        struct arena *arena = tx_arena(run->tx);
        const struct asg_auto_scaling_group *g = group->state->group;
        struct state_machine state = {.group = g->auto_scaling_group_name,
                                      .type = recipe->type,
                                      .image = recipe->image,
                                      .template_id = recipe->template_id,
                                      .template_name = recipe->template_name,
                                      .template_version = recipe->template_version,
                                      .configuration = recipe->configuration,
                                      .user_data = recipe->user_data,
                                      .tags = recipe->tags,
                                      .state = ASG_LIFECYCLE_STATE_PENDING,
                                      .health = MACHINE_HEALTHY,
                                      .launched_at = run->now_ms,
                                      .state_at = run->now_ms};
        char digits[18], at[32];

        env_random_hex(model_env(run->model), digits, 17);
        str_iso8601(run->now_ms, false, at);
        state.id = arena_printf(arena, "i-%s", digits);
        state.zone = group_next_zone(run->model, group, arena, &state.subnet);
        state.cluster = group_cluster(run->model, group, recipe->user_data, arena);
        SHAPE_SET(&state, state_machine, cpu, recipe->cpu);
        SHAPE_SET(&state, state_machine, memory, recipe->memory);
        SHAPE_SET(&state, state_machine, protected, g->new_instances_protected_from_scale_in);
        if (run->ops->join_key != NULL)
                state.key_id = run->ops->join_key(run->ops_data, run->tx, state.id);
        SHAPE_SET(&state, state_machine, activity,
                  group_activity_begin(
                          run->tx, group, ASG_SCALING_ACTIVITY_STATUS_CODE_PREINSERVICE,
                          arena_printf(arena, "Launching a new EC2 instance: %s", state.id),
                          arena_printf(arena,
                                       "%s%sAt %s an instance was started in response to a difference between desired and actual "
                                       "capacity, increasing the capacity from %u to %u.",
                                       group->state->cause != NULL ? group->state->cause : "", group->state->cause != NULL ? ". " : "", at,
                                       live, live + 1),
                          NULL, run->now_ms));
        (void)tx_insert(run->tx, OBJECT_MACHINE, &state);
}

static void launch_missing(struct machine_run *run, struct scaling_group *group, uint32_t live, uint32_t desired)
{
        struct group_recipe recipe = {0};
        struct error error = {0};

        if (group_is_suspended(group, "Launch"))
                return;
        if (group->state->next_launch_at > run->now_ms) {
                run->next = MIN(run->next, group->state->next_launch_at);
                return;
        }
        if (run->ops == NULL)
                return say_failed(run, group,
                                  "This server has no machine driver: start it with --machine-driver PROGRAM (docs/capacity.md).");
        if (group_recipe(run->model, group, tx_arena(run->tx), &recipe, &error) < 0) {
                say_failed(run, group, error.message);
                error_clear(&error);
                return;
        }
        /* After a failure one is tried at a time. */
        for (uint32_t n = 0; live < desired && n < (group->state->failures > 0 ? 1 : MAX_LAUNCHES); n++)
                launch(run, group, &recipe, live++);
}

static void terminate_surplus(struct machine_run *run, struct scaling_group *group, uint32_t live, uint32_t desired)
{
        if (group_is_suspended(group, "Terminate"))
                return;
        for (; live > desired; live--) {
                struct machine *victim = group_next_victim(run->model, group, run->now_ms);

                if (victim == NULL)
                        return;
                machine_terminate(
                        run->tx, victim,
                        arena_printf(tx_arena(run->tx),
                                     "an instance was taken out of service in response to a difference between desired and actual "
                                     "capacity, shrinking the capacity from %u to %u",
                                     live, live - 1),
                        run->now_ms);
        }
}

static void end_all(struct machine_run *run, struct scaling_group *group)
{
        list_for_each (machine, &group->machines, struct machine, in_group)
                machine_terminate(run->tx, machine, "the Auto Scaling group is being deleted", run->now_ms);
}

static void forget_group(struct machine_run *run, struct scaling_group *group)
{
        const char *prefix = arena_printf(tx_arena(run->tx), "%s/", group->object.key);
        struct tree_node *next;

        for (struct tree_node *node = tree_from(model_objects(run->model, OBJECT_GROUP_ACTIVITY), prefix);
             node != NULL && str_starts_with(node->key, prefix); node = next) {
                next = tree_next(node);
                tx_remove(run->tx, CONTAINER_OF(node, struct object, node));
        }
        tx_remove(run->tx, &group->object);
}

static void run_group(struct machine_run *run, struct scaling_group *group)
{
        uint32_t live, desired = (uint32_t)group->state->group->desired_capacity;

        if (group->state->deleting)
                end_all(run, group);
        for (int round = 0; round < 2 && run->ops != NULL; round++) {
                list_for_each (machine, &group->machines, struct machine, in_group)
                        machine_run(run, machine);
                live = group_live(group);
                if (group->state->deleting || round == 1)
                        break;
                if (live < desired)
                        launch_missing(run, group, live, desired);
                else if (live > desired)
                        terminate_surplus(run, group, live, desired);
                else
                        break;
        }
        if (run->ops == NULL && !group->state->deleting && group_live(group) < desired)
                launch_missing(run, group, group_live(group), desired);
        if (group->state->deleting && list_empty(&group->machines))
                forget_group(run, group);
}

int64_t groups_run(struct controller *controller, int64_t now_ms)
{
        struct machine_run run = {.model = controller->model,
                                  .ops = controller->options.machines,
                                  .ops_data = controller->options.machines_data,
                                  .now_ms = now_ms,
                                  .next = INT64_MAX};
        struct tree_node *next;

        for (struct tree_node *node = tree_first(model_objects(run.model, OBJECT_SCALING_GROUP)); node != NULL; node = next) {
                next = tree_next(node);
                run.tx = tx_begin(run.model);
                run_group(&run, MODEL_OBJECT(node, scaling_group));
                (void)tx_commit(run.tx);
        }
        return run.next;
}
