/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes from and to JSON, kind by kind: what each accepts, what it writes, and the limits of size and depth. */
#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "api/kinds.idl.h"
#include "codec/json.h"
#include "codec/shape.h"
#include "unit.h"

static int parse(struct arena *arena, const char *json, struct kinds_all **ret, struct error *error)
{
        *error = (struct error){0};
        return SHAPE_PARSE(kinds_all, arena, json, strlen(json), NULL, ret, error);
}

/* Reads a document and expects what is written again. */
static void expect_rewritten(const char *in, const char *out)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_BUF struct buf written = {0};
        struct kinds_all *obj = NULL;
        struct error error;

        if (parse(&arena, in, &obj, &error) < 0)
                fail_msg("%s: %s", in, error.message);
        SHAPE_WRITE(kinds_all, obj, &written);
        assert_string_equal(written.data, out);
}

static void expect_refused(const char *in, const char *words)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct kinds_all *obj = NULL;
        struct error error;

        if (parse(&arena, in, &obj, &error) != -EINVAL || strstr(error.message, words) == NULL)
                fail_msg("%s: %s", in, error.message);
        assert_null(obj);
}

static void test_rewritten(void **state)
{
        static const struct {
                const char *in, *out;
        } rows[] = {
                {" { } ", "{}"},
                {"{\"string\":\"\"}", "{\"string\":\"\"}"},
                {"{\"string\":\"a\\/\\b\\f\\n\\r\\t\\\\\\\"\\u0001\x7f\"}", "{\"string\":\"a/\\b\\f\\n\\r\\t\\\\\\\"\\u0001\x7f\"}"},
                {"{\"str\\u0069ng\":\"a\"}", "{\"string\":\"a\"}"},
                {"{\"string\":\"\xf0\x9f\x98\x80 a string that is longer than sixteen bytes \xc3\xa9 and \\\"more\\\"\"}",
                 "{\"string\":\"\xf0\x9f\x98\x80 a string that is longer than sixteen bytes \xc3\xa9 and \\\"more\\\"\"}"},
                {"{\"string\":\"first\",\"string\":\"last\"}", "{\"string\":\"last\"}"},
                {"{\"strings\":[\"a\",\"b\",\"c\"],\"strings\":[\"d\"]}", "{\"strings\":[\"d\"]}"},
                {"{\"blob\":\"aGVsbG8=\"}", "{\"blob\":\"aGVsbG8=\"}"},
                {"{\"blob\":\"\"}", "{\"blob\":\"\"}"},
                {"{\"json\": {\"a\" : [1, null]} }", "{\"json\":{\"a\" : [1, null]}}"},
                {"{\"json\": \"x\"}", "{\"json\":\"x\"}"},
                {"{\"json\": null}", "{}"},
                {"{\"color\":\"light-blue\"}", "{\"color\":\"light-blue\"}"},
                {"{\"open\":\"second\"}", "{\"open\":\"second\"}"},
                {"{\"open\":\"third\"}", "{}"},
                {"{\"opens\":[\"x\",\"second\",\"y\",\"first\"]}", "{\"opens\":[\"second\",\"first\"]}"},
                {"{\"seconds\":1700000000}", "{\"seconds\":1700000000.000}"},
                {"{\"seconds\":1700000000.123}", "{\"seconds\":1700000000.123}"},
                {"{\"seconds\":1700000000.1239}", "{\"seconds\":1700000000.124}"},
                {"{\"seconds\":1.7000000001E9}", "{\"seconds\":1700000000.100}"},
                {"{\"seconds\":-0.001}", "{\"seconds\":-0.001}"},
                {"{\"seconds\":\"2023-11-14T22:13:20Z\"}", "{\"seconds\":1700000000.000}"},
                {"{\"seconds\":\"2023-11-14T23:13:20.5+01:00\"}", "{\"seconds\":1700000000.500}"},
                {"{\"seconds\":\"2023-11-14T17:13:20.123456-0500\"}", "{\"seconds\":1700000000.123}"},
                {"{\"seconds\":\"2000-02-29T00:00:00Z\"}", "{\"seconds\":951782400.000}"},
                {"{\"millis\":1700000000123}", "{\"millis\":1700000000123}"},
                {"{\"text\":1700000000.123}", "{\"text\":\"2023-11-14T22:13:20.123Z\"}"},
                {"{\"text\":\"0023-11-14T22:13:20Z\"}", "{\"text\":\"0023-11-14T22:13:20.000Z\"}"},
                {"{\"int\":-2147483648}", "{\"int\":-2147483648}"},
                {"{\"int\":2147483647}", "{\"int\":2147483647}"},
                {"{\"int\":-0}", "{\"int\":0}"},
                {"{\"int\":1.0}", "{\"int\":1}"},
                {"{\"int\":1e3}", "{\"int\":1000}"},
                {"{\"int\":1500E-2}", "{\"int\":15}"},
                {"{\"int\":0.00000000000000000000000000}", "{\"int\":0}"},
                {"{\"long\":9223372036854775807}", "{\"long\":9223372036854775807}"},
                {"{\"long\":-9223372036854775808}", "{\"long\":-9223372036854775808}"},
                {"{\"long\":9007199254740993.0}", "{\"long\":9007199254740993}"},
                {"{\"long\":1.0000000000000000000000000000000}", "{\"long\":1}"},
                {"{\"long\":1234567890123456789}", "{\"long\":1234567890123456789}"},
                {"{\"double\":0.1}", "{\"double\":0.1}"},
                {"{\"double\":1e300}", "{\"double\":1e+300}"},
                {"{\"double\":5e-324}", "{\"double\":4.94065645841247e-324}"},
                {"{\"double\":2.5E1}", "{\"double\":25}"},
                {"{\"double\":-0.0}", "{\"double\":-0}"},
                {"{\"double\":0.30000000000000004}", "{\"double\":0.30000000000000004}"},
                {"{\"double\":123456789012345678901234567890}", "{\"double\":1.2345678901234568e+29}"},
                {"{\"double\":\"NaN\"}", "{\"double\":\"NaN\"}"},
                {"{\"double\":\"-Infinity\"}", "{\"double\":\"-Infinity\"}"},
                {"{\"bool\":true}", "{\"bool\":true}"},
                {"{\"bool\":false}", "{\"bool\":false}"},
                {"{\"bool\":null,\"int\":null}", "{}"},
                {"{\"leaf\":{\"name\":\"a\",\"value\":1}}", "{\"leaf\":{\"name\":\"a\",\"value\":1}}"},
                {"{\"self\":{\"self\":{\"int\":1}}}", "{\"self\":{\"self\":{\"int\":1}}}"},
                {"{\"strings\":[]}", "{\"strings\":[]}"},
                {"{\"strings\":[null,\"a\",null]}", "{\"strings\":[\"a\"]}"},
                {"{\"ints\":[1,2,-3],\"longs\":[9007199254740993]}", "{\"ints\":[1,2,-3],\"longs\":[9007199254740993]}"},
                {"{\"colors\":[\"red\",\"green\"]}", "{\"colors\":[\"red\",\"green\"]}"},
                {"{\"leaves\":[{\"name\":\"a\"},{\"name\":\"b\"}]}", "{\"leaves\":[{\"name\":\"a\"},{\"name\":\"b\"}]}"},
                {"{\"map\":{}}", "{\"map\":{}}"},
                {"{\"map\":{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\",\"c\":null}}", "{\"map\":{\"a\":\"3\",\"b\":\"2\"}}"},
                {"{\"map\":{\"\\u0061\\n\":\"1\"}}", "{\"map\":{\"a\\n\":\"1\"}}"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                expect_rewritten(rows[i].in, rows[i].out);
}

static void test_refused(void **state)
{
        static const struct {
                const char *in, *words;
        } rows[] = {
                {"{\"blob\":\"a\"}", "blob: the text is not valid base64"},
                {"{\"blob\":\"aGVsbG9=\"}", "base64"},
                {"{\"blob\":1}", "a string was expected"},
                {"{\"json\":{]}", "json: a string was expected"},
                {"{\"json\":\"\\u0000\"}", "NUL"},
                {"{\"color\":\"blue\"}", "color: \"blue\" is not one of red, green, light-blue"},
                {"{\"color\":\"re\"}", "is not one of"},
                {"{\"color\":\"reds\"}", "is not one of"},
                {"{\"color\":1}", "a string was expected"},
                {"{\"seconds\":true}", "seconds: a time (seconds since 1970) was expected, not a boolean"},
                {"{\"seconds\":\"yesterday\"}", "seconds: not a time"},
                {"{\"seconds\":\"2023-02-29T00:00:00Z\"}", "not a time"},
                {"{\"seconds\":\"2023-11-14T22:13:20\"}", "not a time"},
                {"{\"seconds\":\"2023-11-14T22:13:20Zx\"}", "not a time"},
                {"{\"seconds\":\"2023-11-14T22:13:20.Z\"}", "not a time"},
                {"{\"seconds\":\"2023-11-14T24:00:00Z\"}", "not a time"},
                {"{\"seconds\":1e300}", "not a time"},
                {"{\"seconds\":300000000000}", "not a time"},
                {"{\"int\":1e10}", "int: the number does not fit into 32 bits"},
                {"{\"long\":9223372036854775808}", "long: the number does not fit into 64 bits"},
                {"{\"long\":-9223372036854775809}", "64 bits"},
                {"{\"long\":1e19}", "64 bits"},
                {"{\"long\":12345678901234567890123.5}", "64 bits"},
                {"{\"long\":1.00000000000000000000000000000001}", "is not a whole number"},
                {"{\"double\":1e400}", "double: the number is too large"},
                {"{\"double\":\"1\"}", "a number was expected"},
                {"{\"double\":.5}", "a value was expected"},
                {"{\"double\":+5}", "a value was expected"},
                {"{\"double\":0x10}", "',' or '}' was expected"},
                {"{\"bool\":\"true\"}", "bool: true or false was expected, not a string"},
                {"{\"ints\":[1,\"2\"]}", "ints[1]: a whole number was expected, not a string"},
                {"{\"ints\":[2147483648]}", "ints[0]: the number does not fit into 32 bits"},
                {"{\"ints\":[null,1,null,true]}", "ints[3]: a whole number was expected"},
                {"{\"map\":{\"a\":1}}", "map.a: a string was expected, not a number"},
                {"{\"map\":{\"a\":{}}}", "map.a: a string was expected, not an object"},
                {"{\"map\":[]}", "map: an object was expected, not a list"},
                {"{\"self\":{\"self\":{\"leaves\":[{},{\"value\":\"x\"}]}}}", "self.self.leaves[1].value: a whole number was expected"},
                {"{\"leaves\":[{\"name\":\"123456\"}]}", "leaves[0].name: length 6 is not in 1..5"},
                {"{\"unknown\":\"\xff\"}", "unknown: not valid UTF-8"},
                {"{\"\xff\":1}", "not valid UTF-8"},
                {"\xef\xbb\xbf{}", "a value was expected"},
                {"{\"unknown\":[1,2}", "',' or ']' was expected"},
                {"{\"int\":1\x0c}", "',' or '}' was expected"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                expect_refused(rows[i].in, rows[i].words);
}

/* Big maps find repeated keys in another way. */
static void test_big_map(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_BUF struct buf json = {0};
        struct kinds_all *obj;
        struct error error;
        char key[16];

        buf_append_str(&json, "{\"map\":{");
        for (int i = 0; i < 1000; i++)
                buf_printf(&json, "%s\"key%d\":\"%d\"", i > 0 ? "," : "", i % 400, i);
        buf_append_str(&json, "}}");
        assert_int_equal(parse(&arena, json.data, &obj, &error), 0);
        assert_int_equal(obj->map.n, 400);
        for (int i = 0; i < 400; i++) {
                (void)snprintf(key, sizeof(key), "key%d", i);
                assert_int_equal(atoi(string_map_get(&obj->map, key)), i < 200 ? i + 800 : i + 400);
        }
}

/* Lists of all lengths, read into memory that address sanitizers watch. */
static void test_list_growth(void **state)
{
        for (int n = 0; n < 70; n++) {
                CLEANUP_ARENA struct arena arena = {0};
                CLEANUP_BUF struct buf json = {0};
                struct kinds_all *obj;
                struct error error;

                buf_append_str(&json, "{\"leaves\":[");
                for (int i = 0; i < n; i++)
                        buf_printf(&json, "%s{\"value\":%d,\"name\":\"n\"}", i > 0 ? "," : "", i % 11);
                buf_append_str(&json, "],\"ints\":[");
                for (int i = 0; i < n; i++)
                        buf_printf(&json, "%s%d", i > 0 ? "," : "", i);
                buf_append_str(&json, "]}");
                assert_int_equal(parse(&arena, json.data, &obj, &error), 0);
                assert_int_equal(obj->leaves.n, n);
                for (int i = 0; i < n; i++) {
                        assert_int_equal(obj->leaves.items[i].value, i % 11);
                        assert_int_equal(obj->ints.items[i], i);
                }
        }
}

static int parse_nested(uint32_t levels, const char *open, const char *close, const struct shape_limits *limits)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_BUF struct buf json = {0};
        struct kinds_all *obj;
        struct error error = {0};

        for (uint32_t i = 0; i < levels; i++)
                buf_append_str(&json, i == 0 ? "{\"unknown\":" : open);
        buf_append_str(&json, "1");
        for (uint32_t i = levels; i > 0; i--)
                buf_append_str(&json, i == 1 ? "}" : close);
        return SHAPE_PARSE(kinds_all, &arena, json.data, json.len, limits, &obj, &error);
}

static void test_depth(void **state)
{
        const struct shape_limits ten = {.max_depth = 10};
        CLEANUP_BUF struct buf json = {0};
        struct arena arena = {0};
        struct kinds_all *obj;
        struct error error;

        assert_int_equal(parse_nested(64, "[", "]", NULL), 0);
        assert_int_equal(parse_nested(65, "[", "]", NULL), -EINVAL);
        assert_int_equal(parse_nested(10, "{\"a\":", "}", &ten), 0);
        assert_int_equal(parse_nested(11, "{\"a\":", "}", &ten), -EINVAL);
        for (int i = 0; i < 100000; i++)
                buf_append_str(&json, "{\"self\":");
        assert_int_equal(parse(&arena, json.data, &obj, &error), -EINVAL);
        assert_non_null(strstr(error.message, "nested too deeply"));
        arena_done(&arena);
}

static void test_memory_limit(void **state)
{
        const struct shape_limits small = {.max_bytes = 4096}, exact = {.max_bytes = 100000};
        CLEANUP_BUF struct buf json = {0};
        CLEANUP_ARENA struct arena arena = {0};
        struct kinds_all *obj;
        struct error error = {0};

        buf_append_str(&json, "{\"leaves\":[{\"name\":\"a\"}");
        for (int i = 0; i < 300; i++)
                buf_append_str(&json, ",{\"name\":\"a\"}");
        buf_append_str(&json, "]}");
        assert_int_equal(SHAPE_PARSE(kinds_all, &arena, json.data, json.len, &exact, &obj, &error), 0);
        assert_int_equal(SHAPE_PARSE(kinds_all, &arena, json.data, json.len, &small, &obj, &error), -EINVAL);
        assert_non_null(strstr(error.message, "too large"));
}

/* The text need not end in NUL: cut anywhere, it must be refused without a look behind its end. */
static void test_cut_anywhere(void **state)
{
        static const char text[] = "{\"string\":\"a\\u00e9\xc3\xa9\",\"int\":12,\"double\":1.5e3,\"bool\":true,\"leaf\":{\"name\":\"x\"},"
                                   "\"strings\":[\"a\",null],"
                                   "\"map\":{\"k\":\"v\"},\"json\":[1,{\"a\":false}],\"unknown\":[{}]}";
        struct kinds_all *obj;

        for (size_t n = 0; n < sizeof(text); n++) {
                CLEANUP_ARENA struct arena arena = {0};
                char *copy = malloc(n + 1); /* exactly as long as the text, so that a sanitizer sees one byte more */
                struct error error = {0};

                copy = realloc(copy, n > 0 ? n : 1);
                memcpy(copy, text, n);
                assert_int_equal(SHAPE_PARSE(kinds_all, &arena, copy, n, NULL, &obj, &error), n == sizeof(text) - 1 ? 0 : -EINVAL);
                free(copy);
        }
}

static void test_versions(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_BUF struct buf out = {0};
        struct kinds_stored *obj;
        struct error error = {0};
        static const char json[] = "{\"v\":99,\"name\":\"x\"}";

        assert_int_equal(SHAPE_PARSE(kinds_stored, &arena, json, strlen(json), NULL, &obj, &error), 0);
        SHAPE_WRITE(kinds_stored, obj, &out);
        assert_string_equal(out.data, "{\"v\":3,\"name\":\"x\"}");
        buf_clear(&out);
        obj->name = NULL;
        SHAPE_WRITE(kinds_stored, obj, &out);
        assert_string_equal(out.data, "{\"v\":3}");
}

static void test_always(void **state)
{
        CLEANUP_BUF struct buf out = {0};
        const struct kinds_always empty = {0};

        SHAPE_WRITE(kinds_always, &empty, &out);
        assert_string_equal(out.data,
                            "{\"string\":\"\",\"int\":0,\"bool\":false,\"double\":0,\"strings\":[],\"leaves\":[],\"map\":{},\"leaf\":{}}");
}

static void test_redacted(void **state)
{
        CLEANUP_BUF struct buf out = {0};
        struct string_pair pair = {"k", "v"};
        const struct kinds_all obj = {.string = "seen", .secret = "hidden", .secret_map = {.items = &pair, .n = 1}};

        shape_to_json_redacted(&kinds_all_shape, &obj, &out);
        assert_string_equal(out.data, "{\"string\":\"seen\",\"secret\":\"***\",\"secretMap\":\"***\"}");
}

/* Strings come from anywhere: what we write must be JSON all the same. */
static void test_writes_valid_json_whatever_the_bytes(void **state)
{
        char text[48];

        for (int c = 1; c < 256; c++) {
                for (size_t at = 0; at < sizeof(text) - 1; at += 5) {
                        CLEANUP_BUF struct buf out = {0};
                        struct kinds_all obj = {.string = text};
                        json_t *tree;

                        memset(text, 'x', sizeof(text) - 1);
                        text[at] = (char)c;
                        text[sizeof(text) - 1] = '\0';
                        SHAPE_WRITE(kinds_all, &obj, &out);
                        tree = json_loadb(out.data, out.len, 0, NULL);
                        assert_non_null(tree);
                        if (c < 128)
                                assert_string_equal(json_string_value(json_object_get(tree, "string")), text);
                        json_decref(tree);
                }
        }
}

static void test_long_string(void **state)
{
        CLEANUP_BUF struct buf out = {0};
        CLEANUP_ARENA struct arena arena = {0};
        char *text = malloc(100001);
        struct kinds_all obj = {.string = text}, *again;
        struct error error;

        for (int i = 0; i < 100000; i++)
                text[i] = (char)(i % 97 == 0 ? '\x01' : i % 89 == 0 ? '"' : 'a' + i % 26);
        text[100000] = '\0';
        SHAPE_WRITE(kinds_all, &obj, &out);
        assert_true(out.cap < 300000);
        assert_int_equal(parse(&arena, out.data, &again, &error), 0);
        assert_string_equal(again->string, text);
        free(text);
}

/* Doubles come back bit by bit. */
static void test_doubles(void **state)
{
        uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

        for (int i = 0; i < 20000; i++) {
                CLEANUP_BUF struct buf out = {0};
                struct json json;
                struct json_number n;
                double value, again;

                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                memcpy(&value, &x, sizeof(value));
                if (i % 2 == 0)
                        value = (double)(int64_t)(x % 2000000) / 1000;
                if (isnan(value) || isinf(value))
                        continue;
                json_append_double(&out, value);
                json_init(&json, out.data, out.len);
                assert_int_equal(json_read_number(&json, &n), 0);
                assert_true(json.p == json.end);
                assert_int_equal(json_number_double(&n, &again), 0);
                assert_memory_equal(&value, &again, sizeof(value));
                assert_true(again == strtod(out.data, NULL));
        }
}

static void test_integers(void **state)
{
        static const int64_t values[] = {0,     9,      10,        99,        100,       101, 999, 1000, 1005,
                                         12345, 100000, INT32_MAX, INT64_MAX, INT64_MIN, -1,  -10, -100};
        char text[32];

        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                CLEANUP_BUF struct buf out = {0};

                (void)snprintf(text, sizeof(text), "%lld", (long long)values[i]);
                json_append_int(&out, values[i]);
                assert_string_equal(out.data, text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rewritten),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_big_map),
                cmocka_unit_test(test_list_growth),
                cmocka_unit_test(test_depth),
                cmocka_unit_test(test_memory_limit),
                cmocka_unit_test(test_cut_anywhere),
                cmocka_unit_test(test_versions),
                cmocka_unit_test(test_always),
                cmocka_unit_test(test_redacted),
                cmocka_unit_test(test_writes_valid_json_whatever_the_bytes),
                cmocka_unit_test(test_long_string),
                cmocka_unit_test(test_doubles),
                cmocka_unit_test(test_integers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
