/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a node as nftables text, and libnftables to run it. */
#include "vpc/nft.h"

#include <errno.h>
#include <string.h>

#include <nftables/libnftables.h>

#include "base/alloc.h"
#include "base/library.h"
#include "vpc/router.h"
#include "vpc/rules.h"

/* clang-format off */
#define NFT_FUNCTIONS(X) \
        X(nft_ctx_buffer_error) X(nft_ctx_buffer_output) X(nft_ctx_free) X(nft_ctx_get_error_buffer) X(nft_ctx_get_output_buffer) \
        X(nft_ctx_new) X(nft_run_cmd_from_buffer)
/* clang-format on */

struct nft {
        struct nft_functions {
                NFT_FUNCTIONS(LIBRARY_FUNCTION)
        } lib;
        void *library;       /* NULL: at rest */
        struct nft_ctx *ctx; /* NULL: at rest */
};

static int wake(struct nft *nft, struct error *error)
{
        static const char *const names[] = {NFT_FUNCTIONS(LIBRARY_NAME)};
        int r = library_open("libnftables.so.1", "libnftables1", names, ARRAY_SIZE(names), &nft->lib, &nft->library, error);

        if (r < 0)
                return r;
        nft->ctx = nft->lib.nft_ctx_new(NFT_CTX_DEFAULT);
        if (nft->ctx != NULL && nft->lib.nft_ctx_buffer_output(nft->ctx) == 0 && nft->lib.nft_ctx_buffer_error(nft->ctx) == 0)
                return 0;
        nft_rest(nft);
        return error_set(error, ENOMEM, "cannot open nftables: out of memory, or does this kernel lack nf_tables?");
}

void nft_rest(struct nft *nft)
{
        if (nft == NULL || nft->library == NULL)
                return;
        if (nft->ctx != NULL)
                nft->lib.nft_ctx_free(TAKE(nft->ctx));
        library_close(TAKE(nft->library));
}

int nft_open(struct nft **ret, struct error *error)
{
        struct nft *nft = xalloc(sizeof(*nft));
        int r = wake(nft, error);

        if (r < 0)
                free(nft);
        else
                *ret = nft;
        return r;
}

struct nft *nft_close(struct nft *nft)
{
        nft_rest(nft);
        free(nft);
        return NULL;
}

int nft_run(struct nft *nft, const char *script, struct error *error)
{
        const char *text;
        int length, r = nft->ctx == NULL ? wake(nft, error) : 0;

        if (r < 0)
                return r;
        errno = 0;
        if (nft->lib.nft_run_cmd_from_buffer(nft->ctx, script) == 0) {
                (void)nft->lib.nft_ctx_get_output_buffer(nft->ctx); /* empties it */
                return 0;
        }
        text = nft->lib.nft_ctx_get_error_buffer(nft->ctx);
        length = (int)strcspn(text, "\n");
        if (strstr(text, "Operation not permitted") != NULL)
                return error_set(error, EPERM, "nftables: %.*s", length, text);
        if (strstr(text, "No such file or directory") != NULL)
                return error_set(error, ENOENT, "nftables: %.*s", length, text);
        return error_set(error, EIO, "nftables: %.*s", length, text);
}

/* Each base chain is flushed and filled anew: in one transaction nobody sees it empty. */
static void chain_begin(struct buf *script, const char *table, const char *chain, const char *type, const char *hook, const char *priority)
{
        buf_printf(script, "add chain ip %s %s { type %s hook %s priority %s; policy accept; }\n", table, chain, type, hook, priority);
        buf_printf(script, "flush chain ip %s %s\n", table, chain);
}

static void chain_published(struct buf *script, const char *table, const char *chain)
{
        buf_printf(script,
                   "add rule ip %s %s fib daddr type local meta l4proto { tcp, udp } dnat ip to meta l4proto . th dport map @published\n",
                   table, chain);
}

static void chain_metadata(struct buf *script, const struct nft_table *t, const char *chain, const char *match)
{
        if (t->metadata_port != 0)
                buf_printf(script, "add rule ip %s %s %s ip daddr " VPC_METADATA_ADDRESS " tcp dport 80 dnat to 127.0.0.1:%u\n", t->name,
                           chain, match, t->metadata_port);
}

