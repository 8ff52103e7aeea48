/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups of an image: names are looked up in its /etc/passwd and /etc/group, never in the host's. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "codec/shape.h"

struct user_identity {
        uint32_t uid, gid;
        struct int_list groups; /* additional */
        const char *home;       /* "/" when unknown */
};

/*
 * `text` is "", "user", "uid", "user:group", "uid:gid" …, as in a container definition; "" and NULL are root. Layers are lowest first;
 * the topmost that has a file counts. Links inside a layer cannot lead out of it. -EINVAL for a name that the image does not know.
 */
int user_resolve(const char *text, const char *const *layers, uint32_t n_layers, struct arena *arena, struct user_identity *ret,
                 struct error *error) MUST_CHECK;
