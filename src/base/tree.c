/* SPDX-License-Identifier: Apache-2.0 */
/* Ordered index: an AVL tree through the objects (heights of siblings differ by one at most). */
#include "base/tree.h"

#include <string.h>

void tree_init(struct tree *tree)
{
        *tree = (struct tree){0};
}

static int height(const struct tree_node *node)
{
        return node != NULL ? node->height : 0;
}

static void measure(struct tree_node *node)
{
        node->height = 1 + MAX(height(node->left), height(node->right));
}

/* Puts `now` where `was` hangs under its parent. */
static void replace(struct tree *tree, struct tree_node *was, struct tree_node *now)
{
        struct tree_node *parent = was->parent;
        if (parent == NULL)
                tree->root = now;
        else if (parent->left == was)
                parent->left = now;
        else
                parent->right = now;
        if (now != NULL)
                now->parent = parent;
}

/* The left child rises above `node`; returns it. */
static struct tree_node *rotate_right(struct tree *tree, struct tree_node *node)
{
        struct tree_node *up = node->left;
        replace(tree, node, up);
        node->left = up->right;
        if (node->left != NULL)
                node->left->parent = node;
        up->right = node;
        node->parent = up;
        measure(node);
        measure(up);
        return up;
}

static struct tree_node *rotate_left(struct tree *tree, struct tree_node *node)
{
        struct tree_node *up = node->right;
        replace(tree, node, up);
        node->right = up->left;
        if (node->right != NULL)
                node->right->parent = node;
        up->left = node;
        node->parent = up;
        measure(node);
        measure(up);
        return up;
}

/* Restores the balance from `node` upwards; ends where the height did not change. */
static void rebalance(struct tree *tree, struct tree_node *node)
{
        while (node != NULL) {
                int before = node->height;
                int lean = height(node->left) - height(node->right);
                if (lean > 1) {
                        if (height(node->left->left) < height(node->left->right))
                                rotate_left(tree, node->left);
                        node = rotate_right(tree, node);
                } else if (lean < -1) {
                        if (height(node->right->right) < height(node->right->left))
                                rotate_right(tree, node->right);
                        node = rotate_left(tree, node);
                } else {
                        measure(node);
                }
                if (node->height == before)
                        return;
                node = node->parent;
        }
}

void tree_insert(struct tree *tree, struct tree_node *node, const char *key)
{
        struct tree_node *parent = NULL, **at = &tree->root;
        while (*at != NULL) {
                int order = strcmp(key, (*at)->key);
                assert(order != 0);
                parent = *at;
                at = order < 0 ? &parent->left : &parent->right;
        }
        *node = (struct tree_node){.parent = parent, .key = key, .height = 1};
        *at = node;
        tree->count++;
        rebalance(tree, parent);
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
        struct tree_node *from; /* the lowest node whose subtree shrank */
        assert(tree->count > 0);
        if (node->left == NULL || node->right == NULL) {
                from = node->parent;
                replace(tree, node, node->left != NULL ? node->left : node->right);
        } else {
                /* The successor takes the node's place. */
                struct tree_node *heir = node->right;
                while (heir->left != NULL)
                        heir = heir->left;
                from = heir->parent != node ? heir->parent : heir;
                if (heir->parent != node) {
                        replace(tree, heir, heir->right);
                        heir->right = node->right;
                        heir->right->parent = heir;
                }
                replace(tree, node, heir);
                heir->left = node->left;
                heir->left->parent = heir;
                heir->height = node->height;
        }
        node->left = node->right = node->parent = NULL;
        tree->count--;
        rebalance(tree, from);
}

struct tree_node *tree_find(const struct tree *tree, const char *key)
{
        struct tree_node *node = tree->root;
        while (node != NULL) {
                int order = strcmp(key, node->key);
                if (order == 0)
                        return node;
                node = order < 0 ? node->left : node->right;
        }
        return NULL;
}

/* The first node whose key is greater than `key`, or at least equal when `equal_too`. */
static struct tree_node *lower_bound(const struct tree *tree, const char *key, bool equal_too)
{
        struct tree_node *node = tree->root, *best = NULL;
        if (key == NULL)
                return tree_first(tree);
        while (node != NULL) {
                int order = strcmp(node->key, key);
                if (order > 0 || (order == 0 && equal_too)) {
                        best = node;
                        node = node->left;
                } else {
                        node = node->right;
                }
        }
        return best;
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
        struct tree_node *node = tree->root;
        while (node != NULL && node->left != NULL)
                node = node->left;
        return node;
}

struct tree_node *tree_last(const struct tree *tree)
{
        struct tree_node *node = tree->root;
        while (node != NULL && node->right != NULL)
                node = node->right;
        return node;
}

struct tree_node *tree_next(const struct tree_node *node)
{
        if (node->right != NULL) {
                struct tree_node *down = node->right;
                while (down->left != NULL)
                        down = down->left;
                return down;
        }
        while (node->parent != NULL && node->parent->right == node)
                node = node->parent;
        return node->parent;
}

struct tree_node *tree_prev(const struct tree_node *node)
{
        if (node->left != NULL) {
                struct tree_node *down = node->left;
                while (down->right != NULL)
                        down = down->right;
                return down;
        }
        while (node->parent != NULL && node->parent->left == node)
                node = node->parent;
        return node->parent;
}
