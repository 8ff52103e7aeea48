/* SPDX-License-Identifier: Apache-2.0 */
/* How AWS answers the failures that no handler makes: HTTP status and the names that query services have for them. */
#pragma once

#include "codec/shape.h"

/* HTTP status of an error that a JSON service answers. AWS says 400 for nearly everything, also for missing and wrong signatures. */
int error_json_status(const char *code);
/* The name and status that query services use for an error: "InvalidSignatureException" is "SignatureDoesNotMatch", 403. Errors
 * that are not in the table keep their name. */
const char *error_query_code(const char *code, int *ret_status);
