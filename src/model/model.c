/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing and looking things up. */
#include "model/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "model/network.h"
#include "model/service.h"
#include "model/stored.h"
#include "store/store.h"

/* Longest key that a lookup builds; longer ones do not exist. */
#define KEY_MAX 1024

struct loading {
        struct model *model;
        struct arena arena;
        struct error *error;
};

const char *model_key_of(struct model *model, enum object_kind kind, const void *state)
{
        buf_clear(&model->key);
        model_kinds[kind].key(state, &model->key);
        (void)buf_reserve(&model->key, 1); /* a text even when nothing was added */
        return model->key.data;
}

/* Fails when it belongs to something that is not there, or another has its key. */
static int load_object(struct model *model, enum object_kind kind, uint64_t id, const void *state, struct error *error)
{
        const struct shape *shape = model_kinds[kind].shape;
        const char *key = model_key_of(model, kind, state);
        struct object *object;
        int r;

        if (*key == '\0')
                return error_set(error, EUCLEAN, "stored %s number %llu has no name: restore a backup", shape->name,
                                 (unsigned long long)id);
        if (table_find(&model->tables[kind], key) != NULL)
                return error_set(error, EUCLEAN, "%s %s is stored twice: restore a backup", shape->name, key);
        object = object_new(kind, shape_pack(shape, state), key);
        object->id = id;
        model->last_id[kind] = MAX(model->last_id[kind], id);
        r = object_link(model, object);
        if (r >= 0)
                return 0;
        r = error_set(error, EUCLEAN, "stored %s %s refers to an object that is not in the store: restore a backup", shape->name,
                      object->key);
        object_free(object);
        return r;
}

static int load_row(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len)
{
        struct loading *loading = data;
        const struct shape *shape = kind < OBJECT_KIND_MAX ? model_kinds[kind].shape : NULL;
        void *state = NULL;
        int r;

        if (shape == NULL)
                return error_set(loading->error, EPROTONOSUPPORT,
                                 "the store holds an object of kind %u, which this program does not know: install the version of gantry "
                                 "that wrote it, or a newer one",
                                 kind);
        arena_reset(&loading->arena);
        r = stored_decode(shape, stored_upgrades, &loading->arena, bytes, len, &state, loading->error);
        if (r < 0)
                return error_wrap(loading->error, "%s number %llu", shape->name, (unsigned long long)id);
        return load_object(loading->model, (enum object_kind)kind, id, state, loading->error);
}

static int compare_stopped(const void *a, const void *b)
{
        int64_t x = (*(struct task *const *)a)->state->stopped_at, y = (*(struct task *const *)b)->state->stopped_at;

        return x < y ? -1 : x > y;
}

/* Loading met the stopped tasks in the order in which they came. */
static void sort_stopped(struct model *model)
{
        CLEANUP_FREE struct task **tasks = xcalloc(model->n_stopped + 1, sizeof(struct task *));
        size_t n = 0;

        list_for_each (task, &model->stopped, struct task, in_stopped)
                tasks[n++] = task;
        qsort(tasks, n, sizeof(*tasks), compare_stopped);
        list_init(&model->stopped);
        for (size_t i = 0; i < n; i++)
                list_push(&model->stopped, &tasks[i]->in_stopped);
}

static int load(struct model *model, struct error *error)
{
        struct loading loading = {.model = model, .error = error};
        int r;

        model->loading = true;
        r = model->store->ops->load(model->store, load_row, &loading, error);
        model->loading = false;
        arena_done(&loading.arena);
        if (r == 0)
                sort_stopped(model);
        return r;
}

/* The first start writes who we are; later ones must agree, for every stored ARN rests on it. */
static int identify(struct model *model, const char *account, const char *region, struct error *error)
{
        struct tree_node *node = tree_first(&model->objects[OBJECT_META]);
        struct state_meta meta = {.account_id = account, .region = region};
        const struct state_meta *stored;
        struct tx *tx;
        char id[37];

        if (node == NULL) {
                env_random_uuid(model->env, id);
                meta.id = id;
                meta.created_at = env_now_ms(model->env);
                tx = tx_begin(model);
                model->meta = CONTAINER_OF(tx_insert(tx, OBJECT_META, &meta), struct meta, object);
                tx_commit(tx);
                return 0;
        }
        model->meta = MODEL_OBJECT(node, meta);
        stored = model->meta->state;
        if (str_eq(stored->account_id, account) && str_eq(stored->region, region))
                return 0;
        return error_set(
                error, EINVAL,
                "the data directory belongs to account %s in region %s: start with --account-id %s --region %s, or with another --data-dir",
                stored->account_id, stored->region, stored->account_id, stored->region);
}

static void release(struct model *model)
{
        commit_queue_free(model->queue);
        for (size_t kind = 0; kind < OBJECT_KIND_MAX; kind++) {
                tree_for_each (node, &model->objects[kind])
                        object_free(CONTAINER_OF(node, struct object, node));
                tree_done(&model->objects[kind]);
                table_done(&model->tables[kind]);
        }
        arena_done(&model->tx.arena);
        buf_done(&model->key);
        free(model);
}

