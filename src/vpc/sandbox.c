/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes: create, publish, unpublish, destroy.
 *
 *     VACANT --create--> MAKING --> READY --destroy--> LEAVING --> (gone, its address and ports free)
 *        ^                 \_____________fails_____________/
 *        +-- prepared while nothing else is to do
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "vpc/internal.h"
#include "vpc/network.h"
#include "vpc/range.h"

#define ID_MAX 128

/* ---- slots ---- */

bool slot_claim(struct vpc *vpc, uint32_t slot)
{
        uint64_t mask = (uint64_t)1 << (slot % 64);

        if (vpc->slots[slot / 64] & mask)
                return false;
        vpc->slots[slot / 64] |= mask;
        return true;
}

void slot_release(struct vpc *vpc, uint32_t slot)
{
        vpc->slots[slot / 64] &= ~((uint64_t)1 << (slot % 64));
}

/* Goes on after the last one: an address rests as long as possible before somebody else gets it. */
int slot_take(struct vpc *vpc, enum vpc_mode mode, uint32_t *ret, struct error *error)
{
        /* Not the network's address, the bridge's and the broadcast address. */
        bool bridge = mode == VPC_BRIDGE;
        uint32_t first = bridge ? 2 : NONE_SLOT_FIRST;
        uint32_t last = bridge ? ~range_mask(vpc->kernel.prefix) - 1 : NONE_SLOT_FIRST + NONE_SLOTS - 1;
        uint32_t *next = bridge ? &vpc->next_slot : &vpc->next_none_slot;

        for (uint32_t tried = 0; tried <= last - first; tried++) {
                uint32_t slot = *next >= first && *next <= last ? *next : first;

                *next = slot + 1;
                if (slot_claim(vpc, slot)) {
                        *ret = slot;
                        return 0;
                }
        }
        if (!bridge)
                return error_set(error, ENOSPC, "this node has %d network namespaces outside of its bridge, and no room for more",
                                 NONE_SLOTS);
        return error_set(error, ENOSPC, "no address is left in %s: start the node with a larger range", vpc->range_text);
}

/* ---- objects ---- */

