/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load balancers as HAProxy configuration, against tests/golden/balancer/NAME.cfg. GANTRY_WRITE_GOLDEN=1 writes the files anew. Where
 * haproxy is installed it has to accept every one of them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api_harness.h"
#include "lb/config.h"
#include "unit.h"

#define GOLDEN SOURCE_ROOT "/tests/golden/balancer/"

struct world {
        struct api_harness h;
        struct harness_networks networks;
        char balancer[256], group[256], green[256], listener[256];
};

static void keep(struct world *w, char *ret, size_t size, const char *path)
{
        snprintf(ret, size, "%s", harness_text(&w->h, path));
}

static void make_group(struct world *w, const char *name, const char *more, char ret[256])
{
        harness_ok(&w->h, "CreateTargetGroup", "{'Name':'%s','Port':8080,'VpcId':'%s','TargetType':'ip'%s}", name, w->networks.vpc, more);
        keep(w, ret, 256, "TargetGroups[0].TargetGroupArn");
}

static void make_balancer(struct world *w, const char *name, const char *type)
{
        harness_ok(&w->h, "CreateLoadBalancer", "{'Name':'%s','Type':'%s','Subnets':['%s','%s']}", name, type, w->networks.subnets[0],
                   w->networks.subnets[1]);
        keep(w, w->balancer, sizeof(w->balancer), "LoadBalancers[0].LoadBalancerArn");
}

static void make_listener(struct world *w, const char *protocol, int port, const char *actions)
{
        w->h.env.now_ms++;
        harness_ok(&w->h, "CreateListener", "{'LoadBalancerArn':'%s','Protocol':'%s','Port':%d,'DefaultActions':[%s]}", w->balancer,
                   protocol, port, actions);
        keep(w, w->listener, sizeof(w->listener), "Listeners[0].ListenerArn");
}

static const char *forward(const char *arn)
{
        static char text[4][512];
        static int n;
        char *ret = text[n++ % 4];

        snprintf(ret, sizeof(text[0]), "{'Type':'forward','TargetGroupArn':'%s'}", arn);
        return ret;
}

static void begin(struct world *w)
{
        *w = (struct world){0};
        harness_begin(&w->h);
        harness_networks(&w->h, &w->networks);
        w->h.service = "elasticloadbalancing";
        make_balancer(w, "web", "application");
        make_group(w, "blue", ",'Protocol':'HTTP'", w->group);
        make_group(w, "green", ",'Protocol':'HTTP','HealthCheckPath':'/up?x=%20','Matcher':{'HttpCode':'200-299,301'}", w->green);
}

static void add_rule(struct world *w, int priority, const char *conditions, const char *action)
{
        harness_ok(&w->h, "CreateRule", "{'ListenerArn':'%s','Priority':%d,'Conditions':[%s],'Actions':[%s]}", w->listener, priority,
                   conditions, action);
}

/* ---- Comparing ---- */

static bool have_haproxy(void)
{
        return access("/usr/sbin/haproxy", X_OK) == 0;
}

/* With the paths that the file names in a folder of its own. */
static void check_with_haproxy(const struct buf *text, const char *name)
{
        char path[] = "/tmp/gantry-lb-XXXXXX";
        int fd, status;
        pid_t pid;

        if (!have_haproxy())
                return;
        fd = mkstemp(path);
        assert_true(fd >= 0 && write(fd, text->data, text->len) == (ssize_t)text->len);
        close(fd);
        pid = fork();
        if (pid == 0) {
                execl("/usr/sbin/haproxy", "haproxy", "-c", "-q", "-f", path, (char *)NULL);
                _exit(127);
        }
        assert_true(waitpid(pid, &status, 0) == pid);
        unlink(path);
        if (status != 0)
                fail_msg("haproxy refuses %s:\n%s", name, text->data);
}

static void append_server(void *data, const struct target_group *group, struct buf *out)
{
        buf_append_str(out, "  server 10.0.0.5:80 10.0.0.5:80\n");
}

static void compare(struct world *w, const char *name)
{
        struct lb_config_options options = {.dir = "/tmp", .log = "abns@gantry-test-log", .name = "gantry-test", .servers = append_server};
        CLEANUP_BUF struct buf text = {0}, expected = {0};
        const char *shared = "127.0.0.1";
        char path[512];

        options.shared = (struct string_list){&shared, 1, 0};
        assert_true(lb_config_write(w->h.model, &options, &text));
        snprintf(path, sizeof(path), GOLDEN "%s.cfg", name);
        if (getenv("GANTRY_WRITE_GOLDEN") != NULL) {
                FILE *file = fopen(path, "w");

                assert_non_null(file);
                fputs(text.data, file);
                fclose(file);
        }
        assert_int_equal(buf_read_file(&expected, path, 1 << 20), 0);
        assert_string_equal(text.data, expected.data);
        check_with_haproxy(&text, name);
}

/* ---- Cases ---- */

static void test_plain(void **state)
{
        struct world w;

        begin(&w);
        make_listener(&w, "HTTP", 80, forward(w.group));
        compare(&w, "plain");
        harness_end(&w.h);
}

