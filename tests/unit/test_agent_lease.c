/* SPDX-License-Identifier: Apache-2.0 */
/* How long a node is trusted that says nothing, and what it is told about that. */
#include "cluster_harness.h"

#include "unit.h"

#include "base/log.h"
#include "base/strutil.h"

struct world {
        struct cluster_harness c;
        struct fake_agent fake, other;
        struct instance *instance;
        int events; /* of presence */
        struct model_observer observer;
};

static void on_presence(struct model_observer *observer, struct instance *instance)
{
        CONTAINER_OF(observer, struct world, observer)->events++;
}

static struct instance *instance_of(struct world *w)
{
        return model_instance(w->c.h.model, "lab", w->fake.instance);
}

static int setup(void **state)
{
        static struct world world;

        world = (struct world){0};
        cluster_begin(&world.c, NULL);
        fake_join(&world.c, &world.fake, 2048, 1000);
        world.instance = instance_of(&world);
        world.observer.connected = on_presence;
        model_observe(world.c.h.model, &world.observer);
        *state = &world;
        return 0;
}

static int teardown(void **state)
{
        struct world *w = *state;

        model_unobserve(w->c.h.model, &w->observer);
        fake_done(&w->fake);
        fake_done(&w->other);
        cluster_end(&w->c);
        return 0;
}

/* Lets time pass in steps of `step_ms`. */
static void wait_ms(struct world *w, int64_t ms, int64_t step_ms)
{
        for (int64_t t = 0; t < ms; t += step_ms)
                cluster_wait(&w->c, step_ms);
}

static void test_silent_then_lost(void **state)
{
        struct world *w = *state;

        assert_true(w->instance->connected);
        wait_ms(w, 4900, 100);
        assert_true(w->instance->connected);
        assert_in_range(w->fake.pings, 3, 5);
        wait_ms(w, 100, 100);
        assert_false(w->instance->connected);
        assert_false(w->instance->lost);
        assert_int_equal(w->instance->lease_until_us, (w->c.h.env.now_ms + 5000) * 1000);
        wait_ms(w, 4900, 100);
        assert_false(w->instance->lost);
        assert_int_equal(w->events, 1);
        wait_ms(w, 100, 100);
        assert_true(w->instance->lost);
        assert_true(w->fake.aborted);
        assert_int_equal(w->events, 2);
        /* that its connection then ends changes nothing */
        fake_disconnect(&w->fake);
        wait_ms(w, 60000, 1000);
        assert_int_equal(w->events, 2);
        fake_connect(&w->c, &w->fake, w->fake.instance, false);
        assert_true(w->instance->connected);
        assert_false(w->instance->lost);
        assert_int_equal(w->events, 3);
}

static void test_heard_in_time(void **state)
{
        struct world *w = *state;

        for (int i = 0; i < 5; i++) {
                wait_ms(w, 9800, 100);
                assert_false(w->instance->connected);
                fake_alive(&w->fake);
                wait_ms(w, 100, 100);
                assert_true(w->instance->connected);
                assert_int_equal(w->instance->lease_until_us, 0);
        }
        assert_false(w->instance->lost);
        assert_false(w->fake.aborted);
}

/* A process that died closes its connection: it is waited for as for a silent one. */
static void test_closed(void **state)
{
        struct world *w = *state;

        fake_disconnect(&w->fake);
        assert_false(w->instance->connected);
        wait_ms(w, 9900, 100);
        assert_false(w->instance->lost);
        wait_ms(w, 100, 100);
        assert_true(w->instance->lost);
}

static void test_orderly_end(void **state)
{
        struct world *w = *state;

        fake_say(&w->fake, "{'type':'AgentStoppingMessage','message':{'reason':'SIGTERM'}}");
        assert_true(w->instance->connected);
        fake_disconnect(&w->fake);
        assert_false(w->instance->connected);
        wait_ms(w, 59000, 1000);
        assert_false(w->instance->lost);
        fake_connect(&w->c, &w->fake, w->fake.instance, false);
        /* the promise was for that one time */
        fake_disconnect(&w->fake);
        wait_ms(w, 10000, 1000);
        assert_true(w->instance->lost);
}

