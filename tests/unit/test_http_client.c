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
        assert_string_equal(o.message, "connection refused (127.0.0.1:1)");
        call(&fx, client, &o, &(struct http_call_options){.timeout_ms = 50}, "/later");
        assert_int_equal(o.status, -ETIMEDOUT);
        call(&fx, client, &o, &(struct http_call_options){.url = "file:///etc/passwd"}, "");
        assert_int_equal(o.status, -EINVAL);
        call(&fx, client, &o, &(struct http_call_options){.url = "not a url"}, "");
        assert_int_equal(o.status, -EINVAL);
        call(&fx, client, &o, &(struct http_call_options){.method = "POST", .body = "0123456789", .body_len = 10, .max_body = 9}, "/x");
        assert_int_equal(o.status, -EFBIG);
        call(&fx, client, &o, &(struct http_call_options){.url = "http://x/", .unix_socket = "/nonexistent.sock"}, "");
        assert_true(o.status < 0);
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

int main(void)
{
        unsetenv("http_proxy");
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(methods_and_bodies),  cmocka_unit_test(failures),
                cmocka_unit_test(over_a_unix_socket),  cmocka_unit_test(over_tls),
                cmocka_unit_test(cancelled_and_freed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
