/* SPDX-License-Identifier: Apache-2.0 */
/* Strings kept once, so that equality is equality of pointers: names and values of attributes. Counted. */
#pragma once

#include <stdint.h>

#include "base/map.h"

struct atom {
        struct map_node node;
        uint32_t refs;
        uint32_t place; /* as a name: where a node was last found to have it, which is a good guess for the next one */
        char text[];
};

struct atoms {
        struct map map;
};

void atoms_init(struct atoms *atoms);
/* Every reference must have been given back. */
void atoms_done(struct atoms *atoms);
/* The atom of the text (NULL: that of ""), with one more reference. */
struct atom *atom_ref(struct atoms *atoms, const char *text);
/* NULL is fine. Returns NULL. */
struct atom *atom_unref(struct atoms *atoms, struct atom *atom);
/* The atom of the text if there is one, without a reference. */
struct atom *atom_find(const struct atoms *atoms, const char *text);
