/* SPDX-License-Identifier: Apache-2.0 */
/* Making a task of a payload, and what can be said of it without moving it. */
#include "agent/engine/task.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "agent/engine/depend.h"
#include "agent/engine/support.h"
#include "base/alloc.h"
#include "base/strutil.h"

#define BIT(x) (1u << (x))

static const struct {
        const char *name;
        uint32_t next;
} container_states[CONTAINER_STATE_MAX] = {
        [CONTAINER_PULLING] = {"PULLING", BIT(CONTAINER_PULLED) | BIT(CONTAINER_STOPPED)},
        [CONTAINER_PULLED] = {"PULLED", BIT(CONTAINER_CREATING) | BIT(CONTAINER_STOPPED)},
        [CONTAINER_CREATING] = {"CREATING", BIT(CONTAINER_CREATED) | BIT(CONTAINER_STOPPED)},
        [CONTAINER_CREATED] = {"CREATED", BIT(CONTAINER_STARTING) | BIT(CONTAINER_STOPPED)},
        [CONTAINER_STARTING] = {"STARTING", BIT(CONTAINER_RUNNING) | BIT(CONTAINER_STOPPED)},
        [CONTAINER_RUNNING] = {"RUNNING", BIT(CONTAINER_STARTING) | BIT(CONTAINER_STOPPING) | BIT(CONTAINER_STOPPED)},
        [CONTAINER_STOPPING] = {"STOPPING", BIT(CONTAINER_STOPPED)},
        [CONTAINER_STOPPED] = {"STOPPED", 0},
};

static const struct {
        const char *name;
        uint32_t next;
} task_states[TASK_STATE_MAX] = {
        [TASK_QUEUED] = {"QUEUED", BIT(TASK_PREPARING) | BIT(TASK_STOPPING)},
        [TASK_PREPARING] = {"PREPARING", BIT(TASK_STARTING) | BIT(TASK_STOPPING)},
        [TASK_STARTING] = {"STARTING", BIT(TASK_RUNNING) | BIT(TASK_STOPPING)},
        [TASK_RUNNING] = {"RUNNING", BIT(TASK_STOPPING)},
        [TASK_STOPPING] = {"STOPPING", BIT(TASK_STOPPED)},
        [TASK_STOPPED] = {"STOPPED", BIT(TASK_REMOVING)},
        [TASK_REMOVING] = {"REMOVING", 0},
};

static const char *const stage_names[REPORT_STAGE_MAX] = {"", "RUNNING", "STOPPED"};

const char *container_state_name(enum container_state state)
{
        return container_states[state].name;
}

const char *task_state_name(enum task_state state)
{
        return task_states[state].name;
}

bool container_may_move(enum container_state from, enum container_state to)
{
        return (container_states[from].next & BIT(to)) != 0;
}

bool task_may_move(enum task_state from, enum task_state to)
{
        return (task_states[from].next & BIT(to)) != 0;
}

int container_state_parse(const char *word, enum container_state *ret)
{
        for (int i = 0; i < CONTAINER_STATE_MAX; i++) {
                if (str_eq(word, container_states[i].name)) {
                        *ret = (enum container_state)i;
                        return 0;
                }
        }
        return -EINVAL;
}

int task_state_parse(const char *word, enum task_state *ret)
{
        for (int i = 0; i < TASK_STATE_MAX; i++) {
                if (str_eq(word, task_states[i].name)) {
                        *ret = (enum task_state)i;
                        return 0;
                }
        }
        return -EINVAL;
}

const char *report_stage_name(enum report_stage stage)
{
        return stage_names[stage];
}

enum report_stage report_stage_parse(const char *word)
{
        for (int i = REPORT_STAGE_MAX - 1; i > 0; i--) {
                if (str_eq(word, stage_names[i]))
                        return (enum report_stage)i;
        }
        return REPORT_NOTHING;
}

const char *arn_resource_id(const char *arn)
{
        const char *slash = arn != NULL ? strrchr(arn, '/') : NULL;

        return slash != NULL ? slash + 1 : arn;
}

enum report_stage engine_task_stage(const struct engine_task *task)
{
        if (task->state >= TASK_STOPPED)
                return REPORT_STOPPED;
        return task->has_run ? REPORT_RUNNING : REPORT_NOTHING;
}

