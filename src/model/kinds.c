/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of objects: how each is stored, what its key is, and which hooks keep its indexes. */
#include <string.h>

#include "base/alloc.h"
#include "model/alarm.h"
#include "model/balancer.h"
#include "model/discovery.h"
#include "model/internal.h"
#include "model/machine.h"
#include "model/network.h"
#include "model/scaling.h"
#include "model/service.h"

/* What a damaged store holds may lack any member. */
static void put(struct buf *out, const char *text)
{
        if (text != NULL)
                buf_append_str(out, text);
}

static void key_join(struct buf *out, const char *a, const char *b)
{
        put(out, a);
        buf_append_char(out, '/');
        put(out, b);
}

static void meta_key(const void *state, struct buf *out)
{
        put(out, "meta");
}

static void cluster_key(const void *state, struct buf *out)
{
        put(out, ((const struct state_cluster *)state)->name);
}

static void family_key(const void *state, struct buf *out)
{
        put(out, ((const struct state_family *)state)->name);
}

/* The revision has a fixed width so that keys sort by it. */
static void definition_key(const void *state, struct buf *out)
{
        const struct ecs_task_definition *definition = ((const struct state_task_definition *)state)->definition;

        if (definition == NULL)
                return;
        put(out, definition->family);
        buf_printf(out, ":%010d", definition->revision);
}

static void instance_key(const void *state, struct buf *out)
{
        const struct state_container_instance *s = state;

        key_join(out, s->cluster, s->id);
}

static void task_key(const void *state, struct buf *out)
{
        const struct state_task *s = state;

        key_join(out, s->cluster, s->id);
}

static void capacity_provider_key(const void *state, struct buf *out)
{
        const struct ecs_capacity_provider *provider = ((const struct state_capacity_provider *)state)->provider;

        put(out, provider != NULL ? provider->name : NULL);
}

static void service_key(const void *state, struct buf *out)
{
        const struct state_service *s = state;

        key_join(out, s->cluster, s->name);
}

static void key_of_service(struct buf *out, const char *cluster, const char *service, const char *id)
{
        key_join(out, cluster, service);
        buf_append_char(out, '/');
        put(out, id);
}

static void service_revision_key(const void *state, struct buf *out)
{
        const struct state_service_revision *s = state;

        key_of_service(out, s->cluster, s->service, s->id);
}

static void service_deployment_key(const void *state, struct buf *out)
{
        const struct state_service_deployment *s = state;

        key_of_service(out, s->cluster, s->service, s->id);
}

static void task_set_key(const void *state, struct buf *out)
{
        const struct state_task_set *s = state;

        key_of_service(out, s->cluster, s->service, s->id);
}

static void service_event_key(const void *state, struct buf *out)
{
        const struct state_service_event *s = state;

        key_join(out, s->cluster, s->service);
        buf_printf(out, "/%02d", (int)(s->number % SERVICE_EVENTS));
}

static void setting_key(const void *state, struct buf *out)
{
        const struct state_setting *s = state;

        key_join(out, s->principal_arn, shape_enum_name(&ecs_setting_name_enum, (int)s->name));
}

static void access_key_key(const void *state, struct buf *out)
{
        put(out, ((const struct state_access_key *)state)->id);
}

static void client_token_key(const void *state, struct buf *out)
{
        put(out, ((const struct state_client_token *)state)->key);
}

static void load_balancer_key(const void *state, struct buf *out)
{
        put(out, ((const struct state_load_balancer *)state)->id);
}

static void target_group_key(const void *state, struct buf *out)
{
        put(out, ((const struct state_target_group *)state)->id);
}

static void listener_key(const void *state, struct buf *out)
{
        put(out, ((const struct state_listener *)state)->id);
}

static void listener_rule_key(const void *state, struct buf *out)
{
        put(out, ((const struct state_listener_rule *)state)->id);
}

static void target_key(const void *state, struct buf *out)
{
        const struct state_target *s = state;

        key_join(out, s->group, s->id);
        buf_printf(out, "/%d", s->port);
}

