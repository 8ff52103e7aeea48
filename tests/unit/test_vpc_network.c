/* SPDX-License-Identifier: Apache-2.0 */
/* VPCs on a machine: real routers, rules, tunnels and tasks' interfaces, in network namespaces that the test makes for itself. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "vpc/network.h"
#include "vpc_picture.h"
#include "vpc_world.h"

#define METADATA_PORT 51679

static char dir[] = "/tmp/gantry-vpc-XXXXXX";

/* ---- helpers ---- */

static struct vpc *new_vpc(void)
{
        struct vpc_options options = {.loop = uv_default_loop(), .dir = dir, .metadata_port = METADATA_PORT, .prepared = UINT32_MAX};
        struct vpc *vpc = NULL;
        struct error error = {0};

        if (vpc_new(&options, &vpc, &error) < 0)
                fail_msg("%s", error.message);
        return vpc;
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

static void apply(struct vpc *vpc, struct vpc_network *network)
{
        struct wait wait;

        vpc_network_apply(vpc, network, &waiting(&wait)->op);
        if (finish(&wait) < 0)
                fail_msg("%s", wait.error.message);
}

static int try_plug(struct vpc *vpc, const char *id, const char *interface, struct error *error)
{
        const struct vpc_sandbox_spec spec = {.id = id, .mode = VPC_INTERFACE, .interface = interface};
        struct wait wait;

        vpc_sandbox_create(vpc, &spec, &waiting(&wait)->op);
        (void)finish(&wait);
        *error = wait.error;
        return wait.status;
}

static const char *plug(struct vpc *vpc, const char *id, const char *interface)
{
        struct error error;

        if (try_plug(vpc, id, interface, &error) < 0)
                fail_msg("%s", error.message);
        return vpc_sandbox_path(vpc_sandbox_find(vpc, id));
}

static void unplug(struct vpc *vpc, const char *id)
{
        struct wait wait;

        vpc_sandbox_destroy(vpc_sandbox_find(vpc, id), &waiting(&wait)->op);
        assert_int_equal(finish(&wait), 0);
}

static void in_ns(const char *ns, const char *command)
{
        CLEANUP_FREE char *line = xprintf("nsenter --net=%s sh -c '%s'", ns, command);

        sh(line);
}

/* Of the only router. The caller frees it. */
static char *router_path(void)
{
        CLEANUP_FREE char *folder = xprintf("%s/routers", dir);
        DIR *d = opendir(folder);
        struct dirent *entry;
        char *path = NULL;

        while (d != NULL && (entry = readdir(d)) != NULL) {
                if (entry->d_name[0] != '.')
                        path = xprintf("%s/%s", folder, entry->d_name);
        }
        assert_non_null(path);
        (void)closedir(d);
        return path;
}

/* Two groups: web is open at 80 to everybody, db at 5432 to web. Three tasks: one in each, and one in no group of ours. */
static struct vpc_network *two_groups(void)
{
        struct vpc_network *n = picture_new("vpc-1", 7);
        struct vpc_group *web = picture_open_group(n, "sg-web"), *db = picture_group(n, "sg-db");

