/* SPDX-License-Identifier: Apache-2.0 */
/* The store in memory, for tests and the simulator: the same contract without a disk, and commits that fail on demand. */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/tree.h"

struct entry {
        struct tree_node node;
        uint16_t kind;
        uint64_t id;
        size_t len;
        char *bytes;
        char name[32]; /* digits of the kind, '/', digits of the id, all of fixed width: sorts as (kind, id) */
};

struct store_memory {
        struct store store;
        struct tree entries;
        int fail_after; /* commits left before one fails; negative: none fails */
};

static void entry_free(struct entry *entry)
{
        free(entry->bytes);
        free(entry);
}

static struct entry *entry_new(const struct store_change *change)
{
        struct entry *entry = xalloc(sizeof(*entry));

        snprintf(entry->name, sizeof(entry->name), "%05u/%020llu", change->kind, (unsigned long long)change->id);
        entry->kind = change->kind;
        entry->id = change->id;
        return entry;
}

static void apply(struct store_memory *s, const struct store_change *change)
{
        struct entry *fresh = entry_new(change);
        struct tree_node *found = tree_find(&s->entries, fresh->name);
        struct entry *entry = fresh;

        if (found != NULL) {
                entry_free(fresh);
                entry = CONTAINER_OF(found, struct entry, node);
        }
        if (change->data == NULL) {
                if (found != NULL)
                        tree_remove(&s->entries, found);
                entry_free(entry);
                return;
        }
        free(entry->bytes);
        entry->bytes = xalloc(change->len + 1);
        memcpy(entry->bytes, change->data, change->len);
        entry->len = change->len;
        if (found == NULL)
                tree_insert(&s->entries, &entry->node, entry->name);
}

static int memory_commit(struct store *store, const struct store_change *changes, size_t n, struct error *error)
{
        struct store_memory *s = CONTAINER_OF(store, struct store_memory, store);

        if (s->fail_after == 0)
                return error_set(error, EIO, "the store in memory was told to fail this commit");
        if (s->fail_after > 0)
                s->fail_after--;
        for (size_t i = 0; i < n; i++)
                apply(s, &changes[i]);
        return 0;
}

static int memory_load(struct store *store, int (*row)(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len), void *data,
                       struct error *error)
{
        struct store_memory *s = CONTAINER_OF(store, struct store_memory, store);

        tree_for_each (node, &s->entries) {
                struct entry *entry = CONTAINER_OF(node, struct entry, node);
                int r = row(data, entry->kind, entry->id, entry->bytes, entry->len);

                if (r != 0)
                        return r;
        }
        return 0;
}

static void memory_close(struct store *store)
{
        struct store_memory *s = CONTAINER_OF(store, struct store_memory, store);

        for (struct tree_node *node; (node = tree_first(&s->entries)) != NULL;) {
                tree_remove(&s->entries, node);
                entry_free(CONTAINER_OF(node, struct entry, node));
        }
        free(s);
}

static const struct store_ops memory_ops = {.commit = memory_commit, .load = memory_load, .close = memory_close};

struct store *store_memory_new(int fail_after)
{
        struct store_memory *s = xalloc(sizeof(*s));

        s->store.ops = &memory_ops;
        s->fail_after = fail_after;
        tree_init(&s->entries);
        return &s->store;
}
