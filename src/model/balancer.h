/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load balancers in the model: balancers with their listeners and rules, target groups with their targets, certificates.
 *
 * A target's health is not stored. The proxy's driver (src/lb) reports it with model_set_target_health, and observers are told
 * (`target_health` in struct model_observer). Before the first report, as after a start of the server, it is INITIAL.
 */
#pragma once

#include "api/elbv2.idl.h"
#include "model/model.h"

struct load_balancer {
        struct object object;
        const struct state_load_balancer *state;
        struct list listeners; /* of struct listener */
        size_t n_listeners;
        /* Why the proxy does not serve (all of) it, NULL: it does. Not stored; the driver's, see model_set_balancer_problem. */
        char *problem;
};

struct listener {
        struct object object;
        const struct state_listener *state;
        struct load_balancer *balancer;
        struct list in_balancer;
        struct list rules; /* of struct listener_rule, by priority */
        size_t n_rules;
};

struct listener_rule {
        struct object object;
        const struct state_listener_rule *state;
        struct listener *listener;
        struct list in_listener;
};

struct target_group {
        struct object object;
        const struct state_target_group *state;
        struct list targets;            /* of struct target, draining ones too */
        size_t n_targets;               /* all of them */
        size_t n_uses;                  /* actions of listeners and rules that name it */
        struct load_balancer *balancer; /* whose they are; NULL: none */
};

struct target {
        struct object object;
        const struct state_target *state;
        struct target_group *group;
        struct list in_group;
        struct task *task; /* that it was registered for, while that is remembered; else NULL */
        struct list in_task;
        /* Not stored; set with model_set_target_health. */
        enum elbv2_target_health_state health;
        enum elbv2_target_health_reason reason;
        char description[160]; /* what the last check found; "" when there is nothing to say */
};

struct certificate {
        struct object object;
        const struct state_certificate *state;
};

/* Each NULL when there is none. Listeners and rules are found by the ids in their ARNs. */
struct load_balancer *model_load_balancer(struct model *model, const char *id);
struct load_balancer *model_load_balancer_by_name(struct model *model, const char *name);
struct listener *model_listener(struct model *model, const char *id);
struct listener_rule *model_listener_rule(struct model *model, const char *id);
struct target_group *model_target_group(struct model *model, const char *id);
struct target_group *model_target_group_by_name(struct model *model, const char *name);
/* By its ARN; NULL as well for an ARN of something else, another account or region. */
struct target_group *model_target_group_of_arn(struct model *model, const char *arn);
/* The listener rule with this ARN; the listener, when it is the ARN of that or of its default rule. NULL: none. */
struct object *model_forwarding_of_arn(struct model *model, const char *arn);
struct target *model_target(struct model *model, const char *group, const char *id, int port);
struct certificate *model_certificate(struct model *model, const char *arn);

/* ARNs, in `arena`. */
char *model_load_balancer_arn(const struct model *model, struct arena *arena, const struct load_balancer *balancer);
char *model_listener_arn(const struct model *model, struct arena *arena, const struct listener *listener);
/* `rule` is the rule's id, or the listener's defaultRule. */
char *model_listener_rule_arn(const struct model *model, struct arena *arena, const struct listener *listener, const char *rule);
char *model_target_group_arn(const struct model *model, struct arena *arena, const struct target_group *group);
/* "NAME-ID.REGION.elb.localhost", or with another suffix than "elb.localhost". */
char *model_load_balancer_dns_name(const struct model *model, struct arena *arena, const struct load_balancer *balancer,
                                   const char *suffix);

/* What an agent announces: its machine's address in the network of the machines, and that load balancers run there. */
#define INSTANCE_ADDRESS_ATTRIBUTE "gantry.node-address"
#define INSTANCE_BALANCERS_ATTRIBUTE "gantry.balancers"
/* The value of an attribute, "" when it has none; NULL when there is no such attribute. `state` NULL: none. */
const char *instance_attribute(const struct state_container_instance *state, const char *name);
/* Where other machines reach the published ports of its tasks: the address it announces, else the one its agent connected from. NULL: not
 * known yet. */
const char *instance_address(const struct state_container_instance *state);
/* It is not INACTIVE and says that load balancers run on its machine. NULL: no. */
bool instance_has_balancers(const struct state_container_instance *state);
/* The first such instance: interfaces of balancers are addresses of that machine. NULL: none. */
struct instance *model_balancers_instance(const struct model *model);

/* Where the proxy connects to for a target, in `arena`: an IP address, or NULL when it is not known yet (an instance whose agent
 * has not connected). */
const char *target_address(const struct model *model, const struct target *target, struct arena *arena);
/* The container instance that a target of type instance names: by its EC2 instance id or its own. NULL: none. */
struct instance *model_instance_of_target(const struct model *model, const char *id);

/* Tags of balancers, their parts and certificates: a new value for a key that is there, else one more. Strings stay the caller's. */
void balancer_tag_set(struct arena *arena, struct elbv2_tag_list *tags, const char *key, const char *value);

/* The value of an attribute: what somebody set, else the default; NULL for a key that objects of this kind do not have. */
const char *load_balancer_attribute(const struct load_balancer *balancer, const char *key);
const char *listener_attribute(const struct listener *listener, const char *key);
const char *target_group_attribute(const struct target_group *group, const char *key);

/* The driver's reports; not part of a transaction. `description` NULL: "". Observers are told when state or reason are new. */
void model_set_target_health(struct model *model, struct target *target, enum elbv2_target_health_state health,
                             enum elbv2_target_health_reason reason, const char *description);
void model_set_balancer_problem(struct load_balancer *balancer, const char *problem);
/* Whether a proxy runs: without one nothing is served, and targets need not drain. The driver says so when it starts and ends. */
void model_set_balancing(struct model *model, bool balancing);
bool model_balancing(const struct model *model);
