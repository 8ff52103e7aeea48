/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface, whose sockets and single timer are watched by libuv.
 *
 * A call is on the client's list from http_curl_call until it is reported or cancelled. libcurl reports results only from
 * curl_multi_socket_action, which only the loop calls here: so `done` never comes from within a call of the owner.
 */
#include "net/http_curl.h"

/* Its macros that check types know only functions that are linked. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/library.h"
#include "base/log.h"
#include "base/strutil.h"
#include "net/loop.h"
#include "net/url.h"

/* clang-format off */
#define CURL_FUNCTIONS(X) \
        X(curl_easy_cleanup) X(curl_easy_getinfo) X(curl_easy_init) X(curl_easy_setopt) X(curl_easy_strerror) \
        X(curl_global_cleanup) X(curl_global_init) X(curl_multi_add_handle) X(curl_multi_assign) X(curl_multi_cleanup) \
        X(curl_multi_info_read) X(curl_multi_init) X(curl_multi_remove_handle) X(curl_multi_setopt) X(curl_multi_socket_action) \
        X(curl_slist_append) X(curl_slist_free_all)
/* clang-format on */

struct curl_functions {
        CURL_FUNCTIONS(LIBRARY_FUNCTION)
};

struct http_curl {
        struct curl_functions curl;
        uv_loop_t *loop;
        CURLM *multi;
        uv_timer_t timer;
        struct list calls;
        struct list polls;
        char *ca_file, *user_agent;
        bool insecure;
        bool driving; /* inside drive(): what is freed meanwhile goes at its end */
        bool doomed;  /* http_curl_free was called */
        bool timer_closed;
        struct net_loop *net; /* keeps SIGPIPE ignored */
};

/* A socket of libcurl's as libuv watches it. */
struct poll {
        uv_poll_t handle;
        struct http_curl *client;
        curl_socket_t fd;
        struct list link;
};

struct http_curl_call {
        struct http_curl *client;
        struct list link;
        CURL *easy;
        struct curl_slist *send_headers;
        char *body;
        struct arena arena; /* the result's headers */
        struct http_header *headers;
        size_t n_headers, room;
        struct buf answer;
        size_t max_body;
        const char *peer; /* as messages name it */
        bool too_large;
        bool reporting; /* inside `done`: it is freed after it */
        char error[CURL_ERROR_SIZE];
        void (*done)(const struct http_result *result, void *data);
        void *data;
};

/* ---- life ---- */

static void maybe_free(struct http_curl *client)
{
        if (!client->timer_closed || !list_empty(&client->polls))
                return;
        free(client->ca_file);
        free(client->user_agent);
        net_loop_unref(client->net);
        free(client);
}

/* The loop stays alive while there are calls, by the timer; libcurl has no socket while it resolves a name. */
static void call_link(struct http_curl_call *call)
{
        list_push(&call->client->calls, &call->link);
        uv_ref((uv_handle_t *)&call->client->timer);
}

static void call_unlink(struct http_curl_call *call)
{
        list_remove(&call->link);
        if (list_empty(&call->client->calls))
                uv_unref((uv_handle_t *)&call->client->timer);
}

static void call_free(struct http_curl_call *call)
{
        call_unlink(call);
        if (call->easy != NULL) {
                (void)call->client->curl.curl_multi_remove_handle(call->client->multi, call->easy);
                call->client->curl.curl_easy_cleanup(call->easy);
        }
        call->client->curl.curl_slist_free_all(call->send_headers);
        free(call->body);
        arena_done(&call->arena);
        buf_done(&call->answer);
        free(call);
}

void http_curl_cancel(struct http_curl_call *call)
{
        if (call != NULL && !call->reporting)
                call_free(call);
}

/* ---- results ---- */

static int errno_of(CURLcode code, long os_errno)
{
        switch (code) {
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
                return -EINVAL;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                return -EHOSTUNREACH;
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIMEDOUT;
        case CURLE_COULDNT_CONNECT:
                return os_errno > 0 ? -(int)os_errno : -ECONNREFUSED;
        case CURLE_GOT_NOTHING:
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_PARTIAL_FILE:
                return -ECONNRESET;
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_SSL_CACERT_BADFILE:
                return -EPROTO;
        default:
                return -EIO;
        }
}

