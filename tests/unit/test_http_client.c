/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against our own server and against nothing. */
#include "net/http_client.h"

#include "http_fixture.h"
#include "test_cert.h"

struct outcome {
        int done, status;
        char message[300], body[100], header[100];
        size_t len;
        struct http_client *free_inside; /* what `done` frees */
        struct http_call **cancel_inside;
};

static void on_done(struct http_call *call, const struct http_result *result, void *data)
{
        struct outcome *o = data;
        o->done++;
        o->status = result->status;
        o->len = result->len;
        snprintf(o->message, sizeof(o->message), "%s", result->message != NULL ? result->message : "");
        snprintf(o->body, sizeof(o->body), "%s", result->body);
        for (size_t i = 0; i < result->n_headers; i++) {
                if (strcmp(result->headers[i].name, "X-Method") == 0)
                        snprintf(o->header, sizeof(o->header), "%s", result->headers[i].value);
        }
        http_call_cancel(call); /* harmless here */
        if (o->cancel_inside != NULL)
                http_call_cancel(*o->cancel_inside);
        if (o->free_inside != NULL)
                http_client_free(o->free_inside);
}

static void handler(struct fixture *fx, struct http_request *req)
{
        if (strcmp(req->path, "/later") == 0) {
                fx->waiting[fx->n_waiting++] = req;
                return;
        }
        assert_null(http_request_header(req, "Expect"));
        struct http_header headers[] = {{"X-Method", req->method}};
        http_respond(req, strcmp(req->path, "/404") == 0 ? 404 : 200, headers, 1, req->body, req->body_len);
}

static void call(struct fixture *fx, struct http_client *client, struct outcome *o, struct http_call_options *options, const char *path)
{
        char url[100];
        snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", http_server_port(fx->server), path);
        memset(o, 0, sizeof(*o));
        if (options->url == NULL)
                options->url = url;
        options->done = on_done;
        options->data = o;
        assert_non_null(http_client_call(client, options));
        assert_int_equal(o->done, 0);
        while (!o->done)
                turn(fx);
}

static void methods_and_bodies(void **state)
{
        struct fixture fx;
        struct outcome o;
        fixture_open(&fx, NULL, NULL, NULL);
        fx.handler = handler;
        struct http_client *client = http_client_new(&fx.loop, &(struct http_client_options){.user_agent = "test"});
        static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"};
        for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
                bool has_body = i == 1 || i == 2 || i == 5;
                call(&fx, client, &o, &(struct http_call_options){.method = methods[i], .body = "hello", .body_len = has_body ? 5 : 0},
                     "/x");
                assert_int_equal(o.status, 200);
                assert_string_equal(o.header, methods[i]);
                assert_string_equal(o.body, has_body ? "hello" : "");
        }
        call(&fx, client, &o, &(struct http_call_options){0}, "/404");
        assert_int_equal(o.status, 404);
        /* a body large enough that libcurl would ask first; all on one connection */
        CLEANUP_FREE char *large = calloc(1, 2 << 20);
        call(&fx, client, &o, &(struct http_call_options){.method = "POST", .body = large, .body_len = 2 << 20}, "/x");
        assert_int_equal(o.len, 2 << 20);
        assert_int_equal(http_server_get_stats(fx.server).connections, 1);
        http_client_free(client);
        fixture_close(&fx);
}

static void failures(void **state)
{
        struct fixture fx;
        struct outcome o;
        fixture_open(&fx, NULL, NULL, NULL);
        fx.handler = handler;
        struct http_client *client = http_client_new(&fx.loop, NULL);
        call(&fx, client, &o, &(struct http_call_options){.url = "http://127.0.0.1:1/"}, "");
        assert_int_equal(o.status, -ECONNREFUSED);
        assert_string_equal(o.message, "cannot connect to 127.0.0.1 port 1: connection refused; nothing listens there: is the server "
                                       "running, and is this its address?");
        call(&fx, client, &o, &(struct http_call_options){.timeout_ms = 50}, "/later");
        assert_int_equal(o.status, -ETIMEDOUT);
        assert_non_null(strstr(o.message, "connected, but no answer within 50 ms (127.0.0.1:"));
        call(&fx, client, &o, &(struct http_call_options){.url = "http://no-such-host.invalid/"}, "");
        assert_int_equal(o.status, -EHOSTUNREACH);
        assert_non_null(strstr(o.message, "does this machine's name server know it?"));
        call(&fx, client, &o, &(struct http_call_options){.url = "file:///etc/passwd"}, "");
        assert_int_equal(o.status, -EINVAL);
        call(&fx, client, &o, &(struct http_call_options){.url = "not a url"}, "");
        assert_int_equal(o.status, -EINVAL);
        call(&fx, client, &o, &(struct http_call_options){.method = "POST", .body = "0123456789", .body_len = 10, .max_body = 9}, "/x");
        assert_int_equal(o.status, -EFBIG);
        assert_non_null(strstr(o.message, "the answer is larger than 9 bytes (127.0.0.1:"));
        call(&fx, client, &o, &(struct http_call_options){.url = "http://x/", .unix_socket = "/nonexistent.sock"}, "");
        assert_int_equal(o.status, -ENOENT);
        assert_non_null(strstr(o.message, "cannot connect to unix:/nonexistent.sock: "));
        http_respond(fx.waiting[0], 200, NULL, 0, NULL, 0);
        http_client_free(client);
        assert_null(http_client_free(NULL));
        fixture_close(&fx);
}

