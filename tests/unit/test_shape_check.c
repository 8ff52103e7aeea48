/* SPDX-License-Identifier: Apache-2.0 */
/* Validation, defaults, words of enumerations, operations. */
#include <errno.h>

#include "api/kinds.idl.h"
#include "codec/shape.h"
#include "unit.h"

static void test_bounds(void **state)
{
        static const struct {
                const char *json, *words; /* NULL: accepted */
        } rows[] = {
                {"{\"word\":\"ab\"}", NULL},
                {"{\"word\":\"abcd\"}", NULL},
                {"{\"word\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"}", NULL},
                {"{\"word\":\"a\"}", "word: length 1 is not in 2..4"},
                {"{\"word\":\"abcde\"}", "word: length 5 is not in 2..4"},
                {"{\"atLeast\":\"a\"}", "atLeast: length 1 is less than 2"},
                {"{\"atMost\":\"abcd\"}", "atMost: length 4 is more than 3"},
                {"{\"atMost\":\"\"}", NULL},
                {"{\"blob\":\"\"}", "blob: length 0 is not in 1..2"},
                {"{\"blob\":\"AAEC\"}", "blob: length 3 is not in 1..2"},
                {"{\"json\":[1, 2]}", "json: length 6 is more than 5"},
                {"{\"int\":5}", NULL},
                {"{\"int\":-6}", "int: -6 is not in -5..5"},
                {"{\"int\":6}", "int: 6 is not in -5..5"},
                {"{\"long\":0}", "long: 0 is less than 1"},
                {"{\"double\":1}", NULL},
                {"{\"double\":1.01}", "double: 1.01 is not in"},
                {"{\"double\":-0.5}", "double: -0.5 is not in"},
                {"{\"double\":\"NaN\"}", "double: nan is not in"},
                {"{\"strings\":[]}", "strings: number of members 0 is not in 1..2"},
                {"{\"strings\":[\"a\",\"b\",\"c\"]}", "strings: number of members 3 is not in 1..2"},
                {"{\"map\":{\"a\":\"b\",\"c\":\"d\"}}", "map: number of members 2 is more than 1"},
                {"{\"leaf\":{}}", "leaf.name: is required"},
                {"{\"leaves\":[{\"name\":\"a\"},{\"name\":\"b\",\"value\":11}]}", "leaves[1].value: 11 is not in 0..10"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                const struct shape_limits trusted = {.skip_validation = true};
                struct kinds_bounded *obj;
                struct error error = {0};
                int r = SHAPE_PARSE(kinds_bounded, &arena, rows[i].json, strlen(rows[i].json), NULL, &obj, &error);

                if (rows[i].words == NULL) {
                        assert_int_equal(r, 0);
                        continue;
                }
                if (r != -EINVAL || strstr(error.message, rows[i].words) == NULL || strcmp(error.code, "InvalidParameterException") != 0)
                        fail_msg("%s: %d %s %s", rows[i].json, r, error.code, error.message);
                assert_int_equal(SHAPE_PARSE(kinds_bounded, &arena, rows[i].json, strlen(rows[i].json), &trusted, &obj, NULL), 0);
                assert_int_equal(shape_validate(&kinds_bounded_shape, obj, NULL), -EINVAL);
        }
}

static void test_required(void **state)
{
        struct kinds_leaf leaf = {.name = "x"};
        struct kinds_needy obj = {.string = "", .list = {.items = (const char *[]){"a"}, .n = 1}, .leaf = &leaf, .color = KINDS_COLOR_RED};
        struct kinds_needy whole;

        assert_int_equal(shape_validate(&kinds_needy_shape, &obj, NULL), -EINVAL);
        SHAPE_SET(&obj, kinds_needy, int_, 0);
        assert_int_equal(shape_validate(&kinds_needy_shape, &obj, NULL), 0);
        for (int i = 0; i < 5; i++) {
                static const char *const words[] = {"string: is required", "int: is required", "list: is required", "leaf: is required",
                                                    "color: is required"};
                struct error error = {0};

                whole = obj;
                if (i == 0)
                        whole.string = NULL;
                else if (i == 1)
                        SHAPE_CLEAR(&whole, kinds_needy, int_);
                else if (i == 2)
                        whole.list.items = NULL;
                else if (i == 3)
                        whole.leaf = NULL;
                else
                        whole.color = KINDS_COLOR_UNSET;
                assert_int_equal(shape_validate(&kinds_needy_shape, &whole, &error), -EINVAL);
                assert_string_equal(error.message, words[i]);
        }
}

static void test_defaults(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        static const char json[] = "{\"int\":1,\"off\":true,\"inner\":{\"color\":\"red\"},\"list\":[{},{\"bool\":false}]}";
        struct kinds_defaults *obj;
        CLEANUP_BUF struct buf out = {0};

        assert_int_equal(SHAPE_PARSE(kinds_defaults, &arena, json, strlen(json), NULL, &obj, NULL), 0);
        shape_apply_defaults(&kinds_defaults_shape, obj, &arena);
        SHAPE_WRITE(kinds_defaults, obj, &out);
        assert_string_equal(out.data, "{\"int\":1,\"long\":-1,\"bool\":true,\"off\":true,\"double\":2,\"color\":\"green\","
                                      "\"inner\":{\"int\":7,\"long\":-1,\"bool\":true,\"off\":false,\"double\":2,\"color\":\"red\"},"
                                      "\"list\":[{\"int\":7,\"long\":-1,\"bool\":true,\"off\":false,\"double\":2,\"color\":\"green\"},"
                                      "{\"int\":7,\"long\":-1,\"bool\":false,\"off\":false,\"double\":2,\"color\":\"green\"}]}");
}

static void test_words(void **state)
{
        assert_null(shape_enum_name(&kinds_color_enum, 0));
        assert_null(shape_enum_name(&kinds_color_enum, -1));
        assert_null(shape_enum_name(&kinds_color_enum, KINDS_COLOR_MAX));
        assert_string_equal(shape_enum_name(&kinds_color_enum, KINDS_COLOR_LIGHT_BLUE), "light-blue");
        assert_int_equal(shape_enum_value(&kinds_color_enum, "green"), KINDS_COLOR_GREEN);
        assert_int_equal(shape_enum_value(&kinds_color_enum, "gree"), 0);
        assert_int_equal(shape_enum_value(&kinds_color_enum, "greens"), 0);
        assert_int_equal(shape_enum_value(&kinds_color_enum, ""), 0);
        assert_int_equal(shape_enum_value(&kinds_color_enum, NULL), 0);
}

static void test_operations(void **state)
{
        const struct shape_operation *op = shape_service_find(&kinds_service, "DoNothing");

        assert_non_null(op);
        assert_int_equal(op->index, KINDS_OP_DO_NOTHING);
        assert_string_equal(op->permission, "kind:DoNothing");
        assert_ptr_equal(op->input, &shape_empty_shape);
        assert_ptr_equal(shape_service_find(&kinds_service, "DoStored")->output, &kinds_stored_shape);
        assert_string_equal(shape_service_find(&kinds_service, "Do")->errors[1], "Broken");
        assert_null(shape_service_find(&kinds_service, "do"));
        assert_int_equal(kinds_error_status("Broken"), 500);
        assert_int_equal(kinds_error_status("Other"), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bounds), cmocka_unit_test(test_required),   cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_words),  cmocka_unit_test(test_operations),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
