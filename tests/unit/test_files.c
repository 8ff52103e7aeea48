/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what a stranger has filled; replacing a file. */
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

struct place {
        char path[64];
        int fd;
};

static int set_up(void **state)
{
        struct place *place = calloc(1, sizeof(*place));

        strcpy(place->path, "/tmp/test_files.XXXXXX");
        if (mkdtemp(place->path) == NULL)
                return -1;
        place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *state = place;
        return 0;
}

static int tear_down(void **state)
{
        struct place *place = *state;

        close(place->fd);
        assert_int_equal(rmdir(place->path), 0);
        free(place);
        return 0;
}

static void put_file(int at, const char *name)
{
        int fd = openat(at, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        close(fd);
}

/* As a process that makes a directory and changes into it, again and again. */
static void dig(int at, const char *name, int depth)
{
        int here = dup(at);

        for (int i = 0; i < depth; i++) {
                int next;

                assert_int_equal(mkdirat(here, name, 0700), 0);
                next = openat(here, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                put_file(next, "file");
                close(here);
                here = next;
        }
        close(here);
}

static void a_tree_deeper_than_descriptors(void **state)
{
        const struct place *place = *state;
        struct rlimit few = {.rlim_cur = 64, .rlim_max = 64}, before;
        struct stat st;

        assert_int_equal(mkdirat(place->fd, "tree", 0700), 0);
        dig(place->fd, "tree/a", 1);
        int tree = openat(place->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dig(tree, "b", 1000);
        /* Names that removing would use itself. */
        put_file(tree, ".removed-0");
        dig(tree, ".removed-1", 70);
        assert_int_equal(mkdirat(tree, ".removed-2", 0700), 0);
        close(tree);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        few.rlim_max = before.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        assert_int_equal(files_remove(place->fd, "tree"), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(fstatat(place->fd, "tree", &st, 0), -1);
}

static void links_are_not_followed(void **state)
{
        const struct place *place = *state;
        struct stat st;

        assert_int_equal(mkdirat(place->fd, "kept", 0700), 0);
        put_file(place->fd, "kept/file");
        assert_int_equal(mkdirat(place->fd, "tree", 0700), 0);
        assert_int_equal(symlinkat("../kept", place->fd, "tree/link"), 0);
        assert_int_equal(symlinkat("kept", place->fd, "link"), 0);
        assert_int_equal(files_remove(place->fd, "tree"), 0);
        assert_int_equal(files_remove(place->fd, "link"), 0);
        assert_int_equal(fstatat(place->fd, "kept/file", &st, 0), 0);
        assert_int_equal(files_remove(place->fd, "kept"), 0);
        assert_int_equal(files_remove(place->fd, "kept"), 0);
}

/* The directory that is synced is the one that has the file, wherever this process stands: /proc cannot be synced. */
static void writing_elsewhere(void **state)
{
        const struct place *place = *state;
        char path[80], here[256];
        int r;

        assert_non_null(getcwd(here, sizeof(here)));
        (void)snprintf(path, sizeof(path), "%s/file", place->path);
        assert_int_equal(chdir("/proc"), 0);
        r = files_write(AT_FDCWD, path, "text", 4, 0600, true);
        assert_int_equal(chdir(here), 0);
        assert_int_equal(r, 0);
        assert_int_equal(files_write(place->fd, "file", "other", 5, 0600, true), 0);
        assert_int_equal(files_remove(place->fd, "file"), 0);
}

/* What is put into it gets the flag's effect and not the flag. */
static void spreading(void **state)
{
        struct place *place = *state;
        int flags = 0, r = files_spread(place->fd);

        if (r == 0) {
                assert_int_equal(ioctl(place->fd, FS_IOC_GETFLAGS, &flags), 0);
                assert_true((flags & FS_TOPDIR_FL) != 0);
        }
        /* Not of ext4. */
        assert_true(r == 0 || r == -ENOTTY || r == -EOPNOTSUPP);
        assert_int_equal(files_spread(place->fd), r);
        assert_int_equal(files_spread(-1), -EBADF);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_tree_deeper_than_descriptors, set_up, tear_down),
                cmocka_unit_test_setup_teardown(links_are_not_followed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(writing_elsewhere, set_up, tear_down),
                cmocka_unit_test_setup_teardown(spreading, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
