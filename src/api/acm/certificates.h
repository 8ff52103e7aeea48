/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Certificate Manager: certificates that people import. */
#pragma once

#include "api/call.h"

extern const struct api_route acm_certificate_routes[];
