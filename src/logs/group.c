/* SPDX-License-Identifier: Apache-2.0 */
/* Log groups and their streams, in memory and in the catalog. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "logs/internal.h"

/* ---- groups ---- */

static void tags_done(struct string_map *tags)
{
        for (uint32_t i = 0; i < tags->n; i++) {
                free((char *)(uintptr_t)tags->items[i].key);
                free((char *)(uintptr_t)tags->items[i].value);
        }
        free(tags->items);
        *tags = (struct string_map){0};
}

static void tags_copy(struct string_map *ret, const struct string_map *tags)
{
        struct string_map copy = {.items = tags->n > 0 ? xcalloc(tags->n, sizeof *copy.items) : NULL, .n = tags->n};

        for (uint32_t i = 0; i < tags->n; i++)
                copy.items[i] = (struct string_pair){xstrdup(tags->items[i].key), xstrdup(tags->items[i].value)};
        tags_done(ret);
        *ret = copy;
}

struct log_group *group_new(struct log_store *store, const struct log_group_info *info, uint32_t id)
{
        struct log_group *group = xalloc(sizeof *group);

        group->store = store;
        group->id = id;
        group->refs = 1;
        group->info = (struct log_group_info){.name = xstrdup(info->name),
                                              .created_ms = info->created_ms,
                                              .retention_days = info->retention_days,
                                              .class = info->class,
                                              .protected = info->protected,
                                              .kms_key_id = xstrdup(info->kms_key_id)};
        tags_copy(&group->info.tags, &info->tags);
        group->path = xprintf("%s/%08x", store->dir, id);
        tree_init(&group->streams);
        tree_insert(&store->groups, &group->node, group->info.name);
        (void)snprintf(group->id_text, sizeof group->id_text, "%08x", id);
        map_insert(&store->groups_by_id, &group->id_node, group->id_text);
        return group;
}

struct log_group *group_by_id(const struct log_store *store, uint32_t id)
{
        char text[9];

        (void)snprintf(text, sizeof text, "%08x", id);
        return map_get(&store->groups_by_id, text, struct log_group, id_node);
}

void group_update(struct log_group *group, const struct log_group_info *info)
{
        group->info.retention_days = info->retention_days;
        group->info.protected = info->protected;
        tags_copy(&group->info.tags, &info->tags);
}

void log_group_ref(struct log_group *group)
{
        group->refs++;
}

void log_group_unref(struct log_group *group)
{
        if (--group->refs > 0)
                return;
        for (uint32_t i = 0; i < group->n_segments; i++)
                (void)segment_free(group->segments[i]);
        tags_done(&group->info.tags);
        free((char *)(uintptr_t)group->info.name);
        free((char *)(uintptr_t)group->info.kms_key_id);
        free(group->segments);
        free(group->by_id);
        free(group->path);
        free(group);
}

void group_detach(struct log_group *group)
{
        tree_for_each (node, &group->streams)
                stream_detach(CONTAINER_OF(node, struct log_stream, node));
        tree_remove(&group->store->groups, &group->node);
        map_remove(&group->store->groups_by_id, &group->id_node);
        group->deleted = true;
        log_group_unref(group);
}

int log_group_create(struct log_store *store, const struct log_group_info *info, struct log_group **ret)
{
        if (log_group_find(store, info->name) != NULL)
                return -EEXIST;
        if (store->groups.count >= store->options.max_groups || store->next_group == UINT32_MAX)
                return -ENOSPC;
        *ret = group_new(store, info, store->next_group++);
        catalog_put_group(&store->catalog, *ret);
        writer_kick(store);
        return 0;
}

struct log_group *log_group_find(struct log_store *store, const char *name)
{
        struct tree_node *node = tree_find(&store->groups, name);

        return node != NULL ? CONTAINER_OF(node, struct log_group, node) : NULL;
}

struct log_group *log_group_after(struct log_store *store, const char *name, bool or_equal)
{
        struct tree_node *node = or_equal ? tree_from(&store->groups, name) : tree_after(&store->groups, name);

        return node != NULL ? CONTAINER_OF(node, struct log_group, node) : NULL;
}

const struct log_group_info *log_group_info(const struct log_group *group)
{
        return &group->info;
}

static void group_changed(struct log_group *group)
{
        catalog_put_group(&group->store->catalog, group);
        writer_kick(group->store);
}

void log_group_set_retention(struct log_group *group, int32_t days)
{
        group->info.retention_days = days;
        group_changed(group);
}

void log_group_set_protected(struct log_group *group, bool protected)
{
        group->info.protected = protected;
        group_changed(group);
}

void log_group_set_tags(struct log_group *group, const struct string_map *tags)
{
        tags_copy(&group->info.tags, tags);
        group_changed(group);
}

