/* SPDX-License-Identifier: Apache-2.0 */
/* gantry server: the control plane. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/agent/agents.h"
#include "api/control_ops.h"
#include "api/console/console.h"
#include "api/event_stream.h"
#include "api/keys.h"
#include "api/server.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "cmd/control_loop.h"
#include "cmd/credentials.h"
#include "cmd/process.h"
#include "cmd/verbs.h"
#include "control/network.h"
#include "control/retention.h"
#include "lb/driver.h"
#include "control/task_network.h"
#include "logs/log_store.h"
#include "metrics/metrics.h"
#include "machine/driver.h"
#include "net/http_server.h"
#include "sched/sched.h"
#include "store/store.h"

/* How often what is over is looked for, and how soon again when there was more than one batch of it. */
#define RETENTION_MS 1000
#define CLOSE_GRACE_MS 3000
/* Twice what an operation may bring: the answer to a body that is too large should be the API's. */
#define MAX_BODY ((size_t)4 * 1024 * 1024)

struct server_values {
        const char *data_dir, *account, *region, *vpc_range, *elastic_range, *public_url, *tls_cert, *tls_key, *console_dir;
        const char *machine_driver, *log_level, *log_format, *scaling_timing;
        struct string_list listen, balancer_addresses;
        int64_t ping_ms, silent_ms, dead_ms, restart_lease_ms, start_lease_ms, metrics_s, metrics_disk_mib, healthy_after_ms,
                machine_timeout, stopped_task_s, max_stopped_tasks;
        bool create_default_cluster, balancer;
};

#define FIELD(name) offsetof(struct server_values, name)
static const struct option_row server_options[] = {
        {"data-dir", OPTION_STRING, FIELD(data_dir), "DIR", DEFAULT_DATA_DIR, "everything that the server keeps"},
        {"listen", OPTION_LIST, FIELD(listen), "ADDR:PORT", "127.0.0.1:4327",
         "where the API answers; may be repeated; unix:/path is possible"},
        {"account-id", OPTION_STRING, FIELD(account), "DIGITS", "123456789012", "account in ARNs; cannot be changed later"},
        {"region", OPTION_STRING, FIELD(region), "NAME", "us-east-1", "region in ARNs and signatures; cannot be changed later"},
        {"vpc-range", OPTION_STRING, FIELD(vpc_range), "CIDR", NETWORK_DEFAULT_RANGE,
         "range of the default VPC, which is made at the first start"},
        {"elastic-range", OPTION_STRING, FIELD(elastic_range), "CIDR", "100.64.0.0/16",
         "range of elastic addresses; yours to route to the nodes"},
        {"public-url", OPTION_STRING, FIELD(public_url), "URL", NULL,
         "what nodes reach this server by; default: the first --listen address"},
        {"tls-cert", OPTION_STRING, FIELD(tls_cert), "FILE", NULL, "certificate chain (PEM) for HTTPS"},
        {"tls-key", OPTION_STRING, FIELD(tls_key), "FILE", NULL, "its key (PEM)"},
        {"ping", OPTION_INT, FIELD(ping_ms), "MS", "1000", "a quiet node is pinged after so long"},
        {"silent", OPTION_INT, FIELD(silent_ms), "MS", "5000", "a silent node gets no new tasks after so long"},
        {"dead", OPTION_INT, FIELD(dead_ms), "MS", "10000", "and counts as lost after so long: services replace its tasks elsewhere"},
        {"restart-lease", OPTION_INT, FIELD(restart_lease_ms), "MS", "60000",
         "how long a node is waited for whose agent was stopped in an orderly way"},
        {"start-lease", OPTION_INT, FIELD(start_lease_ms), "MS", "30000", "how long every node is waited for when the server starts"},
        {"metrics-interval", OPTION_INT, FIELD(metrics_s), "SECONDS", "1",
         "how often nodes send what their tasks use; stock ECS agents send it every 20 s whatever this says"},
        {"metrics-disk", OPTION_INT, FIELD(metrics_disk_mib), "MIB", "4096", "how much of the disk metrics may take: the oldest go first"},
        {"healthy-after", OPTION_INT, FIELD(healthy_after_ms), "MS", "500",
         "when a service's task without any check counts as healthy: so long after it runs"},
        {"scaling-timing", OPTION_STRING, FIELD(scaling_timing), "fast|cloud", "fast",
         "how fast target tracking looks at its metrics: as fast as they come, or by minutes as the cloud does"},
        {"keep-stopped", OPTION_INT, FIELD(stopped_task_s), "SECONDS", "86400", "how long stopped tasks stay visible"},
        {"keep-stopped-tasks", OPTION_INT, FIELD(max_stopped_tasks), "N", "100000", "and how many at most"},
        {"create-default-cluster", OPTION_BOOL, FIELD(create_default_cluster), NULL, NULL,
         "make the cluster \"default\" at the first start"},
        {"balancer", OPTION_BOOL, FIELD(balancer), NULL, NULL, "carry the traffic of load balancers on this machine (runs HAProxy)"},
        {"balancer-address", OPTION_LIST, FIELD(balancer_addresses), "IP", "127.0.0.1",
         "where all load balancers listen; may be repeated; 0.0.0.0 for every address of this machine"},
        {"machine-driver", OPTION_STRING, FIELD(machine_driver), "PROGRAM", NULL,
         "makes the machines of Auto Scaling groups: PROGRAM create|destroy|list (docs/capacity.md)"},
        {"machine-timeout", OPTION_INT, FIELD(machine_timeout), "SECONDS", "300", "how long one run of it may take"},
        {"console-dir", OPTION_STRING, FIELD(console_dir), "DIR", NULL,
         "files of the web console; default: console beside the program, else ../share/gantry/console"},
        {"log-level", OPTION_STRING, FIELD(log_level), "LEVEL", "info", "debug, info, warn or error"},
        {"log-format", OPTION_STRING, FIELD(log_format), "FORMAT", "text", "text or json"},
        OPTION_END,
};

