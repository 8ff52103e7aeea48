/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 addresses and ranges as numbers in host byte order. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

struct cidr {
        uint32_t address; /* the first of the range */
        int prefix;       /* 0 to 32 */
};

/* Room for "255.255.255.255/32" and a NUL. */
#define CIDR_TEXT_MAX 19

/* "10.0.0.0/16"; bits behind the prefix are cleared, as AWS does ("10.0.0.7/16" is "10.0.0.0/16"). -EINVAL. */
int cidr_parse(const char *text, struct cidr *ret) MUST_CHECK;
/* "10.0.0.7"; -EINVAL. */
int cidr_parse_address(const char *text, uint32_t *ret) MUST_CHECK;
void cidr_format(struct cidr cidr, char ret[CIDR_TEXT_MAX]);
void cidr_format_address(uint32_t address, char ret[CIDR_TEXT_MAX]);
/* Addresses in the range; 2^32 for a prefix of 0. */
uint64_t cidr_size(struct cidr cidr);
bool cidr_overlaps(struct cidr a, struct cidr b);
/* Whether all of `inner` lies in `outer`. */
bool cidr_contains(struct cidr outer, struct cidr inner);
bool cidr_has(struct cidr cidr, uint32_t address);
/* "2001:db8::/32" in its shortest form without bits behind the prefix, into `ret` (50 bytes); -EINVAL. */
int cidr_normalise_ipv6(const char *text, char ret[50]) MUST_CHECK;
