/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any request, its parts divided by line feeds: method, path, query, headers ("name:value" …), an empty line, the body. Reading and
 * checking its signature must not fail in another way than by saying so; and what we sign ourselves must pass.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/sigv4.h"

#define HEADERS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *next_line(char **p)
{
        char *line = *p, *end = strchr(line, '\n');

        *p = end != NULL ? end + 1 : line + strlen(line);
        if (end != NULL)
                *end = '\0';
        return line;
}

static void check_own(const struct sigv4_request *given, struct arena *arena)
{
        const struct sigv4_credentials credentials = {.key_id = "AKID", .secret = "secret"};
        struct sigv4_header headers[3] = {{"host", "localhost"}, {"x-amz-date", "20150830T123600Z"}};
        struct sigv4_request request = *given;
        struct sigv4_claim claim = {0};

        request.headers = headers;
        request.n_headers = 2;
        headers[2].name = "Authorization";
        sigv4_sign(&request, &credentials, "us-east-1", "ecs", "20150830T123600Z", arena, &headers[2].value);
        request.n_headers = 3;
        if (sigv4_parse(&request, arena, &claim, NULL) < 0 ||
            sigv4_verify(&request, &claim, &credentials, INT64_C(1440938160000), arena, NULL) < 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct sigv4_credentials credentials = {.key_id = "AKID", .secret = "secret"};
        struct arena arena = {0};
        struct sigv4_header headers[HEADERS_MAX];
        struct sigv4_request request = {.headers = headers};
        struct sigv4_claim claim = {0};
        struct error error = {0};
        char *p = arena_strndup(&arena, (const char *)data, size), *line;
        int r;

        request.method = next_line(&p);
        request.path = next_line(&p);
        request.query = next_line(&p);
        while (*p != '\0' && request.n_headers < HEADERS_MAX && *(line = next_line(&p)) != '\0') {
                char *colon = strchr(line, ':');

                if (colon != NULL)
                        *colon++ = '\0';
                headers[request.n_headers++] = (struct sigv4_header){line, colon != NULL ? colon : ""};
        }
        request.body = p;
        request.body_len = strlen(p);
        r = sigv4_parse(&request, &arena, &claim, &error);
        if (r == 0)
                r = sigv4_verify(&request, &claim, &credentials, INT64_C(1440938160000), &arena, &error);
        if (r == 0)
                abort(); /* nobody knows the secret */
        check_own(&request, &arena);
        arena_done(&arena);
        return 0;
}
