/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a verb's options from flags, variables and the configuration file; prints its help. */
#include "cmd/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/strutil.h"

#define DEFAULT_CONFIG "/etc/gantry/gantry.conf"
#define MAX_CONFIG (1024 * 1024)
#define MAX_WORD 40

enum source { SOURCE_DEFAULT = 0, SOURCE_FILE, SOURCE_VARIABLE, SOURCE_FLAG };

struct parse {
        const struct verb *verb;
        struct arena *arena;
        char *values;
        uint8_t *sources; /* enum source per option: where its value came from */
        struct error *error;
};

static size_t count_options(const struct verb *verb)
{
        size_t n = 0;

        while (verb->options != NULL && verb->options[n].name != NULL)
                n++;
        return n;
}

static const struct option_row *find_option(const struct verb *verb, const char *name, size_t len)
{
        for (size_t i = 0; i < count_options(verb); i++)
                if (strlen(verb->options[i].name) == len && strncmp(verb->options[i].name, name, len) == 0)
                        return &verb->options[i];
        return NULL;
}

/* How many letters have to be changed, added or left out to make `b` of `a`; SIZE_MAX for words too long to bother. */
static size_t edit_distance(const char *a, const char *b)
{
        size_t row[MAX_WORD + 1], n = strlen(b);

        if (strlen(a) > MAX_WORD || n > MAX_WORD)
                return SIZE_MAX;
        for (size_t j = 0; j <= n; j++)
                row[j] = j;
        for (size_t i = 1; a[i - 1] != '\0'; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        size_t changed = diagonal + (a[i - 1] != b[j - 1]);

                        diagonal = row[j];
                        row[j] = MIN(changed, MIN(row[j], row[j - 1]) + 1);
                }
        }
        return row[n];
}

bool options_resemble(const char *word, const char *name)
{
        size_t distance = edit_distance(word, name);

        return distance <= 2 && distance < strlen(name) / 2 + 1;
}

static int unknown_option(struct parse *p, const char *word, size_t len)
{
        const char *name = arena_strndup(p->arena, word, len);

        for (size_t i = 0; i < count_options(p->verb); i++)
                if (options_resemble(name + strspn(name, "-"), p->verb->options[i].name))
                        return error_set(p->error, EINVAL, "unknown option %s: do you mean --%s? gantry %s --help lists all", name,
                                         p->verb->options[i].name, p->verb->name);
        return error_set(p->error, EINVAL, "unknown option %s: see gantry %s --help", name, p->verb->name);
}

static int parse_bool(const char *text, bool *ret)
{
        static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false", "off", "0"};

        for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
                if (str_eq_nocase(text, yes[i])) {
                        *ret = true;
                        return 0;
                }
                if (str_eq_nocase(text, no[i])) {
                        *ret = false;
                        return 0;
                }
        }
        return -EINVAL;
}

static void set_list(struct parse *p, struct string_list *list, const char *text, bool split)
{
        char *copy = arena_strdup(p->arena, text);

        for (char *word = copy, *next; word != NULL; word = next) {
                next = split ? strchr(word, ',') : NULL;
                if (next != NULL)
                        *next++ = '\0';
                while (isspace((unsigned char)*word))
                        word++;
                if (*word != '\0')
                        string_list_push(p->arena, list, word);
        }
}

/* Takes a value unless a stronger source has already given one. */
static int set_value(struct parse *p, const struct option_row *row, const char *text, enum source source, const char *where)
{
        size_t index = (size_t)(row - p->verb->options);
        void *target = p->values + row->offset;

        if (p->sources[index] > source)
                return 0;
        if (row->type == OPTION_LIST && p->sources[index] < source)
                *(struct string_list *)target = (struct string_list){0};
        p->sources[index] = (uint8_t)source;
        switch (row->type) {
        case OPTION_STRING:
                *(const char **)target = arena_strdup(p->arena, text);
                return 0;
        case OPTION_INT:
                if (str_to_int64(text, target) < 0)
                        return error_set(p->error, EINVAL, "%s: '%s' is not a whole number", where, text);
                return 0;
        case OPTION_BOOL:
                if (parse_bool(text, target) < 0)
                        return error_set(p->error, EINVAL, "%s: '%s' is neither yes nor no", where, text);
                return 0;
        case OPTION_LIST:
                set_list(p, target, text, source != SOURCE_FLAG);
                return 0;
        }
        return 0;
}

