/* SPDX-License-Identifier: Apache-2.0 */
/* Host paths, scratch directories and named volumes of the driver "local". */
#include "agent/engine/volumes.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/strutil.h"

static const struct acs_volume *find(const struct engine_task *task, const char *name)
{
        for (uint32_t i = 0; i < task->payload->volumes.n; i++) {
                if (str_eq(task->payload->volumes.items[i].name, name))
                        return &task->payload->volumes.items[i];
        }
        return NULL;
}

static bool is_shared(const struct acs_volume *v)
{
        return v->docker_volume_configuration != NULL && str_eq(v->docker_volume_configuration->scope, "shared");
}

/* The path of a bind mount that is written as driver options, or NULL. */
static const char *bind_device(const struct acs_volume *v)
{
        const struct acs_docker_volume *docker = v->docker_volume_configuration;

        if (docker == NULL || !str_eq(string_map_get(&docker->driver_opts, "o"), "bind"))
                return NULL;
        return string_map_get(&docker->driver_opts, "device");
}

/* Names become file names: nothing but letters, digits, '-', '_' and '.' stays, so that none leaves its directory. */
static const char *safe_name(const char *name, struct arena *arena)
{
        char *copy = arena_strdup(arena, name);

        for (char *p = copy; *p != '\0'; p++) {
                if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9') && strchr("-_.", *p) == NULL)
                        *p = '_';
        }
        return copy[0] == '.' ? arena_printf(arena, "_%s", copy) : copy;
}

const char *volume_task_dir(const char *data_dir, const struct engine_task *task, struct arena *arena)
{
        return arena_printf(arena, "%s/volumes/task/%s", data_dir, task->id);
}

const char *volume_path(const char *data_dir, const struct engine_task *task, const char *name, struct arena *arena)
{
        const struct acs_volume *v = find(task, name);

        if (v == NULL)
                return NULL;
        if (v->host != NULL && !str_empty(v->host->source_path))
                return v->host->source_path;
        if (bind_device(v) != NULL)
                return bind_device(v);
        if (is_shared(v))
                return arena_printf(arena, "%s/volumes/shared/%s", data_dir, safe_name(name, arena));
        if (task->payload->ephemeral_storage_gib > 0)
                return arena_printf(arena, "%s/" VOLUME_DISKS "/%s/volumes/%s", data_dir, task->id, safe_name(name, arena));
        return arena_printf(arena, "%s/%s", volume_task_dir(data_dir, task, arena), safe_name(name, arena));
}

bool volume_copies_up(const struct engine_task *task, const char *name)
{
        const struct acs_volume *v = find(task, name);

        return v != NULL && !(v->host != NULL && !str_empty(v->host->source_path)) && bind_device(v) == NULL;
}

static int check_options(const struct acs_volume *v, struct error *error)
{
        const struct acs_docker_volume *docker = v->docker_volume_configuration;

        if (docker == NULL || docker->driver_opts.n == 0)
                return 0;
        const char *type = string_map_get(&docker->driver_opts, "type");
        if (bind_device(v) != NULL && (str_empty(type) || str_eq(type, "none")))
                return 0;
        return error_api(error, "CannotCreateVolumeError",
                         "volume %s: the options of driver \"local\" that this node knows are type=none, o=bind and device=PATH", v->name);
}

static int prepare_one(const char *data_dir, const struct engine_task *task, const struct acs_volume *v, struct error *error)
{
        struct arena arena CLEANUP_ARENA = {0};
        const char *path = volume_path(data_dir, task, v->name, &arena);
        int r = check_options(v, error);

        /* What is on a disk is made where that is mounted, when the first container wants it. */
        if (r < 0 || !volume_copies_up(task, v->name) || task->payload->ephemeral_storage_gib > 0)
                return r;
        if (path[0] != '/')
                return error_api(error, "InvalidVolumeError", "volume %s: %s is not an absolute path", v->name, path);
        struct stat st;
        if (is_shared(v) && !v->docker_volume_configuration->autoprovision && stat(path, &st) < 0)
                return error_api(error, "CannotCreateVolumeError",
                                 "volume %s is shared and not to be made by the task, and %s is not there; make it or set autoprovision",
                                 v->name, path);
        r = files_make_dirs(path, 0755);
        if (r < 0) {
                error_api(error, "CannotCreateVolumeError", "volume %s: cannot make %s: %s", v->name, path, strerror(-r));
                return r;
        }
        return 0;
}

int volumes_prepare(const char *data_dir, const struct engine_task *task, struct error *error)
{
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < task->payload->volumes.n; i++)
                r = prepare_one(data_dir, task, &task->payload->volumes.items[i], error);
        return r;
}
