/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's view of the Fargate pool: see capacity.h. */
#include "api/capacity.h"

#include <errno.h>
#include <string.h>

#include "api/metrics.h"
#include "api/server.h"
#include "api/server_internal.h"
#include "base/strutil.h"
#include "codec/uri.h"
#include "control/capacity/fargate.h"
#include "control/network.h"
#include "control/task.h"
#include "control/task_network.h"

#define MAX_PAIRS 8

struct host_use {
        size_t tasks, spot;
        int64_t cpu, memory; /* of Fargate tasks; the rest that is taken belongs to the node's own */
        int64_t overhead;    /* MiB that their servers take beyond that */
};

static bool is_host(const struct instance *instance)
{
        return instance->state->status != STATE_INSTANCE_STATUS_INACTIVE && fargate_isolation(instance) != NULL;
}

static bool is_spot(const struct task *task)
{
        return str_eq(task->state->capacity_provider, "FARGATE_SPOT");
}

static struct host_use use_of(const struct instance *host)
{
        struct host_use use = {0};

        list_for_each (task, &host->tasks, struct task, in_instance) {
                if (task->state->launch_type != ECS_LAUNCH_TYPE_FARGATE)
                        continue;
                use.tasks++;
                use.spot += is_spot(task);
                use.cpu += task->state->cpu;
                use.memory += task->state->memory;
                use.overhead += task->state->overhead;
        }
        return use;
}

static size_t count_waiting(struct model *model)
{
        size_t n = 0;

        tree_for_each (node, model_objects(model, OBJECT_CLUSTER))
                n += MODEL_OBJECT(node, cluster)->n_waiting;
        return n;
}

/* ---- List ---- */

static const char *state_of(const struct instance *host)
{
        if (host->state->status == STATE_INSTANCE_STATUS_DRAINING)
                return "DRAINING";
        return host->connected ? "READY" : host->lost ? "LOST" : "SILENT";
}

static bool takes_spot(const struct instance *host)
{
        for (uint32_t i = 0; i < host->state->attributes.n; i++)
                if (str_eq(host->state->attributes.items[i].name, FARGATE_SPOT_ATTRIBUTE))
                        return true;
        return false;
}

static void list_host(const struct instance *host, struct buf *out)
{
        struct host_use use = use_of(host);
        const char *zone = host->zone;

        buf_printf(out, "%-32s  %-9s  %-8s  %-12s  %5zu  %4zu  %6lld/%-6d  %6lld/%-6d  %8lld  %s%s\n", host->state->id, state_of(host),
                   fargate_isolation(host), zone != NULL ? zone : "", use.tasks, use.spot, (long long)use.cpu, host->state->cpu,
                   (long long)use.memory + use.overhead, host->state->memory, (long long)use.overhead,
                   takes_spot(host) ? "" : "no FARGATE_SPOT; ",
                   str_eq(host->state->cluster, FARGATE_CLUSTER) ? "" : "also a node of cluster default");
}

void capacity_list(struct model *model, struct buf *out)
{
        size_t waiting = count_waiting(model), hosts = 0;
        bool microvms = false;

        buf_printf(out, "%-32s  %-9s  %-8s  %-12s  %5s  %4s  %-13s  %-13s  %8s\n", "HOST", "STATE", "APART BY", "ZONE", "TASKS", "SPOT",
                   "CPU UNITS", "MIB", "OVERHEAD");
        tree_for_each (node, model_objects(model, OBJECT_INSTANCE)) {
                const struct instance *host = MODEL_OBJECT(node, instance);

                if (!is_host(host))
                        continue;
                list_host(host, out);
                microvms |= fargate_overhead(host, 0) > 0;
                hosts++;
        }
        if (hosts == 0)
                buf_append_str(out, "There is no host. Give the pool one: gantry agent --fargate=sandbox on any machine.\n");
        if (microvms)
                buf_append_str(out, "OVERHEAD: the MiB of them that micro-VMs cost beyond what their tasks have, 160 and a 48th of the "
                                    "task's memory each.\n");
        if (waiting > 0)
                buf_printf(out, "%zu task%s for capacity.\n", waiting, waiting == 1 ? " waits" : "s wait");
}

/* ---- Reclaim ---- */

static struct instance *find_host(struct model *model, const char *id)
{
        tree_for_each (node, model_objects(model, OBJECT_INSTANCE)) {
                struct instance *host = MODEL_OBJECT(node, instance);

                if (is_host(host) && str_eq(host->state->id, id))
                        return host;
        }
        return NULL;
}

/* From now on, for FARGATE_SPOT. */
static void set_spot(struct tx *tx, struct instance *host, bool open)
{
        struct state_container_instance *state = tx_edit(tx, &host->object);
        struct ecs_attribute_list kept = {0};

        for (uint32_t i = 0; i < state->attributes.n; i++)
                if (!str_eq(state->attributes.items[i].name, FARGATE_SPOT_ATTRIBUTE))
                        *SHAPE_PUSH(tx_arena(tx), &kept) = state->attributes.items[i];
        if (open)
                *SHAPE_PUSH(tx_arena(tx), &kept) = (struct ecs_attribute){.name = FARGATE_SPOT_ATTRIBUTE};
        state->attributes = kept;
        SHAPE_SET(state, state_container_instance, version, state->version + 1);
        tx_put(tx, &host->object, state);
}

