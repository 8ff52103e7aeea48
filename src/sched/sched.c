/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's front: requests find their class, and why an instance will not do. See sched.h. */
#include "sched/sched.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "sched/class.h"
#include "sched/index.h"

/* Classes that are kept, and the slots that they may remember, at about 48 bytes each: 46 classes of a cluster of 10,000 instances, say,
 * in 24 MiB. The least recently used go. */
#define MAX_CLASSES 256
#define MAX_SLOTS (1u << 19)
/* Rows of sched_explain. */
#define MAX_FAILURES 100

struct sched {
        struct index index;
        struct map classes;
        struct placement_class *by_id[MAX_CLASSES]; /* at id % MAX_CLASSES */
        struct list used;                           /* the latest last */
        uint32_t n_classes;
        uint64_t uses; /* counts the ids of each place up */
        struct chance chance;
        struct buf key;
};

static void on_slot_freed(struct index_cluster *cluster, uint32_t slot)
{
        list_for_each (class, &cluster->classes, struct placement_class, in_cluster)
                class_forget(class, slot);
}

static void drop_class(struct sched *sched, struct placement_class *class)
{
        sched->by_id[class->id % MAX_CLASSES] = NULL;
        map_remove(&sched->classes, &class->node);
        sched->n_classes--;
        class_free(class);
}

static void on_cluster_gone(struct index_cluster *cluster)
{
        struct sched *sched = CONTAINER_OF(cluster->index, struct sched, index);

        list_for_each (class, &cluster->classes, struct placement_class, in_cluster)
                drop_class(sched, class);
}

static const struct index_listener listener = {.slot_freed = on_slot_freed, .cluster_gone = on_cluster_gone};

struct sched *sched_new(struct model *model)
{
        struct sched *sched = xalloc(sizeof(*sched));
        struct env *env = model_env(model);

        list_init(&sched->used);
        map_init(&sched->classes);
        env->random(env, &sched->chance.state, sizeof(sched->chance.state));
        index_init(&sched->index, model, &listener);
        return sched;
}

struct sched *sched_free(struct sched *sched)
{
        struct placement_class *class;

        if (sched == NULL)
                return NULL;
        while ((class = list_first(&sched->used, struct placement_class, used)) != NULL)
                drop_class(sched, class);
        map_done(&sched->classes);
        index_done(&sched->index);
        buf_done(&sched->key);
        free(sched);
        return NULL;
}

int sched_check_rules(struct sched *sched, const struct placement_rules *rules, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};

        for (uint32_t i = 0; i < rules->n_expressions; i++) {
                struct query *query;
                int r = query_parse(rules->expressions[i], &arena, &query, error);

                if (r < 0)
                        return r;
                query_done(query);
        }
        return 0;
}

/* ---- from request to class */

/* Texts of clients may hold anything but NUL: their length comes first. */
static void key_text(struct buf *key, const char *text)
{
        size_t len = text != NULL ? strlen(text) : 0;

        buf_printf(key, "%zu:", len);
        buf_append(key, text != NULL ? text : "", len);
}

static void key_ports(struct buf *key, const struct int_list *ports)
{
        buf_append_char(key, 'p');
        for (uint32_t i = 0; ports != NULL && i < ports->n; i++)
                buf_printf(key, "%lld,", (long long)ports->items[i]);
}

static void key_rules(struct buf *key, const struct placement_rules *rules)
{
        buf_printf(key, "d%d", rules->distinct_instance);
        for (uint32_t i = 0; i < rules->n_expressions; i++) {
                buf_append_char(key, 'e');
                key_text(key, rules->expressions[i]);
        }
        for (uint32_t i = 0; i < rules->n_strategies; i++) {
                buf_printf(key, "s%d", (int)rules->strategies[i].kind);
                key_text(key, rules->strategies[i].attribute);
        }
}