/* "connection refused (127.0.0.1:4327)", and what to do where that is known. */
static const char *explain(struct http_curl_call *call, CURLcode code, int r)
{
        const char *what = call->error[0] != '\0' ? call->error : call->client->curl.curl_easy_strerror(code);
        if (call->too_large)
                what = arena_printf(&call->arena, "the answer is larger than %zu bytes", call->max_body);
        else if (code == CURLE_COULDNT_CONNECT)
                what = uv_strerror(r);
        return arena_printf(&call->arena, "%s (%s)", what, call->peer);
}

/* The other side as messages name it. */
static const char *peer_name(struct http_curl_call *call, const struct http_call_options *o)
{
        struct url url;
        if (url_parse(o->url, &call->arena, &url, NULL) < 0)
                return arena_strdup(&call->arena, o->url);
        return arena_printf(&call->arena, strchr(url.host, ':') != NULL ? "[%s]:%u" : "%s:%u", url.host, url.port);
}

static void tell(struct http_curl_call *call, const struct http_result *result)
{
        call->reporting = true; /* NOLINT(clang-analyzer-unix.Malloc): it does not see that freeing takes off the list */
        call_unlink(call);
        call->done(result, call->data);
        call_free(call);
}

/* Reports a call that is over and frees it. */
static void report(struct http_curl_call *call, CURLcode code)
{
        struct http_result result = {0};
        long status = 0, os_errno = 0;
        if (code == CURLE_OK) {
                (void)call->client->curl.curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
                (void)buf_reserve(&call->answer, 0);
                result = (struct http_result){.status = (int)status,
                                              .headers = call->headers,
                                              .n_headers = call->n_headers,
                                              .body = call->answer.data,
                                              .len = call->answer.len};
        } else {
                (void)call->client->curl.curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
                result.status = call->too_large ? -EFBIG : errno_of(code, os_errno);
                result.message = explain(call, code, result.status);
                result.body = "";
        }
        tell(call, &result);
}

static void collect(struct http_curl *client)
{
        CURLMsg *msg;
        int left;
        while (!client->doomed && (msg = client->curl.curl_multi_info_read(client->multi, &left)) != NULL) {
                struct http_curl_call *call = NULL;
                if (msg->msg != CURLMSG_DONE)
                        continue;
                CURLcode code = msg->data.result;
                (void)client->curl.curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&call);
                report(call, code);
        }
}

static void client_finish(struct http_curl *client);

/* Lets libcurl do what it can, and reports what is over. */
static void drive(struct http_curl *client, curl_socket_t fd, int events)
{
        int running;
        if (client->doomed)
                return;
        client->driving = true;
        (void)client->curl.curl_multi_socket_action(client->multi, fd, events, &running);
        collect(client);
        client->driving = false;
        if (client->doomed)
                client_finish(client);
}

/* ---- libcurl's sockets and timer ---- */

static void on_poll_closed(uv_handle_t *handle)
{
        struct poll *poll = CONTAINER_OF((uv_poll_t *)handle, struct poll, handle);
        struct http_curl *client = poll->client;
        list_remove(&poll->link);
        free(poll);
        maybe_free(client);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
        struct poll *poll = CONTAINER_OF(handle, struct poll, handle);
        int what = status < 0 ? CURL_CSELECT_ERR : 0;
        if (events & (UV_READABLE | UV_DISCONNECT))
                what |= CURL_CSELECT_IN;
        if (events & UV_WRITABLE)
                what |= CURL_CSELECT_OUT;
        drive(poll->client, poll->fd, what);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
        struct http_curl *client = data;
        struct poll *poll = socket_data;
        if (what == CURL_POLL_REMOVE) {
                if (poll != NULL && !uv_is_closing((uv_handle_t *)&poll->handle)) {
                        (void)client->curl.curl_multi_assign(client->multi, fd, NULL);
                        uv_close((uv_handle_t *)&poll->handle, on_poll_closed);
                }
                return 0;
        }
        if (poll == NULL) {
                poll = xalloc(sizeof(*poll));
                poll->client = client;
                poll->fd = fd;
                if (uv_poll_init(client->loop, &poll->handle, fd) < 0) {
                        free(poll);
                        return -1;
                }
                list_push(&client->polls, &poll->link);
                (void)client->curl.curl_multi_assign(client->multi, fd, poll);
        }
        int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
        return uv_poll_start(&poll->handle, events, on_poll) < 0 ? -1 : 0;
}

