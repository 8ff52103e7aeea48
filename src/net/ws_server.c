/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of the opening handshake (RFC 6455 section 4.2). SHA-1 by OpenSSL's block functions, which are called "deprecated"
 * since OpenSSL 3: the others first set up the whole library, two megabytes in a process that may never speak TLS.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "base/strutil.h"
#include "net/ws_internal.h"

void ws_accept_value(const char *key, char ret[WS_ACCEPT_SIZE])
{
        static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 section 1.3 */
        char text[128];
        unsigned char digest[SHA_DIGEST_LENGTH];
        SHA_CTX context;
        int len = snprintf(text, sizeof(text), "%s%s", key, suffix);
        SHA1_Init(&context);
        SHA1_Update(&context, text, (size_t)MIN(len, (int)sizeof(text) - 1));
        SHA1_Final(digest, &context);
        (void)EVP_EncodeBlock((unsigned char *)ret, digest, sizeof(digest));
}

/* 16 bytes in base64: 22 digits and "==". */
static bool is_key(const char *key)
{
        unsigned char bytes[24];
        return key != NULL && strlen(key) == 24 && EVP_DecodeBlock(bytes, (const unsigned char *)key, 24) == 18 &&
               str_ends_with(key, "==") && key[21] != '=';
}

static bool header_has(const struct http_request *req, const char *name, const char *token)
{
        const char *value = http_request_header(req, name);
        return value != NULL && http1_list_has(value, token);
}

static void refuse(struct http_request *req, int status, const char *why)
{
        const struct http_header headers[] = {
                {"Content-Type", "text/plain; charset=utf-8"},
                {"Upgrade", "websocket"},
                {"Sec-WebSocket-Version", "13"},
        };
        http_respond(req, status, headers, status == 426 ? ARRAY_SIZE(headers) : 1, why, strlen(why));
}

/* 0, or the status of the refusal. */
static int check(struct http_request *req, const char **ret_why)
{
        *ret_why = "this address answers websocket clients only\n";
        if (!str_eq(req->method, "GET") || !header_has(req, "Connection", "upgrade") || !header_has(req, "Upgrade", "websocket"))
                return 426;
        *ret_why = "only version 13 of the websocket protocol is spoken here\n";
        if (!str_eq(http_request_header(req, "Sec-WebSocket-Version"), "13"))
                return 426;
        *ret_why = "Sec-WebSocket-Key must be 16 bytes in base64\n";
        if (!is_key(http_request_header(req, "Sec-WebSocket-Key")))
                return 400;
        *ret_why = "a websocket cannot begin while earlier requests of its connection wait for answers\n";
        return http_can_take_over(req) ? 0 : 400;
}

struct ws *ws_accept(struct http_request *req, const struct ws_limits *limits, const struct ws_callbacks *callbacks, void *data)
{
        const char *why;
        char accept[WS_ACCEPT_SIZE];
        int status = check(req, &why);
        if (status != 0) {
                refuse(req, status, why);
                return NULL;
        }
        ws_accept_value(http_request_header(req, "Sec-WebSocket-Key"), accept);
        struct ws *ws = ws_new(exchange_of(req)->server->options.loop, true, limits, callbacks, data);
        ws->conn = http_take_over(req, &ws_conn_callbacks, ws);
        if (ws->conn == NULL) {
                ws_free(ws);
                return NULL;
        }
        buf_printf(conn_out(ws->conn),
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                   accept);
        ws_start(ws);
        return ws;
}
