/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the operator, until they are answered. */
#include "sim/operator.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "sim/server.h"
#include "sim/want.h"
#include "sim/world.h"

#define RETRY_US SIM_SECOND

struct operation {
        struct list link; /* world->operations */
        struct sim_world *world;
        struct sim_want *want;
        const char *name;
        char *json, *data;
        sim_promised_fn promised;
        bool sent;
        uint32_t tries;
};

static void operation_free(struct operation *operation)
{
        list_remove(&operation->link);
        free(operation->json);
        free(operation->data);
        free(operation);
}

static void send_it(struct operation *operation);

/* The next one about the same thing may go. */
static void next(struct sim_world *world, const struct sim_want *want)
{
        list_for_each (operation, &world->operations, struct operation, link)
                if (operation->want == want) {
                        if (!operation->sent)
                                send_it(operation);
                        return;
                }
}

static void on_again(void *owner, void *data, uint64_t number)
{
        send_it(owner);
}

static void on_answered(void *owner, uint64_t what, int status, const char *json)
{
        struct operation *operation = owner;
        struct sim_world *world = operation->world;
        struct sim_want *want = operation->want;

        if (status == 0 || status == 503 || status == 429) {
                sim_after(&world->clock, RETRY_US, on_again, operation, NULL, 0);
                return;
        }
        if (status >= 500)
                sim_world_violate(world, "no request fails inside", "%s: %s", operation->name, json);
        if (status != 200)
                sim_world_note(world, NULL, "%s is refused: %s", operation->name, json);
        else if (operation->promised != NULL)
                operation->promised(world, want, operation->data, json);
        if (want != NULL)
                want->asking--;
        operation_free(operation);
        if (want != NULL)
                next(world, want);
}

static void send_it(struct operation *operation)
{
        operation->sent = true;
        operation->tries++;
        sim_call(operation->world, NULL, operation->name, operation->json, on_answered, operation, 0);
}

static bool is_first(const struct operation *operation)
{
        list_for_each (other, &operation->world->operations, struct operation, link)
                if (other->want == operation->want)
                        return other == operation;
        return true;
}

void sim_operate(struct sim_world *world, struct sim_want *want, const char *name, char *json, sim_promised_fn promised, char *data)
{
        struct operation *operation = xalloc(sizeof(*operation));

        operation->world = world;
        operation->want = want;
        operation->name = name;
        operation->json = json;
        operation->data = data;
        operation->promised = promised;
        list_push(&world->operations, &operation->link);
        if (want != NULL)
                want->asking++;
        if (want == NULL || is_first(operation))
                send_it(operation);
}

void sim_operations_free(struct sim_world *world)
{
        list_for_each (operation, &world->operations, struct operation, link)
                operation_free(operation);
}