static void over_a_unix_socket(void **state)
{
        struct fixture fx;
        struct outcome o;
        char address[100];
        fixture_open(&fx, NULL, NULL, NULL);
        fx.handler = handler;
        snprintf(address, sizeof(address), "unix:/tmp/test_http_client_%d.sock", (int)getpid());
        assert_int_equal(http_server_listen(fx.server, address, NULL), 0);
        struct http_client *client = http_client_new(&fx.loop, NULL);
        call(&fx, client, &o, &(struct http_call_options){.url = "http://x/y", .unix_socket = address + 5}, "");
        assert_int_equal(o.status, 200);
        http_client_free(client);
        fixture_close(&fx);
}

static void over_tls(void **state)
{
        struct fixture fx;
        struct outcome o;
        char cert[64], key[64], url[64];
        snprintf(cert, sizeof(cert), "/tmp/test_http_client_%d.crt", (int)getpid());
        snprintf(key, sizeof(key), "/tmp/test_http_client_%d.key", (int)getpid());
        test_cert_write(cert, key);
        fixture_open(&fx, NULL, cert, key);
        fx.handler = handler;
        snprintf(url, sizeof(url), "https://localhost:%d/", http_server_port(fx.server));
        struct http_client_options options[] = {{.ca_file = cert}, {.insecure = true}, {0}};
        for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
                struct http_client *client = http_client_new(&fx.loop, &options[i]);
                call(&fx, client, &o, &(struct http_call_options){.url = url, .method = "POST", .body = "hi", .body_len = 2}, "");
                assert_int_equal(o.status, i < 2 ? 200 : -EPROTO);
                http_client_free(client);
        }
        /* an authority that is right, and a name that is not */
        struct http_client *client = http_client_new(&fx.loop, &options[0]);
        snprintf(url, sizeof(url), "127.0.0.2:%d", http_server_port(fx.server));
        assert_int_equal(http_server_listen(fx.server, url, NULL), 0);
        snprintf(url, sizeof(url), "https://127.0.0.2:%d/", http_server_port(fx.server));
        call(&fx, client, &o, &(struct http_call_options){.url = url}, "");
        assert_int_equal(o.status, -EPROTO);
        assert_non_null(strstr(o.message, "call the server by a name in its certificate"));
        http_client_free(client);
        unlink(cert);
        unlink(key);
        fixture_close(&fx);
}

static void cancelled_and_freed(void **state)
{
        struct fixture fx;
        struct outcome a = {0}, b = {0};
        char url[100];
        fixture_open(&fx, NULL, NULL, NULL);
        fx.handler = handler;
        struct http_client *client = http_client_new(&fx.loop, NULL);
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/later", http_server_port(fx.server));
        struct http_call_options options = {.url = url, .done = on_done, .data = &a};
        /* cancelled at once, and while the server works on it */
        http_call_cancel(http_client_call(client, &options));
        struct http_call *second = http_client_call(client, &options);
        while (fx.n_waiting < 1)
                turn(&fx);
        http_call_cancel(second);
        http_respond(fx.waiting[0], 200, NULL, 0, NULL, 0);
        for (int i = 0; i < 10; i++)
                turn(&fx);
        assert_int_equal(a.done, 0);

        /* one call's end cancels another */
        struct http_call *other;
        b.cancel_inside = &other;
        other = http_client_call(client, &options);
        struct http_call_options quick = {.url = "http://127.0.0.1:1/", .done = on_done, .data = &b};
        http_client_call(client, &quick);
        while (b.done == 0)
                turn(&fx);
        assert_int_equal(a.done, 0);

        /* one call's end frees the client: the other is told */
        memset(&b, 0, sizeof(b));
        b.free_inside = client;
        http_client_call(client, &options);
        http_client_call(client, &quick);
        while (b.done == 0 || a.done == 0)
                turn(&fx);
        assert_int_equal(a.status, -ECANCELED);
        for (size_t i = 1; i < fx.n_waiting; i++)
                http_respond(fx.waiting[i], 200, NULL, 0, NULL, 0);
        fixture_close(&fx);
}

