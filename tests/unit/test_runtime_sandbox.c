/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sandbox has of its own, with real containers: its disk (what fills it, what is shared, what a restart finds, what is left) and
 * the view of its size. Needs root, loop devices, and for the latter lxcfs.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "runtime_place.h"

#define MIB (INT64_C(1) << 20)

static const struct runtime_task_limits limits = {.disk_bytes = 64 * MIB};

/* Of a task whose containers are sandboxes. */
static struct runtime_container_spec disk_spec(const char *id, const char *script)
{
        struct runtime_container_spec spec = box_spec(id, script);

        spec.task_id = "disk1";
        spec.task_limits = &limits;
        spec.own_users = true;
        return spec;
}

static struct runtime_mount disk_volume(const char *name, const char *destination)
{
        return (struct runtime_mount){
                .source = arena_printf(&place_words, "%s/volumes/%s", runtime_disk_dir(place->runtime, "disk1", &place_words), name),
                .destination = destination,
                .create = true,
                .copy_up = true};
}

/* How many loop devices have a file of this place. */
static int count_devices(void)
{
        DIR *dir = opendir("/sys/block");
        struct dirent *entry;
        int n = 0;

        assert_non_null(dir);
        while ((entry = readdir(dir)) != NULL) {
                CLEANUP_FREE char *path = xprintf("/sys/block/%s/loop/backing_file", entry->d_name);
                CLEANUP_BUF struct buf text = {0};

                if (str_starts_with(entry->d_name, "loop") && buf_read_file(&text, path, 4096) == 0)
                        n += strstr(text.data, place->dir) != NULL;
        }
        closedir(dir);
        return n;
}

/* The device frees itself a moment after the last mount is gone. */
static void wait_for_devices(int wanted)
{
        for (int64_t end = place_now_ms() + 5000; count_devices() != wanted && place_now_ms() < end;)
                usleep(5000);
        assert_int_equal(count_devices(), wanted);
}

static void remove_task(void)
{
        CLEANUP_FREE char *image = xprintf("%s-disks/disk1.img", place->runtime_dir);

        runtime_task_remove(place->runtime, "disk1");
        for (int64_t end = place_now_ms() + 5000; access(image, F_OK) == 0 && place_now_ms() < end;)
                uv_run(&place->loop, UV_RUN_NOWAIT);
        assert_int_equal(access(image, F_OK), -1);
        wait_for_devices(0);
}

static void test_it_is_full_at_its_size(void **state)
{
        struct runtime_container_spec spec = disk_spec(
                "full",
                "df -m / | tail -1 | { read a size b; [ $size -le 64 -a $size -ge 55 ] && echo size ok; };"
                "fallocate -l 100m /a 2>&1 | grep -o 'No space'; dd if=/dev/zero of=/b bs=1M count=100 2>&1 | grep -o 'No space';"
                "rm /a /b; echo x >/data/v && echo volume ok; dd if=/dev/zero of=/data/c bs=1M count=100 2>&1 | grep -o 'No space'; "
                "cat /data/seed");
        struct statvfs before, after;
        char *output;
        uint64_t used, size;
        struct box box;

        (void)state;
        statvfs(place->dir, &before);
        box_start(&box, &spec);
        assert_int_equal(box.status, 0);
        WAIT(box.exited, 1);
        output = box_output(&box);
        assert_string_equal(output, "size ok\nNo space\nNo space\nvolume ok\nNo space\nseed\n");
        assert_int_equal(runtime_disk_usage(place->runtime, "disk1", &used, &size), 0);
        assert_in_range(used, 50 * MIB, 64 * MIB);
        assert_in_range(size, 55 * MIB, 64 * MIB);
        statvfs(place->dir, &after);
        assert_true((before.f_bavail - MIN(after.f_bavail, before.f_bavail)) * before.f_frsize < 80 * (uint64_t)MIB);
        box_remove(&box);
        remove_task();
}

static void test_containers_share_it(void **state)
{
        struct runtime_container_spec spec = disk_spec("one", "echo hello >/shared/x; stat -c %u /shared/x");
        struct runtime_mount mount = disk_volume("v", "/shared");
        char *first, *second;
        struct box one, two;

        (void)state;
        spec.mounts = &mount;
        spec.n_mounts = 1;
        box_start(&one, &spec);
        WAIT(one.exited, 1);
        first = box_output(&one);
        assert_string_equal(first, "0\n");
        assert_int_equal(count_devices(), 1);
        spec = disk_spec("two", "cat /shared/x");
        spec.mounts = &mount;
        spec.n_mounts = 1;
        box_start(&two, &spec);
        WAIT(two.exited, 1);
        second = box_output(&two);
        assert_string_equal(second, "hello\n");
        assert_int_equal(count_devices(), 1);
        box_remove(&one);
        box_remove(&two);
        remove_task();
}

