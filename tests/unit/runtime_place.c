/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime_place.h"

#include <fcntl.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"

#define PATIENCE_MS 20000

struct place *place;
struct arena place_words;

int64_t place_now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void place_wait(const volatile int *counter, int wanted, const char *what)
{
        int64_t end = place_now_ms() + PATIENCE_MS;

        while (*counter < wanted) {
                if (place_now_ms() > end)
                        fail_msg("waited in vain for %s", what);
                if (uv_run(&place->loop, UV_RUN_NOWAIT) == 0 || *counter < wanted)
                        usleep(500);
        }
}

static void on_started(struct runtime_container *container, int status, const struct error *error, void *data)
{
        struct box *box = data;

        box->started++;
        box->status = status;
        if (status < 0) {
                box->error = *error;
                box->container = NULL;
        } else {
                assert_int_equal(runtime_container_state(container), RUNTIME_RUNNING);
                assert_true(runtime_container_pid(container) > 0);
        }
}

static void on_exited(struct runtime_container *container, const struct runtime_exit *ended, void *data)
{
        struct box *box = data;

        assert_int_equal(runtime_container_state(container), RUNTIME_STOPPED);
        box->exited++;
        box->exit = *ended;
}

const struct runtime_events box_events = {.started = on_started, .exited = on_exited};

void box_on_removed(void *data)
{
        *(int *)data = 1;
}

void place_open(void)
{
        struct error error = {0};
        int r = runtime_new(&(struct runtime_options){.loop = &place->loop,
                                                      .dir = place->runtime_dir,
                                                      .run_dir = place->run_dir,
                                                      .cgroup_parent = place->parent,
                                                      .images = place->images},
                            &place->runtime, &error);

        if (r < 0)
                print_error("%s\n", error.message);
        assert_int_equal(r, 0);
}

static void on_pulled(struct image_pull *pull, const struct image_pull_result *result)
{
        (void)pull;
        if (result->status < 0)
                print_error("%s\n", result->error->message);
        place->image = result->image;
}

static struct image *pull(const char *name)
{
        struct image_pull request = {.name = name, .done = on_pulled};

        place->image = NULL;
        image_pull_start(place->images, &request);
        while (place->image == NULL)
                uv_run(&place->loop, UV_RUN_ONCE);
        return place->image;
}

int place_set_up(void **state)
{
        CLEANUP_FREE char *command = NULL, *name = NULL;
        struct error error = {0};

        (void)state;
        place = calloc(1, sizeof(*place));
        strcpy(place->dir, "/tmp/test_runtime.XXXXXX");
        if (mkdtemp(place->dir) == NULL)
                return -1;
        snprintf(place->images_dir, sizeof(place->images_dir), "%s/images", place->dir);
        snprintf(place->runtime_dir, sizeof(place->runtime_dir), "%s/containers", place->dir);
        snprintf(place->run_dir, sizeof(place->run_dir), "%s/run", place->dir);
        snprintf(place->parent, sizeof(place->parent), "/gantry-test-%d", getpid());
        uv_loop_init(&place->loop);
        command = xprintf(
                "%s/tools/make-busybox-image.py %s/layout --env FROM=image --stop-signal SIGUSR1 --volume /data --text data/seed=seed "
                "--workdir /home/app --cmd \"sh -c 'echo default command'\" >/dev/null",
                SOURCE_ROOT, place->dir);
        if (system(command) != 0)
                return -1;
        if (image_store_new(&(struct image_store_options){.loop = &place->loop, .dir = place->images_dir}, &place->images, &error) < 0) {
                print_error("%s\n", error.message);
                return -1;
        }
        name = xprintf("oci:%s/layout:latest", place->dir);
        pull(name);
        place_open();
        return cgroups_detect(NULL, &place->cgroups, &error);
}

int place_tear_down(void **state)
{
        (void)state;
        runtime_free(place->runtime);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        image_unref(place->image);
        image_store_free(place->images);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&place->loop), 0);
        assert_int_equal(cgroup_remove(&place->cgroups, place->parent), 0);
        if (place->cgroups.version == 1 && place->cgroups.hybrid) {
                CLEANUP_FREE char *monitors = xprintf("%s%s/+conmon", place->cgroups.unified, place->parent);
                CLEANUP_FREE char *parent = xprintf("%s%s", place->cgroups.unified, place->parent);

                (void)rmdir(monitors);
                (void)rmdir(parent);
        }
        assert_int_equal(files_remove(AT_FDCWD, place->dir), 0);
        free(place);
        return 0;
}

int place_free_words(void **state)
{
        (void)state;
        arena_done(&place_words);
        return 0;
}

struct string_list *box_words(const char *first, ...)
{
        struct string_list *list = ARENA_NEW(&place_words, struct string_list);
        va_list args;

        va_start(args, first);
        for (const char *word = first; word != NULL; word = va_arg(args, const char *))
                string_list_push(&place_words, list, word);
        va_end(args);
        return list;
}

struct runtime_container_spec box_spec(const char *id, const char *script)
{
        return (struct runtime_container_spec){
                .id = id,
                .task_id = "task1",
                .image = place->image,
                .command = script != NULL ? box_words("sh", "-c", script, NULL) : NULL,
                .network = {.mode = RUNTIME_NS_HOST},
        };
}

void box_start(struct box *box, const struct runtime_container_spec *spec)
{
        struct error error = {0};
        int r;

        *box = (struct box){0};
        r = runtime_start(place->runtime, spec, &box_events, box, &box->container, &error);
        if (r < 0)
                print_error("%s\n", error.message);
        assert_int_equal(r, 0);
        assert_int_equal(box->started, 0);
        WAIT(box->started, 1);
        if (box->status < 0)
                print_message("   %s: %s\n", box->error.code, box->error.message);
}

void box_remove(struct box *box)
{
        int removed = 0;

        if (box->container == NULL)
                return;
        runtime_remove(box->container, box_on_removed, &removed);
        WAIT(removed, 1);
        box->container = NULL;
}

void log_text_add(const struct log_line *line, void *data)
{
        struct log_text *text = data;
        struct buf *to = line->is_stderr ? &text->err : &text->out;

        buf_append(to, line->text, line->len);
        buf_append_char(to, '\n');
}

char *box_output(const struct box *box)
{
        struct log_reader *reader = log_reader_new(runtime_container_log_path(box->container), NULL, 0);
        struct log_text text = {0};
        char *copy;

        while (log_reader_read(reader, 1 << 20, true, log_text_add, &text) > 0)
                ;
        log_reader_free(reader);
        copy = arena_strdup(&place_words, text.out.data != NULL ? text.out.data : "");
        buf_done(&text.out);
        buf_done(&text.err);
        return copy;
}

char *box_run_spec(struct runtime_container_spec *spec, int expected_code)
{
        struct box box;
        char *output;

        box_start(&box, spec);
        assert_int_equal(box.status, 0);
        WAIT(box.exited, 1);
        output = box_output(&box);
        if (box.exit.exit_code != expected_code)
                print_error("exit code %d, output:\n%s", box.exit.exit_code, output);
        assert_true(box.exit.has_exit_code);
        assert_int_equal(box.exit.exit_code, expected_code);
        box_remove(&box);
        return output;
}

char *box_run(const char *id, const char *script)
{
        struct runtime_container_spec spec = box_spec(id, script);

        return box_run_spec(&spec, 0);
}

bool place_has_cgroup(const char *task, const char *id)
{
        CLEANUP_FREE char *path = xprintf("%s%s/%s/%s", place->cgroups.mounts[0].path, place->parent, task, id);

        return access(path, F_OK) == 0;
}
