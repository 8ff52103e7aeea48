/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared libraries that are loaded when they are first needed, because they bring many more with them: a server that never calls another
 * neither waits for libcurl's twenty-five to be linked nor keeps their pages.
 *
 *     #define FUNCTIONS(X) X(curl_easy_init) X(curl_easy_cleanup)
 *     struct curl_functions {
 *             FUNCTIONS(LIBRARY_FUNCTION)
 *     };
 *     static const char *const names[] = {FUNCTIONS(LIBRARY_NAME)};
 *     r = library_load("libcurl.so.4", "libcurl4", names, ARRAY_SIZE(names), &functions, &error);
 */
#pragma once

#include <stddef.h>

#include "base/error.h"

#define LIBRARY_FUNCTION(name) __typeof__(name) *name;
#define LIBRARY_NAME(name) #name,

/* Fills `functions`, a structure of as many pointers as there are names, in the same order. The library stays; loading it again is cheap. 0 or
 * -ENOENT, and an error that names Debian's `package`. Any thread. */
int library_load(const char *file, const char *package, const char *const *names, size_t n, void *functions,
                 struct error *error) MUST_CHECK;
/* The same for a library that is closed again: with the last library_close it and what it brought leave the process, and its functions
 * must not be called any more. */
int library_open(const char *file, const char *package, const char *const *names, size_t n, void *functions, void **ret_library,
                 struct error *error) MUST_CHECK;
void library_close(void *library);
