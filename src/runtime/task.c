/* SPDX-License-Identifier: Apache-2.0 */
/* What belongs to a task and not to one of its containers: its disk, its control groups, and the removal of both. */
#include <errno.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "runtime/cgroup_container.h"
#include "runtime/disk.h"
#include "runtime/runtime_internal.h"

/* ---- disks ---- */

struct disk_entry {
        struct map_node node;
        char *task_id;
        struct task_disk *disk;
};

struct task_disk *runtime_disk(struct runtime *runtime, const char *task_id, int64_t bytes)
{
        struct disk_entry *entry = map_get(&runtime->disks, task_id, struct disk_entry, node);
        CLEANUP_FREE char *run_dir = NULL;

        if (entry != NULL)
                return entry->disk;
        run_dir = xprintf("%s/disks", runtime->run_dir);
        entry = xalloc(sizeof(*entry));
        entry->task_id = xstrdup(task_id);
        entry->disk = disk_new(runtime->disk_dir, run_dir, task_id, bytes);
        map_insert(&runtime->disks, &entry->node, entry->task_id);
        return entry->disk;
}

static struct task_disk *take_disk(struct runtime *runtime, struct disk_entry *entry)
{
        struct task_disk *disk = entry->disk;

        map_remove(&runtime->disks, &entry->node);
        free(entry->task_id);
        free(entry);
        return disk;
}

void runtime_disks_free(struct runtime *runtime)
{
        map_for_each (node, &runtime->disks)
                disk_free(take_disk(runtime, CONTAINER_OF(node, struct disk_entry, node)));
}

const char *runtime_disk_dir(const struct runtime *runtime, const char *task_id, struct arena *arena)
{
        return arena_printf(arena, "%s/%s", runtime->disk_dir, task_id);
}

int runtime_disk_usage(struct runtime *runtime, const char *task_id, uint64_t *ret_used, uint64_t *ret_size)
{
        struct disk_entry *entry = map_get(&runtime->disks, task_id, struct disk_entry, node);

        return entry != NULL ? disk_usage(entry->disk, ret_used, ret_size) : -ENOENT;
}

/* ---- removal ---- */

struct task_removal {
        struct runtime_work work;
        char *path;
        struct task_disk *disk;
        int group_result, disk_result;
};

static void remove_task(struct runtime_work *work)
{
        struct task_removal *removal = CONTAINER_OF(work, struct task_removal, work);

        removal->group_result = cgroup_remove_patiently(&work->runtime->cgroups, removal->path);
        removal->disk_result = removal->disk != NULL ? disk_remove(removal->disk) : 0;
}

static void removed_task(struct runtime_work *work)
{
        struct task_removal *removal = CONTAINER_OF(work, struct task_removal, work);

        if (removal->group_result < 0)
                log_warn("a task's control group could not be removed", LOG_S("group", removal->path), LOG_ERRNO(removal->group_result));
        if (removal->disk_result < 0)
                log_warn("a task's disk could not be removed", LOG_S("directory", disk_dir(removal->disk)),
                         LOG_ERRNO(removal->disk_result));
        disk_free(removal->disk);
        free(removal->path);
        free(removal);
}

static struct task_removal *removal_new(struct runtime *runtime, const char *task_id)
{
        struct task_removal *removal = xalloc(sizeof(*removal));

        removal->path = xprintf("%s/%s", runtime->parent, task_id);
        removal->work.work = remove_task;
        removal->work.after = removed_task;
        return removal;
}

void runtime_task_release(struct runtime *runtime, const char *task_id)
{
        runtime_work_start(runtime, &removal_new(runtime, task_id)->work);
}

void runtime_task_remove(struct runtime *runtime, const char *task_id)
{
        struct task_removal *removal = removal_new(runtime, task_id);
        struct disk_entry *entry = map_get(&runtime->disks, task_id, struct disk_entry, node);
        CLEANUP_FREE char *image = xprintf("%s/%s.img", runtime->disk_dir, task_id);

        /* One that an earlier agent made counts too. */
        if (entry == NULL && access(image, F_OK) == 0) {
                (void)runtime_disk(runtime, task_id, 0);
                entry = map_get(&runtime->disks, task_id, struct disk_entry, node);
        }
        removal->disk = entry != NULL ? take_disk(runtime, entry) : NULL;
        runtime_work_start(runtime, &removal->work);
}
