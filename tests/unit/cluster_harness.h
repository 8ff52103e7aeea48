/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API harness with a scheduler and agents: container instances register through the API, and fake agents take the place of
 * websockets. What an agent was sent is read with fake_next, whose message is then looked at with harness_text and its like.
 */
#pragma once

#include "api/agent/session.h"
#include "control/controller.h"
#include "control/capacity/group.h"
#include "sched/sched.h"

#include "api_harness.h"

struct cluster_harness {
        struct api_harness h;
        struct sched *sched;
        struct agents *agents;
        struct controller *controller; /* run by cluster_run and cluster_wait */
        struct agents_options options;
        const struct machine_ops *machines; /* of Auto Scaling groups; set before cluster_restart; NULL: nobody makes any */
        void *machines_data;
};

#define FAKE_FRAMES 512

struct fake_agent {
        struct agent_channel channel;
        struct cluster_harness *c;
        char instance[33];
        char *frames[FAKE_FRAMES];
        size_t n, read;
        int close_code; /* 0: open */
        bool aborted;
        int pings;
        uint64_t heard_us;
};

/* A cluster "lab" with a task definition "web" (one container, 128 cpu units, 64 MiB) and one "two" (two containers). */
void cluster_begin(struct cluster_harness *c, const struct agents_options *options);
void cluster_end(struct cluster_harness *c);
/* The server ends and starts again from its store; fake agents must connect again. */
void cluster_restart(struct cluster_harness *c);
/* Reconciles until nothing is left to do at this moment. */
void cluster_run(struct cluster_harness *c);
/* Moves the clock, reconciles, and lets the agents' timer run. */
void cluster_wait(struct cluster_harness *c, int64_t ms);

/* Registers an instance; its id goes into `ret` (33 bytes). `attributes` is JSON such as "{'name':'a','value':'b'}", or "". */
void cluster_register(struct cluster_harness *c, int cpu, int memory, const char *attributes, char ret[33]);

/* An Auto Scaling group of up to 10 machines of that type, in two zones; `more` is JSON such as ",'DesiredCapacity':2". */
void cluster_group(struct cluster_harness *c, const char *name, const char *type, const char *more);

/* The same for a host of the Fargate pool, in `zone`. */
void cluster_register_host(struct cluster_harness *c, const char *isolation, int cpu, int memory, const char *zone, char ret[33]);

/* Registers and connects. */
void fake_join(struct cluster_harness *c, struct fake_agent *fake, int cpu, int memory);
void fake_connect(struct cluster_harness *c, struct fake_agent *fake, const char *instance, bool send_credentials);
/* `every_s`: how often it says that it can publish metrics; 0: it says nothing, as stock agents do. */
void fake_connect_telemetry(struct cluster_harness *c, struct fake_agent *fake, const char *instance, uint32_t every_s);
void fake_disconnect(struct fake_agent *fake);
/* Drops the frames that it has; the fake can be used anew. */
void fake_done(struct fake_agent *fake);
void fake_say(struct fake_agent *fake, const char *json_fmt, ...) PRINTF_LIKE(2, 3);
/* A sign of life without words. */
void fake_alive(struct fake_agent *fake);

/* Takes the next frame, which must be of this type, and makes its message the harness's answer. */
void fake_next(struct fake_agent *fake, const char *type);
/* Fails the test when there is another frame. */
void fake_nothing(struct fake_agent *fake);
/* Takes the payload with one task, acknowledges it; the task's ARN is in the harness's answer (tasks[0].arn). */
void fake_ack(struct fake_agent *fake, const char *type);
