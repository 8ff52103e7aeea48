/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of a verb, as a table. Each can be given, strongest first, as a flag (--data-dir DIR, --data-dir=DIR), as a variable
 * (GANTRY_DATA_DIR) or as a line of the configuration file ("data-dir = DIR", --config FILE, default /etc/gantry/gantry.conf).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "codec/shape.h"

enum option_type {
        OPTION_STRING = 0, /* const char * */
        OPTION_INT,        /* int64_t */
        OPTION_BOOL,       /* bool: --flag, --flag=no */
        OPTION_LIST,       /* struct string_list: may be repeated; commas separate in variables and files */
};

struct option_row {
        const char *name; /* "data-dir"; NULL ends the table */
        enum option_type type;
        size_t offset;        /* of the value in the verb's structure */
        const char *metavar;  /* "DIR"; NULL for booleans */
        const char *fallback; /* default as text, or NULL */
        const char *help;
};

#define OPTION_END           \
        {                    \
                .name = NULL \
        }

struct verb {
        const char *name;
        const char *summary;              /* one line, for the list of verbs */
        const char *usage;                /* what follows the name: "[OPTIONS]" */
        uint32_t max_args;                /* words that are not options, at most */
        const char *description;          /* paragraphs of --help */
        const struct option_row *options; /* NULL: none */
        size_t size;                      /* of the structure that the options fill */
        /* Exit status. `args` are the words that are not options, NULL-terminated. */
        int (*run)(const struct verb *verb, void *values, char **args);
};

/* Fills `values` (verb->size zeroed bytes) from flags, environment and file. `ret_args` gets the other words (arena). Returns 0,
 * 1 when --help was printed, or -EINVAL with the message to show. */
int options_parse(const struct verb *verb, char **argv, struct arena *arena, void *values, char ***ret_args,
                  struct error *error) MUST_CHECK;
void options_help(const struct verb *verb);
/* Whether `word` may be `name` mistyped: one or two letters differ. */
bool options_resemble(const char *word, const char *name);

/* Prints "gantry VERB: MESSAGE" on standard error; returns 1 for `return`. */
int verb_fail(const struct verb *verb, const struct error *error);
int verb_fail_text(const struct verb *verb, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The table of verbs, in cmd/main.c; ends with NULL. */
extern const struct verb *const verbs[];
