/* SPDX-License-Identifier: Apache-2.0 */
/* Account settings: what a principal has chosen, else the account's default, else what AWS starts an account with. */
#pragma once

#include "model/model.h"

/* Never NULL: "enabled", "disabled", "7", … `principal_arn` is a caller's; sessions of a role have the role's settings. */
const char *setting_effective(struct model *model, const char *principal_arn, enum ecs_setting_name name);
bool setting_value_valid(enum ecs_setting_name name, const char *value);
