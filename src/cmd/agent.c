/* SPDX-License-Identifier: Apache-2.0 */
/* gantry agent: makes this machine a node of a server. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/strutil.h"
#include "cmd/credentials.h"
#include "cmd/process.h"
#include "cmd/verbs.h"

#define REGISTRY_AUTH_FILE "/etc/gantry/auth.json"

struct agent_values {
        const char *data_dir, *server, *cluster, *region, *key_id, *secret, *server_dir, *ca_file, *zone, *instance_type, *fargate;
        const char *reserved_ports, *reserved_ports_udp, *pull, *registry_auth, *auth_type, *auth_data, *log_level, *log_format;
        struct string_list attributes, tags, mirrors, insecure_registries;
        int64_t reserved_cpu, reserved_memory, total_cpu, total_memory, pull_timeout, pull_inactivity, stop_timeout, cleanup_wait,
                disk_pressure, warm, metadata_port, introspection_port;
        bool insecure, no_metrics, no_network;
};

#define FIELD(name) offsetof(struct agent_values, name)
static const struct option_row agent_option_rows[] = {
        {"data-dir", OPTION_STRING, FIELD(data_dir), "DIR", DEFAULT_DATA_DIR "/agent",
         "where the node keeps images, tasks and its identity"},
        {"server", OPTION_STRING, FIELD(server), "URL", NULL, "the server: http://HOST:4327 (or --server-data-dir)"},
        {"server-data-dir", OPTION_STRING, FIELD(server_dir), "DIR", NULL,
         "data directory of a server on this machine: URL, region and join key are read from it"},
        {"cluster", OPTION_STRING, FIELD(cluster), "NAME", NULL, "cluster to join; default \"default\", with --fargate the pool of hosts"},
        {"fargate", OPTION_STRING, FIELD(fargate), "MODE", NULL,
         "take Fargate tasks of all clusters, each apart from others by MODE: sandbox, microvm or auto"},
        {"warm", OPTION_INT, FIELD(warm), "N", "2", "micro-VMs that wait for a task, at most"},
        {"region", OPTION_STRING, FIELD(region), "NAME", "us-east-1", "region that the server serves"},
        {"access-key", OPTION_STRING, FIELD(key_id), "ID", NULL, "key that nodes join with: gantry keys create --agent"},
        {"secret-key", OPTION_STRING, FIELD(secret), "SECRET", NULL, "its secret; better given as GANTRY_SECRET_KEY"},
        {"ca-file", OPTION_STRING, FIELD(ca_file), "FILE", NULL, "certificate authorities that the server is checked against"},
        {"insecure", OPTION_BOOL, FIELD(insecure), NULL, NULL, "accept any server certificate"},
        {"zone", OPTION_STRING, FIELD(zone), "NAME", NULL, "availability zone of this machine, for example us-east-1a"},
        {"instance-type", OPTION_STRING, FIELD(instance_type), "NAME", NULL, "attribute ecs.instance-type of this machine"},
        {"attribute", OPTION_LIST, FIELD(attributes), "NAME=VALUE", NULL, "own attribute for placement; may be repeated"},
        {"tag", OPTION_LIST, FIELD(tags), "KEY=VALUE", NULL, "tag of the container instance; may be repeated"},
        {"cpu", OPTION_INT, FIELD(total_cpu), "UNITS", "0", "CPU units offered, 1024 a core; 0: all cores"},
        {"memory", OPTION_INT, FIELD(total_memory), "MIB", "0", "memory offered; 0: all"},
        {"reserved-cpu", OPTION_INT, FIELD(reserved_cpu), "UNITS", "0", "CPU units kept for the system"},
        {"reserved-memory", OPTION_INT, FIELD(reserved_memory), "MIB", "0", "memory kept for the system"},
        {"reserved-ports", OPTION_STRING, FIELD(reserved_ports), "LIST", NULL,
         "TCP ports never given to tasks; default 22,2375,2376,51678,51679"},
        {"reserved-ports-udp", OPTION_STRING, FIELD(reserved_ports_udp), "LIST", NULL, "UDP ports never given to tasks"},
        {"pull", OPTION_STRING, FIELD(pull), "WORD", "default", "image pulls: default, always, once or prefer-cached"},
        {"pull-timeout", OPTION_INT, FIELD(pull_timeout), "SECONDS", "7200", "how long the pull of one image may take"},
        {"pull-inactivity-timeout", OPTION_INT, FIELD(pull_inactivity), "SECONDS", "60", "how long a registry may be silent in it"},
        {"registry-auth", OPTION_STRING, FIELD(registry_auth), "FILE", NULL,
         "logins of registries: skopeo login --authfile FILE; default " REGISTRY_AUTH_FILE " where that is"},
        {"engine-auth-type", OPTION_STRING, FIELD(auth_type), "TYPE", NULL, "kind of --engine-auth-data: docker or dockercfg"},
        {"engine-auth-data", OPTION_STRING, FIELD(auth_data), "JSON", NULL, "logins as the Amazon agent's ECS_ENGINE_AUTH_DATA has them"},
        {"registry-mirror", OPTION_LIST, FIELD(mirrors), "HOST=MIRROR", NULL,
         "ask MIRROR (HOST[:PORT][/PREFIX]) before the registry HOST; may be repeated"},
        {"insecure-registry", OPTION_LIST, FIELD(insecure_registries), "HOST[:PORT]", NULL,
         "registry without TLS or with any certificate; may be repeated"},
        {"stop-timeout", OPTION_INT, FIELD(stop_timeout), "SECONDS", "30",
         "from SIGTERM to SIGKILL where the task definition says nothing"},
        {"cleanup-wait", OPTION_INT, FIELD(cleanup_wait), "SECONDS", "10800", "how long a stopped task's files stay"},
        {"disk-pressure", OPTION_INT, FIELD(disk_pressure), "PERCENT", "85",
         "disk use above which unused images and stopped tasks go at once"},
        {"no-metrics", OPTION_BOOL, FIELD(no_metrics), NULL, NULL, "send no metrics and no health"},
        {"no-network", OPTION_BOOL, FIELD(no_network), NULL, NULL, "leave the host's network alone: only host and none mode run"},
        {"metadata-port", OPTION_INT, FIELD(metadata_port), "PORT", "51679", "task metadata on loopback; -1: any free port"},
        {"introspection-port", OPTION_INT, FIELD(introspection_port), "PORT", "51678", "introspection on loopback; -1: none"},
        {"log-level", OPTION_STRING, FIELD(log_level), "LEVEL", "info", "debug, info, warn or error"},
        {"log-format", OPTION_STRING, FIELD(log_format), "FORMAT", "text", "text or json"},
        OPTION_END,
};

struct node {
        struct process process;
        struct agent *agent;
        int status;
};

static void on_stopped(struct agent *agent, void *data)
{
        struct node *node = data;

        node->agent = agent_free(agent);
        process_end(&node->process);
}

static void on_signal(struct process *process)
{
        struct node *node = CONTAINER_OF(process, struct node, process);

        agent_stop(node->agent, on_stopped, node);
}

static void on_connected(struct agent *agent, void *data)
{
        (void)data;
        printf("ready: node %s\n", agent_instance_arn(agent));
        fflush(stdout);
}

static void on_refused(struct agent *agent, const struct error *error, void *data)
{
        struct node *node = data;

        fprintf(stderr, "gantry agent: the server does not take this node: %s\n", error->message);
        node->status = AGENT_EXIT_REFUSED;
        agent_stop(agent, on_stopped, node);
}

/* "NAME=VALUE" words; a word without '=' has no value. */
static struct agent_pair *split_pairs(struct arena *arena, const struct string_list *words)
{
        struct agent_pair *pairs = arena_calloc(arena, words->n + 1, sizeof(*pairs));

