/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of task roles: the index, renewal and revocation. */
#include "api/agent/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/keys.h"
#include "base/alloc.h"
#include "base/strutil.h"

/* Keys renewed or taken back in one sweep. */
#define BATCH 500
/* A key is renewed when less than this part of its life is left. */
#define RENEW_PART 6

/* A task that has stopped and still had keys. */
struct ended {
        struct list link;
        char key[];
};

struct credentials {
        struct model *model;
        struct env *env;
        struct model_observer observer;
        int64_t lifetime_ms;
        void (*renewed)(struct role *role, uint64_t sequence, void *data);
        void *data;
        struct map roles;
        struct list renewal; /* of struct role */
        struct list ended;
};

static const char *const types[] = {ROLE_APPLICATION, ROLE_EXECUTION};

/* ---- Index ---- */

static struct role *role_of(const struct credentials *credentials, const char *type, const char *task_key)
{
        char name[512];

        if (strlen(type) + strlen(task_key) + 2 > sizeof(name))
                return NULL;
        (void)stpcpy(stpcpy(stpcpy(name, type), " "), task_key);
        return map_get(&credentials->roles, name, struct role, node);
}

struct role *credentials_find(const struct credentials *credentials, const struct task *task, const char *role_type)
{
        return role_of(credentials, role_type, task->object.key);
}

struct role *credentials_by_name(const struct credentials *credentials, const char *name)
{
        return map_get(&credentials->roles, name, struct role, node);
}

static void role_free(struct credentials *credentials, struct role *role)
{
        map_remove(&credentials->roles, &role->node);
        list_remove(&role->in_agent);
        list_remove(&role->in_renewal);
        free(role);
}

/* Returns the role when the key is its newest. */
static struct role *index_key(struct credentials *credentials, struct access_key *key)
{
        const struct state_access_key *state = key->state;
        struct role *role = role_of(credentials, state->role_type, state->task);

        if (role && role->key->state->expires_at > state->expires_at)
                return NULL;
        if (!role) {
                size_t len = strlen(state->role_type) + 1 + strlen(state->task) + 1;

                role = xalloc(sizeof(*role) + len);
                (void)snprintf(role->name, len, "%s %s", state->role_type, state->task);
                list_init(&role->in_agent);
                list_init(&role->in_renewal);
                map_insert(&credentials->roles, &role->node, role->name);
        }
        role->key = key;
        list_remove(&role->in_renewal);
        list_push(&credentials->renewal, &role->in_renewal);
        return role;
}

static void note_ended(struct credentials *credentials, const char *task_key)
{
        struct ended *ended = xalloc(sizeof(*ended) + strlen(task_key) + 1);

        memcpy(ended->key, task_key, strlen(task_key) + 1);
        list_push(&credentials->ended, &ended->link);
}

static bool is_task_key(const struct state_access_key *state)
{
        return state->kind == STATE_KEY_KIND_TASK && state->task && state->role_type && state->credentials_id;
}

static void key_changed(struct credentials *credentials, struct access_key *key, const struct state_access_key *old_state,
                        const struct state_access_key *new_state)
{
        struct role *role;

        if (!is_task_key(new_state ? new_state : old_state))
                return;
        if (!new_state) {
                role = role_of(credentials, old_state->role_type, old_state->task);
                if (role && role->key == key)
                        role_free(credentials, role);
                return;
        }
        role = index_key(credentials, key);
        if (role && !old_state)
                credentials->renewed(role, model_sequence(credentials->model), credentials->data);
}

static void changed(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state)
{
        struct credentials *credentials = CONTAINER_OF(observer, struct credentials, observer);

        if (object->kind == OBJECT_ACCESS_KEY)
                key_changed(credentials, CONTAINER_OF(object, struct access_key, object), old_state, new_state);
        if (object->kind != OBJECT_TASK || (new_state && !task_is_over(new_state)))
                return;
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (role_of(credentials, types[i], object->key)) {
                        note_ended(credentials, object->key);
                        return;
                }
}

static int by_expiry(const void *a, const void *b)
{
        const struct access_key *const *x = a, *const *y = b;

        return ((*x)->state->expires_at > (*y)->state->expires_at) - ((*x)->state->expires_at < (*y)->state->expires_at);
}

/* Keys of an earlier process; those whose task has stopped meanwhile are taken back. */
static void load(struct credentials *credentials)
{
        const struct tree *all = model_objects(credentials->model, OBJECT_ACCESS_KEY);
        const struct tree *tasks = model_objects(credentials->model, OBJECT_TASK);
        struct access_key **keys = xcalloc(all->count + 1, sizeof(*keys));
        size_t n = 0;

        tree_for_each (node, all) {
                struct access_key *key = MODEL_OBJECT(node, access_key);

                if (is_task_key(key->state))
                        keys[n++] = key;
        }
        qsort(keys, n, sizeof(struct access_key *), by_expiry);
        for (size_t i = 0; i < n; i++) {
                struct tree_node *task = tree_find(tasks, keys[i]->state->task);

                index_key(credentials, keys[i]);
                if (!task || task_is_over(MODEL_OBJECT(task, task)->state))
                        note_ended(credentials, keys[i]->state->task);
        }
        free(keys);
}

