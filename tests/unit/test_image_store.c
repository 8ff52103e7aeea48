/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store against OCI layouts and against a registry that the test starts on loopback: pulling, sharing, names,
 * behaviours, survival of restarts, clean-up, failures and their texts.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "api/oci.idl.h"
#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"
#include "image/digest.h"
#include "image/image.h"
#include "image/manifest.h"
#include "tar_maker.h"

#define STORE_OPTIONS(place) .loop = &(place)->loop, .dir = (place)->store_dir, .pull_inactivity_s = 2

struct place {
        char dir[64], layout[96], store_dir[96];
        uv_loop_t loop;
        struct image_store *store;
        uint16_t port; /* of the registry; 0: not started */
        pid_t registry;
};

struct waiter {
        struct image_pull pull;
        struct place *place;
        bool done;
        int status;
        struct image *image;
        bool from_cache;
        struct error error;
        struct image **drop; /* given back in the callback */
};

/* ---- making layouts ---- */

static void write_blob(struct place *place, const void *data, size_t len, char digest[DIGEST_TEXT_MAX])
{
        CLEANUP_FREE char *path = NULL;

        digest_bytes(data, len, digest);
        path = xprintf("%s/blobs/sha256/%s", place->layout, digest_hex(digest));
        assert_int_equal(files_write(AT_FDCWD, path, data, len, 0644, false), 0);
}

/* One layer with one file; returns its diff id, and its blob's digest and size. */
static size_t write_layer(struct place *place, const char *name, const char *contents, char diff_id[DIGEST_TEXT_MAX],
                          char blob[DIGEST_TEXT_MAX])
{
        const struct tar_entry entries[] = {{"etc/", 'd'}, {name, .contents = contents}};
        const char filters[] = {0, 'g'};
        size_t len = 0;

        for (size_t i = 0; i < 2; i++) {
                CLEANUP_BUF struct buf bytes = {0};
                CLEANUP_CLOSE int fd = tar_make(entries, 2, filters[i]);
                char path[64];

                snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                assert_int_equal(buf_read_file(&bytes, path, 64 << 20), 0);
                if (i == 0) {
                        digest_bytes(bytes.data, bytes.len, diff_id);
                } else {
                        write_blob(place, bytes.data, bytes.len, blob);
                        len = bytes.len;
                }
        }
        return len;
}

/* An image of two layers, the first always the same. Replaces index.json; `digest` is the manifest's. */
static void write_image(struct place *place, const char *reference, const char *text, char digest[DIGEST_TEXT_MAX])
{
        char diffs[2][DIGEST_TEXT_MAX], blobs[2][DIGEST_TEXT_MAX], config_digest[DIGEST_TEXT_MAX];
        CLEANUP_BUF struct buf config = {0}, manifest = {0}, index = {0};
        size_t sizes[2];
        CLEANUP_FREE char *path = xprintf("%s/index.json", place->layout);

        sizes[0] = write_layer(place, "etc/base", "the base", diffs[0], blobs[0]);
        sizes[1] = write_layer(place, "etc/top", text, diffs[1], blobs[1]);
        buf_printf(&config,
                   "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"sh\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":["
                   "\"%s\",\"%s\"]}}",
                   image_architecture(), diffs[0], diffs[1]);
        write_blob(place, config.data, config.len, config_digest);
        buf_printf(&manifest,
                   "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
                   "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[",
                   config_digest, config.len);
        for (size_t i = 0; i < 2; i++)
                buf_printf(&manifest, "%s{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"%s\",\"size\":%zu}",
                           i > 0 ? "," : "", blobs[i], sizes[i]);
        buf_append_str(&manifest, "]}");
        write_blob(place, manifest.data, manifest.len, digest);
        buf_printf(&index,
                   "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/"
                   "vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":%zu,"
                   "\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s\"}}]}",
                   digest, manifest.len, reference);
        assert_int_equal(files_write(AT_FDCWD, path, index.data, index.len, 0644, false), 0);
}

/* ---- running ---- */

static void open_store(struct place *place, const struct image_store_options *options)
{
        struct error error = {0};
        int r = image_store_new(options, &place->store, &error);

        if (r < 0)
                print_error("%s\n", error.message);
        assert_int_equal(r, 0);
}

