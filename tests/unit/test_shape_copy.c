/* SPDX-License-Identifier: Apache-2.0 */
/* Copies share nothing with what they were made of, equal means equal, and lists grow wherever they came from. */
#include <malloc.h>

#include "api/kinds.idl.h"
#include "codec/shape.h"
#include "unit.h"

static const char document[] = "{\"string\":\"text\",\"blob\":\"AAEC\",\"json\":{\"a\":[1]},\"color\":\"green\",\"seconds\":1700000000.5,"
                               "\"int\":-1,\"long\":2,\"double\":0.5,"
                               "\"bool\":false,\"leaf\":{\"name\":\"leaf\",\"value\":3},\"self\":{\"strings\":[\"inner\"],\"map\":{\"x\":"
                               "\"y\"}},\"strings\":[\"one\",\"two\",\"three\"],"
                               "\"ints\":[1,2],\"longs\":[],\"colors\":[\"red\"],\"leaves\":[{\"name\":\"a\"},{\"name\":\"b\",\"value\":1}]"
                               ",\"map\":{\"k\":\"v\",\"l\":\"w\"}}";

static struct kinds_all *parse(struct arena *arena, const char *json)
{
        struct kinds_all *obj = NULL;
        struct error error = {0};

        if (SHAPE_PARSE(kinds_all, arena, json, strlen(json), NULL, &obj, &error) < 0)
                fail_msg("%s", error.message);
        return obj;
}

static void test_pack(void **state)
{
        struct arena arena = {0};
        CLEANUP_ARENA struct arena other = {0};
        struct kinds_all *obj = parse(&arena, document), *packed = SHAPE_PACK(kinds_all, obj);

        assert_true(SHAPE_HAS(packed, kinds_all, int_));
        assert_true(shape_equal(&kinds_all_shape, obj, packed));
        assert_true(shape_packed_size(&kinds_all_shape, obj) <= malloc_usable_size(packed));
        assert_int_equal(shape_packed_size(&kinds_all_shape, obj), shape_packed_size(&kinds_all_shape, packed));
        arena_done(&arena); /* a sanitizer sees whoever still looks there */
        assert_true(shape_equal(&kinds_all_shape, parse(&other, document), packed));
        assert_int_equal(packed->longs.n, 0);
        assert_non_null(packed->longs.items);
        assert_int_equal(((const char *)packed->blob.data)[2], 2);
        free(packed);
}

static void test_copy(void **state)
{
        struct arena arena = {0};
        CLEANUP_ARENA struct arena other = {0};
        struct kinds_all *copy = SHAPE_COPY(kinds_all, parse(&arena, document), &other), into = {0};

        shape_copy_into(&kinds_all_shape, &into, parse(&arena, document), &other);
        arena_done(&arena);
        assert_true(shape_equal(&kinds_all_shape, parse(&other, document), copy));
        assert_true(shape_equal(&kinds_all_shape, &into, copy));
        assert_string_equal(into.leaves.items[1].name, "b");
        shape_copy_into(&kinds_all_shape, &into, &into, &other);
        assert_true(shape_equal(&kinds_all_shape, &into, copy));
}

/* What is the end of the text before it is kept with it. */
static void test_ends_are_shared(void **state)
{
        static const char same[] = "{\"leaves\":[{\"name\":\"x:web\"},{\"name\":\"web\"},{\"name\":\"b\"},{\"name\":\"eb\"}]}";
        static const char other[] = "{\"leaves\":[{\"name\":\"x:web\"},{\"name\":\"wet\"},{\"name\":\"b\"},{\"name\":\"eb\"}]}";
        CLEANUP_ARENA struct arena arena = {0};
        struct kinds_all *shared = SHAPE_PACK(kinds_all, parse(&arena, same)), *apart = SHAPE_PACK(kinds_all, parse(&arena, other));
        struct kinds_all *again = SHAPE_COPY(kinds_all, shared, &arena);

        assert_true(shape_equal(&kinds_all_shape, shared, parse(&arena, same)));
        assert_true(shape_equal(&kinds_all_shape, apart, parse(&arena, other)));
        assert_true(shape_equal(&kinds_all_shape, again, shared));
        assert_ptr_equal(shared->leaves.items[1].name, shared->leaves.items[0].name + 2);
        assert_ptr_equal(shared->leaves.items[3].name, shared->leaves.items[0].name + 3);
        assert_int_equal(shape_packed_size(&kinds_all_shape, shared) + 4 + 2 + 3, shape_packed_size(&kinds_all_shape, apart));
        free(shared);
        free(apart);
}

static void test_nothing(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        const struct kinds_all empty = {0};
        struct kinds_all *packed = SHAPE_PACK(kinds_all, &empty);

        assert_null(shape_copy(&kinds_all_shape, NULL, &arena));
        assert_null(shape_pack(&kinds_all_shape, NULL));
        assert_int_equal(shape_packed_size(&kinds_all_shape, NULL), 0);
        assert_true(shape_equal(&kinds_all_shape, NULL, NULL));
        assert_false(shape_equal(&kinds_all_shape, NULL, &empty));
        assert_true(shape_equal(&kinds_all_shape, packed, &empty));
        free(packed);
        packed = shape_pack(&shape_empty_shape, &(struct shape_empty){0});
        assert_non_null(packed);
        free(packed);
}

