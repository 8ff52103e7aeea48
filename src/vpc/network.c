/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that come into force, and the routers that they need. */
#include "vpc/network.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "vpc/internal.h"
#include "vpc/names.h"
#include "vpc/rules.h"

#define RECORD_MAX 4096
#define TUNNEL_OVERHEAD 50 /* IP, UDP, VXLAN and Ethernet headers */
#define UPLINK_MIN_MTU 618 /* what is left for tasks must be a legal MTU */

/* The same for all tasks, with and without other nodes: that may change at any time. */
uint32_t network_task_mtu(const struct vpc_kernel *kernel)
{
        return MAX(kernel->mtu, UPLINK_MIN_MTU) - TUNNEL_OVERHEAD;
}

/* ---- slots ---- */

static void set_slot(struct vpc_kernel *kernel, struct router *router, const char *dir, uint32_t slot)
{
        kernel->router_slots[slot / 64] |= (uint64_t)1 << (slot % 64);
        router->slot = slot;
        free(router->path);
        free(router->record);
        free(router->names_dir);
        router->names_dir = xprintf("%s/names/%u", dir, slot);
        router->path = xprintf("%s/routers/%u", dir, slot);
        router->record = xprintf("%s/router-records/%u", dir, slot);
}

static void leave_slot(struct vpc_kernel *kernel, const struct router *router)
{
        kernel->router_slots[router->slot / 64] &= ~((uint64_t)1 << (router->slot % 64));
}

/* ---- the machine's part ---- */

/* Packets for the tunnel of a VPC come from its nodes or not at all. */
static void add_tunnel_rule(const struct router *router, struct buf *rules)
{
        char text[20];

        if (router->n_nodes == 0)
                return;
        buf_printf(rules, "@th,96,24 %u ip saddr != { ", router->vni);
        for (uint32_t i = 0; i < router->n_nodes; i++) {
                range_text(router->nodes[i], -1, text);
                buf_printf(rules, "%s%s", i > 0 ? ", " : "", text);
        }
        buf_append_str(rules, " } drop\n");
}

/* Until the pictures of all routers are known again after a restart, what an earlier agent has opened stays open. */
static bool add_listeners(const struct vpc_kernel *kernel, struct buf *elements)
{
        list_for_each (router, &kernel->routers, struct router, link) {
                if (router->rules == NULL)
                        return false;
                for (uint32_t i = 0; i < router->n_listeners; i++)
                        buf_printf(elements, "%s%u", elements->len > 0 ? ", " : "", router->listeners[i]);
        }
        return true;
}

static void add_names_rule(const struct router *router, const char *uplink, struct buf *rules)
{
        char text[20];

        if (!router->names)
                return;
        range_text(router_host_address(router->slot), -1, text);
        buf_printf(rules, "iifname \"%s\" meta l4proto { tcp, udp } th dport 53 dnat to %s:%d\n", uplink, text, NAMES_PORT);
}

int routers_outer(struct vpc_kernel *kernel, struct error *error)
{
        CLEANUP_BUF struct buf script = {0}, tunnels = {0}, names = {0}, listeners = {0};
        CLEANUP_ARENA struct arena arena = {0};
        char name_server[16];
        struct nft_outer outer = {.table = kernel->bridge};
        int r;

        list_for_each (router, &kernel->routers, struct router, link) {
                char *name = arena_alloc(&arena, IFNAMSIZ);

                router_uplink_name(router->slot, name);
                outer.uplinks = xrealloc(outer.uplinks, (outer.n_uplinks + 1) * sizeof *outer.uplinks);
                outer.uplinks[outer.n_uplinks++] = name;
                add_tunnel_rule(router, &tunnels);
                add_names_rule(router, name, &names);
        }
        outer.tunnels = tunnels.data;
        outer.names = names.data;
        outer.keep_listeners = !add_listeners(kernel, &listeners);
        outer.listeners = listeners.data;
        outer.name_server = vpc_name_server(name_server) ? name_server : NULL;
        nft_script_outer(&script, &outer);
        free(outer.uplinks);
        if (kernel->outer != NULL && str_eq(kernel->outer, script.data))
                return 0;
        free(kernel->outer);
        kernel->outer = NULL;
        r = nft_run(kernel->nft, script.data, error);
        if (r == 0)
                kernel->outer = buf_take(&script);
        return r;
}

/* ---- jobs: a picture comes into force ---- */

static int make_router(struct vpc *vpc, struct router *router, struct error *error)
{
        struct vpc_kernel *kernel = &vpc->kernel;
        CLEANUP_FREE char *text = xprintf("id %s\n", router->id);
        int r = -ENOSPC;

        for (uint32_t slot = 0; slot < ROUTER_SLOTS; slot++) {
                struct error local = {0};

                if ((kernel->router_slots[slot / 64] >> (slot % 64)) & 1)
                        continue;
                set_slot(kernel, router, vpc->dir, slot);
                r = router_make(kernel, router, &local);
                if (r == 0)
                        r = record_write(router->record, text, &local);
                if (r == 0) {
                        list_push(&kernel->routers, &router->link);
                        return 0;
                }
                router_remove(router);
                leave_slot(kernel, router);
                if (r != -EEXIST) {
                        if (error != NULL)
                                *error = local;
                        return r;
                }
        }
        return error_set(error, ENOSPC, "this machine has no room for another VPC: %d have a router here", ROUTER_SLOTS);
}

