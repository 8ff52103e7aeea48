/* SPDX-License-Identifier: Apache-2.0 */
/* Alarms: what points stand for, what is said about it, and the rules of composite alarms. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include <errno.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/strutil.h"
#include "control/alarm/evaluate.h"
#include "control/alarm/rule.h"

#define START 1767225600

/* "0": below the threshold, "X": above, "-": missing; oldest first. */
static struct alarm_points points_of(const char *picture, double *values)
{
        struct alarm_points points = {.values = values, .from_s = START, .period_s = 60};

        for (const char *p = picture; *p != '\0'; p++)
                if (*p != ' ')
                        values[points.n++] = *p == '-' ? NAN : *p == 'X' ? 90 : 10;
        return points;
}

static struct state_alarm alarm_of(int m, int n, const char *missing, enum cloudwatch_state_value state)
{
        struct state_alarm alarm = {.treat_missing_data = missing,
                                    .state = state,
                                    .comparison_operator = CLOUDWATCH_COMPARISON_OPERATOR_GREATERTHANTHRESHOLD,
                                    .statistic = CLOUDWATCH_STATISTIC_AVERAGE};

        SHAPE_SET(&alarm, state_alarm, evaluation_periods, n);
        SHAPE_SET(&alarm, state_alarm, datapoints_to_alarm, m);
        SHAPE_SET(&alarm, state_alarm, threshold, 80);
        return alarm;
}

/* The tables of "how alarms treat missing data": what each picture means under missing, ignore, breaching and notBreaching; "=" is that
 * the state stays. */
static void test_missing(UNUSED void **state)
{
        static const char *const ways[] = {NULL, "ignore", "breaching", "notBreaching"};
        static const struct {
                int m, n;
                const char *picture, *results; /* O K, A LARM, I NSUFFICIENT, = */
        } rows[] = {
                {3, 3, "0 - X - X", "OOOO"}, {3, 3, "0 - - - -", "OOOO"}, {3, 3, "- - - - -", "I=AO"}, {3, 3, "0 X X - X", "AAAA"},
                {3, 3, "- - X - -", "A=AO"}, {2, 3, "0 - X - X", "AAAA"}, {2, 3, "0 0 X 0 X", "AAAA"}, {2, 3, "0 - X - -", "OOAO"},
                {2, 3, "- - - - 0", "OOAO"}, {2, 3, "- - - - X", "==AO"}, {1, 1, "X X 0", "OOOO"},     {1, 1, "0 0 X", "AAAA"},
                {3, 3, "X X X X 0", "OOOO"}, {3, 3, "0 0 X X X", "AAAA"}, {3, 3, "X X 0 X X", "OOOO"},
        };
        const enum cloudwatch_state_value now[] = {CLOUDWATCH_STATE_VALUE_OK, CLOUDWATCH_STATE_VALUE_ALARM,
                                                   CLOUDWATCH_STATE_VALUE_INSUFFICIENT_DATA};

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                for (size_t way = 0; way < ARRAY_SIZE(ways); way++)
                        for (size_t k = 0; k < ARRAY_SIZE(now); k++) {
                                double values[8];
                                struct alarm_points points = points_of(rows[i].picture, values);
                                struct state_alarm alarm = alarm_of(rows[i].m, rows[i].n, ways[way], now[k]);
                                char want = rows[i].results[way];
                                enum cloudwatch_state_value expected = want == 'O'   ? CLOUDWATCH_STATE_VALUE_OK
                                                                       : want == 'A' ? CLOUDWATCH_STATE_VALUE_ALARM
                                                                       : want == 'I' ? CLOUDWATCH_STATE_VALUE_INSUFFICIENT_DATA
                                                                                     : now[k];

                                if (alarm_judge(&alarm, &points) != expected)
                                        fail_msg("%d of %d, '%s', %s: %d", rows[i].m, rows[i].n, rows[i].picture,
                                                 ways[way] != NULL ? ways[way] : "missing", (int)alarm_judge(&alarm, &points));
                        }
}