static void close_store(struct place *place)
{
        place->store = image_store_free(place->store);
        uv_run(&place->loop, UV_RUN_DEFAULT);
}

static int set_up(void **state)
{
        struct place *place = calloc(1, sizeof(*place));
        char path[128];

        strcpy(place->dir, "/tmp/test_image.XXXXXX");
        assert_non_null(mkdtemp(place->dir));
        snprintf(place->layout, sizeof(place->layout), "%s/layout", place->dir);
        snprintf(place->store_dir, sizeof(place->store_dir), "%s/store", place->dir);
        snprintf(path, sizeof(path), "%s/blobs/sha256", place->layout);
        assert_int_equal(files_make_dirs(path, 0755), 0);
        snprintf(path, sizeof(path), "%s/oci-layout", place->layout);
        assert_int_equal(files_write(AT_FDCWD, path, "{\"imageLayoutVersion\":\"1.0.0\"}", 30, 0644, false), 0);
        uv_loop_init(&place->loop);
        open_store(place, &(struct image_store_options){STORE_OPTIONS(place)});
        *state = place;
        return 0;
}

static int tear_down(void **state)
{
        struct place *place = *state;

        close_store(place);
        if (place->registry > 0) {
                kill(place->registry, SIGKILL);
                waitpid(place->registry, NULL, 0);
        }
        assert_int_equal(uv_loop_close(&place->loop), 0);
        assert_int_equal(files_remove(AT_FDCWD, place->dir), 0);
        free(place);
        return 0;
}

static void on_done(struct image_pull *pull, const struct image_pull_result *result)
{
        struct waiter *waiter = CONTAINER_OF(pull, struct waiter, pull);

        assert_false(waiter->done);
        waiter->done = true;
        waiter->status = result->status;
        waiter->image = result->image;
        waiter->from_cache = result->from_cache;
        if (result->error != NULL)
                waiter->error = *result->error;
}

static void start(struct place *place, struct waiter *waiter, const char *name, enum image_pull_behavior behavior)
{
        *waiter = (struct waiter){.place = place, .pull = {.name = name, .behavior = behavior, .done = on_done}};
        image_pull_start(place->store, &waiter->pull);
        assert_false(waiter->done);
}

static void finish(struct waiter *waiter)
{
        while (!waiter->done)
                uv_run(&waiter->place->loop, UV_RUN_ONCE);
}

static struct waiter pull(struct place *place, const char *name, enum image_pull_behavior behavior)
{
        struct waiter waiter;

        start(place, &waiter, name, behavior);
        finish(&waiter);
        if (waiter.status < 0)
                print_message("   %s: %s\n", waiter.error.code, waiter.error.message);
        return waiter;
}

static void check_file(const struct image *image, uint32_t layer, const char *name, const char *expected)
{
        CLEANUP_BUF struct buf text = {0};
        CLEANUP_FREE char *path = xprintf("%s/%s", image->layers[layer], name);

        assert_int_equal(buf_read_file(&text, path, 4096), 0);
        assert_string_equal(text.data, expected);
}

static int count(const char *entry, void *data)
{
        (void)entry;
        ++*(int *)data;
        return 0;
}

static int entries_of(struct place *place, const char *folder)
{
        CLEANUP_FREE char *path = xprintf("%s/%s", place->store_dir, folder);
        int n = 0;

        assert_int_equal(files_each(AT_FDCWD, path, count, &n), 0);
        return n;
}

static const char *layout_name(struct place *place, char name[160])
{
        snprintf(name, 160, "oci:%s:web", place->layout);
        return name;
}

/* ---- layouts ---- */

