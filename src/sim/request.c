/* SPDX-License-Identifier: Apache-2.0 */
/* Requests over the network to the server's API: there and back, each way with its own fate. */
#include <stdlib.h>
#include <string.h>

#include "api/server.h"
#include "base/alloc.h"
#include "sim/bugs.h"
#include "sim/network.h"
#include "sim/node.h"
#include "sim/server.h"
#include "sim/world.h"

/* How long a client waits for an answer that does not come. */
#define TIMEOUT_US (5 * SIM_SECOND)

struct sim_request {
        struct list link; /* in server->requests while the server has it */
        struct list in_world;
        struct sim_world *world;
        struct sim_node *node; /* NULL: the operator */
        const char *operation; /* static; of another service than ECS: "SERVICE:OPERATION" */
        char *json;
        sim_answered_fn answered; /* NULL: a repetition, whose answer nobody waits for */
        void *owner;
        uint64_t what, node_life;
        struct exchange *exchange;
        int status;
        char *answer;
};

static void request_free(struct sim_request *request)
{
        list_remove(&request->in_world);
        free(request->json);
        free(request->answer);
        free(request);
}

static void on_answer(void *owner, void *data, uint64_t number)
{
        struct sim_request *request = owner;

        /* A process that has ended waits for nothing. */
        if (request->answered != NULL && (request->node == NULL || request->node->life == request->node_life))
                request->answered(request->owner, request->what, request->status, request->answer);
        request_free(request);
}

static bool lost(struct sim_request *request)
{
        struct sim_world *world = request->world;
        struct sim_random *chance = request->node != NULL ? &request->node->chance : &world->chance;

        return (request->node != NULL && !sim_node_reachable(request->node)) || sim_random_percent(chance, world->network.loss_percent);
}

static void fail(struct sim_request *request, int64_t after_us)
{
        request->status = 0;
        sim_after(&request->world->clock, after_us, on_answer, request, NULL, 0);
}

static void on_api_answer(void *data, int status, const char *json, size_t len)
{
        struct sim_request *request = data;

        list_remove(&request->link);
        request->exchange = NULL;
        if (lost(request)) {
                fail(request, TIMEOUT_US);
                return;
        }
        request->status = status;
        request->answer = xstrndup(json, len);
        sim_after(&request->world->clock, sim_network_delay(request->world, request->node), on_answer, request, NULL, 0);
}

static const char *key_of(const struct sim_request *request)
{
        return request->node != NULL && request->node->key[0] != '\0' ? request->node->key : NULL;
}

static void on_arrival(void *owner, void *data, uint64_t number)
{
        struct sim_request *request = owner;
        struct sim_server *server = &request->world->server;
        CLEANUP_FREE char *service = NULL;
        struct exchange *exchange;
        const char *operation;

        if (lost(request)) {
                fail(request, TIMEOUT_US);
                return;
        }
        if (!sim_server_is_up(server)) {
                fail(request, sim_network_delay(request->world, request->node));
                return;
        }
        list_push(&server->requests, &request->link);
        server->working = true;
        operation = strchr(request->operation, ':');
        service = operation != NULL ? xstrndup(request->operation, (size_t)(operation - request->operation)) : xstrdup("ecs");
        operation = operation != NULL ? operation + 1 : request->operation;
        if (sim_bug_answers_early(request->world)) {
                struct buf out = {0};
                int status = api_run(server->api, service, operation, NULL, request->json, &out);

                on_api_answer(request, status, out.data != NULL ? out.data : "", out.len);
                buf_done(&out);
                server->working = false;
                return;
        }
        exchange = api_submit(server->api, service, operation, key_of(request), request->json, on_api_answer, request);
        server->working = false;
        if (exchange != NULL)
                request->exchange = exchange;
}

void sim_requests_lost(struct sim_server *server)
{
        list_for_each (request, &server->requests, struct sim_request, link) {
                list_remove(&request->link);
                if (request->exchange != NULL)
                        api_withdraw(TAKE(request->exchange));
                fail(request, sim_network_delay(request->world, request->node));
        }
}

void sim_requests_free(struct sim_world *world)
{
        list_for_each (request, &world->requests, struct sim_request, in_world)
                request_free(request);
}

static struct sim_request *request_new(struct sim_world *world, struct sim_node *node, const char *operation, const char *json)
{
        struct sim_request *request = xalloc(sizeof(*request));

        request->world = world;
        request->node = node;
        request->node_life = node != NULL ? node->life : 0;
        request->operation = operation;
        request->json = xstrdup(json);
        list_init(&request->link);
        list_push(&world->requests, &request->in_world);
        return request;
}

void sim_call(struct sim_world *world, struct sim_node *node, const char *operation, const char *json, sim_answered_fn answered,
              void *owner, uint64_t what)
{
        struct sim_random *chance = node != NULL ? &node->chance : &world->chance;
        struct sim_request *request = request_new(world, node, operation, json);

        request->answered = answered;
        request->owner = owner;
        request->what = what;
        sim_after(&world->clock, sim_network_delay(world, node), on_arrival, request, NULL, 0);
        /* A client's library that has not heard in time says it again: the same request may arrive twice, and much later. */
        if (node != NULL && sim_random_percent(chance, world->network.repeat_percent))
                sim_after(&world->clock, sim_network_delay(world, node) * (1 + sim_random_below(chance, 20)), on_arrival,
                          request_new(world, node, operation, json), NULL, 0);
}
