/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of agents: what the model's changes mean for whom, and the timer. */
#include "api/agent/agents.h"

#include <stdlib.h>
#include <string.h>

#include "api/agent/session.h"
#include "api/metrics.h"
#include "base/alloc.h"
#include "base/log.h"

static const struct agents_options defaults = {.ping_ms = 1000,
                                               .metrics_s = 1,
                                               .silent_ms = 5000,
                                               .dead_ms = 10000,
                                               .restart_ms = 60000,
                                               .start_ms = 30000,
                                               .heartbeat_ms = 30000,
                                               .ack_ms = 10000,
                                               .credentials_ms = INT64_C(6) * 3600 * 1000};

int64_t agents_now_us(const struct agents *agents)
{
        return env_mono_us(agents->env);
}

struct agent *agent_of(struct agents *agents, struct instance *instance)
{
        struct agent *agent = instance->session;

        if (agent)
                return agent;
        agent = xalloc(sizeof(*agent));
        agent->agents = agents;
        agent->instance = instance;
        list_init(&agent->dirty);
        list_init(&agent->waiting);
        list_init(&agent->messages);
        list_init(&agent->roles);
        network_agent_init(agent);
        list_push(&agents->all, &agent->link);
        instance->session = agent;
        lease_read(agent);
        return agent;
}

static void drop_channels(struct agent *agent, int code, const char *reason)
{
        struct agent_channel *channels[] = {agent->control, agent->telemetry};

        for (size_t i = 0; i < ARRAY_SIZE(channels); i++)
                if (channels[i]) {
                        agent_detach(channels[i]);
                        channels[i]->ops->close(channels[i], code, reason);
                }
}

static void agent_free(struct agent *agent)
{
        drop_channels(agent, 1001, "The container instance is gone");
        deliver_reset(agent);
        while (!list_empty(&agent->waiting))
                deliver_drop(list_first(&agent->waiting, struct delivery, link));
        list_for_each (role, &agent->roles, struct role, in_agent)
                list_remove(&role->in_agent);
        network_agent_done(agent);
        list_remove(&agent->dirty);
        list_remove(&agent->link);
        if (agent->instance)
                agent->instance->session = NULL;
        buf_done(&agent->verification);
        free(agent->logs_endpoint);
        free(agent);
}

/* ---- What waits to be durable ---- */

static void durable(struct commit_waiter *waiter);

/* Without a loop commits are durable at once, in the middle of a transaction's announcement: its owner flushes afterwards. */
static void arm(struct agents *agents, uint64_t sequence)
{
        if (agents->waiting || agents->closed || !agents->options.loop)
                return;
        agents->waiting = true;
        agents->waiter.durable = durable;
        model_when_durable(agents->model, sequence, &agents->waiter);
}

static void durable(struct commit_waiter *waiter)
{
        struct agents *agents = CONTAINER_OF(waiter, struct agents, waiter);

        if (agents->freed) {
                free(agents);
                return;
        }
        agents->waiting = false;
        agents_flush(agents);
}

static void flush_once(struct agents *agents)
{
        uint64_t now = model_durable(agents->model), next = 0;

        network_write(agents);
        list_for_each (agent, &agents->dirty, struct agent, dirty) {
                uint64_t rest = deliver_flush(agent, now);

                if (rest == 0)
                        list_remove(&agent->dirty);
                else if (next == 0 || rest < next)
                        next = rest;
        }
        if (next != 0)
                arm(agents, next);
}

/* What is sent may mark agents anew, and be told at once that all is durable: that begins another round, not one within this one, which
 * would take agents off the lists that this one walks along. */
void agents_flush(struct agents *agents)
{
        agents->flush_again = true;
        if (agents->flushing)
                return;
        agents->flushing = true;
        while (agents->flush_again) {
                agents->flush_again = false;
                flush_once(agents);
        }
        agents->flushing = false;
}

void agent_mark(struct agent *agent, uint64_t sequence)
{
        if (list_empty(&agent->dirty))
                list_push(&agent->agents->dirty, &agent->dirty);
        arm(agent->agents, sequence);
}

/* ---- The model's changes ---- */

static void task_changed(struct agents *agents, struct task *task, const struct state_task *old_state, const struct state_task *new_state)
{
        if (!new_state) {
                struct delivery *delivery = deliver_find(agents, task);

                if (delivery)
                        deliver_drop(delivery);
                agent_metrics_forget_task(agents->metrics, task->object.key);
                return;
        }
        if (task_is_over(new_state) && (!old_state || !task_is_over(old_state)))
                agent_metrics_forget_task(agents->metrics, task->object.key);
        deliver_task(agents, task, model_sequence(agents->model), !old_state || !old_state->instance);
}

