/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks and containers in the words of the task metadata endpoint and of the Docker Engine API. */
#include "agent/metadata/view.h"

#include <string.h>

#include <arpa/inet.h>

#include "agent/engine/volumes.h"
#include "base/strutil.h"

static const char *const container_words[CONTAINER_STATE_MAX] = {
        [CONTAINER_PULLING] = "NONE",     [CONTAINER_PULLED] = "PULLED",    [CONTAINER_CREATING] = "PULLED",
        [CONTAINER_CREATED] = "CREATED",  [CONTAINER_STARTING] = "CREATED", [CONTAINER_RUNNING] = "RUNNING",
        [CONTAINER_STOPPING] = "RUNNING", [CONTAINER_STOPPED] = "STOPPED",
};

static const char *const task_words[TASK_STATE_MAX] = {
        [TASK_QUEUED] = "NONE",      [TASK_PREPARING] = "NONE",  [TASK_STARTING] = "CREATED", [TASK_RUNNING] = "RUNNING",
        [TASK_STOPPING] = "RUNNING", [TASK_STOPPED] = "STOPPED", [TASK_REMOVING] = "STOPPED",
};

const char *view_time(int64_t ms, struct arena *arena)
{
        char *text = arena_bytes(arena, 32);

        if (ms == 0)
                return NULL;
        str_iso8601(ms, true, text);
        return text;
}

static const char *docker_name(const struct engine_container *c, struct arena *arena)
{
        const struct acs_task *p = c->task->payload;

        return arena_printf(arena, "ecs-%s-%s-%s-%s", p->family != NULL ? p->family : "", p->version != NULL ? p->version : "",
                            c->definition->name, c->task->id);
}

static const char *desired(const struct engine_task *t)
{
        return t->stop_wanted ? "STOPPED" : "RUNNING";
}

static void add_port(struct meta_port_list *list, struct arena *arena, int32_t container_port, int32_t host_port, const char *protocol,
                     bool with_ip)
{
        struct meta_port *p = SHAPE_PUSH(arena, list);

        SHAPE_SET(p, meta_port, container_port, container_port);
        p->protocol = protocol;
        if (host_port == 0)
                return;
        SHAPE_SET(p, meta_port, host_port, host_port);
        if (with_ip)
                p->host_ip = "0.0.0.0";
}

static void put_ports(const struct engine_container *c, bool with_ip, struct arena *arena, struct meta_port_list *list)
{
        for (uint32_t i = 0; i < c->bindings.n; i++) {
                const struct ecs_network_binding *b = &c->bindings.items[i];

                if (b->container_port > 0)
                        add_port(list, arena, b->container_port, b->host_port, b->protocol == ECS_TRANSPORT_PROTOCOL_UDP ? "udp" : "tcp",
                                 with_ip);
        }
        /* Without bindings (host mode) what was declared. */
        for (uint32_t i = 0; c->bindings.n == 0 && i < c->definition->port_mappings.n; i++) {
                const struct acs_port_mapping *pm = &c->definition->port_mappings.items[i];

                if (pm->container_port > 0)
                        add_port(list, arena, pm->container_port, pm->host_port, str_eq(pm->protocol, "udp") ? "udp" : "tcp", false);
        }
}

/* What an awsvpc task is told of its interface. */
static void put_interface(const struct engine_container *c, struct arena *arena, struct meta_network *n)
{
        const struct acs_elastic_network_interface_list *list = &c->task->payload->elastic_network_interfaces;
        const struct acs_elastic_network_interface *eni = list->n > 0 ? &list->items[0] : NULL;
        const char *slash = eni != NULL && eni->subnet_gateway_ipv4_address != NULL ? strchr(eni->subnet_gateway_ipv4_address, '/') : NULL;
        struct in_addr gateway;
        uint32_t mask;
        char first[INET_ADDRSTRLEN];
        int64_t prefix = 0;

        if (eni == NULL)
                return;
        SHAPE_SET(n, meta_network, attachment_index, 0);
        n->mac_address = eni->mac_address;
        n->domain_name_servers = eni->domain_name_servers;
        n->domain_name_search_list = eni->domain_name;
        n->private_dns_name = eni->private_dns_name;
        n->subnet_gateway_ipv4_address = eni->subnet_gateway_ipv4_address;
        if (slash == NULL || str_to_int64(slash + 1, &prefix) < 0 || prefix < 1 || prefix > 32 ||
            inet_pton(AF_INET, arena_strndup(arena, eni->subnet_gateway_ipv4_address, (size_t)(slash - eni->subnet_gateway_ipv4_address)),
                      &gateway) != 1)
                return;
        mask = ~(uint32_t)0 << (32 - prefix);
        gateway.s_addr = htonl(ntohl(gateway.s_addr) & mask);
        (void)inet_ntop(AF_INET, &gateway, first, sizeof(first));
        n->ipv4_subnet_cidr_block = arena_printf(arena, "%s/%d", first, (int)prefix);
}