enum report_stage engine_container_stage(const struct engine_container *container)
{
        if (container->state == CONTAINER_STOPPED)
                return REPORT_STOPPED;
        return container->has_run ? REPORT_RUNNING : REPORT_NOTHING;
}

bool engine_container_has_health(const struct engine_container *container)
{
        /* The stock agent watches health only when the payload names the type, in lower case. */
        return str_eq(container->definition->health_check_type, "docker") && health_is_defined(container->config->healthcheck);
}

bool engine_task_is_awsvpc(const struct engine_task *task)
{
        return str_eq(engine_task_network_mode(task), "awsvpc");
}

const char *engine_task_network_mode(const struct engine_task *task)
{
        if (!str_empty(task->payload->network_mode))
                return task->payload->network_mode;
        if (task->n_containers > 0 && !str_empty(task->containers[0].host->network_mode))
                return task->containers[0].host->network_mode;
        return "bridge";
}

struct engine_container *engine_task_container(struct engine_task *task, const char *name)
{
        for (uint32_t i = 0; i < task->n_containers; i++) {
                if (str_eq(task->containers[i].definition->name, name))
                        return &task->containers[i];
        }
        return NULL;
}

__attribute__((format(printf, 2, 0))) static void set_reason(char **reason, const char *fmt, va_list args)
{
        struct arena arena = {0};

        if (*reason == NULL)
                *reason = xstrndup(arena_vprintf(&arena, fmt, args), 1024);
        arena_done(&arena);
}

void engine_task_set_reason(struct engine_task *task, const char *fmt, ...)
{
        va_list args;

        va_start(args, fmt);
        set_reason(&task->reason, fmt, args);
        va_end(args);
}

void engine_container_set_reason(struct engine_container *container, const char *fmt, ...)
{
        va_list args;

        va_start(args, fmt);
        set_reason(&container->reason, fmt, args);
        va_end(args);
}

/* Stable over restarts and processes, unlike hash_bytes: FNV-1a. */
static uint32_t stable_hash(const char *s)
{
        uint32_t h = 2166136261u;

        for (; *s != '\0'; s++)
                h = (h ^ (uint8_t)*s) * 16777619u;
        return h;
}

static char *make_runtime_id(const struct engine_task *task, uint32_t index)
{
        const char *name = task->containers[index].definition->name;
        uint32_t h = stable_hash(name != NULL ? name : "");
        CLEANUP_FREE char *id = xprintf("%.100s-%010u", task->id, h);

        for (uint32_t i = 0; i < index; i++) {
                if (str_eq(task->containers[i].runtime_id, id))
                        return xprintf("%.100s-%010u-%u", task->id, h, index);
        }
        return TAKE(id);
}

static int parse_docker(struct engine_task *task, struct engine_container *c, struct error *error)
{
        static const struct docker_config no_config;
        static const struct docker_host_config no_host;
        const struct shape_limits limits = {.skip_validation = true};
        const struct acs_docker_config *docker = c->definition->docker_config;
        struct docker_config *config = NULL;
        struct docker_host_config *host = NULL;
        int r = 0;

        c->config = &no_config;
        c->host = &no_host;
        if (docker != NULL && !str_empty(docker->config))
                r = SHAPE_PARSE(docker_config, &task->arena, docker->config, strlen(docker->config), &limits, &config, error);
        if (r < 0)
                return error_wrap(error, "container %s: dockerConfig.config", c->definition->name);
        if (docker != NULL && !str_empty(docker->host_config))
                r = SHAPE_PARSE(docker_host_config, &task->arena, docker->host_config, strlen(docker->host_config), &limits, &host, error);
        if (r < 0)
                return error_wrap(error, "container %s: dockerConfig.hostConfig", c->definition->name);
        if (config != NULL)
                c->config = config;
        if (host != NULL)
                c->host = host;
        return 0;
}

/* The only override that may come to a node is the command: the server applies all others. */
static int apply_overrides(struct engine_task *task, struct acs_container *def, struct error *error)
{
        const struct shape_limits limits = {.skip_validation = true};
        struct acs_container_overrides *overrides = NULL;

        if (str_empty(def->overrides))
                return 0;
        int r = SHAPE_PARSE(acs_container_overrides, &task->arena, def->overrides, strlen(def->overrides), &limits, &overrides, error);
        if (r < 0)
                return error_wrap(error, "container %s: overrides", def->name);
        if (overrides->command.items != NULL)
                def->command = overrides->command;
        return 0;
}