/* A server that says what it is told to, a byte at a time, once for each connection, and then hangs up. */
struct parrot {
        int fd;
        const char *const *says;
        size_t n;
        uv_thread_t thread;
};

static void parrot_run(void *data)
{
        struct parrot *parrot = data;
        for (size_t i = 0; i < parrot->n; i++) {
                char request[2000];
                int fd = accept(parrot->fd, NULL, NULL);
                assert_true(fd >= 0 && recv(fd, request, sizeof(request), 0) > 0);
                const char *p = parrot->says[i];
                while (*p != '\0' && send(fd, p, 1, MSG_NOSIGNAL) == 1) /* who has heard enough hangs up */
                        p++;
                close(fd);
        }
        close(parrot->fd);
}

static int parrot_start(struct parrot *parrot, const char *const *says, size_t n)
{
        struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
        socklen_t len = sizeof(addr);
        *parrot = (struct parrot){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .says = says, .n = n};
        assert_int_equal(bind(parrot->fd, (struct sockaddr *)&addr, len), 0);
        assert_int_equal(listen(parrot->fd, 16), 0);
        assert_int_equal(getsockname(parrot->fd, (struct sockaddr *)&addr, &len), 0);
        assert_int_equal(uv_thread_create(&parrot->thread, parrot_run, parrot), 0);
        return ntohs(addr.sin_port);
}

#define HEAD_OK "HTTP/1.1 200 OK\r\nX-Method: parrot\r\n"

