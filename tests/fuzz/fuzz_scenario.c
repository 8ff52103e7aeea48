/* SPDX-License-Identifier: Apache-2.0 */
/* Scenario files: whatever is read is printed so that it is read as the same; whatever is refused is refused with a line number. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sim/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEANUP_BUF struct buf first = {0}, second = {0};
        struct sim_scenario scenario, again;
        struct error error = {0};

        if (sim_scenario_parse((const char *)data, size, &scenario, &error) < 0) {
                assert(strncmp(error.message, "line ", 5) == 0);
                return 0;
        }
        sim_scenario_print(&scenario, &first);
        sim_scenario_done(&scenario);
        if (sim_scenario_parse(first.data, first.len, &again, &error) < 0)
                assert(!"what was printed cannot be read");
        sim_scenario_print(&again, &second);
        sim_scenario_done(&again);
        assert(strcmp(first.data, second.data) == 0);
        return 0;
}
