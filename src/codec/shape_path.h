/* SPDX-License-Identifier: Apache-2.0 */
/* The values that stand at a path of members, as text: for filters over what an API shows. */
#pragma once

#include "codec/shape.h"

/* Returns true to stop. `text` is only good during the call. */
typedef bool (*shape_text_fn)(void *data, const char *text);

/*
 * Calls `each` with every value at `path` ("groupSet.groupId": through lists, each of their items): strings as they are, numbers in
 * decimal, booleans as true or false, words of enumerations, times as ISO 8601. What is absent is left out, but for booleans that
 * are `always` written. True as soon as `each` has returned true. A path must exist in the shape (it is a constant of ours).
 */
bool shape_any_text(const struct shape *shape, const void *obj, const char *path, shape_text_fn each, void *data);
/* Whether the path leads to a single value (of each item, through lists). */
bool shape_has_path(const struct shape *shape, const char *path);
