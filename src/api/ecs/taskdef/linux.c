/* SPDX-License-Identifier: Apache-2.0 */
/* What containers ask of the kernel: capabilities, devices, tmpfs, swap, ulimits, sysctls, security options. */
#include "api/ecs/taskdef/taskdef.h"
#include "base/strutil.h"

/* The words that the API knows; others that the kernel has are refused by AWS too. */
static const char *const capabilities[] = {
        "ALL",        "AUDIT_CONTROL",   "AUDIT_WRITE",      "BLOCK_SUSPEND",
        "CHOWN",      "DAC_OVERRIDE",    "DAC_READ_SEARCH",  "FOWNER",
        "FSETID",     "IPC_LOCK",        "IPC_OWNER",        "KILL",
        "LEASE",      "LINUX_IMMUTABLE", "MAC_ADMIN",        "MAC_OVERRIDE",
        "MKNOD",      "NET_ADMIN",       "NET_BIND_SERVICE", "NET_BROADCAST",
        "NET_RAW",    "SETFCAP",         "SETGID",           "SETPCAP",
        "SETUID",     "SYS_ADMIN",       "SYS_BOOT",         "SYS_CHROOT",
        "SYS_MODULE", "SYS_NICE",        "SYS_PACCT",        "SYS_PTRACE",
        "SYS_RAWIO",  "SYS_RESOURCE",    "SYS_TIME",         "SYS_TTY_CONFIG",
        "SYSLOG",     "WAKE_ALARM",
};

static bool is_capability(const char *word)
{
        for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
                if (str_eq(capabilities[i], word))
                        return true;
        return false;
}

static int check_capabilities(struct taskdef *t, const struct ecs_container_definition *c, const char *member,
                              const struct string_list *list)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (!is_capability(list->items[i]))
                        return taskdef_refuse(t,
                                              "Invalid setting for container '%s'. linuxParameters.capabilities.%s[%u]: \"%.60s\" is not a "
                                              "capability; write "
                                              "it in capitals and without CAP_, such as NET_ADMIN.",
                                              c->name, member, i, list->items[i]);
        return 0;
}

static bool is_absolute(const char *path)
{
        return path != NULL && path[0] == '/';
}

static int check_mounts(struct taskdef *t, const struct ecs_container_definition *c, const struct ecs_linux_parameters *linux_)
{
        for (uint32_t i = 0; i < linux_->devices.n; i++) {
                const struct ecs_device *device = &linux_->devices.items[i];

                if (!is_absolute(device->host_path) || (device->container_path != NULL && !is_absolute(device->container_path)))
                        return taskdef_refuse(t, "Invalid setting for container '%s'. linuxParameters.devices[%u]: paths must be absolute.",
                                              c->name, i);
        }
        for (uint32_t i = 0; i < linux_->tmpfs.n; i++) {
                const struct ecs_tmpfs *tmpfs = &linux_->tmpfs.items[i];

                if (!is_absolute(tmpfs->container_path))
                        return taskdef_refuse(
                                t, "Invalid setting for container '%s'. linuxParameters.tmpfs[%u].containerPath: must be an absolute path.",
                                c->name, i);
                if (tmpfs->size < 1)
                        return taskdef_refuse(
                                t, "Invalid setting for container '%s'. linuxParameters.tmpfs[%u].size: must be 1 MiB or more, not %d.",
                                c->name, i, tmpfs->size);
        }
        return 0;
}

static int check_linux_parameters(struct taskdef *t, const struct ecs_container_definition *c)
{
        const struct ecs_linux_parameters *linux_ = c->linux_parameters;
        int r = 0;

        if (linux_ == NULL)
                return 0;
        if (linux_->capabilities != NULL)
                r = check_capabilities(t, c, "add", &linux_->capabilities->add);
        if (r == 0 && linux_->capabilities != NULL)
                r = check_capabilities(t, c, "drop", &linux_->capabilities->drop);
        if (r == 0)
                r = check_mounts(t, c, linux_);
        if (r < 0)
                return r;
        if (SHAPE_HAS(linux_, ecs_linux_parameters, shared_memory_size) && linux_->shared_memory_size < 1)
                return taskdef_refuse(t, "Invalid setting for container '%s'. linuxParameters.sharedMemorySize: must be 1 MiB or more.",
                                      c->name);
        if (linux_->max_swap < 0)
                return taskdef_refuse(t, "Invalid setting for container '%s'. linuxParameters.maxSwap: must be 0 or more.", c->name);
        if (linux_->swappiness < 0 || linux_->swappiness > 100)
                return taskdef_refuse(t, "Invalid setting for container '%s'. linuxParameters.swappiness: %d is not in 0..100.", c->name,
                                      linux_->swappiness);
        return 0;
}

