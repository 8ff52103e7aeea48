/* SPDX-License-Identifier: Apache-2.0 */
/* All micro-VMs of this machine. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "microvm/vm_internal.h"

#define QEMU "/usr/bin/qemu-system-x86_64"
#define WARM_DEFAULT 2
#define RECORD "machine.json"

static int check_programs(struct error *error)
{
        static const struct {
                const char *path, *package;
        } needed[] = {{QEMU, "qemu-system-x86"}, {"/usr/bin/mkfs.erofs", "erofs-utils"}, {"/usr/sbin/mkfs.ext4", "e2fsprogs"}};

        for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
                if (access(needed[i].path, X_OK) < 0)
                        return error_set(error, ENOENT, "micro-VMs need %s: install the package %s, or use sandbox", needed[i].path,
                                         needed[i].package);
        return 0;
}

int vm_host_new(const struct vm_host_options *options, struct vm_host **ret, struct error *error)
{
        struct error why = {0};
        struct vm_host *host;
        const char *image = NULL;
        int r = check_programs(error);

        if (r < 0)
                return r;
        host = xalloc(sizeof(*host));
        r = guest_image_prepare(options->image_dir, &host->arena, &image, error);
        if (r < 0) {
                arena_done(&host->arena);
                free(host);
                return r;
        }
        host->loop = options->loop;
        host->dir = arena_strdup(&host->arena, options->dir);
        host->run_dir = arena_strdup(&host->arena, options->run_dir);
        host->kernel = arena_printf(&host->arena, "%s/kernel", image);
        host->initrd = arena_printf(&host->arena, "%s/initramfs", image);
        host->parent = arena_strdup(&host->arena, options->cgroup_parent != NULL ? options->cgroup_parent : "/gantry");
        host->warm_max = options->warm == UINT32_MAX ? 0 : options->warm == 0 ? WARM_DEFAULT : options->warm;
        list_init(&host->templates);
        list_init(&host->vms);
        list_init(&host->warm);
        r = cgroups_detect(NULL, &host->cgroups, error);
        if (r == 0 && ((r = files_make_dirs(host->dir, 0700)) < 0 || (r = files_make_dirs(host->run_dir, 0711)) < 0))
                r = error_set(error, -r, "cannot make the directories of micro-VMs: %s", strerror(-r));
        if (r == 0)
                r = uv_timer_init(host->loop, &host->timer);
        if (r < 0) {
                arena_done(&host->arena);
                free(host);
                return r;
        }
        host->timer.data = host;
        host->holds = 1;
        host->accel = qemu_accel_choose(host->kernel, arena_printf(&host->arena, "%s/acceleration", image), &why);
        if (host->accel == QEMU_KVM)
                log_info("micro-VMs run under KVM");
        else
                log_info("micro-VMs are emulated, which is slow: KVM does not work here", LOG_S("why", why.message));
        *ret = host;
        return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
        struct vm_host *host = handle->data;

        arena_done(&host->arena);
        free(host);
}

struct vm_host *vm_host_free(struct vm_host *host)
{
        if (host == NULL)
                return NULL;
        if (!host->freeing) {
                host->freeing = true;
                uv_timer_stop(&host->timer);
                list_for_each (t, &host->templates, struct vm_template, link)
                        (void)template_free(t);
                list_for_each (vm, &host->vms, struct vm, link)
                        if (vm->callbacks == NULL)
                                vm_end(vm);
                if (--host->holds > 0)
                        return NULL;
        }
        if (!uv_is_closing((uv_handle_t *)&host->timer))
                uv_close((uv_handle_t *)&host->timer, on_timer_closed);
        return NULL;
}

enum qemu_accel vm_host_accel(const struct vm_host *host)
{
        return host->accel;
}

/* Two agents of one machine count alike: the name of the directory above their machines' tells them apart. */
char *vm_host_group(const struct vm_host *host, uint32_t number)
{
        CLEANUP_FREE char *dir = xstrdup(host->run_dir);
        char *slash = strrchr(dir, '/');

        if (slash != NULL)
                *slash = '\0';
        slash = strrchr(dir, '/');
        return xprintf("%s/vm-%s-%u", host->parent, slash != NULL ? slash + 1 : dir, number);
}

/* ---- what an earlier agent has left ---- */

/* Calls `each` for every machine's directory. */
static void each_dir(const struct vm_host *host, void (*each)(const struct vm_host *host, const char *dir, void *data), void *data)
{
        DIR *dir = opendir(host->run_dir);

        for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
                CLEANUP_FREE char *path = xprintf("%s/%s", host->run_dir, entry->d_name);

                if (entry->d_name[0] != '.')
                        each(host, path, data);
        }
        if (dir != NULL)
                closedir(dir);
}

struct finding {
        const char *id;
        char *dir;
};

static void find_one(const struct vm_host *host, const char *dir, void *data)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_BUF struct buf text = {0};
        struct finding *finding = data;
        struct guest_stored_machine *record = NULL;

        (void)host;
        if (finding->dir == NULL && buf_read_file(&text, arena_printf(&arena, "%s/" RECORD, dir), 4096) == 0 &&
            SHAPE_PARSE(guest_stored_machine, &arena, text.data, text.len, NULL, &record, NULL) == 0 && str_eq(record->id, finding->id))
                finding->dir = xstrdup(dir);
}

char *vm_host_find(const struct vm_host *host, const char *id)
{
        struct finding finding = {.id = id};

        each_dir(host, find_one, &finding);
        return finding.dir;
}

static void sweep_one(const struct vm_host *host, const char *dir, void *data)
{
        const char *name = strrchr(dir, '/') + 1;
        struct vm_host *mine = data;
        int64_t number;

        list_for_each (vm, &host->vms, struct vm, link)
                if (str_eq(vm->dir, dir))
                        return;
        qemu_end_stray(dir);
        if (str_to_int64(name, &number) < 0)
                return;
        CLEANUP_FREE char *group = vm_host_group(host, (uint32_t)number);
        int r = cgroup_remove(&host->cgroups, group);
        if (r < 0)
                log_debug("a control group is left", LOG_S("group", group), LOG_ERRNO(r));
        mine->next_number = MAX(mine->next_number, (uint32_t)number + 1);
}

void vm_host_sweep(struct vm_host *host)
{
        each_dir(host, sweep_one, host);
}
