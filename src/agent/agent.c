/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a node together, starting it, ending it. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "agent/driver/adopt.h"
#include "agent/agent_internal.h"
#include "agent/version.h"
#include "agent/engine/volumes.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "runtime/seccomp_profile.h"

#define DISK_CHECK_MS 30000
#define TRIM_SOON_MS 2000
#define TRIM_MS 60000

/* ---- the clock ---- */

static void on_clock(uv_timer_t *timer)
{
        struct agent *a = timer->data;

        timers_run(&a->timers);
}

static void arm_clock(struct timers *timers, void *data)
{
        struct agent *a = data;
        int64_t next = timers_next_us(timers);

        if (next == INT64_MAX || a->stopping) {
                uv_timer_stop(&a->clock);
                return;
        }
        int64_t left_us = next - env_mono_us(a->env);
        uv_update_time(a->loop);
        (void)uv_timer_start(&a->clock, on_clock, left_us > 0 ? (uint64_t)(left_us + 999) / 1000 : 0, 0);
}

/* ---- what the node knows of itself ---- */

static void save_instance(struct agent *a);

static void on_instance_saved(struct state_op *op, int result)
{
        struct agent *a = CONTAINER_OF(op, struct agent, instance_op);

        if (result < 0)
                log_error("what the node knows of itself cannot be stored; an agent that is started after this one registers anew",
                          LOG_ERRNO(result));
        if (TAKE(a->instance_dirty))
                save_instance(a);
}

static void save_instance(struct agent *a)
{
        struct buf text = {0};
        struct saved_instance saved = {.container_instance_arn = a->registration.instance_arn,
                                       .cluster = a->options.cluster,
                                       .endpoint = a->options.endpoint,
                                       .boot_id = a->keeper.boot_id,
                                       .availability_zone = a->registration.availability_zone};

        if (state_op_is_busy(&a->instance_op)) {
                a->instance_dirty = true;
                return;
        }
        SHAPE_SET(&saved, saved_instance, sequence, a->acs.session.sequence.latest);
        SHAPE_SET(&saved, saved_instance, lease_ms, a->acs.fence.lease_ms);
        SHAPE_SET(&saved, saved_instance, only_server, a->acs.fence.only_server);
        SHAPE_WRITE(saved_instance, &saved, &text);
        a->instance_op.done = on_instance_saved;
        state_write(a->state, &a->instance_op, "agent", &text, true);
}

static void load_instance(struct agent *a)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct error error = {0};
        void *data = NULL;
        int r = state_read(a->state, "agent", &saved_instance_shape, &arena, &data, &error);
        const struct saved_instance *saved = data;

        if (r == -ENOENT)
                return;
        if (r == 0 && !str_eq(saved->cluster, a->options.cluster))
                r = error_set(&error, EINVAL, "it belongs to cluster %s and this agent was started for %s: the node registers anew",
                              saved->cluster, a->options.cluster);
        if (r < 0) {
                state_move_aside(a->state, "agent", error.message);
                return;
        }
        a->registration.instance_arn = xstrdup(saved->container_instance_arn);
        acs_restore_lease(&a->acs, (uint32_t)saved->lease_ms, saved->only_server);
        sequence_init(&a->acs.session.sequence, SHAPE_HAS(saved, saved_instance, sequence) ? saved->sequence : -1);
}

/* ---- what the parts tell each other ---- */

static void on_registered(struct registration *r)
{
        struct agent *a = CONTAINER_OF(r, struct agent, registration);

        save_instance(a);
        reporter_open(&a->reporter, a->options.endpoint, a->options.cluster);
        registration_discover(r, true);
}

static void on_endpoints(struct registration *r)
{
        struct agent *a = CONTAINER_OF(r, struct agent, registration);

        if (a->stopping)
                return;
        acs_connect(&a->acs);
        tcs_connect(&a->tcs);
}

