/* SPDX-License-Identifier: Apache-2.0 */
/* See cluster_harness.h. */
#include "cluster_harness.h"

#include "unit.h"

#include <jansson.h>

#include "api/control_ops.h"
#include "base/alloc.h"
#include "base/strutil.h"

static void attach(struct cluster_harness *c)
{
        struct agents_options options = c->options;

        options.model = c->h.model;
        c->sched = sched_new(c->h.model);
        c->h.api->sched = c->sched;
        c->agents = agents_new(&options);
        agents_serve(c->agents, c->h.api);
        c->controller = controller_new(&(struct controller_options){.model = c->h.model,
                                                                    .sched = c->sched,
                                                                    .ops = &api_controller_ops,
                                                                    .data = c->h.api,
                                                                    .machines = c->machines,
                                                                    .machines_data = c->machines_data});
}

static void detach(struct cluster_harness *c)
{
        c->controller = controller_free(c->controller);
        c->agents = agents_free(c->agents);
        c->sched = sched_free(c->sched);
        c->h.api->agents = NULL;
        c->h.api->sched = NULL;
}

void cluster_begin(struct cluster_harness *c, const struct agents_options *options)
{
        *c = (struct cluster_harness){.options = options ? *options : (struct agents_options){0}};
        harness_begin(&c->h);
        attach(c);
        harness_ok(&c->h, "CreateCluster", "{'clusterName':'lab'}");
        harness_ok(&c->h, "RegisterTaskDefinition",
                   "{'family':'web','containerDefinitions':[{'name':'web','image':'busybox','cpu':128,'memory':64}]}");
        harness_ok(&c->h, "RegisterTaskDefinition",
                   "{'family':'two','containerDefinitions':[{'name':'a','image':'busybox','memory':64},"
                   "{'name':'b','image':'busybox','memory':64,'essential':false}]}");
}

void cluster_end(struct cluster_harness *c)
{
        detach(c);
        harness_end(&c->h);
}

void cluster_restart(struct cluster_harness *c)
{
        detach(c);
        harness_restart(&c->h);
        attach(c);
}

void cluster_run(struct cluster_harness *c)
{
        while (controller_next(c->controller) <= c->h.env.now_ms)
                controller_run(c->controller, c->h.env.now_ms);
}

void cluster_wait(struct cluster_harness *c, int64_t ms)
{
        c->h.env.now_ms += ms;
        agents_sweep(c->agents);
        cluster_run(c);
}

static void register_in(struct cluster_harness *c, const char *cluster, int cpu, int memory, const char *attributes, char ret[33])
{
        /* What every agent has: the task definitions of the tests ask for no more. */
        static const char common[] =
                "{'name':'com.amazonaws.ecs.capability.docker-remote-api.1.18'},"
                "{'name':'com.amazonaws.ecs.capability.docker-remote-api.1.24'},{'name':'com.amazonaws.ecs.capability.docker-remote-api.1."
                "29'},"
                "{'name':'com.amazonaws.ecs.capability.logging-driver.json-file'},"
                "{'name':'com.amazonaws.ecs.capability.task-iam-role'},{'name':'ecs.capability.container-health-check'},"
                "{'name':'ecs.capability.execution-role-ecr-pull'},{'name':'ecs.cpu-architecture','value':'x86_64'}";

        harness_ok(
                &c->h, "RegisterContainerInstance",
                "{'cluster':'%s','attributes':[%s%s%s],'totalResources':["
                "{'name':'CPU','type':'INTEGER','integerValue':%d},{'name':'MEMORY','type':'INTEGER','integerValue':%d},"
                "{'name':'PORTS','type':'STRINGSET','stringSetValue':['22']},{'name':'PORTS_UDP','type':'STRINGSET','stringSetValue':[]}]}",
                cluster, common, attributes[0] ? "," : "", attributes, cpu, memory);
        snprintf(ret, 33, "%s", strrchr(harness_text(&c->h, "containerInstance.containerInstanceArn"), '/') + 1);
}

void cluster_register(struct cluster_harness *c, int cpu, int memory, const char *attributes, char ret[33])
{
        register_in(c, "lab", cpu, memory, attributes, ret);
}

void cluster_group(struct cluster_harness *c, const char *name, const char *type, const char *more)
{
        const char *service = c->h.service;

        c->h.service = "ec2";
        harness_ok(&c->h, "CreateLaunchTemplate", "{'LaunchTemplateName':'of-%s','LaunchTemplateData':{'InstanceType':'%s'}}", name, type);
        c->h.service = "autoscaling";
        harness_ok(&c->h, "CreateAutoScalingGroup",
                   "{'AutoScalingGroupName':'%s','MinSize':0,'MaxSize':10,'LaunchTemplate':{'LaunchTemplateName':'of-%s'},"
                   "'AvailabilityZones':['us-east-1a','us-east-1b']%s}",
                   name, name, more);
        c->h.service = service;
}

void cluster_register_host(struct cluster_harness *c, const char *isolation, int cpu, int memory, const char *zone, char ret[33])
{
        char attributes[256];

        snprintf(attributes, sizeof(attributes),
                 "{'name':'ecs.capability.task-eni'},{'name':'gantry.fargate','value':'%s'},{'name':'gantry.fargate-spot'},{'name':'"
                 "ecs.availability-zone','value':'%"
                 "s'}",
                 isolation, zone);
        register_in(c, FARGATE_CLUSTER, cpu, memory, attributes, ret);
}

