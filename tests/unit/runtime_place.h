/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place for real containers in a test: a runtime in a folder of its own, one image (busybox), and boxes, which are containers with
 * what was heard of them. Needs root, crun and conmon. Everything fails the test that uses it when it cannot be done.
 */
#pragma once

#include <uv.h>

#include "unit.h"

#include "image/image.h"
#include "runtime/cgroup.h"
#include "runtime/log_reader.h"
#include "runtime/runtime.h"

struct place {
        char dir[64], images_dir[96], runtime_dir[96], run_dir[96], parent[48];
        uv_loop_t loop;
        struct image_store *images;
        struct runtime *runtime;
        struct image *image;
        struct cgroups cgroups;
};
extern struct place *place; /* from place_set_up to place_tear_down */

struct box {
        struct runtime_container *container;
        int started, exited; /* how often */
        int status;
        struct error error;
        struct runtime_exit exit;
};
extern const struct runtime_events box_events; /* their data is a box */

/* For cmocka: around the group, and after each test. */
int place_set_up(void **state);
int place_tear_down(void **state);
int place_free_words(void **state);
#define PLACE_TEST(name) cmocka_unit_test_teardown(name, place_free_words)

/* Opens place->runtime, as an agent that starts does: what ran there is found again. Free it with runtime_free. */
void place_open(void);
bool place_has_cgroup(const char *task, const char *id);
/* Freed after each test. */
extern struct arena place_words;

int64_t place_now_ms(void);
/* Runs the loop until the counter has reached `wanted`. */
#define WAIT(counter, wanted) place_wait(&(counter), wanted, #counter)
void place_wait(const volatile int *counter, int wanted, const char *what);

/* A list of strings; ends with NULL. */
struct string_list *box_words(const char *first, ...);
/* A container of task1 in the host's network that runs a shell script; NULL runs what the image says. */
struct runtime_container_spec box_spec(const char *id, const char *script);
/* Starts it and waits until it runs or has failed: box->status. */
void box_start(struct box *box, const struct runtime_container_spec *spec);
/* What the container has said on standard output; "" for nothing. */
char *box_output(const struct box *box);
void box_remove(struct box *box);
void box_on_removed(void *data); /* sets the int that `data` points to */

/* Runs to its end, checks the exit code (0), removes, gives the output. */
char *box_run_spec(struct runtime_container_spec *spec, int expected_code);
char *box_run(const char *id, const char *script);

/* Lines of a container's log, by stream. */
struct log_text {
        struct buf out, err;
};
void log_text_add(const struct log_line *line, void *data); /* for log_reader_read; data: struct log_text */