        for (uint32_t i = 0; i < words->n; i++) {
                const char *equals = strchr(words->items[i], '=');

                pairs[i].name =
                        equals != NULL ? arena_strndup(arena, words->items[i], (size_t)(equals - words->items[i])) : words->items[i];
                pairs[i].value = equals != NULL ? equals + 1 : NULL;
        }
        return pairs;
}

static int fill_options(const struct agent_values *v, struct arena *arena, struct agent_options *o, struct error *error)
{
        struct credentials c = {.endpoint = v->server, .region = v->region, .key_id = v->key_id, .secret = v->secret};
        int pull = agent_pull_behavior_parse(v->pull);

        if (v->server_dir != NULL && credentials_read(v->server_dir, CREDENTIALS_AGENT, arena, &c, error) < 0)
                return -EINVAL;
        if (c.endpoint == NULL)
                return error_set(error, EINVAL,
                                 "where is the server? Give --server URL, or --server-data-dir DIR for a server on this machine");
        if (c.key_id == NULL || c.secret == NULL)
                return error_set(error, EINVAL, "%s is missing: a key to join %s with is made there by: gantry keys create --agent",
                                 c.key_id == NULL ? "--access-key (or GANTRY_ACCESS_KEY)" : "--secret-key (or GANTRY_SECRET_KEY)",
                                 c.endpoint);
        if (pull < 0)
                return error_set(error, EINVAL, "--pull: '%s' is not default, always, once or prefer-cached", v->pull);
        for (uint32_t i = 0; i < v->mirrors.n; i++)
                if (strchr(v->mirrors.items[i], '=') == NULL)
                        return error_set(error, EINVAL, "--registry-mirror: '%s' is not HOST=MIRROR, such as docker.io=mirror.example:5000",
                                         v->mirrors.items[i]);
        o->data_dir = v->data_dir;
        o->endpoint = c.endpoint;
        o->cluster = v->cluster;
        o->fargate = v->fargate;
        o->warm = v->warm > 0 ? (uint32_t)v->warm : UINT32_MAX;
        o->region = c.region;
        o->key_id = c.key_id;
        o->secret = c.secret;
        o->ca_file = v->ca_file;
        o->insecure = v->insecure;
        o->availability_zone = v->zone;
        o->instance_type = v->instance_type;
        o->attributes = split_pairs(arena, &v->attributes);
        o->n_attributes = v->attributes.n;
        o->tags = split_pairs(arena, &v->tags);
        o->n_tags = v->tags.n;
        o->total_cpu = (uint32_t)v->total_cpu;
        o->total_memory = (uint32_t)v->total_memory;
        o->reserved_cpu = (uint32_t)v->reserved_cpu;
        o->reserved_memory = (uint32_t)v->reserved_memory;
        o->reserved_ports = v->reserved_ports;
        o->reserved_ports_udp = v->reserved_ports_udp;
        o->pull_behavior = (enum agent_pull_behavior)pull;
        o->pull_timeout_s = (uint32_t)v->pull_timeout;
        o->pull_inactivity_s = (uint32_t)v->pull_inactivity;
        o->auth_file = v->registry_auth != NULL || access(REGISTRY_AUTH_FILE, F_OK) < 0 ? v->registry_auth : REGISTRY_AUTH_FILE;
        o->auth_type = v->auth_type;
        o->auth_data = v->auth_data;
        o->mirrors = split_pairs(arena, &v->mirrors);
        o->n_mirrors = v->mirrors.n;
        o->insecure_registries = v->insecure_registries;
        o->stop_timeout_s = (uint32_t)v->stop_timeout;
        o->cleanup_wait_s = (uint32_t)v->cleanup_wait;
        o->disk_pressure_percent = (uint32_t)v->disk_pressure;
        o->no_metrics = v->no_metrics;
        o->no_network = v->no_network;
        o->metadata_port = (int)v->metadata_port;
        o->introspection_port = (int)v->introspection_port;
        return 0;
}

