/* SPDX-License-Identifier: Apache-2.0 */
/* gantry: one program, one table of verbs, one file for each. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/strutil.h"
#include "cmd/verbs.h"

const struct verb *const verbs[] = {&verb_up,  &verb_server, &verb_agent,      &verb_capacity, &verb_machine, &verb_console,
                                    &verb_env, &verb_keys,   &verb_operations, &verb_sim,      NULL};

static int print_verbs(void)
{
        printf("gantry " GANTRY_VERSION ": an Amazon ECS that you run yourself\n\n");
        for (size_t i = 0; verbs[i] != NULL; i++)
                printf("  gantry %-12s %s\n", verbs[i]->name, verbs[i]->summary);
        printf("\nEach has --help. To start: sudo gantry up; then, in another shell: eval \"$(sudo gantry env)\" and aws ecs "
               "list-clusters.\n");
        return 0;
}

static const struct verb *find_verb(const char *name)
{
        for (size_t i = 0; verbs[i] != NULL; i++)
                if (str_eq(verbs[i]->name, name))
                        return verbs[i];
        return NULL;
}

static int no_verb(const char *word)
{
        fprintf(stderr, "gantry: no verb '%s'.", word);
        for (size_t i = 0; verbs[i] != NULL; i++)
                if (options_resemble(word, verbs[i]->name))
                        fprintf(stderr, " Do you mean gantry %s?", verbs[i]->name);
        fprintf(stderr, " `gantry help` lists them.\n");
        return EXIT_USAGE;
}

/* What ps and top show: children of gantry up are started from /proc/self/exe and would all be called "exe". */
static void name_process(const struct verb *verb)
{
        char name[16];

        (void)snprintf(name, sizeof(name), "gantry-%s", verb->name);
        (void)prctl(PR_SET_NAME, name);
}

static int run_verb(const struct verb *verb, char **argv)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        char **args;
        void *values = arena_alloc(&arena, verb->size);
        int r = options_parse(verb, argv, &arena, values, &args, &error);

        name_process(verb);
        if (r == 0)
                return verb->run(verb, values, args);
        if (r < 0)
                (void)verb_fail(verb, &error);
        return r < 0 ? EXIT_USAGE : 0;
}

int main(int argc, char **argv)
{
        const struct verb *verb;

        /* Threads for what blocks. libuv has four unless told otherwise before the first is used: a few processes that take their time
         * to die would keep a node from starting containers. */
        (void)setenv("UV_THREADPOOL_SIZE", "16", 0);
        /* A peer that goes away is an error of one write, not the end of the process. */
        signal(SIGPIPE, SIG_IGN);
        if (argc < 2 || str_eq(argv[1], "--help") || str_eq(argv[1], "help") || str_eq(argv[1], "-h")) {
                verb = argc > 2 ? find_verb(argv[2]) : NULL;
                if (argc > 2 && verb == NULL)
                        return no_verb(argv[2]);
                return verb != NULL ? (options_help(verb), 0) : print_verbs();
        }
        if (str_eq(argv[1], "--version") || str_eq(argv[1], "version")) {
                printf("gantry " GANTRY_VERSION "\n");
                return 0;
        }
        verb = find_verb(argv[1]);
        if (verb == NULL)
                return no_verb(argv[1]);
        return run_verb(verb, argv + 2);
}