static void set_group(struct world *w, const char *arn, const char *key, const char *value)
{
        harness_ok(&w->h, "ModifyTargetGroupAttributes", "{'TargetGroupArn':'%s','Attributes':[{'Key':'%s','Value':'%s'}]}", arn, key,
                   value);
}

static void assert_checked(const struct target_group *group, enum lb_role role, enum lb_pace pace, const char *expected)
{
        CLEANUP_BUF struct buf out = {0};

        lb_server_options(group, role, pace, 8080, &out);
        assert_non_null(strstr(out.data, expected));
}

/* One pass is enough for a new target; one that was unhealthy needs the group's threshold. */
static void test_paces(void **state)
{
        const struct target_group *group;
        char tls[256];
        struct world w;

        begin(&w);
        make_listener(&w, "HTTP", 80, forward(w.group));
        group = model_target_group_by_name(w.h.model, "blue");
        assert_checked(group, LB_PROBE, LB_PACE_FIRST, " inter 5ms rise 1 fall 1");
        assert_checked(group, LB_PROBE, LB_PACE_FAST, " inter 100ms rise 1 fall 1");
        assert_checked(group, LB_PROBE, LB_PACE_SLOW, " inter 1000ms rise 1 fall 1");
        assert_checked(group, LB_PROBE, LB_PACE_RECOVERY, " inter 30000ms rise 5 fall 1");
        assert_checked(group, LB_MAIN, LB_PACE_FAST, " inter 30000ms rise 5 fall 2");
        /* A check without TLS at a target with it, said in the only way that HAProxy takes at run time. */
        make_group(&w, "tls", ",'Protocol':'TLS'", tls);
        set_group(&w, tls, "proxy_protocol_v2.enabled", "true");
        assert_checked(model_target_group_by_name(w.h.model, "tls"), LB_MAIN, LB_PACE_FAST, " port 8080 check-send-proxy");
        harness_end(&w.h);
}

static void test_conditions(void **state)
{
        struct world w;

        begin(&w);
        make_listener(&w, "HTTP", 80, forward(w.group));
        add_rule(&w, 1, "{'Field':'host-header','Values':['*.example.com','a.b']},{'Field':'path-pattern','Values':['/api/*','/x?y.z']}",
                 forward(w.green));
        add_rule(&w, 2, "{'Field':'http-header','HttpHeaderConfig':{'HttpHeaderName':'X-Kind','Values':['a b\\\\\\\"c','*#%%*']}}",
                 forward(w.green));
        add_rule(&w, 3,
                 "{'Field':'http-request-method','HttpRequestMethodConfig':{'Values':['PUT','DELETE']}},"
                 "{'Field':'source-ip','SourceIpConfig':{'Values':['10.0.0.0/8','::1/128']}}",
                 forward(w.green));
        add_rule(&w, 4, "{'Field':'query-string','QueryStringConfig':{'Values':[{'Key':'v','Value':'1*'},{'Value':'beta'}]}}",
                 forward(w.green));
        add_rule(&w, 5, "{'Field':'path-pattern','PathPatternConfig':{'RegexValues':['^/v[0-9]+/(a|b)$']}}", forward(w.green));
        compare(&w, "conditions");
        harness_end(&w.h);
}

static void test_actions(void **state)
{
        char weighted[1024];
        struct world w;

        begin(&w);
        snprintf(weighted, sizeof(weighted),
                 "{'Type':'forward','ForwardConfig':{'TargetGroups':[{'TargetGroupArn':'%s','Weight':90},{'TargetGroupArn':'%s','Weight':"
                 "10}],"
                 "'TargetGroupStickinessConfig':{'Enabled':true,'DurationSeconds':60}}}",
                 w.group, w.green);
        make_listener(&w, "HTTP", 8080, weighted);
        add_rule(&w, 1, "{'Field':'path-pattern','Values':['/old/*']}",
                 "{'Type':'redirect','RedirectConfig':{'StatusCode':'HTTP_301','Protocol':'HTTPS','Port':'443','Path':'/new/#{path}'}}");
        add_rule(&w, 2, "{'Field':'path-pattern','Values':['/find']}",
                 "{'Type':'redirect','RedirectConfig':{'StatusCode':'HTTP_302','Host':'find.#{host}','Query':'q=100%%&#{query}'}}");
        add_rule(&w, 3, "{'Field':'path-pattern','Values':['/down']}",
                 "{'Type':'fixed-response','FixedResponseConfig':{'StatusCode':'503','ContentType':'text/"
                 "html','MessageBody':'<p>it\\\\u0027s \\\"down\\\" #1 "
                 "%%[x]\\n</p>'}}");
        add_rule(&w, 4, "{'Field':'path-pattern','Values':['/empty']}",
                 "{'Type':'fixed-response','FixedResponseConfig':{'StatusCode':'204'}}");
        compare(&w, "actions");
        harness_end(&w.h);
}

