/* SPDX-License-Identifier: Apache-2.0 */
/* See want.h. */
#include "sim/want.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "sim/world.h"

struct sim_want *sim_want(struct sim_world *world, enum sim_want_kind kind, const char *name)
{
        list_for_each (want, &world->wants, struct sim_want, link)
                if (want->kind == kind && str_eq(want->name, name))
                        return want;
        return NULL;
}

struct sim_want *sim_want_new(struct sim_world *world, enum sim_want_kind kind, const char *name)
{
        struct sim_want *want = xalloc(sizeof(*want));

        want->kind = kind;
        (void)snprintf(want->name, sizeof(want->name), "%s", name);
        list_push(&world->wants, &want->link);
        return want;
}

struct sim_want *sim_want_definition(struct sim_world *world, const char *revision)
{
        return sim_want(world, SIM_WANT_DEFINITION, revision);
}

void sim_wants_free(struct sim_world *world)
{
        list_for_each (want, &world->wants, struct sim_want, link) {
                list_remove(&want->link);
                free(want);
        }
}
