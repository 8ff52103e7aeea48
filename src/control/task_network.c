/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces of awsvpc tasks: see task_network.h. */
#include "control/task_network.h"

#include <errno.h>

#include "base/strutil.h"

#define MAX_SUBNETS 16
#define MAX_GROUPS 5
#define INVALID "InvalidParameterException"

static const char detail_interface[] = "networkInterfaceId";

bool task_uses_awsvpc(const struct ecs_task_definition *definition)
{
        return definition->network_mode == ECS_NETWORK_MODE_AWSVPC;
}

static const struct ecs_aws_vpc_configuration *awsvpc(const struct ecs_network_configuration *network)
{
        return network != NULL ? network->awsvpc_configuration : NULL;
}

/* ---- Checking ---- */

static int check_subnets(struct model *model, const struct string_list *ids, struct vpc **ret, struct error *error)
{
        if (ids->n == 0)
                return error_api(error, INVALID, "subnets can not be empty.");
        if (ids->n > MAX_SUBNETS)
                return error_api(error, INVALID, "subnets can have at most %d items.", MAX_SUBNETS);
        for (uint32_t i = 0; i < ids->n; i++) {
                const struct subnet *subnet = model_subnet(model, ids->items[i]);

                if (subnet == NULL)
                        return error_api(
                                error, INVALID,
                                "Error retrieving subnet information for [%.64s]: The subnet ID '%.64s' does not exist (ErrorCode: "
                                "InvalidSubnetID.NotFound)",
                                ids->items[i], ids->items[i]);
                if (i > 0 && subnet->vpc != *ret)
                        return error_api(error, INVALID, "All subnets must belong to one VPC: %s is in %s, but %s is in %s.", ids->items[0],
                                         (*ret)->state->id, ids->items[i], subnet->state->vpc);
                *ret = subnet->vpc;
        }
        return 0;
}

static int check_groups(struct model *model, const struct string_list *ids, const struct vpc *vpc, struct error *error)
{
        if (ids->n > MAX_GROUPS)
                return error_api(error, INVALID, "securityGroups can have at most %d items.", MAX_GROUPS);
        for (uint32_t i = 0; i < ids->n; i++) {
                const struct security_group *group = model_security_group(model, ids->items[i]);

                if (group == NULL)
                        return error_api(
                                error, INVALID,
                                "Error retrieving security group information for [%.64s]: The security group '%.64s' does not exist "
                                "(ErrorCode: InvalidGroup.NotFound)",
                                ids->items[i], ids->items[i]);
                if (group->vpc != vpc)
                        return error_api(error, INVALID,
                                         "Security group %s does not appear to belong to the same VPC (%s) as the input subnets.",
                                         ids->items[i], vpc->state->id);
                for (uint32_t k = 0; k < i; k++)
                        if (str_eq(ids->items[k], ids->items[i]))
                                return error_api(error, INVALID, "Security group %s is named twice.", ids->items[i]);
        }
        return 0;
}

int task_network_check(struct model *model, const struct ecs_network_configuration *network, struct error *error)
{
        const struct ecs_aws_vpc_configuration *config = awsvpc(network);
        struct vpc *vpc = NULL;
        int r;

        if (config == NULL)
                return error_api(error, INVALID, "Network Configuration must be provided when networkMode 'awsvpc' is specified.");
        r = check_subnets(model, &config->subnets, &vpc, error);
        if (r == 0)
                r = check_groups(model, &config->security_groups, vpc, error);
        return r;
}

struct string_list *task_network_zones(struct model *model, const struct ecs_network_configuration *network, struct arena *arena)
{
        const struct ecs_aws_vpc_configuration *config = awsvpc(network);
        struct string_list *zones;

        if (config == NULL)
                return NULL;
        zones = ARENA_NEW(arena, struct string_list);
        for (uint32_t i = 0; i < config->subnets.n; i++) {
                const struct subnet *subnet = model_subnet(model, config->subnets.items[i]);
                bool known = subnet == NULL;

                for (uint32_t k = 0; k < zones->n && !known; k++)
                        known = str_eq(zones->items[k], subnet->state->zone);
                if (!known)
                        string_list_push(arena, zones, arena_strdup(arena, subnet->state->zone));
        }
        return zones;
}

/* ---- Attaching ---- */

static int choose_subnet(struct model *model, const struct string_list *ids, const char *zone, struct subnet **ret, struct error *error)
{
        struct subnet *best = NULL;

        for (uint32_t i = 0; i < ids->n; i++) {
                struct subnet *subnet = model_subnet(model, ids->items[i]);

                if (subnet == NULL)
                        return error_api(error, INVALID, "The subnet ID '%.64s' does not exist", ids->items[i]);
                if (!str_empty(zone) && !str_eq(subnet->state->zone, zone))
                        continue;
                if (best == NULL || subnet_free(subnet) > subnet_free(best))
                        best = subnet;
        }
        if (best == NULL)
                return error_set(error, ENOENT, "none of the subnets is in zone %s", zone);
        *ret = best;
        return 0;
}