static int read_flags(struct parse *p, char **argv, char **args, const char **ret_config)
{
        size_t n = 0;
        int r;

        for (; *argv != NULL; argv++) {
                const char *word = *argv, *equals = strchr(word, '=');
                const struct option_row *row;
                size_t len;

                if (str_eq(word, "--")) {
                        while (*++argv != NULL)
                                args[n++] = *argv;
                        break;
                }
                if (!str_starts_with(word, "-") || str_eq(word, "-")) {
                        args[n++] = *argv;
                        continue;
                }
                if (str_eq(word, "--help") || str_eq(word, "-h"))
                        return 1;
                len = equals != NULL ? (size_t)(equals - word) : strlen(word);
                if (len == 8 && strncmp(word, "--config", 8) == 0) {
                        *ret_config = equals != NULL ? equals + 1 : *++argv;
                        if (*ret_config == NULL)
                                return error_set(p->error, EINVAL, "--config needs a FILE");
                        continue;
                }
                row = len > 2 && word[1] == '-' ? find_option(p->verb, word + 2, len - 2) : NULL;
                if (row == NULL)
                        return unknown_option(p, word, len);
                if (equals == NULL && row->type != OPTION_BOOL && *++argv == NULL)
                        return error_set(p->error, EINVAL, "--%s needs a %s", row->name, row->metavar);
                r = set_value(p, row,
                              equals != NULL             ? equals + 1
                              : row->type == OPTION_BOOL ? "yes"
                                                         : *argv,
                              SOURCE_FLAG, arena_printf(p->arena, "--%s", row->name));
                if (r < 0)
                        return r;
        }
        args[n] = NULL;
        if (n > p->verb->max_args)
                return error_set(p->error, EINVAL, "what is '%s'? It goes: gantry %s %s", args[p->verb->max_args], p->verb->name,
                                 p->verb->usage);
        return 0;
}