static void test_layout(void **state)
{
        struct place *place = *state;
        char name[160], digest[DIGEST_TEXT_MAX], second[DIGEST_TEXT_MAX];
        struct waiter w;
        struct image *old, *found;

        write_image(place, "web", "one", digest);
        w = pull(place, layout_name(place, name), IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, 0);
        assert_string_equal(w.image->digest, digest);
        assert_int_equal(w.image->n_layers, 2);
        check_file(w.image, 0, "etc/base", "the base");
        check_file(w.image, 1, "etc/top", "one");
        assert_string_equal(w.image->config->config->cmd.items[0], "sh");
        assert_false(w.from_cache);
        old = w.image;

        /* The name stands for something else now: the old image is as it was, the shared layer is not unpacked twice. */
        write_image(place, "web", "two", second);
        w = pull(place, name, IMAGE_PULL_PREFER_CACHED);
        assert_int_equal(w.status, 0);
        assert_ptr_equal(w.image, old);
        assert_true(w.from_cache);
        image_unref(w.image);
        w = pull(place, name, IMAGE_PULL_ONCE);
        assert_ptr_equal(w.image, old);
        image_unref(w.image);
        w = pull(place, name, IMAGE_PULL_DEFAULT);
        assert_string_equal(w.image->digest, second);
        check_file(w.image, 1, "etc/top", "two");
        check_file(old, 1, "etc/top", "one");
        assert_string_equal(w.image->layers[0], old->layers[0]);
        assert_int_equal(entries_of(place, "layers"), 3);
        image_unref(w.image);

        found = image_store_find(place->store, digest);
        assert_ptr_equal(found, old);
        image_unref(found);
        found = image_store_find(place->store, old->id);
        assert_ptr_equal(found, old);
        image_unref(found);
        image_unref(old);
        assert_null(image_store_find(place->store, "nothing"));
}

static ino_t record_file(struct place *place, const char *digest)
{
        CLEANUP_FREE char *path = xprintf("%s/images/%s.json", place->store_dir, digest_hex(digest));
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return st.st_ino;
}

/* To start what is here already, again and again, does not write: only that it has another name now is news. */
static void test_pulled_again(void **state)
{
        struct place *place = *state;
        char name[160], digest[DIGEST_TEXT_MAX];
        struct waiter w;
        ino_t before;

        write_image(place, "web", "one", digest);
        image_unref(pull(place, layout_name(place, name), IMAGE_PULL_DEFAULT).image);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        before = record_file(place, digest);
        for (int i = 0; i < 3; i++) {
                image_unref(pull(place, name, IMAGE_PULL_DEFAULT).image);
                uv_run(&place->loop, UV_RUN_DEFAULT);
        }
        assert_int_equal(record_file(place, digest), before);
        write_image(place, "again", "one", digest);
        snprintf(name, sizeof(name), "oci:%s:again", place->layout);
        image_unref(pull(place, name, IMAGE_PULL_DEFAULT).image);
        close_store(place);
        open_store(place, &(struct image_store_options){STORE_OPTIONS(place)});
        w = pull(place, name, IMAGE_PULL_PREFER_CACHED);
        assert_int_equal(w.status, 0);
        assert_true(w.from_cache);
        image_unref(w.image);
        /* Its first use since the start is written down. */
        before = record_file(place, digest);
        image_unref(pull(place, name, IMAGE_PULL_DEFAULT).image);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        assert_true(record_file(place, digest) != before);
}

static void test_restart(void **state)
{
        struct place *place = *state;
        char name[160], digest[DIGEST_TEXT_MAX];
        struct waiter w;
        CLEANUP_FREE char *junk = xprintf("%s/staging/99/x", place->store_dir);
        CLEANUP_FREE char *orphan =
                xprintf("%s/layers/sha256-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/fs", place->store_dir);
        struct image_store *other;
        struct error error = {0};

        write_image(place, "web", "one", digest);
        w = pull(place, layout_name(place, name), IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, 0);
        image_store_tag(place->store, w.image, "example/extra:1");
        image_unref(w.image);
        assert_int_equal(image_store_new(&(struct image_store_options){STORE_OPTIONS(place)}, &other, &error), -EBUSY);
        close_store(place);

        assert_int_equal(files_make_dirs(junk, 0755), 0);
        assert_int_equal(files_make_dirs(orphan, 0755), 0);
        open_store(place, &(struct image_store_options){STORE_OPTIONS(place)});
        assert_int_equal(entries_of(place, "layers"), 2);
        assert_int_equal(entries_of(place, "staging"), 0);
        w = pull(place, name, IMAGE_PULL_PREFER_CACHED);
        assert_int_equal(w.status, 0);
        assert_true(w.from_cache);
        assert_string_equal(w.image->digest, digest);
        check_file(w.image, 1, "etc/top", "one");
        image_unref(w.image);
        w = pull(place, "example/extra:1", IMAGE_PULL_PREFER_CACHED);
        assert_int_equal(w.status, 0);
        image_unref(w.image);
        /* "once" asks, because this name was never pulled; the registry does not exist. */
        assert_int_equal(image_store_untag(place->store, "example/extra:1"), 0);
        assert_int_equal(image_store_untag(place->store, "example/extra:1"), -ENOENT);
        assert_int_equal(image_store_untag(place->store, name), 0);
        close_store(place);
        assert_int_equal(entries_of(place, "images"), 0);
        open_store(place, &(struct image_store_options){STORE_OPTIONS(place)});
        assert_int_equal(entries_of(place, "layers"), 0);
        assert_int_equal(entries_of(place, "l"), 0);
}

