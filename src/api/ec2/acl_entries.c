/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a network ACL: CreateNetworkAclEntry, ReplaceNetworkAclEntry, DeleteNetworkAclEntry. */
#include <netinet/in.h>

#include "api/ec2/common.h"
#include "base/strutil.h"

#define MAX_NUMBER 32766
#define MAX_ENTRIES 200 /* of one direction, for an ACL is gone through from top to bottom */
#define MAX_PORT 65535

/* ---- What the request names ---- */

static int read_protocol(struct api_call *call, const char *text, struct state_acl_entry *out, int *ret)
{
        static const struct {
                const char *name;
                int number;
        } names[] = {{"all", -1}, {"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"icmp", IPPROTO_ICMP}, {"icmpv6", IPPROTO_ICMPV6}};
        int64_t number = -2;

        if (text == NULL)
                return api_fail(call, "MissingParameter", "The request must contain the parameter protocol");
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (str_eq_nocase(text, names[i].name))
                        number = names[i].number;
        if (number == -2 && (str_to_int64(text, &number) < 0 || number < -1 || number > 255))
                return api_fail(call, "InvalidParameterValue", "Value (%.50s) for parameter protocol is invalid. Unknown protocol", text);
        out->protocol = arena_printf(call->arena, "%lld", (long long)number);
        *ret = (int)number;
        return 0;
}

static int read_range(struct api_call *call, const struct ec2_network_acl_entry_request *in, struct state_acl_entry *out)
{
        char *text = arena_bytes(call->arena, 50);
        struct cidr cidr;
        int r;

        if ((in->cidr_block != NULL) == (in->ipv6_cidr_block != NULL))
                return api_fail(call, in->cidr_block == NULL ? "MissingParameter" : "InvalidParameterCombination",
                                "The request must contain exactly one of cidrBlock and ipv6CidrBlock");
        if (in->ipv6_cidr_block != NULL) {
                out->cidr_ipv6 = text;
                if (cidr_normalise_ipv6(in->ipv6_cidr_block, text) == 0)
                        return 0;
                return api_fail(call, "InvalidParameterValue",
                                "Value (%.50s) for parameter ipv6CidrBlock is invalid. This is not a valid CIDR block.",
                                in->ipv6_cidr_block);
        }
        r = ec2_read_cidr(call, "cidrBlock", in->cidr_block, &cidr);
        if (r != 0)
                return r;
        cidr_format(cidr, text);
        out->cidr = text;
        return 0;
}

static int read_ports(struct api_call *call, const struct ec2_acl_port_range *ports, struct state_acl_entry *out)
{
        int from, to;

        if (ports == NULL || !SHAPE_HAS(ports, ec2_acl_port_range, from) || !SHAPE_HAS(ports, ec2_acl_port_range, to))
                return api_fail(call, "MissingParameter", "The request must contain the parameters portRange.from and portRange.to");
        from = ports->from;
        to = ports->to;
        /* -1 to -1: all, as the console sends it. */
        if (from == -1 && to == -1) {
                from = 0;
                to = MAX_PORT;
        }
        if (from < 0 || to > MAX_PORT || from > to)
                return api_fail(call, "InvalidParameterValue", "The port range %d-%d is invalid: ports are from 0 to %d.", from, to,
                                MAX_PORT);
        SHAPE_SET(out, state_acl_entry, from, from);
        SHAPE_SET(out, state_acl_entry, to, to);
        return 0;
}

static int read_icmp(struct api_call *call, const struct ec2_acl_icmp *icmp, struct state_acl_entry *out)
{
        if (icmp == NULL || !SHAPE_HAS(icmp, ec2_acl_icmp, type) || !SHAPE_HAS(icmp, ec2_acl_icmp, code))
                return api_fail(call, "MissingParameter",
                                "The request must contain the parameters icmpTypeCode.type and icmpTypeCode.code");
        if (icmp->type < -1 || icmp->type > 255 || icmp->code < -1 || icmp->code > 255)
                return api_fail(call, "InvalidParameterValue", "ICMP type and code are from 0 to 255, or -1 for all.");
        SHAPE_SET(out, state_acl_entry, from, icmp->type);
        SHAPE_SET(out, state_acl_entry, to, icmp->code);
        return 0;
}

static int read_number(struct api_call *call, const struct ec2_network_acl_entry_request *in)
{
        if (in->rule_number >= 1 && in->rule_number <= MAX_NUMBER)
                return 0;
        return api_fail(call, "InvalidParameterValue", "Value (%d) for parameter ruleNumber is invalid. Rule numbers are from 1 to %d.",
                        in->rule_number, MAX_NUMBER);
}

static int read_entry(struct api_call *call, const struct ec2_network_acl_entry_request *in, struct state_acl_entry *out)
{
        int protocol = 0, r = read_number(call, in);

        SHAPE_SET(out, state_acl_entry, number, in->rule_number);
        SHAPE_SET(out, state_acl_entry, egress, in->egress);
        if (r == 0)
                r = read_protocol(call, in->protocol, out, &protocol);
        if (r == 0 && !str_eq(in->rule_action, "allow") && !str_eq(in->rule_action, "deny"))
                return api_fail(call, "InvalidParameterValue", "Value (%.50s) for parameter ruleAction is invalid: allow or deny.",
                                in->rule_action != NULL ? in->rule_action : "");
        SHAPE_SET(out, state_acl_entry, allow, str_eq(in->rule_action, "allow"));
        if (r == 0)
                r = read_range(call, in, out);
        if (r == 0 && (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP))
                r = read_ports(call, in->port_range, out);
        if (r == 0 && (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6))
                r = read_icmp(call, in->icmp, out);
        return r;
}

/* ---- The operations ---- */

/* Where the entry is or belongs: they are kept as they are shown, by direction (egress first) and number. */
static bool find_entry(const struct state_network_acl *state, bool egress, int number, uint32_t *ret_index)
{
        uint32_t i = 0;

        while (i < state->entries.n && (state->entries.items[i].egress > egress ||
                                        (state->entries.items[i].egress == egress && state->entries.items[i].number < number)))
                i++;
        *ret_index = i;
        return i < state->entries.n && state->entries.items[i].egress == egress && state->entries.items[i].number == number;
}

static uint32_t count_entries(const struct state_network_acl *state, bool egress)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < state->entries.n; i++)
                n += state->entries.items[i].egress == egress;
        return n;
}

