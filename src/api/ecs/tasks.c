/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks: describe, list, stop. */
#include "api/ecs/tasks.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api/agent/agents.h"
#include "api/ecs/common.h"
#include "api/ecs/instances.h"
#include "api/ecs/routes.h"
#include "api/ecs/services.h"
#include "api/pagination.h"
#include "api/server.h"
#include "base/strutil.h"
#include "control/task_network.h"

#define MAX_DESCRIBE 100
#define MAX_REASON 1024
/* Tasks that one ListTasks looks at: a filter that matches few must not hold up everybody else. The token goes on from there. */
#define MAX_LOOKS 20000

static int describe_tasks(struct api_call *call, const void *input, void *output)
{
        const struct ecs_describe_tasks_request *in = input;
        struct ecs_describe_tasks_response *out = output;
        struct cluster *cluster;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r != 0)
                return r;
        if (in->tasks.n == 0)
                return api_fail(call, "InvalidParameterException", "Tasks cannot be empty.");
        if (in->tasks.n > MAX_DESCRIBE)
                return api_fail(call, "InvalidParameterException", "tasks: %u tasks; at most %d can be described in one call.", in->tasks.n,
                                MAX_DESCRIBE);
        for (uint32_t i = 0; i < in->tasks.n; i++) {
                const char *text = in->tasks.items[i];
                struct task *task = ecs_find_task(call, cluster, text);

                if (task)
                        ecs_view_task(call, task, &in->include, SHAPE_PUSH(call->arena, &out->tasks));
                else
                        ecs_fail_item(call, &out->failures,
                                      str_starts_with(text, "arn:") ? text
                                                                    : model_task_arn(call->model, call->arena, cluster->state->name, text),
                                      "MISSING", NULL);
        }
        return 0;
}

/* ---- List ---- */

struct task_filter {
        const struct ecs_list_tasks_request *in;
        const struct instance *instance; /* NULL: any */
        const struct service *service;   /* NULL: any */
        enum state_task_status desired;
};

static bool matches(const struct task_filter *filter, const struct task *task)
{
        const struct ecs_list_tasks_request *in = filter->in;
        const struct state_task *state = task->state;

        return state->desired_status == filter->desired &&
               (!filter->instance || (task->instance == filter->instance && state->launch_type != ECS_LAUNCH_TYPE_FARGATE)) &&
               (!in->family || str_eq(in->family, state->family)) && (!in->started_by || str_eq(in->started_by, state->started_by)) &&
               (!filter->service || str_eq(filter->service->state->name, state->service_name)) &&
               (!in->launch_type || in->launch_type == state->launch_type);
}

static int by_key(const void *a, const void *b)
{
        const struct task *const *x = a, *const *y = b;

        return strcmp((*x)->object.key, (*y)->object.key);
}

/* `offset`: of the member of struct task that the list is made of. */
static void collect(struct api_call *call, const struct list *tasks, size_t offset, const struct task ***items, size_t *n, size_t *cap)
{
        for (struct list *link = tasks->next; link != tasks; link = link->next) {
                const struct task *task = (const struct task *)(const void *)((const char *)link - offset);

                if (*n == *cap) {
                        const struct task **more = arena_calloc(call->arena, *cap ? *cap * 2 : 64, sizeof(struct task *));

                        if (*n > 0)
                                memcpy(more, *items, *n * sizeof(*more));
                        *cap = *cap ? *cap * 2 : 64;
                        *items = more;
                }
                (*items)[(*n)++] = task;
        }
}

static bool list_one(struct api_call *call, const struct task *task, struct api_page *page, struct ecs_list_tasks_response *out)
{
        if (!api_page_add(page, task->object.key)) {
                out->next_token = api_page_token(call, page);
                return false;
        }
        string_list_push(call->arena, &out->task_arns, model_task_arn(call->model, call->arena, task->state->cluster, task->state->id));
        return true;
}

/* A service's index holds the tasks that have not stopped. */
static bool service_index_suffices(const struct task_filter *filter)
{
        return filter->service && filter->desired == STATE_TASK_STATUS_RUNNING;
}

/* Of an instance, a service or a family there are indexes, though not in order. */
static void list_collected(struct api_call *call, const struct task_filter *filter, const struct family *family, struct api_page *page,
                           struct ecs_list_tasks_response *out)
{
        const struct task **items = NULL;
        size_t n = 0, cap = 0;

        if (filter->instance) {
                collect(call, &filter->instance->tasks, offsetof(struct task, in_instance), &items, &n, &cap);
                collect(call, &filter->instance->stopped, offsetof(struct task, in_instance), &items, &n, &cap);
        } else if (service_index_suffices(filter)) {
                collect(call, &filter->service->tasks, offsetof(struct task, in_service), &items, &n, &cap);
        } else {
                list_for_each (definition, &family->revisions, struct task_definition, in_family)
                        collect(call, &definition->tasks, offsetof(struct task, in_definition), &items, &n, &cap);
        }
        if (n > 0)
                qsort(items, n, sizeof(struct task *), by_key);
        for (size_t i = 0; i < n; i++)
                if ((!page->after || strcmp(items[i]->object.key, page->after) > 0) && matches(filter, items[i]) &&
                    !list_one(call, items[i], page, out))
                        return;
}