static void test_operators(UNUSED void **state)
{
        static const struct {
                enum cloudwatch_comparison_operator operator;
                bool below, at, above;
        } rows[] = {
                {CLOUDWATCH_COMPARISON_OPERATOR_GREATERTHANTHRESHOLD, false, false, true},
                {CLOUDWATCH_COMPARISON_OPERATOR_GREATERTHANOREQUALTOTHRESHOLD, false, true, true},
                {CLOUDWATCH_COMPARISON_OPERATOR_LESSTHANTHRESHOLD, true, false, false},
                {CLOUDWATCH_COMPARISON_OPERATOR_LESSTHANOREQUALTOTHRESHOLD, true, true, false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct state_alarm alarm = alarm_of(1, 1, NULL, CLOUDWATCH_STATE_VALUE_OK);
                const bool want[] = {rows[i].below, rows[i].at, rows[i].above};

                alarm.comparison_operator = rows[i].operator;
                for (int k = 0; k < 3; k++) {
                        double value = 79 + k;
                        struct alarm_points points = {.values = &value, .n = 1, .period_s = 60};

                        assert_int_equal(alarm_judge(&alarm, &points) == CLOUDWATCH_STATE_VALUE_ALARM, want[k]);
                }
        }
}

static void test_reasons(UNUSED void **state)
{
        CLEANUP_ARENA struct arena arena = {0};
        double values[8];
        struct alarm_points points = points_of("0 X X", values);
        struct state_alarm alarm = alarm_of(2, 3, "breaching", CLOUDWATCH_STATE_VALUE_OK);
        struct alarm_reason reason = alarm_explain(&alarm, &points, CLOUDWATCH_STATE_VALUE_ALARM, INT64_C(1767225785250), &arena);

        assert_string_equal(reason.text,
                            "Threshold Crossed: 2 out of the last 3 datapoints [90.0 (01/01/26 00:02:00), 90.0 (01/01/26 00:01:00)] were "
                            "greater than the threshold (80.0) (minimum 2 datapoints for OK -> ALARM transition).");
        assert_string_equal(
                reason.data,
                "{\"version\":\"1.0\",\"queryDate\":\"2026-01-01T00:03:05.250+0000\",\"startDate\":\"2026-01-01T00:00:00.000+0000\","
                "\"statistic\":\"Average\",\"period\":60,\"recentDatapoints\":[10.0,90.0,90.0],\"threshold\":80.0,"
                "\"evaluatedDatapoints\":[{\"timestamp\":\"2026-01-01T00:02:00.000+0000\",\"value\":90.0},"
                "{\"timestamp\":\"2026-01-01T00:01:00.000+0000\",\"value\":90.0},"
                "{\"timestamp\":\"2026-01-01T00:00:00.000+0000\",\"value\":10.0}]}");
        points = points_of("0", values);
        alarm = alarm_of(1, 1, NULL, CLOUDWATCH_STATE_VALUE_ALARM);
        assert_string_equal(
                alarm_explain(&alarm, &points, CLOUDWATCH_STATE_VALUE_OK, 0, &arena).text,
                "Threshold Crossed: 1 out of the last 1 datapoints [10.0 (01/01/26 00:00:00)] was not greater than the threshold "
                "(80.0) (minimum 1 datapoint for ALARM -> OK transition).");
        points = points_of("- - -", values);
        alarm = alarm_of(2, 3, "breaching", CLOUDWATCH_STATE_VALUE_OK);
        assert_string_equal(alarm_explain(&alarm, &points, CLOUDWATCH_STATE_VALUE_ALARM, 0, &arena).text,
                            "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as "
                            "[Breaching].");
        assert_string_equal(alarm_explain(&alarm, &points, CLOUDWATCH_STATE_VALUE_INSUFFICIENT_DATA, 0, &arena).text,
                            "Insufficient Data: 3 datapoints were unknown.");
        points.problem = "Division of things.";
        assert_int_equal(alarm_judge(&alarm, &points), CLOUDWATCH_STATE_VALUE_INSUFFICIENT_DATA);
}

static void test_few_samples(UNUSED void **state)
{
        double values[8];
        struct alarm_points points = points_of("X", values);
        struct state_alarm alarm = alarm_of(1, 1, NULL, CLOUDWATCH_STATE_VALUE_OK);

        points.few_samples = true;
        assert_int_equal(alarm_judge(&alarm, &points), CLOUDWATCH_STATE_VALUE_ALARM);
        alarm.low_samples = "ignore";
        assert_int_equal(alarm_judge(&alarm, &points), CLOUDWATCH_STATE_VALUE_OK);
}

/* ---- rules ---- */

/* An alarm is in the state that its name begins with: a, o, i; n is not there. */
static enum cloudwatch_state_value by_name(UNUSED void *data, const char *alarm)
{
        return alarm[0] == 'a'   ? CLOUDWATCH_STATE_VALUE_ALARM
               : alarm[0] == 'o' ? CLOUDWATCH_STATE_VALUE_OK
               : alarm[0] == 'i' ? CLOUDWATCH_STATE_VALUE_INSUFFICIENT_DATA
                                 : CLOUDWATCH_STATE_VALUE_UNSET;
}

static void test_rules(UNUSED void **state)
{
        static const struct {
                const char *text;
                bool holds;
        } rows[] = {
                {"TRUE", true},
                {"FALSE", false},
                {"ALARM(a1)", true},
                {"ALARM( a 1 )", true},
                {"ALARM(\"a (1), \\\"x\\\"\")", true},
                {"ALARM(o1)", false},
                {"OK(o1)AND ALARM(a1)", true},
                {"NOT OK(o1)", false},
                {"INSUFFICIENT_DATA(i)", true},
                {"ALARM(n) OR OK(n) OR INSUFFICIENT_DATA(n)", false},
                /* NOT before AND before OR. */
                {"TRUE OR FALSE AND FALSE", true},
                {"(TRUE OR FALSE) AND FALSE", false},
                {"NOT FALSE AND FALSE", false},
                {"NOT (FALSE AND FALSE)", true},
                {"AT_LEAST(2, ALARM, (a1, a2, o1))", true},
                {"AT_LEAST(3, ALARM, (a1, a2, o1))", false},
                {"AT_LEAST(50%, OK, (o1, a2))", true},
                {"AT_LEAST(51%,OK,(o1,a2))", false},
                {"AT_LEAST(2, NOT ALARM, (a1, o2, i3))", true},
                {"AT_LEAST(1, NOT ALARM, (n1))", false},
        };
        CLEANUP_ARENA struct arena arena = {0};
        struct alarm_rule rule;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct error error = {0};

                if (alarm_rule_parse(rows[i].text, &arena, &rule, &error) < 0)
                        fail_msg("%s: %s", rows[i].text, error.message);
                if (alarm_rule_holds(&rule, by_name, NULL) != rows[i].holds)
                        fail_msg("%s", rows[i].text);
        }
        assert_int_equal(alarm_rule_parse("ALARM(a1) AND OK(a1) OR ALARM(o1)", &arena, &rule, NULL), 0);
        assert_int_equal(rule.n_alarms, 2);
}

