/* SPDX-License-Identifier: Apache-2.0 */
/* What micro-VMs boot is of the agent's own version or not taken: renewed by the script, or refused with what to do. */
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "microvm/vm_internal.h"

static char base[] = "/tmp/gantry-guest-image-XXXXXX";
static char *program, *script, *image;

static void write_file(const char *path, const char *text, mode_t mode)
{
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(0, fclose(f));
        assert_int_equal(0, chmod(path, mode));
}

static void make_image(const char *version)
{
        CLEANUP_FREE char *kernel = xprintf("%s/kernel", image), *initramfs = xprintf("%s/initramfs", image);

        assert_int_equal(0, files_make_dirs(image, 0755));
        write_file(kernel, version, 0644);
        write_file(initramfs, version, 0644);
}

/* What the copy of this program that is installed beside the script says of the image; 0 or the errno. */
static int prepare(char *said, size_t size)
{
        CLEANUP_FREE char *command = xprintf("%s %s 2>/dev/null", program, image);
        FILE *f = popen(command, "r");
        size_t n;
        int status;

        assert_non_null(f);
        n = fread(said, 1, size - 1, f);
        said[n] = '\0';
        status = pclose(f);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int setup(void **state)
{
        (void)state;
        (void)unlink(script);
        return files_remove(AT_FDCWD, image) < 0 && errno != ENOENT ? -1 : 0;
}

static void test_made_where_there_is_none(void **state)
{
        char said[1024];

        (void)state;
        write_file(script, "#!/bin/sh\nmkdir -p $1; echo new > $1/kernel; echo new > $1/initramfs\n", 0755);
        assert_int_equal(0, prepare(said, sizeof(said)));
        assert_string_equal(image, said);
}

static void test_old_one_is_renewed(void **state)
{
        CLEANUP_BUF struct buf text = {0};
        CLEANUP_FREE char *initramfs = xprintf("%s/initramfs", image);
        char said[1024];

        (void)state;
        make_image("old\n");
        write_file(script, "#!/bin/sh\necho new > $1/initramfs\n", 0755);
        assert_int_equal(0, prepare(said, sizeof(said)));
        assert_int_equal(0, buf_read_file(&text, initramfs, 16));
        assert_string_equal("new\n", text.data);
}

static void test_old_one_that_cannot_be_renewed_is_refused(void **state)
{
        CLEANUP_FREE char *expected = xprintf(
                "there is no image of this version for micro-VMs in %s, and making it has failed: make it with tools/microvm-image.sh %s",
                image, image);
        char said[1024];

        (void)state;
        make_image("old\n");
        write_file(script, "#!/bin/sh\nexit 1\n", 0755);
        assert_int_equal(EIO, prepare(said, sizeof(said)));
        assert_string_equal(expected, said);
}

static void test_script_that_makes_nothing(void **state)
{
        char said[1024];

        (void)state;
        write_file(script, "#!/bin/sh\nexit 0\n", 0755);
        assert_int_equal(ENOENT, prepare(said, sizeof(said)));
        assert_null(strstr(said, "has failed"));
        assert_non_null(strstr(said, "make it with"));
}

/* As where the image came with a package of its own. */
static void test_without_the_script(void **state)
{
        char said[1024];

        (void)state;
        assert_int_equal(ENOENT, prepare(said, sizeof(said)));
        make_image("packaged\n");
        assert_int_equal(0, prepare(said, sizeof(said)));
}

/* As the copy: prints the directory, or why not. */
static int answer(const char *dir)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct error error = {0};
        const char *found = NULL;
        int r = guest_image_prepare(dir, &arena, &found, &error);

        (void)fputs(r == 0 ? found : error.message, stdout);
        return -r;
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_made_where_there_is_none, setup),
                cmocka_unit_test_setup(test_old_one_is_renewed, setup),
                cmocka_unit_test_setup(test_old_one_that_cannot_be_renewed_is_refused, setup),
                cmocka_unit_test_setup(test_script_that_makes_nothing, setup),
                cmocka_unit_test_setup(test_without_the_script, setup),
        };
        int r;

        if (argc > 1)
                return answer(argv[1]);
        if (mkdtemp(base) == NULL)
                return 1;
        /* As installed: BASE/bin/PROGRAM, BASE/lib/gantry/SCRIPT. */
        program = xprintf("%s/bin/image", base);
        script = xprintf("%s/lib/gantry/microvm-image.sh", base);
        image = xprintf("%s/image", base);
        CLEANUP_FREE char *install = xprintf("mkdir -p %s/bin %s/lib/gantry && cp %s %s", base, base, argv[0], program);
        r = system(install) == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
        if (files_remove(AT_FDCWD, base) < 0)
                r = 1;
        free(program);
        free(script);
        free(image);
        return r;
}