int capacity_offer(struct model *model, const char *id)
{
        struct instance *host = find_host(model, id);
        struct tx *tx;

        if (host == NULL)
                return -ENOENT;
        tx = tx_begin(model);
        set_spot(tx, host, true);
        (void)tx_commit(tx);
        return 0;
}

int capacity_reclaim(struct model *model, const char *id, int64_t now_ms)
{
        struct instance *host = find_host(model, id);
        struct tx *tx;
        int n = 0;

        if (host == NULL)
                return -ENOENT;
        tx = tx_begin(model);
        set_spot(tx, host, false);
        list_for_each (task, &host->tasks, struct task, in_instance) {
                struct state_task *state = tx_edit(tx, &task->object);

                if (!is_spot(task) || !task_want_stopped(task, state, ECS_TASK_STOP_CODE_SPOTINTERRUPTION, CAPACITY_SPOT_REASON, now_ms))
                        continue;
                task_put(model, tx, task, state);
                n++;
        }
        (void)tx_commit(tx);
        return n;
}

/* ---- The page ---- */

static void answer_text(struct http_request *req, const struct buf *text)
{
        static const struct http_header headers[] = {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}};

        http_respond(req, 200, headers, ARRAY_SIZE(headers), text->data, text->len);
}

static void answer(struct api *api, struct http_request *req, void *data)
{
        CLEANUP_BUF struct buf text = {0};
        struct api_principal who;
        struct error error = {0};
        const char *reclaim = req->body != NULL ? uri_query_get(req->arena, req->body, "Reclaim") : NULL;
        const char *offer = req->body != NULL ? uri_query_get(req->arena, req->body, "Offer") : NULL;
        int n = 0;

        (void)data;
        if (!str_eq(req->method, "POST")) {
                api_respond_error(req, 405, "MethodNotAllowed", "The view of the pool is asked for with POST: gantry capacity.");
                return;
        }
        if (authenticate(api, req, "ecs", &who, &error) < 0 || authorize(&who, "gantry:Capacity", &error) < 0) {
                api_respond_error(req, 403, error.code, error.message);
                return;
        }
        if (reclaim != NULL)
                n = capacity_reclaim(api->model, reclaim, env_now_ms(api->env));
        else if (offer != NULL)
                n = capacity_offer(api->model, offer);
        if (n < 0) {
                api_respond_error(req, 400, "InvalidParameterException", "No host of the pool has this id: gantry capacity lists them.");
                return;
        }
        if (reclaim != NULL)
                buf_printf(&text, "%d FARGATE_SPOT task%s told to stop, and no other comes to this host until: gantry capacity offer %s\n",
                           n, n == 1 ? " is" : "s are", reclaim);
        else if (offer != NULL)
                buf_printf(&text, "This host takes FARGATE_SPOT tasks.\n");
        else
                capacity_list(api->model, &text);
        answer_text(req, &text);
}

static void write_metrics(struct api *api, struct buf *out, void *data)
{
        size_t hosts = 0, tasks = 0;
        int64_t cpu = 0, memory = 0, cpu_used = 0, memory_used = 0;

        (void)data;
        tree_for_each (node, model_objects(api->model, OBJECT_INSTANCE)) {
                const struct instance *host = MODEL_OBJECT(node, instance);
                struct host_use use;

                if (!is_host(host))
                        continue;
                use = use_of(host);
                hosts++;
                tasks += use.tasks;
                cpu += host->state->cpu;
                memory += host->state->memory;
                cpu_used += use.cpu;
                memory_used += use.memory;
        }
        prom_gauge(out, "gantry_fargate_hosts", "Hosts of the Fargate pool.", (double)hosts);
        prom_gauge(out, "gantry_fargate_tasks", "Fargate tasks that have a host.", (double)tasks);
        prom_gauge(out, "gantry_fargate_tasks_waiting", "Fargate tasks that wait for a host.", (double)count_waiting(api->model));
        prom_gauge(out, "gantry_fargate_cpu_units", "CPU units of the hosts, 1024 a vCPU.", (double)cpu);
        prom_gauge(out, "gantry_fargate_cpu_units_used", "CPU units that Fargate tasks have.", (double)cpu_used);
        prom_gauge(out, "gantry_fargate_memory_bytes", "Memory of the hosts.", (double)memory * 1048576);
        prom_gauge(out, "gantry_fargate_memory_bytes_used", "Memory that Fargate tasks have.", (double)memory_used * 1048576);
}

void capacity_register(struct api *api)
{
        api_add_page(api, CAPACITY_PATH, answer, NULL);
        api_add_report(api, write_metrics, NULL, NULL);
}
