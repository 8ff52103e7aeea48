/* SPDX-License-Identifier: Apache-2.0 */
/* Rules and map elements of one nftables table, through libnftables: no process is started. Blocking: pool threads only. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "vpc/vpc.h"

struct nft;

/* In the calling thread's network namespace, for good. -ENOENT without the library; -ENOMEM. */
int nft_open(struct nft **ret, struct error *error) MUST_CHECK;
/* NULL is fine. Returns NULL. */
struct nft *nft_close(struct nft *nft);
/* Unloads libnftables and its six companions, two megabytes, until the next script is run, which takes 0.6 ms more: only where that
 * will be in the same namespace. NULL is fine. */
void nft_rest(struct nft *nft);
/* Runs a script as one transaction: all or nothing. */
int nft_run(struct nft *nft, const char *script, struct error *error) MUST_CHECK;

/* Everything that the table of a node needs; what is right already stays, the elements of `published` are left alone. */
struct nft_table {
        const char *name;       /* of the table and of the bridge */
        const char *range;      /* "172.31.240.0/20" */
        uint16_t metadata_port; /* 0: no redirection */
};
void nft_script_table(struct buf *script, const struct nft_table *table);
/* What routers of VPCs need of the machine: their names and those of other nodes that may speak to their tunnels, the name server
 * that answers at VPC_NAME_SERVER (NULL: none), and ports of load balancers. Replaces what was there. */
struct nft_outer {
        const char *table;
        const char **uplinks;
        uint32_t n_uplinks;
        const char *tunnels; /* rules, a line each */
        const char *name_server;
        const char *names;     /* rules of routers with a name server of their own, a line each: before that */
        const char *listeners; /* TCP ports of load balancers of this machine, "80, 443"; NULL: none */
        bool keep_listeners;   /* it is not known which */
};
void nft_script_outer(struct buf *script, const struct nft_outer *outer);
/* Empties the map. */
void nft_script_flush(struct buf *script, const char *table);
/* One command for all ports; nothing when n is 0. */
void nft_script_add(struct buf *script, const char *table, const char *address, const struct vpc_port *ports, uint32_t n);
void nft_script_delete(struct buf *script, const char *table, const struct vpc_port *ports, uint32_t n);
