/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces as files, and what is inside and at the end of their cable. Blocking; may run on any thread: a thread that
 * makes a namespace is in it for a moment and comes back.
 */
#pragma once

#include <netinet/in.h>
#include <net/if.h>

#include "base/list.h"
#include "vpc/netlink.h"
#include "vpc/nft.h"

/* What jobs use of the kernel. Set up by vpc_new, then touched by one job at a time. */
struct vpc_kernel {
        int host_ns;       /* the namespace of the node itself */
        struct netlink nl; /* there */
        struct nft *nft;   /* there */
        char bridge[IFNAMSIZ];
        unsigned bridge_index;
        uint32_t gateway; /* address of the bridge, host byte order */
        int prefix;       /* of the range, 16 to 28 */
        uint32_t mtu;
        struct list routers;        /* of struct router */
        uint64_t router_slots[128]; /* a bit each */
        char *outer;                /* script of the machine's part of VPCs that is in force; NULL: not known */
        bool hairpin;               /* packets may go back through the port of the bridge that they came from */
};

/* Makes the namespace file with lo up and, when `address` (host byte order) is not 0, eth0 with it, cabled to the bridge. Undoes
 * everything when it fails. */
int netns_create(struct vpc_kernel *kernel, const char *path, uint32_t address, struct error *error) MUST_CHECK;
/* Makes the namespace file with lo up, and a netlink socket in it, which the caller closes. On failure there may be a file. */
int netns_make(struct vpc_kernel *kernel, const char *path, struct netlink *ret_inside, struct error *error) MUST_CHECK;
/* Calls `visit` with this thread in the namespace at `path`, and comes back. Its result, or -errno. */
int netns_visit(struct vpc_kernel *kernel, const char *path, int (*visit)(void *data, struct error *error), void *data,
                struct error *error) MUST_CHECK;
/* Gives the namespace at `path`, which is there, a new cable. */
int netns_repair(struct vpc_kernel *kernel, const char *path, uint32_t address, struct error *error) MUST_CHECK;
/* Takes the file away; what is gone already is fine. The kernel removes the namespace, with its cable, when no process is in it any
 * more, in the background: to ask for that and to wait for it would take 30 ms. */
void netns_remove(const char *path);
/* Is there a namespace at `path` (not after a reboot, for example)? */
bool netns_exists(const char *path);
/* Removes the cables on the bridge that `keep` does not want. */
void netns_sweep(struct vpc_kernel *kernel, bool (*keep)(uint32_t address, void *data), void *data);
/* Is the cable of `address` plugged into the bridge? */
bool netns_connected(struct vpc_kernel *kernel, uint32_t address);

/* Name of the machine's end of the cable; `ret` holds IFNAMSIZ bytes. Addresses are unique on a machine, so names are too. */
void netns_link_name(uint32_t address, char ret[IFNAMSIZ]);
/* The same address has the same hardware address for ever: what others remember of it stays true. */
void netns_mac(uint32_t address, uint8_t ret[6]);
/* Writes a file under /proc/sys of this thread's namespace. Best effort: kernels without it still run containers. */
void netns_sysctl(const char *path, const char *value);
