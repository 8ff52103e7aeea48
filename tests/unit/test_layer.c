/* SPDX-License-Identifier: Apache-2.0 */
/* Layers: what a tar says is what is on the disk, in overlayfs's terms, and nothing outside is ever touched. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/files.h"
#include "base/strutil.h"
#include "image/layer.h"
#include "tar_maker.h"

/* Every test has a directory with "root", where the layer goes, and "outside", where nothing may change. */
struct place {
        char dir[64];
        int fd, root;
};

static int set_up(void **state)
{
        struct place *place = calloc(1, sizeof(*place));
        int fd;

        strcpy(place->dir, "/tmp/test_layer.XXXXXX");
        if (mkdtemp(place->dir) == NULL)
                return -1;
        place->fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        mkdirat(place->fd, "root", 0755);
        mkdirat(place->fd, "outside", 0755);
        fd = openat(place->fd, "outside/secret", O_CREAT | O_WRONLY, 0600);
        if (write(fd, "secret", 6) != 6)
                return -1;
        close(fd);
        place->root = openat(place->fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *state = place;
        return 0;
}

static int count_entry(const char *entry, void *data)
{
        (void)entry;
        ++*(int *)data;
        return 0;
}

static int tear_down(void **state)
{
        struct place *place = *state;
        char contents[16] = "";
        int n = 0;
        int fd = openat(place->fd, "outside/secret", O_RDONLY);
        struct stat st;

        /* The world outside is as it was. */
        assert_int_equal(read(fd, contents, sizeof(contents)), 6);
        assert_string_equal(contents, "secret");
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_nlink, 1);
        assert_int_equal(st.st_mode & 07777, 0600);
        close(fd);
        assert_int_equal(files_each(place->fd, "outside", count_entry, &n), 0);
        assert_int_equal(n, 1);
        n = 0;
        assert_int_equal(files_each(place->fd, ".", count_entry, &n), 0);
        assert_int_equal(n, 2);
        close(place->root);
        close(place->fd);
        assert_int_equal(files_remove(AT_FDCWD, place->dir), 0);
        free(place);
        return 0;
}

static int unpack(struct place *place, const struct tar_entry *entries, size_t n, char filter, struct error *error)
{
        int blob = tar_make(entries, n, filter);
        struct layer_unpack layer = {.blob = blob, .root = place->root, .ignore_owner = geteuid() != 0};
        int r = layer_unpack(&layer, error);

        close(blob);
        return r;
}

#define UNPACK(place, filter, error, ...)                                     \
        ({                                                                    \
                const struct tar_entry entries_[] = {__VA_ARGS__};            \
                unpack(place, entries_, ARRAY_SIZE(entries_), filter, error); \
        })

static void check_contents(struct place *place, const char *path, const char *expected)
{
        char contents[256] = "";
        int fd = openat(place->root, path, O_RDONLY | O_NOFOLLOW);

        assert_true(fd >= 0);
        assert_true(read(fd, contents, sizeof(contents) - 1) >= 0);
        assert_string_equal(contents, expected);
        close(fd);
}

static struct stat stat_of(struct place *place, const char *path)
{
        struct stat st = {0};

        assert_int_equal(fstatat(place->root, path, &st, AT_SYMLINK_NOFOLLOW), 0);
        return st;
}

static bool is_opaque(struct place *place, const char *path)
{
        int fd = openat(place->root, path, O_RDONLY | O_DIRECTORY);
        char value[4] = "";
        ssize_t n = fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value));

        close(fd);
        return n == 1 && value[0] == 'y';
}

