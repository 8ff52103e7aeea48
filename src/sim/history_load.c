/* SPDX-License-Identifier: Apache-2.0 */
/* Random stories about load: one service that scales by itself, some kinds of load one after the other, perhaps trouble, and a steady end. */
#include <assert.h>

#include "base/buf.h"
#include "base/macro.h"
#include "sim/clock.h"
#include "sim/history.h"

static long long between(struct sim_random *chance, int64_t min, int64_t max)
{
        return sim_random_between(chance, min, max);
}

static void load_line(struct sim_random *chance, const char *shape, long long at_s, long long most, struct buf *out)
{
        long long from = between(chance, 20, most * 100), to = between(chance, 20, most * 100);

        buf_printf(out, "at %llds load on s1 shape %s from %lld to %lld every %llds noise %lld blind %lld\n", at_s, shape, from, to,
                   between(chance, 20, 150), sim_random_percent(chance, 50) ? 0 : between(chance, 1, 5),
                   sim_random_percent(chance, 60) ? 0 : between(chance, 5, 40));
}

static void trouble_line(struct sim_random *chance, long long at_s, struct buf *out)
{
        static const char *const lines[] = {"server crashes for 2s",
                                            "node-1 dies for 15s",
                                            "task of s1 crashes",
                                            "node-2 is cut off for 12s",
                                            "server crashes after a commit for 1s",
                                            "node-1 loses its agent"};

        buf_printf(out, "at %llds %s\n", at_s, lines[sim_random_below(chance, ARRAY_SIZE(lines))]);
}

void sim_load_history_make(uint64_t seed, struct sim_scenario *ret)
{
        static const char *const shapes[] = {"steady", "steps", "ramp", "spikes", "day"};
        struct sim_random chance = sim_random_make(seed, "load history", 0);
        CLEANUP_BUF struct buf text = {0};
        long long least = between(&chance, 1, 3), most = between(&chance, least + 2, 20), at_s = 8;
        struct error error = {0};
        int r;

        buf_printf(&text, "seed %llu\nnodes count 3 zones 2 cpu 8192 memory 16384\n", (unsigned long long)seed);
        buf_printf(&text, "image good pulls %lldms starts %lldms stops %lldms\ntask app image good cpu 64 memory 64\n",
                   between(&chance, 1, 2000), between(&chance, 20, 2000), between(&chance, 1, 3000));
        buf_printf(&text, "at 1s create service s1 task app:1 count %lld\n", between(&chance, least, most));
        buf_printf(&text, "at 6s scale service s1 at-least %lld at-most %lld cooldown %llds\n", least, most, between(&chance, 0, 60));
        for (int64_t i = between(&chance, 1, 3); i > 0; i--) {
                load_line(&chance, shapes[sim_random_below(&chance, ARRAY_SIZE(shapes))], at_s, most, &text);
                at_s += between(&chance, 30, 120);
                if (sim_random_percent(&chance, 30))
                        trouble_line(&chance, at_s - between(&chance, 1, 20), &text);
        }
        load_line(&chance, "steady", at_s, most, &text);
        buf_printf(&text, "at %llds network\n", at_s + 300);
        r = sim_scenario_parse(text.data, text.len, ret, &error);
        assert(r == 0);
        (void)r;
}
