/* SPDX-License-Identifier: Apache-2.0 */
/* RegisterContainerInstance: a node joins, or an agent that was started again says what its node is like now. */
#include <errno.h>
#include <string.h>

#include "api/acs.idl.h"
#include "api/ecs/common.h"
#include "api/ecs/instances.h"
#include "api/ecs/routes.h"
#include "api/ecs/tokens.h"
#include "api/server.h"
#include "base/strutil.h"
#include "control/capacity/group.h"
#include "control/network.h"
#include "model/names.h"

/* The agent repeats a registration that failed for up to an hour. */
#define TOKEN_MS (INT64_C(2) * 3600 * 1000)
#define MAX_PORTS 1000

/* Set by agents and by the server; a registration replaces them all, while those that users put stay. */
static bool is_system(const char *name)
{
        return str_starts_with(name, "ecs.") || str_starts_with(name, "com.amazonaws.ecs.") || str_starts_with(name, "gantry.");
}

/* ---- What the request says ---- */

static int read_ports(struct api_call *call, const struct ecs_resource *resource, struct int_list *out)
{
        const struct string_list *set = &resource->string_set_value;

        if (set->n > MAX_PORTS)
                return api_fail(call, "InvalidParameterException", "totalResources: %s reserves %u ports; at most %d can be reserved.",
                                resource->name, set->n, MAX_PORTS);
        out->items = arena_calloc(call->arena, set->n, sizeof(*out->items));
        out->n = 0;
        for (uint32_t i = 0; i < set->n; i++) {
                int64_t port;

                if (str_to_int64(set->items[i], &port) < 0 || port < 1 || port > 65535)
                        return api_fail(call, "InvalidParameterException", "totalResources: \"%.50s\" in %s is not a port.", set->items[i],
                                        resource->name);
                out->items[out->n++] = port;
        }
        return 0;
}

static int read_number(struct api_call *call, const struct ecs_resource *resource, int32_t *out)
{
        if (resource->integer_value < 0)
                return api_fail(call, "InvalidParameterException", "totalResources: %s must not be negative.", resource->name);
        *out = resource->integer_value;
        return 0;
}

static int read_resources(struct api_call *call, const struct ecs_resource_list *list, struct state_container_instance *state)
{
        for (uint32_t i = 0; i < list->n; i++) {
                const struct ecs_resource *resource = &list->items[i];
                int r = 0;

                if (str_eq(resource->name, "CPU"))
                        r = read_number(call, resource, &state->cpu);
                else if (str_eq(resource->name, "MEMORY"))
                        r = read_number(call, resource, &state->memory);
                else if (str_eq(resource->name, "PORTS"))
                        r = read_ports(call, resource, &state->ports);
                else if (str_eq(resource->name, "PORTS_UDP"))
                        r = read_ports(call, resource, &state->ports_udp);
                if (r < 0)
                        return r;
        }
        SHAPE_SET(state, state_container_instance, cpu, state->cpu);
        SHAPE_SET(state, state_container_instance, memory, state->memory);
        return 0;
}

static struct ecs_attribute *find(struct ecs_attribute_list *list, const char *name)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].name, name))
                        return &list->items[i];
        return NULL;
}

static void set_attribute(struct api_call *call, struct ecs_attribute_list *list, const char *name, const char *value)
{
        struct ecs_attribute *attribute = find(list, name);

        if (!attribute)
                attribute = SHAPE_PUSH(call->arena, list);
        *attribute = (struct ecs_attribute){.name = name, .value = str_empty(value) ? NULL : value};
}

/* What a machine in EC2 says about itself. The signature cannot be checked here, and nothing is decided by it. */
static void read_identity(struct api_call *call, const char *document, struct state_container_instance *state,
                          struct ecs_attribute_list *list)
{
        static const struct shape_limits limits = {.max_bytes = 64 << 10};
        struct acs_instance_identity_document *in;
        struct error error = {0};

        if (str_empty(document) ||
            SHAPE_PARSE(acs_instance_identity_document, call->arena, document, strlen(document), &limits, &in, &error) < 0)
                return;
        if (!str_empty(in->instance_id))
                state->ec2_instance_id = in->instance_id;
        if (!str_empty(in->availability_zone))
                set_attribute(call, list, "ecs.availability-zone", in->availability_zone);
        if (!str_empty(in->instance_type))
                set_attribute(call, list, "ecs.instance-type", in->instance_type);
        if (!str_empty(in->image_id))
                set_attribute(call, list, "ecs.ami-id", in->image_id);
}

