/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling, and the telemetry channel. What is said there is put together in tcs_frames.c. */
#include "agent/channel/tcs.h"

#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/driver/driver.h"
#include "agent/channel/tcs_frames.h"
#include "agent/version.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#define SAMPLE_MS 1000
#define SILENCE_MS 60000

/* A read of statistics under way. Containers may go meanwhile: they are found again by task and name. */
struct tcs_sampling {
        struct tcs *tcs; /* NULL: the channel ended */
        uint32_t n;
        struct sampled {
                char *task_arn;
                uint32_t index;
        } items[];
};

static void sample_fires(struct timer *timer);
static void publish_often(struct tcs *tcs);

static void take_samples(const struct runtime_stats *stats, uint32_t n, void *data)
{
        struct tcs_sampling *s = data;

        for (uint32_t i = 0; i < s->n; i++) {
                struct engine_task *t = s->tcs != NULL && i < n ? engine_find(s->tcs->engine, s->items[i].task_arn) : NULL;

                if (t != NULL && s->items[i].index < t->n_containers) {
                        struct engine_container *c = &t->containers[s->items[i].index];

                        if (c->metrics == NULL)
                                c->metrics = xalloc(sizeof(struct container_metrics));
                        container_metrics_sample(c->metrics, &stats[i]);
                }
                free(s->items[i].task_arn);
        }
        if (s->tcs != NULL) {
                s->tcs->sampling = NULL;
                publish_often(s->tcs);
        }
        free(s);
}

static uint32_t count_running(const struct engine *engine)
{
        uint32_t n = 0;

        list_for_each (t, &engine->order, struct engine_task, link) {
                for (uint32_t i = 0; i < t->n_containers; i++)
                        n += t->containers[i].state == CONTAINER_RUNNING;
        }
        return n;
}

/* Containers in micro-VMs: what their machines said last. */
static void sample_machines(struct tcs *tcs)
{
        list_for_each (t, &tcs->engine->order, struct engine_task, link) {
                for (uint32_t i = 0; i < t->n_containers; i++) {
                        struct engine_container *c = &t->containers[i];
                        struct runtime_stats stats;

                        if (c->state != CONTAINER_RUNNING || !driver_vm_stats(c, &stats) || stats.read_ms == 0)
                                continue;
                        if (c->metrics == NULL)
                                c->metrics = xalloc(sizeof(struct container_metrics));
                        container_metrics_sample(c->metrics, &stats);
                }
        }
}

static void sample(struct tcs *tcs)
{
        uint32_t most = count_running(tcs->engine), n = 0;

        if (tcs->sampling != NULL)
                return;
        if (most == 0) {
                publish_often(tcs);
                return;
        }
        sample_machines(tcs);
        struct tcs_sampling *s = xalloc(sizeof(*s) + most * sizeof(s->items[0]));
        struct runtime_container **list = xcalloc(most, sizeof(struct runtime_container *));
        list_for_each (t, &tcs->engine->order, struct engine_task, link) {
                for (uint32_t i = 0; i < t->n_containers && n < most; i++) {
                        struct runtime_container *rc = driver_container(&t->containers[i]);

                        if (t->containers[i].state != CONTAINER_RUNNING || rc == NULL)
                                continue;
                        s->items[n].task_arn = xstrdup(t->arn);
                        s->items[n].index = i;
                        list[n++] = rc;
                }
        }
        s->tcs = tcs;
        s->n = n;
        tcs->sampling = s;
        runtime_stats_read(tcs->runtime, list, n, take_samples, s);
        free(list);
}

static void sample_fires(struct timer *timer)
{
        struct tcs *tcs = CONTAINER_OF(timer, struct tcs, sample_timer);

        timers_set(tcs->timers, &tcs->sample_timer, SAMPLE_MS, sample_fires);
        host_metrics_sample(&tcs->host);
        tcs->since_s++;
        sample(tcs);
}

const struct container_metrics *tcs_metrics(const struct engine_container *c)
{
        return c->metrics;
}

/* ---- publishing ---- */