static int read_variables(struct parse *p)
{
        for (size_t i = 0; i < count_options(p->verb); i++) {
                char *name = arena_printf(p->arena, "GANTRY_%s", p->verb->options[i].name);
                const char *value;
                int r;

                for (char *c = name; *c != '\0'; c++)
                        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
                value = getenv(name);
                if (value == NULL)
                        continue;
                r = set_value(p, &p->verb->options[i], value, SOURCE_VARIABLE, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static char *trim(char *s)
{
        char *end;

        while (isspace((unsigned char)*s))
                s++;
        for (end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
                end--;
        *end = '\0';
        return s;
}

static bool known_to_a_verb(const char *name)
{
        for (size_t i = 0; verbs[i] != NULL; i++)
                if (find_option(verbs[i], name, strlen(name)) != NULL)
                        return true;
        return false;
}

/* Lines "name = value"; '#' starts a comment line. Options of other verbs are passed over: one file serves all. A name
 * that no verb has is a mistake somebody would look for in vain. */
static int read_file(struct parse *p, const char *path, bool must_exist)
{
        CLEANUP_BUF struct buf text = {0};
        size_t number = 0;
        int r = buf_read_file(&text, path, MAX_CONFIG);

        if (r == -ENOENT && !must_exist)
                return 0;
        if (r < 0)
                return error_set(p->error, -r, "cannot read the configuration file %s: %s", path, strerror(-r));
        for (char *line = text.data, *next; line != NULL; line = next) {
                const struct option_row *row;
                char *equals;

                next = strchr(line, '\n');
                if (next != NULL)
                        *next++ = '\0';
                number++;
                line = trim(line);
                if (*line == '\0' || *line == '#')
                        continue;
                equals = strchr(line, '=');
                if (equals == NULL)
                        return error_set(p->error, EINVAL, "%s:%zu: expected \"name = value\"", path, number);
                *equals = '\0';
                line = trim(line);
                row = find_option(p->verb, line, strlen(line));
                if (row == NULL && !known_to_a_verb(line))
                        return error_set(p->error, EINVAL, "%s:%zu: no verb has an option '%s': gantry %s --help lists those of this one",
                                         path, number, line, p->verb->name);
                if (row == NULL)
                        continue;
                r = set_value(p, row, trim(equals + 1), SOURCE_FILE, arena_printf(p->arena, "%s:%zu: %s", path, number, row->name));
                if (r < 0)
                        return r;
        }
        return 0;
}

int options_parse(const struct verb *verb, char **argv, struct arena *arena, void *values, char ***ret_args, struct error *error)
{
        struct parse p = {.verb = verb, .arena = arena, .values = values, .error = error};
        const char *config = getenv("GANTRY_CONFIG");
        size_t n = 0;
        int r;

        while (argv[n] != NULL)
                n++;
        *ret_args = arena_calloc(arena, n + 1, sizeof(char *));
        p.sources = arena_calloc(arena, count_options(verb) + 1, 1);
        for (size_t i = 0; i < count_options(verb); i++)
                if (verb->options[i].fallback != NULL) {
                        r = set_value(&p, &verb->options[i], verb->options[i].fallback, SOURCE_DEFAULT, verb->options[i].name);
                        if (r < 0)
                                return r;
                }
        r = read_flags(&p, argv, *ret_args, &config);
        if (r == 0 && config != NULL)
                (void)setenv("GANTRY_CONFIG", config, 1); /* the same file for the processes of `gantry up` */
        if (r > 0) {
                options_help(verb);
                return 1;
        }
        if (r < 0)
                return r;
        r = read_variables(&p);
        if (r < 0)
                return r;
        return read_file(&p, config != NULL ? config : DEFAULT_CONFIG, config != NULL);
}

/* Prints `text` wrapped at 96 columns with `indent` blanks before each line but the first. */
static void print_wrapped(const char *text, int indent)
{
        int column = indent;

        while (*text != '\0') {
                size_t word = strcspn(text, " ");

                if (column > indent && column + (int)word + 1 > 96) {
                        printf("\n%*s", indent, "");
                        column = indent;
                }
                printf("%s%.*s", column > indent ? " " : "", (int)word, text);
                column += (int)word + (column > indent ? 1 : 0);
                text += word;
                while (*text == ' ')
                        text++;
        }
        putchar('\n');
}

void options_help(const struct verb *verb)
{
        printf("gantry %s %s\n\n%s\n", verb->name, verb->usage, verb->description);
        if (verb->options != NULL)
                printf("\nOptions (also as GANTRY_NAME variables and as \"name = value\" in --config FILE, default %s):\n", DEFAULT_CONFIG);
        for (size_t i = 0; i < count_options(verb); i++) {
                const struct option_row *row = &verb->options[i];
                int width = printf("  --%s%s%s", row->name, row->metavar != NULL ? " " : "", row->metavar != NULL ? row->metavar : "");

                printf("%*s", MAX(30 - width, 2), "");
                print_wrapped(row->help, MAX(30, width + 2));
                if (row->fallback != NULL && row->type != OPTION_BOOL)
                        printf("%*s(default: %s)\n", 30, "", row->fallback);
        }
}

int verb_fail(const struct verb *verb, const struct error *error)
{
        fprintf(stderr, "gantry %s: %s\n", verb->name, error->message);
        return 1;
}

int verb_fail_text(const struct verb *verb, const char *fmt, ...)
{
        va_list args;

        fprintf(stderr, "gantry %s: ", verb->name);
        va_start(args, fmt);
        vfprintf(stderr, fmt, args);
        va_end(args);
        fputc('\n', stderr);
        return 1;
}
