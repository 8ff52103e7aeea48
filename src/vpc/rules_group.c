/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One security group as chains. The ports that its rules name cut the range 0 to 65535 into segments; in each segment the same peers
 * may come, whose ranges are merged. So neither overlapping rules nor a thousand of them make a packet take more than one look-up for
 * the port and one for the peer.
 */
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "vpc/rules.h"

#define PORT_END 65536

/* A direction of a group under way. */
struct side {
        struct ruleset *ruleset;
        const char *name;    /* "in.sg-1" */
        const char *peer;    /* "saddr" or "daddr" */
        const char *verdict; /* for what is allowed */
        struct buf body;
        char **bodies; /* of the chains NAME.0, NAME.1, … */
        uint32_t n_bodies;
};

struct interval {
        uint32_t first, last;
};

static int compare_intervals(const void *a, const void *b)
{
        const struct interval *x = a, *y = b;

        return (x->first > y->first) - (x->first < y->first);
}

/* ---- peers: the sources or destinations of some rules ---- */

/* The rules' ranges, sorted, without overlap. `ret` has room for all. */
static uint32_t merge_ranges(const struct vpc_rule **rules, uint32_t n, struct interval *ret)
{
        uint32_t n_ranges = 0, kept = 0;

        for (uint32_t i = 0; i < n; i++) {
                if (rules[i]->group == NULL)
                        ret[n_ranges++] =
                                (struct interval){rules[i]->range.address, rules[i]->range.address | ~range_mask(rules[i]->range.prefix)};
        }
        if (n_ranges == 0)
                return 0;
        qsort(ret, n_ranges, sizeof *ret, compare_intervals);
        for (uint32_t i = 1; i < n_ranges; i++) {
                if (ret[kept].last == UINT32_MAX)
                        break;
                if (ret[i].first <= ret[kept].last + 1)
                        ret[kept].last = MAX(ret[kept].last, ret[i].last);
                else
                        ret[++kept] = ret[i];
        }
        return kept + 1;
}

static void write_interval(struct interval interval, struct buf *out)
{
        char first[20], last[20];

        range_text(interval.first, -1, first);
        range_text(interval.last, -1, last);
        buf_printf(out, interval.first == interval.last ? "%s" : "%s-%s", first, last);
}

static bool names_group_before(const struct vpc_rule **rules, uint32_t i)
{
        for (uint32_t k = 0; k < i; k++) {
                if (str_eq(rules[k]->group, rules[i]->group))
                        return true;
        }
        return false;
}

/* A line for each kind of peer: "MATCH ip saddr … VERDICT". Just "MATCH VERDICT" when everybody may. */
static void write_peers(const struct side *side, const struct vpc_rule **rules, uint32_t n, const char *match, struct buf *out)
{
        CLEANUP_FREE struct interval *ranges = xcalloc(n + 1, sizeof *ranges);
        uint32_t n_ranges = merge_ranges(rules, n, ranges);

        if (n_ranges == 1 && ranges[0].first == 0 && ranges[0].last == UINT32_MAX) {
                buf_printf(out, "%s%s\n", match, side->verdict);
                return;
        }
        if (n_ranges > 0) {
                buf_printf(out, "%sip %s %s", match, side->peer, n_ranges > 1 ? "{ " : "");
                for (uint32_t i = 0; i < n_ranges; i++) {
                        if (i > 0)
                                buf_append_str(out, ", ");
                        write_interval(ranges[i], out);
                }
                buf_printf(out, "%s %s\n", n_ranges > 1 ? " }" : "", side->verdict);
        }
        for (uint32_t i = 0; i < n; i++) {
                if (rules[i]->group != NULL && !names_group_before(rules, i))
                        buf_printf(out, "%sip %s @m.%s %s\n", match, side->peer, rules[i]->group, side->verdict);
        }
}

/* Index of the chain with this body: the same peers at different ports share one. */
static uint32_t chain_with(struct side *side, const char *body)
{
        for (uint32_t i = side->n_bodies; i-- > 0;) {
                if (strcmp(side->bodies[i], body) == 0)
                        return i;
        }
        side->bodies = xrealloc(side->bodies, (side->n_bodies + 1) * sizeof *side->bodies);
        side->bodies[side->n_bodies] = xstrdup(body);
        return side->n_bodies++;
}

/* ---- ports ---- */

struct segment {
        uint32_t first, last; /* ports */
        int64_t chain;        /* -1: everybody */
};

static int compare_numbers(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return (x > y) - (x < y);
}

static uint32_t first_port(const struct vpc_rule *rule)
{
        return rule->from < 0 ? 0 : (uint32_t)MIN(rule->from, PORT_END - 1);
}

static uint32_t last_port(const struct vpc_rule *rule)
{
        return rule->to < 0 || rule->from < 0 ? PORT_END - 1 : (uint32_t)MIN(rule->to, PORT_END - 1);
}

/* Where something begins or ends, ascending, each once, with PORT_END at the end. `ret` has room for 2n + 1. */
static uint32_t cut_ports(const struct vpc_rule **rules, uint32_t n, uint32_t *ret)
{
        uint32_t cuts = 0, kept = 0;

        for (uint32_t i = 0; i < n; i++) {
                ret[cuts++] = first_port(rules[i]);
                ret[cuts++] = last_port(rules[i]) + 1;
        }
        ret[cuts++] = PORT_END;
        qsort(ret, cuts, sizeof *ret, compare_numbers);
        for (uint32_t i = 1; i < cuts; i++) {
                if (ret[i] != ret[kept])
                        ret[++kept] = ret[i];
        }
        return kept + 1;
}