/* Every member makes a difference. */
static void test_equal_sees_each_member(void **state)
{
        static const char *const changed[] = {
                "{\"string\":\"texT\"}",
                "{\"blob\":\"AAED\"}",
                "{\"json\":{\"a\":[2]}}",
                "{\"color\":\"red\"}",
                "{\"seconds\":1700000000.501}",
                "{\"int\":1}",
                "{\"long\":3}",
                "{\"double\":0.25}",
                "{\"bool\":true}",
                "{\"leaf\":{\"name\":\"leaf\",\"value\":4}}",
                "{\"leaf\":{\"name\":\"leaf\"}}",
                "{\"self\":{\"strings\":[\"inner\"],\"map\":{\"x\":\"z\"}}}",
                "{\"strings\":[\"one\",\"two\"]}",
                "{\"strings\":[\"one\",\"two\",\"four\"]}",
                "{\"ints\":[1,3]}",
                "{\"colors\":[\"green\"]}",
                "{\"leaves\":[{\"name\":\"a\"},{\"name\":\"c\",\"value\":1}]}",
                "{\"map\":{\"k\":\"v\"}}",
                "{\"map\":{\"k\":\"v\",\"m\":\"w\"}}",
                "{\"open\":\"first\"}",
                "{\"secret\":\"\"}",
                "{\"opens\":[]}",
                "{\"millis\":1}",
        };
        CLEANUP_ARENA struct arena arena = {0};
        struct kinds_all *obj = parse(&arena, document);
        char text[2048];

        for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
                /* Appended: the last of repeated members counts. */
                (void)snprintf(text, sizeof(text), "%.*s,%s", (int)strlen(document) - 1, document, changed[i] + 1);
                assert_false(shape_equal(&kinds_all_shape, obj, parse(&arena, text)));
                assert_false(shape_equal(&kinds_all_shape, parse(&arena, text), obj));
        }
        assert_true(shape_equal(&kinds_all_shape, parse(&arena, "{\"map\":{\"a\":\"1\",\"b\":\"2\"}}"),
                                parse(&arena, "{\"map\":{\"b\":\"2\",\"a\":\"1\"}}")));
        assert_true(shape_equal(&kinds_all_shape, parse(&arena, "{\"double\":\"NaN\"}"), parse(&arena, "{\"double\":\"NaN\"}")));
}

static void test_equal_takes_absent_for_empty_where_both_are_written(void **state)
{
        struct string_list empty = {.items = (const char *[]){NULL}};
        const struct kinds_always a = {0}, b = {.strings = empty};
        const struct kinds_all c = {0}, d = {.strings = empty};

        assert_true(shape_equal(&kinds_always_shape, &a, &b));
        assert_true(shape_equal(&kinds_always_shape, &b, &a));
        assert_false(shape_equal(&kinds_all_shape, &c, &d));
        const struct kinds_always zeroes = {
                .has = ~UINT64_C(0), .string = "", .map = {.items = (struct string_pair[]){{0}}}, .leaf = &(struct kinds_leaf){0}};
        struct kinds_always one = zeroes;

        assert_true(shape_equal(&kinds_always_shape, &a, &zeroes));
        one.double_ = -0.0;
        assert_false(shape_equal(&kinds_always_shape, &a, &one));
}

/* Lists that were read, copied, packed or put together by hand have no room behind them that PUSH may use. */
static void test_push(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct kinds_all *obj = parse(&arena, document), *packed = SHAPE_PACK(kinds_all, obj), flat = *packed, built = {0};
        struct kinds_leaf own[3] = {{.name = "x"}, {.name = "y"}, {.name = "z"}};

        SHAPE_PUSH(&arena, &obj->leaves)->name = "c";
        assert_int_equal(obj->leaves.n, 3);
        assert_string_equal(obj->leaves.items[0].name, "a");
        assert_string_equal(obj->leaves.items[2].name, "c");
        SHAPE_PUSH(&arena, &flat.leaves)->name = "c";
        assert_int_equal(packed->leaves.n, 2);
        assert_int_equal(flat.leaves.n, 3);
        free(packed);
        for (int i = 0; i < 100; i++) {
                struct kinds_leaf *leaf = SHAPE_PUSH(&arena, &built.leaves);

                assert_null(leaf->name);
                assert_false(SHAPE_HAS(leaf, kinds_leaf, value));
                SHAPE_SET(leaf, kinds_leaf, value, i);
        }
        for (int i = 0; i < 100; i++)
                assert_int_equal(built.leaves.items[i].value, i);
        /* Another array in the same list: its old room must be forgotten. */
        built.leaves.items = own;
        built.leaves.n = 3;
        SHAPE_PUSH(&arena, &built.leaves)->name = "w";
        assert_string_equal(built.leaves.items[3].name, "w");
        assert_string_equal(built.leaves.items[2].name, "z");
}

static void test_strings_and_maps(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct string_list list = {0};
        struct string_map map = {0};
        char text[8] = "a";

        string_list_push(&arena, &list, text);
        string_map_set(&arena, &map, text, "1");
        text[0] = 'b';
        string_list_push(&arena, &list, text);
        string_map_set(&arena, &map, text, "2");
        string_map_set(&arena, &map, "a", "3");
        assert_int_equal(list.n, 2);
        assert_string_equal(list.items[0], "a");
        assert_string_equal(list.items[1], "b");
        assert_int_equal(map.n, 2);
        assert_string_equal(string_map_get(&map, "a"), "3");
        assert_string_equal(string_map_get(&map, "b"), "2");
        assert_null(string_map_get(&map, "c"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pack),
                cmocka_unit_test(test_copy),
                cmocka_unit_test(test_ends_are_shared),
                cmocka_unit_test(test_nothing),
                cmocka_unit_test(test_equal_sees_each_member),
                cmocka_unit_test(test_equal_takes_absent_for_empty_where_both_are_written),
                cmocka_unit_test(test_push),
                cmocka_unit_test(test_strings_and_maps),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