/* ---- Fake agents ---- */

static struct fake_agent *fake_of(const struct agent_channel *channel)
{
        return CONTAINER_OF(channel, struct fake_agent, channel);
}

static void fake_send(struct agent_channel *channel, const char *text, size_t len)
{
        struct fake_agent *fake = fake_of(channel);

        assert_true(fake->n < FAKE_FRAMES);
        fake->frames[fake->n++] = xstrndup(text, len);
}

static void fake_ping(struct agent_channel *channel)
{
        fake_of(channel)->pings++;
}

static void fake_close(struct agent_channel *channel, int code, const char *reason)
{
        fake_of(channel)->close_code = code;
}

static void fake_abort(struct agent_channel *channel)
{
        fake_of(channel)->aborted = true;
}

static uint64_t fake_last_received_us(const struct agent_channel *channel)
{
        return fake_of(channel)->heard_us;
}

static const struct agent_channel_ops fake_ops = {fake_send, fake_ping, fake_close, fake_abort, fake_last_received_us};

static struct instance *prepare(struct cluster_harness *c, struct fake_agent *fake, const char *instance)
{
        char id[33];

        snprintf(id, sizeof(id), "%s", instance);
        *fake = (struct fake_agent){.channel.ops = &fake_ops, .c = c};
        memcpy(fake->instance, id, sizeof(id));
        fake_alive(fake);
        return model_instance(c->h.model, "lab", id) ? model_instance(c->h.model, "lab", id)
                                                     : model_instance(c->h.model, FARGATE_CLUSTER, id);
}

void fake_alive(struct fake_agent *fake)
{
        fake->heard_us = (uint64_t)fake->c->h.env.now_ms * 1000;
}

void fake_connect(struct cluster_harness *c, struct fake_agent *fake, const char *instance, bool send_credentials)
{
        struct agent_hello hello = {.agent_version = "1.105.0",
                                    .agent_hash = "abc",
                                    .docker_version = "DockerVersion: 20.10",
                                    .send_credentials = send_credentials};
        struct instance *found = prepare(c, fake, instance);

        assert_non_null(found);
        agent_connected(c->agents, found, &fake->channel, &hello);
}

void fake_join(struct cluster_harness *c, struct fake_agent *fake, int cpu, int memory)
{
        char id[33];

        cluster_register(c, cpu, memory, "", id);
        fake_connect(c, fake, id, true);
        fake_ack(fake, "TaskManifestMessage");
}

void fake_connect_telemetry(struct cluster_harness *c, struct fake_agent *fake, const char *instance, uint32_t every_s)
{
        struct instance *found = prepare(c, fake, instance);

        assert_non_null(found);
        telemetry_connected(c->agents, found, &fake->channel, every_s);
}

void fake_done(struct fake_agent *fake)
{
        for (size_t i = 0; i < fake->n; i++)
                free(fake->frames[i]);
        fake->n = fake->read = 0;
}

void fake_disconnect(struct fake_agent *fake)
{
        agent_disconnected(&fake->channel, 1006, "");
        fake_done(fake);
}

void fake_say(struct fake_agent *fake, const char *json_fmt, ...)
{
        CLEANUP_FREE char *json = NULL;
        struct agent *agent = fake->channel.agent;
        va_list args;

        va_start(args, json_fmt);
        assert_true(vasprintf(&json, json_fmt, args) >= 0);
        va_end(args);
        for (char *p = json; *p; p++)
                if (*p == '\'')
                        *p = '"';
        fake_alive(fake);
        if (agent && agent->telemetry == &fake->channel)
                telemetry_received(&fake->channel, json, strlen(json));
        else
                agent_received(&fake->channel, json, strlen(json));
}

void fake_next(struct fake_agent *fake, const char *type)
{
        struct api_harness *h = &fake->c->h;
        json_t *frame;

        agents_flush(fake->c->agents);
        if (fake->read == fake->n)
                fail_msg("nothing was sent, but %s should have been", type);
        frame = json_loads(fake->frames[fake->read], JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(frame);
        if (!str_eq(json_string_value(json_object_get(frame, "type")), type))
                fail_msg("should be %s: %s", type, fake->frames[fake->read]);
        fake->read++;
        if (h->answer)
                json_decref(h->answer);
        h->answer = json_incref(json_object_get(frame, "message"));
        buf_clear(&h->text);
        buf_append_str(&h->text, fake->frames[fake->read - 1]);
        json_decref(frame);
}

void fake_nothing(struct fake_agent *fake)
{
        agents_flush(fake->c->agents);
        if (fake->read < fake->n)
                fail_msg("unexpected: %s", fake->frames[fake->read]);
}

void fake_ack(struct fake_agent *fake, const char *type)
{
        fake_next(fake, type);
        fake_say(fake, "{'type':'AckRequest','message':{'cluster':'lab','containerInstance':'x','messageId':'%s'}}",
                 harness_text(&fake->c->h, "messageId"));
}
