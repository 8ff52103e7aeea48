/* SPDX-License-Identifier: Apache-2.0 */
/* ImportCertificate and what can be done with an imported certificate. */
#include "api/acm/certificates.h"

#include <string.h>

#include "api/acm.idl.h"
#include "api/pagination.h"
#include "api/server.h"
#include "api/x509.h"
#include "base/strutil.h"
#include "model/balancer.h"
#include "model/names.h"

#define MAX_CERTIFICATES 2500
#define MAX_TAGS 50

static bool is_acm(const struct certificate *certificate)
{
        return str_starts_with(certificate->state->arn, "arn:aws:acm:");
}

static int find(struct api_call *call, const char *text, struct certificate **ret)
{
        struct arn arn;
        struct certificate *found = model_certificate(call->model, text);

        if (arn_parse(text, &arn) < 0 || !str_eq(arn.service, "acm") || arn_resource(&arn, "certificate") == NULL)
                return api_fail(call, "InvalidArnException", "'%.300s' is not the ARN of a certificate", text);
        if (found == NULL)
                return api_fail(call, "ResourceNotFoundException", "Could not find certificate %s.", text);
        *ret = found;
        return 0;
}

/* Listeners that serve the certificate. */
static void push_users(struct api_call *call, const char *arn, struct string_list *ret)
{
        tree_for_each (node, model_objects(call->model, OBJECT_LISTENER)) {
                const struct listener *listener = MODEL_OBJECT(node, listener);

                for (uint32_t i = 0; i < listener->state->certificates.n; i++)
                        if (str_eq(listener->state->certificates.items[i], arn)) {
                                string_list_push(call->arena, ret, model_load_balancer_arn(call->model, call->arena, listener->balancer));
                                break;
                        }
        }
}

/* ---- Tags ---- */

static int merge_tags(struct api_call *call, struct elbv2_tag_list *tags, const struct acm_tag_list *more)
{
        struct elbv2_tag_list merged = {0};

        for (uint32_t i = 0; i < tags->n; i++)
                *SHAPE_PUSH(call->arena, &merged) = tags->items[i];
        for (uint32_t i = 0; i < more->n; i++) {
                if (str_starts_with(more->items[i].key, "aws:"))
                        return api_fail(call, "InvalidTagException", "The tag key '%s' is reserved: keys must not begin with 'aws:'",
                                        more->items[i].key);
                balancer_tag_set(call->arena, &merged, more->items[i].key, more->items[i].value);
        }
        if (merged.n > MAX_TAGS)
                return api_fail(call, "TooManyTagsException", "The certificate would have %u tags; it can have at most %d", merged.n,
                                MAX_TAGS);
        *tags = merged;
        return 0;
}

static void put(struct api_call *call, struct certificate *certificate, const struct state_certificate *state)
{
        struct tx *tx = tx_begin(call->model);

        tx_put(tx, &certificate->object, state);
        tx_commit(tx);
}

static int add_tags(struct api_call *call, const void *input, void *output)
{
        const struct acm_add_tags_to_certificate_request *in = input;
        struct state_certificate *state;
        struct certificate *certificate;
        int r = find(call, in->certificate_arn, &certificate);

        (void)output;
        if (r < 0)
                return r;
        state = SHAPE_COPY(state_certificate, (struct state_certificate *)certificate->state, call->arena);
        r = merge_tags(call, &state->tags, &in->tags);
        if (r == 0)
                put(call, certificate, state);
        return r;
}

/* A tag with a value goes only when its value is that one. */
static bool names(const struct acm_tag_list *tags, const struct elbv2_tag *tag)
{
        for (uint32_t i = 0; i < tags->n; i++)
                if (str_eq(tags->items[i].key, tag->key) && (tags->items[i].value == NULL || str_eq(tags->items[i].value, tag->value)))
                        return true;
        return false;
}

static int remove_tags(struct api_call *call, const void *input, void *output)
{
        const struct acm_remove_tags_from_certificate_request *in = input;
        struct state_certificate *state;
        struct certificate *certificate;
        uint32_t n = 0;
        int r = find(call, in->certificate_arn, &certificate);

        (void)output;
        if (r < 0)
                return r;
        state = SHAPE_COPY(state_certificate, (struct state_certificate *)certificate->state, call->arena);
        for (uint32_t i = 0; i < state->tags.n; i++)
                if (!names(&in->tags, &state->tags.items[i]))
                        state->tags.items[n++] = state->tags.items[i];
        state->tags.n = n;
        put(call, certificate, state);
        return 0;
}

