/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long random histories of a server and agents that behave as the stock one does: connections break with messages on their way,
 * agents and the server start again, tasks are run and stopped, end by themselves, reports come twice and late. After each step
 * no task may have gone back; when the trouble ends, both sides must agree about every task, and nothing may be left to deliver.
 * A failing seed repeats exactly: GANTRY_SEED=N.
 */
#include <jansson.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#include "cluster_harness.h"
#include "unit.h"

#define AGENTS 3
#define STEPS 250
#define MAX_TASKS 400

struct sim_task {
        char arn[160];
        bool stopping;
        enum { SIM_PENDING, SIM_RUNNING, SIM_STOPPED } status;
        bool reported; /* the server has taken the report of `status` */
};

struct sim_agent {
        struct fake_agent fake;
        bool connected;
        int64_t latest; /* highest number of a payload or manifest */
        char manifest[40];
        struct sim_task tasks[MAX_TASKS];
        size_t n_tasks;
};

struct world {
        struct cluster_harness c;
        struct sim_agent agents[AGENTS];
        uint64_t seed;
        char tasks[MAX_TASKS][160];
        enum state_task_status seen[MAX_TASKS];
        size_t n_tasks;
};

static uint32_t rnd(struct world *w, uint32_t below)
{
        w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t)(w->seed >> 33) % below;
}

/* ---- The agent ---- */

static struct sim_task *sim_find(struct sim_agent *agent, const char *arn)
{
        for (size_t i = 0; i < agent->n_tasks; i++)
                if (str_eq(agent->tasks[i].arn, arn))
                        return &agent->tasks[i];
        return NULL;
}

static void sim_take(struct sim_agent *agent, const char *arn, bool stop)
{
        struct sim_task *task = sim_find(agent, arn);

        if (task == NULL) {
                assert_true(agent->n_tasks < MAX_TASKS);
                task = &agent->tasks[agent->n_tasks++];
                *task = (struct sim_task){.reported = true};
                snprintf(task->arn, sizeof(task->arn), "%s", arn);
        }
        task->stopping |= stop;
}

static void say(struct sim_agent *agent, json_t *frame)
{
        CLEANUP_FREE char *text = json_dumps(frame, 0);

        json_decref(frame);
        fake_alive(&agent->fake);
        agent_received(&agent->fake.channel, text, strlen(text));
}

static void say_ack(struct sim_agent *agent, json_t *message)
{
        say(agent, json_pack("{s:s,s:{s:s,s:O}}", "type", "AckRequest", "message", "cluster", "lab", "messageId",
                             json_object_get(message, "messageId")));
}

static void on_payload(struct sim_agent *agent, json_t *message)
{
        json_t *task;
        size_t i;

        agent->latest = MAX(agent->latest, json_integer_value(json_object_get(message, "seqNum")));
        json_array_foreach(json_object_get(message, "tasks"), i, task)
                sim_take(agent, json_string_value(json_object_get(task, "arn")),
                         str_eq(json_string_value(json_object_get(task, "desiredStatus")), "STOPPED"));
        say_ack(agent, message);
}

static bool listed(json_t *tasks, const char *arn)
{
        json_t *task;
        size_t i;

        json_array_foreach(tasks, i, task) if (str_eq(json_string_value(json_object_get(task, "taskArn")), arn) &&
                                               str_eq(json_string_value(json_object_get(task, "desiredStatus")), "RUNNING")) return true;
        return false;
}

static void on_manifest(struct sim_agent *agent, json_t *message)
{
        int64_t timeline = json_integer_value(json_object_get(message, "timeline"));
        json_t *candidates = json_array();

        if (timeline <= agent->latest) {
                json_decref(candidates);
                return;
        }
        agent->latest = timeline;
        snprintf(agent->manifest, sizeof(agent->manifest), "%s", json_string_value(json_object_get(message, "messageId")));
        say_ack(agent, message);
        for (size_t i = 0; i < agent->n_tasks; i++)
                if (!agent->tasks[i].stopping && agent->tasks[i].status != SIM_STOPPED &&
                    !listed(json_object_get(message, "tasks"), agent->tasks[i].arn))
                        json_array_append_new(candidates,
                                              json_pack("{s:s,s:s}", "taskArn", agent->tasks[i].arn, "desiredStatus", "STOPPED"));
        if (json_array_size(candidates) > 0)
                say(agent, json_pack("{s:s,s:{s:s,s:O}}", "type", "TaskStopVerificationMessage", "message", "messageId", agent->manifest,
                                     "stopCandidates", candidates));
        json_decref(candidates);
}

