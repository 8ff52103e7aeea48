/* SPDX-License-Identifier: Apache-2.0 */
/* gantry up: a server and a node on this machine, as two supervised processes. Containers survive both. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/strutil.h"
#include "cmd/process.h"
#include "cmd/verbs.h"

#define RESTART_MIN_MS 200
#define RESTART_MAX_MS 10000
/* A child that lived this long starts again without delay. */
#define STEADY_MS 10000
#define STOP_TIMEOUT_MS 20000

struct up_values {
        const char *data_dir, *listen, *account, *region, *log_level, *log_format, *machine_driver, *zone, *vpc_range, *fargate;
        int64_t metadata_port, introspection_port, reserved_memory, reserved_cpu;
        struct string_list attributes, balancer_addresses;
};

#define FIELD(name) offsetof(struct up_values, name)
static const struct option_row up_options[] = {
        {"data-dir", OPTION_STRING, FIELD(data_dir), "DIR", DEFAULT_DATA_DIR, "everything that server and node keep"},
        {"listen", OPTION_STRING, FIELD(listen), "ADDR:PORT", "127.0.0.1:4327", "where the API answers"},
        {"account-id", OPTION_STRING, FIELD(account), "DIGITS", "123456789012", "account in ARNs"},
        {"region", OPTION_STRING, FIELD(region), "NAME", "us-east-1", "region in ARNs and signatures"},
        {"vpc-range", OPTION_STRING, FIELD(vpc_range), "CIDR", "172.31.0.0/16",
         "range of the default VPC, which is made at the first start"},
        {"zone", OPTION_STRING, FIELD(zone), "NAME", NULL,
         "availability zone of this node; default: the region's first, for example us-east-1a"},
        {"fargate", OPTION_STRING, FIELD(fargate), "MODE", "auto",
         "this node takes Fargate tasks too, apart from others by MODE: sandbox, microvm, auto or none"},
        {"attribute", OPTION_LIST, FIELD(attributes), "NAME=VALUE", NULL, "own attribute of this node; may be repeated"},
        {"reserved-cpu", OPTION_INT, FIELD(reserved_cpu), "UNITS", "0", "CPU units kept for the system"},
        {"reserved-memory", OPTION_INT, FIELD(reserved_memory), "MIB", "256", "memory kept for the system"},
        {"balancer-address", OPTION_LIST, FIELD(balancer_addresses), "IP", "127.0.0.1",
         "where all load balancers listen; may be repeated; 0.0.0.0 for every address of this machine"},
        {"machine-driver", OPTION_STRING, FIELD(machine_driver), "PROGRAM", NULL,
         "makes the machines of Auto Scaling groups; \"gantry machine\" is the built-in one (docs/capacity.md)"},
        {"metadata-port", OPTION_INT, FIELD(metadata_port), "PORT", "51679", "task metadata on loopback; -1: any free port"},
        {"introspection-port", OPTION_INT, FIELD(introspection_port), "PORT", "51678", "introspection on loopback; -1: none"},
        {"log-level", OPTION_STRING, FIELD(log_level), "LEVEL", "info", "debug, info, warn or error"},
        {"log-format", OPTION_STRING, FIELD(log_format), "FORMAT", "text", "text or json"},
        OPTION_END,
};

struct up;

struct child {
        struct up *up;
        const char *name;
        char **argv;
        uv_process_t process;
        uv_pipe_t output;
        uv_timer_t restart;
        struct buf line;
        bool running, ready;
        uint64_t started_ms;
        uint32_t delay_ms;
        char chunk[4096];
};

struct up {
        struct process process;
        const struct up_values *values;
        struct arena arena;
        struct child server, node;
        uv_timer_t kill_timer;
        const char *listen; /* what the server is told: the port it was given once, when any free one was asked for */
        char url[256];
        bool announced;
        int status;
};

static void child_start(struct child *child);
static char **server_argv(struct up *up);

static void announce(struct up *up)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        const char *link = NULL;
        char program[4096];
        size_t size = sizeof(program);

        if (up->announced || !up->server.ready || !up->node.ready)
                return;
        up->announced = true;
        if (console_link(up->values->data_dir, &arena, &link, &error) < 0)
                log_warn("no sign-in link for the console", LOG_S("reason", error.message));
        /* As it can be typed in another shell, where this program may not be in the path, and its keys are root's. */
        if (uv_exepath(program, &size) != 0)
                (void)snprintf(program, sizeof(program), "gantry");
        printf("ready: %s\n", up->url);
        fflush(stdout);
        fprintf(stderr,
                "\n  Cluster \"default\" has this machine as its node. In another shell:\n\n"
                "      eval \"$(sudo %s env --data-dir %s --function)\"\n"
                "      aws ecs list-container-instances\n\n"
                "  Then register a task definition and run it: see docs/getting-started.md.\n",
                program, up->values->data_dir);
        if (link != NULL)
                fprintf(stderr,
                        "  The console, signed in (the link works once; sudo %s console --data-dir %s prints another):\n\n      %s\n",
                        program, up->values->data_dir, link);
        fprintf(stderr, "\n");
}

