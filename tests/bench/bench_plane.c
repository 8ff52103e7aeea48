/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane alone: API handlers, model, scheduler, reconcilers, SQLite with its fsyncs, sessions of agents, in one process and
 * without HTTP. The agents take what they are sent, acknowledge it and report RUNNING at once; a task counts when the answer to
 * its report is durable. They stand for other machines: what they take of the processor (reading what they are sent, writing what they
 * answer) is measured by itself.
 *
 *     bench_plane [LONE [AGENTS TASKS]]...
 *
 * Without arguments: 200 single tasks, 5,000 tasks of a service on 50 agents, 1,000,000 tasks of 200 services on 10,000 agents.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "api/agent/session.h"
#include "api/control_ops.h"
#include "api/server.h"
#include "base/alloc.h"
#include "base/log.h"
#include "cmd/control_loop.h"
#include "control/controller.h"
#include "sched/sched.h"
#include "store/store.h"

#define PER_SERVICE 5000
#define ARN_BYTES 96

struct bench_agent {
        struct agent_channel channel;
        struct bench *bench;
        char instance[33];
};

/* A text that is on its way: from the server, or to it. */
struct sent {
        struct list link;
        struct bench *bench;
        struct bench_agent *agent;
        size_t len;
        char text[];
};

struct bench {
        char dir[64];
        uv_loop_t loop;
        struct store *store;
        struct model *model;
        struct sched *sched;
        struct api *api;
        struct agents *agents;
        struct controller *controller;
        struct control_loop control_loop;
        uv_prepare_t prepare;
        uv_idle_t idle;
        struct bench_agent *fleet;
        size_t n_agents;
        struct list frames;  /* of struct sent, to the agents */
        struct list acks;    /* of struct sent, from the agents */
        struct list reports; /* the same: requests */
        size_t running, answered;
        uint64_t n_frames;
        double agents_seconds; /* of the processor */
};

static double seconds(void)
{
        return (double)uv_hrtime() / 1e9;
}

