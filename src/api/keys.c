/* SPDX-License-Identifier: Apache-2.0 */
/* Access keys: made, found, removed. */
#include "api/keys.h"

#include <errno.h>
#include <string.h>

#include "base/strutil.h"

#define KEY_ID_RANDOM 16
#define SECRET_LENGTH 40
#define SESSION_TOKEN_LENGTH 172

/* `n` characters of `alphabet`, whose size is a power of two, and a NUL into `ret`. */
static void random_text(struct env *env, const char *alphabet, char *ret, size_t n)
{
        const size_t mask = strlen(alphabet) - 1;
        unsigned char bytes[SESSION_TOKEN_LENGTH];

        env->random(env, bytes, n);
        for (size_t i = 0; i < n; i++)
                ret[i] = alphabet[bytes[i] & mask];
        ret[n] = '\0';
}

static char *random_string(struct env *env, struct arena *arena, const char *prefix, const char *alphabet, size_t n)
{
        char *random = arena_bytes(arena, n + 1);

        random_text(env, alphabet, random, n);
        return arena_printf(arena, "%s%s", prefix, random);
}

/* AWS's own alphabets: base32 for ids, base64 without padding for secrets. */
static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *api_admin_arn(const struct model *model, struct arena *arena)
{
        return arena_concat(arena, "arn:aws:iam::", model_account(model), ":user/admin");
}

static bool temporary(enum state_key_kind kind)
{
        return kind == STATE_KEY_KIND_SESSION || kind == STATE_KEY_KIND_TASK;
}

static const char *standard_principal(const struct model *model, struct arena *arena, enum state_key_kind kind, const char *id)
{
        if (kind == STATE_KEY_KIND_AGENT)
                return arena_printf(arena, "arn:aws:sts::%s:assumed-role/ecsInstanceRole/%s", model_account(model), id);
        return api_admin_arn(model, arena);
}

struct access_key *api_key_insert(struct model *model, struct tx *tx, const struct api_key_request *request)
{
        struct env *env = model_env(model);
        struct arena *arena = tx_arena(tx);
        struct state_access_key state = {
                .kind = request->kind,
                .comment = request->comment,
                .created_at = env_now_ms(env),
                .expires_at = request->expires_at,
                .task = request->task,
                .role_type = request->role_type,
                .credentials_id = request->credentials_id,
                .machine = request->machine,
        };

        do
                state.id = random_string(env, arena, temporary(request->kind) ? "ASIA" : "AKIA", base32, KEY_ID_RANDOM);
        while (model_access_key(model, state.id) != NULL);
        state.secret = random_string(env, arena, "", base64, SECRET_LENGTH);
        if (temporary(request->kind))
                state.session_token = random_string(env, arena, "", base64, SESSION_TOKEN_LENGTH);
        state.principal_arn =
                request->principal_arn != NULL ? request->principal_arn : standard_principal(model, arena, request->kind, state.id);
        return CONTAINER_OF(tx_insert(tx, OBJECT_ACCESS_KEY, &state), struct access_key, object);
}

int api_key_create(struct model *model, const struct api_key_request *request, const struct access_key **ret, struct error *error)
{
        struct tx *tx;

        if (request->kind == STATE_KEY_KIND_UNSET)
                return error_set(error, EINVAL, "a key needs a kind: USER or AGENT");
        if (temporary(request->kind) && request->expires_at == 0)
                return error_set(error, EINVAL, "a temporary key needs a time when it ends");
        tx = tx_begin(model);
        *ret = api_key_insert(model, tx, request);
        (void)tx_commit(tx);
        return 0;
}

const char *api_key_for_machine(struct model *model, struct tx *tx, const char *machine)
{
        const struct api_key_request request = {
                .kind = STATE_KEY_KIND_AGENT, .comment = "of a machine of an Auto Scaling group", .machine = machine};

        return api_key_insert(model, tx, &request)->state->id;
}

static size_t count_kind(const struct model *model, enum state_key_kind kind)
{
        size_t n = 0;

        tree_for_each (node, model_objects(model, OBJECT_ACCESS_KEY))
                n += MODEL_OBJECT(node, access_key)->state->kind == kind;
        return n;
}

int api_key_delete(struct model *model, const char *id, struct error *error)
{
        struct access_key *key = model_access_key(model, id);
        struct tx *tx;

        if (key == NULL)
                return error_set(error, ENOENT, "there is no access key \"%s\": `gantry keys` lists them", id);
        if (key->state->kind == STATE_KEY_KIND_USER && count_kind(model, STATE_KEY_KIND_USER) == 1)
                return error_set(error, EBUSY,
                                 "%s is the last key of a user: make another one first, or nobody can call the server any more", id);
        tx = tx_begin(model);
        tx_remove(tx, &key->object);
        (void)tx_commit(tx);
        return 0;
}

size_t api_keys_expire(struct model *model, int64_t now_ms)
{
        struct tx *tx = NULL;
        size_t n = 0;

        tree_for_each (node, model_objects(model, OBJECT_ACCESS_KEY)) {
                struct access_key *key = MODEL_OBJECT(node, access_key);

                if (key->state->expires_at == 0 || key->state->expires_at > now_ms)
                        continue;
                if (tx == NULL)
                        tx = tx_begin(model);
                tx_remove(tx, &key->object);
                n++;
        }
        if (tx != NULL)
                (void)tx_commit(tx);
        return n;
}

/* The oldest key of a kind, so that the answer stays the same when more are made. */
static const struct access_key *oldest(const struct model *model, enum state_key_kind kind)
{
        const struct access_key *found = NULL;

        tree_for_each (node, model_objects(model, OBJECT_ACCESS_KEY)) {
                const struct access_key *key = MODEL_OBJECT(node, access_key);

                if (key->state->kind == kind && key->state->expires_at == 0 && key->state->machine == NULL &&
                    (found == NULL || key->state->created_at < found->state->created_at))
                        found = key;
        }
        return found;
}

static int find_or_create(struct model *model, enum state_key_kind kind, const char *comment, const struct access_key **ret,
                          struct error *error)
{
        const struct access_key *found = oldest(model, kind);

        if (found == NULL)
                return api_key_create(model, &(struct api_key_request){.kind = kind, .comment = comment}, ret, error);
        *ret = found;
        return 0;
}

int api_bootstrap_keys(struct model *model, const struct access_key **ret_admin, const struct access_key **ret_agent, struct error *error)
{
        int r = find_or_create(model, STATE_KEY_KIND_USER, "administrator, made at the first start", ret_admin, error);

        return r < 0 ? r : find_or_create(model, STATE_KEY_KIND_AGENT, "for nodes, made at the first start", ret_agent, error);
}

char *api_unique_id(struct arena *arena, const char *prefix, const char *arn)
{
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        uint64_t h = UINT64_C(0xcbf29ce484222325);
        char text[18];

        for (size_t i = 0; i < sizeof(text) - 1; i++) { /* FNV-1a over the name, again for each character */
                for (const char *p = arn; *p != '\0'; p++)
                        h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
                text[i] = alphabet[(h >> 37) & 31];
        }
        text[sizeof(text) - 1] = '\0';
        return arena_printf(arena, "%s%s", prefix, text);
}