/* A server that is started again has to be where its clients and its node look for it. */
static void keep_port(struct up *up, const char *url)
{
        const char *address = strstr(url, "://");

        if (address == NULL || !str_ends_with(up->listen, ":0"))
                return;
        up->listen = arena_strdup(&up->arena, address + 3);
        up->server.argv = server_argv(up);
}

/* What a child says on standard output: "ready: …" when it is. */
static void child_line(struct child *child, char *line)
{
        struct up *up = child->up;

        if (!str_starts_with(line, "ready: "))
                return;
        child->ready = true;
        child->delay_ms = 0;
        if (child == &up->server) {
                keep_port(up, line + strlen("ready: "));
                snprintf(up->url, sizeof(up->url), "%s", line + strlen("ready: "));
                if (!up->node.running && !uv_is_active((uv_handle_t *)&up->node.restart))
                        child_start(&up->node);
        }
        announce(up);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct child *child = handle->data;

        (void)suggested;
        *ret = uv_buf_init(child->chunk, sizeof(child->chunk));
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
        struct child *child = stream->data;
        char *newline;

        if (n < 0) {
                uv_close((uv_handle_t *)stream, NULL);
                return;
        }
        buf_append(&child->line, data->base, (size_t)n);
        while (child->line.len > 0 && (newline = memchr(child->line.data, '\n', child->line.len)) != NULL) {
                *newline = '\0';
                child_line(child, child->line.data);
                buf_consume(&child->line, (size_t)(newline - child->line.data) + 1);
        }
}

static void up_finish(struct up *up)
{
        if (up->server.running || up->node.running)
                return;
        uv_close((uv_handle_t *)&up->server.restart, NULL);
        uv_close((uv_handle_t *)&up->node.restart, NULL);
        uv_close((uv_handle_t *)&up->kill_timer, NULL);
        process_end(&up->process);
}

static void on_restart(uv_timer_t *timer)
{
        child_start(timer->data);
}

/* The node goes first, so that it can still say goodbye; then the server. */
static void stop_next(struct up *up)
{
        if (up->node.running)
                uv_process_kill(&up->node.process, SIGTERM);
        else if (up->server.running)
                uv_process_kill(&up->server.process, SIGTERM);
        else
                up_finish(up);
}

/* Before anything ran: what the server says at once (an address or a data directory that is taken, an option) stays so; a node that finds
 * something in its way gets two more tries. */
static bool cannot_start(const struct child *child, int64_t status, uint64_t lived)
{
        bool told_wrong = status == AGENT_EXIT_REFUSED || status == EXIT_USAGE;
        bool last = child == &child->up->server || child->delay_ms >= 2 * RESTART_MIN_MS;

        return lived < STEADY_MS && (told_wrong || (status == 1 && last));
}

static void on_child_exit(uv_process_t *process, int64_t status, int signal)
{
        struct child *child = process->data;
        struct up *up = child->up;
        uint64_t lived = uv_now(&up->process.loop) - child->started_ms;

        child->running = child->ready = false;
        uv_close((uv_handle_t *)process, NULL);
        if (up->process.ending) {
                stop_next(up);
                return;
        }
        if (!up->announced && cannot_start(child, status, lived)) {
                fprintf(stderr, "gantry up: the %s does not start; its message above says why and what to do\n", child->name);
                up->status = 1;
                up->process.ending = true;
                stop_next(up);
                return;
        }
        child->delay_ms = lived >= STEADY_MS ? 0 : MIN(MAX(child->delay_ms * 2, RESTART_MIN_MS), RESTART_MAX_MS);
        log_warn("a process ended and is started again", LOG_S("process", child->name), LOG_I("status", status), LOG_I("signal", signal),
                 LOG_I("delay_ms", child->delay_ms));
        uv_timer_start(&child->restart, on_restart, child->delay_ms, 0);
}

static void child_start(struct child *child)
{
        struct up *up = child->up;
        uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                         {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&child->output},
                                         {.flags = UV_INHERIT_FD, .data.fd = 2}};
        uv_process_options_t options = {
                .exit_cb = on_child_exit, .file = "/proc/self/exe", .args = child->argv, .stdio_count = 3, .stdio = stdio};
        int r;

        uv_pipe_init(&up->process.loop, &child->output, 0);
        child->output.data = child;
        child->process.data = child;
        child->started_ms = uv_now(&up->process.loop);
        buf_clear(&child->line);
        r = uv_spawn(&up->process.loop, &child->process, &options);
        if (r < 0) {
                log_error("cannot start a process", LOG_S("process", child->name), LOG_ERRNO(r));
                uv_timer_start(&child->restart, on_restart, RESTART_MAX_MS, 0);
                return;
        }
        child->running = true;
        uv_read_start((uv_stream_t *)&child->output, on_alloc, on_output);
}

static void on_kill(uv_timer_t *timer)
{
        struct up *up = timer->data;

        if (up->node.running)
                uv_process_kill(&up->node.process, SIGKILL);
        if (up->server.running)
                uv_process_kill(&up->server.process, SIGKILL);
}