int model_open(struct store *store, struct env *env, void *loop, const char *account, const char *region, struct model **ret,
               struct error *error)
{
        struct model *model = xalloc(sizeof(*model));
        int r;

        model->store = store;
        model->env = env;
        model->tx.model = model;
        list_init(&model->tx.changes);
        list_init(&model->observers);
        list_init(&model->stopped);
        for (size_t i = 0; i < OBJECT_KIND_MAX; i++)
                tree_init(&model->objects[i]);
        r = load(model, error);
        if (r == 0)
                r = commit_queue_new(store, loop, &model->queue, error);
        if (r == 0)
                r = identify(model, account, region, error);
        if (r != 0) {
                release(model);
                return r;
        }
        *ret = model;
        return 0;
}

struct model *model_close(struct model *model)
{
        if (model != NULL)
                release(model);
        return NULL;
}

void model_hold_commits(struct model *model)
{
        commit_hold(model->queue);
}

bool model_write(struct model *model)
{
        return commit_write(model->queue);
}

void model_written(struct model *model)
{
        commit_written(model->queue);
}

struct env *model_env(const struct model *model)
{
        return model->env;
}

const char *model_account(const struct model *model)
{
        return model->meta->state->account_id;
}

const char *model_region(const struct model *model)
{
        return model->meta->state->region;
}

const struct state_meta *model_meta(const struct model *model)
{
        return model->meta->state;
}

void model_observe(struct model *model, struct model_observer *observer)
{
        list_push(&model->observers, &observer->link);
}

void model_unobserve(struct model *model, struct model_observer *observer)
{
        list_remove(&observer->link);
}

const struct tree *model_objects(const struct model *model, enum object_kind kind)
{
        return &model->objects[kind];
}

static struct object *find(struct model *model, enum object_kind kind, const char *key)
{
        return key != NULL ? table_find(&model->tables[kind], key) : NULL;
}

/* The object under "a/b". */
static struct object *find_pair(struct model *model, enum object_kind kind, const char *a, const char *b)
{
        size_t a_len = a != NULL ? strlen(a) : 0, b_len = b != NULL ? strlen(b) : 0;
        char key[KEY_MAX];

        if (a == NULL || b == NULL || a_len + b_len + 2 > sizeof(key))
                return NULL;
        memcpy(key, a, a_len);
        key[a_len] = '/';
        memcpy(key + a_len + 1, b, b_len);
        key[a_len + 1 + b_len] = '\0';
        return find(model, kind, key);
}

#define FOUND(object_, type)                                                       \
        ({                                                                         \
                struct object *found_ = (object_);                                 \
                found_ != NULL ? CONTAINER_OF(found_, struct type, object) : NULL; \
        })

struct cluster *model_cluster(struct model *model, const char *name)
{
        return FOUND(find(model, OBJECT_CLUSTER, name), cluster);
}

struct family *model_family(struct model *model, const char *name)
{
        return FOUND(find(model, OBJECT_FAMILY, name), family);
}

struct task_definition *model_task_definition(struct model *model, const char *family, int revision)
{
        char key[KEY_MAX], digits[10];
        size_t len = family != NULL ? strlen(family) : 0;

        if (family == NULL || revision < 0 || len + 12 > sizeof(key))
                return NULL;
        for (size_t i = sizeof(digits); i-- > 0; revision /= 10)
                digits[i] = (char)('0' + revision % 10);
        memcpy(key, family, len);
        key[len] = ':';
        memcpy(key + len + 1, digits, sizeof(digits));
        key[len + 1 + sizeof(digits)] = '\0';
        return FOUND(find(model, OBJECT_TASK_DEFINITION, key), task_definition);
}

struct instance *model_instance(struct model *model, const char *cluster, const char *id)
{
        return FOUND(find_pair(model, OBJECT_INSTANCE, cluster, id), instance);
}

struct instance *model_task_instance(struct model *model, const struct state_task *state)
{
        if (state->instance == NULL)
                return NULL;
        return model_instance(model, state->host_cluster != NULL ? state->host_cluster : state->cluster, state->instance);
}

struct task *model_task(struct model *model, const char *cluster, const char *id)
{
        return FOUND(find_pair(model, OBJECT_TASK, cluster, id), task);
}

struct capacity_provider *model_capacity_provider(struct model *model, const char *name)
{
        return FOUND(find(model, OBJECT_CAPACITY_PROVIDER, name), capacity_provider);
}

struct service *model_service(struct model *model, const char *cluster, const char *name)
{
        return FOUND(find_pair(model, OBJECT_SERVICE, cluster, name), service);
}

