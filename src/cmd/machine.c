/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gantry machine: the built-in driver of Auto Scaling groups. Makes whole virtual machines on this host with QEMU: a program like any
 * other driver (docs/capacity.md), which reads an order and leaves a process behind.
 *
 *     DATA-DIR/INSTALLATION/i-…/   log, io/config (what the guest is to be), io/disk (its files), io/console
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/machine.idl.h"
#include "base/buf.h"
#include "base/files.h"
#include "base/strutil.h"
#include "cmd/verbs.h"
#include "microvm/qemu.h"

#define MAX_ORDER ((size_t)1 << 20)
#define CONFIG_BYTES (256 << 10)
#define SECTOR 512
/* Users of QEMU processes: one for each machine, none of which anybody else is. */
#define FIRST_USER 0x70000000u
#define USERS 0x0fffffffu

struct machine_values {
        const char *data_dir, *image_dir, *bridge, *ca_file, *agent_options;
        int64_t disk_gib;
};

struct work {
        const struct verb *verb;
        const struct machine_values *values;
        struct arena arena;
        const struct machine_order *order;
        const char *folder; /* of this installation's machines */
        const char *dir;    /* of the machine; NULL: none is named */
        uv_loop_t loop;
        bool ready;
        const char *ended; /* why QEMU has ended */
};

static void on_ready(struct qemu *qemu, void *data)
{
        (void)qemu;
        ((struct work *)data)->ready = true;
}

static void on_ended(struct qemu *qemu, const char *reason, void *data)
{
        struct work *work = data;

        (void)qemu;
        work->ended = arena_strdup(&work->arena, reason);
}

static const struct qemu_events events = {.ready = on_ready, .ended = on_ended};

static void loop_end(struct work *work)
{
        uv_run(&work->loop, UV_RUN_DEFAULT);
        (void)uv_loop_close(&work->loop);
}

/* ---- What is asked for ---- */

static bool is_id(const char *text, const char *prefix)
{
        return str_starts_with(text, prefix) && str_is_name(text, "-", 64);
}

static int read_order(struct work *work, struct error *error)
{
        CLEANUP_BUF struct buf text = {0};
        static const struct shape_limits limits = {.max_bytes = MAX_ORDER};
        struct machine_order *order;
        ssize_t n;

        while ((n = read(STDIN_FILENO, buf_reserve(&text, 4096), 4096)) > 0 && text.len < MAX_ORDER)
                buf_advance(&text, (size_t)n);
        if (text.len == 0)
                return error_set(error, EINVAL, "standard input is empty: this is a driver for gantry server --machine-driver");
        if (SHAPE_PARSE(machine_order, &work->arena, text.data, text.len, &limits, &order, error) < 0)
                return -EINVAL;
        if (!is_id(order->installation, "") || (order->instance_id != NULL && !is_id(order->instance_id, "i-")))
                return error_set(error, EINVAL, "the order's installation or instanceId is not a name");
        work->order = order;
        work->folder = arena_printf(&work->arena, "%s/%s", work->values->data_dir, order->installation);
        if (order->instance_id != NULL)
                work->dir = arena_printf(&work->arena, "%s/%s", work->folder, order->instance_id);
        return 0;
}

/* NAME='value', for the guest's shell. */
static void add_setting(struct buf *out, const char *name, const char *value)
{
        buf_printf(out, "%s='", name);
        for (const char *p = value != NULL ? value : ""; *p != '\0'; p++) {
                if (*p == '\'')
                        buf_append_str(out, "'\\''");
                else
                        buf_append_char(out, *p);
        }
        buf_append_str(out, "'\n");
}

static int make_config(struct work *work, struct buf *out, struct error *error)
{
        const struct machine_order *o = work->order;
        CLEANUP_BUF struct buf ca = {0};
        const char *server = o->server;
        const char *local = server != NULL ? strstr(server, "//127.0.0.1:") : NULL;
        int r = work->values->ca_file != NULL ? buf_read_file(&ca, work->values->ca_file, CONFIG_BYTES / 2) : 0;

        if (r < 0)
                return error_set(error, -r, "--ca-file: cannot read %s: %s", work->values->ca_file, strerror(-r));
        /* The host, as a guest behind QEMU's own network sees it. */
        if (local != NULL && work->values->bridge == NULL)
                server = arena_printf(&work->arena, "%.*s//10.0.2.2:%s", (int)(local - server), server, local + strlen("//127.0.0.1:"));
        add_setting(out, "ID", o->instance_id);
        add_setting(out, "SERVER", server);
        add_setting(out, "CLUSTER", o->cluster);
        add_setting(out, "REGION", o->region);
        add_setting(out, "ZONE", o->zone);
        add_setting(out, "GANTRY_ACCESS_KEY", o->access_key);
        add_setting(out, "GANTRY_SECRET_KEY", o->secret_key);
        add_setting(out, "CA", ca.len > 0 ? ca.data : "");
        add_setting(out, "OPTIONS", work->values->agent_options);
        if (out->len > CONFIG_BYTES)
                return error_set(error, EFBIG, "the configuration of the machine is too large");
        while (out->len % SECTOR != 0)
                buf_append_char(out, '\n');
        return 0;
}

