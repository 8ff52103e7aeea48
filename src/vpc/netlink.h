/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the kernel's rtnetlink and ctnetlink: one message out, its acknowledgement in. Messages are built with libnl's nlmsg_
 * and nla_ functions; the socket is ours, because the kernel's own error text is worth having. Blocking: pool threads only. */
#pragma once

#include <stdint.h>

#include <linux/netlink.h>
#include <netlink/msg.h>

#include "base/buf.h"
#include "base/error.h"

#define NETLINK_BATCH_MAX 64 /* acknowledgements that surely fit into the socket's buffer */

struct netlink {
        int fd; /* -1: closed. It stays in the network namespace in which it was opened. */
        uint32_t seq;
};

/* `protocol` is NETLINK_ROUTE or NETLINK_NETFILTER; in the calling thread's network namespace. */
int netlink_open(struct netlink *nl, int protocol, struct error *error) MUST_CHECK;
void netlink_close(struct netlink *nl);

/* A request message of `type` with `header` (of `len` bytes) as its family header. The caller frees it with netlink_call. */
struct nl_msg *netlink_message(int type, int flags, const void *header, size_t len);
/* Sends, waits for the acknowledgement and frees `msg`. 0 or the kernel's -errno; `what` begins the error text. */
int netlink_call(struct netlink *nl, struct nl_msg *msg, const char *what, struct error *error);
/*
 * Several requests in one system call: they are carried out in order, also those behind one that fails.
 *
 *     struct netlink_batch batch = {.what = "cannot …"};
 *     netlink_batch_add(&batch, netlink_message(…)); …
 *     r = netlink_batch_run(nl, &batch, &error);
 */
struct netlink_batch {
        const char *what; /* begins the error text */
        int tolerated;    /* positive errno that counts as success; 0: none */
        struct buf bytes;
        uint32_t n, ends[NETLINK_BATCH_MAX]; /* where each message ends */
        struct netlink *nl;                  /* where a full batch is sent in between; NULL: the caller never adds more than fit */
        int result;                          /* of what was sent in between */
        struct error error;
};
/* Frees `msg`. */
void netlink_batch_add(struct netlink_batch *batch, struct nl_msg *msg);
/* Sends, waits for all acknowledgements and frees what the batch holds. The first failure, or 0. */
int netlink_batch_run(struct netlink *nl, struct netlink_batch *batch, struct error *error);
/* Sends a NLM_F_DUMP or get request, frees it and calls `each` for every answer; a value other than 0 from `each` becomes the result,
 * the rest is read and ignored. */
int netlink_query(struct netlink *nl, struct nl_msg *msg, int (*each)(const struct nlmsghdr *hdr, void *data), void *data);
/* Index of the interface of that name (NETLINK_ROUTE), in the socket's network namespace; -ENODEV when there is none. */
int netlink_link_index(struct netlink *nl, const char *name) MUST_CHECK;
