/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the mounts of a container together. */
#include "runtime/mounts.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"
#include "runtime/netfiles.h"

#define DEFAULT_SHM (64 * 1024 * 1024)

static struct oci_spec_mount *add(struct arena *arena, struct oci_spec_mount_list *list, const char *type, const char *source,
                                  const char *destination, const char *options)
{
        struct oci_spec_mount *mount = SHAPE_PUSH(arena, list);
        char *rest = arena_strdup(arena, options), *word;

        mount->type = type;
        mount->source = source;
        mount->destination = destination;
        while ((word = strsep(&rest, ",")) != NULL)
                if (*word != '\0')
                        string_list_push(arena, &mount->options, word);
        return mount;
}

static bool covered(const struct runtime_container_spec *spec, const char *destination)
{
        for (uint32_t i = 0; i < spec->n_mounts; i++)
                if (str_eq(spec->mounts[i].destination, destination))
                        return true;
        return false;
}

static void add_shm(const struct runtime_container_spec *spec, struct arena *arena, struct oci_spec_mount_list *list)
{
        long long bytes = spec->shm_bytes > 0 ? (long long)spec->shm_bytes : DEFAULT_SHM;

        if (spec->ipc_none || covered(spec, "/dev/shm"))
                return;
        if (spec->ipc.mode == RUNTIME_NS_HOST)
                add(arena, list, "bind", "/dev/shm", "/dev/shm", "rbind,rw,nosuid,nodev");
        else
                add(arena, list, "tmpfs", "shm", "/dev/shm", arena_printf(arena, "nosuid,noexec,nodev,mode=1777,size=%lld", bytes));
}

/* What lxcfs says over what the machine does. */
static void add_size_view(const char *dir, struct arena *arena, struct oci_spec_mount_list *list)
{
        static const char *const files[] = {"/proc/cpuinfo",
                                            "/proc/diskstats",
                                            "/proc/meminfo",
                                            "/proc/stat",
                                            "/proc/swaps",
                                            "/proc/uptime",
                                            "/sys/devices/system/cpu/online"};

        for (size_t i = 0; dir != NULL && i < ARRAY_SIZE(files); i++)
                add(arena, list, "bind", arena_printf(arena, "%s%s", dir, files[i]), files[i], "bind,rprivate");
}

static void add_base(const struct bundle_context *context, const struct runtime_container_spec *spec, struct arena *arena,
                     struct oci_spec_mount_list *list)
{
        const char *sys = spec->privileged ? "nosuid,noexec,nodev,rw" : "nosuid,noexec,nodev,ro";