static void test_ordinary(void **state)
{
        struct place *place = *state;
        static const char filters[] = {0, 'g', 'z'};

        for (size_t i = 0; i < sizeof(filters); i++) {
                struct error error = {0};
                struct stat st;
                char target[64] = "";

                assert_int_equal(UNPACK(place, filters[i], &error, {"./", 'd', .mode = 0755}, {"./etc/", 'd', .mode = 0750, .mtime = 1111},
                                        {"./etc/passwd", .contents = "root:x:0:0", .mode = 04755, .uid = 12, .gid = 34, .mtime = 2222},
                                        {"usr/lib/deep/file", .contents = "made its parents"}, {"etc/link", 'l', .target = "/etc/passwd"},
                                        {"etc/hard", 'h', .target = "./etc/passwd"}, {"run/fifo", 'p'},
                                        {"dev/null", 'c', .major = 1, .minor = 3, .mode = 0666}),
                                 0);
                check_contents(place, "etc/passwd", "root:x:0:0");
                check_contents(place, "usr/lib/deep/file", "made its parents");
                st = stat_of(place, "etc/passwd");
                assert_int_equal(st.st_mode, S_IFREG | 04755);
                assert_int_equal(st.st_mtime, 2222);
                assert_int_equal(st.st_nlink, 2);
                if (geteuid() == 0) {
                        assert_int_equal(st.st_uid, 12);
                        assert_int_equal(st.st_gid, 34);
                }
                assert_int_equal(stat_of(place, "etc/hard").st_ino, st.st_ino);
                st = stat_of(place, "etc");
                assert_int_equal(st.st_mode, S_IFDIR | 0750);
                assert_int_equal(st.st_mtime, 1111);
                assert_true(readlinkat(place->root, "etc/link", target, sizeof(target)) > 0);
                assert_string_equal(target, "/etc/passwd");
                assert_true(S_ISFIFO(stat_of(place, "run/fifo").st_mode));
                st = stat_of(place, "dev/null");
                assert_true(S_ISCHR(st.st_mode));
                assert_int_equal(st.st_rdev, makedev(1, 3));
        }
}

static void test_whiteouts(void **state)
{
        struct place *place = *state;
        struct error error = {0};
        struct stat st;

        assert_int_equal(UNPACK(place, 0, &error, {"etc/.wh.gone"}, {"var/cache/.wh..wh..opq"}, {"var/cache/new", .contents = "n"},
                                {"opt/both", .contents = "kept"}, {"opt/.wh.both"}, {"srv/", 'd'}, {"srv/inside", .contents = "i"},
                                {".wh.srv"}, {".wh.back"}, {"back/", 'd'}, {".wh..wh.plnk", 'd'}),
                         0);
        st = stat_of(place, "etc/gone");
        assert_true(S_ISCHR(st.st_mode));
        assert_int_equal(st.st_rdev, 0);
        assert_true(is_opaque(place, "var/cache"));
        check_contents(place, "var/cache/new", "n");
        /* A whiteout hides what is below, not what its own layer brought. */
        check_contents(place, "opt/both", "kept");
        check_contents(place, "srv/inside", "i");
        assert_true(is_opaque(place, "srv"));
        /* A directory that comes after its whiteout starts empty. */
        assert_true(S_ISDIR(stat_of(place, "back").st_mode));
        assert_true(is_opaque(place, "back"));
        assert_int_equal(faccessat(place->root, ".wh..wh.plnk", F_OK, 0), -1);
}

static void test_replacing(void **state)
{
        struct place *place = *state;
        struct error error = {0};

        assert_int_equal(UNPACK(place, 0, &error, {"a", .contents = "file"}, {"a", 'd'}, {"a/x", .contents = "in a directory"},
                                {"b/c/d", .contents = "d"}, {"b", .contents = "a file now"}, {"l", 'l', .target = "a"},
                                {"l/y", .contents = "through a link"}, {"l", 'd'}, {"l/z", .contents = "not through a link"}),
                         0);
        check_contents(place, "a/x", "in a directory");
        check_contents(place, "a/y", "through a link");
        check_contents(place, "b", "a file now");
        check_contents(place, "l/z", "not through a link");
        assert_int_equal(faccessat(place->root, "a/z", F_OK, 0), -1);
}

static void test_attributes(void **state)
{
        struct place *place = *state;
        struct error error = {0};
        char value[64] = "";
        char path[128];

        assert_int_equal(UNPACK(place, 0, &error, {"plain", .contents = "x", .xattr_name = "user.colour", .xattr_value = "blue"},
                                {"steer/", 'd', .xattr_name = "trusted.overlay.redirect", .xattr_value = "/outside"},
                                {"steer2/", 'd', .xattr_name = "user.overlay.opaque", .xattr_value = "y"}),
                         0);
        snprintf(path, sizeof(path), "%s/root/plain", place->dir);
        if (getxattr(path, "user.colour", value, sizeof(value)) >= 0)
                assert_string_equal(value, "blue");
        snprintf(path, sizeof(path), "%s/root/steer", place->dir);
        assert_int_equal(getxattr(path, "trusted.overlay.redirect", value, sizeof(value)), -1);
        snprintf(path, sizeof(path), "%s/root/steer2", place->dir);
        assert_int_equal(getxattr(path, "user.overlay.opaque", value, sizeof(value)), -1);
}

