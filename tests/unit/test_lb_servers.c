/* SPDX-License-Identifier: Apache-2.0 */
/* Targets as servers of a worker that is played: what is sent, and what its statistics mean when. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api_harness.h"
#include "base/strutil.h"
#include "lb/internal.h"
#include "model/network.h"
#include "unit.h"

#define ADDRESS "10.0.0.5"

struct world {
        struct api_harness h;
        struct lb_driver driver;
        char group[256];
        const char *id; /* of the group */
        /* The played worker: answers everything but statistics at once, in order. */
        uv_loop_t loop;
        uv_pipe_t listener, peer;
        uv_timer_t limit;
        char path[64], chunk[4096];
        struct buf in, seen;
        bool asked; /* the next line asks for statistics */
};

/* ---- The worker ---- */

static void say(struct world *w, const char *text)
{
        uv_buf_t piece = uv_buf_init((char *)text, (unsigned)strlen(text));

        assert_int_equal(uv_try_write((uv_stream_t *)&w->peer, &piece, 1), (int)strlen(text));
}

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

static void serve(struct world *w)
{
        char *end;

        while (!w->asked && w->in.len > 0 && (end = memchr(w->in.data, '\n', w->in.len)) != NULL) {
                size_t len = (size_t)(end - w->in.data) + 1;

                w->asked = memmem(w->in.data, len, "show stat", 9) != NULL;
                if (!w->asked)
                        say(w, answer_to(w->in.data, len));
                buf_append(&w->seen, w->in.data, len);
                buf_consume(&w->in, len);
        }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct world *w = handle->data;

        *ret = uv_buf_init(w->chunk, sizeof(w->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
        struct world *w = stream->data;

        if (n <= 0)
                return;
        buf_append(&w->in, data->base, (size_t)n);
        serve(w);
}

static void on_connection(uv_stream_t *listener, int status)
{
        struct world *w = listener->data;

        uv_pipe_init(&w->loop, &w->peer, 0);
        w->peer.data = w;
        assert_int_equal(uv_accept(listener, (uv_stream_t *)&w->peer), 0);
        uv_read_start((uv_stream_t *)&w->peer, on_alloc, on_read);
}

static void on_limit(uv_timer_t *timer)
{
        struct world *w = timer->data;

        fail_msg("the test hangs; the worker got\n%s", w->seen.data);
}

static void until_asked(struct world *w)
{
        while (!w->asked)
                uv_run(&w->loop, UV_RUN_ONCE);
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
        say(w, text.data);
        serve(w);
        while (lb_runtime_waiting(w->driver.runtime) > (size_t)w->asked)
                uv_run(&w->loop, UV_RUN_ONCE);
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
        char subnets[2][64], vpc[64] = "", balancer[256];
        size_t n = 0;

        harness_begin(&w->h);
        w->h.service = "elasticloadbalancing";
        tree_for_each (node, model_objects(w->h.model, OBJECT_SUBNET)) {
                const struct subnet *subnet = MODEL_OBJECT(node, subnet);

                if (n < 2)
                        snprintf(subnets[n++], sizeof(subnets[0]), "%s", subnet->state->id);
                snprintf(vpc, sizeof(vpc), "%s", subnet->state->vpc);
        }
        harness_ok(&w->h, "CreateLoadBalancer", "{'Name':'web','Subnets':['%s','%s']}", subnets[0], subnets[1]);
        snprintf(balancer, sizeof(balancer), "%s", harness_text(&w->h, "LoadBalancers[0].LoadBalancerArn"));
        harness_ok(&w->h, "CreateTargetGroup", "{'Name':'web','Protocol':'HTTP','Port':80,'VpcId':'%s','TargetType':'ip'}", vpc);
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
        uv_loop_init(&w->loop);
        snprintf(w->path, sizeof(w->path), "/tmp/gantry-lb-servers-%d.sock", (int)getpid());
        unlink(w->path);
        uv_pipe_init(&w->loop, &w->listener, 0);
        w->listener.data = w;
        assert_int_equal(uv_pipe_bind(&w->listener, w->path), 0);
        assert_int_equal(uv_listen((uv_stream_t *)&w->listener, 4, on_connection), 0);
        uv_timer_init(&w->loop, &w->limit);
        w->limit.data = w;
        uv_timer_start(&w->limit, on_limit, 5000, 0);
        w->driver.options = (struct lb_driver_options){.loop = &w->loop, .model = w->h.model};
        w->driver.waiting_durable = true; /* the test says when it follows the model */
        w->driver.servers_known = true;
        w->driver.last_full_poll = 1;
        map_init(&w->driver.servers);
        map_init(&w->driver.members);
        map_init(&w->driver.polls);
        w->driver.runtime = lb_runtime_new(
                &(struct lb_runtime_options){.loop = &w->loop, .path = w->path, .connected = on_connected, .ended = on_ended, .data = w});
        while (w->driver.state != LB_UP)
                uv_run(&w->loop, UV_RUN_ONCE);
}

static void end(struct world *w)
{
        lb_servers_done(&w->driver);
        w->driver.runtime = lb_runtime_free(w->driver.runtime);
        uv_close((uv_handle_t *)&w->listener, NULL);
        uv_close((uv_handle_t *)&w->peer, NULL);
        uv_close((uv_handle_t *)&w->limit, NULL);
        uv_run(&w->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&w->loop), 0);
        buf_done(&w->in);
        buf_done(&w->seen);
        unlink(w->path);
        harness_end(&w->h);
}

/* A target that is healthy and carries traffic. */
static void make_healthy(struct world *w)
{
        lb_servers_sync(&w->driver);
        tell(w, 'P', 0);
        lb_servers_sync(&w->driver);
        while (target_of(w)->health != ELBV2_TARGET_HEALTH_STATE_HEALTHY)
                uv_run(&w->loop, UV_RUN_ONCE);
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
        assert_non_null(strstr(w.seen.data, "state maint"));
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
