/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the bundle of a container: see bundle.h. */
#include "runtime/bundle.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "api/oci.idl.h"
#include "base/buf.h"
#include "base/strutil.h"
#include "codec/json.h"
#include "runtime/capabilities.h"
#include "runtime/devices.h"
#include "runtime/mounts.h"
#include "runtime/netfiles.h"
#include "runtime/seccomp_profile.h"
#include "runtime/user_range.h"
#include "runtime/users.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CPU_PERIOD_US 100000
#define JSON_DEPTH 32
#define NOFILE_SOFT 1024
#define NOFILE_HARD 524288

struct making {
        const struct bundle_context *context;
        const struct runtime_container_spec *spec;
        struct arena *arena;
        struct error *error;
        struct user_identity user;
        uint64_t capabilities;
};

static void push_words(struct arena *arena, struct string_list *to, const struct string_list *from)
{
        for (uint32_t i = 0; from != NULL && i < from->n; i++)
                string_list_push(arena, to, from->items[i]);
}

/* As in Docker: what the definition says hides what the image says, and an entry point that was said hides the image's command. */
static int make_args(struct making *m, struct string_list *args)
{
        const struct runtime_container_spec *spec = m->spec;
        const struct oci_image_process *image = m->context->image != NULL ? m->context->image->config : NULL;

        if (spec->pause) {
                string_list_push(m->arena, args, "/dev/init");
                string_list_push(m->arena, args, "-P");
                return 0;
        }
        if (spec->init) {
                string_list_push(m->arena, args, "/dev/init");
                string_list_push(m->arena, args, "--");
        }
        if (spec->entry_point != NULL)
                push_words(m->arena, args, spec->entry_point);
        else if (image != NULL)
                push_words(m->arena, args, &image->entrypoint);
        if (spec->command != NULL)
                push_words(m->arena, args, spec->command);
        else if (spec->entry_point == NULL && image != NULL)
                push_words(m->arena, args, &image->cmd);
        if (args->n == (spec->init ? 2 : 0))
                return error_set(m->error, EINVAL,
                                 "neither the container definition nor the image names a command to run: set command or entryPoint");
        return 0;
}

static bool sets(const char *pair, const char *name, size_t len)
{
        return strncmp(pair, name, len) == 0 && pair[len] == '=';
}

/* Sets NAME=VALUE in a list of such texts; the first occurrence keeps its place. */
static void set_env(struct arena *arena, struct string_list *env, const char *name, size_t len, const char *value, bool only_if_missing)
{
        for (uint32_t i = 0; i < env->n; i++)
                if (sets(env->items[i], name, len)) {
                        if (!only_if_missing)
                                env->items[i] = arena_printf(arena, "%.*s=%s", (int)len, name, value);
                        return;
                }
        string_list_push(arena, env, arena_printf(arena, "%.*s=%s", (int)len, name, value));
}

static void make_env(struct making *m, struct string_list *env)
{
        const struct oci_image_process *image = m->context->image != NULL ? m->context->image->config : NULL;
        const struct string_map *own = &m->spec->env;

        set_env(m->arena, env, "PATH", 4, DEFAULT_PATH, false);
        set_env(m->arena, env, "HOSTNAME", 8, netfiles_hostname(m->spec, m->arena), false);
        if (m->spec->tty)
                set_env(m->arena, env, "TERM", 4, "xterm", false);
        for (uint32_t i = 0; image != NULL && i < image->env.n; i++) {
                const char *equals = strchr(image->env.items[i], '=');

                if (equals != NULL)
                        set_env(m->arena, env, image->env.items[i], (size_t)(equals - image->env.items[i]), equals + 1, false);
        }
        for (uint32_t i = 0; i < own->n; i++)
                set_env(m->arena, env, own->items[i].key, strlen(own->items[i].key), own->items[i].value, false);
        set_env(m->arena, env, "HOME", 4, m->user.home, true);
}

