/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of the task, where containers mount them, and volumes taken over from other containers. */
#include "api/ecs/taskdef/taskdef.h"
#include "base/strutil.h"

/* ---- Volumes ---- */

static int check_docker(struct taskdef *t, const struct ecs_volume *v)
{
        const struct ecs_docker_volume_configuration *d = v->docker_volume_configuration;

        if (d != NULL && d->scope == ECS_SCOPE_TASK && d->autoprovision)
                return taskdef_refuse(
                        t, "Invalid setting for volume '%s'. dockerVolumeConfiguration.autoprovision: only allowed when scope is shared.",
                        v->name);
        return 0;
}

static int check_efs(struct taskdef *t, const struct ecs_volume *v)
{
        const struct ecs_efs_volume_configuration *e = v->efs_volume_configuration;
        const struct ecs_efs_authorization_config *a = e != NULL ? e->authorization_config : NULL;
        bool encrypted = e != NULL && e->transit_encryption == ECS_EFS_TRANSIT_ENCRYPTION_ENABLED;

        if (e == NULL)
                return 0;
        if (!str_starts_with(e->file_system_id, "fs-"))
                return taskdef_refuse(
                        t,
                        "Invalid setting for volume '%s'. efsVolumeConfiguration.fileSystemId: \"%.60s\" is not the id of a file system "
                        "(fs-...).",
                        v->name, e->file_system_id);
        if (e->transit_encryption_port < 0 || e->transit_encryption_port > 65535)
                return taskdef_refuse(t, "Invalid setting for volume '%s'. efsVolumeConfiguration.transitEncryptionPort: %d is not a port.",
                                      v->name, e->transit_encryption_port);
        if (SHAPE_HAS(e, ecs_efs_volume_configuration, transit_encryption_port) && e->transit_encryption_port > 0 && !encrypted)
                return taskdef_refuse(
                        t,
                        "Invalid setting for volume '%s'. efsVolumeConfiguration.transitEncryptionPort: needs transitEncryption=ENABLED.",
                        v->name);
        if (a == NULL || (str_empty(a->access_point_id) && a->iam != ECS_EFS_AUTHORIZATION_CONFIG_IAM_ENABLED))
                return 0;
        if (!encrypted)
                return taskdef_refuse(t,
                                      "Invalid setting for volume '%s'. efsVolumeConfiguration: an access point or IAM authorization needs "
                                      "transitEncryption=ENABLED.",
                                      v->name);
        if (!str_empty(a->access_point_id) && !str_eq(e->root_directory, "/"))
                return taskdef_refuse(t,
                                      "Invalid setting for volume '%s'. efsVolumeConfiguration.rootDirectory: must be left out or \"/\" "
                                      "with an access point.",
                                      v->name);
        return 0;
}

static int check_volume(struct taskdef *t, uint32_t i)
{
        const struct ecs_volume *v = &t->def->volumes.items[i];
        int kinds = (v->host != NULL) + (v->docker_volume_configuration != NULL) + (v->efs_volume_configuration != NULL) +
                    (v->s3files_volume_configuration != NULL) + (v->fsx_windows_file_server_volume_configuration != NULL) +
                    v->configured_at_launch;
        int r;

        if (!str_is_name(v->name != NULL ? v->name : "", "-_", 255))
                return taskdef_refuse(t, "volumes[%u].name: a volume name has 1 to 255 letters, digits, hyphens and underscores.", i);
        if (taskdef_volume(t, v->name) != v)
                return taskdef_refuse(t, "volumes[%u].name: \"%s\" is given twice; volume names must be unique.", i, v->name);
        if (kinds > 1)
                return taskdef_refuse(
                        t,
                        "Invalid setting for volume '%s'. A volume is one of host, dockerVolumeConfiguration, efsVolumeConfiguration, "
                        "s3filesVolumeConfiguration, fsxWindowsFileServerVolumeConfiguration and configuredAtLaunch, not several.",
                        v->name);
        if (v->host != NULL && !str_empty(v->host->source_path) && v->host->source_path[0] != '/')
                return taskdef_refuse(t, "Invalid setting for volume '%s'. host.sourcePath: must be an absolute path, not \"%.200s\".",
                                      v->name, v->host->source_path);
        r = check_docker(t, v);
        return r < 0 ? r : check_efs(t, v);
}

/* ---- Mounts ---- */

static int check_mount(struct taskdef *t, const struct ecs_container_definition *c, uint32_t i)
{
        const struct ecs_mount_point *m = &c->mount_points.items[i];

        if (str_empty(m->source_volume))
                return taskdef_refuse(t, "Invalid setting for container '%s'. mountPoints[%u].sourceVolume: must name a volume.", c->name,
                                      i);
        if (taskdef_volume(t, m->source_volume) == NULL)
                return taskdef_refuse(t, "Unknown volume '%.255s'. (container '%s', mountPoints[%u])", m->source_volume, c->name, i);
        if (str_empty(m->container_path))
                return taskdef_refuse(t, "Invalid setting for container '%s'. mountPoints[%u].containerPath: must not be empty.", c->name,
                                      i);
        if (m->container_path[0] != '/' && !taskdef_is_windows(t))
                return taskdef_refuse(
                        t, "Invalid setting for container '%s'. mountPoints[%u].containerPath: must be an absolute path, not \"%.200s\".",
                        c->name, i, m->container_path);
        for (uint32_t j = 0; j < i; j++)
                if (str_eq(c->mount_points.items[j].container_path, m->container_path))
                        return taskdef_refuse(
                                t, "Invalid setting for container '%s'. mountPoints[%u].containerPath: \"%.200s\" is given twice.", c->name,
                                i, m->container_path);
        return 0;
}

static int check_container(struct taskdef *t, const struct ecs_container_definition *c)
{
        for (uint32_t i = 0; i < c->mount_points.n; i++) {
                int r = check_mount(t, c, i);

                if (r < 0)
                        return r;
        }
        for (uint32_t i = 0; i < c->volumes_from.n; i++) {
                const struct ecs_container_definition *source = taskdef_container(t, c->volumes_from.items[i].source_container);

                if (source == NULL)
                        return taskdef_refuse(t,
                                              "Invalid setting for container '%s'. volumesFrom[%u].sourceContainer: there is no container "
                                              "\"%.255s\" in this "
                                              "definition.",
                                              c->name, i,
                                              c->volumes_from.items[i].source_container != NULL ? c->volumes_from.items[i].source_container
                                                                                                : "");
                if (source == c)
                        return taskdef_refuse(
                                t, "Invalid setting for container '%s'. volumesFrom[%u].sourceContainer: a container cannot name itself.",
                                c->name, i);
        }
        return 0;
}

int taskdef_check_volumes(struct taskdef *t)
{
        uint32_t at_launch = 0;

        for (uint32_t i = 0; i < t->def->volumes.n; i++) {
                int r = check_volume(t, i);

                if (r < 0)
                        return r;
                at_launch += t->def->volumes.items[i].configured_at_launch;
        }
        if (at_launch > 1)
                return taskdef_refuse(t, "volumes: only one volume can be configuredAtLaunch, not %u.", at_launch);
        TASKDEF_FOR_EACH_CONTAINER (t, c, i) {
                int r = check_container(t, c);

                if (r < 0)
                        return r;
        }
        return 0;
}
