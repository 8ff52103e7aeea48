/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as JSON for several shapes. What is accepted must survive writing, reading again, copying and packing; and jansson must
 * agree on what is JSON.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/acs.idl.h"
#include "api/ecs.idl.h"
#include "api/kinds.idl.h"
#include "api/state.idl.h"
#include "codec/json.h"
#include "codec/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEPTH 1000

static void check_against_jansson(const char *text, size_t size)
{
        struct json json;
        json_error_t error;
        json_t *tree;
        bool ours;

        if (memchr(text, '\0', size) != NULL) /* jansson takes it for the end */
                return;
        json_init(&json, text, size);
        ours = json_skip(&json, DEPTH) == 0 && json_peek(&json) == 0 && json.p == json.end;
        tree = json_loadb(text, size, JSON_DECODE_ANY, &error);
        /* We only look at the form of numbers that nobody wants, jansson converts them all. */
        if (ours && tree == NULL && json_error_code(&error) != json_error_numeric_overflow)
                abort();
        if (!ours && tree != NULL && strcmp(json.problem != NULL ? json.problem : "", "nested too deeply") != 0)
                abort();
        json_decref(tree);
}

static void check_object(const struct shape *shape, const void *obj, struct arena *arena)
{
        const struct shape_limits trusted = {.skip_validation = true};
        struct buf first = {0}, second = {0};
        void *again = NULL, *packed = shape_pack(shape, obj), *copy = shape_copy(shape, obj, arena);
        struct error error = {0};

        shape_to_json(shape, obj, &first);
        if (!json_valid(first.data, first.len))
                abort();
        if (shape_from_json(shape, arena, first.data, first.len, &trusted, &again, &error) < 0)
                abort();
        if (!shape_equal(shape, obj, again) || !shape_equal(shape, obj, packed) || !shape_equal(shape, packed, copy))
                abort();
        shape_to_json(shape, packed, &second);
        if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
                abort();
        if (shape_packed_size(shape, obj) != shape_packed_size(shape, packed))
                abort();
        buf_clear(&second);
        shape_to_json_redacted(shape, obj, &second);
        (void)shape_validate(shape, packed, NULL);
        shape_apply_defaults(shape, packed, arena);
        free(packed);
        buf_done(&first);
        buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct shape *const shapes[] = {&kinds_all_shape,
                                                     &ecs_register_task_definition_request_shape,
                                                     &ecs_run_task_request_shape,
                                                     &acs_payload_message_shape,
                                                     &state_task_shape,
                                                     &kinds_bounded_shape,
                                                     &kinds_always_shape};
        const struct shape_limits limits = {.max_bytes = 16 * 1024 * 1024, .skip_validation = size % 2 == 0};

        check_against_jansson((const char *)data, size);
        for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
                struct arena arena = {0};
                struct error error = {0};
                void *obj = NULL;
                int r = shape_from_json(shapes[i], &arena, (const char *)data, size, &limits, &obj, &error);

                if (r < 0 && (obj != NULL || error.message[0] == '\0'))
                        abort();
                if (r == 0) {
                        if (!json_valid((const char *)data, size))
                                abort();
                        check_object(shapes[i], obj, &arena);
                }
                arena_done(&arena);
        }
        return 0;
}
