/* SPDX-License-Identifier: Apache-2.0 */
/* Random stories about capacity: a group whose machines come and go with a service and with jobs, perhaps trouble, and a calm end. */
#include <assert.h>

#include "base/buf.h"
#include "base/macro.h"
#include "sim/clock.h"
#include "sim/history.h"

static long long between(struct sim_random *chance, int64_t min, int64_t max)
{
        return sim_random_between(chance, min, max);
}

static void stage(struct sim_random *chance, struct buf *out)
{
        long long least = sim_random_percent(chance, 60) ? 0 : between(chance, 1, 2);

        buf_printf(out, "image good pulls %lldms starts %lldms stops %lldms\n", between(chance, 1, 2000), between(chance, 20, 2000),
                   between(chance, 1, 3000));
        buf_printf(out, "image once pulls %lldms exits %llds code 0\n", between(chance, 1, 2000), between(chance, 1, 60));
        buf_printf(out, "task app image good cpu %lld memory 128\ntask job image once cpu %lld memory 256\n", 256 * between(chance, 1, 6),
                   256 * between(chance, 1, 4));
        buf_printf(out, "at 1s group pool at-least %lld at-most %lld cpu 2048 memory 4096 zones %lld boots %lldms fails %lld idle %lldms\n",
                   least, between(chance, least + 2, 12), between(chance, 1, 3), between(chance, 500, 40000),
                   sim_random_percent(chance, 70) ? 0 : between(chance, 10, 60), between(chance, 1000, 60000));
        buf_printf(out, "at 4s create service s1 task app:1 count %lld provider pool%s\n", between(chance, 0, 8),
                   sim_random_percent(chance, 50) ? " pack memory" : "");
}

static void operate(struct sim_random *chance, long long at_ms, struct buf *out)
{
        buf_printf(out, "at %lldms ", at_ms);
        switch (sim_random_below(chance, 9)) {
        case 0:
        case 1:
        case 2:
                buf_printf(out, "update service s1 count %lld\n", between(chance, 0, 12));
                break;
        case 3:
        case 4:
                buf_printf(out, "run task job count %lld provider pool\n", between(chance, 1, 6));
                break;
        case 5:
        case 6:
                buf_printf(out, "protect service s1 count %lld for %lldm\n", between(chance, 1, 3), between(chance, 1, 4));
                break;
        case 7:
                buf_printf(out, "terminate node-%lld\n", between(chance, 1, 6));
                break;
        default:
                buf_append_str(out, "update service s1 force\n");
        }
}

static void trouble(struct sim_random *chance, long long at_ms, struct buf *out)
{
        static const char *const lines[] = {"server crashes for 2s",
                                            "server crashes after a commit for 1s",
                                            "server crashes before a commit for 1s",
                                            "node-1 dies",
                                            "node-2 dies for 15s",
                                            "node-1 is cut off for 12s",
                                            "node-3 loses its agent",
                                            "task of s1 crashes",
                                            "network delay 200ms loss 10 repeats 10"};

        buf_printf(out, "at %lldms %s\n", at_ms, lines[sim_random_below(chance, ARRAY_SIZE(lines))]);
}

void sim_group_history_make(uint64_t seed, struct sim_scenario *ret)
{
        struct sim_random chance = sim_random_make(seed, "group history", 0);
        CLEANUP_BUF struct buf text = {0};
        long long at_ms = 6000;
        struct error error = {0};
        int r;

        buf_printf(&text, "seed %llu\n", (unsigned long long)seed);
        stage(&chance, &text);
        for (int64_t i = between(&chance, 3, 15); i > 0; i--) {
                at_ms += between(&chance, 100, 40000);
                if (sim_random_percent(&chance, 20))
                        trouble(&chance, at_ms, &text);
                else
                        operate(&chance, at_ms, &text);
        }
        buf_printf(&text, "at %lldms network\n", at_ms + 1000);
        r = sim_scenario_parse(text.data, text.len, ret, &error);
        assert(r == 0);
        (void)r;
}