/* The object under "a/b/c". */
static struct object *find_triple(struct model *model, enum object_kind kind, const char *a, const char *b, const char *c)
{
        char pair[KEY_MAX];
        int n = a != NULL && b != NULL ? snprintf(pair, sizeof(pair), "%s/%s", a, b) : -1;

        return n >= 0 && (size_t)n < sizeof(pair) ? find_pair(model, kind, pair, c) : NULL;
}

struct service_revision *model_service_revision(struct model *model, const char *cluster, const char *service, const char *id)
{
        return FOUND(find_triple(model, OBJECT_SERVICE_REVISION, cluster, service, id), service_revision);
}

struct service_deployment *model_service_deployment(struct model *model, const char *cluster, const char *service, const char *id)
{
        return FOUND(find_triple(model, OBJECT_SERVICE_DEPLOYMENT, cluster, service, id), service_deployment);
}

struct task_set *model_task_set(struct model *model, const char *cluster, const char *service, const char *id)
{
        return FOUND(find_triple(model, OBJECT_TASK_SET, cluster, service, id), task_set);
}

struct setting *model_setting(struct model *model, const char *principal_arn, enum ecs_setting_name name)
{
        return FOUND(find_pair(model, OBJECT_SETTING, principal_arn, shape_enum_name(&ecs_setting_name_enum, (int)name)), setting);
}

struct access_key *model_access_key(struct model *model, const char *id)
{
        return FOUND(find(model, OBJECT_ACCESS_KEY, id), access_key);
}

struct client_token *model_client_token(struct model *model, const char *key)
{
        return FOUND(find(model, OBJECT_CLIENT_TOKEN, key), client_token);
}

#define FIND_BY_ID(type, kind)                                         \
        struct type *model_##type(struct model *model, const char *id) \
        {                                                              \
                return FOUND(find(model, kind, id), type);             \
        }
FIND_BY_ID(vpc, OBJECT_VPC)
FIND_BY_ID(subnet, OBJECT_SUBNET)
FIND_BY_ID(security_group, OBJECT_SECURITY_GROUP)
FIND_BY_ID(network_interface, OBJECT_NETWORK_INTERFACE)
FIND_BY_ID(internet_gateway, OBJECT_INTERNET_GATEWAY)
FIND_BY_ID(route_table, OBJECT_ROUTE_TABLE)
FIND_BY_ID(nat_gateway, OBJECT_NAT_GATEWAY)
FIND_BY_ID(elastic_address, OBJECT_ELASTIC_ADDRESS)
FIND_BY_ID(network_acl, OBJECT_NETWORK_ACL)
FIND_BY_ID(vpc_endpoint, OBJECT_VPC_ENDPOINT)

/* Their keys begin with the cluster's name, so they lie together. */
struct task *model_next_task(struct model *model, const struct cluster *cluster, const struct task *task)
{
        const struct tree *tasks = model_objects(model, OBJECT_TASK);
        char prefix[KEY_MAX];
        struct tree_node *node;
        struct task *next;

        if (task != NULL) {
                node = tree_next(&task->object.node);
        } else {
                snprintf(prefix, sizeof(prefix), "%s/", cluster->object.key);
                node = tree_from(tasks, prefix);
        }
        next = node != NULL ? MODEL_OBJECT(node, task) : NULL;
        return next != NULL && next->cluster == cluster ? next : NULL;
}

struct task *model_oldest_stopped(struct model *model)
{
        return list_first(&model->stopped, struct task, in_stopped);
}

size_t model_stopped_count(const struct model *model)
{
        return model->n_stopped;
}

static void tell_presence(struct model *model, struct instance *instance)
{
        list_for_each (observer, &model->observers, struct model_observer, link)
                if (observer->connected != NULL)
                        observer->connected(observer, instance);
}

void model_set_connected(struct model *model, struct instance *instance, bool connected)
{
        if (instance->connected == connected)
                return;
        instance->connected = connected;
        instance->lease_until_us = 0;
        instance->lost = false;
        instance->fenced = false;
        instance_arrived(instance);
        tell_presence(model, instance);
}

void model_set_lease(struct model *model, struct instance *instance, int64_t until_us)
{
        (void)model;
        if (!instance->connected && !instance->lost)
                instance->lease_until_us = until_us;
}

void model_set_lost(struct model *model, struct instance *instance, bool fenced)
{
        if (instance->connected || instance->lost)
                return;
        instance->lost = true;
        instance->fenced = fenced;
        instance_arrived(instance);
        instance->lease_until_us = 0;
        tell_presence(model, instance);
}

uint64_t model_sequence(const struct model *model)
{
        return commit_sequence(model->queue);
}

uint64_t model_durable(const struct model *model)
{
        return commit_durable(model->queue);
}

size_t model_backlog(const struct model *model)
{
        return commit_backlog(model->queue);
}

void model_when_durable(struct model *model, uint64_t sequence, struct commit_waiter *waiter)
{
        commit_when_durable(model->queue, sequence, waiter);
}
