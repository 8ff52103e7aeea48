/* SPDX-License-Identifier: Apache-2.0 */
/* Targets as servers of a worker that is played: what is sent, and what its statistics mean when. */
#include <stdio.h>
#include <string.h>

#include "api_harness.h"
#include "base/strutil.h"
#include "lb/internal.h"
#include "played_worker.h"
#include "unit.h"

#define ADDRESS "10.0.0.5"

struct world {
        struct api_harness h;
        struct lb_driver driver;
        char group[256];
        const char *id; /* of the group */
        /* The played worker: answers everything but statistics at once, in order. */
        struct played_worker worker;
        size_t served; /* of what it got */
        bool asked;    /* the next line asks for statistics */
};

/* ---- The worker ---- */

static const char *answer_to(const char *line, size_t len)
{
        static const char *const answers[][2] = {
                {"add server", "New server registered.\n\n> "},
                {"del server", "Server deleted.\n\n> "},
        };

        for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
                if (memmem(line, len, answers[i][0], strlen(answers[i][0])) != NULL)
                        return answers[i][1];
        return "\n> ";
}

static void serve(struct played_worker *worker)
{
        struct world *w = CONTAINER_OF(worker, struct world, worker);

        while (!w->asked && w->served < worker->got.len) {
                const char *line = worker->got.data + w->served, *end = memchr(line, '\n', worker->got.len - w->served);
                size_t len;

                if (end == NULL)
                        return;
                len = (size_t)(end - line) + 1;
                w->served += len;
                w->asked = memmem(line, len, "show stat", 9) != NULL;
                if (!w->asked)
                        played_worker_say(worker, answer_to(line, len));
        }
}

static void until_asked(struct world *w)
{
        while (!w->asked)
                uv_run(&w->worker.loop, UV_RUN_ONCE);
}

/* What the worker says of the target, and the driver's turn until it has heard that and all else. */
static void tell(struct world *w, char backend, int sessions)
{
        CLEANUP_BUF struct buf text = {0};

        buf_printf(&text,
                   "# pxname,svname,qcur,scur,status,check_status,check_code,last_chk\n"
                   "%c-%s," ADDRESS ":80,0,%d,UP,L7OK,200,\n%c-%s,open:" ADDRESS ":80,0,0,no check,,,\n\n> ",
                   backend, w->id, sessions, backend, w->id);
        until_asked(w);
        w->asked = false;
        played_worker_say(&w->worker, text.data);
        serve(&w->worker);
        while (lb_runtime_waiting(w->driver.runtime) > (size_t)w->asked)
                uv_run(&w->worker.loop, UV_RUN_ONCE);
}

/* ---- The driver ---- */

static void on_connected(void *data)
{
        ((struct world *)data)->driver.state = LB_UP;
}

static void on_ended(void *data, const char *why)
{
        fail_msg("the connection has ended: %s", why);
}

static const struct target *target_of(struct world *w)
{
        return model_target(w->h.model, w->id, ADDRESS, 80);
}

static void set_up_model(struct world *w)
{
        struct harness_networks networks;
        char balancer[256];

        harness_begin(&w->h);
        harness_networks(&w->h, &networks);
        w->h.service = "elasticloadbalancing";
        harness_ok(&w->h, "CreateLoadBalancer", "{'Name':'web','Subnets':['%s','%s']}", networks.subnets[0], networks.subnets[1]);
        snprintf(balancer, sizeof(balancer), "%s", harness_text(&w->h, "LoadBalancers[0].LoadBalancerArn"));
        harness_ok(&w->h, "CreateTargetGroup", "{'Name':'web','Protocol':'HTTP','Port':80,'VpcId':'%s','TargetType':'ip'}", networks.vpc);
        snprintf(w->group, sizeof(w->group), "%s", harness_text(&w->h, "TargetGroups[0].TargetGroupArn"));
        w->id = strrchr(w->group, '/') + 1;
        harness_ok(&w->h, "CreateListener",
                   "{'LoadBalancerArn':'%s','Protocol':'HTTP','Port':80,'DefaultActions':[{'Type':'forward','TargetGroupArn':'%s'}]}",
                   balancer, w->group);
        model_set_balancing(w->h.model, true);
        harness_ok(&w->h, "RegisterTargets", "{'TargetGroupArn':'%s','Targets':[{'Id':'" ADDRESS "','Port':80}]}", w->group);
}

/* A driver without a process, whose worker has no servers yet. */
static void begin(struct world *w)
{
        *w = (struct world){0};
        set_up_model(w);
        w->worker.received = serve;
        played_worker_open(&w->worker);
        w->driver.options = (struct lb_driver_options){.loop = &w->worker.loop, .model = w->h.model};
        w->driver.waiting_durable = true; /* the test says when it follows the model */
        w->driver.servers_known = true;
        w->driver.last_full_poll = 1;
        map_init(&w->driver.servers);
        map_init(&w->driver.members);
        map_init(&w->driver.polls);
        w->driver.runtime = lb_runtime_new(&(struct lb_runtime_options){
                .loop = &w->worker.loop, .path = w->worker.path, .connected = on_connected, .ended = on_ended, .data = w});
        while (w->driver.state != LB_UP)
                uv_run(&w->worker.loop, UV_RUN_ONCE);
}

static void end(struct world *w)
{
        lb_servers_done(&w->driver);
        w->driver.runtime = lb_runtime_free(w->driver.runtime);
        played_worker_close(&w->worker);
        harness_end(&w->h);
}

/* A target that is healthy and carries traffic. */
static void make_healthy(struct world *w)
{
        lb_servers_sync(&w->driver);
        tell(w, 'P', 0);
        lb_servers_sync(&w->driver);
        while (target_of(w)->health != ELBV2_TARGET_HEALTH_STATE_HEALTHY)
                uv_run(&w->worker.loop, UV_RUN_ONCE);
}

/* ---- Cases ---- */

/* What the worker counted before it took the target out says nothing about requests that came in between. */
static void test_drain(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        const char *backend;
        struct world w;

        begin(&w);
        make_healthy(&w);
        backend = lb_backend_name(&arena, target_of(&w)->group, LB_MAIN);
        tell(&w, 'P', 0);
        lb_poll_backend(&w.driver, backend);
        until_asked(&w);
        harness_ok(&w.h, "DeregisterTargets", "{'TargetGroupArn':'%s','Targets':[{'Id':'" ADDRESS "','Port':80}]}", w.group);
        lb_servers_sync(&w.driver);
        tell(&w, 'T', 0);
        assert_non_null(strstr(w.worker.got.data, "state maint"));
        assert_non_null(target_of(&w));
        lb_poll_backend(&w.driver, backend);
        tell(&w, 'T', 1);
        assert_non_null(target_of(&w));
        lb_poll_backend(&w.driver, backend);
        tell(&w, 'T', 0);
        assert_null(target_of(&w));
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_drain),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