struct server {
        struct process process;
        const struct server_values *values;
        struct store *store;
        struct model *model;
        struct sched *sched;
        struct log_store *logs;
        struct metrics *metrics;
        struct lb_driver *balancer;
        struct machine_driver *machines;
        struct agents *agents;
        struct event_stream *events;
        struct retention *retention;
        struct controller *controller;
        struct control_loop control_loop;
        struct api *api;
        struct console *console;
        struct http_server *http;
        uv_timer_t retention_timer;
        struct commit_waiter keys_durable;
        const struct access_key *admin_key, *agent_key;
        char url[300];
        int status;
};

static void on_retention(uv_timer_t *timer)
{
        struct server *s = timer->data;

        while (retention_run(s->retention, env_now_ms(env_system())) >= 500)
                ;
}

static void on_logs_closed(void *data)
{
        (void)data;
}

static void on_http_closed(void *data)
{
        struct server *s = data;

        s->balancer = lb_driver_free(s->balancer);
        s->machines = machine_driver_free(s->machines);
        log_store_close(s->logs, on_logs_closed, s);
        uv_close((uv_handle_t *)&s->retention_timer, NULL);
        control_loop_stop(&s->control_loop);
        process_end(&s->process);
}

static void on_stop(struct process *process)
{
        struct server *s = CONTAINER_OF(process, struct server, process);

        event_stream_close(s->events);
        agents_close(s->agents);
        http_server_close(s->http, CLOSE_GRACE_MS, on_http_closed, s);
}

