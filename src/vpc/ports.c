/* SPDX-License-Identifier: Apache-2.0 */
/* Host ports: a bitmap for each protocol, and a socket for each port that is given. */
#include "vpc/ports.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/buf.h"

#define BITS 65536
#define FALLBACK_MIN 49153
#define FALLBACK_MAX 65535

struct ports {
        uint64_t taken[2][BITS / 64]; /* [0] TCP, [1] UDP */
        uint64_t reserved[2][BITS / 64];
        uint32_t min, max;
        uint32_t next[2]; /* where the search for a dynamic one goes on: a port rests as long as possible before it is given again */
};

static bool bit(const uint64_t *bits, uint32_t i)
{
        return (bits[i / 64] >> (i % 64)) & 1;
}

static void bit_set(uint64_t *bits, uint32_t i)
{
        bits[i / 64] |= (uint64_t)1 << (i % 64);
}

static void bit_clear(uint64_t *bits, uint32_t i)
{
        bits[i / 64] &= ~((uint64_t)1 << (i % 64));
}

/* What the kernel uses for outgoing connections, as the stock agent does. */
static void default_range(uint32_t *ret_min, uint32_t *ret_max)
{
        CLEANUP_BUF struct buf text = {0};
        unsigned long min = 0, max = 0;
        char *end;

        if (buf_read_file(&text, "/proc/sys/net/ipv4/ip_local_port_range", 64) == 0 && text.len > 0) {
                min = strtoul(text.data, &end, 10);
                max = strtoul(end, NULL, 10);
        }
        if (min == 0 || max > FALLBACK_MAX || min > max) {
                min = FALLBACK_MIN;
                max = FALLBACK_MAX;
        }
        *ret_min = (uint32_t)min;
        *ret_max = (uint32_t)max;
}

struct ports *ports_new(const struct vpc_options *options)
{
        struct ports *p = xalloc(sizeof *p);

        default_range(&p->min, &p->max);
        if (options->port_min != 0 && options->port_max >= options->port_min) {
                p->min = options->port_min;
                p->max = options->port_max;
        }
        p->next[0] = p->next[1] = p->min;
        for (uint32_t i = 0; i < options->n_reserved_tcp; i++)
                bit_set(p->reserved[0], options->reserved_tcp[i]);
        for (uint32_t i = 0; i < options->n_reserved_udp; i++)
                bit_set(p->reserved[1], options->reserved_udp[i]);
        return p;
}

struct ports *ports_free(struct ports *ports)
{
        free(ports);
        return NULL;
}

bool ports_is_taken(const struct ports *ports, bool udp, uint16_t port)
{
        return bit(ports->taken[udp], port);
}

/* A socket that holds the port, or -errno. It listens so that nobody else can; packets never get to it, they are redirected
 * before. SO_REUSEADDR only so that old connections in TIME_WAIT do not count. */
