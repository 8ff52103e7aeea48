/* SPDX-License-Identifier: Apache-2.0 */
/* IAM: UploadServerCertificate, GetServerCertificate, ListServerCertificates, DeleteServerCertificate. */
#include "api/iam/server_certificates.h"

#include <string.h>

#include "api/iam.idl.h"
#include "api/keys.h"
#include "api/x509.h"
#include "base/strutil.h"
#include "model/balancer.h"

#define MAX_CERTIFICATES 1000
#define PAGE 100

static struct certificate *find(struct api_call *call, const char *name)
{
        tree_for_each (node, model_objects(call->model, OBJECT_CERTIFICATE)) {
                struct certificate *certificate = MODEL_OBJECT(node, certificate);

                if (certificate->state->name != NULL && str_eq_nocase(certificate->state->name, name))
                        return certificate;
        }
        return NULL;
}

static int not_found(struct api_call *call, const char *name)
{
        return api_fail(call, "NoSuchEntity", "The Server Certificate with name %s cannot be found.", name);
}

static void view(const struct state_certificate *state, struct iam_server_certificate_metadata *out)
{
        out->path = state->path;
        out->server_certificate_name = state->name;
        out->server_certificate_id = state->id;
        out->arn = state->arn;
        out->upload_date = state->created_at;
        out->expiration = state->not_after;
}

static int read_pem(struct api_call *call, const struct iam_upload_server_certificate_request *in, struct state_certificate *state)
{
        const char *why;

        switch (x509_read(in->certificate_body, in->private_key, in->certificate_chain, call->arena, state, &why)) {
        case X509_GOOD:
                return 0;
        case X509_MISMATCH:
                return api_fail(call, "KeyPairMismatch", "%s.", why);
        default:
                return api_fail(call, "MalformedCertificate", "%s.", why);
        }
}

static const char *trimmed(struct api_call *call, const char *text)
{
        size_t len = text != NULL ? strlen(text) : 0;

        while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
                len--;
        return text != NULL ? arena_strndup(call->arena, text, len) : NULL;
}

static int upload_server_certificate(struct api_call *call, const void *input, void *output)
{
        const struct iam_upload_server_certificate_request *in = input;
        struct iam_upload_server_certificate_response *out = output;
        const char *name = in->server_certificate_name, *path = in->path != NULL ? in->path : "/";
        struct state_certificate state = {.name = name, .path = path, .created_at = call->now_ms, .imported_at = call->now_ms};
        struct tx *tx;
        int r;

        if (!str_is_name(name, "+=,.@-_", 128))
                return api_fail(call, "ValidationError", "serverCertificateName: '%s' may hold letters, digits and _+=,.@- only", name);
        if (path[0] != '/' || path[strlen(path) - 1] != '/')
                return api_fail(call, "ValidationError", "path: '%s' must begin and end with a slash", path);
        if (find(call, name) != NULL)
                return api_fail(call, "EntityAlreadyExists", "The Server Certificate with name %s already exists.", name);
        if (model_objects(call->model, OBJECT_CERTIFICATE)->count >= MAX_CERTIFICATES)
                return api_fail(call, "LimitExceeded", "There are %d certificates, the most that can be", MAX_CERTIFICATES);
        if ((r = read_pem(call, in, &state)) < 0)
                return r;
        /* As IAM gives them back: without what follows the last line. Terraform compares. */
        state.body = trimmed(call, state.body);
        state.chain = trimmed(call, state.chain);
        state.arn = arena_printf(call->arena, "arn:aws:iam::%s:server-certificate%s%s", model_account(call->model), path, name);
        state.id = api_unique_id(call->arena, "ASCA", state.arn);
        for (uint32_t i = 0; i < in->tags.n; i++)
                *SHAPE_PUSH(call->arena, &state.tags) = (struct elbv2_tag){.key = in->tags.items[i].key, .value = in->tags.items[i].value};
        tx = tx_begin(call->model);
        tx_insert(tx, OBJECT_CERTIFICATE, &state);
        tx_commit(tx);
        out->server_certificate_metadata = ARENA_NEW(call->arena, struct iam_server_certificate_metadata);
        view(&state, out->server_certificate_metadata);
        out->tags = in->tags;
        return 0;
}

