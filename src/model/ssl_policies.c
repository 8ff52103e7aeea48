/* SPDX-License-Identifier: Apache-2.0 */
/* Security policies. */
#include "model/ssl_policies.h"

#include <stddef.h>

#include "base/strutil.h"

#define GCM "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
#define GCM_256 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
#define CBC "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256"
#define CBC_256 "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384"
#define CBC_OLD "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
#define CBC_OLD_256 "ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES256-SHA"
#define RSA "AES128-GCM-SHA256:AES128-SHA256"
#define RSA_256 "AES256-GCM-SHA384:AES256-SHA256"
#define ALL GCM ":" CBC ":" CBC_OLD ":" GCM_256 ":" CBC_256 ":" CBC_OLD_256 ":" RSA ":AES128-SHA:" RSA_256 ":AES256-SHA"
#define SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

const struct ssl_policy ssl_policies[] = {
        {"ELBSecurityPolicy-2016-08", "TLSv1", "TLSv1.2", ALL, NULL},
        {"ELBSecurityPolicy-TLS13-1-2-2021-06", "TLSv1.2", "TLSv1.3", GCM ":" CBC ":" GCM_256 ":" CBC_256, SUITES},
        {"ELBSecurityPolicy-TLS13-1-2-Res-2021-06", "TLSv1.2", "TLSv1.3", GCM ":" GCM_256, SUITES},
        {"ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06", "TLSv1.2", "TLSv1.3", GCM ":" CBC ":" GCM_256 ":" CBC_256 ":" RSA ":" RSA_256, SUITES},
        {"ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06", "TLSv1.2", "TLSv1.3", ALL, SUITES},
        {"ELBSecurityPolicy-TLS13-1-1-2021-06", "TLSv1.1", "TLSv1.3", ALL, SUITES},
        {"ELBSecurityPolicy-TLS13-1-0-2021-06", "TLSv1", "TLSv1.3", ALL, SUITES},
        {"ELBSecurityPolicy-TLS13-1-3-2021-06", "TLSv1.3", "TLSv1.3", NULL, SUITES},
        {"ELBSecurityPolicy-TLS-1-2-2017-01", "TLSv1.2", "TLSv1.2", GCM ":" CBC ":" GCM_256 ":" CBC_256 ":" RSA ":" RSA_256, NULL},
        {"ELBSecurityPolicy-TLS-1-1-2017-01", "TLSv1.1", "TLSv1.2", ALL, NULL},
        {"ELBSecurityPolicy-TLS-1-2-Ext-2018-06", "TLSv1.2", "TLSv1.2", ALL, NULL},
        {"ELBSecurityPolicy-FS-2018-06", "TLSv1", "TLSv1.2", GCM ":" CBC ":" CBC_OLD ":" GCM_256 ":" CBC_256 ":" CBC_OLD_256, NULL},
        {"ELBSecurityPolicy-FS-1-1-2019-08", "TLSv1.1", "TLSv1.2", GCM ":" CBC ":" CBC_OLD ":" GCM_256 ":" CBC_256 ":" CBC_OLD_256, NULL},
        {"ELBSecurityPolicy-FS-1-2-2019-08", "TLSv1.2", "TLSv1.2", GCM ":" CBC ":" CBC_OLD ":" GCM_256 ":" CBC_256 ":" CBC_OLD_256, NULL},
        {"ELBSecurityPolicy-FS-1-2-Res-2019-08", "TLSv1.2", "TLSv1.2", GCM ":" CBC ":" GCM_256 ":" CBC_256, NULL},
        {"ELBSecurityPolicy-FS-1-2-Res-2020-10", "TLSv1.2", "TLSv1.2", GCM ":" GCM_256, NULL},
        {NULL, NULL, NULL, NULL, NULL},
};

const struct ssl_policy *ssl_policy_find(const char *name)
{
        for (const struct ssl_policy *policy = ssl_policies; policy->name != NULL; policy++)
                if (str_eq(policy->name, name))
                        return policy;
        return NULL;
}
