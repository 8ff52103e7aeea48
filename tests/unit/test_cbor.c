/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR to shapes and back. Expected bytes are worked out by hand from RFC 8949. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "api/cloudwatch.idl.h"
#include "codec/cbor.h"

static int read_bytes(struct arena *arena, const char *bytes, size_t len, struct cloudwatch_put_metric_data_input **ret,
                      struct error *error)
{
        static const struct shape_limits limits = {.max_depth = 8};

        return cbor_read(&cloudwatch_put_metric_data_input_shape, arena, bytes, len, &limits, (void **)ret, error);
}
#define READ(arena, bytes, ret, error) read_bytes(arena, bytes, sizeof(bytes) - 1, ret, error)

/* {"Namespace":"a","MetricData":[{"MetricName":"m","Timestamp":1(N),"Value":V,…}]} */
#define DATUM(n, members)       \
        "\xa2\x69Namespace\x61" \
        "a\x6aMetricData\x81" n "\x6aMetricName\x61m" members

static void test_reads(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct cloudwatch_put_metric_data_input *in;
        const struct cloudwatch_metric_datum *datum;
        struct error error = {0};

        (void)state;
        /* A time with a fraction, a half-precision value, an unknown member, a list of mixed numbers. */
        assert_int_equal(READ(&arena,
                              DATUM("\xa5", "\x69Timestamp\xc1\xfb\x41\xd9\x54\xfc\x40\x20\x00\x00"
                                            "\x65Value\xf9\x3e\x00"
                                            "\x65Other\x82\x01\xf6"
                                            "\x66Values\x83\x01\x20\xfa\x3f\x80\x00\x00"),
                              &in, &error),
                         0);
        datum = &in->metric_data.items[0];
        assert_string_equal(in->namespace, "a");
        assert_int_equal(datum->timestamp, INT64_C(1700000000500));
        assert_true(datum->value == 1.5);
        assert_int_equal(datum->values.n, 3);
        assert_true(datum->values.items[0] == 1 && datum->values.items[1] == -1 && datum->values.items[2] == 1);
        /* Indefinite lengths, the text in two pieces. */
        assert_int_equal(READ(&arena,
                              "\xbf\x69Namespace\x7f\x61"
                              "a\x61"
                              "b\xff\x6aMetricData\x9f\xff\xff",
                              &in, &error),
                         0);
        assert_string_equal(in->namespace, "ab");
        assert_int_equal(in->metric_data.n, 0);
}

static void test_refuses(void **state)
{
        static const struct {
                const char *bytes;
                size_t len;
                const char *problem;
        } rows[] = {
                {"", 0, "ends too early"},
                {"\xa1\x69Name", 6, "ends too early"},
                {"\xa1\x69Namespace\x61\xff", 13, "UTF-8"},
                {"\xa1\x69Namespace\x61\x00", 13, "NUL"},
                {"\xa0\xa0", 2, "nothing may follow"},
                {"\xa1\x01\x02", 3, "key of a map"},
                {"\xbf", 1, "key of a map"},
                {"\xff", 1, "indefinite"},
                {"\xfc", 1, "reserved"},
                {"\xa1\x61x\x81\x81\x81\x81\x81\x81\x81\x81\x81\x01", 13, "nested too deeply"},
                {"\xa1\x61x\xbb\xff\xff\xff\xff\xff\xff\xff\xff", 12, "key of a map"},
                {"\x81\x01", 2, "object was expected"},
                {"\xa1\x69Namespace\x01", 12, "string was expected"},
                {"\xa1\x61x\xc1\x61y", 6, "time is no number"},
                {"\xa0", 1, "Namespace"}, /* required */
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct cloudwatch_put_metric_data_input *in;
                struct error error = {0};

                assert_true(read_bytes(&arena, rows[i].bytes, rows[i].len, &in, &error) < 0);
                if (strstr(error.message, rows[i].problem) == NULL)
                        fail_msg("row %zu: %s", i, error.message);
        }
}

static void test_writes(void **state)
{
        static const char expected[] = "\xa4\x62Id\x61m\x6aTimestamps\x82\xc1\x1a\x65\x53\xf1\x00\xc1\xfb\x41\xd9\x54\xfc\x40\x20\x00\x00"
                                       "\x66Values\x82\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00"
                                       "\x6aStatusCode\x68"
                                       "Complete";
        int64_t times[] = {INT64_C(1700000000000), INT64_C(1700000000500)};
        double values[] = {1.5, NAN};
        struct cloudwatch_metric_data_result out = {
                .id = "m", .status_code = CLOUDWATCH_STATUS_CODE_COMPLETE, .timestamps = {times, 2, 0}, .values = {values, 2, 0}};
        CLEANUP_BUF struct buf bytes = {0};

        (void)state;
        cbor_write(&cloudwatch_metric_data_result_shape, &out, &bytes);
        assert_int_equal(bytes.len, sizeof(expected) - 1);
        assert_memory_equal(bytes.data, expected, bytes.len);
}

/* What is written is read again as the same. */
static void test_round_trip(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        static const char json[] =
                "{\"Namespace\":\"n\",\"MetricData\":[{\"MetricName\":\"m\",\"Dimensions\":[{\"Name\":\"d\",\"Value\":\"\"},"
                "{\"Name\":\"e\",\"Value\":\"0123456789012345678901234567890\"}],\"Timestamp\":1700000000.25,"
                "\"StatisticValues\":{\"SampleCount\":70000,\"Sum\":-1e300,\"Minimum\":0.1,\"Maximum\":5e9},"
                "\"Unit\":\"Bytes/Second\",\"StorageResolution\":60}],\"StrictEntityValidation\":true}";
        static const struct shape_limits limits = {.skip_validation = true};
        CLEANUP_BUF struct buf bytes = {0};
        struct error error = {0};
        void *in, *again;

        (void)state;
        assert_int_equal(shape_from_json(&cloudwatch_put_metric_data_input_shape, &arena, json, strlen(json), &limits, &in, &error), 0);
        cbor_write(&cloudwatch_put_metric_data_input_shape, in, &bytes);
        assert_int_equal(cbor_read(&cloudwatch_put_metric_data_input_shape, &arena, bytes.data, bytes.len, &limits, &again, &error), 0);
        assert_true(shape_equal(&cloudwatch_put_metric_data_input_shape, in, again));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reads),
                cmocka_unit_test(test_refuses),
                cmocka_unit_test(test_writes),
                cmocka_unit_test(test_round_trip),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