static double thread_seconds(void)
{
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
        struct rusage usage;

        getrusage(RUSAGE_SELF, &usage);
        return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static size_t resident(void)
{
        FILE *f = fopen("/proc/self/statm", "r");
        unsigned long size, pages = 0;

        malloc_trim(0);
        if (f != NULL && fscanf(f, "%lu %lu", &size, &pages) != 2)
                pages = 0;
        if (f != NULL)
                fclose(f);
        return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void die(const char *what, const char *why)
{
        fprintf(stderr, "%s: %s\n", what, why);
        exit(1);
}

/* ---- Agents ---- */

static struct sent *send_text(struct list *to, struct bench_agent *agent, size_t room)
{
        struct sent *sent = malloc(sizeof(*sent) + room);

        if (sent == NULL)
                die("malloc", "no memory");
        sent->bench = agent->bench;
        sent->agent = agent;
        list_init(&sent->link);
        list_push(to, &sent->link);
        return sent;
}

static char *put(char *p, const char *text, size_t len)
{
        memcpy(p, text, len);
        return p + len;
}
#define PUT(p, literal) put(p, literal, sizeof(literal) - 1)

#define ARN "arn:aws:ecs:us-east-1:123456789012:task/bench/"
#define ID_LEN 32

static void report(struct bench_agent *agent, const char *id)
{
        struct sent *sent = send_text(&agent->bench->reports, agent, 512);
        char *p = PUT(sent->text, "{\"cluster\":\"bench\",\"task\":\"" ARN);

        p = put(p, id, ID_LEN);
        p = PUT(p, "\",\"status\":\"RUNNING\",\"reason\":\"\",\"containers\":[{\"containerName\":\"main\",\"runtimeId\":\"");
        p = put(p, id, ID_LEN);
        p = put(p, id, ID_LEN);
        p = PUT(p, "\",\"status\":\"RUNNING\"}]}");
        *p = '\0';
}

/* Task ARNs of a payload: "arn":"arn:aws:ecs:…:task/bench/ID"; containers have "containerArn". */
static void take_tasks(struct bench_agent *agent, const char *text, size_t len)
{
        static const char mark[] = "\"arn\":\"" ARN;
        const char *end = text + len;

        for (const char *p = text; (p = memmem(p, (size_t)(end - p), mark, sizeof(mark) - 1)) != NULL;) {
                p += sizeof(mark) - 1;
                report(agent, p);
        }
}

static void acknowledge(struct bench_agent *agent, const char *text)
{
        const char *id = strstr(text, "\"messageId\":\"");
        struct sent *ack;
        char *p;

        if (id == NULL)
                return;
        ack = send_text(&agent->bench->acks, agent, 256);
        p = PUT(ack->text, "{\"type\":\"AckRequest\",\"message\":{\"cluster\":\"bench\",\"messageId\":\"");
        p = put(p, id + 13, 36);
        p = PUT(p, "\"}}");
        ack->len = (size_t)(p - ack->text);
        *p = '\0';
}

/* Frames come in the middle of a flush: what they cause happens afterwards. */
static void on_send(struct agent_channel *channel, const char *text, size_t len)
{
        struct bench_agent *agent = CONTAINER_OF(channel, struct bench_agent, channel);
        struct sent *sent = send_text(&agent->bench->frames, agent, len + 1);

        sent->len = len;
        memcpy(sent->text, text, len);
        sent->text[len] = '\0';
        agent->bench->n_frames++;
}

static void on_ping(struct agent_channel *channel)
{
}

static void on_close(struct agent_channel *channel, int code, const char *reason)
{
}

static void on_abort(struct agent_channel *channel)
{
}

static uint64_t last_received(const struct agent_channel *channel)
{
        return (uint64_t)env_mono_us(env_system());
}

static const struct agent_channel_ops ops = {on_send, on_ping, on_close, on_abort, last_received};

static void on_report_answered(void *data, int status, const char *json, size_t len)
{
        struct bench *b = data;

        if (status != 200)
                die("SubmitTaskStateChange", json);
        b->running++;
}

static struct sent *take(struct list *list)
{
        struct sent *sent = list_first(list, struct sent, link);

        if (sent != NULL)
                list_remove(&sent->link);
        return sent;
}

static void run_agents(struct bench *b)
{
        double begin = thread_seconds();
        struct sent *frame;

        for (int n = 0; n < 20000 && (frame = take(&b->frames)) != NULL; n++) {
                if (strncmp(frame->text, "{\"type\":\"PayloadMessage\"", 24) == 0)
                        take_tasks(frame->agent, frame->text, frame->len);
                acknowledge(frame->agent, frame->text);
                free(frame);
        }
        b->agents_seconds += thread_seconds() - begin;
}

/* Agents are quick: what they were sent is dealt with before the server sends more. */
static void on_turn(struct bench *b)
{
        struct sent *sent;

        run_agents(b);
        while ((sent = take(&b->acks)) != NULL) {
                agent_received(&sent->agent->channel, sent->text, sent->len);
                free(sent);
        }
        for (int n = 0; n < 5000 && (sent = take(&b->reports)) != NULL; n++) {
                (void)api_submit(b->api, "ecs", "SubmitTaskStateChange", NULL, sent->text, on_report_answered, b);
                free(sent);
        }
        if (list_empty(&b->frames) && list_empty(&b->reports))
                uv_idle_stop(&b->idle);
}

static void on_idle(uv_idle_t *idle)
{
        (void)idle;
}

static void on_prepare(uv_prepare_t *prepare)
{
        struct bench *b = prepare->data;

        if (list_empty(&b->frames) && list_empty(&b->reports))
                return;
        uv_idle_start(&b->idle, on_idle);
        on_turn(b);
}

/* ---- The server ---- */

static void start(struct bench *b, size_t n_agents)
{
        struct error error = {0};

        *b = (struct bench){.n_agents = n_agents};
        strcpy(b->dir, "/tmp/bench-plane-XXXXXX");
        if (mkdtemp(b->dir) == NULL)
                die("mkdtemp", b->dir);
        list_init(&b->frames);
        list_init(&b->acks);
        list_init(&b->reports);
        uv_loop_init(&b->loop);
        if (store_sqlite_open(b->dir, &b->store, &error) < 0 ||
            model_open(b->store, env_system(), &b->loop, "123456789012", "us-east-1", &b->model, &error) < 0)
                die("store", error.message);
        b->sched = sched_new(b->model);
        b->api = api_new(
                &(struct api_options){.loop = &b->loop, .model = b->model, .sched = b->sched, .no_auth = true, .public_url = "http://b"});
        b->agents = agents_new(&(struct agents_options){.model = b->model, .loop = &b->loop});
        agents_serve(b->agents, b->api);
        b->controller = controller_new(
                &(struct controller_options){.model = b->model, .sched = b->sched, .ops = &api_controller_ops, .data = b->api});
        control_loop_start(&b->control_loop, &b->loop, b->model, b->controller);
        uv_prepare_init(&b->loop, &b->prepare);
        b->prepare.data = b;
        uv_prepare_start(&b->prepare, on_prepare);
        uv_idle_init(&b->loop, &b->idle);
}

static void on_answer(void *data, int status, const char *json, size_t len)
{
        struct bench *b = data;

        if (status != 200)
                die("request", json);
        b->answered++;
}

static void wait_for(struct bench *b, const size_t *count, size_t n)
{
        while (*count < n)
                uv_run(&b->loop, UV_RUN_ONCE);
}

static void ask(struct bench *b, const char *operation, const char *json)
{
        size_t n = b->answered + 1;

        (void)api_submit(b->api, "ecs", operation, NULL, json, on_answer, b);
        wait_for(b, &b->answered, n);
}

static void join(struct bench *b)
{
        size_t i = 0;

        b->fleet = xcalloc(b->n_agents, sizeof(*b->fleet));
        for (i = 0; i < b->n_agents; i++) {
                char json[1024];

                snprintf(json, sizeof(json),
                         "{\"cluster\":\"bench\",\"attributes\":[{\"name\":\"ecs.availability-zone\",\"value\":\"zone-%c\"},{\"name\":"
                         "\"com.amazonaws.ecs.capability.docker-remote-api.1.18\"},{\"name\":\"com.amazonaws.ecs.capability.logging-driver."
                         "json-file\"}],\"totalResources\":[{\"name\":\"CPU\",\"type\":\"INTEGER\",\"integerValue\":1048576},{\"name\":"
                         "\"MEMORY\","
                         "\"type\":\"INTEGER\",\"integerValue\":1048576},{\"name\":\"PORTS\",\"type\":\"STRINGSET\",\"stringSetValue\":[]},"
                         "{\"name\":\"PORTS_UDP\",\"type\":\"STRINGSET\",\"stringSetValue\":[]}]}",
                         (char)('a' + i % 3));
                (void)api_submit(b->api, "ecs", "RegisterContainerInstance", NULL, json, on_answer, b);
        }
        wait_for(b, &b->answered, b->answered + b->n_agents - (b->answered % b->n_agents));
        i = 0;
        tree_for_each (node, model_objects(b->model, OBJECT_INSTANCE)) {
                struct agent_hello hello = {.agent_version = "1", .docker_version = "1", .agent_hash = "1"};
                struct bench_agent *agent = &b->fleet[i++];

                agent->channel.ops = &ops;
                agent->bench = b;
                agent_connected(b->agents, MODEL_OBJECT(node, instance), &agent->channel, &hello);
        }
}

static void finish(struct bench *b)
{
        char command[128];

        agents_close(b->agents);
        control_loop_stop(&b->control_loop);
        uv_close((uv_handle_t *)&b->prepare, NULL);
        uv_close((uv_handle_t *)&b->idle, NULL);
        uv_run(&b->loop, UV_RUN_NOWAIT);
        controller_free(b->controller);
        agents_free(b->agents);
        api_free(b->api);
        sched_free(b->sched);
        model_close(b->model);
        store_close(b->store);
        uv_run(&b->loop, UV_RUN_NOWAIT);
        free(b->fleet);
        snprintf(command, sizeof(command), "rm -r %s", b->dir);
        if (system(command) != 0)
                fprintf(stderr, "%s stays\n", b->dir);
}

static void prepare(struct bench *b, size_t n_agents)
{
        start(b, n_agents);
        ask(b, "CreateCluster", "{\"clusterName\":\"bench\"}");
        ask(b, "RegisterTaskDefinition",
            "{\"family\":\"web\",\"containerDefinitions\":[{\"name\":\"main\",\"image\":\"web\",\"cpu\":16,\"memory\":16}]}");
        b->answered = 0;
        join(b);
        for (double until = seconds() + 0.2; seconds() < until;)
                uv_run(&b->loop, UV_RUN_NOWAIT);
}

/* ---- Runs ---- */

static int by_value(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static void run_lone(size_t n)
{
        double *times = xcalloc(n, sizeof(*times));
        struct bench *b = xalloc(sizeof(*b));

        prepare(b, 50);
        for (size_t i = 0; i < n; i++) {
                double begin = seconds();

                (void)api_submit(b->api, "ecs", "RunTask", NULL, "{\"cluster\":\"bench\",\"taskDefinition\":\"web\"}", on_answer, b);
                wait_for(b, &b->running, i + 1);
                times[i] = seconds() - begin;
        }
        qsort(times, n, sizeof(*times), by_value);
        printf("one task, RunTask to durable RUNNING, 50 agents: p50 %.2f ms, p99 %.2f ms (%zu tasks)\n", times[n / 2] * 1e3,
               times[n * 99 / 100] * 1e3, n);
        finish(b);
        free(times);
        free(b);
}

static void run_many(size_t n_agents, size_t n_tasks)
{
        struct bench *b = xalloc(sizeof(*b));
        double begin, cpu, used;
        size_t before, asked = 0;

        prepare(b, n_agents);
        before = resident();
        begin = seconds();
        cpu = cpu_seconds();
        b->agents_seconds = 0;
        for (size_t i = 0; asked < n_tasks; i++) {
                size_t n = MIN(n_tasks - asked, (size_t)PER_SERVICE);
                char json[256];

                snprintf(json, sizeof(json),
                         "{\"cluster\":\"bench\",\"serviceName\":\"s%zu\",\"taskDefinition\":\"web\",\"desiredCount\":%zu}", i, n);
                (void)api_submit(b->api, "ecs", "CreateService", NULL, json, on_answer, b);
                asked += n;
        }
        wait_for(b, &b->running, n_tasks);
        begin = seconds() - begin;
        used = cpu_seconds() - cpu;
        printf("%zu tasks of services on %zu agents to durable RUNNING: %.3f s (%.0f tasks/s; %.1f us of CPU a task, and %.1f of agents; "
               "%llu "
               "frames); memory %.0f bytes a task\n",
               n_tasks, n_agents, begin, (double)n_tasks / begin, (used - b->agents_seconds) * 1e6 / (double)n_tasks,
               b->agents_seconds * 1e6 / (double)n_tasks, (unsigned long long)b->n_frames,
               ((double)resident() - (double)before) / (double)n_tasks);
        fflush(stdout);
        finish(b);
        free(b);
}

int main(int argc, char **argv)
{
        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
        run_lone(argc > 1 ? strtoul(argv[1], NULL, 10) : 200);
        if (argc > 3) {
                run_many(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
                return 0;
        }
        run_many(50, 5000);
        run_many(10000, 1000000);
        return 0;
}
