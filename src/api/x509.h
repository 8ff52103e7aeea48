/* SPDX-License-Identifier: Apache-2.0 */
/* Reading server certificates that people bring: PEM of certificate, private key and chain. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "model/balancer.h"

enum x509_result {
        X509_GOOD = 0,
        X509_BAD_CERTIFICATE, /* not one certificate in PEM */
        X509_BAD_KEY,         /* not an unencrypted private key in PEM */
        X509_BAD_CHAIN,
        X509_MISMATCH, /* the key is not the certificate's */
};

/*
 * Checks the three (`chain` may be NULL or empty) and fills in what the certificate says of itself: domainName, alternatives, subject,
 * issuer, serial, algorithms, validity; and the PEM texts as they are. `ret_why` gets a text for the client. Strings are in `arena`.
 */
enum x509_result x509_read(const char *certificate, const char *key, const char *chain, struct arena *arena, struct state_certificate *ret,
                           const char **ret_why) MUST_CHECK;