static uint32_t make_segments(struct side *side, const struct vpc_rule **rules, uint32_t n, struct segment *ret)
{
        CLEANUP_FREE uint32_t *cuts = xcalloc(2 * (size_t)n + 1, sizeof *cuts);
        CLEANUP_FREE const struct vpc_rule **here = xcalloc(n + 1, sizeof *here);
        CLEANUP_BUF struct buf peers = {0};
        uint32_t n_cuts = cut_ports(rules, n, cuts), n_segments = 0;

        for (uint32_t c = 0; c + 1 < n_cuts; c++) {
                uint32_t n_here = 0;
                struct segment *before = n_segments > 0 ? &ret[n_segments - 1] : NULL;

                for (uint32_t i = 0; i < n; i++) {
                        if (first_port(rules[i]) <= cuts[c] && last_port(rules[i]) >= cuts[c])
                                here[n_here++] = rules[i];
                }
                if (n_here == 0)
                        continue;
                buf_clear(&peers);
                write_peers(side, here, n_here, "", &peers);
                bool everybody = strncmp(peers.data, "ip ", 3) != 0;
                int64_t chain = everybody ? -1 : (int64_t)chain_with(side, peers.data);
                if (before != NULL && before->last + 1 == cuts[c] && before->chain == chain)
                        before->last = cuts[c + 1] - 1;
                else
                        ret[n_segments++] = (struct segment){cuts[c], cuts[c + 1] - 1, chain};
        }
        return n_segments;
}

static void write_target(const struct side *side, const struct segment *segment, struct buf *out)
{
        if (segment->chain < 0)
                buf_append_str(out, side->verdict);
        else
                buf_printf(out, "jump %s.%lld", side->name, (long long)segment->chain);
}

static void write_ports(struct side *side, const char *protocol, const struct vpc_rule **rules, uint32_t n)
{
        CLEANUP_FREE struct segment *segments = xcalloc(2 * (size_t)n + 1, sizeof *segments);
        uint32_t n_segments = make_segments(side, rules, n, segments);

        if (n_segments == 1 && segments[0].first == 0 && segments[0].last == PORT_END - 1) {
                buf_printf(&side->body, "meta l4proto %s ", protocol);
                write_target(side, &segments[0], &side->body);
                buf_append_char(&side->body, '\n');
                return;
        }
        buf_printf(&side->body, "%s dport vmap { ", protocol);
        for (uint32_t i = 0; i < n_segments; i++) {
                buf_printf(&side->body, segments[i].first == segments[i].last ? "%s%u : " : "%s%u-%u : ", i > 0 ? ", " : "",
                           segments[i].first, segments[i].last);
                write_target(side, &segments[i], &side->body);
        }
        buf_append_str(&side->body, " }\n");
}

/* ---- protocols ---- */

static uint32_t select_rules(const struct vpc_rule_list *list, int protocol, const struct vpc_rule **ret)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < list->n; i++) {
                if (list->items[i].protocol == protocol)
                        ret[n++] = &list->items[i];
        }
        return n;
}

static void write_icmp(struct side *side, const struct vpc_rule **rules, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                CLEANUP_BUF struct buf match = {0};

                if (rules[i]->from < 0)
                        buf_append_str(&match, "meta l4proto icmp ");
                else if (rules[i]->to < 0)
                        buf_printf(&match, "icmp type %d ", rules[i]->from);
                else
                        buf_printf(&match, "icmp type %d icmp code %d ", rules[i]->from, rules[i]->to);
                write_peers(side, &rules[i], 1, match.data, &side->body);
        }
}

static void write_protocol(struct side *side, int protocol, const struct vpc_rule **rules, uint32_t n)
{
        CLEANUP_BUF struct buf match = {0};

        if (n == 0)
                return;
        if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) {
                write_ports(side, protocol == IPPROTO_TCP ? "tcp" : "udp", rules, n);
        } else if (protocol == IPPROTO_ICMP) {
                write_icmp(side, rules, n);
        } else {
                if (protocol != VPC_ANY)
                        buf_printf(&match, "meta l4proto %d ", protocol);
                write_peers(side, rules, n, match.data != NULL ? match.data : "", &side->body);
        }
}

static void compile_side(struct side *side, const struct vpc_rule_list *list)
{
        CLEANUP_FREE const struct vpc_rule **rules = xcalloc(list->n + 1, sizeof *rules);
        bool seen[257] = {false}; /* by protocol + 1 */

        for (uint32_t i = 0; i < list->n; i++) {
                int protocol = list->items[i].protocol;

                if (seen[protocol + 1])
                        continue;
                seen[protocol + 1] = true;
                write_protocol(side, protocol, rules, select_rules(list, protocol, rules));
        }
        ruleset_add_chain(side->ruleset, side->name, NULL, side->body.data != NULL ? side->body.data : "");
        for (uint32_t i = 0; i < side->n_bodies; i++) {
                ruleset_add_chain(side->ruleset, arena_printf(&side->ruleset->arena, "%s.%u", side->name, i), NULL, side->bodies[i]);
                free(side->bodies[i]);
        }
        free(side->bodies);
        buf_done(&side->body);
}

void rules_compile_group(struct ruleset *ruleset, const struct vpc_group *group)
{
        struct side in = {
                .ruleset = ruleset, .name = arena_printf(&ruleset->arena, "in.%s", group->id), .peer = "saddr", .verdict = "accept"};
        struct side out = {
                .ruleset = ruleset, .name = arena_printf(&ruleset->arena, "out.%s", group->id), .peer = "daddr", .verdict = "goto into"};

        compile_side(&in, &group->ingress);
        compile_side(&out, &group->egress);
}