/* A frame is the JSON behind a block of signed headers. */
static void send_frame(const char *json, size_t len, void *data)
{
        struct tcs *tcs = data;
        struct arena arena CLEANUP_ARENA = {0};
        struct http_header headers[5];
        struct buf frame CLEANUP_BUF = {0};

        size_t n = aws_sign_get(tcs->client, tcs->url, json, len, &arena, headers);
        for (size_t i = 0; i < n; i++)
                buf_printf(&frame, "%s: %s\r\n", headers[i].name, headers[i].value);
        buf_append_str(&frame, "\r\n");
        buf_append(&frame, json, len);
        (void)link_send(&tcs->link, frame.data, frame.len);
}

static struct tcs_source make_source(const struct tcs *tcs)
{
        return (struct tcs_source){.engine = tcs->engine,
                                   .cluster = tcs->options->cluster,
                                   .instance = tcs->registration->instance_arn,
                                   .data_dir = tcs->options->data_dir,
                                   .send = send_frame,
                                   .data = (void *)(uintptr_t)tcs};
}

static void publish_metrics(struct tcs *tcs)
{
        struct tcs_source s = make_source(tcs);
        struct tcs_host_metrics host = {0};

        if (tcs->often_s > 0 && host_metrics_take(&tcs->host, &host))
                s.host = &host;
        tcs_frames_metrics(&s);
        tcs->since_s = 0;
}

/* After a sample, so that what is sent is news. */
static void publish_often(struct tcs *tcs)
{
        if (tcs->often_s > 0 && tcs->since_s >= tcs->often_s && tcs->link.state == LINK_UP)
                publish_metrics(tcs);
}

static void publish_status(struct tcs *tcs)
{
        struct tcs_source s = make_source(tcs);

        if (!tcs->probed)
                return;
        tcs->probed = false;
        tcs_frames_status(&s, tcs->impaired, tcs->probed_ms, tcs->changed_ms);
}

static void publish_fires(struct timer *timer)
{
        struct tcs *tcs = CONTAINER_OF(timer, struct tcs, publish_timer);
        struct tcs_source s = make_source(tcs);

        timers_set(tcs->timers, &tcs->publish_timer, (int64_t)tcs->options->metrics_interval_s * 1000, publish_fires);
        if (tcs->link.state != LINK_UP)
                return;
        if (tcs->often_s == 0)
                publish_metrics(tcs);
        tcs_frames_health(&s, false);
        publish_status(tcs);
}

static void health_fires(struct timer *timer)
{
        struct tcs *tcs = CONTAINER_OF(timer, struct tcs, health_timer);
        struct tcs_source s = make_source(tcs);

        if (tcs->link.state == LINK_UP)
                tcs_frames_health(&s, true);
}

void tcs_health_changed(struct tcs *tcs, struct engine_task *task)
{
        task->health_changed = true;
        /* At once, but all changes of this turn of the loop together. */
        if (!timer_is_set(&tcs->health_timer))
                timers_set(tcs->timers, &tcs->health_timer, 0, health_fires);
}

static const char *look_at_node(const struct tcs *tcs)
{
        struct statvfs fs;

        if (access("/sys/fs/cgroup", R_OK | X_OK) < 0)
                return "the control groups are not mounted at /sys/fs/cgroup";
        if (access(tcs->options->data_dir, W_OK | X_OK) < 0 || statvfs(tcs->options->data_dir, &fs) < 0)
                return "the data directory cannot be written";
        if (fs.f_bavail == 0 || (fs.f_files > 0 && fs.f_favail == 0))
                return "the disk of the data directory is full";
        return NULL;
}

void tcs_probe(struct tcs *tcs)
{
        const char *before = tcs->impaired;

        tcs->impaired = look_at_node(tcs);
        tcs->probed_ms = env_now_ms(tcs->client->env);
        if (tcs->changed_ms == 0 || (before == NULL) != (tcs->impaired == NULL))
                tcs->changed_ms = tcs->probed_ms;
        tcs->probed = true;
}

/* ---- the connection ---- */