/* The first moment at which somebody may be told the keys: they are on disk. */
static void on_keys_durable(struct commit_waiter *waiter)
{
        struct server *s = CONTAINER_OF(waiter, struct server, keys_durable);
        struct credentials admin = {s->url, s->values->region, s->admin_key->state->id, s->admin_key->state->secret};
        struct credentials agent = {s->url, s->values->region, s->agent_key->state->id, s->agent_key->state->secret};
        struct error error = {0};

        if (credentials_write(s->values->data_dir, CREDENTIALS_ADMIN, &admin, &error) < 0 ||
            credentials_write(s->values->data_dir, CREDENTIALS_AGENT, &agent, &error) < 0) {
                log_error("cannot write the credentials", LOG_S("error", error.message));
                s->status = 1;
                process_end(&s->process);
                uv_stop(&s->process.loop);
                return;
        }
        printf("ready: %s\n", s->url);
        fflush(stdout);
}

/* The URL that clients get: the public one, or that of the first listening address with its real port. */
static void make_url(struct server *s)
{
        const struct server_values *v = s->values;
        const char *scheme = v->tls_cert != NULL ? "https" : "http", *first = v->listen.items[0], *colon = strrchr(first, ':');

        if (v->public_url != NULL)
                snprintf(s->url, sizeof(s->url), "%s", v->public_url);
        else if (str_starts_with(first, "0.0.0.0:") || str_starts_with(first, "[::]:") || str_starts_with(first, "unix:"))
                snprintf(s->url, sizeof(s->url), "%s://127.0.0.1:%d", scheme, http_server_port(s->http));
        else
                snprintf(s->url, sizeof(s->url), "%s://%.*s:%d", scheme, (int)(colon - first), first, http_server_port(s->http));
}

static int open_state(struct server *s, struct error *error)
{
        const struct server_values *v = s->values;
        CLEANUP_ARENA struct arena arena = {0};
        int r;

        r = files_make_dirs(v->data_dir, 0700);
        if (r < 0)
                return error_set(error, -r, "cannot make the data directory %s: %s; give another --data-dir", v->data_dir, strerror(-r));
        r = store_sqlite_open(v->data_dir, &s->store, error);
        if (r < 0)
                return r;
        r = model_open(s->store, env_system(), &s->process.loop, v->account, v->region, &s->model, error);
        if (r < 0 || (r = network_ensure(s->model, v->vpc_range, error)) < 0)
                return r;
        (void)task_network_sweep(s->model);
        s->sched = sched_new(s->model);
        s->retention = retention_new(s->model, &(struct retention_options){.stopped_task_ms = v->stopped_task_s * 1000,
                                                                           .max_stopped_tasks = (size_t)v->max_stopped_tasks});
        r = metrics_open(&(struct metrics_options){.dir = arena_printf(&arena, "%s/metrics", v->data_dir),
                                                   .loop = &s->process.loop,
                                                   .now_ms = env_now_ms(env_system()),
                                                   .max_disk_bytes = (uint64_t)v->metrics_disk_mib << 20},
                         &s->metrics, error);
        if (r < 0)
                return r;
        return log_store_open(&(struct log_store_options){.dir = arena_printf(&arena, "%s/logs", v->data_dir), .loop = &s->process.loop},
                              &s->logs, error);
}

/* Both stand in every ARN and signature. */
static int check_names(const struct server_values *v, struct error *error)
{
        if (strlen(v->account) != 12 || strspn(v->account, "0123456789") != 12)
                return error_set(error, EINVAL, "--account-id: '%s' is not 12 digits, such as 123456789012", v->account);
        if (!str_is_name(v->region, "-", 64))
                return error_set(error, EINVAL, "--region: '%s' is no name of a region, such as us-east-1", v->region);
        for (uint32_t i = 0; i < v->balancer_addresses.n; i++) {
                unsigned char address[sizeof(struct in6_addr)];
                const char *text = v->balancer_addresses.items[i];

                if (inet_pton(AF_INET, text, address) != 1 && inet_pton(AF_INET6, text, address) != 1)
                        return error_set(error, EINVAL, "--balancer-address: '%s' is no address, such as 127.0.0.1 or 0.0.0.0", text);
        }
        return 0;
}

