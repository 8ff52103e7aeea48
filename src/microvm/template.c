/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates: the first machine of a size boots, is trimmed until it counts exactly the memory asked for, and its state is kept:
 *
 *     BOOTING ──(hello)──► (balloon takes what is too much) ──► SAVING ──► READY
 *
 * Its memory is a file in memory that is sealed against writing then: machines map it privately, and share what they do not change.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "api/qmp.idl.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "microvm/vm_internal.h"

#define MIB ((uint64_t)1 << 20)
/* More than any kernel keeps for itself: pages of its own, and a 64th for the books of the rest. */
#define KEPT_MIB(mib) (64 + (mib) / 48)
/* No swiotlb: 64 MiB of every machine above 2 GiB, for devices that reach 4 GiB only, of which it has none.
 * Expedited: a mount or a control group waits for others to have passed, which in a machine that idles are ticks of a clock that stands. */
#define APPEND                                                                                                       \
        "console=ttyS0 quiet loglevel=1 panic=-1 no_timer_check tsc=reliable cryptomgr.notests random.trust_cpu=on " \
        "rcupdate.rcu_expedited=1 swiotlb=noforce"
/* An emulated processor does not speculate. */
#define APPEND_EMULATED APPEND " mitigations=off"
#define LOOK_MS 2

void template_fill_spec(const struct vm_host *host, struct qemu_spec *spec)
{
        static const struct qemu_disk disks[1 + VM_BOXES] = {
                {.serial = "disk"},
                {.serial = "image0", .read_only = true},
                {.serial = "image1", .read_only = true},
                {.serial = "image2", .read_only = true},
                {.serial = "image3", .read_only = true},
                {.serial = "image4", .read_only = true},
                {.serial = "image5", .read_only = true},
                {.serial = "image6", .read_only = true},
                {.serial = "image7", .read_only = true},
                {.serial = "image8", .read_only = true},
                {.serial = "image9", .read_only = true},
        };
        static const struct qemu_port ports[] = {{.name = "gantry", .socket = "guest"}};
        static const char *const extra[] = {"-device", "virtio-balloon-pci,disable-legacy=on", NULL};

        spec->accel = host->accel;
        spec->kernel = host->kernel;
        spec->initrd = host->initrd;
        spec->append = host->accel == QEMU_TCG ? APPEND_EMULATED : APPEND;
        spec->disks = disks;
        spec->n_disks = ARRAY_SIZE(disks);
        spec->ports = ports;
        spec->n_ports = 1;
        spec->console = true;
        spec->extra = extra;
        spec->cgroup_fd = -1;
}

/* ---- the end, one way or the other ---- */

static void close_parts(struct vm_template *t)
{
        t->channel = channel_free(t->channel);
        t->qemu = qemu_free(t->qemu);
        if (t->tap_fd >= 0)
                close(t->tap_fd);
        t->tap_fd = -1;
        if (qemu_erase(t->dir) < 0)
                log_debug("a template's directory is left", LOG_S("dir", t->dir));
}

static void tell(struct vm_template *t)
{
        while (!list_empty(&t->waiting)) {
                struct vm *vm = list_first(&t->waiting, struct vm, group);

                list_remove(&vm->group);
                if (t->state == TEMPLATE_READY)
                        vm_make(vm);
                else
                        vm_failed(vm, &t->error);
        }
        /* The next one who asks tries again. */
        if (t->state == TEMPLATE_FAILED)
                template_free(t);
        else
                warm_look(t->host);
}

static void failed(struct vm_template *t, const char *what)
{
        (void)error_set(&t->error, EIO, "the micro-VM of %u vCPU and %u MiB could not be booted: %s", t->vcpus, t->memory_mib, what);
        t->state = TEMPLATE_FAILED;
}