static void test_groups(void **state)
{
        char grpc[256], tls[256];
        struct world w;

        begin(&w);
        make_group(&w, "grpc", ",'Protocol':'HTTP','ProtocolVersion':'GRPC','Matcher':{'GrpcCode':'0-2,12'}", grpc);
        make_group(&w, "tls", ",'Protocol':'HTTPS','HealthCheckPort':'9000'", tls);
        make_listener(&w, "HTTP", 80, forward(w.group));
        add_rule(&w, 1, "{'Field':'path-pattern','Values':['/1']}", forward(grpc));
        add_rule(&w, 2, "{'Field':'path-pattern','Values':['/2']}", forward(tls));
        add_rule(&w, 3, "{'Field':'path-pattern','Values':['/3']}", forward(w.green));
        set_group(&w, w.group, "stickiness.enabled", "true");
        set_group(&w, w.group, "slow_start.duration_seconds", "30");
        set_group(&w, tls, "load_balancing.algorithm.type", "least_outstanding_requests");
        set_group(&w, w.green, "stickiness.type", "app_cookie");
        set_group(&w, w.green, "stickiness.app_cookie.cookie_name", "SESSION");
        set_group(&w, w.green, "stickiness.enabled", "true");
        harness_ok(&w.h, "ModifyLoadBalancerAttributes",
                   "{'LoadBalancerArn':'%s','Attributes':[{'Key':'routing.http.xff_client_port.enabled','Value':'true'},{'Key':'access_"
                   "logs.s3.enabled',"
                   "'Value':'true'},{'Key':'access_logs.s3.bucket','Value':'logs'},"
                   "{'Key':'routing.http.drop_invalid_header_fields.enabled','Value':'true'},"
                   "{'Key':'client_keep_alive.seconds','Value':'600'}]}",
                   w.balancer);
        harness_ok(&w.h, "ModifyListenerAttributes",
                   "{'ListenerArn':'%s','Attributes':[{'Key':'routing.http.response.x_frame_options.header_value','Value':'DENY 100%%'}]}",
                   w.listener);
        compare(&w, "groups");
        harness_end(&w.h);
}

/* Two application balancers share port 80 by name; of two network balancers on one port the older has the shared address. */
static void test_shared(void **state)
{
        char tcp[2][256];
        struct world w;

        begin(&w);
        make_listener(&w, "HTTP", 80, forward(w.group));
        make_balancer(&w, "api", "application");
        make_listener(&w, "HTTP", 80, forward(w.green));
        make_group(&w, "db", ",'Protocol':'TCP'", tcp[0]);
        make_group(&w, "cache", ",'Protocol':'TCP'", tcp[1]);
        set_group(&w, tcp[0], "stickiness.enabled", "true");
        make_balancer(&w, "db", "network");
        make_listener(&w, "TCP", 5432, forward(tcp[0]));
        harness_ok(&w.h, "ModifyListenerAttributes",
                   "{'ListenerArn':'%s','Attributes':[{'Key':'tcp.idle_timeout.seconds','Value':'3600'}]}", w.listener);
        make_balancer(&w, "cache", "network");
        make_listener(&w, "TCP", 5432, forward(tcp[1]));
        compare(&w, "shared");
        harness_end(&w.h);
}

static const char *source_of(struct world *w, const char *group, const char *id)
{
        harness_ok(&w->h, "RegisterTargets", "{'TargetGroupArn':'%s','Targets':[{'Id':'%s','Port':80}]}", group, id);
        return lb_source(w->h.model, model_target(w->h.model, strrchr(group, '/') + 1, id, 80));
}

/* Rules for the balancer's security groups let it in only when it comes from its own address. */
static void test_source(void **state)
{
        struct world w;
        char tcp[256];

        begin(&w);
        make_listener(&w, "HTTP", 80, forward(w.group));
        assert_string_equal(
                MODEL_OBJECT(tree_first(model_objects(w.h.model, OBJECT_LOAD_BALANCER)), load_balancer)->state->zones.items[0].address,
                source_of(&w, w.group, "172.31.0.77"));
        /* Outside of the VPC, behind no balancer, behind one without security groups: in the machine's name. */
        assert_null(source_of(&w, w.group, "10.0.0.1"));
        assert_null(source_of(&w, w.green, "172.31.0.77"));
        make_group(&w, "db", ",'Protocol':'TCP'", tcp);
        make_balancer(&w, "db", "network");
        make_listener(&w, "TCP", 5432, forward(tcp));
        assert_null(source_of(&w, tcp, "172.31.0.77"));
        harness_end(&w.h);
}

static void test_nothing(void **state)
{
        CLEANUP_BUF struct buf text = {0};
        struct world w;

        begin(&w);
        assert_false(lb_config_write(w.h.model, &(struct lb_config_options){.dir = "/tmp"}, &text));
        harness_end(&w.h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain),  cmocka_unit_test(test_conditions), cmocka_unit_test(test_actions),
                cmocka_unit_test(test_groups), cmocka_unit_test(test_shared),     cmocka_unit_test(test_source),
                cmocka_unit_test(test_paces),  cmocka_unit_test(test_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