static const char *url(struct link *link, struct arena *arena)
{
        struct tcs *tcs = link->data;
        const char *base = tcs->registration->tcs_endpoint;

        if (base == NULL)
                return NULL;
        free(tcs->url);
        tcs->url = xprintf("%s%sws?agentHash=%s&agentVersion=%s&cluster=%s&containerInstance=%s&dockerVersion=%s&metricsInterval=%d", base,
                           str_ends_with(base, "/") ? "" : "/", AGENT_HASH, AGENT_VERSION, uri_encode(tcs->options->cluster, arena),
                           uri_encode(tcs->registration->instance_arn, arena), uri_encode(RUNTIME_NAME, arena), SAMPLE_MS / 1000);
        return tcs->url;
}

static void up(struct link *link)
{
        struct tcs *tcs = link->data;

        tcs_probe(tcs);
        timers_set(tcs->timers, &tcs->publish_timer, 0, publish_fires);
}

/* A server that wants it less often than stock agents publish gets it as they do. */
static void take_interval(struct tcs *tcs, const char *text)
{
        const struct shape_limits limits = {.skip_validation = true};
        struct arena arena CLEANUP_ARENA = {0};
        struct tcs_metrics_interval_message *in = NULL;

        if (text == NULL || SHAPE_PARSE(tcs_metrics_interval_message, &arena, text, strlen(text), &limits, &in, NULL) < 0)
                return;
        tcs->often_s = in->seconds > 0 && (uint32_t)in->seconds < tcs->options->metrics_interval_s ? (uint32_t)in->seconds : 0;
}

static void message(struct link *link, const char *text, size_t len)
{
        static const char *const alive[] = {"HeartbeatMessage", "AckPublishMetric", "AckPublishHealth", "AckPublishInstanceStatus"};
        const struct shape_limits limits = {.skip_validation = true};
        struct arena arena CLEANUP_ARENA = {0};
        struct tcs_frame *frame = NULL;

        if (SHAPE_PARSE(tcs_frame, &arena, text, len, &limits, &frame, NULL) < 0)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(alive); i++) {
                if (str_eq(frame->type, alive[i])) {
                        link_alive(link);
                        return;
                }
        }
        if (str_eq(frame->type, "MetricsIntervalMessage")) {
                take_interval(link->data, frame->message);
                return;
        }
        log_warn("message from the server", LOG_S("type", frame->type), LOG_S("message", frame->message));
}

static void down(struct link *link)
{
        struct tcs *tcs = link->data;

        timers_cancel(tcs->timers, &tcs->publish_timer);
        tcs->often_s = 0;
}

static void gone(struct link *link)
{
        struct tcs *tcs = link->data;

        tcs->gone(tcs);
}

static const struct link_ops ops = {.url = url, .up = up, .message = message, .down = down, .gone = gone};

void tcs_init(struct tcs *tcs, const struct agent_options *options, struct registration *registration, const struct aws_client *client,
              struct engine *engine, struct runtime *runtime, struct timers *timers)
{
        const struct link_options link = {.loop = options->loop,
                                          .name = "telemetry",
                                          .ca_file = options->ca_file,
                                          .insecure = options->insecure,
                                          .ping_ms = 10000,
                                          .dead_ms = 30000,
                                          .silence_ms = SILENCE_MS,
                                          .backoff_min_ms = 1000,
                                          .backoff_max_ms = 60000};

        *tcs = (struct tcs){
                .options = options, .registration = registration, .client = client, .engine = engine, .runtime = runtime, .timers = timers};
        link_init(&tcs->link, &link, &ops, client, timers, tcs);
}

void tcs_connect(struct tcs *tcs)
{
        if (!timer_is_set(&tcs->sample_timer))
                timers_set(tcs->timers, &tcs->sample_timer, SAMPLE_MS, sample_fires);
        if (tcs->options->no_metrics)
                return;
        if (tcs->link.state == LINK_DOWN)
                link_start(&tcs->link);
        else
                link_retry(&tcs->link);
}

void tcs_stop(struct tcs *tcs)
{
        link_stop(&tcs->link);
}

void tcs_done(struct tcs *tcs)
{
        if (tcs->sampling != NULL)
                tcs->sampling->tcs = NULL;
        timers_cancel(tcs->timers, &tcs->sample_timer);
        timers_cancel(tcs->timers, &tcs->publish_timer);
        timers_cancel(tcs->timers, &tcs->health_timer);
        free(tcs->url);
}