static void on_stop(struct process *process)
{
        struct up *up = CONTAINER_OF(process, struct up, process);

        uv_timer_stop(&up->server.restart);
        uv_timer_stop(&up->node.restart);
        uv_timer_start(&up->kill_timer, on_kill, STOP_TIMEOUT_MS, 0);
        stop_next(up);
}

static void child_init(struct up *up, struct child *child, const char *name, char **argv)
{
        child->up = up;
        child->name = name;
        child->argv = argv;
        uv_timer_init(&up->process.loop, &child->restart);
        child->restart.data = child;
}

static char **make_argv(struct arena *arena, const struct string_list *words)
{
        char **argv = arena_calloc(arena, words->n + 1, sizeof(char *));

        memcpy(argv, words->items, words->n * sizeof(char *));
        return argv;
}

static void add_option(struct arena *arena, struct string_list *words, const char *name, const char *value)
{
        string_list_push(arena, words, arena_printf(arena, "--%s=%s", name, value));
}

static char **server_argv(struct up *up)
{
        const struct up_values *v = up->values;
        struct string_list words = {0};

        string_list_push(&up->arena, &words, "gantry");
        string_list_push(&up->arena, &words, "server");
        add_option(&up->arena, &words, "data-dir", v->data_dir);
        add_option(&up->arena, &words, "listen", up->listen);
        add_option(&up->arena, &words, "account-id", v->account);
        add_option(&up->arena, &words, "region", v->region);
        add_option(&up->arena, &words, "vpc-range", v->vpc_range);
        add_option(&up->arena, &words, "log-level", v->log_level);
        add_option(&up->arena, &words, "log-format", v->log_format);
        add_option(&up->arena, &words, "create-default-cluster", "yes");
        add_option(&up->arena, &words, "balancer", "yes");
        if (v->machine_driver != NULL)
                add_option(&up->arena, &words, "machine-driver", v->machine_driver);
        for (uint32_t i = 0; i < v->balancer_addresses.n; i++)
                add_option(&up->arena, &words, "balancer-address", v->balancer_addresses.items[i]);
        return make_argv(&up->arena, &words);
}

static char **node_argv(struct up *up)
{
        const struct up_values *v = up->values;
        struct arena *a = &up->arena;
        struct string_list words = {0};

        string_list_push(a, &words, "gantry");
        string_list_push(a, &words, "agent");
        add_option(a, &words, "data-dir", arena_printf(a, "%s/agent", v->data_dir));
        add_option(a, &words, "server-data-dir", v->data_dir);
        if (!str_eq(v->fargate, "none")) {
                add_option(a, &words, "fargate", v->fargate);
                add_option(a, &words, "cluster", "default");
        }
        add_option(a, &words, "zone", v->zone != NULL ? v->zone : arena_printf(a, "%sa", v->region));
        add_option(a, &words, "reserved-cpu", arena_printf(a, "%lld", (long long)v->reserved_cpu));
        add_option(a, &words, "reserved-memory", arena_printf(a, "%lld", (long long)v->reserved_memory));
        add_option(a, &words, "metadata-port", arena_printf(a, "%lld", (long long)v->metadata_port));
        add_option(a, &words, "introspection-port", arena_printf(a, "%lld", (long long)v->introspection_port));
        add_option(a, &words, "log-level", v->log_level);
        add_option(a, &words, "log-format", v->log_format);
        for (uint32_t i = 0; i < v->attributes.n; i++)
                add_option(a, &words, "attribute", v->attributes.items[i]);
        return make_argv(a, &words);
}

static int run_up(const struct verb *verb, void *values, char **args)
{
        struct up up = {.values = values};
        struct error error = {0};
        char pid[32];

        (void)args;
        up.listen = up.values->listen;
        if (process_log_setup(up.values->log_level, up.values->log_format, &error) < 0)
                return verb_fail(verb, &error);
        if (geteuid() != 0)
                return verb_fail_text(
                        verb, "the node on this machine starts containers and needs root: sudo gantry up. (Without root, gantry server "
                              "runs the control plane alone.)");
        process_start(&up.process, on_stop);
        /* For the children; process_start would take it for a supervisor of this process. */
        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        setenv("GANTRY_SUPERVISOR", pid, 1);
        child_init(&up, &up.server, "server", server_argv(&up));
        child_init(&up, &up.node, "agent", node_argv(&up));
        uv_timer_init(&up.process.loop, &up.kill_timer);
        up.kill_timer.data = &up;
        child_start(&up.server);
        process_run(&up.process);
        process_done(&up.process);
        buf_done(&up.server.line);
        buf_done(&up.node.line);
        arena_done(&up.arena);
        return up.status;
}

const struct verb verb_up = {
        .name = "up",
        .summary = "everything on this machine: server, node, cluster \"default\"",
        .usage = "[OPTIONS]",
        .description =
                "Starts a server and a node on this machine, watches over both, creates the cluster \"default\" and prints one line\n"
                "\"ready: URL\" when tasks can be run. SIGTERM or Ctrl-C ends both; containers keep running and are adopted next time.\n",
        .options = up_options,
        .size = sizeof(struct up_values),
        .run = run_up,
};
