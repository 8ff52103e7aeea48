/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog: which groups and streams there are. A file of records, each with its length and checksum; the last word on an id
 * counts. What a crash cut short at the end was never acknowledged and is dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "logs/internal.h"

#define RECORD_MAX (1u << 20)
#define CATALOG_MAX (UINT64_C(4) << 30)
#define HEAD 8u /* length and checksum of what follows */

enum record { RECORD_GROUP = 1, RECORD_GROUP_GONE, RECORD_STREAM, RECORD_STREAM_GONE };

/* ---- writing ---- */

static void put_u32(struct buf *out, uint32_t value)
{
        buf_append(out, &value, sizeof value);
}

static void put_i64(struct buf *out, int64_t value)
{
        buf_append(out, &value, sizeof value);
}

/* NULL is kept apart from "". */
static void put_string(struct buf *out, const char *s)
{
        put_u32(out, s != NULL ? (uint32_t)strlen(s) + 1 : 0);
        if (s != NULL)
                buf_append(out, s, strlen(s));
}

static size_t record_begin(struct buf *out, enum record type)
{
        size_t start = out->len;

        put_i64(out, 0);
        buf_append_char(out, (char)type);
        return start;
}

static void record_end(struct buf *out, size_t start)
{
        uint32_t head[2] = {(uint32_t)(out->len - start - HEAD), crc32c(0, out->data + start + HEAD, out->len - start - HEAD)};

        memcpy(out->data + start, head, sizeof head);
}

void catalog_put_group(struct buf *out, const struct log_group *group)
{
        const struct log_group_info *info = &group->info;
        size_t start = record_begin(out, RECORD_GROUP);

        put_u32(out, group->id);
        put_u32(out, group->next_stream);
        put_i64(out, info->created_ms);
        put_u32(out, (uint32_t)info->retention_days);
        put_u32(out, (uint32_t)info->class);
        put_u32(out, info->protected);
        put_string(out, info->name);
        put_string(out, info->kms_key_id);
        put_u32(out, info->tags.n);
        for (uint32_t i = 0; i < info->tags.n; i++) {
                put_string(out, info->tags.items[i].key);
                put_string(out, info->tags.items[i].value);
        }
        record_end(out, start);
}

void catalog_put_group_gone(struct buf *out, uint32_t id)
{
        size_t start = record_begin(out, RECORD_GROUP_GONE);

        put_u32(out, id);
        record_end(out, start);
}

void catalog_put_stream(struct buf *out, const struct log_stream *stream)
{
        size_t start = record_begin(out, RECORD_STREAM);

        put_u32(out, stream->group->id);
        put_u32(out, stream->id);
        put_i64(out, stream->info.created_ms);
        put_string(out, stream->info.name);
        record_end(out, start);
}

void catalog_put_stream_gone(struct buf *out, uint32_t group, uint32_t id)
{
        size_t start = record_begin(out, RECORD_STREAM_GONE);

        put_u32(out, group);
        put_u32(out, id);
        record_end(out, start);
}

void catalog_put_all(struct buf *out, const struct log_store *store)
{
        /* The highest id ever given must not be given again: a record of a group that is gone keeps it in mind. */
        if (store->next_group > 0)
                catalog_put_group_gone(out, store->next_group - 1);
        tree_for_each (node, &store->groups) {
                struct log_group *group = CONTAINER_OF(node, struct log_group, node);

                catalog_put_group(out, group);
                /* By id: that is how they come back. */
                for (uint32_t i = 0; i < group->n_by_id; i++) {
                        if (group->by_id[i].stream != NULL)
                                catalog_put_stream(out, group->by_id[i].stream);
                }
        }
}

/* ---- reading: nothing in the bytes is trusted ---- */

struct reader {
        const char *at, *end;
        bool bad;
        struct arena arena; /* of strings */
};

static void get_bytes(struct reader *r, void *ret, size_t n)
{
        if (r->bad || (size_t)(r->end - r->at) < n) {
                r->bad = true;
                memset(ret, 0, n);
                return;
        }
        memcpy(ret, r->at, n);
        r->at += n;
}

static uint32_t get_u32(struct reader *r)
{
        uint32_t value;

        get_bytes(r, &value, sizeof value);
        return value;
}

static int64_t get_i64(struct reader *r)
{
        int64_t value;

        get_bytes(r, &value, sizeof value);
        return value;
}