struct credentials *credentials_new(struct model *model, int64_t lifetime_ms,
                                    void (*renewed)(struct role *role, uint64_t sequence, void *data), void *data)
{
        struct credentials *credentials = xalloc(sizeof(*credentials));

        credentials->model = model;
        credentials->env = model_env(model);
        credentials->lifetime_ms = lifetime_ms;
        credentials->renewed = renewed;
        credentials->data = data;
        map_init(&credentials->roles);
        list_init(&credentials->renewal);
        list_init(&credentials->ended);
        load(credentials);
        credentials->observer.changed = changed;
        model_observe(model, &credentials->observer);
        return credentials;
}

struct credentials *credentials_free(struct credentials *credentials)
{
        if (!credentials)
                return NULL;
        model_unobserve(credentials->model, &credentials->observer);
        map_for_each (node, &credentials->roles)
                free(CONTAINER_OF(node, struct role, node));
        map_done(&credentials->roles);
        list_for_each (ended, &credentials->ended, struct ended, link)
                free(ended);
        free(credentials);
        return NULL;
}

/* ---- Making ---- */

const char *credentials_role_arn(const struct task *task, const char *role_type)
{
        const struct ecs_task_override *over = task->state->overrides;
        const struct ecs_task_definition *definition = task->definition ? task->definition->state->definition : NULL;
        const char *arn = NULL;

        if (str_eq(role_type, ROLE_APPLICATION))
                arn = over && over->task_role_arn ? over->task_role_arn : definition ? definition->task_role_arn : NULL;
        else
                arn = over && over->execution_role_arn ? over->execution_role_arn : definition ? definition->execution_role_arn : NULL;
        return str_empty(arn) ? NULL : arn;
}

/* A role may be named by its ARN or just by its name. */
static const char *role_name(const char *arn)
{
        const char *slash = strrchr(arn, '/');

        return slash ? slash + 1 : arn;
}

static void insert_key(struct credentials *credentials, struct tx *tx, const struct task *task, const char *type,
                       const char *credentials_id)
{
        const char *arn = credentials_role_arn(task, type);
        struct arena *arena = tx_arena(tx);

        api_key_insert(credentials->model, tx,
                       &(struct api_key_request){
                               .kind = STATE_KEY_KIND_TASK,
                               .principal_arn = arena_printf(arena, "arn:aws:sts::%s:assumed-role/%s/%s", model_account(credentials->model),
                                                             role_name(arn), task->state->id),
                               .expires_at = env_now_ms(credentials->env) + credentials->lifetime_ms,
                               .task = task->object.key,
                               .role_type = type,
                               .credentials_id = credentials_id,
                       });
}

void credentials_add(struct credentials *credentials, struct tx *tx, const struct task *task)
{
        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                char id[37];

                if (!credentials_role_arn(task, types[i]))
                        continue;
                env_random_uuid(credentials->env, id);
                insert_key(credentials, tx, task, types[i], arena_strdup(tx_arena(tx), id));
        }
}

struct acs_role_credentials *credentials_message(const struct role *role, const struct task *task, struct arena *arena)
{
        const struct state_access_key *key;
        struct acs_role_credentials *out;
        char expiration[32];

        if (!role)
                return NULL;
        key = role->key->state;
        out = ARENA_NEW(arena, struct acs_role_credentials);
        str_iso8601(key->expires_at, false, expiration);
        out->credentials_id = key->credentials_id;
        out->role_arn = credentials_role_arn(task, key->role_type);
        out->access_key_id = key->id;
        out->secret_access_key = key->secret;
        out->session_token = key->session_token;
        out->expiration = arena_strdup(arena, expiration);
        return out;
}

/* ---- Time ---- */

static struct task *task_by_key(const struct credentials *credentials, const char *key)
{
        struct tree_node *node = tree_find(model_objects(credentials->model, OBJECT_TASK), key);

        return node ? MODEL_OBJECT(node, task) : NULL;
}

/* The newest key of a role goes at once; older ones of long tasks end by themselves soon. */
static void revoke_keys(struct credentials *credentials, struct tx **tx)
{
        struct ended *ended;
        size_t n = 0;

        while (n < BATCH && (ended = list_first(&credentials->ended, struct ended, link)) != NULL) {
                for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                        struct role *role = role_of(credentials, types[i], ended->key);

                        if (!role)
                                continue;
                        if (!*tx)
                                *tx = tx_begin(credentials->model);
                        tx_remove(*tx, &role->key->object);
                        n++;
                }
                list_remove(&ended->link);
                free(ended);
        }
}

static void renew_keys(struct credentials *credentials, int64_t now_ms, struct tx **tx)
{
        size_t n = 0;

        list_for_each (role, &credentials->renewal, struct role, in_renewal) {
                const struct state_access_key *key = role->key->state;
                struct task *task;

                if (key->expires_at - now_ms > credentials->lifetime_ms / RENEW_PART || n++ >= BATCH)
                        break;
                task = task_by_key(credentials, key->task);
                if (!task || task_is_over(task->state) || !credentials_role_arn(task, key->role_type))
                        continue;
                if (!*tx)
                        *tx = tx_begin(credentials->model);
                insert_key(credentials, *tx, task, key->role_type, key->credentials_id);
        }
}

void credentials_sweep(struct credentials *credentials, int64_t now_ms)
{
        struct tx *tx = NULL;

        revoke_keys(credentials, &tx);
        renew_keys(credentials, now_ms, &tx);
        if (tx)
                (void)tx_commit(tx);
}