static void on_verified(struct sim_agent *agent, json_t *message)
{
        json_t *task;
        size_t i;

        if (!str_eq(json_string_value(json_object_get(message, "messageId")), agent->manifest))
                return;
        agent->manifest[0] = 0;
        json_array_foreach(json_object_get(message, "stopTasks"), i, task)
                sim_take(agent, json_string_value(json_object_get(task, "taskArn")), true);
}

static void read_frame(struct sim_agent *agent, const char *text)
{
        json_t *frame = json_loads(text, 0, NULL), *message;
        const char *type;

        assert_non_null(frame);
        type = json_string_value(json_object_get(frame, "type"));
        message = json_object_get(frame, "message");
        if (str_eq(type, "PayloadMessage"))
                on_payload(agent, message);
        else if (str_eq(type, "TaskManifestMessage"))
                on_manifest(agent, message);
        else if (str_eq(type, "TaskStopVerificationAck"))
                on_verified(agent, message);
        json_decref(frame);
}

/* Reads at most `max` frames that have arrived. */
static void sim_read(struct world *w, struct sim_agent *agent, size_t max)
{
        agents_flush(w->c.agents);
        while (agent->connected && max-- > 0 && agent->fake.read < agent->fake.n)
                read_frame(agent, agent->fake.frames[agent->fake.read++]);
        if (agent->fake.read == agent->fake.n)
                fake_done(&agent->fake);
}

static void sim_report(struct world *w, struct sim_task *task)
{
        static const char *const status[] = {"PENDING", "RUNNING", "STOPPED"};

        if (task->status == SIM_STOPPED)
                harness_call(&w->c.h, "SubmitTaskStateChange",
                             "{'cluster':'lab','task':'%s','status':'STOPPED','reason':'','containers':[{'containerName':'web','status':'"
                             "STOPPED','exitCode':0}]}",
                             task->arn);
        else
                harness_call(&w->c.h, "SubmitTaskStateChange", "{'cluster':'lab','task':'%s','status':'%s','reason':''}", task->arn,
                             status[task->status]);
        if (w->c.h.status != 200)
                fail_msg("%s", w->c.h.text.data);
        task->reported = true;
}

static void sim_progress(struct world *w, struct sim_task *task)
{
        if (!task->reported) {
                sim_report(w, task);
                return;
        }
        if (task->status == SIM_STOPPED)
                return;
        if (task->stopping || (task->status == SIM_RUNNING && rnd(w, 10) == 0))
                task->status = SIM_STOPPED;
        else if (task->status == SIM_PENDING)
                task->status = SIM_RUNNING;
        else
                return;
        task->reported = false;
}

/* What has arrived but was not read is lost with the connection. */
static void sim_disconnect(struct sim_agent *agent)
{
        if (agent->connected)
                fake_disconnect(&agent->fake);
        agent->connected = false;
}

static void sim_connect(struct world *w, struct sim_agent *agent)
{
        char id[33];

        sim_disconnect(agent);
        memcpy(id, agent->fake.instance, sizeof(id));
        fake_connect(&w->c, &agent->fake, id, rnd(w, 2) == 0);
        agent->connected = true;
}

/* ---- Steps ---- */