/* The machine of an Auto Scaling group that the caller's key was made for, or NULL. */
static struct machine *own_machine(struct api_call *call)
{
        const struct access_key *key = !str_empty(call->key_id) ? model_access_key(call->model, call->key_id) : NULL;

        return key != NULL && key->state->machine != NULL ? model_machine(call->model, key->state->machine) : NULL;
}

/* What the server knows of a machine that it has had made. */
static void read_machine(struct api_call *call, struct state_container_instance *state, struct ecs_attribute_list *list)
{
        const struct machine *machine = own_machine(call);

        if (machine == NULL)
                return;
        state->ec2_instance_id = machine->state->id;
        set_attribute(call, list, GROUP_ATTRIBUTE, machine->state->group);
        set_attribute(call, list, "ecs.availability-zone", machine->state->zone);
        set_attribute(call, list, "ecs.instance-type", machine->state->type);
        if (!str_empty(machine->state->image))
                set_attribute(call, list, "ecs.ami-id", machine->state->image);
}

/*
 * What users put stays, what the agent says now replaces what it said before, and every attribute of the request is in the result
 * with its value: an agent that misses one ends itself for good.
 */
static int read_attributes(struct api_call *call, const struct ecs_register_container_instance_request *in,
                           struct state_container_instance *state)
{
        struct ecs_attribute_list merged = {0};

        for (uint32_t i = 0; i < state->attributes.n; i++)
                if (!is_system(state->attributes.items[i].name))
                        *SHAPE_PUSH(call->arena, &merged) = state->attributes.items[i];
        set_attribute(call, &merged, "ecs.availability-zone", arena_printf(call->arena, "%sa", model_region(call->model)));
        read_identity(call, in->instance_identity_document, state, &merged);
        read_machine(call, state, &merged);
        for (uint32_t i = 0; i < in->attributes.n; i++) {
                const struct ecs_attribute *attribute = &in->attributes.items[i];

                if (strlen(attribute->name) > 256 || (attribute->value && strlen(attribute->value) > 1024))
                        return api_fail(call, "InvalidParameterException", "attributes[%u]: the name or the value is too long.", i);
                set_attribute(call, &merged, attribute->name, attribute->value);
        }
        state->attributes = merged;
        return 0;
}

static int read_request(struct api_call *call, const struct ecs_register_container_instance_request *in,
                        struct state_container_instance *state)
{
        int r = read_resources(call, &in->total_resources, state);

        if (r == 0)
                r = read_attributes(call, in, state);
        if (r == 0)
                r = ecs_check_tags(call, &in->tags);
        if (r != 0)
                return r;
        ecs_merge_tags(&state->tags, &in->tags, call->arena);
        if (in->version_info) {
                state->agent_version = in->version_info->agent_version;
                state->agent_hash = in->version_info->agent_hash;
                state->docker_version = in->version_info->docker_version;
        }
        return 0;
}

static const char *value_of(const struct ecs_attribute_list *list, const char *name)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].name, name))
                        return list->items[i].value;
        return NULL;
}

static const char *zone_of(const struct ecs_attribute_list *list)
{
        return value_of(list, "ecs.availability-zone");
}

/* ---- Joining ---- */

/* The first host makes the pool. */
static void make_pool(struct api_call *call)
{
        struct state_cluster state = {.name = FARGATE_CLUSTER, .status = STATE_CLUSTER_STATUS_ACTIVE, .created_at = call->now_ms};
        struct tx *tx = tx_begin(call->model);

        tx_insert(tx, OBJECT_CLUSTER, &state);
        (void)tx_commit(tx);
}

/* The stock agent knows this one text and makes the cluster "default" when it reads it. */
static int registering_cluster(struct api_call *call, const char *text, struct cluster **ret)
{
        struct error ignored = {0};

        if (str_eq(text, FARGATE_CLUSTER) && model_cluster(call->model, FARGATE_CLUSTER) == NULL)
                make_pool(call);
        if (model_find_active_cluster(call->model, text, ret, &ignored) < 0)
                return api_fail(call, "ClientException", "Cluster not found.");
        return 0;
}

