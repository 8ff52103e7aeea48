/* SPDX-License-Identifier: Apache-2.0 */
/* See discovery.h. */
#include "model/discovery.h"

#include <stdio.h>

#include "base/strutil.h"
#include "model/internal.h"
#include "model/names.h"

#define FIND(model, kind, key, type) ((struct type *)(void *)table_find(&(model)->tables[kind], key))

struct discovery_namespace *model_discovery_namespace(struct model *model, const char *id)
{
        return id != NULL ? FIND(model, OBJECT_DISCOVERY_NAMESPACE, id, discovery_namespace) : NULL;
}

struct discovery_service *model_discovery_service(struct model *model, const char *id)
{
        return id != NULL ? FIND(model, OBJECT_DISCOVERY_SERVICE, id, discovery_service) : NULL;
}

struct discovery_instance *model_discovery_instance(struct model *model, const char *service, const char *id)
{
        char key[256];

        if ((size_t)snprintf(key, sizeof(key), "%s/%s", service, id) >= sizeof(key))
                return NULL;
        return FIND(model, OBJECT_DISCOVERY_INSTANCE, key, discovery_instance);
}

struct discovery_operation *model_discovery_operation(struct model *model, const char *id)
{
        tree_for_each (node, model_objects(model, OBJECT_DISCOVERY_OPERATION)) {
                struct discovery_operation *operation = MODEL_OBJECT(node, discovery_operation);

                if (str_eq(operation->state->id, id))
                        return operation;
        }
        return NULL;
}

struct discovery_service *model_discovery_service_of_arn(struct model *model, const char *arn)
{
        struct arn parts;

        if (arn_parse(arn, &parts) < 0 || !str_eq(parts.service, "servicediscovery") || !str_eq(parts.region, model_region(model)) ||
            !str_eq(parts.account, model_account(model)))
                return NULL;
        return model_discovery_service(model, arn_resource(&parts, "service"));
}

char *model_discovery_arn(const struct model *model, struct arena *arena, const char *type, const char *id)
{
        return arena_printf(arena, "arn:aws:servicediscovery:%s:%s:%s/%s", model_region(model), model_account(model), type, id);
}

void model_discovery_record(struct tx *tx, struct state_discovery_operation *operation)
{
        const struct tree *all = model_objects(tx_model(tx), OBJECT_DISCOVERY_OPERATION);
        const struct tree_node *last = tree_last(all);

        SHAPE_SET(operation, state_discovery_operation, number,
                  last != NULL ? CONTAINER_OF(last, struct discovery_operation, object.node)->state->number + 1 : 1);
        (void)tx_insert(tx, OBJECT_DISCOVERY_OPERATION, operation);
        if (all->count > DISCOVERY_OPERATIONS)
                tx_remove(tx, CONTAINER_OF(tree_first(all), struct object, node));
}
