/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of a node, in a network namespace that the test makes for itself: real bridges, rules, sockets. A second namespace,
 * cabled to the first, plays the world outside.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <arpa/inet.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "vpc/ports.h"
#include "vpc/range.h"
#include "vpc/vpc.h"
#include "vpc_world.h"

#define METADATA_PORT 51679

static char dir[] = "/tmp/gantry-vpc-XXXXXX";

static struct vpc *new_vpc_with(struct vpc_options *options)
{
        struct vpc *vpc = NULL;
        struct error error = {0};

        options->loop = uv_default_loop();
        options->dir = dir;
        options->metadata_port = METADATA_PORT;
        options->port_min = 40000;
        options->port_max = 40099;
        if (vpc_new(options, &vpc, &error) < 0)
                fail_msg("%s", error.message);
        return vpc;
}

static struct vpc *new_vpc(void)
{
        struct vpc_options options = {0};

        return new_vpc_with(&options);
}

static void free_vpc(struct vpc *vpc)
{
        vpc_free(vpc);
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static void destroy_vpc(struct vpc *vpc)
{
        vpc_destroy(vpc);
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static int try_create(struct vpc *vpc, const char *id, enum vpc_mode mode, const struct vpc_port *ports, uint32_t n,
                      struct error *ret_error)
{
        struct vpc_sandbox_spec spec = {.id = id, .mode = mode, .ports = ports, .n_ports = n};
        struct wait wait;
        int r;

        vpc_sandbox_create(vpc, &spec, &waiting(&wait)->op);
        assert_false(wait.done);
        r = finish(&wait);
        if (ret_error != NULL)
                *ret_error = wait.error;
        return r;
}

static struct vpc_sandbox *create(struct vpc *vpc, const char *id, const struct vpc_port *ports, uint32_t n)
{
        struct error error;

        if (try_create(vpc, id, VPC_BRIDGE, ports, n, &error) < 0)
                fail_msg("%s", error.message);
        return vpc_sandbox_find(vpc, id);
}

static void destroy(struct vpc_sandbox *s)
{
        struct wait wait;

        vpc_sandbox_destroy(s, &waiting(&wait)->op);
        assert_int_equal(finish(&wait), 0);
}

static uint16_t host_port(const struct vpc_sandbox *s, uint32_t i)
{
        uint32_t n;
        const struct vpc_port *ports = vpc_sandbox_ports(s, &n);

        assert_true(i < n);
        return ports[i].host_port;
}

/* ---- tests ---- */

static void test_ranges(void **state)
{
        struct range a, b;
        struct error error = {0};
        char text[20];

        assert_int_equal(range_parse("10.200.0.0/20", &a, &error), 0);
        range_text(a.address, a.prefix, text);
        assert_string_equal(text, "10.200.0.0/20");
        assert_int_equal(range_parse("10.200.16.0/24", &b, NULL), 0);
        assert_false(range_overlaps(a, b));
        assert_int_equal(range_parse("10.200.15.0/24", &b, NULL), 0);
        assert_true(range_overlaps(a, b));
        assert_int_equal(range_parse("10.200.15.1/24", &b, &error), -EINVAL);
        assert_int_equal(range_parse("10.200.15.0/29", &b, NULL), -EINVAL);
        assert_int_equal(range_parse("10.200.15.0/24x", &b, NULL), -EINVAL);
        assert_int_equal(range_parse("fd00::/64", &b, NULL), -EINVAL);
}

static void test_port_choice(void **state)
{
        const uint16_t reserved[] = {22};
        const struct vpc_options options = {.port_min = 41000, .port_max = 41009, .reserved_tcp = reserved, .n_reserved_tcp = 1};
        struct ports *ports = ports_new(&options);
        struct ports_hold a = {0}, b = {0}, c = {0};
        struct error error = {0};
        /* A dynamic one, asked for before a fixed one that is the first of the range. */
        const struct vpc_port mixed[] = {{false, 80, 0, 0}, {false, 81, 41000, 2}, {true, 53, 0, 1}};
        const struct vpc_port run = {false, 9000, 0, 5}, too_long = {false, 9000, 0, 6}, ssh = {false, 22, 22, 1},
                              late = {false, 65535, 0, 2};
        int busy = socket_at(false, "127.0.0.1", 41004, true);

        assert_int_equal(ports_take(ports, mixed, 3, &a, &error), 0);
        assert_int_equal(a.n, 3);
        assert_int_equal(a.ports[0].host_port, 41002);
        assert_int_equal(a.ports[0].count, 1);
        assert_int_equal(a.ports[1].host_port, 41000);
        assert_int_equal(a.ports[2].host_port, 41000); /* another protocol, another port */
        /* 41003 and 41004 (in use by a program on loopback) leave one run of five. */
        assert_int_equal(ports_take(ports, &too_long, 1, &b, &error), -ENOSPC);
        error_clear(&error);
        assert_int_equal(ports_take(ports, &run, 1, &b, &error), 0);
        assert_int_equal(b.ports[0].host_port, 41005);
        assert_int_equal(ports_take(ports, &mixed[1], 1, &c, &error), -EADDRINUSE);
        assert_non_null(strstr(error.message, "41001/tcp is already allocated"));
        error_clear(&error);
        assert_int_equal(ports_take(ports, &ssh, 1, &c, &error), -EADDRINUSE);
        assert_non_null(strstr(error.message, "reserved"));
        error_clear(&error);
        assert_int_equal(ports_take(ports, &late, 1, &c, &error), -EINVAL);
        /* Nobody else can bind a port that is given. */
        assert_int_equal(socket_at(false, "0.0.0.0", 41005, true), -1);
        ports_release(ports, &a, &mixed[1], 1);
        assert_int_equal(a.n, 2);
        assert_false(ports_is_taken(ports, false, 41001));
        assert_true(ports_is_taken(ports, false, 41002));
        ports_release_all(ports, &a);
        ports_release_all(ports, &b);
        assert_int_equal(c.n, 0);
        close(busy);
        ports_free(ports);
}

static void test_publish(void **state)
{
        struct vpc *vpc = new_vpc();
        const struct vpc_port ports[] = {{false, 80, 0, 1}, {false, 80, 8080, 1}, {true, 53, 5353, 1}, {false, 9000, 9100, 3}};
        struct vpc_sandbox *a = create(vpc, "a", ports, 4), *b = create(vpc, "b", NULL, 0);
        pid_t web = serve(vpc_sandbox_path(a), "0.0.0.0", 80, false, 'w'), dns = serve(vpc_sandbox_path(a), "0.0.0.0", 53, true, 'd');
        pid_t last = serve(vpc_sandbox_path(a), "0.0.0.0", 9002, false, 'l');

        assert_int_equal(host_port(a, 0), 40000);
        assert_int_equal(ask(NULL, vpc_sandbox_address(a), 80), 'w');
        assert_int_equal(ask(NULL, "127.0.0.1", 8080), 'w');
        assert_int_equal(ask(NULL, "127.0.0.1", host_port(a, 0)), 'w');
        assert_int_equal(ask(NULL, NODE_ADDRESS, 8080), 'w');
        assert_int_equal(ask(NULL, vpc_gateway(vpc), 8080), 'w');
        assert_int_equal(ask(world_outside, NODE_ADDRESS, 8080), 'w');
        assert_int_equal(ask(world_outside, NODE_ADDRESS, 9102), 'l');
        /* From another container through the node's addresses, and from the container to itself that way. */
        assert_int_equal(ask(vpc_sandbox_path(b), vpc_sandbox_address(a), 80), 'w');
        assert_int_equal(ask(vpc_sandbox_path(b), NODE_ADDRESS, 8080), 'w');
        assert_int_equal(ask(vpc_sandbox_path(b), vpc_gateway(vpc), 8080), 'w');
        assert_int_equal(ask(vpc_sandbox_path(a), NODE_ADDRESS, 8080), 'w');
        assert_int_equal(ask(vpc_sandbox_path(a), "127.0.0.1", 80), 'w');
        assert_int_equal(ask_from(NULL, "127.0.0.1", 5353, true, 0), 'd');
        assert_int_equal(ask_from(world_outside, NODE_ADDRESS, 5353, true, 0), 'd');
        stop(web);
        stop(dns);
        stop(last);
        destroy(a);
        destroy(b);
        /* The host ports are free for others. */
        web = serve(NULL, "127.0.0.1", 8080, false, 'h');
        assert_int_equal(ask(NULL, "127.0.0.1", 8080), 'h');
        stop(web);
        destroy_vpc(vpc);
}

static void test_isolation(void **state)
{
        struct vpc *vpc = new_vpc();
        struct vpc_sandbox *a = create(vpc, "a", NULL, 0);
        pid_t web = serve(vpc_sandbox_path(a), "0.0.0.0", 80, false, 'w');
        pid_t secret = serve(NULL, "127.0.0.1", 7000, false, 's');
        pid_t metadata = serve(NULL, "127.0.0.1", METADATA_PORT, false, 'm');
        pid_t world = serve(world_outside, OUTSIDE_ADDRESS, 80, false, 'o');
        char command[200];

        /* Services on the node's loopback are not for containers, whatever route they give themselves. */
        snprintf(command, sizeof command,
                 "nsenter --net=%s sh -c 'ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via %s; "
                 "sysctl -qw net.ipv4.conf.all.route_localnet=1'",
                 vpc_sandbox_path(a), vpc_gateway(vpc));
        sh(command);
        assert_int_equal(ask(vpc_sandbox_path(a), "127.0.0.1", 7000), 0);
        /* A neighbour that routes into the range reaches nothing that was not published. */
        snprintf(command, sizeof command, "nsenter --net=%s ip route add %s via " NODE_ADDRESS, world_outside, vpc_range(vpc));
        sh(command);
        assert_int_equal(ask(world_outside, vpc_sandbox_address(a), 80), 0);
        snprintf(command, sizeof command, "nsenter --net=%s ip route del %s via " NODE_ADDRESS, world_outside, vpc_range(vpc));
        sh(command);
        assert_int_equal(ask(NULL, vpc_sandbox_address(a), 80), 'w');
        /* Containers reach the world in the node's name (there is no route back to the range), and the metadata endpoint; so does the
         * node itself; the world does not. */
        assert_int_equal(ask(vpc_sandbox_path(a), OUTSIDE_ADDRESS, 80), 'o');
        assert_int_equal(ask(vpc_sandbox_path(a), VPC_METADATA_ADDRESS, 80), 'm');
        assert_int_equal(ask(NULL, VPC_METADATA_ADDRESS, 80), 'm');
        assert_int_equal(ask(world_outside, VPC_METADATA_ADDRESS, 80), 0);
        stop(web);
        stop(secret);
        stop(metadata);
        stop(world);
        destroy_vpc(vpc);
}

static void test_errors(void **state)
{
        struct vpc *vpc = new_vpc();
        const struct vpc_port fixed = {false, 80, 8081, 1};
        struct vpc_sandbox *a = create(vpc, "a", &fixed, 1);
        struct error error;
        pid_t other = serve(NULL, "0.0.0.0", 8082, false, 'h');
        const struct vpc_port taken = {false, 80, 8082, 1};

        assert_int_equal(try_create(vpc, "b", VPC_BRIDGE, &fixed, 1, &error), -EADDRINUSE);
        assert_non_null(strstr(error.message, "8081/tcp"));
        assert_int_equal(try_create(vpc, "b", VPC_BRIDGE, &taken, 1, &error), -EADDRINUSE);
        assert_non_null(strstr(error.message, "another program"));
        assert_int_equal(try_create(vpc, "a", VPC_BRIDGE, NULL, 0, &error), -EEXIST);
        assert_int_equal(try_create(vpc, "a/b", VPC_BRIDGE, NULL, 0, &error), -EINVAL);
        assert_int_equal(try_create(vpc, "n", VPC_NONE, &fixed, 1, &error), -EINVAL);
        stop(other);
        destroy(a);
        assert_non_null(create(vpc, "b", &fixed, 1));
        destroy_vpc(vpc);
}

static void test_none_mode(void **state)
{
        struct vpc *vpc = new_vpc();
        struct vpc_sandbox *s;
        pid_t web;

        assert_int_equal(try_create(vpc, "lonely", VPC_NONE, NULL, 0, NULL), 0);
        s = vpc_sandbox_find(vpc, "lonely");
        assert_null(vpc_sandbox_address(s));
        assert_int_equal(vpc_sandbox_mode(s), VPC_NONE);
        web = serve(vpc_sandbox_path(s), "0.0.0.0", 80, false, 'w');
        assert_int_equal(ask(vpc_sandbox_path(s), "127.0.0.1", 80), 'w');
        assert_int_equal(ask(vpc_sandbox_path(s), NODE_ADDRESS, 80), 0);
        stop(web);
        destroy(s);
        destroy_vpc(vpc);
}

static void test_publish_later(void **state)
{
        struct vpc *vpc = new_vpc();
        struct vpc_sandbox *a = create(vpc, "a", NULL, 0);
        const struct vpc_port ports[] = {{false, 80, 8083, 1}, {true, 53, 5354, 1}};
        pid_t web = serve(vpc_sandbox_path(a), "0.0.0.0", 80, false, 'w');
        struct wait one, two, three;
        uint32_t n;

        /* Three in a row without waiting: they take effect one after the other. */
        vpc_sandbox_publish(a, ports, 1, &waiting(&one)->op);
        vpc_sandbox_unpublish(a, &waiting(&two)->op);
        vpc_sandbox_publish(a, ports + 1, 1, &waiting(&three)->op);
        assert_int_equal(finish(&one), 0);
        assert_int_equal(finish(&two), 0);
        assert_int_equal(finish(&three), 0);
        assert_int_equal(ask(NULL, "127.0.0.1", 8083), 0);
        (void)vpc_sandbox_ports(a, &n);
        assert_int_equal(n, 1);
        vpc_sandbox_publish(a, ports, 1, &waiting(&one)->op);
        assert_int_equal(finish(&one), 0);
        assert_int_equal(ask(NULL, "127.0.0.1", 8083), 'w');
        stop(web);
        destroy_vpc(vpc);
}

static bool has_nftables(void)
{
        CLEANUP_BUF struct buf maps = {0};

        assert_int_equal(buf_read_file(&maps, "/proc/self/maps", 1 << 20), 0);
        return strstr(maps.data, "libnftables") != NULL;
}

/* It prepares sandboxes for later first. */
static void rest(struct vpc *vpc)
{
        for (int i = 0; has_nftables(); i++) {
                assert_true(i < 2000);
                uv_run(uv_default_loop(), UV_RUN_NOWAIT);
                usleep(1000);
                vpc_rest(vpc);
        }
}

/* What a quiet node gives back is there again when it is needed. */
static void test_rest(void **state)
{
        struct vpc *vpc = new_vpc();
        struct vpc_sandbox *a = create(vpc, "a", NULL, 0);
        const struct vpc_port port = {false, 80, 8085, 1};
        pid_t web = serve(vpc_sandbox_path(a), "0.0.0.0", 80, false, 'w');
        struct wait one;

        assert_true(has_nftables());
        rest(vpc);
        vpc_rest(vpc);
        vpc_sandbox_publish(a, &port, 1, &waiting(&one)->op);
        vpc_rest(vpc); /* a job is under way */
        assert_int_equal(finish(&one), 0);
        assert_int_equal(ask(NULL, "127.0.0.1", 8085), 'w');
        rest(vpc);
        stop(web);
        destroy(a);
        assert_true(has_nftables());
        rest(vpc);
        destroy_vpc(vpc);
        assert_false(has_nftables());
}

/* A peer that keeps its UDP port gets the new owner of a published port, not the memory of the old one. */
static void test_udp_owner_changes(void **state)
{
        struct vpc *vpc = new_vpc();
        const struct vpc_port port = {true, 53, 5355, 1};
        struct vpc_sandbox *a = create(vpc, "a", &port, 1), *b;
        pid_t first = serve(vpc_sandbox_path(a), "0.0.0.0", 53, true, 'a'), second;

        assert_int_equal(ask_from(world_outside, NODE_ADDRESS, 5355, true, 3333), 'a');
        stop(first);
        destroy(a);
        assert_int_equal(ask_from(world_outside, NODE_ADDRESS, 5355, true, 3333), 0);
        b = create(vpc, "b", &port, 1);
        second = serve(vpc_sandbox_path(b), "0.0.0.0", 53, true, 'b');
        assert_int_equal(ask_from(world_outside, NODE_ADDRESS, 5355, true, 3333), 'b');
        stop(second);
        destroy_vpc(vpc);
}

static void test_cancel(void **state)
{
        struct vpc *vpc = new_vpc();
        struct vpc_sandbox_spec spec = {.id = "x"};
        struct wait wait, other;

        vpc_sandbox_create(vpc, &spec, &waiting(&wait)->op);
        vpc_op_cancel(&wait.op);
        spec.id = "y";
        vpc_sandbox_create(vpc, &spec, &waiting(&other)->op);
        assert_int_equal(finish(&other), 0);
        assert_null(vpc_sandbox_find(vpc, "x"));
        assert_false(wait.done);
        /* Free with jobs under way. */
        spec.id = "z";
        vpc_sandbox_create(vpc, &spec, &waiting(&wait)->op);
        vpc_sandbox_create(vpc, &(struct vpc_sandbox_spec){.id = "zz"}, &waiting(&other)->op);
        free_vpc(vpc);
        assert_false(wait.done || other.done);
        destroy_vpc(new_vpc());
}

static int count_files(const char *folder)
{
        char command[200];
        int n = -1;
        FILE *p;

        snprintf(command, sizeof command, "ls %s/%s | wc -l", dir, folder);
        p = popen(command, "r");
        assert_int_equal(fscanf(p, "%d", &n), 1);
        pclose(p);
        return n;
}

static void test_restart(void **state)
{
        struct vpc_options options = {.prepared = UINT32_MAX};
        struct vpc *vpc = new_vpc_with(&options);
        const struct vpc_port ports[] = {{false, 80, 8084, 1}, {false, 81, 0, 1}}, again = {false, 80, 8085, 1};
        struct vpc_sandbox *a = create(vpc, "a", ports, 2), *b = create(vpc, "b", &again, 1), *c, *d;
        char *path = xstrdup(vpc_sandbox_path(a)), *address = xstrdup(vpc_sandbox_address(a)), command[300];
        pid_t web = serve(path, "0.0.0.0", 80, false, 'w');
        struct error error;

        c = create(vpc, "c", NULL, 0);
        d = create(vpc, "d", NULL, 0);
        assert_int_equal(try_create(vpc, "n", VPC_NONE, NULL, 0, NULL), 0);
        /* Without an agent: b's namespace is gone as after a reboot, c's cable is unplugged, d has no record, rules are missing. */
        snprintf(command, sizeof command,
                 "umount %s; nsenter --net=%s ip link del eth0; rm %s/records/%s; nft flush chain ip gantry0 output", vpc_sandbox_path(b),
                 vpc_sandbox_path(c), dir, strrchr(vpc_sandbox_path(d), '/') + 1);
        free_vpc(vpc);
        assert_int_equal(ask(NULL, "127.0.0.1", 8084), 'w'); /* goes on without an agent */
        sh(command);
        vpc = new_vpc_with(&options);
        a = vpc_sandbox_find(vpc, "a");
        assert_non_null(a);
        assert_string_equal(vpc_sandbox_path(a), path);
        assert_string_equal(vpc_sandbox_address(a), address);
        assert_int_equal(host_port(a, 0), 8084);
        assert_int_equal(host_port(a, 1), 40000);
        assert_int_equal(ask(NULL, "127.0.0.1", 8084), 'w');
        assert_int_equal(ask(world_outside, NODE_ADDRESS, 8084), 'w');
        assert_null(vpc_sandbox_find(vpc, "b"));
        assert_non_null(vpc_sandbox_find(vpc, "n"));
        assert_null(vpc_sandbox_find(vpc, "d"));
        c = vpc_sandbox_find(vpc, "c");
        assert_non_null(c);
        stop(web);
        web = serve(vpc_sandbox_path(c), "0.0.0.0", 80, false, 'c');
        assert_int_equal(ask(path, vpc_sandbox_address(c), 80), 'c');
        assert_int_equal(count_files("netns"), 3);
        assert_int_equal(count_files("records"), 3);
        /* Ports of those that went are free, those of the others are not. */
        assert_int_equal(try_create(vpc, "e", VPC_BRIDGE, ports, 1, &error), -EADDRINUSE);
        assert_non_null(create(vpc, "e", &again, 1));
        stop(web);
        destroy_vpc(vpc);
        free(path);
        free(address);
}

/* Container monitors live in mount namespaces of their own, with a copy of every mount: that must not keep the network alive. */
static void test_copied_mounts(void **state)
{
        struct vpc *vpc = new_vpc();
        struct vpc_sandbox *a = create(vpc, "a", NULL, 0);
        char command[300], c;
        int ready[2];
        pid_t pid;

        assert_int_equal(pipe(ready), 0);
        pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (unshare(CLONE_NEWNS) < 0)
                        _exit(1);
                (void)!write(ready[1], "x", 1);
                pause();
                _exit(0);
        }
        assert_int_equal(read(ready[0], &c, 1), 1);
        snprintf(command, sizeof command,
                 "i=0; while ip -o link show master gantry0 | grep -q \"veth$(printf %%02x%%02x%%02x%%02x $(echo %s | tr . ' '))\"; "
                 "do i=$((i+1)); test $i -lt 50 || exit 1; sleep 0.1; done",
                 vpc_sandbox_address(a));
        destroy(a);
        sh(command);
        stop(pid);
        close(ready[0]);
        close(ready[1]);
        destroy_vpc(vpc);
}

static void test_range_clash(void **state)
{
        struct vpc *vpc = NULL;
        struct vpc_options options = {.loop = uv_default_loop(), .dir = dir, .range = "198.51.0.0/16"};
        struct error error = {0};

        assert_int_equal(vpc_new(&options, &vpc, &error), -EADDRINUSE);
        assert_non_null(strstr(error.message, "198.51.100.0/24"));
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
        sh("ip link add clash type bridge && ip addr add 172.31.250.1/16 dev clash");
        vpc = new_vpc();
        assert_string_equal(vpc_range(vpc), "172.30.240.0/20");
        sh("ip link del clash");
        free_vpc(vpc);
        vpc = new_vpc();
        assert_string_equal(vpc_range(vpc), "172.30.240.0/20"); /* stays */
        destroy_vpc(vpc);
        /* A small one has room for 13. */
        options = (struct vpc_options){.range = "10.9.8.0/28", .prepared = UINT32_MAX};
        vpc = new_vpc_with(&options);
        for (int i = 0; i < 14; i++) {
                char id[8];

                snprintf(id, sizeof id, "%d", i);
                assert_int_equal(try_create(vpc, id, VPC_BRIDGE, NULL, 0, NULL), i < 13 ? 0 : -ENOSPC);
        }
        destroy(vpc_sandbox_find(vpc, "7"));
        assert_int_equal(try_create(vpc, "again", VPC_BRIDGE, NULL, 0, &error), 0);
        assert_string_equal(vpc_sandbox_address(vpc_sandbox_find(vpc, "again")), "10.9.8.9");
        destroy_vpc(vpc);
}

/* What a container or a careless administrator may leave. */
static void test_nothing_left(void **state)
{
        char command[200];

        assert_int_equal(count_files("netns"), 0);
        assert_int_equal(count_files("records"), 0);
        snprintf(command, sizeof command, "test -z \"$(nft list tables)\" && ! grep -q %s /proc/self/mountinfo", dir + 5);
        sh(command);
        sh("i=0; while ip -o link | grep -qE 'veth|gantry'; do i=$((i+1)); test $i -lt 50 || exit 1; sleep 0.1; done");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ranges),        cmocka_unit_test(test_port_choice),
                cmocka_unit_test(test_publish),       cmocka_unit_test(test_isolation),
                cmocka_unit_test(test_errors),        cmocka_unit_test(test_none_mode),
                cmocka_unit_test(test_publish_later), cmocka_unit_test(test_udp_owner_changes),
                cmocka_unit_test(test_cancel),        cmocka_unit_test(test_restart),
                cmocka_unit_test(test_copied_mounts), cmocka_unit_test(test_range_clash),
                cmocka_unit_test(test_rest),          cmocka_unit_test(test_nothing_left),
        };
        char command[100];
        int r;

        world_make(dir);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        snprintf(command, sizeof command, "rm -rf %s", dir);
        if (system(command) != 0)
                r = 1;
        return r;
}