        if (spec->pid.mode == RUNTIME_NS_HOST)
                add(arena, list, "bind", "/proc", "/proc", "rbind,nosuid,noexec,nodev");
        else
                add(arena, list, "proc", "proc", "/proc", "nosuid,noexec,nodev");
        add(arena, list, "tmpfs", "tmpfs", "/dev", "nosuid,strictatime,mode=755,size=65536k");
        add(arena, list, "devpts", "devpts", "/dev/pts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
        if (spec->ipc.mode == RUNTIME_NS_HOST)
                add(arena, list, "bind", "/dev/mqueue", "/dev/mqueue", "rbind,rw,nosuid,noexec,nodev");
        else
                add(arena, list, "mqueue", "mqueue", "/dev/mqueue", "nosuid,noexec,nodev");
        add(arena, list, "sysfs", "sysfs", "/sys", sys);
        add(arena, list, "cgroup", "cgroup", "/sys/fs/cgroup",
            spec->privileged ? "nosuid,noexec,nodev,relatime,rw" : "nosuid,noexec,nodev,relatime,ro");
        add_size_view(context->size_view, arena, list);
        add_shm(spec, arena, list);
        if (spec->init || spec->pause)
                add(arena, list, "bind", context->init, "/dev/init", "bind,ro,nosuid,nodev,rprivate");
}

static const char *propagation_of(const char *options)
{
        static const char *const words[] = {"private", "rprivate", "slave", "rslave", "shared", "rshared"};

        for (size_t i = 0; options != NULL && i < ARRAY_SIZE(words); i++) {
                const char *at = strstr(options, words[i]);

                if (at != NULL && (at == options || at[-1] == ','))
                        return "";
        }
        return ",rprivate";
}

static int add_user_mount(const struct runtime_mount *mount, struct arena *arena, struct oci_spec_mount_list *list, struct error *error)
{
        const char *options = mount->options != NULL ? mount->options : "";

        if (mount->destination == NULL || mount->destination[0] != '/')
                return error_set(error, EINVAL, "mount point '%s' is not an absolute path",
                                 mount->destination != NULL ? mount->destination : "");
        if (mount->kind == RUNTIME_MOUNT_TMPFS)
                add(arena, list, "tmpfs", "tmpfs", mount->destination,
                    arena_printf(arena, "noexec,nosuid,nodev%s,%s", mount->read_only ? ",ro" : "", options));
        else
                add(arena, list, "bind", mount->source, mount->destination,
                    arena_printf(arena, "rbind,%s%s,%s", mount->read_only ? "ro" : "rw", propagation_of(options), options));
        return 0;
}

static size_t depth_of(const char *path)
{
        size_t n = 0;

        for (; *path != '\0'; path++)
                n += *path == '/' && path[1] != '/' && path[1] != '\0';
        return n;
}

/* Outer directories before what is inside them; else as they came. */
static void sort_by_depth(struct runtime_mount *mounts, uint32_t n)
{
        for (uint32_t i = 1; i < n; i++) {
                struct runtime_mount moving = mounts[i];
                uint32_t j = i;

                for (; j > 0 && depth_of(mounts[j - 1].destination) > depth_of(moving.destination); j--)
                        mounts[j] = mounts[j - 1];
                mounts[j] = moving;
        }
}

/* The image's VOLUMEs, as {"path": {}} in its configuration. Only the names matter. */
static int image_volumes(const struct bundle_context *context, const struct runtime_container_spec *spec, struct arena *arena,
                         struct bundle_result *result, struct error *error)
{
        const char *json = context->image != NULL && context->image->config != NULL ? context->image->config->volumes : NULL;
        struct string_list paths = {0};
        int r;

        if (json == NULL || spec->no_image_volumes || context->volume_dir == NULL)
                return 0;
        r = bundle_object_names(json, arena, &paths, error);
        if (r < 0)
                return r;
        result->image_volumes = arena_calloc(arena, paths.n + 1, sizeof(*result->image_volumes));
        for (uint32_t i = 0; i < paths.n; i++) {
                if (paths.items[i][0] != '/' || covered(spec, paths.items[i]))
                        continue;
                result->image_volumes[result->n_image_volumes] =
                        (struct runtime_mount){.source = context->volume_dir(result->n_image_volumes, paths.items[i], context->data),
                                               .destination = paths.items[i],
                                               .create = true,
                                               .copy_up = true};
                result->n_image_volumes++;
        }
        return 0;
}

int mounts_fill(const struct bundle_context *context, const struct runtime_container_spec *spec, struct arena *arena,
                struct oci_spec_mount_list *ret, struct bundle_result *result, struct error *error)
{
        struct runtime_mount *all;
        uint32_t n = 0;
        int r = image_volumes(context, spec, arena, result, error);

        if (r < 0)
                return r;
        add_base(context, spec, arena, ret);
        if (!spec->pause) {
                r = netfiles_write(context->dir, spec, arena, ret, error);
                if (r < 0)
                        return r;
        }
        all = arena_calloc(arena, (size_t)spec->n_mounts + result->n_image_volumes + 1, sizeof(*all));
        for (uint32_t i = 0; i < result->n_image_volumes; i++)
                all[n++] = result->image_volumes[i];
        for (uint32_t i = 0; i < spec->n_mounts; i++)
                all[n++] = spec->mounts[i];
        for (uint32_t i = 0; i < n; i++)
                if (all[i].destination == NULL)
                        return error_set(error, EINVAL, "a mount without a destination");
        sort_by_depth(all, n);
        for (uint32_t i = 0; i < n; i++) {
                r = add_user_mount(&all[i], arena, ret, error);
                if (r < 0)
                        return r;
        }
        return 0;
}