static void test_layout_failures(void **state)
{
        struct place *place = *state;
        char name[160], digest[DIGEST_TEXT_MAX];
        CLEANUP_FREE char *nowhere = xprintf("oci:%s/nowhere", place->dir);
        CLEANUP_FREE char *no_reference = xprintf("oci:%s:other", place->layout);
        CLEANUP_FREE char *blobs = xprintf("%s/blobs/sha256", place->layout);
        struct waiter w;

        w = pull(place, nowhere, IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, -ENOENT);
        assert_string_equal(w.error.code, "CannotPullContainerError");
        assert_non_null(strstr(w.error.message, "nowhere"));
        w = pull(place, "Not A Name", IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, -EINVAL);
        write_image(place, "web", "one", digest);
        w = pull(place, no_reference, IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, -ENOENT);
        assert_non_null(strstr(w.error.message, "manifest unknown"));
        /* Every blob of the layout is damaged at its end: a layer does not have its digest. */
        {
                CLEANUP_ARENA struct arena arena = {0};
                CLEANUP_BUF struct buf text = {0};
                CLEANUP_FREE char *manifest_path = xprintf("%s/%s", blobs, digest_hex(digest));
                CLEANUP_FREE char *blob_path = NULL;
                CLEANUP_CLOSE int fd = -1;
                struct image_manifest manifest;

                assert_int_equal(buf_read_file(&text, manifest_path, 1 << 20), 0);
                assert_int_equal(image_manifest_parse(text.data, text.len, &arena, &manifest, NULL), 0);
                blob_path = xprintf("%s/%s", blobs, digest_hex(manifest.image->layers.items[1].digest));
                fd = open(blob_path, O_WRONLY | O_APPEND);
                assert_int_equal(write(fd, "x", 1), 1);
        }
        w = pull(place, layout_name(place, name), IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, -EBADMSG);
        assert_int_equal(entries_of(place, "images"), 0);
        /* A later pull finds a clean place. */
        write_image(place, "web", "good again", digest);
        w = pull(place, name, IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, 0);
        image_unref(w.image);
}

static void test_many_at_once(void **state)
{
        struct place *place = *state;
        char name[160], digest[DIGEST_TEXT_MAX];
        struct waiter w[8];

        write_image(place, "web", "one", digest);
        layout_name(place, name);
        for (size_t i = 0; i < ARRAY_SIZE(w); i++)
                start(place, &w[i], name, IMAGE_PULL_DEFAULT);
        image_pull_cancel(&w[0].pull);
        image_pull_cancel(&w[5].pull);
        for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
                if (i == 0 || i == 5)
                        continue;
                finish(&w[i]);
                assert_int_equal(w[i].status, 0);
                assert_ptr_equal(w[i].image, w[1].image);
        }
        for (size_t i = 0; i < ARRAY_SIZE(w); i++)
                image_unref(w[i].image);
        assert_false(w[0].done);
        assert_false(w[5].done);
        /* Cancelled answers and cancelled jobs leave nothing behind. */
        start(place, &w[0], name, IMAGE_PULL_PREFER_CACHED);
        image_pull_cancel(&w[0].pull);
        start(place, &w[1], "oci:/nowhere/at/all", IMAGE_PULL_DEFAULT);
        image_pull_cancel(&w[1].pull);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        assert_false(w[0].done || w[1].done);
        assert_int_equal(entries_of(place, "staging"), 0);
        /* What is under way when the store is freed is told so. */
        start(place, &w[2], "oci:/nowhere/at/all", IMAGE_PULL_DEFAULT);
        start(place, &w[3], "oci:/nowhere/at/all2", IMAGE_PULL_DEFAULT);
        start(place, &w[4], "oci:/nowhere/at/all3", IMAGE_PULL_DEFAULT);
        start(place, &w[5], "oci:/nowhere/at/all4", IMAGE_PULL_DEFAULT);
        close_store(place);
        for (size_t i = 2; i < 6; i++) {
                assert_true(w[i].done);
                assert_int_equal(w[i].status, -ECANCELED);
        }
}

