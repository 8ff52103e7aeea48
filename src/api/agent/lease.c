/* SPDX-License-Identifier: Apache-2.0 */
/* See lease.h. */
#include "api/agent/lease.h"

#include "api/agent/session.h"
#include "base/log.h"
#include "base/strutil.h"

#define LEASE_MIN_MS 200
#define LEASE_MAX_MS (24 * 3600 * 1000)
/* No timer fires more often than that. */
#define PERIOD_MIN_MS 10u

uint32_t lease_period_ms(const struct lease_timing *timing)
{
        return MAX(MIN(timing->ping_ms, timing->silent_ms / 5), PERIOD_MIN_MS);
}

/* ---- The terms ---- */

static bool is_registered(const struct instance *instance)
{
        return instance->state->status != STATE_INSTANCE_STATUS_INACTIVE;
}

static bool read_ms(const char *value, uint32_t *ret)
{
        int64_t ms;

        if (str_to_int64(value, &ms) < 0 || ms < LEASE_MIN_MS || ms > LEASE_MAX_MS)
                return false;
        *ret = (uint32_t)ms;
        return true;
}

const char *agents_tag_fault(const char *key, const char *value)
{
        uint32_t ms;

        if (str_eq(key, LEASE_TAG_LEASE) || str_eq(key, LEASE_TAG_RESTART))
                return read_ms(value, &ms) ? NULL : "a number of milliseconds from 200 to 86400000";
        if (str_eq(key, LEASE_TAG_FENCE))
                return str_eq(value, "on") || str_eq(value, "off") ? NULL : "\"on\" or \"off\"";
        return NULL;
}

/* They were checked when they were set; what an older program let in is ignored. */
static void read_tags(const struct cluster *cluster, struct lease_timing *timing)
{
        for (uint32_t i = 0; i < cluster->state->tags.n; i++) {
                const struct ecs_tag *tag = &cluster->state->tags.items[i];

                if (str_eq(tag->key, LEASE_TAG_LEASE)) {
                        if (!read_ms(tag->value, &timing->dead_ms))
                                continue;
                        timing->silent_ms = timing->dead_ms / 2;
                        timing->ping_ms = MIN(timing->ping_ms, timing->dead_ms / 5);
                } else if (str_eq(tag->key, LEASE_TAG_RESTART)) {
                        (void)read_ms(tag->value, &timing->restart_ms);
                } else if (str_eq(tag->key, LEASE_TAG_FENCE)) {
                        timing->fence = !str_eq(tag->value, "off");
                }
        }
}

void lease_read(struct agent *agent)
{
        const struct agents_options *o = &agent->agents->options;
        const struct state_container_instance *state = agent->instance->state;
        struct lease *lease = &agent->lease;
        struct lease_timing timing = {
                .ping_ms = o->ping_ms, .silent_ms = o->silent_ms, .dead_ms = o->dead_ms, .restart_ms = o->restart_ms, .fence = true};

        read_tags(agent->instance->cluster, &timing);
        lease->resend |= timing.dead_ms != lease->timing.dead_ms || timing.fence != lease->timing.fence;
        lease->timing = timing;
        lease->can_fence = false;
        for (uint32_t i = 0; i < state->attributes.n; i++)
                lease->can_fence |= str_eq(state->attributes.items[i].name, LEASE_CAPABILITY);
        agents_hurry(agent->agents, lease_period_ms(&timing));
}

void lease_cluster_changed(struct agents *agents, struct cluster *cluster)
{
        list_for_each (instance, &cluster->instances, struct instance, in_cluster)
                if (instance->session) {
                        struct agent *agent = instance->session;

                        lease_read(agent);
                        if (agent->lease.resend && agent->control)
                                agent_mark(agent, model_sequence(agents->model));
                }
}

void lease_tell(struct agent *agent)
{
        struct lease *lease = &agent->lease;
        struct acs_lease_message out = {0};

        if (!lease->can_fence || !lease->resend)
                return;
        lease->resend = false;
        SHAPE_SET(&out, acs_lease_message, lease_ms, lease->timing.fence ? lease->timing.dead_ms : 0);
        SHAPE_SET(&out, acs_lease_message, only_server, true);
        agent_send(agent, "LeaseMessage", &acs_lease_message_shape, &out);
}

