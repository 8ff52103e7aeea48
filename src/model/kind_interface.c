/* SPDX-License-Identifier: Apache-2.0 */
/* Subnets with their addresses, the interfaces that have these, and elastic addresses. */
#include <errno.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "model/internal.h"
#include "model/network.h"

#define WORD_BITS 64

/* ---- Subnets ---- */

int subnet_attach(struct model *model, struct object *object)
{
        struct subnet *subnet = CONTAINER_OF(object, struct subnet, object);
        int r = vpc_member_attach(model, object);

        if (r == 0 && (cidr_parse(subnet->state->cidr, &subnet->range) < 0 || subnet->range.prefix < 16)) {
                vpc_member_detach(model, object);
                r = -ENOENT; /* the store is damaged: the API lets no such range in */
        }
        if (r < 0)
                return r;
        list_init(&subnet->interfaces);
        subnet->n_used = 0;
        return 0;
}

void subnet_detach(struct model *model, struct object *object)
{
        assert(list_empty(&CONTAINER_OF(object, struct subnet, object)->interfaces));
        vpc_member_detach(model, object);
}

void subnet_release(struct object *object)
{
        free(CONTAINER_OF(object, struct subnet, object)->used);
}

static size_t words(const struct subnet *subnet)
{
        return (size_t)(cidr_size(subnet->range) + WORD_BITS - 1) / WORD_BITS;
}

static void set_used(struct subnet *subnet, uint32_t address, bool used)
{
        uint32_t offset = address - subnet->range.address;
        uint64_t bit = UINT64_C(1) << offset % WORD_BITS;

        if (subnet->used == NULL)
                subnet->used = xcalloc(words(subnet), sizeof(*subnet->used));
        assert(((subnet->used[offset / WORD_BITS] & bit) != 0) != used);
        subnet->used[offset / WORD_BITS] ^= bit;
        subnet->n_used += used ? 1 : UINT32_MAX; /* adding UINT32_MAX takes one away */
}

bool subnet_assignable(const struct subnet *subnet, uint32_t address)
{
        uint32_t offset = address - subnet->range.address;

        return cidr_has(subnet->range, address) && offset >= SUBNET_RESERVED - 1 && offset < cidr_size(subnet->range) - 1;
}

bool subnet_in_use(const struct subnet *subnet, uint32_t address)
{
        uint32_t offset = address - subnet->range.address;

        return cidr_has(subnet->range, address) && subnet->used != NULL &&
               (subnet->used[offset / WORD_BITS] >> offset % WORD_BITS & 1) != 0;
}

uint32_t subnet_free(const struct subnet *subnet)
{
        return (uint32_t)cidr_size(subnet->range) - SUBNET_RESERVED - subnet->n_used;
}

/* The first free offset in [from, to), or -1. A word that is full is passed at once. */
static int64_t first_free(const struct subnet *subnet, int64_t from, int64_t to)
{
        for (int64_t i = from; i < to;) {
                uint64_t taken = subnet->used != NULL ? subnet->used[i / WORD_BITS] : 0;
                uint64_t left = ~taken >> i % WORD_BITS;

                if (left != 0) {
                        i += __builtin_ctzll(left);
                        return i < to ? i : -1;
                }
                i += WORD_BITS - i % WORD_BITS;
        }
        return -1;
}

int64_t subnet_next_free(const struct subnet *subnet, int64_t offset)
{
        int64_t low = SUBNET_RESERVED - 1, high = (int64_t)cidr_size(subnet->range) - 1, found;

        if (offset < low || offset >= high)
                offset = low;
        found = first_free(subnet, offset, high);
        return found >= 0 ? found : first_free(subnet, low, offset);
}

/* ---- Interfaces ---- */

static void leave_groups(struct network_interface *interface)
{
        for (uint32_t i = 0; i < interface->n_memberships; i++) {
                list_remove(&interface->memberships[i].in_group);
                interface->memberships[i].group->n_members--;
        }
        free(interface->memberships);
        interface->memberships = NULL;
        interface->n_memberships = 0;
}

static int join_groups(struct model *model, struct network_interface *interface)
{
        const struct string_list *groups = &interface->state->groups;

        interface->memberships = xcalloc(groups->n + 1, sizeof(*interface->memberships));
        for (uint32_t i = 0; i < groups->n; i++) {
                struct group_membership *membership = &interface->memberships[i];

                membership->group = model_security_group(model, groups->items[i]);
                membership->interface = interface;
                if (membership->group == NULL) {
                        leave_groups(interface);
                        return -ENOENT;
                }
                list_push(&membership->group->members, &membership->in_group);
                membership->group->n_members++;
                interface->n_memberships++;
        }
        return 0;
}

int interface_attach(struct model *model, struct object *object)
{
        struct network_interface *interface = CONTAINER_OF(object, struct network_interface, object);
        int r;

        interface->subnet = model_subnet(model, interface->state->subnet);
        if (interface->subnet == NULL || cidr_parse_address(interface->state->address, &interface->address) < 0 ||
            !subnet_assignable(interface->subnet, interface->address) || subnet_in_use(interface->subnet, interface->address))
                return -ENOENT;
        r = join_groups(model, interface);
        if (r < 0)
                return r;
        list_push(&interface->subnet->interfaces, &interface->in_subnet);
        set_used(interface->subnet, interface->address, true);
        return 0;
}

static bool same_groups(const struct string_list *a, const struct string_list *b)
{
        if (a->n != b->n)
                return false;
        for (uint32_t i = 0; i < a->n; i++)
                if (!str_eq(a->items[i], b->items[i]))
                        return false;
        return true;
}

/* Subnet and address never change. */
void interface_change(struct model *model, struct object *object, const void *old_state)
{
        struct network_interface *interface = CONTAINER_OF(object, struct network_interface, object);
        const struct state_network_interface *old = old_state;
        int r;

        if (same_groups(&old->groups, &interface->state->groups))
                return;
        leave_groups(interface);
        r = join_groups(model, interface);
        assert(r == 0);
        (void)r;
}

void interface_detach(struct model *model, struct object *object)
{
        struct network_interface *interface = CONTAINER_OF(object, struct network_interface, object);

        assert(interface->elastic == NULL);
        leave_groups(interface);
        list_remove(&interface->in_subnet);
        set_used(interface->subnet, interface->address, false);
}

void interface_release(struct object *object)
{
        free(CONTAINER_OF(object, struct network_interface, object)->memberships);
}

/* ---- Elastic addresses ---- */

static void dissociate(struct elastic_address *address)
{
        if (address->interface != NULL)
                address->interface->elastic = NULL;
        address->interface = NULL;
}

int elastic_attach(struct model *model, struct object *object)
{
        struct elastic_address *address = CONTAINER_OF(object, struct elastic_address, object);

        if (address->state->interface == NULL)
                return 0;
        address->interface = model_network_interface(model, address->state->interface);
        if (address->interface == NULL)
                return -ENOENT;
        address->interface->elastic = address;
        return 0;
}

void elastic_change(struct model *model, struct object *object, const void *old_state)
{
        int r;

        dissociate(CONTAINER_OF(object, struct elastic_address, object));
        r = elastic_attach(model, object);
        assert(r == 0);
        (void)r;
}

void elastic_detach(struct model *model, struct object *object)
{
        dissociate(CONTAINER_OF(object, struct elastic_address, object));
}
