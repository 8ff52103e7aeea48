/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds of VPCs and those who read them. */
#include "api/agent/network.h"

#include <stdlib.h>
#include <string.h>

#include "api/agent/session.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "control/discovery.h"
#include "control/task_network.h"
#include "model/balancer.h"
#include "model/network.h"

/* What is new of one VPC, and who is told. */
struct feed {
        struct map_node node; /* in networks->feeds */
        char *vpc;
        struct list in_dirty;
        struct map news; /* of struct news */
        struct list readers;
};

/* Something that was made, changed or removed. */
struct news {
        struct map_node node;
        char id[];
};

struct subscription {
        struct list in_feed, in_agent;
        struct feed *feed;
        struct agent *agent;
        bool whole; /* it has not been told anything yet */
        bool leaves;
        bool check; /* perhaps it has no part in the VPC any more */
};

/* A text, for one or more agents: members of a NetworkMessage behind the head. */
struct text {
        uint32_t refs;
        struct buf buf;
};

struct parcel {
        struct list link; /* in the agent's outbox */
        uint64_t sequence;
        struct text *text;
};

/* ---- Texts ---- */

static void text_unref(struct text *text)
{
        if (--text->refs > 0)
                return;
        buf_done(&text->buf);
        free(text);
}

static void put(struct agent *agent, struct text *text, uint64_t sequence)
{
        struct parcel *parcel = xalloc(sizeof(*parcel));

        parcel->sequence = sequence;
        parcel->text = text;
        text->refs++;
        list_push(&agent->networks.outbox, &parcel->link);
        agent_mark(agent, sequence);
}

static void parcel_free(struct parcel *parcel)
{
        text_unref(parcel->text);
        list_remove(&parcel->link);
        free(parcel);
}

/* ---- Feeds ---- */

static void feed_free(struct networks *networks, struct feed *feed)
{
        map_for_each (node, &feed->news)
                free(CONTAINER_OF(node, struct news, node));
        map_done(&feed->news);
        list_remove(&feed->in_dirty);
        map_remove(&networks->feeds, &feed->node);
        free(feed->vpc);
        free(feed);
}

static struct feed *feed_of(struct networks *networks, const char *vpc)
{
        return map_get(&networks->feeds, vpc, struct feed, node);
}

static void feed_touch(struct networks *networks, struct feed *feed)
{
        if (list_empty(&feed->in_dirty))
                list_push(&networks->dirty, &feed->in_dirty);
}

/* False when nobody reads of this VPC. */
static bool note(struct agents *agents, const struct vpc *vpc, const char *id)
{
        struct feed *feed = vpc != NULL ? feed_of(&agents->networks, vpc->object.key) : NULL;
        struct news *news;

        if (feed == NULL)
                return false;
        feed_touch(&agents->networks, feed);
        if (id == NULL || map_find(&feed->news, id) != NULL)
                return true;
        news = xalloc(sizeof(*news) + strlen(id) + 1);
        memcpy(news->id, id, strlen(id) + 1);
        map_insert(&feed->news, &news->node, news->id);
        return true;
}

static struct subscription *find_subscription(struct agent *agent, const char *vpc)
{
        list_for_each (s, &agent->networks.subscriptions, struct subscription, in_agent)
                if (str_eq(s->feed->vpc, vpc))
                        return s;
        return NULL;
}

/* The feed stays: see feed_check. */
static void unsubscribe(struct subscription *s)
{
        list_remove(&s->in_feed);
        list_remove(&s->in_agent);
        free(s);
}

/* A feed goes with its last reader. */
static void feed_check(struct networks *networks, struct feed *feed)
{
        if (list_empty(&feed->readers))
                feed_free(networks, feed);
}

static bool is_reader(const struct agent *agent)
{
        return agent->control != NULL && instance_attribute(agent->instance->state, NETWORK_CAPABILITY) != NULL;
}

