/* SPDX-License-Identifier: Apache-2.0 */
/* When a rule applies: conditions checked, and brought into the one form in which they are stored. */
#include <arpa/inet.h>
#include <string.h>

#include "api/elbv2/common.h"
#include "base/safe_regex.h"
#include "base/strutil.h"

#define MAX_VALUES 100 /* over all conditions of a rule; AWS counts five, which can be raised */
#define MAX_WILDCARDS 20

static int bad(struct api_call *call, const char *field, const char *value, const char *must)
{
        return api_fail(call, "ValidationError", "Condition value '%.128s' of field '%s' %s", value, field, must);
}

/* Letters, digits and those of `set`; 1 to 128 characters. */
static int check_pattern(struct api_call *call, const char *field, const char *value, const char *set)
{
        size_t wildcards = 0;

        for (const char *p = value; *p != '\0'; p++)
                wildcards += *p == '*' || *p == '?';
        if (wildcards > MAX_WILDCARDS)
                return bad(call, field, value, "has too many wildcards");
        return str_is_name(value, set, 128)
                       ? 0
                       : bad(call, field, value, "has a character that is not allowed there, or not 1 to 128 characters");
}

/* What the proxy could not compile must not get to it. POSIX extended syntax is what both understand alike. */
static int check_regexes(struct api_call *call, const char *field, const struct string_list *regexes)
{
        for (uint32_t i = 0; i < regexes->n; i++) {
                struct error why = {0};
                regex_t compiled;

                if (str_empty(regexes->items[i]) || strlen(regexes->items[i]) > 128)
                        return bad(call, field, regexes->items[i], "is not a regular expression of 1 to 128 characters");
                if (regex_compile(&compiled, regexes->items[i], 0, &why) < 0)
                        return bad(call, field, regexes->items[i],
                                   arena_printf(call->arena, "is not a regular expression that can be used: %s", why.message));
                regfree(&compiled);
        }
        return 0;
}

static int check_list(struct api_call *call, const char *field, const struct string_list *values, const struct string_list *regexes,
                      const char *set)
{
        int r = 0;

        if (values->n == 0 && (regexes == NULL || regexes->n == 0))
                return api_fail(call, "ValidationError", "A condition value must be specified for field '%s'", field);
        if (values->n > 0 && regexes != NULL && regexes->n > 0)
                return api_fail(call, "ValidationError", "Values and RegexValues of field '%s' cannot be given together", field);
        for (uint32_t i = 0; r == 0 && i < values->n; i++)
                r = check_pattern(call, field, values->items[i], set);
        return r == 0 && regexes != NULL ? check_regexes(call, field, regexes) : r;
}

static int check_host(struct api_call *call, const struct elbv2_rule_condition *in, struct elbv2_rule_condition *out)
{
        struct elbv2_host_header_condition_config *config = ARENA_NEW(call->arena, struct elbv2_host_header_condition_config);

        config->values = in->host_header_config != NULL ? in->host_header_config->values : in->values;
        config->regex_values = in->host_header_config != NULL ? in->host_header_config->regex_values : in->regex_values;
        out->host_header_config = config;
        return check_list(call, in->field, &config->values, &config->regex_values, "-.*?:_");
}

static int check_path(struct api_call *call, const struct elbv2_rule_condition *in, struct elbv2_rule_condition *out)
{
        struct elbv2_path_pattern_condition_config *config = ARENA_NEW(call->arena, struct elbv2_path_pattern_condition_config);

        config->values = in->path_pattern_config != NULL ? in->path_pattern_config->values : in->values;
        config->regex_values = in->path_pattern_config != NULL ? in->path_pattern_config->regex_values : in->regex_values;
        out->path_pattern_config = config;
        return check_list(call, in->field, &config->values, &config->regex_values, "_-.$/~\"'@:+&*?!,;=()%");
}