static void on_refused(struct registration *r, const struct error *error)
{
        struct agent *a = CONTAINER_OF(r, struct agent, registration);

        log_error("the server refuses this node", LOG_S("code", error->code), LOG_S("error", error->message));
        if (a->options.refused != NULL)
                a->options.refused(a, error, a->options.data);
}

static void on_acs_up(struct acs *acs)
{
        struct agent *a = acs->data;

        if (a->connected_once)
                return;
        a->connected_once = true;
        if (a->options.connected != NULL)
                a->options.connected(a, a->options.data);
}

static void on_sequence(struct acs *acs)
{
        save_instance(acs->data);
}

static void on_heartbeat(struct acs *acs)
{
        struct agent *a = acs->data;

        tcs_probe(&a->tcs);
}

static void on_lease(struct acs *acs)
{
        struct agent *a = acs->data;

        log_info("terms of the node's lease", LOG_I("lease_ms", acs->fence.lease_ms));
        save_instance(a);
}

static void on_network_answer(struct node_network *network, const struct acs_network_message *head, const char *reason)
{
        struct agent *a = network->data;

        acs_session_answer(&a->acs.session, head, reason);
}

static void on_stored(struct engine_task *task, int result, void *data)
{
        struct agent *a = data;

        if (result == -ENOSPC)
                image_store_reclaim(a->images, (uint64_t)64 << 20);
        if (result == 0)
                reporter_touch(&a->reporter, task);
}

static void on_accepted(struct engine_task *task, void *data)
{
        struct agent *a = data;

        keeper_touch(&a->keeper, task);
}

static bool logs_are_shipped(const struct engine_task *task, void *data)
{
        (void)data;
        for (uint32_t i = 0; i < task->n_containers; i++) {
                if (!log_ship_is_done(&task->containers[i]))
                        return false;
        }
        return true;
}

static void on_log_finished(struct engine_container *c, void *data)
{
        struct agent *a = data;

        reporter_touch(&a->reporter, c->task);
}

static void on_health(struct engine_task *task, void *data)
{
        struct agent *a = data;

        tcs_health_changed(&a->tcs, task);
}

static void on_no_space(void *data)
{
        struct agent *a = data;

        image_store_reclaim(a->images, (uint64_t)256 << 20);
        engine_remove_stopped(&a->engine);
}

/* Stopped tasks and unused images make room before the disk is full. The image store looks after itself; tasks are ours. */
static void check_disk(struct timer *timer)
{
        struct agent *a = CONTAINER_OF(timer, struct agent, disk_timer);
        struct statvfs fs;

        timers_set(&a->timers, &a->disk_timer, DISK_CHECK_MS, check_disk);
        if (statvfs(a->options.data_dir, &fs) < 0 || fs.f_blocks == 0)
                return;
        uint64_t used = (uint64_t)(fs.f_blocks - fs.f_bfree) * 100 / fs.f_blocks;
        if (used < a->options.disk_pressure_percent)
                return;
        log_warn("the disk is nearly full; stopped tasks are removed early", LOG_S("dir", a->options.data_dir), LOG_I("percent", used));
        engine_remove_stopped(&a->engine);
}

/* ---- making ---- */

static int open_images(struct agent *a, struct error *error)
{
        struct image_mirror *mirrors = arena_calloc(&a->arena, a->options.n_mirrors + 1, sizeof(*mirrors));
        const struct image_store_options options = {
                .loop = a->loop,
                .dir = arena_printf(&a->arena, "%s/images", a->options.data_dir),
                .auth_type = a->options.auth_type,
                .auth_data = a->options.auth_data,
                .auth_file = a->options.auth_file,
                .insecure_registries = a->options.insecure_registries,
                .mirrors = mirrors,
                .n_mirrors = a->options.n_mirrors,
                .pull_timeout_s = a->options.pull_timeout_s,
                .pull_inactivity_s = a->options.pull_inactivity_s,
                .disk_high_percent = a->options.disk_pressure_percent,
                .disk_low_percent = a->options.disk_pressure_percent > 10 ? a->options.disk_pressure_percent - 10 : 0,
                .minimum_age_s = a->options.image_min_age_s,
                .gc_interval_s = a->options.image_cleanup_s};

        for (uint32_t i = 0; i < a->options.n_mirrors; i++)
                mirrors[i] = (struct image_mirror){a->options.mirrors[i].name, a->options.mirrors[i].value};
        return image_store_new(&options, &a->images, error);
}

