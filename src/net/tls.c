/* SPDX-License-Identifier: Apache-2.0 */
/* The TLS filter. */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "net/loop.h"

struct tls_context {
        SSL_CTX *ssl;
        bool insecure;
};

struct tls {
        SSL *ssl;
        BIO *in, *out; /* owned by ssl */
};

/* What OpenSSL says of the last failure of this thread. */
static const char *openssl_reason(void)
{
        unsigned long code = ERR_peek_last_error();
        const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
        return reason != NULL ? reason : "unknown reason";
}

/* Of the protocols that the client offers we speak one. */
static int choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len, const unsigned char *in, unsigned in_len, void *arg)
{
        static const unsigned char ours[] = "\x08http/1.1";
        unsigned char *chosen = NULL;
        if (SSL_select_next_proto(&chosen, ret_len, ours, sizeof(ours) - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
                return SSL_TLSEXT_ERR_NOACK;
        *ret = chosen;
        return SSL_TLSEXT_ERR_OK;
}

static struct tls_context *context_new(const SSL_METHOD *method)
{
        struct tls_context *context = xalloc(sizeof(*context));
        ERR_clear_error();
        context->ssl = SSL_CTX_new(method);
        assert(context->ssl != NULL); /* fails for want of memory only */
        SSL_CTX_set_min_proto_version(context->ssl, TLS1_2_VERSION);
        SSL_CTX_set_options(context->ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
        /* Idle agents are many: no buffers while there is nothing to decrypt. */
        SSL_CTX_set_mode(context->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        return context;
}

struct tls_context *tls_context_free(struct tls_context *context)
{
        if (context != NULL)
                SSL_CTX_free(context->ssl);
        free(context);
        return NULL;
}

int tls_context_new_server(const char *cert_file, const char *key_file, struct tls_context **ret, struct error *error)
{
        struct tls_context *context = context_new(TLS_server_method());
        int r = 0;
        if (SSL_CTX_use_certificate_chain_file(context->ssl, cert_file) != 1)
                r = error_set(error, EINVAL, "cannot use certificate file %s: %s (it must be a PEM file)", cert_file, openssl_reason());
        else if (SSL_CTX_use_PrivateKey_file(context->ssl, key_file, SSL_FILETYPE_PEM) != 1)
                r = error_set(error, EINVAL, "cannot use key file %s: %s (it must be the PEM file of the certificate's key)", key_file,
                              openssl_reason());
        if (r < 0) {
                tls_context_free(context);
                return r;
        }
        SSL_CTX_set_alpn_select_cb(context->ssl, choose_alpn, NULL);
        *ret = context;
        return 0;
}

int tls_client_context(struct net_loop *net, const char *ca_file, bool insecure, struct tls_context **ret, struct error *error)
{
        /* Reading the system's authorities takes some 20 ms: the last context is kept. */
        CLEANUP_FREE char *key = xprintf("%d%s", insecure, ca_file != NULL ? ca_file : "");
        if (net->client_tls != NULL && str_eq(net->client_tls_key, key)) {
                *ret = net->client_tls;
                return 0;
        }
        struct tls_context *context = context_new(TLS_client_method());
        context->insecure = insecure;
        int ok = 1;
        if (!insecure)
                ok = ca_file != NULL ? SSL_CTX_load_verify_locations(context->ssl, ca_file, NULL)
                                     : SSL_CTX_set_default_verify_paths(context->ssl);
        if (ok != 1) {
                int r = error_set(error, EINVAL, "cannot read authorities from %s: %s", ca_file != NULL ? ca_file : "the system",
                                  openssl_reason());
                tls_context_free(context);
                return r;
        }
        SSL_CTX_set_verify(context->ssl, insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_alpn_protos(context->ssl, (const unsigned char *)"\x08http/1.1", 9);
        tls_context_free(net->client_tls);
        free(net->client_tls_key);
        net->client_tls = context;
        net->client_tls_key = TAKE(key);
        *ret = context;
        return 0;
}

static struct tls *tls_new(struct tls_context *context)
{
        struct tls *tls = xalloc(sizeof(*tls));
        tls->ssl = SSL_new(context->ssl);
        tls->in = BIO_new(BIO_s_mem());
        tls->out = BIO_new(BIO_s_mem());
        assert(tls->ssl != NULL && tls->in != NULL && tls->out != NULL);
        SSL_set_bio(tls->ssl, tls->in, tls->out);
        return tls;
}

struct tls *tls_new_server(struct tls_context *context)
{
        struct tls *tls = tls_new(context);
        SSL_set_accept_state(tls->ssl);
        return tls;
}

struct tls *tls_new_client(struct tls_context *context, const char *host)
{
        struct tls *tls = tls_new(context);
        unsigned char address[16];
        bool is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
        SSL_set_connect_state(tls->ssl);
        if (is_address)
                (void)X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), host);
        else
                (void)SSL_set1_host(tls->ssl, host);
        if (!is_address)
                (void)SSL_set_tlsext_host_name(tls->ssl, host);
        return tls;
}

struct tls *tls_free(struct tls *tls)
{
        if (tls != NULL)
                SSL_free(tls->ssl);
        free(tls);
        return NULL;
}

int tls_handshake(struct tls *tls, struct error *error)
{
        ERR_clear_error();
        int r = SSL_do_handshake(tls->ssl);
        if (r == 1)
                return 1;
        int want = SSL_get_error(tls->ssl, r);
        if (want == SSL_ERROR_WANT_READ || want == SSL_ERROR_WANT_WRITE)
                return 0;
        long verified = SSL_get_verify_result(tls->ssl);
        if (!SSL_is_server(tls->ssl) && (verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH))
                return error_set(error, EPROTO,
                                 "certificate refused: it is not for this name; call the server by a name in its certificate, or give it a "
                                 "certificate for this one");
        if (!SSL_is_server(tls->ssl) && verified != X509_V_OK)
                return error_set(error, EPROTO,
                                 "certificate refused: %s; name its authority with a CA file, or accept any certificate on purpose",
                                 X509_verify_cert_error_string(verified));
        return error_set(error, EPROTO, "TLS handshake failed: %s (does the other side speak TLS on this port?)", openssl_reason());
}

void tls_input(struct tls *tls, const char *data, size_t len)
{
        while (len > 0) {
                int n = BIO_write(tls->in, data, (int)MIN(len, (size_t)INT_MAX));
                assert(n > 0); /* memory only */
                data += n;
                len -= (size_t)n;
        }
}

int tls_read(struct tls *tls, char *ret, size_t size)
{
        ERR_clear_error();
        int n = SSL_read(tls->ssl, ret, (int)MIN(size, (size_t)INT_MAX));
        if (n > 0)
                return n;
        switch (SSL_get_error(tls->ssl, n)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
                return 0;
        case SSL_ERROR_ZERO_RETURN:
                return -EPIPE;
        default:
                return -EPROTO;
        }
}

int tls_write(struct tls *tls, const char *data, size_t len)
{
        while (len > 0) {
                ERR_clear_error();
                int n = SSL_write(tls->ssl, data, (int)MIN(len, (size_t)1 << 20));
                if (n <= 0)
                        return -EPROTO;
                data += n;
                len -= (size_t)n;
        }
        return 0;
}

void tls_goodbye(struct tls *tls)
{
        ERR_clear_error();
        if (SSL_is_init_finished(tls->ssl))
                (void)SSL_shutdown(tls->ssl);
}

bool tls_has_output(const struct tls *tls)
{
        return BIO_ctrl_pending(tls->out) > 0;
}

void tls_output(struct tls *tls, struct buf *out)
{
        size_t pending = BIO_ctrl_pending(tls->out);
        if (pending == 0)
                return;
        int n = BIO_read(tls->out, buf_reserve(out, pending), (int)MIN(pending, (size_t)INT_MAX));
        if (n > 0)
                buf_advance(out, (size_t)n);
}