static void put_networks(const struct engine_container *c, bool with_interface, struct arena *arena, struct meta_network_list *list)
{
        struct meta_network *n = SHAPE_PUSH(arena, list);

        n->network_mode = engine_task_network_mode(c->task);
        if (c->address != NULL)
                string_list_push(arena, &n->ipv4_addresses, c->address);
        if (with_interface && engine_task_is_awsvpc(c->task))
                put_interface(c, arena, n);
}

static void put_labels(const struct engine_container *c, const char *cluster, struct arena *arena, struct string_map *labels)
{
        const struct acs_task *p = c->task->payload;

        string_map_set(arena, labels, "com.amazonaws.ecs.cluster", cluster);
        string_map_set(arena, labels, "com.amazonaws.ecs.container-name", c->definition->name);
        string_map_set(arena, labels, "com.amazonaws.ecs.task-arn", c->task->arn);
        string_map_set(arena, labels, "com.amazonaws.ecs.task-definition-family", p->family != NULL ? p->family : "");
        string_map_set(arena, labels, "com.amazonaws.ecs.task-definition-version", p->version != NULL ? p->version : "");
        for (uint32_t i = 0; i < c->config->labels.n; i++)
                string_map_set(arena, labels, c->config->labels.items[i].key, c->config->labels.items[i].value);
}

static void put_volumes(const struct engine_container *c, struct arena *arena, struct meta_volume_list *list)
{
        for (uint32_t i = 0; i < c->definition->mount_points.n; i++) {
                struct meta_volume *v = SHAPE_PUSH(arena, list);

                v->docker_name = c->definition->mount_points.items[i].source_volume;
                v->destination = c->definition->mount_points.items[i].container_path;
        }
}

static struct meta_health *health(const struct engine_container *c, struct arena *arena)
{
        if (!engine_container_has_health(c))
                return NULL;
        struct meta_health *h = ARENA_NEW(arena, struct meta_health);
        h->status = health_status_name(c->health.status);
        h->status_since = view_time(c->health.since_ms, arena);
        if (c->health.status == HEALTH_UNHEALTHY) {
                SHAPE_SET(h, meta_health, exit_code, c->health.exit_code);
                h->output = c->health.output;
        }
        return h;
}

static void put_version_4(const struct engine_container *c, struct arena *arena, struct meta_container *ret)
{
        const struct docker_log_config *log = c->host->log_config;

        ret->log_driver = log != NULL && !str_empty(log->type) ? log->type : "json-file";
        if (log != NULL && log->config.n > 0)
                ret->log_options = log->config;
        ret->container_arn = c->definition->container_arn;
        ret->snapshotter = "overlayfs";
        if (c->definition->restart_policy != NULL)
                SHAPE_SET(ret, meta_container, restart_count, (int32_t)c->restart_count);
        (void)arena;
}

void view_container(const struct engine_container *c, const struct view_context *context, struct arena *arena, struct meta_container *ret)
{
        *ret = (struct meta_container){
                .docker_id = c->runtime_id,
                .name = c->definition->name,
                .docker_name = docker_name(c, arena),
                .image = c->definition->image,
                .image_id = c->image_id,
                .desired_status = desired(c->task),
                .known_status = container_words[c->state],
                .created_at = view_time(c->created_ms, arena),
                .started_at = view_time(c->started_ms, arena),
                .finished_at = view_time(c->finished_ms, arena),
                .type = "NORMAL",
                .health = health(c, arena),
        };
        put_ports(c, context->version >= 4, arena, &ret->ports);
        put_networks(c, context->version >= 4, arena, &ret->networks);
        put_labels(c, engine_task_cluster(c->task, context->cluster), arena, &ret->labels);
        put_volumes(c, arena, &ret->volumes);
        if (c->has_exit_code)
                SHAPE_SET(ret, meta_container, exit_code, c->exit_code);
        ret->limits = ARENA_NEW(arena, struct meta_limits);
        SHAPE_SET(ret->limits, meta_limits, cpu, MAX(c->definition->cpu, 2));
        SHAPE_SET(ret->limits, meta_limits, memory, c->definition->memory);
        if (context->version >= 4)
                put_version_4(c, arena, ret);
}

