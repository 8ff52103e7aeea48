/* SPDX-License-Identifier: Apache-2.0 */
/* VPCs, and what lies in one by a list and a count alone: groups, route tables, ACLs, gateways, endpoints. */
#include <errno.h>

#include "base/strutil.h"
#include "model/internal.h"
#include "model/network.h"

int vpc_kind_attach(struct model *model, struct object *object)
{
        struct vpc *vpc = CONTAINER_OF(object, struct vpc, object);

        list_init(&vpc->subnets);
        list_init(&vpc->groups);
        list_init(&vpc->route_tables);
        list_init(&vpc->acls);
        list_init(&vpc->internet_gateways);
        list_init(&vpc->nat_gateways);
        list_init(&vpc->endpoints);
        return 0;
}

void vpc_kind_detach(struct model *model, struct object *object)
{
        assert(CONTAINER_OF(object, struct vpc, object)->n_members == 0);
}

/* Where the members of a kind hang, and where their state names the VPC. */
static const struct {
        size_t list; /* in struct vpc */
        size_t vpc;  /* in the state */
} members[OBJECT_KIND_MAX] = {
        [OBJECT_SUBNET] = {offsetof(struct vpc, subnets), offsetof(struct state_subnet, vpc)},
        [OBJECT_SECURITY_GROUP] = {offsetof(struct vpc, groups), offsetof(struct state_security_group, vpc)},
        [OBJECT_ROUTE_TABLE] = {offsetof(struct vpc, route_tables), offsetof(struct state_route_table, vpc)},
        [OBJECT_NETWORK_ACL] = {offsetof(struct vpc, acls), offsetof(struct state_network_acl, vpc)},
        [OBJECT_INTERNET_GATEWAY] = {offsetof(struct vpc, internet_gateways), offsetof(struct state_internet_gateway, vpc)},
        [OBJECT_NAT_GATEWAY] = {offsetof(struct vpc, nat_gateways), offsetof(struct state_nat_gateway, vpc)},
        [OBJECT_VPC_ENDPOINT] = {offsetof(struct vpc, endpoints), offsetof(struct state_vpc_endpoint, vpc)},
};

#define MEMBER(object_) ((struct vpc_member *)(void *)(object_))
#define MEMBER_LAYOUT(type)                                                                          \
        _Static_assert(offsetof(struct type, vpc) == offsetof(struct vpc_member, vpc) &&             \
                               offsetof(struct type, in_vpc) == offsetof(struct vpc_member, in_vpc), \
                       "struct " #type " must start like struct vpc_member")
MEMBER_LAYOUT(subnet);
MEMBER_LAYOUT(security_group);
MEMBER_LAYOUT(route_table);
MEMBER_LAYOUT(network_acl);
MEMBER_LAYOUT(internet_gateway);
MEMBER_LAYOUT(nat_gateway);
MEMBER_LAYOUT(vpc_endpoint);

static const char *vpc_of(const struct object *object)
{
        return *(const char *const *)(const void *)((const char *)object_state(object) + members[object->kind].vpc);
}

int vpc_member_attach(struct model *model, struct object *object)
{
        struct vpc_member *member = MEMBER(object);
        const char *id = vpc_of(object);

        list_init(&member->in_vpc);
        member->vpc = model_vpc(model, id);
        if (member->vpc == NULL)
                return id == NULL ? 0 : -ENOENT;
        list_push((struct list *)(void *)((char *)member->vpc + members[object->kind].list), &member->in_vpc);
        member->vpc->n_members++;
        return 0;
}

void vpc_member_detach(struct model *model, struct object *object)
{
        struct vpc_member *member = MEMBER(object);

        if (member->vpc == NULL)
                return;
        list_remove(&member->in_vpc);
        member->vpc->n_members--;
        member->vpc = NULL;
}

/* Only internet gateways move. */
void vpc_member_change(struct model *model, struct object *object, const void *old_state)
{
        struct vpc_member *member = MEMBER(object);
        int r;

        if (str_eq(member->vpc != NULL ? member->vpc->state->id : NULL, vpc_of(object)))
                return;
        vpc_member_detach(model, object);
        r = vpc_member_attach(model, object);
        assert(r == 0);
        (void)r;
}

/* ---- Security groups ---- */

int security_group_attach(struct model *model, struct object *object)
{
        struct security_group *group = CONTAINER_OF(object, struct security_group, object);
        int r = vpc_member_attach(model, object);

        if (r < 0)
                return r;
        list_init(&group->members);
        if (str_eq(group->state->name, "default"))
                group->vpc->default_group = group;
        return 0;
}

void security_group_detach(struct model *model, struct object *object)
{
        struct security_group *group = CONTAINER_OF(object, struct security_group, object);

        assert(list_empty(&group->members));
        if (group->vpc->default_group == group)
                group->vpc->default_group = NULL;
        vpc_member_detach(model, object);
}

/* ---- Finding ---- */

struct vpc *model_default_vpc(struct model *model)
{
        tree_for_each (node, &model->objects[OBJECT_VPC]) {
                struct vpc *vpc = MODEL_OBJECT(node, vpc);

                if (vpc->state->is_default)
                        return vpc;
        }
        return NULL;
}

/* The association for the subnet, or, with NULL, the main one. */
static bool is_associated(const struct route_table *table, const char *subnet)
{
        for (uint32_t i = 0; i < table->state->associations.n; i++) {
                const struct state_route_table_association *association = &table->state->associations.items[i];

                if (association->gateway == NULL && str_eq(association->subnet, subnet))
                        return true;
        }
        return false;
}

static struct route_table *find_table(const struct vpc *vpc, const char *subnet)
{
        list_for_each (table, &vpc->route_tables, struct route_table, in_vpc)
                if (is_associated(table, subnet))
                        return table;
        return NULL;
}

struct route_table *vpc_main_route_table(const struct vpc *vpc)
{
        return find_table(vpc, NULL);
}

struct route_table *subnet_route_table(const struct subnet *subnet)
{
        struct route_table *table = find_table(subnet->vpc, subnet->state->id);

        return table != NULL ? table : vpc_main_route_table(subnet->vpc);
}