static int open_runtime(struct agent *a, struct error *error)
{
        const struct runtime_options options = {.loop = a->loop,
                                                .dir = arena_printf(&a->arena, "%s/containers", a->options.data_dir),
                                                .run_dir = a->options.runtime_dir,
                                                .sandboxes = str_eq(a->options.fargate, "sandbox"),
                                                .disk_dir = arena_printf(&a->arena, "%s/" VOLUME_DISKS, a->options.data_dir),
                                                .cgroup_parent = a->options.cgroup_parent};

        return runtime_new(&options, &a->runtime, error);
}

static int open_machines(struct agent *a, struct error *error)
{
        struct vm_host_options options = {.loop = a->loop, .cgroup_parent = a->options.cgroup_parent, .warm = a->options.warm};

        if (!str_eq(a->options.fargate, "microvm"))
                return 0;
        if (a->options.no_network)
                return error_set(error, EINVAL, "--fargate microvm needs networks: leave --no-network out");
        options.dir = arena_printf(&a->arena, "%s/microvm", a->options.data_dir);
        options.run_dir = arena_printf(&a->arena, "%s/vm", runtime_run_dir(a->runtime));
        a->seccomp = seccomp_cache_new();
        return vm_host_new(&options, &a->vms, error);
}

static int open_network(struct agent *a, struct error *error)
{
        struct vpc_options options = {.loop = a->loop,
                                      .dir = arena_printf(&a->arena, "%s/network", a->options.data_dir),
                                      .bridge = a->options.bridge,
                                      .range = a->options.bridge_range,
                                      .metadata_port = (uint16_t)metadata_port(a->metadata),
                                      .port_min = a->options.port_min,
                                      .port_max = a->options.port_max};
        uint16_t *tcp = NULL, *udp = NULL;

        if (a->options.no_network)
                return 0;
        int r = agent_parse_ports(a->options.reserved_ports, &a->arena, &tcp, &options.n_reserved_tcp, error);
        if (r == 0)
                r = agent_parse_ports(a->options.reserved_ports_udp, &a->arena, &udp, &options.n_reserved_udp, error);
        if (r < 0)
                return r;
        options.reserved_tcp = tcp;
        options.reserved_udp = udp;
        return vpc_new(&options, &a->vpc, error);
}

static void init_engine(struct agent *a)
{
        const struct engine_limits limits = {.stop_timeout_ms = a->options.stop_timeout_s * 1000,
                                             .start_timeout_ms = a->options.start_timeout_s * 1000,
                                             .remove_after_ms = a->options.cleanup_wait_s * 1000,
                                             .remove_latest_ms = 75u * 3600 * 1000};
        struct machine machine;
        int64_t cpu, memory;

        engine_init(&a->engine, a->env, &a->timers, &driver_ops, &limits);
        a->engine.data = &a->driver;
        capabilities_machine(&machine);
        capabilities_size(&a->options, &machine, &cpu, &memory);
        host_resources_init(&a->engine.resources, cpu, memory);
}