static void test_bad_rules(UNUSED void **state)
{
        static const struct {
                const char *text, *message;
        } rows[] = {
                {"", "at character 1: expected ALARM"},
                {"ALARM(a1", "expected ')', but the rule ends there"},
                {"ALARM()", "expected the name or ARN"},
                {"ALARM(a1) ALARM(a2)", "at character 11: expected AND, OR or the end instead of 'ALARM(a2)'"},
                {"ALARMED(a1)", "expected ALARM"},
                {"NOT", "but the rule ends there"},
                {"(TRUE", "expected ')'"},
                {"ALARM(\"a1)", "quotation mark"},
                {"AT_LEAST(4, ALARM, (a1, a2))", "1 to 2 of its 2 alarms"},
                {"AT_LEAST(x, ALARM, (a1, a2))", "expected a number"},
        };
        CLEANUP_ARENA struct arena arena = {0};
        CLEANUP_BUF struct buf text = {0};
        struct alarm_rule rule;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct error error = {0};

                assert_int_equal(alarm_rule_parse(rows[i].text, &arena, &rule, &error), -EINVAL);
                if (strstr(error.message, rows[i].message) == NULL)
                        fail_msg("%s: %s", rows[i].text, error.message);
        }
        for (int i = 0; i < 1000; i++)
                buf_append_char(&text, '(');
        assert_int_equal(alarm_rule_parse(text.data, &arena, &rule, NULL), -EINVAL);
        buf_clear(&text);
        for (int i = 0; i < 300; i++)
                buf_append_str(&text, "TRUE OR ");
        buf_append_str(&text, "TRUE");
        assert_int_equal(alarm_rule_parse(text.data, &arena, &rule, NULL), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_missing),     cmocka_unit_test(test_operators), cmocka_unit_test(test_reasons),
                cmocka_unit_test(test_few_samples), cmocka_unit_test(test_rules),     cmocka_unit_test(test_bad_rules),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