void agents_heard(struct agents *agents, const struct task *task)
{
        struct delivery *delivery = deliver_find(agents, task);

        if (delivery && delivery->want == WANT_RUN)
                deliver_drop(delivery);
}

static void instance_changed(struct agents *agents, struct instance *instance, const struct state_container_instance *old_state,
                             const struct state_container_instance *new_state)
{
        struct agent *agent = instance->session;

        if (!old_state)
                lease_wait(agent_of(agents, instance), agents->options.start_ms);
        if (!agent)
                return;
        if (!new_state) {
                agent_metrics_forget_instance(agents->metrics, instance->object.key);
                agent_free(agent);
        } else if (new_state->status == STATE_INSTANCE_STATUS_INACTIVE && !agent->closing) {
                agent->closing = true;
                agent->closing_sequence = model_sequence(agents->model);
                agent_mark(agent, agent->closing_sequence);
        }
}

static void changed(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state)
{
        struct agents *agents = CONTAINER_OF(observer, struct agents, observer);

        if (object->kind == OBJECT_TASK)
                task_changed(agents, CONTAINER_OF(object, struct task, object), old_state, new_state);
        else if (object->kind == OBJECT_INSTANCE)
                instance_changed(agents, CONTAINER_OF(object, struct instance, object), old_state, new_state);
        else if (object->kind == OBJECT_CLUSTER && old_state && new_state)
                lease_cluster_changed(agents, CONTAINER_OF(object, struct cluster, object));
        if (network_changed(agents, object, old_state, new_state))
                arm(agents, model_sequence(agents->model));
}

static void connected(struct model_observer *observer, struct instance *instance)
{
        struct agents *agents = CONTAINER_OF(observer, struct agents, observer);

        if (network_lease_changed(agents, instance))
                arm(agents, model_sequence(agents->model));
}

/* A role has a newer key: its agent gets it with the next payload of the task or in a message of its own. */
static void renewed(struct role *role, uint64_t sequence, void *data)
{
        struct agents *agents = data;
        struct tree_node *node = tree_find(model_objects(agents->model, OBJECT_TASK), role->key->state->task);
        struct task *task = node ? MODEL_OBJECT(node, task) : NULL;
        struct agent *agent = task && task->instance ? agent_of(agents, task->instance) : NULL;

        if (!agent || task_is_over(task->state))
                return;
        if (list_empty(&role->in_agent))
                list_push(&agent->roles, &role->in_agent);
        agent_mark(agent, sequence);
}

/* ---- Time ---- */

static void sweep_control(struct agent *agent, int64_t now_us)
{
        const struct agents_options *o = &agent->agents->options;
        struct agent_channel *channel = agent->control;

        if (agent->ready && now_us - channel->heartbeat_us >= (int64_t)o->heartbeat_ms * 1000) {
                struct acs_heartbeat_message heartbeat = {0};
                char id[37];

                channel->heartbeat_us = now_us;
                env_random_uuid(agent->agents->env, id);
                heartbeat.message_id = id;
                SHAPE_SET(&heartbeat, acs_heartbeat_message, healthy, true);
                agent_send(agent, "HeartbeatMessage", &acs_heartbeat_message_shape, &heartbeat);
        }
        deliver_timeouts(agent, now_us);
}

static void sweep_telemetry(struct agent *agent, int64_t now_us, int64_t late_us)
{
        static const char heartbeat[] = "{\"type\":\"HeartbeatMessage\",\"message\":{\"healthy\":true}}";
        const struct agents_options *o = &agent->agents->options;
        struct agent_channel *channel = agent->telemetry;
        int64_t quiet_ms = (now_us - (int64_t)channel->ops->last_received_us(channel) - late_us) / 1000;

        /* Telemetry decides nothing by itself, so it is watched loosely. */
        if (quiet_ms >= (int64_t)o->dead_ms * 6) {
                channel->ops->abort(channel);
                return;
        }
        if (quiet_ms >= (int64_t)o->dead_ms * 3 && now_us - channel->pinged_us >= (int64_t)o->dead_ms * 1000) {
                channel->pinged_us = now_us;
                channel->ops->ping(channel);
        }
        if (now_us - channel->heartbeat_us >= (int64_t)o->heartbeat_ms * 1000) {
                channel->heartbeat_us = now_us;
                channel->ops->send(channel, heartbeat, sizeof(heartbeat) - 1);
        }
}

