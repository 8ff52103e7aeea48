/* SPDX-License-Identifier: Apache-2.0 */
/* Starting tasks of services: what they need, where they go, what they are made of, and how soon after those that failed. */
#include "control/service/service.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"
#include "control/capacity/fargate.h"
#include "control/network.h"
#include "control/capacity/provided.h"
#include "control/capacity/providers.h"
#include "control/service/deploy.h"
#include "control/task.h"
#include "control/task_network.h"

#define MANAGED_CLUSTER "aws:ecs:clusterName"
#define MANAGED_SERVICE "aws:ecs:serviceName"
/* Longer than an agent waits between two tries to connect. */
#define NODES_MS 3000
/* A circuit breaker that is set to bear more failures does not stand in for the throttle any longer: they come as fast as a node can. */
#define BREAKER_LAUNCHES 200
#define ZONE_EXPRESSION "attribute:ecs.availability-zone == '%s'"

/* ---- What a task needs ---- */

/* The copies live in the pool: states are replaced, and a definition may be deleted. */
static bool read_placement(struct service_run *run, struct pool *pool)
{
        const struct task_definition *found = pool_definition(pool, run->controller->model);
        const struct ecs_task_definition *definition;
        const struct state_service *service;
        struct error error = {0};
        struct task_size size;

        arena_reset(&pool->arena);
        pool->n_provided = 0;
        if (!found)
                return false;
        definition = SHAPE_COPY(ecs_task_definition, found->state->definition, &pool->arena);
        service = SHAPE_COPY(state_service, (struct state_service *)(uintptr_t)run->service->state, &pool->arena);
        task_size_of(definition, NULL, &pool->arena, &size);
        pool->ports = size.ports;
        pool->ports_udp = size.ports_udp;
        /* The API let in what reads; rules that no longer do (a newer definition's) place nothing. */
        if (placement_rules_read(&service->placement_constraints, &definition->placement_constraints, &service->placement_strategy,
                                 &pool->rules, &error) < 0 ||
            sched_check_rules(run->controller->sched, &pool->rules, &error) < 0)
                return false;
        if (pool->rules.n_strategies == 0 && service->scheduling_strategy != ECS_SCHEDULING_STRATEGY_DAEMON)
                placement_rules_default_service(&pool->rules);
        pool->placement = (struct placement_request){.cluster = run->service->cluster,
                                                     .cpu = size.cpu,
                                                     .memory = size.memory,
                                                     .ports = &pool->ports,
                                                     .ports_udp = &pool->ports_udp,
                                                     .required = &definition->requires_attributes,
                                                     .launch_type = pool_recipe(pool).launch_type,
                                                     .group = arena_printf(&pool->arena, "service:%s", service->name),
                                                     .rules = &pool->rules};
        pool->placement.zones = task_network_zones(run->controller->model, pool_recipe(pool).network, &pool->arena);
        if (pool_is_fargate(pool))
                fargate_request(&pool->placement, &pool->arena, &pool->placement);
        return true;
}

struct placement_request *pool_placement(struct service_run *run, struct pool *pool)
{
        if (!pool->readable)
                pool->readable = read_placement(run, pool);
        return pool->readable ? &pool->placement : NULL;
}

struct placement_request *pool_placement_of(struct service_run *run, struct pool *pool, const char *provider)
{
        struct placement_request *request = pool_placement(run, pool);
        struct pool_provided *provided;

        for (uint32_t i = 0; request && i < pool->n_provided; i++)
                if (str_eq(pool->provided[i].provider, provider))
                        return &pool->provided[i].placement;
        if (!request || pool->n_provided == POOL_MAX_PROVIDERS)
                return NULL;
        if (pool->n_provided == 0)
                pool->provided = arena_calloc(&pool->arena, POOL_MAX_PROVIDERS, sizeof(*pool->provided));
        provided = &pool->provided[pool->n_provided];
        if (!provided_request(run->controller->model, request, provider, &pool->arena, &provided->placement))
                return NULL;
        provided->provider = arena_strdup(&pool->arena, provider);
        pool->n_provided++;
        return &provided->placement;
}

/* ---- Which capacity provider ---- */

static void count_providers(struct service_run *run, const struct pool *pool, struct providers *ret)
{
        static const enum pool_class live[] = {POOL_WAITING, POOL_PENDING, POOL_FRESH, POOL_HEALTHY};

        providers_init(ret, pool_recipe(pool).strategy, tx_arena(run->tx));
        for (size_t i = 0; ret->n > 0 && i < ARRAY_SIZE(live); i++)
                pool_for_each(task, pool, live[i]) providers_count(ret, task->state->capacity_provider);
}

