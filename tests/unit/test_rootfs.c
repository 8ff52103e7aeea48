/* SPDX-License-Identifier: Apache-2.0 */
/* Files inside a container's root: links lead around in it, never out; volumes are filled as they should be. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/files.h"
#include "runtime/rootfs.h"

struct place {
        char dir[64];
        int fd, root;
};

static void make_file(int at, const char *name, const char *text, mode_t mode)
{
        assert_int_equal(files_write(at, name, text, strlen(text), mode, false), 0);
}

static int set_up(void **state)
{
        struct place *place = calloc(1, sizeof(*place));

        strcpy(place->dir, "/tmp/test_rootfs.XXXXXX");
        assert_non_null(mkdtemp(place->dir));
        place->fd = open(place->dir, O_RDONLY | O_DIRECTORY);
        assert_int_equal(mkdirat(place->fd, "root", 0755), 0);
        place->root = openat(place->fd, "root", O_RDONLY | O_DIRECTORY);
        make_file(place->fd, "secret", "secret", 0600);
        *state = place;
        return 0;
}

static int tear_down(void **state)
{
        struct place *place = *state;

        close(place->root);
        close(place->fd);
        assert_int_equal(files_remove(AT_FDCWD, place->dir), 0);
        free(place);
        return 0;
}

static void test_links(void **state)
{
        struct place *place = *state;
        CLEANUP_BUF struct buf text = {0};
        char out[96];
        int fd;

        snprintf(out, sizeof(out), "%s/secret", place->dir);
        assert_int_equal(symlinkat(out, place->root, "absolute"), 0);
        assert_int_equal(symlinkat("../secret", place->root, "up"), 0);
        assert_int_equal(symlinkat("/", place->root, "top"), 0);
        make_file(place->root, "here", "inside", 0644);
        assert_int_equal(rootfs_read(place->root, "/absolute", 100, &text), -ENOENT);
        assert_int_equal(rootfs_read(place->root, "/up", 100, &text), -ENOENT);
        assert_int_equal(rootfs_read(place->root, "/../../../secret", 100, &text), -ENOENT);
        assert_int_equal(rootfs_read(place->root, "/top/top/here", 100, &text), 0);
        assert_string_equal(text.data, "inside");
        buf_clear(&text);
        assert_int_equal(rootfs_read(place->root, "/here", 3, &text), -EFBIG);

        /* A working directory behind links is made inside. */
        fd = rootfs_make_dir(place->root, "/top/made/deep", getuid(), getgid());
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(faccessat(place->root, "made/deep", F_OK, 0), 0);
        assert_true(rootfs_make_dir(place->root, "/up/x", 0, 0) < 0);
        assert_true(rootfs_make_dir(place->root, "/here/x", 0, 0) < 0);
        assert_int_equal(faccessat(place->fd, "secret/x", F_OK, 0), -1);
        fd = rootfs_make_dir(place->root, "/", 0, 0);
        assert_true(fd >= 0);
        close(fd);
}

static void test_copy_up(void **state)
{
        struct place *place = *state;
        char target[16] = "";
        struct stat st;
        int to;

        assert_int_equal(mkdirat(place->root, "data", 0750), 0);
        assert_int_equal(fchmodat(place->root, "data", 01770, 0), 0);
        assert_int_equal(mkdirat(place->root, "data/sub", 0700), 0);
        make_file(place->root, "data/sub/file", "contents", 0640);
        assert_int_equal(symlinkat("sub/file", place->root, "data/link"), 0);
        assert_int_equal(mkfifoat(place->root, "data/pipe", 0600), 0);
        assert_int_equal(mkdirat(place->fd, "volume", 0700), 0);
        to = openat(place->fd, "volume", O_RDONLY | O_DIRECTORY);
        assert_int_equal(rootfs_copy_up(place->root, "/data", to), 0);
        assert_int_equal(fstat(to, &st), 0);
        assert_int_equal(st.st_mode & 07777, 01770);
        assert_int_equal(fstatat(to, "sub/file", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_int_equal(st.st_size, 8);
        assert_int_equal(readlinkat(to, "link", target, sizeof(target)), 8);
        assert_int_equal(fstatat(to, "pipe", &st, 0), 0);
        assert_true(S_ISFIFO(st.st_mode));
        /* Full already: left as it is. */
        assert_int_equal(unlinkat(to, "link", 0), 0);
        assert_int_equal(rootfs_copy_up(place->root, "/data", to), 0);
        assert_int_equal(faccessat(to, "link", F_OK, AT_SYMLINK_NOFOLLOW), -1);
        assert_int_equal(rootfs_copy_up(place->root, "/not/there", to), 0);
        close(to);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_copy_up, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