void log_group_delete(struct log_group *group)
{
        struct log_store *store = group->store;

        catalog_put_group_gone(&store->catalog, group->id);
        path_remove_later(store, group->path);
        group_detach(group);
        writer_kick(store);
}

/* ---- streams ---- */

/* Where an id is or would be in group->by_id. */
static uint32_t id_position(const struct log_group *group, uint32_t id)
{
        uint32_t low = 0, high = group->n_by_id;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (group->by_id[middle].id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

struct log_stream *group_stream(const struct log_group *group, uint32_t id)
{
        uint32_t at = id_position(group, id);

        return at < group->n_by_id && group->by_id[at].id == id ? group->by_id[at].stream : NULL;
}

struct log_stream *stream_new(struct log_group *group, uint32_t id, const char *name, int64_t created_ms)
{
        struct log_stream *stream = xalloc(sizeof *stream);

        if (group->n_by_id == group->by_id_room) {
                group->by_id_room = group->by_id_room * 2 + 8;
                group->by_id = xrealloc(group->by_id, group->by_id_room * sizeof *group->by_id);
        }
        group->by_id[group->n_by_id++] = (struct stream_id){id, stream};
        group->next_stream = MAX(group->next_stream, id + 1);
        stream->group = group;
        stream->id = id;
        stream->info.name = xstrdup(name);
        stream->info.created_ms = created_ms;
        stream->first_segment = UINT32_MAX;
        tree_insert(&group->streams, &stream->node, stream->info.name);
        group->info.n_streams++;
        group->store->n_streams++;
        return stream;
}

static void forget_dead(struct log_group *group)
{
        uint32_t n = 0;

        if (group->n_dead < 16 || group->n_dead < group->n_by_id / 2)
                return;
        for (uint32_t i = 0; i < group->n_by_id; i++) {
                if (group->by_id[i].stream != NULL)
                        group->by_id[n++] = group->by_id[i];
        }
        group->n_by_id = n;
        group->n_dead = 0;
}

void stream_detach(struct log_stream *stream)
{
        struct log_group *group = stream->group;

        tree_remove(&group->streams, &stream->node);
        group->by_id[id_position(group, stream->id)].stream = NULL;
        group->n_dead++;
        forget_dead(group);
        group->info.n_streams--;
        group->store->n_streams--;
        free((char *)(uintptr_t)stream->info.name);
        free(stream);
}

int log_stream_create(struct log_group *group, const char *name, int64_t now_ms, struct log_stream **ret)
{
        struct log_store *store = group->store;

        if (log_stream_find(group, name) != NULL)
                return -EEXIST;
        if (store->n_streams >= store->options.max_streams || group->next_stream >= STREAM_ID_MAX)
                return -ENOSPC;
        *ret = stream_new(group, group->next_stream, name, now_ms);
        catalog_put_stream(&store->catalog, *ret);
        writer_kick(store);
        return 0;
}

struct log_stream *log_stream_find(struct log_group *group, const char *name)
{
        struct tree_node *node = tree_find(&group->streams, name);

        return node != NULL ? CONTAINER_OF(node, struct log_stream, node) : NULL;
}

struct log_stream *log_stream_after(struct log_group *group, const char *name, bool or_equal)
{
        struct tree_node *node = or_equal ? tree_from(&group->streams, name) : tree_after(&group->streams, name);

        return node != NULL ? CONTAINER_OF(node, struct log_stream, node) : NULL;
}

struct log_stream *log_stream_before(struct log_group *group, const char *name)
{
        struct tree_node *node = name != NULL ? tree_from(&group->streams, name) : NULL;

        node = node != NULL ? tree_prev(node) : tree_last(&group->streams);
        return node != NULL ? CONTAINER_OF(node, struct log_stream, node) : NULL;
}

const struct log_stream_info *log_stream_info(const struct log_stream *stream)
{
        return &stream->info;
}

void log_stream_delete(struct log_stream *stream)
{
        struct log_store *store = stream->group->store;

        catalog_put_stream_gone(&store->catalog, stream->group->id, stream->id);
        stream_detach(stream);
        writer_kick(store);
}

void stream_count(struct log_group *group, const struct log_segment *segment, const struct frame_entry *entry)
{
        struct log_stream *stream = group_stream(group, entry->stream);
        struct log_stream_info *info;

        if (stream == NULL)
                return;
        info = &stream->info;
        info->first_event_ms = info->has_events ? MIN(info->first_event_ms, entry->first_ms) : entry->first_ms;
        info->last_event_ms = info->has_events ? MAX(info->last_event_ms, entry->last_ms) : entry->last_ms;
        info->last_ingestion_ms = MAX(info->last_ingestion_ms, entry->ingestion_ms);
        info->stored_bytes += entry->bytes + UINT64_C(26) * entry->n;
        info->has_events = true;
        stream->first_segment = MIN(stream->first_segment, segment->number);
        stream->last_segment = MAX(stream->last_segment, segment->number);
}