static const char *limit_text(struct arena *arena, int64_t value)
{
        return value < 0 ? "18446744073709551615" : arena_printf(arena, "%lld", (long long)value);
}

/* As many open files as Docker gives, when the definition says nothing: the agent's own limits are not the container's. */
static int make_nofile(struct making *m, struct oci_spec_process *process)
{
        struct oci_spec_rlimit *rlimit;
        int64_t max = (int64_t)m->context->nofile_max;

        for (uint32_t i = 0; max > 0 && i < m->spec->n_ulimits; i++) {
                const struct runtime_ulimit *ulimit = &m->spec->ulimits[i];

                if (!str_eq_nocase(ulimit->name, "nofile"))
                        continue;
                if (ulimit->hard < 0 || ulimit->hard > max)
                        return error_set(
                                m->error, EINVAL,
                                "ulimits: nofile %lld is more than this node can give, which is %lld: raise its own limit (LimitNOFILE)",
                                (long long)ulimit->hard, (long long)max);
                return 0;
        }
        if (max == 0)
                return 0;
        rlimit = SHAPE_PUSH(m->arena, &process->rlimits);
        rlimit->type = "RLIMIT_NOFILE";
        rlimit->soft = limit_text(m->arena, MIN(max, NOFILE_SOFT));
        rlimit->hard = limit_text(m->arena, MIN(max, NOFILE_HARD));
        return 0;
}

static void make_rlimits(struct making *m, struct oci_spec_process *process)
{
        for (uint32_t i = 0; i < m->spec->n_ulimits; i++) {
                const struct runtime_ulimit *ulimit = &m->spec->ulimits[i];
                struct oci_spec_rlimit *rlimit = SHAPE_PUSH(m->arena, &process->rlimits);
                char *type = arena_printf(m->arena, "RLIMIT_%s", ulimit->name);

                for (char *c = type; *c != '\0'; c++)
                        *c = (char)toupper((unsigned char)*c);
                rlimit->type = type;
                rlimit->soft = limit_text(m->arena, ulimit->soft);
                rlimit->hard = limit_text(m->arena, ulimit->hard);
        }
}

/* A process that is not root holds none, but may gain those of the bounding set through set-user-id programs. */
static void make_capabilities(struct making *m, struct oci_spec_process *process)
{
        struct oci_spec_capabilities *c = ARENA_NEW(m->arena, struct oci_spec_capabilities);

        capabilities_names(m->capabilities, m->arena, &c->bounding);
        if (m->user.uid == 0) {
                c->effective = c->bounding;
                c->permitted = c->bounding;
        }
        process->capabilities = c;
}

static int make_process(struct making *m, struct oci_spec *config)
{
        const struct runtime_container_spec *spec = m->spec;
        const struct oci_image_process *image = m->context->image != NULL ? m->context->image->config : NULL;
        struct oci_spec_process *p = config->process = ARENA_NEW(m->arena, struct oci_spec_process);
        int r = make_args(m, &p->args);

        if (r < 0)
                return r;
        make_env(m, &p->env);
        make_rlimits(m, p);
        r = make_nofile(m, p);
        if (r < 0)
                return r;
        make_capabilities(m, p);
        p->user = ARENA_NEW(m->arena, struct oci_spec_user);
        SHAPE_SET(p->user, oci_spec_user, uid, (int64_t)m->user.uid);
        SHAPE_SET(p->user, oci_spec_user, gid, (int64_t)m->user.gid);
        p->user->additional_gids = m->user.groups;
        p->cwd = spec->working_dir != NULL ? spec->working_dir : image != NULL && !str_empty(image->working_dir) ? image->working_dir : "/";
        if (p->cwd[0] != '/')
                return error_set(m->error, EINVAL, "workingDirectory: '%s' is not an absolute path", p->cwd);
        SHAPE_SET(p, oci_spec_process, terminal, spec->tty);
        SHAPE_SET(p, oci_spec_process, no_new_privileges, spec->no_new_privileges);
        if (spec->has_oom_score_adj)
                SHAPE_SET(p, oci_spec_process, oom_score_adj, spec->oom_score_adj);
        p->apparmor_profile = spec->apparmor_profile;
        p->selinux_label = spec->selinux_label;
        return 0;
}

