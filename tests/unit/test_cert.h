/* SPDX-License-Identifier: Apache-2.0 */
/* A self-signed certificate for "localhost" and 127.0.0.1, made on the spot. */
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "unit.h"

static void test_cert_write(const char *cert_path, const char *key_path)
{
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *cert = X509_new();
        assert_non_null(key);
        X509_set_version(cert, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
        X509_gmtime_adj(X509_getm_notBefore(cert), -60);
        X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
        X509_set_pubkey(cert, key);
        X509_NAME *name = X509_get_subject_name(cert);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
        X509_set_issuer_name(cert, name);
        X509V3_CTX context;
        X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
        X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
        X509_add_ext(cert, names, -1);
        X509_EXTENSION_free(names);
        assert_true(X509_sign(cert, key, EVP_sha256()) > 0);

        FILE *file = fopen(cert_path, "w");
        assert_int_equal(PEM_write_X509(file, cert), 1);
        fclose(file);
        file = fopen(key_path, "w");
        assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
        fclose(file);
        X509_free(cert);
        EVP_PKEY_free(key);
}
