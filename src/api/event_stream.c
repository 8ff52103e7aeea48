/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of the stream of changes: who they are, what they want, how far they are. See event_stream.h. */
#include "api/event_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server_internal.h"
#include "api/event_ring.h"
#include "base/alloc.h"
#include "base/strutil.h"
#include "model/names.h"

#define PERMISSION "gantry:StreamEvents"
#define RETRY_MS 1000

struct event_stream {
        struct api *api;
        struct event_stream_options options; /* with defaults */
        char start[9];                       /* of this process: numbers of another one mean nothing */
        struct model_observer observer;
        struct commit_waiter waiter;
        bool waiting, closing;
        struct event_ring ring;
        struct list readers;
        uint32_t n_readers;
        uint64_t left_us; /* when the last reader went */
        uv_timer_t *timer;
};

struct reader {
        struct list link;
        struct event_stream *stream;
        struct http_stream *http;
        uint64_t next; /* number of the next event that it has not been told */
        bool blocked;  /* until what was written has been sent */
        char key_id[129];
        char cluster[256];           /* "": any */
        bool kinds[OBJECT_KIND_MAX]; /* wanted */
};

/* ---- Telling ---- */

static void reader_free(struct reader *reader)
{
        struct event_stream *stream = reader->stream;

        list_remove(&reader->link);
        stream->n_readers--;
        stream->left_us = (uint64_t)env_mono_us(stream->api->env);
        free(reader);
}

static void reader_end(struct reader *reader)
{
        http_stream_end(reader->http);
        reader_free(reader);
}

/* An event of the stream itself: "ready", "reset". Its id is where the ring stands now. */
static void write_notice(const struct event_stream *stream, const char *event, const char *reason, struct buf *out)
{
        buf_printf(out, "event: %s\nid: %s-%llu\ndata: {\"reason\":\"%s\"}\n\n", event, stream->start,
                   (unsigned long long)stream->ring.next - 1, reason);
}

static bool wants(const struct reader *reader, const struct ring_event *event)
{
        return reader->kinds[event->kind] && (reader->cluster[0] == '\0' || event_ring_in_cluster(event, reader->cluster));
}

static void write_event(const struct event_stream *stream, const struct ring_event *event, struct buf *out)
{
        buf_printf(out, "event: change\nid: %s-%llu\ndata: ", stream->start, (unsigned long long)event->number);
        event_ring_write(stream->api->model, event, out);
        buf_append(out, "\n\n", 2);
}

/* Tells what may be told and the reader has room for. The reader may be gone afterwards. */
static void pump(struct reader *reader)
{
        struct event_stream *stream = reader->stream;
        uint64_t durable = model_durable(stream->api->model);
        CLEANUP_BUF struct buf out = {0};
        const struct ring_event *event;

        if (reader->blocked)
                return;
        if (reader->next < stream->ring.first) {
                write_notice(stream, "reset", "too slow: events were dropped", &out);
                (void)http_stream_write(reader->http, out.data, out.len);
                reader_end(reader);
                return;
        }
        while (out.len < stream->options.max_queued && (event = event_ring_get(&stream->ring, reader->next)) != NULL &&
               event->sequence <= durable) {
                if (wants(reader, event))
                        write_event(stream, event, &out);
                reader->next++;
        }
        if (out.len > 0)
                reader->blocked = http_stream_write(reader->http, out.data, out.len) >= stream->options.max_queued;
}

static void pump_all(struct event_stream *stream)
{
        list_for_each (reader, &stream->readers, struct reader, link)
                pump(reader);
}

static void wait_for_durable(struct event_stream *stream);

static void on_durable(struct commit_waiter *waiter)
{
        struct event_stream *stream = CONTAINER_OF(waiter, struct event_stream, waiter);

        stream->waiting = false;
        pump_all(stream);
        wait_for_durable(stream);
}

/* One wait at a time; what is recorded meanwhile is waited for by the next. */
static void wait_for_durable(struct event_stream *stream)
{
        const struct ring_event *newest = event_ring_get(&stream->ring, stream->ring.next - 1);

        if (stream->waiting || stream->n_readers == 0 || newest == NULL || newest->sequence <= model_durable(stream->api->model))
                return;
        stream->waiting = true;
        model_when_durable(stream->api->model, newest->sequence, &stream->waiter);
}