static void set_mac_text(struct vpc_sandbox *s, const uint8_t mac[6])
{
        (void)snprintf(s->mac_text, sizeof s->mac_text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

struct vpc_sandbox *sandbox_new(struct vpc *vpc, enum vpc_mode mode, uint32_t slot)
{
        struct vpc_sandbox *s = xalloc(sizeof *s);
        uint8_t mac[6];

        list_init(&s->link);
        s->vpc = vpc;
        s->mode = mode;
        s->slot = slot;
        s->path = xprintf("%s/netns/%u", vpc->dir, slot);
        if (mode == VPC_BRIDGE) {
                s->address = vpc->kernel.gateway - 1 + slot;
                range_text(s->address, -1, s->address_text);
                netns_mac(s->address, mac);
                set_mac_text(s, mac);
        }
        return s;
}

void sandbox_set_interface(struct vpc_sandbox *s, const char *network, const char *interface)
{
        s->network = xstrdup(network);
        s->interface = xstrdup(interface);
        s->address = s->port.address;
        range_text(s->address, -1, s->address_text);
        set_mac_text(s, s->port.mac);
}

void sandbox_free(struct vpc_sandbox *s)
{
        if (s == NULL)
                return;
        list_remove(&s->link);
        free(s->network);
        free(s->interface);
        free(s->id);
        free(s->path);
        free(s);
}

/* Out of all books: nothing of it is in the kernel any more. */
static void sandbox_gone(struct vpc_sandbox *s)
{
        struct vpc *vpc = s->vpc;

        if (s->id != NULL)
                map_remove(&vpc->by_id, &s->node);
        ports_release_all(vpc->ports, &s->hold);
        slot_release(vpc, s->slot);
        sandbox_free(s);
}

static struct vpc_job *sandbox_job(struct vpc_sandbox *s, struct vpc_op *op)
{
        struct vpc_job *job = vpc_job_new(s->vpc, op);

        job->sandbox = s;
        job->address = s->address;
        job->path = xstrdup(s->path);
        job->record = record_path(s->vpc, s->slot);
        return job;
}

static void job_ports(struct vpc_job *job, uint32_t first)
{
        const struct ports_hold *hold = &job->sandbox->hold;

        job->n_ports = hold->n - first;
        job->ports = xcalloc(job->n_ports + 1, sizeof *job->ports);
        memcpy(job->ports, hold->ports + first, job->n_ports * sizeof *job->ports);
}

/* The map elements of the ports from `first` on. */
static void job_add_ports(struct vpc_job *job, uint32_t first)
{
        struct buf script = {0};

        if (first == job->sandbox->hold.n)
                return;
        job_ports(job, first);
        nft_script_add(&script, job->vpc->kernel.bridge, job->sandbox->address_text, job->ports, job->n_ports);
        job->script = buf_take(&script);
}

static void job_delete_ports(struct vpc_job *job)
{
        struct buf script = {0};

        if (job->sandbox->hold.n == 0)
                return;
        job_ports(job, 0);
        nft_script_delete(&script, job->vpc->kernel.bridge, job->ports, job->n_ports);
        job->script = buf_take(&script);
}

/* ---- create ---- */

static int make_interface(struct vpc_job *job, struct error *error)
{
        struct vpc_kernel *kernel = &job->vpc->kernel;
        struct netlink inside = {.fd = -1};
        int r;

        if (list_empty(&job->router->link))
                return error_set(error, ENOENT, "the VPC %s has no router on this node any more", job->router->id);
        if (job->tap != NULL)
                return port_plug_tap(&kernel->nl, job->router, job->tap, &job->port, network_task_mtu(kernel), error);
        r = netns_make(kernel, job->path, &inside, error);
        if (r == 0)
                r = port_plug(job->router, job->path, &inside, &job->port, network_task_mtu(kernel), error);
        netlink_close(&inside);
        if (r < 0)
                netns_remove(job->path);
        return r;
}

static int work_create(struct vpc_job *job, struct error *error)
{
        struct vpc_kernel *kernel = &job->vpc->kernel;
        int r = 0;

        if (job->router != NULL)
                r = make_interface(job, error);
        else if (job->make)
                r = netns_create(kernel, job->path, job->address, error);

        if (r < 0)
                return r;
        /* The record first: what is in the kernel without a record is removed after a crash. */
        if (job->record_text != NULL)
                r = record_write(job->record, job->record_text, error);
        if (r == 0 && job->script != NULL)
                r = nft_run(kernel->nft, job->script, error);
        if (r == 0) {
                conntrack_forget(job->ports, job->n_ports);
                return 0;
        }
        (void)unlink(job->record);
        netns_remove(job->path);
        return r;
}

static void finish_create(struct vpc_job *job)
{
        struct vpc_sandbox *s = job->sandbox;

        if (job->router != NULL)
                router_job_done(job->vpc, job->router);
        if (job->status < 0) {
                sandbox_gone(s);
                return;
        }
        s->state = SANDBOX_READY;
        if (job->cancelled)
                vpc_sandbox_destroy(s, NULL);
}

static int check_interface(const struct vpc *vpc, const struct vpc_sandbox_spec *spec, struct error *error)
{
        const struct vpc_network *network = vpc_network_of(vpc, spec->interface);
        const struct vpc_interface *it = network != NULL ? vpc_network_interface(network, spec->interface) : NULL;

        if (it == NULL || it->place != VPC_PLACE_TASK)
                return error_set(error, ENOENT, "the network interface %s is not known on this node",
                                 spec->interface != NULL ? spec->interface : "");
        map_for_each (node, &vpc->by_id) {
                if (str_eq(CONTAINER_OF(node, struct vpc_sandbox, node)->interface, spec->interface))
                        return error_set(error, EEXIST, "the network interface %s is in use already", spec->interface);
        }
        return 0;
}

/* From the picture in force, which has it. */
static void give_interface(struct vpc_sandbox *s, struct vpc_job *job, const char *id)
{
        struct router *router = router_of_interface(s->vpc, id);
        const struct vpc_interface *it = vpc_network_interface(router->network, id);

        s->port = (struct port){.address = it->address, .subnet = vpc_network_subnet(router->network, it->subnet)->range, .slot = s->slot};
        memcpy(s->port.mac, it->mac, sizeof s->port.mac);
        sandbox_set_interface(s, router->id, id);
        job->port = s->port;
        job->router = router;
        router->jobs++;
}

static int check_spec(const struct vpc *vpc, const struct vpc_sandbox_spec *spec, struct error *error)
{
        if (!str_is_name(spec->id, "_.-", ID_MAX))
                return error_set(error, EINVAL, "\"%s\" cannot name a network namespace", spec->id != NULL ? spec->id : "");
        if (spec->tap != NULL && spec->mode != VPC_INTERFACE)
                return error_set(error, EINVAL, "a tap can only be the interface of a VPC");
        if (spec->mode < 0 || spec->mode >= VPC_MODE_MAX || (spec->mode != VPC_BRIDGE && spec->n_ports > 0))
                return error_set(error, EINVAL, "only containers in bridge mode can publish ports");
        if (map_find(&vpc->by_id, spec->id) != NULL)
                return error_set(error, EEXIST, "container %s has a network already", spec->id);
        return spec->mode == VPC_INTERFACE ? check_interface(vpc, spec, error) : 0;
}

/* A prepared one, or the book entry of a new one. */
static struct vpc_sandbox *sandbox_choose(struct vpc *vpc, enum vpc_mode mode, bool *ret_make, struct error *error)
{
        struct vpc_sandbox *s = mode == VPC_BRIDGE ? list_first(&vpc->vacant, struct vpc_sandbox, link) : NULL;
        uint32_t slot;

        *ret_make = s == NULL;
        if (s != NULL) {
                list_remove(&s->link);
                vpc->n_vacant--;
                return s;
        }
        if (slot_take(vpc, mode, &slot, error) < 0)
                return NULL;
        return sandbox_new(vpc, mode, slot);
}

/* Tells the status on a later turn, in its turn among the other jobs. */
static void fail(struct vpc *vpc, struct vpc_op *op, const struct error *error)
{
        struct vpc_job *job = vpc_job_new(vpc, op);

        job->error = *error;
        job->status = -error->number;
        vpc_queue_add(job);
}

void vpc_sandbox_create(struct vpc *vpc, const struct vpc_sandbox_spec *spec, struct vpc_op *op)
{
        struct error error = {0};
        struct ports_hold hold = {0};
        struct vpc_sandbox *s = NULL;
        struct vpc_job *job;
        bool make = false;

        if (check_spec(vpc, spec, &error) == 0 && ports_take(vpc->ports, spec->ports, spec->n_ports, &hold, &error) == 0)
                s = sandbox_choose(vpc, spec->mode, &make, &error);
        if (s == NULL) {
                ports_release_all(vpc->ports, &hold);
                fail(vpc, op, &error);
                return;
        }
        s->state = SANDBOX_MAKING;
        s->id = xstrdup(spec->id);
        s->hold = hold;
        map_insert(&vpc->by_id, &s->node, s->id);
        job = sandbox_job(s, op);
        if (s->mode == VPC_INTERFACE)
                give_interface(s, job, spec->interface);
        s->is_tap = spec->tap != NULL;
        job->tap = xstrdup(spec->tap);
        job->make = make;
        job->record_text = record_text(s);
        job_add_ports(job, 0);
        job->work = work_create;
        job->finish = finish_create;
        vpc_queue_add(job);
}

/* ---- prepare ---- */

static void finish_prepare(struct vpc_job *job)
{
        struct vpc_sandbox *s = job->sandbox;
        struct vpc *vpc = s->vpc;

        if (job->status < 0) {
                vpc->prepare_failed = true;
                sandbox_gone(s);
                return;
        }
        list_push(&vpc->vacant, &s->link);
        vpc->n_vacant++;
}

void sandbox_prepare(struct vpc *vpc)
{
        struct vpc_job *job;
        uint32_t slot = 0;

        if (slot_take(vpc, VPC_BRIDGE, &slot, NULL) < 0)
                return;
        job = sandbox_job(sandbox_new(vpc, VPC_BRIDGE, slot), NULL);
        job->make = true;
        job->work = work_create;
        job->finish = finish_prepare;
        list_push(&vpc->waiting, &job->link);
}

/* ---- destroy ---- */

/* An element that somebody took away by hand fails the whole transaction: then one by one. */
static void delete_elements(struct nft *nft, const char *table, const char *script, const struct vpc_port *ports, uint32_t n)
{
        if (nft_run(nft, script, NULL) == 0)
                return;
        for (uint32_t i = 0; i < n; i++) {
                for (uint16_t k = 0; k < ports[i].count; k++) {
                        const struct vpc_port one = {ports[i].udp, ports[i].container_port, (uint16_t)(ports[i].host_port + k), 1};
                        CLEANUP_BUF struct buf text = {0};

                        nft_script_delete(&text, table, &one, 1);
                        if (nft_run(nft, text.data, NULL) < 0)
                                continue;
                }
        }
}

static void unpublish(struct vpc_job *job)
{
        if (job->script == NULL)
                return;
        delete_elements(job->vpc->kernel.nft, job->vpc->kernel.bridge, job->script, job->ports, job->n_ports);
        conntrack_forget(job->ports, job->n_ports);
}

static int work_destroy(struct vpc_job *job, UNUSED struct error *error)
{
        unpublish(job);
        netns_remove(job->path);
        (void)unlink(job->record);
        return 0;
}

static void finish_destroy(struct vpc_job *job)
{
        job->vpc->prepare_failed = false;
        sandbox_gone(job->sandbox);
}

void vpc_sandbox_destroy(struct vpc_sandbox *s, struct vpc_op *op)
{
        struct vpc_job *job;

        assert(s->state == SANDBOX_READY);
        s->state = SANDBOX_LEAVING;
        job = sandbox_job(s, op);
        job_delete_ports(job);
        job->work = work_destroy;
        job->finish = finish_destroy;
        vpc_queue_add(job);
}

/* ---- publish later ---- */

static int work_publish(struct vpc_job *job, struct error *error)
{
        int r = record_write(job->record, job->record_text, error);

        if (r == 0)
                r = nft_run(job->vpc->kernel.nft, job->script, error);
        if (r == 0)
                conntrack_forget(job->ports, job->n_ports);
        return r;
}

static void finish_publish(struct vpc_job *job)
{
        /* The record may say too much now; the next one that is written corrects it, and so does the next start. */
        if (job->status < 0)
                ports_release(job->vpc->ports, &job->sandbox->hold, job->ports, job->n_ports);
}

void vpc_sandbox_publish(struct vpc_sandbox *s, const struct vpc_port *ports, uint32_t n_ports, struct vpc_op *op)
{
        struct error error = {0};
        uint32_t before = s->hold.n;
        struct vpc_job *job = NULL;

        assert(s->state == SANDBOX_READY);
        if (s->mode != VPC_BRIDGE)
                (void)error_set(&error, EINVAL, "only containers in bridge mode can publish ports");
        else if (ports_take(s->vpc->ports, ports, n_ports, &s->hold, &error) == 0 && s->hold.n > before)
                job = sandbox_job(s, op);
        if (job == NULL) {
                fail(s->vpc, op, &error);
                return;
        }
        job->record_text = record_text(s);
        job_add_ports(job, before);
        job->work = work_publish;
        job->finish = finish_publish;
        vpc_queue_add(job);
}

static int work_unpublish(struct vpc_job *job, struct error *error)
{
        unpublish(job);
        return record_write(job->record, job->record_text, error);
}

static void finish_unpublish(struct vpc_job *job)
{
        ports_release(job->vpc->ports, &job->sandbox->hold, job->ports, job->n_ports);
}

void vpc_sandbox_unpublish(struct vpc_sandbox *s, struct vpc_op *op)
{
        struct ports_hold hold = s->hold;
        struct vpc_job *job;

        assert(s->state == SANDBOX_READY);
        job = sandbox_job(s, op);
        job_delete_ports(job);
        s->hold = (struct ports_hold){0};
        job->record_text = record_text(s);
        s->hold = hold;
        job->work = work_unpublish;
        job->finish = finish_unpublish;
        vpc_queue_add(job);
}

/* ---- look at ---- */

struct vpc_sandbox *vpc_sandbox_find(struct vpc *vpc, const char *id)
{
        struct vpc_sandbox *s = map_get(&vpc->by_id, id, struct vpc_sandbox, node);

        return s != NULL && s->state == SANDBOX_READY ? s : NULL;
}

struct vpc_sandbox *vpc_sandbox_next(struct vpc *vpc, const struct vpc_sandbox *s)
{
        struct map_node *node = map_next(&vpc->by_id, s != NULL ? &s->node : NULL);

        while (node != NULL && CONTAINER_OF(node, struct vpc_sandbox, node)->state != SANDBOX_READY)
                node = map_next(&vpc->by_id, node);
        return node != NULL ? CONTAINER_OF(node, struct vpc_sandbox, node) : NULL;
}

const char *vpc_sandbox_id(const struct vpc_sandbox *s)
{
        return s->id;
}

enum vpc_mode vpc_sandbox_mode(const struct vpc_sandbox *s)
{
        return s->mode;
}

const char *vpc_sandbox_path(const struct vpc_sandbox *s)
{
        return s->path;
}

const char *vpc_sandbox_address(const struct vpc_sandbox *s)
{
        return s->address != 0 ? s->address_text : NULL;
}

const char *vpc_sandbox_mac(const struct vpc_sandbox *s)
{
        return s->address != 0 ? s->mac_text : NULL;
}

void vpc_sandbox_gateway(const struct vpc_sandbox *s, char *ret)
{
        range_text(s->port.subnet.address + 1, -1, ret);
}

uint32_t vpc_sandbox_mtu(const struct vpc_sandbox *s)
{
        return network_task_mtu(&s->vpc->kernel);
}

const char *vpc_sandbox_interface(const struct vpc_sandbox *s)
{
        return s->interface;
}

const struct vpc_port *vpc_sandbox_ports(const struct vpc_sandbox *s, uint32_t *ret_n)
{
        *ret_n = s->hold.n;
        return s->hold.ports;
}