static int check_header(struct api_call *call, const struct elbv2_rule_condition *in, struct elbv2_rule_condition *out)
{
        const struct elbv2_http_header_condition_config *config = in->http_header_config;

        if (config == NULL || !str_is_name(config->http_header_name, "!#$%&'*+-.^_`|~", 40))
                return api_fail(call, "ValidationError",
                                "Field 'http-header' needs an HttpHeaderConfig with a header name of 1 to 40 characters");
        if (str_eq_nocase(config->http_header_name, "host"))
                return api_fail(call, "ValidationError", "Use field 'host-header' for the header Host");
        out->http_header_config = in->http_header_config;
        for (uint32_t i = 0; i < config->values.n; i++)
                for (const char *p = config->values.items[i]; *p != '\0'; p++)
                        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
                                return bad(call, in->field, config->values.items[i], "may hold printable ASCII characters only");
        return check_list(call, in->field, &config->values, &config->regex_values, " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
}

static int check_method(struct api_call *call, const struct elbv2_rule_condition *in, struct elbv2_rule_condition *out)
{
        struct elbv2_http_request_method_condition_config *config =
                ARENA_NEW(call->arena, struct elbv2_http_request_method_condition_config);

        config->values = in->http_request_method_config != NULL ? in->http_request_method_config->values : in->values;
        out->http_request_method_config = config;
        for (uint32_t i = 0; i < config->values.n; i++) {
                const char *value = config->values.items[i];
                size_t len = strlen(value);

                if (len == 0 || len > 40 || strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") != len)
                        return bad(call, in->field, value, "must be 1 to 40 of A-Z, hyphen and underscore");
        }
        return check_list(call, in->field, &config->values, NULL, "-_");
}

static int check_query(struct api_call *call, const struct elbv2_rule_condition *in, struct elbv2_rule_condition *out)
{
        const struct elbv2_query_string_condition_config *config = in->query_string_config;

        if (config == NULL || config->values.n == 0)
                return api_fail(call, "ValidationError", "Field 'query-string' needs a QueryStringConfig with values");
        for (uint32_t i = 0; i < config->values.n; i++) {
                const struct elbv2_query_string_key_value_pair *pair = &config->values.items[i];

                if (str_empty(pair->value) || strlen(pair->value) > 128 || (pair->key != NULL && strlen(pair->key) > 128))
                        return api_fail(call, "ValidationError", "Keys and values of field 'query-string' must have 1 to 128 characters");
        }
        out->query_string_config = in->query_string_config;
        return 0;
}

static bool range_valid(const char *text)
{
        const char *slash = strchr(text, '/');
        char address[INET6_ADDRSTRLEN];
        unsigned char bytes[16];
        int64_t prefix;

        if (slash == NULL || (size_t)(slash - text) >= sizeof(address) || str_to_int64(slash + 1, &prefix) < 0)
                return false;
        memcpy(address, text, (size_t)(slash - text));
        address[slash - text] = '\0';
        if (inet_pton(AF_INET, address, bytes) == 1)
                return prefix >= 0 && prefix <= 32;
        return inet_pton(AF_INET6, address, bytes) == 1 && prefix >= 0 && prefix <= 128;
}

static int check_source(struct api_call *call, const struct elbv2_rule_condition *in, struct elbv2_rule_condition *out)
{
        struct elbv2_source_ip_condition_config *config = ARENA_NEW(call->arena, struct elbv2_source_ip_condition_config);

        config->values = in->source_ip_config != NULL ? in->source_ip_config->values : in->values;
        out->source_ip_config = config;
        if (config->values.n == 0)
                return api_fail(call, "ValidationError", "A condition value must be specified for field 'source-ip'");
        for (uint32_t i = 0; i < config->values.n; i++)
                if (!range_valid(config->values.items[i]))
                        return bad(call, in->field, config->values.items[i], "must be a range of addresses in CIDR format");
        return 0;
}

static const struct {
        const char *field;
        int (*check)(struct api_call *call, const struct elbv2_rule_condition *in, struct elbv2_rule_condition *out);
        bool once; /* at most one of the kind in a rule */
} fields[] = {
        {"host-header", check_host, true},           {"path-pattern", check_path, true},   {"http-header", check_header, false},
        {"http-request-method", check_method, true}, {"query-string", check_query, false}, {"source-ip", check_source, true},
};

static int check_condition(struct api_call *call, const struct elbv2_rule_condition_list *in, uint32_t i, struct elbv2_rule_condition *out)
{
        const struct elbv2_rule_condition *condition = &in->items[i];

        for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
                if (!str_eq(fields[f].field, condition->field))
                        continue;
                for (uint32_t j = 0; fields[f].once && j < i; j++)
                        if (str_eq(in->items[j].field, condition->field))
                                return api_fail(call, "InvalidConfigurationRequest", "A rule can have only one '%s' condition",
                                                condition->field);
                out->field = fields[f].field;
                return fields[f].check(call, condition, out);
        }
        return api_fail(call, "ValidationError",
                        "Condition field '%.64s' must be one of "
                        "'[path-pattern,host-header,http-header,http-request-method,query-string,source-ip]'",
                        condition->field != NULL ? condition->field : "");
}

static uint32_t count_values(const struct elbv2_rule_condition *c)
{
        return (c->host_header_config != NULL ? c->host_header_config->values.n : 0) +
               (c->path_pattern_config != NULL ? c->path_pattern_config->values.n : 0) +
               (c->http_header_config != NULL ? c->http_header_config->values.n : 0) +
               (c->http_request_method_config != NULL ? c->http_request_method_config->values.n : 0) +
               (c->query_string_config != NULL ? c->query_string_config->values.n : 0) +
               (c->source_ip_config != NULL ? c->source_ip_config->values.n : 0);
}

int elbv2_check_conditions(struct api_call *call, const struct elbv2_rule_condition_list *in, struct elbv2_rule_condition_list *ret)
{
        struct elbv2_rule_condition_list out = {0};
        uint32_t values = 0;

        if (in->n == 0)
                return api_fail(call, "ValidationError", "A rule must have at least one condition");
        for (uint32_t i = 0; i < in->n; i++) {
                struct elbv2_rule_condition *condition = SHAPE_PUSH(call->arena, &out);
                int r = check_condition(call, in, i, condition);

                if (r < 0)
                        return r;
                values += count_values(condition);
        }
        if (values > MAX_VALUES)
                return api_fail(call, "ValidationError", "A rule can have at most %d condition values", MAX_VALUES);
        *ret = out;
        return 0;
}

int elbv2_check_transforms(struct api_call *call, const struct elbv2_rule_transform_list *in)
{
        if (in->n > 0)
                return api_fail(call, "InvalidConfigurationRequest", "Transforms are not available here");
        return 0;
}
