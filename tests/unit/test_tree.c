/* SPDX-License-Identifier: Apache-2.0 */
/* Ordered index: against a plain array. */
#include "base/tree.h"

#include "unit.h"

#define N 6000

struct item {
        char key[48];
        struct tree_node node;
        bool in;
};

static struct item items[N];

/* The first key that is in the tree from index `i` on. */
static struct tree_node *expected(int i)
{
        for (; i < N; i++) {
                if (items[i].in)
                        return &items[i].node;
        }
        return NULL;
}

/* Keys of item i: in ascending order, with what is hard for a tree that looks at eight bytes first. */
static void plain(int i, char *key)
{
        snprintf(key, 48, "%05d", i);
}

static void behind_long_prefixes(int i, char *key)
{
        snprintf(key, 48, "production-%c/service-with-a-name/%05d", 'a' + i / 1500, i);
}

static void ends_of_each_other(int i, char *key)
{
        snprintf(key, 48, "%05d%.*s", i / 20, i % 20, "aaaaaaaaaaaaaaaaaaaa");
}

static void bytes_of_all_values(int i, char *key)
{
        snprintf(key, 48, "x%c%c%c", 1 + i / 250 * 10, 1 + i % 250, 255);
}

static void check_all(const struct tree *tree, size_t count)
{
        struct tree_node *before = NULL;
        size_t seen = 0;

        tree_for_each (node, tree) {
                assert_ptr_equal(tree_prev(node), before);
                assert_true(before == NULL || strcmp(before->key, node->key) < 0);
                before = node;
                seen++;
        }
        assert_int_equal(seen, count);
        assert_int_equal(tree->count, count);
        assert_ptr_equal(tree_last(tree), before);
        assert_ptr_equal(tree_after(tree, NULL), tree_first(tree));
        assert_ptr_equal(tree_first(tree), expected(0));
}

static void check_around(const struct tree *tree, int i)
{
        char behind[64];

        snprintf(behind, sizeof(behind), "%s%c", items[i].key, 1);
        assert_ptr_equal(tree_find(tree, items[i].key), items[i].in ? &items[i].node : NULL);
        assert_ptr_equal(tree_from(tree, items[i].key), expected(i));
        assert_ptr_equal(tree_after(tree, items[i].key), expected(i + 1));
        assert_ptr_equal(tree_from(tree, behind), expected(i + 1));
        assert_null(tree_find(tree, behind));
}

static void change(struct tree *tree, struct item *item)
{
        if (item->in)
                tree_remove(tree, &item->node);
        else
                tree_insert(tree, &item->node, item->key);
        item->in = !item->in;
}

/* Grows and shrinks by turns, then empties from the front, the back or anywhere. */
static void run(void (*name)(int i, char *key), unsigned seed)
{
        struct tree tree;
        size_t count = 0;

        tree_init(&tree);
        srand(seed);
        for (int i = 0; i < N; i++)
                name(i, items[i].key);
        for (int round = 0; round < 60000; round++) {
                int i = rand() % N;
                bool grow = round / 15000 % 2 == 0;

                if (items[i].in != grow || round % 5 == 0) {
                        count += items[i].in ? (size_t)-1 : 1;
                        change(&tree, &items[i]);
                }
                if (round % 7 == 0)
                        check_around(&tree, i);
                if (round % 5000 == 0)
                        check_all(&tree, count);
        }
        for (int k = 0; k < N; k++) {
                int i = seed % 3 == 0 ? k : seed % 3 == 1 ? N - 1 - k : k * 7 % N;

                if (items[i].in) {
                        count--;
                        change(&tree, &items[i]);
                }
                if (k % 500 == 0)
                        check_all(&tree, count);
        }
        check_all(&tree, 0);
        assert_null(tree.root);
}

static void random_changes(void **state)
{
        static void (*const names[])(int, char *) = {plain, behind_long_prefixes, ends_of_each_other, bytes_of_all_values};

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                for (unsigned seed = 0; seed < 3; seed++)
                        run(names[i], seed);
}

/* Keys in order, either way; the tree forgets them all at once. */
static void in_order(void **state)
{
        struct tree tree = {0};

        for (int way = 0; way < 2; way++) {
                for (int i = 0; i < N; i++) {
                        struct item *item = &items[way == 0 ? i : N - 1 - i];

                        plain(way == 0 ? i : N - 1 - i, item->key);
                        item->in = false;
                        change(&tree, item);
                }
                check_all(&tree, N);
                for (int i = 0; i < N; i++)
                        check_around(&tree, i);
                tree_done(&tree);
                for (int i = 0; i < N; i++)
                        items[i].in = false;
                check_all(&tree, 0);
        }
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
                cmocka_unit_test(in_order),
                cmocka_unit_test(removal_inside_the_loop),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
