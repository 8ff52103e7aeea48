/* SPDX-License-Identifier: Apache-2.0 */
/* Interned strings: see atoms.h. */
#include "sched/atoms.h"

#include <string.h>

#include "base/alloc.h"

void atoms_init(struct atoms *atoms)
{
        map_init(&atoms->map);
}

void atoms_done(struct atoms *atoms)
{
        assert(atoms->map.count == 0);
        map_done(&atoms->map);
}

struct atom *atom_find(const struct atoms *atoms, const char *text)
{
        return map_get(&atoms->map, text, struct atom, node);
}

struct atom *atom_ref(struct atoms *atoms, const char *text)
{
        struct atom *atom;
        size_t size;

        if (text == NULL)
                text = "";
        atom = atom_find(atoms, text);
        if (atom == NULL) {
                size = strlen(text) + 1;
                atom = xalloc(sizeof(*atom) + size);
                memcpy(atom->text, text, size);
                map_insert(&atoms->map, &atom->node, atom->text);
        }
        atom->refs++;
        return atom;
}

struct atom *atom_unref(struct atoms *atoms, struct atom *atom)
{
        if (atom != NULL && --atom->refs == 0) {
                map_remove(&atoms->map, &atom->node);
                free(atom);
        }
        return NULL;
}