static void on_changed(struct model_observer *observer, struct object *object, const void *old_state, const void *new_state)
{
        struct event_stream *stream = CONTAINER_OF(observer, struct event_stream, observer);

        if (stream->timer == NULL) /* nobody has read for a while */
                return;
        if (event_ring_record(&stream->ring, object, old_state, new_state, model_sequence(stream->api->model)))
                wait_for_durable(stream);
}

/* ---- While somebody reads ---- */

static void timer_closed(uv_handle_t *handle)
{
        free(handle);
}

static void stop_recording(struct event_stream *stream)
{
        if (stream->timer == NULL)
                return;
        uv_close((uv_handle_t *)stream->timer, timer_closed);
        stream->timer = NULL;
        event_ring_clear(&stream->ring);
}

static bool key_is_good(const struct event_stream *stream, const char *key_id)
{
        const struct access_key *key = model_access_key(stream->api->model, key_id);

        if (stream->api->options.no_auth)
                return true;
        return key != NULL && (key->state->expires_at == 0 || key->state->expires_at > env_now_ms(stream->api->env));
}

static void on_tick(uv_timer_t *timer)
{
        struct event_stream *stream = timer->data;

        list_for_each (reader, &stream->readers, struct reader, link) {
                if (!key_is_good(stream, reader->key_id))
                        reader_end(reader);
                else if (!reader->blocked)
                        (void)http_stream_write(reader->http, ":\n\n", 3);
        }
        if (stream->n_readers == 0 &&
            (uint64_t)env_mono_us(stream->api->env) - stream->left_us >= (uint64_t)stream->options.linger_ms * 1000)
                stop_recording(stream);
}

static void start_recording(struct event_stream *stream)
{
        if (stream->timer != NULL)
                return;
        stream->timer = xalloc(sizeof(*stream->timer));
        (void)uv_timer_init(stream->api->loop, stream->timer);
        stream->timer->data = stream;
        (void)uv_timer_start(stream->timer, on_tick, stream->options.keepalive_ms, stream->options.keepalive_ms);
        uv_unref((uv_handle_t *)stream->timer);
}

/* ---- Asking ---- */

static int choose_kinds(struct reader *reader, const char *list, struct error *error)
{
        for (int i = 0; i < OBJECT_KIND_MAX; i++)
                reader->kinds[i] = str_empty(list);
        while (!str_empty(list)) {
                size_t len = strcspn(list, ",");
                int kind = event_ring_kind_by_name(list, len);

                if (kind < 0)
                        return error_api(error, "InvalidParameterException",
                                         "kind: \"%.*s\" is not told here. Kinds are written as in ARNs and separated by commas, such as "
                                         "task,service,container-instance.",
                                         (int)len, list);
                reader->kinds[kind] = true;
                list += len + (list[len] == ',');
        }
        return 0;
}

static int read_wishes(struct event_stream *stream, struct http_request *req, struct reader *reader, struct error *error)
{
        const char *cluster = http_request_query(req, "cluster");
        int r = choose_kinds(reader, http_request_query(req, "kind"), error);

        if (r == 0 && !str_empty(cluster))
                r = model_parse_cluster(stream->api->model, cluster, reader->cluster, error);
        return r;
}

static int check_caller(struct event_stream *stream, struct http_request *req, struct reader *reader, struct error *error)
{
        struct api_principal who = {0};
        int r = authenticate(stream->api, req, "ecs", &who, error);

        if (r == 0)
                r = authorize(&who, PERMISSION, error);
        if (r == 0 && stream->n_readers >= stream->options.max_readers)
                r = error_api(error, "ThrottlingException", "Rate exceeded: %u readers follow the events already.", stream->n_readers);
        if (r == 0)
                (void)snprintf(reader->key_id, sizeof(reader->key_id), "%s", who.key_id);
        return r;
}

/* Where a reader goes on that has seen `last` ("START-NUMBER"); false when what follows is not known any more. */
static bool find_place(const struct event_stream *stream, const char *last, uint64_t *ret_next)
{
        size_t len = strlen(stream->start);
        int64_t number;

        if (strncmp(last, stream->start, len) != 0 || last[len] != '-' || str_to_int64(last + len + 1, &number) < 0)
                return false;
        *ret_next = (uint64_t)number + 1;
        return *ret_next >= stream->ring.first && *ret_next <= stream->ring.next;
}

