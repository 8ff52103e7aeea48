/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of QEMU. Source: qemu-system-x86_64(1) of version 7.2. */
#include "base/strutil.h"
#include "microvm/qemu.h"

/* Translated code is kept for so many MiB of it: more only costs memory with guests of one task. */
#define TCG_CACHE_MIB 64

struct words {
        struct arena *arena;
        struct string_list *list;
};

static void add(struct words *w, const char *option, const char *value)
{
        string_list_push(w->arena, w->list, option);
        if (value != NULL)
                string_list_push(w->arena, w->list, value);
}

#define ADD(w, option, ...) add((w), (option), arena_printf((w)->arena, __VA_ARGS__))

static void add_machine(struct words *w, const struct qemu_spec *spec)
{
        static const char *const bare[] = {"-nodefaults", "-no-user-config", "-no-reboot", "-nographic"};
        unsigned long long bytes = spec->memory_bytes;

        for (size_t i = 0; i < ARRAY_SIZE(bare); i++)
                add(w, bare[i], NULL);
        /* microvm would be smaller, but under TCG a stock kernel hangs in it while it measures its timers. */
        add(w, "-machine", "q35,memory-backend=memory,usb=off,vmport=off,smm=off,sata=off,smbus=off,i8042=off");
        if (spec->accel == QEMU_KVM)
                add(w, "-accel", "kvm");
        else
                ADD(w, "-accel", "tcg,tb-size=%d", TCG_CACHE_MIB);
        add(w, "-cpu", spec->accel == QEMU_KVM ? "host" : "max");
        ADD(w, "-smp", "%u", spec->vcpus);
        ADD(w, "-m", "%lluB", bytes);
        if (spec->memory_fd >= 0)
                ADD(w, "-object", "memory-backend-file,id=memory,size=%llu,mem-path=/proc/self/fd/%d,share=%s", bytes, QEMU_FD_MEMORY,
                    spec->memory_shared ? "on" : "off");
        else
                ADD(w, "-object", "memory-backend-ram,id=memory,size=%llu", bytes);
        add(w, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
        add(w, "-qmp", "unix:qmp,server=on,wait=off");
        if (spec->state_fd >= 0) {
                add(w, "-incoming", "defer");
                add(w, "-S", NULL);
        }
}

/* A machine that goes on from a saved state has its kernel in its memory. */
static void add_kernel(struct words *w, const struct qemu_spec *spec)
{
        /* Of the same package as QEMU. It does what a kernel needs and nothing else: 0.3 s less than SeaBIOS under emulation. */
        if (spec->kernel != NULL)
                add(w, "-bios", QEMU_FIRMWARE);
        if (spec->kernel != NULL && spec->state_fd < 0)
                add(w, "-kernel", spec->kernel);
        if (spec->initrd != NULL && spec->state_fd < 0)
                add(w, "-initrd", spec->initrd);
        if (spec->append != NULL && spec->state_fd < 0)
                add(w, "-append", spec->append);
        if (spec->console)
                add(w, "-serial", "file:console");
}

static void add_disk(struct words *w, const struct qemu_disk *disk, uint32_t i)
{
        const char *mode = disk->read_only ? "on" : "off";

        if (disk->file == NULL)
                ADD(w, "-blockdev", "driver=null-co,node-name=none%u,size=1048576,read-zeroes=on,read-only=%s", i, mode);
        else
                ADD(w, "-blockdev", "driver=file,node-name=file%u,filename=%s,read-only=%s,discard=unmap", i, disk->file, mode);
        ADD(w, "-blockdev", "driver=%s,node-name=disk%u,file=%s%u,read-only=%s,discard=unmap", disk->format != NULL ? disk->format : "raw",
            i, disk->file == NULL ? "none" : "file", i, mode);
        ADD(w, "-device", "virtio-blk-pci,drive=disk%u,id=blk%u,num-queues=1,disable-legacy=on%s%s", i, i,
            disk->serial != NULL ? ",serial=" : "", disk->serial != NULL ? disk->serial : "");
}

void qemu_arguments(const struct qemu_spec *spec, struct arena *arena, struct string_list *ret)
{
        struct words w = {.arena = arena, .list = ret};

        add(&w, spec->qemu != NULL ? spec->qemu : "/usr/bin/qemu-system-x86_64", NULL);
        add_machine(&w, spec);
        add_kernel(&w, spec);
        for (uint32_t i = 0; i < spec->n_disks; i++)
                add_disk(&w, &spec->disks[i], i);
        for (uint32_t i = 0; i < spec->n_nics; i++) {
                ADD(&w, "-netdev", "tap,id=net%u,fd=%d", i, QEMU_FD_NIC + (int)i);
                ADD(&w, "-device", "virtio-net-pci,netdev=net%u,mac=%s,romfile=,disable-legacy=on", i, spec->nics[i].mac);
        }
        if (spec->n_ports > 0)
                add(&w, "-device", "virtio-serial-pci,disable-legacy=on");
        for (uint32_t i = 0; i < spec->n_ports; i++) {
                ADD(&w, "-chardev", "socket,id=port%u,path=%s,server=on,wait=off", i, spec->ports[i].socket);
                ADD(&w, "-device", "virtserialport,chardev=port%u,name=%s", i, spec->ports[i].name);
        }
        for (const char *const *extra = spec->extra; extra != NULL && *extra != NULL; extra++)
                add(&w, *extra, NULL);
        string_list_push(arena, ret, NULL);
        ret->n--;
}
