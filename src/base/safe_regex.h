/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions of strangers. The C library's regcomp trusts its caller: it copies whatever is repeated, recurses into groups, and
 * its matcher tries all ways through a back reference, so that a few characters take all memory, the stack or hours.
 */
#pragma once

#include <regex.h>

#include "base/error.h"

/* regcomp with REG_EXTENDED | REG_NOSUB and `flags`, for expressions that it can be trusted with. 0; -EINVAL with what is wrong, and then
 * there is nothing to free. */
int regex_compile(regex_t *ret, const char *posix, int flags, struct error *error) MUST_CHECK;