/* ---- What it needs ---- */

static uint32_t user_of(const char *id)
{
        uint32_t h = 2166136261u;

        for (const char *p = id; *p != '\0'; p++)
                h = (h ^ (unsigned char)*p) * 16777619u;
        return FIRST_USER + (h & USERS);
}

static int write_file(const char *dir, const char *name, const struct buf *text, off_t size, uint32_t user)
{
        char path[4096];
        CLEANUP_CLOSE int fd = -1;

        if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 || (text != NULL && write(fd, text->data, text->len) != (ssize_t)text->len) ||
            (text == NULL && ftruncate(fd, size) < 0) || fchown(fd, user, user) < 0)
                return -errno;
        return 0;
}

/* A tap of the host's bridge; it goes with the process that has it. */
static int open_tap(const char *bridge, const char *id, struct error *error)
{
        CLEANUP_CLOSE int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC), control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR}, join = {0};

        (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "gm%.10s", id + 2);
        if (tap < 0 || control < 0 || ioctl(tap, TUNSETIFF, &request) < 0)
                return error_set(error, errno, "cannot make a tap for the machine: %s", strerror(errno));
        (void)snprintf(join.ifr_name, sizeof(join.ifr_name), "%s", bridge);
        join.ifr_ifindex = (int)if_nametoindex(request.ifr_name);
        if (ioctl(control, SIOCBRADDIF, &join) < 0)
                return error_set(error, errno, "--bridge: cannot plug the machine into %s: %s", bridge, strerror(errno));
        request.ifr_flags = IFF_UP;
        if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
                return error_set(error, errno, "cannot bring the machine's tap up: %s", strerror(errno));
        return TAKE_FD(tap);
}

static int prepare(struct work *work, struct error *error)
{
        CLEANUP_BUF struct buf config = {0};
        uint32_t user = user_of(work->order->instance_id);
        int r = make_config(work, &config, error);

        if (r < 0)
                return r;
        r = files_make_dirs(work->dir, 0711);
        if (r == 0)
                r = files_make_dirs(arena_printf(&work->arena, "%s/io", work->dir), 0700);
        if (r == 0)
                r = write_file(work->dir, "io/config", &config, 0, user);
        if (r == 0)
                r = write_file(work->dir, "io/disk", NULL, (off_t)work->values->disk_gib << 30, user);
        return r < 0 ? error_set(error, -r, "cannot make the files of the machine in %s: %s", work->dir, strerror(-r)) : 0;
}

/* ---- create ---- */

/* What is emulated is slow: the server's log says why it is. */
static enum qemu_accel choose_accel(struct work *work, const char *kernel)
{
        struct error why = {0};
        enum qemu_accel accel = qemu_accel_choose(kernel, arena_printf(&work->arena, "%s/accel", work->values->data_dir), &why);

        if (accel == QEMU_TCG)
                fprintf(stderr, "the machine is emulated, which is slow, because KVM does not work: %s\n", why.message);
        error_clear(&why);
        return accel;
}

static int start(struct work *work, struct error *error)
{
        const struct machine_order *o = work->order;
        const char *image =
                work->values->image_dir != NULL ? work->values->image_dir : arena_printf(&work->arena, "%s/image", work->values->data_dir);
        const char *kernel = arena_printf(&work->arena, "%s/kernel", image), *initrd = arena_printf(&work->arena, "%s/initramfs", image);
        const struct qemu_disk disks[] = {{.file = "config", .read_only = true, .serial = "config"}, {.file = "disk", .serial = "disk"}};
        static const char *const own_network[] = {"-netdev", "user,id=own", "-device",
                                                  "virtio-net-pci,netdev=own,romfile=,disable-legacy=on", NULL};
        CLEANUP_CLOSE int tap = -1;
        uint32_t user = user_of(o->instance_id);
        char mac[18];
        struct qemu_nic nic = {.mac = mac};
        struct qemu_spec spec = {.dir = work->dir,
                                 .accel = QEMU_TCG,
                                 .vcpus = (uint32_t)MAX(o->cpu / 1024, 1),
                                 .memory_bytes = (uint64_t)o->memory << 20,
                                 .memory_fd = -1,
                                 .state_fd = -1,
                                 .cgroup_fd = -1,
                                 .kernel = kernel,
                                 .initrd = initrd,
                                 .append = "console=ttyS0 quiet panic=-1",
                                 .disks = disks,
                                 .n_disks = ARRAY_SIZE(disks),
                                 .console = true,
                                 .user = user,
                                 .extra = own_network};
        struct qemu *qemu = NULL;
        int r;

        if (access(kernel, R_OK) < 0 || access(initrd, R_OK) < 0)
                return error_set(error, ENOENT, "there is no image for machines in %s: make it with machine-image.sh %s", image, image);
        if (work->values->bridge != NULL) {
                (void)snprintf(mac, sizeof(mac), "02:47:%02x:%02x:%02x:%02x", user >> 24 & 255, user >> 16 & 255, user >> 8 & 255,
                               user & 255);
                tap = nic.tap_fd = open_tap(work->values->bridge, o->instance_id, error);
                if (tap < 0)
                        return tap;
                spec.nics = &nic;
                spec.n_nics = 1;
                spec.extra = NULL;
        }
        spec.accel = choose_accel(work, kernel);
        r = prepare(work, error);
        if (r == 0)
                r = qemu_start(&work->loop, &spec, &events, work, &qemu, error);
        while (r == 0 && !work->ready && work->ended == NULL)
                uv_run(&work->loop, UV_RUN_ONCE);
        if (r == 0 && work->ended != NULL)
                r = error_set(error, EIO, "%s: %s", work->ended, qemu_last_words(work->dir, &work->arena));
        if (r == 0)
                printf("QEMU (%s), process %d\n", qemu_accel_name(spec.accel), (int)qemu_pid(qemu));
        qemu_free(qemu);
        return r;
}

