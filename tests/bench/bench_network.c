/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks of awsvpc tasks on one machine: how long a task waits for its interface, what a thousand rules of a security group cost a
 * connection, and how fast two tasks exchange bytes, compared with two containers on the bridge. Runs in a network namespace of its own;
 * needs root (77: skipped).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/env.h"
#include "vpc/network.h"

#include "../unit/vpc_picture.h"

#define ROUNDS 100
#define CONNECTIONS 2000
#define SECONDS 1

static char dir[] = "/tmp/gantry-bench-net-XXXXXX";

struct wait {
        struct vpc_op op;
        bool done;
};

static void finished(struct vpc_op *op, int status, const struct error *error)
{
        if (status < 0) {
                fprintf(stderr, "%s\n", error->message);
                exit(1);
        }
        CONTAINER_OF(op, struct wait, op)->done = true;
}

static void finish(struct wait *wait)
{
        while (!wait->done)
                uv_run(uv_default_loop(), UV_RUN_ONCE);
}

static void apply(struct vpc *vpc, struct vpc_network *network)
{
        struct wait wait = {.op = {.done = finished}};

        vpc_network_apply(vpc, network, &wait.op);
        finish(&wait);
}

static void create(struct vpc *vpc, const struct vpc_sandbox_spec *spec)
{
        struct wait wait = {.op = {.done = finished}};

        vpc_sandbox_create(vpc, spec, &wait.op);
        finish(&wait);
}

static void destroy(struct vpc *vpc, const char *id)
{
        struct wait wait = {.op = {.done = finished}};

        vpc_sandbox_destroy(vpc_sandbox_find(vpc, id), &wait.op);
        finish(&wait);
}

static int compare(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

        return (x > y) - (x < y);
}

static void report(const char *what, int64_t *us, size_t n)
{
        qsort(us, n, sizeof *us, compare);
        printf("%-58s p50 %6.3f ms   p90 %6.3f ms   max %6.3f ms\n", what, (double)us[n / 2] / 1e3, (double)us[n * 9 / 10] / 1e3,
               (double)us[n - 1] / 1e3);
}

/* A VPC with the tasks client and server, and `others` interfaces elsewhere that are in their group. The server's group has `rules`
 * rules, of which the last one lets the client in. */
/* `task` 0: without the third task; else with the next address each time, as addresses are reused late. */
static struct vpc_network *picture(int others, int rules, int task)
{
        struct vpc_network *n = picture_new("vpc-bench", 9);
        struct vpc_group *group = picture_open_group(n, "sg-server");
        char text[32];

        picture_open_group(n, "sg-client");
        for (int i = 0; i + 1 < rules; i++) {
                snprintf(text, sizeof text, "10.%d.%d.0/24", 100 + i / 250, i % 250);
                picture_rule(n, &group->ingress, 6, 1000 + i % 7, 8000, text);
        }
        picture_rule(n, &group->ingress, 6, 5000, 5001, "sg-client");
        picture_interface(n, "eni-client", "subnet-open", "10.0.0.5", "sg-client");
        picture_interface(n, "eni-server", "subnet-open", "10.0.0.6", "sg-server");
        if (task > 0) {
                snprintf(text, sizeof text, "10.0.%d.%d", 1 + task / 250, 1 + task % 250);
                picture_interface(n, "eni-task", "subnet-open", text, "sg-client");
        }
        n->node = address_of("192.0.2.1");
        for (int i = 0; i < others; i++) {
                struct vpc_interface *it;
                char id[32];

                snprintf(text, sizeof text, "10.0.%d.%d", 16 + i / 250, 1 + i % 250);
                snprintf(id, sizeof id, "eni-%d", i);
                it = picture_interface(n, id, "subnet-nat", text, "sg-client");
                it->place = VPC_PLACE_REMOTE;
                it->node = address_of("192.0.2.2");
        }
        if (others > 0)
                n->nodes[n->n_nodes++] = address_of("192.0.2.2");
        return n;
}

/* ---- set-up of a task ---- */

static void set_up(struct vpc *vpc, int others, int rules, const char *what)
{
        const struct vpc_sandbox_spec spec = {.id = "task", .mode = VPC_INTERFACE, .interface = "eni-task"};
        int64_t rule_us[ROUNDS], make_us[ROUNDS], all_us[ROUNDS];
        char line[100];

        apply(vpc, picture(others, rules, 0));
        for (int i = 0; i < ROUNDS; i++) {
                int64_t begin = env_mono_us(env_system()), ruled;

                apply(vpc, picture(others, rules, i + 1));
                ruled = env_mono_us(env_system());
                create(vpc, &spec);
                all_us[i] = env_mono_us(env_system()) - begin;
                rule_us[i] = ruled - begin;
                make_us[i] = all_us[i] - rule_us[i];
                destroy(vpc, "task");
                apply(vpc, picture(others, rules, 0));
        }
        snprintf(line, sizeof line, "rules and routes of a new task, %s", what);
        report(line, rule_us, ROUNDS);
        snprintf(line, sizeof line, "its namespace and interface, %s", what);
        report(line, make_us, ROUNDS);
        snprintf(line, sizeof line, "both, %s", what);
        report(line, all_us, ROUNDS);
}

/* ---- two tasks ---- */

static void enter(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
                _exit(1);
        close(fd);
}

