/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a node: copying and defaults. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "agent/agent_internal.h"
#include "base/log.h"
#include "base/strutil.h"
#include "image/image.h"

#define DEFAULT(member, value)              \
        do {                                \
                if ((member) == 0)          \
                        (member) = (value); \
        } while (0)

int agent_pull_behavior_parse(const char *word)
{
        enum image_pull_behavior behavior;
        int r = image_pull_behavior_parse(word, &behavior);

        return r < 0 ? r : (int)behavior;
}

static const struct agent_pair *copy_pairs(const struct agent_pair *from, uint32_t n, struct arena *arena)
{
        struct agent_pair *to = arena_calloc(arena, n + 1, sizeof(*to));

        for (uint32_t i = 0; i < n; i++)
                to[i] = (struct agent_pair){arena_strdup(arena, from[i].name), arena_strdup(arena, from[i].value)};
        return to;
}

static const char *without_slash(const char *url, struct arena *arena)
{
        size_t len = url != NULL ? strlen(url) : 0;

        while (len > 0 && url[len - 1] == '/')
                len--;
        return url != NULL ? arena_strndup(arena, url, len) : NULL;
}

static void copy_strings(struct agent_options *o, struct arena *arena)
{
        const char **const members[] = {&o->data_dir,
                                        &o->cluster,
                                        &o->region,
                                        &o->key_id,
                                        &o->secret,
                                        &o->ca_file,
                                        &o->session_token,
                                        &o->availability_zone,
                                        &o->instance_type,
                                        &o->reserved_ports,
                                        &o->reserved_ports_udp,
                                        &o->bridge,
                                        &o->bridge_range,
                                        &o->node_address,
                                        &o->runtime_dir,
                                        &o->cgroup_parent,
                                        &o->auth_type,
                                        &o->auth_data,
                                        &o->auth_file,
                                        &o->fargate};

        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                *members[i] = arena_strdup(arena, *members[i]);
        o->endpoint = without_slash(o->endpoint, arena);
        o->logs_endpoint = o->logs_endpoint != NULL ? without_slash(o->logs_endpoint, arena) : o->endpoint;
        o->attributes = copy_pairs(o->attributes, o->n_attributes, arena);
        o->tags = copy_pairs(o->tags, o->n_tags, arena);
        o->mirrors = copy_pairs(o->mirrors, o->n_mirrors, arena);
        struct string_list insecure = {0};
        for (uint32_t i = 0; i < o->insecure_registries.n; i++)
                string_list_push(arena, &insecure, arena_strdup(arena, o->insecure_registries.items[i]));
        o->insecure_registries = insecure;
}

static void put_defaults(struct agent_options *o)
{
        if (o->env == NULL)
                o->env = env_system();
        if (str_empty(o->cluster))
                o->cluster = o->fargate != NULL ? AGENT_FARGATE_CLUSTER : "default";
        if (str_empty(o->region))
                o->region = "us-east-1";
        if (str_empty(o->reserved_ports))
                o->reserved_ports = "22,2375,2376,51678,51679";
        DEFAULT(o->stop_timeout_s, 30);
        DEFAULT(o->start_timeout_s, 180);
        DEFAULT(o->pull_timeout_s, 7200);
        DEFAULT(o->pull_inactivity_s, 60);
        DEFAULT(o->cleanup_wait_s, 10800);
        DEFAULT(o->image_cleanup_s, 1800);
        DEFAULT(o->image_min_age_s, 3600);
        DEFAULT(o->disk_pressure_percent, 85);
        DEFAULT(o->metrics_interval_s, 20);
        DEFAULT(o->ping_ms, 1000);
        DEFAULT(o->dead_ms, 5000);
        DEFAULT(o->metadata_port, 51679);
        DEFAULT(o->introspection_port, 51678);
}

/* Overlay file systems over idmapped layers. */
static bool kernel_can_sandbox(void)
{
        struct utsname uts;
        long major, minor;
        char *end;

        if (uname(&uts) < 0)
                return false;
        major = strtol(uts.release, &end, 10);
        minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
        return major > 5 || (major == 5 && minor >= 19);
}

/* "auto" on a machine that is a node of a cluster besides gives way; a host that is told what to do must not do less. */
static int check_fargate(struct agent_options *o, struct error *error)
{
        if (o->fargate == NULL)
                return 0;
        if (str_eq(o->fargate, "microvm"))
                return 0;
        if (!str_eq(o->fargate, "sandbox") && !str_eq(o->fargate, "auto"))
                return error_set(error, EINVAL, "--fargate: '%s' is not sandbox, microvm or auto", o->fargate);
        if (kernel_can_sandbox()) {
                o->fargate = "sandbox";
                return 0;
        }
        if (str_eq(o->fargate, "sandbox") || str_empty(o->cluster))
                return error_set(error, ENOSYS, "--fargate: sandboxes need Linux 5.19 or later on this machine");
        log_info("this node takes no Fargate tasks: sandboxes need Linux 5.19 or later");
        o->fargate = NULL;
        return 0;
}

int agent_options_copy(const struct agent_options *from, struct arena *arena, struct agent_options *ret, struct error *error)
{
        struct agent_options o = *from;

        if (o.loop == NULL || str_empty(o.data_dir))
                return error_set(error, EINVAL, "a node needs a data directory");
        if (str_empty(o.endpoint) || (!str_starts_with(o.endpoint, "http://") && !str_starts_with(o.endpoint, "https://")))
                return error_set(error, EINVAL, "a node needs the server's URL, such as http://127.0.0.1:4327");
        if (str_empty(o.key_id) || str_empty(o.secret))
                return error_set(error, EINVAL, "a node needs an access key; `gantry keys` on the server makes one");
        int r = check_fargate(&o, error);
        if (r < 0)
                return r;
        copy_strings(&o, arena);
        put_defaults(&o);
        *ret = o;
        return 0;
}

int agent_parse_ports(const char *text, struct arena *arena, uint16_t **ret, uint32_t *ret_n, struct error *error)
{
        char *copy = arena_strdup(arena, text != NULL ? text : ""), *save = NULL;
        uint16_t *ports = arena_calloc(arena, strlen(copy) / 2 + 1, sizeof(*ports));
        uint32_t n = 0;

        for (char *word = strtok_r(copy, ", []", &save); word != NULL; word = strtok_r(NULL, ", []", &save)) {
                int64_t port;

                if (str_to_int64(word, &port) < 0 || port < 1 || port > 65535)
                        return error_set(error, EINVAL, "\"%s\" in the list of reserved ports is not a port", word);
                ports[n++] = (uint16_t)port;
        }
        *ret = ports;
        *ret_n = n;
        return 0;
}