/* Options that bear on each other; a listening address needs a TLS certificate unless only this machine can reach it. */
static int check_listen(const struct server_values *v, struct error *error)
{
        if (v->listen.n == 0)
                return error_set(error, EINVAL, "--listen: say at least one address");
        if ((v->tls_cert == NULL) != (v->tls_key == NULL))
                return error_set(error, EINVAL, "--tls-cert and --tls-key go together");
        if (!str_eq(v->scaling_timing, "fast") && !str_eq(v->scaling_timing, "cloud"))
                return error_set(error, EINVAL, "--scaling-timing must be fast or cloud, not %s", v->scaling_timing);
        for (uint32_t i = 0; i < v->listen.n && v->tls_cert == NULL; i++)
                if (!str_starts_with(v->listen.items[i], "127.") && !str_starts_with(v->listen.items[i], "[::1]:") &&
                    !str_starts_with(v->listen.items[i], "unix:"))
                        log_warn("listening without TLS on an address that others can reach: requests are signed but can be read; "
                                 "give --tls-cert and --tls-key",
                                 LOG_S("listen", v->listen.items[i]));
        return 0;
}

static int start_http(struct server *s, struct error *error)
{
        const struct server_values *v = s->values;
        struct http_server_options options = {.loop = &s->process.loop,
                                              .handler = api_handle,
                                              .reject = api_reject,
                                              .data = s->api,
                                              .limits = {.max_body_bytes = MAX_BODY},
                                              .tls_cert = v->tls_cert,
                                              .tls_key = v->tls_key};
        int r = http_server_new(&options, &s->http, error);

        for (uint32_t i = 0; r >= 0 && i < v->listen.n; i++)
                r = http_server_listen(s->http, v->listen.items[i], error);
        return r;
}

/* Where the console's files are: said, or where the build or the installation puts them. */
static const char *console_dir(const struct server_values *v, struct arena *arena)
{
        static const char *const places[] = {"console", "../share/gantry/console"};
        char program[1024];
        ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
        const char *dir = v->console_dir;

        for (size_t i = 0; v->console_dir == NULL && n > 0 && i < ARRAY_SIZE(places); i++) {
                program[n] = '\0';
                dir = arena_printf(arena, "%.*s/%s", (int)(strrchr(program, '/') - program), program, places[i]);
                if (access(dir, F_OK) == 0)
                        break;
        }
        return dir != NULL ? dir : places[0];
}

static int open_console(struct server *s, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        int r = console_new(s->api, console_dir(s->values, &arena), &s->console, error);

        if (r != -ENOENT || s->values->console_dir != NULL)
                return r;
        log_info("the web console is not there", LOG_S("reason", error->message),
                 LOG_S("next", "`make build` builds it; --console-dir says where it is"));
        error_clear(error);
        return 0;
}

static int start_balancer(struct server *s, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct lb_driver_options options = {.loop = &s->process.loop,
                                            .model = s->model,
                                            .dir = arena_printf(&arena, "%s/balancer", s->values->data_dir),
                                            .shared = s->values->balancer_addresses,
                                            .metrics = s->api->metrics};

        return s->values->balancer ? lb_driver_new(&options, &s->balancer, error) : 0;
}

static void start_machines(struct server *s)
{
        const struct server_values *v = s->values;

        if (v->machine_driver != NULL)
                s->machines = machine_driver_new(&(struct machine_driver_options){.loop = &s->process.loop,
                                                                                  .model = s->model,
                                                                                  .env = env_system(),
                                                                                  .program = v->machine_driver,
                                                                                  .server_url = s->url,
                                                                                  .timeout_ms = v->machine_timeout * 1000,
                                                                                  .join_key = api_key_for_machine});
}

