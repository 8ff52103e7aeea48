/* SPDX-License-Identifier: Apache-2.0 */
/* The IAM operations that exist. */
#pragma once

#include "api/call.h"

extern const struct api_route iam_access_key_routes[];