static bool subscribe(struct agent *agent, const struct vpc *vpc)
{
        struct networks *networks = &agent->agents->networks;
        struct subscription *s;
        struct feed *feed;

        if (!is_reader(agent) || find_subscription(agent, vpc->object.key) != NULL)
                return false;
        feed = feed_of(networks, vpc->object.key);
        if (feed == NULL) {
                feed = xalloc(sizeof(*feed));
                feed->vpc = xstrdup(vpc->object.key);
                list_init(&feed->in_dirty);
                list_init(&feed->readers);
                map_init(&feed->news);
                map_insert(&networks->feeds, &feed->node, feed->vpc);
        }
        s = xalloc(sizeof(*s));
        s->feed = feed;
        s->agent = agent;
        s->whole = true;
        list_push(&feed->readers, &s->in_feed);
        list_push(&agent->networks.subscriptions, &s->in_agent);
        feed_touch(networks, feed);
        return true;
}

/* Perhaps the agent of this instance has no part in the VPC any more: looked at when the news are written. */
static void doubt(struct agents *agents, struct instance *instance, const struct vpc *vpc)
{
        struct agent *agent = instance != NULL ? instance->session : NULL;
        struct subscription *s = agent != NULL && vpc != NULL ? find_subscription(agent, vpc->object.key) : NULL;

        if (s == NULL)
                return;
        s->check = true;
        feed_touch(&agents->networks, s->feed);
}

/* ---- Changes of the model ---- */

/* `service` NULL: nothing. HTTP namespaces have no VPC. */
static bool note_names(struct agents *agents, const struct discovery_service *service)
{
        return service != NULL && note(agents, model_vpc(agents->model, service->namespace->state->vpc), service->object.key);
}

static bool names_changed(struct agents *agents, const struct object *object, const void *state)
{
        const struct state_discovery_namespace *namespace = state;
        const struct state_discovery_service *service = state;
        const struct discovery_namespace *where;

        if (object->kind == OBJECT_DISCOVERY_NAMESPACE)
                return note(agents, model_vpc(agents->model, namespace->vpc), namespace->id);
        if (object->kind == OBJECT_DISCOVERY_INSTANCE)
                return note_names(agents,
                                  model_discovery_service(agents->model, ((const struct state_discovery_instance *)state)->service));
        where = model_discovery_namespace(agents->model, service->namespace);
        return where != NULL && note(agents, model_vpc(agents->model, where->state->vpc), service->id);
}

/* Names of the tasks of an instance that is lost, or has come back, or has another address. */
static bool note_names_of(struct agents *agents, const struct instance *instance)
{
        bool any = false;

        if (model_objects(agents->model, OBJECT_DISCOVERY_SERVICE)->count == 0)
                return false;
        list_for_each (task, &instance->tasks, struct task, in_instance)
                any |= note_names(agents, discovery_service_of_task(agents->model, task->state));
        return any;
}

bool network_lease_changed(struct agents *agents, const struct instance *instance)
{
        return note_names_of(agents, instance);
}

static bool interface_of_task_changed(struct agents *agents, struct task *task, const struct state_task *old_state,
                                      const struct state_task *new_state)
{
        struct network_interface *interface = new_state != NULL ? task_network_interface(agents->model, new_state) : NULL;

        if (interface != NULL && task->instance != NULL && task->instance->session != NULL && !task_is_over(new_state)) {
                bool placed = old_state == NULL || !str_eq(old_state->instance, new_state->instance);
                bool fresh = subscribe(task->instance->session, interface->subnet->vpc);

                return (placed && note(agents, interface->subnet->vpc, interface->object.key)) || fresh;
        }
        if (old_state == NULL || new_state == NULL || !task_is_over(new_state) || task_is_over(old_state))
                return false;
        const struct subnet *subnet = model_subnet(agents->model, task_network_detail(new_state, "subnetId"));
        if (subnet == NULL)
                return false;
        doubt(agents, task->instance, subnet->vpc);
        return note(agents, subnet->vpc, NULL);
}

static bool task_changed(struct agents *agents, struct task *task, const struct state_task *old_state, const struct state_task *new_state)
{
        bool named = discovery_task_changes(old_state, new_state) &&
                     note_names(agents, discovery_service_of_task(agents->model, new_state != NULL ? new_state : old_state));

        return interface_of_task_changed(agents, task, old_state, new_state) || named;
}

