/* SPDX-License-Identifier: Apache-2.0 */
/* See images.h. */
#include "control/service/images.h"

#include <string.h>

#include "base/strutil.h"
#include "control/service/service.h"

/* Only what comes from a registry has a tag that may move; a layout or an archive is a path of the node's. */
static bool is_registry_image(const char *image)
{
        static const char *const paths[] = {"oci:", "oci-archive:", "docker-archive:", "docker-daemon:", "dir:"};

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
                if (str_starts_with(image, paths[i]))
                        return false;
        return !strchr(image, '@');
}

static bool may_pin(const struct ecs_container_definition *container)
{
        return container->image && container->version_consistency != ECS_VERSION_CONSISTENCY_DISABLED &&
               is_registry_image(container->image);
}

static const struct ecs_container_image *find_image(const struct service_revision *revision, const char *container)
{
        const struct ecs_container_image_list *images = &revision->state->container_images;

        for (uint32_t i = 0; i < images->n; i++)
                if (str_eq(images->items[i].container_name, container))
                        return &images->items[i];
        return NULL;
}

const char *service_image(const struct task *task, const struct ecs_container_definition *container, struct arena *arena)
{
        const struct ecs_container_image *image = task->revision ? find_image(task->revision, container->name) : NULL;
        const char *slash, *colon;
        size_t len;

        if (!image || !image->image_digest || !may_pin(container))
                return container->image;
        slash = strrchr(container->image, '/');
        colon = strchr(slash ? slash : container->image, ':');
        len = colon ? (size_t)(colon - container->image) : strlen(container->image);
        return arena_printf(arena, "%.*s@%s", (int)len, container->image, image->image_digest);
}

/* ---- Learning ---- */

static const char *digest_of(const struct state_task *task, const char *container)
{
        for (uint32_t i = 0; i < task->containers.n; i++)
                if (str_eq(task->containers.items[i].name, container))
                        return task->containers.items[i].image_digest;
        return NULL;
}

static const struct task *first_running(const struct pool *pool)
{
        static const enum pool_class running[] = {POOL_FRESH, POOL_HEALTHY};

        for (size_t i = 0; i < ARRAY_SIZE(running); i++)
                if (pool->n[running[i]] > 0)
                        return CONTAINER_OF(pool->tasks[running[i]].next, struct task, place.link);
        return NULL;
}

static bool lacks_digest(const struct service_revision *revision)
{
        for (uint32_t i = 0; i < revision->state->container_images.n; i++)
                if (!revision->state->container_images.items[i].image_digest)
                        return true;
        return false;
}

void service_learn_images(struct service_run *run, struct pool *pool)
{
        const struct task *task = pool->revision && lacks_digest(pool->revision) ? first_running(pool) : NULL;
        struct state_service_revision *state;
        bool learned = false;

        if (!task)
                return;
        state = tx_edit(run->tx, &pool->revision->object);
        for (uint32_t i = 0; i < state->container_images.n; i++) {
                struct ecs_container_image *image = &state->container_images.items[i];
                const char *digest = image->image_digest ? NULL : digest_of(task->state, image->container_name);

                if (!digest)
                        continue;
                image->image_digest = digest;
                learned = true;
        }
        if (learned)
                tx_put(run->tx, &pool->revision->object, state);
}
