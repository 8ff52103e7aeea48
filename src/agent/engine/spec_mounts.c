/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts of a container: its own, those of the containers it takes volumes from, and tmpfs. */
#include <string.h>

#include "agent/engine/spec_parts.h"
#include "agent/engine/volumes.h"
#include "base/strutil.h"

#define VOLUMES_FROM_DEPTH 10 /* a task has no more containers than that, and validation saw no circle */

struct mount_list {
        struct arena *arena;
        const struct spec_context *context;
        struct runtime_mount *items;
        uint32_t n, cap;
};

static void add(struct mount_list *list, const struct runtime_mount *mount)
{
        for (uint32_t i = 0; i < list->n; i++) {
                if (str_eq(list->items[i].destination, mount->destination))
                        return;
        }
        if (list->n == list->cap) {
                struct runtime_mount *grown = arena_calloc(list->arena, list->cap * 2 + 8, sizeof(*grown));

                if (list->n > 0)
                        memcpy(grown, list->items, list->n * sizeof(*grown));
                list->items = grown;
                list->cap = list->cap * 2 + 8;
        }
        list->items[list->n++] = *mount;
}

static void add_mount_points(struct mount_list *list, const struct engine_container *c, bool read_only)
{
        for (uint32_t i = 0; i < c->definition->mount_points.n; i++) {
                const struct acs_mount_point *mp = &c->definition->mount_points.items[i];
                const char *source = volume_path(list->context->data_dir, c->task, mp->source_volume, list->arena);

                if (source == NULL || mp->container_path == NULL)
                        continue;
                add(list, &(struct runtime_mount){.kind = RUNTIME_MOUNT_BIND,
                                                  .source = source,
                                                  .destination = mp->container_path,
                                                  .read_only = read_only || mp->read_only,
                                                  .create = true,
                                                  .copy_up = volume_copies_up(c->task, mp->source_volume)});
        }
}

static void add_volumes_from(struct mount_list *list, const struct engine_container *c, bool read_only, int depth)
{
        for (uint32_t i = 0; i < c->definition->volumes_from.n && depth < VOLUMES_FROM_DEPTH; i++) {
                const struct acs_volume_from *from = &c->definition->volumes_from.items[i];
                struct engine_container *source = engine_task_container(c->task, from->source_container);
                uint32_t n = 0;

                if (source == NULL)
                        continue;
                add_mount_points(list, source, read_only || from->read_only);
                const struct runtime_mount *more = list->context->mounts_of != NULL ? list->context->mounts_of(source, &n) : NULL;
                for (uint32_t k = 0; k < n; k++) {
                        struct runtime_mount mount = more[k];

                        if (mount.kind != RUNTIME_MOUNT_BIND)
                                continue;
                        mount.source = arena_strdup(list->arena, mount.source);
                        mount.destination = arena_strdup(list->arena, mount.destination);
                        mount.options = NULL;
                        mount.copy_up = false;
                        mount.read_only |= read_only || from->read_only;
                        add(list, &mount);
                }
                add_volumes_from(list, source, read_only || from->read_only, depth + 1);
        }
}

void spec_put_mounts(const struct engine_container *c, const struct spec_context *context, struct arena *arena,
                     struct runtime_container_spec *spec)
{
        struct mount_list list = {.arena = arena, .context = context};

        add_mount_points(&list, c, false);
        for (uint32_t i = 0; i < c->host->tmpfs.n; i++)
                add(&list, &(struct runtime_mount){.kind = RUNTIME_MOUNT_TMPFS,
                                                   .destination = c->host->tmpfs.items[i].key,
                                                   .options = c->host->tmpfs.items[i].value});
        add_volumes_from(&list, c, false, 0);
        spec->mounts = list.items;
        spec->n_mounts = list.n;
}
