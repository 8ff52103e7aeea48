/* SPDX-License-Identifier: Apache-2.0 */
/* One netlink socket: send, acknowledge, report the kernel's own words. */
#include "vpc/netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/attr.h>

#include "base/alloc.h"

#define ANSWER_MAX 65536

int netlink_open(struct netlink *nl, int protocol, struct error *error)
{
        const int on = 1;
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

        if (fd < 0)
                return error_set(error, errno, "cannot open a netlink socket: %s", strerror(errno));
        /* The kernel says in words what it did not like, and does not send our own message back. */
        (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
        (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
        nl->fd = fd;
        nl->seq = 0;
        return 0;
}

void netlink_close(struct netlink *nl)
{
        if (nl->fd >= 0)
                (void)close(nl->fd);
        nl->fd = -1;
}

struct nl_msg *netlink_message(int type, int flags, const void *header, size_t len)
{
        struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

        if (msg == NULL || nlmsg_append(msg, (void *)(uintptr_t)header, len, NLMSG_ALIGNTO) < 0)
                abort(); /* out of memory, as in base/alloc.h */
        return msg;
}

static int send_message(struct netlink *nl, struct nl_msg *msg, int flags)
{
        struct nlmsghdr *hdr = nlmsg_hdr(msg);
        ssize_t n;

        hdr->nlmsg_seq = ++nl->seq;
        hdr->nlmsg_pid = 0;
        hdr->nlmsg_flags |= (uint16_t)flags;
        n = send(nl->fd, hdr, hdr->nlmsg_len, 0);
        nlmsg_free(msg);
        return n < 0 ? -errno : 0;
}

/* What the kernel said beside the number; "" when nothing. */
static const char *ack_text(const struct nlmsghdr *hdr)
{
        const struct nlmsgerr *err = nlmsg_data(hdr);
        int skip = (int)sizeof *err + (hdr->nlmsg_flags & NLM_F_CAPPED ? 0 : (int)(err->msg.nlmsg_len - sizeof err->msg));
        struct nlattr *attr;

        if (!(hdr->nlmsg_flags & NLM_F_ACK_TLVS) || skip > nlmsg_datalen(hdr))
                return "";
        attr = nla_find((struct nlattr *)(void *)((char *)nlmsg_data(hdr) + skip), nlmsg_datalen(hdr) - skip, NLMSGERR_ATTR_MSG);
        return attr != NULL ? nla_get_string(attr) : "";
}

int netlink_call(struct netlink *nl, struct nl_msg *msg, const char *what, struct error *error)
{
        char answer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
        int r = send_message(nl, msg, NLM_F_ACK);

        while (r == 0) {
                const struct nlmsghdr *hdr = (const struct nlmsghdr *)(const void *)answer;
                const struct nlmsgerr *err = nlmsg_data(hdr);
                ssize_t n = recv(nl->fd, answer, sizeof answer, 0);
                const char *text;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        r = -errno;
                if (n < (ssize_t)sizeof *hdr || !nlmsg_ok(hdr, (int)n) || hdr->nlmsg_seq != nl->seq || hdr->nlmsg_type != NLMSG_ERROR)
                        continue;
                if (err->error == 0)
                        return 0;
                text = ack_text(hdr);
                return error_set(error, -err->error, "%s: %s%s%s%s", what, strerror(-err->error), *text ? " (" : "", text,
                                 *text ? ")" : "");
        }
        return error_set(error, -r, "%s: netlink: %s", what, strerror(-r));
}

/* ---- batches ---- */

static int send_batch(struct netlink *nl, struct netlink_batch *batch)
{
        uint32_t at = 0;

        for (uint32_t i = 0; i < batch->n; at = batch->ends[i++]) {
                struct nlmsghdr *hdr = (struct nlmsghdr *)(void *)(batch->bytes.data + at);

                hdr->nlmsg_seq = ++nl->seq;
                hdr->nlmsg_pid = 0;
                hdr->nlmsg_flags |= NLM_F_ACK;
        }
        return send(nl->fd, batch->bytes.data, batch->bytes.len, 0) < 0 ? -errno : 0;
}

static int batch_answer(const struct netlink_batch *batch, const struct nlmsghdr *hdr, struct error *error)
{
        const struct nlmsgerr *err = nlmsg_data(hdr);
        const char *text;

        if (err->error == 0 || -err->error == batch->tolerated)
                return 0;
        text = ack_text(hdr);
        return error_set(error, -err->error, "%s: %s%s%s%s", batch->what, strerror(-err->error), *text ? " (" : "", text, *text ? ")" : "");
}

/* Waits for the acknowledgement of every message; the first failure counts. */
static int receive_batch(struct netlink *nl, const struct netlink_batch *batch, struct error *error)
{
        char answer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
        uint32_t first = nl->seq - batch->n + 1, missing = batch->n;
        int result = 0;

        while (missing > 0) {
                struct nlmsghdr *hdr = (struct nlmsghdr *)(void *)answer;
                ssize_t n = recv(nl->fd, answer, sizeof answer, 0);
                int left = (int)n;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set(error, errno, "%s: netlink: %s", batch->what, strerror(errno));
                for (; nlmsg_ok(hdr, left); hdr = nlmsg_next(hdr, &left)) {
                        if (hdr->nlmsg_type != NLMSG_ERROR || hdr->nlmsg_seq - first >= batch->n)
                                continue;
                        missing--;
                        if (result == 0)
                                result = batch_answer(batch, hdr, error);
                }
        }
        return result;
}

static int flush_batch(struct netlink *nl, struct netlink_batch *batch, struct error *error)
{
        int r = batch->n > 0 ? send_batch(nl, batch) : 0;

        if (r < 0)
                r = error_set(error, -r, "%s: netlink: %s", batch->what, strerror(-r));
        else
                r = receive_batch(nl, batch, error);
        buf_clear(&batch->bytes);
        batch->n = 0;
        return r;
}

void netlink_batch_add(struct netlink_batch *batch, struct nl_msg *msg)
{
        const struct nlmsghdr *hdr = nlmsg_hdr(msg);

        if (batch->n == NETLINK_BATCH_MAX) {
                int r = flush_batch(batch->nl, batch, &batch->error);

                batch->result = batch->result == 0 ? r : batch->result;
        }
        buf_append(&batch->bytes, hdr, hdr->nlmsg_len);
        while (batch->bytes.len % NLMSG_ALIGNTO != 0)
                buf_append_char(&batch->bytes, '\0');
        batch->ends[batch->n++] = (uint32_t)batch->bytes.len;
        nlmsg_free(msg);
}

int netlink_batch_run(struct netlink *nl, struct netlink_batch *batch, struct error *error)
{
        int r = flush_batch(nl, batch, &batch->error);

        r = batch->result != 0 ? batch->result : r;
        if (r < 0 && error != NULL && !error_is_set(error))
                *error = batch->error;
        buf_done(&batch->bytes);
        return r;
}

int netlink_query(struct netlink *nl, struct nl_msg *msg, int (*each)(const struct nlmsghdr *hdr, void *data), void *data)
{
        CLEANUP_FREE char *answer = xalloc(ANSWER_MAX);
        bool dump = (nlmsg_hdr(msg)->nlmsg_flags & NLM_F_DUMP) != 0;
        int result = 0, r = send_message(nl, msg, dump ? 0 : NLM_F_ACK);

        while (r == 0) {
                ssize_t n = recv(nl->fd, answer, ANSWER_MAX, 0);
                struct nlmsghdr *hdr = (struct nlmsghdr *)(void *)answer;
                int left = (int)n;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                for (; nlmsg_ok(hdr, left); hdr = nlmsg_next(hdr, &left)) {
                        if (hdr->nlmsg_seq != nl->seq)
                                continue;
                        if (hdr->nlmsg_type == NLMSG_DONE)
                                return result;
                        if (hdr->nlmsg_type == NLMSG_ERROR)
                                return result != 0 ? result : ((struct nlmsgerr *)nlmsg_data(hdr))->error;
                        if (result == 0)
                                result = each(hdr, data);
                }
        }
        return r;
}

static int keep_index(const struct nlmsghdr *hdr, void *data)
{
        *(int *)data = ((struct ifinfomsg *)nlmsg_data(hdr))->ifi_index;
        return 0;
}

int netlink_link_index(struct netlink *nl, const char *name)
{
        const struct ifinfomsg any = {0};
        struct nl_msg *msg = netlink_message(RTM_GETLINK, 0, &any, sizeof any);
        int index = -ENODEV, r;

        (void)nla_put_string(msg, IFLA_IFNAME, name);
        r = netlink_query(nl, msg, keep_index, &index);
        return r < 0 ? r : index;
}