/* ---- Its time ---- */

void lease_wait(struct agent *agent, uint32_t ms)
{
        agent->lease.until_us = agents_now_us(agent->agents) + (int64_t)ms * 1000;
        model_set_lease(agent->agents->model, agent->instance, agent->lease.until_us);
}

void lease_all(struct agents *agents)
{
        const struct tree *instances = model_objects(agents->model, OBJECT_INSTANCE);

        for (struct tree_node *node = tree_first(instances); node; node = tree_next(node)) {
                struct instance *instance = MODEL_OBJECT(node, instance);

                if (is_registered(instance))
                        lease_wait(agent_of(agents, instance), agents->options.start_ms);
        }
}

void lease_held(struct agent *agent)
{
        agent->lease.restarting = false;
        agent->lease.resend = true;
        lease_read(agent);
        model_set_connected(agent->agents->model, agent->instance, true);
}

/* A connection that is closed, rather than silent, is a sign of life too: the whole lease starts there. */
void lease_released(struct agent *agent)
{
        const struct lease *lease = &agent->lease;

        model_set_connected(agent->agents->model, agent->instance, false);
        if (!agent->instance->lost)
                lease_wait(agent, lease->restarting ? MAX(lease->timing.restart_ms, lease->timing.dead_ms) : lease->timing.dead_ms);
}

/*
 * Whether the agent of a node that said nothing for its whole lease has stopped its unique tasks by now, or the machine is off. One
 * whose connection was closed may have died alone, and then its containers run on.
 */
static bool is_fenced(const struct lease *lease)
{
        return lease->can_fence && lease->timing.fence && !lease->resend;
}

static void lose(struct agent *agent, int64_t silent_ms, bool fenced)
{
        log_warn("node is lost: what has to run is replaced elsewhere", LOG_S("instance", agent->instance->object.key),
                 LOG_I("silent_ms", silent_ms), LOG_I("tasks", agent->instance->n_running + agent->instance->n_pending));
        model_set_lost(agent->agents->model, agent->instance, fenced);
}

static void sweep_away(struct agent *agent, int64_t now_us, int64_t late_us)
{
        struct lease *lease = &agent->lease;

        if (agent->instance->lost || !is_registered(agent->instance))
                return;
        lease->until_us += late_us;
        if (now_us >= lease->until_us)
                lose(agent, lease->timing.dead_ms, false);
        else if (late_us > 0)
                model_set_lease(agent->agents->model, agent->instance, lease->until_us);
}

static void sweep_connected(struct agent *agent, int64_t now_us, int64_t late_us)
{
        const struct lease_timing *timing = &agent->lease.timing;
        struct model *model = agent->agents->model;
        struct agent_channel *channel = agent->control;
        int64_t quiet_us = now_us - (int64_t)channel->ops->last_received_us(channel) - late_us, quiet_ms = quiet_us / 1000;

        if (quiet_ms >= timing->ping_ms && now_us - channel->pinged_us >= (int64_t)timing->ping_ms * 1000) {
                channel->pinged_us = now_us;
                channel->ops->ping(channel);
        }
        model_set_connected(model, agent->instance, quiet_ms < timing->silent_ms);
        if (quiet_ms < timing->silent_ms)
                return;
        agent->lease.until_us = now_us - quiet_us + (int64_t)timing->dead_ms * 1000;
        model_set_lease(model, agent->instance, agent->lease.until_us);
        if (quiet_ms < timing->dead_ms)
                return;
        agent->agents->stats.silences++;
        lose(agent, quiet_ms, is_fenced(&agent->lease));
        channel->ops->abort(channel);
}

void lease_sweep(struct agent *agent, int64_t now_us, int64_t late_us)
{
        if (agent->control)
                sweep_connected(agent, now_us, late_us);
        else
                sweep_away(agent, now_us, late_us);
}
