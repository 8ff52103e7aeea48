/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing a range that does not take away anything that the machine can reach today. */
#include "vpc/range.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/strutil.h"
#include "vpc/netlink.h"

static const char *const candidates[] = {
        "172.31.240.0/20", "172.30.240.0/20", "172.29.240.0/20", "192.168.240.0/20", "192.168.176.0/20",
        "10.231.240.0/20", "10.199.240.0/20", "10.87.240.0/20",  "100.127.240.0/20",
};

/* What is taken, and by what. */
struct used {
        struct range range;
        const char *by;
};

struct survey {
        int bridge_index;    /* its own routes and addresses do not count */
        struct range bridge; /* prefix 0: it has none */
        size_t n, room;
        struct used *used;
};

void range_text(uint32_t address, int prefix, char ret[20])
{
        char text[INET_ADDRSTRLEN];
        const struct in_addr in = {.s_addr = htonl(address)};

        (void)inet_ntop(AF_INET, &in, text, sizeof text);
        if (prefix < 0)
                (void)snprintf(ret, 20, "%s", text);
        else
                (void)snprintf(ret, 20, "%s/%d", text, prefix & 63);
}

static bool parse(const char *text, struct range *ret)
{
        const char *slash = strchr(text, '/');
        char address[INET_ADDRSTRLEN] = "";
        struct in_addr in = {0};
        int64_t prefix = 0;

        if (slash == NULL || (size_t)(slash - text) >= sizeof address)
                return false;
        memcpy(address, text, (size_t)(slash - text));
        if (inet_pton(AF_INET, address, &in) != 1 || str_to_int64(slash + 1, &prefix) < 0 || prefix < 16 || prefix > 28)
                return false;
        *ret = (struct range){ntohl(in.s_addr), (int)prefix};
        return (ret->address & ~range_mask(ret->prefix)) == 0;
}

int range_parse(const char *text, struct range *ret, struct error *error)
{
        struct range range = {0};

        if (!parse(text, &range))
                return error_set(
                        error, EINVAL,
                        "\"%s\" is not a range of addresses for containers: give one such as 172.31.240.0/20, with a prefix of 16 to 28",
                        text);
        *ret = range;
        return 0;
}

bool range_overlaps(struct range a, struct range b)
{
        uint32_t mask = range_mask(MIN(a.prefix, b.prefix));

        return (a.address & mask) == (b.address & mask);
}

static void survey_add(struct survey *survey, struct range range, const char *by)
{
        if (survey->n == survey->room) {
                survey->room = MAX(survey->room * 2, 64);
                survey->used = xrealloc(survey->used, survey->room * sizeof *survey->used);
        }
        survey->used[survey->n++] = (struct used){range, by};
}

static int survey_address(const struct nlmsghdr *hdr, void *data)
{
        struct survey *survey = data;
        const struct ifaddrmsg *ifa = nlmsg_data(hdr);
        struct nlattr *local = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)hdr, sizeof *ifa, IFA_LOCAL);
        uint32_t address;

        if (local == NULL)
                return 0;
        address = ntohl(nla_get_u32(local));
        if ((int)ifa->ifa_index != survey->bridge_index)
                survey_add(survey, (struct range){address & range_mask(ifa->ifa_prefixlen), ifa->ifa_prefixlen},
                           "an address of this machine");
        else if (ifa->ifa_prefixlen < 32)
                survey->bridge = (struct range){address & range_mask(ifa->ifa_prefixlen), ifa->ifa_prefixlen};
        return 0;
}

static int survey_route(const struct nlmsghdr *hdr, void *data)
{
        struct survey *survey = data;
        const struct rtmsg *rtm = nlmsg_data(hdr);
        struct nlattr *dst = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)hdr, sizeof *rtm, RTA_DST);
        struct nlattr *oif = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)hdr, sizeof *rtm, RTA_OIF);

        /* A route that covers half of the world (VPNs make such instead of a default route) says nothing about one range. */
        if (dst == NULL || rtm->rtm_dst_len <= 1 || (oif != NULL && (int)nla_get_u32(oif) == survey->bridge_index))
                return 0;
        survey_add(survey, (struct range){ntohl(nla_get_u32(dst)), rtm->rtm_dst_len}, "a route of this machine");
        return 0;
}

static void survey_name_servers(struct survey *survey)
{
        CLEANUP_BUF struct buf text = {0};
        char *save = NULL;

        if (buf_read_file(&text, "/etc/resolv.conf", 65536) < 0 || text.len == 0)
                return;
        for (char *line = strtok_r(text.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
                char address[INET_ADDRSTRLEN];
                struct in_addr in;

                if (sscanf(line, " nameserver %15[0-9.]", address) == 1 && inet_pton(AF_INET, address, &in) == 1)
                        survey_add(survey, (struct range){ntohl(in.s_addr), 32}, "a name server in /etc/resolv.conf");
        }
}

static int survey_machine(struct netlink *nl, struct survey *survey, struct error *error)
{
        const struct ifaddrmsg ifa = {.ifa_family = AF_INET};
        const struct rtmsg rtm = {.rtm_family = AF_INET};
        int r = netlink_query(nl, netlink_message(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof ifa), survey_address, survey);

        if (r == 0)
                r = netlink_query(nl, netlink_message(RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof rtm), survey_route, survey);
        if (r < 0)
                return error_set(error, -r, "cannot read addresses and routes: %s", strerror(-r));
        survey_name_servers(survey);
        return 0;
}

static const struct used *find_clash(const struct survey *survey, struct range range)
{
        for (size_t i = 0; i < survey->n; i++) {
                if (range_overlaps(survey->used[i].range, range))
                        return &survey->used[i];
        }
        return NULL;
}

static int choose_wanted(const struct survey *survey, const char *wanted, struct range *ret, struct error *error)
{
        char text[20];
        const struct used *clash;
        struct range range = {0};
        int r = range_parse(wanted, &range, error);

        if (r < 0)
                return r;
        clash = find_clash(survey, range);
        if (clash != NULL) {
                range_text(clash->range.address, clash->range.prefix, text);
                return error_set(error, EADDRINUSE, "the range %s for containers clashes with %s, %s: choose another one", wanted, text,
                                 clash->by);
        }
        *ret = range;
        return 0;
}

static int choose(const struct survey *survey, const char *wanted, struct range *ret, struct error *error)
{
        if (wanted != NULL)
                return choose_wanted(survey, wanted, ret, error);
        if (survey->bridge.prefix >= 16 && survey->bridge.prefix <= 28) {
                *ret = survey->bridge;
                return 0;
        }
        for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
                if (range_parse(candidates[i], ret, error) == 0 && find_clash(survey, *ret) == NULL)
                        return 0;
        }
        return error_set(error, EADDRINUSE,
                         "every range that containers could have by default clashes with a route or an address of this "
                         "machine: name a free one such as 10.200.0.0/20");
}

int range_choose(struct netlink *nl, const char *wanted, int bridge_index, struct range *ret, struct error *error)
{
        struct survey survey = {.bridge_index = bridge_index != 0 ? bridge_index : -1};
        int r = survey_machine(nl, &survey, error);

        if (r == 0)
                r = choose(&survey, wanted, ret, error);
        free(survey.used);
        return r;
}
