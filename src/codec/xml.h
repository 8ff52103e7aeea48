/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes and texts as XML 1.0, for the answers of the AWS query protocols. */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "codec/shape.h"

/* How lists are written: <Names><member>…, or <nameSet><item>… as EC2 does. */
struct xml_style {
        const char *item;
};
extern const struct xml_style xml_style_query, xml_style_ec2;

/* Appends text for inside an element or a quoted attribute. What XML cannot hold (control characters, bytes that are not UTF-8)
 * becomes U+FFFD; a carriage return becomes a reference, because parsers would turn it into a line feed. */
void xml_append_text(struct buf *out, const char *s, size_t len);
/* Appends <name>text</name>; nothing when text is NULL. */
void xml_append_element(struct buf *out, const char *name, const char *text);
/* Appends the members of `obj`, without an element around them. Absent members are left out unless they are `always`. */
void xml_append_members(struct buf *out, const struct shape *shape, const void *obj, const struct xml_style *style);