/* Whether its tasks go to the pool of Fargate hosts: a strategy never mixes those with others. */
bool pool_is_fargate(const struct pool *pool)
{
        const struct ecs_capacity_provider_strategy_item_list *strategy = pool_recipe(pool).strategy;

        if (strategy->n > 0)
                return fargate_is_provider(provider_name(&strategy->items[0]));
        return pool_recipe(pool).launch_type == ECS_LAUNCH_TYPE_FARGATE;
}

/* ---- What a task is made of ---- */

static void add_tag(struct arena *arena, struct ecs_tag_list *tags, const char *key, const char *value)
{
        struct ecs_tag *tag;

        for (uint32_t i = 0; i < tags->n; i++)
                if (str_eq(tags->items[i].key, key))
                        return;
        tag = SHAPE_PUSH(arena, tags);
        tag->key = key;
        tag->value = value;
}

static void make_tags(struct service_run *run, const struct pool *pool, const struct task_definition *definition, struct ecs_tag_list *out)
{
        const struct state_service *service = run->service->state;
        struct arena *arena = tx_arena(run->tx);
        const struct ecs_tag_list *from = NULL;

        if (service->propagate_tags == ECS_PROPAGATE_TAGS_SERVICE)
                from = pool->task_set ? &pool->task_set->state->tags : &service->tags;
        else if (service->propagate_tags == ECS_PROPAGATE_TAGS_TASK_DEFINITION)
                from = &definition->state->tags;
        *out = (struct ecs_tag_list){0};
        for (uint32_t i = 0; from && i < from->n; i++)
                add_tag(arena, out, from->items[i].key, from->items[i].value);
        if (!service->enable_ecs_managed_tags)
                return;
        add_tag(arena, out, MANAGED_CLUSTER, service->cluster);
        add_tag(arena, out, MANAGED_SERVICE, service->name);
}

/* What all tasks of one go have in common. */
struct launch {
        struct service_run *run;
        struct pool *pool;
        struct task_request request;
        struct providers providers;
        const char *platform_version;
};

static void launch_begin(struct launch *launch, struct service_run *run, struct pool *pool)
{
        struct pool_recipe recipe = pool_recipe(pool);
        struct arena *arena = tx_arena(run->tx);

        *launch = (struct launch){.run = run, .pool = pool, .platform_version = recipe.platform_version};
        launch->request = (struct task_request){
                .cluster = run->service->cluster,
                .definition = pool_definition(pool, run->controller->model),
                .network = recipe.network,
                .group = arena_printf(arena, "service:%s", run->service->state->name),
                .started_by = arena_printf(arena, "ecs-svc/%s", pool_id(pool)),
                .service_name = run->service->state->name,
                .launch_type = recipe.launch_type,
        };
        make_tags(run, pool, launch->request.definition, &launch->request.tags);
        count_providers(run, pool, &launch->providers);
}

/* NULL, or why there is no task, as ECS calls it: no address is left for it. Without an instance it waits for one. */
static const char *launch_task(struct launch *launch, const struct instance *instance, struct provider_count *provider)
{
        struct service_run *run = launch->run;
        const struct controller_options *options = &run->controller->options;
        struct task_request request = launch->request;
        struct error ignored = {0};
        struct state_task *state;
        struct task *task;
        int r;

        if (provider) {
                request.capacity_provider = provider_name(provider->item);
                request.launch_type = fargate_is_provider(request.capacity_provider) ? ECS_LAUNCH_TYPE_FARGATE : ECS_LAUNCH_TYPE_EC2;
        }
        if (!request.launch_type)
                request.launch_type = ECS_LAUNCH_TYPE_EC2;
        state = task_make(model_env(run->controller->model), &request, tx_arena(run->tx));
        state->service_revision = pool_id(launch->pool);
        if (request.launch_type == ECS_LAUNCH_TYPE_FARGATE)
                state->platform_version = fargate_platform(launch->platform_version);
        SHAPE_SET(state, state_task, enable_execute_command, run->service->state->enable_execute_command);
        if (instance)
                fargate_put_on(state, instance);
        else
                state->last_status = STATE_TASK_STATUS_PROVISIONING;
        r = instance ? task_network_attach(run->controller->model, run->tx, state, instance->zone, &ignored) : 0;
        if (r < 0)
                return r == -ENOENT ? "LOCATION" : "RESOURCE:ENI";
        if (provider)
                provider->n++;
        task = CONTAINER_OF(tx_insert(run->tx, OBJECT_TASK, state), struct task, object);
        if (options->ops && options->ops->add_credentials)
                options->ops->add_credentials(options->data, run->tx, task);
        task_names_add(&run->started, task);
        run->turn->room -= run->turn->room > 0;
        return NULL;
}

/* ---- How many now ---- */

/*
 * Tasks in a row that never got healthy: the first ten come back at once, then each try is a single task, and has to wait. While a
 * circuit breaker watches a deployment it is the breaker that ends it.
 */
