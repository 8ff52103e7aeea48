/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The telemetry channel (TCS) of one agent: metrics, health of containers, health of the instance. The connection was
 * authenticated when it was made, so the signed header block that the stock agent puts before each frame is skipped.
 */
#include <stdio.h>
#include <string.h>

#include "api/agent/session.h"
#include "api/cloudwatch/sources.h"
#include "base/log.h"
#include "base/strutil.h"
#include "control/task.h"

#define MAX_BAD_FRAMES 100

/* Stock agents publish every 20 s and know nothing else. */
static void ask_for_metrics(struct agents *agents, struct agent_channel *channel, uint32_t every_s)
{
        char text[96];
        int len = snprintf(text, sizeof(text), "{\"type\":\"MetricsIntervalMessage\",\"message\":{\"seconds\":%u}}",
                           MAX(every_s, agents->options.metrics_s));

        channel->ops->send(channel, text, (size_t)len);
}

void telemetry_connected(struct agents *agents, struct instance *instance, struct agent_channel *channel, uint32_t every_s)
{
        struct agent *agent = agent_of(agents, instance);
        struct agent_channel *old = agent->telemetry;

        if (old) {
                agent_detach(old);
                old->ops->close(old, 1000, "Replaced by a newer connection of the same agent");
        }
        agent->telemetry = channel;
        channel->agent = agent;
        channel->pinged_us = channel->heartbeat_us = agents_now_us(agents);
        if (every_s > 0)
                ask_for_metrics(agents, channel, every_s);
}

void telemetry_disconnected(struct agent_channel *channel)
{
        agent_detach(channel);
}

/* Any answer counts as a sign of life, so it also puts the next heartbeat off. */
static void acknowledge(struct agent_channel *channel, const char *type)
{
        char text[96];
        int len = snprintf(text, sizeof(text), "{\"type\":\"%s\",\"message\":{\"message\":\"ok\"}}", type);

        channel->heartbeat_us = agents_now_us(channel->agent->agents);
        channel->ops->send(channel, text, (size_t)len);
}

/* A task of this agent's instance by the ARN that it sends; others are none of its business. */
static struct task *own_task(struct agent *agent, const char *arn)
{
        struct task *task = agents_task_of_arn(agent->agents->model, arn);

        return task && task->instance == agent->instance && !task_is_over(task->state) ? task : NULL;
}

static void on_metrics(struct agent *agent, const void *message)
{
        const struct tcs_publish_metrics_request *in = message;
        struct agents *agents = agent->agents;
        int64_t now_ms = env_now_ms(agents->env);

        agents->stats.metrics_frames++;
        if (in->instance_metrics) {
                struct instance_sample *sample =
                        agent_metrics_put_instance(agents->metrics, agent->instance->object.key, in->instance_metrics, now_ms);

                if (agents->api)
                        cloudwatch_instance_sampled(agents->api, agent->instance, sample, now_ms);
        }
        for (uint32_t i = 0; i < in->task_metrics.n; i++) {
                struct task *task = own_task(agent, in->task_metrics.items[i].task_arn);
                struct task_sample *sample;

                if (!task)
                        continue;
                sample = agent_metrics_put_task(agents->metrics, task->object.key, &in->task_metrics.items[i], now_ms);
                if (agents->api)
                        cloudwatch_task_sampled(agents->api, task, sample, now_ms);
        }
}

static void health_of_task(struct agent *agent, struct task *task, const struct tcs_task_health *in, struct tx **tx)
{
        struct state_task *state = NULL;
        bool differs = false;

        /* Health is repeated every interval: look before copying. */
        for (uint32_t i = 0; i < in->containers.n; i++)
                for (uint32_t j = 0; j < task->state->containers.n; j++) {
                        const struct state_container *container = &task->state->containers.items[j];
                        int health = shape_enum_value(&ecs_health_status_enum, in->containers.items[i].health_status);

                        differs |= str_eq(container->name, in->containers.items[i].container_name) && health != 0 &&
                                   (int)container->health != health;
                }
        if (!differs)
                return;
        if (!*tx)
                *tx = tx_begin(agent->agents->model);
        state = tx_edit(*tx, &task->object);
        differs = false;
        for (uint32_t i = 0; i < in->containers.n; i++)
                differs |= task_set_health(
                        task, state, in->containers.items[i].container_name,
                        (enum ecs_health_status)shape_enum_value(&ecs_health_status_enum, in->containers.items[i].health_status));
        if (differs)
                tx_put(*tx, &task->object, state);
}

