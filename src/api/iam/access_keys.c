/* SPDX-License-Identifier: Apache-2.0 */
/* IAM: CreateAccessKey, DeleteAccessKey, ListAccessKeys. Keys of the user "agent" are what nodes join with. */
#include "api/iam/access_keys.h"

#include <errno.h>
#include <string.h>

#include "api/iam.idl.h"
#include "api/keys.h"
#include "base/strutil.h"

#define AGENT_USER "agent"
#define MAX_KEYS 1000

/* The user name of a key: what follows "user/" in its principal, or "agent". */
static const char *user_of(const struct state_access_key *key)
{
        const char *slash = strrchr(key->principal_arn, '/');

        return key->kind == STATE_KEY_KIND_AGENT ? AGENT_USER : slash != NULL ? slash + 1 : key->principal_arn;
}

static bool is_lasting(const struct state_access_key *key)
{
        return key->kind == STATE_KEY_KIND_USER || key->kind == STATE_KEY_KIND_AGENT;
}

/* A request that names no user means the caller's own keys. */
static const char *caller_user(const struct api_call *call)
{
        const char *slash = strrchr(call->principal_arn, '/');

        return slash != NULL ? slash + 1 : "admin";
}

static size_t count_keys(struct model *model)
{
        size_t n = 0;

        tree_for_each (node, model_objects(model, OBJECT_ACCESS_KEY))
                n += is_lasting(MODEL_OBJECT(node, access_key)->state);
        return n;
}

static int create_access_key(struct api_call *call, const void *input, void *output)
{
        const struct iam_create_access_key_request *in = input;
        struct iam_create_access_key_response *out = output;
        const char *user = in->user_name != NULL ? in->user_name : caller_user(call);
        struct api_key_request request = {.kind = str_eq(user, AGENT_USER) ? STATE_KEY_KIND_AGENT : STATE_KEY_KIND_USER};
        const struct access_key *key;

        if (!str_is_name(user, "_-+=,.@", 128))
                return api_fail(call, "ValidationError", "userName: '%s' may hold letters, digits and _+=,.@- only", user);
        if (count_keys(call->model) >= MAX_KEYS)
                return api_fail(call, "LimitExceeded", "there are %d access keys, the most that can be: delete one first", MAX_KEYS);
        if (request.kind == STATE_KEY_KIND_USER)
                request.principal_arn = arena_printf(call->arena, "arn:aws:iam::%s:user/%s", model_account(call->model), user);
        if (api_key_create(call->model, &request, &key, &call->error) < 0)
                return -EINVAL;
        out->access_key = ARENA_NEW(call->arena, struct iam_access_key);
        out->access_key->user_name = user;
        out->access_key->access_key_id = arena_strdup(call->arena, key->state->id);
        out->access_key->secret_access_key = arena_strdup(call->arena, key->state->secret);
        out->access_key->status = IAM_STATUS_TYPE_ACTIVE;
        out->access_key->create_date = key->state->created_at;
        return 0;
}

static int delete_access_key(struct api_call *call, const void *input, void *output)
{
        const struct iam_delete_access_key_request *in = input;
        const struct access_key *key = model_access_key(call->model, in->access_key_id);

        (void)output;
        if (key == NULL || !is_lasting(key->state) || (in->user_name != NULL && !str_eq(in->user_name, user_of(key->state))))
                return api_fail(call, "NoSuchEntity", "The Access Key with id %s cannot be found.", in->access_key_id);
        if (api_key_delete(call->model, in->access_key_id, &call->error) == -EBUSY) {
                error_clear(&call->error);
                return api_fail(call, "DeleteConflict", "%s is the last administrator's key: create another one first", in->access_key_id);
        }
        return 0;
}

static int list_access_keys(struct api_call *call, const void *input, void *output)
{
        const struct iam_list_access_keys_request *in = input;
        struct iam_list_access_keys_response *out = output;
        uint32_t most = SHAPE_HAS(in, iam_list_access_keys_request, max_items) ? (uint32_t)in->max_items : MAX_KEYS;

        SHAPE_SET(out, iam_list_access_keys_response, is_truncated, false);
        for (struct tree_node *node = tree_after(model_objects(call->model, OBJECT_ACCESS_KEY), in->marker); node != NULL;
             node = tree_next(node)) {
                const struct state_access_key *key = MODEL_OBJECT(node, access_key)->state;
                struct iam_access_key_metadata *item;

                if (!is_lasting(key) || (in->user_name != NULL && !str_eq(in->user_name, user_of(key))))
                        continue;
                if (out->access_key_metadata.n == most) {
                        SHAPE_SET(out, iam_list_access_keys_response, is_truncated, true);
                        out->marker = out->access_key_metadata.items[most - 1].access_key_id;
                        break;
                }
                item = SHAPE_PUSH(call->arena, &out->access_key_metadata);
                item->access_key_id = arena_strdup(call->arena, key->id);
                item->user_name = arena_strdup(call->arena, user_of(key));
                item->status = IAM_STATUS_TYPE_ACTIVE;
                item->create_date = key->created_at;
        }
        return 0;
}

/* The earliest key of a user, or NULL: users are there as long as they have keys. */
static const struct state_access_key *first_key(struct model *model, const char *user)
{
        const struct state_access_key *first = NULL;

        tree_for_each (node, model_objects(model, OBJECT_ACCESS_KEY)) {
                const struct state_access_key *key = MODEL_OBJECT(node, access_key)->state;

                if (is_lasting(key) && str_eq(user_of(key), user) && (first == NULL || key->created_at < first->created_at))
                        first = key;
        }
        return first;
}

/* Tools ask it to learn the account. */
static int get_user(struct api_call *call, const void *input, void *output)
{
        const struct iam_get_user_request *in = input;
        struct iam_get_user_response *out = output;
        const char *name = in->user_name != NULL ? in->user_name : caller_user(call);
        const struct state_access_key *key = first_key(call->model, name);

        if (key == NULL)
                return api_fail(call, "NoSuchEntity", "The user with name %s cannot be found.", name);
        out->user = ARENA_NEW(call->arena, struct iam_user);
        out->user->path = "/";
        out->user->user_name = arena_strdup(call->arena, name);
        out->user->arn = arena_printf(call->arena, "arn:aws:iam::%s:user/%s", model_account(call->model), name);
        out->user->user_id = api_unique_id(call->arena, "AIDA", out->user->arn);
        out->user->create_date = key->created_at;
        return 0;
}

const struct api_route iam_access_key_routes[] = {
        {IAM_OP_CREATE_ACCESS_KEY, create_access_key},
        {IAM_OP_DELETE_ACCESS_KEY, delete_access_key},
        {IAM_OP_LIST_ACCESS_KEYS, list_access_keys},
        {IAM_OP_GET_USER, get_user},
        {0, NULL},
};