static void answers_of_all_kinds(void **state)
{
        static const struct {
                const char *says, *method;
                int status;
                const char *text; /* the body, or a part of the message */
        } rows[] = {
                {HEAD_OK "Content-Length: 2\r\n\r\nhi", "GET", 200, "hi"},
                {HEAD_OK "\r\nto the end", "GET", 200, "to the end"},
                {HEAD_OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "GET", 200, "hello"},
                {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" HEAD_OK "Content-Length: 1\r\n\r\n!", "PUT",
                 200, "!"},
                {HEAD_OK "Content-Length: 50\r\n\r\n", "HEAD", 200, ""},
                {"HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, ""},
                {"HTTP/1.0 500 Oh\r\n\r\nno", "GET", 500, "no"},
                {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "GET", 302, ""},
                {HEAD_OK "Content-Length: 2\r\n\r\nhiHTTP/1.1 200 more than was asked for", "GET", 200, "hi"},
                {"", "GET", -ECONNRESET, "the server closed the connection before its answer was complete (127.0.0.1:"},
                {HEAD_OK "Content-Length: 9\r\n\r\ncut", "GET", -ECONNRESET, "before its answer was complete"},
                {HEAD_OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhelp", "GET", -EPROTO, "not valid HTTP"},
                {HEAD_OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n12", "GET", -EPROTO, ""},
                {"SSH-2.0-OpenSSH\r\n", "GET", -ECONNRESET, ""},
                {"\x15\x03\x01", "GET", -EPROTO, "the server does not answer in HTTP"},
                {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "GET", -EPROTO, "was not asked for"},
        };
        struct fixture fx;
        struct parrot parrot;
        const char *says[ARRAY_SIZE(rows)];
        char url[64];
        fixture_open(&fx, NULL, NULL, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                says[i] = rows[i].says;
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/", parrot_start(&parrot, says, ARRAY_SIZE(rows)));
        struct http_client *client = http_client_new(&fx.loop, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct outcome o;
                call(&fx, client, &o, &(struct http_call_options){.url = url, .method = rows[i].method}, "");
                if (o.status != rows[i].status || strstr(o.status < 0 ? o.message : o.body, rows[i].text) == NULL ||
                    (o.status > 0 && strlen(rows[i].text) != o.len))
                        fail_msg("%s: %d %s%s", rows[i].says, o.status, o.message, o.body);
                for (int turns = 0; turns < 1000 && i + 1 < ARRAY_SIZE(rows); turns++) /* the parrot hangs up, before the next call */
                        turn(&fx);
        }
        http_client_free(client);
        uv_thread_join(&parrot.thread);
        fixture_close(&fx);
}

/* A server may close a kept connection just as it is used again: the call is made anew, on a new one. */
static void a_kept_connection_that_is_gone(void **state)
{
        static const char *const says[] = {HEAD_OK "Content-Length: 1\r\n\r\n1", HEAD_OK "Content-Length: 1\r\n\r\n2"};
        struct fixture fx;
        struct parrot parrot;
        struct outcome o = {0};
        char url[64];
        fixture_open(&fx, NULL, NULL, NULL);
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/", parrot_start(&parrot, says, ARRAY_SIZE(says)));
        struct http_client *client = http_client_new(&fx.loop, NULL);
        call(&fx, client, &o, &(struct http_call_options){.url = url, .method = "POST", .body = "x", .body_len = 1}, "");
        assert_string_equal(o.body, "1");
        usleep(20000); /* it hangs up, and the loop has not looked */
        call(&fx, client, &o, &(struct http_call_options){.url = url, .method = "POST", .body = "x", .body_len = 1}, "");
        assert_string_equal(o.body, "2");
        http_client_free(client);
        uv_thread_join(&parrot.thread);
        fixture_close(&fx);
}

static void calls_that_wait_for_a_connection(void **state)
{
        struct fixture fx;
        struct outcome o[6] = {0};
        struct http_call *calls[6];
        char url[100];
        fixture_open(&fx, NULL, NULL, NULL);
        fx.handler = handler;
        struct http_client *client = http_client_new(&fx.loop, &(struct http_client_options){.max_connections_per_host = 2});
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/later", http_server_port(fx.server));
        for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
                calls[i] = http_client_call(
                        client, &(struct http_call_options){.url = url, .timeout_ms = i == 5 ? 80 : 0, .done = on_done, .data = &o[i]});
        WAIT(&fx, fx.n_waiting == 2);
        WAIT(&fx, o[5].done);
        assert_int_equal(o[5].status, -ETIMEDOUT);
        assert_non_null(strstr(o[5].message, "all connections were busy for 80 ms"));
        assert_int_equal(http_server_get_stats(fx.server).connections, 2);
        http_call_cancel(calls[0]); /* its link goes, and the next in line has a new one */
        http_call_cancel(calls[3]); /* still in line */
        WAIT(&fx, fx.n_waiting == 3);
        for (size_t i = 0; i < 3; i++)
                http_respond(fx.waiting[i], 200, NULL, 0, NULL, 0);
        WAIT(&fx, fx.n_waiting == 4);
        http_respond(fx.waiting[3], 200, NULL, 0, NULL, 0);
        WAIT(&fx, o[1].done && o[2].done && o[4].done);
        assert_int_equal(http_server_get_stats(fx.server).connections, 3);
        assert_false(o[0].done || o[3].done);
        http_client_free(client);
        fixture_close(&fx);
}

/* What only the proxy can reach. */
static void through_a_proxy(void **state)
{
        struct fixture fx;
        struct outcome o;
        char proxy[64];
        fixture_open(&fx, NULL, NULL, NULL);
        fx.handler = handler;
        snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", http_server_port(fx.server));
        setenv("http_proxy", proxy, 1);
        struct http_client *client = http_client_new(&fx.loop, NULL);
        call(&fx, client, &o, &(struct http_call_options){.url = "http://beyond.invalid/x", .method = "POST", .body = "hi", .body_len = 2},
             "");
        assert_int_equal(o.status, 200);
        assert_string_equal(o.body, "hi");
        setenv("no_proxy", "beyond.invalid", 1);
        call(&fx, client, &o, &(struct http_call_options){.url = "http://beyond.invalid/x"}, "");
        assert_int_equal(o.status, -EHOSTUNREACH);
        unsetenv("no_proxy");

        /* freed while libcurl is at it, and inside its callback */
        struct outcome a = {0}, b = {.free_inside = client};
        http_client_call(client, &(struct http_call_options){.url = "http://beyond.invalid/later", .done = on_done, .data = &a});
        http_client_call(client, &(struct http_call_options){.url = "http://beyond.invalid/x", .done = on_done, .data = &b});
        WAIT(&fx, a.done && b.done);
        assert_int_equal(a.status, -ECANCELED);
        assert_int_equal(b.status, 200);
        for (size_t i = 0; i < fx.n_waiting; i++)
                http_respond(fx.waiting[i], 200, NULL, 0, NULL, 0);
        unsetenv("http_proxy");
        fixture_close(&fx);
}

int main(void)
{
        static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"};
        for (size_t i = 0; i < ARRAY_SIZE(proxies); i++)
                unsetenv(proxies[i]);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(methods_and_bodies),
                cmocka_unit_test(failures),
                cmocka_unit_test(over_a_unix_socket),
                cmocka_unit_test(over_tls),
                cmocka_unit_test(cancelled_and_freed),
                cmocka_unit_test(answers_of_all_kinds),
                cmocka_unit_test(a_kept_connection_that_is_gone),
                cmocka_unit_test(calls_that_wait_for_a_connection),
                cmocka_unit_test(through_a_proxy),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
