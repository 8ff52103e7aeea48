/* SPDX-License-Identifier: Apache-2.0 */
/* From what skopeo says to what a user of ECS is told. */
#include "image/skopeo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/strutil.h"

#define PULL "CannotPullContainerError"
#define AUTH "CannotPullContainerAuthError"

static const struct {
        const char *words; /* lower case; the first row that is found counts */
        const char *code;
        bool retry;
        int number;
        const char *advice;
} rows[] = {
        {"no space left", PULL, false, ENOSPC, "the disk of this node is full: free some space, or remove images that are not used"},
        {"toomanyrequests", PULL, true, EAGAIN, "the registry limits how often images may be pulled: log in to it, or use a mirror"},
        {"too many requests", PULL, true, EAGAIN, "the registry limits how often images may be pulled: log in to it, or use a mirror"},
        {"unauthorized", AUTH, false, EACCES,
         "the registry wants another login, or the repository does not exist: give repositoryCredentials or the node's registry login, and "
         "check the name"},
        {"authentication required", AUTH, false, EACCES,
         "the registry wants a login: give repositoryCredentials in the task definition or a registry login to the node"},
        {"denied", AUTH, false, EACCES,
         "the login may not pull this repository, or the repository does not exist: check the name and what the login may do"},
        {"invalid username/password", AUTH, false, EACCES, "the login is wrong: check user name and password"},
        {"manifest unknown", PULL, false, ENOENT, "there is no such tag or digest: check the image's name, or push it"},
        {"name unknown", PULL, false, ENOENT, "there is no such repository: check the image's name, or push it"},
        {"repository name not known", PULL, false, ENOENT, "there is no such repository: check the image's name, or push it"},
        {"no such file or directory", PULL, false, ENOENT, "the file is not on this node: check the path"},
        {"connection refused", PULL, true, ECONNREFUSED, "the registry does not answer: check its address and that it runs"},
        {"no such host", PULL, true, EHOSTUNREACH, "the registry's name cannot be resolved: check the name and the node's DNS"},
        {"server misbehaving", PULL, true, EHOSTUNREACH, "the registry's name cannot be resolved: check the name and the node's DNS"},
        {"network is unreachable", PULL, true, ENETUNREACH, "the registry cannot be reached from this node: check the network"},
        {"no route to host", PULL, true, EHOSTUNREACH, "the registry cannot be reached from this node: check the network and firewalls"},
        {"http response to https client", PULL, false, EPROTO, "the registry speaks plain HTTP: add it to the node's insecure registries"},
        {"x509", PULL, false, EPROTO,
         "the registry's certificate is not trusted: install its CA certificate on the node, or add it to the insecure registries"},
        {"timeout", PULL, true, ETIMEDOUT, "the registry does not answer in time: check the network"},
        {"unexpected eof", PULL, true, EIO, "the connection to the registry broke: try again"},
        {"connection reset", PULL, true, EIO, "the connection to the registry broke: try again"},
        {"received unexpected http status: 5", PULL, true, EIO, "the registry has a problem of its own: look at its log"},
        {"internal server error", PULL, true, EIO, "the registry has a problem of its own: look at its log"},
        {"policy", PULL, false, EPERM, "the node's signature policy (policy.json) refuses the image"},
};

/* The text of the last line's msg="…", without the quoting, in `ret`. */
static void message_of(const char *said, char *ret, size_t size)
{
        const char *message = NULL;
        size_t n = 0;

        for (const char *p = strstr(said, "msg=\""); p != NULL; p = strstr(p + 1, "msg=\""))
                message = p + 5;
        if (message == NULL)
                message = said;
        /* The name is in our own text already. */
        if (str_starts_with(message, "Error parsing image name ") && strstr(message, "\\\": ") != NULL)
                message = strstr(message, "\\\": ") + 4;
        for (const char *p = message; *p != '\0' && *p != '"' && *p != '\n' && n + 1 < size; p++) {
                if (*p == '\\' && p[1] != '\0')
                        p++;
                ret[n++] = *p;
        }
        ret[n] = '\0';
}

bool skopeo_explain(const char *said, const char *image, const char *registry, struct error *error)
{
        char message[512] = "", lower[512] = "";

        message_of(said, message, sizeof(message));
        for (size_t i = 0; i < sizeof(message); i++)
                lower[i] = message[i] >= 'A' && message[i] <= 'Z' ? (char)(message[i] + 'a' - 'A') : message[i];
        error_clear(error);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                if (strstr(lower, rows[i].words) == NULL)
                        continue;
                error_set(error, rows[i].number, "pull image \"%s\"%s%s: %s (%s)", image, registry != NULL ? " from " : "",
                          registry != NULL ? registry : "", rows[i].advice, message);
                snprintf(error->code, sizeof(error->code), "%s", rows[i].code);
                return rows[i].retry;
        }
        error_set(error, EIO, "pull image \"%s\"%s%s: %s", image, registry != NULL ? " from " : "", registry != NULL ? registry : "",
                  *message != '\0' ? message : "skopeo failed without a word");
        snprintf(error->code, sizeof(error->code), "%s", PULL);
        return false;
}
