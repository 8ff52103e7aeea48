/* SPDX-License-Identifier: Apache-2.0 */
/* What the server says of a VPC: look-ups. */
#include "vpc/network.h"

#include "base/alloc.h"
#include "base/strutil.h"

struct vpc_network *vpc_network_new(void)
{
        return xalloc(sizeof(struct vpc_network));
}

struct vpc_network *vpc_network_free(struct vpc_network *network)
{
        if (network != NULL)
                arena_done(&network->arena);
        free(network);
        return NULL;
}

bool vpc_mac_parse(const char *text, uint8_t ret[6])
{
        for (int i = 0; i < 6; i++) {
                char *end = NULL;
                unsigned long byte = text != NULL ? strtoul(text, &end, 16) : 256;

                if (byte > 255 || end != text + 2 || *end != (i < 5 ? ':' : '\0'))
                        return false;
                ret[i] = (uint8_t)byte;
                text = end + 1;
        }
        return true;
}

const struct vpc_interface *vpc_network_interface(const struct vpc_network *network, const char *id)
{
        for (uint32_t i = 0; i < network->n_interfaces; i++) {
                if (str_eq(network->interfaces[i].id, id))
                        return &network->interfaces[i];
        }
        return NULL;
}

const struct vpc_subnet *vpc_network_subnet(const struct vpc_network *network, const char *id)
{
        for (uint32_t i = 0; i < network->n_subnets; i++) {
                if (str_eq(network->subnets[i].id, id))
                        return &network->subnets[i];
        }
        return NULL;
}

const struct vpc_group *vpc_network_group(const struct vpc_network *network, const char *id)
{
        for (uint32_t i = 0; i < network->n_groups; i++) {
                if (str_eq(network->groups[i].id, id))
                        return &network->groups[i];
        }
        return NULL;
}
