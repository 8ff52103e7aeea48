/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server tells a node of networks: one input is a sequence of NetworkMessages, separated by newlines. Each picture is checked and
 * compiled, and compared with the one before; instead of going into the kernel it is in force at the end of the line.
 */
#include <stdint.h>
#include <string.h>

#include "../unit/fixed_env.h"
#include "agent/network.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "codec/shape.h"
#include "vpc/rules.h"

#define NETWORKS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In the kernel's place. */
static struct slot {
        struct vpc_network *network;
        struct ruleset *rules;
        struct vpc_op *op;
        struct vpc_network *next;
} slots[NETWORKS_MAX];

static struct slot *slot_of(const char *id)
{
        for (size_t i = 0; i < NETWORKS_MAX; i++) {
                const struct vpc_network *network = slots[i].next != NULL ? slots[i].next : slots[i].network;

                if (network == NULL || str_eq(network->id, id))
                        return &slots[i];
        }
        return &slots[NETWORKS_MAX - 1];
}

void vpc_network_apply(struct vpc *vpc, struct vpc_network *network, struct vpc_op *op)
{
        struct slot *slot = slot_of(network->id);

        (void)vpc;
        (void)vpc_network_free(slot->next);
        slot->next = network;
        slot->op = op;
}

static void finish(struct slot *slot)
{
        struct vpc_op *op = TAKE(slot->op);
        struct vpc_network *network = TAKE(slot->next);
        struct error error = {0};
        struct buf script CLEANUP_BUF = {0};
        int r = network != NULL ? rules_check(network, &error) : 0;

        if (network != NULL && r == 0) {
                struct ruleset *rules = rules_compile(network);

                ruleset_diff(slot->rules, rules, &script);
                (void)ruleset_free(slot->rules);
                slot->rules = rules;
                (void)vpc_network_free(slot->network);
                slot->network = TAKE(network);
        }
        (void)vpc_network_free(network);
        if (op != NULL)
                op->done(op, r, &error);
}

void vpc_op_cancel(struct vpc_op *op)
{
        for (size_t i = 0; i < NETWORKS_MAX; i++) {
                if (slots[i].op == op)
                        slots[i].op = NULL;
        }
}

static void drop(struct slot *slot)
{
        slot->network = vpc_network_free(slot->network);
        slot->next = vpc_network_free(slot->next);
        slot->rules = ruleset_free(slot->rules);
        slot->op = NULL;
}

void vpc_network_remove(struct vpc *vpc, const char *id, struct vpc_op *op)
{
        (void)vpc;
        (void)op;
        drop(slot_of(id));
}

const struct vpc_network *vpc_network_of(const struct vpc *vpc, const char *interface_id)
{
        (void)vpc;
        for (size_t i = 0; i < NETWORKS_MAX; i++) {
                if (slots[i].network != NULL && vpc_network_interface(slots[i].network, interface_id) != NULL)
                        return slots[i].network;
        }
        return NULL;
}

const char *vpc_network_next(const struct vpc *vpc, const char *id)
{
        (void)vpc;
        (void)id;
        return NULL;
}

static void on_answer(struct node_network *network, const struct acs_network_message *head, const char *reason)
{
        (void)network;
        (void)reason;
        if (head->message_id == NULL)
                abort();
}

static void take(struct node_network *network, const char *text, size_t len)
{
        static const struct shape_limits limits = {.skip_validation = true};
        struct arena arena CLEANUP_ARENA = {0};
        struct error error = {0};
        void *message = NULL;

        if (shape_from_json(&acs_network_message_shape, &arena, text, len, &limits, &message, &error) == 0)
                (void)node_network_take(network, message);
        for (size_t i = 0; i < NETWORKS_MAX; i++) {
                if (slots[i].next != NULL)
                        finish(&slots[i]);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fixed_env clock = fixed_env_make();
        struct timers timers;
        struct node_network network;
        const char *at = (const char *)data, *end = at + size;

        log_setup(LOG_LEVEL_MAX, LOG_FORMAT_TEXT);
        timers_init(&timers, &clock.env);
        node_network_init(&network, (struct vpc *)(uintptr_t)data, &timers); /* any pointer: only passed on */
        network.instance_id = "i";
        network.node_address = 0x0a000001;
        network.answer = on_answer;
        while (at < end) {
                const char *newline = memchr(at, '\n', (size_t)(end - at));
                size_t len = newline != NULL ? (size_t)(newline - at) : (size_t)(end - at);

                take(&network, at, len);
                at += len + 1;
                clock.now_ms += 3000;
                timers_run(&timers);
        }
        node_network_done(&network);
        for (size_t i = 0; i < NETWORKS_MAX; i++)
                drop(&slots[i]);
        return 0;
}