static void list_all(struct api_call *call, const struct task_filter *filter, const struct cluster *cluster, struct api_page *page,
                     struct ecs_list_tasks_response *out)
{
        const struct tree *all = model_objects(call->model, OBJECT_TASK);
        const char *prefix = arena_printf(call->arena, "%s/", cluster->state->name);
        size_t looks = 0;

        for (struct tree_node *node = page->after ? tree_after(all, page->after) : tree_from(all, prefix);
             node && str_starts_with(node->key, prefix); node = tree_next(node)) {
                const struct task *task = MODEL_OBJECT(node, task);

                if (++looks > MAX_LOOKS) {
                        page->last = tree_prev(node)->key;
                        out->next_token = api_page_token(call, page);
                        return;
                }
                if (matches(filter, task) && !list_one(call, task, page, out))
                        return;
        }
}

static int read_filter(struct api_call *call, const struct ecs_list_tasks_request *in, struct cluster *cluster, struct task_filter *ret)
{
        struct instance *instance = NULL;
        struct service *service = NULL;
        int r = 0;

        if (!str_empty(in->container_instance))
                r = ecs_need_instance(call, cluster, in->container_instance, &instance);
        if (r == 0 && !str_empty(in->service_name))
                r = ecs_find_service(call, cluster, in->service_name, &service);
        if (r != 0)
                return r;
        /* There are no managed daemons yet, so none of any name can be found. */
        if (!str_empty(in->daemon_name))
                return api_fail(call, "ServiceNotFoundException", "Service not found.");
        *ret = (struct task_filter){.in = in, .instance = instance, .service = service, .desired = STATE_TASK_STATUS_RUNNING};
        if (in->desired_status == ECS_DESIRED_STATUS_STOPPED)
                ret->desired = STATE_TASK_STATUS_STOPPED;
        else if (in->desired_status == ECS_DESIRED_STATUS_PENDING)
                ret->desired = STATE_TASK_STATUS_PENDING; /* no task ever wants to be that: as in ECS, the list is empty */
        return 0;
}

static int list_tasks(struct api_call *call, const void *input, void *output)
{
        const struct ecs_list_tasks_request *in = input;
        const char *binding = arena_printf(call->arena, "%s|%s|%s|%s|%s|%d|%d", in->cluster ? in->cluster : "",
                                           in->container_instance ? in->container_instance : "", in->family ? in->family : "",
                                           in->started_by ? in->started_by : "", in->service_name ? in->service_name : "",
                                           in->desired_status, in->launch_type);
        struct task_filter filter = {.in = in};
        struct family *family;
        struct cluster *cluster;
        struct api_page page;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = api_page_begin(call, in->next_token, SHAPE_HAS(in, ecs_list_tasks_request, max_results), in->max_results, 100, 100,
                                   binding, &page);
        if (r == 0)
                r = read_filter(call, in, cluster, &filter);
        if (r != 0)
                return r;
        family = in->family ? model_family(call->model, in->family) : NULL;
        /* A task whose definition was deleted is no longer in the family's index, so a family without revisions is looked for. */
        if (filter.instance || service_index_suffices(&filter) || (family && !list_empty(&family->revisions)))
                list_collected(call, &filter, family, &page, output);
        else
                list_all(call, &filter, cluster, &page, output);
        return 0;
}

/* ---- Stop ---- */

static int stop_task(struct api_call *call, const void *input, void *output)
{
        const struct ecs_stop_task_request *in = input;
        struct ecs_stop_task_response *out = output;
        const char *reason = str_empty(in->reason) ? TASK_REASON_USER : in->reason;
        struct state_task *state;
        struct cluster *cluster;
        struct task *task;
        struct tx *tx;
        bool changed;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r != 0)
                return r;
        if (in->reason && strlen(in->reason) > MAX_REASON)
                return api_fail(call, "InvalidParameterException", "reason: at most %d characters are allowed.", MAX_REASON);
        task = ecs_find_task(call, cluster, in->task);
        if (!task)
                return api_fail(call, "InvalidParameterException", "The referenced task was not found.");
        tx = tx_begin(call->model);
        state = tx_edit(tx, &task->object);
        /* No agent knows of it: there is nothing to wait for. */
        if (!task->instance || (call->api->agents && !agents_offered(call->api->agents, task)))
                changed = task_finish(state, ECS_TASK_STOP_CODE_USERINITIATED, reason, call->now_ms);
        else
                changed = task_want_stopped(task, state, ECS_TASK_STOP_CODE_USERINITIATED, reason, call->now_ms);
        if (changed) {
                task_put(call->model, tx, task, state);
                (void)tx_commit(tx);
        } else {
                tx_rollback(tx);
        }
        out->task = ARENA_NEW(call->arena, struct ecs_task);
        ecs_view_task(call, task, &(struct int_list){(int64_t[]){ECS_TASK_FIELD_TAGS}, 1}, out->task);
        return 0;
}

const struct api_route ecs_task_routes[] = {
        {ECS_OP_DESCRIBE_TASKS, describe_tasks},
        {ECS_OP_LIST_TASKS, list_tasks},
        {ECS_OP_STOP_TASK, stop_task},
        {0, NULL},
};