static void on_timer(uv_timer_t *timer)
{
        drive(CONTAINER_OF(timer, struct http_curl, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_set_timer(CURLM *multi, long timeout_ms, void *data)
{
        struct http_curl *client = data;
        if (client->doomed)
                return 0;
        if (timeout_ms < 0)
                uv_timer_stop(&client->timer);
        else
                uv_timer_start(&client->timer, on_timer, (uint64_t)timeout_ms, 0);
        return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
        struct http_curl *client = CONTAINER_OF((uv_timer_t *)handle, struct http_curl, timer);
        client->timer_closed = true;
        maybe_free(client);
}

/* Without the library there is nothing to do for a program that has calls to make; the linker would have said so at its start. */
static void load_curl(struct curl_functions *ret)
{
        static const char *const names[] = {CURL_FUNCTIONS(LIBRARY_NAME)};
        struct error error = {0};

        if (library_load("libcurl.so.4", "libcurl4", names, ARRAY_SIZE(names), ret, &error) == 0)
                return;
        log_error("cannot call other servers", LOG_S("error", error.message));
        _exit(127);
}

struct http_curl *http_curl_new(uv_loop_t *loop, const struct http_client_options *options)
{
        struct http_curl *client = xalloc(sizeof(*client));
        uint32_t per_host = options != NULL && options->max_connections_per_host > 0 ? options->max_connections_per_host : 16;
        load_curl(&client->curl);
        /* Counted by libcurl: any number of clients may do it. */
        (void)client->curl.curl_global_init(CURL_GLOBAL_DEFAULT);
        client->loop = loop;
        client->net = net_loop_ref(loop);
        list_init(&client->calls);
        list_init(&client->polls);
        if (options != NULL) {
                client->ca_file = xstrdup(options->ca_file);
                client->user_agent = xstrdup(options->user_agent);
                client->insecure = options->insecure;
        }
        uv_timer_init(loop, &client->timer);
        uv_unref((uv_handle_t *)&client->timer);
        client->multi = client->curl.curl_multi_init();
        assert(client->multi != NULL);
        (void)client->curl.curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        (void)client->curl.curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
        (void)client->curl.curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_set_timer);
        (void)client->curl.curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
        (void)client->curl.curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)per_host);
        return client;
}

static void client_finish(struct http_curl *client)
{
        struct http_curl_call *call;
        while ((call = list_first(&client->calls, struct http_curl_call, link)) != NULL)
                call_free(call);
        (void)client->curl.curl_multi_cleanup(client->multi); /* closes kept connections: on_socket is called for them */
        list_for_each (poll, &client->polls, struct poll, link) {
                if (!uv_is_closing((uv_handle_t *)&poll->handle))
                        uv_close((uv_handle_t *)&poll->handle, on_poll_closed);
        }
        client->curl.curl_global_cleanup();
        uv_close((uv_handle_t *)&client->timer, on_timer_closed);
}

struct http_curl *http_curl_free(struct http_curl *client)
{
        if (client == NULL || client->doomed)
                return NULL;
        client->doomed = true;
        uv_timer_stop(&client->timer);
        if (!client->driving)
                client_finish(client);
        return NULL;
}

/* ---- calls ---- */

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
        struct http_curl_call *call = user;
        size_t len = size * n;
        if (len > call->max_body - call->answer.len) {
                call->too_large = true;
                return 0;
        }
        buf_append(&call->answer, data, len);
        return len;
}

