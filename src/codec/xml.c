/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes to XML. */
#include "codec/xml.h"

#include "base/strutil.h"
#include "codec/base64.h"
#include "codec/shape_internal.h"

#define REPLACEMENT "\xef\xbf\xbd"

const struct xml_style xml_style_query = {.item = "member"}, xml_style_ec2 = {.item = "item"};

/* What stands for an ASCII character; NULL: itself. */
static const char *entity(char c)
{
        switch (c) {
        case '&':
                return "&amp;";
        case '<':
                return "&lt;";
        case '>':
                return "&gt;";
        case '"':
                return "&quot;";
        case '\'':
                return "&apos;";
        case '\r':
                return "&#xD;";
        case '\t':
        case '\n':
                return NULL;
        default:
                return (unsigned char)c < ' ' ? REPLACEMENT : NULL;
        }
}

/* Length of the character at `p`; 0 when it must be replaced: not UTF-8, or U+FFFE, U+FFFF. */
static size_t character(const char *p, const char *end)
{
        size_t n = utf8_sequence(p, end);

        return n == 3 && (unsigned char)p[0] == 0xef && (unsigned char)p[1] == 0xbf && (unsigned char)p[2] >= 0xbe ? 0 : n;
}

void xml_append_text(struct buf *out, const char *s, size_t len)
{
        const char *end = s + len, *plain = s;

        while (s < end) {
                size_t n = character(s, end);
                const char *instead = n == 0 ? REPLACEMENT : n == 1 ? entity(*s) : NULL;

                if (instead != NULL) {
                        buf_append(out, plain, (size_t)(s - plain));
                        buf_append_str(out, instead);
                        /* A three-byte character that XML forbids goes as a whole. */
                        n = n == 0 ? MAX(utf8_sequence(s, end), (size_t)1) : n;
                        plain = s + n;
                }
                s += n;
        }
        buf_append(out, plain, (size_t)(s - plain));
}

static void open_tag(struct buf *out, const char *name)
{
        buf_append_char(out, '<');
        buf_append_str(out, name);
        buf_append_char(out, '>');
}

static void close_tag(struct buf *out, const char *name)
{
        buf_append_str(out, "</");
        buf_append_str(out, name);
        buf_append_char(out, '>');
}

void xml_append_element(struct buf *out, const char *name, const char *text)
{
        if (text == NULL)
                return;
        open_tag(out, name);
        xml_append_text(out, text, strlen(text));
        close_tag(out, name);
}

static void append_enum(struct buf *out, const struct shape_field *field, int64_t value)
{
        const char *name = shape_enum_name(field->enumeration, (int)value);

        if (name != NULL)
                xml_append_text(out, name, strlen(name));
}

static void append_time(struct buf *out, const struct shape_field *field, int64_t ms)
{
        char text[32];

        if ((field->flags & SHAPE_MILLIS) != 0) {
                json_append_int(out, ms);
                return;
        }
        str_iso8601(ms, ms % 1000 != 0, text);
        buf_append_str(out, text);
}

static void append_items(struct buf *out, const struct shape_field *field, const struct shape_list *list, const struct xml_style *style)
{
        size_t size = shape_item_size(field);

        for (uint32_t i = 0; i < list->n; i++) {
                const void *item = (const char *)list->items + i * size;

                open_tag(out, style->item);
                if (field->element == SHAPE_STRUCT)
                        xml_append_members(out, field->shape, item, style);
                else if (field->element == SHAPE_STRING)
                        xml_append_text(out, *(const char *const *)item, strlen(*(const char *const *)item));
                else if (field->element == SHAPE_ENUM)
                        append_enum(out, field, *(const int64_t *)item);
                else if (field->element == SHAPE_DOUBLE)
                        json_append_double(out, *(const double *)item);
                else if (field->element == SHAPE_TIMESTAMP)
                        append_time(out, field, *(const int64_t *)item);
                else
                        json_append_int(out, *(const int64_t *)item);
                close_tag(out, style->item);
        }
}

static void append_map(struct buf *out, const struct string_map *map)
{
        for (uint32_t i = 0; i < map->n; i++) {
                buf_append_str(out, "<entry>");
                xml_append_element(out, "key", map->items[i].key);
                xml_append_element(out, "value", map->items[i].value);
                buf_append_str(out, "</entry>");
        }
}

static void append_value(struct buf *out, const struct shape_field *field, const void *slot, const struct xml_style *style)
{
        const struct shape_blob *blob = slot;

        switch ((enum shape_kind)field->kind) {
        case SHAPE_STRING:
        case SHAPE_JSON:
                if (*(const char *const *)slot != NULL)
                        xml_append_text(out, *(const char *const *)slot, strlen(*(const char *const *)slot));
                break;
        case SHAPE_BLOB:
                base64_append(out, blob->data, blob->len);
                break;
        case SHAPE_ENUM:
                append_enum(out, field, *(const int *)slot);
                break;
        case SHAPE_TIMESTAMP:
                append_time(out, field, *(const int64_t *)slot);
                break;
        case SHAPE_INT:
                json_append_int(out, *(const int32_t *)slot);
                break;
        case SHAPE_LONG:
                json_append_int(out, *(const int64_t *)slot);
                break;
        case SHAPE_DOUBLE:
                json_append_double(out, *(const double *)slot);
                break;
        case SHAPE_BOOL:
                buf_append_str(out, *(const bool *)slot ? "true" : "false");
                break;
        case SHAPE_STRUCT:
                if (*(void *const *)slot != NULL)
                        xml_append_members(out, field->shape, *(void *const *)slot, style);
                break;
        case SHAPE_LIST:
                append_items(out, field, slot, style);
                break;
        case SHAPE_MAP:
                append_map(out, slot);
                break;
        case SHAPE_KIND_MAX:
                break;
        }
}

void xml_append_members(struct buf *out, const struct shape *shape, const void *obj, const struct xml_style *style)
{
        for (uint32_t i = 0; i < shape->n_fields; i++) {
                const struct shape_field *field = &shape->fields[i];

                /* An absent time or enumeration has no text that would be true. */
                if (!shape_present(obj, field) &&
                    ((field->flags & SHAPE_ALWAYS) == 0 || field->kind == SHAPE_TIMESTAMP || field->kind == SHAPE_ENUM))
                        continue;
                open_tag(out, field->wire);
                append_value(out, field, shape_at(obj, field), style);
                close_tag(out, field->wire);
        }
}
