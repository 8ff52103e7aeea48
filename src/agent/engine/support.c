/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what a payload may ask for and this node does not do. */
#include "agent/engine/support.h"

#include <string.h>

#include "base/strutil.h"

static const char *const log_drivers[] = {"awslogs", "json-file", "journald", "none", NULL};
static const char *const network_modes[] = {"bridge", "host", "none", "awsvpc", NULL};
static const char *const namespace_modes[] = {"host", "task", "none", NULL};

#define INIT_ERROR "ResourceInitializationError"

static bool one_of(const char *word, const char *const *words)
{
        for (; *words != NULL; words++) {
                if (str_eq(word, *words))
                        return true;
        }
        return false;
}

bool support_log_driver(const char *name)
{
        return one_of(name, log_drivers);
}

const char *const *support_log_drivers(void)
{
        return log_drivers;
}

static int check_task(const struct engine_task *task, struct error *error)
{
        const struct acs_task *p = task->payload;
        const char *mode = engine_task_network_mode(task);

        if (!one_of(mode, network_modes))
                return error_api(error, INIT_ERROR, "this node has no network mode \"%s\"; use awsvpc, bridge, host or none", mode);
        if (!str_empty(p->pid_mode) && (!one_of(p->pid_mode, namespace_modes) || str_eq(p->pid_mode, "none")))
                return error_api(error, INIT_ERROR, "pidMode \"%s\" is not known; use host or task", p->pid_mode);
        if (!str_empty(p->ipc_mode) && !one_of(p->ipc_mode, namespace_modes))
                return error_api(error, INIT_ERROR, "ipcMode \"%s\" is not known; use host, task or none", p->ipc_mode);
        return 0;
}

static int check_volume(const struct acs_volume *v, struct error *error)
{
        const struct acs_docker_volume *docker = v->docker_volume_configuration;

        if (str_empty(v->name))
                return error_api(error, INIT_ERROR, "a volume has no name");
        if (v->efs_volume_configuration != NULL || str_eq(v->type, "efs"))
                return error_api(error, INIT_ERROR,
                                 "failed to create volume %s: this node cannot mount EFS file systems; use a host or docker volume",
                                 v->name);
        if (!str_empty(v->type) && !str_eq(v->type, "host") && !str_eq(v->type, "docker"))
                return error_api(error, INIT_ERROR,
                                 "failed to create volume %s: type \"%s\" is not available on this node; use a host or docker volume",
                                 v->name, v->type);
        if (docker != NULL && !str_empty(docker->driver) && !str_eq(docker->driver, "local"))
                return error_api(error, "CannotCreateVolumeError",
                                 "volume %s: this node has no volume driver \"%s\"; use the driver \"local\" or a host volume", v->name,
                                 docker->driver);
        return 0;
}

static const char *missing_feature(const struct acs_container *def)
{
        if (def->secrets.n > 0)
                return "secrets";
        if (def->environment_files.n > 0)
                return "environmentFiles";
        if (def->firelens_configuration != NULL)
                return "firelensConfiguration";
        if (def->credential_specs.n > 0)
                return "credentialSpecs";
        if (def->registry_authentication != NULL)
                return "repositoryCredentials";
        return NULL;
}

static int check_log_driver(const struct engine_container *c, struct error *error)
{
        const struct docker_log_config *log = c->host->log_config;

        if (log == NULL || str_empty(log->type) || support_log_driver(log->type))
                return 0;
        return error_api(
                error, INIT_ERROR,
                "failed to initialize logging driver: container %s asks for \"%s\", which this node does not have; use awslogs, json-file, "
                "journald or none",
                c->definition->name, log->type);
}

static int check_mounts(const struct engine_task *task, const struct acs_container *def, struct error *error)
{
        for (uint32_t i = 0; i < def->mount_points.n; i++) {
                const struct acs_mount_point *mp = &def->mount_points.items[i];
                bool found = false;

                for (uint32_t k = 0; k < task->payload->volumes.n && !found; k++)
                        found = str_eq(task->payload->volumes.items[k].name, mp->source_volume);
                if (!found)
                        return error_api(error, "InvalidVolumeError", "container %s mounts volume \"%s\", which the task does not have",
                                         def->name, mp->source_volume != NULL ? mp->source_volume : "");
                if (str_empty(mp->container_path) || mp->container_path[0] != '/')
                        return error_api(error, "InvalidVolumeError", "container %s: containerPath \"%s\" of volume \"%s\" is not absolute",
                                         def->name, mp->container_path != NULL ? mp->container_path : "", mp->source_volume);
        }
        return 0;
}

static int check_container(const struct engine_container *c, struct error *error)
{
        const char *feature = missing_feature(c->definition);

        if (feature != NULL)
                return error_api(error, INIT_ERROR,
                                 "container %s uses %s, which this node cannot provide yet; take it out of the task definition",
                                 c->definition->name, feature);
        int r = check_log_driver(c, error);
        if (r < 0)
                return r;
        return check_mounts(c->task, c->definition, error);
}

int support_check(const struct engine_task *task, struct error *error)
{
        int r = check_task(task, error);

        for (uint32_t i = 0; r == 0 && i < task->payload->volumes.n; i++)
                r = check_volume(&task->payload->volumes.items[i], error);
        for (uint32_t i = 0; r == 0 && i < task->n_containers; i++)
                r = check_container(&task->containers[i], error);
        return r;
}