/* File capabilities come through, although changing the owner takes them away. */
static void test_capability(void **state)
{
        struct place *place = *state;
        static const char capability[20] = {1, 0, 0, 2, 0, 0x20}; /* revision 2, effective, cap_net_raw */
        struct error error = {0};
        char path[128], value[32];

        if (geteuid() != 0)
                skip();
        assert_int_equal(UNPACK(place, 0, &error,
                                {"ping", .contents = "x", .uid = 5, .xattr_name = "security.capability", .xattr_value = capability,
                                 .xattr_len = sizeof(capability)}),
                         0);
        snprintf(path, sizeof(path), "%s/root/ping", place->dir);
        assert_int_equal(getxattr(path, "security.capability", value, sizeof(value)), sizeof(capability));
        assert_memory_equal(value, capability, sizeof(capability));
}

static void test_sparse_and_names(void **state)
{
        struct place *place = *state;
        struct error error = {0};
        struct stat st;
        char longest[256];

        memset(longest, 'n', 255);
        longest[255] = '\0';
        assert_int_equal(UNPACK(place, 'g', &error, {"sparse", .contents = "end", .hole = 8 << 20},
                                {"gr\xc3\xbc\xc3\x9f"
                                 "e",
                                 .contents = "utf-8"},
                                {"latin-\xe9", .contents = "not utf-8"}, {longest, .contents = "long"}),
                         0);
        st = stat_of(place, "sparse");
        assert_int_equal(st.st_size, (8 << 20) + 3);
        assert_true(st.st_blocks * 512 < 1 << 20);
        check_contents(place,
                       "gr\xc3\xbc\xc3\x9f"
                       "e",
                       "utf-8");
        check_contents(place, "latin-\xe9", "not utf-8");
        check_contents(place, longest, "long");
}

/* Each of these tries to reach "outside"; it must be refused, or end up inside the root. */
static void test_attacks(void **state)
{
        struct place *place = *state;
        char absolute[128];
        struct error error;
        const char *inside;

        snprintf(absolute, sizeof(absolute), "%s/outside", place->dir);
        inside = absolute + 1;

        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"../outside/evil", .contents = "x"}), -EBADMSG);
        assert_non_null(strstr(error.message, "../outside/evil"));
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"a/../../outside/evil", .contents = "x"}), -EBADMSG);
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"hard", 'h', .target = "../outside/secret"}), -EBADMSG);
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"hard", 'h', .target = absolute}), -EBADMSG);

        /* Links that lead up or are absolute are followed with the layer as the world. */
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"up", 'l', .target = "../outside"}, {"up/evil", .contents = "x"}), -EBADMSG);
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"abs", 'l', .target = absolute}, {"abs/evil", .contents = "x"}), -EBADMSG);
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {inside, 'd'}, {"abs2", 'l', .target = absolute}, {"abs2/evil", .contents = "inside"}),
                         0);
        assert_int_equal(faccessat(place->root, inside, F_OK, 0), 0);
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"root", 'l', .target = "/"}, {"root/.wh.outside"}, {"root/../x", .contents = "x"}),
                         -EBADMSG);
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"abs3", 'l', .target = absolute}, {"hard2", 'h', .target = "abs3/secret"}), -EBADMSG);
        /* A hard link to a symbolic link is a link to the link; writing over it replaces it. */
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"sym", 'l', .target = "../outside/secret"}, {"hl", 'h', .target = "sym"},
                                {"hl", .contents = "over"}, {"sym", .contents = "over"}),
                         0);
        check_contents(place, "hl", "over");
        check_contents(place, "sym", "over");
        /* Owner and mode through a link would change the file outside: tear_down looks. */
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"out", 'l', .target = "../outside", .mode = 0777, .uid = 99},
                                {"out", 'l', .target = "../outside/secret", .mode = 0777}),
                         0);
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"loop", 'l', .target = "loop"}, {"loop/x", .contents = "x"}), -EBADMSG);
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"zero", 'c', .major = 0, .minor = 0}), -EBADMSG);
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {".wh...", .contents = ""}), -EBADMSG);
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"d/", 'd'}, {"h", 'h', .target = "d"}), -EBADMSG);
        error = (struct error){0};
        assert_int_equal(UNPACK(place, 0, &error, {"file", .contents = "x"}, {"file/below", .contents = "x"}), -EBADMSG);
}

