/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 (and a little IPv6) ranges: see cidr.h. */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/strutil.h"

static uint32_t mask(int prefix)
{
        return prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
}

/* Splits "ADDRESS/PREFIX"; the address goes into `ret_address` (50 bytes). */
static int split(const char *text, int max, char ret_address[50], int *ret_prefix)
{
        const char *slash = strchr(text, '/');
        int64_t prefix;

        if (slash == NULL || slash - text >= 50 || str_to_int64(slash + 1, &prefix) < 0 || prefix < 0 || prefix > max)
                return -EINVAL;
        memcpy(ret_address, text, (size_t)(slash - text));
        ret_address[slash - text] = '\0';
        *ret_prefix = (int)prefix;
        return 0;
}

int cidr_parse_address(const char *text, uint32_t *ret)
{
        struct in_addr address;

        if (inet_pton(AF_INET, text, &address) != 1)
                return -EINVAL;
        *ret = ntohl(address.s_addr);
        return 0;
}

int cidr_parse(const char *text, struct cidr *ret)
{
        char address[50];
        struct cidr cidr;

        if (split(text, 32, address, &cidr.prefix) < 0 || cidr_parse_address(address, &cidr.address) < 0)
                return -EINVAL;
        cidr.address &= mask(cidr.prefix);
        *ret = cidr;
        return 0;
}

void cidr_format_address(uint32_t address, char ret[CIDR_TEXT_MAX])
{
        (void)snprintf(ret, CIDR_TEXT_MAX, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

void cidr_format(struct cidr cidr, char ret[CIDR_TEXT_MAX])
{
        size_t len;

        cidr_format_address(cidr.address, ret);
        len = strlen(ret);
        (void)snprintf(ret + len, CIDR_TEXT_MAX - len, "/%d", cidr.prefix);
}

uint64_t cidr_size(struct cidr cidr)
{
        return UINT64_C(1) << (32 - cidr.prefix);
}

bool cidr_has(struct cidr cidr, uint32_t address)
{
        return ((address ^ cidr.address) & mask(cidr.prefix)) == 0;
}

bool cidr_contains(struct cidr outer, struct cidr inner)
{
        return inner.prefix >= outer.prefix && cidr_has(outer, inner.address);
}

bool cidr_overlaps(struct cidr a, struct cidr b)
{
        return cidr_contains(a, b) || cidr_contains(b, a);
}

int cidr_normalise_ipv6(const char *text, char ret[50])
{
        struct in6_addr address;
        char part[50], shown[INET6_ADDRSTRLEN];
        int prefix;

        if (split(text, 128, part, &prefix) < 0 || inet_pton(AF_INET6, part, &address) != 1)
                return -EINVAL;
        for (int bit = prefix; bit < 128; bit++)
                address.s6_addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
        if (inet_ntop(AF_INET6, &address, shown, sizeof(shown)) == NULL)
                return -EINVAL;
        (void)snprintf(ret, 50, "%s/%d", shown, prefix);
        return 0;
}
