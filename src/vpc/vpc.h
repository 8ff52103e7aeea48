/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of one node: a Linux bridge, a network namespace ("sandbox") for each container, and ports of the machine that
 * lead into them.
 *
 *     container                        the machine
 *     eth0 172.31.240.5 ---- veth ---- gantry0 172.31.240.1 ---- routed, masqueraded ---- eth0, lo
 *
 * A published port is one element of the nftables map `published` in the table that is named as the bridge. It answers on every
 * address of the machine, 127.0.0.1 included, and to other containers. 169.254.170.2:80 leads to the agent's metadata port, for
 * containers and for processes of the machine. Nothing else of the machine's loopback can be reached from a container, and
 * nothing of a container that was not published can be reached from outside.
 *
 * Sandboxes outlive the agent: a namespace is a bind-mounted file under `dir`, and what belongs to it is written beside it.
 * vpc_new finds them again, repairs what is missing and removes what nobody owns.
 *
 * One thread: the loop's. Netlink, mounts and nftables happen in libuv's thread pool, one job after the other; each `done` comes
 * on a later turn of the loop, never inside the call that started it. Published ports are IPv4.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/error.h"

struct vpc;
struct vpc_sandbox;

#define VPC_METADATA_ADDRESS "169.254.170.2"

/* NULL and 0 mean the default that is named. Everything is copied by vpc_new. */
struct vpc_options {
        uv_loop_t *loop;             /* required */
        const char *dir;             /* required: namespaces and their records; made when missing. One agent per directory. */
        const char *bridge;          /* "gantry0", at most 15 characters; also the name of the nftables table */
        const char *range;           /* addresses of containers, "172.31.240.0/20" (prefix 16 to 28), the first is the bridge's. Default:
                                   what the bridge has already, else the first of a list that clashes with no address, route or name
                                   server of this machine */
        uint16_t metadata_port;      /* on 127.0.0.1, where 169.254.170.2:80 leads to; 0: nowhere */
        uint16_t port_min, port_max; /* dynamic host ports; the kernel's ip_local_port_range, else 49153 to 65535 */
        const uint16_t *reserved_tcp, *reserved_udp; /* ports that are never chosen nor given */
        uint32_t n_reserved_tcp, n_reserved_udp;
        uint32_t prepared; /* sandboxes kept ready so that a start need not wait for the kernel; UINT32_MAX: none; default 4 */
        uint32_t mtu;      /* of the containers' interfaces; that of the default route's interface, else 1500 */
};

/*
 * Sets the machine up (bridge, address, sysctls, table; what is right already is left as it is) and reads the sandboxes that an
 * earlier agent left. Blocks for some milliseconds: for start-up. Errors: -EPERM without CAP_NET_ADMIN and CAP_SYS_ADMIN,
 * -EADDRINUSE when the range clashes, others from the kernel; the message says what to do.
 */
int vpc_new(const struct vpc_options *options, struct vpc **ret, struct error *error) MUST_CHECK;
/* Drops the jobs that wait (no `done` is called any more) and frees, when the job that runs is through: let the loop run until
 * nothing is left. Sandboxes and bridge stay and work on. NULL is fine. Returns NULL. */
struct vpc *vpc_free(struct vpc *vpc);
/* Gives back what only changes of the machine's rules need (nft_rest), unless one is under way. For a node that has been quiet. */
void vpc_rest(struct vpc *vpc);
/* Takes everything away that vpc_new and the sandboxes added to this machine (not ip_forward). Blocks. For tests and for
 * uninstalling: containers lose their network. Frees. Returns NULL. */
struct vpc *vpc_destroy(struct vpc *vpc);

/* Address of the bridge, "172.31.240.1": the machine, as containers see it. */
const char *vpc_gateway(const struct vpc *vpc);
/* The range in use, "172.31.240.0/20". */
const char *vpc_range(const struct vpc *vpc);

/*
 * The resolv.conf that containers should be given: /etc/resolv.conf, or, when that names only servers on 127.0.0.0/8 and ::1 (which
 * a container cannot reach), the file in which systemd-resolved lists its upstream servers. NULL when there is none that would
 * work: then name servers must be given. Reads files (microseconds). Static string.
 */
const char *vpc_resolv_conf(void);
/* The first IPv4 name server of that file; when there is none, one on loopback. False when this machine has no name server at all. */
bool vpc_name_server(char ret[16]);

/* ---- ports ---- */

/*
 * A port, or a run of ports, of a container that the machine makes reachable. In a request host_port 0 asks for a free one from the
 * dynamic range: a run gets as many consecutive free ports. In an answer all members are filled.
 */
struct vpc_port {
        bool udp;                /* else TCP */
        uint16_t container_port; /* first of the run */
        uint16_t host_port;      /* first of the run; 0: dynamic */
        uint16_t count;          /* ports in the run; 0 counts as 1 */
};

#define VPC_PORTS_MAX 100 /* entries a sandbox; runs together at most VPC_PORTS_TOTAL ports */
#define VPC_PORTS_TOTAL 1024