static int get_server_certificate(struct api_call *call, const void *input, void *output)
{
        const struct iam_get_server_certificate_request *in = input;
        struct iam_get_server_certificate_response *out = output;
        const struct certificate *certificate = find(call, in->server_certificate_name);
        struct iam_server_certificate *item;

        if (certificate == NULL)
                return not_found(call, in->server_certificate_name);
        item = out->server_certificate = ARENA_NEW(call->arena, struct iam_server_certificate);
        item->server_certificate_metadata = ARENA_NEW(call->arena, struct iam_server_certificate_metadata);
        view(certificate->state, item->server_certificate_metadata);
        item->certificate_body = certificate->state->body;
        item->certificate_chain = certificate->state->chain;
        for (uint32_t i = 0; i < certificate->state->tags.n; i++) {
                struct iam_tag *tag = SHAPE_PUSH(call->arena, &item->tags);

                tag->key = certificate->state->tags.items[i].key;
                tag->value = certificate->state->tags.items[i].value;
        }
        return 0;
}

static int list_server_certificates(struct api_call *call, const void *input, void *output)
{
        const struct iam_list_server_certificates_request *in = input;
        struct iam_list_server_certificates_response *out = output;
        uint32_t most = SHAPE_HAS(in, iam_list_server_certificates_request, max_items) ? (uint32_t)in->max_items : PAGE;

        SHAPE_SET(out, iam_list_server_certificates_response, is_truncated, false);
        for (struct tree_node *node = tree_after(model_objects(call->model, OBJECT_CERTIFICATE), in->marker); node != NULL;
             node = tree_next(node)) {
                const struct state_certificate *state = MODEL_OBJECT(node, certificate)->state;

                if (state->name == NULL || (in->path_prefix != NULL && !str_starts_with(state->path, in->path_prefix)))
                        continue;
                if (out->server_certificate_metadata_list.n == most) {
                        SHAPE_SET(out, iam_list_server_certificates_response, is_truncated, true);
                        out->marker = out->server_certificate_metadata_list.items[most - 1].arn;
                        break;
                }
                view(state, SHAPE_PUSH(call->arena, &out->server_certificate_metadata_list));
        }
        return 0;
}

static bool in_use(struct api_call *call, const char *arn)
{
        tree_for_each (node, model_objects(call->model, OBJECT_LISTENER)) {
                const struct string_list *arns = &MODEL_OBJECT(node, listener)->state->certificates;

                for (uint32_t i = 0; i < arns->n; i++)
                        if (str_eq(arns->items[i], arn))
                                return true;
        }
        return false;
}

static int delete_server_certificate(struct api_call *call, const void *input, void *output)
{
        const struct iam_delete_server_certificate_request *in = input;
        struct certificate *certificate = find(call, in->server_certificate_name);
        struct tx *tx;

        (void)output;
        if (certificate == NULL)
                return not_found(call, in->server_certificate_name);
        if (in_use(call, certificate->state->arn))
                return api_fail(call, "DeleteConflict", "Certificate %s is in use by a listener of a load balancer.",
                                in->server_certificate_name);
        tx = tx_begin(call->model);
        tx_remove(tx, &certificate->object);
        tx_commit(tx);
        return 0;
}

const struct api_route iam_server_certificate_routes[] = {
        {IAM_OP_UPLOAD_SERVER_CERTIFICATE, upload_server_certificate},
        {IAM_OP_GET_SERVER_CERTIFICATE, get_server_certificate},
        {IAM_OP_LIST_SERVER_CERTIFICATES, list_server_certificates},
        {IAM_OP_DELETE_SERVER_CERTIFICATE, delete_server_certificate},
        {0, NULL},
};
