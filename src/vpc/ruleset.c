/* SPDX-License-Identifier: Apache-2.0 */
/* Building and comparing tables of rules. */
#include "vpc/ruleset.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"

#define TABLE "ip " RULESET_TABLE

struct ruleset *ruleset_new(void)
{
        return xalloc(sizeof(struct ruleset));
}

struct ruleset *ruleset_free(struct ruleset *r)
{
        if (r == NULL)
                return NULL;
        for (uint32_t i = 0; i < r->n_sets; i++)
                free(r->sets[i].elements);
        free(r->sets);
        free(r->chains);
        arena_done(&r->arena);
        free(r);
        return NULL;
}

void ruleset_add_chain(struct ruleset *r, const char *name, const char *hook, const char *body)
{
        if (r->n_chains == r->chain_room) {
                r->chain_room = r->chain_room * 2 + 16;
                r->chains = xrealloc(r->chains, r->chain_room * sizeof *r->chains);
        }
        r->chains[r->n_chains++] = (struct ruleset_chain){name, hook, arena_strdup(&r->arena, body)};
}

uint32_t ruleset_add_set(struct ruleset *r, const char *name, const char *type)
{
        if (r->n_sets == r->set_room) {
                r->set_room = r->set_room * 2 + 16;
                r->sets = xrealloc(r->sets, r->set_room * sizeof *r->sets);
        }
        r->sets[r->n_sets] = (struct ruleset_set){.name = name, .type = type};
        return r->n_sets++;
}

void ruleset_add_element(struct ruleset *r, uint32_t set, const char *key, const char *value)
{
        struct ruleset_set *s = &r->sets[set];

        if (s->n == s->room) {
                s->room = s->room * 2 + 16;
                s->elements = xrealloc(s->elements, s->room * sizeof *s->elements);
        }
        s->elements[s->n++] = (struct ruleset_element){key, value};
}

static int compare_chains(const void *a, const void *b)
{
        return strcmp(((const struct ruleset_chain *)a)->name, ((const struct ruleset_chain *)b)->name);
}

static int compare_sets(const void *a, const void *b)
{
        return strcmp(((const struct ruleset_set *)a)->name, ((const struct ruleset_set *)b)->name);
}

static int compare_elements(const void *a, const void *b)
{
        return strcmp(((const struct ruleset_element *)a)->key, ((const struct ruleset_element *)b)->key);
}

void ruleset_finish(struct ruleset *r)
{
        if (r->n_chains > 0)
                qsort(r->chains, r->n_chains, sizeof *r->chains, compare_chains);
        if (r->n_sets > 0)
                qsort(r->sets, r->n_sets, sizeof *r->sets, compare_sets);
        for (uint32_t i = 0; i < r->n_sets; i++) {
                struct ruleset_set *s = &r->sets[i];
                uint32_t kept = 0;

                if (s->n == 0)
                        continue;
                qsort(s->elements, s->n, sizeof *s->elements, compare_elements);
                for (uint32_t k = 1; k < s->n; k++) {
                        if (!str_eq(s->elements[k].key, s->elements[kept].key))
                                s->elements[++kept] = s->elements[k];
                }
                s->n = kept + 1;
        }
}

/* ---- comparing: two sorted arrays at once ---- */

/* The next pair with one name: either may be NULL. False at the end of both. */
static bool next_chains(const struct ruleset *old, const struct ruleset *new, uint32_t *i, uint32_t *k,
                        const struct ruleset_chain **ret_old, const struct ruleset_chain **ret_new)
{
        const struct ruleset_chain *a = *i < old->n_chains ? &old->chains[*i] : NULL, *b = *k < new->n_chains ? &new->chains[*k] : NULL;
        int order = a == NULL ? 1 : b == NULL ? -1 : strcmp(a->name, b->name);

        *ret_old = order <= 0 ? a : NULL;
        *ret_new = order >= 0 ? b : NULL;
        *i += *ret_old != NULL;
        *k += *ret_new != NULL;
        return *ret_old != NULL || *ret_new != NULL;
}

static bool next_sets(const struct ruleset *old, const struct ruleset *new, uint32_t *i, uint32_t *k, const struct ruleset_set **ret_old,
                      const struct ruleset_set **ret_new)
{
        const struct ruleset_set *a = *i < old->n_sets ? &old->sets[*i] : NULL, *b = *k < new->n_sets ? &new->sets[*k] : NULL;
        int order = a == NULL ? 1 : b == NULL ? -1 : strcmp(a->name, b->name);

        *ret_old = order <= 0 ? a : NULL;
        *ret_new = order >= 0 ? b : NULL;
        *i += *ret_old != NULL;
        *k += *ret_new != NULL;
        return *ret_old != NULL || *ret_new != NULL;
}

static const char *kind_of(const struct ruleset_set *set)
{
        return strchr(set->type, ':') != NULL ? "map" : "set";
}

