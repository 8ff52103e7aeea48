/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes to CBOR: everything of definite length, integers as short as they can be, doubles in 8 bytes. */
#include <stdlib.h>
#include <string.h>

#include "codec/cbor.h"
#include "codec/shape_internal.h"

#define UNSIGNED 0x00
#define NEGATIVE 0x20
#define BYTES 0x40
#define TEXT 0x60
#define ARRAY 0x80
#define MAP 0xa0
#define TAG 0xc0
#define FALSE_ 0xf4
#define TRUE_ 0xf5
#define DOUBLE 0xfb
#define TAG_EPOCH 1

static void put_big_endian(struct buf *out, uint64_t value, int bytes)
{
        while (bytes-- > 0)
                buf_append_char(out, (char)(value >> 8 * bytes));
}

static void put_head(struct buf *out, int major, uint64_t value)
{
        int size = value < 24 ? -1 : value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;

        buf_append_char(out, (char)(major | (size < 0 ? (int)value : 24 + size)));
        if (size >= 0)
                put_big_endian(out, value, 1 << size);
}

void cbor_append_map(struct buf *out, size_t n)
{
        put_head(out, MAP, n);
}

void cbor_append_text(struct buf *out, const char *text)
{
        size_t len = strlen(text);

        put_head(out, TEXT, len);
        buf_append(out, text, len);
}

static void put_int(struct buf *out, int64_t value)
{
        put_head(out, value < 0 ? NEGATIVE : UNSIGNED, value < 0 ? (uint64_t)(-1 - value) : (uint64_t)value);
}

static void put_double(struct buf *out, double value)
{
        uint64_t bits;

        memcpy(&bits, &value, sizeof(bits));
        buf_append_char(out, (char)DOUBLE);
        put_big_endian(out, bits, 8);
}

static void put_time(struct buf *out, int64_t ms)
{
        put_head(out, TAG, TAG_EPOCH);
        if (ms % 1000 == 0)
                put_int(out, ms / 1000);
        else
                put_double(out, (double)ms / 1000);
}

static void put_word(struct buf *out, const struct shape_field *field, int64_t value)
{
        const char *name = shape_enum_name(field->enumeration, (int)value);

        cbor_append_text(out, name != NULL ? name : "");
}

static void put_value(struct buf *out, const struct shape_field *field, enum shape_kind kind, const void *slot, bool in_list);

static void put_list(struct buf *out, const struct shape_field *field, const struct shape_list *list)
{
        size_t size = shape_item_size(field);

        put_head(out, ARRAY, list->n);
        for (uint32_t i = 0; i < list->n; i++) {
                const char *item = (const char *)list->items + i * size;

                if (field->element == SHAPE_STRUCT)
                        cbor_write(field->shape, item, out);
                else
                        put_value(out, field, (enum shape_kind)field->element, item, true);
        }
}

static void put_map(struct buf *out, const struct shape_field *field, const struct string_map *map)
{
        put_head(out, MAP, map->n);
        for (uint32_t i = 0; i < map->n; i++) {
                cbor_append_text(out, map->items[i].key);
                if ((field->flags & SHAPE_NUMBERS) != 0)
                        put_double(out, strtod(map->items[i].value, NULL));
                else
                        cbor_append_text(out, map->items[i].value);
        }
}

static void put_bytes(struct buf *out, const struct shape_blob *blob)
{
        put_head(out, BYTES, blob->len);
        if (blob->len > 0)
                buf_append(out, blob->data, blob->len);
}

static void put_value(struct buf *out, const struct shape_field *field, enum shape_kind kind, const void *slot, bool in_list)
{
        switch (kind) {
        case SHAPE_STRING:
        case SHAPE_JSON:
                cbor_append_text(out, *(const char *const *)slot != NULL ? *(const char *const *)slot : "");
                break;
        case SHAPE_BLOB:
                put_bytes(out, slot);
                break;
        case SHAPE_ENUM:
                put_word(out, field, in_list ? *(const int64_t *)slot : *(const int *)slot);
                break;
        case SHAPE_TIMESTAMP:
                put_time(out, *(const int64_t *)slot);
                break;
        case SHAPE_INT: /* in lists they are kept in 64 bits */
                put_int(out, in_list ? *(const int64_t *)slot : *(const int32_t *)slot);
                break;
        case SHAPE_LONG:
                put_int(out, *(const int64_t *)slot);
                break;
        case SHAPE_DOUBLE:
                put_double(out, *(const double *)slot);
                break;
        case SHAPE_BOOL:
                buf_append_char(out, (char)(*(const bool *)slot ? TRUE_ : FALSE_));
                break;
        case SHAPE_STRUCT:
                if (*(void *const *)slot != NULL)
                        cbor_write(field->shape, *(void *const *)slot, out);
                else
                        put_head(out, MAP, 0);
                break;
        case SHAPE_LIST:
                put_list(out, field, slot);
                break;
        case SHAPE_MAP:
                put_map(out, field, slot);
                break;
        case SHAPE_KIND_MAX:
                break;
        }
}

/* As in the other encodings: an absent time or word has no text that would be true. */
static bool written(const void *obj, const struct shape_field *field)
{
        return shape_present(obj, field) ||
               ((field->flags & SHAPE_ALWAYS) != 0 && field->kind != SHAPE_TIMESTAMP && field->kind != SHAPE_ENUM);
}

void cbor_write(const struct shape *shape, const void *obj, struct buf *out)
{
        size_t n = 0;

        for (uint32_t i = 0; i < shape->n_fields; i++)
                n += written(obj, &shape->fields[i]);
        put_head(out, MAP, n);
        for (uint32_t i = 0; i < shape->n_fields; i++) {
                const struct shape_field *field = &shape->fields[i];

                if (!written(obj, field))
                        continue;
                cbor_append_text(out, field->wire);
                put_value(out, field, (enum shape_kind)field->kind, shape_at(obj, field), false);
        }
}