static void add_detail(struct arena *arena, struct ecs_attachment *attachment, const char *name, const char *value)
{
        *SHAPE_PUSH(arena, &attachment->details) = (struct ecs_key_value_pair){.name = name, .value = value};
}

static void add_attachment(struct model *model, struct arena *arena, const char *id, const struct state_network_interface *interface,
                           struct state_task *state)
{
        struct ecs_attachment *attachment = SHAPE_PUSH(arena, &state->attachments);

        *attachment = (struct ecs_attachment){.id = id, .type = TASK_ATTACHMENT_ENI, .status = "PRECREATED"};
        add_detail(arena, attachment, "subnetId", interface->subnet);
        add_detail(arena, attachment, detail_interface, interface->id);
        add_detail(arena, attachment, "macAddress", interface->mac);
        add_detail(arena, attachment, "privateDnsName", network_private_dns_name(model, arena, interface->address));
        add_detail(arena, attachment, "privateIPv4Address", interface->address);
}

int task_network_attach(struct model *model, struct tx *tx, struct state_task *state, const char *zone, struct error *error)
{
        const struct ecs_aws_vpc_configuration *config = awsvpc(state->network_configuration);
        struct arena *arena = tx_arena(tx);
        struct interface_request request = {.use = STATE_INTERFACE_USE_TASK};
        struct network_interface *interface;
        char *id = arena_bytes(arena, 37);
        int r;

        if (config == NULL)
                return 0;
        r = choose_subnet(model, &config->subnets, zone, &request.subnet, error);
        if (r < 0)
                return r;
        env_random_uuid(model_env(model), id);
        request.groups = &config->security_groups;
        request.owner = arena_printf(arena, "%s/%s", state->cluster, state->id);
        request.description = arena_printf(arena, "arn:aws:ecs:%s:%s:attachment/%s", model_region(model), model_account(model), id);
        r = network_interface_create(model, tx, &request, &interface, error);
        if (r < 0)
                return r;
        add_attachment(model, arena, id, interface->state, state);
        return 0;
}

/* ---- Afterwards ---- */

static struct ecs_attachment *attachment_of(const struct state_task *state)
{
        for (uint32_t i = 0; i < state->attachments.n; i++)
                if (str_eq(state->attachments.items[i].type, TASK_ATTACHMENT_ENI))
                        return &state->attachments.items[i];
        return NULL;
}

const char *task_network_detail(const struct state_task *state, const char *name)
{
        const struct ecs_attachment *attachment = attachment_of(state);

        for (uint32_t i = 0; attachment != NULL && i < attachment->details.n; i++)
                if (str_eq(attachment->details.items[i].name, name))
                        return attachment->details.items[i].value;
        return NULL;
}

const char *task_network_attachment_id(const struct state_task *state)
{
        const struct ecs_attachment *attachment = attachment_of(state);

        return attachment != NULL ? attachment->id : NULL;
}

struct network_interface *task_network_interface(struct model *model, const struct state_task *state)
{
        return model_network_interface(model, task_network_detail(state, detail_interface));
}

bool task_network_set_status(struct state_task *state, const char *status)
{
        struct ecs_attachment *attachment = attachment_of(state);

        if (attachment == NULL || str_eq(attachment->status, status))
                return false;
        attachment->status = status;
        return true;
}

void task_put(struct model *model, struct tx *tx, struct task *task, struct state_task *state)
{
        struct network_interface *interface = task_is_over(state) ? task_network_interface(model, state) : NULL;

        if (interface != NULL) {
                (void)task_network_set_status(state, "DELETED");
                network_interface_delete(tx, interface);
        } else if (state->last_status == STATE_TASK_STATUS_RUNNING) {
                (void)task_network_set_status(state, "ATTACHED");
        }
        tx_put(tx, &task->object, state);
}

static bool is_orphan(struct model *model, const struct network_interface *interface)
{
        const struct tree_node *node;

        if (interface->state->use != STATE_INTERFACE_USE_TASK)
                return false;
        node = tree_find(model_objects(model, OBJECT_TASK), interface->state->owner);
        return node == NULL || task_is_over(MODEL_OBJECT(node, task)->state);
}

size_t task_network_sweep(struct model *model)
{
        struct tx *tx = tx_begin(model);
        const struct tree *interfaces = model_objects(model, OBJECT_NETWORK_INTERFACE);
        size_t n = 0;

        tree_for_each (node, interfaces) {
                struct network_interface *interface = MODEL_OBJECT(node, network_interface);

                if (!is_orphan(model, interface))
                        continue;
                network_interface_delete(tx, interface);
                n++;
        }
        (void)tx_commit(tx);
        return n;
}