/* ---- sandboxes ---- */

enum vpc_mode {
        VPC_BRIDGE = 0, /* lo, eth0 on the bridge, default route */
        VPC_NONE,       /* lo only */
        VPC_INTERFACE,  /* lo, and a network interface of a VPC (network.h) as eth0 */
        VPC_MODE_MAX
};

/* A job under way. Embedded in its owner; must stay in place until `done` or vpc_op_cancel. */
struct vpc_op {
        /* status 0, or -errno with `error` set. */
        void (*done)(struct vpc_op *op, int status, const struct error *error);

        struct vpc_job *job_; /* private; NULL when nothing is under way */
};
/* `done` is not called any more. The job itself may still happen: a sandbox that was being created is destroyed. No-op when
 * nothing is under way. */
void vpc_op_cancel(struct vpc_op *op);

struct vpc_sandbox_spec {
        const char *id; /* [a-zA-Z0-9_.-]{1,128}, unique on this node */
        enum vpc_mode mode;
        const struct vpc_port *ports; /* published at once; NULL: none. Only with VPC_BRIDGE. */
        uint32_t n_ports;
        const char *interface; /* with VPC_INTERFACE: its id; a picture in force must have it (else -ENOENT), on this node */
        const char *tap;       /* with VPC_INTERFACE: no namespace, the interface is what is behind this tap (vpc_tap_open); NULL: none */
};

/*
 * Makes a tap in the machine's namespace, down and without an address: the network interface of a virtual machine, before it is known
 * whose. It is gone when the last one has closed the descriptor. `ret_name` holds 16 bytes. A descriptor or -errno. Any thread.
 */
int vpc_tap_open(char *ret_name, struct error *error) MUST_CHECK;
/* Hardware address of every router's side, which the other side of a tap must know: nobody answers there. */
#define VPC_ROUTER_MAC "02:67:00:00:00:01"

/*
 * Makes a sandbox. Host ports are chosen and taken during the call; all errors come through `done`: -EADDRINUSE (the message names
 * the port and who has it, if that is known), -EEXIST, -ENOSPC (no address or port left), -EINVAL. The spec is copied.
 * After `done` with status 0 vpc_sandbox_find(id) has it, and vpc_sandbox_path can be handed to the runtime.
 */
void vpc_sandbox_create(struct vpc *vpc, const struct vpc_sandbox_spec *spec, struct vpc_op *op);
/*
 * Takes the published ports back, then the interface, address and namespace. The pointer is dead at once, the host ports are free
 * again when the job is done. Never fails for what is gone already. `op` may be NULL. Connections end.
 */
void vpc_sandbox_destroy(struct vpc_sandbox *sandbox, struct vpc_op *op);

/* Adds published ports: the same choices and errors as on creation. The sandbox must stay until `done`. */
void vpc_sandbox_publish(struct vpc_sandbox *sandbox, const struct vpc_port *ports, uint32_t n_ports, struct vpc_op *op);
/* Takes all published ports back and frees them; new connections are refused. `op` may be NULL. */
void vpc_sandbox_unpublish(struct vpc_sandbox *sandbox, struct vpc_op *op);

/* NULL when there is none (or it is still being made). */
struct vpc_sandbox *vpc_sandbox_find(struct vpc *vpc, const char *id);
/*
 * All sandboxes, in no particular order; NULL starts and ends. After vpc_new: those that an earlier agent made and that still work,
 * with their ports published again. The owner keeps those whose containers it adopts and destroys the rest. The one returned
 * may be destroyed only after its successor was fetched.
 */
struct vpc_sandbox *vpc_sandbox_next(struct vpc *vpc, const struct vpc_sandbox *sandbox);

const char *vpc_sandbox_id(const struct vpc_sandbox *sandbox);
enum vpc_mode vpc_sandbox_mode(const struct vpc_sandbox *sandbox);
/* File of the namespace, absolute. */
const char *vpc_sandbox_path(const struct vpc_sandbox *sandbox);
/* "172.31.240.5"; NULL with VPC_NONE. */
const char *vpc_sandbox_address(const struct vpc_sandbox *sandbox);
/* "eni-…"; NULL with other modes than VPC_INTERFACE. */
const char *vpc_sandbox_interface(const struct vpc_sandbox *sandbox);
/* "02:67:ac:1f:f0:05"; NULL with VPC_NONE. */
const char *vpc_sandbox_mac(const struct vpc_sandbox *sandbox);
/* With VPC_INTERFACE: where everything is sent, "172.31.0.1" (into `ret`, 20 bytes), and the MTU. */
void vpc_sandbox_gateway(const struct vpc_sandbox *sandbox, char *ret);
uint32_t vpc_sandbox_mtu(const struct vpc_sandbox *sandbox);
/* Published ports in the order in which they were asked for; borrowed until the next publish or unpublish. */
const struct vpc_port *vpc_sandbox_ports(const struct vpc_sandbox *sandbox, uint32_t *ret_n);