static void connect_parts(struct agent *a)
{
        const struct log_shipper_options logs = {.loop = a->loop,
                                                 .agent = &a->options,
                                                 .client = &a->client,
                                                 .timers = &a->timers,
                                                 .keeper = &a->keeper,
                                                 .cluster = a->options.cluster,
                                                 .finished = on_log_finished,
                                                 .data = a};

        keeper_init(&a->keeper, a->state, &a->timers, a->env);
        a->keeper.stored = on_stored;
        a->keeper.data = a;
        reporter_init(&a->reporter, &a->client, &a->timers, a->env);
        a->reporter.accepted = on_accepted;
        a->reporter.may_end = logs_are_shipped;
        a->reporter.data = a;
        registration_init(&a->registration, &a->client, &a->options, &a->timers, a->env);
        a->registration.on_registered = on_registered;
        a->registration.on_endpoints = on_endpoints;
        a->registration.on_refused = on_refused;
        acs_init(&a->acs, &a->options, &a->registration, &a->client, &a->engine, &a->keeper, &a->timers);
        a->acs.up = on_acs_up;
        a->acs.sequence_changed = on_sequence;
        a->acs.heartbeat = on_heartbeat;
        a->acs.lease_changed = on_lease;
        a->acs.data = a;
        node_network_init(&a->network, a->vpc, &a->timers);
        a->network.answer = on_network_answer;
        a->network.data = a;
        a->acs.network = &a->network;
        a->logs = log_shipper_new(&logs);
        tcs_init(&a->tcs, &a->options, &a->registration, &a->client, &a->engine, a->runtime, &a->timers);
        a->driver = (struct driver){.loop = a->loop,
                                    .env = a->env,
                                    .timers = &a->timers,
                                    .options = &a->options,
                                    .cluster = a->options.cluster,
                                    .resolv_conf = vpc_resolv_conf(),
                                    .images = a->images,
                                    .runtime = a->runtime,
                                    .vms = a->vms,
                                    .seccomp = a->seccomp,
                                    .vpc = a->vpc,
                                    .network = &a->network,
                                    .state = a->state,
                                    .keeper = &a->keeper,
                                    .reporter = &a->reporter,
                                    .logs = a->logs,
                                    .health_changed = on_health,
                                    .no_space = on_no_space,
                                    .data = a};
}

static void init_base(struct agent *a)
{
        int r = uv_timer_init(a->loop, &a->clock);

        assert(r == 0);
        a->clock.data = a;
        timers_init(&a->timers, a->env);
        a->timers.changed = arm_clock;
        a->timers.data = a;
        const struct http_client_options http = {
                .ca_file = a->options.ca_file, .insecure = a->options.insecure, .user_agent = "gantry-agent/" AGENT_VERSION};
        a->http = http_client_new(a->loop, &http);
        a->client = (struct aws_client){
                .env = a->env,
                .http = a->http,
                .region = a->options.region,
                .credentials = {.key_id = a->options.key_id, .secret = a->options.secret, .session_token = a->options.session_token}};
}

static int open_parts(struct agent *a, struct error *error)
{
        int r = state_dir_new(a->loop, a->options.data_dir, &a->state, error);

        if (r == 0)
                r = open_images(a, error);
        if (r == 0)
                r = open_runtime(a, error);
        if (r == 0)
                r = metadata_new(a, &a->metadata, error);
        if (r == 0)
                r = open_network(a, error);
        if (r == 0)
                r = open_machines(a, error);
        return r;
}

int agent_new(const struct agent_options *options, struct agent **ret, struct error *error)
{
        struct agent *a = xalloc(sizeof(*a));
        int r = agent_options_copy(options, &a->arena, &a->options, error);

        if (r < 0) {
                arena_done(&a->arena);
                free(a);
                return r;
        }
        a->loop = a->options.loop;
        a->env = a->options.env;
        init_base(a);
        init_engine(a);
        r = open_parts(a, error);
        if (r < 0) {
                agent_free(a);
                return r;
        }
        connect_parts(a);
        load_instance(a);
        *ret = a;
        return 0;
}

/* A start, of the agent or of many tasks, compiles filters, reads rules and writes bundles in sixteen threads. The allocator keeps what
 * they needed, a megabyte and more, unless it is told. */
static void trim(struct timer *timer)
{
        struct agent *a = CONTAINER_OF(timer, struct agent, trim_timer);

        if (a->vpc != NULL)
                vpc_rest(a->vpc);
        (void)malloc_trim(0);
        timers_set(&a->timers, &a->trim_timer, TRIM_MS, trim);
}

