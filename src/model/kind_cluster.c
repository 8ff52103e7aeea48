/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters: nothing but the heads of the lists and counters that instances, services and tasks keep. */
#include "model/internal.h"

int cluster_attach(struct model *model, struct object *object)
{
        struct cluster *cluster = CONTAINER_OF(object, struct cluster, object);

        list_init(&cluster->instances);
        list_init(&cluster->services);
        return 0;
}

void cluster_detach(struct model *model, struct object *object)
{
        assert(CONTAINER_OF(object, struct cluster, object)->n_members == 0);
}
