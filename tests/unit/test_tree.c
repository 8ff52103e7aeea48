/* SPDX-License-Identifier: Apache-2.0 */
/* Ordered index: against a plain array, with the balance checked after every change. */
#include "base/tree.h"

#include "unit.h"

#define N 512

struct item {
        char key[16];
        struct tree_node node;
        bool in;
};

static struct item items[N];

static int check(const struct tree_node *node, const struct tree_node *parent)
{
        if (node == NULL)
                return 0;
        assert_ptr_equal(node->parent, parent);
        int left = check(node->left, node), right = check(node->right, node);
        assert_true(abs(left - right) <= 1);
        assert_int_equal(node->height, 1 + MAX(left, right));
        return node->height;
}

/* The first key that is in the tree from index `i` on. */
static struct tree_node *expected(int i)
{
        for (; i < N; i++) {
                if (items[i].in)
                        return &items[i].node;
        }
        return NULL;
}

static void random_changes(void **state)
{
        struct tree tree;
        size_t count = 0;
        tree_init(&tree);
        srand(42);
        for (int i = 0; i < N; i++)
                snprintf(items[i].key, sizeof(items[i].key), "%05d", i * 2);
        for (int round = 0; round < 20000; round++) {
                int i = rand() % N;
                bool grow = round / 4000 % 2 == 0;
                if (!items[i].in && (grow || round % 5 == 0)) {
                        tree_insert(&tree, &items[i].node, items[i].key);
                        items[i].in = true;
                        count++;
                } else if (items[i].in && (!grow || round % 5 == 0)) {
                        tree_remove(&tree, &items[i].node);
                        items[i].in = false;
                        count--;
                }
                assert_int_equal(tree.count, count);
                if (round % 16 == 0)
                        check(tree.root, NULL);
                char odd[16];
                snprintf(odd, sizeof(odd), "%05d", i * 2 + 1);
                assert_ptr_equal(tree_find(&tree, items[i].key), items[i].in ? &items[i].node : NULL);
                assert_ptr_equal(tree_from(&tree, items[i].key), expected(i));
                assert_ptr_equal(tree_after(&tree, items[i].key), expected(i + 1));
                assert_ptr_equal(tree_from(&tree, odd), expected(i + 1));
                assert_null(tree_find(&tree, odd));
        }
        size_t seen = 0;
        struct tree_node *before = NULL;
        tree_for_each (node, &tree) {
                assert_ptr_equal(tree_prev(node), before);
                assert_true(before == NULL || strcmp(before->key, node->key) < 0);
                before = node;
                seen++;
        }
        assert_int_equal(seen, count);
        assert_ptr_equal(tree_last(&tree), before);
        assert_ptr_equal(tree_after(&tree, NULL), tree_first(&tree));
}

static void removal_inside_the_loop(void **state)
{
        struct tree tree = {0};
        struct tree_node nodes[3];
        tree_insert(&tree, &nodes[0], "a");
        tree_insert(&tree, &nodes[1], "b");
        tree_insert(&tree, &nodes[2], "c");
        tree_for_each (node, &tree)
                tree_remove(&tree, node);
        assert_int_equal(tree.count, 0);
        assert_null(tree_first(&tree));
        assert_null(tree_last(&tree));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(random_changes),
                cmocka_unit_test(removal_inside_the_loop),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
