/* SPDX-License-Identifier: Apache-2.0 */
/* Taps: the cables of virtual machines. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/if_tun.h>

#include "vpc/vpc.h"

int vpc_tap_open(char *ret_name, struct error *error)
{
        struct ifreq request = {.ifr_name = "gantry-vm%d", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
        CLEANUP_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
                return error_set(error, errno, "cannot make a tap for a virtual machine: %s%s", strerror(errno),
                                 errno == ENOENT || errno == ENODEV ? "; load the kernel module tun" : "");
        memcpy(ret_name, request.ifr_name, IFNAMSIZ);
        return TAKE_FD(fd);
}