        picture_open_group(n, "sg-other");
        picture_rule(n, &web->ingress, 6, 80, 80, "0.0.0.0/0");
        picture_rule(n, &db->ingress, 6, 5432, 5432, "sg-web");
        picture_interface(n, "eni-web", "subnet-open", "10.0.0.5", "sg-web")->has_public_address = true;
        picture_interface(n, "eni-db", "subnet-nat", "10.0.16.5", "sg-db");
        picture_interface(n, "eni-other", "subnet-shut", "10.0.32.5", "sg-other");
        return n;
}

/* ---- tests ---- */

static void test_groups(void **state)
{
        struct vpc *vpc = new_vpc();
        const char *web, *db, *other;
        pid_t pids[4];
        struct error error;

        assert_int_equal(try_plug(vpc, "web", "eni-web", &error), -ENOENT);
        apply(vpc, two_groups());
        web = plug(vpc, "web", "eni-web");
        db = plug(vpc, "db", "eni-db");
        other = plug(vpc, "other", "eni-other");
        assert_int_equal(try_plug(vpc, "again", "eni-db", &error), -EEXIST);
        assert_string_equal(vpc_sandbox_address(vpc_sandbox_find(vpc, "db")), "10.0.16.5");
        assert_string_equal(vpc_sandbox_mac(vpc_sandbox_find(vpc, "db")), "02:00:05:10:00:0a");
        in_ns(db, "ip -o -4 addr show eth0 | grep -q 10.0.16.5/20");
        pids[0] = serve(web, "0.0.0.0", 80, false, 'w');
        pids[1] = serve(web, "0.0.0.0", 81, false, 'x');
        pids[2] = serve(db, "0.0.0.0", 5432, false, 'd');
        pids[3] = serve(other, "0.0.0.0", 80, false, 'o');
        assert_int_equal(ask(web, "10.0.16.5", 5432), 'd');
        assert_int_equal(ask(other, "10.0.16.5", 5432), 0);
        assert_int_equal(ask(NULL, "10.0.16.5", 5432), 0);
        assert_int_equal(ask(other, "10.0.0.5", 80), 'w');
        assert_int_equal(ask(NULL, "10.0.0.5", 80), 'w');
        assert_int_equal(ask(NULL, "10.0.0.5", 81), 0);
        assert_int_equal(ask(db, "10.0.0.5", 80), 0); /* no egress */
        assert_int_equal(ask(web, "10.0.32.5", 80), 0);
        /* From outside, with a route through the node: the same. */
        in_ns(world_outside, "ip route add 10.0.0.0/16 via " NODE_ADDRESS);
        assert_int_equal(ask(world_outside, "10.0.0.5", 80), 'w');
        assert_int_equal(ask(world_outside, "10.0.0.5", 81), 0);
        assert_int_equal(ask(world_outside, "10.0.16.5", 5432), 0);
        in_ns(world_outside, "ip route del 10.0.0.0/16 via " NODE_ADDRESS);
        for (int i = 0; i < 4; i++)
                stop(pids[i]);
        destroy_vpc(vpc);
}

static void test_changes(void **state)
{
        struct vpc *vpc = new_vpc();
        struct vpc_network *n;
        const char *db, *other;
        pid_t server;
        int held;

        apply(vpc, two_groups());
        db = plug(vpc, "db", "eni-db");
        other = plug(vpc, "other", "eni-other");
        server = serve(db, "0.0.0.0", 5432, false, 'd');
        assert_int_equal(ask(other, "10.0.16.5", 5432), 0);
        n = two_groups();
        picture_rule(n, &n->groups[1].ingress, 6, 5000, 6000, "10.0.32.0/24");
        apply(vpc, n);
        assert_int_equal(ask(other, "10.0.16.5", 5432), 'd');
        apply(vpc, two_groups());
        assert_int_equal(ask(other, "10.0.16.5", 5432), 0);
        /* It joins a group; leaves it. */
        n = two_groups();
        n->interfaces[2].groups[0] = "sg-web";
        apply(vpc, n);
        assert_int_equal(ask(other, "10.0.16.5", 5432), 'd');
        n = two_groups();
        n->interfaces[2].n_groups = 0;
        apply(vpc, n);
        assert_int_equal(ask(other, "10.0.16.5", 5432), 0);
        /* The whole group goes, with everything that named it. */
        n = two_groups();
        n->groups[1].ingress.n = 0;
        n->interfaces[0].n_groups = 0;
        n->groups++;
        n->n_groups--;
        apply(vpc, n);
        /* An open connection goes on when its rule goes: opened from the node, whose rule then goes. */
        n = two_groups();
        picture_rule(n, &n->groups[1].ingress, 6, 5432, 5432, "0.0.0.0/0");
        apply(vpc, n);
        stop(server);
        server = fork();
        if (server == 0) {
                int fd, client;
                char c;

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                enter(db);
                fd = socket_at(false, "0.0.0.0", 5432, true);
                client = accept(fd, NULL, NULL);
                while (read(client, &c, 1) == 1)
                        (void)!write(client, "e", 1);
                _exit(0);
        }
        held = -1;
        for (int i = 0; i < 50 && held < 0; i++) {
                held = socket_at(false, "10.0.16.5", 5432, false);
                if (held < 0)
                        usleep(10000);
        }
        apply(vpc, two_groups());
        assert_int_equal(socket_at(false, "10.0.16.5", 5432, false), -1);
        {
                char c = 0;

                assert_int_equal(write(held, "?", 1), 1);
                assert_int_equal(read(held, &c, 1), 1);
                assert_int_equal(c, 'e');
        }
        close(held);
        stop(server);
        destroy_vpc(vpc);
}

/* What somebody with all rights in a task's network may try. */
static void test_spoofing(void **state)
{
        struct vpc *vpc = new_vpc();
        const char *web, *db, *other;
        pid_t server;

        apply(vpc, two_groups());
        web = plug(vpc, "web", "eni-web");
        db = plug(vpc, "db", "eni-db");
        other = plug(vpc, "other", "eni-other");
        server = serve(db, "0.0.0.0", 5432, true, 'd');
        in_ns(db, "ip link set lo up");
        {
                struct vpc_network *n = two_groups();

                picture_rule(n, &n->groups[1].ingress, 17, 5432, 5432, "sg-web");
                apply(vpc, n);
        }
        assert_int_equal(ask_from(web, "10.0.16.5", 5432, true, 0), 'd');
        /* Another's address: db counts what it gets. */
        in_ns(other, "ip addr add 10.0.0.5/32 dev eth0; ip route change default via 10.0.32.1 src 10.0.0.5");
        in_ns(db, "nft add table ip t; nft add chain ip t c \"{ type filter hook input priority 0; }\"; "
                  "nft add rule ip t c ip saddr 10.0.0.5 udp dport 5432 counter");
        assert_int_equal(ask_from(other, "10.0.16.5", 5432, true, 0), 0);
        in_ns(db, "nft list chain ip t c | grep -q \"packets 0 \"");
        /* Another's hardware address, and its own address. */
        in_ns(other, "ip addr del 10.0.0.5/32 dev eth0; ip link set eth0 address 02:00:05:00:00:0a; ip route replace 10.0.32.1 dev eth0; "
                     "ip neigh replace 10.0.32.1 lladdr 02:67:00:00:00:01 dev eth0; ip route replace default via 10.0.32.1");
        assert_int_equal(ask(other, "10.0.0.5", 80), 0);
        /* The machine's loopback. */
        in_ns(other, "ip link set eth0 address 02:00:05:20:00:0a; ip neigh replace 10.0.32.1 lladdr 02:67:00:00:00:01 dev eth0");
        {
                pid_t local = serve(NULL, "127.0.0.1", 7777, false, 'l');

                assert_int_equal(ask(other, "169.254.192.0", 7777), 0);
                in_ns(other, "sysctl -qw net.ipv4.conf.eth0.route_localnet=1; ip route add 127.0.0.1 via 10.0.32.1 table 7; "
                             "ip rule add to 127.0.0.1 ipproto tcp dport 7777 table 7 pref 0; true");
                assert_int_equal(ask(other, "127.0.0.1", 7777), 0);
                stop(local);
        }
        stop(server);
        destroy_vpc(vpc);
}

static void test_ways_out(void **state)
{
        struct vpc *vpc = new_vpc();
        const char *web, *db, *other;
        pid_t outside = serve(world_outside, OUTSIDE_ADDRESS, 80, false, 'o'),
              metadata = serve(NULL, "127.0.0.1", METADATA_PORT, false, 'm');
        struct vpc_network *n = two_groups();

        picture_rule(n, &n->groups[1].egress, 6, 80, 80, OUTSIDE_ADDRESS);
        apply(vpc, n);
        web = plug(vpc, "web", "eni-web");
        db = plug(vpc, "db", "eni-db");
        other = plug(vpc, "other", "eni-other");
        assert_int_equal(ask(web, OUTSIDE_ADDRESS, 80), 'o');
        assert_int_equal(ask(db, OUTSIDE_ADDRESS, 80), 'o');
        assert_int_equal(ask(other, OUTSIDE_ADDRESS, 80), 0);
        assert_int_equal(ask(web, VPC_METADATA_ADDRESS, 80), 'm');
        assert_int_equal(ask(db, VPC_METADATA_ADDRESS, 80), 'm'); /* needs no rule */
        assert_int_equal(ask(other, VPC_METADATA_ADDRESS, 80), 'm');
        assert_int_equal(ask(other, VPC_METADATA_ADDRESS, 22), 0);
        /* Without a public address an internet gateway is of no use. */
        n = two_groups();
        n->interfaces[0].has_public_address = false;
        apply(vpc, n);
        assert_int_equal(ask(web, OUTSIDE_ADDRESS, 80), 0);
        /* Published ports of containers in bridge mode are on the machine, hence outside. */
        apply(vpc, two_groups());
        {
                const struct vpc_port port = {.container_port = 80, .host_port = 8080};
                const struct vpc_sandbox_spec spec = {.id = "bridge", .ports = &port, .n_ports = 1};
                struct wait wait;
                pid_t bridged;

                vpc_sandbox_create(vpc, &spec, &waiting(&wait)->op);
                assert_int_equal(finish(&wait), 0);
                bridged = serve(vpc_sandbox_path(vpc_sandbox_find(vpc, "bridge")), "0.0.0.0", 80, false, 'b');
                assert_int_equal(ask(web, NODE_ADDRESS, 8080), 'b');
                assert_int_equal(ask(other, NODE_ADDRESS, 8080), 0);
                assert_int_equal(ask(vpc_sandbox_path(vpc_sandbox_find(vpc, "bridge")), "10.0.32.5", 80), 0);
                stop(bridged);
        }
        stop(outside);
        stop(metadata);
        destroy_vpc(vpc);
}

/* A load balancer's addresses are the machine's own, and are members of groups like all others. */
static void test_hosted(void **state)
{
        struct vpc *vpc = new_vpc();
        struct vpc_network *n = two_groups();
        uint16_t ports[] = {80, 8443};
        struct vpc_interface *lb;
        const char *db, *other;
        pid_t balancer, target;
        int fd;

        lb = picture_interface(n, "eni-lb", "subnet-open", "10.0.0.9", "sg-web");
        lb->place = VPC_PLACE_HOST;
        lb->ports = ports;
        lb->n_ports = 2;
        apply(vpc, n);
        db = plug(vpc, "db", "eni-db");
        other = plug(vpc, "other", "eni-other");
        balancer = serve(NULL, "10.0.0.9", 80, false, 'l');
        target = serve(db, "0.0.0.0", 5432, false, 'd');
        assert_int_equal(ask(other, "10.0.0.9", 80), 'l');
        assert_int_equal(ask(other, "10.0.0.9", 22), 0);
        assert_int_equal(ask(NULL, "10.0.0.9", 80), 'l');
        /* In its own name it may reach what the group web may. */
        fd = socket_at(false, "10.0.0.9", 34567, true);
        close(fd);
        sh("command -v python3 >/dev/null && python3 -c 'import socket; s = socket.create_connection((\"10.0.16.5\", 5432), 1, "
           "(\"10.0.0.9\", 0)); assert s.recv(1) == b\"d\"'");
        assert_int_equal(ask(NULL, "10.0.16.5", 5432), 0);
        apply(vpc, two_groups());
        sh("! ip -o addr | grep -q 10.0.0.9");
        stop(balancer);
        stop(target);
        destroy_vpc(vpc);
}

/* Of the machine itself, on whatever address and whatever way out a task has: load balancers, while they listen, and nothing else. */
static void test_machine_is_out_of_reach(void **state)
{
        uint16_t ports[] = {8443};
        struct vpc *vpc = new_vpc();
        pid_t everywhere = serve(NULL, "0.0.0.0", 7777, false, 'e'), here = serve(NULL, NODE_ADDRESS, 7778, false, 'h'),
              balancer = serve(NULL, "0.0.0.0", 8443, false, 'b');
        struct vpc_network *n = two_groups();
        struct vpc_interface *lb;
        const char *web;

        apply(vpc, n);
        web = plug(vpc, "web", "eni-web");
        assert_int_equal(ask(NULL, NODE_ADDRESS, 7777), 'e');
        assert_int_equal(ask(web, NODE_ADDRESS, 7777), 0);
        assert_int_equal(ask(web, NODE_ADDRESS, 7778), 0);
        assert_int_equal(ask(web, NODE_ADDRESS, 8443), 0);
        assert_int_equal(ask(web, vpc_gateway(vpc), 7777), 0);
        assert_int_equal(ask(web, VPC_METADATA_ADDRESS, 7777), 0);
        n = two_groups();
        lb = picture_interface(n, "eni-lb", "subnet-open", "10.0.0.9", "sg-web");
        lb->place = VPC_PLACE_HOST;
        lb->ports = ports;
        lb->n_ports = 1;
        apply(vpc, n);
        assert_int_equal(ask(web, NODE_ADDRESS, 8443), 'b');
        assert_int_equal(ask(web, NODE_ADDRESS, 7777), 0);
        assert_int_equal(ask(web, VPC_METADATA_ADDRESS, 8443), 0);
        /* The next agent leaves them open until it knows better. */
        free_vpc(vpc);
        vpc = new_vpc();
        web = vpc_sandbox_path(vpc_sandbox_find(vpc, "web"));
        assert_int_equal(ask(web, NODE_ADDRESS, 8443), 'b');
        apply(vpc, two_groups());
        assert_int_equal(ask(web, NODE_ADDRESS, 8443), 0);
        stop(everywhere);
        stop(here);
        stop(balancer);
        destroy_vpc(vpc);
}

/* Two VPCs with the same addresses, on one machine. */
static void test_overlap(void **state)
{
        struct vpc *vpc = new_vpc();
        struct vpc_network *n;
        const char *a1, *a2, *b1, *b2;
        pid_t pids[2];

        for (int i = 0; i < 2; i++) {
                char id[8];

                snprintf(id, sizeof id, "vpc-%d", i);
                n = picture_new(id, 10 + (uint32_t)i);
                picture_rule(n, &picture_open_group(n, "sg-1")->ingress, VPC_ANY, VPC_ANY, VPC_ANY, "sg-1");
                picture_interface(n, i == 0 ? "eni-a1" : "eni-b1", "subnet-open", "10.0.0.5", "sg-1");
                picture_interface(n, i == 0 ? "eni-a2" : "eni-b2", "subnet-open", "10.0.0.6", "sg-1");
                apply(vpc, n);
        }
        a1 = plug(vpc, "a1", "eni-a1");
        a2 = plug(vpc, "a2", "eni-a2");
        b1 = plug(vpc, "b1", "eni-b1");
        b2 = plug(vpc, "b2", "eni-b2");
        pids[0] = serve(a1, "0.0.0.0", 80, false, 'a');
        pids[1] = serve(b1, "0.0.0.0", 80, false, 'b');
        assert_int_equal(ask(a2, "10.0.0.5", 80), 'a');
        assert_int_equal(ask(b2, "10.0.0.5", 80), 'b');
        stop(pids[0]);
        assert_int_equal(ask(a2, "10.0.0.5", 80), 0);
        assert_int_equal(ask(b2, "10.0.0.5", 80), 'b');
        stop(pids[1]);
        destroy_vpc(vpc);
}

static void test_restart(void **state)
{
        struct vpc *vpc = new_vpc();
        char web[200], db[200];
        pid_t server;
        struct wait wait;

        apply(vpc, two_groups());
        snprintf(web, sizeof web, "%s", plug(vpc, "web", "eni-web"));
        snprintf(db, sizeof db, "%s", plug(vpc, "db", "eni-db"));
        plug(vpc, "gone", "eni-other");
        server = serve(db, "0.0.0.0", 5432, false, 'd');
        free_vpc(vpc);
        assert_int_equal(ask(web, "10.0.16.5", 5432), 'd');
        assert_int_equal(ask(NULL, "10.0.16.5", 5432), 0);
        vpc = new_vpc();
        assert_int_equal(ask(web, "10.0.16.5", 5432), 'd');
        assert_string_equal(vpc_sandbox_interface(vpc_sandbox_find(vpc, "db")), "eni-db");
        assert_string_equal(vpc_sandbox_mac(vpc_sandbox_find(vpc, "db")), "02:00:05:10:00:0a");
        assert_string_equal(vpc_network_next(vpc, NULL), "vpc-1");
        unplug(vpc, "gone");
        apply(vpc, two_groups());
        assert_int_equal(ask(web, "10.0.16.5", 5432), 'd');
        free_vpc(vpc);
        /* Somebody took a cable away, and somebody a router. */
        {
                CLEANUP_FREE char *router = router_path();

                in_ns(router, "ip link del t0a001005");
                vpc = new_vpc();
                apply(vpc, two_groups());
                assert_int_equal(ask(web, "10.0.16.5", 5432), 'd');
                free_vpc(vpc);
                CLEANUP_FREE char *command = xprintf("umount %s", router);
                stop(server); /* was forked, and so holds our sockets */
                sh(command);
                sh("i=0; while ip -o link | grep -q gantry-v; do i=$((i+1)); test $i -lt 50 || exit 1; sleep 0.1; done");
                server = serve(db, "0.0.0.0", 5432, false, 'd');
                vpc = new_vpc();
                assert_null(vpc_network_next(vpc, NULL));
                apply(vpc, two_groups());
                assert_int_equal(ask(web, "10.0.16.5", 5432), 'd');
        }
        vpc_network_remove(vpc, "vpc-1", &waiting(&wait)->op);
        assert_int_equal(finish(&wait), 0);
        assert_null(vpc_network_next(vpc, NULL));
        /* The kernel takes the namespace down in its own time. */
        for (int i = 0; i < 50 && ask(web, "10.0.16.5", 5432) != 0; i++)
                usleep(20000);
        assert_int_equal(ask(web, "10.0.16.5", 5432), 0);
        stop(server);
        destroy_vpc(vpc);
}

/* ---- two machines ---- */

#define OTHER_UNDERLAY OUTSIDE_ADDRESS

static struct vpc_network *half(bool here)
{
        struct vpc_network *n = two_groups();
        struct vpc_interface *web = &n->interfaces[0], *db = &n->interfaces[1];

