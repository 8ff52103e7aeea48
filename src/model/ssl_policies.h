/* SPDX-License-Identifier: Apache-2.0 */
/* The security policies of HTTPS and TLS listeners, with the protocols and ciphers that AWS gives them. */
#pragma once

struct ssl_policy {
        const char *name;
        const char *oldest, *newest; /* "TLSv1" … "TLSv1.3" */
        const char *ciphers;         /* up to TLS 1.2, as OpenSSL names them, by preference, with colons */
        const char *suites;          /* of TLS 1.3; NULL: not offered */
};

/* Ends with a row whose name is NULL. */
extern const struct ssl_policy ssl_policies[];
/* NULL: there is none of that name. */
const struct ssl_policy *ssl_policy_find(const char *name);
