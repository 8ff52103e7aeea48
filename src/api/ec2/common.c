/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that the files of the EC2 service share. */
#include "api/ec2/common.h"

#include <string.h>

#include "base/strutil.h"
#include "codec/sha256.h"

#define TOKEN_MS (INT64_C(24) * 3600 * 1000)
#define MAX_TOKEN 64

int ec2_done(void *output)
{
        SHAPE_SET((struct ec2_return_result *)output, ec2_return_result, return_, true);
        return 0;
}

const char *ec2_arn(const struct api_call *call, struct arena *arena, const char *type, const char *id)
{
        return arena_printf(arena, "arn:aws:ec2:%s:%s:%s/%s", model_region(call->model), model_account(call->model), type, id);
}

/* "use1" of us-east-1, "apse2" of ap-southeast-2: how AWS writes regions in the ids of zones. */
static const char *region_short(const char *region, struct arena *arena)
{
        static const char *const directions[] = {"north", "south", "east", "west", "central"};
        char *text = arena_bytes(arena, strlen(region) + 1), *out = text;
        const char *p = region;

        for (; *p != '\0' && *p != '-'; p++)
                *out++ = *p;
        while (*p != '\0') {
                size_t i = 0;

                while (i < ARRAY_SIZE(directions) && !str_starts_with(p, directions[i]))
                        i++;
                if (i < ARRAY_SIZE(directions)) {
                        *out++ = directions[i][0];
                        p += strlen(directions[i]);
                } else if (*p++ != '-') {
                        *out++ = p[-1];
                }
        }
        *out = '\0';
        return text;
}

const char *ec2_zone_id(const struct api_call *call, struct arena *arena, const char *zone)
{
        const struct string_list *zones = &model_meta(call->model)->zones;

        for (uint32_t i = 0; i < zones->n; i++)
                if (str_eq(zones->items[i], zone))
                        return arena_printf(arena, "%s-az%u", region_short(model_region(call->model), arena), i + 1);
        return NULL;
}

int ec2_read_cidr(struct api_call *call, const char *name, const char *text, struct cidr *ret)
{
        if (cidr_parse(text, ret) == 0)
                return 0;
        return api_fail(call, "InvalidParameterValue", "Value (%.50s) for parameter %s is invalid. This is not a valid CIDR block.", text,
                        name);
}

int ec2_refuse(struct api_call *call, bool given, const char *parameter, const char *why)
{
        return given ? api_fail(call, "UnsupportedOperation", "The parameter %s is not supported: %s", parameter, why) : 0;
}

bool ec2_list_has(const struct string_list *list, const char *text)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i], text))
                        return true;
        return false;
}

const char *ec2_dhcp_options_id(const struct api_call *call, struct arena *arena)
{
        char digits[18];
        size_t n = 0;

        for (const char *p = model_meta(call->model)->id; *p != '\0' && n < 17; p++)
                if (*p != '-')
                        digits[n++] = *p;
        digits[n] = '\0';
        return arena_printf(arena, "dopt-%s", digits);
}

/* ---- Client tokens ---- */

static const char *token_key(struct api_call *call, const char *token)
{
        return arena_printf(call->arena, "%s//%s", call->operation->name, token);
}

/* Of the whole input: the token is part of its own key. */
static const char *token_digest(struct api_call *call, const void *input)
{
        char *hex = arena_bytes(call->arena, 2 * SHA256_SIZE + 1);
        CLEANUP_BUF struct buf json = {0};

        shape_to_json(call->operation->input, input, &json);
        sha256_hex(json.data, json.len, hex);
        return hex;
}

int ec2_token_find(struct api_call *call, const char *token, const void *input, const char **ret_id)
{
        const struct client_token *found;

        *ret_id = NULL;
        if (str_empty(token))
                return 0;
        if (strlen(token) > MAX_TOKEN)
                return api_fail(call, "InvalidParameterValue", "The client token is too long: at most %d characters are allowed.",
                                MAX_TOKEN);
        found = model_client_token(call->model, token_key(call, token));
        if (found == NULL || found->state->expires_at <= call->now_ms || found->state->task_ids.n == 0)
                return 0;
        if (!str_eq(found->state->digest, token_digest(call, input)))
                return api_fail(call, "IdempotentParameterMismatch",
                                "The client token %.64s was used in a request with other parameters: use a new token for each new request.",
                                token);
        *ret_id = found->state->task_ids.items[0];
        return 0;
}

void ec2_token_remember(struct api_call *call, struct tx *tx, const char *token, const void *input, const char *id)
{
        struct state_client_token state = {.task_ids = {.items = &id, .n = 1}, .expires_at = call->now_ms + TOKEN_MS};
        struct client_token *old;

        if (str_empty(token))
                return;
        state.key = token_key(call, token);
        state.digest = token_digest(call, input);
        old = model_client_token(call->model, state.key);
        if (old != NULL) /* it has expired, or what it made is gone */
                tx_put(tx, &old->object, &state);
        else
                (void)tx_insert(tx, OBJECT_CLIENT_TOKEN, &state);
}
