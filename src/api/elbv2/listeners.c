/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners: where a load balancer listens and what it does when no rule applies. */
#include <string.h>

#include "api/elbv2/common.h"
#include "api/pagination.h"
#include "base/strutil.h"

#define MAX_LISTENERS 50
#define STANDARD_SSL_POLICY "ELBSecurityPolicy-2016-08"

static bool is_secure(enum elbv2_protocol protocol)
{
        return protocol == ELBV2_PROTOCOL_HTTPS || protocol == ELBV2_PROTOCOL_TLS;
}

/* ---- View ---- */

static void view(struct api_call *call, const struct listener *listener, struct elbv2_listener *out)
{
        const struct state_listener *state = listener->state;

        out->listener_arn = model_listener_arn(call->model, call->arena, listener);
        out->load_balancer_arn = model_load_balancer_arn(call->model, call->arena, listener->balancer);
        SHAPE_SET(out, elbv2_listener, port, state->port);
        out->protocol = state->protocol;
        out->alpn_policy = state->alpn_policy;
        elbv2_view_actions(call, &state->actions, &out->default_actions);
        if (!is_secure(state->protocol))
                return;
        out->ssl_policy = state->ssl_policy;
        if (state->certificates.n > 0)
                SHAPE_PUSH(call->arena, &out->certificates)->certificate_arn = state->certificates.items[0];
        if (state->protocol == ELBV2_PROTOCOL_HTTPS) {
                out->mutual_authentication = ARENA_NEW(call->arena, struct elbv2_mutual_authentication_attributes);
                out->mutual_authentication->mode = "off";
        }
}

/* ---- Checking ---- */

static int check_protocol(struct api_call *call, const struct load_balancer *balancer, enum elbv2_protocol protocol)
{
        const char *name = shape_enum_name(&elbv2_protocol_enum, (int)protocol);
        bool network = balancer->state->type == ELBV2_LOAD_BALANCER_TYPE_NETWORK;
        bool http = protocol == ELBV2_PROTOCOL_HTTP || protocol == ELBV2_PROTOCOL_HTTPS;

        if (network && (protocol == ELBV2_PROTOCOL_UDP || protocol == ELBV2_PROTOCOL_TCP_UDP || protocol == ELBV2_PROTOCOL_QUIC ||
                        protocol == ELBV2_PROTOCOL_TCP_QUIC))
                return api_fail(call, "UnsupportedProtocol",
                                "Protocol '%s' is not available here: HAProxy, which carries the traffic, has no UDP. Use TCP or TLS",
                                name);
        if (network ? protocol != ELBV2_PROTOCOL_TCP && protocol != ELBV2_PROTOCOL_TLS : !http)
                return api_fail(call, "ValidationError", "Listener protocol '%s' must be one of '%s'", name,
                                network ? "TCP, TLS" : "HTTPS, HTTP");
        return 0;
}

static int check_alpn(struct api_call *call, enum elbv2_protocol protocol, const struct string_list *policy)
{
        static const char *const known[] = {"HTTP1Only", "HTTP2Only", "HTTP2Preferred", "HTTP2Optional", "None"};

        if (policy->n == 0)
                return 0;
        if (protocol != ELBV2_PROTOCOL_TLS || policy->n > 1)
                return api_fail(call, "InvalidConfigurationRequest",
                                "A listener of protocol TLS can have one ALPN policy, others have none");
        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
                if (str_eq(known[i], policy->items[0]))
                        return 0;
        return api_fail(call, "ALPNPolicyNotFound", "ALPN policy '%.64s' does not exist", policy->items[0]);
}

static int check_mutual(struct api_call *call, const struct elbv2_mutual_authentication_attributes *mutual)
{
        if (mutual == NULL || mutual->mode == NULL || str_eq(mutual->mode, "off"))
                return 0;
        return api_fail(call, "InvalidConfigurationRequest", "Mutual authentication of mode '%.32s' is not available here: it must be off",
                        mutual->mode);
}

