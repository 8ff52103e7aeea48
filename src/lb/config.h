/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HAProxy's configuration for all load balancers of a model. Pure: model in, text out.
 *
 * The text describes what only a reload can change: addresses, rules, health checks, algorithms. Targets come and go through the
 * runtime socket; those that are known to be healthy are also written down, so that a new process starts with them.
 *
 *     frontend L-ID     a listener, with its rules            bind 127.64.3.9:80, and the shared addresses if it is the first on its port
 *     frontend S-PORT   shared addresses of several balancers, by the name that the client asked for; leads to L-ID
 *     backend  T-ID     a target group: what carries traffic  server 10.0.0.5:80 (checked), server open:10.0.0.5:80 (backup)
 *     backend  P-ID     the same group's targets that have not passed a check yet: checked often, no traffic
 *
 * The "open" servers of a group are used when no checked one is up: traffic then goes to all targets, as AWS does it.
 */
#pragma once

#include "base/buf.h"
#include "model/balancer.h"

struct lb_config_options {
        const char *dir;           /* for sockets and certificates */
        const char *user;          /* workers run as; NULL: as whoever starts them */
        const char *log;           /* HAProxy's address for events and requests */
        const char *name;          /* tells this installation's abstract sockets from others' */
        const char *dns_suffix;    /* of balancers' names; NULL: the standard one */
        struct string_list shared; /* addresses that all balancers listen on, "127.0.0.1" */
        int max_connections;       /* 0: HAProxy's own */
        /* May the listener have that address? Says why not in `ret_why`. NULL: yes. */
        bool (*bindable)(void *data, const struct listener *listener, const char *address, int port, const char **ret_why);
        /* Appends lines for the servers of a group's backend. NULL: none. */
        void (*servers)(void *data, const struct target_group *group, struct buf *out);
        void *data;
};

/*
 * Appends the configuration. Without `servers`, equal texts need no reload. False when there is nothing to serve.
 */
bool lb_config_write(struct model *model, const struct lb_config_options *options, struct buf *out);

/* One word of a configuration line or runtime command: everything but letters, digits and ._-/ is escaped. */
void lb_config_word(struct buf *out, const char *text);

/* ---- Target groups ---- */

enum lb_role {
        LB_MAIN = 0, /* checked, carries traffic */
        LB_OPEN,     /* backup without check */
        LB_PROBE,    /* checked often until the first pass */
        LB_ROLE_MAX
};
/* "T-ID" or "P-ID". */
const char *lb_backend_name(struct arena *arena, const struct target_group *group, enum lb_role role);
/* How a server of LB_PROBE is checked; in the order in which a target goes through them. */
enum lb_pace {
        LB_PACE_FIRST = 0, /* every 5 ms, one pass is enough: most targets that are registered answer already, or in a moment */
        LB_PACE_FAST,      /* every 100 ms, one pass is enough */
        LB_PACE_SLOW,      /* every second, one pass is enough */
        LB_PACE_RECOVERY,  /* it was unhealthy: as the group says, with its healthy threshold */
};
/* Options of a server: for a line of the configuration with port 0, for `add server` with the target's. `pace` counts for LB_PROBE; others
 * are checked as the group says. */
void lb_server_options(const struct target_group *group, enum lb_role role, enum lb_pace pace, int port, struct buf *out);
/* Whether connections of a checked server end when it goes down. */
bool lb_ends_sessions_when_down(const struct target_group *group);
/* Whether its address is one of a subnet of its group's VPC: only a machine with an agent reaches those. */
bool lb_is_in_vpc(struct model *model, const struct target *target);
/* Where connections to a target in the VPC come from: the balancer's own address there, which its security groups have as a member, so that
 * rules for them let it in. NULL: from the machine's. The balancer's machine has these addresses if it has an agent. */
const char *lb_source(struct model *model, const struct target *target);
/* The cookie key of a group that is sticky by cookies, else NULL: set it again when servers were added. */
const char *lb_cookie_key(const struct target_group *group);

/* config_target.c and config_rule.c, for config.c. */
void lb_config_group(const struct lb_config_options *options, const struct target_group *group, struct buf *out);
void lb_config_rules(const struct listener *listener, struct buf *out);
