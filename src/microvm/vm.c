/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one micro-VM: see vm.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "microvm/vm_internal.h"
#include "runtime/cgroup_container.h"
#include "runtime/launch.h"

#define MIB ((int64_t)1 << 20)
#define GIB ((int64_t)1 << 30)
#define MKFS "/usr/sbin/mkfs.ext4"
#define RECORD "machine.json"
#define SHARES_WAITING 128 /* of the processors, for a machine that nobody has asked for: an eighth of what others have */

static void set_state(struct vm *vm, enum vm_state state)
{
        static const char *const names[] = {"WAITING", "MAKING", "RESTORING", "ATTACHED", "CONFIGURING", "READY", "ENDED"};

        log_debug("micro-VM moves", LOG_I("number", vm->number), LOG_S("task", vm->id), LOG_S("from", names[vm->state]),
                  LOG_S("to", names[state]));
        vm->state = state;
}

/* ---- the record ---- */

static void write_record(const struct vm *vm)
{
        CLEANUP_BUF struct buf text = {0};
        CLEANUP_CLOSE int dir = open(vm->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct guest_stored_machine record = {.id = vm->id};
        int r;

        SHAPE_SET(&record, guest_stored_machine, number, vm->number);
        SHAPE_SET(&record, guest_stored_machine, cpu_millis, vm->size.cpu_millis);
        SHAPE_SET(&record, guest_stored_machine, memory_mib, vm->size.memory_mib);
        SHAPE_SET(&record, guest_stored_machine, storage_gib, vm->size.storage_gib);
        SHAPE_SET(&record, guest_stored_machine, images, vm->images);
        SHAPE_SET(&record, guest_stored_machine, limited, vm->limited);
        SHAPE_SET(&record, guest_stored_machine, ran, vm->ran);
        SHAPE_WRITE(guest_stored_machine, &record, &text);
        r = dir < 0 ? -errno : files_write(dir, RECORD, text.data, text.len, 0600, false);
        if (r < 0)
                log_warn("a micro-VM's record cannot be written: it ends with this agent", LOG_S("task", vm->id), LOG_ERRNO(r));
}

/* ---- the end ---- */

static void clean_up(uv_work_t *work)
{
        struct vm *vm = CONTAINER_OF(work, struct vm, work);
        int r = qemu_erase(vm->dir);

        if (r == 0)
                r = cgroup_remove_patiently(&vm->host->cgroups, vm->group_path);
        if (r < 0)
                log_debug("something of a micro-VM is left", LOG_S("dir", vm->dir), LOG_ERRNO(r));
}

static void free_now(struct vm *vm)
{
        struct vm_host *host = vm->host;

        list_remove(&vm->link);
        list_remove(&vm->group);
        vm_boxes_done(vm);
        if (vm->tap_fd >= 0)
                close(vm->tap_fd);
        if (vm->disk_fd >= 0)
                close(vm->disk_fd);
        free(vm->configure);
        free(vm->id);
        free(vm->dir);
        free(vm->group_path);
        free(vm);
        if (--host->holds == 0 && host->freeing)
                (void)vm_host_free(host);
}

/* Tells its owner, who frees it; a machine without an owner frees itself. */
void vm_settle(struct vm *vm)
{
        bool owned = vm->callbacks != NULL && !vm->freed;

        if (vm->working)
                return;
        if (!owned) {
                free_now(vm);
                return;
        }
        if (!vm->told_taken) {
                vm->told_taken = true;
                (void)error_set(&vm->error, EIO, "the micro-VM has ended before it was ready: %s", vm->reason);
                vm->callbacks->taken(vm, &vm->error, vm->data);
        } else {
                vm->callbacks->ended(vm, vm->reason, vm->data);
        }
}

static void after_clean_up(uv_work_t *work, int status)
{
        struct vm *vm = CONTAINER_OF(work, struct vm, work);

        (void)status;
        vm->working = false;
        vm_settle(vm);
}

static void end_now(struct vm *vm, const char *reason)
{
        if (vm->state == VM_ENDED)
                return;
        if (vm->state == VM_ATTACHED && vm->callbacks == NULL)
                warm_look(vm->host);
        else if (vm->callbacks == NULL && !vm->ending)
                vm->template->wanted = 0; /* it could not be made: no other for the pool until somebody asks for the size again */
        set_state(vm, VM_ENDED);
        (void)snprintf(vm->reason, sizeof(vm->reason), "%s", reason);
        list_remove(&vm->group);
        vm->channel = channel_free(vm->channel);
        vm->qemu = qemu_free(vm->qemu);
        vm->inserting = 0;
        if (vm->working)
                return; /* what is under way ends first */
        vm->working = true;
        int r = uv_queue_work(vm->host->loop, &vm->work, clean_up, after_clean_up);
        assert(r == 0);
}

void vm_failed(struct vm *vm, const struct error *error)
{
        end_now(vm, error->message);
}

void vm_end(struct vm *vm)
{
        vm->ending = true;
        if (vm->qemu != NULL)
                qemu_kill(vm->qemu, NULL);
        else if (!vm->working)
                end_now(vm, "it was given up");
}

struct vm *vm_free(struct vm *vm)
{
        if (vm == NULL)
                return NULL;
        vm->freed = true;
        list_for_each (exec, &vm->execs, struct vm_exec, link_)
                vm_exec_cancel(exec);
        if (vm->state != VM_ENDED) {
                vm->channel = channel_free(vm->channel);
                vm->qemu = qemu_free(vm->qemu);
        }
        if (!vm->working)
                free_now(vm);
        return NULL;
}

/* ---- disk and configuration ---- */

static void send_configure(struct vm *vm)
{
        struct guest_configure *in = vm->configure;
        const struct guest_command command = {.configure = in};
        unsigned char seed[64];
        struct timespec now;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        SHAPE_SET(in, guest_configure, time_ms, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
        if (getrandom(seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
                in->seed = (struct shape_blob){.data = seed, .len = sizeof(seed)};
        channel_send(vm->channel, &command);
        free(TAKE(vm->configure));
}

/* Something that it needs does not come: QEMU has answered, so the machine is not the one to ask again. If it has ended by itself,
 * `ended` follows with the reason. */
static void refused(struct vm *vm, const char *what, int status, const struct error *error)
{
        CLEANUP_FREE char *why = NULL;

        if (status == -ECONNRESET || vm->qemu == NULL)
                return;
        why = xprintf("%s could not be attached: %s; run the task again, and if that happens again restart the agent of its host", what,
                      error->message);
        log_error("a micro-VM is given up", LOG_I("number", vm->number), LOG_S("task", vm->id), LOG_S("why", why));
        if (vm->template != NULL && vm->callbacks == NULL)
                vm->template->wanted = 0;
        qemu_kill(vm->qemu, why);
}

static void on_disk(struct qmp_call *call, int status, const char *answer, const struct error *error)
{
        const struct guest_command prepare = {.prepare = true, .has = guest_command_has_prepare};
        struct vm *vm = CONTAINER_OF(call, struct vm, call);

        (void)answer;
        vm->disk_there = status == 0;
        if (status < 0)
                refused(vm, "its disk", status, error);
        else if (vm->configure != NULL)
                send_configure(vm);
        else
                channel_send(vm->channel, &prepare);
}

static void insert_disk(struct vm *vm)
{
        vm->call.done = on_disk;
        qemu_disk_insert(vm->qemu, VM_DISK, vm->disk_fd, false, &vm->call);
        close(TAKE_FD(vm->disk_fd));
}

/* ---- what the guest says ---- */

static void tell_taken(struct vm *vm)
{
        if (vm->callbacks == NULL || vm->told_taken)
                return;
        vm->told_taken = true;
        write_record(vm);
        vm->callbacks->taken(vm, NULL, vm->data);
}

/* The first news after an adoption: nothing but what has become of the containers is told. */
static void tell_adopted(struct vm *vm, const struct guest_hello *hello)
{
        static const struct error never = {.number = EIO, .message = "the agent ended while the micro-VM was being set up"};

        vm->adopted = false;
        set_state(vm, hello->configured ? VM_READY : VM_ATTACHED);
        vm->callbacks->configured(vm, hello->configured ? NULL : &never, vm->data);
}

/* An agent that ends after this finds the container again, however little of it is on the disk. */
static void tell_box(struct vm *vm, const struct guest_box *box)
{
        uint32_t bit = box->index >= 0 && box->index < VM_BOXES ? UINT32_C(1) << box->index : 0;

        if (box->state != 0 && box->error == NULL && (vm->ran & bit) == 0 && bit != 0) {
                vm->ran |= bit;
                write_record(vm);
        }
        vm->callbacks->box(vm, box, vm->data);
}

static void on_hello(void *owner, const struct guest_hello *hello)
{
        struct vm *vm = owner;
        bool adopted = vm->adopted;

        if (adopted)
                tell_adopted(vm, hello);
        else if (vm->state == VM_RESTORING) {
                set_state(vm, VM_ATTACHED);
                if (vm->callbacks == NULL)
                        insert_disk(vm);
                tell_taken(vm);
                return;
        }
        for (uint32_t i = 0; i < hello->boxes.n && vm->callbacks != NULL && !vm->freed; i++)
                tell_box(vm, &hello->boxes.items[i]);
}

static void on_event(void *owner, const struct guest_event *event)
{
        struct vm *vm = owner;
        struct error error = {0};

        if (event->stats != NULL)
                vm_take_stats(vm, event->stats);
        if (event->exec_done != NULL)
                vm_take_exec(vm, event->exec_done);
        if (vm->callbacks == NULL || vm->freed)
                return;
        if (event->configured != NULL) {
                if (event->configured->error != NULL)
                        (void)error_set(&error, EIO, "%s", event->configured->error);
                else
                        set_state(vm, VM_READY);
                vm->callbacks->configured(vm, error_is_set(&error) ? &error : NULL, vm->data);
        }
        if (event->box != NULL)
                tell_box(vm, event->box);
}

static void on_log(void *owner, const struct frame *frame)
{
        vm_take_log(owner, frame);
}

static const struct channel_callbacks channel_callbacks = {.hello = on_hello, .event = on_event, .log = on_log};

/* ---- its process ---- */

static void on_ready(struct qemu *qemu, void *data)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct vm *vm = data;

        if (!vm->adopted)
                qemu_command(qemu, "cont", NULL, -1, NULL);
        if (vm->channel == NULL)
                vm->channel = channel_new(vm->host->loop, qemu_socket(vm->dir, "guest", &arena), &channel_callbacks, vm);
}

static void on_ended(struct qemu *qemu, const char *reason, void *data)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct vm *vm = data;

        (void)qemu;
        end_now(vm, vm->state < VM_ATTACHED ? arena_printf(&arena, "%s (%s)", reason, qemu_last_words(vm->dir, &arena)) : reason);
}

static const struct qemu_events events = {.ready = on_ready, .ended = on_ended};

static int64_t memory_limit(uint32_t mib)
{
        return (mib + VM_OVERHEAD_MIB(mib)) * MIB;
}

static int start(struct vm *vm, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_CLOSE int state = open(arena_printf(&arena, "/proc/self/fd/%d", vm->template->state_fd), O_RDONLY | O_CLOEXEC);
        const uint32_t mib = vm->template->memory_mib; /* one that is to wait belongs to no task yet */
        const struct runtime_task_limits none = {.cpu_shares = vm->id != NULL ? 0 : SHARES_WAITING, .memory_bytes = memory_limit(mib)};
        const struct qemu_nic nic = {.tap_fd = vm->tap_fd, .mac = "02:67:00:00:00:02"};
        struct qemu_spec spec = {.dir = vm->dir,
                                 .vcpus = vm->template->vcpus,
                                 .memory_bytes = vm->template->memory_bytes,
                                 .memory_fd = vm->template->memory_fd,
                                 .state_fd = state,
                                 .nics = &nic,
                                 .n_nics = 1,
                                 .user = VM_USER_FIRST + vm->number % 65536};
        int r = cgroup_prepare(&vm->host->cgroups, vm->group_path, &none, error);

        if (r < 0)
                return r;
        template_fill_spec(vm->host, &spec);
        spec.tasks_files = cgroup_tasks_files(&vm->host->cgroups, vm->group_path, &arena);
        spec.cgroup_fd = vm->host->cgroups.version == 2 ? cgroup_open_unified(&vm->host->cgroups, vm->group_path) : -1;
        r = qemu_start(vm->host->loop, &spec, &events, vm, &vm->qemu, error);
        if (spec.cgroup_fd >= 0)
                close(spec.cgroup_fd);
        close(TAKE_FD(vm->tap_fd)); /* the process has it */
        return r;
}

/* ---- its parts ---- */

static int format_disk(int fd, struct error *error)
{
        const char *const argv[] = {MKFS, "-q", "-F", "-m0", "-O^has_journal", "-Elazy_itable_init=1,nodiscard", "/proc/self/fd/3", NULL};
        struct launch launch = {.program = MKFS, .argv = argv, .cgroup_fd = -1, .users_fd = -1, .fds = {{.from = fd, .to = 3}}, .n_fds = 1};

        return launch_run(&launch, "e2fsprogs", error);
}

/* A file without a name: it is gone with the last one who has it open. */
static int make_disk(struct vm *vm, uint32_t gib, struct error *error)
{
        CLEANUP_CLOSE int fd = open(vm->host->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        int r;

        if (fd < 0 || ftruncate(fd, (off_t)(gib * GIB)) < 0)
                return error_set(error, errno, "cannot make a disk of %u GiB in %s: %s", gib, vm->host->dir, strerror(errno));
        r = format_disk(fd, error);
        if (r < 0)
                return r;
        vm->disk_fd = TAKE_FD(fd);
        return 0;
}

static void make_parts(uv_work_t *work)
{
        struct vm *vm = CONTAINER_OF(work, struct vm, work);

        vm->tap_fd = vpc_tap_open(vm->tap, &vm->error);
        if (vm->tap_fd >= 0)
                (void)make_disk(vm, vm->size.storage_gib, &vm->error);
}

static void on_parts(uv_work_t *work, int status)
{
        struct vm *vm = CONTAINER_OF(work, struct vm, work);

        vm->working = false;
        if (vm->freed) {
                free_now(vm);
                return;
        }
        if (status < 0 || vm->ending)
                (void)error_set(&vm->error, ECANCELED, "it was given up");
        set_state(vm, VM_RESTORING);
        if (error_is_set(&vm->error) || start(vm, &vm->error) < 0)
                vm_failed(vm, &vm->error);
}

void vm_make(struct vm *vm)
{
        set_state(vm, VM_MAKING);
        vm->working = true;
        int r = uv_queue_work(vm->host->loop, &vm->work, make_parts, on_parts);
        assert(r == 0);
}

struct vm *vm_new(struct vm_host *host, struct vm_template *t)
{
        struct vm *vm = xalloc(sizeof(*vm));

        vm->host = host;
        vm->number = host->next_number++;
        vm->dir = xprintf("%s/%u", host->run_dir, vm->number);
        vm->group_path = vm_host_group(host, vm->number);
        vm->tap_fd = vm->disk_fd = -1;
        list_init(&vm->group);
        list_init(&vm->execs);
        list_init(&vm->starts);
        vm_boxes_init(vm);
        list_push(&host->vms, &vm->link);
        host->holds++;
        vm->template = t;
        vm->size.storage_gib = VM_STORAGE_GIB;
        return vm;
}

/* ---- for a task ---- */

static void settle_later(uv_work_t *work)
{
        (void)work;
}

static void on_later(uv_work_t *work, int status)
{
        struct vm *vm = CONTAINER_OF(work, struct vm, work);

        (void)status;
        vm->working = false;
        if (vm->freed)
                free_now(vm);
        else if (vm->state == VM_ATTACHED)
                tell_taken(vm);
        else if (vm->state == VM_ENDED)
                end_now(vm, vm->reason);
        else
                vm_failed(vm, &vm->error);
}

/* On a later turn. */
static void tell_later(struct vm *vm)
{
        vm->working = true;
        int r = uv_queue_work(vm->host->loop, &vm->work, settle_later, on_later);
        assert(r == 0);
}

/* One that waited is somebody's now. */
static void hurry(struct vm *vm)
{
        /* The kernel's default; with version 2 shares are converted, and that is a weight of 100. */
        const int64_t shares = vm->host->cgroups.version == 2 ? 2600 : 1024;
        const struct runtime_task_limits limits = {.cpu_shares = shares, .memory_bytes = memory_limit(vm->template->memory_mib)};
        struct error error = {0};

        if (cgroup_prepare(&vm->host->cgroups, vm->group_path, &limits, &error) < 0)
                log_warn("a micro-VM that waited goes on slowly", LOG_I("number", vm->number), LOG_S("error", error.message));
}

int vm_take(struct vm_host *host, const char *id, const struct vm_size *size, const struct vm_callbacks *callbacks, void *data,
            struct vm **ret, struct error *error)
{
        uint32_t vcpus = MAX((size->cpu_millis + 999) / 1000, 1);
        struct vm_template *t = template_get(host, vcpus, size->memory_mib);
        struct vm *vm;

        if (t->state == TEMPLATE_FAILED) {
                *error = t->error;
                (void)template_free(t);
                return -error->number;
        }
        t->wanted++;
        vm = size->storage_gib == VM_STORAGE_GIB ? warm_take(host, t) : NULL;
        if (vm == NULL)
                vm = vm_new(host, t);
        else
                hurry(vm);
        vm->id = xstrdup(id);
        vm->size = *size;
        vm->callbacks = callbacks;
        vm->data = data;
        if (vm->state == VM_ATTACHED)
                tell_later(vm);
        else if (vm->state == VM_WAITING && t->state == TEMPLATE_READY)
                vm_make(vm);
        else if (vm->state == VM_WAITING)
                list_push(&t->waiting, &vm->group);
        warm_look(host);
        *ret = vm;
        return 0;
}

/* NULL with `error` set when there is none that can be read. */
static struct guest_stored_machine *read_record(const char *dir, struct arena *arena, struct error *error)
{
        CLEANUP_BUF struct buf text = {0};
        struct guest_stored_machine *record = NULL;
        int r = dir != NULL ? buf_read_file(&text, arena_printf(arena, "%s/" RECORD, dir), 4096) : -ESRCH;

        if (r < 0)
                (void)error_set(error, -r, "%s", dir == NULL ? "the micro-VM is not there any more" : "the record of the micro-VM is gone");
        else if (SHAPE_PARSE(guest_stored_machine, arena, text.data, text.len, NULL, &record, error) < 0)
                record = NULL;
        else if (record == NULL)
                (void)error_set(error, EINVAL, "the record of the micro-VM is empty");
        return record;
}

uint32_t vm_ran(const struct vm_host *host, const char *id)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_FREE char *dir = vm_host_find(host, id);
        const struct guest_stored_machine *record = read_record(dir, &arena, NULL);

        return record != NULL ? (uint32_t)record->ran : 0;
}

int vm_adopt(struct vm_host *host, const char *id, const struct vm_callbacks *callbacks, void *data, struct vm **ret, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_FREE char *dir = vm_host_find(host, id);
        const struct guest_stored_machine *record = read_record(dir, &arena, error);
        struct vm *vm;
        int r;

        if (record == NULL)
                return -ESRCH;
        vm = vm_new(host, NULL);
        free(vm->dir);
        free(vm->group_path);
        vm->dir = TAKE(dir);
        vm->number = (uint32_t)record->number;
        vm->group_path = vm_host_group(host, vm->number);
        host->next_number = MAX(host->next_number, vm->number + 1);
        vm->id = xstrdup(id);
        vm->size = (struct vm_size){(uint32_t)record->cpu_millis, (uint32_t)record->memory_mib, (uint32_t)record->storage_gib};
        vm->images = (uint32_t)record->images;
        vm->limited = record->limited;
        vm->ran = (uint32_t)record->ran;
        vm->callbacks = callbacks;
        vm->data = data;
        vm->told_taken = vm->adopted = vm->disk_there = true;
        set_state(vm, VM_RESTORING);
        vm_boxes_adopt(vm);
        r = qemu_adopt(host->loop, vm->dir, &events, vm, &vm->qemu, error);
        if (r < 0) {
                vm->freed = true;
                end_now(vm, error->message);
                return r;
        }
        *ret = vm;
        return 0;
}

void vm_configure(struct vm *vm, const struct guest_configure *in)
{
        if (vm->state == VM_ENDED)
                return; /* while its network was made: `ended` follows */
        set_state(vm, VM_CONFIGURING);
        free(vm->configure);
        vm->configure = SHAPE_PACK(guest_configure, in);
        if (vm->disk_there)
                send_configure(vm);
        else if (vm->disk_fd >= 0)
                insert_disk(vm);
}

void vm_limit(struct vm *vm)
{
        const struct runtime_task_limits limits = {.cpu_millis = vm->size.cpu_millis, .memory_bytes = memory_limit(vm->size.memory_mib)};
        struct error error = {0};

        if (vm->limited)
                return;
        vm->limited = true;
        if (cgroup_prepare(&vm->host->cgroups, vm->group_path, &limits, &error) < 0)
                log_warn("a micro-VM's size cannot be enforced", LOG_S("task", vm->id), LOG_S("error", error.message));
        write_record(vm);
}

static void on_inserted(struct qmp_call *call, int status, const char *answer, const struct error *error)
{
        struct vm *vm = CONTAINER_OF(call, struct vm, insert);

        (void)answer;
        vm->inserting = 0;
        if (status < 0)
                refused(vm, "an image", status, error);
        else
                vm_send_starts(vm);
}

void vm_insert_image(struct vm *vm, uint32_t number, int fd)
{
        if (number < VM_BOXES && (vm->images & 1u << number) == 0 && vm->qemu != NULL && qemu_is_ready(vm->qemu)) {
                vm->images |= 1u << number;
                /* Answers come in order: the last one's is enough. */
                qmp_cancel(&vm->insert);
                vm->insert.done = on_inserted;
                vm->inserting = 1;
                qemu_disk_insert(vm->qemu, VM_DISK_IMAGE + number, fd, true, &vm->insert);
                write_record(vm);
        }
        close(fd);
}

const char *vm_tap(const struct vm *vm)
{
        return vm->tap;
}

int32_t vm_pid(const struct vm *vm)
{
        return vm->qemu != NULL ? qemu_pid(vm->qemu) : 0;
}

const char *vm_task_dir(const struct vm_host *host, const char *id, struct arena *arena)
{
        return arena_printf(arena, "%s/%s", host->dir, id);
}

const char *vm_task_log(const struct vm_host *host, const char *id, uint32_t index, struct arena *arena)
{
        return arena_printf(arena, "%s/%s/%u.log", host->dir, id, index);
}
