/* SPDX-License-Identifier: Apache-2.0 */
/* The task's interface: eth0, as it is in a sandbox. Everything goes to the router; no neighbour is asked for. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest/guest.h"

#define INTERFACE "eth0"

static void put_address(struct sockaddr *to, const char *text)
{
        struct sockaddr_in address = {.sin_family = AF_INET};

        (void)inet_pton(AF_INET, text, &address.sin_addr);
        memcpy(to, &address, sizeof(address));
}

/* "02:67:ac:1f:f0:05" */
static int put_mac(struct sockaddr *to, const char *text)
{
        to->sa_family = ARPHRD_ETHER;
        for (int i = 0; i < 6; i++) {
                char *end = NULL;
                unsigned long byte = text != NULL ? strtoul(text, &end, 16) : 256;

                if (byte > 255 || end == text || *end != (i < 5 ? ':' : '\0'))
                        return -EINVAL;
                to->sa_data[i] = (char)byte;
                text = end + 1;
        }
        return 0;
}

static int set_link(int fd, const char *name, const struct guest_configure *in, struct error *error)
{
        struct ifreq request = {0};
        bool ours = strcmp(name, INTERFACE) == 0;

        (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
        if (ours && (put_mac(&request.ifr_hwaddr, in->mac) < 0 || ioctl(fd, SIOCSIFHWADDR, &request) < 0))
                return error_set(error, errno, "cannot give " INTERFACE " its hardware address: %s", strerror(errno));
        request.ifr_mtu = in->mtu;
        if (ours && in->mtu > 0 && ioctl(fd, SIOCSIFMTU, &request) < 0)
                return error_set(error, errno, "cannot set the MTU of " INTERFACE ": %s", strerror(errno));
        if (ours) {
                put_address(&request.ifr_addr, in->address);
                if (ioctl(fd, SIOCSIFADDR, &request) < 0)
                        return error_set(error, errno, "cannot give " INTERFACE " its address: %s", strerror(errno));
                put_address(&request.ifr_netmask, "255.255.255.255");
                if (ioctl(fd, SIOCSIFNETMASK, &request) < 0)
                        return error_set(error, errno, "cannot set the netmask of " INTERFACE ": %s", strerror(errno));
        }
        request.ifr_flags = IFF_UP | IFF_RUNNING;
        if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
                return error_set(error, errno, "cannot switch %s on: %s", name, strerror(errno));
        return 0;
}

static int add_route(int fd, const char *to, const char *mask, const char *gateway)
{
        struct rtentry route = {.rt_flags = RTF_UP, .rt_dev = (char *)(uintptr_t)INTERFACE};

        put_address(&route.rt_dst, to);
        put_address(&route.rt_genmask, mask);
        put_address(&route.rt_gateway, gateway != NULL ? gateway : "0.0.0.0");
        if (gateway != NULL)
                route.rt_flags |= RTF_GATEWAY;
        return ioctl(fd, SIOCADDRT, &route) < 0 && errno != EEXIST ? -errno : 0;
}

static int fix_neighbour(int fd, const struct guest_configure *in)
{
        struct arpreq request = {.arp_flags = ATF_PERM | ATF_COM};

        put_address(&request.arp_pa, in->gateway);
        if (put_mac(&request.arp_ha, in->gateway_mac) < 0)
                return -EINVAL;
        (void)snprintf(request.arp_dev, sizeof(request.arp_dev), INTERFACE);
        return ioctl(fd, SIOCSARP, &request) < 0 ? -errno : 0;
}

void setup_network_off(void)
{
        CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = {.ifr_name = INTERFACE};

        put_address(&request.ifr_addr, "0.0.0.0");
        (void)ioctl(fd, SIOCSIFADDR, &request);
        request.ifr_flags = 0; /* routes and neighbours go with it */
        (void)ioctl(fd, SIOCSIFFLAGS, &request);
}

int setup_network(const struct guest_configure *in, struct error *error)
{
        CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int r = set_link(fd, "lo", in, error);

        if (r == 0)
                r = set_link(fd, INTERFACE, in, error);
        if (r < 0)
                return r;
        r = add_route(fd, in->gateway, "255.255.255.255", NULL);
        if (r == 0)
                r = fix_neighbour(fd, in);
        if (r == 0)
                r = add_route(fd, "0.0.0.0", "0.0.0.0", in->gateway);
        return r < 0 ? error_set(error, -r, "cannot set the routes of " INTERFACE ": %s", strerror(-r)) : 0;
}
