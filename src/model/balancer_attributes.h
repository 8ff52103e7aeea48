/* SPDX-License-Identifier: Apache-2.0 */
/* The attributes that load balancers, listeners and target groups have, with AWS's keys and defaults. */
#pragma once

#include "model/balancer.h"

/* Whose attribute it is: bits. */
enum attribute_scope {
        ATTRIBUTE_APPLICATION = 1 << 0, /* load balancers by type */
        ATTRIBUTE_NETWORK = 1 << 1,
        ATTRIBUTE_HTTP_GROUP = 1 << 2, /* target groups by protocol */
        ATTRIBUTE_TCP_GROUP = 1 << 3,
        ATTRIBUTE_HTTP = 1 << 4, /* listeners by protocol */
        ATTRIBUTE_HTTPS = 1 << 5,
        ATTRIBUTE_TCP = 1 << 6,
};

enum attribute_kind { ATTRIBUTE_BOOL = 0, ATTRIBUTE_INT, ATTRIBUTE_WORD, ATTRIBUTE_TEXT, ATTRIBUTE_PERCENT };

struct balancer_attribute {
        const char *key, *standard;
        unsigned scopes;
        enum attribute_kind kind;
        int min, max;             /* of INT */
        const char *const *words; /* of WORD, ends with NULL */
        const char *standard_tcp; /* of attributes whose default is another one for network balancers; NULL: the same */
        const char *only;         /* why it can have no value but the standard one, "there is no firewall"; NULL: it can */
};

/* All of them; ends with a row whose key is NULL. */
extern const struct balancer_attribute balancer_attributes[];

/* The one scope of an object. */
unsigned load_balancer_scope(const struct state_load_balancer *balancer);
unsigned target_group_scope(const struct state_target_group *group);
unsigned listener_scope(const struct state_listener *listener);
/* NULL: objects of that scope have no attribute of that key. */
const struct balancer_attribute *balancer_attribute_find(unsigned scope, const char *key);
const char *balancer_attribute_standard(const struct balancer_attribute *attribute, unsigned scope);
