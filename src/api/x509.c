/* SPDX-License-Identifier: Apache-2.0 */
/* Server certificates, read with OpenSSL. */
#include "api/x509.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/strutil.h"

static void free_x509(X509 **certificate)
{
        X509_free(*certificate);
}

static void free_key(EVP_PKEY **key)
{
        EVP_PKEY_free(*key);
}

static void free_bio(BIO **bio)
{
        BIO_free(*bio);
}

/* No passphrase is ever asked for. */
static int no_passphrase(char *buf, int size, int writing, void *data)
{
        return -1;
}

static X509 *next_certificate(BIO *bio)
{
        X509 *certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);

        ERR_clear_error();
        return certificate;
}

/* How many certificates the text holds; -1 when something in it is none. */
static int count_certificates(const char *pem)
{
        CLEANUP(free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
        int n = 0, markers = 0;

        for (const char *p = pem; (p = strstr(p, "-----BEGIN ")) != NULL; p++)
                markers++;
        for (X509 *certificate; (certificate = next_certificate(bio)) != NULL; n++)
                X509_free(certificate);
        return n == markers ? n : -1;
}

static int64_t time_of(const ASN1_TIME *time)
{
        struct tm tm = {0};

        return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

static const char *name_text(X509_NAME *name, struct arena *arena)
{
        CLEANUP(free_bio) BIO *bio = BIO_new(BIO_s_mem());
        char *data;
        long len;

        X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~XN_FLAG_DN_REV);
        len = BIO_get_mem_data(bio, &data);
        return arena_strndup(arena, data, (size_t)len);
}

static const char *common_name(X509 *certificate, struct arena *arena)
{
        char text[256] = "";

        if (X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, sizeof(text)) <= 0)
                return NULL;
        return arena_strdup(arena, text);
}

static void read_alternatives(X509 *certificate, struct arena *arena, struct string_list *ret)
{
        GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

        for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
                const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

                if (name->type == GEN_DNS)
                        string_list_push(arena, ret,
                                         arena_strndup(arena, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                                                       (size_t)ASN1_STRING_length(name->d.dNSName)));
        }
        GENERAL_NAMES_free(names);
}

/* Bytes in hexadecimal with colons, as ACM shows serial numbers. */
static const char *serial_text(const X509 *certificate, struct arena *arena)
{
        const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
        char *text = arena_bytes(arena, 3 * (size_t)serial->length + 1), *p = text;

        *p = '\0';
        for (int i = 0; i < serial->length; i++)
                p += snprintf(p, 4, "%s%02x", i > 0 ? ":" : "", serial->data[i]);
        return text;
}

static const char *key_algorithm(EVP_PKEY *key, struct arena *arena)
{
        static const struct {
                const char *group, *name;
        } curves[] = {{"prime256v1", "EC_prime256v1"}, {"secp384r1", "EC_secp384r1"}, {"secp521r1", "EC_secp521r1"}};
        char group[64] = "";

        if (EVP_PKEY_base_id(key) == EVP_PKEY_RSA)
                return arena_printf(arena, "RSA_%d", EVP_PKEY_bits(key));
        if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1)
                for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
                        if (str_eq(curves[i].group, group))
                                return curves[i].name;
        return NULL;
}

static const char *signature_algorithm(const X509 *certificate, struct arena *arena)
{
        int digest = NID_undef, key = NID_undef;
        char *text;

        if (OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest, &key) != 1 || digest == NID_undef)
                return OBJ_nid2ln(X509_get_signature_nid(certificate));
        text = arena_printf(arena, "%sWITH%s", OBJ_nid2sn(digest), key == NID_rsaEncryption ? "RSA" : "ECDSA");
        return text;
}

static enum x509_result fail(enum x509_result result, const char *why, const char **ret_why)
{
        *ret_why = why;
        return result;
}

static enum x509_result check(X509 *x509, EVP_PKEY *key, const char *certificate, const char *chain, const char **ret_why)
{
        if (x509 == NULL || count_certificates(certificate) != 1)
                return fail(X509_BAD_CERTIFICATE, "The certificate must be exactly one certificate in PEM format", ret_why);
        if (key == NULL)
                return fail(X509_BAD_KEY, "The private key must be in PEM format and must not be encrypted with a passphrase", ret_why);
        if (!str_empty(chain) && count_certificates(chain) < 1)
                return fail(X509_BAD_CHAIN, "The certificate chain must be certificates in PEM format and nothing else", ret_why);
        if (X509_check_private_key(x509, key) != 1) {
                ERR_clear_error();
                return fail(X509_MISMATCH, "The private key does not belong to the certificate", ret_why);
        }
        return X509_GOOD;
}

enum x509_result x509_read(const char *certificate, const char *key_text, const char *chain, struct arena *arena,
                           struct state_certificate *ret, const char **ret_why)
{
        CLEANUP(free_bio) BIO *body = BIO_new_mem_buf(certificate, -1);
        CLEANUP(free_bio) BIO *key_body = BIO_new_mem_buf(key_text, -1);
        CLEANUP(free_x509) X509 *x509 = next_certificate(body);
        CLEANUP(free_key) EVP_PKEY *key = PEM_read_bio_PrivateKey(key_body, NULL, no_passphrase, NULL);
        enum x509_result result;

        ERR_clear_error();
        result = check(x509, key, certificate, chain, ret_why);
        if (result != X509_GOOD)
                return result;
        ret->body = arena_strdup(arena, certificate);
        ret->private_key = arena_strdup(arena, key_text);
        ret->chain = str_empty(chain) ? NULL : arena_strdup(arena, chain);
        read_alternatives(x509, arena, &ret->alternatives);
        ret->domain_name = common_name(x509, arena);
        if (ret->domain_name == NULL && ret->alternatives.n > 0)
                ret->domain_name = ret->alternatives.items[0];
        ret->subject = name_text(X509_get_subject_name(x509), arena);
        ret->issuer = name_text(X509_get_issuer_name(x509), arena);
        ret->serial = serial_text(x509, arena);
        ret->key_algorithm = key_algorithm(key, arena);
        ret->signature_algorithm = signature_algorithm(x509, arena);
        ret->not_before = time_of(X509_get0_notBefore(x509));
        ret->not_after = time_of(X509_get0_notAfter(x509));
        return X509_GOOD;
}
