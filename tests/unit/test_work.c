/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of the reconcilers: once per turn, in time, within the room that there is. */
#include "control/work.h"

#include "unit.h"

struct item {
        struct work work;
        struct work_queue *queue;
        int runs;
        uint32_t takes;
        bool again;
        int64_t wake;
};

static void run_item(struct work *work, struct work_turn *turn)
{
        struct item *item = CONTAINER_OF(work, struct item, work);

        item->runs++;
        turn->room -= MIN(turn->room, item->takes);
        if (item->again)
                work_mark(item->queue, work);
        if (item->wake)
                work_wake(item->queue, work, item->wake);
}

static void init(struct work_queue *queue, struct item *items, size_t n)
{
        work_queue_init(queue);
        for (size_t i = 0; i < n; i++) {
                items[i] = (struct item){.queue = queue};
                work_init(&items[i].work, run_item);
        }
}

static bool run(struct work_queue *queue, int64_t now, uint32_t room)
{
        return work_queue_run(queue, &(struct work_turn){.now_ms = now, .room = room});
}

static void runs_once_per_turn(void **state)
{
        struct work_queue queue;
        struct item items[2];

        init(&queue, items, 2);
        assert_true(work_queue_next(&queue) == WORK_NEVER);
        work_mark(&queue, &items[0].work);
        work_mark(&queue, &items[0].work);
        items[0].again = true;
        assert_true(work_queue_next(&queue) == INT64_MIN);
        assert_true(run(&queue, 0, 10));
        assert_int_equal(items[0].runs, 1);
        items[0].again = false;
        assert_false(run(&queue, 0, 10));
        assert_int_equal(items[0].runs, 2);
        work_queue_done(&queue);
}

static void runs_in_time(void **state)
{
        static const int64_t times[] = {50, 20, 90, 10, 70, 30};
        struct work_queue queue;
        struct item items[6];

        init(&queue, items, 6);
        for (int i = 0; i < 6; i++)
                work_wake(&queue, &items[i].work, times[i]);
        work_wake(&queue, &items[2].work, 95); /* the earliest wish counts */
        work_wake(&queue, &items[4].work, 15);
        work_drop(&queue, &items[3].work);
        for (int64_t now = 0; now < 100; now++) {
                run(&queue, now, 10);
                for (int i = 0; i < 6; i++) {
                        int64_t at = i == 4 ? 15 : times[i];

                        assert_int_equal(items[i].runs, i != 3 && at <= now);
                }
        }
        assert_true(work_queue_next(&queue) == WORK_NEVER);
        work_queue_done(&queue);
}

static void stops_when_there_is_no_room(void **state)
{
        struct work_queue queue;
        struct item items[3];

        init(&queue, items, 3);
        items[2].work.urgent = true;
        for (int i = 0; i < 3; i++) {
                items[i].takes = 5;
                work_mark(&queue, &items[i].work);
        }
        assert_true(run(&queue, 0, 5));
        assert_int_equal(items[2].runs, 1);
        assert_int_equal(items[0].runs, 0);
        assert_true(run(&queue, 0, 5));
        assert_int_equal(items[0].runs, 1);
        assert_int_equal(items[1].runs, 0);
        assert_false(run(&queue, 0, 5));
        assert_int_equal(items[1].runs, 1);
        work_queue_done(&queue);
}

/* Each has more to do than one run has room for. */
static void goes_on_before_others_come(void **state)
{
        struct work_queue queue;
        struct item items[2];

        init(&queue, items, 2);
        for (int i = 0; i < 2; i++) {
                items[i].takes = 5;
                items[i].again = true;
                work_mark(&queue, &items[i].work);
        }
        for (int i = 1; i <= WORK_RUNS; i++) {
                assert_true(run(&queue, 0, 5));
                assert_int_equal(items[0].runs, i);
                assert_int_equal(items[1].runs, 0);
        }
        /* Then it is the other's turn, which is done after two. */
        assert_true(run(&queue, 0, 5));
        items[1].again = false;
        assert_true(run(&queue, 0, 5));
        assert_int_equal(items[0].runs, WORK_RUNS);
        assert_int_equal(items[1].runs, 2);
        assert_true(run(&queue, 0, 5));
        assert_int_equal(items[0].runs, WORK_RUNS + 1);
        /* Who leaves room lets the next one in, and starts to count anew. */
        items[0].takes = 1;
        work_mark(&queue, &items[1].work);
        assert_true(run(&queue, 0, 5));
        assert_int_equal(items[1].runs, 3);
        work_drop(&queue, &items[0].work);
        work_drop(&queue, &items[1].work);
        work_queue_done(&queue);
}

static void drop_itself(struct work *work, struct work_turn *turn)
{
        turn->room = 0;
        work_mark(CONTAINER_OF(work, struct item, work)->queue, work);
        work_drop(CONTAINER_OF(work, struct item, work)->queue, work);
}

static void may_be_dropped_by_its_run(void **state)
{
        struct work_queue queue;
        struct item items[1];

        init(&queue, items, 1);
        items[0].work.run = drop_itself;
        work_mark(&queue, &items[0].work);
        assert_false(run(&queue, 0, 5));
        assert_true(work_queue_next(&queue) == WORK_NEVER);
        work_queue_done(&queue);
}

static void wishes_again_while_it_runs(void **state)
{
        struct work_queue queue;
        struct item items[1];

        init(&queue, items, 1);
        items[0].wake = 200;
        work_wake(&queue, &items[0].work, 100);
        run(&queue, 100, 10);
        assert_int_equal(work_queue_next(&queue), 200);
        work_drop(&queue, &items[0].work);
        work_queue_done(&queue);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(runs_once_per_turn),          cmocka_unit_test(runs_in_time),
                cmocka_unit_test(stops_when_there_is_no_room), cmocka_unit_test(goes_on_before_others_come),
                cmocka_unit_test(may_be_dropped_by_its_run),   cmocka_unit_test(wishes_again_while_it_runs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
