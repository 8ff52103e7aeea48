/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ordered index: a B+ tree. Leaves hold the nodes, inner pages hold pages; both are ordered by key, that of a page being the first one
 * at or below it. All keys of a page begin with the same `skip` bytes; of what follows the page keeps eight bytes as a number, the digest.
 * With the shared bytes at hand too, nearly every comparison is decided without a look at a key, which lies elsewhere in memory.
 */
#include "base/tree.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

/* A page takes 1 KiB. */
#define PAGE_MAX 61
/* Of the bytes that its keys share; where they share more, the rest is looked up in a key. */
#define SHARED_MAX 19u
/* Digests are made anew when they would begin so many bytes later. */
#define SKIP_WORTH 4

struct tree_page {
        struct tree_page *parent; /* NULL: the root */
        const char *low;          /* its first key */
        uint16_t n, skip;
        bool leaf;
        char shared[SHARED_MAX];
        uint64_t digests[PAGE_MAX];
        union {
                struct tree_node *nodes[PAGE_MAX]; /* of a leaf */
                struct tree_page *pages[PAGE_MAX];
                void *items[PAGE_MAX];
        };
};

void tree_init(struct tree *tree)
{
        *tree = (struct tree){0};
}

static void free_pages(struct tree_page *page)
{
        if (page == NULL)
                return;
        for (size_t i = 0; !page->leaf && i < page->n; i++)
                free_pages(page->pages[i]);
        free(page);
}

void tree_done(struct tree *tree)
{
        free_pages(tree->root);
        tree_init(tree);
}

/* ---- A page and its keys ---- */

static const char *key_at(const struct tree_page *page, size_t i)
{
        return page->leaf ? page->nodes[i]->key : page->pages[i]->low;
}

static size_t index_of(const struct tree_page *page, const void *item)
{
        size_t i = 0;

        while (page->items[i] != item) {
                i++;
                assert(i < page->n);
        }
        return i;
}

/* The first eight bytes as a number that orders as they do. */
static uint64_t digest_of(const char *key)
{
        uint64_t digest = 0;

        for (int shift = 56; shift >= 0 && *key != '\0'; shift -= 8)
                digest |= (uint64_t)(unsigned char)*key++ << shift;
        return digest;
}

/* Bytes that all keys share: those that the first and the last do. */
static uint16_t shared(const struct tree_page *page)
{
        const char *first = key_at(page, 0), *last = key_at(page, page->n - 1u);
        uint16_t n = 0;

        while (n < UINT16_MAX && first[n] != '\0' && first[n] == last[n])
                n++;
        return n;
}

static void renew_digests(struct tree_page *page)
{
        page->skip = shared(page);
        memcpy(page->shared, key_at(page, 0), MIN(page->skip, SHARED_MAX));
        for (size_t i = 0; i < page->n; i++)
                page->digests[i] = digest_of(key_at(page, i) + page->skip);
}

/* Compares the key with what the keys of the page begin with. */
static int compare_shared(const struct tree_page *page, const char *key)
{
        int order = strncmp(key, page->shared, MIN(page->skip, SHARED_MAX));

        if (order != 0 || page->skip <= SHARED_MAX)
                return order;
        return strncmp(key + SHARED_MAX, page->low + SHARED_MAX, page->skip - SHARED_MAX);
}

/* The key at `i` is new, those beside it are not. */
static void renew_digest(struct tree_page *page, size_t i)
{
        const char *key = key_at(page, i);

        if (page->n == 1 || compare_shared(page, key) != 0)
                renew_digests(page);
        else
                page->digests[i] = digest_of(key + page->skip);
}

/* The first key of the page is another one now. */
static void renew_low(struct tree_page *page)
{
        size_t i = 0;

        for (; page != NULL && i == 0; page = page->parent) {
                page->low = key_at(page, 0);
                if (page->parent == NULL)
                        return;
                i = index_of(page->parent, page);
                renew_digest(page->parent, i);
        }
}