static int set_rules(struct router *router, const struct vpc_network *network, struct error *error)
{
        struct ruleset *rules = rules_compile(network);
        CLEANUP_BUF struct buf script = {0};
        int r = 0;

        ruleset_diff(router->rules, rules, &script);
        if (script.len > 0)
                r = nft_run(router->nft, script.data, router->rules != NULL ? NULL : error);
        if (r < 0 && router->rules != NULL) {
                /* Somebody has changed the table by hand: anew. */
                buf_clear(&script);
                ruleset_diff(NULL, rules, &script);
                r = nft_run(router->nft, script.data, error);
        }
        if (r < 0) {
                (void)ruleset_free(rules);
                return r;
        }
        (void)ruleset_free(router->rules);
        router->rules = rules;
        return 0;
}

static void set_nodes(struct router *router, const struct vpc_network *network)
{
        free(router->nodes);
        router->vni = network->vni;
        router->n_nodes = network->n_nodes;
        router->nodes = xcalloc(network->n_nodes + 1, sizeof *router->nodes);
        if (network->n_nodes > 0)
                memcpy(router->nodes, network->nodes, network->n_nodes * sizeof *router->nodes);
}

static void set_listeners(struct router *router, const struct vpc_network *network)
{
        router->n_listeners = 0;
        for (uint32_t i = 0; i < network->n_interfaces; i++) {
                const struct vpc_interface *it = &network->interfaces[i];

                if (it->place != VPC_PLACE_HOST || it->n_ports == 0)
                        continue;
                router->listeners = xrealloc(router->listeners, (router->n_listeners + it->n_ports) * sizeof *router->listeners);
                memcpy(router->listeners + router->n_listeners, it->ports, it->n_ports * sizeof *router->listeners);
                router->n_listeners += it->n_ports;
        }
}

static int open_netlink(void *data, struct error *error)
{
        return netlink_open(data, NETLINK_ROUTE, error);
}

static int replug(struct vpc_kernel *kernel, struct router *router, const struct replug *it, struct error *error)
{
        struct netlink inside = {.fd = -1};
        int r = port_is_plugged(router, it->port.address) ? 0 : netns_visit(kernel, it->path, open_netlink, &inside, error);

        if (r == 0 && inside.fd >= 0)
                r = port_plug(router, it->path, &inside, &it->port, network_task_mtu(kernel), error);
        netlink_close(&inside);
        return r;
}

static int work_apply(struct vpc_job *job, struct error *error)
{
        struct vpc_kernel *kernel = &job->vpc->kernel;
        struct router *router = job->router;
        const struct vpc_network *network = job->network;
        bool fresh = router->rules == NULL;
        struct error unnamed = {0};
        int r = rules_check(network, error);

        if (r == 0 && list_empty(&router->link))
                r = make_router(job->vpc, router, error);
        /* The rules before the ways: what has no rules yet is closed. */
        if (r == 0)
                r = set_rules(router, network, error);
        if (r == 0) {
                set_nodes(router, network);
                set_listeners(router, network);
                (void)names_apply(router, network, &unnamed);
                r = routers_outer(kernel, error);
        }
        if (r == 0)
                r = router_reach(kernel, router, network, network->node, network_task_mtu(kernel), error);
        for (uint32_t i = 0; r == 0 && fresh && i < job->n_replugs; i++)
                r = replug(kernel, router, &job->replugs[i], error);
        if (r == 0)
                *error = unnamed;
        return r;
}

void router_job_done(struct vpc *vpc, struct router *router)
{
        router->alive = !list_empty(&router->link);
        if (--router->jobs > 0 || router->alive)
                return;
        map_remove(&vpc->routers, &router->node);
        (void)vpc_network_free(router->network);
        free(router->id);
        free(router->path);
        free(router->record);
        free(router->names_dir);
        free(router);
}

static void finish_apply(struct vpc_job *job)
{
        struct router *router = job->router;

        if (job->status == 0) {
                (void)vpc_network_free(router->network);
                router->network = TAKE(job->network);
        }
        router_job_done(job->vpc, router);
}

static struct router *router_new(struct vpc *vpc, const char *id)
{
        struct router *router = xalloc(sizeof *router);

        router->id = xstrdup(id);
        router->nl.fd = -1;
        list_init(&router->link);
        map_insert(&vpc->routers, &router->node, router->id);
        return router;
}

static struct vpc_job *router_job(struct vpc *vpc, struct router *router, struct vpc_op *op)
{
        struct vpc_job *job = vpc_job_new(vpc, op);

        job->router = router;
        router->jobs++;
        return job;
}

