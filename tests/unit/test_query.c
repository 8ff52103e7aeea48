/* SPDX-License-Identifier: Apache-2.0 */
/* The query protocols: forms as SDKs send them, answers as SDKs read them. */
#include <errno.h>

#include "api/iam.idl.h"
#include "api/sts.idl.h"
#include "codec/query.h"
#include "codec/xml.h"
#include "unit.h"

static int read_form(const struct shape *shape, enum query_flavor flavor, struct arena *arena, const char *form, void *ret,
                     struct error *error)
{
        *error = (struct error){0};
        return query_read(shape, flavor, arena, form, strlen(form), NULL, ret, error);
}

/* What botocore sends for AssumeRole with eleven tags and an empty list. */
static const char assume_role[] =
        "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2F%C3%A9%26%3D%2B&RoleSessionName=s+1&DurationSeconds=900&Tags.member.1.Key=k0&"
        "Tags.member.1.Value=v0"
        "&Tags.member.2.Key=k1&Tags.member.2.Value=v1&Tags.member.3.Key=k2&Tags.member.3.Value=v2&Tags.member.4.Key=k3&Tags.member.4.Value="
        "v3"
        "&Tags.member.5.Key=k4&Tags.member.5.Value=v4&Tags.member.6.Key=k5&Tags.member.6.Value=v5&Tags.member.7.Key=k6&Tags.member.7.Value="
        "v6"
        "&Tags.member.8.Key=k7&Tags.member.8.Value=v7&Tags.member.9.Key=k8&Tags.member.9.Value=v8&Tags.member.10.Key=k9&Tags.member.10."
        "Value=v9"
        "&Tags.member.11.Key=k10&Tags.member.11.Value=v10&TransitiveTagKeys=&Action=AssumeRole&Version=2011-06-15";

static void test_reads_what_botocore_sends(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct sts_assume_role_request *in;
        struct error error;
        char key[8];

        assert_int_equal(read_form(&sts_assume_role_request_shape, QUERY_AWS, &arena, assume_role, &in, &error), 0);
        assert_string_equal(in->role_arn, "arn:aws:iam::123456789012:role/\xc3\xa9&=+");
        assert_string_equal(in->role_session_name, "s 1");
        assert_int_equal(in->duration_seconds, 900);
        assert_int_equal(in->tags.n, 11);
        for (int i = 0; i < 11; i++) {
                (void)snprintf(key, sizeof(key), "k%d", i);
                assert_string_equal(in->tags.items[i].key, key);
        }
        assert_non_null(in->transitive_tag_keys.items);
        assert_int_equal(in->transitive_tag_keys.n, 0);
}

static void test_order_gaps_and_repetition(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct sts_assume_role_request *in;
        struct error error;
        static const char form[] = "RoleSessionName=one&TransitiveTagKeys.member.10=c&RoleArn=aaaaaaaaaaaaaaaaaaaa&TransitiveTagKeys."
                                   "member.002=b&RoleSessionName=two"
                                   "&TransitiveTagKeys.member.1=a&Unknown.member.1.X=1&&Tags.member.7.Value=v&Tags.member.7.Key=k";

        assert_int_equal(read_form(&sts_assume_role_request_shape, QUERY_AWS, &arena, form, &in, &error), 0);
        assert_string_equal(in->role_session_name, "two");
        assert_int_equal(in->transitive_tag_keys.n, 3);
        assert_string_equal(in->transitive_tag_keys.items[0], "a");
        assert_string_equal(in->transitive_tag_keys.items[1], "b");
        assert_string_equal(in->transitive_tag_keys.items[2], "c");
        assert_int_equal(in->tags.n, 1);
        assert_string_equal(in->tags.items[0].value, "v");
}

static void test_ec2_flavor(void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct sts_assume_role_request *in;
        struct error error;
        static const char form[] =
                "roleArn=aaaaaaaaaaaaaaaaaaaa&RoleSessionName=two&Tags.1.key=k&Tags.1.Value=v&TransitiveTagKeys.2=b&TransitiveTagKeys.1=a";

        assert_int_equal(read_form(&sts_assume_role_request_shape, QUERY_EC2, &arena, form, &in, &error), 0);
        assert_string_equal(in->role_arn, "aaaaaaaaaaaaaaaaaaaa");
        assert_string_equal(in->tags.items[0].key, "k");
        assert_string_equal(in->tags.items[0].value, "v");
        assert_string_equal(in->transitive_tag_keys.items[1], "b");
}