uint32_t service_launches_allowed(struct service_run *run, const struct pool *pool)
{
        const struct state_service *service = run->service->state;
        const struct service_deployment *deployment = service_current_deployment(run->controller->model, run->service);

        if (service->failed_launches < LAUNCHES_UNTHROTTLED ||
            (deployment && breaker_armed(deployment) && deployment->state->failure_count < BREAKER_LAUNCHES))
                return UINT32_MAX;
        run->throttled = true;
        if (run->now_ms < service->next_launch_at) {
                service_wake(run, service->next_launch_at);
                return 0;
        }
        return pool->n[POOL_WAITING] + pool->n[POOL_PENDING] + pool->n[POOL_FRESH] == 0;
}

static const struct placement_request *in_zone(struct service_run *run, struct placement_request *request, const char *zone,
                                               struct placement_request *ret, struct placement_rules *rules)
{
        *ret = *request;
        *rules = *request->rules;
        if (rules->n_expressions < RULES_MAX_CONSTRAINTS)
                rules->expressions[rules->n_expressions++] = arena_printf(tx_arena(run->tx), ZONE_EXPRESSION, zone);
        ret->rules = rules;
        ret->class_id = 0;
        return ret;
}

/*
 * A server that has just started waits a moment for its nodes: who comes back first would get all that is missing, and what died
 * elsewhere meanwhile would be rebalanced afterwards.
 */
static bool waits_for_nodes(struct service_run *run, const struct pool *pool)
{
        int64_t until = run->controller->started_ms + NODES_MS;
        const struct cluster *hosts = pool_is_fargate(pool) ? model_cluster(run->controller->model, FARGATE_CLUSTER) : NULL;

        if (run->service->cluster->n_awaited + (hosts ? hosts->n_awaited : 0) == 0 || run->now_ms >= until)
                return false;
        run->blocked = true;
        service_wake(run, until);
        return true;
}

/* Where the next task goes; NULL: nowhere now. Those of a provider over a group have instances of their own. */
static struct instance *pick(struct service_run *run, struct pool *pool, struct placement_request *any, const char *zone,
                             const char *provider)
{
        struct sched *sched = run->controller->sched;
        struct placement_request *request = any, zoned;
        struct placement_rules zoned_rules;

        if (provider && !pool_is_fargate(pool))
                request = pool_placement_of(run, pool, provider);
        if (request && zone)
                request = (struct placement_request *)(uintptr_t)in_zone(run, request, zone, &zoned, &zoned_rules);
        if (request && pool_is_fargate(pool))
                return fargate_pick(run->controller->model, sched, request, provider);
        return request ? sched_pick(sched, request) : NULL;
}

/* Whether a task may wait for an instance of the provider, which its group may bring. */
static bool may_wait(const struct pool *pool, const char *zone, const char *provider)
{
        return provider && !zone && !fargate_is_provider(provider) && pool->n[POOL_WAITING] < FARGATE_MAX_WAITING;
}

uint32_t service_launch(struct service_run *run, struct pool *pool, uint32_t n, const char *zone)
{
        struct placement_request *request;
        struct launch launch;
        const char *reason;
        uint32_t wanted = n > 0 ? MIN(n, service_launches_allowed(run, pool)) : 0, started = 0;

        if (wanted == 0 || waits_for_nodes(run, pool))
                return 0;
        request = pool_placement(run, pool);
        if (!request || !run->controller->sched) {
                run->blocked = true;
                service_report_unreadable(run, pool);
                return 0;
        }
        launch_begin(&launch, run, pool);
        for (; started < wanted && run->turn->room > 0; started++) {
                struct provider_count *provider = providers_next(&launch.providers);
                const char *name = provider ? provider_name(provider->item) : NULL;
                struct instance *instance = pick(run, pool, request, zone, name);

                if (!instance && may_wait(pool, zone, name)) {
                        run->blocked = true;
                        service_report_waiting(run, name);
                } else if (!instance) {
                        run->blocked = true;
                        if (!zone)
                                service_report_unplaced(run, pool);
                        return started;
                }
                reason = launch_task(&launch, instance, provider);
                if (reason) {
                        run->blocked = true;
                        service_report_refused(run, instance, reason);
                        return started;
                }
        }
        if (started < wanted)
                service_again(run);
        return started;
}

bool service_launch_on(struct service_run *run, struct pool *pool, struct instance *instance, const char **ret_reason)
{
        struct placement_request *request = pool_placement(run, pool);
        struct launch launch;

        *ret_reason = "ATTRIBUTE";
        if (!request || !run->controller->sched)
                return false;
        *ret_reason = sched_reason(run->controller->sched, request, instance);
        if (*ret_reason)
                return false;
        launch_begin(&launch, run, pool);
        *ret_reason = launch_task(&launch, instance, providers_next(&launch.providers));
        return *ret_reason == NULL;
}