static void test_restart_of_the_server(void **state)
{
        struct world *w = *state;
        char id[33];

        memcpy(id, w->fake.instance, sizeof(id));
        fake_disconnect(&w->fake);
        wait_ms(w, 9000, 1000);
        model_unobserve(w->c.h.model, &w->observer);
        cluster_restart(&w->c);
        model_observe(w->c.h.model, &w->observer);
        w->instance = instance_of(w);
        assert_false(w->instance->connected);
        assert_int_equal(w->instance->lease_until_us, (w->c.h.env.now_ms + 30000) * 1000);
        wait_ms(w, 29000, 1000);
        assert_false(w->instance->lost);
        wait_ms(w, 1000, 1000);
        assert_true(w->instance->lost);
}

static void test_instance_that_never_connects(void **state)
{
        struct world *w = *state;
        struct instance *instance;
        char id[33];

        cluster_register(&w->c, 1024, 512, "", id);
        instance = model_instance(w->c.h.model, "lab", id);
        assert_false(instance->lost);
        for (int i = 0; i < 31; i++) {
                fake_alive(&w->fake);
                wait_ms(w, 1000, 1000);
        }
        assert_true(instance->lost);
        assert_true(w->instance->connected);
        /* one that is gone for good is nobody's worry */
        w->events = 0;
        cluster_register(&w->c, 1024, 512, "", id);
        harness_ok(&w->c.h, "DeregisterContainerInstance", "{'cluster':'lab','containerInstance':'%s','force':true}", id);
        for (int i = 0; i < 31; i++) {
                fake_alive(&w->fake);
                wait_ms(w, 1000, 1000);
        }
        assert_int_equal(w->events, 0);
}

/* The server did not get to read for long: neither a connected nor an absent node pays for that. */
static void test_busy_server(void **state)
{
        struct world *w = *state;
        struct agent *agent = w->instance->session;
        int64_t *now = &w->c.h.env.now_ms;

        *now += 20000;
        lease_sweep(agent, *now * 1000, 19000 * 1000);
        assert_true(w->instance->connected);
        assert_false(w->fake.aborted);
        fake_disconnect(&w->fake);
        *now += 30000;
        lease_sweep(agent, *now * 1000, 29000 * 1000);
        assert_false(w->instance->lost);
        assert_int_equal(w->instance->lease_until_us, (*now + 9000) * 1000);
        wait_ms(w, 9000, 1000);
        assert_true(w->instance->lost);
}

static void join_fencing(struct world *w, struct fake_agent *fake)
{
        char id[33];

        cluster_register(&w->c, 1024, 512, "{'name':'gantry.capability.fencing'}", id);
        fake_connect(&w->c, fake, id, false);
}

static void expect_terms(struct world *w, struct fake_agent *fake, int64_t lease_ms)
{
        fake_next(fake, "LeaseMessage");
        assert_int_equal(harness_int(&w->c.h, "leaseMs"), lease_ms);
        assert_true(harness_true(&w->c.h, "onlyServer"));
}

static void tag(struct world *w, const char *key, const char *value)
{
        harness_ok(&w->c.h, "TagResource",
                   "{'resourceArn':'arn:aws:ecs:us-east-1:123456789012:cluster/lab','tags':[{'key':'%s','value':'%s'}]}", key, value);
}