static void add_namespace(struct making *m, struct oci_spec_linux *out, const char *type, const struct runtime_namespace *ns)
{
        struct oci_spec_namespace *added;

        if (ns->mode == RUNTIME_NS_HOST)
                return;
        added = SHAPE_PUSH(m->arena, &out->namespaces);
        added->type = type;
        if (ns->mode == RUNTIME_NS_PATH)
                added->path = ns->path;
}

static void make_namespaces(struct making *m, struct oci_spec_linux *out)
{
        static const struct runtime_namespace own = {.mode = RUNTIME_NS_PRIVATE};

        if (m->context->user_base != 0)
                add_namespace(m, out, "user", &m->spec->user_ns);
        add_namespace(m, out, "mount", &own);
        add_namespace(m, out, "network", &m->spec->network);
        add_namespace(m, out, "pid", &m->spec->pid);
        add_namespace(m, out, "ipc", &m->spec->ipc);
        add_namespace(m, out, "uts", &m->spec->uts);
        if (!m->spec->privileged)
                add_namespace(m, out, "cgroup", &own);
}

static void add_mapping(struct making *m, struct oci_spec_id_mapping_list *list)
{
        struct oci_spec_id_mapping *mapping = SHAPE_PUSH(m->arena, list);

        SHAPE_SET(mapping, oci_spec_id_mapping, container_id, 0);
        SHAPE_SET(mapping, oci_spec_id_mapping, host_id, (int64_t)m->context->user_base);
        SHAPE_SET(mapping, oci_spec_id_mapping, size, USER_RANGE_SIZE);
}

static void make_memory(struct making *m, struct oci_spec_resources *resources)
{
        const struct runtime_container_spec *spec = m->spec;
        struct oci_spec_memory *memory = ARENA_NEW(m->arena, struct oci_spec_memory);

        if (spec->memory_bytes > 0)
                SHAPE_SET(memory, oci_spec_memory, limit, spec->memory_bytes);
        if (spec->memory_reservation_bytes > 0)
                SHAPE_SET(memory, oci_spec_memory, reservation, spec->memory_reservation_bytes);
        if (spec->has_memory_swap && m->context->swap_accounting)
                SHAPE_SET(memory, oci_spec_memory, swap, spec->memory_swap_bytes);
        if (spec->has_swappiness && m->context->cgroup_version == 1)
                SHAPE_SET(memory, oci_spec_memory, swappiness, spec->swappiness);
        if (memory->has != 0)
                resources->memory = memory;
}

static void make_cpu(struct making *m, struct oci_spec_resources *resources)
{
        const struct runtime_container_spec *spec = m->spec;
        struct oci_spec_cpu *cpu = ARENA_NEW(m->arena, struct oci_spec_cpu);

        if (spec->cpu_shares > 0)
                SHAPE_SET(cpu, oci_spec_cpu, shares, MAX(spec->cpu_shares, 2));
        if (spec->cpu_millis > 0) {
                SHAPE_SET(cpu, oci_spec_cpu, quota, spec->cpu_millis * (CPU_PERIOD_US / 1000));
                SHAPE_SET(cpu, oci_spec_cpu, period, CPU_PERIOD_US);
        }
        cpu->cpus = spec->cpuset_cpus;
        cpu->mems = spec->cpuset_mems;
        if (cpu->has != 0 || cpu->cpus != NULL || cpu->mems != NULL)
                resources->cpu = cpu;
}

static int make_resources(struct making *m, struct oci_spec_linux *out)
{
        struct oci_spec_resources *resources = out->resources = ARENA_NEW(m->arena, struct oci_spec_resources);

        make_memory(m, resources);
        make_cpu(m, resources);
        if (m->spec->pids > 0) {
                resources->pids = ARENA_NEW(m->arena, struct oci_spec_pids);
                SHAPE_SET(resources->pids, oci_spec_pids, limit, m->spec->pids);
        }
        return devices_fill(m->spec, m->arena, &out->devices, &resources->devices, m->error);
}