static void test_refuses(void **state)
{
        static const struct {
                const char *form, *code, *words;
        } rows[] = {
                {"RoleSessionName=abc", "InvalidParameterException", "RoleArn: is required"},
                {"RoleArn=%00", "SerializationException", "NUL"},
                {"RoleArn=%ff", "SerializationException", "RoleArn: not valid UTF-8"},
                {"DurationSeconds=abc", "SerializationException", "DurationSeconds: a whole number was expected, not a string"},
                {"DurationSeconds=1.5", "SerializationException", "DurationSeconds: 1.5 is not a whole number"},
                {"DurationSeconds=", "SerializationException", "DurationSeconds: a whole number was expected"},
                {"DurationSeconds.x=1", "SerializationException", "DurationSeconds: a single value was expected"},
                {"Tags.member.x.Key=1", "SerializationException", "Tags: a number was expected after the name of the list"},
                {"RoleArn=aaaaaaaaaaaaaaaaaaaa&RoleSessionName=ss&Tags.member.3.Value=1", "InvalidParameterException",
                 "Tags[0].Key: is required"},
                {"RoleArn=a&RoleSessionName=ss", "InvalidParameterException", "RoleArn: length 1 is not in 20..2048"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_ARENA struct arena arena = {0};
                struct error error;
                void *in;
                int r = read_form(&sts_assume_role_request_shape, QUERY_AWS, &arena, rows[i].form, &in, &error);

                if (r != -EINVAL || strcmp(error.code, rows[i].code) != 0 || strstr(error.message, rows[i].words) == NULL)
                        fail_msg("%s: %d, %s, %s", rows[i].form, r, error.code, error.message);
        }
}

static void test_answers(void **state)
{
        CLEANUP_BUF struct buf out = {0};
        struct iam_access_key_metadata keys[] = {
                {.user_name = "a<b>&\"c\"",
                 .access_key_id = "AKIA1",
                 .status = IAM_STATUS_TYPE_ACTIVE,
                 .create_date = INT64_C(1440938160000)},
                {.access_key_id = "AKIA2", .create_date = INT64_C(1440938160123)},
        };
        struct iam_list_access_keys_response answer = {.access_key_metadata = {.items = keys, .n = 2}};

        SHAPE_SET(&answer, iam_list_access_keys_response, is_truncated, false);
        query_append_answer(&out, &iam_service, shape_service_find(&iam_service, "ListAccessKeys"), QUERY_AWS, &answer, "id-1");
        assert_string_equal(
                out.data,
                "<ListAccessKeysResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListAccessKeysResult><AccessKeyMetadata>"
                "<member><UserName>a&lt;b&gt;&amp;&quot;c&quot;</UserName><AccessKeyId>AKIA1</AccessKeyId><Status>Active</Status>"
                "<CreateDate>2015-08-30T12:36:00Z</CreateDate></member><member><AccessKeyId>AKIA2</AccessKeyId>"
                "<CreateDate>2015-08-30T12:36:00.123Z</CreateDate></member></AccessKeyMetadata><IsTruncated>false</IsTruncated>"
                "</ListAccessKeysResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></ListAccessKeysResponse>");
        buf_clear(&out);
        answer.access_key_metadata = (struct iam_access_key_metadata_list){0};
        query_append_answer(&out, &iam_service, shape_service_find(&iam_service, "ListAccessKeys"), QUERY_EC2, &answer, "id-2");
        assert_string_equal(out.data,
                            "<ListAccessKeysResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><requestId>id-2</requestId>"
                            "<AccessKeyMetadata></AccessKeyMetadata><IsTruncated>false</IsTruncated></ListAccessKeysResponse>");
        buf_clear(&out);
        query_append_answer(&out, &iam_service, shape_service_find(&iam_service, "DeleteAccessKey"), QUERY_AWS, NULL, "id-3");
        assert_string_equal(out.data, "<DeleteAccessKeyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ResponseMetadata>"
                                      "<RequestId>id-3</RequestId></ResponseMetadata></DeleteAccessKeyResponse>");
}

static void test_errors(void **state)
{
        CLEANUP_BUF struct buf out = {0};

        query_append_error(&out, QUERY_AWS, "https://sts.amazonaws.com/doc/2011-06-15/", "ValidationError", "1 < 2", true, "id");
        assert_string_equal(
                out.data,
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>ValidationError</Code>"
                "<Message>1 &lt; 2</Message></Error><RequestId>id</RequestId></ErrorResponse>");
        buf_clear(&out);
        query_append_error(&out, QUERY_EC2, NULL, "Unavailable", "later", false, "id");
        assert_string_equal(out.data, "<Response><Errors><Error><Code>Unavailable</Code><Message>later</Message></Error></"
                                      "Errors><RequestID>id</RequestID></Response>");
}

static void test_text(void **state)
{
        static const struct {
                const char *in, *out;
        } rows[] = {
                {"", ""},
                {"plain", "plain"},
                {"a\r\n\tb", "a&#xD;\n\tb"},
                {"'\x01\x1f", "&apos;\xef\xbf\xbd\xef\xbf\xbd"},
                {"\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd"},
                {"\xef\xbf\xbe!", "\xef\xbf\xbd!"},
                {"\xc3\xa9\xf0\x9f\x98\x80", "\xc3\xa9\xf0\x9f\x98\x80"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CLEANUP_BUF struct buf out = {0};

                buf_append_str(&out, "");
                xml_append_text(&out, rows[i].in, strlen(rows[i].in));
                assert_string_equal(out.data, rows[i].out);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reads_what_botocore_sends),
                cmocka_unit_test(test_order_gaps_and_repetition),
                cmocka_unit_test(test_ec2_flavor),
                cmocka_unit_test(test_refuses),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