/* Accepts and closes; or reads everything. */
static pid_t serve(const char *path, bool stream)
{
        int ready[2], on = 1;
        char c;
        pid_t pid;

        if (pipe(ready) < 0)
                exit(1);
        pid = fork();
        if (pid == 0) {
                struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(5000)};
                static char bytes[1 << 18];
                int fd;

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                enter(path);
                fd = socket(AF_INET, SOCK_STREAM, 0);
                setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
                if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0 || listen(fd, 512) < 0)
                        _exit(1);
                (void)!write(ready[1], "x", 1);
                for (;;) {
                        int client = accept(fd, NULL, NULL);

                        while (stream && read(client, bytes, sizeof bytes) > 0)
                                ;
                        close(client);
                }
        }
        close(ready[1]);
        (void)!read(ready[0], &c, 1);
        close(ready[0]);
        return pid;
}

static int call(const char *address)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5000), .sin_addr.s_addr = inet_addr(address)};
        const struct linger now = {.l_onoff = 1};
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
                perror("connect");
                _exit(1);
        }
        /* A reset at the end: no port stays in TIME_WAIT. */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        return fd;
}

/* Runs in the namespace and gives back a number. */
static double in_task(const char *path, const char *address, double (*work)(const char *address))
{
        int result[2];
        double number = 0;
        pid_t pid;

        if (pipe(result) < 0)
                exit(1);
        pid = fork();
        if (pid == 0) {
                enter(path);
                number = work(address);
                (void)!write(result[1], &number, sizeof number);
                _exit(0);
        }
        (void)!read(result[0], &number, sizeof number);
        close(result[0]);
        close(result[1]);
        waitpid(pid, NULL, 0);
        return number;
}

static double connections(const char *address)
{
        int64_t begin = env_mono_us(env_system());

        for (int i = 0; i < CONNECTIONS; i++)
                close(call(address));
        return (double)(env_mono_us(env_system()) - begin) / CONNECTIONS;
}

static double bytes_per_second(const char *address)
{
        static char bytes[1 << 17];
        int fd = call(address);
        int64_t begin = env_mono_us(env_system()), end = begin + SECONDS * 1000000;
        double n = 0;

        while (env_mono_us(env_system()) < end)
                n += (double)write(fd, bytes, sizeof bytes);
        n /= (double)(env_mono_us(env_system()) - begin) / 1e6;
        close(fd);
        return n;
}

static void stop(pid_t pid)
{
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

static void rules_cost(struct vpc *vpc)
{
        const char *client = vpc_sandbox_path(vpc_sandbox_find(vpc, "client")), *server = vpc_sandbox_path(vpc_sandbox_find(vpc, "server"));
        pid_t pid = serve(server, false);
        double few = 0, many = 0;

        for (int i = 0; i < 5; i++) {
                apply(vpc, picture(0, 1, 0));
                few += in_task(client, "10.0.0.6", connections) / 5;
                apply(vpc, picture(0, 1000, 0));
                many += in_task(client, "10.0.0.6", connections) / 5;
        }
        printf("a connection, 1 rule: %.2f us; 1,000 rules: %.2f us; ratio %.3f\n", few, many, many / few);
        stop(pid);
}

static void throughput(struct vpc *vpc)
{
        const struct vpc_sandbox_spec a = {.id = "a"}, b = {.id = "b"};
        const char *client = vpc_sandbox_path(vpc_sandbox_find(vpc, "client")), *server = vpc_sandbox_path(vpc_sandbox_find(vpc, "server"));
        double task = 0, bridge = 0;
        pid_t pids[2];

        create(vpc, &a);
        create(vpc, &b);
        pids[0] = serve(server, true);
        pids[1] = serve(vpc_sandbox_path(vpc_sandbox_find(vpc, "b")), true);
        for (int i = 0; i < 3; i++) {
                task += in_task(client, "10.0.0.6", bytes_per_second) / 3;
                bridge += in_task(vpc_sandbox_path(vpc_sandbox_find(vpc, "a")), vpc_sandbox_address(vpc_sandbox_find(vpc, "b")),
                                  bytes_per_second) /
                          3;
        }
        printf("bytes between two tasks: %.2f GB/s; between two containers on the bridge: %.2f GB/s; ratio %.2f\n", task / 1e9,
               bridge / 1e9, task / bridge);
        stop(pids[0]);
        stop(pids[1]);
}

static void bench(struct vpc *vpc)
{
        const struct vpc_sandbox_spec client = {.id = "client", .mode = VPC_INTERFACE, .interface = "eni-client"};
        const struct vpc_sandbox_spec server = {.id = "server", .mode = VPC_INTERFACE, .interface = "eni-server"};
        int64_t begin = env_mono_us(env_system());

        apply(vpc, picture(0, 1, 0));
        printf("%-58s %10.3f ms\n", "router of a VPC", (double)(env_mono_us(env_system()) - begin) / 1e3);
        create(vpc, &client);
        create(vpc, &server);
        set_up(vpc, 0, 1, "alone");
        set_up(vpc, 100, 100, "100 others, 100 rules");
        set_up(vpc, 4000, 1000, "4,000 others, 1,000 rules");
        rules_cost(vpc);
        throughput(vpc);
}

int main(void)
{
        struct vpc_options options = {.loop = uv_default_loop(), .dir = dir, .prepared = UINT32_MAX};
        CLEANUP_FREE char *command = NULL;
        struct error error = {0};
        struct vpc *vpc = NULL;

        if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
                fprintf(stderr, "needs root: skipped\n");
                return 77;
        }
        if (system("ip link set lo up && ip addr add 192.0.2.1/32 dev lo") != 0 || mkdtemp(dir) == NULL)
                return 1;
        if (vpc_new(&options, &vpc, &error) < 0) {
                fprintf(stderr, "%s\n", error.message);
                return 1;
        }
        bench(vpc);
        vpc_destroy(vpc);
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
        command = xprintf("rm -rf %s", dir);
        return system(command) != 0;
}