static void certificate_key(const void *state, struct buf *out)
{
        put(out, ((const struct state_certificate *)state)->arn);
}
#define ID_KEY(type)                                                \
        static void type##_key(const void *state, struct buf *out)  \
        {                                                           \
                put(out, ((const struct state_##type *)state)->id); \
        }
ID_KEY(vpc)
ID_KEY(subnet)
ID_KEY(security_group)
ID_KEY(network_interface)
ID_KEY(internet_gateway)
ID_KEY(route_table)
ID_KEY(nat_gateway)
ID_KEY(elastic_address)
ID_KEY(network_acl)
ID_KEY(vpc_endpoint)
ID_KEY(launch_template)
ID_KEY(machine)
ID_KEY(discovery_namespace)
ID_KEY(discovery_service)

static void scalable_target_key(const void *state, struct buf *out)
{
        put(out, ((const struct state_scalable_target *)state)->resource_id);
}

static void scaling_policy_key(const void *state, struct buf *out)
{
        const struct state_scaling_policy *s = state;

        key_join(out, s->resource_id, s->name);
}

static void scheduled_action_key(const void *state, struct buf *out)
{
        const struct state_scheduled_action *s = state;

        key_join(out, s->resource_id, s->name);
}

static void scaling_activity_key(const void *state, struct buf *out)
{
        const struct state_scaling_activity *s = state;

        put(out, s->resource_id);
        buf_printf(out, "/%02d", (int)(s->number % SCALING_ACTIVITIES));
}

static void alarm_key(const void *state, struct buf *out)
{
        put(out, ((const struct state_alarm *)state)->name);
}

static void dashboard_key(const void *state, struct buf *out)
{
        put(out, ((const struct state_dashboard *)state)->name);
}

static void alarm_history_key(const void *state, struct buf *out)
{
        buf_printf(out, "%019lld", (long long)((const struct state_alarm_history *)state)->number);
}

static void launch_configuration_key(const void *state, struct buf *out)
{
        const struct asg_launch_configuration *configuration = ((const struct state_launch_configuration *)state)->configuration;

        put(out, configuration != NULL ? configuration->launch_configuration_name : NULL);
}

static void scaling_group_key(const void *state, struct buf *out)
{
        const struct asg_auto_scaling_group *group = ((const struct state_scaling_group *)state)->group;

        put(out, group != NULL ? group->auto_scaling_group_name : NULL);
}

static void group_activity_key(const void *state, struct buf *out)
{
        const struct state_group_activity *s = state;

        put(out, s->group);
        buf_printf(out, "/%02d", (int)(s->number % GROUP_ACTIVITIES));
}

static void discovery_instance_key(const void *state, struct buf *out)
{
        const struct state_discovery_instance *s = state;

        key_join(out, s->service, s->id);
}

static void discovery_operation_key(const void *state, struct buf *out)
{
        buf_printf(out, "%019lld", (long long)((const struct state_discovery_operation *)state)->number);
}

#define KIND(type, state_type) .shape = &state_type##_shape, .size = sizeof(struct type)

const struct kind model_kinds[OBJECT_KIND_MAX] = {
        [OBJECT_META] = {KIND(meta, state_meta), .key = meta_key},
        [OBJECT_CLUSTER] = {KIND(cluster, state_cluster), .key = cluster_key, .attach = cluster_attach, .detach = cluster_detach},
        [OBJECT_FAMILY] = {KIND(family, state_family), .key = family_key, .attach = family_attach, .detach = family_detach},
        [OBJECT_TASK_DEFINITION] = {KIND(task_definition, state_task_definition), .key = definition_key, .attach = definition_attach,
                                    .change = definition_change, .detach = definition_detach},
        [OBJECT_INSTANCE] = {KIND(instance, state_container_instance), .key = instance_key, .attach = instance_attach,
                             .change = instance_change, .detach = instance_detach, .release = instance_release},
        [OBJECT_CAPACITY_PROVIDER] = {KIND(capacity_provider, state_capacity_provider), .key = capacity_provider_key},
        [OBJECT_SERVICE] = {KIND(service, state_service), .key = service_key, .attach = service_attach, .change = service_change,
                            .detach = service_detach},
        [OBJECT_SERVICE_REVISION] = {KIND(service_revision, state_service_revision), .key = service_revision_key,
                                     .attach = service_revision_attach, .detach = service_revision_detach},
        [OBJECT_SERVICE_DEPLOYMENT] = {KIND(service_deployment, state_service_deployment), .key = service_deployment_key,
                                       .attach = service_deployment_attach, .detach = service_deployment_detach},
        [OBJECT_SERVICE_EVENT] = {KIND(service_event, state_service_event), .key = service_event_key, .attach = service_event_attach,
                                  .change = service_event_change, .detach = service_event_detach},
        [OBJECT_TASK_SET] = {KIND(task_set, state_task_set), .key = task_set_key, .attach = task_set_attach, .detach = task_set_detach},
        [OBJECT_TASK] = {KIND(task, state_task), .key = task_key, .attach = task_attach, .change = task_change, .detach = task_detach},
        [OBJECT_SETTING] = {KIND(setting, state_setting), .key = setting_key},
        [OBJECT_ACCESS_KEY] = {KIND(access_key, state_access_key), .key = access_key_key},
        [OBJECT_CLIENT_TOKEN] = {KIND(client_token, state_client_token), .key = client_token_key},
        [OBJECT_LOAD_BALANCER] = {KIND(load_balancer, state_load_balancer), .key = load_balancer_key, .attach = load_balancer_attach,
                                  .detach = load_balancer_detach, .release = load_balancer_release},
        [OBJECT_TARGET_GROUP] = {KIND(target_group, state_target_group), .key = target_group_key, .attach = target_group_attach,
                                 .detach = target_group_detach},
        [OBJECT_LISTENER] = {KIND(listener, state_listener), .key = listener_key, .attach = listener_attach, .change = listener_change,
                             .detach = listener_detach},
        [OBJECT_LISTENER_RULE] = {KIND(listener_rule, state_listener_rule), .key = listener_rule_key, .attach = listener_rule_attach,
                                  .change = listener_rule_change, .detach = listener_rule_detach},
        [OBJECT_TARGET] = {KIND(target, state_target), .key = target_key, .attach = target_attach, .change = target_change,
                           .detach = target_detach},
        [OBJECT_CERTIFICATE] = {KIND(certificate, state_certificate), .key = certificate_key},
        [OBJECT_VPC] = {KIND(vpc, state_vpc), .key = vpc_key, .attach = vpc_kind_attach, .detach = vpc_kind_detach},
        [OBJECT_SUBNET] = {KIND(subnet, state_subnet), .key = subnet_key, .attach = subnet_attach, .detach = subnet_detach,
                           .release = subnet_release},
        [OBJECT_SECURITY_GROUP] = {KIND(security_group, state_security_group), .key = security_group_key, .attach = security_group_attach,
                                   .detach = security_group_detach},
        [OBJECT_NETWORK_INTERFACE] = {KIND(network_interface, state_network_interface), .key = network_interface_key,
                                      .attach = interface_attach, .change = interface_change, .detach = interface_detach,
                                      .release = interface_release},
        [OBJECT_INTERNET_GATEWAY] = {KIND(internet_gateway, state_internet_gateway), .key = internet_gateway_key,
                                     .attach = vpc_member_attach, .change = vpc_member_change, .detach = vpc_member_detach},
        [OBJECT_ROUTE_TABLE] = {KIND(route_table, state_route_table), .key = route_table_key, .attach = vpc_member_attach,
                                .detach = vpc_member_detach},
        [OBJECT_NAT_GATEWAY] = {KIND(nat_gateway, state_nat_gateway), .key = nat_gateway_key, .attach = vpc_member_attach,
                                .detach = vpc_member_detach},
        [OBJECT_ELASTIC_ADDRESS] = {KIND(elastic_address, state_elastic_address), .key = elastic_address_key, .attach = elastic_attach,
                                    .change = elastic_change, .detach = elastic_detach},
        [OBJECT_NETWORK_ACL] = {KIND(network_acl, state_network_acl), .key = network_acl_key, .attach = vpc_member_attach,
                                .detach = vpc_member_detach},
        [OBJECT_VPC_ENDPOINT] = {KIND(vpc_endpoint, state_vpc_endpoint), .key = vpc_endpoint_key, .attach = vpc_member_attach,
                                 .detach = vpc_member_detach},
        [OBJECT_SCALABLE_TARGET] = {KIND(scalable_target, state_scalable_target), .key = scalable_target_key},
        [OBJECT_SCALING_POLICY] = {KIND(scaling_policy, state_scaling_policy), .key = scaling_policy_key},
        [OBJECT_SCHEDULED_ACTION] = {KIND(scheduled_action, state_scheduled_action), .key = scheduled_action_key},
        [OBJECT_SCALING_ACTIVITY] = {KIND(scaling_activity, state_scaling_activity), .key = scaling_activity_key},
        [OBJECT_ALARM] = {KIND(alarm, state_alarm), .key = alarm_key, .attach = alarm_attach, .detach = alarm_detach},
        [OBJECT_ALARM_HISTORY] = {KIND(alarm_history, state_alarm_history), .key = alarm_history_key, .attach = alarm_history_attach,
                                  .detach = alarm_history_detach},
        [OBJECT_LAUNCH_TEMPLATE] = {KIND(launch_template, state_launch_template), .key = launch_template_key},
        [OBJECT_LAUNCH_CONFIGURATION] = {KIND(launch_configuration, state_launch_configuration), .key = launch_configuration_key},
        [OBJECT_SCALING_GROUP] = {KIND(scaling_group, state_scaling_group), .key = scaling_group_key, .attach = scaling_group_attach,
                                  .detach = scaling_group_detach},
        [OBJECT_MACHINE] = {KIND(machine, state_machine), .key = machine_key, .attach = machine_attach, .detach = machine_detach},
        [OBJECT_GROUP_ACTIVITY] = {KIND(group_activity, state_group_activity), .key = group_activity_key},
        [OBJECT_DASHBOARD] = {KIND(dashboard, state_dashboard), .key = dashboard_key},
        [OBJECT_DISCOVERY_NAMESPACE] = {KIND(discovery_namespace, state_discovery_namespace), .key = discovery_namespace_key,
                                        .attach = discovery_namespace_attach, .detach = discovery_namespace_detach},
        [OBJECT_DISCOVERY_SERVICE] = {KIND(discovery_service, state_discovery_service), .key = discovery_service_key,
                                      .attach = discovery_service_attach, .detach = discovery_service_detach},
        [OBJECT_DISCOVERY_INSTANCE] = {KIND(discovery_instance, state_discovery_instance), .key = discovery_instance_key,
                                       .attach = discovery_instance_attach, .detach = discovery_instance_detach},
        [OBJECT_DISCOVERY_OPERATION] = {KIND(discovery_operation, state_discovery_operation), .key = discovery_operation_key},
};

_Static_assert(offsetof(struct object, key) == offsetof(struct object, node.key), "an object's key must be that of its node");

/* The generic view relies on it. */
#define STATE_FOLLOWS(type) \
        _Static_assert(offsetof(struct type, state) == offsetof(struct any_object, state), "struct " #type ": state must follow object")
STATE_FOLLOWS(meta);
STATE_FOLLOWS(cluster);
STATE_FOLLOWS(family);
STATE_FOLLOWS(task_definition);
STATE_FOLLOWS(instance);
STATE_FOLLOWS(capacity_provider);
STATE_FOLLOWS(service);
STATE_FOLLOWS(service_revision);
STATE_FOLLOWS(service_deployment);
STATE_FOLLOWS(service_event);
STATE_FOLLOWS(task_set);
STATE_FOLLOWS(task);
STATE_FOLLOWS(setting);
STATE_FOLLOWS(access_key);
STATE_FOLLOWS(client_token);
STATE_FOLLOWS(load_balancer);
STATE_FOLLOWS(target_group);
STATE_FOLLOWS(listener);
STATE_FOLLOWS(listener_rule);
STATE_FOLLOWS(target);
STATE_FOLLOWS(certificate);
STATE_FOLLOWS(vpc);
STATE_FOLLOWS(subnet);
STATE_FOLLOWS(security_group);
STATE_FOLLOWS(network_interface);
STATE_FOLLOWS(internet_gateway);
STATE_FOLLOWS(route_table);
STATE_FOLLOWS(nat_gateway);
STATE_FOLLOWS(elastic_address);
STATE_FOLLOWS(network_acl);
STATE_FOLLOWS(vpc_endpoint);
STATE_FOLLOWS(scalable_target);
STATE_FOLLOWS(scaling_policy);
STATE_FOLLOWS(scheduled_action);
STATE_FOLLOWS(scaling_activity);
STATE_FOLLOWS(alarm);
STATE_FOLLOWS(alarm_history);
STATE_FOLLOWS(launch_template);
STATE_FOLLOWS(launch_configuration);
STATE_FOLLOWS(scaling_group);
STATE_FOLLOWS(machine);
STATE_FOLLOWS(group_activity);
STATE_FOLLOWS(dashboard);
STATE_FOLLOWS(discovery_namespace);
STATE_FOLLOWS(discovery_service);
STATE_FOLLOWS(discovery_instance);
STATE_FOLLOWS(discovery_operation);

struct object *object_new(enum object_kind kind, const void *state, const char *key)
{
        size_t size = model_kinds[kind].size, len = strlen(key) + 1;
        struct any_object *any = xalloc(size + len);

        any->object.kind = kind;
        any->object.key = memcpy((char *)any + size, key, len);
        any->state = state;
        return &any->object;
}

const void *object_free_but_state(struct object *object)
{
        const void *state = object_state(object);

        if (model_kinds[object->kind].release != NULL)
                model_kinds[object->kind].release(object);
        free(object);
        return state;
}

void object_free(struct object *object)
{
        free((void *)(uintptr_t)object_free_but_state(object));
}

static void leave_indexes(struct model *model, struct object *object)
{
        tree_remove(&model->objects[object->kind], &object->node);
        table_remove(&model->tables[object->kind], object);
}

int object_link(struct model *model, struct object *object)
{
        const struct kind *kind = &model_kinds[object->kind];
        int r;

        tree_insert(&model->objects[object->kind], &object->node, object->key);
        table_insert(&model->tables[object->kind], object);
        r = kind->attach != NULL ? kind->attach(model, object) : 0;
        if (r < 0)
                leave_indexes(model, object);
        return r;
}

void object_unlink(struct model *model, struct object *object)
{
        const struct kind *kind = &model_kinds[object->kind];

        if (kind->detach != NULL)
                kind->detach(model, object);
        leave_indexes(model, object);
}
