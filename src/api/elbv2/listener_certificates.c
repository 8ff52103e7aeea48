/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates of a listener beside its default one: clients choose by server name. */
#include "api/elbv2/common.h"
#include "base/strutil.h"

#define MAX_CERTIFICATES 100

int elbv2_check_certificate(struct api_call *call, const char *arn)
{
        if (arn != NULL && model_certificate(call->model, arn) != NULL)
                return 0;
        return api_fail(call, "CertificateNotFound",
                        "Certificate ARN '%.300s' is not valid: import it with `aws acm import-certificate` or `aws iam "
                        "upload-server-certificate`",
                        arn != NULL ? arn : "");
}

static int find_secure(struct api_call *call, const char *arn, struct listener **ret)
{
        int r = elbv2_find_listener(call, arn, ret);

        if (r == 0 && (*ret)->state->protocol != ELBV2_PROTOCOL_HTTPS && (*ret)->state->protocol != ELBV2_PROTOCOL_TLS)
                r = api_fail(call, "InvalidConfigurationRequest", "Listeners of protocol '%s' have no certificates",
                             shape_enum_name(&elbv2_protocol_enum, (int)(*ret)->state->protocol));
        return r;
}

static bool holds(const struct string_list *list, const char *text)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i], text))
                        return true;
        return false;
}

static void put(struct api_call *call, struct listener *listener, const struct state_listener *state)
{
        struct tx *tx = tx_begin(call->model);

        tx_put(tx, &listener->object, state);
        tx_commit(tx);
}

static int add_listener_certificates(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_add_listener_certificates_input *in = input;
        struct elbv2_add_listener_certificates_output *out = output;
        struct state_listener *state;
        struct listener *listener;
        int r = find_secure(call, in->listener_arn, &listener);

        if (r < 0)
                return r;
        state = SHAPE_COPY(state_listener, (struct state_listener *)listener->state, call->arena);
        for (uint32_t i = 0; i < in->certificates.n; i++) {
                const char *arn = in->certificates.items[i].certificate_arn;
                struct elbv2_certificate *item;

                if ((r = elbv2_check_certificate(call, arn)) < 0)
                        return r;
                if (!holds(&state->certificates, arn))
                        string_list_push(call->arena, &state->certificates, arn);
                item = SHAPE_PUSH(call->arena, &out->certificates);
                item->certificate_arn = arn;
                SHAPE_SET(item, elbv2_certificate, is_default, str_eq(arn, state->certificates.items[0]));
        }
        if (state->certificates.n > MAX_CERTIFICATES)
                return api_fail(call, "TooManyCertificates", "A listener can have at most %d certificates", MAX_CERTIFICATES);
        put(call, listener, state);
        return 0;
}

static int remove_listener_certificates(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_remove_listener_certificates_input *in = input;
        struct string_list gone = {0}, kept = {0};
        struct state_listener *state;
        struct listener *listener;
        int r = find_secure(call, in->listener_arn, &listener);

        (void)output;
        if (r < 0)
                return r;
        state = SHAPE_COPY(state_listener, (struct state_listener *)listener->state, call->arena);
        for (uint32_t i = 0; i < in->certificates.n; i++)
                string_list_push(call->arena, &gone, in->certificates.items[i].certificate_arn);
        for (uint32_t i = 0; i < state->certificates.n; i++) {
                if (i == 0 && holds(&gone, state->certificates.items[0]))
                        return api_fail(call, "OperationNotPermitted",
                                        "Default certificate '%s' cannot be removed: set another with ModifyListener",
                                        state->certificates.items[0]);
                if (!holds(&gone, state->certificates.items[i]))
                        string_list_push(call->arena, &kept, state->certificates.items[i]);
        }
        state->certificates = kept;
        put(call, listener, state);
        return 0;
}

static int describe_listener_certificates(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_describe_listener_certificates_input *in = input;
        struct elbv2_describe_listener_certificates_output *out = output;
        struct listener *listener;
        int r = find_secure(call, in->listener_arn, &listener);

        if (r < 0)
                return r;
        for (uint32_t i = 0; i < listener->state->certificates.n; i++) {
                struct elbv2_certificate *item = SHAPE_PUSH(call->arena, &out->certificates);

                item->certificate_arn = listener->state->certificates.items[i];
                SHAPE_SET(item, elbv2_certificate, is_default, i == 0);
        }
        return 0;
}

const struct api_route elbv2_listener_certificate_routes[] = {
        {ELBV2_OP_ADD_LISTENER_CERTIFICATES, add_listener_certificates},
        {ELBV2_OP_REMOVE_LISTENER_CERTIFICATES, remove_listener_certificates},
        {ELBV2_OP_DESCRIBE_LISTENER_CERTIFICATES, describe_listener_certificates},
        {0, NULL},
};