static void on_nothing(uv_timer_t *timer)
{
        (void)timer;
}

static void test_reclaim(void **state)
{
        struct place *place = *state;
        char name[160], digest[DIGEST_TEXT_MAX], second[DIGEST_TEXT_MAX];
        struct image_store_totals totals;
        struct waiter used, w;

        write_image(place, "web", "one", digest);
        used = pull(place, layout_name(place, name), IMAGE_PULL_DEFAULT);
        write_image(place, "web", "two", second);
        w = pull(place, name, IMAGE_PULL_DEFAULT);
        image_unref(w.image);
        image_store_totals(place->store, &totals);
        assert_int_equal(totals.images, 2);
        assert_int_equal(totals.layers, 3);
        image_store_reclaim(place->store, UINT64_MAX / 2);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        image_store_totals(place->store, &totals);
        /* The one in use stays, with the layer that both had. */
        assert_int_equal(totals.images, 1);
        assert_int_equal(totals.layers, 2);
        check_file(used.image, 0, "etc/base", "the base");
        assert_int_equal(entries_of(place, "layers"), 2);
        image_unref(used.image);
        image_store_reclaim(place->store, UINT64_MAX / 2);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        assert_int_equal(entries_of(place, "layers"), 0);
        assert_int_equal(entries_of(place, "images"), 0);
}

/* The disk is always fuller than one percent: what is not used and old enough goes, by itself. */
static void test_collection(void **state)
{
        struct place *place = *state;
        char name[160], digest[DIGEST_TEXT_MAX];
        struct image_store_totals totals;
        struct waiter w;
        uv_timer_t timer;

        close_store(place);
        open_store(place, &(struct image_store_options){STORE_OPTIONS(place), .disk_high_percent = 1, .disk_low_percent = 1,
                                                        .minimum_age_s = 1, .gc_interval_s = 1});
        write_image(place, "web", "one", digest);
        w = pull(place, layout_name(place, name), IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, 0);
        uv_timer_init(&place->loop, &timer);
        uv_timer_start(&timer, on_nothing, 100, 100);
        for (int i = 0; i < 25; i++)
                uv_run(&place->loop, UV_RUN_ONCE);
        image_store_totals(place->store, &totals);
        assert_int_equal(totals.images, 1);
        image_unref(w.image);
        for (int i = 0; i < 60 && totals.images > 0; i++) {
                uv_run(&place->loop, UV_RUN_ONCE);
                image_store_totals(place->store, &totals);
        }
        assert_int_equal(totals.images, 0);
        assert_int_equal(totals.layers, 0);
        uv_close((uv_handle_t *)&timer, NULL);
        uv_run(&place->loop, UV_RUN_DEFAULT);
}

/* ---- a registry ---- */

static uint16_t free_port(int *ret_fd)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
        *ret_fd = fd;
        return ntohs(address.sin_port);
}

static bool answers(uint16_t port)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
        CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static void run(const char *command)
{
        int status = system(command);

        if (status != 0)
                print_error("failed: %s\n", command);
        assert_int_equal(status, 0);
}

static bool have(const char *program)
{
        CLEANUP_FREE char *command = xprintf("command -v %s >/dev/null 2>&1", program);

        return system(command) == 0;
}