static void on_drained(struct http_stream *http, void *data)
{
        struct reader *reader = data;

        (void)http;
        reader->blocked = false;
        pump(reader);
}

static void on_gone(struct http_stream *http, void *data)
{
        (void)http;
        reader_free(data);
}

static void begin(struct event_stream *stream, struct http_request *req, struct reader *reader)
{
        static const struct http_header headers[] = {
                {"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}};
        const char *last = http_request_header(req, "Last-Event-ID");
        CLEANUP_BUF struct buf out = {0};

        if (last == NULL) /* fetch() of a browser may be kept from setting headers by what is between */
                last = http_request_query(req, "lastEventId");
        start_recording(stream);
        buf_printf(&out, "retry: %d\n\n", RETRY_MS);
        reader->next = stream->ring.next;
        if (last == NULL)
                write_notice(stream, "ready", "events follow", &out);
        else if (!find_place(stream, last, &reader->next)) {
                reader->next = stream->ring.next;
                write_notice(stream, "reset", "what came after Last-Event-ID is not known any more", &out);
        }
        list_push(&stream->readers, &reader->link);
        stream->n_readers++;
        reader->http = http_respond_stream(req, 200, headers, ARRAY_SIZE(headers), on_drained, on_gone, reader);
        (void)http_stream_write(reader->http, out.data, out.len);
        pump(reader);
        wait_for_durable(stream);
}

static void serve(struct api *api, struct http_request *req, void *data)
{
        struct event_stream *stream = data;
        struct reader *reader;
        struct error error = {0};

        if (!str_eq(req->method, "GET") || !str_eq(req->path, "/events")) {
                api_respond_error(req, 404, "UnknownOperationException", "The stream of events is read with GET /events.");
                return;
        }
        if (stream->closing) {
                api_respond_error(req, 503, "ServiceUnavailableException", "The server is shutting down.");
                return;
        }
        (void)api;
        reader = xalloc(sizeof(*reader));
        reader->stream = stream;
        list_init(&reader->link);
        if (check_caller(stream, req, reader, &error) < 0) {
                api_respond_error(req, str_eq(error.code, "ThrottlingException") ? 429 : 403, error.code, error.message);
                free(reader);
        } else if (read_wishes(stream, req, reader, &error) < 0) {
                api_respond_error(req, 400, error.code, error.message);
                free(reader);
        } else {
                begin(stream, req, reader);
        }
}

/* ---- Life ---- */

static void write_metrics(struct api *api, struct buf *out, void *data)
{
        const struct event_stream *stream = data;

        (void)api;
        buf_printf(out,
                   "# HELP gantry_event_readers Clients that follow GET /events.\n# TYPE gantry_event_readers gauge\n"
                   "gantry_event_readers %u\n",
                   stream->n_readers);
}

struct event_stream *event_stream_new(struct api *api, const struct event_stream_options *options)
{
        struct event_stream *stream = xalloc(sizeof(*stream));

        stream->api = api;
        if (options != NULL)
                stream->options = *options;
        if (stream->options.capacity == 0)
                stream->options.capacity = 16384;
        if (stream->options.max_readers == 0)
                stream->options.max_readers = 256;
        if (stream->options.max_queued == 0)
                stream->options.max_queued = (size_t)256 << 10;
        if (stream->options.keepalive_ms == 0)
                stream->options.keepalive_ms = 15000;
        if (stream->options.linger_ms == 0)
                stream->options.linger_ms = 300000;
        env_random_hex(api->env, stream->start, sizeof(stream->start) - 1);
        event_ring_init(&stream->ring, stream->options.capacity);
        list_init(&stream->readers);
        stream->waiter.durable = on_durable;
        stream->observer.changed = on_changed;
        model_observe(api->model, &stream->observer);
        api_add_page(api, "/events", serve, stream);
        api_add_report(api, write_metrics, NULL, stream);
        return stream;
}

void event_stream_close(struct event_stream *stream)
{
        stream->closing = true;
        list_for_each (reader, &stream->readers, struct reader, link)
                reader_end(reader);
        stop_recording(stream);
}

struct event_stream *event_stream_free(struct event_stream *stream)
{
        if (stream == NULL)
                return NULL;
        model_unobserve(stream->api->model, &stream->observer);
        event_ring_done(&stream->ring);
        free(stream);
        return NULL;
}