static bool interface_changed(struct agents *agents, const struct state_network_interface *old_state,
                              const struct state_network_interface *new_state)
{
        const struct state_network_interface *state = new_state != NULL ? new_state : old_state;
        const struct subnet *subnet = model_subnet(agents->model, state->subnet);
        struct network_interface *interface = model_network_interface(agents->model, state->id);
        struct instance *place;

        if (subnet == NULL)
                return false;
        if (state->use == STATE_INTERFACE_USE_BALANCER && interface != NULL) {
                place = network_place(agents->model, interface);
                if (place != NULL && place->session != NULL && subscribe(place->session, subnet->vpc))
                        return true;
        } else if (state->use == STATE_INTERFACE_USE_BALANCER) {
                struct feed *feed = feed_of(&agents->networks, subnet->vpc->object.key);

                if (feed != NULL) {
                        list_for_each (s, &feed->readers, struct subscription, in_feed)
                                s->check = true;
                }
        }
        return note(agents, subnet->vpc, state->id);
}

/* Routes of all subnets may be others now. */
static bool routes_changed(struct agents *agents, const char *vpc_id)
{
        struct vpc *vpc = model_vpc(agents->model, vpc_id);
        bool any = false;

        if (vpc == NULL)
                return false;
        list_for_each (subnet, &vpc->subnets, struct subnet, in_vpc)
                any |= note(agents, vpc, subnet->object.key);
        return any;
}

static bool acl_changed(struct agents *agents, const struct state_network_acl *state)
{
        struct vpc *vpc = model_vpc(agents->model, state->vpc);
        bool any = false;

        if (vpc == NULL)
                return false;
        list_for_each (subnet, &vpc->subnets, struct subnet, in_vpc)
                if (str_eq(subnet->state->acl, state->id))
                        any |= note(agents, vpc, subnet->object.key);
        return any;
}

/* Whether addresses are public is said with the interfaces, but depends on their subnet too. */
static bool subnet_changed(struct agents *agents, const struct state_subnet *old_state, const struct state_subnet *new_state)
{
        const struct state_subnet *state = new_state != NULL ? new_state : old_state;
        struct vpc *vpc = model_vpc(agents->model, state->vpc);
        struct subnet *subnet = model_subnet(agents->model, state->id);
        bool any = false;

        /* The place of the next address moves with each interface: no news. */
        if (old_state != NULL && new_state != NULL && old_state->map_public_ip == new_state->map_public_ip &&
            str_eq(old_state->cidr, new_state->cidr) && str_eq(old_state->acl, new_state->acl))
                return false;
        any = note(agents, vpc, state->id);
        if (subnet != NULL && any) {
                list_for_each (interface, &subnet->interfaces, struct network_interface, in_subnet)
                        (void)note(agents, vpc, interface->object.key);
        }
        return any;
}

static bool note_interface(struct agents *agents, const char *id)
{
        const struct network_interface *interface = model_network_interface(agents->model, id);

        return interface != NULL && note(agents, interface->subnet->vpc, id);
}

/* What a balancer listens on is said with its interfaces. */
static bool listener_changed(struct agents *agents, const struct state_listener *old_state, const struct state_listener *new_state)
{
        const struct state_listener *state = new_state != NULL ? new_state : old_state;
        const struct load_balancer *balancer = model_load_balancer(agents->model, state->balancer);
        bool any = false;

        if (balancer == NULL || (old_state != NULL && new_state != NULL && old_state->port == new_state->port))
                return false;
        for (uint32_t i = 0; i < balancer->state->zones.n; i++)
                if (balancer->state->zones.items[i].interface_id != NULL)
                        any |= note_interface(agents, balancer->state->zones.items[i].interface_id);
        return any;
}

static bool balancers_move(const struct state_container_instance *old_state, const struct state_container_instance *new_state)
{
        return instance_has_balancers(old_state) != instance_has_balancers(new_state);
}