void view_task(const struct engine_task *t, const struct view_context *context, struct arena *arena, struct meta_task *ret)
{
        const struct acs_task *p = t->payload;

        *ret = (struct meta_task){
                .cluster = engine_task_cluster(t, context->cluster),
                .task_arn = t->arn,
                .family = p->family,
                .revision = p->version,
                .desired_status = desired(t),
                .known_status = task_words[t->state],
                .pull_started_at = view_time(t->pull_started_ms, arena),
                .pull_stopped_at = view_time(t->pull_stopped_ms, arena),
                .execution_stopped_at = view_time(t->execution_stopped_ms, arena),
                .availability_zone = context->availability_zone,
        };
        if (p->cpu > 0 || p->memory > 0) {
                ret->limits = ARENA_NEW(arena, struct meta_limits);
                if (p->cpu > 0)
                        SHAPE_SET(ret->limits, meta_limits, cpu, p->cpu);
                if (p->memory > 0)
                        SHAPE_SET(ret->limits, meta_limits, memory, p->memory);
        }
        if (context->version >= 4) {
                ret->launch_type = p->launch_type;
                ret->service_name = p->service_name;
                ret->group = p->group;
        }
        for (uint32_t i = 0; i < t->n_containers; i++) {
                struct meta_container one;

                view_container(&t->containers[i], context, arena, &one);
                *SHAPE_PUSH(arena, &ret->containers) = one;
        }
}

void view_seen_task(const struct engine_task *t, struct arena *arena, struct meta_seen_task *ret)
{
        const struct view_context context = {.cluster = "", .version = 3};

        *ret = (struct meta_seen_task){.arn = t->arn,
                                       .desired_status = desired(t),
                                       .known_status = t->state >= TASK_STOPPED ? "STOPPED"
                                                       : t->has_run             ? "RUNNING"
                                                                                : "PENDING",
                                       .family = t->payload->family,
                                       .version = t->payload->version};
        for (uint32_t i = 0; i < t->n_containers; i++) {
                struct meta_seen_container *to = SHAPE_PUSH(arena, &ret->containers);
                struct meta_container c;

                view_container(&t->containers[i], &context, arena, &c);
                to->docker_id = c.docker_id;
                to->docker_name = c.docker_name;
                to->name = c.name;
                to->image = c.image;
                to->image_id = c.image_id;
                to->created_at = c.created_at;
                to->started_at = c.started_at;
                to->ports = c.ports;
                to->networks = c.networks;
                to->volumes = c.volumes;
        }
}

/* ---- statistics ---- */

static struct meta_cpu_stats *cpu_stats(const struct runtime_stats *s, struct arena *arena)
{
        struct meta_cpu_stats *cpu = ARENA_NEW(arena, struct meta_cpu_stats);

        cpu->cpu_usage = ARENA_NEW(arena, struct meta_cpu_usage);
        SHAPE_SET(cpu->cpu_usage, meta_cpu_usage, total_usage, (int64_t)s->cpu_usage_ns);
        SHAPE_SET(cpu->cpu_usage, meta_cpu_usage, usage_in_kernelmode, (int64_t)s->cpu_system_ns);
        SHAPE_SET(cpu->cpu_usage, meta_cpu_usage, usage_in_usermode, (int64_t)s->cpu_user_ns);
        SHAPE_SET(cpu, meta_cpu_stats, system_cpu_usage, (int64_t)s->system_cpu_ns);
        SHAPE_SET(cpu, meta_cpu_stats, online_cpus, s->online_cpus);
        cpu->throttling_data = ARENA_NEW(arena, struct meta_throttling);
        SHAPE_SET(cpu->throttling_data, meta_throttling, periods, (int64_t)s->cpu_periods);
        SHAPE_SET(cpu->throttling_data, meta_throttling, throttled_periods, (int64_t)s->cpu_throttled_periods);
        SHAPE_SET(cpu->throttling_data, meta_throttling, throttled_time, (int64_t)s->cpu_throttled_ns);
        return cpu;
}

static struct meta_memory_stats *memory_stats(const struct runtime_stats *s, struct arena *arena)
{
        struct meta_memory_stats *m = ARENA_NEW(arena, struct meta_memory_stats);