static int hold_port(bool udp, uint32_t port)
{
        CLEANUP_CLOSE int fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        const int on = 1;

        if (fd < 0)
                return -errno;
        if (!udp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
                return -errno;
        if (bind(fd, (const struct sockaddr *)&any, sizeof any) < 0 || (!udp && listen(fd, 0) < 0))
                return -errno;
        return TAKE_FD(fd);
}

static void hold_add(struct ports *ports, struct ports_hold *hold, const struct vpc_port *port, int *fds)
{
        hold->ports = xrealloc(hold->ports, (hold->n + 1) * sizeof *hold->ports);
        hold->fds = xrealloc(hold->fds, (hold->n + 1) * sizeof *hold->fds);
        hold->ports[hold->n] = *port;
        hold->fds[hold->n++] = fds;
        for (uint32_t k = 0; k < port->count; k++)
                bit_set(ports->taken[port->udp], port->host_port + k);
}

/* Holds the whole run, or nothing: then -errno, and which port it was. */
static int hold_run(bool udp, uint32_t first, uint32_t count, int *fds, uint32_t *ret_bad)
{
        for (uint32_t k = 0; k < count; k++) {
                fds[k] = hold_port(udp, first + k);
                if (fds[k] >= 0)
                        continue;
                *ret_bad = first + k;
                for (uint32_t i = 0; i < k; i++)
                        (void)close(fds[i]);
                return fds[k];
        }
        return 0;
}

/* First port in the way of the run from `first`, or 0. */
static uint32_t blocked(const struct ports *ports, bool udp, uint32_t first, uint32_t count)
{
        for (uint32_t k = count; k-- > 0;) {
                if (bit(ports->taken[udp], first + k) || bit(ports->reserved[udp], first + k))
                        return first + k;
        }
        return 0;
}

static int take_fixed(struct ports *ports, const struct vpc_port *port, struct ports_hold *hold, struct error *error)
{
        CLEANUP_FREE int *fds = xcalloc(port->count, sizeof *fds);
        const char *protocol = port->udp ? "udp" : "tcp";
        uint32_t bad = blocked(ports, port->udp, port->host_port, port->count);
        int r;

        if (bad != 0 && bit(ports->reserved[port->udp], bad))
                return error_set(error, EADDRINUSE,
                                 "host port %u/%s is reserved on this node: choose another hostPort, or 0 for a free one", bad, protocol);
        if (bad != 0)
                return error_set(error, EADDRINUSE,
                                 "host port %u/%s is already allocated to another container of this node: choose another "
                                 "hostPort, or 0 for a free one",
                                 bad, protocol);
        r = hold_run(port->udp, port->host_port, port->count, fds, &bad);
        if (r == -EADDRINUSE)
                return error_set(error, EADDRINUSE,
                                 "host port %u/%s is in use by another program of this machine (ss -lnp 'sport = :%u' shows "
                                 "which): stop it, or choose another hostPort, or 0 for a free one",
                                 bad, protocol, bad);
        if (r < 0)
                return error_set(error, -r, "cannot take host port %u/%s: %s", bad, protocol, strerror(-r));
        hold_add(ports, hold, port, TAKE(fds));
        return 0;
}

static int take_dynamic(struct ports *ports, const struct vpc_port *request, struct ports_hold *hold, struct error *error)
{
        CLEANUP_FREE int *fds = xcalloc(request->count, sizeof *fds);
        uint32_t size = ports->max - ports->min + 1, next = ports->next[request->udp];
        struct vpc_port port = *request;

        for (uint32_t tried = 0; tried < size;) {
                uint32_t bad = 0;
                int r = 0;

                if (next + port.count - 1 > ports->max || next < ports->min) {
                        tried += next > ports->max ? 1 : ports->max - next + 1;
                        next = ports->min;
                        continue;
                }
                bad = blocked(ports, port.udp, next, port.count);
                if (bad == 0)
                        r = hold_run(port.udp, next, port.count, fds, &bad);
                if (bad == 0) {
                        port.host_port = (uint16_t)next;
                        ports->next[port.udp] = next + port.count;
                        hold_add(ports, hold, &port, TAKE(fds));
                        return 0;
                }
                if (r < 0 && r != -EADDRINUSE && r != -EACCES)
                        return error_set(error, -r, "cannot take host port %u: %s", bad, strerror(-r));
                tried += bad - next + 1;
                next = bad + 1;
        }
        return error_set(error, ENOSPC, "no run of %u free %s host ports is left between %u and %u", port.count, port.udp ? "udp" : "tcp",
                         ports->min, ports->max);
}

static int check_request(const struct vpc_port *request, uint32_t n, uint32_t n_held, struct error *error)
{
        uint32_t total = 0;

        if (n + n_held > VPC_PORTS_MAX)
                return error_set(error, EINVAL, "at most %d port mappings a container, not %u", VPC_PORTS_MAX, n + n_held);
        for (uint32_t i = 0; i < n; i++) {
                uint32_t count = request[i].count != 0 ? request[i].count : 1;

                total += count;
                if (request[i].container_port == 0)
                        return error_set(error, EINVAL, "a port mapping needs a containerPort");
                if (request[i].container_port + count - 1 > FALLBACK_MAX || request[i].host_port + count - 1 > FALLBACK_MAX)
                        return error_set(error, EINVAL, "a port mapping of %u ports from %u ends after 65535", count,
                                         request[i].container_port);
        }
        if (total > VPC_PORTS_TOTAL)
                return error_set(error, EINVAL, "at most %d published ports a container, not %u", VPC_PORTS_TOTAL, total);
        return 0;
}

static int take_one(struct ports *ports, struct vpc_port port, struct ports_hold *hold, struct error *error)
{
        port.count = port.count != 0 ? port.count : 1;
        return port.host_port != 0 ? take_fixed(ports, &port, hold, error) : take_dynamic(ports, &port, hold, error);
}

static void hold_done(struct ports_hold *hold)
{
        free(hold->ports);
        free(hold->fds);
        *hold = (struct ports_hold){0};
}

int ports_take(struct ports *ports, const struct vpc_port *request, uint32_t n, struct ports_hold *hold, struct error *error)
{
        struct ports_hold fixed = {0}, dynamic = {0};
        uint32_t next_fixed = 0, next_dynamic = 0;
        int r = check_request(request, n, hold->n, error);

        /* Fixed ones first, so that a dynamic one does not happen to be one of them. */
        for (uint32_t i = 0; r == 0 && i < n; i++)
                r = request[i].host_port != 0 ? take_one(ports, request[i], &fixed, error) : 0;
        for (uint32_t i = 0; r == 0 && i < n; i++)
                r = request[i].host_port == 0 ? take_one(ports, request[i], &dynamic, error) : 0;
        if (r < 0) {
                ports_release_all(ports, &fixed);
                ports_release_all(ports, &dynamic);
                return r;
        }
        for (uint32_t i = 0; i < n; i++) {
                if (request[i].host_port != 0 && fixed.fds != NULL) {
                        hold_add(ports, hold, &fixed.ports[next_fixed], fixed.fds[next_fixed]);
                        next_fixed++;
                } else if (dynamic.fds != NULL) {
                        hold_add(ports, hold, &dynamic.ports[next_dynamic], dynamic.fds[next_dynamic]);
                        next_dynamic++;
                }
        }
        hold_done(&fixed);
        hold_done(&dynamic);
        return 0;
}

void ports_take_again(struct ports *ports, const struct vpc_port *given, uint32_t n, struct ports_hold *hold)
{
        for (uint32_t i = 0; i < n; i++) {
                int *fds = xcalloc(given[i].count, sizeof *fds);

                for (uint32_t k = 0; k < given[i].count; k++)
                        fds[k] = hold_port(given[i].udp, given[i].host_port + k);
                hold_add(ports, hold, &given[i], fds);
        }
}

static void release_at(struct ports *ports, struct ports_hold *hold, uint32_t at)
{
        const struct vpc_port port = hold->ports[at];

        for (uint32_t k = 0; k < port.count; k++) {
                bit_clear(ports->taken[port.udp], port.host_port + k);
                if (hold->fds[at][k] >= 0)
                        (void)close(hold->fds[at][k]);
        }
        free(hold->fds[at]);
        hold->n--;
        memmove(hold->ports + at, hold->ports + at + 1, (hold->n - at) * sizeof *hold->ports);
        memmove(hold->fds + at, hold->fds + at + 1, (hold->n - at) * sizeof *hold->fds);
}

void ports_release(struct ports *ports, struct ports_hold *hold, const struct vpc_port *given, uint32_t n)
{
        for (uint32_t at = hold->n; at-- > 0;) {
                for (uint32_t i = 0; i < n; i++) {
                        if (hold->ports[at].udp != given[i].udp || hold->ports[at].host_port != given[i].host_port)
                                continue;
                        release_at(ports, hold, at);
                        break;
                }
        }
        if (hold->n == 0)
                hold_done(hold);
}

void ports_release_all(struct ports *ports, struct ports_hold *hold)
{
        while (hold->n > 0)
                release_at(ports, hold, hold->n - 1);
        hold_done(hold);
}