static void step_run(struct world *w)
{
        harness_ok(&w->c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','count':%u}", 1 + rnd(w, 4));
        for (size_t i = 0; i < harness_count(&w->c.h, "tasks"); i++) {
                char path[64];

                assert_true(w->n_tasks < MAX_TASKS);
                snprintf(path, sizeof(path), "tasks[%zu].taskArn", i);
                snprintf(w->tasks[w->n_tasks++], sizeof(w->tasks[0]), "%s", harness_text(&w->c.h, path));
        }
}

static void step_stop(struct world *w)
{
        if (w->n_tasks > 0)
                harness_ok(&w->c.h, "StopTask", "{'cluster':'lab','task':'%s'}", w->tasks[rnd(w, (uint32_t)w->n_tasks)]);
}

static void step_time(struct world *w)
{
        cluster_wait(&w->c, rnd(w, 4000));
        for (int i = 0; i < AGENTS; i++) {
                if (w->agents[i].fake.aborted || w->agents[i].fake.close_code != 0)
                        sim_disconnect(&w->agents[i]);
                else if (w->agents[i].connected && rnd(w, 4) != 0)
                        fake_alive(&w->agents[i].fake);
        }
}

static void step_restart_server(struct world *w)
{
        for (int i = 0; i < AGENTS; i++) {
                fake_done(&w->agents[i].fake);
                w->agents[i].connected = false;
        }
        cluster_restart(&w->c);
}

static void step(struct world *w)
{
        struct sim_agent *agent = &w->agents[rnd(w, AGENTS)];

        switch (rnd(w, 40)) {
        case 0 ... 4:
                if (w->n_tasks < MAX_TASKS - 4)
                        step_run(w);
                break;
        case 5 ... 7:
                step_stop(w);
                break;
        case 8 ... 9:
                sim_disconnect(agent);
                break;
        case 10 ... 13:
                if (!agent->connected || rnd(w, 8) == 0)
                        sim_connect(w, agent);
                break;
        case 14:
                step_restart_server(w);
                break;
        case 15 ... 18:
                step_time(w);
                break;
        case 19 ... 28:
                sim_read(w, agent, 1 + rnd(w, 3));
                break;
        default:
                if (agent->n_tasks > 0)
                        sim_progress(w, &agent->tasks[rnd(w, (uint32_t)agent->n_tasks)]);
                break;
        }
}

static struct task *task_of(struct world *w, const char *arn)
{
        return model_task(w->c.h.model, "lab", strrchr(arn, '/') + 1);
}

static void check_no_way_back(struct world *w)
{
        for (size_t i = 0; i < w->n_tasks; i++) {
                const struct state_task *state = task_of(w, w->tasks[i])->state;

                assert_true(state->last_status >= w->seen[i]);
                w->seen[i] = state->last_status;
                if (task_is_over(state))
                        assert_int_equal(state->desired_status, STATE_TASK_STATUS_STOPPED);
        }
}

static void settle(struct world *w)
{
        for (int round = 0; round < 60; round++) {
                for (int i = 0; i < AGENTS; i++) {
                        struct sim_agent *agent = &w->agents[i];

                        if (agent->fake.aborted || agent->fake.close_code != 0)
                                sim_disconnect(agent);
                        if (!agent->connected)
                                sim_connect(w, agent);
                        sim_read(w, agent, SIZE_MAX);
                        for (size_t j = 0; j < agent->n_tasks; j++)
                                if (!agent->tasks[j].reported || agent->tasks[j].stopping || agent->tasks[j].status == SIM_PENDING)
                                        sim_progress(w, &agent->tasks[j]);
                        fake_alive(&agent->fake);
                }
                cluster_wait(&w->c, 500);
        }
}

static void check_agreement(struct world *w)
{
        for (size_t i = 0; i < w->n_tasks; i++) {
                struct task *task = task_of(w, w->tasks[i]);
                struct sim_task *sim = NULL;

                for (int j = 0; j < AGENTS && sim == NULL; j++)
                        sim = sim_find(&w->agents[j], w->tasks[i]);
                if (task_is_over(task->state)) {
                        assert_true(sim == NULL || sim->status == SIM_STOPPED);
                        continue;
                }
                assert_int_equal(task->state->last_status, STATE_TASK_STATUS_RUNNING);
                assert_int_equal(task->state->desired_status, STATE_TASK_STATUS_RUNNING);
                assert_non_null(sim);
                assert_int_equal(sim->status, SIM_RUNNING);
        }
        assert_int_equal(w->c.agents->deliveries.count, 0);
}

static void history(uint64_t seed)
{
        struct world *w = xalloc(sizeof(*w));

        w->seed = seed;
        cluster_begin(&w->c, NULL);
        for (int i = 0; i < AGENTS; i++) {
                fake_join(&w->c, &w->agents[i].fake, 1000000, 1000000);
                w->agents[i].latest = harness_int(&w->c.h, "timeline");
                w->agents[i].connected = true;
        }
        for (int i = 0; i < STEPS; i++) {
                step(w);
                check_no_way_back(w);
        }
        settle(w);
        check_agreement(w);
        for (int i = 0; i < AGENTS; i++)
                fake_done(&w->agents[i].fake);
        cluster_end(&w->c);
        free(w);
}

static uint64_t running_seed;

/* cmocka leaves a failing test where it stands: say which seed it was. */
static int name_seed(void **state)
{
        if (running_seed != 0)
                print_message("last seed: %llu\n", (unsigned long long)running_seed);
        return 0;
}

static void test_histories(void **state)
{
        const char *only = getenv("GANTRY_SEED");
        uint64_t first = only ? strtoull(only, NULL, 10) : 1, last = only ? first : 300;

        for (running_seed = first; running_seed <= last; running_seed++)
                history(running_seed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_histories, name_seed),
        };

        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
