/* SPDX-License-Identifier: Apache-2.0 */
/* Account settings: put, put default, list, delete. The stored principal "default" is the account itself. */
#include "api/ecs/settings.h"

#include <stdio.h>
#include <string.h>

#include "api/ecs/common.h"
#include "api/ecs/routes.h"
#include "api/pagination.h"
#include "base/strutil.h"
#include "model/names.h"

#define ACCOUNT "default"
#define MAX_VALUES 4

/* What each setting may be and what it is when nobody has said anything. `fixed`: what a client gets told that tries to change it to
 * another value that was allowed once. */
static const struct {
        const char *values[MAX_VALUES];
        const char *standard;
        const char *fixed;
} rows[ECS_SETTING_NAME_MAX] = {
        [ECS_SETTING_NAME_SERVICELONGARNFORMAT] = {{"enabled"}, "enabled", "You can no longer disable Long Arn settings"},
        [ECS_SETTING_NAME_TASKLONGARNFORMAT] = {{"enabled"}, "enabled", "You can no longer disable Long Arn settings"},
        [ECS_SETTING_NAME_CONTAINERINSTANCELONGARNFORMAT] = {{"enabled"}, "enabled", "You can no longer disable Long Arn settings"},
        [ECS_SETTING_NAME_AWSVPCTRUNKING] = {{"enabled", "disabled"}, "disabled", NULL},
        [ECS_SETTING_NAME_CONTAINERINSIGHTS] = {{"enhanced", "enabled", "disabled"}, "disabled", NULL},
        [ECS_SETTING_NAME_FARGATEFIPSMODE] = {{"enabled", "disabled"}, "disabled", NULL},
        [ECS_SETTING_NAME_TAGRESOURCEAUTHORIZATION] = {{"on", "off"}, "on", NULL},
        [ECS_SETTING_NAME_FARGATETASKRETIREMENTWAITPERIOD] = {{"0", "7", "14"}, "7", NULL},
        [ECS_SETTING_NAME_GUARDDUTYACTIVATE] = {{NULL}, "off", "guardDutyActivate is managed by AWS and read-only"},
        [ECS_SETTING_NAME_DEFAULTLOGDRIVERMODE] = {{"blocking", "non-blocking"}, "non-blocking", NULL},
        [ECS_SETTING_NAME_FARGATEEVENTWINDOWS] = {{"enabled", "disabled"}, "disabled", NULL},
};

bool setting_value_valid(enum ecs_setting_name name, const char *value)
{
        for (size_t i = 0; i < MAX_VALUES && rows[name].values[i] != NULL; i++)
                if (str_eq(rows[name].values[i], value))
                        return true;
        return false;
}

static const char *setting_word(enum ecs_setting_name name)
{
        return shape_enum_name(&ecs_setting_name_enum, (int)name);
}

/* ---- Principals ---- */

/* "arn:aws:sts::A:assumed-role/ROLE/SESSION" has the settings of "arn:aws:iam::A:role/ROLE". `ret` holds 512 bytes. */
static const char *settings_principal(const char *arn, char ret[512])
{
        static const char mark[] = ":assumed-role/";
        const char *role = strstr(arn, mark), *slash, *account;

        if (!str_starts_with(arn, "arn:aws:sts::") || role == NULL)
                return arn;
        account = arn + strlen("arn:aws:sts::");
        role += strlen(mark);
        slash = strchr(role, '/');
        (void)snprintf(ret, 512, "arn:aws:iam::%.*s:role/%.*s", (int)(role - strlen(mark) - account), account,
                       (int)(slash != NULL ? (size_t)(slash - role) : strlen(role)), role);
        return ret;
}

static const char *root_arn(struct api_call *call)
{
        return arena_printf(call->arena, "arn:aws:iam::%s:root", model_account(call->model));
}

/* The stored principal for the one that a request names: NULL is the caller, the root user stands for the account. */
static int requested_principal(struct api_call *call, const char *asked, const char **ret)
{
        char text[512];
        struct arn arn;

        if (str_empty(asked)) {
                *ret = arena_strdup(call->arena, settings_principal(call->principal_arn, text));
        } else if (arn_parse(asked, &arn) < 0 || (!str_eq(arn.service, "iam") && !str_eq(arn.service, "sts"))) {
                return api_fail(call, "InvalidParameterException",
                                "principalArn: \"%.200s\" is not the ARN of an IAM user, role or the root user.", asked);
        } else if (!str_eq(arn.account, model_account(call->model))) {
                return api_fail(call, "InvalidParameterException", "principalArn: the ARN is of account %s, and this is %s.", arn.account,
                                model_account(call->model));
        } else {
                *ret = arena_strdup(call->arena, settings_principal(asked, text));
        }
        if (str_ends_with(*ret, ":root"))
                *ret = ACCOUNT;
        return 0;
}

static const char *shown_principal(struct api_call *call, const char *stored)
{
        return str_eq(stored, ACCOUNT) ? root_arn(call) : stored;
}

/* ---- Values ---- */

const char *setting_effective(struct model *model, const char *principal_arn, enum ecs_setting_name name)
{
        char text[512];
        struct setting *setting = model_setting(model, settings_principal(principal_arn, text), name);

        if (setting == NULL)
                setting = model_setting(model, ACCOUNT, name);
        return setting != NULL ? setting->state->value : rows[name].standard;
}

