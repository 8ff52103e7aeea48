/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as CBOR; what is accepted is the same when it was written and read again. */
#include <stdlib.h>

#include "api/cloudwatch.idl.h"
#include "api/kinds.idl.h"
#include "codec/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct shape *const shapes[] = {&cloudwatch_put_metric_data_input_shape, &kinds_all_shape, &kinds_always_shape};
        const struct shape_limits limits = {.max_bytes = 16 * 1024 * 1024, .skip_validation = true};

        for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
                struct arena arena = {0};
                struct error error = {0};
                struct buf out = {0};
                void *obj = NULL, *again = NULL;
                int r = cbor_read(shapes[i], &arena, data, size, &limits, &obj, &error);

                if (r < 0 && error.message[0] == '\0')
                        abort();
                if (r == 0) {
                        cbor_write(shapes[i], obj, &out);
                        if (cbor_read(shapes[i], &arena, out.data, out.len, &limits, &again, &error) < 0)
                                abort();
                }
                buf_done(&out);
                arena_done(&arena);
        }
        return 0;
}
