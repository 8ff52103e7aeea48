/* SPDX-License-Identifier: Apache-2.0 */
/* IAM: server certificates, the older way to bring a certificate for a listener. */
#pragma once

#include "api/call.h"

extern const struct api_route iam_server_certificate_routes[];