static bool balancers_changed(struct agents *agents)
{
        const struct tree *interfaces = model_objects(agents->model, OBJECT_NETWORK_INTERFACE);
        bool any = false;

        tree_for_each (node, interfaces) {
                const struct network_interface *interface = MODEL_OBJECT(node, network_interface);

                if (interface->state->use == STATE_INTERFACE_USE_BALANCER)
                        any |= interface_changed(agents, NULL, interface->state);
        }
        return any;
}

static bool instance_changed(struct agents *agents, struct instance *instance, const struct state_container_instance *old_state,
                             const struct state_container_instance *new_state)
{
        bool any = balancers_move(old_state, new_state) && balancers_changed(agents);

        if (old_state == NULL || new_state == NULL ||
            str_eq(instance_attribute(old_state, INSTANCE_ADDRESS_ATTRIBUTE), instance_attribute(new_state, INSTANCE_ADDRESS_ATTRIBUTE)))
                return any;
        any |= note_names_of(agents, instance);
        list_for_each (task, &instance->tasks, struct task, in_instance) {
                const struct network_interface *interface = task_network_interface(agents->model, task->state);

                if (interface != NULL)
                        any |= note(agents, interface->subnet->vpc, interface->object.key);
        }
        if (instance_has_balancers(instance->state))
                any |= balancers_changed(agents);
        return any;
}

bool network_changed(struct agents *agents, struct object *object, const void *old_state, const void *new_state)
{
        const void *state = new_state != NULL ? new_state : old_state;

        switch (object->kind) {
        case OBJECT_TASK:
                return task_changed(agents, CONTAINER_OF(object, struct task, object), old_state, new_state);
        case OBJECT_INSTANCE:
                return instance_changed(agents, CONTAINER_OF(object, struct instance, object), old_state, new_state);
        case OBJECT_NETWORK_INTERFACE:
                return interface_changed(agents, old_state, new_state);
        case OBJECT_LISTENER:
                return listener_changed(agents, old_state, new_state);
        case OBJECT_SECURITY_GROUP:
                return note(agents, model_vpc(agents->model, ((const struct state_security_group *)state)->vpc),
                            ((const struct state_security_group *)state)->id);
        case OBJECT_SUBNET:
                return subnet_changed(agents, old_state, new_state);
        case OBJECT_VPC:
                return note(agents, model_vpc(agents->model, ((const struct state_vpc *)state)->id), NULL);
        case OBJECT_ROUTE_TABLE:
                return routes_changed(agents, ((const struct state_route_table *)state)->vpc);
        case OBJECT_NETWORK_ACL:
                return acl_changed(agents, state);
        case OBJECT_DISCOVERY_NAMESPACE:
        case OBJECT_DISCOVERY_SERVICE:
        case OBJECT_DISCOVERY_INSTANCE:
                return names_changed(agents, object, state);
        case OBJECT_NAT_GATEWAY:
                return routes_changed(agents, ((const struct state_nat_gateway *)state)->vpc);
        case OBJECT_INTERNET_GATEWAY: {
                bool any = old_state != NULL && routes_changed(agents, ((const struct state_internet_gateway *)old_state)->vpc);

                return (new_state != NULL && routes_changed(agents, ((const struct state_internet_gateway *)new_state)->vpc)) || any;
        }
        case OBJECT_ELASTIC_ADDRESS: {
                bool any = old_state != NULL && note_interface(agents, ((const struct state_elastic_address *)old_state)->interface);

                return (new_state != NULL && note_interface(agents, ((const struct state_elastic_address *)new_state)->interface)) || any;
        }
        default:
                return false;
        }
}

/* ---- Writing ---- */