static int create_entry(struct api_call *call, const void *input, void *output)
{
        const struct ec2_network_acl_entry_request *in = input;
        struct state_acl_entry entry = {0};
        struct state_network_acl *state;
        struct network_acl *acl;
        struct tx *tx;
        uint32_t index;
        int r = EC2_FIND(call, network_acl, OBJECT_NETWORK_ACL, in->network_acl_id, &acl);

        if (r == 0)
                r = read_entry(call, in, &entry);
        if (r != 0)
                return r;
        if (find_entry(acl->state, in->egress, in->rule_number, &index))
                return api_fail(call, "NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.",
                                in->rule_number);
        if (count_entries(acl->state, in->egress) > MAX_ENTRIES)
                return api_fail(call, "NetworkAclEntryLimitExceeded",
                                "The maximum number of entries of a network ACL in one direction (%d) has been reached.", MAX_ENTRIES);
        tx = tx_begin(call->model);
        state = tx_edit(tx, &acl->object);
        (void)SHAPE_PUSH(tx_arena(tx), &state->entries);
        for (uint32_t i = state->entries.n - 1; i > index; i--)
                state->entries.items[i] = state->entries.items[i - 1];
        state->entries.items[index] = entry;
        tx_put(tx, &acl->object, state);
        (void)tx_commit(tx);
        return ec2_done(output);
}

/* The ACL and the place of the entry that is to be replaced or deleted. */
static int find_existing(struct api_call *call, const struct ec2_network_acl_entry_request *in, struct network_acl **ret,
                         uint32_t *ret_index)
{
        int r = EC2_FIND(call, network_acl, OBJECT_NETWORK_ACL, in->network_acl_id, ret);

        if (r == 0)
                r = read_number(call, in);
        if (r == 0 && !find_entry((*ret)->state, in->egress, in->rule_number, ret_index))
                return api_fail(call, "InvalidNetworkAclEntry.NotFound", "The network acl entry identified by %d does not exist.",
                                in->rule_number);
        return r;
}

static int replace_entry(struct api_call *call, const void *input, void *output)
{
        const struct ec2_network_acl_entry_request *in = input;
        struct state_acl_entry entry = {0};
        struct state_network_acl *state;
        struct network_acl *acl;
        struct tx *tx;
        uint32_t index;
        int r = find_existing(call, in, &acl, &index);

        if (r == 0)
                r = read_entry(call, in, &entry);
        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &acl->object);
        state->entries.items[index] = entry;
        tx_put(tx, &acl->object, state);
        (void)tx_commit(tx);
        return ec2_done(output);
}

static int delete_entry(struct api_call *call, const void *input, void *output)
{
        const struct ec2_network_acl_entry_request *in = input;
        struct state_network_acl *state;
        struct network_acl *acl;
        struct tx *tx;
        uint32_t index;
        int r = find_existing(call, in, &acl, &index);

        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &acl->object);
        for (; index + 1 < state->entries.n; index++)
                state->entries.items[index] = state->entries.items[index + 1];
        state->entries.n--;
        tx_put(tx, &acl->object, state);
        (void)tx_commit(tx);
        return ec2_done(output);
}

const struct api_route ec2_acl_entry_routes[] = {
        {EC2_OP_CREATE_NETWORK_ACL_ENTRY, create_entry},
        {EC2_OP_REPLACE_NETWORK_ACL_ENTRY, replace_entry},
        {EC2_OP_DELETE_NETWORK_ACL_ENTRY, delete_entry},
        {0, NULL},
};
