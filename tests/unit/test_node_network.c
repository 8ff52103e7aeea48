/* SPDX-License-Identifier: Apache-2.0 */
/* What a node makes of the networks that it is told of: when a picture cannot come into force, and when a VPC goes. */
#include "agent/network.h"

#include <errno.h>

#include "base/alloc.h"
#include "fixed_env.h"
#include "unit.h"

/* ---- in place of vpc/: a picture under way, and what was removed ---- */

static struct vpc_op *under_way;
static uint32_t applied, removed;

void vpc_network_apply(struct vpc *vpc, struct vpc_network *network, struct vpc_op *op)
{
        assert_null(under_way);
        under_way = op;
        applied++;
        (void)vpc_network_free(network);
}

void vpc_network_remove(struct vpc *vpc, const char *id, struct vpc_op *op)
{
        assert_string_equal(id, "vpc-1");
        removed++;
}

void vpc_op_cancel(struct vpc_op *op)
{
        if (under_way == op)
                under_way = NULL;
}

const struct vpc_network *vpc_network_of(const struct vpc *vpc, const char *interface_id)
{
        return NULL;
}

const char *vpc_network_next(const struct vpc *vpc, const char *id)
{
        return NULL;
}

static void finish(int status)
{
        const struct error error = {.number = -status, .message = "no room"};
        struct vpc_op *op = under_way;

        assert_non_null(op);
        under_way = NULL;
        op->done(op, status, &error);
}

/* ---- the node ---- */

struct node {
        struct fixed_env env;
        struct timers timers;
        struct node_network network;
        uint32_t acks, nacks;
        char reason[64];
};

static void on_answer(struct node_network *network, const struct acs_network_message *head, const char *reason)
{
        struct node *node = network->data;

        if (reason == NULL) {
                node->acks++;
                return;
        }
        node->nacks++;
        (void)snprintf(node->reason, sizeof(node->reason), "%s", reason);
}

static int set_up(void **state)
{
        struct node *node = xalloc(sizeof(*node));

        under_way = NULL;
        applied = removed = 0;
        node->env = fixed_env_make();
        timers_init(&node->timers, &node->env.env);
        node_network_init(&node->network, (struct vpc *)node, &node->timers);
        node->network.answer = on_answer;
        node->network.data = node;
        *state = node;
        return 0;
}

static int tear_down(void **state)
{
        struct node *node = *state;

        node_network_done(&node->network);
        free(node);
        return 0;
}

static void pass(struct node *node, int64_t ms)
{
        node->env.now_ms += ms;
        timers_run(&node->timers);
}

static void tell(struct node *node, bool there)
{
        const char *range = "10.0.0.0/16", *gone = "vpc-1";
        struct acs_network_vpc vpc = {.vpc_id = "vpc-1", .number = 7, .full = true, .ranges = {.items = &range, .n = 1}};
        struct acs_network_message message = {.message_id = "m", .cluster_arn = "c", .container_instance_arn = "i"};

        if (there)
                message.vpcs = (struct acs_network_vpc_list){.items = &vpc, .n = 1};
        else
                message.gone = (struct string_list){.items = &gone, .n = 1};
        assert_true(node_network_take(&node->network, &message));
}

static void failures_are_told_once_and_tried_again(void **state)
{
        struct node *node = *state;

        tell(node, true);
        finish(-ENOSPC);
        assert_int_equal(node->nacks, 1);
        assert_string_equal(node->reason, "no room");
        pass(node, 2000);
        assert_int_equal(applied, 2);
        finish(-ENOSPC);
        pass(node, 2000);
        finish(0);
        assert_int_equal(node->nacks, 1);
        assert_int_equal(node->acks, 0);
        tell(node, true);
        finish(0);
        assert_int_equal(node->acks, 1);
}

static void a_vpc_that_goes_is_removed(void **state)
{
        struct node *node = *state;

        tell(node, true);
        finish(0);
        tell(node, false);
        assert_int_equal(node->acks, 2);
        pass(node, 5000);
        assert_int_equal(removed, 0);
        pass(node, 5000);
        assert_int_equal(removed, 1);
}

/* The picture that was under way when the VPC went cannot come into force: no reason to keep the VPC. */
static void a_vpc_that_goes_while_it_fails_is_removed(void **state)
{
        struct node *node = *state;

        tell(node, true);
        tell(node, false);
        finish(-ENOSPC);
        for (int i = 0; i < 10; i++)
                pass(node, 1000);
        assert_int_equal(applied, 1);
        assert_int_equal(removed, 1);
        /* It may come back. */
        tell(node, true);
        finish(0);
        assert_int_equal(applied, 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(failures_are_told_once_and_tried_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_vpc_that_goes_is_removed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_vpc_that_goes_while_it_fails_is_removed, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