static const char *request_key(struct sched *sched, const struct placement_request *request)
{
        struct buf *key = &sched->key;

        buf_clear(key);
        key_text(key, request->cluster->object.key);
        buf_printf(key, "%d,%d,%d", request->cpu, request->memory, (int)request->launch_type);
        key_ports(key, request->ports);
        key_ports(key, request->ports_udp);
        for (uint32_t i = 0; request->required != NULL && i < request->required->n; i++) {
                key_text(key, request->required->items[i].name);
                key_text(key, request->required->items[i].value);
        }
        for (uint32_t i = 0; request->zones != NULL && i < request->zones->n; i++) {
                buf_append_char(key, 'z');
                key_text(key, request->zones->items[i]);
        }
        if (request->rules != NULL)
                key_rules(key, request->rules);
        buf_append_char(key, 'g');
        key_text(key, class_needs_group(request->rules) ? request->group : NULL);
        return key->data;
}

/* Slots that all classes together remember. */
static uint64_t slots_held(const struct sched *sched)
{
        uint64_t sum = 0;

        list_for_each (class, &sched->used, struct placement_class, used)
                sum += class->n_slots;
        return sum;
}

/* Room for one more class that will remember `n_slots`. */
static void make_room(struct sched *sched, uint32_t n_slots)
{
        while (!list_empty(&sched->used) && (sched->n_classes == MAX_CLASSES || slots_held(sched) + n_slots > MAX_SLOTS))
                drop_class(sched, CONTAINER_OF(sched->used.next, struct placement_class, used));
}

static struct placement_class *add_class(struct sched *sched, const struct placement_request *request, const char *key)
{
        struct placement_class *class;
        size_t place = 0;

        make_room(sched, class_slots(index_cluster(&sched->index, request->cluster->object.key)));
        class = class_new(&sched->index, request, key, &sched->chance);
        while (sched->by_id[place] != NULL)
                place++;
        sched->by_id[place] = class;
        class->id = ++sched->uses * MAX_CLASSES + place;
        map_insert(&sched->classes, &class->node, class->key);
        sched->n_classes++;
        return class;
}

static struct placement_class *find_class(struct sched *sched, struct placement_request *request)
{
        struct placement_class *class = sched->by_id[request->class_id % MAX_CLASSES];

        if (request->class_id == 0 || class == NULL || class->id != request->class_id) {
                const char *key = request_key(sched, request);

                class = map_get(&sched->classes, key, struct placement_class, node);
                if (class == NULL)
                        class = add_class(sched, request, key);
                request->class_id = class->id;
        }
        list_remove(&class->used);
        list_push(&sched->used, &class->used);
        return class;
}

struct instance *sched_pick(struct sched *sched, struct placement_request *request)
{
        struct node *node = class_pick(find_class(sched, request));

        return node != NULL ? node->instance : NULL;
}

/* ---- why not */

static enum verdict verdict_of(const struct requirement *requirement, const struct instance *instance)
{
        const struct node *node = index_node(instance);

        return node != NULL ? requirement_check(requirement, node) : VERDICT_INACTIVE;
}

/* The requirement alone: a class would look at all instances. */
static bool read_request(struct sched *sched, const struct placement_request *request, struct arena *arena, struct requirement *ret)
{
        struct error error = {0};

        return requirement_init(ret, &sched->index, request, false, arena, &error) == 0;
}

const char *sched_reason(struct sched *sched, struct placement_request *request, struct instance *instance)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct requirement requirement;
        enum verdict verdict;

        if (!read_request(sched, request, &arena, &requirement))
                return verdict_reason(VERDICT_MEMBER_OF);
        verdict = verdict_of(&requirement, instance);
        requirement_done(&requirement);
        return verdict_reason(verdict);
}

void sched_explain(struct sched *sched, struct placement_request *request, struct arena *arena, struct placement_failures *ret)
{
        CLEANUP_ARENA struct arena scratch = {0};
        struct requirement requirement;

        *ret = (struct placement_failures){
                .items = arena_calloc(arena, MIN(request->cluster->n_instances, (size_t)MAX_FAILURES) + 1, sizeof(*ret->items))};
        if (!read_request(sched, request, &scratch, &requirement))
                return;
        list_for_each (instance, &request->cluster->instances, struct instance, in_cluster) {
                enum verdict verdict = verdict_of(&requirement, instance);

                if (verdict == VERDICT_INACTIVE || verdict == VERDICT_FITS)
                        continue;
                ret->items[ret->n++] = (struct placement_failure){.instance = instance, .reason = verdict_reason(verdict)};
                if (ret->n == MAX_FAILURES)
                        break;
        }
        requirement_done(&requirement);
}
