/* SPDX-License-Identifier: Apache-2.0 */
/* Scale-in protection of service tasks: a protected task is not stopped when its service shrinks or is deployed anew. */
#include <errno.h>
#include <string.h>

#include "api/ecs/common.h"
#include "api/ecs/routes.h"
#include "api/server.h"
#include "base/strutil.h"
#include "model/service.h"

#define MAX_DESCRIBED 100
#define MAX_UPDATED 10
#define MAX_MINUTES 2880
#define STANDARD_MINUTES 120
#define MINUTE_MS 60000

#define INVALID "InvalidParameterException"

static bool is_protected(struct api_call *call, const struct task *task)
{
        return task->state->protected_until > call->now_ms;
}

static void view(struct api_call *call, const struct task *task, struct ecs_protected_task *out)
{
        bool is = is_protected(call, task);

        out->task_arn = model_task_arn(call->model, call->arena, task->state->cluster, task->state->id);
        SHAPE_SET(out, ecs_protected_task, protection_enabled, is);
        if (is)
                out->expiration_date = task->state->protected_until;
}

/* The key in a container is the task's own: it speaks for no other task. */
static int check_caller(struct api_call *call, const struct cluster *cluster, const struct string_list *tasks)
{
        const struct access_key *key = call->key_kind == STATE_KEY_KIND_TASK ? model_access_key(call->model, call->key_id) : NULL;

        if (key == NULL)
                return 0;
        for (uint32_t i = 0; i < tasks->n; i++) {
                struct task *task = ecs_find_task(call, (struct cluster *)(uintptr_t)cluster, tasks->items[i]);

                if (task == NULL || !str_eq(task->object.key, key->state->task))
                        return api_fail(
                                call, "AccessDeniedException",
                                "User: %s is not authorized to perform: %s on resource: %.300s because a task's credentials only protect "
                                "that task itself.",
                                call->principal_arn, call->operation->permission, tasks->items[i]);
        }
        if (tasks->n == 0)
                return api_fail(call, "AccessDeniedException",
                                "User: %s is not authorized to perform: %s on every task of the cluster: name the task itself.",
                                call->principal_arn, call->operation->permission);
        return 0;
}

/* The service task that `text` names; NULL after putting the reason into `failures`. */
static struct task *find_service_task(struct api_call *call, struct cluster *cluster, const char *text, struct ecs_failure_list *failures)
{
        struct task *task = ecs_find_task(call, cluster, text);
        const char *arn = str_starts_with(text, "arn:") ? text : model_task_arn(call->model, call->arena, cluster->state->name, text);

        if (task == NULL) {
                ecs_fail_item(call, failures, arn, "MISSING", NULL);
                return NULL;
        }
        if (task->service == NULL || task->state->desired_status != STATE_TASK_STATUS_RUNNING) {
                ecs_fail_item(call, failures, arn, "TASK_NOT_VALID",
                              task->service == NULL ? "Only tasks of a service that have not stopped can be protected."
                                                    : "The task is being stopped.");
                return NULL;
        }
        return task;
}

/* ---- Get ---- */

static int get_task_protection(struct api_call *call, const void *input, void *output)
{
        const struct ecs_get_task_protection_request *in = input;
        struct ecs_get_task_protection_response *out = output;
        struct cluster *cluster;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = check_caller(call, cluster, &in->tasks);
        if (r != 0)
                return r;
        if (in->tasks.n == 0)
                return api_fail(call, INVALID, "Tasks cannot be empty.");
        if (in->tasks.n > MAX_DESCRIBED)
                return api_fail(call, INVALID, "tasks: %u tasks; at most %d can be described in one call.", in->tasks.n, MAX_DESCRIBED);
        for (uint32_t i = 0; i < in->tasks.n; i++) {
                struct task *task = find_service_task(call, cluster, in->tasks.items[i], &out->failures);

                if (task != NULL)
                        view(call, task, SHAPE_PUSH(call->arena, &out->protected_tasks));
        }
        return 0;
}

/* ---- Update ---- */

static size_t count_protected(struct api_call *call, const struct service *service)
{
        size_t n = 0;

        list_for_each (task, &service->tasks, struct task, in_service)
                n += is_protected(call, task);
        return n;
}

/* More protected tasks than are wanted would keep the service from ever getting there. */
static bool would_block(struct api_call *call, const struct task *task)
{
        const struct service *service = task->service;

        if (is_protected(call, task) || service->state->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON)
                return false;
        return count_protected(call, service) + 1 > (size_t)service->state->desired_count;
}

static void protect(struct tx *tx, struct task *task, int64_t until)
{
        struct state_task *state;

        if (task->state->protected_until == until)
                return;
        state = tx_edit(tx, &task->object);
        state->protected_until = until;
        tx_put(tx, &task->object, state);
}

static int check_update(struct api_call *call, const struct ecs_update_task_protection_request *in, int64_t *ret_until)
{
        bool has_minutes = SHAPE_HAS(in, ecs_update_task_protection_request, expires_in_minutes);
        int32_t minutes = has_minutes ? in->expires_in_minutes : STANDARD_MINUTES;

        if (in->tasks.n == 0)
                return api_fail(call, INVALID, "Tasks cannot be empty.");
        if (in->tasks.n > MAX_UPDATED)
                return api_fail(call, INVALID, "tasks: %u tasks; at most %d can be updated in one call.", in->tasks.n, MAX_UPDATED);
        if (in->protection_enabled && (minutes < 1 || minutes > MAX_MINUTES))
                return api_fail(call, INVALID, "expiresInMinutes: %d is not in 1..%d.", minutes, MAX_MINUTES);
        *ret_until = in->protection_enabled ? call->now_ms + (int64_t)minutes * MINUTE_MS : 0;
        return 0;
}

static int update_task_protection(struct api_call *call, const void *input, void *output)
{
        const struct ecs_update_task_protection_request *in = input;
        struct ecs_update_task_protection_response *out = output;
        struct cluster *cluster;
        int64_t until = 0;
        struct tx *tx;
        int r = ecs_find_cluster(call, in->cluster, &cluster);

        if (r == 0)
                r = check_update(call, in, &until);
        if (r == 0)
                r = check_caller(call, cluster, &in->tasks);
        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        for (uint32_t i = 0; i < in->tasks.n; i++) {
                struct task *task = find_service_task(call, cluster, in->tasks.items[i], &out->failures);

                if (task == NULL)
                        continue;
                if (until != 0 && would_block(call, task)) {
                        ecs_fail_item(call, &out->failures, model_task_arn(call->model, call->arena, cluster->state->name, task->state->id),
                                      "DEPLOYMENT_BLOCKED", "As many tasks of the service are protected as it should run.");
                        continue;
                }
                protect(tx, task, until);
                view(call, task, SHAPE_PUSH(call->arena, &out->protected_tasks));
        }
        (void)tx_commit(tx);
        return 0;
}

const struct api_route ecs_task_protection_routes[] = {
        {ECS_OP_GET_TASK_PROTECTION, get_task_protection},
        {ECS_OP_UPDATE_TASK_PROTECTION, update_task_protection},
        {0, NULL},
};