static bool has_part(struct agents *agents, const struct agent *agent, const struct vpc *vpc)
{
        list_for_each (task, &agent->instance->tasks, struct task, in_instance) {
                const struct network_interface *interface = task_network_interface(agents->model, task->state);

                if (interface != NULL && interface->subnet->vpc == vpc)
                        return true;
        }
        if (!instance_has_balancers(agent->instance->state))
                return false;
        list_for_each (subnet, &vpc->subnets, struct subnet, in_vpc) {
                list_for_each (interface, &subnet->interfaces, struct network_interface, in_subnet)
                        if (interface->state->use == STATE_INTERFACE_USE_BALANCER &&
                            network_place(agents->model, interface) == agent->instance)
                                return true;
        }
        return false;
}

/* Keeps one reference for the caller. */
static struct text *write_text(const struct acs_network_message *message)
{
        struct text *text = xalloc(sizeof(*text));
        struct buf whole CLEANUP_BUF = {0};

        text->refs = 1;
        shape_to_json(&acs_network_message_shape, message, &whole);
        buf_append(&text->buf, whole.data + 1, whole.len - 1); /* without the brace: a head goes before it */
        return text;
}

static void send_gone(struct subscription *s, uint64_t sequence)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct acs_network_message message = {0};
        struct text *text;

        string_list_push(&arena, &message.gone, s->feed->vpc);
        text = write_text(&message);
        put(s->agent, text, sequence);
        text_unref(text);
        unsubscribe(s);
}

static void write_news(struct agents *agents, struct feed *feed, struct vpc *vpc, uint64_t sequence)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct text *news = NULL, *whole = NULL;

        list_for_each (s, &feed->readers, struct subscription, in_feed) {
                struct acs_network_message message = {0};
                struct text **text = s->whole ? &whole : &news;

                if (s->leaves || !list_empty(&s->agent->networks.fresh))
                        continue; /* the latter is told everything anyway */
                if (*text == NULL) {
                        struct acs_network_vpc *out = SHAPE_PUSH(&arena, &message.vpcs);

                        if (s->whole)
                                network_message_all(agents->model, vpc, &arena, out);
                        else
                                network_message_head(vpc, &arena, out);
                        map_for_each (node, &feed->news) {
                                if (!s->whole)
                                        network_message_add(agents->model, vpc, CONTAINER_OF(node, struct news, node)->id, &arena, out);
                        }
                        *text = write_text(&message);
                }
                put(s->agent, *text, sequence);
                s->whole = false;
        }
        if (news != NULL)
                text_unref(news);
        if (whole != NULL)
                text_unref(whole);
}

static void clear_news(struct feed *feed)
{
        map_for_each (node, &feed->news) {
                struct news *news = CONTAINER_OF(node, struct news, node);

                map_remove(&feed->news, node);
                free(news);
        }
}

static void write_feed(struct agents *agents, struct feed *feed, uint64_t sequence)
{
        struct vpc *vpc = model_vpc(agents->model, feed->vpc);

        list_remove(&feed->in_dirty);
        list_for_each (s, &feed->readers, struct subscription, in_feed) {
                s->leaves = vpc == NULL || (s->check && !has_part(agents, s->agent, vpc));
                s->check = false;
        }
        if (vpc != NULL)
                write_news(agents, feed, vpc, sequence);
        clear_news(feed);
        list_for_each (s, &feed->readers, struct subscription, in_feed)
                if (s->leaves)
                        send_gone(s, sequence);
        feed_check(&agents->networks, feed);
}

/* Everything that an agent has a part in, in one message. */
static void write_all(struct agent *agent, uint64_t sequence)
{
        struct agents *agents = agent->agents;
        CLEANUP_ARENA struct arena arena = {0};
        struct acs_network_message message = {0};
        struct text *text;

        list_remove(&agent->networks.fresh);
        SHAPE_SET(&message, acs_network_message, all, true);
        list_for_each (s, &agent->networks.subscriptions, struct subscription, in_agent) {
                struct vpc *vpc = model_vpc(agents->model, s->feed->vpc);

                s->whole = false;
                if (vpc != NULL)
                        network_message_all(agents->model, vpc, &arena, SHAPE_PUSH(&arena, &message.vpcs));
        }
        text = write_text(&message);
        put(agent, text, sequence);
        text_unref(text);
}