/* `auth`: also ask for the login user/secret (bcrypt of "secret"). */
static void start_registry(struct place *place, bool auth)
{
        CLEANUP_FREE char *config_path = xprintf("%s/registry.yml", place->dir);
        CLEANUP_BUF struct buf config = {0};
        int fd;

        if (!have("docker-registry") || !have("skopeo"))
                skip();
        place->port = free_port(&fd);
        close(fd);
        buf_printf(&config, "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s/registry\nhttp:\n  addr: 127.0.0.1:%u\n",
                   place->dir, place->port);
        if (auth) {
                CLEANUP_FREE char *passwords = xprintf("%s/htpasswd", place->dir);
                static const char line[] = "user:$2b$04$GhRX0z0qqpAmvek0bIJ4vOM9LFZWdo13ynUI3tHUxrLgQAyHBZ/Sa\n";

                assert_int_equal(files_write(AT_FDCWD, passwords, line, strlen(line), 0600, false), 0);
                buf_printf(&config, "auth:\n  htpasswd:\n    realm: test\n    path: %s\n", passwords);
        }
        assert_int_equal(files_write(AT_FDCWD, config_path, config.data, config.len, 0600, false), 0);
        place->registry = fork();
        if (place->registry == 0) {
                int null = open("/dev/null", O_RDWR);

                dup2(null, 1);
                dup2(null, 2);
                execlp("docker-registry", "docker-registry", "serve", config_path, NULL);
                _exit(127);
        }
        for (int i = 0; i < 200 && !answers(place->port); i++)
                usleep(25000);
}

static void push(struct place *place, const char *format, const char *name)
{
        CLEANUP_FREE char *command =
                xprintf("skopeo copy -q --insecure-policy --dest-tls-verify=false -f %s oci:%s:web docker://127.0.0.1:%u/%s", format,
                        place->layout, place->port, name);

        run(command);
}

static void test_registry(void **state)
{
        struct place *place = *state;
        char digest[DIGEST_TEXT_MAX], second[DIGEST_TEXT_MAX];
        CLEANUP_FREE char *name = NULL, *pinned = NULL, *docker = NULL;
        struct waiter w, first;

        start_registry(place, false);
        write_image(place, "web", "one", digest);
        push(place, "oci", "team/web:1");
        name = xprintf("127.0.0.1:%u/team/web:1", place->port);
        first = pull(place, name, IMAGE_PULL_DEFAULT);
        assert_int_equal(first.status, 0);
        assert_string_equal(first.image->digest, digest);
        check_file(first.image, 0, "etc/base", "the base");
        check_file(first.image, 1, "etc/top", "one");

        /* The tag moves: only the layer that is new is fetched. */
        write_image(place, "web", "two", second);
        push(place, "oci", "team/web:1");
        w = pull(place, name, IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, 0);
        assert_string_equal(w.image->digest, second);
        check_file(w.image, 1, "etc/top", "two");
        assert_int_equal(entries_of(place, "layers"), 3);
        image_unref(w.image);
        pinned = xprintf("127.0.0.1:%u/team/web@%s", place->port, digest);
        w = pull(place, pinned, IMAGE_PULL_ALWAYS);
        assert_int_equal(w.status, 0);
        assert_ptr_equal(w.image, first.image);
        image_unref(w.image);

        /* The same as Docker's manifest: another digest, the same layers, the same id. */
        push(place, "v2s2", "team/web:docker");
        docker = xprintf("127.0.0.1:%u/team/web:docker", place->port);
        w = pull(place, docker, IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, 0);
        assert_string_not_equal(w.image->digest, second);
        check_file(w.image, 1, "etc/top", "two");
        assert_int_equal(entries_of(place, "layers"), 3);
        image_unref(w.image);

        /* The registry goes away: the default is content with what is here, "always" is not. */
        kill(place->registry, SIGKILL);
        waitpid(place->registry, NULL, 0);
        place->registry = 0;
        w = pull(place, name, IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, 0);
        assert_string_equal(w.image->digest, second);
        assert_true(w.from_cache);
        image_unref(w.image);
        w = pull(place, name, IMAGE_PULL_ALWAYS);
        assert_int_equal(w.status, -ECONNREFUSED);
        assert_string_equal(w.error.code, "CannotPullImageManifestError");
        image_unref(first.image);
}