/* Certificates and policy belong to secure listeners and only to those. */
static int check_security(struct api_call *call, struct state_listener *state, const struct elbv2_certificate_list *certificates,
                          const char *policy)
{
        int r;

        if (!is_secure(state->protocol)) {
                if (certificates->n > 0 || policy != NULL)
                        return api_fail(call, "InvalidConfigurationRequest",
                                        "Listeners of protocol '%s' have no certificates and no SSL policy",
                                        shape_enum_name(&elbv2_protocol_enum, (int)state->protocol));
                state->certificates = (struct string_list){0};
                state->ssl_policy = NULL;
                return 0;
        }
        if (policy != NULL)
                state->ssl_policy = policy;
        else if (state->ssl_policy == NULL)
                state->ssl_policy = STANDARD_SSL_POLICY;
        if ((r = elbv2_check_ssl_policy(call, state->ssl_policy)) < 0)
                return r;
        if (certificates->n > 1)
                return api_fail(call, "TooManyCertificates",
                                "Only one certificate, the default one, can be given here: add others with "
                                "AddListenerCertificates");
        if (certificates->n == 0)
                return state->certificates.n > 0
                               ? 0
                               : api_fail(call, "ValidationError", "A certificate must be specified for listeners of protocol '%s'",
                                          shape_enum_name(&elbv2_protocol_enum, (int)state->protocol));
        if ((r = elbv2_check_certificate(call, certificates->items[0].certificate_arn)) < 0)
                return r;
        if (state->certificates.n == 0)
                string_list_push(call->arena, &state->certificates, certificates->items[0].certificate_arn);
        else
                state->certificates.items[0] = certificates->items[0].certificate_arn;
        return 0;
}

static int check_port_free(struct api_call *call, const struct load_balancer *balancer, const struct listener *except, int port)
{
        list_for_each (other, &balancer->listeners, struct listener, in_balancer)
                if (other != except && other->state->port == port)
                        return api_fail(call, "DuplicateListener", "A listener already exists on this port for this load balancer '%s'",
                                        model_load_balancer_arn(call->model, call->arena, balancer));
        return 0;
}

/* ---- Create ---- */

static int create_listener(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_create_listener_input *in = input;
        struct elbv2_create_listener_output *out = output;
        struct state_listener state = {
                .protocol = in->protocol, .alpn_policy = in->alpn_policy, .tags = in->tags, .created_at = call->now_ms};
        struct load_balancer *balancer;
        struct object *object;
        struct tx *tx;
        int r = elbv2_find_load_balancer(call, in->load_balancer_arn, &balancer);

        if (r < 0)
                return r;
        if (in->protocol == ELBV2_PROTOCOL_UNSET || !SHAPE_HAS(in, elbv2_create_listener_input, port))
                return api_fail(call, "ValidationError", "A listener needs a protocol and a port");
        if (balancer->n_listeners >= MAX_LISTENERS)
                return api_fail(call, "TooManyListeners", "The load balancer has %d listeners, the most that can be", MAX_LISTENERS);
        if ((r = check_protocol(call, balancer, in->protocol)) < 0 || (r = elbv2_check_tags(call, &in->tags)) < 0 ||
            (r = check_port_free(call, balancer, NULL, in->port)) < 0 || (r = check_alpn(call, in->protocol, &in->alpn_policy)) < 0 ||
            (r = check_mutual(call, in->mutual_authentication)) < 0 ||
            (r = check_security(call, &state, &in->certificates, in->ssl_policy)) < 0 ||
            (r = elbv2_check_actions(call, balancer, in->protocol, &in->default_actions, &state.actions)) < 0)
                return r;
        SHAPE_SET(&state, state_listener, port, in->port);
        state.balancer = balancer->state->id;
        state.id = elbv2_new_id(call);
        state.default_rule = elbv2_new_id(call);
        tx = tx_begin(call->model);
        object = tx_insert(tx, OBJECT_LISTENER, &state);
        tx_commit(tx);
        view(call, CONTAINER_OF(object, struct listener, object), SHAPE_PUSH(call->arena, &out->listeners));
        return 0;
}

/* ---- Describe ---- */