static void test_terms_are_told(void **state)
{
        struct world *w = *state;

        join_fencing(w, &w->other);
        expect_terms(w, &w->other, 10000);
        fake_ack(&w->other, "TaskManifestMessage");
        tag(w, "other", "tag");
        fake_nothing(&w->other);
        tag(w, "gantry:lease-ms", "1000");
        expect_terms(w, &w->other, 1000);
        tag(w, "gantry:fence", "off");
        expect_terms(w, &w->other, 0);
        harness_fails(&w->c.h, "TagResource",
                      "{'resourceArn':'arn:aws:ecs:us-east-1:123456789012:cluster/lab','tags':[{'key':'gantry:lease-ms','value':'soon'}]}",
                      "InvalidParameterException", "the value of gantry:lease-ms must be a number of milliseconds");
        harness_fails(&w->c.h, "CreateCluster", "{'clusterName':'new','tags':[{'key':'gantry:fence','value':'maybe'}]}",
                      "InvalidParameterException", "on");
        /* the stock agent is told nothing of all this */
        fake_nothing(&w->fake);
        /* a new connection hears it again */
        fake_disconnect(&w->other);
        fake_connect(&w->c, &w->other, w->other.instance, false);
        expect_terms(w, &w->other, 0);
}

/* Silent for the whole lease, and its agent knows the terms: its unique tasks are over. */
static void test_fenced(void **state)
{
        struct world *w = *state;
        struct instance *other;

        join_fencing(w, &w->other);
        other = model_instance(w->c.h.model, "lab", w->other.instance);
        wait_ms(w, 10000, 100);
        assert_true(other->lost);
        assert_true(other->fenced);
        /* the stock agent lets them run */
        assert_true(w->instance->lost);
        assert_false(w->instance->fenced);
        fake_disconnect(&w->other);
        fake_connect(&w->c, &w->other, w->other.instance, false);
        assert_false(other->fenced);
        /* an agent that died alone leaves its containers behind */
        fake_disconnect(&w->other);
        wait_ms(w, 10000, 100);
        assert_true(other->lost);
        assert_false(other->fenced);
        /* one that was told not to fence */
        fake_connect(&w->c, &w->other, w->other.instance, false);
        tag(w, "gantry:fence", "off");
        wait_ms(w, 10000, 100);
        assert_true(other->lost);
        assert_false(other->fenced);
}

static void test_terms_of_the_cluster(void **state)
{
        struct world *w = *state;

        tag(w, "gantry:lease-ms", "1000");
        tag(w, "gantry:restart-lease-ms", "5000");
        fake_alive(&w->fake);
        w->fake.pings = 0;
        wait_ms(w, 400, 100);
        assert_int_equal(w->fake.pings, 2);
        assert_true(w->instance->connected);
        wait_ms(w, 100, 100);
        assert_false(w->instance->connected);
        wait_ms(w, 400, 100);
        assert_false(w->instance->lost);
        wait_ms(w, 100, 100);
        assert_true(w->instance->lost);
        fake_disconnect(&w->fake);
        fake_connect(&w->c, &w->fake, w->fake.instance, false);
        fake_say(&w->fake, "{'type':'AgentStoppingMessage','message':{}}");
        fake_disconnect(&w->fake);
        wait_ms(w, 4900, 100);
        assert_false(w->instance->lost);
        wait_ms(w, 100, 100);
        assert_true(w->instance->lost);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_silent_then_lost, setup, teardown),
                cmocka_unit_test_setup_teardown(test_heard_in_time, setup, teardown),
                cmocka_unit_test_setup_teardown(test_closed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_orderly_end, setup, teardown),
                cmocka_unit_test_setup_teardown(test_restart_of_the_server, setup, teardown),
                cmocka_unit_test_setup_teardown(test_instance_that_never_connects, setup, teardown),
                cmocka_unit_test_setup_teardown(test_busy_server, setup, teardown),
                cmocka_unit_test_setup_teardown(test_terms_are_told, setup, teardown),
                cmocka_unit_test_setup_teardown(test_fenced, setup, teardown),
                cmocka_unit_test_setup_teardown(test_terms_of_the_cluster, setup, teardown),
        };

        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
