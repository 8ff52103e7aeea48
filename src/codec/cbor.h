/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CBOR (RFC 8949) for shapes, as Smithy's RPC v2 protocol has it: structures and maps are maps with text keys, times are seconds
 * with tag 1, blobs are byte strings, numbers may be integers or floats of any size.
 */
#pragma once

#include "codec/shape.h"

/*
 * Reads one item, which must be a map, into a new object in `arena`. Nothing may follow it. Unknown members and nulls are skipped.
 * Limits, checks and errors are those of shape_from_json.
 */
int cbor_read(const struct shape *shape, struct arena *arena, const void *data, size_t len, const struct shape_limits *limits, void **ret,
              struct error *error) MUST_CHECK;
/* Appends `obj`. */
void cbor_write(const struct shape *shape, const void *obj, struct buf *out);

/* Pieces, for what is no shape: the head of a map with so many members; a text. */
void cbor_append_map(struct buf *out, size_t n);
void cbor_append_text(struct buf *out, const char *text);