static void test_registry_failures(void **state)
{
        struct place *place = *state;
        char digest[DIGEST_TEXT_MAX];
        CLEANUP_FREE char *missing = NULL, *private = NULL, *data = NULL, *push_private = NULL;
        struct waiter w;

        start_registry(place, true);
        write_image(place, "web", "one", digest);
        push_private = xprintf("skopeo copy -q --insecure-policy --dest-tls-verify=false --dest-creds user:secret oci:%s:web "
                               "docker://127.0.0.1:%u/private:1",
                               place->layout, place->port);
        if (system(push_private) != 0)
                skip();
        private = xprintf("127.0.0.1:%u/private:1", place->port);
        missing = xprintf("127.0.0.1:%u/private:2", place->port);
        w = pull(place, private, IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, -EACCES);
        assert_string_equal(w.error.code, "CannotPullContainerAuthError");

        /* A login for this pull; then one of the node. */
        w = (struct waiter){.place = place, .pull = {.name = missing, .username = "user", .password = "secret", .done = on_done}};
        image_pull_start(place->store, &w.pull);
        finish(&w);
        assert_int_equal(w.status, -ENOENT);
        assert_string_equal(w.error.code, "CannotPullContainerError");
        assert_non_null(strstr(w.error.message, "check the image's name"));
        w = (struct waiter){.place = place, .pull = {.name = private, .username = "user", .password = "secret", .done = on_done}};
        image_pull_start(place->store, &w.pull);
        finish(&w);
        assert_int_equal(w.status, 0);
        image_unref(w.image);
        close_store(place);
        data = xprintf("{\"http://127.0.0.1:%u\":{\"username\":\"user\",\"password\":\"secret\",\"email\":\"x\"}}", place->port);
        open_store(place, &(struct image_store_options){STORE_OPTIONS(place), .auth_type = "docker", .auth_data = data});
        w = pull(place, private, IMAGE_PULL_ALWAYS);
        assert_int_equal(w.status, 0);
        image_unref(w.image);
        assert_int_equal(entries_of(place, "staging"), 0);
}

/* A name of a registry that does not exist, answered by a mirror. */
static void test_mirror(void **state)
{
        struct place *place = *state;
        char digest[DIGEST_TEXT_MAX];
        CLEANUP_FREE char *location = NULL;
        struct waiter w;

        start_registry(place, false);
        write_image(place, "web", "mirrored", digest);
        push(place, "oci", "hub/team/web:1");
        location = xprintf("127.0.0.1:%u/hub", place->port);
        close_store(place);
        open_store(place, &(struct image_store_options){STORE_OPTIONS(place),
                                                        .mirrors = &(struct image_mirror){"registry.invalid", location}, .n_mirrors = 1});
        w = pull(place, "registry.invalid/team/web:1", IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, 0);
        assert_string_equal(w.image->digest, digest);
        check_file(w.image, 1, "etc/top", "mirrored");
        image_unref(w.image);
}

/* A disk that is too small: the reason says so, and the space is free again at once. */
static void test_disk_full(void **state)
{
        struct place *place = *state;
        CLEANUP_FREE char *text = xalloc(3 << 20), *mount_command = NULL, *umount_command = NULL, *small = NULL;
        char name[160], digest[DIGEST_TEXT_MAX];
        uint64_t bytes_free;
        uint32_t percent;
        struct waiter w;

        if (geteuid() != 0)
                skip();
        memset(text, 'x', (3 << 20) - 1);
        write_image(place, "web", text, digest);
        close_store(place);
        small = xprintf("%s/small", place->dir);
        mount_command = xprintf("mkdir %s && mount -t tmpfs -o size=2m tmpfs %s", small, small);
        umount_command = xprintf("umount %s", small);
        if (system(mount_command) != 0)
                skip();
        open_store(place, &(struct image_store_options){.loop = &place->loop, .dir = small});
        w = pull(place, layout_name(place, name), IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, -ENOSPC);
        assert_string_equal(w.error.code, "CannotPullContainerError");
        assert_non_null(strstr(w.error.message, "no space left"));
        close_store(place);
        assert_int_equal(files_disk(small, &percent, &bytes_free), 0);
        assert_true(bytes_free > 1800 << 10);
        run(umount_command);
        open_store(place, &(struct image_store_options){STORE_OPTIONS(place)});
}

