/* SPDX-License-Identifier: Apache-2.0 */
/* Ordered intrusive index: a balanced tree keyed by strings (compared as bytes). O(log n) for everything but `next`,
 * which is O(1) amortised. Keys belong to the object and must not change while it is in the tree. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

struct tree_node {
        struct tree_node *left, *right, *parent;
        const char *key;
        int height;
};

struct tree {
        struct tree_node *root;
        size_t count;
};

void tree_init(struct tree *tree);
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