int agent_start(struct agent *a, struct error *error)
{
        (void)error;
        a->started = true;
        adopt_tasks(&a->driver, &a->engine);
        timers_set(&a->timers, &a->disk_timer, DISK_CHECK_MS, check_disk);
        timers_set(&a->timers, &a->trim_timer, TRIM_SOON_MS, trim);
        registration_start(&a->registration);
        return 0;
}

/* ---- ending ---- */

/* Jobs of the thread pool still point into tasks; they are short. */
static void wait_for_jobs(uv_timer_t *timer)
{
        struct agent *a = timer->data;

        if (a->driver.jobs > 0)
                return;
        uv_timer_stop(timer);
        a->stopped(a, a->stopped_data);
}

static void report_stopped(struct agent *a)
{
        if (--a->closing == 0)
                (void)uv_timer_start(&a->clock, wait_for_jobs, 0, 5);
}

static void on_acs_gone(struct acs *acs)
{
        report_stopped(acs->data);
}

static void on_tcs_gone(struct tcs *tcs)
{
        report_stopped(tcs->data);
}

static void on_metadata_closed(void *data)
{
        report_stopped(data);
}

void agent_stop(struct agent *a, void (*stopped)(struct agent *agent, void *data), void *data)
{
        assert(!a->stopping);
        log_info("the node ends; containers keep running");
        a->stopped = stopped;
        a->stopped_data = data;
        a->closing = 4;
        a->keeper.frozen = true;
        reporter_close(&a->reporter);
        list_for_each (t, &a->engine.order, struct engine_task, link)
                keeper_flush(&a->keeper, t);
        save_instance(a);
        a->stopping = true;
        uv_timer_stop(&a->clock);
        a->acs.gone = on_acs_gone;
        a->tcs.gone = on_tcs_gone;
        a->tcs.data = a;
        acs_stop(&a->acs);
        tcs_stop(&a->tcs);
        metadata_close(a->metadata, on_metadata_closed, a);
        report_stopped(a);
}

static void on_clock_closed(uv_handle_t *handle)
{
        struct agent *a = handle->data;

        arena_done(&a->arena);
        free(a);
}

static void forget_tasks(struct agent *a)
{
        list_for_each (t, &a->engine.order, struct engine_task, link) {
                driver_forget(t);
                keeper_forget(&a->keeper, t);
                reporter_forget(&a->reporter, t);
        }
}

struct agent *agent_free(struct agent *a)
{
        if (a == NULL)
                return NULL;
        a->stopping = true;
        a->timers.changed = NULL;
        assert(a->driver.jobs == 0);
        a->reporter.closed = true;
        forget_tasks(a);
        engine_done(&a->engine);
        if (a->acs.session.pending.next != NULL)
                acs_done(&a->acs);
        if (a->registration.client != NULL)
                registration_done(&a->registration);
        if (a->tcs.engine != NULL)
                tcs_done(&a->tcs);
        if (a->network.timers != NULL)
                node_network_done(&a->network);
        log_shipper_free(a->logs);
        metadata_free(a->metadata);
        http_client_free(a->http);
        vm_host_free(a->vms);
        seccomp_cache_free(a->seccomp);
        runtime_free(a->runtime);
        vpc_free(a->vpc);
        image_store_free(a->images);
        if (a->state != NULL)
                state_op_cancel(a->state, &a->instance_op);
        state_dir_free(a->state);
        uv_close((uv_handle_t *)&a->clock, on_clock_closed);
        return NULL;
}

const char *agent_instance_arn(const struct agent *a)
{
        return a->registration.instance_arn;
}

bool agent_is_connected(const struct agent *a)
{
        return a->acs.link.state == LINK_UP;
}

int agent_metadata_port(const struct agent *a)
{
        return metadata_port(a->metadata);
}