/* Only the first picture after a start, or for a new router, has to look after cables. */
static void list_replugs(struct vpc_job *job)
{
        struct vpc *vpc = job->vpc;

        if (job->router->network != NULL)
                return;
        map_for_each (node, &vpc->by_id) {
                const struct vpc_sandbox *s = CONTAINER_OF(node, struct vpc_sandbox, node);

                /* A tap without a port belongs to a machine that has ended. */
                if (s->state != SANDBOX_READY || s->is_tap || !str_eq(s->network, job->router->id) ||
                    vpc_network_interface(job->network, s->interface) == NULL)
                        continue;
                job->replugs = xrealloc(job->replugs, (job->n_replugs + 1) * sizeof *job->replugs);
                job->replugs[job->n_replugs++] = (struct replug){xstrdup(s->path), s->port};
        }
}

void vpc_network_apply(struct vpc *vpc, struct vpc_network *network, struct vpc_op *op)
{
        struct router *router = map_get(&vpc->routers, network->id != NULL ? network->id : "", struct router, node);
        struct vpc_job *job;

        if (router == NULL)
                router = router_new(vpc, network->id != NULL ? network->id : "");
        job = router_job(vpc, router, op);
        job->network = network;
        list_replugs(job);
        job->work = work_apply;
        job->finish = finish_apply;
        vpc_queue_add(job);
}

/* ---- jobs: a router goes ---- */

static int work_remove(struct vpc_job *job, struct error *error)
{
        struct router *router = job->router;

        if (list_empty(&router->link))
                return 0;
        list_remove(&router->link);
        router_remove(router);
        leave_slot(&job->vpc->kernel, router);
        return routers_outer(&job->vpc->kernel, error);
}

static void finish_remove(struct vpc_job *job)
{
        job->router->network = vpc_network_free(job->router->network);
        router_job_done(job->vpc, job->router);
}

void vpc_network_remove(struct vpc *vpc, const char *id, struct vpc_op *op)
{
        struct router *router = map_get(&vpc->routers, id, struct router, node);
        struct vpc_job *job;

        if (router != NULL) {
                job = router_job(vpc, router, op);
                job->work = work_remove;
                job->finish = finish_remove;
        } else if (op != NULL) {
                job = vpc_job_new(vpc, op);
        } else {
                return;
        }
        vpc_queue_add(job);
}

/* ---- look at ---- */

struct router *router_of_interface(const struct vpc *vpc, const char *interface_id)
{
        map_for_each (node, &vpc->routers) {
                struct router *router = CONTAINER_OF(node, struct router, node);

                if (router->network != NULL && vpc_network_interface(router->network, interface_id) != NULL)
                        return router;
        }
        return NULL;
}

const struct vpc_network *vpc_network_of(const struct vpc *vpc, const char *interface_id)
{
        const struct router *router = router_of_interface(vpc, interface_id);

        return router != NULL ? router->network : NULL;
}

const char *vpc_network_next(const struct vpc *vpc, const char *id)
{
        const struct map_node *node = map_next(&vpc->routers, id != NULL ? map_find(&vpc->routers, id) : NULL);

        return node != NULL ? CONTAINER_OF(node, struct router, node)->id : NULL;
}

/* ---- what an earlier agent left ---- */

static bool read_id(const char *path, char ret[65])
{
        CLEANUP_BUF struct buf text = {0};

        if (buf_read_file(&text, path, RECORD_MAX) < 0 || text.len == 0 || sscanf(text.data, "id %64[a-zA-Z0-9_-]", ret) != 1)
                return false;
        return true;
}

static void load_one(struct vpc *vpc, uint32_t slot, const char *path)
{
        char id[65] = "";
        struct router *router;

        if (slot >= ROUTER_SLOTS || !read_id(path, id) || map_find(&vpc->routers, id) != NULL) {
                (void)unlink(path);
                return;
        }
        router = router_new(vpc, id);
        router->jobs++;
        set_slot(&vpc->kernel, router, vpc->dir, slot);
        if (router_open(&vpc->kernel, router, NULL) == 0) {
                router->names = names_running(router);
                list_push(&vpc->kernel.routers, &router->link);
        } else {
                router_remove(router);
                leave_slot(&vpc->kernel, router);
        }
        router_job_done(vpc, router);
}

static void drop_orphan(struct vpc *vpc, uint32_t slot, const char *path)
{
        if (slot >= ROUTER_SLOTS || !((vpc->kernel.router_slots[slot / 64] >> (slot % 64)) & 1))
                netns_remove(path);
}

int routers_load(struct vpc *vpc, struct error *error)
{
        int r = for_each_slot(vpc, "router-records", load_one, error);

        return r < 0 ? r : for_each_slot(vpc, "routers", drop_orphan, error);
}

void routers_free(struct vpc *vpc, bool remove)
{
        map_for_each (node, &vpc->routers) {
                struct router *router = CONTAINER_OF(node, struct router, node);

                if (remove && !list_empty(&router->link))
                        router_remove(router);
                else
                        router_close(router);
                list_remove(&router->link);
                router->jobs = 1;
                router_job_done(vpc, router);
        }
        map_done(&vpc->routers);
        map_init(&vpc->routers);
        free(vpc->kernel.outer);
        vpc->kernel.outer = NULL;
}