/* What of /proc and /sys tells or changes too much about the host. */
static void make_hidden_paths(struct making *m, struct oci_spec_linux *out)
{
        static const char *const masked[] = {"/proc/acpi",
                                             "/proc/asound",
                                             "/proc/kcore",
                                             "/proc/keys",
                                             "/proc/latency_stats",
                                             "/proc/timer_list",
                                             "/proc/timer_stats",
                                             "/proc/sched_debug",
                                             "/proc/scsi",
                                             "/sys/firmware",
                                             "/sys/devices/virtual/powercap"};
        static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

        if (m->spec->privileged)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(masked); i++)
                string_list_push(m->arena, &out->masked_paths, masked[i]);
        for (size_t i = 0; i < ARRAY_SIZE(read_only); i++)
                string_list_push(m->arena, &out->readonly_paths, read_only[i]);
}

static int make_seccomp(struct making *m, struct oci_spec *config, struct oci_spec_linux *out)
{
        const char *given = m->spec->seccomp, *compiled;
        struct buf profile = {0};

        if (m->spec->privileged || str_eq(given, "unconfined"))
                return 0;
        if (given != NULL) {
                if (!json_valid(given, strlen(given)))
                        return error_set(m->error, EINVAL, "dockerSecurityOptions: the seccomp profile is not JSON");
                out->seccomp = given;
                return 0;
        }
        /* crun takes a compiled program instead of the profile where it is given one (crun(1), run.oci.seccomp_bpf_data). */
        compiled = m->context->seccomp != NULL ? seccomp_cache_get(m->context->seccomp, m->capabilities) : NULL;
        if (compiled != NULL) {
                string_map_set(m->arena, &config->annotations, "run.oci.seccomp_bpf_data", compiled);
                return 0;
        }
        seccomp_default_profile(m->capabilities, &profile);
        out->seccomp = arena_strndup(m->arena, profile.data, profile.len);
        buf_done(&profile);
        return 0;
}

static int make_linux(struct making *m, struct oci_spec *config)
{
        struct oci_spec_linux *out = config->linux_ = ARENA_NEW(m->arena, struct oci_spec_linux);
        int r = make_resources(m, out);

        if (r < 0 || (r = make_seccomp(m, config, out)) < 0)
                return r;
        make_namespaces(m, out);
        if (m->context->user_base != 0 && m->spec->user_ns.mode != RUNTIME_NS_PATH) {
                add_mapping(m, &out->uid_mappings);
                add_mapping(m, &out->gid_mappings);
        }
        make_hidden_paths(m, out);
        out->cgroups_path = m->context->cgroup_path;
        out->sysctl = m->spec->sysctls;
        out->rootfs_propagation = "rprivate";
        out->mount_label = m->spec->selinux_label;
        return 0;
}

static int write_config(struct making *m, const struct oci_spec *config, const char *path)
{
        CLEANUP_BUF struct buf json = {0};
        CLEANUP_CLOSE int fd = -1;

        SHAPE_WRITE(oci_spec, config, &json);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, json.data, json.len) != (ssize_t)json.len)
                return error_set(m->error, errno, "cannot write %s: %s", path, strerror(errno));
        return 0;
}

static int pick_stop_signal(struct making *m, int *ret)
{
        const struct oci_image_process *image = m->context->image != NULL ? m->context->image->config : NULL;
        const char *text = m->spec->stop_signal != NULL ? m->spec->stop_signal : image != NULL ? image->stop_signal : NULL;

        *ret = str_empty(text) ? SIGTERM : bundle_signal_parse(text);
        if (*ret < 0)
                return error_set(m->error, EINVAL, "there is no signal '%s' to stop the container with", text);
        return 0;
}