/* How many keys of the page are less than `key`, or not greater when `equal_too`. */
static size_t count_below(const struct tree_page *page, const char *key, bool equal_too)
{
        int order = compare_shared(page, key);
        size_t low = 0, high = page->n;
        uint64_t digest;

        if (order != 0)
                return order < 0 ? 0 : high;
        digest = digest_of(key + page->skip);
        while (low < high) {
                size_t middle = (low + high) / 2;

                if (page->digests[middle] != digest)
                        order = page->digests[middle] < digest ? -1 : 1;
                else
                        order = strcmp(key_at(page, middle) + page->skip, key + page->skip);
                if (order < 0 || (order == 0 && equal_too))
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* The leaf that has the key if any has. The tree is not empty. */
static struct tree_page *leaf_of(const struct tree *tree, const char *key)
{
        struct tree_page *page = tree->root;

        while (!page->leaf) {
                size_t i = count_below(page, key, true);

                page = page->pages[i > 0 ? i - 1 : 0];
        }
        return page;
}

/* ---- Growing ---- */

static struct tree_page *page_new(bool leaf)
{
        struct tree_page *page = xalloc(sizeof(*page));

        page->leaf = leaf;
        return page;
}

static void adopt(struct tree_page *page, size_t from)
{
        for (size_t i = from; i < page->n; i++) {
                if (page->leaf)
                        page->nodes[i]->page = page;
                else
                        page->pages[i]->parent = page;
        }
}

static void place(struct tree_page *page, size_t i, void *item)
{
        assert(page->n < PAGE_MAX);
        memmove(page->items + i + 1, page->items + i, (page->n - i) * sizeof(*page->items));
        memmove(page->digests + i + 1, page->digests + i, (page->n - i) * sizeof(*page->digests));
        page->items[i] = item;
        page->n++;
        if (page->leaf)
                ((struct tree_node *)item)->page = page;
        else
                ((struct tree_page *)item)->parent = page;
        renew_digest(page, i);
        if (i == 0)
                renew_low(page);
}

/* What is behind `at` goes to the end of `right`, all of whose keys are less or which is empty. */
static void move(struct tree_page *page, size_t at, struct tree_page *right)
{
        size_t n = page->n - at, start = right->n;

        memcpy(right->items + start, page->items + at, n * sizeof(*page->items));
        memcpy(right->digests + start, page->digests + at, n * sizeof(*page->digests));
        right->n += (uint16_t)n;
        page->n = (uint16_t)at;
        adopt(right, start);
}

static void insert_item(struct tree *tree, struct tree_page *page, size_t i, void *item);

/* The full page gets a neighbour on its right, which takes half of it, or only the item when that goes to the end: keys that come in
 * order fill pages. */
static void split(struct tree *tree, struct tree_page *page, size_t i, void *item)
{
        struct tree_page *right = page_new(page->leaf);
        size_t at = i == PAGE_MAX ? PAGE_MAX : PAGE_MAX / 2;

        right->skip = page->skip;
        memcpy(right->shared, page->shared, sizeof(right->shared));
        move(page, at, right);
        if (right->n > 0) {
                right->low = key_at(right, 0);
                if (shared(right) >= right->skip + SKIP_WORTH)
                        renew_digests(right);
        }
        if (shared(page) >= page->skip + SKIP_WORTH)
                renew_digests(page);
        if (i > at || at == PAGE_MAX)
                place(right, i - at, item);
        else
                place(page, i, item);
        if (page->parent == NULL) {
                tree->root = page_new(false);
                place(tree->root, 0, page);
        }
        insert_item(tree, page->parent, index_of(page->parent, page) + 1, right);
}

static void insert_item(struct tree *tree, struct tree_page *page, size_t i, void *item)
{
        if (page->n == PAGE_MAX)
                split(tree, page, i, item);
        else
                place(page, i, item);
}

static bool has_key(const struct tree_page *leaf, size_t i, const char *key)
{
        return compare_shared(leaf, key) == 0 && leaf->digests[i] == digest_of(key + leaf->skip) && strcmp(leaf->nodes[i]->key, key) == 0;
}

void tree_insert(struct tree *tree, struct tree_node *node, const char *key)
{
        struct tree_page *leaf;
        size_t i;

        node->key = key;
        if (tree->root == NULL)
                tree->root = page_new(true);
        leaf = leaf_of(tree, key);
        i = leaf->n > 0 ? count_below(leaf, key, false) : 0;
        assert(i == leaf->n || !has_key(leaf, i, key));
        insert_item(tree, leaf, i, node);
        tree->count++;
}

/* ---- Shrinking ---- */

static void take_out(struct tree *tree, struct tree_page *page, size_t i);

/* The page has few items: puts it together with a neighbour when both fit well into one. */
static void merge(struct tree *tree, struct tree_page *page)
{
        struct tree_page *parent = page->parent, *left = page, *right;
        size_t i = parent != NULL ? index_of(parent, page) : 0;

        if (parent == NULL || parent->n < 2)
                return;
        if (i + 1u == parent->n)
                left = parent->pages[--i];
        right = parent->pages[i + 1];
        if (left->n + right->n > PAGE_MAX * 3 / 4)
                return;
        move(right, 0, left);
        renew_digests(left);
        take_out(tree, parent, i + 1);
        free(right);
}

static void take_out(struct tree *tree, struct tree_page *page, size_t i)
{
        struct tree_page *parent = page->parent;

        page->n--;
        memmove(page->items + i, page->items + i + 1, (page->n - i) * sizeof(*page->items));
        memmove(page->digests + i, page->digests + i + 1, (page->n - i) * sizeof(*page->digests));
        if (page->n > 0) {
                if (i == 0)
                        renew_low(page);
                if (page->n < PAGE_MAX / 4)
                        merge(tree, page);
                return;
        }
        if (parent == NULL)
                tree->root = NULL;
        else
                take_out(tree, parent, index_of(parent, page));
        free(page);
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
        assert(tree->count > 0);
        take_out(tree, node->page, index_of(node->page, node));
        node->page = NULL;
        tree->count--;
        for (struct tree_page *root = tree->root, *below; root != NULL && !root->leaf && root->n == 1; root = below) {
                below = root->pages[0];
                below->parent = NULL;
                tree->root = below;
                free(root);
        }
}

/* ---- Looking ---- */

static struct tree_node *first_below(const struct tree_page *page)
{
        while (!page->leaf)
                page = page->pages[0];
        return page->nodes[0];
}

static struct tree_node *last_below(const struct tree_page *page)
{
        while (!page->leaf)
                page = page->pages[page->n - 1];
        return page->nodes[page->n - 1];
}

/* The first node of the leaves behind this page. */
static struct tree_node *first_behind(const struct tree_page *page)
{
        for (; page->parent != NULL; page = page->parent) {
                size_t i = index_of(page->parent, page) + 1;

                if (i < page->parent->n)
                        return first_below(page->parent->pages[i]);
        }
        return NULL;
}

struct tree_node *tree_find(const struct tree *tree, const char *key)
{
        struct tree_node *node = tree_from(tree, key);

        return node != NULL && strcmp(node->key, key) == 0 ? node : NULL;
}

/* The first node whose key is greater than `key`, or at least equal when `equal_too`. */
static struct tree_node *lower_bound(const struct tree *tree, const char *key, bool equal_too)
{
        struct tree_page *leaf;
        size_t i;

        if (key == NULL || tree->root == NULL)
                return tree_first(tree);
        leaf = leaf_of(tree, key);
        i = count_below(leaf, key, !equal_too);
        return i < leaf->n ? leaf->nodes[i] : first_behind(leaf);
}

struct tree_node *tree_after(const struct tree *tree, const char *key)
{
        return lower_bound(tree, key, false);
}

struct tree_node *tree_from(const struct tree *tree, const char *key)
{
        return lower_bound(tree, key, true);
}

struct tree_node *tree_first(const struct tree *tree)
{
        return tree->root != NULL ? first_below(tree->root) : NULL;
}

struct tree_node *tree_last(const struct tree *tree)
{
        return tree->root != NULL ? last_below(tree->root) : NULL;
}

struct tree_node *tree_next(const struct tree_node *node)
{
        const struct tree_page *page = node->page;
        size_t i = index_of(page, node) + 1;

        return i < page->n ? page->nodes[i] : first_behind(page);
}

struct tree_node *tree_prev(const struct tree_node *node)
{
        const struct tree_page *page = node->page;
        size_t i = index_of(page, node);

        if (i > 0)
                return page->nodes[i - 1];
        for (; page->parent != NULL; page = page->parent) {
                i = index_of(page->parent, page);
                if (i > 0)
                        return last_below(page->parent->pages[i - 1]);
        }
        return NULL;
}