static int run_agent(const struct verb *verb, void *values, char **args)
{
        const struct agent_values *v = values;
        CLEANUP_ARENA struct arena arena = {0};
        struct agent_options options = {0};
        struct node node = {0};
        struct error error = {0};

        (void)args;
        if (process_log_setup(v->log_level, v->log_format, &error) < 0 || fill_options(v, &arena, &options, &error) < 0) {
                (void)verb_fail(verb, &error);
                return EXIT_USAGE;
        }
        /* Sixteen threads that mostly wait for the kernel: the allocator would give each an arena of its own, which it never gives back. */
        (void)mallopt(M_ARENA_MAX, 2);
        process_start(&node.process, on_signal);
        options.loop = &node.process.loop;
        options.env = env_system();
        options.connected = on_connected;
        options.refused = on_refused;
        options.data = &node;
        if (agent_new(&options, &node.agent, &error) < 0 || agent_start(node.agent, &error) < 0) {
                agent_free(node.agent);
                (void)verb_fail(verb, &error);
                return error.number == EINVAL ? EXIT_USAGE : 1;
        }
        process_run(&node.process);
        process_done(&node.process);
        return node.status;
}

const struct verb verb_agent = {
        .name = "agent",
        .summary = "make this machine a node: run containers for a server",
        .usage = "--server URL --access-key ID --secret-key SECRET [OPTIONS]",
        .description = "Joins a cluster as a container instance and runs the tasks that the server places here, with crun under conmon.\n"
                       "Needs root. SIGTERM ends the agent and leaves the containers running; the next one adopts them.\n"
                       "Exit status: 0 after SIGTERM, 1 for a failure worth another start, 2 for a wrong option, 5 when the server refuses "
                       "this node for good.\n",
        .options = agent_option_rows,
        .size = sizeof(struct agent_values),
        .run = run_agent,
};
