/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ordered intrusive index, keyed by strings (compared as bytes): a B+ tree. A search among a million keys touches four pages, and
 * compares eight bytes of each key that the page has at hand, where a binary tree fetches twenty nodes and their keys. `next` and
 * `prev` are O(1). Keys belong to the object and must not change while it is in the tree.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

struct tree_page;

struct tree_node {
        struct tree_page *page; /* the tree's own business */
        const char *key;
};

struct tree {
        struct tree_page *root;
        size_t count;
};

void tree_init(struct tree *tree);
/* Forgets all nodes and frees what the tree took for itself. */
void tree_done(struct tree *tree);
/* `key` must not be in the tree. */
void tree_insert(struct tree *tree, struct tree_node *node, const char *key);
void tree_remove(struct tree *tree, struct tree_node *node);
/* NULL when there is none. */
struct tree_node *tree_find(const struct tree *tree, const char *key);
/* The first node whose key is greater than `key` (`after`) or not less (`from`); NULL key gives the first of all. */
struct tree_node *tree_after(const struct tree *tree, const char *key);
struct tree_node *tree_from(const struct tree *tree, const char *key);
struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_prev(const struct tree_node *node);
struct tree_node *tree_last(const struct tree *tree);

#define tree_for_each(node, tree)                                                                                   \
        for (struct tree_node *node = tree_first(tree), *node##_next = node ? tree_next(node) : NULL; node != NULL; \
             node = node##_next, node##_next = node ? tree_next(node) : NULL)
