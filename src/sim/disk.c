/* SPDX-License-Identifier: Apache-2.0 */
/* See disk.h. */
#include "sim/disk.h"

#include "model/model.h"
#include "sim/bugs.h"
#include "sim/server.h"
#include "sim/world.h"
#include "store/store.h"

int64_t sim_disk_delay(struct sim_world *world)
{
        struct sim_random *chance = &world->disk_chance;

        if (sim_random_percent(chance, 2))
                return sim_random_between(chance, 5 * SIM_MS, 200 * SIM_MS);
        return sim_random_between(chance, 100, 800);
}

/* Stands between the model and the store for the seeded bug that forgets a commit. */
static int forgetful_commit(struct store *store, const struct store_change *changes, size_t n, struct error *error)
{
        return 0;
}
static const struct store_ops forgetful_ops = {.commit = forgetful_commit};

bool sim_disk_write(struct sim_server *server)
{
        const struct store_ops *ops = server->disk->ops;
        bool any;

        if (sim_bug_strikes(server->world, SIM_BUG_STORE_FORGETS))
                server->disk->ops = &forgetful_ops;
        any = model_write(server->model);
        server->disk->ops = ops;
        return any;
}
