/* SPDX-License-Identifier: Apache-2.0 */
/* The XML envelopes of query answers and errors. */
#include <string.h>

#include "codec/query.h"
#include "codec/xml.h"

/* <NAME xmlns="…">, the attribute only where there is a namespace; `suffix` ends the name. */
static void open_envelope(struct buf *out, const char *name, const char *suffix, const char *xml_namespace)
{
        buf_append_char(out, '<');
        buf_append_str(out, name);
        buf_append_str(out, suffix);
        if (xml_namespace != NULL) {
                buf_append_str(out, " xmlns=\"");
                xml_append_text(out, xml_namespace, strlen(xml_namespace));
                buf_append_char(out, '"');
        }
        buf_append_char(out, '>');
}

static void append_result(struct buf *out, const struct shape_operation *operation, const void *output)
{
        buf_printf(out, "<%sResult>", operation->name);
        if (output != NULL)
                xml_append_members(out, operation->output, output, &xml_style_query);
        buf_printf(out, "</%sResult>", operation->name);
}

void query_append_answer(struct buf *out, const struct shape_service *service, const struct shape_operation *operation,
                         enum query_flavor flavor, const void *output, const char *request_id)
{
        open_envelope(out, operation->name, "Response", service->xml_namespace);
        if (flavor == QUERY_EC2) {
                xml_append_element(out, "requestId", request_id);
                if (output != NULL)
                        xml_append_members(out, operation->output, output, &xml_style_ec2);
        } else {
                /* SDKs look for the result of every operation that has an output, even one without members. */
                if (operation->output != &shape_empty_shape)
                        append_result(out, operation, output);
                buf_append_str(out, "<ResponseMetadata>");
                xml_append_element(out, "RequestId", request_id);
                buf_append_str(out, "</ResponseMetadata>");
        }
        buf_printf(out, "</%sResponse>", operation->name);
}

void query_append_error(struct buf *out, enum query_flavor flavor, const char *xml_namespace, const char *code, const char *message,
                        bool sender, const char *request_id)
{
        bool ec2 = flavor == QUERY_EC2;

        if (ec2)
                buf_append_str(out, "<Response><Errors><Error>");
        else
                open_envelope(out, "ErrorResponse", "", xml_namespace);
        if (!ec2) {
                buf_append_str(out, "<Error>");
                xml_append_element(out, "Type", sender ? "Sender" : "Receiver");
        }
        xml_append_element(out, "Code", code);
        xml_append_element(out, "Message", message);
        buf_append_str(out, ec2 ? "</Error></Errors>" : "</Error>");
        xml_append_element(out, ec2 ? "RequestID" : "RequestId", request_id);
        buf_append_str(out, ec2 ? "</Response>" : "</ErrorResponse>");
}