static int list_tags(struct api_call *call, const void *input, void *output)
{
        const struct acm_list_tags_for_certificate_request *in = input;
        struct acm_list_tags_for_certificate_response *out = output;
        struct certificate *certificate;
        int r = find(call, in->certificate_arn, &certificate);

        if (r < 0)
                return r;
        for (uint32_t i = 0; i < certificate->state->tags.n; i++) {
                struct acm_tag *tag = SHAPE_PUSH(call->arena, &out->tags);

                tag->key = certificate->state->tags.items[i].key;
                tag->value = certificate->state->tags.items[i].value;
        }
        return 0;
}

/* ---- Import ---- */

static const char *text_of(struct api_call *call, const struct shape_blob *blob)
{
        return blob->data != NULL ? arena_strndup(call->arena, blob->data, blob->len) : NULL;
}

static int import_certificate(struct api_call *call, const void *input, void *output)
{
        const struct acm_import_certificate_request *in = input;
        struct acm_import_certificate_response *out = output;
        struct state_certificate state = {.created_at = call->now_ms, .imported_at = call->now_ms};
        struct certificate *existing = NULL;
        const char *why;
        struct tx *tx;
        char id[37];
        int r;

        if (in->certificate_arn != NULL && (r = find(call, in->certificate_arn, &existing)) < 0)
                return r;
        if (existing != NULL && in->tags.n > 0)
                return api_fail(call, "ValidationException",
                                "Tags cannot be given when a certificate is imported again: use AddTagsToCertificate");
        if (existing == NULL && model_objects(call->model, OBJECT_CERTIFICATE)->count >= MAX_CERTIFICATES)
                return api_fail(call, "LimitExceededException", "There are %d certificates, the most that can be", MAX_CERTIFICATES);
        if (x509_read(text_of(call, &in->certificate), text_of(call, &in->private_key), text_of(call, &in->certificate_chain), call->arena,
                      &state, &why) != X509_GOOD)
                return api_fail(call, "ValidationException", "%s.", why);
        if (existing != NULL) {
                state.arn = existing->state->arn;
                state.id = existing->state->id;
                state.created_at = existing->state->created_at;
                state.tags = existing->state->tags;
        } else {
                env_random_uuid(call->api->env, id);
                state.id = id;
                state.arn = arena_printf(call->arena, "arn:aws:acm:%s:%s:certificate/%s", model_region(call->model),
                                         model_account(call->model), id);
                if ((r = merge_tags(call, &state.tags, &in->tags)) < 0)
                        return r;
        }
        out->certificate_arn = arena_strdup(call->arena, state.arn);
        if (existing != NULL) {
                put(call, existing, &state);
                return 0;
        }
        tx = tx_begin(call->model);
        tx_insert(tx, OBJECT_CERTIFICATE, &state);
        tx_commit(tx);
        return 0;
}

/* ---- Describe, list, get, delete ---- */

static enum acm_certificate_status status_of(const struct api_call *call, const struct state_certificate *state)
{
        return state->not_after < call->now_ms ? ACM_CERTIFICATE_STATUS_EXPIRED : ACM_CERTIFICATE_STATUS_ISSUED;
}

static int describe_certificate(struct api_call *call, const void *input, void *output)
{
        const struct acm_describe_certificate_request *in = input;
        struct acm_describe_certificate_response *out = output;
        const struct state_certificate *state;
        struct acm_certificate_detail *detail;
        struct certificate *certificate;
        int r = find(call, in->certificate_arn, &certificate);

        if (r < 0)
                return r;
        state = certificate->state;
        detail = out->certificate = ARENA_NEW(call->arena, struct acm_certificate_detail);
        detail->certificate_arn = state->arn;
        detail->domain_name = state->domain_name;
        detail->subject_alternative_names = state->alternatives;
        detail->serial = state->serial;
        detail->subject = state->subject;
        detail->issuer = state->issuer;
        detail->created_at = state->created_at;
        detail->imported_at = state->imported_at;
        detail->status = status_of(call, state);
        detail->not_before = state->not_before;
        detail->not_after = state->not_after;
        detail->key_algorithm = shape_enum_value(&acm_key_algorithm_enum, state->key_algorithm);
        detail->signature_algorithm = state->signature_algorithm;
        detail->type = ACM_CERTIFICATE_TYPE_IMPORTED;
        detail->renewal_eligibility = ACM_RENEWAL_ELIGIBILITY_INELIGIBLE;
        push_users(call, state->arn, &detail->in_use_by);
        return 0;
}

