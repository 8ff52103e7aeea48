/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of composite alarms, as clients write them; what is read can be computed. */
#include <stdlib.h>
#include <string.h>

#include "control/alarm/rule.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static enum cloudwatch_state_value state_of(void *data, const char *alarm)
{
        (void)data;
        return (enum cloudwatch_state_value)((unsigned char)alarm[0] % CLOUDWATCH_STATE_VALUE_MAX);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        struct alarm_rule rule;

        if (alarm_rule_parse(arena_strndup(&arena, (const char *)data, size), &arena, &rule, &error) == 0)
                (void)alarm_rule_holds(&rule, state_of, NULL);
        else if (!error_is_set(&error))
                abort();
        return 0;
}