void agents_sweep(struct agents *agents)
{
        int64_t now_us = agents_now_us(agents), late_us = now_us - agents->swept_us - (int64_t)agents->period_ms * 1000;

        /* While this loop was busy nobody was read from: that silence is ours. */
        late_us = agents->options.loop && agents->swept_us != 0 ? MAX(late_us, 0) : 0;
        agents->swept_us = now_us;
        list_for_each (agent, &agents->all, struct agent, link) {
                lease_sweep(agent, now_us, late_us);
                if (agent->control)
                        sweep_control(agent, now_us);
                if (agent->telemetry)
                        sweep_telemetry(agent, now_us, late_us);
        }
        credentials_sweep(agents->credentials, env_now_ms(agents->env));
        if (!agents->options.loop)
                agents_flush(agents);
}

static void on_timer(uv_timer_t *timer)
{
        agents_sweep(timer->data);
}

/* ---- Life ---- */

static void fill(uint32_t *option, uint32_t value)
{
        if (*option == 0)
                *option = value;
}

static void start_timer(struct agents *agents)
{
        agents->period_ms =
                lease_period_ms(&(struct lease_timing){.ping_ms = agents->options.ping_ms, .silent_ms = agents->options.silent_ms});
        if (!agents->options.loop)
                return;
        agents->timer = xalloc(sizeof(*agents->timer));
        uv_timer_init(agents->options.loop, agents->timer);
        agents->timer->data = agents;
        uv_timer_start(agents->timer, on_timer, agents->period_ms, agents->period_ms);
        uv_unref((uv_handle_t *)agents->timer);
}

void agents_hurry(struct agents *agents, uint32_t period_ms)
{
        if (period_ms >= agents->period_ms)
                return;
        agents->period_ms = period_ms;
        if (agents->timer)
                uv_timer_start(agents->timer, on_timer, period_ms, period_ms);
}

struct agents *agents_new(const struct agents_options *options)
{
        struct agents *agents = xalloc(sizeof(*agents));

        agents->options = *options;
        fill(&agents->options.ping_ms, defaults.ping_ms);
        fill(&agents->options.silent_ms, defaults.silent_ms);
        fill(&agents->options.dead_ms, defaults.dead_ms);
        fill(&agents->options.restart_ms, defaults.restart_ms);
        fill(&agents->options.start_ms, defaults.start_ms);
        fill(&agents->options.heartbeat_ms, defaults.heartbeat_ms);
        fill(&agents->options.ack_ms, defaults.ack_ms);
        fill(&agents->options.metrics_s, defaults.metrics_s);
        if (agents->options.credentials_ms == 0)
                agents->options.credentials_ms = defaults.credentials_ms;
        agents->logs_endpoint = xstrdup(options->logs_endpoint);
        agents->model = options->model;
        agents->env = model_env(options->model);
        list_init(&agents->all);
        list_init(&agents->dirty);
        map_init(&agents->deliveries);
        map_init(&agents->messages);
        networks_init(&agents->networks);
        agents->metrics = agent_metrics_new();
        agents->credentials = credentials_new(agents->model, agents->options.credentials_ms, renewed, agents);
        agents->observer.changed = changed;
        agents->observer.connected = connected;
        model_observe(agents->model, &agents->observer);
        start_timer(agents);
        lease_all(agents);
        return agents;
}

static void timer_closed(uv_handle_t *handle)
{
        free(handle);
}

void agents_close(struct agents *agents)
{
        if (agents->closed)
                return;
        agents->closed = true;
        if (agents->timer)
                uv_close((uv_handle_t *)agents->timer, timer_closed);
        list_for_each (agent, &agents->all, struct agent, link)
                drop_channels(agent, 1001, "The server is stopping: connect again");
}

struct agents *agents_free(struct agents *agents)
{
        if (!agents)
                return NULL;
        agents_close(agents);
        model_unobserve(agents->model, &agents->observer);
        list_for_each (agent, &agents->all, struct agent, link)
                agent_free(agent);
        agents->credentials = credentials_free(agents->credentials);
        agents->metrics = agent_metrics_free(agents->metrics);
        map_done(&agents->deliveries);
        map_done(&agents->messages);
        networks_done(&agents->networks);
        buf_done(&agents->out);
        arena_done(&agents->scratch);
        free(agents->logs_endpoint);
        agents->freed = true;
        if (!agents->waiting)
                free(agents);
        return NULL;
}

