/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's view of the clusters: see index.h. */
#include "sched/index.h"

#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"

/* ---- groups */

struct group *group_find(const struct index_cluster *cluster, const char *name)
{
        return map_get(&cluster->groups, name, struct group, node);
}

struct group *group_ref(struct index_cluster *cluster, const char *name)
{
        struct group *group = group_find(cluster, name);
        size_t size = strlen(name) + 1;

        if (group == NULL) {
                group = xalloc(sizeof(*group) + size);
                group->cluster = cluster;
                memcpy(group->name, name, size);
                map_insert(&cluster->groups, &group->node, group->name);
        }
        group->refs++;
        return group;
}

struct group *group_unref(struct group *group)
{
        if (group != NULL && --group->refs == 0) {
                map_remove(&group->cluster->groups, &group->node);
                counts_done(&group->counts);
                free(group);
        }
        return NULL;
}

static const char *group_name(const struct state_task *state)
{
        return state->group != NULL ? state->group : "";
}

/* On an instance of another cluster the task's own stands in front: groups of two clusters may have one name. */
static char *foreign_group(const struct state_task *state)
{
        return state->host_cluster != NULL ? xprintf("%s/%s", state->cluster, group_name(state)) : NULL;
}

static void count_task(struct node *node, const struct state_task *state)
{
        CLEANUP_FREE char *foreign = foreign_group(state);

        counts_add(&group_ref(node->cluster, foreign != NULL ? foreign : group_name(state))->counts, node->slot, 1);
}

static void uncount_task(struct node *node, const struct state_task *state)
{
        CLEANUP_FREE char *foreign = foreign_group(state);
        struct group *group = group_find(node->cluster, foreign != NULL ? foreign : group_name(state));

        assert(group != NULL);
        counts_add(&group->counts, node->slot, -1);
        group_unref(group);
}

/* ---- nodes */

static void touch(struct node *node)
{
        node->changed = ++node->cluster->clock;
        list_remove(&node->recent);
        list_push(&node->cluster->recent, &node->recent);
}

static int compare_attributes(const void *a, const void *b)
{
        uintptr_t x = (uintptr_t)((const struct node_attribute *)a)->name, y = (uintptr_t)((const struct node_attribute *)b)->name;

        return x < y ? -1 : x > y;
}

/* Nodes are much alike: most have a name in the same place. */
struct atom *node_attribute(const struct node *node, const struct atom *name)
{
        const struct node_attribute *all = node->attributes, key = {.name = (struct atom *)(uintptr_t)name};
        const struct node_attribute *found;

        if (name == NULL || node->n_attributes == 0)
                return NULL;
        if (name->place < node->n_attributes && all[name->place].name == name)
                return all[name->place].value;
        found = bsearch(&key, all, node->n_attributes, sizeof(key), compare_attributes);
        if (found == NULL)
                return NULL;
        key.name->place = (uint32_t)(found - all);
        return found->value;
}

static void drop_attributes(struct node *node, struct node_attribute *attributes, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                atom_unref(&node->cluster->index->atoms, attributes[i].name);
                atom_unref(&node->cluster->index->atoms, attributes[i].value);
        }
        free(attributes);
}

/* Puts the attribute in its place; the first of several with the same name counts. */
static void add_attribute(struct node *node, const char *name, const char *value)
{
        struct atoms *atoms = &node->cluster->index->atoms;
        struct node_attribute attribute = {.name = atom_ref(atoms, name)};
        uint32_t i = node->n_attributes;

        while (i > 0 && (uintptr_t)node->attributes[i - 1].name > (uintptr_t)attribute.name)
                i--;
        if (i > 0 && node->attributes[i - 1].name == attribute.name) {
                atom_unref(atoms, attribute.name);
                return;
        }
        attribute.value = atom_ref(atoms, value);
        memmove(&node->attributes[i + 1], &node->attributes[i], (node->n_attributes - i) * sizeof(attribute));
        node->attributes[i] = attribute;
        node->n_attributes++;
}