int bundle_write(const struct bundle_context *context, const struct runtime_container_spec *spec, struct arena *arena,
                 struct bundle_result *ret, struct error *error)
{
        const struct oci_image_process *image = context->image != NULL ? context->image->config : NULL;
        const char *user = spec->user != NULL ? spec->user : image != NULL ? image->user : NULL;
        struct making m = {.context = context, .spec = spec, .arena = arena, .error = error};
        struct bundle_result result = {.config_path = arena_printf(arena, "%s/config.json", context->dir)};
        struct oci_spec *config = ARENA_NEW(arena, struct oci_spec);
        int r;

        config->oci_version = "1.0.2";
        /* A label must not steer crun. */
        for (uint32_t i = 0; i < spec->annotations.n; i++)
                if (!str_starts_with(spec->annotations.items[i].key, "run.oci."))
                        string_map_set(arena, &config->annotations, spec->annotations.items[i].key, spec->annotations.items[i].value);
        r = user_resolve(spec->pause ? NULL : user, context->layers, context->n_layers, arena, &m.user, error);
        if (r < 0 || (r = capabilities_resolve(spec->privileged, &spec->cap_add, &spec->cap_drop, &m.capabilities, error)) < 0 ||
            (r = pick_stop_signal(&m, &result.stop_signal)) < 0 || (r = make_process(&m, config)) < 0 ||
            (r = mounts_fill(context, spec, arena, &config->mounts, &result, error)) < 0 || (r = make_linux(&m, config)) < 0)
                return r;
        config->root = ARENA_NEW(arena, struct oci_spec_root);
        config->root->path = context->rootfs;
        SHAPE_SET(config->root, oci_spec_root, readonly, spec->read_only_root);
        if (spec->uts.mode == RUNTIME_NS_PRIVATE) {
                config->hostname = netfiles_hostname(spec, arena);
                config->domainname = spec->domain_name;
        }
        r = write_config(&m, config, result.config_path);
        if (r < 0)
                return r;
        result.config = config;
        *ret = result;
        return 0;
}

int bundle_signal_parse(const char *text)
{
        const char *bare;
        int64_t number;

        if (text == NULL)
                return -EINVAL;
        bare = str_starts_with(text, "SIG") ? text + 3 : text;
        if (*bare == '\0')
                return -EINVAL;
        if (str_to_int64(text, &number) == 0)
                return number > 0 && number <= SIGRTMAX ? (int)number : -EINVAL;
        if (str_starts_with(bare, "RTMIN")) {
                number = 0;
                if (bare[5] != '\0' && str_to_int64(bare[5] == '+' ? bare + 6 : bare + 5, &number) < 0)
                        return -EINVAL;
                return SIGRTMIN + number >= SIGRTMIN && SIGRTMIN + number <= SIGRTMAX ? SIGRTMIN + (int)number : -EINVAL;
        }
        for (int i = 1; i < SIGRTMIN; i++)
                if (str_eq(sigabbrev_np(i), bare))
                        return i;
        return -EINVAL;
}

int bundle_object_names(const char *text, struct arena *arena, struct string_list *ret, struct error *error)
{
        struct json json;
        struct json_string name;
        size_t len;
        char *copy;

        json_init(&json, text, strlen(text));
        if (!json_take(&json, '{'))
                return error_set(error, EINVAL, "the image's Volumes are no JSON object");
        if (json_take(&json, '}'))
                return 0;
        do {
                if (json_peek(&json) != '"' || json_read_string(&json, &name) < 0)
                        return error_set(error, EINVAL, "the image's Volumes are no JSON object");
                copy = arena_bytes(arena, name.len + 1);
                if (json_unescape(&json, &name, copy, &len) < 0 || !json_take(&json, ':') || json_peek(&json) == 0 ||
                    json_skip(&json, JSON_DEPTH) < 0)
                        return error_set(error, EINVAL, "the image's Volumes are no JSON object");
                copy[len] = '\0';
                string_list_push(arena, ret, copy);
        } while (json_take(&json, ','));
        return 0;
}