static void adopt(struct box *box, const char *id)
{
        struct runtime_container *container = runtime_find(place->runtime, id);

        assert_non_null(container);
        box->container = container;
        runtime_container_adopt(container, &box_events, box);
}

/* The same device while a container has it, and the same files when none had. */
static void test_the_next_agent_finds_it(void **state)
{
        struct runtime_container_spec spec = disk_spec("stays", "echo kept >/shared/x; exec sleep 1000");
        struct runtime_mount mount = disk_volume("v", "/shared");
        char *output;
        struct error error = {0};
        struct box stays, later;

        (void)state;
        spec.mounts = &mount;
        spec.n_mounts = 1;
        box_start(&stays, &spec);
        usleep(100000);
        runtime_free(place->runtime);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        place_open();
        adopt(&stays, "stays");
        spec = disk_spec("later", "cat /shared/x; echo again >>/shared/x; cat /once 2>/dev/null; echo once >/once");
        mount = disk_volume("v", "/shared");
        spec.mounts = &mount;
        spec.n_mounts = 1;
        box_start(&later, &spec);
        WAIT(later.exited, 1);
        assert_int_equal(count_devices(), 1);
        runtime_stop(stays.container, 0);
        WAIT(stays.exited, 1);
        runtime_free(place->runtime);
        uv_run(&place->loop, UV_RUN_DEFAULT);
        wait_for_devices(0);
        place_open();
        adopt(&later, "later");
        WAIT(later.exited, 2);
        assert_int_equal(runtime_restart(later.container, &error), 0);
        WAIT(later.exited, 3);
        output = box_output(&later);
        assert_string_equal(output, "kept\nkept\nagain\nonce\n");
        box_remove(&later);
        stays.container = runtime_find(place->runtime, "stays");
        box_remove(&stays);
        remove_task();
}

/* Nothing of a disk is left, however far the start of its task had come. */
static void test_removed_at_any_time(void **state)
{
        (void)state;
        for (int i = 0; i < 24; i++) {
                struct runtime_container_spec spec = disk_spec("fleeting", "sleep 1000");
                struct box box = {0};
                int removed = 0;
                int64_t end;

                assert_int_equal(runtime_start(place->runtime, &spec, &box_events, &box, &box.container, NULL), 0);
                for (end = place_now_ms() + i * 3; place_now_ms() < end;)
                        uv_run(&place->loop, UV_RUN_NOWAIT);
                runtime_remove(box.container, box_on_removed, &removed);
                WAIT(removed, 1);
                remove_task();
        }
}

/* 512 MiB and half a processor, whatever the machine has. */
static void test_it_sees_its_size(void **state)
{
        static const struct runtime_task_limits size = {.cpu_millis = 500, .memory_bytes = 512 * MIB};
        struct runtime_container_spec spec = disk_spec("size", "grep MemTotal /proc/meminfo | tr -s ' '; grep -c ^processor /proc/cpuinfo;"
                                                               "cat /sys/devices/system/cpu/online; grep -c '^cpu[0-9]' /proc/stat");

        (void)state;
        if (access("/usr/bin/lxcfs", X_OK) < 0) {
                print_message("   lxcfs is not installed: install the package lxcfs\n");
                return;
        }
        spec.task_id = "size1";
        spec.task_limits = &size;
        spec.cpu_millis = 500;
        assert_string_equal(box_run_spec(&spec, 0), "MemTotal: 524288 kB\n1\n0\n1\n");
        runtime_task_remove(place->runtime, "size1");
}

int main(void)
{
        const struct CMUnitTest tests[] = {PLACE_TEST(test_it_is_full_at_its_size), PLACE_TEST(test_containers_share_it),
                                           PLACE_TEST(test_the_next_agent_finds_it), PLACE_TEST(test_removed_at_any_time),
                                           PLACE_TEST(test_it_sees_its_size)};

        if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) < 0) {
                print_message("needs root and loop devices\n");
                return 77;
        }
        return cmocka_run_group_tests(tests, place_set_up, place_tear_down);
}
