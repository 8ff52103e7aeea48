/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS as a filter between bytes and bytes (OpenSSL on memory BIOs): no sockets in here. TLS 1.2 and newer. Internal to net/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

struct net_loop;
struct tls_context; /* certificates and settings, shared by many connections */
struct tls;         /* one connection */

/* Server side, from PEM files (the certificate file may hold the chain). */
int tls_context_new_server(const char *cert_file, const char *key_file, struct tls_context **ret, struct error *error) MUST_CHECK;
/* NULL is fine; connections made from it live on. */
struct tls_context *tls_context_free(struct tls_context *context);

/* Client side; ca_file NULL: the system's authorities. Belongs to `net` and serves until the next call. */
int tls_client_context(struct net_loop *net, const char *ca_file, bool insecure, struct tls_context **ret, struct error *error) MUST_CHECK;

struct tls *tls_new_server(struct tls_context *context);
/* `host` is the name that the certificate must have (an IP address is fine); it is sent as SNI when it is a name. */
struct tls *tls_new_client(struct tls_context *context, const char *host);
struct tls *tls_free(struct tls *tls);

/* Goes on with the handshake: 1 done, 0 needs bytes from the peer, or -EPROTO, and then `error` says why. Send what tls_output
 * gives in every case. */
int tls_handshake(struct tls *tls, struct error *error);
/* Bytes that came from the peer. */
void tls_input(struct tls *tls, const char *data, size_t len);
/* Decrypted bytes: how many, 0 when more input is needed, -EPIPE when the peer has ended the session, -EPROTO. */
int tls_read(struct tls *tls, char *ret, size_t size);
/* Encrypts; 0 or -EPROTO. Only after the handshake. */
int tls_write(struct tls *tls, const char *data, size_t len) MUST_CHECK;
/* Says goodbye to the peer. */
void tls_goodbye(struct tls *tls);
/* Appends what must be sent to the peer. */
void tls_output(struct tls *tls, struct buf *out);
bool tls_has_output(const struct tls *tls);