static void on_ended(struct qemu *qemu, const char *reason, void *data)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct vm_template *t = data;

        (void)qemu;
        if (t->state == TEMPLATE_SAVING && t->saved) {
                if (fcntl(t->memory_fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                        failed(t, strerror(errno));
                else
                        t->state = TEMPLATE_READY;
        } else if (t->state != TEMPLATE_FAILED) {
                failed(t, arena_printf(&arena, "%s (%s)", reason, qemu_last_words(t->dir, &arena)));
        }
        close_parts(t);
        tell(t);
}

/* ---- saving ---- */

static void on_saved(struct qmp_call *call, int status, const char *answer, const struct error *error)
{
        struct vm_template *t = CONTAINER_OF(call, struct vm_template, save);

        (void)answer;
        if (status < 0)
                failed(t, error->message);
        else
                t->saved = true;
        qemu_kill(t->qemu, NULL);
}

static void save(struct vm_template *t)
{
        t->state = TEMPLATE_SAVING;
        t->channel = channel_free(t->channel); /* the machines that go on from here wait for theirs */
        t->save.done = on_saved;
        qemu_save(t->qemu, t->state_fd, &t->save);
}

/* ---- exactly the memory ---- */

static void on_balloon(struct qmp_call *call, int status, const char *answer, const struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct vm_template *t = CONTAINER_OF(call, struct vm_template, save);
        struct qmp_balloon *balloon = NULL;

        if (status < 0 || SHAPE_PARSE(qmp_balloon, &arena, answer, strlen(answer), NULL, &balloon, NULL) < 0) {
                failed(t, status < 0 ? error->message : "QEMU does not tell how large it is");
                qemu_kill(t->qemu, NULL);
                return;
        }
        if ((uint64_t)balloon->actual > t->balloon_target)
                qemu_command(t->qemu, "query-balloon", NULL, -1, &t->save);
        else
                save(t);
}

static void on_hello(void *owner, const struct guest_hello *hello)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct vm_template *t = owner;
        uint64_t asked = t->memory_mib * MIB;

        if (t->state != TEMPLATE_BOOTING || t->balloon_target != 0)
                return;
        if ((uint64_t)hello->memory < asked || hello->processors != (int32_t)t->vcpus) {
                failed(t, arena_printf(&arena, "its kernel counts %d processors and %lld of %llu MiB: is the kernel in %s not Debian's?",
                                       hello->processors, (long long)hello->memory / (long long)MIB,
                                       (unsigned long long)(t->memory_bytes / MIB), t->host->kernel));
                qemu_kill(t->qemu, NULL);
                return;
        }
        log_info("a micro-VM of this size has booted", LOG_I("vcpus", t->vcpus), LOG_I("mib", t->memory_mib),
                 LOG_S("kernel", hello->kernel), LOG_S("acceleration", qemu_accel_name(t->host->accel)));
        uint64_t target = t->memory_bytes - ((uint64_t)hello->memory - asked);
        qemu_command(t->qemu, "balloon", arena_printf(&arena, "{\"value\":%llu}", (unsigned long long)target), -1, NULL);
        t->balloon_target = target;
        t->save.done = on_balloon;
        qemu_command(t->qemu, "query-balloon", NULL, -1, &t->save);
}

static void on_event(void *owner, const struct guest_event *event)
{
        (void)owner;
        (void)event;
}

static void on_log(void *owner, const struct frame *frame)
{
        (void)owner;
        (void)frame;
}

static const struct channel_callbacks channel_callbacks = {.hello = on_hello, .event = on_event, .log = on_log};

/* ---- booting ---- */

static void on_ready(struct qemu *qemu, void *data)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct vm_template *t = data;

        (void)qemu;
        t->channel = channel_new(t->host->loop, qemu_socket(t->dir, "guest", &arena), &channel_callbacks, t);
}

static const struct qemu_events events = {.ready = on_ready, .ended = on_ended};

static int boot(struct vm_template *t, struct error *error)
{
        char tap[IFNAMSIZ];
        struct qemu_nic nic = {.mac = "02:67:00:00:00:02"};
        struct qemu_spec spec = {.dir = t->dir, .vcpus = t->vcpus, .state_fd = -1, .memory_shared = true, .nics = &nic, .n_nics = 1};

        t->memory_bytes = (t->memory_mib + KEPT_MIB(t->memory_mib)) * MIB;
        t->memory_fd = memfd_create("gantry-template", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        t->state_fd = memfd_create("gantry-template-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (t->memory_fd < 0 || t->state_fd < 0 || ftruncate(t->memory_fd, (off_t)t->memory_bytes) < 0)
                return error_set(error, errno, "cannot make memory for a micro-VM: %s", strerror(errno));
        t->tap_fd = vpc_tap_open(tap, error);
        if (t->tap_fd < 0)
                return t->tap_fd;
        nic.tap_fd = t->tap_fd;
        spec.memory_bytes = t->memory_bytes;
        spec.memory_fd = t->memory_fd;
        spec.user = VM_USER_FIRST + t->host->next_number++ % 65536;
        template_fill_spec(t->host, &spec);
        return qemu_start(t->host->loop, &spec, &events, t, &t->qemu, error);
}

struct vm_template *template_get(struct vm_host *host, uint32_t vcpus, uint32_t memory_mib)
{
        struct vm_template *t;

        list_for_each (there, &host->templates, struct vm_template, link)
                if (there->vcpus == vcpus && there->memory_mib == memory_mib)
                        return there;
        t = xalloc(sizeof(*t));
        t->host = host;
        t->vcpus = vcpus;
        t->memory_mib = memory_mib;
        t->memory_fd = t->state_fd = t->tap_fd = -1;
        t->dir = xprintf("%s/t%u-%u", host->run_dir, vcpus, memory_mib);
        list_init(&t->waiting);
        list_push(&host->templates, &t->link);
        if (boot(t, &t->error) < 0)
                t->state = TEMPLATE_FAILED;
        return t;
}

struct vm_template *template_free(struct vm_template *t)
{
        if (t == NULL)
                return NULL;
        list_remove(&t->link);
        if (t->qemu != NULL) {
                qemu_kill(t->qemu, NULL);
                close_parts(t);
        }
        if (t->memory_fd >= 0)
                close(t->memory_fd);
        if (t->state_fd >= 0)
                close(t->state_fd);
        free(t->dir);
        free(t);
        return NULL;
}