static int create(struct work *work, struct error *error)
{
        struct error ignored = {0};
        struct qemu *qemu = NULL;

        if (work->dir == NULL)
                return error_set(error, EINVAL, "the order names no instanceId");
        if (qemu_adopt(&work->loop, work->dir, &events, work, &qemu, &ignored) == 0) {
                printf("process %d is there already\n", (int)qemu_pid(qemu));
                qemu_free(qemu);
                return 0;
        }
        error_clear(&ignored);
        return start(work, error);
}

/* ---- destroy, list ---- */

static int destroy(struct work *work, struct error *error)
{
        if (work->dir == NULL)
                return error_set(error, EINVAL, "the order names no instanceId");
        qemu_end_stray(work->dir);
        return access(work->dir, F_OK) == 0 ? error_set(error, EBUSY, "cannot delete %s: look at what is left in it", work->dir) : 0;
}

static int list(struct work *work, struct error *error)
{
        DIR *folder = opendir(work->folder);

        if (folder == NULL)
                return errno == ENOENT ? 0 : error_set(error, errno, "cannot read %s: %s", work->folder, strerror(errno));
        for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
                struct error ignored = {0};
                struct qemu *qemu = NULL;

                if (!is_id(entry->d_name, "i-"))
                        continue;
                if (qemu_adopt(&work->loop, arena_printf(&work->arena, "%s/%s", work->folder, entry->d_name), &events, work, &qemu,
                               &ignored) == 0) {
                        printf("%s process %d\n", entry->d_name, (int)qemu_pid(qemu));
                        qemu_free(qemu);
                }
                error_clear(&ignored);
        }
        closedir(folder);
        return 0;
}

/* ---- The verb ---- */

static const struct {
        const char *name;
        int (*run)(struct work *work, struct error *error);
} words[] = {{"create", create}, {"destroy", destroy}, {"list", list}};

static int run_machine(const struct verb *verb, void *values, char **args)
{
        struct work work = {.verb = verb, .values = values};
        struct error error = {0};
        int status = -1;

        for (size_t i = 0; args[0] != NULL && i < ARRAY_SIZE(words); i++) {
                if (!str_eq(words[i].name, args[0]))
                        continue;
                uv_loop_init(&work.loop);
                status = read_order(&work, &error) < 0 || words[i].run(&work, &error) < 0 ? verb_fail(verb, &error) : 0;
                loop_end(&work);
                arena_done(&work.arena);
        }
        return status >= 0 ? status : verb_fail_text(verb, "say create, destroy or list; the order comes on standard input");
}

static const struct option_row machine_options[] = {
        {"data-dir", OPTION_STRING, offsetof(struct machine_values, data_dir), "DIR", "/var/lib/gantry/machines", "files of the machines"},
        {"image-dir", OPTION_STRING, offsetof(struct machine_values, image_dir), "DIR", NULL,
         "kernel and initramfs, made by machine-image.sh; default: DATA-DIR/image"},
        {"bridge", OPTION_STRING, offsetof(struct machine_values, bridge), "NAME", NULL,
         "bridge of this host that machines are plugged into; DHCP must answer there. Default: QEMU's own network, with a way out only"},
        {"disk", OPTION_INT, offsetof(struct machine_values, disk_gib), "GIB", "10", "disk of a machine; takes what is written to it"},
        {"ca-file", OPTION_STRING, offsetof(struct machine_values, ca_file), "FILE", NULL,
         "certificate authorities that agents check the server against"},
        {"agent-options", OPTION_STRING, offsetof(struct machine_values, agent_options), "WORDS", NULL,
         "further options of the agents, such as \"--insecure-registry=registry:5000\""},
        OPTION_END,
};

const struct verb verb_machine = {
        .name = "machine",
        .summary = "the built-in driver of Auto Scaling groups: virtual machines on this host",
        .usage = "[OPTIONS] create|destroy|list",
        .max_args = 1,
        .description =
                "Run by the server: gantry server --machine-driver \"gantry machine\". Makes each machine of a group a QEMU process (KVM\n"
                "where it works) with Debian's cloud kernel and this program's agent, which joins as a container instance. Needs root.\n",
        .options = machine_options,
        .size = sizeof(struct machine_values),
        .run = run_machine,
};
