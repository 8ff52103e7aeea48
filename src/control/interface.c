/* SPDX-License-Identifier: Apache-2.0 */
/* Making and ending network interfaces: see interface.h. */
#include "control/interface.h"

#include <errno.h>
#include <stdio.h>

#include "base/strutil.h"

#define ID_DIGITS 17

char *network_id(struct model *model, struct arena *arena, const char *prefix)
{
        char digits[ID_DIGITS + 1];

        env_random_hex(model_env(model), digits, ID_DIGITS);
        return arena_printf(arena, "%s-%s", prefix, digits);
}

char *network_private_dns_name(const struct model *model, struct arena *arena, const char *address)
{
        const char *region = model_region(model);
        char *host = arena_strdup(arena, address);

        for (char *p = host; *p != '\0'; p++)
                if (*p == '.')
                        *p = '-';
        if (str_eq(region, "us-east-1"))
                return arena_printf(arena, "ip-%s.ec2.internal", host);
        return arena_printf(arena, "ip-%s.%s.compute.internal", host, region);
}

static int check_groups(struct model *model, const struct interface_request *request, const struct string_list *groups, struct error *error)
{
        if (groups->n > INTERFACE_MAX_GROUPS)
                return error_api(error, "SecurityGroupsPerInterfaceLimitExceeded",
                                 "%u security groups for one network interface; at most %d are allowed.", groups->n, INTERFACE_MAX_GROUPS);
        for (uint32_t i = 0; i < groups->n; i++) {
                const struct security_group *group = model_security_group(model, groups->items[i]);

                if (group == NULL)
                        return error_api(error, "InvalidGroup.NotFound", "The security group '%.64s' does not exist", groups->items[i]);
                if (group->vpc != request->subnet->vpc)
                        return error_api(error, "InvalidParameterValue", "Security group %s and subnet %s belong to different networks.",
                                         groups->items[i], request->subnet->state->id);
                for (uint32_t k = 0; k < i; k++)
                        if (str_eq(groups->items[k], groups->items[i]))
                                return error_api(error, "InvalidParameterValue", "Security group %s is named twice.", groups->items[i]);
        }
        return 0;
}

/* The offset in the range. */
static int choose_wanted(const struct subnet *subnet, const char *text, int64_t *ret, struct error *error)
{
        uint32_t address;

        if (cidr_parse_address(text, &address) < 0)
                return error_api(error, "InvalidParameterValue", "Invalid value '%.50s' for IP address. Write it as 10.0.0.17.", text);
        if (!subnet_assignable(subnet, address))
                return error_api(error, "InvalidParameterValue",
                                 "Address %s cannot be used in %s (%s): it must lie in the range, behind the first four addresses and "
                                 "before the last.",
                                 text, subnet->state->id, subnet->state->cidr);
        if (subnet_in_use(subnet, address)) {
                (void)error_api(error, "InvalidIPAddress.InUse", "The specified address is already in use: %s", text);
                return -EADDRINUSE;
        }
        *ret = (int64_t)address - subnet->range.address;
        return 0;
}

static int choose_next(const struct subnet *subnet, int64_t *ret, struct error *error)
{
        int64_t offset = subnet_next_free(subnet, subnet->state->next);

        if (offset < 0) {
                (void)error_api(
                        error, "InsufficientFreeAddressesInSubnet",
                        "The specified subnet does not have enough free addresses to satisfy the request: all of %s (%s) are in use.",
                        subnet->state->id, subnet->state->cidr);
                return -ENOSPC;
        }
        *ret = offset;
        return 0;
}

/* The next search begins behind the address that was given out. */
static void move_on(struct tx *tx, struct subnet *subnet, int64_t offset)
{
        struct state_subnet *state = tx_edit(tx, &subnet->object);

        SHAPE_SET(state, state_subnet, next, offset + 1);
        tx_put(tx, &subnet->object, state);
}

static const char *make_mac(struct arena *arena, const struct vpc *vpc, uint32_t address)
{
        return arena_printf(arena, "0a:%02x:%02x:%02x:%02x:%02x", (unsigned)vpc->state->number & 255, address >> 24, address >> 16 & 255,
                            address >> 8 & 255, address & 255);
}

static void fill(struct model *model, struct tx *tx, const struct interface_request *request, uint32_t address,
                 struct state_network_interface *state)
{
        struct arena *arena = tx_arena(tx);
        char *text = arena_bytes(arena, CIDR_TEXT_MAX);

        cidr_format_address(address, text);
        state->id = network_id(model, arena, "eni");
        state->subnet = request->subnet->state->id;
        state->address = text;
        state->mac = make_mac(arena, request->subnet->vpc, address);
        state->description = request->description;
        state->use = request->use;
        state->owner = request->owner;
        state->requester_id = request->requester_id;
        state->client_token = request->client_token;
        state->tags = request->tags;
        state->created_at = env_now_ms(model_env(model));
        if (request->use == STATE_INTERFACE_USE_USER)
                return;
        state->attachment_id = network_id(model, arena, "eni-attach");
        state->attached_at = state->created_at;
        SHAPE_SET(state, state_network_interface, device_index, 1);
}

int network_interface_create(struct model *model, struct tx *tx, const struct interface_request *request, struct network_interface **ret,
                             struct error *error)
{
        struct subnet *subnet = request->subnet;
        struct string_list standard = {.items = (const char *[]){subnet->vpc->default_group->state->id}, .n = 1};
        const struct string_list *groups = request->groups != NULL && request->groups->n > 0 ? request->groups : &standard;
        struct state_network_interface state = {0};
        struct object *object;
        int64_t offset = 0;
        int r = check_groups(model, request, groups, error);

        if (r == 0)
                r = request->address != NULL ? choose_wanted(subnet, request->address, &offset, error)
                                             : choose_next(subnet, &offset, error);
        if (r < 0)
                return r;
        fill(model, tx, request, subnet->range.address + (uint32_t)offset, &state);
        state.groups = *groups;
        if (request->address == NULL)
                move_on(tx, subnet, offset);
        object = tx_insert(tx, OBJECT_NETWORK_INTERFACE, &state);
        *ret = CONTAINER_OF(object, struct network_interface, object);
        return 0;
}

void network_interface_delete(struct tx *tx, struct network_interface *interface)
{
        if (interface->elastic != NULL) {
                struct object *object = &interface->elastic->object;
                struct state_elastic_address *address = tx_edit(tx, object);

                address->association = address->interface = NULL;
                tx_put(tx, object, address);
        }
        tx_remove(tx, &interface->object);
}
