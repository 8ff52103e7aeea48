/* SPDX-License-Identifier: Apache-2.0 */
/* See library.h. */
#include "base/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int library_open(const char *file, const char *package, const char *const *names, size_t n, void *functions, void **ret_library,
                 struct error *error)
{
        void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL), *function;

        if (library == NULL)
                return error_set(error, ENOENT, "cannot load %s: %s; install the package %s", file, dlerror(), package);
        for (size_t i = 0; i < n; i++) {
                function = dlsym(library, names[i]);
                if (function == NULL) {
                        (void)dlclose(library);
                        return error_set(error, ENOENT, "%s has no %s: install a newer package %s", file, names[i], package);
                }
                memcpy((char *)functions + i * sizeof(function), &function, sizeof(function));
        }
        *ret_library = library;
        return 0;
}

void library_close(void *library)
{
        (void)dlclose(library);
}

int library_load(const char *file, const char *package, const char *const *names, size_t n, void *functions, struct error *error)
{
        void *library;

        return library_open(file, package, names, n, functions, &library, error);
}
