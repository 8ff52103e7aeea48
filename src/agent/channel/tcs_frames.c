/* SPDX-License-Identifier: Apache-2.0 */
/* Putting together what the telemetry channel carries. */
#include "agent/channel/tcs_frames.h"

#include <sys/statvfs.h>

#include "agent/channel/metrics.h"
#include "base/strutil.h"

static void say(const struct tcs_source *source, const char *type, const struct shape *shape, const void *message)
{
        struct buf text CLEANUP_BUF = {0};

        buf_printf(&text, "{\"type\":\"%s\",\"message\":", type);
        shape_to_json(shape, message, &text);
        buf_append_char(&text, '}');
        source->send(text.data, text.len, source->data);
}

/* ---- metrics ---- */

static void put_task(struct engine_task *t, struct arena *arena, struct tcs_task_metric *to)
{
        to->task_arn = t->arn;
        to->cluster_arn = t->payload->task_cluster_arn;
        to->task_definition_family = t->payload->family;
        to->task_definition_version = t->payload->version;
        for (uint32_t i = 0; i < t->n_containers; i++) {
                struct engine_container *c = &t->containers[i];
                struct tcs_container_metric metric = {.container_arn = c->definition->container_arn, .container_name = c->definition->name};

                if (c->metrics == NULL || !container_metrics_take(c->metrics, arena, &metric))
                        continue;
                if (c->definition->restart_policy != NULL) {
                        metric.restart_stats_set = ARENA_NEW(arena, struct tcs_restart_stats_set);
                        SHAPE_SET(metric.restart_stats_set, tcs_restart_stats_set, restart_count, c->restart_count);
                }
                *SHAPE_PUSH(arena, &to->container_metrics) = metric;
        }
}

static double percent_used(const char *path)
{
        struct statvfs fs;

        if (statvfs(path, &fs) < 0 || fs.f_blocks == 0)
                return 0;
        return (double)(fs.f_blocks - fs.f_bfree) * 100.0 / (double)fs.f_blocks;
}

static struct tcs_instance_metrics *instance_metrics(const struct tcs_source *source, struct arena *arena)
{
        struct tcs_instance_metrics *m = ARENA_NEW(arena, struct tcs_instance_metrics);

        m->storage = ARENA_NEW(arena, struct tcs_storage_metrics);
        SHAPE_SET(m->storage, tcs_storage_metrics, root_filesystem, percent_used("/"));
        SHAPE_SET(m->storage, tcs_storage_metrics, data_filesystem, percent_used(source->data_dir));
        m->host = (struct tcs_host_metrics *)(uintptr_t)source->host;
        return m;
}

void tcs_frames_metrics(const struct tcs_source *source)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct tcs_metrics_metadata metadata = {.cluster = source->cluster, .container_instance = source->instance};
        struct tcs_publish_metrics_request req = {.metadata = &metadata, .instance_metrics = instance_metrics(source, &arena)};
        char *id = arena_bytes(&arena, 37);
        struct tcs_task_metric pending = {0};
        bool any = false;

        env_random_uuid(source->engine->env, id);
        metadata.message_id = id;
        req.timestamp = env_now_ms(source->engine->env);
        SHAPE_SET(&metadata, tcs_metrics_metadata, idle, false);
        SHAPE_SET(&metadata, tcs_metrics_metadata, fin, false);
        list_for_each (t, &source->engine->order, struct engine_task, link) {
                struct tcs_task_metric one = {0};

                if (t->state >= TASK_STOPPED)
                        continue;
                put_task(t, &arena, &one);
                if (one.container_metrics.n == 0)
                        continue;
                /* One is held back, so that the last message is known to be the last. */
                if (any)
                        *SHAPE_PUSH(&arena, &req.task_metrics) = pending;
                if (req.task_metrics.n == TCS_TASKS_MAX) {
                        say(source, "PublishMetricsRequest", &tcs_publish_metrics_request_shape, &req);
                        req.instance_metrics = NULL;
                        req.task_metrics.n = 0;
                }
                pending = one;
                any = true;
        }
        if (any)
                *SHAPE_PUSH(&arena, &req.task_metrics) = pending;
        metadata.idle = !any;
        metadata.fin = true;
        say(source, "PublishMetricsRequest", &tcs_publish_metrics_request_shape, &req);
}

/* ---- health ---- */

static void put_health(const struct engine_task *t, struct arena *arena, struct tcs_task_health *to)
{
        to->task_arn = t->arn;
        to->cluster_arn = t->payload->task_cluster_arn;
        to->task_definition_family = t->payload->family;
        to->task_definition_version = t->payload->version;
        for (uint32_t i = 0; i < t->n_containers; i++) {
                const struct engine_container *c = &t->containers[i];

                if (!engine_container_has_health(c) || !c->has_run)
                        continue;
                struct tcs_container_health *health = SHAPE_PUSH(arena, &to->containers);
                health->container_name = c->definition->name;
                health->health_status = health_status_name(c->health.status);
                health->status_since = c->health.since_ms;
                health->status_message = c->health.status == HEALTH_UNHEALTHY && c->health.output[0] != '\0' ? c->health.output : NULL;
        }
}

void tcs_frames_health(const struct tcs_source *source, bool only_changed)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct tcs_health_metadata metadata = {.cluster = source->cluster, .container_instance = source->instance};
        struct tcs_publish_health_request req = {.metadata = &metadata, .timestamp = env_now_ms(source->engine->env)};
        char *id = arena_bytes(&arena, 37);
        struct tcs_task_health_list all = {0};

        env_random_uuid(source->engine->env, id);
        metadata.message_id = id;
        list_for_each (t, &source->engine->order, struct engine_task, link) {
                struct tcs_task_health one = {0};

                if (t->state >= TASK_STOPPED || (only_changed && !t->health_changed))
                        continue;
                t->health_changed = false;
                put_health(t, &arena, &one);
                if (one.containers.n > 0)
                        *SHAPE_PUSH(&arena, &all) = one;
        }
        for (uint32_t i = 0; i < all.n; i += TCS_TASKS_MAX) {
                req.tasks.items = &all.items[i];
                req.tasks.n = MIN(all.n - i, TCS_TASKS_MAX);
                SHAPE_SET(&metadata, tcs_health_metadata, fin, i + TCS_TASKS_MAX >= all.n);
                say(source, "PublishHealthRequest", &tcs_publish_health_request_shape, &req);
        }
}

void tcs_frames_status(const struct tcs_source *source, const char *impaired, int64_t probed_ms, int64_t changed_ms)
{
        char id[37];
        struct tcs_instance_status_metadata metadata = {
                .cluster = source->cluster, .container_instance = source->instance, .request_id = id};
        struct tcs_instance_status status = {.type = "ContainerRuntime",
                                             .status = impaired == NULL ? "OK" : "IMPAIRED",
                                             .status_reason = impaired,
                                             .last_updated = probed_ms,
                                             .last_status_change = changed_ms};
        struct tcs_publish_instance_status_request req = {
                .metadata = &metadata, .statuses = {.items = &status, .n = 1}, .timestamp = env_now_ms(source->engine->env)};

        env_random_uuid(source->engine->env, id);
        say(source, "PublishInstanceStatusRequest", &tcs_publish_instance_status_request_shape, &req);
}