static void show_setting(struct api_call *call, enum ecs_setting_name name, const char *value, const char *stored_principal,
                         struct ecs_setting *out)
{
        out->name = name;
        out->value = value;
        out->principal_arn = shown_principal(call, stored_principal);
        out->type = name == ECS_SETTING_NAME_GUARDDUTYACTIVATE ? ECS_SETTING_TYPE_AWS_MANAGED : ECS_SETTING_TYPE_USER;
}

/* ---- Put ---- */

static int put_setting(struct api_call *call, enum ecs_setting_name name, const char *value, const char *principal,
                       struct ecs_setting **ret)
{
        struct setting *setting = model_setting(call->model, principal, name);
        struct state_setting state = {.principal_arn = principal, .name = name, .value = value};
        struct tx *tx;

        if (!setting_value_valid(name, value) && rows[name].fixed != NULL)
                return api_fail(call, "InvalidParameterException", "%s", rows[name].fixed);
        if (!setting_value_valid(name, value))
                return api_fail(call, "InvalidParameterException", "value: \"%.100s\" is not a value of %s. Allowed: %s%s%s%s%s.", value,
                                setting_word(name), rows[name].values[0], rows[name].values[1] != NULL ? ", " : "",
                                rows[name].values[1] != NULL ? rows[name].values[1] : "", rows[name].values[2] != NULL ? ", " : "",
                                rows[name].values[2] != NULL ? rows[name].values[2] : "");
        tx = tx_begin(call->model);
        if (setting != NULL)
                tx_put(tx, &setting->object, &state);
        else
                (void)tx_insert(tx, OBJECT_SETTING, &state);
        (void)tx_commit(tx);
        *ret = ARENA_NEW(call->arena, struct ecs_setting);
        show_setting(call, name, value, principal, *ret);
        return 0;
}

static int put_account_setting(struct api_call *call, const void *input, void *output)
{
        const struct ecs_put_account_setting_request *in = input;
        struct ecs_put_account_setting_response *out = output;
        const char *principal;
        int r = requested_principal(call, in->principal_arn, &principal);

        return r != 0 ? r : put_setting(call, in->name, in->value, principal, &out->setting);
}

static int put_account_setting_default(struct api_call *call, const void *input, void *output)
{
        const struct ecs_put_account_setting_default_request *in = input;
        struct ecs_put_account_setting_default_response *out = output;

        return put_setting(call, in->name, in->value, ACCOUNT, &out->setting);
}

/* ---- Delete ---- */

static int delete_account_setting(struct api_call *call, const void *input, void *output)
{
        const struct ecs_delete_account_setting_request *in = input;
        struct ecs_delete_account_setting_response *out = output;
        struct setting *setting;
        const char *principal;
        int r = requested_principal(call, in->principal_arn, &principal);

        if (r != 0)
                return r;
        setting = model_setting(call->model, principal, in->name);
        if (setting != NULL) {
                struct tx *tx = tx_begin(call->model);

                tx_remove(tx, &setting->object);
                (void)tx_commit(tx);
        }
        /* What is in force from now on. */
        out->setting = ARENA_NEW(call->arena, struct ecs_setting);
        show_setting(call, in->name, setting_effective(call->model, principal, in->name), principal, out->setting);
        return 0;
}

/* ---- List ---- */

/* The value to list for one setting, or NULL to leave it out. */
static const char *listed_value(struct api_call *call, const struct ecs_list_account_settings_request *in, const char *principal,
                                enum ecs_setting_name name)
{
        const struct setting *setting;
        const char *value;

        if (in->name != ECS_SETTING_NAME_UNSET && in->name != name)
                return NULL;
        if (in->effective_settings) {
                value = setting_effective(call->model, principal, name);
        } else {
                setting = model_setting(call->model, principal, name);
                value = setting != NULL ? setting->state->value : NULL;
        }
        return value != NULL && (in->value == NULL || str_eq(in->value, value)) ? value : NULL;
}

static int list_account_settings(struct api_call *call, const void *input, void *output)
{
        const struct ecs_list_account_settings_request *in = input;
        struct ecs_list_account_settings_response *out = output;
        struct api_page page;
        const char *principal;
        int r = requested_principal(call, in->principal_arn, &principal), first = ECS_SETTING_NAME_UNSET + 1;

        if (r == 0)
                r = api_page_begin(call, in->next_token, SHAPE_HAS(in, ecs_list_account_settings_request, max_results), in->max_results, 10,
                                   10,
                                   arena_printf(call->arena, "%d/%s/%s/%d", (int)in->name, in->value != NULL ? in->value : "", principal,
                                                in->effective_settings),
                                   &page);
        if (r != 0)
                return r;
        if (page.after != NULL)
                first = shape_enum_value(&ecs_setting_name_enum, page.after) + 1;
        for (int name = first; name < ECS_SETTING_NAME_MAX; name++) {
                const char *value = listed_value(call, in, principal, (enum ecs_setting_name)name);

                if (value == NULL)
                        continue;
                if (!api_page_add(&page, setting_word((enum ecs_setting_name)name))) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                show_setting(call, (enum ecs_setting_name)name, value, principal, SHAPE_PUSH(call->arena, &out->settings));
        }
        return 0;
}

const struct api_route ecs_setting_routes[] = {
        {ECS_OP_PUT_ACCOUNT_SETTING, put_account_setting},
        {ECS_OP_PUT_ACCOUNT_SETTING_DEFAULT, put_account_setting_default},
        {ECS_OP_DELETE_ACCOUNT_SETTING, delete_account_setting},
        {ECS_OP_LIST_ACCOUNT_SETTINGS, list_account_settings},
        {0, NULL},
};