static void test_digests(void **state)
{
        struct place *place = *state;
        const struct tar_entry entries[] = {{"a", .contents = "hello"}};
        struct layer_unpack layer = {.root = place->root, .ignore_owner = geteuid() != 0};
        char plain[DIGEST_TEXT_MAX], packed[DIGEST_TEXT_MAX];
        CLEANUP_BUF struct buf bytes = {0};
        struct error error = {0};
        char path[64];

        layer.blob = tar_make(entries, 1, 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", layer.blob);
        assert_int_equal(buf_read_file(&bytes, path, 1 << 20), 0);
        digest_bytes(bytes.data, bytes.len, plain);
        close(layer.blob);

        layer.blob = tar_make(entries, 1, 'g');
        snprintf(path, sizeof(path), "/proc/self/fd/%d", layer.blob);
        buf_clear(&bytes);
        assert_int_equal(buf_read_file(&bytes, path, 1 << 20), 0);
        digest_bytes(bytes.data, bytes.len, packed);
        layer.blob_digest = packed;
        layer.diff_id = plain;
        assert_int_equal(layer_unpack(&layer, &error), 0);
        assert_string_equal(layer.seen_diff_id, plain);

        lseek(layer.blob, 0, SEEK_SET);
        layer.diff_id = packed;
        assert_int_equal(layer_unpack(&layer, &error), -EBADMSG);
        assert_non_null(strstr(error.message, "diff id"));
        error_clear(&error);
        lseek(layer.blob, 0, SEEK_SET);
        layer.diff_id = plain;
        layer.blob_digest = plain;
        assert_int_equal(layer_unpack(&layer, &error), -EBADMSG);
        close(layer.blob);
}

static void test_broken(void **state)
{
        struct place *place = *state;
        const struct tar_entry entries[] = {{"a", .contents = "hello"}, {"big", .contents = "0123456789"}};
        static const volatile bool cancelled = true;
        struct layer_unpack layer = {.root = place->root, .ignore_owner = geteuid() != 0};
        struct error error = {0};

        layer.blob = tar_make(entries, 2, 'g');
        assert_int_equal(ftruncate(layer.blob, 60), 0);
        assert_int_equal(layer_unpack(&layer, &error), -EBADMSG);
        close(layer.blob);
        error_clear(&error);

        layer.blob = tar_make(entries, 2, 0);
        assert_int_equal(ftruncate(layer.blob, 1200), 0);
        assert_int_equal(layer_unpack(&layer, &error), -EBADMSG);
        close(layer.blob);
        error_clear(&error);

        layer.blob = tar_make(entries, 2, 'z');
        layer.max_bytes = 12;
        assert_int_equal(layer_unpack(&layer, &error), -EFBIG);
        close(layer.blob);
        error_clear(&error);

        layer.blob = tar_make(entries, 2, 0);
        layer.max_bytes = 0;
        layer.cancelled = &cancelled;
        assert_int_equal(layer_unpack(&layer, &error), -ECANCELED);
        close(layer.blob);
        error_clear(&error);

        /* Without an entry there is only what is behind the end. */
        layer.blob = tar_make(entries, 0, 'g');
        assert_int_equal(layer_unpack(&layer, &error), -ECANCELED);
        close(layer.blob);
}

/* One directory, again and again, by names that are as long as tar lets them be. */
static void test_names_without_end(void **state)
{
        struct place *place = *state;
        struct tar_entry entries[160];
        CLEANUP_BUF struct buf name = {0};
        struct error error = {0};

        buf_append_str(&name, "d/");
        while (name.len < 900000)
                buf_append_str(&name, "./");
        for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
                entries[i] = (struct tar_entry){name.data, 'd'};
        assert_int_equal(unpack(place, entries, ARRAY_SIZE(entries), 'z', &error), -EFBIG);
        assert_non_null(strstr(error.message, "directories"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_ordinary, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_whiteouts, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_replacing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_attributes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_capability, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_sparse_and_names, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_attacks, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_digests, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_broken, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_names_without_end, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