bool agents_offered(const struct agents *agents, const struct task *task)
{
        const struct delivery *delivery = deliver_find(agents, task);

        return !delivery || delivery->offered;
}

struct agent_metrics *agents_metrics(const struct agents *agents)
{
        return agents->metrics;
}

void agents_add_credentials(struct agents *agents, struct tx *tx, const struct task *task)
{
        credentials_add(agents->credentials, tx, task);
}

/* Worst first. */
static int severity(enum ecs_instance_health_check_state state)
{
        static const int order[ECS_INSTANCE_HEALTH_CHECK_STATE_MAX] = {
                [ECS_INSTANCE_HEALTH_CHECK_STATE_OK] = 1,
                [ECS_INSTANCE_HEALTH_CHECK_STATE_INITIALIZING] = 2,
                [ECS_INSTANCE_HEALTH_CHECK_STATE_INSUFFICIENT_DATA] = 3,
                [ECS_INSTANCE_HEALTH_CHECK_STATE_IMPAIRED] = 4,
        };

        return order[state];
}

struct ecs_container_instance_health_status *agents_health(const struct agents *agents, const struct instance *instance,
                                                           struct arena *arena)
{
        const struct agent *agent = instance->session;
        struct ecs_container_instance_health_status *out = NULL;

        for (size_t i = 0; agent && i < ARRAY_SIZE(agent->statuses); i++) {
                const struct instance_status *status = &agent->statuses[i];
                struct ecs_instance_health_check_result *result;

                if (status->state == ECS_INSTANCE_HEALTH_CHECK_STATE_UNSET)
                        continue;
                if (!out)
                        out = ARENA_NEW(arena, struct ecs_container_instance_health_status);
                result = SHAPE_PUSH(arena, &out->details);
                result->type = status->type;
                result->status = status->state;
                result->last_updated = status->updated_ms;
                result->last_status_change = status->changed_ms;
                if (severity(status->state) > severity(out->overall_status))
                        out->overall_status = status->state;
        }
        return out;
}

/* ---- Metrics ---- */

static void write_metrics(struct api *api, struct buf *out, void *data)
{
        struct agents *agents = data;
        const struct agents_stats *s = &agents->stats;
        const struct {
                const char *name, *help;
                uint64_t value;
        } counters[] = {
                {"gantry_agent_connections_total", "Control connections of agents.", s->connections},
                {"gantry_agent_refused_total", "Connections of agents that were refused.", s->refused},
                {"gantry_agent_disconnections_total", "Control connections that ended.", s->disconnections},
                {"gantry_agent_silences_total", "Control connections that were dropped because the agent was silent.", s->silences},
                {"gantry_agent_payloads_total", "Payload messages sent.", s->payloads},
                {"gantry_agent_payload_tasks_total", "Tasks in payload messages.", s->payload_tasks},
                {"gantry_agent_resends_total", "Messages that were not acknowledged in time.", s->resends},
                {"gantry_agent_acks_total", "Acknowledgements of messages.", s->acks},
                {"gantry_agent_manifests_total", "Task manifests sent.", s->manifests},
                {"gantry_agent_stop_verifications_total", "Tasks that agents were told to stop because nobody wants them.",
                 s->stops_verified},
                {"gantry_agent_credentials_total", "Messages with credentials of task roles.", s->credentials},
                {"gantry_agent_network_messages_total", "Messages about networks.", s->networks},
                {"gantry_agent_bad_frames_total", "Frames of agents that could not be read.", s->bad_frames},
                {"gantry_agent_metrics_frames_total", "Telemetry frames with metrics.", s->metrics_frames},
                {"gantry_agent_health_frames_total", "Telemetry frames with container health.", s->health_frames},
        };

        for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
                prom_counter(out, counters[i].name, counters[i].help, counters[i].value);
        prom_gauge(out, "gantry_agent_deliveries_waiting", "Tasks that an agent still has to acknowledge.",
                   (double)agents->deliveries.count);
        agent_metrics_write(agents->metrics, out);
}

void agents_serve(struct agents *agents, struct api *api)
{
        api->agents = agents;
        agents->api = api;
        upgrade_serve(agents, api);
        api_add_report(api, write_metrics, NULL, agents);
}