static void read_attributes(struct node *node)
{
        const struct ecs_attribute_list *list = &node->instance->state->attributes;
        struct node_attribute *old = node->attributes;
        uint32_t n_old = node->n_attributes;

        node->attributes = xcalloc(list->n + 1, sizeof(*node->attributes));
        node->n_attributes = 0;
        for (uint32_t i = 0; i < list->n; i++)
                add_attribute(node, list->items[i].name, list->items[i].value);
        drop_attributes(node, old, n_old);
}

static uint32_t take_slot(struct index_cluster *cluster, struct node *node)
{
        uint32_t slot = cluster->maybe_free;

        while (slot < cluster->n_slots && cluster->nodes[slot] != NULL)
                slot++;
        cluster->maybe_free = slot + 1;
        if (slot == cluster->cap) {
                cluster->cap = cluster->cap == 0 ? 16 : cluster->cap * 2;
                cluster->nodes = xrealloc(cluster->nodes, cluster->cap * sizeof(struct node *));
        }
        if (slot == cluster->n_slots)
                cluster->n_slots++;
        cluster->nodes[slot] = node;
        cluster->n_nodes++;
        return slot;
}

static void add_node(struct index *index, struct instance *instance)
{
        struct node *node = xalloc(sizeof(*node));

        node->instance = instance;
        node->cluster = index_cluster(index, instance->state->cluster);
        node->slot = take_slot(node->cluster, node);
        list_init(&node->recent);
        instance->node = node;
        read_attributes(node);
        list_for_each (task, &instance->tasks, struct task, in_instance)
                count_task(node, task->state);
        touch(node);
        node->state_changed = node->changed;
}

/* The tasks have left the instance already, or stay on it uncounted: the slot goes out of all groups. */
static void forget_slot(struct index_cluster *cluster, uint32_t slot)
{
        map_for_each (group_node, &cluster->groups) {
                struct group *group = CONTAINER_OF(group_node, struct group, node);
                uint32_t count = counts_get(&group->counts, slot);

                if (count == 0)
                        continue;
                counts_add(&group->counts, slot, -(int32_t)count);
                group->refs -= count - 1;
                group_unref(group);
        }
}

static void remove_node(struct node *node)
{
        struct index_cluster *cluster = node->cluster;

        cluster->index->listener->slot_freed(cluster, node->slot);
        forget_slot(cluster, node->slot);
        cluster->nodes[node->slot] = NULL;
        cluster->maybe_free = MIN(cluster->maybe_free, node->slot);
        cluster->n_nodes--;
        list_remove(&node->recent);
        drop_attributes(node, node->attributes, node->n_attributes);
        node->instance->node = NULL;
        free(node);
}

/* ---- changes of the model */

static bool wants_node(const struct state_container_instance *state)
{
        return state != NULL && state->status != STATE_INSTANCE_STATUS_INACTIVE;
}

static bool same_attributes(const struct ecs_attribute_list *a, const struct ecs_attribute_list *b)
{
        if (a->n != b->n)
                return false;
        for (uint32_t i = 0; i < a->n; i++)
                if (!str_eq(a->items[i].name, b->items[i].name) || !str_eq(a->items[i].value, b->items[i].value))
                        return false;
        return true;
}

/* Whether all that requirements can ask of the stored state, besides resources, is as it was: it is, nearly always, for an
 * instance changes with every message that it is sent. */
static bool same_to_requirements(const struct state_container_instance *a, const struct state_container_instance *b)
{
        return a->status == b->status && a->registered_at == b->registered_at && str_eq(a->agent_version, b->agent_version) &&
               str_eq(a->ec2_instance_id, b->ec2_instance_id) && same_attributes(&a->attributes, &b->attributes);
}

static void instance_applied(struct index *index, struct instance *instance, const struct state_container_instance *old_state,
                             const struct state_container_instance *new_state)
{
        struct node *node = index_node(instance);

        if (!wants_node(new_state)) {
                if (node != NULL)
                        remove_node(node);
                return;
        }
        if (node == NULL) {
                add_node(index, instance);
                return;
        }
        touch(node);
        if (old_state != NULL && same_to_requirements(old_state, new_state))
                return;
        read_attributes(node);
        node->state_changed = node->changed;
}

