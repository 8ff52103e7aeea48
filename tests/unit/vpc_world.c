/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces, servers of one letter, and callers. */
#include "unit.h"

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

#include "vpc_world.h"

#define SKIP 77

char world_outside[64];

void sh(const char *command)
{
        if (system(command) != 0) {
                print_error("failed: %s\n", command);
                abort();
        }
}

void enter(const char *ns)
{
        int fd = open(ns, O_RDONLY);

        if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
                _exit(99);
        close(fd);
}

int socket_at(bool udp, const char *address, int port, bool do_bind)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = inet_addr(address)};
        int fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0), on = 1;
        struct timeval timeout = {.tv_usec = 400000};

        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
        if ((do_bind ? bind : connect)(fd, (struct sockaddr *)&to, sizeof to) < 0 || (do_bind && !udp && listen(fd, 16) < 0)) {
                close(fd);
                return -1;
        }
        return fd;
}

pid_t serve(const char *ns, const char *address, int port, bool udp, char letter)
{
        int ready[2], fd;
        pid_t pid;
        char c;

        assert_int_equal(pipe(ready), 0);
        pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (ns != NULL)
                        enter(ns);
                fd = socket_at(udp, address, port, true);
                if (fd < 0)
                        _exit(98);
                (void)!write(ready[1], "x", 1);
                for (;;) {
                        struct sockaddr_in from;
                        socklen_t len = sizeof from;
                        int client = udp ? fd : accept(fd, NULL, NULL);

                        if (udp && recvfrom(fd, &c, 1, 0, (struct sockaddr *)&from, &len) == 1)
                                (void)!sendto(fd, &letter, 1, 0, (struct sockaddr *)&from, len);
                        if (!udp && client >= 0) {
                                (void)!write(client, &letter, 1);
                                close(client);
                        }
                }
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &c, 1), 1);
        close(ready[0]);
        return pid;
}

void stop(pid_t pid)
{
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

static char ask_here(const char *address, int port, bool udp, int from_port)
{
        int fd = -1;
        char c = 0;
        struct pollfd p;

        if (from_port != 0) {
                struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = inet_addr(address)};

                fd = socket_at(udp, "0.0.0.0", from_port, true);
                if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
                        return 0;
        } else {
                fd = socket_at(udp, address, port, false);
        }
        if (fd < 0)
                return 0;
        if (udp)
                (void)!write(fd, "?", 1);
        p = (struct pollfd){.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 500) != 1 || read(fd, &c, 1) != 1)
                c = 0;
        close(fd);
        return c;
}

char ask_from(const char *ns, const char *address, int port, bool udp, int from_port)
{
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                if (ns != NULL)
                        enter(ns);
                _exit(ask_here(address, port, udp, from_port));
        }
        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? (char)WEXITSTATUS(status) : 'X';
}

char ask(const char *ns, const char *address, int port)
{
        return ask_from(ns, address, port, false, 0);
}

static void done(struct vpc_op *op, int status, const struct error *error)
{
        struct wait *wait = CONTAINER_OF(op, struct wait, op);

        wait->done = true;
        wait->status = status;
        wait->error = *error;
}

struct wait *waiting(struct wait *wait)
{
        *wait = (struct wait){.op = {.done = done}};
        return wait;
}

int finish(struct wait *wait)
{
        while (!wait->done)
                uv_run(uv_default_loop(), UV_RUN_ONCE);
        return wait->status;
}

/* ---- set-up ---- */

void world_make(char *dir)
{
        pid_t pid;

        if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
                fprintf(stderr, "needs root and network namespaces: skipped\n");
                exit(SKIP);
        }
        if (system("ip link add probe type bridge 2>/dev/null && ip link del probe && nft list tables") != 0) {
                fprintf(stderr, "needs ip, nft, and a kernel with bridges and nftables: skipped\n");
                exit(SKIP);
        }
        pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (unshare(CLONE_NEWNET) < 0)
                        _exit(1);
                pause();
                _exit(0);
        }
        snprintf(world_outside, sizeof world_outside, "/proc/%d/ns/net", pid);
        for (int i = 0; i < 100; i++) {
                struct stat own, other;

                if (stat("/proc/self/ns/net", &own) == 0 && stat(world_outside, &other) == 0 && own.st_ino != other.st_ino)
                        break;
                usleep(10000);
        }
        {
                char command[400];

                snprintf(command, sizeof command,
                         "ip link set lo up && ip link add up0 type veth peer name eth0 netns %d && "
                         "ip addr add " NODE_ADDRESS "/24 dev up0 && ip link set up0 up && "
                         "nsenter --net=%s sh -c 'ip link set lo up; ip addr add " OUTSIDE_ADDRESS "/24 dev eth0; ip link set eth0 up'",
                         pid, world_outside);
                sh(command);
        }
        assert(mkdtemp(dir) != NULL);
}