static int describe_listeners(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_describe_listeners_input *in = input;
        struct elbv2_describe_listeners_output *out = output;
        struct load_balancer *balancer = NULL;
        struct api_page page;
        int r;

        for (uint32_t i = 0; i < in->listener_arns.n; i++) {
                struct listener *listener;

                r = elbv2_find_listener(call, in->listener_arns.items[i], &listener);
                if (r < 0)
                        return r;
                view(call, listener, SHAPE_PUSH(call->arena, &out->listeners));
        }
        if (in->listener_arns.n > 0)
                return 0;
        if (in->load_balancer_arn == NULL)
                return api_fail(call, "ValidationError", "You must specify either listener ARNs or a load balancer ARN");
        r = elbv2_find_load_balancer(call, in->load_balancer_arn, &balancer);
        if (r < 0)
                return r;
        r = api_page_begin(call, in->marker, SHAPE_HAS(in, elbv2_describe_listeners_input, page_size), in->page_size, 400, 400,
                           in->load_balancer_arn, &page);
        if (r < 0)
                return r;
        for (struct tree_node *node = tree_after(model_objects(call->model, OBJECT_LISTENER), page.after); node != NULL;
             node = tree_next(node)) {
                const struct listener *listener = MODEL_OBJECT(node, listener);

                if (listener->balancer != balancer)
                        continue;
                if (!api_page_add(&page, listener->object.key)) {
                        out->next_marker = api_page_token(call, &page);
                        break;
                }
                view(call, listener, SHAPE_PUSH(call->arena, &out->listeners));
        }
        return 0;
}

/* ---- Modify ---- */

static int change(struct api_call *call, const struct elbv2_modify_listener_input *in, const struct listener *listener,
                  struct state_listener *state)
{
        const struct load_balancer *balancer = listener->balancer;
        enum elbv2_protocol before = state->protocol;
        int r;

        if (SHAPE_HAS(in, elbv2_modify_listener_input, port)) {
                if ((r = check_port_free(call, balancer, listener, in->port)) < 0)
                        return r;
                SHAPE_SET(state, state_listener, port, in->port);
        }
        if (in->protocol != ELBV2_PROTOCOL_UNSET)
                state->protocol = in->protocol;
        if (in->alpn_policy.items != NULL)
                state->alpn_policy = in->alpn_policy;
        if ((r = check_protocol(call, balancer, state->protocol)) < 0 || (r = check_alpn(call, state->protocol, &state->alpn_policy)) < 0 ||
            (r = check_mutual(call, in->mutual_authentication)) < 0 ||
            (r = check_security(call, state, &in->certificates, in->ssl_policy)) < 0)
                return r;
        if (in->default_actions.n > 0)
                return elbv2_check_actions(call, balancer, state->protocol, &in->default_actions, &state->actions);
        if (before != state->protocol) {
                struct elbv2_action_list actions = state->actions;

                return elbv2_check_actions(call, balancer, state->protocol, &actions, &state->actions);
        }
        return 0;
}

static int modify_listener(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_modify_listener_input *in = input;
        struct elbv2_modify_listener_output *out = output;
        struct state_listener *state;
        struct listener *listener;
        struct tx *tx;
        int r = elbv2_find_listener(call, in->listener_arn, &listener);

        if (r < 0)
                return r;
        state = SHAPE_COPY(state_listener, (struct state_listener *)listener->state, call->arena);
        r = change(call, in, listener, state);
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        tx_put(tx, &listener->object, state);
        tx_commit(tx);
        view(call, listener, SHAPE_PUSH(call->arena, &out->listeners));
        return 0;
}

static int delete_listener(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_delete_listener_input *in = input;
        struct listener *listener;
        struct tx *tx;
        int r = elbv2_find_listener(call, in->listener_arn, &listener);

        (void)output;
        if (r < 0)
                return r;
        tx = tx_begin(call->model);
        list_for_each (rule, &listener->rules, struct listener_rule, in_listener)
                tx_remove(tx, &rule->object);
        tx_remove(tx, &listener->object);
        tx_commit(tx);
        return 0;
}

const struct api_route elbv2_listener_routes[] = {
        {ELBV2_OP_CREATE_LISTENER, create_listener},
        {ELBV2_OP_DESCRIBE_LISTENERS, describe_listeners},
        {ELBV2_OP_MODIFY_LISTENER, modify_listener},
        {ELBV2_OP_DELETE_LISTENER, delete_listener},
        {0, NULL},
};