static int join(struct api_call *call, const struct ecs_register_container_instance_request *in, struct cluster *cluster,
                struct instance **ret)
{
        struct state_container_instance state = {
                .cluster = cluster->state->name,
                .status = STATE_INSTANCE_STATUS_ACTIVE,
                .registered_at = call->now_ms,
                .client_token = in->client_token,
                .key_id = call->key_id,
        };
        struct object *object;
        struct tx *tx;
        char id[33];
        int r = read_request(call, in, &state);

        if (r != 0)
                return r;
        env_random_hex(call->api->env, id, 32);
        state.id = id;
        /* Clients take it to EC2 and to load balancers; machines that are not EC2's get one that looks so. */
        if (str_empty(state.ec2_instance_id) && !find(&state.attributes, "ecs.capability.external"))
                state.ec2_instance_id = arena_printf(call->arena, "i-%.17s", id);
        SHAPE_SET(&state, state_container_instance, version, 1);
        SHAPE_SET(&state, state_container_instance, sequence, 0);
        tx = tx_begin(call->model);
        network_learn_zone(call->model, tx, zone_of(&state.attributes));
        object = tx_insert(tx, OBJECT_INSTANCE, &state);
        if (own_machine(call) != NULL)
                machine_join(tx, own_machine(call), &state, call->now_ms);
        ecs_token_remember(call, tx, cluster->state->name, in->client_token, "", &(struct string_list){(const char *[]){id}, 1}, TOKEN_MS);
        (void)tx_commit(tx);
        *ret = CONTAINER_OF(object, struct instance, object);
        return 0;
}

/* ---- Coming back ---- */

static const char *type_of(const struct ecs_attribute_list *list)
{
        return value_of(list, "ecs.instance-type");
}

static int come_back(struct api_call *call, const struct ecs_register_container_instance_request *in, struct instance *instance)
{
        struct state_container_instance *state;
        const char *type = type_of(&instance->state->attributes);
        struct tx *tx;
        int r;

        if (instance->state->status == STATE_INSTANCE_STATUS_INACTIVE)
                return api_fail(call, "ClientException",
                                "The container instance %s was deregistered. Remove the agent's saved state (its data directory) so that "
                                "it registers anew.",
                                instance->state->id);
        r = ecs_own_instance(call, instance);
        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &instance->object);
        r = read_request(call, in, state);
        if (r == 0 && type && type_of(&state->attributes) && !str_eq(type, type_of(&state->attributes)))
                r = api_fail(call, "ClientException", "Container instance type changes are not supported.");
        if (r < 0) {
                tx_rollback(tx);
                return r;
        }
        SHAPE_SET(state, state_container_instance, version, state->version + 1);
        network_learn_zone(call->model, tx, zone_of(&state->attributes));
        tx_put(tx, &instance->object, state);
        (void)tx_commit(tx);
        return 0;
}

static int find_registered(struct api_call *call, struct cluster *cluster, const char *arn, struct instance **ret)
{
        *ret = ecs_find_instance(call, cluster, arn);
        if (*ret)
                return 0;
        return api_fail(
                call, "ClientException",
                "The container instance %.200s is not known in cluster %s. Remove the agent's saved state (its data directory) so that it "
                "registers anew.",
                arn, cluster->state->name);
}

static int register_container_instance(struct api_call *call, const void *input, void *output)
{
        const struct ecs_register_container_instance_request *in = input;
        struct ecs_register_container_instance_response *out = output;
        struct cluster *cluster;
        struct instance *instance = NULL;
        struct client_token *token;
        int r = registering_cluster(call, in->cluster, &cluster);

        if (r != 0)
                return r;
        r = ecs_token_find(call, cluster->state->name, in->client_token, "", &token);
        if (r != 0)
                return r;
        if (token && token->state->task_ids.n == 1)
                instance = model_instance(call->model, cluster->state->name, token->state->task_ids.items[0]);
        if (!instance && !str_empty(in->container_instance_arn)) {
                r = find_registered(call, cluster, in->container_instance_arn, &instance);
                if (r == 0)
                        r = come_back(call, in, instance);
        } else if (!instance) {
                r = join(call, in, cluster, &instance);
        }
        if (r != 0)
                return r;
        out->container_instance = ARENA_NEW(call->arena, struct ecs_container_instance);
        ecs_view_instance(call, instance, &(struct int_list){(int64_t[]){ECS_CONTAINER_INSTANCE_FIELD_TAGS}, 1}, out->container_instance);
        return 0;
}

const struct api_route ecs_register_routes[] = {
        {ECS_OP_REGISTER_CONTAINER_INSTANCE, register_container_instance},
        {0, NULL},
};