static size_t on_header(char *data, size_t size, size_t n, void *user)
{
        struct http_curl_call *call = user;
        size_t len = size * n;
        const char *colon = memchr(data, ':', len);
        if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
                call->n_headers = 0; /* of an interim answer until now */
                return len;
        }
        if (colon == NULL)
                return len;
        if (call->n_headers == call->room) {
                size_t room = MAX(call->room * 2, 16);
                struct http_header *moved = arena_calloc(&call->arena, room, sizeof(*moved));
                if (call->n_headers > 0)
                        memcpy(moved, call->headers, call->n_headers * sizeof(*moved));
                call->headers = moved;
                call->room = room;
        }
        const char *value = colon + 1, *end = data + len;
        while (value < end && (*value == ' ' || *value == '\t'))
                value++;
        while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
                end--;
        call->headers[call->n_headers].name = arena_strndup(&call->arena, data, (size_t)(colon - data));
        call->headers[call->n_headers].value = arena_strndup(&call->arena, value, (size_t)(end - value));
        call->n_headers++;
        return len;
}

static void set_headers(struct http_curl_call *call, const struct http_call_options *o)
{
        bool has_expect = false, has_type = false;
        for (size_t i = 0; i < o->n_headers; i++) {
                const struct http_header *h = &o->headers[i];
                /* libcurl takes "Name;" for a header without a value, and "Name:" for one to leave out. */
                char *line = str_empty(h->value) ? arena_printf(&call->arena, "%s;", h->name)
                                                 : arena_printf(&call->arena, "%s: %s", h->name, h->value);
                for (char *p = line; *p != '\0'; p++) {
                        if (*p == '\r' || *p == '\n')
                                *p = ' ';
                }
                call->send_headers = call->client->curl.curl_slist_append(call->send_headers, line);
                has_expect |= str_eq_nocase(h->name, "Expect");
                has_type |= str_eq_nocase(h->name, "Content-Type");
        }
        if (!has_expect) /* libcurl's own costs a round trip, or a second of waiting */
                call->send_headers = call->client->curl.curl_slist_append(call->send_headers, "Expect:");
        if (!has_type)
                call->send_headers = call->client->curl.curl_slist_append(call->send_headers, "Content-Type:");
        (void)call->client->curl.curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->send_headers);
}

static void set_body(struct http_curl_call *call, const struct http_call_options *o, const char *method)
{
        bool usual_body = str_eq(method, "POST") || str_eq(method, "PUT") || str_eq(method, "PATCH");
        if (o->body_len > 0 || usual_body) {
                call->body = xalloc(o->body_len + 1);
                if (o->body_len > 0)
                        memcpy(call->body, o->body, o->body_len);
                (void)call->client->curl.curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->body);
                (void)call->client->curl.curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body_len);
        }
        if (str_eq(method, "HEAD"))
                (void)call->client->curl.curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
        else
                (void)call->client->curl.curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method);
}

struct http_curl_call *http_curl_call(struct http_curl *client, const struct http_call_options *o,
                                      void (*done)(const struct http_result *result, void *data), void *data)
{
        struct http_curl_call *call = xalloc(sizeof(*call));
        call->client = client;
        call->easy = client->curl.curl_easy_init();
        assert(call->easy != NULL && !client->doomed);
        call->max_body = o->max_body > 0 ? o->max_body : (size_t)64 << 20;
        call->peer = peer_name(call, o);
        call->done = done;
        call->data = data;
        call_link(call);

        CURL *easy = call->easy;
        (void)client->curl.curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
        (void)client->curl.curl_easy_setopt(easy, CURLOPT_URL, o->url);
        (void)client->curl.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        (void)client->curl.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        (void)client->curl.curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        (void)client->curl.curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, o->timeout_ms > 0 ? (long)o->timeout_ms : 42000L);
        (void)client->curl.curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
        (void)client->curl.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
        (void)client->curl.curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
        (void)client->curl.curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
        (void)client->curl.curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
        if (client->user_agent != NULL)
                (void)client->curl.curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
        if (client->ca_file != NULL)
                (void)client->curl.curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
        if (client->insecure) {
                (void)client->curl.curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
                (void)client->curl.curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        }
        set_body(call, o, o->method != NULL ? o->method : "GET");
        set_headers(call, o);
        (void)client->curl.curl_multi_add_handle(client->multi, easy); /* does nothing but set the timer to 0 */
        return call;
}