        n->node = address_of(here ? NODE_ADDRESS : OTHER_UNDERLAY);
        n->nodes[n->n_nodes++] = address_of(here ? OTHER_UNDERLAY : NODE_ADDRESS);
        (here ? db : web)->place = VPC_PLACE_REMOTE;
        (here ? db : web)->node = n->nodes[0];
        return n;
}

/* The world outside becomes the other machine, with the task "db"; ends when the pipe is closed. */
static pid_t other_machine(int ret_pipes[2], char ret_path[200])
{
        int out[2], in[2];
        pid_t pid;
        ssize_t n;

        assert_int_equal(pipe(out), 0);
        assert_int_equal(pipe(in), 0);
        pid = fork();
        if (pid == 0) {
                char other_dir[] = "/tmp/gantry-vpc-XXXXXX", c;
                struct vpc *vpc;
                const char *path;

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(in[1]);
                enter(world_outside);
                assert(mkdtemp(other_dir) != NULL);
                memcpy(dir, other_dir, sizeof dir);
                vpc = new_vpc();
                apply(vpc, half(false));
                path = plug(vpc, "db", "eni-db");
                (void)!write(out[1], path, strlen(path) + 1);
                while (read(in[0], &c, 1) == 1) {
                        struct vpc_network *open = half(false);

                        picture_rule(open, &open->groups[1].ingress, 6, 5432, 5432, c == 'o' ? "0.0.0.0/0" : "sg-web");
                        apply(vpc, open);
                        (void)!write(out[1], "k", 1);
                }
                destroy_vpc(vpc);
                CLEANUP_FREE char *command = xprintf("rm -rf %s", dir);
                sh(command);
                _exit(0);
        }
        close(out[1]);
        close(in[0]);
        n = read(out[0], ret_path, 199);
        assert_true(n > 0);
        ret_pipes[0] = out[0];
        ret_pipes[1] = in[1];
        return pid;
}

static void test_tunnel(void **state)
{
        char path[200], db[260], web[260], c;
        int pipes[2];
        pid_t other = other_machine(pipes, path), server, client;
        struct vpc *vpc = new_vpc();

        apply(vpc, half(true));
        snprintf(web, sizeof web, "%s", plug(vpc, "web", "eni-web"));
        snprintf(db, sizeof db, "%s", path);
        server = serve(db, "0.0.0.0", 5432, false, 'd');
        client = serve(web, "0.0.0.0", 80, false, 'w');
        assert_int_equal(ask(web, "10.0.16.5", 5432), 'd');
        assert_int_equal(ask(db, "10.0.0.5", 80), 0); /* no egress */
        assert_int_equal(ask(NULL, "10.0.16.5", 5432), 0);
        assert_int_equal(ask(world_outside, "10.0.0.5", 80), 'w'); /* the other machine itself */
        assert_int_equal(write(pipes[1], "o", 1), 1);
        assert_int_equal(read(pipes[0], &c, 1), 1);
        assert_int_equal(ask(NULL, "10.0.16.5", 5432), 'd');
        assert_int_equal(write(pipes[1], "c", 1), 1);
        assert_int_equal(read(pipes[0], &c, 1), 1);
        assert_int_equal(ask(NULL, "10.0.16.5", 5432), 0);
        assert_int_equal(ask(web, "10.0.16.5", 5432), 'd');
        /* After a restart the tunnel is taken over as it is. */
        free_vpc(vpc);
        vpc = new_vpc();
        apply(vpc, half(true));
        assert_int_equal(ask(web, "10.0.16.5", 5432), 'd');
        sh("test $(nft list chain ip gantry0 tunnels | grep -c drop) -eq 1");
        stop(server);
        stop(client);
        close(pipes[1]);
        close(pipes[0]);
        waitpid(other, NULL, 0);
        destroy_vpc(vpc);
}

/* ---- nothing is left ---- */

static void test_nothing_left(void **state)
{
        CLEANUP_FREE char *command = xprintf("test -z \"$(ls %s/routers %s/router-records %s/netns %s/records | grep -v :)\" && "
                                             "test -z \"$(nft list tables)\" && ! grep -q %s /proc/self/mountinfo",
                                             dir, dir, dir, dir, dir + 5);

        sh(command);
        sh("i=0; while ip -o link | grep -qE 'gantry|vxlan'; do i=$((i+1)); test $i -lt 50 || exit 1; sleep 0.1; done");
        sh("! ip route | grep -q 10.0.");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_groups),       cmocka_unit_test(test_changes), cmocka_unit_test(test_spoofing),
                cmocka_unit_test(test_ways_out),     cmocka_unit_test(test_hosted),  cmocka_unit_test(test_machine_is_out_of_reach),
                cmocka_unit_test(test_overlap),      cmocka_unit_test(test_restart), cmocka_unit_test(test_tunnel),
                cmocka_unit_test(test_nothing_left),
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