static bool occupies(const struct state_task *state)
{
        return state != NULL && state->instance != NULL && !task_is_over(state);
}

/* The node that a former state of a task was counted on. */
static struct node *former_node(struct index *index, const struct task *task, const struct state_task *state)
{
        struct instance *instance = task->instance;

        if (instance == NULL || !str_eq(instance->state->id, state->instance))
                instance = model_task_instance(index->model, state);
        return instance != NULL ? index_node(instance) : NULL;
}

static void task_applied(struct index *index, struct task *task, const struct state_task *old_state, const struct state_task *new_state)
{
        struct node *old = occupies(old_state) ? former_node(index, task, old_state) : NULL;
        struct node *new = occupies(new_state) && task->instance != NULL ? index_node(task->instance) : NULL;

        if (old == NULL || new != old || !str_eq(group_name(old_state), group_name(new_state))) {
                if (new != NULL)
                        count_task(new, new_state);
                if (old != NULL)
                        uncount_task(old, old_state);
        }
        if (old != NULL)
                touch(old);
        if (new != NULL &&new != old)
                touch(new);
}

static void free_cluster(struct index_cluster *cluster)
{
        for (uint32_t slot = 0; slot < cluster->n_slots; slot++)
                if (cluster->nodes[slot] != NULL)
                        remove_node(cluster->nodes[slot]);
        cluster->index->listener->cluster_gone(cluster);
        map_remove(&cluster->index->clusters, &cluster->node);
        free(cluster->nodes);
        assert(cluster->groups.count == 0 && list_empty(&cluster->classes));
        map_done(&cluster->groups);
        free(cluster);
}

static void cluster_applied(struct index *index, const struct object *object, const void *new_state)
{
        struct index_cluster *cluster = map_get(&index->clusters, object->key, struct index_cluster, node);

        if (new_state == NULL && cluster != NULL)
                free_cluster(cluster);
}

static void on_applied(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state)
{
        struct index *index = CONTAINER_OF(observer, struct index, observer);

        if (object->kind == OBJECT_TASK)
                task_applied(index, CONTAINER_OF(object, struct task, object), old_state, new_state);
        else if (object->kind == OBJECT_INSTANCE)
                instance_applied(index, CONTAINER_OF(object, struct instance, object), old_state, new_state);
        else if (object->kind == OBJECT_CLUSTER)
                cluster_applied(index, object, new_state);
}

static void on_connected(struct model_observer *observer, struct instance *instance)
{
        if (index_node(instance) != NULL)
                touch(index_node(instance));
}

/* ---- all of it */

struct index_cluster *index_cluster(struct index *index, const char *name)
{
        struct index_cluster *cluster = map_get(&index->clusters, name, struct index_cluster, node);
        size_t size = strlen(name) + 1;

        if (cluster != NULL)
                return cluster;
        cluster = xalloc(sizeof(*cluster) + size);
        cluster->index = index;
        memcpy(cluster->name, name, size);
        list_init(&cluster->recent);
        list_init(&cluster->classes);
        map_init(&cluster->groups);
        map_insert(&index->clusters, &cluster->node, cluster->name);
        return cluster;
}

void index_init(struct index *index, struct model *model, const struct index_listener *listener)
{
        *index = (struct index){.model = model, .listener = listener, .observer = {.applied = on_applied, .connected = on_connected}};
        atoms_init(&index->atoms);
        map_init(&index->clusters);
        tree_for_each (tree_node, model_objects(model, OBJECT_INSTANCE)) {
                struct instance *instance = MODEL_OBJECT(tree_node, instance);

                if (wants_node(instance->state))
                        add_node(index, instance);
        }
        model_observe(model, &index->observer);
}

void index_done(struct index *index)
{
        model_unobserve(index->model, &index->observer);
        map_for_each (node, &index->clusters)
                free_cluster(CONTAINER_OF(node, struct index_cluster, node));
        map_done(&index->clusters);
        atoms_done(&index->atoms);
}
