/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What alarms cost: so many, each on a metric of its own that brings a value a second, over virtual minutes; without HTTP, on a memory
 * store.    bench_alarms [ALARMS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "api/control_ops.h"
#include "api/server.h"
#include "control/alarm/change.h"
#include "metrics/metrics.h"
#include "store/store.h"

#define MINUTES 3
#define STEP_MS 100 /* the controller is asked this often; it does what is due */

struct bench {
        struct env env;
        int64_t now_ms;
        struct model *model;
        struct api *api;
        struct controller *controller;
        int alarms;
};

static int64_t env_now(struct env *env)
{
        return CONTAINER_OF(env, struct bench, env)->now_ms;
}

static int64_t env_mono(struct env *env)
{
        return env_now(env) * 1000;
}

static void env_random(UNUSED struct env *env, void *bytes, size_t n)
{
        for (size_t i = 0; i < n; i++)
                ((unsigned char *)bytes)[i] = (unsigned char)rand(); /* NOLINT: figures only */
}

static double clock_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void put_values(struct bench *b, double value)
{
        char name[32];

        for (int i = 0; i < b->alarms; i++) {
                const struct metric_dimension dimension = {"ServiceName", name};
                const struct metric_id id = {"AWS/ECS", "CPUUtilization", &dimension, 1};

                (void)snprintf(name, sizeof(name), "service-%d", i);
                (void)metrics_put_value(b->api->metrics, &id, value, 0, b->now_ms);
        }
}

static void put_alarms(struct bench *b, int period_s)
{
        struct tx *tx = tx_begin(b->model);

        for (int i = 0; i < b->alarms; i++) {
                struct cloudwatch_dimension dimension = {.name = "ServiceName", .value = arena_printf(tx_arena(tx), "service-%d", i)};
                struct state_alarm state = {.name = arena_printf(tx_arena(tx), "alarm-%d", i),
                                            .namespace = "AWS/ECS",
                                            .metric_name = "CPUUtilization",
                                            .dimensions = {.items = &dimension, .n = 1},
                                            .statistic = CLOUDWATCH_STATISTIC_AVERAGE,
                                            .comparison_operator = CLOUDWATCH_COMPARISON_OPERATOR_GREATERTHANTHRESHOLD};
                struct alarm *alarm = model_alarm(b->model, state.name);

                SHAPE_SET(&state, state_alarm, period, period_s);
                SHAPE_SET(&state, state_alarm, evaluation_periods, 3);
                SHAPE_SET(&state, state_alarm, threshold, 50);
                if (alarm == NULL)
                        (void)alarm_create(tx, &state, b->now_ms);
                else
                        alarm_configure(tx, alarm, &state, b->now_ms);
        }
        (void)tx_commit(tx);
}

/* Returns the controller's milliseconds of a processor in a second; `ret_worst`: of one turn. */
static double run(struct bench *b, double *ret_worst)
{
        double sum = 0;

        *ret_worst = 0;
        for (int64_t end = b->now_ms + MINUTES * 60000; b->now_ms < end; b->now_ms += STEP_MS) {
                double began;

                if (b->now_ms % 1000 == 0)
                        put_values(b, 10);
                began = clock_ms();
                while (controller_next(b->controller) <= b->now_ms)
                        (void)controller_run(b->controller, b->now_ms);
                sum += clock_ms() - began;
                *ret_worst = MAX(*ret_worst, clock_ms() - began);
        }
        return sum / (MINUTES * 60);
}

int main(int argc, char **argv)
{
        static const int periods[] = {60, 10, 1};
        struct bench b = {
                .env = {env_now, env_mono, env_random}, .now_ms = INT64_C(1800000000000), .alarms = argc > 1 ? atoi(argv[1]) : 10000};
        struct store *store = store_memory_new(-1);
        struct error error = {0};

        if (model_open(store, &b.env, NULL, "123456789012", "us-east-1", &b.model, &error) < 0) {
                printf("%s\n", error.message);
                return 1;
        }
        b.api = api_new(&(struct api_options){.model = b.model, .no_auth = true});
        b.controller = controller_new(&(struct controller_options){.model = b.model, .ops = &api_controller_ops, .data = b.api});
        for (size_t i = 0; i < ARRAY_SIZE(periods); i++) {
                double a_second, worst;

                put_alarms(&b, periods[i]);
                (void)run(&b, &worst); /* they find their state */
                a_second = run(&b, &worst);
                printf("%d alarms of %2d s   %.2f ms a second (%.1f%% of a core), %.2f us each look, longest turn %.1f ms\n", b.alarms,
                       periods[i], a_second, a_second / 10, a_second * 1e3 * periods[i] / b.alarms, worst);
        }
        b.controller = controller_free(b.controller);
        b.api = api_free(b.api);
        b.model = model_close(b.model);
        store_close(store);
        return 0;
}