        /* Docker's usage contains the cache that can go; it is listed beside it. */
        SHAPE_SET(m, meta_memory_stats, usage, (int64_t)(s->memory_usage + s->memory_inactive_file));
        if (s->memory_max_usage > 0)
                SHAPE_SET(m, meta_memory_stats, max_usage, (int64_t)s->memory_max_usage);
        SHAPE_SET(m, meta_memory_stats, failcnt, (int64_t)s->memory_failcnt);
        SHAPE_SET(m, meta_memory_stats, limit, (int64_t)s->memory_limit);
        m->stats = ARENA_NEW(arena, struct meta_memory_detail);
        SHAPE_SET(m->stats, meta_memory_detail, cache, (int64_t)s->memory_cache);
        SHAPE_SET(m->stats, meta_memory_detail, rss, (int64_t)s->memory_rss);
        SHAPE_SET(m->stats, meta_memory_detail, inactive_file, (int64_t)s->memory_inactive_file);
        SHAPE_SET(m->stats, meta_memory_detail, total_inactive_file, (int64_t)s->memory_inactive_file);
        return m;
}

static void add_blkio(struct meta_blkio_entry_list *list, struct arena *arena, const char *op, uint64_t value)
{
        struct meta_blkio_entry *e = SHAPE_PUSH(arena, list);

        SHAPE_SET(e, meta_blkio_entry, major, 0);
        SHAPE_SET(e, meta_blkio_entry, minor, 0);
        e->op = op;
        SHAPE_SET(e, meta_blkio_entry, value, (int64_t)value);
}

static struct meta_blkio_stats *blkio_stats(const struct runtime_stats *s, struct arena *arena)
{
        struct meta_blkio_stats *b = ARENA_NEW(arena, struct meta_blkio_stats);

        add_blkio(&b->io_service_bytes_recursive, arena, "Read", s->blkio_read_bytes);
        add_blkio(&b->io_service_bytes_recursive, arena, "Write", s->blkio_write_bytes);
        add_blkio(&b->io_serviced_recursive, arena, "Read", s->blkio_read_ops);
        add_blkio(&b->io_serviced_recursive, arena, "Write", s->blkio_write_ops);
        return b;
}

static void put_network(const struct container_metrics *m, struct arena *arena, struct meta_stats *stats)
{
        const struct runtime_stats *s = &m->last;
        struct meta_network_stats *n = ARENA_NEW(arena, struct meta_network_stats);

        SHAPE_SET(n, meta_network_stats, rx_bytes, (int64_t)s->rx_bytes);
        SHAPE_SET(n, meta_network_stats, rx_packets, (int64_t)s->rx_packets);
        SHAPE_SET(n, meta_network_stats, rx_errors, (int64_t)s->rx_errors);
        SHAPE_SET(n, meta_network_stats, rx_dropped, (int64_t)s->rx_dropped);
        SHAPE_SET(n, meta_network_stats, tx_bytes, (int64_t)s->tx_bytes);
        SHAPE_SET(n, meta_network_stats, tx_packets, (int64_t)s->tx_packets);
        SHAPE_SET(n, meta_network_stats, tx_errors, (int64_t)s->tx_errors);
        SHAPE_SET(n, meta_network_stats, tx_dropped, (int64_t)s->tx_dropped);
        stats->networks = ARENA_NEW(arena, struct meta_networks);
        stats->networks->eth0 = n;
        stats->network_rate_stats = ARENA_NEW(arena, struct meta_network_rates);
        SHAPE_SET(stats->network_rate_stats, meta_network_rates, rx_bytes_per_sec, metrics_rx_rate(m));
        SHAPE_SET(stats->network_rate_stats, meta_network_rates, tx_bytes_per_sec, metrics_tx_rate(m));
}

void view_stats(const struct engine_container *c, struct arena *arena, struct buf *out)
{
        const struct container_metrics *m = c->metrics;

        if (m == NULL || m->last.read_ms == 0) {
                buf_append_str(out, "null");
                return;
        }
        struct meta_stats stats = {.read = view_time(m->last.read_ms, arena),
                                   .preread = m->before.read_ms != 0 ? view_time(m->before.read_ms, arena) : "0001-01-01T00:00:00Z",
                                   .name = docker_name(c, arena),
                                   .id = c->runtime_id,
                                   .cpu_stats = cpu_stats(&m->last, arena),
                                   .precpu_stats = cpu_stats(&m->before, arena),
                                   .memory_stats = memory_stats(&m->last, arena),
                                   .blkio_stats = blkio_stats(&m->last, arena)};

        SHAPE_SET(&stats, meta_stats, num_procs, 0);
        stats.pids_stats = ARENA_NEW(arena, struct meta_pids_stats);
        SHAPE_SET(stats.pids_stats, meta_pids_stats, current, (int64_t)m->last.pids);
        if (m->last.pids_limit > 0)
                SHAPE_SET(stats.pids_stats, meta_pids_stats, limit, (int64_t)m->last.pids_limit);
        if (m->last.has_network)
                put_network(m, arena, &stats);
        SHAPE_WRITE(meta_stats, &stats, out);
}