static void on_health(struct agent *agent, const void *message)
{
        const struct tcs_publish_health_request *in = message;
        struct tx *tx = NULL;

        agent->agents->stats.health_frames++;
        for (uint32_t i = 0; i < in->tasks.n; i++) {
                struct task *task = own_task(agent, in->tasks.items[i].task_arn);

                if (task)
                        health_of_task(agent, task, &in->tasks.items[i], &tx);
        }
        if (tx)
                (void)tx_commit(tx);
}

/* The agent says "ContainerRuntime" where the API says CONTAINER_RUNTIME. */
static enum ecs_instance_health_check_type status_type(const char *text)
{
        if (str_eq(text, "ContainerRuntime") || str_eq(text, "CONTAINER_RUNTIME"))
                return ECS_INSTANCE_HEALTH_CHECK_TYPE_CONTAINER_RUNTIME;
        if (str_eq(text, "AcceleratedCompute") || str_eq(text, "ACCELERATED_COMPUTE"))
                return ECS_INSTANCE_HEALTH_CHECK_TYPE_ACCELERATED_COMPUTE;
        if (str_eq(text, "Daemon") || str_eq(text, "DAEMON"))
                return ECS_INSTANCE_HEALTH_CHECK_TYPE_DAEMON;
        return ECS_INSTANCE_HEALTH_CHECK_TYPE_UNSET;
}

static void on_status(struct agent *agent, const void *message)
{
        const struct tcs_publish_instance_status_request *in = message;

        agent->agents->stats.status_frames++;
        for (uint32_t i = 0; i < in->statuses.n; i++) {
                const struct tcs_instance_status *status = &in->statuses.items[i];
                enum ecs_instance_health_check_type type = status_type(status->type);
                int state = shape_enum_value(&ecs_instance_health_check_state_enum, status->status);

                if (type == ECS_INSTANCE_HEALTH_CHECK_TYPE_UNSET || state == 0)
                        continue;
                agent->statuses[type] = (struct instance_status){
                        .type = type,
                        .state = (enum ecs_instance_health_check_state)state,
                        .updated_ms = status->last_updated,
                        .changed_ms = status->last_status_change,
                };
        }
}

static const struct frame_kind {
        const char *type, *answer;
        const struct shape *shape;
        void (*handle)(struct agent *agent, const void *message);
} frame_kinds[] = {
        {"PublishMetricsRequest", "AckPublishMetric", &tcs_publish_metrics_request_shape, on_metrics},
        {"PublishHealthRequest", "AckPublishHealth", &tcs_publish_health_request_shape, on_health},
        {"PublishInstanceStatusRequest", "AckPublishInstanceStatus", &tcs_publish_instance_status_request_shape, on_status},
};

/* The JSON behind the signed headers, which end with an empty line; a frame may also be plain JSON. */
static const char *skip_headers(const char *text, size_t len, size_t *ret_len)
{
        const char *end;

        if (len > 0 && text[0] == '{') {
                *ret_len = len;
                return text;
        }
        end = memmem(text, len, "\r\n\r\n", 4);
        if (!end)
                return NULL;
        end += 4;
        *ret_len = len - (size_t)(end - text);
        return end;
}

static void bad_frame(struct agent_channel *channel, const char *why)
{
        channel->agent->agents->stats.bad_frames++;
        log_debug("telemetry frame cannot be read", LOG_S("instance", channel->agent->instance->object.key), LOG_S("error", why));
        if (++channel->bad_frames > MAX_BAD_FRAMES)
                channel->ops->close(channel, 1008, "Too many frames that cannot be read");
}

void telemetry_received(struct agent_channel *channel, const char *text, size_t len)
{
        static const struct shape_limits limits = {.max_bytes = 32u << 20, .skip_validation = true};
        CLEANUP_ARENA struct arena arena = {0};
        struct tcs_frame *frame;
        struct error error = {0};
        const char *json;
        void *message;

        if (!channel->agent)
                return;
        json = skip_headers(text, len, &len);
        if (!json || SHAPE_PARSE(tcs_frame, &arena, json, len, &limits, &frame, &error) < 0) {
                bad_frame(channel, json ? error.message : "no JSON");
                return;
        }
        for (size_t i = 0; i < ARRAY_SIZE(frame_kinds); i++) {
                const struct frame_kind *kind = &frame_kinds[i];
                const char *body = frame->message ? frame->message : "{}";

                if (!str_eq(frame->type, kind->type))
                        continue;
                if (shape_from_json(kind->shape, &arena, body, strlen(body), &limits, &message, &error) < 0) {
                        bad_frame(channel, error.message);
                        return;
                }
                kind->handle(channel->agent, message);
                acknowledge(channel, kind->answer);
                return;
        }
}