static const char *get_string(struct reader *r)
{
        uint32_t len = get_u32(r);
        const char *s;

        if (len == 0)
                return NULL;
        if (r->bad || (size_t)(r->end - r->at) < len - 1) {
                r->bad = true;
                return NULL;
        }
        s = arena_strndup(&r->arena, r->at, len - 1);
        r->at += len - 1;
        return s;
}

static void apply_group(struct log_store *store, struct reader *r)
{
        struct log_group_info info = {0};
        uint32_t id = get_u32(r), next_stream = get_u32(r), n_tags;
        struct log_group *group, *namesake;

        info.created_ms = get_i64(r);
        info.retention_days = (int32_t)get_u32(r);
        info.class = (int32_t)get_u32(r);
        info.protected = get_u32(r) != 0;
        info.name = get_string(r);
        info.kms_key_id = get_string(r);
        n_tags = get_u32(r);
        for (uint32_t i = 0; i < n_tags && !r->bad; i++) {
                const char *key = get_string(r), *value = get_string(r);

                if (key != NULL)
                        string_map_set(&r->arena, &info.tags, key, value != NULL ? value : "");
        }
        if (r->bad || info.name == NULL || id == UINT32_MAX || next_stream > STREAM_ID_MAX)
                return;
        group = group_by_id(store, id);
        namesake = log_group_find(store, info.name);
        if (group != NULL && group == namesake) {
                group_update(group, &info);
        } else if (group == NULL && namesake == NULL) {
                group = group_new(store, &info, id);
        } else {
                return;
        }
        group->next_stream = MAX(group->next_stream, next_stream);
        store->next_group = MAX(store->next_group, id + 1);
}

static void apply_stream(struct log_store *store, struct reader *r)
{
        struct log_group *group = group_by_id(store, get_u32(r));
        uint32_t id = get_u32(r);
        int64_t created_ms = get_i64(r);
        const char *name = get_string(r);

        if (r->bad || group == NULL || name == NULL || id >= STREAM_ID_MAX || log_stream_find(group, name) != NULL)
                return;
        if (group->n_by_id == 0 || group->by_id[group->n_by_id - 1].id < id)
                (void)stream_new(group, id, name, created_ms);
}

static void apply_record(struct log_store *store, struct reader *r)
{
        uint8_t type = 0;
        struct log_group *group;
        uint32_t id;

        get_bytes(r, &type, 1);
        if (type == RECORD_GROUP) {
                apply_group(store, r);
        } else if (type == RECORD_STREAM) {
                apply_stream(store, r);
        } else if (type == RECORD_GROUP_GONE) {
                id = get_u32(r);
                group = group_by_id(store, id);
                if (!r->bad && id != UINT32_MAX)
                        store->next_group = MAX(store->next_group, id + 1);
                if (group != NULL)
                        group_detach(group);
        } else if (type == RECORD_STREAM_GONE) {
                group = group_by_id(store, get_u32(r));
                id = get_u32(r);
                if (group != NULL && group_stream(group, id) != NULL)
                        stream_detach(group_stream(group, id));
        }
}

size_t catalog_apply(struct log_store *store, const char *data, size_t len)
{
        struct reader r = {0};
        size_t at = 0;

        while (len - at >= HEAD) {
                uint32_t head[2];

                memcpy(head, data + at, sizeof head);
                if (head[0] == 0 || head[0] > RECORD_MAX || head[0] > len - at - HEAD || crc32c(0, data + at + HEAD, head[0]) != head[1])
                        break;
                r.at = data + at + HEAD;
                r.end = r.at + head[0];
                r.bad = false;
                apply_record(store, &r);
                arena_reset(&r.arena);
                at += HEAD + head[0];
        }
        arena_done(&r.arena);
        return at;
}

char *catalog_path(const struct log_store *store)
{
        return xprintf("%s/catalog", store->dir);
}

int catalog_load(struct log_store *store, struct error *error)
{
        CLEANUP_FREE char *path = catalog_path(store);
        CLEANUP_BUF struct buf data = {0};
        int r = buf_read_file(&data, path, CATALOG_MAX);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return error_set(error, -r, "cannot read the catalog of logs %s: %s", path, strerror(-r));
        store->catalog_size = data.len > 0 ? catalog_apply(store, data.data, data.len) : 0;
        if (store->catalog_size < data.len && truncate(path, (off_t)store->catalog_size) < 0)
                return error_set(error, errno, "cannot shorten the catalog of logs %s: %s", path, strerror(errno));
        return 0;
}
