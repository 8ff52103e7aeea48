/* SPDX-License-Identifier: Apache-2.0 */
/* See attachments.h. */
#include "control/capacity/attachments.h"

#include "base/strutil.h"
#include "control/capacity/provider_alarms.h"
#include "control/capacity/providers.h"
#include "model/machine.h"

/* ---- What there should be ---- */

static void want(struct arena *arena, struct state_cluster_attachment_list *wanted, const char *type, const char *provider,
                 const struct scaling_group *group)
{
        *SHAPE_PUSH(arena, wanted) = (struct state_cluster_attachment){
                .type = type, .provider = provider, .group = group->state->group->auto_scaling_group_name};
}

/* Without ids; false: a group is gone. */
static bool collect(struct model *model, const struct cluster *cluster, struct arena *arena, struct state_cluster_attachment_list *wanted)
{
        const struct string_list *names = &cluster->state->capacity_providers;
        bool there = true;

        for (uint32_t i = 0; cluster->state->status == STATE_CLUSTER_STATUS_ACTIVE && i < names->n; i++) {
                const char *name = provider_name_in(names->items[i]);
                const struct capacity_provider *provider = model_capacity_provider(model, name);
                const struct scaling_group *group = model_provider_group(model, name);
                const struct ecs_auto_scaling_group_provider *p =
                        provider != NULL ? provider->state->provider->auto_scaling_group_provider : NULL;

                if (p == NULL)
                        continue;
                if (group == NULL || group->state->deleting) {
                        there = false;
                        continue;
                }
                if (p->managed_scaling != NULL && p->managed_scaling->status == ECS_MANAGED_SCALING_STATUS_ENABLED)
                        want(arena, wanted, ATTACHMENT_POLICY, name, group);
                if (p->managed_draining == ECS_MANAGED_DRAINING_ENABLED)
                        want(arena, wanted, ATTACHMENT_DRAINING, name, group);
        }
        return there;
}

static const struct state_cluster_attachment *find(const struct state_cluster_attachment_list *list,
                                                   const struct state_cluster_attachment *like)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].type, like->type) && str_eq(list->items[i].provider, like->provider) &&
                    str_eq(list->items[i].group, like->group))
                        return &list->items[i];
        return NULL;
}

/* One is of a provider once at most, so lists of the same length that lack nothing are the same. */
static bool is_complete(const struct state_cluster_attachment_list *have, const struct state_cluster_attachment_list *wanted)
{
        for (uint32_t i = 0; i < wanted->n; i++)
                if (find(have, &wanted->items[i]) == NULL)
                        return false;
        return have->n == wanted->n;
}

/* ---- Asking ---- */

const char *attachments_status(struct model *model, const struct cluster *cluster)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct state_cluster_attachment_list wanted = {0};
        bool there = collect(model, cluster, &arena, &wanted);

        if (!is_complete(&cluster->state->attachments, &wanted))
                return "UPDATE_IN_PROGRESS";
        if (!there)
                return "UPDATE_FAILED";
        return wanted.n > 0 ? "UPDATE_COMPLETE" : NULL;
}

const char *attachment_policy_name(struct arena *arena, const char *id)
{
        return arena_printf(arena, "ECSManagedAutoScalingPolicy-%s", id);
}

const struct state_cluster_attachment *attachment_of_policy(const struct cluster *cluster, const char *provider)
{
        for (uint32_t i = 0; i < cluster->state->attachments.n; i++) {
                const struct state_cluster_attachment *attachment = &cluster->state->attachments.items[i];

                if (str_eq(attachment->type, ATTACHMENT_POLICY) && str_eq(attachment->provider, provider))
                        return attachment;
        }
        return NULL;
}

/* ---- Keeping them ---- */

static void update(struct tx *tx, struct cluster *cluster, struct state_cluster_attachment_list *wanted, int64_t now_ms)
{
        struct state_cluster *state = tx_edit(tx, &cluster->object);

        for (uint32_t i = 0; i < state->attachments.n; i++)
                if (find(wanted, &state->attachments.items[i]) == NULL && str_eq(state->attachments.items[i].type, ATTACHMENT_POLICY))
                        provider_alarms_remove(tx, &state->attachments.items[i], now_ms);
        for (uint32_t i = 0; i < wanted->n; i++) {
                const struct state_cluster_attachment *had = find(&state->attachments, &wanted->items[i]);
                char *id = arena_bytes(tx_arena(tx), 37);

                if (had == NULL)
                        env_random_uuid(model_env(tx_model(tx)), id);
                wanted->items[i].id = had != NULL ? had->id : id;
        }
        state->attachments = *wanted;
        tx_put(tx, &cluster->object, state);
}

void attachments_run(struct model *model, int64_t now_ms)
{
        struct tx *tx = tx_begin(model);

        tree_for_each (node, model_objects(model, OBJECT_CLUSTER)) {
                struct cluster *cluster = MODEL_OBJECT(node, cluster);
                struct state_cluster_attachment_list wanted = {0};

                (void)collect(model, cluster, tx_arena(tx), &wanted);
                if (!is_complete(&cluster->state->attachments, &wanted))
                        update(tx, cluster, &wanted, now_ms);
        }
        (void)tx_commit(tx);
}