static int start(struct server *s, struct error *error)
{
        struct api_options options = {.loop = &s->process.loop, .version = GANTRY_VERSION, .public_url = ""};
        int r = check_names(s->values, error);

        if (r < 0 || (r = check_listen(s->values, error)) < 0 || (r = open_state(s, error)) < 0)
                return r;
        options.model = s->model;
        options.vpc_range = s->values->vpc_range;
        options.elastic_range = s->values->elastic_range;
        options.sched = s->sched;
        options.logs = s->logs;
        options.metrics = s->metrics;
        options.cloud_timing = str_eq(s->values->scaling_timing, "cloud");
        s->api = api_new(&options);
        r = open_console(s, error);
        if (r >= 0)
                r = start_http(s, error);
        if (r < 0)
                return r;
        make_url(s);
        api_set_public_url(s->api, s->url);
        s->api->http = s->http;
        s->agents = agents_new(&(struct agents_options){.model = s->model,
                                                        .loop = &s->process.loop,
                                                        .logs_endpoint = s->url,
                                                        .ping_ms = (uint32_t)s->values->ping_ms,
                                                        .silent_ms = (uint32_t)s->values->silent_ms,
                                                        .dead_ms = (uint32_t)s->values->dead_ms,
                                                        .restart_ms = (uint32_t)s->values->restart_lease_ms,
                                                        .start_ms = (uint32_t)s->values->start_lease_ms,
                                                        .metrics_s = (uint32_t)s->values->metrics_s});
        agents_serve(s->agents, s->api);
        s->events = event_stream_new(s->api, NULL);
        start_machines(s);
        s->controller = controller_new(&(struct controller_options){.model = s->model,
                                                                    .sched = s->sched,
                                                                    .ops = &api_controller_ops,
                                                                    .data = s->api,
                                                                    .machines = s->machines != NULL ? &machine_driver_ops : NULL,
                                                                    .machines_data = s->machines,
                                                                    .healthy_after_ms = s->values->healthy_after_ms,
                                                                    .cloud_timing = options.cloud_timing});
        control_loop_start(&s->control_loop, &s->process.loop, s->model, s->controller);
        r = start_balancer(s, error);
        if (r < 0)
                return r;
        uv_timer_init(&s->process.loop, &s->retention_timer);
        s->retention_timer.data = s;
        uv_timer_start(&s->retention_timer, on_retention, RETENTION_MS, RETENTION_MS);
        r = api_bootstrap_keys(s->model, &s->admin_key, &s->agent_key, error);
        if (r < 0)
                return r;
        if (s->values->create_default_cluster && model_cluster(s->model, "default") == NULL) {
                CLEANUP_BUF struct buf answer = {0};

                api_run(s->api, "ecs", "CreateCluster", NULL, "{}", &answer);
        }
        s->keys_durable.durable = on_keys_durable;
        model_when_durable(s->model, model_sequence(s->model), &s->keys_durable);
        return 0;
}

static void finish(struct server *s)
{
        s->controller = controller_free(s->controller);
        s->events = event_stream_free(s->events);
        s->agents = agents_free(s->agents);
        s->console = console_free(s->console);
        s->api = api_free(s->api);
        s->metrics = metrics_free(s->metrics);
        s->retention = retention_free(s->retention);
        s->sched = sched_free(s->sched);
        s->model = model_close(s->model); /* after those who watch it */
        s->store = store_close(s->store);
}

static int run_server(const struct verb *verb, void *values, char **args)
{
        struct server server = {.values = values};
        struct error error = {0};

        (void)args;
        if (process_log_setup(server.values->log_level, server.values->log_format, &error) < 0)
                return verb_fail(verb, &error);
        process_start(&server.process, on_stop);
        if (start(&server, &error) < 0)
                return verb_fail(verb, &error);
        process_run(&server.process);
        finish(&server);
        process_done(&server.process);
        return server.status;
}

const struct verb verb_server = {
        .name = "server",
        .summary = "the control plane alone",
        .usage = "[OPTIONS]",
        .description = "Answers the AWS APIs and directs the nodes that join. Needs no root. Prints \"ready: URL\" once it answers; gantry "
                       "env then\n"
                       "says how to reach it. SIGTERM ends it in an orderly way; tasks keep running on their nodes.\n",
        .options = server_options,
        .size = sizeof(struct server_values),
        .run = run_server,
};