static int init_container(struct engine_task *task, uint32_t index, struct env *env, struct error *error)
{
        struct acs_container *def = &task->payload->containers.items[index];
        struct engine_container *c = &task->containers[index];
        static const struct docker_config no_config;
        static const struct docker_host_config no_host;

        c->task = task;
        c->definition = def;
        c->config = &no_config;
        c->host = &no_host;
        c->index = index;
        c->essential = !SHAPE_HAS(def, acs_container, essential) || def->essential;
        c->runtime_id = make_runtime_id(task, index);
        env_random_uuid(env, c->endpoint_id);
        if (str_empty(def->name) || str_empty(def->image))
                return error_set(error, EINVAL, "container %u has no %s", index, str_empty(def->name) ? "name" : "image");
        int r = parse_docker(task, c, error);
        if (r < 0)
                return r;
        return apply_overrides(task, def, error);
}

static void take_credentials(struct engine_task *task, struct acs_task *payload)
{
        struct acs_role_credentials **const from[] = {&payload->role_credentials, &payload->execution_role_credentials};
        struct acs_role_credentials **const to[] = {&task->role_credentials, &task->execution_credentials};

        for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
                if (*from[i] == NULL)
                        continue;
                if (!str_empty((*from[i])->secret_access_key))
                        *to[i] = SHAPE_PACK(acs_role_credentials, *from[i]);
                (*from[i])->secret_access_key = NULL;
                (*from[i])->session_token = NULL;
        }
}

static int check(struct engine_task *task, struct error *error)
{
        if (task->n_containers == 0)
                return error_set(error, EINVAL, "the task has no containers");
        for (uint32_t i = 0; i < task->n_containers; i++) {
                if (engine_task_container(task, task->containers[i].definition->name) != &task->containers[i])
                        return error_set(error, EINVAL, "two containers are called %s", task->containers[i].definition->name);
        }
        return depend_validate(task, error);
}

struct engine_task *engine_task_new(const struct acs_task *payload, struct env *env)
{
        struct engine_task *task = xalloc(sizeof(*task));
        struct acs_task *copy = SHAPE_COPY(acs_task, payload, &task->arena);
        struct error error = {0};
        int r = 0;

        list_init(&task->link);
        take_credentials(task, copy);
        task->payload = copy;
        task->arn = xstrdup(copy->arn);
        task->id = xstrdup(arn_resource_id(copy->arn));
        task->accepted_ms = env_now_ms(env);
        task->n_containers = copy->containers.n;
        task->containers = xcalloc(task->n_containers + 1, sizeof(*task->containers));
        for (uint32_t i = 0; i < task->n_containers; i++) {
                int one = init_container(task, i, env, r < 0 ? NULL : &error);

                r = r < 0 ? r : one;
        }
        if (str_eq(copy->desired_status, "STOPPED")) {
                /* To be stopped and not known here: all there is to do is to say that it does not run. */
                task->rejected = true;
                return task;
        }
        if (r == 0)
                r = check(task, &error);
        if (r < 0)
                engine_task_set_reason(task, "UnrecogniedTaskError: Error loading task - %s", error.message);
        else if ((r = support_check(task, &error)) < 0)
                engine_task_set_reason(task, "%s: %s", error.code, error.message);
        task->rejected = r < 0;
        return task;
}

static void free_container(struct engine_container *c)
{
        assert(c->driver == NULL && c->log == NULL);
        free(c->runtime_id);
        free(c->reason);
        free(c->image_digest);
        free(c->image_id);
        free(c->address);
        free(c->metrics);
}

struct engine_task *engine_task_free(struct engine_task *task)
{
        if (task == NULL)
                return NULL;
        assert(task->driver == NULL && task->report == NULL && task->save == NULL);
        for (uint32_t i = 0; i < task->n_containers; i++)
                free_container(&task->containers[i]);
        free(task->containers);
        free(task->arn);
        free(task->id);
        free(task->reason);
        free(task->role_credentials);
        free(task->execution_credentials);
        arena_done(&task->arena);
        free(task);
        return NULL;
}

bool engine_task_is_fargate(const struct engine_task *task)
{
        return str_eq(task->payload->launch_type, "FARGATE");
}

const char *engine_task_cluster(const struct engine_task *task, const char *cluster)
{
        return engine_task_is_fargate(task) && !str_empty(task->payload->task_cluster_arn) ? task->payload->task_cluster_arn : cluster;
}
