/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of an HTTP client that go through a proxy, by libcurl, which is loaded for the first (base/library.h): it brings twenty-five
 * libraries and five megabytes. Internal to net/; one thread: the loop's.
 */
#pragma once

#include "net/http_client.h"

struct http_curl;
struct http_curl_call;

/* Never NULL: without the library the process ends, and says which package is missing. */
struct http_curl *http_curl_new(uv_loop_t *loop, const struct http_client_options *options);
/* Drops what is under way without telling, and frees once the loop has closed what is open. NULL is fine. */
struct http_curl *http_curl_free(struct http_curl *client);
/* Copies `options`, whose `done` and `data` do not count; `done` is called once, from the loop, the result valid during the call. */
struct http_curl_call *http_curl_call(struct http_curl *client, const struct http_call_options *options,
                                      void (*done)(const struct http_result *result, void *data), void *data);
/* `done` is not called any more. Harmless while it runs. */
void http_curl_cancel(struct http_curl_call *call);