static void write_rules(const struct ruleset_chain *chain, struct buf *script)
{
        for (const char *line = chain->body; *line != '\0';) {
                size_t len = strcspn(line, "\n");

                if (len > 0)
                        buf_printf(script, "add rule " TABLE " %s %.*s\n", chain->name, (int)len, line);
                line += len + (line[len] == '\n');
        }
}

/* First everything that rules and elements may name. */
static void write_declarations(const struct ruleset *old, const struct ruleset *new, struct buf *script)
{
        const struct ruleset_chain *a, *b;
        const struct ruleset_set *c, *d;

        for (uint32_t i = 0, k = 0; next_sets(old, new, &i, &k, &c, &d);) {
                if (c == NULL)
                        buf_printf(script, "add %s " TABLE " %s { type %s; }\n", kind_of(d), d->name, d->type);
        }
        for (uint32_t i = 0, k = 0; next_chains(old, new, &i, &k, &a, &b);) {
                if (a == NULL)
                        buf_printf(script, "add chain " TABLE " %s%s%s\n", b->name, b->hook != NULL ? " " : "",
                                   b->hook != NULL ? b->hook : "");
        }
}

static void write_chains(const struct ruleset *old, const struct ruleset *new, struct buf *script)
{
        const struct ruleset_chain *a, *b;

        for (uint32_t i = 0, k = 0; next_chains(old, new, &i, &k, &a, &b);) {
                if (a != NULL && b != NULL && strcmp(a->body, b->body) == 0)
                        continue;
                if (a != NULL)
                        buf_printf(script, "flush chain " TABLE " %s\n", a->name);
                if (b != NULL)
                        write_rules(b, script);
        }
}

struct element_list {
        const char *verb;
        const char *set;
        bool any;
};

static void list_element(struct element_list *list, const struct ruleset_element *element, bool with_value, struct buf *out)
{
        if (!list->any)
                buf_printf(out, "%s element " TABLE " %s { ", list->verb, list->set);
        else
                buf_append_str(out, ", ");
        list->any = true;
        buf_append_str(out, element->key);
        if (with_value && element->value != NULL)
                buf_printf(out, " : %s", element->value);
}

/* What goes is written at once, what comes later: a key may have got another value. */
static void compare_set(const struct ruleset_set *old, const struct ruleset_set *new, struct buf *script)
{
        static const struct ruleset_set none;
        CLEANUP_BUF struct buf add = {0};
        struct element_list adding = {"add", new->name, false}, deleting = {"delete", new->name, false};
        uint32_t i = 0, k = 0;

        if (old == NULL)
                old = &none;
        while (i < old->n || k < new->n) {
                const struct ruleset_element *a = i < old->n ? &old->elements[i] : NULL, *b = k < new->n ? &new->elements[k] : NULL;
                int order = a == NULL ? 1 : b == NULL ? -1 : strcmp(a->key, b->key);
                bool same = order == 0 && str_eq(a->value, b->value);

                if (a != NULL && order <= 0 && !same)
                        list_element(&deleting, a, false, script);
                if (b != NULL && order >= 0 && !same)
                        list_element(&adding, b, true, &add);
                i += order <= 0;
                k += order >= 0;
        }
        if (deleting.any)
                buf_append_str(script, " }\n");
        if (adding.any)
                buf_printf(script, "%s }\n", add.data);
}

static void write_elements(const struct ruleset *old, const struct ruleset *new, struct buf *script)
{
        const struct ruleset_set *a, *b;

        for (uint32_t i = 0, k = 0; next_sets(old, new, &i, &k, &a, &b);) {
                if (b != NULL)
                        compare_set(a, b, script);
                else
                        buf_printf(script, "flush %s " TABLE " %s\n", kind_of(a), a->name);
        }
}

/* Last, when nothing names them any more. */
static void write_removals(const struct ruleset *old, const struct ruleset *new, struct buf *script)
{
        const struct ruleset_chain *a, *b;
        const struct ruleset_set *c, *d;

        for (uint32_t i = 0, k = 0; next_chains(old, new, &i, &k, &a, &b);) {
                if (b == NULL)
                        buf_printf(script, "delete chain " TABLE " %s\n", a->name);
        }
        for (uint32_t i = 0, k = 0; next_sets(old, new, &i, &k, &c, &d);) {
                if (d == NULL)
                        buf_printf(script, "delete %s " TABLE " %s\n", kind_of(c), c->name);
        }
}

void ruleset_diff(const struct ruleset *old, const struct ruleset *new, struct buf *script)
{
        static const struct ruleset nothing;

        if (old == NULL) {
                buf_append_str(script, "add table " TABLE "\ndelete table " TABLE "\nadd table " TABLE "\n");
                old = &nothing;
        }
        write_declarations(old, new, script);
        write_chains(old, new, script);
        write_elements(old, new, script);
        write_removals(old, new, script);
}