static int check_ulimits(struct taskdef *t, const struct ecs_container_definition *c)
{
        for (uint32_t i = 0; i < c->ulimits.n; i++) {
                const struct ecs_ulimit *u = &c->ulimits.items[i];
                const char *name = shape_enum_name(&ecs_ulimit_name_enum, (int)u->name);

                if (u->soft_limit < -1 || u->hard_limit < -1)
                        return taskdef_refuse(
                                t, "Invalid setting for container '%s'. ulimits[%u]: limits of %s must be -1 (unlimited) or more.", c->name,
                                i, name);
                if (u->hard_limit != -1 && (u->soft_limit == -1 || u->soft_limit > u->hard_limit))
                        return taskdef_refuse(t,
                                              "Invalid setting for container '%s'. ulimits[%u]: the soft limit of %s (%d) must not be "
                                              "greater than the hard "
                                              "limit (%d).",
                                              c->name, i, name, u->soft_limit, u->hard_limit);
                for (uint32_t j = 0; j < i; j++)
                        if (c->ulimits.items[j].name == u->name)
                                return taskdef_refuse(t, "Invalid setting for container '%s'. ulimits[%u]: %s is given twice.", c->name, i,
                                                      name);
        }
        return 0;
}

/* Parameters that a container has for itself, and the namespace that each belongs to. */
static const struct {
        const char *prefix;
        bool ipc;
} sysctls[] = {
        {"net.", false}, {"fs.mqueue.", true}, {"kernel.msg", true}, {"kernel.sem", true}, {"kernel.shm", true},
};

static int check_sysctl(struct taskdef *t, const struct ecs_container_definition *c, uint32_t i)
{
        const char *name = c->system_controls.items[i].namespace;

        if (str_empty(name) || str_empty(c->system_controls.items[i].value))
                return taskdef_refuse(t, "Invalid setting for container '%s'. systemControls[%u]: namespace and value must not be empty.",
                                      c->name, i);
        for (size_t k = 0; k < ARRAY_SIZE(sysctls); k++) {
                if (!str_starts_with(name, sysctls[k].prefix))
                        continue;
                if (!sysctls[k].ipc && t->def->network_mode == ECS_NETWORK_MODE_HOST)
                        return taskdef_refuse(
                                t, "Invalid setting for container '%s'. systemControls[%u]: %s is the host's own when networkMode=host.",
                                c->name, i, name);
                if (sysctls[k].ipc && t->def->ipc_mode == ECS_IPC_MODE_HOST)
                        return taskdef_refuse(
                                t, "Invalid setting for container '%s'. systemControls[%u]: %s is the host's own when ipcMode=host.",
                                c->name, i, name);
                return 0;
        }
        return taskdef_refuse(
                t,
                "Invalid setting for container '%s'. systemControls[%u]: %.100s is not a namespaced kernel parameter (net.*, fs.mqueue.*, "
                "kernel.msg*, kernel.sem, kernel.shm*).",
                c->name, i, name);
}

static int check_security_options(struct taskdef *t, const struct ecs_container_definition *c)
{
        static const char *const prefixes[] = {"no-new-privileges", "apparmor:", "label:", "credentialspec:"};

        for (uint32_t i = 0; i < c->docker_security_options.n; i++) {
                bool known = false;

                for (size_t k = 0; k < ARRAY_SIZE(prefixes); k++)
                        known |= str_starts_with(c->docker_security_options.items[i], prefixes[k]);
                if (!known)
                        return taskdef_refuse(t,
                                              "Invalid setting for container '%s'. dockerSecurityOptions[%u]: must be no-new-privileges, "
                                              "apparmor:PROFILE, "
                                              "label:VALUE or credentialspec:FILE, not \"%.100s\".",
                                              c->name, i, c->docker_security_options.items[i]);
        }
        if (c->credential_specs.n > 1)
                return taskdef_refuse(t, "Invalid setting for container '%s'. credentialSpecs: at most one.", c->name);
        return 0;
}

int taskdef_check_linux(struct taskdef *t)
{
        TASKDEF_FOR_EACH_CONTAINER (t, c, i) {
                int r = check_linux_parameters(t, c);

                if (r == 0)
                        r = check_ulimits(t, c);
                for (uint32_t k = 0; r == 0 && k < c->system_controls.n; k++)
                        r = check_sysctl(t, c, k);
                if (r == 0)
                        r = check_security_options(t, c);
                if (r < 0)
                        return r;
        }
        return 0;
}