/* Two images that share a layer, pulled at the same time: it is fetched and unpacked once, by one of them. */
static void test_shared_at_once(void **state)
{
        struct place *place = *state;
        char first[DIGEST_TEXT_MAX], second[DIGEST_TEXT_MAX];
        CLEANUP_FREE char *one = NULL, *two = NULL;
        struct waiter a, b;

        start_registry(place, false);
        write_image(place, "web", "one", first);
        push(place, "oci", "team/one:1");
        write_image(place, "web", "two", second);
        push(place, "oci", "team/two:1");
        one = xprintf("127.0.0.1:%u/team/one:1", place->port);
        two = xprintf("127.0.0.1:%u/team/two:1", place->port);
        start(place, &a, one, IMAGE_PULL_DEFAULT);
        start(place, &b, two, IMAGE_PULL_DEFAULT);
        finish(&a);
        finish(&b);
        assert_int_equal(a.status, 0);
        assert_int_equal(b.status, 0);
        assert_string_equal(a.image->layers[0], b.image->layers[0]);
        check_file(a.image, 1, "etc/top", "one");
        check_file(b.image, 1, "etc/top", "two");
        image_unref(a.image);
        image_unref(b.image);
        /* The one that is fetching is given up: the other does it itself. */
        assert_int_equal(image_store_untag(place->store, one), 0);
        assert_int_equal(image_store_untag(place->store, two), 0);
        start(place, &a, one, IMAGE_PULL_DEFAULT);
        start(place, &b, two, IMAGE_PULL_DEFAULT);
        for (int i = 0; i < 40; i++)
                uv_run(&place->loop, UV_RUN_ONCE);
        image_pull_cancel(&a.pull);
        if (a.done) /* it was quicker than the loop above */
                image_unref(a.image);
        finish(&b);
        assert_int_equal(b.status, 0);
        check_file(b.image, 0, "etc/base", "the base");
        image_unref(b.image);
        close_store(place);
        assert_int_equal(entries_of(place, "staging"), 0);
        open_store(place, &(struct image_store_options){STORE_OPTIONS(place)});
}

/* A "registry" that takes connections and never says a word must not hold up other pulls, nor its own for ever. */
static void test_hanging_registry(void **state)
{
        struct place *place = *state;
        char name[160], digest[DIGEST_TEXT_MAX];
        CLEANUP_CLOSE int silent = -1;
        CLEANUP_FREE char *hanging = NULL;
        struct waiter stuck, w;

        if (!have("skopeo"))
                skip();
        hanging = xprintf("127.0.0.1:%u/app:1", free_port(&silent));
        assert_int_equal(listen(silent, 16), 0);
        start(place, &stuck, hanging, IMAGE_PULL_DEFAULT);
        write_image(place, "web", "one", digest);
        w = pull(place, layout_name(place, name), IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, 0);
        image_unref(w.image);
        assert_false(stuck.done);
        finish(&stuck);
        assert_int_equal(stuck.status, -ETIMEDOUT);
        assert_string_equal(stuck.error.code, "CannotPullImageManifestError");
        assert_non_null(strstr(stuck.error.message, "nothing came from"));
}

static void test_archive(void **state)
{
        struct place *place = *state;
        char digest[DIGEST_TEXT_MAX];
        CLEANUP_FREE char *command = NULL, *name = NULL, *missing = xprintf("docker-archive:%s/missing.tar", place->dir);
        struct waiter w;

        if (!have("skopeo"))
                skip();
        write_image(place, "web", "one", digest);
        command = xprintf("skopeo copy -q --insecure-policy oci:%s:web docker-archive:%s/web.tar:team/web:1", place->layout, place->dir);
        run(command);
        name = xprintf("docker-archive:%s/web.tar", place->dir);
        w = pull(place, name, IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, 0);
        check_file(w.image, 1, "etc/top", "one");
        image_unref(w.image);
        w = pull(place, missing, IMAGE_PULL_DEFAULT);
        assert_int_equal(w.status, -ENOENT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_layout, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_restart, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_pulled_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_layout_failures, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_many_at_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_reclaim, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_collection, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_registry, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_registry_failures, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_mirror, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_shared_at_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_disk_full, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_hanging_registry, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_archive, set_up, tear_down),
        };

        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