static void view_summary(struct api_call *call, const struct state_certificate *state, struct acm_certificate_summary *out)
{
        struct string_list users = {0};

        push_users(call, state->arn, &users);
        out->certificate_arn = state->arn;
        out->domain_name = state->domain_name;
        out->subject_alternative_name_summaries = state->alternatives;
        out->status = status_of(call, state);
        out->type = ACM_CERTIFICATE_TYPE_IMPORTED;
        out->key_algorithm = shape_enum_value(&acm_key_algorithm_enum, state->key_algorithm);
        out->not_before = state->not_before;
        out->not_after = state->not_after;
        out->created_at = state->created_at;
        out->imported_at = state->imported_at;
        out->renewal_eligibility = ACM_RENEWAL_ELIGIBILITY_INELIGIBLE;
        SHAPE_SET(out, acm_certificate_summary, in_use, users.n > 0);
}

static bool wanted(const struct api_call *call, const struct acm_list_certificates_request *in, const struct state_certificate *state)
{
        bool found = in->certificate_statuses.n == 0;

        for (uint32_t i = 0; i < in->certificate_statuses.n; i++)
                found |= in->certificate_statuses.items[i] == (int64_t)status_of(call, state);
        return found;
}

static int list_certificates(struct api_call *call, const void *input, void *output)
{
        const struct acm_list_certificates_request *in = input;
        struct acm_list_certificates_response *out = output;
        struct api_page page;
        int r = api_page_begin(call, in->next_token, SHAPE_HAS(in, acm_list_certificates_request, max_items), in->max_items, 1000, 1000,
                               NULL, &page);

        if (r < 0)
                return r;
        for (struct tree_node *node = tree_after(model_objects(call->model, OBJECT_CERTIFICATE), page.after); node != NULL;
             node = tree_next(node)) {
                const struct certificate *certificate = MODEL_OBJECT(node, certificate);

                if (!is_acm(certificate) || !wanted(call, in, certificate->state))
                        continue;
                if (!api_page_add(&page, certificate->object.key)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                view_summary(call, certificate->state, SHAPE_PUSH(call->arena, &out->certificate_summary_list));
        }
        return 0;
}

static int get_certificate(struct api_call *call, const void *input, void *output)
{
        const struct acm_get_certificate_request *in = input;
        struct acm_get_certificate_response *out = output;
        struct certificate *certificate;
        int r = find(call, in->certificate_arn, &certificate);

        if (r < 0)
                return r;
        out->certificate = certificate->state->body;
        out->certificate_chain = certificate->state->chain;
        return 0;
}

static int delete_certificate(struct api_call *call, const void *input, void *output)
{
        const struct acm_delete_certificate_request *in = input;
        struct certificate *certificate;
        struct string_list users = {0};
        struct tx *tx;
        int r = find(call, in->certificate_arn, &certificate);

        (void)output;
        if (r < 0)
                return r;
        push_users(call, in->certificate_arn, &users);
        if (users.n > 0)
                return api_fail(call, "ResourceInUseException", "Certificate %s is in use by %s.", in->certificate_arn, users.items[0]);
        tx = tx_begin(call->model);
        tx_remove(tx, &certificate->object);
        tx_commit(tx);
        return 0;
}

const struct api_route acm_certificate_routes[] = {
        {ACM_OP_IMPORT_CERTIFICATE, import_certificate},
        {ACM_OP_DESCRIBE_CERTIFICATE, describe_certificate},
        {ACM_OP_LIST_CERTIFICATES, list_certificates},
        {ACM_OP_GET_CERTIFICATE, get_certificate},
        {ACM_OP_DELETE_CERTIFICATE, delete_certificate},
        {ACM_OP_ADD_TAGS_TO_CERTIFICATE, add_tags},
        {ACM_OP_REMOVE_TAGS_FROM_CERTIFICATE, remove_tags},
        {ACM_OP_LIST_TAGS_FOR_CERTIFICATE, list_tags},
        {0, NULL},
};