void nft_script_table(struct buf *script, const struct nft_table *t)
{
        CLEANUP_BUF struct buf from_bridge = {0};

        buf_printf(&from_bridge, "iifname \"%s\"", t->name);
        buf_printf(script, "add table ip %s\n", t->name);
        buf_printf(script, "add map ip %s published { type inet_proto . inet_service : ipv4_addr . inet_service; }\n", t->name);

        buf_printf(script, "add set ip %s routers { type ifname; }\nadd set ip %s listeners { type inet_service; }\n", t->name, t->name);
        buf_printf(script, "add chain ip %s tunnels\nadd chain ip %s names\n", t->name, t->name);

        /* Before connection tracking: route_localnet must not let containers at services on the machine's loopback, nor may they
         * send in the name of others. The redirection to the metadata port happens after this, on another address. */
        chain_begin(script, t->name, "guard", "filter", "prerouting", "raw");
        buf_printf(script, "add rule ip %s guard %s ip daddr 127.0.0.0/8 drop\n", t->name, from_bridge.data);
        buf_printf(script, "add rule ip %s guard %s ip saddr != %s drop\n", t->name, from_bridge.data, t->range);

        buf_printf(script, "add rule ip %s guard iifname @routers ip daddr 127.0.0.0/8 drop\n", t->name);
        buf_printf(script, "add rule ip %s guard udp dport 4789 jump tunnels\n", t->name);

        /* What the machine itself has for tasks in VPCs: metadata, names and its load balancers, whatever else listens here. */
        chain_begin(script, t->name, "input", "filter", "input", "filter");
        buf_printf(script, "add rule ip %s input iifname @routers ct state established,related accept\n", t->name);
        buf_printf(script, "add rule ip %s input iifname @routers ct status dnat accept\n", t->name);
        buf_printf(script, "add rule ip %s input iifname @routers ip daddr != 169.254.0.0/16 tcp dport @listeners accept\n", t->name);
        buf_printf(script, "add rule ip %s input iifname @routers drop\n", t->name);

        chain_begin(script, t->name, "prerouting", "nat", "prerouting", "dstnat");
        chain_metadata(script, t, "prerouting", from_bridge.data);
        chain_metadata(script, t, "prerouting", "iifname @routers");
        buf_printf(script, "add rule ip %s prerouting iifname @routers ip daddr " VPC_NAME_SERVER " jump names\n", t->name);
        chain_published(script, t->name, "prerouting");

        chain_begin(script, t->name, "output", "nat", "output", "-100");
        chain_metadata(script, t, "output", "");
        chain_published(script, t->name, "output");

        /* Only what was published can be reached from outside. */
        chain_begin(script, t->name, "forward", "filter", "forward", "filter");
        buf_printf(script, "add rule ip %s forward oifname \"%s\" ct state established,related accept\n", t->name, t->name);
        buf_printf(script, "add rule ip %s forward oifname \"%s\" ct status dnat accept\n", t->name, t->name);
        buf_printf(script, "add rule ip %s forward iifname != \"%s\" oifname \"%s\" drop\n", t->name, t->name, t->name);

        /* Out of the node in the node's name; a container that calls another (or itself) through the node must get the answer back
         * through the node; and nobody beyond loopback can answer 127.0.0.1. */
        chain_begin(script, t->name, "postrouting", "nat", "postrouting", "srcnat");
        buf_printf(script, "add rule ip %s postrouting ip saddr %s oifname != \"%s\" masquerade\n", t->name, t->range, t->name);
        buf_printf(script, "add rule ip %s postrouting ip saddr %s oifname \"%s\" ct status dnat masquerade\n", t->name, t->range, t->name);
        buf_printf(script, "add rule ip %s postrouting ip saddr " ROUTER_LINKS_TEXT " oifname != @routers masquerade\n", t->name);
        buf_printf(script, "add rule ip %s postrouting ip saddr 127.0.0.0/8 oifname \"%s\" masquerade\n", t->name, t->name);
}

/* A rule a line. */
static void add_lines(struct buf *script, const char *table, const char *chain, const char *lines)
{
        while (lines != NULL && *lines != '\0') {
                size_t len = strcspn(lines, "\n");

                buf_printf(script, "add rule ip %s %s %.*s\n", table, chain, (int)len, lines);
                lines += len + (lines[len] == '\n');
        }
}

void nft_script_outer(struct buf *script, const struct nft_outer *o)
{
        buf_printf(script, "flush set ip %s routers\nflush chain ip %s tunnels\nflush chain ip %s names\n", o->table, o->table, o->table);
        for (uint32_t i = 0; i < o->n_uplinks; i++)
                buf_printf(script, "add element ip %s routers { \"%s\" }\n", o->table, o->uplinks[i]);
        if (!o->keep_listeners)
                buf_printf(script, "flush set ip %s listeners\n", o->table);
        if (o->listeners != NULL)
                buf_printf(script, "add element ip %s listeners { %s }\n", o->table, o->listeners);
        add_lines(script, o->table, "tunnels", o->tunnels);
        add_lines(script, o->table, "names", o->names);
        if (o->name_server != NULL)
                buf_printf(script, "add rule ip %s names meta l4proto { tcp, udp } th dport 53 dnat to %s\n", o->table, o->name_server);
}

void nft_script_flush(struct buf *script, const char *table)
{
        buf_printf(script, "flush map ip %s published\n", table);
}

void nft_script_add(struct buf *script, const char *table, const char *address, const struct vpc_port *ports, uint32_t n)
{
        const char *separator = "";

        if (n == 0)
                return;
        buf_printf(script, "add element ip %s published {", table);
        for (uint32_t i = 0; i < n; i++) {
                for (uint32_t k = 0; k < ports[i].count; k++) {
                        buf_printf(script, "%s %s . %u : %s . %u", separator, ports[i].udp ? "udp" : "tcp", ports[i].host_port + k, address,
                                   ports[i].container_port + k);
                        separator = ",";
                }
        }
        buf_append_str(script, " }\n");
}

void nft_script_delete(struct buf *script, const char *table, const struct vpc_port *ports, uint32_t n)
{
        const char *separator = "";

        if (n == 0)
                return;
        buf_printf(script, "delete element ip %s published {", table);
        for (uint32_t i = 0; i < n; i++) {
                for (uint32_t k = 0; k < ports[i].count; k++) {
                        buf_printf(script, "%s %s . %u", separator, ports[i].udp ? "udp" : "tcp", ports[i].host_port + k);
                        separator = ",";
                }
        }
        buf_append_str(script, " }\n");
}