void network_write(struct agents *agents)
{
        uint64_t sequence = model_sequence(agents->model);

        list_for_each (feed, &agents->networks.dirty, struct feed, in_dirty)
                write_feed(agents, feed, sequence);
        list_for_each (agent, &agents->networks.fresh, struct agent, networks.fresh)
                write_all(agent, sequence);
}

/* ---- Sending ---- */

static void send_parcel(struct agent *agent, const struct parcel *parcel)
{
        struct agents *agents = agent->agents;
        const struct state_container_instance *state = agent->instance->state;
        CLEANUP_ARENA struct arena arena = {0};
        struct message *message = message_new(agent, MESSAGE_NETWORK);
        const char *rest = parcel->text->buf.data;

        buf_clear(&agents->out);
        buf_printf(&agents->out,
                   "{\"type\":\"NetworkMessage\",\"message\":{\"messageId\":\"%s\",\"clusterArn\":\"%s\",\"containerInstanceArn\":\"%s\","
                   "\"generatedAt\":%lld%s",
                   message->id, model_cluster_arn(agents->model, &arena, state->cluster),
                   model_instance_arn(agents->model, &arena, state->cluster, state->id), (long long)env_now_ms(agents->env),
                   *rest == '}' ? "" : ",");
        buf_append(&agents->out, rest, parcel->text->buf.len);
        buf_append_char(&agents->out, '}');
        agent->control->ops->send(agent->control, agents->out.data, agents->out.len);
        agents->stats.networks++;
}

uint64_t network_flush(struct agent *agent, uint64_t durable)
{
        list_for_each (parcel, &agent->networks.outbox, struct parcel, link) {
                if (parcel->sequence > durable)
                        return parcel->sequence;
                send_parcel(agent, parcel);
                parcel_free(parcel);
        }
        return 0;
}

/* ---- Agents come and go ---- */

static void drop_outbox(struct agent *agent)
{
        list_for_each (parcel, &agent->networks.outbox, struct parcel, link)
                parcel_free(parcel);
}

void network_begin(struct agent *agent)
{
        struct agents *agents = agent->agents;
        const struct tree *interfaces = model_objects(agents->model, OBJECT_NETWORK_INTERFACE);

        network_end(agent);
        if (!is_reader(agent))
                return;
        list_for_each (task, &agent->instance->tasks, struct task, in_instance) {
                const struct network_interface *interface = task_network_interface(agents->model, task->state);

                if (interface != NULL)
                        (void)subscribe(agent, interface->subnet->vpc);
        }
        if (instance_has_balancers(agent->instance->state)) {
                tree_for_each (node, interfaces) {
                        const struct network_interface *interface = MODEL_OBJECT(node, network_interface);

                        if (interface->state->use == STATE_INTERFACE_USE_BALANCER &&
                            network_place(agents->model, interface) == agent->instance)
                                (void)subscribe(agent, interface->subnet->vpc);
                }
        }
        /* The message with everything comes instead of one for each. */
        list_for_each (s, &agent->networks.subscriptions, struct subscription, in_agent)
                s->whole = false;
        list_push(&agents->networks.fresh, &agent->networks.fresh);
        agent_mark(agent, model_sequence(agents->model));
}

void network_end(struct agent *agent)
{
        drop_outbox(agent);
        list_remove(&agent->networks.fresh);
        list_for_each (s, &agent->networks.subscriptions, struct subscription, in_agent) {
                struct feed *feed = s->feed;

                unsubscribe(s);
                feed_check(&agent->agents->networks, feed);
        }
}

void network_agent_init(struct agent *agent)
{
        list_init(&agent->networks.fresh);
        list_init(&agent->networks.subscriptions);
        list_init(&agent->networks.outbox);
}

void network_agent_done(struct agent *agent)
{
        network_end(agent);
}

void networks_init(struct networks *networks)
{
        map_init(&networks->feeds);
        list_init(&networks->dirty);
        list_init(&networks->fresh);
}

void networks_done(struct networks *networks)
{
        assert(networks->feeds.count == 0);
        map_done(&networks->feeds);
}
