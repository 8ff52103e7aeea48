/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a query form, in both flavours; what is accepted is answered in XML. */
#include <stdlib.h>
#include <string.h>

#include "api/ec2.idl.h"
#include "api/kinds.idl.h"
#include "api/sts.idl.h"
#include "codec/query.h"
#include "codec/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct shape *const shapes[] = {&sts_assume_role_request_shape, &kinds_all_shape, &kinds_always_shape,
                                                     &ec2_security_group_permission_request_shape};

        for (size_t i = 0; i < 2 * ARRAY_SIZE(shapes); i++) {
                const struct shape_limits limits = {.max_bytes = 16 * 1024 * 1024, .skip_validation = true};
                enum query_flavor flavor = i % 2 == 0 ? QUERY_AWS : QUERY_EC2;
                struct arena arena = {0};
                struct error error = {0};
                struct buf out = {0};
                void *obj = NULL;
                int r = query_read(shapes[i / 2], flavor, &arena, (const char *)data, size, &limits, &obj, &error);

                if (r < 0 && error.message[0] == '\0')
                        abort();
                if (r == 0) {
                        xml_append_members(&out, shapes[i / 2], obj, flavor == QUERY_AWS ? &xml_style_query : &xml_style_ec2);
                        for (size_t k = 0; k < out.len; k++)
                                if ((unsigned char)out.data[k] < ' ' && out.data[k] != '\n' && out.data[k] != '\t')
                                        abort();
                }
                buf_done(&out);
                arena_done(&arena);
        }
        return 0;
}
